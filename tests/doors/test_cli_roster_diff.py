"""A pull request that changes a roster: whose shifts move, in sentences and as JSON, without a store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from opswatch.core.events import AddOverride
from tests.doors.terminal import CONFIG, Terminal


@pytest.fixture
def new(terminal: Terminal) -> Path:
    """A copy of the configuration to change, in a folder of its own."""
    folder = terminal.folder / "branch"
    folder.mkdir()
    for name in ("checks", "playbooks"):
        if (terminal.folder / name).exists():
            (folder / name).symlink_to(terminal.folder / name)
    path = folder / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


TURNS = 'participants = [["ana"], ["bo"]]'


def test_nothing_changes(terminal: Terminal, new: Path):
    said = terminal.says("roster", "diff", str(terminal.config), str(new), config=False)
    assert said.code == 0
    assert said.out == "Nothing changes in the next 30 days: primary, nights.\n"
    assert not (terminal.folder / "var").exists()


def test_each_shift_that_changes_hands_is_named_the_running_one_first(terminal: Terminal, new: Path):
    change(new, TURNS, 'participants = [["bo"], ["ana"]]')
    said = terminal.says("roster", "diff", str(terminal.config), str(new.parent), "--days", "10", config=False)
    assert said.code == 0, said.err
    first, running, *others, last = said.out.splitlines()
    assert first.startswith("primary: ") and first.endswith("shifts change hands in the next 10 days.")
    assert ", now running: " in running and "(Europe/Berlin) = " in running and "(UTC)" in running
    assert not any("now running" in line for line in others)
    assert {line.rpartition(": ")[2] for line in (running, *others) if line} == {"Ana Ruiz → Bo", "Bo → Ana Ruiz"}
    assert last == "Nothing changes in the next 10 days: nights."


def test_a_reader_of_chinese_reads_chinese(terminal: Terminal, new: Path):
    change(new, TURNS, 'participants = [["bo"]]')
    change(new, "[opswatch]", '[opswatch]\nlanguage = "zh"')
    said = terminal.says("roster", "diff", str(terminal.config), str(new), config=False).out
    assert "primary：今后 30 天有" in said and "Ana Ruiz → Bo" in said


def test_for_programs(terminal: Terminal, new: Path):
    change(new, TURNS, 'participants = [["bo"]]')
    change(new, 'id = "nights"', 'id = "late"')
    rows = terminal.says("roster", "diff", str(terminal.config), str(new), "--json", config=False).json
    assert [(row["roster"], row["change"], row["was"]) for row in rows] == [
        ("primary", "kept", "primary"),
        ("late", "renamed", "nights"),
    ]
    assert {(*shift["before"], *shift["after"]) for shift in rows[0]["shifts"]} == {("ana", "bo")}
    assert all(shift["start"].endswith("Z") for shift in rows[0]["shifts"])


def test_one_roster_only_and_an_unknown_one_is_refused(terminal: Terminal, new: Path):
    line = ("roster", "diff", str(terminal.config), str(new), "--roster")
    assert terminal.says(*line, "nights", config=False).out == "Nothing changes in the next 30 days: nights.\n"
    said = terminal.says(*line, "prime", config=False)
    assert (said.code, said.err) == (1, "There is no roster prime. Known: primary, nights.\n")


def test_a_mistake_on_either_side_is_told_with_its_place(terminal: Terminal, new: Path):
    change(new, TURNS, 'participants = [["bob"]]')
    said = terminal.says("roster", "diff", str(terminal.config), str(new), config=False)
    assert said.code == 2
    assert "no person has this id" in said.err and "shifts that would be nobody's" in said.err


def test_stored_overrides_count_when_asked_for(terminal: Terminal, new: Path):
    change(new, TURNS, 'participants = [["bo"], ["ana"]]')
    line = ("roster", "diff", str(terminal.config), str(new), "--json")
    with terminal.office() as office:
        at = office.now()
        nobody = AddOverride("primary", at - timedelta(days=100), at + timedelta(days=100), shifts=(), by="lead")
        office.desk.apply(nobody)
    assert terminal.says(*line, config=False).json[0]["shifts"]
    assert terminal.says(*line, "--with-overrides", config=False).json[0]["shifts"] == []

"""What duty costs each person, at the terminal; what is proposed can be pasted, and does what it says."""

from __future__ import annotations

import csv
import io
import shlex

import pytest

from tests.doors.terminal import CONFIG, Terminal

UNEVEN = """
[[person]]
id = "cy"
contact = { console = "cy" }
[[roster]]
id = "uneven"
timezone = "UTC"
[[roster.layer]]
id = "days"
participants = [["ana"], ["bo"], ["cy"], ["ana"], ["bo"], ["lead"], ["lead"]]
turn = "1 day"
starts = 2026-01-05T09:00:00
"""


def test_a_table_for_people_csv_for_spreadsheets_json_for_programs(terminal: Terminal):
    span = ("--from", "2026-01-05T08:00:00Z", "--to", "2026-01-19T08:00:00Z", "--roster", "primary")
    said = terminal.says("roster", "fairness", *span)
    assert said.code == 0 and "Ana Ruiz (ana)" in said.out and "AT NIGHT" in said.out
    rows = terminal.says("roster", "fairness", *span, "--json").json
    by_person = {row["person"]: row for row in rows}
    assert by_person["ana"]["hours"] == by_person["bo"]["hours"] == 168.0
    assert by_person["ana"]["weekend_hours"] == 48.0
    table = list(csv.DictReader(io.StringIO(terminal.says("roster", "fairness", *span, "--csv").out)))
    assert [(row["person"], float(row["hours"])) for row in table] == [(row["person"], row["hours"]) for row in rows]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["--roster", "primray"], 1),
        (["--team", "nobodys"], 1),
        (["--from", "2026-02-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"], 2),
        (["--csv", "--json"], 2),
        (["--propose", "--from", "2020-01-01T00:00:00Z"], 2),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(terminal: Terminal, given, code):
    said = terminal.says("roster", "fairness", *given)
    assert said.code == code and said.err


def test_what_is_proposed_can_be_pasted_and_does_what_it_says(terminal: Terminal):
    terminal.writes(CONFIG + UNEVEN)
    terminal.is_used_by("lena")
    span = ("--roster", "uneven", "--from", "2099-01-05T00:00:00Z", "--days", "56")
    proposed = terminal.says("roster", "fairness", *span, "--propose", "--json").json
    assert proposed["swaps"] and proposed["spread_after"] < proposed["spread_before"]
    text = terminal.says("roster", "fairness", *span, "--propose").out
    commands = [line for line in text.splitlines() if not line.startswith("#")]
    assert commands == [line for swap in proposed["swaps"] for line in swap["commands"]]
    for line in commands:
        word, *rest = shlex.split(line)
        assert word == "opswatch"
        said = terminal.says(*rest)
        assert said.code == 0, said
    loads = {row["person"]: row["load"] for row in terminal.says("roster", "fairness", *span, "--json").json}
    assert loads == pytest.approx(proposed["after"])

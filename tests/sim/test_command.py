"""`opswatch simulate`: a year by one's own configuration, in words of the reader, with nothing stored."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from opswatch.core.engine import Engine
from opswatch.core.events import Tick
from tests.doors.terminal import CONFIG, Terminal

SPAN = ("--from", "2027-01-01T00:00:00Z", "--days", "60")


@pytest.fixture
def terminal(tmp_path, monkeypatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def test_the_report_says_who_is_woken_and_where_the_roster_has_a_gap(terminal):
    said = terminal.says("simulate", *SPAN)
    assert said.code == 0
    assert "# acme: 60 days on call, simulated" in said.out
    assert "| Ana Ruiz |" in said.out
    assert "nights: 2027-01-01 01:00 to 2027-03-02 01:00 (60d), the fallback is paged" in said.out
    assert "45 % at night" in said.out
    assert said.err == ""


def test_it_stores_nothing(terminal):
    terminal.says("simulate", *SPAN)
    assert not (terminal.folder / "var").exists()


def test_it_speaks_to_the_reader_in_their_language(terminal):
    terminal.is_used_by("bo")
    said = terminal.says("simulate", *SPAN)
    assert "# acme：模拟值班 60 天" in said.out
    assert "（Asia/Shanghai）" in said.out


def test_json_is_for_programs_and_several_lives_add_up(terminal):
    said = terminal.says("simulate", *SPAN, "--seeds", "3", "--json")
    report = said.json
    assert report["from"] == "2027-01-01T00:00:00Z"
    assert report["until"] == "2027-03-02T00:00:00Z"
    assert (report["lives"], report["seeds"]) == (3, [1, 2, 3])
    assert sum(report["incidents"].values()) == sum(report["incidents_per_week"])
    assert report["parameters"]["answers"]["night"] == {"probability": 0.45, "after": "6m"}
    assert said.err.count("seed ") == 3  # one line for each life: this is no terminal


def test_the_same_seed_gives_the_same_report(terminal):
    first, again, other = (terminal.says("simulate", *SPAN, "--seed", seed).out for seed in ("7", "7", "8"))
    assert first == again != other


def test_other_numbers_come_from_a_file(terminal):
    numbers = terminal.folder / "deaf.toml"
    numbers.write_text('[answers]\nnight = { probability = 0.01, after = "1h" }\n', encoding="utf-8")
    said = terminal.says("simulate", *SPAN, "--answers", str(numbers), "--json")
    assert said.json["parameters"]["answers"]["night"] == {"probability": 0.01, "after": "1h"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[answers]\nnigth = {}\n", "answers.nigth: no such key; did you mean 'night'?"),
        ("[answers\n", "Expected"),
    ],
)
def test_numbers_that_are_none_are_refused_with_the_place(terminal, text, words):
    numbers = terminal.folder / "wrong.toml"
    numbers.write_text(text, encoding="utf-8")
    said = terminal.says("simulate", "--answers", str(numbers))
    assert said.code == 2
    assert words in said.err
    assert terminal.says("simulate", "--answers", "/nowhere.toml").code == 2


@pytest.mark.parametrize("line", [("--from", "noon-ish"), ("--until", "2020-01-01T00:00:00Z"), ("--days", "0")])
def test_a_span_that_is_none_is_refused(terminal, line):
    assert terminal.says("simulate", *line).code == 2


def test_a_mistake_in_the_configuration_is_said_as_everywhere(terminal):
    terminal.writes(CONFIG.replace('page = ["person:lead"]', 'page = ["person:lena"]'))
    said = terminal.says("simulate", *SPAN)
    assert said.code == 2
    assert "person:lena" in said.err


def test_a_broken_law_prints_the_command_that_shows_it_again(terminal, monkeypatch):
    """The engine is made to sleep through its deadlines; the command it prints breaks the same law at the same step."""
    step = Engine.step

    def sleeps(self, state, event, now):
        return (
            step(self, state, event, now)
            if not isinstance(event, Tick)
            else (type(step(self, state, event, now)[0])(), [])
        )

    monkeypatch.setattr(Engine, "step", sleeps)
    said = terminal.says("simulate", *SPAN, "--rough", "--seed", "3")
    assert said.code == 1
    assert "something was due" in said.err
    command = said.err.strip().splitlines()[-1].split()
    assert command[:4] == ["opswatch", "-c", str(terminal.config), "simulate"]
    assert {"--seed", "3", "--rough", "--from", "2027-01-01T00:00:00Z", "--until"} <= set(command)
    again = terminal.says(*command[3:])
    assert again.code == 1
    assert again.err.splitlines()[0] == said.err.splitlines()[0]


def test_both_languages_say_everything():
    def keys(language: str) -> set[tuple[str, str]]:
        text = files("opswatch").joinpath("locale", f"simulate.{language}.toml").read_text(encoding="utf-8")
        return {(section, key) for section, words in tomllib.loads(text).items() for key in words}

    assert keys("en") == keys("zh")

"""Who is on call at the terminal: gaps and fallbacks as such, times in the reader's zone, overrides in every form."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from opswatch.cli import shown
from tests.doors.terminal import Terminal

# Ana's turns begin on Monday 5 January 2026 at nine in Berlin, and every second week.
ANAS = "2026-01-06T12:00:00Z"
BOS = "2026-01-13T12:00:00Z"


def test_who_is_on_call_now_needs_no_daemon(terminal: Terminal):
    said = terminal.says("who")
    assert said.code == 0
    assert said.out.startswith("primary: ")
    assert "nights: Lena (lead), as fallback: nobody is on call" in said.out


def test_who_was_on_call_then_in_the_format_of_the_contract(terminal: Terminal):
    assert terminal.says("who", "--roster", "primary", "--at", ANAS, "--json").json == [
        {
            "roster": "primary",
            "at": "2026-01-06T12:00:00Z",
            "on_call": ["ana"],
            "fallback": False,
            "layer": "weekly",
            "from": "2026-01-05T08:00:00Z",
            "until": "2026-01-12T08:00:00Z",
            "next": ["bo"],
        }
    ]


def test_a_fallback_is_shown_as_such(terminal: Terminal):
    [row] = terminal.says("who", "--roster", "nights", "--at", ANAS, "--json").json
    assert (row["on_call"], row["fallback"], row["layer"]) == (["lead"], True, None)


def test_times_are_the_readers_own_with_their_zone(terminal: Terminal):
    assert "until Mon 2026-01-12 09:00 (Europe/Berlin), then Bo (bo)" in terminal.says("who", "--at", ANAS).out
    terminal.is_used_by("bo")
    assert "until Mon 2026-01-12 16:00 (Asia/Shanghai)" in terminal.says("who", "--at", ANAS).out
    terminal.is_used_by("mallory")
    assert "until Mon 2026-01-12 08:00 (UTC)" in terminal.says("who", "--at", ANAS).out


@pytest.mark.parametrize(
    ("at", "instant"),
    [
        ("2026-12-25 03:00 Asia/Shanghai", "2026-12-24T19:00:00Z"),
        ("2026-12-25T03:00:00+08:00", "2026-12-24T19:00:00Z"),
        ("2026-12-25 03:00", "2026-12-25T02:00:00Z"),  # Ana's own zone
        ("2026-03-29 02:30", "2026-03-29T01:00:00Z"),  # a time her clocks jump over: the first that is
    ],
)
def test_times_may_be_typed_as_people_say_them(terminal: Terminal, at: str, instant: str):
    assert terminal.says("who", "--roster", "primary", "--at", at, "--json").json[0]["at"] == instant


def test_an_unknown_roster_is_refused_with_those_that_are(terminal: Terminal):
    for line in (("who", "--roster", "prime"), ("roster", "show", "prime")):
        said = terminal.says(*line)
        assert said.code == 1
        assert said.err == "There is no roster prime. Known: primary, nights.\n"


def test_the_shifts_of_a_roster_in_the_format_of_the_contract(terminal: Terminal):
    line = ("roster", "show", "primary", "--from", "2026-01-10T00:00:00Z", "--to", "2026-01-14T00:00:00Z")
    assert terminal.says(*line, "--json").json == [
        {
            "start": "2026-01-10T00:00:00Z",
            "end": "2026-01-12T08:00:00Z",
            "people": ["ana"],
            "layer": "weekly",
            "override": None,
        },
        {
            "start": "2026-01-12T08:00:00Z",
            "end": "2026-01-14T00:00:00Z",
            "people": ["bo"],
            "layer": "weekly",
            "override": None,
        },
    ]
    shown = terminal.says(*line).out
    assert "FROM (Europe/Berlin)" in shown
    assert "Mon 2026-01-12 09:00" in shown


def test_times_of_a_roster_are_read_in_its_own_zone(terminal: Terminal):
    line = ("roster", "show", "primary", "--from", "2026-01-12", "--to", "2026-01-13", "--json")
    assert terminal.says(*line).json[0]["start"] == "2026-01-11T23:00:00Z"


def test_a_span_that_ends_before_it_begins_is_usage(terminal: Terminal):
    said = terminal.says("roster", "show", "primary", "--from", "2026-01-14", "--to", "2026-01-13")
    assert said.code == 2
    assert "must be after --from" in said.err


# ---------------------------------------------------------------------------------------------------------------------
# Overrides


def span(*more: str, roster: str = "primary") -> tuple[str, ...]:
    line = ("override", "add", "--roster", roster)
    return (*line, "--from", "2026-01-06T00:00:00Z", "--to", "2026-01-07T00:00:00Z", *more)


def on_call(terminal: Terminal, at: str = ANAS) -> list[str]:
    people: list[str] = terminal.says("who", "--roster", "primary", "--at", at, "--json").json[0]["on_call"]
    return people


def test_somebody_for_somebody(terminal: Terminal):
    said = terminal.says(*span("--replace", "ana", "--by", "bo", "--reason", "dentist"))
    assert said.code == 0
    assert "Override 1 of primary is in place." in said.out
    assert "From Tue 2026-01-06 01:00 (Europe/Berlin) to Wed 2026-01-07 01:00 (Europe/Berlin)." in said.out
    assert on_call(terminal) == ["bo"]
    assert on_call(terminal, BOS) == ["bo"]


def test_somebody_as_well_and_somebody_less_are_for_leads(terminal: Terminal):
    assert terminal.says(*span("--add", "lead")).code == 1
    terminal.is_used_by("lena")
    assert terminal.says(*span("--add", "lead")).code == 0
    assert on_call(terminal) == ["ana", "lead"]
    assert terminal.says(*span("--remove", "ana")).code == 0
    assert on_call(terminal) == ["lead"]


def test_a_schedule_from_a_file(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("lena")
    file = tmp_path / "holidays.toml"
    file.write_text(
        '[[shift]]\nfrom = 2026-01-06T01:00:00\nto = 2026-01-06T09:00:00\npeople = ["lead"]\n'
        '[[shift]]\nfrom = 2026-01-06T08:00:00Z\nto = 2026-01-06T20:00:00Z\npeople = ["bo", "ana"]\n'
    )
    assert terminal.says(*span("--schedule", str(file))).code == 0
    assert on_call(terminal, "2026-01-06T00:30:00Z") == ["lead"], "local to the roster's zone"
    assert on_call(terminal) == ["bo", "ana"]
    assert on_call(terminal, "2026-01-06T21:00:00Z") == []


def test_a_schedule_without_shifts_is_nobody(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("lena")
    (tmp_path / "nobody.toml").write_text("")
    assert terminal.says(*span("--schedule", str(tmp_path / "nobody.toml"))).code == 0
    assert on_call(terminal) == []
    assert "primary: nobody" in terminal.says("who", "--at", ANAS).out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[shift]]\n", "shift 1: needs from, to and people"),
        ('[[shift]]\nfrom = "soon"\nto = 2026-01-07T00:00:00Z\npeople = ["bo"]\n', "shift 1: from is a time"),
        ("[[shift]]\nfrom = 2026-01-07T00:00:00Z\nto = 2026-01-06T00:00:00Z\npeople = []\n", "to must be after from"),
        ("[[shift]]\nfrom = 2026-01-06T00:00:00Z\nto = 2026-01-07T00:00:00Z\npeople = 'bo'\n", "people is a list"),
        ("[[shifts]]\n", "holds [[shift]] tables and nothing else"),
        ("shift = ", "Invalid value"),
    ],
)
def test_a_schedule_that_cannot_be_read_says_where(terminal: Terminal, tmp_path: Path, text: str, words: str):
    (tmp_path / "s.toml").write_text(text)
    said = terminal.says(*span("--schedule", str(tmp_path / "s.toml")))
    assert said.code == 2
    assert words in said.err
    assert "s.toml" in said.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "Say one of: --replace A --by B, --add B, --remove A, --schedule FILE."),
        (("--replace", "ana"), "--replace A and --by B belong together."),
        (("--by", "ana"), "--replace A and --by B belong together."),
        (("--add", "bo", "--remove", "ana"), "Say one of:"),
        (("--schedule", "not-there.toml"), "not-there.toml"),
    ],
)
def test_exactly_one_form(terminal: Terminal, more: tuple[str, ...], words: str):
    said = terminal.says(*span(*more))
    assert said.code == 2
    assert words in said.err


def test_what_the_desk_refuses_is_refused_here(terminal: Terminal):
    terminal.is_used_by("lena")
    assert "Nobody is called eve." in terminal.says(*span("--add", "eve")).err
    assert "There is no roster prime." in terminal.says(*span("--add", "bo", roster="prime")).err
    assert terminal.says(*span("--add", "bo")).code == 0
    said = terminal.says(*span("--add", "bo"))
    assert said.code == 1
    assert "Override 1 of primary" in said.err


def test_overrides_are_listed_and_ended_whole_or_in_part(terminal: Terminal):
    terminal.is_used_by("lena")
    terminal.says(*span("--add", "lead", "--reason", "launch"))
    assert terminal.says("override", "list").out == "There are no overrides.\n", "it is over"
    assert "lead as well" in terminal.says("override", "list", "--all").out
    assert (
        terminal.says("override", "remove", "1", "--from", "2026-01-06T06:00:00Z", "--to", "2026-01-06T18:00:00Z").code
        == 0
    )
    kept = terminal.says("override", "list", "--all", "--json").json
    assert [(row["from"], row["to"]) for row in kept] == [
        ("2026-01-06T00:00:00Z", "2026-01-06T06:00:00Z"),
        ("2026-01-06T18:00:00Z", "2026-01-07T00:00:00Z"),
    ]
    assert {row["reason"] for row in kept} == {"launch"}
    for row in kept:
        assert terminal.says("override", "remove", str(row["id"])).code == 0
    assert on_call(terminal) == ["ana"]
    assert terminal.says("override", "remove", "9").code == 1


def test_eighty_columns_hold_a_table_of_shifts_and_a_calendar(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(shown, "_is_terminal", lambda: True)
    table = click.unstyle(terminal.says("roster", "show", "primary", "--from", "2026-11-02", "--to", "2026-11-30").out)
    assert all(re.match(r"FROM|(\w{3} \d{4}-\d\d-\d\d \d\d:\d\d +){2}", line) for line in table.splitlines())
    assert "CHANGED BY" not in table
    days = click.unstyle(terminal.says("roster", "coverage", "--days", "5").out)
    assert all(len(line) <= 80 for line in re.findall(r"^  \w{3} \d{4}-\d\d-\d\d  .*", days, re.MULTILINE))


def test_parts_of_a_line_are_never_broken():
    assert shown.lines_of(["one", "two", "three"], 9) == ["one; two;", "three"]
    assert shown.lines_of(["陈伟", "李娜"], 9) == ["陈伟;", "李娜"]
    assert shown.lines_of([], 9) == [""]

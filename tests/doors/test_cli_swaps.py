"""Swaps, covers and absences at the terminal: what changes is read before it is made, in words and both zones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.doors.terminal import Terminal

BOS_WEEK = ("--from", "2030-01-21T08:00:00Z", "--to", "2030-01-22T08:00:00Z")
REPLACED = ("override", "add", "--roster", "primary", *BOS_WEEK, "--replace", "bo", "--by", "ana")


def test_a_dry_run_shows_who_instead_of_whom_and_makes_nothing(terminal: Terminal):
    terminal.is_used_by("lena")
    said = terminal.says(*REPLACED, "--dry-run")
    assert said.code == 0
    assert said.out.startswith("Nothing has been changed. This is what it would do:\n")
    both = "Mon 21 Jan 08:00 – Tue 22 Jan 08:00 (UTC) = Mon 21 Jan 09:00 – Tue 22 Jan 09:00 (Europe/Berlin)"
    assert f"- primary, {both}: Ana Ruiz instead of Bo" in said.out
    assert terminal.says("override", "list", "--json").json == []
    assert terminal.says(*REPLACED).code == 0
    removed = terminal.says("override", "remove", "1", "--dry-run", "--json").json
    assert (removed["done"], removed["dry_run"]) == (False, True)
    assert removed["facts"]["changes"][0][3:] == [["ana"], ["bo"]]
    assert len(terminal.says("override", "list", "--json").json) == 1


def test_an_override_that_changes_nothing_says_so(terminal: Terminal):
    terminal.is_used_by("lena")
    said = terminal.says("override", "add", "--roster", "primary", *BOS_WEEK, "--remove", "ana")
    assert "It changes nothing as things stand; on call then: Bo." in said.out


def test_a_schedule_shows_its_difference_too(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("lena")
    file = tmp_path / "week.toml"
    file.write_text('[[shift]]\nfrom = 2030-01-21T08:00:00Z\nto = 2030-01-21T20:00:00Z\npeople = ["lead"]\n')
    said = terminal.says("override", "add", "--roster", "primary", *BOS_WEEK, "--schedule", str(file), "--dry-run")
    assert "Lena instead of Bo" in said.out
    assert "nobody instead of Bo" in said.out


def test_a_swap_goes_from_asked_to_taken(terminal: Terminal):
    terminal.is_used_by("bo")
    asked = terminal.says("swap", "ask", "--roster", "primary", "--cover", *BOS_WEEK, "--reason", "婚礼", "--json").json
    assert (asked["done"], asked["facts"]["people"]) == (True, ["ana"])
    assert "不能接自己的班" in terminal.says("swap", "accept", "1").err
    terminal.is_used_by("ana")
    assert "asked ana" in terminal.says("swap", "list").out
    assert terminal.says("swap", "accept", "1", "--dry-run").code == 0
    assert terminal.says("swap", "list", "--json").json[0]["status"] == "open"
    said = terminal.says("swap", "accept", "#1")
    assert (said.code, "Ana Ruiz instead of Bo" in said.out) == (0, True)
    [row] = terminal.says("swap", "list", "--all", "--json").json
    assert (row["status"], row["taken"][0]["person"]) == ("taken", "ana")
    assert terminal.says("swap", "list").out == "Nobody asks for anything.\n"


def test_half_a_span_is_a_mistake_of_usage(terminal: Terminal):
    assert terminal.says("swap", "accept", "1", "--from", "18:00").code == 2
    assert terminal.says("swap", "ask", "--roster", "primary", "--cover", "--return-from", "1h").code == 2


def test_an_absence_of_days_is_the_persons_own_days(terminal: Terminal):
    terminal.is_used_by("lena")
    terminal.says("absence", "add", "--person", "bo", "--from", "2030-01-21", "--to", "2030-01-22", "--reason", "trip")
    [row] = terminal.says("absence", "list", "--json").json
    assert (row["person"], row["from"], row["to"]) == ("bo", "2030-01-20T16:00:00Z", "2030-01-22T16:00:00Z")
    assert terminal.says("absence", "remove", "1").code == 0
    assert terminal.says("absence", "list").out == "Nobody is away.\n"


def test_an_absence_lists_the_shifts_it_touches_and_asks_for_covers(terminal: Terminal):
    terminal.is_used_by("ana")
    said = terminal.says("absence", "add", "--from", "now", "--to", "20d")
    assert "On call all the same:\n- primary, " in said.out
    assert "Asked to cover: request 1" in said.out
    [row] = terminal.says("absence", "list", "--json").json
    assert row["conflicts"]
    assert terminal.says("swap", "list", "--json").json[0]["absence"] == 1


def ics(terminal: Terminal, tmp_path: Path, *days: int) -> Path:
    with terminal.office() as office:
        today = office.now().date()
    events = "".join(
        f"BEGIN:VEVENT\r\nUID:e{day}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:leave\r\n"
        f"DTSTART;VALUE=DATE:{today + timedelta(days=day):%Y%m%d}\r\nEND:VEVENT\r\n"
        for day in days
    )
    file = tmp_path / "leave.ics"
    file.write_bytes(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{events}END:VCALENDAR\r\n".encode())
    return file


def test_a_calendar_is_imported_and_imported_again(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("ana")
    line = ("absence", "import", str(ics(terminal, tmp_path, 5, 12)), "--person", "ana", "--no-cover")
    assert "2 new, 0 moved, 0 gone, 0 as before" in terminal.says(*line, "--dry-run").out
    assert "2 new, 0 moved, 0 gone, 0 as before" in terminal.says(*line).out
    assert "0 new, 0 moved, 0 gone, 2 as before" in terminal.says(*line).out
    ics(terminal, tmp_path, 12)
    assert "0 new, 0 moved, 1 gone, 1 as before" in terminal.says(*line).out
    [row] = terminal.says("absence", "list", "--json").json
    assert (row["source"], row["uid"]) == ("leave.ics", "e12")


def test_a_calendar_of_somebody_else_needs_a_lead(terminal: Terminal, tmp_path: Path):
    terminal.is_used_by("ana")
    said = terminal.says("absence", "import", str(ics(terminal, tmp_path, 5)), "--person", "bo")
    assert (said.code, said.err) == (1, "That needs the role lead.\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [("BEGIN:VCALENDAR\nfoo\n", "line 2: 'foo' is no line of a calendar"), ("", "line 1: it is empty")],
)
def test_a_broken_calendar_is_a_mistake_with_its_line(terminal: Terminal, tmp_path: Path, text: str, words: str):
    terminal.is_used_by("ana")
    file = tmp_path / "broken.ics"
    file.write_text(text)
    said = terminal.says("absence", "import", str(file), "--person", "ana")
    assert said.code == 2
    assert words in said.err

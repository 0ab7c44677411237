"""The duty log at the terminal: what a shift saw, and lines that people add."""

from __future__ import annotations

from tests.doors.terminal import Terminal


def test_a_line_that_belongs_to_no_incident_is_in_the_log(terminal: Terminal):
    assert terminal.says("dutylog", "note", "batch", "ran", "late,", "told", "finance").code == 0
    said = terminal.says("dutylog", "show", "--roster", "primary")
    assert said.code == 0
    assert said.out.startswith("# Duty log: primary")
    assert "batch ran late, told finance" in said.out


def test_the_log_tells_what_was_done(terminal: Terminal):
    terminal.fails()
    terminal.says("ack", "1")
    terminal.says("note", "1", "replica", "rebuilt")
    shown = terminal.says("dutylog", "show", "--roster", "primary", "--json").json
    assert shown["roster"] == "primary"
    assert "db is broken on db-1" in shown["markdown"]
    assert "replica rebuilt" in shown["markdown"]


def test_it_is_in_the_readers_language(terminal: Terminal):
    terminal.is_used_by("bo")
    shown = terminal.says("dutylog", "show", "--roster", "primary").out
    assert any("一" <= letter <= "鿿" for letter in shown.splitlines()[0])


def test_an_unknown_roster_is_refused(terminal: Terminal):
    said = terminal.says("dutylog", "show", "--roster", "prime")
    assert (said.code, said.err) == (1, "There is no roster prime. Known: primary, nights.\n")


def test_a_note_without_words_is_usage(terminal: Terminal):
    assert terminal.says("dutylog", "note").code == 2
    assert terminal.says("dutylog", "note", " ").code == 1

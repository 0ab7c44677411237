"""`opswatch maintenance`: which windows there are, and when exactly they hold."""

from __future__ import annotations

import pytest

from tests.doors.terminal import CONFIG, Terminal

WINDOWS = """
[[maintenance]]
id = "weekly-batch"
match = { target = "db-1" }
cron = "30 2 * * sun"
timezone = "Europe/Berlin"
lasts = "2h"
reason = "index rebuild"
owner = "ana"
[[maintenance]]
id = "move"
match = { service = "orders" }
from = 2020-01-01T00:00:00
to = 2020-01-02T00:00:00
reason = "data centre move"
owner = "lead"
"""


@pytest.fixture
def windows(terminal: Terminal) -> Terminal:
    terminal.writes(CONFIG + WINDOWS)
    return terminal


def test_windows_are_listed_with_their_next_time(windows: Terminal):
    said = windows.says("maintenance", "list")
    assert (said.code, "weekly-batch" in said.out, "target=db-1" in said.out) == (0, True, True)
    batch, move = windows.says("maintenance", "list", "--json").json
    assert (batch["timezone"], len(batch["next"]), move["next"]) == ("Europe/Berlin", 1, [])


def test_a_preview_names_local_times_with_their_offset(windows: Terminal):
    said = windows.says("maintenance", "preview", "weekly-batch", "--count", "60")
    assert said.code == 0
    assert "+01:00" in said.out and "+02:00" in said.out  # A year has both.
    assert len(windows.says("maintenance", "preview", "weekly-batch", "--json").json["next"]) == 10
    assert "does not come again" in windows.says("maintenance", "preview", "move").out


def test_a_window_that_nobody_wrote_is_refused_with_the_nearest_name(windows: Terminal):
    said = windows.says("maintenance", "preview", "weekly-bach")
    assert said.code == 1
    assert "weekly-batch" in said.err


def test_without_windows_it_says_so(terminal: Terminal):
    assert terminal.says("maintenance", "list").out == "There are no maintenance windows.\n"
    assert terminal.says("maintenance", "list", "--json").json == []


def test_a_silence_with_a_typing_mistake_is_answered_with_what_was_meant(terminal: Terminal):
    terminal.fails()
    said = terminal.says("silence", "add", "service=orders", "--for", "2h", "--reason", "rebuild")
    assert "It matches 1 failing now." in said.out
    said = terminal.says("silence", "add", "servce=orders", "--for", "2h", "--reason", "rebuild")
    assert "Nothing here has servce: is it written right? Did you mean service?" in said.out

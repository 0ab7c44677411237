"""Times as people type them, and how they are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opswatch.cli import times

NOW = datetime(2026, 11, 16, 20, 30, tzinfo=UTC)  # a Monday; half past nine in the evening in Berlin


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-11-16T20:30:00"),
        ("2026-11-17T09:00:00Z", "2026-11-17T09:00:00"),
        ("2026-11-17t09:00:00z", "2026-11-17T09:00:00"),
        ("2026-11-17T09:00:00+08:00", "2026-11-17T01:00:00"),
        ("2026-11-17 09:00", "2026-11-17T08:00:00"),
        ("2026-11-17", "2026-11-16T23:00:00"),
        ("2026-12-25 03:00 Asia/Shanghai", "2026-12-24T19:00:00"),
        ("2026-12-25 03:00 UTC", "2026-12-25T03:00:00"),
        ("2026-12-25 utc", "2026-12-25T00:00:00"),
        ("tomorrow 09:00", "2026-11-17T08:00:00"),
        ("tomorrow 09:00 America/New_York", "2026-11-17T14:00:00"),
        ("fri 18:00", "2026-11-20T17:00:00"),
        ("22:00", "2026-11-16T21:00:00"),
        ("09:00", "2026-11-17T08:00:00"),
        ("2h", "2026-11-16T22:30:00"),
        ("in 90m", "2026-11-16T22:00:00"),
        ("2h ago", "2026-11-16T18:30:00"),
        ("7d ago", "2026-11-09T20:30:00"),
        ("明天 09:00", "2026-11-17T08:00:00"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00"),  # twice on Berlin's clocks: the first
        ("2026-03-29 02:30", "2026-03-29T01:00:00"),  # never on Berlin's clocks: the first after the jump
    ],
)
def test_what_a_time_means(text: str, instant: str):
    assert times.read(text, NOW, "Europe/Berlin") == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "tomorrow", "2h 18:00", "ago"])
def test_what_is_no_time_says_what_one_looks_like(text: str):
    with pytest.raises(ValueError, match="is no time: write '2026-12-25T03:00:00Z'"):
        times.read(text, NOW, "Europe/Berlin")


def test_an_unknown_zone_is_named():
    with pytest.raises(ValueError, match="no time zone is called 'Mars/Olympus'"):
        times.read("09:00 Mars/Olympus", NOW, "UTC")


def test_a_time_is_shown_with_its_zone():
    assert times.named(NOW, "Asia/Shanghai") == "Tue 2026-11-17 04:30 (Asia/Shanghai)"
    assert times.local(None, "UTC") == times.named(None, "UTC") == ""


def test_how_far_away():
    assert times.away(NOW, NOW) == "now"
    assert times.away(NOW.replace(hour=21, minute=0), NOW) == "in 30m"
    assert times.away(NOW.replace(day=14), NOW) == "2d ago"

"""Laws of rosters over random layers, windows and overrides near clock changes, minute by minute against the oracle."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from opswatch.core.calendars import instant, reading
from opswatch.core.shifts import Turns
from tests.core.clock_changes import FUZZ_ZONES, ZONES, changes
from tests.core.duty import Duty, layer
from tests.core.roster_fuzz import difference, shrunk, told
from tests.core.roster_oracle import RosterOracle, at, minute
from tests.core.roster_worlds import world, world_around

DAY = timedelta(days=1)
AROUND = 3 * DAY
NIGHTLY = "OPSWATCH_NIGHTLY" in os.environ
EXAMPLES = 10_000 if NIGHTLY else 10


# ---------------------------------------------------------------------------------------------------------------------
# Tables: every change of every zone


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("turn", ["1 week", "1 day", "1 hour", "5 hours"])
def test_turns_tile_time_over_every_change(zone_name, turn):
    turns = Turns(layer("A B C", "2020-01-06T02:30", turn, zone=zone_name), None)
    for change in changes(zone_name):
        found = turns.between(change - AROUND, change + AROUND)
        assert (found[0].start, found[-1].end) == (change - AROUND, change + AROUND)
        assert all(one.start < one.end for one in found)
        for one, other in pairwise(found):
            assert one.end == other.start
            assert other.slot == one.slot + 1 or other.start == change  # Clocks may jump over a whole hour's slot.
            assert reading(other.start, zone_name).minute == 30 or other.start == change


@pytest.mark.parametrize("zone_name", ZONES)
def test_a_weekly_roster_hands_over_at_the_same_reading_for_sixteen_years(zone_name):
    start, end = instant(datetime.fromisoformat("2020-01-13T09:00"), zone_name), datetime(2036, 1, 1, tzinfo=UTC)
    shifts = Duty(layer("A B C", "2020-01-06T09:00", zone=zone_name)).shifts(start, end)
    assert {f"{reading(shift.start, zone_name):%a %H:%M}" for shift in shifts} == {"Mon 09:00"}
    assert all(one.end == other.start for one, other in pairwise(shifts))
    assert len(shifts) == 834


# ---------------------------------------------------------------------------------------------------------------------
# Random rosters


@pytest.mark.parametrize("number", range(EXAMPLES))
def test_the_resolver_agrees_with_the_oracle_at_every_minute(number):
    assert told(f"law:{number}") is None


@pytest.mark.parametrize("zone_name", FUZZ_ZONES if NIGHTLY else ["Australia/Lord_Howe"])
def test_a_roster_around_every_clock_change_agrees_with_the_oracle(zone_name):
    """By night every change of every zone; by day one, of half an hour, so that the search itself is known to run."""
    for change in changes(zone_name)[: None if NIGHTLY else 1]:
        one = world_around(random.Random(f"{zone_name} {change}"), zone_name, change)
        assert difference(one) is None, f"{difference(shrunk(one))}\n{shrunk(one)!r}"


def test_the_oracle_is_no_echo_a_wrong_resolver_differs():
    one = world("law:0")
    wrong = replace(one, roster=replace(one.roster, layers=(layer("Z", "2020-01-06T00:00"),)), overrides=())
    oracle = RosterOracle(one.roster, one.overrides, {}, minute(one.start), minute(one.end))
    shifts = wrong.rosters().shifts("r", (), one.start, one.end)
    assert [shift.people for shift in shifts] == [("Z",)] * len(shifts)
    assert not any("Z" in oracle.people(number) for number in range(minute(one.start), minute(one.end)))


def test_cutting_the_span_cuts_the_shifts_and_nothing_else():
    for number in range(EXAMPLES):
        one, rng = world(f"cut:{number}"), random.Random(number)
        rosters, overrides, (low, high) = one.rosters(), one.overrides, (minute(one.start), minute(one.end))
        edges = sorted({one.start, one.end, *(at(rng.randrange(low, high)) for _ in range(3))})
        whole = rosters.shifts("r", overrides, one.start, one.end)
        parts = [shift for span in pairwise(edges) for shift in rosters.shifts("r", overrides, *span)]
        assert {shift.start for shift in parts} == {shift.start for shift in whole} | set(edges[:-1])
        for part in parts:
            assert any(
                (part.people, part.layer, part.override) == (shift.people, shift.layer, shift.override)
                for shift in whole
                if shift.start <= part.start < shift.end
            )

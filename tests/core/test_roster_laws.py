"""Laws of rosters over random layers, windows and overrides near clock changes, against the slow oracle."""

from __future__ import annotations

import os
from bisect import bisect_right
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opswatch.core.calendars import instant, reading
from opswatch.core.plan import DayCalendar, Layer, Plan, Roster, Window
from opswatch.core.roster import Rosters, conflicting, layer_problems
from opswatch.core.shifts import Turns
from opswatch.core.state import Override
from tests.core.clock_changes import ZONES, changes
from tests.core.duty import Duty, layer
from tests.core.roster_oracle import STEP, RosterOracle, midnight

DAY = timedelta(days=1)
AROUND = 3 * DAY
NIGHTLY = "OPSWATCH_NIGHTLY" in os.environ
EXAMPLES = 5000 if NIGHTLY else 70
PEOPLE = ("A", "B", "C", "D")
CHANGES = sorted({changes(zone)[n] for zone in ZONES for n in (4, 5) if len(changes(zone)) > 5})


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


clocks = st.one_of(
    st.sampled_from([time(0), time(1, 30), time(2), time(2, 30), time(3), time(22)]),
    st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45])),
)
weekday_sets = st.frozensets(st.integers(0, 6), min_size=1)


@st.composite
def windows(draw, change):
    start, end = draw(clocks), draw(clocks)
    form = draw(st.sampled_from(["all", "weekdays", "work", "month_days", "several"]))
    if form == "weekdays":
        return Window(start, end, weekdays=draw(weekday_sets))
    if form == "work":
        return Window(start, end, work=draw(st.booleans()))
    if form == "month_days":
        return Window(start, end, month_days=frozenset({change.day, -1, draw(st.integers(1, 28))}))
    if form == "several":
        return Window(start, end, weekdays=frozenset({draw(st.integers(0, 6))}), end_weekday=draw(st.integers(0, 6)))
    return Window(start, end)


@st.composite
def layers(draw, number, change):
    zone_name = draw(st.sampled_from(ZONES))

    def local():
        return (
            midnight(change.date())
            + DAY * draw(st.integers(-3, 3))
            + timedelta(hours=1) * draw(st.sampled_from([0, 1.5, 2, 2.25, 2.5, 9, 23]))
        )

    turns = [(1, "hour"), (5, "hour"), (8, "hour"), (24, "hour"), (1, "day"), (2, "day"), (1, "week"), (1, "month")]
    turn = draw(st.sampled_from(turns))
    longer = {"hour": (1, "day"), "day": (3, "day"), "week": (2, "week"), "month": (2, "month")}[turn[1]]
    return Layer(
        id=f"layer-{number}",
        participants=tuple(
            draw(st.lists(st.sampled_from([("A",), ("B",), ("C",), ("A", "D")]), min_size=1, max_size=4))
        ),
        starts=local(),
        turn=turn,
        every=draw(st.sampled_from([turn, longer])),
        timezone=zone_name,
        priority=draw(st.integers(0, 1)),
        effective=draw(st.one_of(st.none(), st.builds(local))),
        until=draw(st.one_of(st.none(), st.builds(local))),
        calendar="days",
        windows=tuple(draw(st.lists(windows(change), max_size=2))),
        worked=draw(st.booleans()),
    )


@st.composite
def overrides(draw, change):
    found = []
    for number in range(1, 1 + draw(st.integers(0, 3))):
        start = change + STEP * draw(st.integers(-200, 150))
        end = start + STEP * draw(st.integers(1, 200))
        who, other = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(PEOPLE))
        form = draw(st.sampled_from(["replace", "remove", "add", "schedule"]))
        entries = None
        if form == "schedule":
            middle = start + STEP * draw(st.integers(1, 100))
            entries = draw(
                st.sampled_from([(), ((start, middle, (who,)),), ((start, end, (who,)), (middle, end, (other,)))])
            )
        remove = who if form in ("replace", "remove") else None
        add = {"replace": other, "add": who}.get(form)
        new = Override(number, "r", start, end, remove, add, entries)
        if conflicting(found, new) is None:
            found.append(new)
    return tuple(found)


@st.composite
def worlds(draw):
    """A roster, its overrides, its holidays, and the clock change that everything happens around."""
    change = draw(st.sampled_from(CHANGES))
    holidays = DayCalendar("days", frozenset({change.date()}), frozenset({(change - DAY).date()}))
    made = tuple(draw(layers(number, change)) for number in range(draw(st.integers(1, 2))))
    return Roster("r", made), draw(overrides(change)), holidays, change


quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not NIGHTLY,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(world=worlds(), asked=st.lists(st.integers(0, 2 * AROUND // STEP - 1), min_size=4, max_size=4))
@quick
def test_the_resolver_agrees_with_the_oracle_at_every_step(world, asked):
    roster, overrides, holidays, change = world
    rosters = Rosters(Plan(rosters={"r": roster}, calendars={"days": holidays}))
    oracle = RosterOracle(roster, overrides, change, holidays)
    steps = [change - AROUND + STEP * n for n in range(2 * AROUND // STEP)]
    shifts = rosters.shifts("r", overrides, steps[0], steps[-1] + STEP)

    # Shifts and gaps tile the span; no two neighbours are the same shift.
    assert (shifts[0].start, shifts[-1].end) == (steps[0], steps[-1] + STEP)
    assert all(shift.start < shift.end for shift in shifts)
    assert all(one.end == other.start for one, other in pairwise(shifts))

    # At every step those are on call whom the contract's sentences name.
    starts = [shift.start for shift in shifts]
    found = {at: shifts[bisect_right(starts, at) - 1] for at in steps}
    assert [(at, set(found[at].people)) for at in steps] == [(at, oracle.people(at)) for at in steps]

    # A new shift begins where another turn begins, and nowhere else.
    if not overrides:
        turns = {at: oracle.turns(at) for at in steps}
        new = [at for before, at in pairwise(steps) if turns[before] != turns[at]]
        assert [shift.start for shift in shifts[1:]] == new

    # One instant is answered as the whole span is.
    for number in asked:
        at, now = steps[number], rosters.on_call("r", overrides, steps[number])
        assert (now.people, now.layer, now.override) == (found[at].people, found[at].layer, found[at].override)
        assert now.start is None or now.start == found[at].start or found[at].start == steps[0]
        assert now.until is None or now.until == found[at].end or found[at].end == steps[-1] + STEP
        assert (now.start is None or now.start <= at) and (now.until is None or at < now.until)


@given(world=worlds(), cuts=st.lists(st.integers(0, 2 * AROUND // STEP), min_size=1, max_size=3))
@settings(quick, max_examples=EXAMPLES // 2)
def test_cutting_the_span_cuts_the_shifts_and_nothing_else(world, cuts):
    roster, overrides, holidays, change = world
    rosters = Rosters(Plan(rosters={"r": roster}, calendars={"days": holidays}))
    start, end = change - AROUND, change + AROUND
    edges = sorted({start, end, *(start + STEP * cut for cut in cuts)})
    whole = rosters.shifts("r", overrides, start, end)
    parts = [shift for low, high in pairwise(edges) for shift in rosters.shifts("r", overrides, low, high)]
    assert {shift.start for shift in parts} == {shift.start for shift in whole} | set(edges[:-1])
    assert all(any(one.people == all_.people and all_.start <= one.start < all_.end for all_ in whole) for one in parts)
    gaps = rosters.gaps("r", overrides, start, end)
    assert sum((high - low for low, high in gaps), timedelta(0)) == sum(
        (shift.end - shift.start for shift in whole if not shift.people), timedelta(0)
    )


@given(world=worlds())
@settings(quick, max_examples=EXAMPLES // 3)
def test_next_and_previous_are_found_where_the_shifts_are(world):
    roster, overrides, holidays, change = world
    rosters = Rosters(Plan(rosters={"r": roster}, calendars={"days": holidays}))
    now = set(rosters.on_call("r", overrides, change).people)
    ahead = first_new(rosters.shifts("r", overrides, change, change + 20 * DAY), now)
    behind = first_new(reversed(rosters.shifts("r", overrides, change - 20 * DAY, change)), now)
    assert not ahead or rosters.next_people("r", overrides, change) == ahead
    assert not behind or rosters.previous_people("r", overrides, change) == behind


def first_new(shifts, now):
    return next((shift.people for shift in shifts if not set(shift.people) <= now), ())


@given(world=worlds())
@settings(quick, max_examples=EXAMPLES // 4)
def test_only_a_layer_that_ends_before_it_begins_has_problems(world):
    for one in world[0].layers:
        is_backwards = one.until is not None and one.effective is not None and one.until <= one.effective
        assert bool(layer_problems(one)) is is_backwards

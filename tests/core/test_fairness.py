"""What duty costs each person is recounted minute by minute; what would even it out is possible, and does."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opswatch.core.calendars import parse_window
from opswatch.core.effects import Entry
from opswatch.core.fairness import Proposal, Share, propose, shares, spread
from opswatch.core.plan import DayCalendar, Layer, Plan, Roster
from opswatch.core.roster import Rosters
from opswatch.core.state import Absence, Override
from tests.story import person, two_levels

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)
ZONES = ("Europe/Berlin", "Asia/Shanghai", "America/New_York", "Asia/Kolkata", "UTC")
CLOCKS_BACK = datetime(2026, 10, 23, tzinfo=UTC)  # Berlin's clocks go back on Sunday the 25th
CN = DayCalendar("cn", holidays=frozenset({date(2026, 10, 26), date(2026, 11, 18)}))


def layer(name: str, *turns: str, **more: object) -> Layer:
    given: dict[str, object] = {
        "id": name,
        "participants": tuple(tuple(turn.split("+")) for turn in turns),
        "starts": datetime(2026, 10, 5, 9),  # noqa: DTZ001
        "turn": (1, "day"),
        "every": (1, "day"),
        "timezone": "Europe/Berlin",
    }
    return Layer(**{**given, **more})  # type: ignore[arg-type]


def plan(*rosters: Roster, zones: tuple[str, ...] = ZONES) -> Plan:
    people = {
        name: person(name, timezone=zone) for name, zone in zip(("ana", "bo", "cy", "di", "ed"), zones, strict=True)
    }
    return replace(two_levels(), people=people, rosters={one.id: one for one in rosters}, calendars={"cn": CN})


def busy() -> Plan:
    """Days with windows, nights for two at once, and a second roster that overlaps both."""
    office = parse_window("mon-fri", "09:00", "17:00")
    night = parse_window(None, "20:00", "08:00")
    first = Roster(
        "primary", (layer("day", "ana", "bo", windows=(office,)), layer("night", "cy+di", "ed", windows=(night,)))
    )
    second = Roster("second", (layer("all", "ana", "cy", "ed", calendar="cn", turn=(7, "hour"), every=(7, "hour")),))
    return plan(first, second)


def recounted(the_plan: Plan, start: datetime, end: datetime, *overrides: Override) -> dict[str, list[float]]:
    """Minutes on call, at night, at weekends, on holidays; by asking who is on call in each minute."""
    rosters = Rosters(the_plan)
    zones = {name: ZoneInfo(one.timezone) for name, one in the_plan.people.items()}
    calendars = dict.fromkeys(zones) | dict.fromkeys(("ana", "cy", "ed"), CN)
    counts = {name: [0, 0, 0, 0] for name in zones}
    at = start
    while at < end:
        on_call = {who for name in the_plan.rosters for who in rosters.on_call(name, overrides, at).people}
        for who in on_call:
            local = at.astimezone(zones[who])
            known = calendars[who]
            counts[who][0] += 1
            counts[who][1] += local.hour >= 22 or local.hour < 6
            counts[who][2] += local.weekday() >= 5
            counts[who][3] += known is not None and local.date() in known.holidays
        at += MINUTE
    return {name: list(map(float, some)) for name, some in counts.items()}


def minutes(share: Share) -> list[float]:
    return [span / MINUTE for span in (share.hours, share.night, share.weekend, share.holiday)]


@pytest.mark.parametrize("days", [4, 40] if os.environ.get("OPSWATCH_NIGHTLY") else [4])
def test_every_minute_is_counted_as_a_clock_on_the_wall_would(days):
    start, end = CLOCKS_BACK + 17 * MINUTE, CLOCKS_BACK + days * DAY
    override = Override(1, "second", start + 20 * HOUR, start + 31 * HOUR, remove="cy", add="bo")
    found = {one.person: one for one in shares(busy(), Rosters(busy()), (override,), (start, end))}
    assert {name: minutes(one) for name, one in found.items()} == recounted(busy(), start, end, override)


def test_nights_and_shifts_are_counted_and_who_has_none_is_there_too():
    daily = plan(Roster("primary", (layer("all", "ana", "bo", "cy"),)))
    found = {one.person: one for one in shares(daily, Rosters(daily), (), (MONDAY, MONDAY + 2 * DAY))}
    assert [found[name].shifts for name in ("ana", "bo", "cy")] == [1, 1, 0]
    assert (found["ana"].nights, found["ana"].night) == (1, 8 * HOUR)  # nine to nine in Berlin
    assert found["cy"].load == 0.0
    assert found["ana"].load == 24 + 8


def test_pages_are_those_of_the_span_and_woken_those_in_their_sleep():
    def page(who: str, at: datetime) -> Entry:
        return Entry(at, "page_promised", 1, None, {"person": who})

    daily = plan(Roster("primary", (layer("all", "ana", "bo"),)))
    night, noon = MONDAY + 18 * HOUR, MONDAY + 4 * HOUR  # 03:00 and 13:00 in Berlin
    entries = [page("ana", night), page("ana", noon), page("ana", MONDAY + 9 * DAY), page("bo", noon)]
    found = {
        one.person: (one.pages, one.woken)
        for one in shares(daily, Rosters(daily), (), (MONDAY, MONDAY + 7 * DAY), entries=entries)
    }
    assert found == {"ana": (2, 1), "bo": (1, 0)}  # 13:00 in Berlin is 20:00 in Shanghai


def test_only_some_rosters_or_people():
    the_plan = busy()
    span = (MONDAY, MONDAY + 7 * DAY)
    assert {one.person for one in shares(the_plan, Rosters(the_plan), (), span, only=("second",))} == {
        "ana",
        "cy",
        "ed",
    }
    assert {one.person for one in shares(the_plan, Rosters(the_plan), (), span, people=("bo",))} == {"bo"}


# ---------------------------------------------------------------------------------------------------------------------
# Swaps


def uneven() -> Plan:
    """Seven people's week for three and a bit: one person has every weekend."""
    days = ("ana", "bo", "cy", "ana", "bo", "di", "di")  # from Monday
    return plan(Roster("primary", (layer("all", *days),)), zones=("Europe/Berlin",) * 5)


def carried_out(the_plan: Plan, proposal: Proposal) -> tuple[Override, ...]:
    made: list[Override] = []
    for swap in proposal.swaps:
        for gives, takes, (start, end) in ((swap.one, swap.other, swap.first), (swap.other, swap.one, swap.second)):
            made.append(Override(len(made) + 1, swap.roster, start, end, remove=gives, add=takes))
    return tuple(made)


def test_the_swaps_even_out_what_they_say_they_do():
    the_plan, span = uneven(), (MONDAY, MONDAY + 56 * DAY)
    found = propose(the_plan, Rosters(the_plan), (), span)
    assert found.swaps and spread(found.after) < spread(found.before) / 2
    counted = {one.person: one.load for one in shares(the_plan, Rosters(the_plan), carried_out(the_plan, found), span)}
    assert {name: counted[name] for name in found.after} == pytest.approx(found.after)
    before = {one.person: one.load for one in shares(the_plan, Rosters(the_plan), (), span)}
    assert {name: before[name] for name in found.before} == pytest.approx(found.before)


def test_an_even_rotation_needs_no_swap():
    even = plan(
        Roster("primary", (layer("all", "ana", "bo", "cy", turn=(1, "week"), every=(1, "week")),)), zones=("UTC",) * 5
    )
    assert propose(even, Rosters(even), (), (MONDAY, MONDAY + 21 * DAY)).swaps == ()


def test_nobody_swaps_into_an_absence_or_a_shift_without_rest():
    the_plan, span = uneven(), (MONDAY, MONDAY + 56 * DAY)
    away = (Absence(1, "ana", MONDAY, MONDAY + 70 * DAY),)
    found = propose(the_plan, Rosters(the_plan), (), span, absences=away)
    assert all("ana" not in (swap.one, swap.other) for swap in found.swaps)
    rng = random.Random(7)
    for _ in range(40 if os.environ.get("OPSWATCH_NIGHTLY") else 4):
        names = [rng.choice(("ana", "bo", "cy", "di", "ed")) for _ in range(7)]
        some = plan(Roster("primary", (layer("all", *names),)), zones=("UTC",) * 5)
        proposal = propose(some, Rosters(some), (), (MONDAY, MONDAY + 28 * DAY))
        held: dict[str, list[tuple[datetime, datetime]]] = {}
        gained = {(swap.other, swap.first) for swap in proposal.swaps} | {
            (swap.one, swap.second) for swap in proposal.swaps
        }
        for shift in Rosters(some).shifts("primary", carried_out(some, proposal), MONDAY - DAY, MONDAY + 29 * DAY):
            for who in shift.people:
                held.setdefault(who, []).append((shift.start, shift.end))
        for who, (start, end) in gained:
            near = [
                one
                for one in held[who]
                if one != (start, end) and one[0] < end + 11 * HOUR and start < one[1] + 11 * HOUR
            ]
            assert near == [], (names, who, start)
        assert sum(proposal.after.values()) == pytest.approx(sum(proposal.before.values()))


def test_what_was_decided_by_hand_stays():
    the_plan, span = uneven(), (MONDAY, MONDAY + 28 * DAY)
    overrides = tuple(
        Override(
            number, "primary", MONDAY + (5 + 7 * number) * DAY, MONDAY + (7 + 7 * number) * DAY, remove="di", add="ed"
        )
        for number in range(4)
    )
    found = propose(the_plan, Rosters(the_plan), overrides, span)
    assert found.swaps
    taken = [(one.start, one.end) for one in overrides]
    for swap in found.swaps:
        for start, end in (swap.first, swap.second):
            assert not any(begins < end and start < ends for begins, ends in taken)


def test_who_shadows_is_on_call_for_nothing():
    watched = Roster("primary", (layer("all", "ana", "bo"),))
    watching = Roster("learners", (layer("all", "cy"),), shadows="primary")
    both = plan(watched, watching)
    found = shares(both, Rosters(both), (), (MONDAY, MONDAY + 7 * DAY))
    assert {one.person for one in found} == {"ana", "bo"}

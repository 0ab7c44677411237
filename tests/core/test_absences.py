"""Somebody who is away and on call all the same is a conflict, never a silent hole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch.core.absences import conflicts, is_absent
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Absence, Override
from tests.story import person, roster, two_levels

DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)  # nine o'clock in Berlin


def weekly() -> Plan:
    """Ana from Monday the 16th, then Bo, then Cy, a week each."""
    people = {name: person(name) for name in ("ana", "bo", "cy")}
    return replace(two_levels(), people=people, rosters={"primary": roster("ana", "bo", "cy")})


def away(who: str, start: datetime, end: datetime, number: int = 1) -> Absence:
    return Absence(number, who, start, end)


def found(*absences: Absence, overrides: tuple[Override, ...] = ()) -> list[tuple[str, datetime, datetime, int]]:
    plan = weekly()
    some = conflicts(plan, Rosters(plan), overrides, absences, MONDAY, MONDAY + 28 * DAY)
    return [(one.person, one.start, one.end, one.absence) for one in some]


def test_an_absence_conflicts_with_the_part_of_each_shift_it_covers():
    long = away("bo", MONDAY + 10 * DAY, MONDAY + 30 * DAY)
    assert found(long) == [("bo", MONDAY + 10 * DAY, MONDAY + 14 * DAY, 1)]
    assert found(away("bo", MONDAY, MONDAY + 7 * DAY)) == []


def test_a_shift_that_somebody_covers_is_no_conflict_any_more():
    gone = away("bo", MONDAY + 7 * DAY, MONDAY + 14 * DAY)
    cover = Override(1, "primary", MONDAY + 7 * DAY, MONDAY + 10 * DAY, remove="bo", add="cy")
    assert found(gone, overrides=(cover,)) == [("bo", MONDAY + 10 * DAY, MONDAY + 14 * DAY, 1)]


def test_overlapping_absences_of_one_person_are_one_conflict_in_time():
    some = away("ana", MONDAY, MONDAY + 3 * DAY), away("ana", MONDAY + DAY, MONDAY + 5 * DAY, 2)
    assert found(*some) == [("ana", MONDAY, MONDAY + 3 * DAY, 1), ("ana", MONDAY + 3 * DAY, MONDAY + 5 * DAY, 2)]


def test_it_says_who_is_there_besides():
    plan = weekly()
    both = Override(1, "primary", MONDAY, MONDAY + 7 * DAY, add="bo")
    (one,) = conflicts(plan, Rosters(plan), (both,), (away("ana", MONDAY, MONDAY + DAY),), MONDAY, MONDAY + DAY)
    assert one.others == ("bo",)


def test_is_absent_names_the_first_that_overlaps():
    some = away("ana", MONDAY, MONDAY + DAY), away("ana", MONDAY + DAY, MONDAY + 2 * DAY, 2)
    assert is_absent(some, "ana", MONDAY + DAY, MONDAY + 3 * DAY) == some[1]
    assert is_absent(some, "bo", MONDAY, MONDAY + DAY) is None

"""What the coming days may bring, from the same weekdays of the last weeks, and who is on duty then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from opswatch.core import calendars
from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Override

WEEKS = 8
"""So many weeks are looked back on."""
DAYS_AHEAD = 7
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OnDuty:
    """A roster's people on one day, in order of their shifts."""

    roster: str
    people: tuple[str, ...]
    has_gap: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One coming local day. `expected` is the mean of incidents that may interrupt somebody, on the same weekday of the
    last eight weeks; `most` the highest of them; over `seen` such days, the rest holidays or before anything was
    known. None: no such day was seen. On a holiday of any calendar in use (`holidays`) nothing is expected: it is like
    no other day. A weekend day that is worked is compared with Mondays to Fridays."""

    day: date
    expected: float | None
    most: int | None
    seen: int
    holidays: tuple[str, ...]
    duty: tuple[OnDuty, ...]


def outlook(
    begun: Iterable[tuple[datetime, str]],
    known_since: datetime,
    plan: Plan,
    rosters: Rosters,
    overrides: Sequence[Override],
    start: datetime,
) -> tuple[Day, ...]:
    """The seven local days of the plan's zone from `start`. `begun`: when incidents of the last eight weeks were
    triggered, and how bad they were."""
    zone = plan.timezone
    first = calendars.reading(start, zone).date()
    oldest = max(first - _DAY * 7 * WEEKS, calendars.reading(known_since, zone).date() + _DAY)
    counts = {oldest + _DAY * number: 0 for number in range((first - oldest).days)}
    for at, priority in begun:
        if priority in Priority.__members__ and plan.rule(Priority[priority]).interrupt != "never":
            day = calendars.reading(at, zone).date()
            if day in counts:
                counts[day] += 1
    return tuple(_day(first + _DAY * ahead, counts, plan, rosters, overrides) for ahead in range(DAYS_AHEAD))


def _day(day: date, counts: dict[date, int], plan: Plan, rosters: Rosters, overrides: Sequence[Override]) -> Day:
    off = holidays_on(plan, day)
    alike = [] if off else [count for one, count in counts.items() if _is_alike(plan, one, day)]
    return Day(
        day=day,
        expected=sum(alike) / len(alike) if alike else None,
        most=max(alike, default=None),
        seen=len(alike),
        holidays=off,
        duty=tuple(_on_duty(roster, day, plan, rosters, overrides) for roster in plan.rosters),
    )


def holidays_on(plan: Plan, day: date) -> tuple[str, ...]:
    """The calendars for which that local date is a holiday."""
    return tuple(name for name, calendar in plan.calendars.items() if day in calendar.holidays)


def _is_alike(plan: Plan, seen: date, day: date) -> bool:
    """Whether a day that was seen says something about `day`, which is no holiday."""
    if holidays_on(plan, seen):
        return False
    if _is_worked(plan, day):
        return seen.weekday() < 5 or _is_worked(plan, seen)
    return seen.weekday() == day.weekday() and not _is_worked(plan, seen)


def _is_worked(plan: Plan, day: date) -> bool:
    """A weekend day that some calendar says is worked (调休)."""
    return any(day in calendar.worked for calendar in plan.calendars.values())


def _on_duty(roster: str, day: date, plan: Plan, rosters: Rosters, overrides: Sequence[Override]) -> OnDuty:
    start, end = (calendars.instant(datetime.combine(one, time()), plan.timezone) for one in (day, day + _DAY))
    shifts = rosters.shifts(roster, overrides, start, end)
    people = tuple(dict.fromkeys(person for shift in shifts for person in shift.people))
    return OnDuty(roster, people, bool(rosters.gaps(roster, overrides, start, end)))

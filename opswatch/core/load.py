"""What duty cost each person: hours on call, pages by work, rest and sleep, nights broken, and how they answered.

An instant is *work* when the person's `day` covers it or a shift of theirs that has windows does (without a `day`:
Monday to Friday 09:00 to 18:00); else *sleep* from 23:00 to 07:00; else *rest*. All local to the person's own zone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from opswatch.core import calendars
from opswatch.core.duties import Span
from opswatch.core.dutycase import Case
from opswatch.core.effects import Entry
from opswatch.core.noise import Tag, Told
from opswatch.core.plan import Plan, Window
from opswatch.core.roster import Rosters
from opswatch.core.speed import middle
from opswatch.core.state import Override

WORK, REST, SLEEP = "work", "rest", "sleep"
SLEEP_FROM, SLEEP_TO = 23, 7  # local hours
USUAL_DAY = Window(time(9), time(18), weekdays=frozenset(range(5)))
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Load:
    """One person. Pages are counted when they are promised, each contact of its own; `incidents` are those they were
    paged for. `answers`, `answer` (their median) and `passed` as in the duty log: from the first page about an incident
    to their acknowledgement; how often the ladder climbed past them. `nights` are local nights with a page in sleep,
    `hours` the time on call, `tags` how their pages turned out, `by_hour` the pages of each local hour."""

    person: str
    zone: str
    pages: int
    work: int
    rest: int
    sleep: int
    nights: int
    incidents: int
    answers: int
    answer: timedelta | None
    passed: int
    hours: timedelta
    tags: Mapping[str, int]
    by_hour: tuple[int, ...]

    @property
    def per_12h(self) -> float | None:
        """Incidents for every twelve hours on call; None for who was not on call."""
        return self.incidents / (self.hours / timedelta(hours=12)) if self.hours else None


@dataclass(slots=True)
class _Count:
    pages: dict[str, int] = field(default_factory=lambda: dict.fromkeys((WORK, REST, SLEEP), 0))
    nights: set[date] = field(default_factory=set)
    incidents: set[int] = field(default_factory=set)
    answers: list[timedelta] = field(default_factory=list)
    passed: int = 0
    tags: dict[str, int] = field(default_factory=lambda: {str(tag): 0 for tag in Tag})
    by_hour: list[int] = field(default_factory=lambda: [0] * 24)


class Hours:
    """Says of instants in a span whether they are work, rest or sleep for a person."""

    def __init__(self, plan: Plan, rosters: Rosters, overrides: Sequence[Override], span: Span) -> None:
        self._plan, self._rosters, self._overrides, self._span = plan, rosters, tuple(overrides), span
        self._days: dict[str, list[Span]] = {}

    def zone(self, person: str) -> str:
        """Where they live; for somebody the plan no longer has, the plan's zone."""
        known = self._plan.people.get(person)
        return known.timezone if known else self._plan.timezone

    def kind(self, person: str, at: datetime) -> str:
        """`work`, `rest` or `sleep`."""
        days = self._days_of(person)
        place = bisect_right(days, at, key=_begins) - 1
        if place >= 0 and at < days[place][1]:
            return WORK
        if self._rosters.is_working(person, self._overrides, at):
            return WORK
        hour = calendars.reading(at, self.zone(person)).hour
        return SLEEP if hour >= SLEEP_FROM or hour < SLEEP_TO else REST

    def _days_of(self, person: str) -> list[Span]:
        if person not in self._days:
            known = self._plan.people.get(person)
            window = known.day if known and known.day else USUAL_DAY
            start, end = self._span
            found = calendars.pieces(window, self.zone(person), None, start - 7 * _DAY, end + _DAY)
            self._days[person] = list(found)
        return self._days[person]


def loads_of(
    entries: Iterable[Entry],
    cases: Iterable[Case],
    told: Iterable[Told],
    plan: Plan,
    rosters: Rosters,
    overrides: Sequence[Override],
    span: Span,
) -> tuple[tuple[Load, ...], dict[int, int]]:
    """Everybody who was paged or on call in the span, the most woken first; and the pages in somebody's sleep, by
    incident."""
    hours = Hours(plan, rosters, overrides, span)
    asleep: dict[int, int] = {}
    tags = {one.number: one.tag for one in told}
    counts: dict[str, _Count] = {}
    for entry in entries:
        if entry.kind in ("page_promised", "bundle_promised"):
            person = str(entry.facts.get("person"))
            if (count := counts.get(person)) is None:
                count = counts[person] = _Count()
            if _count_page(count, hours, person, entry, tags) == SLEEP and entry.incident:
                asleep[entry.incident] = asleep.get(entry.incident, 0) + 1
    for case in cases:
        for person, tally in case.tallies.items():
            if tally.answers or tally.passed:
                count = counts.setdefault(person, _Count())
                count.answers += tally.answers
                count.passed += tally.passed
    on_call = hours_on_call(plan, rosters, overrides, span)
    people = [*counts, *(person for person in on_call if person not in counts)]
    loads = [_load(person, counts.get(person) or _Count(), hours, on_call) for person in people]
    return tuple(sorted(loads, key=lambda one: (-one.sleep, -one.pages, -one.hours, one.person))), asleep


def _count_page(count: _Count, hours: Hours, person: str, entry: Entry, tags: Mapping[int, Tag]) -> str:
    kind = hours.kind(person, entry.at)
    local = calendars.reading(entry.at, hours.zone(person))
    count.pages[kind] += 1
    count.by_hour[local.hour] += 1
    if kind == SLEEP:  # The night of the evening it began on.
        count.nights.add((local - timedelta(hours=SLEEP_TO)).date())
    if entry.incident:
        count.incidents.add(entry.incident)
        count.tags[str(tags.get(entry.incident, Tag.OPEN))] += 1
    return kind


def _load(person: str, count: _Count, hours: Hours, on_call: Mapping[str, timedelta]) -> Load:
    return Load(
        person=person,
        zone=hours.zone(person),
        pages=sum(count.pages.values()),
        work=count.pages[WORK],
        rest=count.pages[REST],
        sleep=count.pages[SLEEP],
        nights=len(count.nights),
        incidents=len(count.incidents),
        answers=len(count.answers),
        answer=middle(sorted(count.answers)) if count.answers else None,
        passed=count.passed,
        hours=on_call.get(person, timedelta()),
        tags={tag: number for tag, number in count.tags.items() if number},
        by_hour=tuple(count.by_hour),
    )


def hours_on_call(plan: Plan, rosters: Rosters, overrides: Sequence[Override], span: Span) -> dict[str, timedelta]:
    """How long each person was on call in the span; time in two rosters at once counts once."""
    shifts: dict[str, list[Span]] = {}
    for roster in plan.rosters:
        for shift in rosters.shifts(roster, overrides, *span):
            for person in shift.people:
                shifts.setdefault(person, []).append((shift.start, shift.end))
    return {person: _length(theirs) for person, theirs in shifts.items()}


def _length(spans: Iterable[Span]) -> timedelta:
    total, reached = timedelta(), None
    for start, end in sorted(spans):
        start = start if reached is None else max(start, reached)
        if end > start:
            total += end - start
            reached = end
    return total


def _begins(span: Span) -> datetime:
    return span[0]

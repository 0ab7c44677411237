"""Who is on call too much, with too little rest, or for two rosters at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations, pairwise

from opswatch.core import calendars
from opswatch.core.duties import Span
from opswatch.core.plan import Plan, Roster
from opswatch.core.roster import Rosters, Shift
from opswatch.core.state import Override

FORTNIGHT = timedelta(days=14)
DAYS_MAX = 12  # on call, of a fortnight: two whole days off is the least that lets anybody recover from broken nights
SHARE_MAX = 0.6  # of a fortnight's hours: two people who take turns have half each; more is a load, not a share
REST_MIN = timedelta(hours=11)  # between two working shifts: the daily rest of the European Working Time Directive
DAY_MAX = timedelta(hours=24) - REST_MIN  # what that leaves: more at a stretch, in two shifts, is no rest between them
WORKING_MAX = timedelta(hours=16)  # a longer shift with windows is being on call, not being at work: nobody works it
DAYS, SHARE, REST, TWICE = "days", "share", "rest", "twice"

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_Part = tuple[datetime, datetime, str]  # on call from, to, in which roster


@dataclass(frozen=True, slots=True)
class Overload:
    """`why`: more than 12 `days` of a fortnight on call; more than 60 % of its hours (`share`); working shifts with
    less than 11 hours between them (`rest`: [start, end) is the first such); on call for roster `also` too (`twice`).

    `amount`: days, percent, how many rests are too short, hours in both rosters. `counted_from`: the first of the
    month that most of it lies in.
    """

    roster: str
    person: str
    start: datetime
    end: datetime
    why: str
    amount: int
    counted_from: date
    also: str = ""


def overloads(
    plan: Plan, rosters: Rosters, overrides: tuple[Override, ...], start: datetime, end: datetime
) -> list[Overload]:
    """Who is on call too much in the fortnights of [start, end), over all rosters; told at the roster where most of it
    comes from. A roster whose layers name one person only has nobody to share with, and is left alone."""
    spans = _fortnights(plan, start, end)
    theirs: dict[str, list[_Part]] = {}
    for name, roster in plan.rosters.items():
        if roster.shadows is not None:
            continue  # Who watches is not paged.
        for shift in rosters.shifts(name, overrides, spans[0][0], spans[-1][1]):
            for person in shift.people:
                theirs.setdefault(person, []).append((shift.start, shift.end, name))
    windowed = {name for name, roster in plan.rosters.items() if any(layer.windows for layer in roster.layers)}
    found: list[Overload] = []
    for person, parts in theirs.items():
        parts.sort()
        for span in spans:
            cut = [(max(a, span[0]), min(b, span[1]), name) for a, b, name in parts if a < span[1] and b > span[0]]
            if cut:
                found += _of_fortnight(plan, person, cut, span, windowed, start)
    return list({(one.roster, one.person, one.why, one.counted_from): one for one in reversed(found)}.values())[::-1]


def _of_fortnight(
    plan: Plan, person: str, parts: Sequence[_Part], span: Span, windowed: set[str], now: datetime
) -> Iterator[Overload]:
    roster = _most(parts)
    # Who has too much every week is told of once a month.
    month = calendars.reading(span[0] + _WEEK, plan.timezone).date().replace(day=1)
    if _is_shared(plan.rosters[roster]):
        share = _length(parts) / (span[1] - span[0])
        days = len(_local_days(plan, person, parts))
        if share > SHARE_MAX:
            yield Overload(roster, person, *span, SHARE, round(share * 100), month)
        elif days > DAYS_MAX:
            yield Overload(roster, person, *span, DAYS, days, month)
    rests = _short_rests([part for part in parts if part[2] in windowed], now)
    if rests:
        start, end, name = rests[0]
        yield Overload(name, person, start, end, REST, len(rests), month)


def _short_rests(parts: Iterable[_Part], now: datetime) -> list[_Part]:
    """(end of one working shift, start of the next, roster of the next) where there was no rest between them. Shifts
    with less than 11 hours between them are one working day; one that fits into 13 hours is a day with breaks."""
    days: list[list[_Part]] = []
    for part in parts:
        if part[1] - part[0] > WORKING_MAX or part[1] <= now:
            continue
        if days and part[0] - days[-1][-1][1] < REST_MIN:
            days[-1].append(part)
        else:
            days.append([part])
    long = [day for day in days if len(day) > 1 and max(end for _, end, _ in day) - day[0][0] > DAY_MAX]
    return [(one[1], max(one[1], other[0]), other[2]) for day in long for one, other in pairwise(day)]


def twice(shifts: Mapping[str, Sequence[Shift]]) -> Iterator[Overload]:
    """Somebody on call for two rosters at once: only noted, for small teams do it on purpose."""
    by_person: dict[str, dict[str, list[Span]]] = {}
    for name, some in shifts.items():
        for shift in some:
            for person in shift.people:
                by_person.setdefault(person, {}).setdefault(name, []).append((shift.start, shift.end))
    for person, rosters in by_person.items():
        for (one, ours), (other, theirs) in combinations(rosters.items(), 2):
            common = list(shared(ours, theirs))
            if common:
                hours = round(sum((end - start for start, end in common), timedelta()) / timedelta(hours=1))
                start, end = common[0]
                yield Overload(one, person, start, end, TWICE, hours, date.min, other)


def shared(ours: Sequence[Span], theirs: Sequence[Span]) -> Iterator[Span]:
    """Where spans of two ordered lists overlap. Those of one list do not overlap each other."""
    place = other = 0
    while place < len(ours) and other < len(theirs):
        start, end = max(ours[place][0], theirs[other][0]), min(ours[place][1], theirs[other][1])
        if start < end:
            yield start, end
        if ours[place][1] <= theirs[other][1]:
            place += 1
        else:
            other += 1


def _fortnights(plan: Plan, start: datetime, end: datetime) -> list[Span]:
    """The fortnights from a Monday, on the clocks of the plan's zone, that began this week or begin before `end`: one
    for every week, so that two weeks in a row are seen wherever they lie."""
    today = calendars.reading(start, plan.timezone).date()
    monday = today - _DAY * today.weekday()
    found: list[Span] = []
    while not found or found[-1][0] < end - _WEEK:
        found.append((_midnight(monday, plan.timezone), _midnight(monday + FORTNIGHT, plan.timezone)))
        monday += _WEEK
    return found


def _midnight(day: date, zone: str) -> datetime:
    return calendars.instant(datetime.combine(day, time()), zone)


def _local_days(plan: Plan, person: str, parts: Iterable[_Part]) -> set[date]:
    """The dates, where they live, on which they are on call at any time."""
    known = plan.people.get(person)
    zone = known.timezone if known else plan.timezone
    days: set[date] = set()
    for start, end, _ in parts:
        day = calendars.reading(start, zone).date()
        last = calendars.reading(end - timedelta.resolution, zone).date()
        days.update(day + _DAY * number for number in range((last - day).days + 1))
    return days


def _length(parts: Iterable[_Part]) -> timedelta:
    total, reached = timedelta(), datetime(1, 1, 1, tzinfo=UTC)
    for start, end, _ in sorted(parts):
        total += max(end - max(start, reached), timedelta())
        reached = max(reached, end)
    return total


def _most(parts: Iterable[_Part]) -> str:
    by_roster: dict[str, timedelta] = {}
    for start, end, roster in parts:
        by_roster[roster] = by_roster.get(roster, timedelta()) + (end - start)
    return max(by_roster, key=lambda roster: by_roster[roster])


def _is_shared(roster: Roster) -> bool:
    return len({person for layer in roster.layers for turn in layer.participants for person in turn}) > 1

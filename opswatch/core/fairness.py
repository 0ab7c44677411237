"""What duty costs each person, and which swaps of future shifts would even it out.

Hours count once, however many rosters they are in. Night, weekend and holiday are local to the person: 22:00 to 06:00,
Saturday and Sunday, and the holidays of the first calendar among the layers they stand in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from opswatch.core import calendars
from opswatch.core.absences import is_absent
from opswatch.core.duties import Span
from opswatch.core.effects import Entry
from opswatch.core.load import SLEEP, Hours
from opswatch.core.overload import REST_MIN, shared
from opswatch.core.plan import DayCalendar, Plan, Window
from opswatch.core.roster import Rosters, Shift
from opswatch.core.state import Absence, Override

NIGHT = Window(time(22), time(6))
WEEKEND = Window(time(), time(), weekdays=frozenset({5, 6}))
# What an hour weighs beyond itself: a night's hour costs sleep and counts twice, a holiday's costs what cannot be had
# again and counts twice, a weekend's half as much again. Together they add up.
NIGHT_WEIGHT, WEEKEND_WEIGHT, HOLIDAY_WEIGHT = 1.0, 0.5, 1.0
SWAPS_MAX = 12  # proposed at once: more, and nobody reads them
GAIN_MIN = 1.0  # weighted hours by which a swap must narrow the two people's difference
SHIFTS_MAX = 400  # looked at for swaps: beyond that the nearest
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Share:
    """One person's duty in a span. Spans are time on call; `nights` are those with any; `pages` and `woken` (in their
    sleep, as the weekly review counts) are of the past."""

    person: str
    zone: str
    hours: timedelta
    night: timedelta
    nights: int
    weekend: timedelta
    holiday: timedelta
    shifts: int
    pages: int = 0
    woken: int = 0

    @property
    def load(self) -> float:
        """Weighted hours."""
        extra = NIGHT_WEIGHT * self.night + WEEKEND_WEIGHT * self.weekend + HOLIDAY_WEIGHT * self.holiday
        return (self.hours + extra) / _HOUR


@dataclass(frozen=True, slots=True)
class Swap:
    """`one` gives `first` to `other`, and takes `second` for it. Both are in `roster` and whole."""

    roster: str
    one: str
    other: str
    first: Span
    second: Span


@dataclass(frozen=True, slots=True)
class Proposal:
    """Swaps in the order to make them, and everybody's weighted hours before and after."""

    swaps: tuple[Swap, ...]
    before: Mapping[str, float]
    after: Mapping[str, float]


def spread(loads: Mapping[str, float]) -> float:
    """How far the most loaded is from the least, in weighted hours."""
    return max(loads.values(), default=0.0) - min(loads.values(), default=0.0)


def shares(
    plan: Plan,
    rosters: Rosters,
    overrides: Iterable[Override],
    span: Span,
    *,
    only: Collection[str] | None = None,
    people: Collection[str] | None = None,
    entries: Iterable[Entry] = (),
) -> tuple[Share, ...]:
    """Everybody who is on call in the span or could be (stands in a layer), the most loaded first. `only` counts these
    rosters alone, `people` these people alone; `entries` hold the span's `page_promised`."""
    ours = tuple(overrides)
    names = _names(plan, only)
    held: dict[str, list[Span]] = {
        person: []
        for name in names
        for layer in plan.rosters[name].layers
        for turn in layer.participants
        for person in turn
    }
    for name in names:
        for shift in rosters.shifts(name, ours, *span):
            for person in shift.people:
                held.setdefault(person, []).append((shift.start, shift.end))
    pages, woken = _pages(plan, rosters, ours, span, entries)
    found = [
        replace(_share(plan, person, theirs, span), pages=pages.get(person, 0), woken=woken.get(person, 0))
        for person, theirs in held.items()
        if people is None or person in people
    ]
    return tuple(sorted(found, key=lambda one: (-one.load, one.person)))


def _names(plan: Plan, only: Collection[str] | None) -> list[str]:
    """The rosters that count. Who shadows one is not paged, and is on call for nothing."""
    named = [name for name in plan.rosters if only is None or name in only]
    return [name for name in named if plan.rosters[name].shadows is None]


def _share(plan: Plan, person: str, held: Sequence[Span], span: Span) -> Share:
    return _Clock(plan, person, span).share(held)


class _Clock:
    """One person's nights, weekends and holidays in a span."""

    def __init__(self, plan: Plan, person: str, span: Span) -> None:
        known = plan.people.get(person)
        self._person, self._zone = person, known.timezone if known else plan.timezone
        self._nights = list(calendars.pieces(NIGHT, self._zone, None, *span))
        self._weekends = list(calendars.pieces(WEEKEND, self._zone, None, *span))
        self._holidays = _holidays(calendar_of(plan, person), self._zone, span)

    def share(self, held: Sequence[Span]) -> Share:
        """What these shifts cost."""
        time_on = _united(held)
        nights = [night for night in self._nights if any(True for _ in shared([night], _near(time_on, night)))]
        return Share(
            person=self._person,
            zone=self._zone,
            hours=_length(time_on),
            night=_length(shared(time_on, self._nights)),
            nights=len(nights),
            weekend=_length(shared(time_on, _united(self._weekends))),
            holiday=_length(shared(time_on, _united(self._holidays))),
            shifts=len(held),
        )


def calendar_of(plan: Plan, person: str) -> DayCalendar | None:
    """Whose holidays are theirs: the first calendar that a layer they stand in names; None: nobody knows of any."""
    for roster in plan.rosters.values():
        for layer in roster.layers:
            if layer.calendar is not None and any(person in turn for turn in layer.participants):
                return plan.calendars.get(layer.calendar)
    return None


def _holidays(calendar: DayCalendar | None, zone: str, span: Span) -> list[Span]:
    if calendar is None:
        return []
    first, last = (calendars.reading(at, zone).date() for at in span)
    days = sorted(day for day in calendar.holidays if first - _DAY <= day <= last)
    return [(_midnight(day, zone), _midnight(day + _DAY, zone)) for day in days]


def _midnight(day: date, zone: str) -> datetime:
    return calendars.instant(datetime.combine(day, time()), zone)


def _pages(
    plan: Plan, rosters: Rosters, overrides: tuple[Override, ...], span: Span, entries: Iterable[Entry]
) -> tuple[dict[str, int], dict[str, int]]:
    hours = Hours(plan, rosters, overrides, span)
    pages: dict[str, int] = {}
    woken: dict[str, int] = {}
    for entry in entries:
        person = str(entry.facts.get("person"))
        if entry.kind == "page_promised" and span[0] <= entry.at < span[1]:
            pages[person] = pages.get(person, 0) + 1
            woken[person] = woken.get(person, 0) + (hours.kind(person, entry.at) == SLEEP)
    return pages, woken


def _united(spans: Iterable[Span]) -> list[Span]:
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _near(spans: Sequence[Span], one: Span) -> Sequence[Span]:
    place = bisect_right(spans, one[0], key=lambda span: span[1])
    return spans[place : place + 1]


def _length(spans: Iterable[Span]) -> timedelta:
    return sum((end - start for start, end in spans), timedelta())


# ---------------------------------------------------------------------------------------------------------------------
# Evening out


@dataclass(frozen=True, slots=True)
class _Held:
    """A future shift that may change hands, and one of its people."""

    roster: str
    layer: str
    span: Span
    person: str
    others: frozenset[str]


def propose(
    plan: Plan,
    rosters: Rosters,
    overrides: Iterable[Override],
    span: Span,
    *,
    only: Collection[str] | None = None,
    people: Collection[str] | None = None,
    absences: Sequence[Absence] = (),
) -> Proposal:
    """Few swaps that even out the weighted hours of a future span: each time the one that gains most (the sum of the
    squares falls, so what is far out comes in first).

    Shifts change hands whole, between people of the same layer who are there; nobody gets two in a row that they did
    not have, or less than 11 hours between. What an override decided stays as it is.
    """
    ours = tuple(overrides)
    work = _Evening(plan, rosters, ours, span, only, people, absences)
    before = dict(work.loads)
    swaps: list[Swap] = []
    while len(swaps) < SWAPS_MAX and (best := work.best()) is not None:
        swaps.append(work.make(*best))
    return Proposal(tuple(swaps), before, work.loads)


class _Evening:
    """The state of a proposal while swaps are added to it."""

    def __init__(
        self,
        plan: Plan,
        rosters: Rosters,
        overrides: tuple[Override, ...],
        span: Span,
        only: Collection[str] | None,
        people: Collection[str] | None,
        absences: Sequence[Absence],
    ) -> None:
        self._plan, self._absences = plan, absences
        self._eligible = _eligible(plan)
        wide = (span[0] - _DAY, span[1] + _DAY)
        names = _names(plan, only)
        self._held: list[_Held] = []
        self._busy: dict[str, list[Span]] = {}
        for name in _names(plan, None):
            for shift in rosters.shifts(name, overrides, *wide):
                for person in shift.people:
                    self._busy.setdefault(person, []).append((shift.start, shift.end))
                if name in names and wide[0] < shift.start and span[0] <= shift.start and shift.end <= span[1]:
                    self._held += _takeable(name, shift)
        known = {person for held in self._held for person in self._eligible[held.roster, held.layer]}
        self._people = {person for person in known if people is None or person in people}
        self._held = [held for held in self._held if held.person in self._people][:SHIFTS_MAX]
        whole = shares(plan, rosters, overrides, span, only=only, people=self._people)
        self.loads = {share.person: share.load for share in whole if share.person in self._people}
        self._clocks = {person: _Clock(plan, person, span) for person in self._people}
        self._costs: dict[tuple[Span, str], float] = {}

    def best(self) -> tuple[_Held, _Held] | None:
        """The swap that takes most from the squares of everybody's distance; None when none is worth it."""
        found: tuple[float, _Held, _Held] | None = None
        for place, one in enumerate(self._held):
            for other in self._held[place + 1 :]:
                gain = self._gain(one, other)
                if gain > (found[0] if found else 0.0) and self._may(one, other):
                    found = gain, one, other
        return None if found is None else found[1:]

    def make(self, one: _Held, other: _Held) -> Swap:
        """Carry a swap out in what is imagined."""
        for gives, takes in ((one, other), (other, one)):
            self.loads[gives.person] += self._cost(takes.span, gives.person) - self._cost(gives.span, gives.person)
            self._busy[gives.person] = [span for span in self._busy[gives.person] if span != gives.span] + [takes.span]
        self._held = [held for held in self._held if held not in (one, other)]  # Each shift changes hands once.
        return Swap(one.roster, one.person, other.person, one.span, other.span)

    def _gain(self, one: _Held, other: _Held) -> float:
        """By how much the squares shrink; 0 for a swap that is none, or narrows too little."""
        a, b = one.person, other.person
        if a == b or (one.roster, one.layer) != (other.roster, other.layer):
            return 0.0
        load_a, load_b = self.loads[a], self.loads[b]
        new_a = load_a - self._cost(one.span, a) + self._cost(other.span, a)
        new_b = load_b - self._cost(other.span, b) + self._cost(one.span, b)
        if abs(load_a - load_b) - abs(new_a - new_b) < GAIN_MIN:
            return 0.0
        return load_a**2 + load_b**2 - new_a**2 - new_b**2

    def _cost(self, span: Span, person: str) -> float:
        """What a shift weighs when they hold it: it may be night for one and day for the other."""
        key = span, person
        if key not in self._costs:
            self._costs[key] = self._clocks[person].share([span]).load
        return self._costs[key]

    def _may(self, one: _Held, other: _Held) -> bool:
        return self._may_take(one.person, gives=one, takes=other) and self._may_take(
            other.person, gives=other, takes=one
        )

    def _may_take(self, person: str, *, gives: _Held, takes: _Held) -> bool:
        start, end = takes.span
        if person in takes.others or person not in self._eligible[takes.roster, takes.layer]:
            return False
        if is_absent(self._absences, person, start, end) is not None:
            return False
        left = [span for span in self._busy[person] if span != gives.span]
        return not any(begins < end + REST_MIN and start < ends + REST_MIN for begins, ends in left)


def _takeable(roster: str, shift: Shift) -> list[_Held]:
    if shift.override is not None or shift.layer is None or "+" in shift.layer:
        return []  # What somebody decided by hand, and what several layers share, is theirs to change.
    people = frozenset(shift.people)
    return [_Held(roster, shift.layer, (shift.start, shift.end), one, people - {one}) for one in shift.people]


def _eligible(plan: Plan) -> dict[tuple[str, str], frozenset[str]]:
    return {
        (roster.id, layer.id): frozenset(person for turn in layer.participants for person in turn)
        for roster in plan.rosters.values()
        for layer in roster.layers
    }

"""What is wrong with the weeks ahead: gaps, people who cannot be reached, who has too much, who is away.

Everything is worked out from a snapshot of the plan and the overrides, outside the desk's lock; what of it is new to
people is decided in `core/forewarning.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from opswatch.core import overload
from opswatch.core.absences import conflicts
from opswatch.core.duties import Span
from opswatch.core.model import Priority, Role
from opswatch.core.overload import Overload
from opswatch.core.plan import Plan, Roster
from opswatch.core.reach import rules_of
from opswatch.core.roster import Rosters, Shift
from opswatch.core.state import Absence, Override

AHEAD = timedelta(days=30)
AHEAD_MAX = timedelta(days=400)
REACH_AHEAD = timedelta(days=14)  # SPEC 3: everyone on the next 14 days has a working contact for P0.
FINDINGS_MAX = 500  # kept of one look, the nearest first
SERIES_MIN = 4  # so many gaps, with at most
SERIES_APART = timedelta(days=1)  # between two of them, are one finding
_SEEN_BACK = timedelta(days=30)  # gaps of the last weeks tell where a running one, or a series, began
_LONG_BACK = timedelta(days=1461)  # where one that is older began


class Kind(StrEnum):
    """What is wrong. All but `twice` are announced."""

    GAP = "gap"  # nobody is on call, and the roster covers that time
    EMPTY = "empty"  # an override left a shift without anybody, at a time that need not be covered
    UNREACHABLE = "unreachable"  # somebody on call has no working contact for P0
    ABSENT = "absent"  # somebody on call is away
    OVERLOADED = "overloaded"  # somebody is on call too much, or with too little rest
    TWICE = "twice"  # somebody is on call for two rosters at once


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to be dealt with in [start, end), UTC. `people`: whom it is about; in a gap who is paged instead.

    `key` stays the same from look to look. `why`: a gap's `override` or `hole`; `contact`, `viewer` or `unknown` of the
    unreachable; `days`, `share` or `rest` of the overloaded. `amount`: gaps of a series that are still ahead; shifts of
    the unreachable or absent; days, percent of the hours, rests that are too short; hours in two rosters. `also` is the
    other roster, or who is on call together with the absent.
    """

    kind: Kind
    roster: str
    start: datetime
    end: datetime
    key: str
    people: tuple[str, ...] = ()
    why: str = ""
    amount: int = 0
    also: str = ""
    override: int | None = None

    def facts(self) -> dict[str, object]:
        """As it is told and given out; `key` is our own."""
        return {
            "kind": str(self.kind),
            "roster": self.roster,
            "start": self.start,
            "end": self.end,
            "people": self.people,
            "why": self.why,
            "amount": self.amount,
            "also": self.also,
            "override": self.override,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """One roster over [start, end). `shifts` tile it; `gaps` are those parts without anybody that should have somebody;
    `unreachable` are people of the next 14 days who cannot be paged."""

    roster: str
    start: datetime
    end: datetime
    shifts: tuple[Shift, ...]
    gaps: tuple[Span, ...]
    findings: tuple[Finding, ...]
    unreachable: tuple[str, ...]

    @property
    def gap(self) -> timedelta:
        """How long nobody is on call, in all."""
        return sum((end - start for start, end in self.gaps), timedelta())


def look(
    plan: Plan,
    rosters: Rosters,
    overrides: Iterable[Override],
    start: datetime,
    ahead: timedelta = AHEAD,
    *,
    absences: Sequence[Absence] = (),
    closed: Collection[tuple[str, str]] = (),
) -> tuple[Coverage, ...]:
    """Every roster over the `ahead` from `start`. `closed` are (person, contact) pairs known not to work."""
    ours, end = tuple(overrides), start + min(ahead, AHEAD_MAX)
    by_id = {override.id: override for override in ours}
    shifts = {name: tuple(rosters.shifts(name, ours, start, end)) for name in plan.rosters}
    on_duty = {name: some for name, some in shifts.items() if plan.rosters[name].shadows is None}
    loads = [*overload.twice(on_duty), *overload.overloads(plan, rosters, ours, start, end)]
    absent = _absent(plan, rosters, ours, absences, start, end)
    found = []
    for name, roster in plan.rosters.items():
        seen = rosters.gaps(name, ours, start - _SEEN_BACK, end)
        gaps = tuple((max(begins, start), ends) for begins, ends in seen if ends > start)
        unreachable = list(_unreachable(plan, rosters, roster, ours, shifts[name], start, closed))
        findings = [
            *_gaps(rosters, roster, ours, seen, start, end),
            *_empty(name, shifts[name], gaps, by_id),
            *unreachable,
            *absent.get(name, ()),
            *_loaded(one for one in loads if one.roster == name),
        ]
        ordered = sorted(findings, key=lambda one: (one.start, one.kind, one.people))[:FINDINGS_MAX]
        who = dict.fromkeys(person for finding in unreachable for person in finding.people)
        found.append(Coverage(name, start, end, shifts[name], gaps, tuple(ordered), tuple(who)))
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------------------
# Nobody


def _gaps(
    rosters: Rosters,
    roster: Roster,
    overrides: tuple[Override, ...],
    gaps: Sequence[Span],
    now: datetime,
    end: datetime,
) -> Iterator[Finding]:
    """Each gap, whole; who stands in is said, and it is a gap all the same (SPEC 3). Many close together are one thing
    to be told: every night, say. `gaps` begin with those of the last weeks, so that a series stays one as it passes."""
    for series in _series(gaps):
        ahead = [gap for gap in series if gap[1] > now]
        if not ahead:
            continue
        first = max(ahead[0][0], now)
        begun: datetime | None = series[0][0]
        edge = now - _SEEN_BACK
        if len(series) > 1 and series[0][0] - edge <= SERIES_APART:
            begun = None
        elif begun == edge:
            begun = _begun(rosters, roster.id, overrides, now)
        shifts = rosters.shifts(roster.id, overrides, first, ahead[0][1])
        made = next((one.override for one in shifts if one.override), None)
        # A series that ends in sight is another one when it grows; one that does not would grow with every hour.
        until = f" {series[-1][1].isoformat()}" if len(series) > 1 and series[-1][1] < end - SERIES_APART else ""
        yield Finding(
            Kind.GAP,
            roster.id,
            begun or first,
            series[-1][1],
            f"gap {roster.id} {begun.isoformat() if begun else 'always'}{until}",
            rosters.on_call(roster.id, overrides, first).people,
            "hole" if made is None else "override",
            len(ahead) if len(ahead) > 1 else 0,
            override=made,
        )


def _series(gaps: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """Gaps one by one; four or more with at most a day between them together."""
    run: list[Span] = []
    for gap in gaps:
        if run and gap[0] - run[-1][1] > SERIES_APART:
            yield from [run] if len(run) >= SERIES_MIN else ([one] for one in run)
            run = []
        run.append(gap)
    yield from [run] if len(run) >= SERIES_MIN else ([one] for one in run)


def _begun(rosters: Rosters, roster: str, overrides: tuple[Override, ...], now: datetime) -> datetime | None:
    """When the one gap that runs at `now` began; None for one that has no beginning within four years."""
    found = rosters.gaps(roster, overrides, now - _LONG_BACK, now)
    return found[-1][0] if found and found[-1][0] > now - _LONG_BACK else None


def _empty(
    roster: str, shifts: Sequence[Shift], gaps: Sequence[Span], by_id: Mapping[int, Override]
) -> Iterator[Finding]:
    """A shift that an override emptied where nothing needs to be covered: no gap, and surely not meant."""
    told: set[int] = set()
    for shift in shifts:
        made = by_id.get(shift.override or 0)
        if shift.people or made is None or made.id in told:
            continue
        if not any(start < shift.end and shift.start < end for start, end in gaps):
            told.add(made.id)
            key = f"empty {roster} {made.id}"
            yield Finding(Kind.EMPTY, roster, shift.start, shift.end, key, why="override", override=made.id)


def _within(shifts: Sequence[Shift], start: datetime, end: datetime) -> Iterator[Shift]:
    first = max(bisect_right(shifts, start, key=lambda shift: shift.start) - 1, 0)
    for shift in shifts[first:]:
        if shift.start >= end:
            return
        yield shift


# ---------------------------------------------------------------------------------------------------------------------
# Somebody who cannot be had


def why_unreachable(plan: Plan, person: str, closed: Collection[tuple[str, str]] = ()) -> str:
    """Why a P0 would not reach them: `unknown`, `viewer` or `contact`; "" when it would."""
    known = plan.people.get(person)
    if known is None:
        return "unknown"
    if known.role is Role.VIEWER:
        return "viewer"
    return "" if any((person, step.contact) not in closed for step in rules_of(known, Priority.P0)) else "contact"


def _unreachable(
    plan: Plan,
    rosters: Rosters,
    roster: Roster,
    overrides: tuple[Override, ...],
    shifts: Sequence[Shift],
    now: datetime,
    closed: Collection[tuple[str, str]],
) -> Iterator[Finding]:
    """Their first shift within 14 days, and how many follow it. The people of a fallback are looked at in its gaps."""
    first: dict[str, tuple[Shift, int]] = {}
    for shift in _within(shifts, now, now + REACH_AHEAD):
        people = shift.people or rosters.on_call(roster.id, overrides, shift.start).people
        for person in people:
            known, count = first.get(person, (shift, 0))
            first[person] = (known, count + 1)
    for person, (shift, count) in first.items():
        if why := why_unreachable(plan, person, closed):
            begun = shift.start if shift.start > now else rosters.on_call(roster.id, overrides, now).start
            key = f"unreachable {roster.id} {person} {begun.isoformat() if begun else 'always'}"
            yield Finding(Kind.UNREACHABLE, roster.id, begun or shift.start, shift.end, key, (person,), why, count)


def _absent(
    plan: Plan,
    rosters: Rosters,
    overrides: tuple[Override, ...],
    absences: Iterable[Absence],
    start: datetime,
    end: datetime,
) -> dict[str, list[Finding]]:
    """Per roster, once for each absence: the first shift it leaves without somebody, and how many it leaves in all."""
    found: dict[tuple[str, int], Finding] = {}
    for one in conflicts(plan, rosters, overrides, absences, start, end):
        place = (one.roster, one.absence)
        if place in found:
            found[place] = replace(found[place], amount=found[place].amount + 1)
            continue
        key = f"absent {one.roster} {one.person} {one.absence}"
        also = ",".join(one.others)
        found[place] = Finding(
            Kind.ABSENT, one.roster, one.start, one.end, key, (one.person,), "absence", amount=1, also=also
        )
    by_roster: dict[str, list[Finding]] = {}
    for (roster, _), finding in found.items():
        by_roster.setdefault(roster, []).append(finding)
    return by_roster


# ---------------------------------------------------------------------------------------------------------------------
# Somebody who has too much


def _loaded(overloads: Iterable[Overload]) -> Iterator[Finding]:
    for one in overloads:
        kind = Kind.TWICE if one.why == overload.TWICE else Kind.OVERLOADED
        key = f"{kind} {one.roster} {one.person} {one.why} {one.also or one.counted_from.isoformat()}"
        yield Finding(kind, one.roster, one.start, one.end, key, (one.person,), one.why, one.amount, one.also)

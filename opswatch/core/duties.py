"""Which duty logs there are: one per shift, and one per local day of a shift longer than 24 h (SPEC 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import pairwise

from opswatch.core import calendars
from opswatch.core.plan import Plan
from opswatch.core.roster import OnCall, Rosters, Shift
from opswatch.core.state import Override

Span = tuple[datetime, datetime]

_DAY = timedelta(days=1)
_NAME_BYTES_MAX = 180  # File systems take 255; what stands around it needs room.


@dataclass(frozen=True, slots=True)
class Duty:
    """What one duty log is about: a roster and its people over [start, end), UTC; at most a local day of `zone`.

    Without any roster (`roster` is None) it is a local day of the plan's zone. In a gap `people` are the fallback's
    (`fallback`), or nobody. `shift` is the whole shift when this is one day of a longer one; None where its ends are
    more than four years away.
    """

    roster: str | None
    zone: str
    start: datetime
    end: datetime
    people: tuple[str, ...] = ()
    fallback: bool = False
    shift: Span | None = None
    again: bool = False  # the same people had a shift of this roster that began earlier on this local date
    joint: str = "-"  # what stands between roster and people in the name

    @property
    def is_gap(self) -> bool:
        """Nobody was on call: there is a log only if something happened."""
        return self.roster is not None and (self.fallback or not self.people)

    @property
    def name(self) -> str:
        """The log's file, without `.md`: `2026-11-16-primary-ana`, the date being that of its start in `zone`. A second
        shift of the same people on one date gets its time: `2026-11-16-primary-ana-1300`."""
        begins = calendars.reading(self.start, self.zone)
        if self.roster is None:
            return f"{begins:%Y-%m-%d}-no-roster"
        front = f"{begins:%Y-%m-%d}-{self.roster}{self.joint}"
        return front + _who(self, _NAME_BYTES_MAX - len(front.encode())) + (f"-{begins:%H%M}" if self.again else "")


def log_spans(shift: Shift, zone: str) -> list[Span]:
    """The spans that get a log of their own: the shift itself, or its local days in `zone` when it is longer than 24 h.

    A shift from nine to nine is one span also in the night that clocks make 25 hours long.
    """
    begins, ends = calendars.reading(shift.start, zone), calendars.reading(shift.end, zone)
    if min(ends - begins, shift.end - shift.start) <= _DAY:
        return [(shift.start, shift.end)]
    days = (begins.date() + _DAY * number for number in range(1, (ends.date() - begins.date()).days + 1))
    midnights = (calendars.instant(datetime.combine(day, time()), zone) for day in days)
    cuts = [shift.start, *(at for at in midnights if shift.start < at < shift.end), shift.end]
    return list(pairwise(cuts))


def duties(rosters: Rosters, plan: Plan, overrides: Iterable[Override], start: datetime, end: datetime) -> list[Duty]:
    """Every duty that overlaps [start, end), whole, roster by roster in the order of the file and then in time. A plan
    without rosters has one per local day."""
    if start >= end:
        return []
    if not plan.rosters:
        return [Duty(None, plan.timezone, *day) for day in _days(plan.timezone, start, end)]
    ours = tuple(overrides)
    return [duty for roster in plan.rosters for duty in _of_roster(rosters, plan, ours, roster, start, end)]


def duty_at(
    rosters: Rosters, plan: Plan, overrides: Iterable[Override], at: datetime, roster: str | None = None
) -> list[Duty]:
    """The duties that cover `at`: of one roster, or of each. KeyError for an unknown roster."""
    if roster is not None and roster not in plan.rosters:
        raise KeyError(roster)
    found = duties(rosters, plan, overrides, at, at + timedelta.resolution)
    return [duty for duty in found if roster in (None, duty.roster)]


# ---------------------------------------------------------------------------------------------------------------------


def _of_roster(
    rosters: Rosters, plan: Plan, overrides: tuple[Override, ...], roster: str, start: datetime, end: datetime
) -> Iterator[Duty]:
    zone, joint = plan.rosters[roster].timezone, _joint(plan, roster)
    first = next(duty for duty in _onwards(rosters, overrides, roster, zone, start, end) if duty.end > start)
    midnight = datetime.combine(calendars.reading(first.start, zone).date(), time())
    seen: set[tuple[object, ...]] = set()
    for duty in _onwards(rosters, overrides, roster, zone, calendars.instant(midnight, zone), end):
        key = (calendars.reading(duty.start, zone).date(), duty.people, duty.fallback)
        if duty.end > start:
            yield replace(duty, again=key in seen, joint=joint)
        seen.add(key)


def _onwards(
    rosters: Rosters, overrides: tuple[Override, ...], roster: str, zone: str, start: datetime, end: datetime
) -> Iterator[Duty]:
    """Duties from the shift that covers `start` to the one before `end`, the whole of each shift."""
    at = start
    while at < end:
        found = rosters.on_call(roster, overrides, at)
        whole = _extent(found, zone, at, end)
        spans = log_spans(Shift(*whole, found.people, found.layer, found.override), zone)
        shift = whole if len(spans) > 1 and found.start is not None and found.until is not None else None
        for begins, ends in spans:
            if begins < end:
                yield Duty(roster, zone, begins, ends, found.people, found.fallback, shift)
        at = whole[1]


def _extent(found: OnCall, zone: str, at: datetime, end: datetime) -> Span:
    """The shift's ends; days beyond the question where they are more than four years away."""
    begins = found.start or _days(zone, at, at + timedelta.resolution)[0][0]
    return begins, found.until or _days(zone, end, end + timedelta.resolution)[-1][1]


def _days(zone: str, start: datetime, end: datetime) -> list[Span]:
    """The local days that overlap [start, end), as instants. A midnight that clocks jump over is the first instant
    after it."""
    day = calendars.reading(start, zone).date() - _DAY
    days: list[Span] = []
    begins = calendars.instant(datetime.combine(day, time()), zone)
    while begins < end:
        day += _DAY
        ends = calendars.instant(datetime.combine(day, time()), zone)
        if ends > start and ends > begins:
            days.append((begins, ends))
        begins = ends
    return days


def _joint(plan: Plan, roster: str) -> str:
    """Two dashes where one could be read two ways: `db-main` of `web` and `main` of `web-db` would share a file."""
    rests = [other.removeprefix(f"{roster}-") for other in plan.rosters if other.startswith(f"{roster}-")]
    is_unclear = any(person.startswith(f"{rest}-") for rest in rests for person in plan.people)
    return "--" if is_unclear else "-"


def _who(duty: Duty, room: int) -> str:
    """`ana+bo`; as many as there is room for, and how many more."""
    if duty.is_gap:
        return "fallback" if duty.fallback else "nobody"
    for shown in range(len(duty.people), 0, -1):
        left = len(duty.people) - shown
        said = "+".join([*duty.people[:shown], *([str(left)] if left else [])])
        if len(said.encode()) <= room or shown == 1:
            return said
    return "nobody"

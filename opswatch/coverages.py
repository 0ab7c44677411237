"""The weeks ahead as they stand now: what `core/coverage.py` and `core/fairness.py` make of a snapshot of the desk.

Only the snapshot is taken under the desk's lock; the work is done beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from opswatch.core.coverage import AHEAD, Coverage, Finding, look
from opswatch.core.effects import Entry
from opswatch.core.fairness import Proposal, Share, propose, shares
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters, Shift
from opswatch.core.state import Absence, Override
from opswatch.desk import Desk
from opswatch.stores import Store
from opswatch.views import utc

if TYPE_CHECKING:
    from opswatch.render.ical import Duty, Feed

CLOSED_AFTER = timedelta(days=14)  # failures longer ago say little about today
FEED_MAX = 5_000  # shifts of one calendar
GAP_MAX = timedelta(days=62)  # the beginning of a gap is looked for so far back
_PAGE, _PAGES_MAX = 10_000, 10


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides who is on call when. Two that are equal give the same answers."""

    plan: Plan
    rosters: Rosters
    overrides: tuple[Override, ...]
    absences: tuple[Absence, ...]

    def is_like(self, other: Snapshot | None) -> bool:
        """Whether nothing has changed since `other`."""
        return other is not None and (
            self.plan is other.plan and self.overrides == other.overrides and self.absences == other.absences
        )


class Ahead:
    """Questions about the weeks ahead of one desk; asked beside its lock. KeyError for an unknown roster."""

    def __init__(self, desk: Desk, store: Store, now: Callable[[], datetime]) -> None:
        self._desk, self._store, self._now = desk, store, now

    def coverage(self, days: int = 30, roster: str | None = None) -> tuple[Coverage, ...]:
        """What is wrong with the days ahead, per roster, and their shifts."""
        taken = self._taken(roster)
        found = coverage(taken, self._store, self._now(), timedelta(days=days))
        return tuple(one for one in found if roster in (None, one.roster))

    def fairness(
        self, start: datetime, end: datetime, *, roster: str | None = None, team: str | None = None
    ) -> tuple[Share, ...]:
        """What duty costs each person in [start, end), past or ahead: of one roster, or of one team's people."""
        taken = self._taken(roster)
        entries: list[Entry] = []
        after = 0
        while start < self._now():
            some = self._store.timeline(start=start, end=end, kinds=("page_promised",), after=after, limit=_PAGE)
            entries += [stored.entry for stored in some]
            if len(some) < _PAGE:
                break
            after = some[-1].position
        only, people = _chosen(taken.plan, roster, team)
        return shares(
            taken.plan, taken.rosters, taken.overrides, (start, end), only=only, people=people, entries=entries
        )

    def fair_swaps(
        self, start: datetime, end: datetime, *, roster: str | None = None, team: str | None = None
    ) -> Proposal:
        """Swaps of shifts in [start, end), which is ahead, that even out what duty costs."""
        taken = self._taken(roster)
        only, people = _chosen(taken.plan, roster, team)
        return propose(
            taken.plan,
            taken.rosters,
            taken.overrides,
            (start, end),
            only=only,
            people=people,
            absences=taken.absences,
        )

    def ical(self, what: str, days: int = 90, past_days: int = 0) -> str:
        """The calendar of `person:ID` (in their language and zone), `roster:ID` or `team:ID`: whole shifts, the running
        one (or those of `past_days`) first. KeyError for what the plan has not."""
        from opswatch.render.ical import calendar
        from opswatch.render.words import Reader

        self._desk.refresh()
        taken, now = snapshot(self._desk), self._now()
        kind, _, name = what.partition(":")
        found = feed(taken, what, now - timedelta(days=past_days), now + timedelta(days=days))
        known = taken.plan.people[name] if kind == "person" else None
        zone = known.timezone if known else taken.plan.rosters[name].timezone if kind == "roster" else None
        reader = Reader(
            known.language if known else taken.plan.language, plan=taken.plan, zone=zone or taken.plan.timezone
        )
        return calendar(found, reader, installation=taken.plan.name, now=now)

    def _taken(self, roster: str | None) -> Snapshot:
        self._desk.refresh()
        taken = snapshot(self._desk)
        if roster is not None and roster not in taken.plan.rosters:
            raise KeyError(roster)
        return taken


def feed(taken: Snapshot, what: str, start: datetime, end: datetime) -> Feed:
    """What a calendar shows of [start, end). Shifts are whole, so that nothing of them moves with the clock. KeyError
    for what the plan has not."""
    from opswatch.render.ical import Feed

    kind, _, name = what.partition(":")
    people = {one.id for one in taken.plan.people.values() if name == (one.id if kind == "person" else one.team)}
    rosters = [name] if kind == "roster" else list(taken.plan.rosters)
    if kind not in ("person", "roster", "team") or (kind != "roster" and not people):
        raise KeyError(what)
    found = [
        duty
        for roster in rosters
        for duty in _duties(taken, roster, start, end)
        if kind == "roster" or not people.isdisjoint(duty.shift.people)
    ]
    return Feed(what, tuple(sorted(found, key=lambda one: (one.shift.start, one.roster))[:FEED_MAX]))


def _duties(taken: Snapshot, roster: str, start: datetime, end: datetime) -> Iterator[Duty]:
    """Shifts that overlap [start, end), and gaps, each with its own beginning and end. What began years ago begins with
    a year, and a gap of months with a month: else it would be another one at every look."""
    from opswatch.render.ical import Duty

    made = {one.id: one.made_at for one in taken.overrides}
    for shift in taken.rosters.shifts(roster, taken.overrides, start, end):
        if shift.people:
            whole = shift
            if shift.start == start or shift.end == end:
                on_call = taken.rosters.on_call(roster, taken.overrides, shift.start)
                begins = on_call.start or datetime(start.year - 4, 1, 1, tzinfo=UTC)
                whole = replace(shift, start=begins, end=on_call.until or shift.end)
            yield Duty(roster, whole, (), made.get(shift.override or 0))
    early, late = (start - GAP_MAX).replace(day=1, hour=0, minute=0, second=0, microsecond=0), end + GAP_MAX
    for begins, ends in taken.rosters.gaps(roster, taken.overrides, early, late):
        if begins < end and ends > start:
            instead = taken.rosters.on_call(roster, taken.overrides, begins).people
            yield Duty(roster, Shift(begins, ends, (), None, None), instead)


def _chosen(plan: Plan, roster: str | None, team: str | None) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    people = None if team is None else tuple(one.id for one in plan.people.values() if one.team == team)
    return None if roster is None else (roster,), people


def snapshot(desk: Desk) -> Snapshot:
    """What is so now, as this desk knows it."""
    with desk.looking() as (state, engine):
        return Snapshot(engine.plan, engine.rosters, tuple(state.overrides.values()), tuple(state.absences.values()))


def coverage(taken: Snapshot, store: Store, start: datetime, ahead: timedelta = AHEAD) -> tuple[Coverage, ...]:
    """Every roster over the `ahead` from `start`. Raises StoreUnavailable."""
    ways = closed_ways(store, start)
    return look(taken.plan, taken.rosters, taken.overrides, start, ahead, absences=taken.absences, closed=ways)


def closed_ways(store: Store, now: datetime) -> frozenset[tuple[str, str]]:
    """(person, contact) pairs whose last page, in the last two weeks, failed for good."""
    works: dict[tuple[str, str], bool] = {}
    after = 0
    for _ in range(_PAGES_MAX):
        entries = store.timeline(
            kinds=("page_failed", "page_delivered"), start=now - CLOSED_AFTER, after=after, limit=_PAGE
        )
        for stored in entries:
            facts = stored.entry.facts
            if stored.entry.kind == "page_delivered" or facts.get("permanent"):
                way = (str(facts.get("person")), str(facts.get("channel")))
                works[way] = stored.entry.kind == "page_delivered"
        if len(entries) < _PAGE:
            break
        after = entries[-1].position
    return frozenset(way for way, is_open in works.items() if not is_open)


def shift_json(shift: Shift) -> dict[str, object]:
    """The format of `opswatch roster show --json` (SPEC 3)."""
    return {
        "start": utc(shift.start),
        "end": utc(shift.end),
        "people": list(shift.people),
        "layer": shift.layer,
        "override": shift.override,
    }


def coverage_json(coverage: Coverage) -> dict[str, object]:
    """The format of `opswatch roster coverage --json`: instants in UTC, spans in seconds."""
    return {
        "roster": coverage.roster,
        "from": utc(coverage.start),
        "to": utc(coverage.end),
        "gap_s": round(coverage.gap.total_seconds()),
        "gaps": [{"start": utc(start), "end": utc(end)} for start, end in coverage.gaps],
        "unreachable": list(coverage.unreachable),
        "findings": [_finding_json(finding) for finding in coverage.findings],
        "shifts": [shift_json(shift) for shift in coverage.shifts],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        **finding.facts(),
        "start": utc(finding.start),
        "end": utc(finding.end),
        "people": list(finding.people),
        "why": finding.why or None,
        "also": finding.also or None,
    }


def share_json(share: Share) -> dict[str, object]:
    """The format of `opswatch roster fairness --json`, and of a line of its CSV; hours with two places."""
    return {
        "person": share.person,
        "zone": share.zone,
        "hours": _hours(share.hours),
        "night_hours": _hours(share.night),
        "nights": share.nights,
        "weekend_hours": _hours(share.weekend),
        "holiday_hours": _hours(share.holiday),
        "shifts": share.shifts,
        "pages": share.pages,
        "woken": share.woken,
        "load": round(share.load, 1),
    }


def _hours(span: timedelta) -> float:
    return round(span / timedelta(hours=1), 2)

"""State that is owned and changed in one place, and the draft of a change that has not been committed yet."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from opswatch.core.model import Health, QuietReason, Status
from opswatch.core.state import (
    Absence,
    Alert,
    Beat,
    Cover,
    Incident,
    Override,
    Paper,
    Posting,
    Risk,
    Silence,
    Standing,
    Watch,
)

ARRANGED_KEPT = timedelta(days=400)
"""How long overrides and absences that are over stay: a year's report and a correction to it must still know who was
on call; the timeline keeps them longer."""

LOOKED_AT_AS_ONE = ("silences", "freshness", "bundles", "reports", "shifts")
"""What a Tick looks at besides single things; `State.due_keys` names them first."""

Crit = dict[str, dict[str, int]]
"""service → target → how many critical alerts it has; targets without one are left out."""

K = TypeVar("K", int, str)
V = TypeVar("V")


@dataclass(slots=True)
class Changes:
    """What one step (or one batch) changes: the new values, None for what leaves the state. Nothing else is written."""

    alerts: dict[str, Alert | None] = field(default_factory=dict)
    incidents: dict[int, Incident | None] = field(default_factory=dict)
    silences: dict[int, Silence | None] = field(default_factory=dict)
    overrides: dict[int, Override | None] = field(default_factory=dict)
    absences: dict[int, Absence | None] = field(default_factory=dict)
    covers: dict[int, Cover | None] = field(default_factory=dict)
    risks: dict[int, Risk | None] = field(default_factory=dict)
    papers: dict[int, Paper | None] = field(default_factory=dict)  # by the incident they are about
    watches: dict[str, Watch | None] = field(default_factory=dict)
    postings: dict[str, Posting | None] = field(default_factory=dict)
    beats: dict[str, Beat | None] = field(default_factory=dict)
    standing: Standing | None = None
    started_at: datetime | None = None  # of this node; not kept in the store
    fresh_until: datetime | None = None  # when to look for checks that fell silent; not kept in the store

    @property
    def behind_head(self) -> bool:
        """Whether something must be committed now; watches and postings alone may wait for their batch."""
        arranged = self.silences or self.overrides or self.absences or self.covers or self.beats
        return bool(self.alerts or self.incidents or arranged or self.risks or self.papers or self.standing)


class Deadlines(Generic[K]):
    """The earliest of many instants, each changed often: a heap whose outdated entries drop when they surface."""

    __slots__ = ("_heap", "_now")

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, K]] = []
        self._now: dict[K, datetime] = {}

    def set(self, key: K, at: datetime | None) -> None:
        if at is None:
            self._now.pop(key, None)
        elif self._now.get(key) != at:
            self._now[key] = at
            heapq.heappush(self._heap, (at, key))
            if len(self._heap) > 4 * len(self._now) + 64:  # Bounded: outdated entries never outnumber the living.
                self._heap = [(due, k) for k, due in self._now.items()]
                heapq.heapify(self._heap)

    def first(self) -> datetime | None:
        while self._heap and self._now.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime, limit: int = 1_000_000) -> list[K]:
        """Keys whose instant has come (the first `limit` of them), earliest first. Changes nothing that matters."""
        taken: list[tuple[datetime, K]] = []
        while len(taken) < limit and (first := self.first()) is not None and first <= now:
            taken.append(heapq.heappop(self._heap))
        for entry in taken:
            heapq.heappush(self._heap, entry)
        return list(dict.fromkeys(key for _, key in taken))


class State:
    """What is so, with the indices that keep a step fast at 10,000 open alerts.

    It has one owner (the desk). `Engine.step` only reads it; the owner calls `apply` once the changes are committed.
    """

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[int, Incident] = {}
        self.silences: dict[int, Silence] = {}
        self.overrides: dict[int, Override] = {}
        self.absences: dict[int, Absence] = {}
        self.covers: dict[int, Cover] = {}
        self.risks: dict[int, Risk] = {}
        self.papers: dict[int, Paper] = {}
        self.watches: dict[str, Watch] = {}
        self.postings: dict[str, Posting] = {}
        self.beats: dict[str, Beat] = {}
        self.standing = Standing()
        self.started_at: datetime | None = None
        self.fresh_until: datetime | None = None
        self.failing: set[str] = set()  # keys of the watches that last saw anything but ok
        self.held: dict[QuietReason, set[str]] = {}  # why alerts are quiet → their keys
        self.items: dict[str, set[str]] = {}  # check/target → watch keys of its items, the whole included
        self.groups: dict[str, set[int]] = {}  # group key → incidents kept
        self.folded: dict[int, set[int]] = {}  # storm → its members that are open
        self.crit: Crit = {}
        self.on_target: dict[str, set[str]] = {}  # target → keys of its alerts
        self.incident_deadlines: Deadlines[int] = Deadlines()
        self.clock_deadlines: Deadlines[int] = Deadlines()
        self.alert_deadlines: Deadlines[str] = Deadlines()
        self.silence_deadlines: Deadlines[int] = Deadlines()
        self.cover_deadlines: Deadlines[int] = Deadlines()
        self.override_deadlines: Deadlines[int] = Deadlines()
        self.absence_deadlines: Deadlines[int] = Deadlines()
        self.beat_deadlines: Deadlines[str] = Deadlines()
        self.risk_deadlines: Deadlines[int] = Deadlines()
        self.paper_deadlines: Deadlines[int] = Deadlines()
        self.posting_deadlines: Deadlines[str] = Deadlines()

    def apply(self, changes: Changes) -> None:
        """Take committed changes over."""
        for key, watch in changes.watches.items():
            self._put_watch(key, watch)
        for key, posting in changes.postings.items():
            _put(self.postings, key, posting)
            self.posting_deadlines.set(key, posting.wake_at if posting else None)
        self.started_at = changes.started_at or self.started_at
        self.fresh_until = changes.fresh_until or self.fresh_until
        if changes.behind_head:  # Most looks change only what their check remembers.
            self._apply_behind_head(changes)

    def _apply_behind_head(self, changes: Changes) -> None:
        for key, alert in changes.alerts.items():
            self._put_alert(key, alert)
        for number, incident in changes.incidents.items():
            self._put_incident(number, incident)
        for silence_id, silence in changes.silences.items():
            _put(self.silences, silence_id, silence)
            self.silence_deadlines.set(silence_id, _silence_due(silence))
        for override_id, override in changes.overrides.items():
            _put(self.overrides, override_id, override)
            self.override_deadlines.set(override_id, override.end + ARRANGED_KEPT if override else None)
        for absence_id, absence in changes.absences.items():
            _put(self.absences, absence_id, absence)
            self.absence_deadlines.set(absence_id, absence.end + ARRANGED_KEPT if absence else None)
        for cover_id, cover in changes.covers.items():
            _put(self.covers, cover_id, cover)
            self.cover_deadlines.set(cover_id, cover.wake_at if cover else None)
        for beat_id, beat in changes.beats.items():
            _put(self.beats, beat_id, beat)
            self.beat_deadlines.set(beat_id, beat.wake_at if beat else None)
        for risk_id, risk in changes.risks.items():
            _put(self.risks, risk_id, risk)
            self.risk_deadlines.set(risk_id, risk.wake_at if risk else None)
        for number, paper in changes.papers.items():
            _put(self.papers, number, paper)
            self.paper_deadlines.set(number, paper.wake_at if paper else None)
        self.standing = changes.standing or self.standing

    def alerts_of(self, incident: Incident) -> list[Alert]:
        """The alerts of an incident that fail still; of a storm, those of its open members."""
        keys = [*incident.alerts]
        for number in sorted(self.folded.get(incident.number, ())):
            keys += self.incidents[number].alerts
        return [self.alerts[key] for key in keys if key in self.alerts]

    def due_keys(self, now: datetime) -> list[str]:
        """What a Tick at `now` will look at: `incident 142`, `alert disk/db-1`, `paper 7`, and what has no key."""
        deadlines: tuple[tuple[str, Deadlines[int] | Deadlines[str]], ...] = (
            ("alert", self.alert_deadlines),
            ("absence", self.absence_deadlines),
            ("cover", self.cover_deadlines),
            ("override", self.override_deadlines),
            ("incident", self.incident_deadlines),
            ("clock", self.clock_deadlines),
            ("paper", self.paper_deadlines),
            ("risk", self.risk_deadlines),
            ("posting", self.posting_deadlines),
            ("heartbeat", self.beat_deadlines),
        )
        return [*LOOKED_AT_AS_ONE, *(f"{kind} {key}" for kind, of_kind in deadlines for key in of_kind.due(now))]

    def _put_alert(self, key: str, alert: Alert | None) -> None:
        before = self.alerts.get(key)
        _put(self.alerts, key, alert)
        self.alert_deadlines.set(key, alert.wake_at if alert else None)
        if before is not None and before.quiet is not None:
            self.held[before.quiet].discard(key)
        if alert is not None and alert.quiet is not None:
            self.held.setdefault(alert.quiet, set()).add(key)
        if alert is not None and before is None:
            self.on_target.setdefault(alert.place, set()).add(key)
        elif alert is None and before is not None:
            _discard(self.on_target, before.place, key)
        for one, by in ((before, -1), (alert, 1)):
            if one is not None and one.service is not None and one.health is Health.CRIT and one.fails_on is not None:
                _count(self.crit.setdefault(one.service, {}), one.fails_on, by)

    def _put_incident(self, number: int, incident: Incident | None) -> None:
        before = self.incidents.get(number)
        for group in _groups_of(before):
            _discard(self.groups, group, number)
        if (storm := _storm_of(before)) is not None:
            _discard(self.folded, storm, number)
        if (storm := _storm_of(incident)) is not None:
            self.folded.setdefault(storm, set()).add(number)
        _put(self.incidents, number, incident)
        self.incident_deadlines.set(number, incident.wake_at if incident else None)
        self.clock_deadlines.set(number, incident.clock_at if incident else None)
        for group in _groups_of(incident):
            self.groups.setdefault(group, set()).add(number)

    def _put_watch(self, key: str, watch: Watch | None) -> None:
        before = self.watches.get(key)
        _put(self.watches, key, watch)
        if watch is not None and watch.health is not Health.OK:
            self.failing.add(key)
        elif before is not None and before.health is not Health.OK:
            self.failing.discard(key)
        if watch is not None and before is None:
            self.items.setdefault(f"{watch.check}/{watch.target}", set()).add(key)
        elif watch is None and before is not None:
            _discard(self.items, f"{before.check}/{before.target}", key)


def _silence_due(silence: Silence | None) -> datetime | None:
    if silence is None:
        return None
    return silence.ends_at if silence.tell_at is None else min(silence.tell_at, silence.ends_at)


def _count(targets: dict[str, int], target: str, by: int) -> None:
    count = targets.get(target, 0) + by
    if count:
        targets[target] = count
    else:
        targets.pop(target, None)


def _discard(where: dict[K, set[V]], key: K, value: V) -> None:
    """Out of an index, which keeps no empty sets: it is as large as what is open, not as what ever was."""
    if (values := where.get(key)) is not None:
        values.discard(value)
        if not values:
            del where[key]


def _put(where: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        where.pop(key, None)
    else:
        where[key] = value


class Draft:
    """A State as it would be: reads through to what is so, keeps its own changes. Dropped when a swap is lost."""

    __slots__ = ("_crit", "_folded", "_grouped", "_members", "_spread", "changes", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.changes = Changes()
        self._crit: Crit = {}
        self._spread: dict[str, int] = {}
        self._grouped: dict[str, set[int]] = {}  # group key → incidents that this draft put there
        self._folded: dict[int, set[int]] = {}  # storm → members that this draft put there
        self._members: dict[int, int] = {}  # storm → how many open members more than in the state

    @property
    def standing(self) -> Standing:
        return self.changes.standing or self.state.standing

    @standing.setter
    def standing(self, value: Standing) -> None:
        self.changes.standing = value

    @property
    def started_at(self) -> datetime | None:
        return self.changes.started_at or self.state.started_at

    @property
    def fresh_until(self) -> datetime | None:
        return self.changes.fresh_until or self.state.fresh_until

    def alert(self, key: str) -> Alert | None:
        if key in self.changes.alerts:
            return self.changes.alerts[key]
        return self.state.alerts.get(key)

    def incident(self, number: int) -> Incident | None:
        if number in self.changes.incidents:
            return self.changes.incidents[number]
        return self.state.incidents.get(number)

    def absence(self, number: int) -> Absence | None:
        if number in self.changes.absences:
            return self.changes.absences[number]
        return self.state.absences.get(number)

    def cover(self, number: int) -> Cover | None:
        if number in self.changes.covers:
            return self.changes.covers[number]
        return self.state.covers.get(number)

    def risk(self, number: int) -> Risk | None:
        if number in self.changes.risks:
            return self.changes.risks[number]
        return self.state.risks.get(number)

    def paper(self, incident: int) -> Paper | None:
        if incident in self.changes.papers:
            return self.changes.papers[incident]
        return self.state.papers.get(incident)

    def watch(self, key: str) -> Watch | None:
        if key in self.changes.watches:
            return self.changes.watches[key]
        return self.state.watches.get(key)

    def posting(self, key: str) -> Posting | None:
        if key in self.changes.postings:
            return self.changes.postings[key]
        return self.state.postings.get(key)

    def item_keys(self, check: str, target: str) -> set[str]:
        """Keys of the watches of one check on one target, this draft's included."""
        keys = set(self.state.items.get(f"{check}/{target}", ()))
        for key, watch in self.changes.watches.items():
            if watch is None:
                keys.discard(key)
            elif watch.check == check and watch.target == target:
                keys.add(key)
        return keys

    def alerts(self) -> Iterator[Alert]:
        yield from _overlaid(self.state.alerts, self.changes.alerts)

    def put_alert(self, key: str, alert: Alert | None) -> None:
        """The alert as it will be; None when it leaves."""
        for one, by in ((self.alert(key), -1), (alert, 1)):
            if one is not None and one.service is not None and one.health is Health.CRIT and one.fails_on is not None:
                self._spread.setdefault(one.service, self.failing(one.service))
                if one.service not in self._crit:
                    self._crit[one.service] = dict(self.state.crit.get(one.service, {}))
                _count(self._crit[one.service], one.fails_on, by)
        self.changes.alerts[key] = alert

    def spread(self) -> list[tuple[str, int]]:
        """(service, how many targets failed) of services whose critical alerts have changed since this was asked."""
        if not self._spread:
            return []
        found = list(self._spread.items())
        self._spread.clear()
        return found

    def failing(self, service: str) -> int:
        """How many targets of this service have a critical alert."""
        own = self._crit.get(service)
        return len(self.state.crit.get(service, ()) if own is None else own)

    def failing_with(self, service: str, target: str | None, health: Health) -> int:
        """Likewise, when `target` fails too: one of its alerts is not put yet."""
        failing = self._critical(service)
        return len(failing) + (health is Health.CRIT and target is not None and target not in failing)

    def _critical(self, service: str) -> Mapping[str, int]:
        own = self._crit.get(service)
        return self.state.crit.get(service, {}) if own is None else own

    def critical_targets(self, service: str) -> tuple[str, ...]:
        """The targets of this service that have a critical alert."""
        own = self._crit.get(service)
        return tuple(self.state.crit.get(service, ()) if own is None else own)

    def alerts_on(self, target: str) -> list[Alert]:
        """The alerts of one target, this draft's included."""
        kept = [key for key in self.state.on_target.get(target, ()) if key not in self.changes.alerts]
        new = [alert for alert in self.changes.alerts.values() if alert is not None and alert.place == target]
        return [*(self.state.alerts[key] for key in sorted(kept)), *new]

    def put_incident(self, number: int, incident: Incident | None) -> None:
        """The incident as it will be; None when it leaves."""
        for storm, by in ((_storm_of(self.incident(number)), -1), (_storm_of(incident), 1)):
            if storm is not None:
                self._members[storm] = self._members.get(storm, 0) + by
        for group in _groups_of(incident):
            self._grouped.setdefault(group, set()).add(number)
        if incident is not None and incident.storm is not None:
            self._folded.setdefault(incident.storm, set()).add(number)
        self.changes.incidents[number] = incident

    def members(self, storm: int) -> int:
        """How many open incidents are folded into this storm."""
        return len(self.state.folded.get(storm, ())) + self._members.get(storm, 0)

    def folded(self, storm: int) -> Iterator[Incident]:
        """The open incidents that are folded into this storm."""
        for number in self.state.folded.get(storm, set()) | self._folded.get(storm, set()):
            if _storm_of(incident := self.incident(number)) == storm and incident is not None:
                yield incident

    def held(self, reason: QuietReason) -> list[Alert]:
        """The alerts that are quiet for this reason, in one order."""
        kept = [self.state.alerts[key] for key in self.state.held.get(reason, ()) if key not in self.changes.alerts]
        new = [alert for alert in self.changes.alerts.values() if alert is not None and alert.quiet is reason]
        return sorted([*kept, *new], key=lambda alert: alert.key)

    def failing_watches(self) -> Iterator[Watch]:
        """The watches that last saw anything but ok."""
        for key in self.state.failing:
            if key not in self.changes.watches:
                yield self.state.watches[key]
        for watch in self.changes.watches.values():
            if watch is not None and watch.health is not Health.OK:
                yield watch

    def incidents(self) -> Iterator[Incident]:
        yield from _overlaid(self.state.incidents, self.changes.incidents)

    def silence(self, number: int) -> Silence | None:
        if number in self.changes.silences:
            return self.changes.silences[number]
        return self.state.silences.get(number)

    def silences(self) -> Iterator[Silence]:
        yield from _overlaid(self.state.silences, self.changes.silences)

    def overrides(self) -> Iterator[Override]:
        yield from _overlaid(self.state.overrides, self.changes.overrides)

    def absences(self) -> Iterator[Absence]:
        yield from _overlaid(self.state.absences, self.changes.absences)

    def beat(self, heartbeat: str) -> Beat | None:
        if heartbeat in self.changes.beats:
            return self.changes.beats[heartbeat]
        return self.state.beats.get(heartbeat)

    def beats(self) -> Iterator[Beat]:
        yield from _overlaid(self.state.beats, self.changes.beats)

    def covers(self) -> Iterator[Cover]:
        yield from _overlaid(self.state.covers, self.changes.covers)

    def risks(self) -> Iterator[Risk]:
        yield from _overlaid(self.state.risks, self.changes.risks)

    def papers(self) -> Iterator[Paper]:
        yield from _overlaid(self.state.papers, self.changes.papers)

    def in_group(self, group: str) -> list[Incident]:
        """Incidents kept with this grouping key, oldest first."""
        numbers = self.state.groups.get(group, set()) | self._grouped.get(group, set())
        found = (self.incident(number) for number in sorted(numbers))
        return [incident for incident in found if group in _groups_of(incident) and incident is not None]


def _groups_of(incident: Incident | None) -> tuple[str, ...]:
    """The keys that alerts join an incident by."""
    return () if incident is None else (incident.group, *incident.took_over)


def _storm_of(incident: Incident | None) -> int | None:
    """The storm that an open incident is folded into."""
    return None if incident is None or incident.status is Status.RESOLVED else incident.storm


def _overlaid(base: dict[K, V], changed: dict[K, V | None]) -> Iterator[V]:
    for key, value in base.items():
        if key not in changed:
            yield value
    for new in changed.values():
        if new is not None:
            yield new

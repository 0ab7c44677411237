"""Every duty log there is, as the store tells it now: for those who ask, and for the loop that keeps the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core import dutylog
from opswatch.core.duties import Duty, duties, duty_at
from opswatch.core.dutylog import DutyLog
from opswatch.core.effects import Entry
from opswatch.core.escalation import KEEP_RESOLVED
from opswatch.core.model import Status
from opswatch.core.plan import Plan
from opswatch.core.state import Incident
from opswatch.desk import Desk
from opswatch.stores import Store

KIND = "dutylog"
LATE = timedelta(seconds=10)
"""So long after its end a log is closed: what was decided before the end is committed by then, on every node."""

ENTRIES_MAX = 10_000  # read for one log
OLDER_MAX = 200  # incidents that began before it
STORY_MAX = 500  # entries of one of those
NODES_MAX = 50


@dataclass(frozen=True, slots=True)
class DutyRow:
    """One line of the list of duty logs. Instants are UTC; `name` is its file under `records/dutylog`, without
    `.md`."""

    name: str
    roster: str | None
    people: tuple[str, ...]
    fallback: bool
    start: datetime
    end: datetime
    is_over: bool

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "roster": self.roster,
            "people": list(self.people),
            "fallback": self.fallback,
            "start": _utc(self.start),
            "end": _utc(self.end),
            "closed": self.is_over,
        }


class DutyLogs:
    """Answers which duties there are, and what each log says."""

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk, self._store = desk, store

    @property
    def plan(self) -> Plan:
        return self._desk.engine.plan

    def between(self, start: datetime, end: datetime) -> list[Duty]:
        """Duties of all rosters that overlap [start, end)."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            overrides = tuple(state.overrides.values())
        return duties(engine.rosters, engine.plan, overrides, start, end)

    def at(self, at: datetime, roster: str | None = None) -> list[Duty]:
        """The duties that cover `at`. KeyError for an unknown roster."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            overrides = tuple(state.overrides.values())
        return duty_at(engine.rosters, engine.plan, overrides, at, roster)

    def log(self, duty: Duty, now: datetime) -> DutyLog:
        """What the log of `duty` says at `now`."""
        stored = self._store.timeline(start=duty.start, end=duty.end, kinds=dutylog.KINDS, limit=ENTRIES_MAX)
        entries = [one.entry for one in stored]
        return dutylog.duty_log(
            entries,
            duty,
            self.plan,
            before=self._before(duty, entries, now),
            after=self._after(duty, now),
            stage=stage_of(duty, now),
            is_cut=len(stored) == ENTRIES_MAX,
        )

    def first_at(self) -> datetime | None:
        """When anything was first written down; None while nothing was."""
        first = self._store.timeline(limit=1)
        return first[0].entry.at if first else None

    def _before(self, duty: Duty, entries: Sequence[Entry], now: datetime) -> Iterator[Entry]:
        """The earlier story of incidents that were open when it began, or that something was done to in it."""
        begun_here = {entry.incident for entry in entries if entry.kind == "triggered"}
        touched = {entry.incident for entry in entries if entry.incident is not None} - begun_here
        known = {one.number: one for one in self._incidents(duty, now) if _was_open(one, duty.start)}
        # Those in which something happened come first: with very many, the rest are told as they are known now.
        wanted = [*sorted(touched - {None}), *sorted(known.keys() - touched, reverse=True)]
        for number in wanted[:OLDER_MAX]:
            story = self._store.timeline(incident=number, end=duty.start, kinds=dutylog.KINDS, limit=STORY_MAX)
            yield from (one.entry for one in story)
        for number in wanted[OLDER_MAX:]:
            if number in known:
                yield from _in_short(known[number], duty.start)

    def _incidents(self, duty: Duty, now: datetime) -> list[Incident]:
        """Those that may have been open during it. The state has them for a while after they are resolved; for a log
        that is caught up late the newest of all are looked at."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            known = list(state.incidents.values())
        is_long_ago = now - duty.end > KEEP_RESOLVED - LATE
        return known + (self._store.incidents(include_resolved=True) if is_long_ago else [])

    def _after(self, duty: Duty, now: datetime) -> Iterable[Entry]:
        """Nodes that came up after its end: they may have been down over it."""
        if now < duty.end:
            return ()
        started = self._store.timeline(start=duty.end, end=now + LATE, kinds=("node_started",), limit=NODES_MAX)
        return [one.entry for one in started]


def stage_of(duty: Duty, now: datetime) -> str:
    """`ahead`, `running`, or `closed` once it ended and everything decided in it is known."""
    if now < duty.start:
        return dutylog.AHEAD
    return dutylog.CLOSED if now >= duty.end + LATE else dutylog.RUNNING


def row_of(duty: Duty, now: datetime) -> DutyRow:
    """The duty as a line of a list."""
    is_over = stage_of(duty, now) == dutylog.CLOSED
    return DutyRow(duty.name, duty.roster, duty.people, duty.fallback, duty.start, duty.end, is_over)


def _was_open(incident: Incident, at: datetime) -> bool:
    """Whether it may have been open at `at`; its own story says exactly."""
    is_over = incident.status is Status.RESOLVED and incident.resolved_at is not None and incident.resolved_at < at
    return incident.opened_at < at and not is_over


def _in_short(incident: Incident, at: datetime) -> Iterator[Entry]:
    """What is known of an incident now, as the entries it may have had before `at`."""
    facts = {
        "title": incident.title,
        "service": incident.service,
        "priority": str(incident.priority),
        "policy": incident.policy,
    }
    yield Entry(incident.opened_at, "triggered", incident.number, facts=facts)
    if incident.acked_at is not None and incident.acked_at < at:
        yield Entry(incident.acked_at, "acknowledged", incident.number, by=incident.owner)


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")

"""Post-mortems and hand-overs as the store tells them now: for those who ask, and for the loop that keeps the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from opswatch.core import handover, postmortem
from opswatch.core.effects import Entry
from opswatch.core.handover import Handing, HandOver
from opswatch.core.model import RiskStatus
from opswatch.core.papers import is_overdue as paper_is_overdue
from opswatch.core.plan import Plan
from opswatch.core.postmortem import PostMortem, Value
from opswatch.core.risks import is_overdue, ranked
from opswatch.core.state import Incident, Paper, Risk
from opswatch.desk import Desk
from opswatch.stores import Store

POSTMORTEM, HANDOVER = "postmortem", "handover"
"""Kinds of records: the folders of their files."""

ENTRIES_MAX = 2_000  # of one incident
FIRED_MAX = 200
VALUES_MAX = 5_000
BEFORE = timedelta(hours=1)  # as far as values are looked at around an incident
AFTER = timedelta(minutes=30)
SPAN_MAX = timedelta(days=2)
NOTED_MAX = 50  # open incidents whose newest note is looked up
NOTES_MAX = 20  # lines of the last shift's duty log
ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class RiskRow:
    """One line of the risk ledger. Instants are UTC; `due` is a date where the owner lives. `id` names it in
    commands."""

    id: int
    title: str
    severity: str  # high | medium | low
    status: str  # open | accepted | closed
    owner: str | None
    due: date | None
    is_overdue: bool
    source: str
    service: str | None
    target: str | None
    incident: int | None
    opened_at: datetime
    accepted_until: datetime | None
    ended_at: datetime | None
    reason: str
    evidence: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The format of `opswatch risk list --json`."""
        return {
            "id": self.id,
            "title": self.title,
            "severity": self.severity,
            "status": self.status,
            "owner": self.owner,
            "due": self.due.isoformat() if self.due else None,
            "overdue": self.is_overdue,
            "source": self.source,
            "service": self.service,
            "target": self.target,
            "incident": self.incident,
            "opened_at": _utc(self.opened_at),
            "accepted_until": _utc(self.accepted_until),
            "ended_at": _utc(self.ended_at),
            "reason": self.reason,
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One post-mortem or short review: who owes it, until when, and how far it is. Instants are UTC."""

    incident: int
    kind: str  # postmortem | review
    title: str
    priority: str
    service: str | None
    stage: str  # draft | in_review | published
    owner: str | None
    opened_at: datetime
    due_at: datetime
    is_overdue: bool
    published_at: datetime | None

    def as_json(self) -> dict[str, object]:
        """The format of `opswatch postmortem list --json`."""
        return {
            "incident": self.incident,
            "kind": self.kind,
            "title": self.title,
            "priority": self.priority,
            "service": self.service,
            "stage": self.stage,
            "owner": self.owner,
            "opened_at": _utc(self.opened_at),
            "due_at": _utc(self.due_at),
            "overdue": self.is_overdue,
            "published_at": _utc(self.published_at),
        }


class Paperwork:
    """Answers what each paper says, which risks there are, and what is handed over."""

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk, self._store = desk, store

    @property
    def plan(self) -> Plan:
        return self._desk.engine.plan

    # post-mortems

    def papers(self, *, include_published: bool = False) -> list[Paper]:
        """What is owed, the first due first; with `include_published` the newest of all, newest first."""
        if include_published:
            return self._store.papers(ROWS_MAX)
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            kept = [paper for paper in state.papers.values() if not paper.is_published]
        return sorted(kept, key=lambda paper: (paper.due_at, paper.incident))

    def paper_row(self, paper: Paper, now: datetime) -> PaperRow:
        """The paper as a line of a list."""
        incident = self.incident(paper.incident)
        return PaperRow(
            incident=paper.incident,
            kind=str(paper.kind),
            title=incident.title if incident else "",
            priority=str(incident.priority) if incident else "",
            service=incident.service if incident else None,
            stage=str(paper.stage),
            owner=paper.owner,
            opened_at=paper.opened_at,
            due_at=paper.due_at,
            is_overdue=paper_is_overdue(paper, now),
            published_at=paper.moved_at if paper.is_published else None,
        )

    def risk_row(self, risk: Risk, now: datetime) -> RiskRow:
        """The risk as a line of a list."""
        return RiskRow(
            id=risk.id,
            title=risk.title,
            severity=str(risk.severity),
            status=str(risk.status),
            owner=risk.owner,
            due=risk.due,
            is_overdue=is_overdue(self.plan, risk, now),
            source=risk.source,
            service=risk.service,
            target=risk.target,
            incident=risk.incident,
            opened_at=risk.opened_at,
            accepted_until=risk.accepted_until,
            ended_at=risk.ended_at,
            reason=risk.reason,
            evidence=risk.evidence,
        )

    def kept(self) -> list[Paper]:
        """Those of the state, the published ones of the last day too."""
        with self._desk.looking() as (state, _):
            return list(state.papers.values())

    def paper(self, incident: int) -> Paper | None:
        """The paper of an incident, published ones of long ago too."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            paper = state.papers.get(incident)
        return paper or next((one for one in self._store.papers(ROWS_MAX) if one.incident == incident), None)

    def incident(self, number: int) -> Incident | None:
        """Any incident, forgotten ones too."""
        with self._desk.looking() as (state, _):
            incident = state.incidents.get(number)
        return incident or self._store.incident(number)

    def post_mortem(self, number: int) -> PostMortem | None:
        """What the post-mortem of an incident knows by itself; None for a number that was never given."""
        incident = self.incident(number)
        if incident is None:
            return None
        stored = self._store.timeline(incident=number, limit=ENTRIES_MAX)
        entries = [one.entry for one in stored]
        opened = incident.opened_at
        fired = self._store.timeline(
            start=opened - BEFORE, end=opened + timedelta(seconds=1), kinds=("alert_fired",), limit=FIRED_MAX
        )
        return postmortem.post_mortem(
            incident,
            self.paper(number),
            entries,
            self.plan,
            fired=[one.entry for one in fired],
            values=self._values(incident, entries),
            is_cut=len(stored) == ENTRIES_MAX,
        )

    def last_position(self, number: int) -> int:
        """Of the newest entry that belongs to an incident; 0 for none."""
        stored = self._store.timeline(incident=number, limit=ENTRIES_MAX)
        return stored[-1].position if stored else 0

    def _values(self, incident: Incident, entries: Sequence[Entry]) -> list[Value]:
        """What the check that opened it saw around it."""
        known = postmortem.first_alert(entries)
        if known is None:
            return []
        end = min((incident.resolved_at or incident.opened_at) + AFTER, incident.opened_at + SPAN_MAX)
        points = self._store.samples(*known, incident.opened_at - BEFORE, end, VALUES_MAX)
        return [Value(one.at, one.name, one.value, one.unit, one.item) for one in points]

    # risks

    def risks(self, *, include_closed: bool = False) -> list[Risk]:
        """Open and accepted ones, worst first; with `include_closed` the newest of all, newest first."""
        if include_closed:
            return self._store.risks(ROWS_MAX)
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            return ranked(risk for risk in state.risks.values() if risk.status is not RiskStatus.CLOSED)

    # hand-overs

    def first_at(self) -> datetime | None:
        """When anything was first written down; None while nothing was."""
        first = self._store.timeline(limit=1)
        return first[0].entry.at if first else None

    def handings(self, start: datetime, end: datetime) -> list[Handing]:
        """Every instant in (start, end] at which other people come on call."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            overrides = tuple(state.overrides.values())
        return handover.handings(engine.rosters, engine.plan, overrides, start, end)

    def handing(self, roster: str, at: datetime) -> Handing | None:
        """The one of a roster at that very instant."""
        found = self.handings(at - timedelta(seconds=1), at)
        return next((one for one in found if (one.roster, one.at) == (roster, at)), None)

    def handing_now(self, roster: str, now: datetime) -> Handing:
        """As if the running shift were handed over now. KeyError for an unknown roster."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            overrides = tuple(state.overrides.values())
        return handover.handing_now(engine.rosters, engine.plan, overrides, roster, now)

    def hand_over(self, handing: Handing, now: datetime) -> HandOver:
        """What is handed over, as things stand at `now`."""
        with self._desk.looking() as (state, engine):
            incidents = list(state.incidents.values())
            silences, overrides = list(state.silences.values()), list(state.overrides.values())
            risks, papers = list(state.risks.values()), list(state.papers.values())
            paused_until, plan, rosters = state.standing.paused_until, engine.plan, engine.rosters
        before = rosters.on_call(handing.roster, overrides, handing.at - timedelta.resolution).start
        since = max(before or now - handover.SHIFT_MAX, now - handover.SHIFT_MAX)
        notes = self._store.timeline(start=since, end=now, kinds=("duty_note",))
        numbers = [one.number for one in incidents if one.resolved_at is None][-NOTED_MAX:]
        return handover.hand_over(
            handing,
            plan,
            now,
            incidents=incidents,
            silences=silences,
            overrides=overrides,
            risks=risks,
            papers=papers,
            paused_until=paused_until,
            last_notes={number: note for number in numbers if (note := self._last_note(number)) is not None},
            notes=[one.entry for one in notes[-NOTES_MAX:]],
        )

    def _last_note(self, number: int) -> Entry | None:
        noted = self._store.timeline(incident=number, kinds=("noted",), limit=ENTRIES_MAX)
        return noted[-1].entry if noted else None


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")

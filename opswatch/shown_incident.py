"""An incident as an answer: its line in the list, and everything about it, as plain values and as JSON (SPEC 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opswatch.core import escalation, pools, sla
from opswatch.core import incidents as life
from opswatch.core.changes import State
from opswatch.core.likely import ALONE, Around
from opswatch.core.model import Status
from opswatch.core.plan import Plan
from opswatch.core.state import Alert, Incident
from opswatch.core.storms import tallies
from opswatch.stores import MessageRow, Stored

FAILING_MAX = 500
MEMBERS_MAX = 10_000
TALLY_MAX = 100


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One line of the list."""

    id: int
    status: Status
    priority: str
    service: str | None
    title: str
    owner: str | None
    opened_at: datetime
    alerts: int
    next_deadline: datetime | None
    quiet: str | None = None
    snoozed_until: datetime | None = None
    storm: int | None = None  # the one it is folded into
    due: sla.Due = field(default_factory=sla.Due)  # what was promised, and by when
    acks: str | None = None  # "1 of 2", where the policy wants several and somebody has acknowledged

    def as_json(self) -> dict[str, object]:
        """The format of `opswatch list --json` (SPEC 5); with `acks` where several people must acknowledge."""
        several = {"acks": self.acks} if self.acks is not None else {}
        return several | {
            "id": self.id,
            "status": str(self.status),
            "priority": self.priority,
            "service": self.service,
            "title": self.title,
            "owner": self.owner,
            "opened_at": utc(self.opened_at),
            "alerts": self.alerts,
            "next_deadline": utc(self.next_deadline),
        }


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident with everything that happened to it. `allowed` are the commands it takes now."""

    row: IncidentRow
    incident: Incident
    alerts: tuple[Alert, ...]
    entries: tuple[Stored, ...]
    messages: tuple[MessageRow, ...]
    allowed: tuple[str, ...]
    plan: Plan
    folded: tuple[int, ...] = ()  # open incidents that a storm holds
    around: Around = ALONE

    def as_json(self) -> dict[str, object]:
        """Everything; of very many alerts the first FAILING_MAX, `alerts` counts them all."""
        return {
            **self.row.as_json(),
            "why": self.incident.why,
            "summary": self.incident.summary,
            "policy": self.incident.policy,
            "level": self.incident.level,
            "cycle": self.incident.cycle,
            "climb": self.incident.climb,
            "acknowledged_by": list(self.incident.acks),
            "reserves": [row | {"asking_until": utc(until)} for row, until in pools.rows(self.plan, self.incident)],
            "paged": [list(pair) for pair in self.incident.paged],
            "snoozed_until": utc(self.incident.snoozed_until),
            "acknowledged_at": utc(self.incident.acked_at),
            "resolved_at": utc(self.incident.resolved_at),
            "failing": [
                {
                    "check": alert.check,
                    "target": alert.target,
                    "item": alert.item,
                    "state": str(alert.health),
                    "since": utc(alert.fired_at),
                    "sentence": alert.sentence,
                    "evidence": list(alert.evidence),
                    **(life.posted_facts(alert) if alert.is_external else {"source": alert.source}),
                }
                for alert in self.alerts[:FAILING_MAX]
            ],
            "next_update_due": utc(self.due.update),
            "resolve_due": utc(self.due.resolve),
            "ack_due": utc(self.due.ack),
            "merged_into": self.incident.merged_into,
            "reporter": self.incident.reporter,
            "likely_cause": self._cause_json(),
            "similar": [
                {
                    "id": one.number,
                    "title": one.title,
                    "resolved_at": utc(one.resolved_at),
                    "resolved_by": one.resolved_by,
                    "fixed": one.fixed or None,
                }
                for one in self.around.similar
            ],
            "in_storm": self.incident.storm,
            "storm": self._storm_json() if self.incident.is_storm else None,
            "messages": [_message_json(message) for message in self.messages],
            "timeline": [entry_json(stored) for stored in self.entries],
            "allowed": list(self.allowed),
        }

    @property
    def posted(self) -> Mapping[str, Any] | None:
        """What others said of the alert that opened it, if others did (`incidents.posted_facts`)."""
        found = next((one.entry.facts.get("posted") for one in self.entries if one.entry.kind == "triggered"), None)
        return found if isinstance(found, Mapping) else None

    @property
    def due(self) -> sla.Due:
        """When its priority's promises are due."""
        return sla.due(self.plan, self.incident)

    def _cause_json(self) -> dict[str, object] | None:
        cause = self.around.cause
        if cause is None:
            return None
        return {"name": cause.name, "incident": cause.incident, "alerts": list(cause.alerts), "seen": self.around.what}

    def _storm_json(self) -> dict[str, object]:
        return {
            "folded": self.incident.folded,
            "open": len(self.folded),
            "members": list(self.folded[:MEMBERS_MAX]),
            **{
                f"by_{name}": [{"name": key, "count": count} for key, count in tally[:TALLY_MAX]]
                for name, tally in tallies(self.alerts).items()
            },
        }


def row_of(incident: Incident, state: State, plan: Plan) -> IncidentRow:
    """What is folded is whoever's the storm is: its own status says only that it is not over."""
    is_over = incident.status is Status.RESOLVED
    quiet = life.quiet_reason(incident)
    storm = state.incidents.get(incident.storm) if incident.storm is not None and not is_over else None
    has_it = storm if storm is not None and storm.status is Status.ACKNOWLEDGED else incident
    return IncidentRow(
        incident.number,
        has_it.status,
        str(incident.priority),
        incident.service,
        incident.title,
        has_it.owner,
        incident.opened_at,
        len(incident.alerts) or len(state.folded.get(incident.number, ())),
        None if is_over and incident.reopen_at is None else (storm or incident).wake_at,
        str(quiet) if quiet else None,
        incident.snoozed_until,
        incident.storm if storm is not None else None,
        sla.due(plan, incident),
        escalation.acks_said(plan, incident),
    )


def utc(at: datetime | None) -> str | None:
    """An instant as the API writes it: `2026-11-16T02:00:00Z`."""
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def entry_json(stored: Stored) -> dict[str, object]:
    entry = stored.entry
    return {
        "position": stored.position,
        "at": utc(entry.at),
        "kind": entry.kind,
        "incident": entry.incident,
        "by": entry.by,
        "facts": dict(entry.facts),
    }


def _message_json(message: MessageRow) -> dict[str, object]:
    return {
        "id": message.id,
        "kind": message.kind,
        "person": message.person,
        "channel": message.channel,
        "promised_at": utc(message.promised_at),
        "attempts": message.attempts,
        "settled_at": utc(message.settled_at),
        "outcome": message.outcome,
        "detail": message.detail,
    }

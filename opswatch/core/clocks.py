"""What the clocks of an incident say when they strike: reminders to its owner, promises that were broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from opswatch.core import escalation, notices, sla, stakeholders
from opswatch.core.moment import Moment
from opswatch.core.state import Incident


def strike(m: Moment, incident: Incident) -> None:
    """Everything that the clocks say by now."""
    for what, at in sorted(sla.to_come(m.plan, incident), key=lambda one: one[1]):
        if at <= m.now:
            incident = replace(incident, clocks=sla.said(m.plan, incident, what, at, m.now))
            _say(m, incident, what, at)
    escalation.keep(m, incident)


def _say(m: Moment, incident: Incident, what: str, at: datetime) -> None:
    promised = sla.due(m.plan, incident)
    if what == "update_soon":
        _remind(m, incident, "update_due", promised.update)
    elif what == "resolve_soon":
        _remind(m, incident, "resolve_due", promised.resolve)
    elif sla.is_update(what) and what != "update":
        _remind(m, incident, "update_overdue", promised.update)
    else:
        m.record(
            "sla_breached",
            incident=incident.number,
            what=what,
            priority=str(incident.priority),
            owner=incident.owner,
            due=at,
            after_s=int((at - incident.opened_at).total_seconds()),
        )
        if what == "ack":
            stakeholders.answer(m, incident, "report_waiting", None, until=at)
        elif what == "update":
            _remind(m, incident, "update_overdue", at)
        elif what == "resolve":
            _remind(m, incident, "resolve_overdue", at)


def _remind(m: Moment, incident: Incident, event: str, at: datetime | None) -> None:
    """The owner, by a quiet way; a team's people for a team. Nobody while nobody has it: the ladder asks then."""
    if incident.owner is None:
        return
    people = notices.readers(m.plan, incident.owner)
    m.record("sla_reminded", incident=incident.number, what=event, people=people, due=at)
    notices.tell(m, people, event, incident.number, due=at)

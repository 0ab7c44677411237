"""One incident that two lines were kept for, and two that were kept as one: `merge 142 into 140`, `split 142 …`."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core import escalation, incidents, storms
from opswatch.core.events import Merge, Split
from opswatch.core.matching import matches_glob
from opswatch.core.model import PageReason, Status
from opswatch.core.moment import Moment
from opswatch.core.state import Alert, Incident

NAMED_MAX = 20


# ---------------------------------------------------------------------------------------------------------------------
# Merge


def merge(m: Moment, incident: Incident, command: Merge) -> Incident | None:
    """Its alerts move into the other one, and so does what fails later with the same key. It is over; its card points
    there, and everybody who was paged for it is told. Whoever has the other one has this too; a higher priority
    raises the other one as any new alert would."""
    into = _target(m, incident, command)
    if into is None:
        return None
    moved = _alerts(m, incident)
    for alert in moved:
        m.draft.put_alert(alert.key, replace(alert, incident=into.number))
    m.record("merged", incident=incident.number, by=command.by, door=command.door, into=into.number)
    m.record("took_over", incident=into.number, by=command.by, what=incident.number, count=len(moved) or None)
    took_over = (incident.group, *incident.took_over)
    into = replace(
        into,
        alerts=(*into.alerts, *incident.alerts),
        took_over=tuple(dict.fromkeys((*into.took_over, *took_over))),
        joined_at=m.now,
    )
    m.done("merged", incident=incident.number, into=into.number)
    over = replace(
        escalation.stop(m, incident),
        alerts=(),
        status=Status.RESOLVED,
        resolved_at=m.now,
        resolved_by=command.by,
        merged_into=into.number,
        ack_until=None,
        snoozed_until=None,
        held_until=None,
        held_why=None,
        reopen_at=None,
    )
    escalation.keep(m, over)  # Before the other one's ladder: whoever routes it by its alerts finds them there.
    incidents.tell(m, over, "merged")
    _gained(m, into, incident, command)
    return over


def _target(m: Moment, incident: Incident, command: Merge) -> Incident | None:
    """The incident that it goes into; None once the refusal was said."""
    into = m.draft.incident(command.into)
    if into is None:
        m.refuse("unknown_incident", incident=command.into)
    elif into.number == incident.number:
        m.refuse("merge_itself", incident=incident.number)
    elif incident.is_storm:
        m.refuse("storm_stays", incident=incident.number)
    elif into.status is Status.RESOLVED:
        m.refuse("merge_over", incident=into.number, into=into.merged_into)
    else:
        return into
    return None


def _gained(m: Moment, into: Incident, incident: Incident, command: Merge) -> None:
    """The other one is as bad as the worse of both now."""
    is_owner = into.status is Status.ACKNOWLEDGED and into.owner == command.by
    if incident.priority < into.priority and not is_owner:
        into = incidents.raise_priority(m, into, incident.priority, incident.why, by=command.by)
    elif incident.priority < into.priority:  # The owner's own change never breaks their acknowledgement.
        m.record(
            "priority_set",
            incident=into.number,
            by=command.by,
            before=str(into.priority),
            priority=str(incident.priority),
            why=incident.why,
        )
        into = replace(into, priority=incident.priority, why=incident.why)
        into = replace(into, policy=escalation.route(m, into))
    if is_owner:
        into = incidents.restart_ack_timer(m, into)
    elif into.status is Status.ACKNOWLEDGED:
        incidents.write_owner(m, into, "joined")
    incidents.noted(m, into, "joined")
    escalation.keep(m, escalation.joined(m, into))
    storms.look(m, into.storm, into.number)


def _alerts(m: Moment, incident: Incident) -> list[Alert]:
    return [alert for key in incident.alerts if (alert := m.draft.alert(key)) is not None]


# ---------------------------------------------------------------------------------------------------------------------
# Split


def split(m: Moment, incident: Incident, command: Split) -> Incident | None:
    """Some of its alerts become an incident of their own. Whoever has the old one has the new one too, and nobody is
    paged; while nobody has it, the new one climbs its own ladder. Nothing joins the new one by its key."""
    parts = _parts(m, incident, command)
    if parts is None:
        return None
    keys = {alert.key for alert in parts}
    worst = min(parts, key=lambda alert: (alert.priority, alert.fired_at, alert.key))
    services = {alert.service for alert in parts}
    for alert in parts:
        m.record("alert_left", incident=incident.number, alert=alert.key)
    rest = replace(incident, alerts=tuple(key for key in incident.alerts if key not in keys))
    escalation.keep(m, rest)
    new = incidents.opened(
        m,
        title=worst.sentence if worst.target in worst.sentence else f"{worst.sentence} on {worst.target}",
        service=worst.service if len(services) == 1 else incident.service,
        priority=worst.priority,
        why=worst.why,
        group=f"split={m.draft.standing.incident_last + 1}",
        by=command.by,
        summary=worst.sentence,
    )
    new = replace(new, by_hand=False, check=worst.check, alerts=tuple(alert.key for alert in parts))
    for alert in parts:
        m.draft.put_alert(alert.key, replace(alert, incident=new.number))
        m.record("alert_joined", incident=new.number, alert=alert.key, state=_told(alert), text=alert.sentence)
    new = replace(new, policy=escalation.route(m, new))
    m.record("split", incident=incident.number, by=command.by, door=command.door, into=new.number, count=len(parts))
    m.done("split", incident=incident.number, into=new.number, count=len(parts))
    _handed(m, incident, new, command)
    incidents.noted(m, rest, "split")
    return rest


def _handed(m: Moment, incident: Incident, new: Incident, command: Split) -> None:
    """Who has the old one has the new one; else it climbs, unless it is quiet."""
    if incident.status is Status.ACKNOWLEDGED:
        m.record("acknowledged", incident=new.number, by=incident.owner, door=command.door, after_s=0)
        new = replace(
            new,
            status=Status.ACKNOWLEDGED,
            owner=incident.owner,
            acks=(incident.owner or "",),
            acked_at=m.now,
            first_acked_at=m.now,
        )
        new = incidents.restart_ack_timer(m, new)
        if incident.owner != command.by:
            incidents.write_owner(m, new, "joined")
    else:
        new = incidents.look_at_hold(m, replace(new, snoozed_until=incident.snoozed_until))
        if new.held_until is None and new.snoozed_until is None:
            new = escalation.start(m, new, PageReason.FIRST)
    escalation.keep(m, new)


def _parts(m: Moment, incident: Incident, command: Split) -> list[Alert] | None:
    """The alerts that go; None once the refusal was said. A name may be a pattern: `disk-*`, `disk/db-1`."""
    if incident.is_storm:
        m.refuse("storm_not_split", incident=incident.number)
        return None
    alerts = _alerts(m, incident)
    known = ", ".join(alert.key for alert in alerts[:NAMED_MAX])
    chosen: dict[str, Alert] = {}
    for name in command.alerts:
        found = [alert for alert in alerts if matches_glob((name,), alert.key)]
        if not found:
            m.refuse("unknown_alert", incident=incident.number, what=name, known=known)
            return None
        chosen |= {alert.key: alert for alert in found}
    if command.service is not None:
        chosen |= {alert.key: alert for alert in alerts if alert.service == command.service}
    if not chosen:
        m.refuse("unknown_alert", incident=incident.number, what=command.service or "", known=known)
    elif len(chosen) == len(alerts):
        m.refuse("split_all", incident=incident.number)
    else:
        return [alert for alert in alerts if alert.key in chosen]
    return None


def _told(alert: Alert) -> str | None:
    return None if alert.announced is None else str(alert.announced)

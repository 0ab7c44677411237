"""The life of an incident: TRANSITIONS as a table, and the moves that no person makes.

Alerts open, join, leave and reopen incidents here; what people say is in `core/commands.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import escalation, paging, papers, pools, quiet, sla, stakeholders
from opswatch.core.effects import Update
from opswatch.core.events import (
    Accept,
    Acknowledge,
    Command,
    Decline,
    Escalate,
    Merge,
    Note,
    PostUpdate,
    Reassign,
    Reopen,
    Resolve,
    SetPriority,
    Snooze,
    Split,
    Unack,
)
from opswatch.core.held import note as note_held
from opswatch.core.model import PageReason, Priority, QuietReason, Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan
from opswatch.core.quiet import Quiet
from opswatch.core.state import Alert, Incident

FIXED_MAX = 500
OWNER_TOLD_EVERY = timedelta(minutes=1)
TRIGGERED, ACKNOWLEDGED, RESOLVED = Status.TRIGGERED, Status.ACKNOWLEDGED, Status.RESOLVED

TRANSITIONS: Mapping[Status, Mapping[type[Command], Status]] = {
    TRIGGERED: {
        Acknowledge: ACKNOWLEDGED,  # The last of as many as the policy wants; until then it climbs on.
        Unack: TRIGGERED,
        Accept: TRIGGERED,
        Decline: TRIGGERED,
        Snooze: TRIGGERED,
        Escalate: TRIGGERED,
        Reassign: TRIGGERED,
        SetPriority: TRIGGERED,
        Note: TRIGGERED,
        PostUpdate: TRIGGERED,
        Merge: RESOLVED,
        Split: TRIGGERED,
        Resolve: RESOLVED,
    },
    ACKNOWLEDGED: {
        Unack: TRIGGERED,
        Accept: ACKNOWLEDGED,
        Decline: ACKNOWLEDGED,
        Snooze: ACKNOWLEDGED,
        Escalate: TRIGGERED,
        Reassign: TRIGGERED,
        SetPriority: ACKNOWLEDGED,  # A rise by somebody else breaks the acknowledgement: `raise_priority`.
        Note: ACKNOWLEDGED,
        PostUpdate: ACKNOWLEDGED,
        Merge: RESOLVED,
        Split: ACKNOWLEDGED,
        Resolve: RESOLVED,
    },
    RESOLVED: {Reopen: TRIGGERED, Note: RESOLVED, PostUpdate: RESOLVED},
}
"""What a command may do in each status. What the table lacks is refused; docs and the CLI list it from here."""


def allowed(plan: Plan, incident: Incident) -> tuple[type[Command], ...]:
    """What makes sense to say to this incident now: the table, without what nothing here answers to."""
    pointless = set() if plan.pools else {Accept, Decline}
    if incident.status is TRIGGERED and not incident.acks:
        pointless.add(Unack)
    return tuple(kind for kind in TRANSITIONS[incident.status] if kind not in pointless)


def word_of(kind: type[Command]) -> str:
    """The verb of a command, as people type it."""
    return {"SetPriority": "priority", "Acknowledge": "ack", "PostUpdate": "update"}.get(
        kind.__name__, kind.__name__.lower()
    )


POSTED_MAX = 32  # labels, and annotations
POSTED_TEXT_MAX = 500


def posted_facts(alert: Alert) -> dict[str, object]:
    """What others said of it: who they are, labels and annotations (long ones cut), where they saw it."""
    shown = {name: value[:POSTED_TEXT_MAX] for name, value in list(alert.annotations.items())[:POSTED_MAX]}
    labels = {name: value[:POSTED_TEXT_MAX] for name, value in list(alert.labels.items())[:POSTED_MAX]}
    return {
        "source": alert.source,
        "labels": labels,
        "annotations": shown,
        "generator_url": alert.generator_url[:POSTED_TEXT_MAX],
    }


# ---------------------------------------------------------------------------------------------------------------------
# Opening and joining


def opened(
    m: Moment,
    *,
    title: str,
    service: str | None,
    priority: Priority,
    why: str,
    group: str,
    alert: Alert | None = None,
    by: str | None = None,
    summary: str = "",
    storm: int | None = None,
    is_storm: bool = False,
    reporter: str | None = None,
) -> Incident:
    """A new incident, its ladder not yet started; not yet kept. With `storm` it is folded into that one."""
    number = m.draft.standing.incident_last + 1
    m.draft.standing = replace(m.draft.standing, incident_last=number)
    incident = Incident(
        number=number,
        title=title,
        status=TRIGGERED,
        priority=priority,
        why=why,
        opened_at=m.now,
        joined_at=m.now,
        policy="",
        wake_at=m.now,
        by_hand=alert is None and not is_storm,
        service=service,
        group=group,
        alerts=(alert.key,) if alert else (),
        check=alert.check if alert else None,
        summary=summary,
        storm=storm,
        is_storm=is_storm,
        reporter=reporter,
    )
    incident = replace(incident, policy=escalation.route(m, incident))
    m.record(
        "triggered",
        incident=number,
        by=by,
        title=title,
        service=service,
        priority=str(priority),
        why=why,
        policy=incident.policy,
        alert=alert.key if alert else None,
        state=str(alert.health) if alert else None,
        text=summary,
        storm=storm,
        posted=posted_facts(alert) if alert is not None and alert.is_external else None,
    )
    return incident


def open_for(m: Moment, alert: Alert, group: str, service: str | None, title: str) -> Incident:
    """The incident that this alert opens: it pages at once, the grouping window never delays."""
    incident = opened(
        m,
        title=title,
        service=service,
        priority=alert.priority,
        why=alert.why,
        group=group,
        alert=alert,
        summary=alert.sentence,
    )
    return escalation.keep(m, escalation.start(m, incident, PageReason.FIRST))


def join(m: Moment, incident: Incident, alert: Alert) -> Incident:
    """Joining pages nobody unless it raises the priority; the owner of an acknowledged incident gets one message."""
    return join_many(m, incident, (alert,))


def join_many(m: Moment, incident: Incident, alerts: Sequence[Alert]) -> Incident:
    """Likewise, for alerts that came together: whoever is told, is told once."""
    for alert in alerts:
        state, text = alert.health.value, alert.sentence
        m.note("alert_joined", incident.number, {"alert": alert.key, "state": state, "text": text})
    keys = (*incident.alerts, *[alert.key for alert in alerts])
    incident = replace(incident, alerts=keys, joined_at=m.now)
    worst = min(alerts, key=lambda alert: alert.priority)
    if worst.priority < incident.priority:
        return escalation.keep(m, raise_priority(m, incident, worst.priority, worst.why))
    if incident.status is ACKNOWLEDGED and incident.owner in m.plan.people and _is_time_to_say(m, incident):
        more = len(alerts) if len(alerts) > 1 else None
        m.record("owner_message", incident=incident.number, person=incident.owner, alert=worst.key, count=more)
        _update(m, incident, incident.owner or "", "joined")
        incident = replace(incident, owner_told_at=m.now)
    _announce(m, incident, "joined")
    return escalation.keep(m, escalation.joined(m, incident))


def _is_time_to_say(m: Moment, incident: Incident) -> bool:
    """A storm's alerts join by the thousand: its owner knows by then, and reads the rest on the card."""
    return incident.owner_told_at is None or m.now - incident.owner_told_at >= OWNER_TOLD_EVERY


# ---------------------------------------------------------------------------------------------------------------------
# Priority


def raise_priority(
    m: Moment,
    incident: Incident,
    priority: Priority,
    why: str,
    *,
    by: str | None = None,
    policy: str | None = None,
) -> Incident:
    """The priority rose: it is routed again. Another policy starts at its level 1; under the same one, people already
    paged get the new priority's steps now; an acknowledgement is broken, and owner and level 1 are paged. `policy` is
    given where no route says it: a storm's."""
    is_over = incident.status is RESOLVED  # By hand, while it fails: whether it reopens is for `reopen_after` to say.
    waits = is_over or incident.held_until is not None  # A silence delays a rise; a snooze was of something less bad.
    breaks_ack = incident.status is ACKNOWLEDGED and not waits
    m.record(
        "raised",
        incident=incident.number,
        by=by,
        before=str(incident.priority),
        priority=str(priority),
        why=why,
        breaks_ack=breaks_ack or None,
        ends_snooze=True if incident.snoozed_until is not None and not waits else None,
    )
    owner = incident.owner
    snoozed_until = incident.snoozed_until if waits else None
    incident = replace(incident, priority=priority, why=why, snoozed_until=snoozed_until)
    policy = policy or escalation.route(m, incident)
    same = policy == incident.policy
    incident = replace(incident, policy=policy)
    _announce(m, incident, "raised")
    if waits or incident.storm is not None:  # The storm is paged for its members: `storms.look`.
        return incident
    if breaks_ack:
        incident = nobody_has_it(incident)
        extra = (f"person:{owner}",) if owner in m.plan.people else ()
        return escalation.start(m, incident, PageReason.RAISED, extra=extra)
    return escalation.again_louder(m, incident) if same else escalation.start(m, incident, PageReason.RAISED)


# ---------------------------------------------------------------------------------------------------------------------
# Ending


def leave(m: Moment, incident: Incident, key: str) -> None:
    """One of its alerts recovered. The last one resolves it: a problem that is over closes its card and pages
    nobody."""
    incident = replace(incident, alerts=_without(incident.alerts, key))
    if still_fails(m, incident) or incident.by_hand:
        escalation.keep(m, incident)
    elif incident.status is RESOLVED:
        escalation.keep(m, replace(incident, reopen_at=None))
    else:
        escalation.keep(m, resolve(m, incident, by=None))


def _without(keys: tuple[str, ...], key: str) -> tuple[str, ...]:
    """In the order they came; of thousands, what failed first mostly recovers first."""
    at = keys.index(key) if key in keys else len(keys)
    return keys[:at] + keys[at + 1 :]


def still_fails(m: Moment, incident: Incident) -> bool:
    """Whether anything of it fails: an alert, or a member of the storm that it is."""
    return bool(incident.alerts) or (incident.is_storm and m.draft.members(incident.number) > 0)


def resolve(m: Moment, incident: Incident, *, by: str | None, text: str = "", door: str | None = None) -> Incident:
    """It is over. Resolved by hand while it still fails, it will be looked at again after `reopen_after`."""
    incident = escalation.stop(m, incident)
    still_failing = still_fails(m, incident)
    incident = replace(
        incident,
        status=RESOLVED,
        resolved_at=m.now,
        resolved_by=by,
        fixed=text[:FIXED_MAX],
        ack_until=None,
        snoozed_until=None,
        held_until=None,
        held_why=None,
        reopen_at=m.now + m.plan.reopen_after if still_failing else None,
    )
    m.record(
        "resolved",
        incident=incident.number,
        by=by,
        text=text or None,
        door=door,
        still_failing=still_failing or None,
        until=incident.reopen_at,
    )
    tell(m, incident, "resolved")
    stakeholders.answer(m, incident, "report_closed", by, text=text or None)
    if incident.storm is None:  # The storm owes the paper for all of its members.
        papers.owed(m, incident)
    return incident


def reopen(m: Moment, incident: Incident, reason: PageReason, *, by: str | None, why: str) -> Incident:
    """It is not over: triggered again, the ladder starts anew."""
    m.record("reopened", incident=incident.number, by=by, why=why)
    incident = replace(
        nobody_has_it(incident),
        pools=(),
        rested=sla.rested(incident, m.now),
        resolved_at=None,
        resolved_by=None,
        reopen_at=None,
        joined_at=m.now,
    )
    incident = replace(incident, policy=escalation.route(m, incident))
    tell(m, incident, "reopened")
    return escalation.start(m, incident, reason)


# ---------------------------------------------------------------------------------------------------------------------
# Quiet over a whole incident


def hold(m: Moment, incident: Incident) -> Quiet | None:
    """Why the ladder must wait: everything is paused, or each alert that still fails is quiet. Until the first of
    them ends."""
    if paused := quiet.paused(m.draft, m.now):
        return paused
    first: Quiet | None = None
    for key in _keys(m, incident):
        found = _why_quiet(m, key)
        if found is None:  # One that may be told is enough: of thousands the others are not asked.
            return None
        first = found if first is None or found.until < first.until else first
    return first


def _keys(m: Moment, incident: Incident) -> Iterator[str]:
    """Of the alerts that fail still; a storm's are its members'."""
    yield from incident.alerts
    if incident.is_storm:
        for member in m.draft.folded(incident.number):
            yield from member.alerts


def _why_quiet(m: Moment, key: str) -> Quiet | None:
    alert = m.draft.alert(key)
    if alert is None:
        return None
    reason = quiet.why_untold(m.plan, m.draft, alert, m.now, m.regex)
    # Flapping is no reason: nothing new is paged for it, and what was paged goes on until somebody has it.
    return None if reason is not None and reason.reason is QuietReason.FLAPPING else reason


def _note_held(m: Moment, incident: Incident) -> None:
    for key in incident.alerts:
        alert, reason = m.draft.alert(key), _why_quiet(m, key)
        if alert is not None and reason is not None:
            note_held(m, reason, alert)


def look_at_hold(m: Moment, incident: Incident) -> Incident:
    """Begin, prolong or end the hold of a triggered incident's ladder. What a quiet delayed is told when it ends."""
    if incident.storm is not None:
        return incident
    if incident.status is not TRIGGERED:
        return replace(incident, held_until=None, held_why=None)
    held = hold(m, incident)
    if held is not None:
        if incident.held_until is None:
            incident = escalation.stop(m, incident)
            _note_held(m, incident)
            m.record("held", incident=incident.number, why=held.why, reason=held.reason, until=held.until)
        return replace(incident, held_until=held.until, held_why=held.reason)
    if incident.held_until is None:
        return incident
    incident = replace(incident, held_until=None, held_why=None)
    return escalation.start(m, incident, PageReason.QUIET_ENDED) if incident.snoozed_until is None else incident


# ---------------------------------------------------------------------------------------------------------------------
# What is due


def due(m: Moment, incident: Incident) -> None:
    """Everything whose instant has come for this incident."""
    if incident.status is RESOLVED:
        _due_resolved(m, incident)
        return
    incident = look_at_hold(m, incident)
    if incident.held_until is None and incident.snoozed_until is not None and incident.snoozed_until <= m.now:
        incident = _snooze_ends(m, incident)
    if incident.held_until is None and incident.snoozed_until is None:
        incident = _due_acknowledged(m, incident) if incident.status is ACKNOWLEDGED else _due_triggered(m, incident)
    escalation.keep(m, incident)


def _due_resolved(m: Moment, incident: Incident) -> None:
    if incident.reopen_at is not None and incident.reopen_at <= m.now and still_fails(m, incident):
        if (held := hold(m, incident)) is not None:
            m.record("held", incident=incident.number, why=held.why, reason=held.reason, until=held.until)
            escalation.keep(m, replace(incident, reopen_at=held.until))
            return
        why = "resolved by hand, still failing"
        escalation.keep(m, reopen(m, incident, PageReason.QUIET_ENDED, by=None, why=why))
    elif incident.reopen_at is None and (incident.resolved_at or m.now) + escalation.KEEP_RESOLVED <= m.now:
        m.draft.put_incident(incident.number, None)
    else:
        escalation.keep(m, replace(incident, reopen_at=incident.reopen_at if still_fails(m, incident) else None))


def _snooze_ends(m: Moment, incident: Incident) -> Incident:
    m.record("snooze_ended", incident=incident.number)
    incident = replace(incident, snoozed_until=None)
    if incident.status is TRIGGERED:
        return escalation.start(m, incident, PageReason.QUIET_ENDED)
    incident = replace(incident, climb=incident.climb + 1)
    incident = escalation.page_directly(m, incident, owner_targets(m, incident), PageReason.QUIET_ENDED)
    return restart_ack_timer(m, incident)


def _due_triggered(m: Moment, incident: Incident) -> Incident:
    incident = _due_steps(m, incident)
    if incident.level_until is None or incident.level_until > m.now:
        return incident
    return escalation.climb(m, incident)


def _due_steps(m: Moment, incident: Incident) -> Incident:
    return pools.due(m, paging.due_steps(m, incident))


def _due_acknowledged(m: Moment, incident: Incident) -> Incident:
    """The owner is asked once whether they are still on it; without a word from them the acknowledgement lapses."""
    incident = _due_steps(m, incident)
    if incident.ack_until is None or incident.ack_until > m.now:
        return incident
    policy = escalation.policy_of(m.plan, incident.policy)
    if not incident.reminded:
        m.record("ack_reminded", incident=incident.number, person=incident.owner)
        incident = replace(incident, reminded=True, climb=incident.climb + 1)
        incident = escalation.page_directly(m, incident, owner_targets(m, incident), PageReason.REMINDER)
        return replace(incident, ack_until=m.now + policy.levels[0].wait)
    m.record("ack_expired", incident=incident.number, person=incident.owner)
    return escalation.start(m, nobody_has_it(incident), PageReason.ACK_EXPIRED)


def nobody_has_it(incident: Incident) -> Incident:
    """Triggered again; whoever had it, or had counted towards it, does not any more."""
    return replace(
        incident,
        status=TRIGGERED,
        owner=None,
        acks=(),
        given_back_by=None,
        acked_at=None,
        ack_until=None,
        reminded=False,
    )


def owner_targets(m: Moment, incident: Incident) -> tuple[str, ...]:
    """The owner as policy targets: a person, or a team's people."""
    owner = incident.owner or ""
    return (owner,) if owner.startswith("team:") else (f"person:{owner}",) if owner in m.plan.people else ()


def restart_ack_timer(m: Moment, incident: Incident) -> Incident:
    """An acknowledgement counts from now again."""
    timeout = escalation.policy_of(m.plan, incident.policy).ack_timeout.get(incident.priority)
    until: datetime | None = m.now + timeout if timeout is not None else None
    return replace(incident, ack_until=until, reminded=False)


# ---------------------------------------------------------------------------------------------------------------------
# Telling


def tell(m: Moment, incident: Incident, event: str) -> None:
    """Everybody who was paged, or watches, learns what became of it, once; channels that have its card get it
    changed."""
    for person in dict.fromkeys(person for person, _ in (*incident.paged, *incident.shadows)):
        _update(m, incident, person, event)
    _announce(m, incident, event)


def write_owner(m: Moment, incident: Incident, event: str) -> None:
    """One message to whoever has it; a team has no card of its own."""
    if incident.owner in m.plan.people:
        _update(m, incident, incident.owner or "", event)


def _update(m: Moment, incident: Incident, person: str, event: str) -> None:
    """By the way they were first paged; a person the plan no longer has is not written to."""
    known = m.plan.people.get(person)
    ways = [contact for who, contact in (*incident.paged, *incident.shadows) if who == person] or list(
        known.contacts if known else ()
    )
    contact = next((way for way in ways if known is not None and way in known.contacts), None)
    if contact is not None:
        m.send(Update(incident.number, person, contact, event, m.serial()))


def _announce(m: Moment, incident: Incident, event: str) -> None:
    for channel in incident.told:
        if channel in m.plan.channels:
            m.announce(channel, event, incident.number)


def noted(m: Moment, incident: Incident, event: str) -> None:
    """Only the card changes: nobody is written to."""
    _announce(m, incident, event)


def quiet_reason(incident: Incident) -> QuietReason | None:
    """Why nobody is being paged for it just now, if so."""
    if incident.held_until is not None:
        return incident.held_why
    if incident.storm is not None and incident.status is not RESOLVED:
        return QuietReason.STORM
    return QuietReason.SNOOZED if incident.snoozed_until is not None else None

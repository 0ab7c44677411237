"""What people may say to an incident, and what each command does to it. Refusals say why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from opswatch.core import arrangements, escalation, incidents, merging, pools, stakeholders, storms
from opswatch.core.effects import Withdraw
from opswatch.core.events import (
    Accept,
    AcceptCover,
    AcceptRisk,
    Acknowledge,
    AddAbsence,
    AddOverride,
    AddSilence,
    AskCover,
    Command,
    Decline,
    Escalate,
    ExpireSilence,
    Merge,
    MovePaper,
    Note,
    Pause,
    PostUpdate,
    Reassign,
    RemoveAbsence,
    RemoveOverride,
    Reopen,
    Resolve,
    SetPriority,
    Snooze,
    Split,
    Unack,
    Unpause,
    WithdrawCover,
)
from opswatch.core.model import PageReason, Role, Stage, Status
from opswatch.core.moment import SPAN_MAX, TEXT_MAX, Moment
from opswatch.core.plan import Person
from opswatch.core.state import Incident

SILENCE_BY_RESPONDER_MAX = timedelta(hours=24)
ALERTMANAGER = "alertmanager"
"""The door of Alertmanager's API, in `Command.door`."""
TAPPED_TWICE = timedelta(seconds=10)


def run(m: Moment, command: Command) -> None:
    """Carry out one command, or refuse it with the reason."""
    person = m.plan.people.get(command.by)
    if person is None and command.door == ALERTMANAGER and isinstance(command, (AddSilence, ExpireSilence)):
        _by_outsider(m, command)
        return
    if person is None:
        m.refuse("unknown_person", person=command.by, known=", ".join(m.plan.people))
        return
    needed = _role_needed(m, command, person)
    if person.role < needed:
        key = "viewer_refused" if person.role is Role.VIEWER else "not_allowed"
        m.refuse(key, by=person.id, role=needed.name.lower())
        return
    if isinstance(command, _ON_INCIDENT):
        _on_incident(m, command)
        return
    arrangements.run(m, command)


def _by_outsider(m: Moment, command: AddSilence | ExpireSilence) -> None:
    """Over Alertmanager's API people are whatever they call themselves: with a token that may act, or on this machine,
    they may do what a responder may."""
    if isinstance(command, AddSilence) and command.until - m.now > SILENCE_BY_RESPONDER_MAX:
        m.refuse("not_allowed", by=command.by, role=Role.LEAD.name.lower())
        return
    arrangements.run(m, command)


def _role_needed(m: Moment, command: Command, person: Person) -> Role:
    """SPEC 5: responders act on incidents, their own shifts, and silence for up to a day; leads the rest."""
    match command:
        case AddSilence(until=until) if until - m.now > SILENCE_BY_RESPONDER_MAX:
            return Role.LEAD
        case AddOverride(remove=remove, add=add, shifts=shifts):
            is_own = shifts is None and person.id in (remove, add)
            return Role.RESPONDER if is_own else Role.LEAD
        case RemoveOverride(id=number):
            override = next((one for one in m.draft.overrides() if one.id == number), None)
            is_own = override is not None and person.id in (override.by, override.remove, override.add)
            return Role.RESPONDER if is_own else Role.LEAD
        case AskCover() | AddAbsence() | RemoveAbsence() | AcceptCover() | WithdrawCover():
            return Role.RESPONDER if _is_about_themselves(m, command, person.id) else Role.LEAD
        case MovePaper(incident=number, to=to):
            paper = m.draft.paper(number)
            return Role.LEAD if to is Stage.PUBLISHED or (paper is not None and paper.is_published) else Role.RESPONDER
        case Pause() | Unpause() | AcceptRisk():
            return Role.LEAD
    return Role.RESPONDER


def _is_about_themselves(m: Moment, command: Command, by: str) -> bool:
    """Whether an absence or a request is their own. Taking a shift that somebody asked for always is."""
    match command:
        case AskCover(person=person) | AddAbsence(person=person):
            return person in (None, by)
        case RemoveAbsence(id=number):
            absence = m.draft.absence(number)
            return absence is None or absence.person == by
        case AcceptCover(id=number, of=of):
            cover = m.draft.cover(number)
            return of is None or cover is None or cover.person == by
        case WithdrawCover(id=number):
            cover = m.draft.cover(number)
            offered = () if cover is None else [one.person for one in cover.offers]
            return cover is None or by in (cover.person, cover.by, *offered)
    return False


# ---------------------------------------------------------------------------------------------------------------------
# On an incident


def _on_incident(m: Moment, command: _OnIncident) -> None:
    incident = m.draft.incident(command.incident)
    if incident is None:
        m.refuse("unknown_incident", incident=command.incident)
        return
    if _said_already(m, incident, command):
        return
    if type(command) not in incidents.TRANSITIONS[incident.status]:
        names = ", ".join(sorted(incidents.word_of(kind) for kind in incidents.allowed(m.plan, incident)))
        m.refuse("not_possible_now", incident=incident.number, status=str(incident.status), allowed=names)
        return
    storm = incident.storm if incident.status is not Status.RESOLVED or isinstance(command, Reopen) else None
    leaves_storm = storm is not None and not isinstance(command, (Note, PostUpdate, SetPriority))
    if leaves_storm:  # Whoever says a word to one of very many deals with it on its own.
        incident = replace(incident, storm=None)
    changed = _INCIDENT[type(command)](m, incident, command)
    if changed is None:
        return
    if leaves_storm:
        m.record("unfolded", incident=incident.number, by=command.by, storm=storm)
    if changed.owner == command.by and changed.status is Status.ACKNOWLEDGED:
        changed = _still_on_it(m, changed, command.by)
    escalation.keep(m, changed)
    if storm is not None:
        storms.look(m, storm, changed.number)


def _still_on_it(m: Moment, incident: Incident, owner: str) -> Incident:
    """Any word from the owner means so: the acknowledgement counts from now, and they are not asked any further."""
    asked = tuple(step for step in incident.steps if step.person == owner)
    if asked or incident.reminded:
        m.effects.append(Withdraw(incident.number, (owner,), "answered"))
    steps = tuple(step for step in incident.steps if step.person != owner)
    return incidents.restart_ack_timer(m, replace(incident, steps=steps))


def _said_already(m: Moment, incident: Incident, command: _OnIncident) -> bool:
    """Commands are idempotent: what is so already is answered, not done again and not an error."""
    match command:
        case Acknowledge() if incident.status is Status.ACKNOWLEDGED:
            say = m.done if command.by in (incident.owner, *incident.acks) else m.refuse
            say("already_acknowledged", incident=incident.number, by=incident.owner)
        case Acknowledge() if _counts_already(m, incident, command.by):
            m.done("ack_counted_already", incident=incident.number, **_acks(m, incident))
        case Resolve() if incident.status is Status.RESOLVED:
            m.done("already_resolved", incident=incident.number, by=incident.resolved_by)
        case Unack() if incident.status is Status.TRIGGERED and not incident.acks:
            m.done("not_acknowledged", incident=incident.number)
        case Merge(into=into) if incident.merged_into == into:
            m.done("merged", incident=incident.number, into=into)
        case Reopen() | Merge() if incident.merged_into is not None:
            m.refuse("merged_away", incident=incident.number, into=incident.merged_into)
        case Reopen() if incident.status is not Status.RESOLVED:
            m.done("not_resolved", incident=incident.number)
        case Escalate() if _was_tapped_twice(m, incident, command.by):
            m.done("escalated", incident=incident.number, level=incident.level)
        case Reassign(to=to) if _is_asked_already(incident, to):
            m.done("reassigned", incident=incident.number, to=to.partition(":")[2], until=incident.promised_for)
        case _:
            return False
    return True


def _is_asked_already(incident: Incident, to: str) -> bool:
    """Whether it was given to them, and they still have the time they were given to answer."""
    is_waiting = incident.level == 0 and incident.level_until is not None
    return is_waiting and incident.reason is PageReason.REASSIGNED and incident.owner == to.removeprefix("person:")


def _counts_already(m: Moment, incident: Incident, person: str) -> bool:
    return person in incident.acks and len(incident.acks) < escalation.acks_needed(m.plan, incident)


def _was_tapped_twice(m: Moment, incident: Incident, person: str) -> bool:
    """Whether the same person escalated it a moment ago, and nothing came of it yet. Looked at once per escalation."""
    is_climbing = incident.status is Status.TRIGGERED and incident.reason is PageReason.ESCALATED
    marks = m.draft.standing.marks
    return is_climbing and marks.get(_mark(incident, person), m.now) > m.now


def _mark(incident: Incident, person: str) -> str:
    return f"escalated {incident.number} {person}"


def _acks(m: Moment, incident: Incident) -> dict[str, object]:
    """How many have acknowledged, of how many: nothing where one is enough."""
    need = escalation.acks_needed(m.plan, incident)
    return {} if need == 1 else {"count": len(incident.acks), "need": need}


def _acknowledge(m: Moment, incident: Incident, command: Acknowledge) -> Incident:
    """Every pending page of the incident stops in this transaction; reserves are asked on. Where the policy wants
    several people, the ladder goes on until they are as many: the first of them has it."""
    acks = tuple(dict.fromkeys((*incident.acks, command.by)))
    incident = replace(incident, acks=acks, first_acked_at=incident.first_acked_at or m.now, given_back_by=None)
    if len(acks) < escalation.acks_needed(m.plan, incident):
        return _came_too(m, _ack_counted(m, incident, command), command)
    incident = escalation.stop(m, incident, keep_reserves=True)
    m.record(
        "acknowledged",
        incident=incident.number,
        by=command.by,
        door=command.door,
        after_s=int((m.now - incident.opened_at).total_seconds()),
        owner=acks[0] if acks[0] != command.by else None,
        **_acks(m, incident),
    )
    incident = replace(
        incident,
        status=Status.ACKNOWLEDGED,
        owner=acks[0],
        acked_at=m.now,
        held_until=None,
        held_why=None,
        promised_for=None,
    )
    incidents.tell(m, incident, "acknowledged")
    stakeholders.answer(m, incident, "report_taken", command.by)
    if acks[0] == command.by:
        m.done("acknowledged", incident=incident.number, title=incident.title, by=command.by)
    else:
        m.done("ack_enough", incident=incident.number, owner=acks[0], **_acks(m, incident))
    return incidents.restart_ack_timer(m, _came_too(m, incident, command))


def _ack_counted(m: Moment, incident: Incident, command: Acknowledge) -> Incident:
    """One more has it, and more are wanted: nothing rings for them any more, the others are asked on. With nobody else
    left to answer on this level, the next one is entered at once."""
    m.record(
        "ack_counted",
        incident=incident.number,
        by=command.by,
        door=command.door,
        after_s=int((m.now - incident.opened_at).total_seconds()),
        **_acks(m, incident),
    )
    m.effects.append(Withdraw(incident.number, (command.by,), "answered"))
    left = tuple(person for person in incident.reachable if person != command.by)
    was_last = incident.reachable and not left and incident.level_until is not None
    steps = tuple(step for step in incident.steps if step.person != command.by)
    incident = replace(incident, owner=incident.acks[0], reachable=left, steps=steps)
    incidents.tell(m, incident, "ack_counted")
    m.done("ack_counted", incident=incident.number, **_acks(m, incident))
    return escalation.climb(m, incident) if was_last else incident


def _came_too(m: Moment, incident: Incident, command: Acknowledge) -> Incident:
    """A reserve who takes the incident has come."""
    pool = pools.pool_of(m.plan, incident, command.by)
    if pool is None or not pools.is_called(incident, pool.id) or pools.has_accepted(incident, pool.id, command.by):
        return incident
    return pools.accept(m, incident, pool, command.by, command.door)


def _accept(m: Moment, incident: Incident, command: Accept | Decline) -> Incident | None:
    """Anybody of a pool may come, asked or not yet; and may take it back."""
    pool = pools.pool_of(m.plan, incident, command.by)
    if pool is None:
        known = ", ".join(dict.fromkeys(person for one in m.plan.pools.values() for person in one.people))
        m.refuse("no_reserve", incident=incident.number, person=command.by, known=known)
        return None
    comes = isinstance(command, Accept)
    is_so = (pools.has_accepted if comes else pools.has_declined)(incident, pool.id, command.by)
    if not is_so:
        move = pools.accept if comes else pools.decline
        incident = move(m, incident, pool, command.by, command.door)
    key = ("accepted" if comes else "declined") + ("_already" if is_so else "")
    facts = pools.said(m.plan, pools.call_of(incident, pool.id))
    nobody = True if comes and incident.owner is None else None
    m.done(key, incident=incident.number, nobody=nobody, **facts)
    return incident


def _unack(m: Moment, incident: Incident, command: Unack) -> Incident | None:
    """Given back. Where several had it, the others still count."""
    if incident.status is Status.TRIGGERED and command.by not in incident.acks:
        m.refuse("ack_of_others", incident=incident.number, by=incident.acks[0])
        return None
    needs_several = escalation.acks_needed(m.plan, incident) > 1
    left = tuple(one for one in incident.acks if one != command.by) if needs_several else ()
    owner = left[0] if left else None
    m.record("unacknowledged", incident=incident.number, by=command.by, door=command.door, owner=owner, acks=list(left))
    m.done("unacknowledged", incident=incident.number)
    incident = replace(incidents.nobody_has_it(incident), owner=owner, acks=left, given_back_by=command.by)
    incidents.noted(m, incident, "unacknowledged")
    return escalation.start(m, incident, PageReason.ACK_EXPIRED)


def _resolve(m: Moment, incident: Incident, command: Resolve) -> Incident:
    incident = incidents.resolve(m, incident, by=command.by, text=command.text[:TEXT_MAX], door=command.door)
    m.done("resolved", incident=incident.number, until=incident.reopen_at)
    return incident


def _reopen(m: Moment, incident: Incident, command: Reopen) -> Incident:
    m.done("reopened", incident=incident.number)
    return incidents.reopen(m, incident, PageReason.FIRST, by=command.by, why="reopened by hand")


def _snooze(m: Moment, incident: Incident, command: Snooze) -> Incident | None:
    if not timedelta(0) < command.span <= SPAN_MAX:
        m.refuse("bad_span", text=str(command.span))
        return None
    until = m.now + command.span
    m.record("snoozed", incident=incident.number, by=command.by, door=command.door, until=until)
    m.done("snoozed", incident=incident.number, until=until)
    incident = replace(escalation.stop(m, incident), snoozed_until=until)
    incidents.noted(m, incident, "snoozed")
    return incident


def _escalate(m: Moment, incident: Incident, command: Escalate) -> Incident | None:
    """The next rung, now; from the top, the top again. Refused where the priority pages nobody: whoever escalates
    believes that somebody is being woken."""
    if m.plan.rule(incident.priority).interrupt == "never":
        m.refuse("never_interrupts", incident=incident.number, priority=str(incident.priority))
        return None
    rungs = len(escalation.policy_of(m.plan, incident.policy).levels)
    level = min(incident.level + 1, rungs) if incident.level else 1
    m.once(_mark(incident, command.by), m.now + TAPPED_TWICE)
    m.record("escalated", incident=incident.number, by=command.by, door=command.door, level=level)
    m.done("escalated", incident=incident.number, level=level)
    incident = replace(incidents.nobody_has_it(incident), held_until=None)
    incidents.noted(m, incident, "escalated")
    return escalation.start(m, incident, PageReason.ESCALATED, level=level)


def _reassign(m: Moment, incident: Incident, command: Reassign) -> Incident | None:
    kind, _, what = command.to.partition(":")
    if kind == "team":
        known = any(person.team == what for person in m.plan.people.values())
    else:
        known = what in m.plan.people
    if not known:
        m.refuse(
            "unknown_team" if kind == "team" else "unknown_person", person=what, to=what, known=", ".join(m.plan.people)
        )
        return None
    m.record("reassigned", incident=incident.number, by=command.by, door=command.door, to=command.to, due=command.due)
    m.done("reassigned", incident=incident.number, to=what, until=command.due)
    wait = escalation.policy_of(m.plan, incident.policy).levels[0].wait
    incident = replace(
        incidents.nobody_has_it(escalation.stop(m, incident, keep_reserves=True)),
        owner=command.to if kind == "team" else what,
        snoozed_until=None,
        held_until=None,
        promised_for=command.due,
        climb=incident.climb + 1,
        cycle=1,
        level=0,
        reason=PageReason.REASSIGNED,
    )
    incidents.noted(m, incident, "reassigned")
    if command.due is not None:
        stakeholders.answer(m, incident, "report_promised", command.by, to=command.to, until=command.due)
    incident = escalation.page_directly(m, incident, (command.to,), PageReason.REASSIGNED)
    pages_nobody = m.plan.rule(incident.priority).interrupt == "never"  # Then no ladder waits for their answer.
    return replace(incident, level_until=None if pages_nobody else m.now + wait, reachable=(), skipped=())


def _note(m: Moment, incident: Incident, command: Note) -> Incident | None:
    if not command.text.strip():
        m.refuse("empty_note", incident=incident.number)
        return None
    m.record("noted", incident=incident.number, by=command.by, door=command.door, text=command.text[:TEXT_MAX])
    m.done("noted", incident=incident.number)
    incidents.noted(m, incident, "noted")
    return incident


def _priority(m: Moment, incident: Incident, command: SetPriority) -> Incident:
    """Pins it: rules may raise it further, never lower it. The owner's own change never breaks their
    acknowledgement."""
    why = f"{command.priority} because: {command.by} says so"
    m.done("priority_set", incident=incident.number, priority=str(command.priority))
    before = incident.priority
    incident = replace(incident, pinned=command.priority)
    is_owner = incident.status is Status.ACKNOWLEDGED and incident.owner == command.by
    if command.priority < before and not is_owner:
        return incidents.raise_priority(m, incident, command.priority, why, by=command.by)
    m.record(
        "priority_set",
        incident=incident.number,
        by=command.by,
        door=command.door,
        before=str(before),
        priority=str(command.priority),
        why=why,
    )
    incident = replace(incident, priority=command.priority, why=why)
    incident = replace(incident, policy=escalation.route(m, incident))
    incidents.noted(m, incident, "priority_set")
    if command.priority > before and incident.storm is None:
        return _enough_now(m, escalation.lowered(m, incident), command)
    return incident


def _enough_now(m: Moment, incident: Incident, command: SetPriority) -> Incident:
    """A lower priority may want fewer people: those who have acknowledged are as many."""
    enough = len(incident.acks) >= escalation.acks_needed(m.plan, incident)
    if incident.status is not Status.TRIGGERED or not incident.acks or not enough:
        return incident
    incident = escalation.stop(m, incident, keep_reserves=True)
    owner = incident.acks[0]
    m.record("acknowledged", incident=incident.number, by=owner, door=command.door)
    incident = replace(incident, status=Status.ACKNOWLEDGED, owner=owner, acked_at=m.now, promised_for=None)
    incidents.tell(m, incident, "acknowledged")
    return incidents.restart_ack_timer(m, incident)


_OnIncident = (
    Acknowledge
    | Unack
    | Accept
    | Decline
    | Resolve
    | Reopen
    | Snooze
    | Escalate
    | Reassign
    | Note
    | SetPriority
    | PostUpdate
    | Merge
    | Split
)
_ON_INCIDENT = (
    Acknowledge,
    Unack,
    Accept,
    Decline,
    Resolve,
    Reopen,
    Snooze,
    Escalate,
    Reassign,
    Note,
    SetPriority,
    PostUpdate,
    Merge,
    Split,
)
_INCIDENT: Mapping[type[Command], Callable[..., Incident | None]] = {
    Acknowledge: _acknowledge,
    Unack: _unack,
    Accept: _accept,
    Decline: _accept,
    Resolve: _resolve,
    Reopen: _reopen,
    Snooze: _snooze,
    Escalate: _escalate,
    Reassign: _reassign,
    Note: _note,
    SetPriority: _priority,
    PostUpdate: stakeholders.post,
    Merge: merging.merge,
    Split: merging.split,
}

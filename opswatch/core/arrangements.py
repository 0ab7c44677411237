"""What people may arrange with the desk: faults they report, silences, overrides, pauses, test pages, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from opswatch.core import (
    absences,
    away,
    covers,
    escalation,
    incidents,
    papers,
    risks,
    roster_changes,
    rounds,
    shift_life,
    silences,
)
from opswatch.core.classify import Case, classify
from opswatch.core.effects import Page
from opswatch.core.events import (
    AddOverride,
    Command,
    DutyNote,
    Open,
    PageTest,
    Pause,
    RemoveOverride,
    SignInspection,
    Unpause,
)
from opswatch.core.model import Health, PageReason, Priority
from opswatch.core.moment import SPAN_MAX, TEXT_MAX, Moment, span_trouble
from opswatch.core.state import Override

NAMED_MAX = 5  # people that an answer names who are on call all the same


def run(m: Moment, command: Command) -> None:
    """Carry out one command that concerns no single incident. The role was looked at before."""
    _ARRANGE[type(command)](m, command)


def _open(m: Moment, command: Open) -> None:
    if command.service is not None and command.service not in m.plan.services:
        m.refuse("unknown_service", service=command.service, known=", ".join(m.plan.services))
        return
    found = classify(m.plan, Case(Health.CRIT, service=command.service, source="person"), m.now)
    why = f"{command.priority} because: {command.by} says so" if command.priority is not None else found.why
    incident = incidents.opened(
        m,
        title=command.title[:200],
        service=command.service,
        priority=command.priority if command.priority is not None else found.priority,
        why=why,
        group=f"hand={m.draft.standing.incident_last + 1}",
        by=command.by,
        summary=command.text[:TEXT_MAX],
        reporter=command.by,
    )
    incident = incidents.look_at_hold(m, incident)
    if incident.held_until is None:
        incident = escalation.start(m, incident, PageReason.FIRST)
    escalation.keep(m, incident)
    m.done("opened", incident=incident.number, title=incident.title, priority=str(incident.priority))


def _add_override(m: Moment, command: AddOverride) -> None:
    """What it changes is in the answer, and told to those who gain or lose hours by it."""
    problem = _override_problem(m, command)
    if problem is not None:
        m.refuse(problem[0], **problem[1])
        return
    new = Override(
        0,
        command.roster,
        command.start,
        command.end,
        command.remove,
        command.add,
        command.shifts,
        reason=command.reason,
    )
    clash = m.rosters.conflicting(m.draft.overrides(), new)
    if clash is not None:
        m.refuse("override_conflict", id=clash.id, roster=clash.roster)
        return
    before = tuple(m.draft.overrides())
    number = roster_changes.put(m, new, by=command.by, door=command.door)
    _overridden(m, command, "override_added", number, before, (command.start, command.end))


def _overridden(
    m: Moment,
    command: AddOverride | RemoveOverride,
    key: str,
    number: int,
    before: tuple[Override, ...],
    span: tuple[datetime, datetime],
) -> None:
    """Answer with what became of the roster, and tell those it touches."""
    roster = next(one.roster for one in (*m.draft.overrides(), *before) if one.id == number)
    after = tuple(m.draft.overrides())
    known = roster in m.plan.rosters  # One of a roster that is gone may still be taken away.
    made = roster_changes.changes(m.rosters, roster, before, after, *span) if known else []
    gained = {person for change in made for person in change.after}
    gone = absences.conflicts(m.plan, m.rosters, after, m.draft.absences(), *span) if made else []
    as_before = m.rosters.shifts(roster, after, *span) if known and not made else []
    m.done(
        key if made else f"{key}_no_change",
        id=number,
        roster=roster,
        changes=roster_changes.facts(made),
        more=max(0, len(made) - roster_changes.CHANGES_MAX),
        conflicts=[one.facts() for one in gone if one.roster == roster and one.person in gained],
        people=list(dict.fromkeys(person for shift in as_before for person in shift.people))[:NAMED_MAX],
        through=list(dict.fromkeys(shift.override for shift in as_before if shift.override not in (None, number))),
    )
    roster_changes.tell(m, made, command.by)


def _override_problem(m: Moment, command: AddOverride) -> tuple[str, dict[str, object]] | None:
    if command.roster not in m.plan.rosters:
        return "unknown_roster", {"roster": command.roster, "known": ", ".join(m.plan.rosters)}
    if trouble := span_trouble(command.start, command.end):
        return trouble, {"start": command.start, "end": command.end}
    named = [command.remove, command.add, *(who for _, _, people in command.shifts or () for who in people)]
    for person in named:
        if person is not None and person not in m.plan.people:
            return "unknown_person", {"person": person, "known": ", ".join(m.plan.people)}
    if command.remove is None and command.add is None and command.shifts is None:
        return "empty_override", {}
    return None


def _remove_override(m: Moment, command: RemoveOverride) -> None:
    """All of it, or the part between `start` and `end`: what is left on either side stays."""
    override = next((one for one in m.draft.overrides() if one.id == command.id), None)
    if override is None:
        m.refuse("unknown_override", id=command.id)
        return
    start = max(command.start or override.start, override.start)
    end = min(command.end or override.end, override.end)
    if start >= end:
        m.refuse("override_not_then", id=override.id, roster=override.roster, start=override.start, end=override.end)
        return
    before = tuple(m.draft.overrides())
    roster_changes.cut(m, override, start, end, by=command.by, door=command.door)
    _overridden(m, command, "override_removed", override.id, before, (start, end))


def _pause(m: Moment, command: Pause) -> None:
    if not m.now < command.until <= m.now + SPAN_MAX:
        m.refuse("bad_span", until=command.until)
        return
    m.draft.standing = replace(m.draft.standing, paused_until=command.until, paused_by=command.by)
    m.record("paused", by=command.by, door=command.door, until=command.until, text=command.reason)
    m.done("paused", until=command.until)
    silences.look_at_holds(m)


def _unpause(m: Moment, command: Unpause) -> None:
    if m.draft.standing.paused_until is None:
        m.done("not_paused")
        return
    m.draft.standing = replace(m.draft.standing, paused_until=None, paused_by=None)
    m.record("unpaused", by=command.by, door=command.door)
    m.done("unpaused")
    silences.quiet_ended(m)


def _page_test(m: Moment, command: PageTest) -> None:
    person = m.plan.people.get(command.person)
    if person is None:
        m.refuse("unknown_person", person=command.person, known=", ".join(m.plan.people))
        return
    contact = command.contact or next(iter(person.contacts), None)
    if contact is None or contact not in person.contacts:
        m.refuse("no_contact", person=person.id, text=", ".join(person.contacts))
        return
    page = Page(
        incident=0,
        climb=0,
        cycle=0,
        level=0,
        person=person.id,
        step=m.serial(),
        contact=contact,
        priority=Priority.P3,
        reason=PageReason.FIRST,
        test=True,
        at=m.now,
    )
    m.effects.append(page)
    m.record("page_test", by=command.by, door=command.door, page=page.id, person=person.id, contact=contact)
    m.done("page_test_promised", person=person.id, channel=contact, page=page.id)


def _duty_note(m: Moment, command: DutyNote) -> None:
    if not command.text.strip():
        m.refuse("empty_note")
        return
    m.record("duty_note", by=command.by, door=command.door, text=command.text[:TEXT_MAX])
    m.done("duty_noted")


_ARRANGE: Mapping[type[Command], Callable[..., None]] = {
    Open: _open,
    AddOverride: _add_override,
    RemoveOverride: _remove_override,
    Pause: _pause,
    Unpause: _unpause,
    PageTest: _page_test,
    DutyNote: _duty_note,
    SignInspection: rounds.sign,
    **shift_life.COMMANDS,
    **silences.COMMANDS,
    **away.COMMANDS,
    **covers.COMMANDS,
    **risks.COMMANDS,
    **papers.COMMANDS,
}

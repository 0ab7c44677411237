"""What people say about their absences, and what follows: which shifts they touch, and who is asked to take those."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import covers, standins
from opswatch.core.absences import KINDS, Conflict, conflicts
from opswatch.core.events import AbsencesImported, AddAbsence, Command, RemoveAbsence, Tick
from opswatch.core.model import Role
from opswatch.core.moment import TEXT_MAX, Moment, span_trouble
from opswatch.core.state import Absence, Cover

CONFLICTS_AHEAD = timedelta(days=90)  # Shifts further away are somebody's concern when they come nearer.
CONFLICTS_MAX = 20  # that an answer lists, and that covers are asked for at once
ABSENCES_MAX = 5_000
UID_MAX = 500


def forget_long_past(m: Moment, tick: Tick) -> None:
    """Overrides and absences that were over 400 days ago leave the state; the timeline has them still."""
    state, gone = m.draft.state, {"overrides": list[int](), "absences": list[int]()}
    for number in state.override_deadlines.due(m.now):
        if tick.looks_at(f"override {number}"):
            m.draft.changes.overrides[number] = None
            gone["overrides"].append(number)
    for number in state.absence_deadlines.due(m.now):
        if tick.looks_at(f"absence {number}"):
            m.draft.changes.absences[number] = None
            gone["absences"].append(number)
    if any(gone.values()):
        m.record("long_past_forgotten", overrides=gone["overrides"] or None, absences=gone["absences"] or None)


def ahead(m: Moment, person: str, start: datetime, end: datetime) -> list[Conflict]:
    """The shifts of theirs that this absence touches, from now on."""
    ours = tuple(m.draft.overrides())
    since, until = max(start, m.now), min(end, m.now + CONFLICTS_AHEAD)
    theirs = [Absence(0, person, start, end)]
    return conflicts(m.plan, m.rosters, ours, theirs, since, until) if since < until else []


def imported(m: Moment, command: AbsencesImported) -> None:
    """Whatever the calendar says now; asked again it changes nothing. Others' absences take a lead."""
    by = m.plan.people.get(command.by)
    needed = Role.RESPONDER if set(command.people) <= {command.by} else Role.LEAD
    if by is None or by.role < needed:
        m.refuse("not_allowed", by=command.by, role=needed.name.lower())
        return
    unknown = next((one for one in command.people if one not in m.plan.people), None)
    if unknown is not None:
        m.refuse("unknown_person", person=unknown, known=", ".join(m.plan.people))
        return
    known = {
        (one.person, one.uid): one
        for one in m.draft.absences()
        if one.source == command.source and one.person in command.people
    }
    said = {(one.person, one.uid[:UID_MAX]): one for one in command.absences}
    new = [one for key, one in said.items() if key not in known]
    if _is_full(m, len(new)):
        return
    moved = [
        (known[key], one)
        for key, one in said.items()
        if key in known and (known[key].start, known[key].end) != (one.start, one.end)
    ]
    gone = [
        one
        for key, one in known.items()
        if key not in said and one.start < command.end and one.end > max(command.start, m.now)
    ]
    for old in (*gone, *(one for one, _ in moved)):
        _take_away(m, old, by=command.by, door=command.door)
    found: list[Conflict] = []
    asked: list[Cover] = []
    for one in (*new, *(now for _, now in moved)):
        absence = Absence(0, one.person, one.start, one.end, "leave", one.reason, command.source, one.uid[:UID_MAX])
        absence = _put(m, replace(absence, by=command.by), door=command.door)
        touched = ahead(m, one.person, one.start, one.end)
        found += touched
        if command.cover:
            asked += _ask_covers(m, absence, touched[: CONFLICTS_MAX - len(asked)], command)
    nobody = [one for one in asked if not one.asked]
    m.done(
        "absences_imported",
        source=command.source,
        added=str(len(new)),
        moved=str(len(moved)),
        removed=str(len(gone)),
        same=str(len(said) - len(new) - len(moved)),
        conflicts=[one.facts() for one in found[:CONFLICTS_MAX]],
        more=max(0, len(found) - CONFLICTS_MAX),
        covers=[one.id for one in asked],
        nobody=[one.id for one in nobody],
        pools=standins.pools(m, nobody[0]) if nobody else [],
    )


def _add(m: Moment, command: AddAbsence) -> None:
    person = command.person or command.by
    if person not in m.plan.people:
        m.refuse("unknown_person", person=person, known=", ".join(m.plan.people))
        return
    if trouble := span_trouble(command.start, command.end):
        m.refuse(trouble, start=command.start, end=command.end)
        return
    if command.kind not in KINDS:
        m.refuse("unknown_kind", text=command.kind, known=", ".join(KINDS))
        return
    same = (person, command.start, command.end)
    known = next((one for one in m.draft.absences() if (one.person, one.start, one.end) == same), None)
    if known is not None:
        m.done("absence_known", id=known.id, person=person)
        return
    if _is_full(m, 1):
        return
    absence = _put(m, Absence(0, person, *same[1:], command.kind, command.reason, by=command.by), door=command.door)
    found = ahead(m, person, command.start, command.end)
    asked = _ask_covers(m, absence, found, command) if command.cover else []
    nobody = [one for one in asked if not one.asked]
    m.done(
        "absence_added",
        id=absence.id,
        person=person,
        conflicts=[one.facts() for one in found[:CONFLICTS_MAX]],
        more=max(0, len(found) - CONFLICTS_MAX),
        covers=[one.id for one in asked],
        nobody=[one.id for one in nobody],
        pools=standins.pools(m, nobody[0]) if nobody else [],
    )


def _remove(m: Moment, command: RemoveAbsence) -> None:
    absence = m.draft.absence(command.id)
    if absence is None:
        m.refuse("unknown_absence", id=command.id, known="")
        return
    gone = _take_away(m, absence, by=command.by, door=command.door)
    theirs = (one for one in m.draft.overrides() if one.remove == absence.person)
    stay = [one.id for one in theirs if one.start < absence.end and absence.start < one.end]
    m.done("absence_removed", id=absence.id, person=absence.person, covers=gone, overrides=stay)


# ---------------------------------------------------------------------------------------------------------------------


def _is_full(m: Moment, more: int) -> bool:
    if sum(1 for _ in m.draft.absences()) + more <= ABSENCES_MAX:
        return False
    m.refuse("too_many", limit=ABSENCES_MAX)
    return True


def _put(m: Moment, absence: Absence, *, door: str) -> Absence:
    number = m.draft.standing.absence_last + 1
    m.draft.standing = replace(m.draft.standing, absence_last=number)
    absence = replace(absence, id=number, reason=absence.reason[:TEXT_MAX], made_at=m.now)
    m.draft.changes.absences[number] = absence
    m.record(
        "absence_added",
        by=absence.by,
        door=door,
        id=number,
        person=absence.person,
        start=absence.start,
        end=absence.end,
        what=absence.kind,
        source=None if absence.source == "hand" else absence.source,
        text=absence.reason or None,
    )
    return absence


def _take_away(m: Moment, absence: Absence, *, by: str, door: str) -> list[int]:
    """Nobody needs to cover for it any more; the numbers of the requests that ended. What was taken stays taken."""
    m.draft.changes.absences[absence.id] = None
    m.record("absence_removed", by=by, door=door, id=absence.id, person=absence.person)
    open_ones = [one for one in m.draft.covers() if one.is_open and one.absence == absence.id]
    for cover in open_ones:
        covers.withdraw(m, cover, by=by, door=door)
    return [cover.id for cover in open_ones]


def _ask_covers(
    m: Moment, absence: Absence, found: list[Conflict], command: AddAbsence | AbsencesImported
) -> list[Cover]:
    """A request for each shift that is touched, but for what is asked for already."""
    asked = []
    for one in found[:CONFLICTS_MAX]:
        rivals = (
            other
            for other in m.draft.covers()
            if other.is_open and (other.roster, other.person) == (one.roster, one.person)
        )
        if any(start < one.end and one.start < end for other in rivals for start, end in other.left):
            continue
        if sum(1 for other in m.draft.covers() if other.is_open) >= covers.OPEN_MAX:
            break
        left = ((one.start, one.end),)
        cover = Cover(0, one.roster, one.person, one.start, one.end, left, absence=absence.id, by=command.by)
        asked.append(covers.ask(m, cover, door=command.door))
    return asked


COMMANDS: Mapping[type[Command], Callable[..., None]] = {
    AddAbsence: _add,
    RemoveAbsence: _remove,
}

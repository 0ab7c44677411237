"""Who is away, and where that leaves a shift without them: an absence changes no roster, it makes conflicts visible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Absence, Override

KINDS = ("leave", "sick", "training", "travel")


@dataclass(frozen=True, slots=True)
class Conflict:
    """`person` is on call in `roster` while they are away, `[start, end)`, UTC: one shift, or the part they miss.

    `others` are on call together with them and are there.
    """

    roster: str
    person: str
    start: datetime
    end: datetime
    absence: int
    others: tuple[str, ...] = ()

    def facts(self) -> list[object]:
        """As it stands in answers: [roster, start, end, person, others]."""
        return [self.roster, self.start.isoformat(), self.end.isoformat(), self.person, list(self.others)]


def conflicts(
    plan: Plan,
    rosters: Rosters,
    overrides: Iterable[Override],
    absences: Iterable[Absence],
    start: datetime,
    end: datetime,
) -> list[Conflict]:
    """Every shift in [start, end) of somebody who is away then, in order of time; where two absences of one person
    overlap, the one that begins first is named."""
    ours = tuple(overrides)
    away = _by_person(absences, start, end)
    if not away:
        return []
    found = []
    for roster in plan.rosters:
        for shift in rosters.shifts(roster, ours, start, end):
            for person in shift.people:
                for begins, ends, absence in away.get(person, ()):
                    if begins < shift.end and ends > shift.start:
                        since, until = max(begins, shift.start), min(ends, shift.end)
                        others = tuple(
                            one for one in shift.people if one != person and not _is_away(away, one, since, until)
                        )
                        found.append(Conflict(roster, person, since, until, absence, others))
    return sorted(found, key=lambda one: (one.start, one.roster, one.person))


def is_absent(absences: Iterable[Absence], person: str, start: datetime, end: datetime) -> Absence | None:
    """The first absence of theirs that overlaps [start, end); None when they are there all the time."""
    theirs = (one for one in absences if one.person == person and one.start < end and one.end > start)
    return min(theirs, key=lambda one: (one.start, one.id), default=None)


_Away = dict[str, list[tuple[datetime, datetime, int]]]


def _by_person(absences: Iterable[Absence], start: datetime, end: datetime) -> _Away:
    """Per person the spans they are away, in order and apart from each other, with the number of an absence."""
    away: _Away = {}
    for one in sorted(absences, key=lambda one: (one.start, one.id)):
        if one.start < end and one.end > start:
            spans = away.setdefault(one.person, [])
            begins = max(one.start, spans[-1][1]) if spans else one.start
            if begins < one.end:
                spans.append((begins, one.end, one.id))
    return away


def _is_away(away: _Away, person: str, start: datetime, end: datetime) -> bool:
    return any(begins < end and ends > start for begins, ends, _ in away.get(person, ()))

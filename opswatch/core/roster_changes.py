"""What a change does to a roster, shift by shift: shown before it is made, told to those it touches; and making it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from opswatch.core import notices
from opswatch.core.moment import TEXT_MAX, Moment
from opswatch.core.roster import Rosters, Shift
from opswatch.core.state import Override

Span = tuple[datetime, datetime]

TOLD_FOR = timedelta(hours=1)  # nodes that load the same configuration do so within it
CHANGES_MAX = 50  # that one answer or one notice carries


@dataclass(frozen=True, slots=True)
class Change:
    """Over [start, end), UTC, other people are on call than before."""

    roster: str
    start: datetime
    end: datetime
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def touches(self) -> set[str]:
        """Who gains or loses these hours."""
        return set(self.before) ^ set(self.after)

    def facts(self) -> list[object]:
        """As it stands in answers, notices and entries: [roster, start, end, before, after]."""
        return [self.roster, self.start.isoformat(), self.end.isoformat(), list(self.before), list(self.after)]


def changes(
    rosters: Rosters, roster: str, before: Iterable[Override], after: Iterable[Override], start: datetime, end: datetime
) -> list[Change]:
    """Where in [start, end) who is on call differs between two sets of overrides, in order."""
    found: list[Change] = []
    old = rosters.shifts(roster, before, start, end)
    new = rosters.shifts(roster, after, start, end)
    for change in compared(roster, old, new):
        last = found[-1] if found else None
        if last is not None and (last.end, last.before, last.after) == (change.start, change.before, change.after):
            found[-1] = replace(last, end=change.end)
        else:
            found.append(change)
    return found


def compared(roster: str, old: Sequence[Shift], new: Sequence[Shift]) -> Iterator[Change]:
    """Where two tilings of the same span name other people, shift by shift."""
    edges = sorted({edge for shift in (*old, *new) for edge in (shift.start, shift.end)})
    at_old = at_new = 0
    for begins, ends in pairwise(edges):
        while old[at_old].end <= begins:
            at_old += 1
        while new[at_new].end <= begins:
            at_new += 1
        was, will = old[at_old].people, new[at_new].people
        if set(was) != set(will):
            yield Change(roster, begins, ends, was, will)


def facts(some: Iterable[Change]) -> list[list[object]]:
    """At most `CHANGES_MAX` of them, for an answer or a notice."""
    return [change.facts() for change in list(some)[:CHANGES_MAX]]


def reminder(roster: str, person: str, start: datetime, span: timedelta) -> str:
    """The mark that they were reminded, `span` ahead, of their shift that begins at `start`."""
    return f"remind {roster} {person} {start.isoformat()} {span}"


def tell(m: Moment, some: Iterable[Change], by: str, **more: object) -> None:
    """Each person who gains or loses hours hears which; not who did it. Who gains them has heard of them now, and needs
    no reminder of which the time has come."""
    made = list(some)
    for change in made:
        roster = m.plan.rosters.get(change.roster)
        for person in set(change.after) - set(change.before):
            for span in roster.remind if roster is not None and m.now < change.start else ():
                if notices.polite(m.plan, person, change.start - span) <= m.now:
                    m.once(reminder(change.roster, person, change.start, span), change.end)
    people = dict.fromkeys(person for change in made for person in (*change.before, *change.after))
    for person in people:
        theirs = [change for change in made if person in change.touches]
        if theirs and person != by:
            event = "shifts_corrected" if all(change.end <= m.now for change in theirs) else "shifts_changed"
            notices.tell(m, (person,), event, None, changes=facts(theirs), count=len(theirs), by=by, **more)


def follow_plan(m: Moment, some: Sequence[Change], plan: str) -> None:
    """Shifts change hands because the configuration was reloaded: once for all nodes that load the same one, everybody
    who gains or loses hours hears which."""
    known = [one for one in some if one.roster in m.plan.rosters]
    if known and m.once(f"plan {plan}", m.now + TOLD_FOR):
        m.record("shifts_reloaded", changes=facts(known), count=len(known))
        tell(m, known, "")


# ---------------------------------------------------------------------------------------------------------------------
# Making one


def put(m: Moment, override: Override, *, by: str, door: str) -> int:
    """Give it a number, keep it, write it down. The caller knows that nothing conflicts."""
    number = m.draft.standing.override_last + 1
    m.draft.standing = replace(m.draft.standing, override_last=number)
    made = replace(override, id=number, by=by, made_at=m.now, reason=override.reason[:TEXT_MAX])
    m.draft.changes.overrides[number] = made
    m.record(
        "override_added",
        by=by,
        door=door,
        id=number,
        roster=made.roster,
        start=made.start,
        end=made.end,
        remove=made.remove,
        add=made.add,
        shifts=None if made.shifts is None else [[start, end, people] for start, end, people in made.shifts],
        text=made.reason,
        correction=True if made.end <= m.now else None,
    )
    return number


def cut(m: Moment, override: Override, start: datetime, end: datetime, *, by: str, door: str) -> None:
    """Take [start, end) out of it; what is left on either side stays, the later part under a number of its own."""
    start, end = max(start, override.start), min(end, override.end)
    m.draft.changes.overrides[override.id] = replace(override, end=start) if override.start < start else None
    kept = [override.id] if override.start < start else []
    if end < override.end:
        tail = m.draft.standing.override_last + 1 if override.start < start else override.id
        if tail != override.id:
            m.draft.standing = replace(m.draft.standing, override_last=tail)
        m.draft.changes.overrides[tail] = replace(override, id=tail, start=end)
        kept.append(tail)
    m.record(
        "override_removed",
        by=by,
        door=door,
        id=override.id,
        roster=override.roster,
        start=start,
        end=end,
        kept=kept,
    )


def spans_on_call(m: Moment, roster: str, person: str, start: datetime, end: datetime) -> list[Span]:
    """When in [start, end) they are on call there; shifts that touch are one span."""
    spans: list[Span] = []
    for shift in m.rosters.shifts(roster, tuple(m.draft.overrides()), start, end):
        if person in shift.people:
            if spans and spans[-1][1] == shift.start:
                spans[-1] = (spans[-1][0], shift.end)
            else:
                spans.append((shift.start, shift.end))
    return spans


def hand_over(
    m: Moment, roster: str, span: Span, *, giver: str, taker: str, by: str, door: str, reason: str = ""
) -> list[int]:
    """`taker` is on call wherever `giver` is within `span`; the numbers of the overrides made.

    Replaces are not transitive: hours that `giver` has by an override are handed over in that override, by cutting it;
    hours of theirs that it took from `taker` just go back.
    """
    made = []
    for begins, ends in spans_on_call(m, roster, giver, *span):
        for override in [one for one in m.draft.overrides() if one.roster == roster]:
            start, end = max(begins, override.start), min(ends, override.end)
            if override.shifts is not None or override.add != giver or override.remove == giver or start >= end:
                continue
            cut(m, override, start, end, by=by, door=door)
            if override.remove != taker:
                instead = Override(0, roster, start, end, override.remove, taker, reason=reason)
                made.append(put(m, instead, by=by, door=door))
        for start, end in spans_on_call(m, roster, giver, begins, ends):
            made.append(put(m, Override(0, roster, start, end, giver, taker, reason=reason), by=by, door=door))
    return made

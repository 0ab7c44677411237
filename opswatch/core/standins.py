"""Who may take whose hours on call, which of them, and what they give in return."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import reach
from opswatch.core.absences import is_absent
from opswatch.core.model import Priority, Role
from opswatch.core.moment import Moment
from opswatch.core.plan import Person
from opswatch.core.roster_changes import Span, spans_on_call
from opswatch.core.state import Cover, Offer

ASKED_MAX = 20


def eligible(m: Moment, cover: Cover) -> list[str]:
    """Who is asked, those of the same roster first, then the team of who asked: responders that can be reached, are not
    away, and not on call then. Those on call in another roster are asked only where nobody is free."""
    asker = m.plan.people.get(cover.person)
    team = asker.team if asker is not None else None
    layers = m.plan.rosters[cover.roster].layers
    mates = [person for layer in layers for turn in layer.participants for person in turn]
    if team is not None:
        mates += [person.id for person in m.plan.people.values() if person.team == team]
    names = [cover.only] if cover.only is not None else list(dict.fromkeys(mates))
    able = [name for name in names if why_not(m, cover, name, cover.left) is None]
    free = [name for name in able if not _is_busy_elsewhere(m, cover, name)]
    return (free or able)[:ASKED_MAX]


def pools(m: Moment, cover: Cover) -> list[str]:
    """Of the pools, who could be asked by hand where nobody is eligible."""
    people = dict.fromkeys(person for pool in m.plan.pools.values() for person in pool.people)
    plain = replace(cover, is_swap=False, only=None)
    return [person for person in people if why_not(m, plain, person, cover.left) is None][:ASKED_MAX]


def why_not(m: Moment, cover: Cover, name: str, wanted: Iterable[Span]) -> str | None:
    """Why this person may not take those hours: the key of a refusal; None when they may."""
    person, spans = m.plan.people.get(name), tuple(wanted)
    if person is None or name == cover.person:
        return "cover_own" if person is not None else "unknown_person"
    if cover.only not in (None, name):
        return "cover_asked_of_another"
    if person.role < Role.RESPONDER or not _can_be_reached(person):
        return "cover_out_of_reach"
    if any(is_absent(m.draft.absences(), name, start, end) for start, end in spans):
        return "cover_absent"
    if any(spans_on_call(m, cover.roster, name, start, end) for start, end in spans):
        return "cover_on_call"
    if cover.is_swap and return_of(m, cover, name, spans) is None:
        return "cover_no_return"
    return None


def _can_be_reached(person: Person) -> bool:
    return bool(reach.rules_of(person, Priority.P0))


def _is_busy_elsewhere(m: Moment, cover: Cover, name: str) -> bool:
    others = [roster for roster in m.plan.rosters if roster != cover.roster]
    return any(spans_on_call(m, roster, name, start, end) for roster in others for start, end in cover.left)


def return_of(m: Moment, cover: Cover, name: str, wanted: Iterable[Span]) -> Span | None:
    """The hours of `name` that are taken in return: the shift that was named, or their next one that is not among those
    asked for; as long as what they take, at most. None: there are none that who asked could take, or it is no swap."""
    if not cover.is_swap:
        return None
    spans = tuple(wanted)
    asked = (cover.start, cover.end)
    long = sum((end - start for start, end in spans), timedelta(0))
    is_whole = spans == cover.left
    if cover.return_start is not None and cover.return_end is not None:
        found = spans_on_call(m, cover.roster, name, max(cover.return_start, m.now), cover.return_end)
    else:
        ahead = m.rosters.next_shifts_of(name, cover.roster, tuple(m.draft.overrides()), m.now, 3)
        found = [(shift.start, shift.end) for shift in ahead if shift.start > m.now]
    for start, end in found:
        until = end if is_whole else min(end, start + long)
        is_apart = not (start < asked[1] and asked[0] < until)
        busy = spans_on_call(m, cover.roster, cover.person, start, until)
        if is_apart and not busy and not is_absent(m.draft.absences(), cover.person, start, until):
            return start, until
    return None


def wanted_of(m: Moment, cover: Cover, start: datetime | None, end: datetime | None) -> tuple[Span, ...]:
    """Of the hours that are left, those between `start` and `end` that have not passed and are still the asker's."""
    since, until = max(start or cover.start, m.now), end or cover.end
    return tuple(
        span
        for begins, ends in common(cover.left, ((since, until),))
        for span in spans_on_call(m, cover.roster, cover.person, begins, ends)
    )


def offer_of(cover: Cover, person: str | None) -> Offer | None:
    found = [one for one in cover.offers if person in (None, one.person)]
    return found[0] if len(found) == 1 else None


def common(some: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """What two lists of spans have in common."""
    mine, theirs = tuple(some), tuple(others)
    return tuple((max(a, c), min(b, d)) for a, b in mine for c, d in theirs if max(a, c) < min(b, d))


def without(some: tuple[Span, ...], gone: Iterable[Span]) -> tuple[Span, ...]:
    """`some` without the hours of `gone`."""
    for start, end in gone:
        kept = [((a, min(b, start)), (max(a, end), b)) for a, b in some]
        some = tuple(span for two in kept for span in two if span[0] < span[1])
    return some

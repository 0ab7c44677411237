"""Requests that somebody take a shift: asked, offered to who may, accepted by the first, and then it is an override.

A swap gives a shift in return, a cover does not. Nobody is taken off a roster by asking: until somebody accepts, who
asked stays on call, and is told so when the hours come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import notices, roster_changes, standins
from opswatch.core.events import AcceptCover, AskCover, AskSwap, Command, OfferCover, Tick, WithdrawCover
from opswatch.core.model import CoverStatus
from opswatch.core.moment import TEXT_MAX, Moment, span_trouble
from opswatch.core.roster_changes import Span, spans_on_call
from opswatch.core.state import Cover, Offer

WARNED_BEFORE = timedelta(hours=24)  # the leads hear of a request nobody has taken
KEPT = timedelta(days=30)  # a request that is over: who comes late is still answered who took it
OPEN_MAX = 500
OFFERS_MAX = 20


def look(m: Moment, tick: Tick) -> None:
    """What is due of requests: the leads are told, the hours have come, it is forgotten."""
    for number in m.draft.state.cover_deadlines.due(m.now):
        cover = m.draft.cover(number) if tick.looks_at(f"cover {number}") else None
        if cover is None or cover.wake_at is None or cover.wake_at > m.now:
            continue
        if not cover.is_open:
            m.draft.changes.covers[number] = None
        elif not _is_known(m, cover):
            withdraw(m, cover, by=None)
        elif m.now >= _due(cover):
            _expire(m, cover)
        else:
            m.draft.changes.covers[number] = _warned(m, cover)


def follow_plan(m: Moment) -> None:
    """A request about a roster or a person that is gone is over."""
    for cover in list(m.draft.covers()):
        if cover.is_open and not _is_known(m, cover):
            withdraw(m, cover, by=None)


def _is_known(m: Moment, cover: Cover) -> bool:
    return cover.roster in m.plan.rosters and cover.person in m.plan.people


def ask(m: Moment, cover: Cover, *, door: str) -> Cover:
    """Keep a request, and tell everybody who may take it. The caller has looked at its hours."""
    number = m.draft.standing.cover_last + 1
    m.draft.standing = replace(m.draft.standing, cover_last=number)
    cover = replace(cover, id=number, made_at=m.now, reason=cover.reason[:TEXT_MAX])
    asked = standins.eligible(m, cover)
    invited = [(one, standins.return_of(m, cover, one, cover.left)) for one in asked]
    cover = replace(cover, asked=tuple((one, *(span or (None, None))) for one, span in invited))
    m.record(
        "cover_asked",
        by=cover.by or None,
        door=door,
        id=number,
        roster=cover.roster,
        person=cover.person,
        start=cover.start,
        end=cover.end,
        people=asked or None,
        swap=cover.is_swap or None,
        absence=cover.absence,
        text=cover.reason or None,
    )
    for one, span in invited:
        back = None if span is None else [cover.roster, *span]
        tell = "swap_asked" if cover.is_swap else "cover_asked"
        notices.tell(m, (one,), tell, None, **about(cover), wanted=back, text=cover.reason or None)
    if m.now + WARNED_BEFORE >= _due(cover) or not asked:
        cover = _warned(m, cover)
    cover = replace(cover, wake_at=_next_look(m, cover))
    m.draft.changes.covers[number] = cover
    return cover


def about(cover: Cover) -> dict[str, object]:
    """What every message about it says: its number, whose hours of which roster, and which of them are left."""
    left = [[cover.roster, start, end] for start, end in cover.left] or [[cover.roster, cover.start, cover.end]]
    return {"id": cover.id, "roster": cover.roster, "person": cover.person, "hours": left}


def withdraw(m: Moment, cover: Cover, *, by: str | None, door: str | None = None) -> None:
    """It is over: nobody is needed. Those asked are told."""
    m.record("cover_withdrawn", by=by, door=door, id=cover.id, roster=cover.roster, person=cover.person)
    _end(m, cover, CoverStatus.WITHDRAWN)
    people = [one for one, _, _ in cover.asked if one != by]
    notices.tell(m, tuple(people), "cover_withdrawn", None, **about(cover))


# ---------------------------------------------------------------------------------------------------------------------
# Commands


def _ask(m: Moment, command: AskCover) -> None:
    person = command.person or command.by
    for key, name, known in (
        ("unknown_roster", command.roster, list(m.plan.rosters)),
        ("unknown_person", person, list(m.plan.people)),
        ("unknown_person", command.only or person, list(m.plan.people)),
    ):
        if name not in known:
            m.refuse(key, roster=name, person=name, known=", ".join(known))
            return
    span = _asked_span(m, command, person)
    if span is None:
        return
    left = tuple(spans_on_call(m, command.roster, person, max(span[0], m.now), span[1]))
    if not left:
        m.refuse("cover_not_on_call", roster=command.roster, person=person)
        return
    open_ones = [one for one in m.draft.covers() if one.is_open]
    for one in open_ones:
        if (one.roster, one.person) == (command.roster, person) and standins.common(one.left, left):
            m.refuse("cover_asked_already", id=one.id, person=person)
            return
    if len(open_ones) >= OPEN_MAX:
        m.refuse("too_many", limit=OPEN_MAX)
        return
    cover = Cover(0, command.roster, person, left[0][0], left[-1][1], left, only=command.only, by=command.by)
    cover = replace(cover, reason=command.reason)
    if isinstance(command, AskSwap):
        cover = replace(cover, is_swap=True, return_start=command.return_start, return_end=command.return_end)
    if command.only is not None and (why := standins.why_not(m, cover, command.only, left)) is not None:
        m.refuse(why, **about(cover), by=command.only)
        return
    cover = ask(m, cover, door=command.door)
    people = [one for one, _, _ in cover.asked]
    facts = {**about(cover), "people": people, "pools": [] if people else standins.pools(m, cover)}
    m.done("cover_asked" if people else "cover_asked_nobody", **facts)


def _asked_span(m: Moment, command: AskCover, person: str) -> Span | None:
    """The hours in question; refuses where there are none."""
    if command.start is None or command.end is None:
        ours = tuple(m.draft.overrides())
        ahead = m.rosters.next_shifts_of(person, command.roster, ours, m.now, 2)
        found = next((shift for shift in ahead if shift.start > m.now), None)
        if found is None:
            m.refuse("cover_not_on_call", roster=command.roster, person=person)
            return None
        return found.start, found.end
    given = [(command.start, command.end)]
    if isinstance(command, AskSwap) and command.return_start is not None and command.return_end is not None:
        given.append((command.return_start, command.return_end))
    for start, end in given:
        trouble = span_trouble(start, end) or ("span_over" if end <= m.now else None)
        if trouble is not None:
            m.refuse(trouble, start=start, end=end)
            return None
    return given[0]


def _offer(m: Moment, command: OfferCover) -> None:
    cover = _open_one(m, command.id, command.by)
    if cover is None:
        return
    if command.by == cover.person:
        m.refuse("cover_own", id=cover.id)
        return
    plain = replace(cover, is_swap=False)  # What they want in return is theirs to say.
    wanted = standins.wanted_of(m, cover, command.start, command.end)
    if not wanted:
        m.refuse("cover_not_left", **about(cover))
        return
    if (why := standins.why_not(m, plain, command.by, wanted)) is not None:
        m.refuse(why, **about(cover), by=command.by)
        return
    back = None
    if command.return_start is not None and command.return_end is not None:
        asked = replace(cover, is_swap=True, return_start=command.return_start, return_end=command.return_end)
        back = standins.return_of(m, asked, command.by, wanted)
        if back is None:
            m.refuse("cover_no_return", **about(cover), by=command.by)
            return
    elif cover.is_swap:
        back = standins.return_of(m, cover, command.by, wanted)
    since, until = back or (None, None)
    offer = Offer(command.by, wanted[0][0], wanted[-1][1], since, until, m.now)
    others = tuple(one for one in cover.offers if one.person != command.by)
    if len(others) >= OFFERS_MAX:
        m.refuse("too_many", limit=OFFERS_MAX)
        return
    m.draft.changes.covers[cover.id] = replace(cover, offers=(*others, offer))
    m.record(
        "cover_offered",
        by=command.by,
        door=command.door,
        id=cover.id,
        roster=cover.roster,
        person=cover.person,
        start=offer.start,
        end=offer.end,
        return_start=offer.return_start,
        return_end=offer.return_end,
    )
    facts = {
        **about(cover),
        "hours": [[cover.roster, offer.start, offer.end]],
        "wanted": None if back is None else [cover.roster, *back],
    }
    m.done("cover_offered", **facts)
    notices.tell(m, (cover.person,), "cover_offered", None, **facts, by=command.by)


def _accept(m: Moment, command: AcceptCover) -> None:
    cover = _open_one(m, command.id, command.by)
    if cover is None:
        return
    taker, start, end = command.by, command.start, command.end
    offer: Offer | None = None
    if command.of is not None or command.by == cover.person:
        offer = standins.offer_of(cover, command.of)
        if offer is None:
            names = [one.person for one in cover.offers]
            m.refuse("cover_which_offer" if names else "cover_own", id=cover.id, people=names)
            return
        taker, start, end = offer.person, offer.start, offer.end
        has_return = offer.return_start is not None
        cover = replace(cover, is_swap=has_return, return_start=offer.return_start, return_end=offer.return_end)
    wanted = standins.wanted_of(m, cover, start, end)
    if not wanted:
        m.refuse("cover_not_left", **about(cover))
        return
    if (why := standins.why_not(m, cover, taker, wanted)) is not None:
        m.refuse(why, **about(cover), by=taker)
        return
    _taken(m, cover, taker, wanted, command)


def _taken(m: Moment, cover: Cover, taker: str, wanted: tuple[Span, ...], command: AcceptCover) -> None:
    """The overrides, in this very step: nobody can have accepted it besides."""
    before = tuple(m.draft.overrides())
    back = standins.return_of(m, cover, taker, wanted) if cover.is_swap else None
    word = "swap" if cover.is_swap else "cover"
    overrides, spans = [], list(wanted)
    for span in wanted:
        overrides += roster_changes.hand_over(
            m,
            cover.roster,
            span,
            giver=cover.person,
            taker=taker,
            by=command.by,
            door=command.door,
            reason=f"{word} {cover.id}",
        )
    if back is not None:
        spans.append(back)
        overrides += roster_changes.hand_over(
            m,
            cover.roster,
            back,
            giver=taker,
            taker=cover.person,
            by=command.by,
            door=command.door,
            reason=f"{word} {cover.id}",
        )
    made = [
        change
        for span in spans
        for change in roster_changes.changes(m.rosters, cover.roster, before, tuple(m.draft.overrides()), *span)
    ]
    kept = m.draft.cover(cover.id) or cover
    left = standins.without(kept.left, wanted)
    others = [one for one in kept.offers if one.person != taker]
    kept = replace(
        kept,
        left=left,
        offers=tuple(
            one for one in kept.offers if one.person != taker and standins.common(left, ((one.start, one.end),))
        ),
        taken=(*kept.taken, *((taker, start, end) for start, end in wanted)),
    )
    m.record(
        "cover_accepted",
        by=command.by,
        door=command.door,
        id=cover.id,
        roster=cover.roster,
        person=cover.person,
        taker=taker,
        start=wanted[0][0],
        end=wanted[-1][1],
        overrides=overrides,
        swap=True if back is not None else None,
        whole=True if not left else None,
    )
    if left:
        m.draft.changes.covers[cover.id] = replace(kept, wake_at=_next_look(m, kept))
    else:
        _end(m, kept, CoverStatus.TAKEN)
    rest = [[cover.roster, start, end] for start, end in left]
    facts = {**about(cover), "hours": [], "by": taker, "changes": roster_changes.facts(made), "left": rest}
    m.done("cover_accepted", **facts)
    roster_changes.tell(m, made, command.by, cover=cover.id)
    waiting = dict.fromkeys([*(one for one, _, _ in kept.asked), *(one.person for one in others)])
    people = tuple(one for one in waiting if one not in (taker, command.by))
    notices.tell(m, people, "cover_taken", None, **{**about(cover), "left": rest}, by=taker)


def _withdraw(m: Moment, command: WithdrawCover) -> None:
    cover = _open_one(m, command.id, command.by)
    if cover is None:
        return
    if any(one.person == command.by for one in cover.offers):
        offers = tuple(one for one in cover.offers if one.person != command.by)
        m.draft.changes.covers[cover.id] = replace(cover, offers=offers)
        m.record("cover_offer_withdrawn", by=command.by, door=command.door, id=cover.id, roster=cover.roster)
        m.done("cover_offer_withdrawn", id=cover.id)
        notices.tell(m, (cover.person,), "cover_offer_withdrawn", None, **about(cover), by=command.by)
        return
    withdraw(m, cover, by=command.by, door=command.door)
    m.done("cover_withdrawn", id=cover.id, person=cover.person)


# ---------------------------------------------------------------------------------------------------------------------


def _open_one(m: Moment, number: int, by: str) -> Cover | None:
    """The request, if it is still open; otherwise it was answered how it ended."""
    cover = m.draft.cover(number)
    if cover is None:
        known = ", ".join(str(one.id) for one in m.draft.covers() if one.is_open)
        m.refuse("unknown_cover", id=number, known=known)
    elif cover.status is CoverStatus.TAKEN:
        takers = list(dict.fromkeys(person for person, _, _ in cover.taken))
        say = m.done if by in takers else m.refuse
        say("cover_yours_already" if by in takers else "cover_taken_already", id=cover.id, people=takers)
    elif not cover.is_open or not _is_known(m, cover):
        how = CoverStatus.WITHDRAWN if cover.is_open else cover.status
        m.refuse(f"cover_is_{how}", id=cover.id, person=cover.person)
    else:
        return cover
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Its end


def _due(cover: Cover) -> datetime:
    """When it is too late: the first open hours begin; for hours that ran already when it was asked, when they end."""
    begins, ends = cover.left[0][0], cover.left[-1][1]
    return begins if cover.made_at is None or begins > cover.made_at else ends


def _next_look(m: Moment, cover: Cover) -> datetime:
    due = _due(cover)
    return due if cover.warned_at is not None else max(m.now, due - WARNED_BEFORE)


def _warned(m: Moment, cover: Cover) -> Cover:
    """Nobody has taken it and the hours are near, or nobody may: the leads are told, with whom the pools have."""
    m.record("cover_warned", id=cover.id, roster=cover.roster, person=cover.person)
    people = tuple(one for one in notices.leads(m.plan) if one != cover.by)
    notices.tell(m, people, "cover_open", None, **about(cover), pools=standins.pools(m, cover) or None)
    return replace(cover, warned_at=m.now, wake_at=_due(cover))


def _expire(m: Moment, cover: Cover) -> None:
    m.record("cover_expired", id=cover.id, roster=cover.roster, person=cover.person)
    _end(m, cover, CoverStatus.EXPIRED)
    people = dict.fromkeys((cover.person, *([cover.by] if cover.by else [])))
    notices.tell(m, tuple(people), "cover_expired", None, **about(cover))


def _end(m: Moment, cover: Cover, status: CoverStatus) -> None:
    last = max(cover.end, m.now)
    m.draft.changes.covers[cover.id] = replace(cover, status=status, offers=(), ended_at=m.now, wake_at=last + KEPT)


COMMANDS: Mapping[type[Command], Callable[..., None]] = {
    AskCover: _ask,
    AskSwap: _ask,
    OfferCover: _offer,
    AcceptCover: _accept,
    WithdrawCover: _withdraw,
}

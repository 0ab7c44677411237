"""Reserves: people off roster who are paged in order, `wait` apart, until enough of them have accepted (SPEC 1, 4).

A call outlives the acknowledgement: whoever has the incident wanted help, and it is still coming. It ends when enough
have accepted, when everybody was asked, or with the incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import notices, paging, reach
from opswatch.core.effects import Withdraw
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan, Pool
from opswatch.core.state import DueStep, Incident, PoolCall

# ---------------------------------------------------------------------------------------------------------------------
# Looking


def needed(plan: Plan, call: PoolCall) -> int:
    """How many must accept; 0 for a pool that the plan no longer has: nobody of it is waited for."""
    pool = plan.pools.get(call.pool)
    return pool.need if pool is not None else 0


def is_complete(plan: Plan, call: PoolCall) -> bool:
    return len(call.accepted) >= needed(plan, call)


def going(plan: Plan, incident: Incident) -> tuple[PoolCall, ...]:
    """Calls that still ask somebody."""
    return tuple(call for call in incident.pools if call.until is not None and not is_complete(plan, call))


def asked(plan: Plan, incident: Incident) -> frozenset[str]:
    """Who is being asked as a reserve now: their pages survive an acknowledgement."""
    return frozenset(person for call in going(plan, incident) for person in _open(call))


def asking(plan: Plan, incident: Incident, person: str) -> str | None:
    """The pool whose call asks this person now."""
    return next((call.pool for call in going(plan, incident) if person in _open(call)), None)


def ends(plan: Plan, incident: Incident) -> Iterator[datetime]:
    """When each call has asked everybody."""
    return (call.until for call in going(plan, incident) if call.until is not None)


def pool_of(plan: Plan, incident: Incident, person: str) -> Pool | None:
    """The pool through which this person joins: one that was called for the incident, else one of its policy's, else
    any that names them."""
    policy = plan.policies.get(incident.policy)
    written = [target for rung in (policy.levels if policy else ()) for target in rung.page]
    named = [target.removeprefix("pool:") for target in written if target.startswith("pool:")]
    order = dict.fromkeys([*(call.pool for call in reversed(incident.pools)), *named, *plan.pools])
    return next((plan.pools[name] for name in order if name in plan.pools and person in plan.pools[name].people), None)


def call_of(incident: Incident, pool: str) -> PoolCall:
    """What that pool was asked and has answered; an empty one where it was not called."""
    return next((call for call in incident.pools if call.pool == pool), PoolCall(pool))


def is_called(incident: Incident, pool: str) -> bool:
    return bool(call_of(incident, pool).called)


def has_accepted(incident: Incident, pool: str, person: str) -> bool:
    return person in call_of(incident, pool).accepted


def has_declined(incident: Incident, pool: str, person: str) -> bool:
    return person in call_of(incident, pool).declined


def is_first(step: DueStep) -> bool:
    """Whether it is what they are asked with; what follows are the later steps of their own rules."""
    return step.step.partition("r")[0] == "1"


def said(plan: Plan, call: PoolCall) -> dict[str, object]:
    """How far the call is, for words: "2 of 2 have accepted"."""
    return {"pool": call.pool, "count": len(call.accepted), "need": needed(plan, call)}


def rows(plan: Plan, incident: Incident) -> list[tuple[dict[str, object], datetime | None]]:
    """Each call as plain values, and until when it asks."""
    return [
        (
            {
                "pool": call.pool,
                "need": needed(plan, call),
                "accepted": list(call.accepted),
                "declined": list(call.declined),
            },
            call.until,
        )
        for call in incident.pools
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Calling


def begin(m: Moment, incident: Incident, people: Iterable[reach.Called]) -> Incident:
    """A level calls these reserves: from now on they are waited for."""
    by_pool: dict[str, list[reach.Called]] = {}
    for called in people:
        if called.pool is not None:
            by_pool.setdefault(called.pool, []).append(called)
    for name, members in by_pool.items():
        until = max(called.release for called in members) + m.plan.pools[name].wait
        known = tuple(dict.fromkeys((*call_of(incident, name).called, *(called.person for called in members))))
        incident = _put(incident, replace(call_of(incident, name), called=known, until=until))
    return incident


def accept(m: Moment, incident: Incident, pool: Pool, person: str, door: str) -> Incident:
    """They come. What still rings for them stops; with enough of them, for the others of the pool too."""
    before = call_of(incident, pool.id)
    declined = tuple(one for one in before.declined if one != person)
    call = replace(before, accepted=(*before.accepted, person), declined=declined)
    is_enough = is_complete(m.plan, call) and not is_complete(m.plan, before)
    m.record("accepted", incident=incident.number, by=person, door=door, enough=is_enough or None, **said(m.plan, call))
    call = replace(call, until=None) if is_enough else call
    incident = _without(m, _put(incident, call), {person})
    if is_enough:
        incident = _without(m, incident, {one for one in _open(before) if one != person}, only=pool.id)
    return _tell(m, incident, "accepted", call, person)


def decline(m: Moment, incident: Incident, pool: Pool, person: str, door: str) -> Incident:
    """They do not come: the next of the pool is asked at once. Who had accepted takes that back."""
    before = call_of(incident, pool.id)
    accepted = tuple(one for one in before.accepted if one != person)
    call = replace(before, accepted=accepted, declined=(*before.declined, person))
    took_back = call.accepted != before.accepted
    m.record("declined", incident=incident.number, by=person, door=door, **said(m.plan, call))
    turns = _turns(incident, pool.id)
    incident = _without(m, _put(incident, call), {person})
    is_quiet = incident.held_until is not None or incident.snoozed_until is not None
    if (took_back or before.until is not None) and not is_complete(m.plan, call) and not is_quiet:
        incident = _go_on(m, incident, pool, turns)
    return _tell(m, incident, "declined", call_of(incident, pool.id), person)


def due(m: Moment, incident: Incident) -> Incident:
    """Everybody of a pool was asked and had their time: who has the incident learns that no more will come."""
    for call in going(m.plan, incident):
        if call.until is not None and call.until <= m.now:
            incident = _exhausted(m, _put(incident, replace(call, until=None)), call)
    return incident


def stopped(incident: Incident) -> Incident:
    """Nobody is asked any more. Who accepted has accepted."""
    return replace(incident, pools=tuple(replace(call, until=None) for call in incident.pools))


def _go_on(m: Moment, incident: Incident, pool: Pool, turns: dict[str, datetime]) -> Incident:
    """Those not asked yet move up, `wait` apart: the first of them now; at their first turn still to come, when that
    of the one who declined had not come either. After an acceptance taken back all the others are asked anew.
    `turns` is when each was to be asked, before."""
    call = call_of(incident, pool.id)
    is_anew = call.until is None
    silent = [one for one in pool.people if one not in (*call.accepted, *call.declined)]
    order = silent if is_anew else [one for one in silent if one in turns]
    had_turn = is_anew or not any(one in turns for one in call.declined[-1:])
    start = m.now if had_turn or not turns else min(turns.values())
    call = replace(call, times=call.times + is_anew)
    if not order:
        return incident if _open(call) else _exhausted(m, _put(incident, replace(call, until=None)), call)
    last = start
    for place, name in enumerate(order):
        delay = max(start - m.now, timedelta(0)) + pool.wait * place
        person = m.plan.people.get(name)
        called = reach.call(m, person, incident.priority, None, delay, pool.id) if person is not None else None
        if called is not None:
            incident = _moved_up(incident, called, call)
            last = max(last, called.release)
    call = replace(call, called=tuple(dict.fromkeys((*call.called, *order))), until=last + pool.wait)
    return paging.due_steps(m, _put(incident, call))


def _moved_up(incident: Incident, called: reach.Called, call: PoolCall) -> Incident:
    """Their steps, counted from their new turn. Asked once more, they are other rungs: under other page ids."""
    own = [step for step in incident.steps if step.person == called.person and step.pool == call.pool]
    model = own[0] if own else None
    steps = tuple(
        DueStep(
            at=called.release + step.after,
            person=called.person,
            contact=step.contact,
            level=model.level if model else incident.level,
            cycle=model.cycle if model else incident.cycle,
            climb=model.climb if model else incident.climb,
            step=str(place) if call.times == 1 else f"{place}r{call.times}",
            reason=model.reason if model else incident.reason,
            pool=call.pool,
        )
        for place, step in enumerate(called.steps, start=1)
    )
    others = tuple(step for step in incident.steps if step not in own)
    return replace(incident, steps=(*others, *steps))


def _exhausted(m: Moment, incident: Incident, call: PoolCall) -> Incident:
    m.record("pool_exhausted", incident=incident.number, by=None, **said(m.plan, call))
    return _tell(m, incident, "pool_exhausted", call, None)


# ---------------------------------------------------------------------------------------------------------------------
# Pieces


def _tell(m: Moment, incident: Incident, event: str, call: PoolCall, by: str | None) -> Incident:
    """The owner gets a line, the cards change."""
    facts = said(m.plan, call) | ({"by": by} if by is not None else {})
    if incident.owner is not None and incident.owner in m.plan.people and incident.owner != by:
        notices.tell(m, (incident.owner,), event, incident.number, **facts)
    for channel in incident.told:
        if channel in m.plan.channels:
            m.announce(channel, event, incident.number, **facts)
    return incident


def _without(m: Moment, incident: Incident, people: set[str], *, only: str | None = None) -> Incident:
    """They answered, or (of the pool `only`) are not needed any more: nothing rings for them."""
    if any(who in people for who, _ in incident.paged):
        m.effects.append(Withdraw(incident.number, tuple(sorted(people)), "answered"))
    kept = (step for step in incident.steps if step.person not in people or step.pool != (only or step.pool))
    return replace(incident, steps=tuple(kept))


def _open(call: PoolCall) -> tuple[str, ...]:
    return tuple(one for one in call.called if one not in call.accepted and one not in call.declined)


def _put(incident: Incident, call: PoolCall) -> Incident:
    """The call that moved last stands last."""
    others = tuple(one for one in incident.pools if one.pool != call.pool)
    return replace(incident, pools=(*others, call))


def _turns(incident: Incident, pool: str) -> dict[str, datetime]:
    """When each reserve who was not asked yet is to be."""
    return {step.person: step.at for step in incident.steps if step.pool == pool and is_first(step)}

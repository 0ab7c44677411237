"""Who a level's targets are right now, and how and when each of them may be interrupted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from opswatch.core import calendars
from opswatch.core.model import Priority
from opswatch.core.moment import Moment
from opswatch.core.plan import NotifyStep, Person
from opswatch.core.state import PoolCall

SECOND_CONTACT_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Called:
    """One person a level pages. Their steps count from `release`: later than now while they are held."""

    person: str
    steps: tuple[NotifyStep, ...]
    release: datetime
    roster: str | None = None
    pool: str | None = None  # a reserve of it


@dataclass(frozen=True, slots=True)
class Targets:
    people: tuple[Called, ...]
    channels: tuple[str, ...]
    out_of_reach: tuple[str, ...]  # named, but with no contact at all


def resolve(m: Moment, names: Iterable[str], priority: Priority, calls: Iterable[PoolCall] = ()) -> Targets:
    """The people and channels behind `roster:ID`, `roster:ID/next`, `roster:ID/previous`, `person:ID`, `team:ID`,
    `pool:ID` and `channel:ID` at `m.now`, each once, in order. A roster in a gap gives its fallback. `calls` are the
    pools that were called before: who of them has answered."""
    answered = {call.pool: call for call in calls}
    people: dict[str, Called] = {}
    channels: dict[str, None] = {}
    out_of_reach: dict[str, None] = {}
    for name in names:
        kind, _, what = name.partition(":")
        if kind == "channel":
            channels[what] = None
            continue
        for who in _people(m, kind, what, answered):
            person = m.plan.people.get(who.person)
            if person is None or not person.contacts:
                out_of_reach[who.person] = None
            elif who.person not in people and (called := call(m, person, priority, who.roster, who.delay, who.pool)):
                people[who.person] = called
    return Targets(tuple(people.values()), tuple(channels), tuple(out_of_reach))


def people_behind(m: Moment, name: str) -> tuple[str, ...]:
    """Everybody whom one target of a level means at `m.now`, whether they can be reached or not."""
    kind, _, what = name.partition(":")
    return tuple(who.person for who in _people(m, kind, what, {})) if kind != "channel" else ()


def call(
    m: Moment, person: Person, priority: Priority, roster: str | None, delay: timedelta, pool: str | None = None
) -> Called | None:
    """How this person is paged; None when this priority never interrupts them."""
    steps = rules_of(person, priority)
    release = released(m, person, priority, m.now + delay)
    if not steps or release is None:
        return None
    return Called(person.id, steps, release, roster, pool)


def rules_of(person: Person, priority: Priority) -> tuple[NotifyStep, ...]:
    """The person's own rules for `priority`. Who wrote none gets their first contact at once, and for P0 and P1 the
    second one five minutes later; P3 stays in the digest."""
    own = person.notify.get(priority)
    if own is not None:
        return tuple(step for step in own if step.contact in person.contacts)
    if priority is Priority.P3:
        return ()
    contacts = list(person.contacts)
    steps = [NotifyStep(contacts[0])] if contacts else []
    if priority <= Priority.P1 and len(contacts) > 1:
        steps.append(NotifyStep(contacts[1], SECOND_CONTACT_AFTER))
    return tuple(steps)


def released(m: Moment, person: Person, priority: Priority, at: datetime) -> datetime | None:
    """The first instant from `at` on at which `priority` may interrupt this person; None for never (digest only)."""
    interrupt = m.plan.rule(priority).interrupt
    if interrupt == "never":
        return None
    if interrupt == "always" or person.day is None:
        return at
    if m.rosters.is_working(person.id, m.draft.overrides(), at):  # At work, whatever their `day` says.
        return at
    return calendars.first_covered((person.day,), person.timezone, None, at) or at


class _Named(NamedTuple):
    person: str
    roster: str | None = None
    delay: timedelta = timedelta(0)
    pool: str | None = None


def _people(m: Moment, kind: str, what: str, answered: Mapping[str, PoolCall]) -> list[_Named]:
    """Everybody behind one target."""
    if kind == "roster":
        roster, _, which = what.partition("/")
        if roster not in m.plan.rosters:
            return []
        return [_Named(person, roster) for person in _of_roster(m, roster, which)]
    if kind == "team":
        return [_Named(person.id) for person in m.plan.people.values() if person.team == what]
    if kind == "pool":
        return _reserves(m, what, answered.get(what, PoolCall(what)))
    return [_Named(what)]


def _reserves(m: Moment, name: str, call: PoolCall) -> list[_Named]:
    """Those who have not said a word, in order, `wait` apart. When enough have accepted, or nobody else is left to
    ask: those who accepted, at once. They came, and nobody has taken the incident."""
    pool = m.plan.pools.get(name)
    if pool is None:
        return []
    silent = [one for one in pool.people if one not in call.accepted and one not in call.declined]
    if len(call.accepted) >= pool.need or not silent:
        return [_Named(person) for person in call.accepted]
    return [_Named(person, None, pool.wait * place, name) for place, person in enumerate(silent)]


def _of_roster(m: Moment, roster: str, which: str) -> tuple[str, ...]:
    overrides = tuple(m.draft.overrides())
    if which == "next":
        return m.rosters.next_people(roster, overrides, m.now)
    if which == "previous":
        return m.rosters.previous_people(roster, overrides, m.now)
    return m.rosters.on_call(roster, overrides, m.now).people

"""Who is reminded of paperwork, and when it is polite to: by a quiet way, in the morning, within their own day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from opswatch.core import calendars
from opswatch.core.effects import Notice
from opswatch.core.model import Role
from opswatch.core.moment import Moment, plain_facts
from opswatch.core.plan import Person, Plan

LOUD = frozenset({"phone", "sms"})
MORNING = time(9)
TOLD_MAX = 5  # leads, or people of a team, that one reminder goes to


def leads(plan: Plan) -> tuple[str, ...]:
    """Who looks after what nobody owns, and what waits for review: leads and admins that can be written to."""
    return tuple(p.id for p in plan.people.values() if p.role >= Role.LEAD and p.contacts)[:TOLD_MAX]


def readers(plan: Plan, owner: str | None) -> tuple[str, ...]:
    """The people behind an owner: a person, those of a team, and the leads where nobody of them can be written to."""
    kind, _, what = (owner or "").partition(":")
    if kind == "team":
        named = [person for person in plan.people.values() if person.team == what]
    else:
        named = [person for person in plan.people.values() if person.id == owner]
    return tuple(person.id for person in named if person.contacts)[:TOLD_MAX] or leads(plan)


def is_known(plan: Plan, owner: str) -> bool:
    """Whether `owner` names a person of the plan, or a team that has people."""
    kind, _, what = owner.partition(":")
    return any(person.team == what for person in plan.people.values()) if kind == "team" else owner in plan.people


def zone_of(plan: Plan, owner: str | None) -> str:
    """The zone of a person; the plan's for a team and for nobody."""
    person = plan.people.get(owner or "")
    return person.timezone if person is not None else plan.timezone


def midnight_after(plan: Plan, owner: str | None, day: date) -> datetime:
    """When that date is over where the owner lives, UTC."""
    return calendars.instant(datetime.combine(day + timedelta(days=1), time()), zone_of(plan, owner))


def polite(plan: Plan, owner: str | None, at: datetime) -> datetime:
    """The first instant from `at` on that lies in the owner's day; `at` for who has none."""
    person = plan.people.get(owner or "")
    if person is None or person.day is None:
        return at
    return calendars.first_covered((person.day,), person.timezone, None, at) or at


def morning(plan: Plan, owner: str | None, day: date) -> datetime:
    """Nine o'clock of that date where the owner lives, or when their day begins later; UTC."""
    return polite(plan, owner, calendars.instant(datetime.combine(day, MORNING), zone_of(plan, owner)))


def tell(m: Moment, people: tuple[str, ...], event: str, incident: int | None = None, **facts: object) -> None:
    """Promise each of them a notice, by their first contact that does not ring."""
    for known in (m.plan.people[person] for person in people if person in m.plan.people):
        if (contact := quiet_contact(known)) is not None:
            m.send(Notice(incident, known.id, contact, event, m.serial(), plain_facts(facts)))


def quiet_contact(person: Person) -> str | None:
    """Their first contact that does not ring; their first, where all do; None where there is none."""
    ways = list(person.contacts)
    return next((way for way in ways if way not in LOUD), ways[0] if ways else None)

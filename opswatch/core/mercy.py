"""Mercy: nobody is paged more than so often in an hour, except for a new P0. The rest become one page (SPEC 1, law 8).

A page beyond the limit is not lost and not dropped: it waits in its person's bundle, is on the timeline (`bundled`),
and is told with the others in one page as soon as their hour has room. The ladder does not wait for it: the next level
is entered as if they had not answered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import reach
from opswatch.core.effects import Page
from opswatch.core.model import PageReason, Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Person, Plan
from opswatch.core.state import Bundle, Incident, Standing

HOUR = timedelta(hours=1)
NAMED_MAX = 100  # incidents that one bundle names; its count goes on


def is_new_p0(page: Page) -> bool:
    """Asked about for the first time in this climb: whatever came before, it rings. Repeats and reminders do not."""
    return page.priority is Priority.P0 and page.cycle == 1 and page.reason is not PageReason.REMINDER


def has_room(m: Moment, page: Page) -> bool:
    """Whether this page may ring now. One that takes the place of a page that failed is no further page."""
    if page.test or page.reason is PageReason.DELIVERY_FAILED or is_new_p0(page):
        return True
    if page.person in m.draft.standing.bundles:  # Theirs come first, and together.
        return False
    return len(_rang(m.draft.standing, page.person, m.now)) < m.plan.pages_per_hour_max


def count(m: Moment, page: Page) -> None:
    """It rings: their hour has less room."""
    if page.test or page.reason is PageReason.DELIVERY_FAILED:
        return
    standing = m.draft.standing
    kept = {person: left for person in standing.rang if (left := _rang(standing, person, m.now))}
    # A clock that was set back leaves instants ahead of it: they are now. In order, so that the first is the oldest.
    rang = tuple(sorted((*(min(at, m.now) for at in kept.get(page.person, ())), m.now)))
    rang = rang[-max(m.plan.pages_per_hour_max, 1) :]
    m.draft.standing = replace(standing, rang={**kept, page.person: rang})


def hold(m: Moment, page: Page) -> None:
    """There is no room: it waits in the person's bundle."""
    standing = m.draft.standing
    bundle = standing.bundles.get(page.person) or Bundle(m.now)
    named = bundle.incidents
    if page.incident not in named and len(named) < NAMED_MAX:
        named = (*named, page.incident)
    bundle = replace(bundle, count=bundle.count + 1, incidents=named)
    m.draft.standing = standing = replace(standing, bundles={**standing.bundles, page.person: bundle})
    m.record(
        "bundled",
        incident=page.incident,
        page=page.id,
        person=page.person,
        contact=page.contact,
        level=page.level,
        reason=page.reason,
        priority=str(page.priority),
        count=bundle.count,
        until=_room_at(m.plan, standing, page.person),
    )


# ---------------------------------------------------------------------------------------------------------------------
# When there is room


def first_due(plan: Plan, standing: Standing) -> datetime | None:
    """When the first bundle may be told."""
    return min((_room_at(plan, standing, person) for person in standing.bundles), default=None)


def due(m: Moment) -> None:
    """Tell each bundle whose person's hour has room, in one page. What is over, or somebody's, is left out; a bundle
    of which nothing is left is forgotten."""
    for name, bundle in list(m.draft.standing.bundles.items()):
        if _room_at(m.plan, m.draft.standing, name) > m.now:
            continue
        person = m.plan.people.get(name)
        asking = [(one, at) for one in _kept(m, bundle) if (at := _asks_at(m, one, person)) is not None]
        now = sorted((one for one, at in asking if at <= m.now), key=lambda one: (one.priority, one.number))
        later = {one.number: at for one, at in asking if at > m.now}
        rest = {who: one for who, one in m.draft.standing.bundles.items() if who != name}
        if later:  # P2 at night: that part waits for their day.
            rest[name] = Bundle(min(later.values()), len(later), tuple(later))
        m.draft.standing = replace(m.draft.standing, bundles=rest)
        if person is not None and now:
            _promise(m, person, bundle, now)
        elif not later:
            m.record("bundle_ended", person=name, count=bundle.count, incidents=list(bundle.incidents))


def way_failed(m: Moment, page: Page) -> None:
    """A bundle's way is closed for good: the person's next contact, at once; without one it is said on the timeline."""
    person = m.plan.people.get(page.person)
    order = list(person.contacts) if person is not None else []
    base, _, tried = page.step.partition(".")
    turn = int(tried or 0) + 1
    if turn >= len(order):
        m.record("unreachable_person", person=page.person, page=page.id)
        return
    at = order.index(page.contact) if page.contact in order else -1
    contact = order[(at + 1) % len(order)]
    again = replace(page, contact=contact, step=f"{base}.{turn}", reason=PageReason.DELIVERY_FAILED, at=m.now)
    _send(m, again)


def _promise(m: Moment, person: Person, bundle: Bundle, incidents: list[Incident]) -> None:
    worst = incidents[0]
    ways = reach.rules_of(person, worst.priority)
    page = Page(
        incident=0,  # Of no single one: whoever takes one of them does not stop the page for the others.
        climb=0,
        cycle=0,
        level=0,
        person=person.id,
        step=f"b{int(m.now.timestamp() * 1_000_000)}",
        contact=ways[0].contact if ways else next(iter(person.contacts)),
        priority=worst.priority,
        reason=PageReason.UNANSWERED,
        at=m.now,
        bundle=tuple(one.number for one in incidents),
        count=bundle.count,
    )
    count(m, page)
    _send(m, page)
    for incident in incidents:
        m.record("bundle_told", incident=incident.number, page=page.id, person=person.id, contact=page.contact)
        pair = (person.id, page.contact)
        paged = incident.paged if pair in incident.paged else (*incident.paged, pair)
        m.draft.changes.incidents[incident.number] = replace(incident, paged=paged, page_last_at=m.now)


def _send(m: Moment, page: Page) -> None:
    m.send(page)
    m.record(
        "bundle_promised",
        page=page.id,
        person=page.person,
        contact=page.contact,
        incidents=list(page.bundle),
        count=page.count,
        priority=str(page.priority),
        reason=page.reason,
        observed=True if m.plan.mode == "observe" else None,
    )


def _kept(m: Moment, bundle: Bundle) -> list[Incident]:
    return [incident for number in bundle.incidents if (incident := m.draft.incident(number)) is not None]


def _asks_at(m: Moment, incident: Incident, person: Person | None) -> datetime | None:
    """From when on this person would be paged for it; None where nobody waits for them: somebody has it, something
    quiets it, or its priority interrupts nobody."""
    if person is None or incident.status is not Status.TRIGGERED or not person.contacts:
        return None
    if incident.held_until is not None or incident.snoozed_until is not None or person.id in incident.acks:
        return None
    return reach.released(m, person, incident.priority, m.now)


def _room_at(plan: Plan, standing: Standing, person: str) -> datetime:
    """When the bundle of this person may be told: their hour has room for one more page."""
    rang, limit = standing.rang.get(person, ()), max(plan.pages_per_hour_max, 1)
    at = standing.bundles[person].at
    return max(at, rang[-limit] + HOUR) if len(rang) >= limit else at


def _rang(standing: Standing, person: str, now: datetime) -> tuple[datetime, ...]:
    """When they were paged in the last hour."""
    return tuple(at for at in standing.rang.get(person, ()) if at > now - HOUR)

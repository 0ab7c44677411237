"""One person is paged: their steps, each promised when its instant comes, or bundled when their hour is full."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core import mercy, reach, shadows
from opswatch.core.effects import Page
from opswatch.core.model import PageReason
from opswatch.core.moment import Moment
from opswatch.core.state import DueStep, Incident


def page_person(m: Moment, incident: Incident, called: reach.Called, reason: PageReason) -> Incident:
    """Their steps: those due are promised now, the others wait in the incident. Steps of an earlier level of theirs
    end here: they are paged anew."""
    steps = [
        DueStep(
            at=called.release + step.after,
            person=called.person,
            contact=step.contact,
            level=incident.level,
            cycle=incident.cycle,
            climb=incident.climb,
            step=str(place),
            reason=reason,
            roster=called.roster,
            pool=called.pool,
        )
        for place, step in enumerate(called.steps, start=1)
    ]
    if called.release > m.now and called.pool is None:
        m.record("held", incident=incident.number, person=called.person, until=called.release, why="held")
    others = tuple(step for step in incident.steps if step.person != called.person)
    return _promise_due(m, replace(incident, steps=(*others, *steps)), called.person)


def due_steps(m: Moment, incident: Incident) -> Incident:
    """Promise every step whose instant has come."""
    return _promise_due(m, incident, None)


def _promise_due(m: Moment, incident: Incident, only: str | None) -> Incident:
    now_due = [step for step in incident.steps if step.at <= m.now and only in (None, step.person)]
    incident = replace(incident, steps=tuple(step for step in incident.steps if step not in now_due))
    for step in now_due:
        person = m.plan.people.get(step.person)
        if person is not None and step.contact in person.contacts:
            incident = promise(m, incident, step)
    return incident


def promise(m: Moment, incident: Incident, step: DueStep) -> Incident:
    """Promise one page: a row in the same transaction as the state that follows from it. Without room in the person's
    hour it joins their bundle."""
    page = Page(
        incident=incident.number,
        climb=step.climb,
        cycle=step.cycle,
        level=step.level,
        person=step.person,
        step=step.step,
        contact=step.contact,
        priority=incident.priority,
        reason=step.reason,
        roster=step.roster,
        pool=step.pool,
        at=m.now,
    )
    if not mercy.has_room(m, page):
        mercy.hold(m, page)
        return incident
    mercy.count(m, page)
    m.send(page)
    m.record(
        "page_promised",
        incident=incident.number,
        page=page.id,
        person=step.person,
        contact=step.contact,
        level=step.level,
        reason=step.reason,
        priority=str(incident.priority),
        roster=step.roster,
        pool=step.pool,
        observed=True if m.plan.mode == "observe" else None,
    )
    pair = (step.person, step.contact)
    paged = incident.paged if pair in incident.paged else (*incident.paged, pair)
    return shadows.follow(m, replace(incident, paged=paged, page_last_at=m.now), step)

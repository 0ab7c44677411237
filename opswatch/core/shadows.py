"""Shadows: people who learn by watching. They are told what the roster they shadow is paged for, and never paged by it.

A shadow has no steps and no deadline, and nobody waits for one: an unreachable shadow changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from opswatch.core import notices
from opswatch.core.effects import Update
from opswatch.core.moment import Moment
from opswatch.core.state import DueStep, Incident


def follow(m: Moment, incident: Incident, step: DueStep) -> Incident:
    """Somebody is paged through a level: whoever shadows that roster just now is told, once an incident."""
    if step.level == 0 or step.roster is None:
        return incident
    for roster in m.plan.rosters.values():
        if roster.shadows == step.roster:
            for person in on_call(m, roster.id):
                incident = _tell(m, incident, person, roster.id)
    return incident


def on_call(m: Moment, roster: str) -> tuple[str, ...]:
    """Who shadows at this instant. In a gap nobody does: a fallback stands in for pages only."""
    answer = m.rosters.on_call(roster, tuple(m.draft.overrides()), m.now)
    return () if answer.fallback else answer.people


def _tell(m: Moment, incident: Incident, person: str, roster: str) -> Incident:
    known = {name for name, _ in (*incident.paged, *incident.shadows)}
    contact = notices.quiet_contact(m.plan.people[person]) if person in m.plan.people else None
    if person in known or contact is None:
        return incident
    m.send(Update(incident.number, person, contact, "shadow", m.serial()))
    m.record("shadow_told", incident=incident.number, person=person, contact=contact, roster=roster)
    return replace(incident, shadows=(*incident.shadows, (person, contact)))

"""The laws of on-call (HOUSE 9), each a function that says what is broken; empty when nothing is.

They look at a state, the timeline's entries and the promised pages, whoever made them: a story, a Hypothesis machine,
or a real daemon that was killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from opswatch.core.changes import State
from opswatch.core.effects import Entry, Page
from opswatch.core.model import Health, Priority, Status
from opswatch.core.plan import Plan
from opswatch.core.timeline import book_of, replay


def nobody_is_forgotten(state: State, now: datetime) -> list[str]:
    """Law 1: every open incident has a deadline ahead (asked after everything due at `now` was done)."""
    return [
        f"incident {incident.number} was to be looked at {incident.wake_at}, it is {now}"
        for incident in state.incidents.values()
        if incident.wake_at <= now
    ]


def nobody_is_surprised(plan: Plan, pages: Iterable[Page]) -> list[str]:
    """Law 2, as far as the plan alone can tell: pages go to people of the plan, by ways that they gave."""
    return [
        f"page {page.id} goes to {page.person} by {page.contact}"
        for page in pages
        if page.person not in plan.people or page.contact not in plan.people[page.person].contacts
    ]


def acknowledgements_are_honoured(state: State) -> list[str]:
    """Law 3: an acknowledged incident climbs no ladder."""
    return [
        f"incident {incident.number} is acknowledged by {incident.owner}, and still climbs"
        for incident in state.incidents.values()
        if incident.status is Status.ACKNOWLEDGED and incident.level_until is not None
    ]


def told_is_true(state: State, now: datetime) -> list[str]:
    """Laws 4 and 7b: what nothing quiets has been announced as it is."""
    return [
        f"{alert.key} is {alert.health}, people were told {alert.announced}, quiet: {alert.quiet}"
        for alert in state.alerts.values()
        if alert.announced is not alert.health
        and (alert.quiet is None or alert.wake_at is None or alert.wake_at <= now)
    ]


def every_alert_is_somebodys(state: State) -> list[str]:
    """An announced alert belongs to an incident that knows it, and an incident knows no alert that is gone."""
    broken = [
        f"{alert.key} was announced, but incident {alert.incident} does not have it"
        for alert in state.alerts.values()
        if alert.announced is not None
        and (alert.incident not in state.incidents or alert.key not in state.incidents[alert.incident].alerts)
    ]
    for incident in state.incidents.values():
        gone = [key for key in incident.alerts if key not in state.alerts]
        broken += [f"incident {incident.number} still has {key}, which is gone" for key in gone]
    return broken


def the_log_is_the_truth(state: State, entries: Iterable[Entry]) -> list[str]:
    """Law 7: replaying the timeline gives incidents, acknowledgements, and what was announced."""
    told, so = replay(entries), book_of(state)
    broken = []
    if told.open_incidents() != so.incidents:
        broken.append(f"incidents: the timeline says {told.open_incidents()}, the state {so.incidents}")
    if told.announced != so.announced:
        broken.append(f"announced: the timeline says {told.announced}, the state {so.announced}")
    if told.arranged() != so.arranged():
        broken.append(f"arranged: the timeline says {told.arranged()}, the state {so.arranged()}")
    return broken


def nothing_is_promised_twice(pages: Sequence[Page]) -> list[str]:
    """A page id names one rung: the same one is never promised again."""
    seen: set[str] = set()
    return [page.id for page in pages if page.id in seen or seen.add(page.id)]  # type: ignore[func-returns-value]


def calm_returned(state: State, within: timedelta) -> list[str]:
    """Law 10: the faults stopped and people answered; nothing is open any more."""
    return [
        f"incident {incident.number} is still {incident.status} after {within}"
        for incident in state.incidents.values()
        if incident.status is not Status.RESOLVED
    ] + [f"{alert.key} is still {alert.health}" for alert in state.alerts.values() if alert.health is not Health.OK]


def loudness_is_honoured(pages: Iterable[Page]) -> list[str]:
    """P3 interrupts nobody."""
    return [f"page {page.id} for P3" for page in pages if page.priority is Priority.P3 and not page.test]

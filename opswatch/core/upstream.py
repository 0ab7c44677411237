"""What fails upstream: the things that something depends on, and that people were told have failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opswatch.core.changes import Draft
from opswatch.core.model import Health, Priority
from opswatch.core.plan import Plan
from opswatch.core.state import Alert

DEPTH_MAX = 50


@dataclass(frozen=True, slots=True)
class Cause:
    """A service or target upstream that has failed. `depth` counts the steps to it; `alerts` are the keys of its
    announced critical alerts, the most urgent first, and `incident` and `priority` are that one's."""

    name: str
    depth: int
    alerts: tuple[str, ...]
    incident: int | None
    priority: Priority


def causes(plan: Plan, draft: Draft, name: str, *, by_parents: bool = True) -> tuple[Cause, ...]:
    """What has failed upstream of a service or target, the most upstream first: the first one is the likely cause.

    A service depends on what its `depends_on` names; a target on what its service depends on, and (`by_parents`) on its
    parents. What failed is what has a critical alert that was announced. Never `name` itself, nor its own targets."""
    found = [
        _cause(one, depth, alerts)
        for one, depth in _upstream(plan, name, by_parents)
        if (alerts := _failed(draft, one))
    ]
    return tuple(sorted(found, key=lambda cause: (-cause.depth, cause.priority, cause.name)))


def _upstream(plan: Plan, name: str, by_parents: bool) -> Iterator[tuple[str, int]]:
    """Everything upstream of `name`, nearest first, each once."""
    seen, ring, depth = {name}, [name], 0
    while ring and depth < DEPTH_MAX:
        depth += 1
        ring = [one for one in dict.fromkeys(_next(plan, ring, by_parents)) if one not in seen]
        seen.update(ring)
        for one in ring:
            yield one, depth


def _next(plan: Plan, ring: list[str], by_parents: bool) -> Iterator[str]:
    for name in ring:
        target = plan.targets.get(name)
        if target is not None and by_parents:
            yield from target.parents
        for service in (name, target.service if target is not None else None):
            if service is not None and (known := plan.services.get(service)) is not None:
                yield from known.depends_on


def _failed(draft: Draft, name: str) -> list[Alert]:
    """Its announced critical alerts, the most urgent first; a service's are those of its targets."""
    targets = dict.fromkeys([name, *draft.critical_targets(name)])
    alerts = [alert for target in targets for alert in draft.alerts_on(target)]
    own = [alert for alert in alerts if name in (alert.place, alert.service)]
    failed = [one for one in own if one.health is Health.CRIT and one.announced is Health.CRIT]
    return sorted(failed, key=lambda alert: (alert.priority, alert.fired_at, alert.key))


def _cause(name: str, depth: int, alerts: list[Alert]) -> Cause:
    first = alerts[0]
    return Cause(name, depth, tuple(alert.key for alert in alerts), first.incident, first.priority)

"""A failure that spreads: when another target of a service fails, what failed there before may be worse now."""

from __future__ import annotations

from opswatch.core import alerts
from opswatch.core.limits import parse_range
from opswatch.core.model import Health
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan


def look(m: Moment) -> None:
    """After an event: of services of which more targets fail now, every alert is classified anew, if the share of
    failing targets means something else to the rules than before. Crossings are few, however many targets fail."""
    for service, before in m.draft.spread():
        targets, after = m.targets_of(service), m.draft.failing(service)
        if after <= before or len(targets) < 2:
            continue
        if _means(m.plan, before, len(targets)) != _means(m.plan, after, len(targets)):
            _again(m, service, targets)


def _means(plan: Plan, failing: int, targets: int) -> tuple[bool, ...]:
    """What the rules make of so many failing targets: the table's half, and each `failing_share`."""
    shares = (rule.failing_share for rule in plan.classify if rule.failing_share is not None)
    return (2 * failing >= targets, *(parse_range(share).is_bad(failing / targets) for share in shares))


def _again(m: Moment, service: str, targets: tuple[str, ...]) -> None:
    for target in targets:
        for key in [alert.key for alert in m.draft.alerts_on(target) if alert.service == service]:
            alert = m.draft.alert(key)
            if alert is not None and alert.health is not Health.OK:
                alerts.classify_again(m, alert)

"""Does this thing match: globs over names, label sets, Alertmanager's matchers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from opswatch.core.places import Place
from opswatch.core.plan import Plan
from opswatch.core.state import Alert

Fullmatch = Callable[[str, str], bool]
"""(pattern, text) → whether all of text matches; ValueError for a bad pattern. The shell gives a linear-time engine."""


def fullmatch(pattern: str, text: str) -> bool:
    """The standard library's engine: for tests and simulations, not for patterns of strangers."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error as problem:
        raise ValueError(f"not a regular expression: {problem}") from None


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def matches_glob(patterns: Iterable[str], text: str) -> bool:
    """Whether any of `patterns` (`*` and `?`) names `text`."""
    return any(_glob(pattern).fullmatch(text) for pattern in patterns)


def labels_hold(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every wanted label is there with that value; the value may be a glob. A missing label is empty."""
    return all(matches_glob((value,), labels.get(name, "")) for name, value in wanted.items())


def matchers_hold(
    matchers: Iterable[tuple[str, str, str]], labels: Mapping[str, str], regex: Fullmatch = fullmatch
) -> bool:
    """Whether every matcher `(label, operator, value)` holds, as in Alertmanager: `=`, `!=`, `=~`, `!~`, regular
    expressions anchored, a missing label the same as an empty one."""
    return all(_holds(name, how, value, labels, regex) for name, how, value in matchers)


def _holds(name: str, how: str, value: str, labels: Mapping[str, str], regex: Fullmatch) -> bool:
    text = labels.get(name, "")
    found = regex(value, text) if how in ("=~", "!~") else text == value
    return found is (how in ("=", "=~"))


def labels_of(plan: Plan, *, check: str, target: str, item: str = "", health: str = "") -> dict[str, str]:
    """What silences, maintenance and rules may match on: the thing's own names over its check's, target's and
    service's labels."""
    the_check, the_target = plan.checks.get(check), plan.targets.get(target)
    service = plan.services.get(the_target.service or "") if the_target else None
    labels: dict[str, str] = {}
    for owner in (service, the_target, the_check):
        labels.update(owner.labels if owner else {})
    labels.update(check=check, target=target)
    labels.setdefault("alertname", check)  # as whoever comes from Prometheus calls it
    own = {
        "item": item,
        "state": health,
        "service": service.id if service else "",
        "team": (service.team if service else "") or "",
        "tier": str(service.tier) if service else "",
        "kind": the_target.kind if the_target else "",
        "probe": the_check.probe if the_check else "",
    }
    labels.update({name: value for name, value in own.items() if value})
    return labels


def labels_of_alert(plan: Plan, alert: Alert) -> dict[str, str]:
    """Likewise, for an alert as it is now. What others posted keeps the labels it came with."""
    if alert.is_external:
        return labels_of_posted(
            plan,
            alert.labels,
            check=alert.check,
            place=Place(alert.service, alert.seen_as),
            target=alert.target,
            health=alert.health.value,
            source=alert.source,
        )
    return labels_of(plan, check=alert.check, target=alert.target, item=alert.item, health=str(alert.health))


def labels_of_posted(
    plan: Plan, posted: Mapping[str, str], *, check: str, place: Place, target: str, health: str, source: str
) -> dict[str, str]:
    """Likewise, of an alert of others: the labels it came with, over what the plan says of its place."""
    the_target, service = plan.targets.get(place.target or ""), plan.services.get(place.service or "")
    labels: dict[str, str] = {}
    if service is not None:
        labels.update(service.labels)
    if the_target is not None:
        labels.update(the_target.labels)
        labels["kind"] = the_target.kind
    labels["check"], labels["target"], labels["state"], labels["source"] = check, place.target or target, health, source
    if service is not None:
        labels["tier"], labels["team"] = str(service.tier), service.team or ""
    labels.update(posted)
    if place.service is not None:
        labels["service"] = place.service
    return labels

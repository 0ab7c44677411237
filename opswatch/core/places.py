"""Which service and which target of the plan the labels of somebody else's alert mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opswatch.core.plan import Plan

NAMING = ("target", "instance", "host", "hostname", "node", "server", "device", "pod", "container", "job")
"""Labels that name the thing that fails, the plainest first."""
KNOWN_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where it belongs; None where the labels do not say, or say two things at once."""

    service: str | None
    target: str | None


class Places:
    """Looks labels up in one plan, each combination of telling values once.

    The label `service` names the service. Else a target whose id the labels name is meant (`instance="db-1:9100"` is
    the target db-1), or the target, and then the service, whose own labels are all there: the one with most of them; of
    two that fit equally well, neither.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._targets = _by_labels((one.id, one.labels) for one in plan.targets.values())
        self._services = _by_labels((one.id, one.labels) for one in plan.services.values())
        telling = {name for _, labels in (*self._targets, *self._services) for name in labels}
        self._telling = ("service", *NAMING[:-3], *sorted(telling - {"service", *NAMING[:-3]}))
        self._known: dict[tuple[str, ...], Place] = {}

    def of(self, labels: Mapping[str, str]) -> Place:
        key = tuple([labels.get(name, "") for name in self._telling])
        place = self._known.get(key)
        if place is None:
            if len(self._known) >= KNOWN_MAX:  # Bounded: strangers choose these values.
                self._known.clear()
            place = self._known[key] = self._find(labels)
        return place

    def _find(self, labels: Mapping[str, str]) -> Place:
        target = self._named(labels) or _best(self._targets, labels)
        named = labels.get("service")
        if named:
            known = self._plan.targets[target] if target is not None else None
            return Place(named, target if known is not None and known.service == named else None)
        if target is not None and self._plan.targets[target].service is not None:
            return Place(self._plan.targets[target].service, target)
        return Place(_best(self._services, labels), target)

    def _named(self, labels: Mapping[str, str]) -> str | None:
        for name in NAMING[:-3]:
            value = labels.get(name, "")
            for spelled in (value, value.rpartition(":")[0]):
                if spelled and spelled in self._plan.targets:
                    return spelled
        return None


def thing_of(labels: Mapping[str, str]) -> str:
    """The name of what fails, as its labels give it; empty when they give none. The plan has no say in it: it is part
    of the alert's key, which no reload may change."""
    for name in NAMING:
        if value := labels.get(name):
            return value
    return ""


def _by_labels(things: Iterable[tuple[str, Mapping[str, str]]]) -> list[tuple[str, Mapping[str, str]]]:
    return [(name, labels) for name, labels in things if labels]


def _best(things: list[tuple[str, Mapping[str, str]]], labels: Mapping[str, str]) -> str | None:
    fitting = [
        (len(own), name) for name, own in things if all(labels.get(label) == value for label, value in own.items())
    ]
    if not fitting:
        return None
    most = max(count for count, _ in fitting)
    best = [name for count, name in fitting if count == most]
    return best[0] if len(best) == 1 else None

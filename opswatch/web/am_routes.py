"""Policies as Alertmanager's receivers, and a small Alertmanager configuration that says how alerts get to them.

`amtool config show|routes|routes test` read it. It is the plan as of now: what holds at other hours is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from opswatch.core import calendars, escalation
from opswatch.core.matchers import Matcher, say_matcher
from opswatch.core.model import Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan, Policy, Route
from opswatch.core.spans import say_span
from opswatch.core.state import Alert, Incident

_SPECIAL = re.compile(r"[.+(){}\[\]^$|\\]")


class Receivers:
    """The policies of one plan, and which of them an alert goes to."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[tuple[object, ...], str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of the policies; where there is none, that of the built-in one, which pages the admins."""
        return tuple(self._plan.policies) or (escalation.ADMINS_ONLY,)

    def of_alert(self, m: Moment, alert: Alert, incident: Incident | None) -> str:
        """The policy of its open incident; of what waits, the one that would get it."""
        if incident is not None and incident.status is not Status.RESOLVED:
            return incident.policy
        key = (alert.service, alert.check, alert.place, alert.priority)
        if key not in self._known:
            self._known[key] = escalation.route(m, _supposed(alert, m.now))
        return self._known[key]


def config_of(plan: Plan, now: datetime) -> str:
    """A valid Alertmanager configuration, in YAML."""
    routes, default = _tree(plan, now)
    lines = [
        f"# {plan.name}: made by opswatch from its own configuration, as of now. It cannot be changed here.",
        "global:",
        f"  resolve_timeout: {int(plan.resolve_timeout.total_seconds())}s",
        "route:",
        f"  receiver: {_text(default)}",
        f"  group_by: [{', '.join(_text(name) for name in plan.group_by)}]",
    ]
    if routes:
        lines.append("  routes:")
    for route in routes:
        lines.append(f"  - receiver: {_text(route.policy)}")
        matchers = ", ".join(_quoted(say_matcher(one)) for one in matchers_of(route))
        lines.append(f"    matchers: [{matchers}]")
    lines.append("receivers:")
    for name in dict.fromkeys((*Receivers(plan).names, default)):
        lines += [f"- name: {_text(name)}", *_ladder(escalation.policy_of(plan, name))]
    return "\n".join([*lines, ""])


def matchers_of(route: Route) -> list[Matcher]:
    """What its conditions are as matchers over the labels of an alert."""
    found: list[Matcher] = []
    for name, wanted in (("service", route.services), ("team", route.teams)):
        if wanted is not None:
            found.append(_one_of(name, sorted(wanted)))
    for name, globs in (("alertname", route.checks), ("target", route.targets)):
        if globs is not None:
            found.append(_like(name, globs))
    if route.priorities is not None:
        found.append(_one_of("priority", [str(one) for one in sorted(route.priorities)]))
    return [*found, *(_like(name, (value,)) for name, value in sorted(route.labels.items()))]


# ---------------------------------------------------------------------------------------------------------------------


def _supposed(alert: Alert, now: datetime) -> Incident:
    """The incident that it would open."""
    return Incident(
        number=0,
        title=alert.sentence,
        status=Status.TRIGGERED,
        priority=alert.priority,
        why=alert.why,
        opened_at=now,
        policy="",
        wake_at=now,
        service=alert.service,
        alerts=(alert.key,),
    )


def _tree(plan: Plan, now: datetime) -> tuple[list[Route], str]:
    """The routes that hold now, up to the first that takes everything; and who gets the rest."""
    found: list[Route] = []
    for route in plan.routes:
        when = route.when
        holds = when is None or any(calendars.when_holds(when, plan.calendars, one, now) for one in Priority)
        if not holds:
            continue
        if not matchers_of(route):
            return found, route.policy
        found.append(route)
    return found, next(iter(plan.policies), escalation.ADMINS_ONLY)


def _ladder(policy: Policy) -> list[str]:
    lines = [
        f"  # level {place}: {', '.join(level.page)}; {say_span(level.wait)}"
        for place, level in enumerate(policy.levels, start=1)
    ]
    last = ", ".join(policy.fallback)
    return [*lines, *([f"  # then: {last}"] if last else [])]


def _one_of(name: str, values: Sequence[str]) -> Matcher:
    if len(values) == 1:
        return name, "=", values[0]
    return name, "=~", "|".join(re.escape(value) for value in values)


def _like(name: str, globs: Iterable[str]) -> Matcher:
    globs = tuple(globs)
    if len(globs) == 1 and not set("*?") & set(globs[0]):
        return name, "=", globs[0]
    return name, "=~", "|".join(_pattern(glob) for glob in globs)


def _pattern(glob: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", glob).replace("*", ".*").replace("?", ".")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

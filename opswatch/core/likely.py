"""What probably brought an incident about: the most upstream failing thing along `depends_on` and `parents`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from opswatch.core import upstream
from opswatch.core.changes import Draft, State
from opswatch.core.model import Status
from opswatch.core.plan import Plan
from opswatch.core.similar import Past
from opswatch.core.state import Alert, Incident
from opswatch.core.upstream import Cause


@dataclass(frozen=True, slots=True)
class Around:
    """What else bears on an incident: what probably brought it about (`what` is seen of that), and what was like it."""

    cause: Cause | None = None
    what: str = ""
    similar: tuple[Past, ...] = ()


ALONE = Around()

ASKED_MAX = 50  # services and targets of one incident that are followed upstream


def cause_of(plan: Plan, draft: Draft, incident: Incident, alerts: Sequence[Alert]) -> Cause | None:
    """The likely cause as things fail now: what most of its failing parts hang on, and of those the most upstream. None
    when nothing upstream has failed, or nothing of the plan is upstream."""
    names = [alert.fails_on for alert in alerts] + [alert.service for alert in alerts] + [incident.service]
    parts = list(dict.fromkeys(name for name in names if name is not None))[:ASKED_MAX]
    found: dict[str, Cause] = {}
    explains: Counter[str] = Counter()
    for part in parts:
        for one in upstream.causes(plan, draft, part):
            deeper = found.get(one.name)
            found[one.name] = one if deeper is None or one.depth > deeper.depth else deeper
            explains[one.name] += 1
    own = {alert.key for alert in alerts}
    upper = [one for one in found.values() if not own <= set(one.alerts)]
    return min(upper, key=lambda one: (-explains[one.name], -one.depth, one.priority, one.name), default=None)


def around(
    plan: Plan, state: State, incident: Incident, alerts: Sequence[Alert], like: tuple[Past, ...] = ()
) -> Around:
    """What else bears on an incident as things are: its likely cause with what is seen of that, and the past."""
    if incident.status is Status.RESOLVED:
        return Around(similar=like)
    cause = cause_of(plan, Draft(state), incident, alerts)
    seen = state.alerts.get(cause.alerts[0]) if cause is not None else None
    return Around(cause, seen.sentence if seen is not None else "", like)

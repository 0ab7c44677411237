"""The clocks of an incident: taken, told of and over within what its priority promises.

They run beside the ladder: a reminder to the owner before an update or the end is due, and a line on the timeline when
a promise was broken, once each; an update that stays away is asked for once in every further period. They stand still
while the incident is resolved, and go on when it reopens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.model import Priority, Status
from opswatch.core.plan import Plan
from opswatch.core.state import Incident

SOON = 5
"""A reminder comes when a fifth of the time is left."""
LATE_MAX = 8
"""So many periods without an update are told; who has not written by then is not moved by one more reminder."""
_LATE = "update_"


@dataclass(frozen=True, slots=True)
class Due:
    """When each promise is due, UTC; None where none was made, or it is kept already."""

    ack: datetime | None = None
    update: datetime | None = None
    resolve: datetime | None = None


def due(plan: Plan, incident: Incident) -> Due:
    """The promises of an open incident. P3 makes none but that it ends; what a storm holds makes none of its own."""
    if incident.status is Status.RESOLVED or incident.storm is not None:
        return Due()
    rule, is_p3 = plan.rule(incident.priority), incident.priority is Priority.P3
    began = incident.opened_at + incident.rested
    ack = began + rule.ack_within if rule.ack_within and incident.first_acked_at is None else None
    told = max(incident.updated_at or began, began)
    return Due(
        ack=ack,
        update=None if is_p3 else told + rule.update_every,
        resolve=began + rule.resolve_within if rule.resolve_within else None,
    )


def late(promised: Due, status: Status, now: datetime) -> tuple[str, ...]:
    """Which promises are broken at `now`: ack, update, resolve. While nobody has it, who would write an update is the
    question, and `ack` asks it."""
    update = promised.update if status is Status.ACKNOWLEDGED else None
    named = (("ack", promised.ack), ("update", update), ("resolve", promised.resolve))
    return tuple(what for what, at in named if at is not None and at <= now)


def next_at(plan: Plan, incident: Incident) -> datetime | None:
    """The next instant at which a clock has something to say."""
    return min((at for _, at in to_come(plan, incident)), default=None)


def to_come(plan: Plan, incident: Incident) -> Iterator[tuple[str, datetime]]:
    """(what, when) of whatever has not been said yet."""
    promised, rule = due(plan, incident), plan.rule(incident.priority)
    spans = {"update": rule.update_every, "resolve": rule.resolve_within}
    for what, at in (("ack", promised.ack), ("update", promised.update), ("resolve", promised.resolve)):
        if at is None:
            continue
        late = periods_said(incident) if what == "update" else 0
        if what not in incident.clocks:
            yield what, at
        elif 0 < late < LATE_MAX:
            yield f"{_LATE}{late + 1}", at + late * rule.update_every
        span = spans.get(what)
        if span is not None and f"{what}_soon" not in incident.clocks:
            yield f"{what}_soon", at - span / SOON


def periods_said(incident: Incident) -> int:
    """How many periods without an update were told of since the last one."""
    told = (one.removeprefix(_LATE) for one in incident.clocks if one.startswith(_LATE))
    return max((int(one) for one in told if one.isdigit()), default=int("update" in incident.clocks))


def said(plan: Plan, incident: Incident, what: str, at: datetime, now: datetime) -> tuple[str, ...]:
    """The clocks when `what`, which was due `at`, is said at `now`. Periods that went by meanwhile are not made up for:
    the next reminder is for the next of them."""
    clocks = (*incident.clocks, what)
    if not is_update(what):
        return clocks
    gone = (now - at) // plan.rule(incident.priority).update_every
    late = min(periods_said(incident) + 1 + gone, LATE_MAX)
    rest = tuple(one for one in clocks if not one.removeprefix(_LATE).isdigit())
    return (*rest, f"{_LATE}{late}") if late > 1 else rest


def is_update(what: str) -> bool:
    """Whether it says that an update stays away: `update` the first time, then `update_2` and so on."""
    return what == "update" or what.removeprefix(_LATE).isdigit()


def afresh(incident: Incident) -> tuple[str, ...]:
    """The clocks when an update was posted: that one begins anew."""
    return tuple(one for one in incident.clocks if not one.startswith("update"))


def rested(incident: Incident, now: datetime) -> timedelta:
    """How long it was resolved in all, when it reopens at `now`: the clocks stood still."""
    return incident.rested + (now - incident.resolved_at if incident.resolved_at is not None else timedelta(0))

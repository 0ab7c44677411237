"""Can opswatch itself see? When many targets begin to fail at once its anchors are asked before anybody is told; while
none of them answers, what it cannot reach is `unknown (vantage)`, and one incident says so (SPEC 2.6).

Each node sees for itself: what a node knows of its own sight is an `Outlook`, kept with the single facts. A loop of the
node asks the anchors (`loops/vantage.py`) while a question is open, and again and again while it is blind.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import escalation, incidents, sight
from opswatch.core.events import AnchorsAsked
from opswatch.core.model import PageReason, Priority, Status
from opswatch.core.moment import Moment
from opswatch.core.state import Outlook

ASKED_AGAIN = timedelta(seconds=30)  # an answer holds so long at least
SAID_AGAIN = timedelta(minutes=1)  # a blind node says so again, for others to believe it still
PRIORITY = Priority.P1


# ---------------------------------------------------------------------------------------------------------------------
# Asking


def consider(m: Moment, target: str) -> None:
    """Something of `target` began to fail, or is about to be told: ask the anchors if many others began to as well."""
    known, rule = m.plan.targets.get(target), m.plan.vantage
    if not rule.anchors or known is None or not known.is_remote or sight.node_of(m.plan, target) != m.plan.node:
        return
    before = m.draft.standing.outlooks.get(m.plan.node, Outlook())
    if before.blind_since is not None:
        return
    # An answer holds for a while; so does a question that nobody answered: it must not be put again and again.
    if any(at is not None and at <= m.now < at + ASKED_AGAIN for at in (before.asked_at, before.answered_at)):
        return
    after = max((at for at in (m.now - rule.window, before.answered_at) if at is not None), default=m.now)
    failing = began_to_fail(m, after)
    if len(failing) >= rule.failing:
        _keep(m, replace(before, asked_at=m.now))
        m.record("anchors_asked", node=m.plan.node, failing=len(failing), anchors=list(rule.anchors))


def began_to_fail(m: Moment, after: datetime) -> set[str]:
    """The targets that this node sees over a network, and of which something began to fail after that instant."""
    found = set()
    for watch in m.draft.failing_watches():
        target = m.plan.targets.get(watch.target)
        if target is None or not target.is_remote or target.node not in (None, m.plan.node):
            continue
        if watch.since is not None and watch.since > after:
            found.add(watch.target)
    return found


def asked(m: Moment, event: AnchorsAsked) -> bool:
    """The anchors of a node were asked. Says whether that changes what its targets' failures mean."""
    before = m.draft.standing.outlooks.get(event.node, Outlook())
    if not event.answered and event.silent:
        return _blind(m, before, event)
    return _sees(m, before, event)


def _blind(m: Moment, before: Outlook, event: AnchorsAsked) -> bool:
    if before.blind_since is not None:
        _reopen(m, before)
        if before.asked_at is None or abs(m.now - before.asked_at) >= SAID_AGAIN:
            _keep(m, replace(before, asked_at=m.now), event.node)
        return False
    after = replace(before, asked_at=m.now, blind_since=m.now)
    m.record("blinded", node=event.node, anchors=list(event.silent))
    title = f"opswatch on {event.node} cannot see: none of its anchors answers"
    incident = incidents.opened(
        m,
        title=title,
        service=None,
        priority=PRIORITY,
        why=f"{PRIORITY} because: opswatch itself is cut off",
        group=f"vantage={event.node}",
        summary=f"no answer from {', '.join(event.silent)}",
    )
    escalation.keep(m, escalation.start(m, incident, PageReason.FIRST))
    _keep(m, replace(after, incident=incident.number), event.node)
    return True


def _reopen(m: Moment, one: Outlook) -> None:
    """Resolved by hand, and still blind after `reopen_after`: it is not over."""
    incident = m.draft.incident(one.incident or 0)
    if incident is None or incident.status is not Status.RESOLVED:
        return
    if (incident.resolved_at or m.now) + m.plan.reopen_after <= m.now:
        why = "resolved by hand, and opswatch still cannot see"
        escalation.keep(m, incidents.reopen(m, incident, PageReason.QUIET_ENDED, by=None, why=why))


def _sees(m: Moment, before: Outlook, event: AnchorsAsked) -> bool:
    if before.blind_since is None and before.asked_at is None:
        return False
    _keep(m, Outlook(answered_at=m.now), event.node)
    if before.blind_since is None:
        m.record("anchors_answered", node=event.node, anchors=list(event.answered))
        return True
    m.record("sees_again", node=event.node, lasted_s=int((m.now - before.blind_since).total_seconds()))
    incident = m.draft.incident(before.incident or 0)
    if incident is not None and incident.status is not Status.RESOLVED:
        escalation.keep(m, incidents.resolve(m, incident, by=None, text="the anchors answer again"))
    return True


def follow_plan(m: Moment) -> bool:
    """A plan without anchors has nothing to ask: nobody is blind by it. Says whether anybody was."""
    gone = [node for node in m.draft.standing.outlooks if not m.plan.vantage.anchors]
    seen = [_sees(m, m.draft.standing.outlooks[node], AnchorsAsked(node, (), ())) for node in gone]
    return any(seen)


def _keep(m: Moment, one: Outlook, node: str | None = None) -> None:
    outlooks = {**m.draft.standing.outlooks, node or m.plan.node: one}
    m.draft.standing = replace(m.draft.standing, outlooks=outlooks)

"""What a node knows of its own sight, and what that says of its targets. What changes it is in `core/vantage.py`."""

from __future__ import annotations

from datetime import datetime, timedelta

from opswatch.core.changes import Draft
from opswatch.core.plan import Plan
from opswatch.core.state import Outlook

ANSWER_WITHIN = timedelta(seconds=10)  # so long at most is nobody told anything while the anchors are asked
BELIEVED = timedelta(minutes=5)  # a node that does not say again that it is blind is blind no longer
CLOCKS_APART_MAX = timedelta(seconds=5)


def node_of(plan: Plan, target: str) -> str:
    """The node that sees this target."""
    known = plan.targets.get(target)
    return (known.node if known is not None else None) or plan.node


def outlook(plan: Plan, draft: Draft, target: str) -> Outlook | None:
    """What the node that sees this target knows of its sight; None where nothing can be cut off: a target of the host
    itself, or no anchors to ask."""
    known = plan.targets.get(target)
    if known is None or not known.is_remote or not plan.vantage.anchors:
        return None
    return draft.standing.outlooks.get(node_of(plan, target))


def is_blind(one: Outlook | None, now: datetime) -> bool:
    return one is not None and one.blind_since is not None and now < believed_until(one)


def believed_until(one: Outlook) -> datetime:
    """Until when a node that is blind is believed to be blind still, without another word."""
    return max(at for at in (one.asked_at, one.blind_since) if at is not None) + BELIEVED


def question_until(one: Outlook | None, now: datetime) -> datetime | None:
    """Until when nobody is told anything because the anchors are being asked; None when they are not."""
    if one is None or one.blind_since is not None or one.asked_at is None:
        return None
    until = one.asked_at + ANSWER_WITHIN
    # A question from the future was asked before the clock was set back: its answer is long here, or never comes.
    return until if one.asked_at - CLOCKS_APART_MAX <= now < until else None

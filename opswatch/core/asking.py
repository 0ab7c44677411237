"""What is looked at before people are told: the thing itself, its parents, and whether opswatch can see at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import parents, quiet, vantage
from opswatch.core.effects import Recheck
from opswatch.core.model import Health, QuietReason
from opswatch.core.moment import Moment
from opswatch.core.state import Alert

JUST_NOW = timedelta(seconds=2)
"""A parent's look so shortly before answers too, if it began after its child began to fail."""
SPREAD = timedelta(milliseconds=10)  # looks that are asked for together do not all begin at once
SPREAD_MAX = timedelta(seconds=30)


def before_telling(m: Moment, alert: Alert) -> Alert:
    """Ask for the looks that must come before this alert is told, once; the alert remembers when. What others
    saw is theirs to look at again."""
    if alert.is_external:
        return alert
    if alert.announced is not alert.health:
        vantage.consider(m, alert.target)
    if alert.reason in quiet.EXPLAINED or alert.quiet is QuietReason.UPSTREAM:
        if quiet.is_explained(m.plan, m.draft, alert, m.now):
            return alert if alert.asked_at is None else replace(alert, asked_at=None)
        if alert.asked_at is None:
            look_again(m, alert.check, alert.target)
            return _ask_parents(m, alert, m.now)
        return alert
    if alert.asked_at is None and alert.announced is not alert.health and alert.health is not Health.OK:
        if not parents.parents_of(m.plan, alert.target):
            return alert
        watch = m.draft.watch(alert.key)
        began_at = watch.since if watch is not None and watch.since is not None else m.now
        return _ask_parents(m, alert, max(m.now - JUST_NOW, min(began_at, m.now)))
    return alert


def look_again(m: Moment, check: str, target: str, after: timedelta = timedelta(0)) -> None:
    """Ask for a look as soon as may be, or `after` a while."""
    m.effects.append(Recheck(check, target, m.now + after + min(SPREAD * len(m.effects), SPREAD_MAX)))


def _ask_parents(m: Moment, alert: Alert, asked_at: datetime) -> Alert:
    """Looks that began since `asked_at` answer; others are asked for."""
    for check, parent in list(parents.checks_to_ask(m.plan, m.draft, alert.target, asked_at)):
        look_again(m, check, parent)
    return replace(alert, asked_at=asked_at)

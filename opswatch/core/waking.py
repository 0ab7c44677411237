"""What is looked at anew because something else changed: a parent was seen, opswatch sees again, a cause is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core import alerts, asking, parents, quiet, vantage
from opswatch.core.classify import classify
from opswatch.core.events import AnchorsAsked
from opswatch.core.model import Health, Priority, QuietReason, UnknownReason
from opswatch.core.moment import Moment
from opswatch.core.plan import Check
from opswatch.core.state import Alert, alert_key

AGAIN_MAX = timedelta(seconds=20)  # a parent for which others wait is confirmed by looks at most this far apart


def parent_was_seen(m: Moment, check: Check, target: str) -> None:
    """A check that says whether `target` can be reached was looked at: what hangs on it is judged anew."""
    reach = m.plan.reached_by.get(target)
    if reach is None or check.id not in reach.checks:
        return
    waiting = False
    for child in m.plan.children[target]:
        found = m.draft.alerts_on(child)
        if not found:
            continue
        is_cut_off = parents.is_cut_off(m.plan, m.draft, child)
        for alert in found:
            if is_cut_off and alert.reason is not UnknownReason.UNREACHABLE:
                _cut_off(m, alert)
            elif alert.quiet is QuietReason.UNREACHABLE:
                alerts.wake(m, alert)
                waiting = waiting or not is_cut_off
    if waiting and parents.way(m.plan, m.draft, target) is parents.Way.FAILING:
        asking.look_again(m, check.id, target, check.retry or min((check.every or AGAIN_MAX) / 5, AGAIN_MAX))


def cut_off_was_seen(m: Moment, target: str) -> None:
    """What is unreachable is paged to nobody: whatever cuts it off is at least as urgent as it would be."""
    if not parents.is_cut_off(m.plan, m.draft, target):
        return
    for alert in m.draft.alerts_on(target):
        if alert.reason is UnknownReason.UNREACHABLE:
            case = alerts.case_of(m, replace(alert, health=Health.CRIT, reason=None))
            _raise_parents(m, target, min(classify(m.plan, case, m.now).priority, alert.priority), target)


def _raise_parents(m: Moment, target: str, priority: Priority, because_of: str) -> None:
    for parent in parents.parents_of(m.plan, target):
        if parents.is_cut_off(m.plan, m.draft, parent):
            _raise_parents(m, parent, priority, because_of)
            continue
        reach = m.plan.reached_by.get(parent)
        for check in reach.checks if reach is not None else ():
            if (alert := m.draft.alert(alert_key(check, parent))) is not None:
                alerts.rise(m, alert, priority, f"{because_of} is unreachable because of it")


def anchors_were_asked(m: Moment, event: AnchorsAsked) -> None:
    """A node learned whether it can see."""
    if vantage.asked(m, event):
        own_sight_changed(m)


def own_sight_changed(m: Moment) -> None:
    """What fails says nothing of itself while opswatch cannot see; when it can again, everything is looked at first."""
    for watch in list(m.draft.failing_watches()):
        alert = m.draft.alert(watch.key)
        if alert is not None and alert.reason is not UnknownReason.VANTAGE:
            _cut_off(m, alert)
    for alert in m.draft.held(QuietReason.VANTAGE):
        alerts.wake(m, alert)


def causes_ended(m: Moment) -> None:
    """Alerts ended in this step: what was held because of them is looked at, and told if it is still so."""
    names = {name for alert in m.ended for name in (alert.target, alert.service)}
    m.ended.clear()
    if not names.isdisjoint(m.plan.needed):
        for alert in m.draft.held(QuietReason.UPSTREAM):
            alerts.wake(m, alert)


def _cut_off(m: Moment, alert: Alert) -> None:
    """What fails on a target that cannot be seen is unknown from now on; so is what hangs on it in turn."""
    why = quiet.cut_off(m.plan, m.draft, alert.target, m.now)
    watch = m.draft.watch(alert.key)
    if why is None or watch is None or watch.health is Health.OK or watch.confirmed is Health.OK:
        return
    alerts.become_unknown(m, watch, *why)
    cut_off_was_seen(m, alert.target)
    check = m.plan.checks.get(alert.check)
    if check is not None and alert.target in m.plan.children:
        parent_was_seen(m, check, alert.target)

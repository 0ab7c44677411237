"""Checks that fell silent: when a missing result becomes `unknown (no_data)` (SPEC 2.7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import alerts, calendars, quiet
from opswatch.core.model import Health, UnknownReason
from opswatch.core.moment import Moment
from opswatch.core.plan import Check
from opswatch.core.state import Watch, alert_key

STALE_INTERVALS = 3
CRON_GRACE = timedelta(minutes=10)
LOOK_MIN = timedelta(seconds=1)
LOOK_MAX = timedelta(minutes=10)


def stale_at(m: Moment, check: Check, seen_at: datetime | None) -> datetime | None:
    """When silence of this check becomes `unknown (no_data)`: 3 intervals, or 10 minutes past the due time and the
    time limit for a cron check. It counts from the later of the last result and this node's start."""
    begin = max((at for at in (seen_at, m.draft.started_at) if at is not None), default=None)
    if begin is None:
        return None
    if check.every is not None:
        return begin + STALE_INTERVALS * check.every
    if check.cron is not None:
        return calendars.next_cron(check.cron, check.timezone, begin) + check.timeout + CRON_GRACE
    return None


def look(m: Moment) -> bool:
    """Turn every check of this node whose silence is too long into `unknown (no_data)`, and say when to look next; says
    whether it was time to look. A look costs one pass over the checks, a few times per interval of the quickest one."""
    if m.draft.started_at is None or m.draft.fresh_until is None or m.draft.fresh_until > m.now:
        return False
    ahead = [m.now + LOOK_MAX]
    for check in m.plan.checks.values():
        if check.every is None and check.cron is None:
            continue
        for target in check.targets:
            if _is_mine(m, target) and not went_silent(m, check, target):
                watch = m.draft.watch(alert_key(check.id, target))
                ahead.append(stale_at(m, check, watch.seen_at if watch else None) or m.now)
    m.draft.changes.fresh_until = max(min(ahead), m.now + LOOK_MIN)
    return True


def _is_mine(m: Moment, target: str) -> bool:
    node = m.plan.targets[target].node
    return node is None or node == m.plan.node


def went_silent(m: Moment, check: Check, target: str) -> bool:
    """Turn a check that did not report into `unknown (no_data)` if its time has come. Says whether it has."""
    watch = m.draft.watch(alert_key(check.id, target)) or Watch(check.id, target)
    until = stale_at(m, check, watch.seen_at)
    if until is None or until > m.now:
        return False
    cut_off = quiet.cut_off(m.plan, m.draft, target, m.now)
    reason = cut_off[0] if cut_off else UnknownReason.NO_DATA
    if watch.reason is reason and watch.confirmed is Health.UNKNOWN and watch.health is Health.UNKNOWN:
        return True
    since = watch.seen_at or m.draft.started_at
    sentence = f"no result since {since:%Y-%m-%d %H:%M} UTC" if since else "no result"
    after = replace(
        watch,
        health=Health.UNKNOWN,
        confirmed=Health.UNKNOWN,
        reason=reason,
        good=0,
        unknown=max(watch.unknown, check.confirm),
        sentence=f"{cut_off[1]}: {sentence}" if cut_off else sentence,
        since=watch.since if watch.health is not Health.OK else m.now,
        changes=0,  # Without looks nothing flaps, and nothing would end it.
        flapping=False,
    )
    m.draft.changes.watches[after.key] = after
    alerts.reconcile(m, after)
    return True

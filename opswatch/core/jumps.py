"""A clock that was set, or a host that slept: what stored instants mean then.

Nothing was looked at meanwhile, so freshness counts from here. After a step back, deadlines that count from something
that happened (a level's wait, a personal step, an acknowledgement's time) come so much sooner: else they would be late
by the step. What was promised to people for an hour of the day (a silence, a snooze, a pause) stays at that hour. After
a step forward everything that has passed is due: where the host slept that is right, and early is better than late.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import alerts, escalation
from opswatch.core.events import ClockJumped
from opswatch.core.model import Status
from opswatch.core.moment import Moment
from opswatch.core.state import Incident


def jumped(m: Moment, event: ClockJumped) -> None:
    m.draft.changes.started_at = m.now
    m.draft.changes.fresh_until = m.now
    by_s = round(event.by.total_seconds())
    m.record("clock_jumped", node=event.node, by_s=abs(by_s), back=by_s < 0 or None)
    if event.by >= timedelta(0):
        return
    for watch in list(m.draft.state.watches.values()):
        if watch.seen_at is not None and watch.seen_at > m.now:  # Looked at in the future: it was just now.
            m.draft.changes.watches[watch.key] = replace(watch, seen_at=m.now)
    for incident in list(m.draft.incidents()):
        if incident.status is not Status.RESOLVED or incident.reopen_at is not None:
            escalation.keep(m, _sooner(m, incident, event.by))
    for alert in list(m.draft.alerts()):
        if alert.quiet is not None:  # What it waits for may have been asked in what is the future now.
            alerts.wake(m, alert)


def _sooner(m: Moment, incident: Incident, by: timedelta) -> Incident:
    def sooner(at: datetime | None) -> datetime | None:
        return None if at is None else max(m.now, at + by)

    return replace(
        incident,
        level_until=sooner(incident.level_until),
        steps=tuple(replace(step, at=max(m.now, step.at + by)) for step in incident.steps),
        ack_until=sooner(incident.ack_until),
        reopen_at=sooner(incident.reopen_at),
    )

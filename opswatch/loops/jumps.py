"""Notices that the clock was set, or that the host slept: time that passed on one clock and not on the other."""

from __future__ import annotations

from datetime import datetime, timedelta

from opswatch import logs, metrics
from opswatch.core.spans import say_roughly

log = logs.get("loops.jumps")

JUMP = timedelta(seconds=2)  # less is a clock that is being slewed, or a turn that was interrupted between two readings
SAID_FOR = timedelta(hours=1)


class Jumps:
    """Asked once a turn with both clocks."""

    def __init__(self) -> None:
        self._before: tuple[datetime, float] | None = None
        self._last: tuple[datetime, timedelta] | None = None

    def look(self, now: datetime, monotonic_s: float) -> timedelta | None:
        """By how much the clock was set since the last look, forward or back; None for not at all."""
        before, self._before = self._before, (now, monotonic_s)
        if before is None:
            return None
        jump = (now - before[0]) - timedelta(seconds=monotonic_s - before[1])
        if abs(jump) < JUMP:
            return None
        self._last = (now, jump)
        metrics.clock_jumps_total.inc()
        log.error("the clock jumped", by_s=round(jump.total_seconds(), 1), at=now.isoformat())
        return jump

    def said(self, now: datetime) -> str | None:
        """The last jump in one line, for an hour."""
        if self._last is None or abs(now - self._last[0]) > SAID_FOR:
            return None
        at, jump = self._last
        way = "forward" if jump > timedelta(0) else "back"
        span = say_roughly(abs(jump))
        return f"the clock jumped {span} {way} at {at:%H:%M:%S} UTC: it was set, or this host slept; is NTP running?"

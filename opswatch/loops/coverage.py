"""Once an hour, and whenever a roster changed: what is wrong with the weeks ahead is handed to the core."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from opswatch import coverages, logs, metrics
from opswatch.clock import monotonic_s
from opswatch.core.coverage import Coverage
from opswatch.core.events import CoverageSeen
from opswatch.coverages import Snapshot
from opswatch.desk import Desk
from opswatch.loops import Loop
from opswatch.stores import Store

log = logs.get("loops.coverage")

EVERY = timedelta(hours=1)
SETTLED_AFTER = timedelta(minutes=1)
"""A change is looked at once it has stood for so long: a swap by hand is two commands, and between them a gap."""
NAP_S = 1.0


class CoverageWatch(Loop):
    """Looks on every node; what is told is decided in the core, so that it is told once by one of them.

    Only the snapshot is taken under the desk's lock.
    """

    name = "coverage"
    patience = timedelta(minutes=2)

    def __init__(self, desk: Desk, store: Store, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._desk, self._store, self._now = desk, store, now
        self._looked: Snapshot | None = None
        self._looked_at: datetime | None = None
        self._waiting: Snapshot | None = None  # it changed, and may change again
        self._changed_at: datetime | None = None

    def turn(self) -> None:
        self.keep(self._now())
        self.stopping.wait(NAP_S)

    def keep(self, now: datetime) -> bool:
        """Look if it is time to; whether it was."""
        taken = coverages.snapshot(self._desk)
        if not self._is_due(taken, now):
            return False
        began_s = monotonic_s()
        found = coverages.coverage(taken, self._store, now)
        self._count(found)
        findings = tuple(finding for each in found for finding in each.findings)
        self._desk.apply(CoverageSeen(findings))
        self._looked, self._looked_at, self._waiting = taken, now, None
        took_s = round(monotonic_s() - began_s, 3)
        log.info("coverage looked at", rosters=len(found), findings=len(findings), took_s=took_s)
        return True

    def _is_due(self, taken: Snapshot, now: datetime) -> bool:
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < EVERY:
            return True
        if taken.is_like(self._looked):
            self._waiting = None
            return False
        if not taken.is_like(self._waiting):
            self._waiting, self._changed_at = taken, now
        return self._changed_at is not None and now - self._changed_at >= SETTLED_AFTER

    def _count(self, found: tuple[Coverage, ...]) -> None:
        metrics.roster_gap_seconds.replace({one.roster: one.gap.total_seconds() for one in found})
        metrics.roster_unreachable.replace({one.roster: float(len(one.unreachable)) for one in found})

"""The pulse: sign of life, what checks remember, gauges, the self-audit, systemd's watchdog, the dead-man ping."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from opswatch import logs, metrics, systemd
from opswatch.audit import Finding, audit
from opswatch.clock import monotonic_s
from opswatch.config.settings import Deadman, Retention
from opswatch.core.model import Health, Priority, Status
from opswatch.core.norms import hour_of
from opswatch.desk import Desk
from opswatch.emergency import Emergency
from opswatch.errors import OpswatchError, StoreUnavailable
from opswatch.loops import Loop
from opswatch.loops.jumps import Jumps
from opswatch.stores import Store

log = logs.get("loops.beat")

EVERY_S = 2.5  # what checks remember is at most 5 s late, a slow turn included
AUDIT_EVERY = timedelta(seconds=30)
PING_TIMEOUT_S = 10
PRUNE_EVERY = timedelta(hours=1)
ROLL_UP_AFTER = timedelta(minutes=5)  # the hour: its last values are written by then
PRUNED_MUCH = 50_000  # rows: there is more, and the next turn goes on
ROLL_UP_LEASE = timedelta(minutes=10)


class Beat(Loop):
    """Beats only while every other loop turns: a daemon that stands still is restarted by systemd, not trusted."""

    name = "beat"

    def __init__(
        self,
        desk: Desk,
        store: Store,
        others: Sequence[Loop],
        now: Callable[[], datetime],
        *,
        facts: Callable[[], Mapping[str, object]],
        deadman: Callable[[], Deadman | None],
        samples_kept: timedelta,
        rollups_kept: timedelta = timedelta(days=400),
        retention: Callable[[], Retention] = Retention,
        emergency: Emergency | None = None,
    ) -> None:
        super().__init__()
        self._desk, self._store, self._others, self._now = desk, store, others, now
        self._facts, self._deadman = facts, deadman
        self._samples_kept, self._rollups_kept = samples_kept, rollups_kept
        self._retention, self._emergency = retention, emergency
        self._jumps = Jumps()
        self._audited_at: datetime | None = None
        self._pinged_at: datetime | None = None
        self._pruned_at: datetime | None = None
        self._rolled_up: datetime | None = None  # every hour before it is done
        self.findings: list[Finding] = []

    def turn(self) -> None:
        """What it writes tells whether anything can be: nobody else tries as often."""
        try:
            self._beat()
        except StoreUnavailable as trouble:
            if self._emergency is not None:
                self._emergency.lost(trouble, self._now())
                self._emergency.look(self._now())
            raise
        self.stopping.wait(EVERY_S)

    def _beat(self) -> None:
        now = self._now()
        self._jumps.look(now, monotonic_s())
        standing_still = [loop.name for loop in self._others if not loop.is_turning]
        if not standing_still:
            systemd.notify("WATCHDOG=1")
        else:
            log.error("loops stand still", loops=", ".join(standing_still))
        self._desk.flush()
        facts = {**self._facts(), "standing_still": standing_still, "clock": self._jumps.said(now)}
        self._store.beat(self._desk.engine.plan.node, now, facts)
        if self._emergency is not None:
            self._emergency.works(now)
            self._emergency.look(now)
        self._gauges()
        if self._audited_at is None or now - self._audited_at >= AUDIT_EVERY:
            self._audited_at, self.findings = now, audit(self._desk, self._store, now)
            for part, size in self._store.sizes().items():
                if part != "room":
                    metrics.store_bytes.labels(part=part).set(size)
        self._ping(now)
        self._roll_up(now)
        self._prune(now)

    def say_stopped(self) -> None:
        """The last sign of life, after a clean stop: nobody needs to wait half a minute to learn that it is over."""
        with contextlib.suppress(OpswatchError):
            facts = {**self._facts(), "stopped": True}
            self._store.beat(self._desk.engine.plan.node, self._now(), facts)

    @property
    def problems(self) -> list[str]:
        """Why pages might not get out, in words; empty when they will."""
        still = [f"loop {loop.name} stands still" for loop in self._others if not loop.is_turning]
        lost = self._emergency.problem if self._emergency is not None else None
        troubled = [
            f"loop {loop.name}: {loop.trouble}"
            for loop in self._others
            if loop.trouble and not (lost and loop.lacks_store)  # It is said once for all of them.
        ]
        return (
            ([lost] if lost else [])
            + still
            + troubled
            + [f"{finding.name}: {finding.says}" for finding in self.findings if not finding.is_ok]
        )

    @property
    def remarks(self) -> list[str]:
        """What people should know, though pages get out."""
        jump = self._jumps.said(self._now())
        return [jump] if jump else []

    def _gauges(self) -> None:
        with self._desk.looking() as (state, engine):
            open_now = [one for one in state.incidents.values() if one.status is not Status.RESOLVED]
            incidents = Counter(str(one.priority) for one in open_now)
            alerts = Counter(str(alert.health) for alert in state.alerts.values())
            overrides, paused = tuple(state.overrides.values()), state.standing.paused_until is not None
            now = self._now()
            gaps = {}
            for name, roster in engine.plan.rosters.items():
                on_call = engine.rosters.on_call(name, overrides, now)
                gaps[name] = float(roster.shadows is None and (on_call.fallback or not on_call.people))
        for priority in Priority:
            metrics.incidents_open.labels(priority=str(priority)).set(incidents[str(priority)])
        for health in (Health.WARN, Health.CRIT, Health.UNKNOWN):
            metrics.alerts_open.labels(health=str(health)).set(alerts[str(health)])
        metrics.oncall_gap.replace(gaps)
        metrics.pages_paused.set(float(paused))
        metrics.pages_pending.set(self._store.pending())

    def _ping(self, now: datetime) -> None:
        """Tell the outside watcher that all is well, only when it is. In a thread: its network may be slow."""
        deadman = self._deadman()
        if deadman is None or (self._pinged_at is not None and now - self._pinged_at < deadman.every):
            return
        self._pinged_at = now
        if self.problems:
            metrics.deadman_pings_total.labels(outcome="withheld").inc()
            log.warning("dead-man ping withheld", reason="; ".join(self.problems))
            return
        threading.Thread(target=_ping, args=(deadman,), name="deadman", daemon=True).start()

    def _roll_up(self, now: datetime) -> None:
        """Once an hour is over: a little in each turn until it is done. One node does it for all."""
        over = hour_of(now - ROLL_UP_AFTER)
        if self._rolled_up == over:
            return
        is_ours = self._store.lease("rollups", self._desk.engine.plan.node, now, ROLL_UP_LEASE)
        try:
            if not is_ours or self._store.roll_up(now, self._rollups_kept):
                self._rolled_up = over
        except OpswatchError as trouble:  # Values stay until it works again; the beat has more urgent things to do.
            self._rolled_up = over
            metrics.store_errors_total.inc()
            log.error("values not rolled up, tried again in an hour", reason=str(trouble))

    def _prune(self, now: datetime) -> None:
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_EVERY:
            return
        self._pruned_at = now
        began_s = monotonic_s()
        kept = self._retention()
        gone = self._store.prune(now, samples=self._samples_kept, evidence=kept.evidence, timeline=kept.timeline)
        if gone >= PRUNED_MUCH:
            self._pruned_at = None
        if gone:
            log.info("old rows removed", rows=gone, took_s=round(monotonic_s() - began_s, 3))


def _ping(deadman: Deadman) -> None:
    import requests

    try:
        answer = requests.get(deadman.url.reveal(), timeout=PING_TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as trouble:
        metrics.deadman_pings_total.labels(outcome="failed").inc()
        log.warning("dead-man ping failed", reason=type(trouble).__name__)  # Its text may hold the secret URL.
        return
    metrics.deadman_pings_total.labels(outcome="sent").inc()
    metrics.deadman_last_ping_timestamp_seconds.set_to_current_time()

"""Run what is due, bounded, with time limits: APScheduler rings, `core/calendars.py` computes, workers look.

A look that does not come back in time is `unknown (timeout)`; its worker is given up and replaced, so a hung probe
stops no other. At most one look per check and target is under way.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from opswatch import logs, metrics
from opswatch.clock import monotonic_s
from opswatch.core import calendars
from opswatch.core.effects import Recheck
from opswatch.core.events import Observed
from opswatch.core.model import Failure, Health, UnknownReason, Verdict
from opswatch.core.plan import Check, Plan
from opswatch.core.state import alert_key
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.loops import Loop, looks
from opswatch.probes import Probe
from opswatch.stores import Store
from opswatch.stores.norms import Norms

log = logs.get("loops.checks")

WORKERS = 16
STUCK_MAX = 64
QUEUE_MAX = 10_000
GRACE_S = 1.0  # a probe that minds its own limit is given this much longer
MISFIRE_GRACE_S = 60
SPLAY = timedelta(milliseconds=25)  # first looks start this far apart, not all at once
SAMPLES_BATCH = 500
SAMPLES_WAITING_MAX = 20_000  # looks: twenty minutes of a thousand a minute


@dataclass(slots=True)
class Look:
    """One look under way or waiting."""

    check: Check
    target: str
    due_s: float
    began_s: float | None = None
    is_given_up: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def key(self) -> str:
        return alert_key(self.check.id, self.target)


class CronTrigger(BaseTrigger):  # type: ignore[misc]
    """APScheduler's own computes local times wrongly around clock changes; this one asks the core."""

    def __init__(self, expression: str, timezone: str) -> None:
        self._expression, self._timezone = expression, timezone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        after = previous_fire_time if previous_fire_time is not None and previous_fire_time >= now else now
        return calendars.next_cron(self._expression, self._timezone, after)


class Checks:
    """Everything that looks: the bell, the queue, the workers, and the one who watches over their time."""

    def __init__(
        self,
        desk: Desk,
        store: Store,
        now: Callable[[], datetime],
        *,
        workers: int = WORKERS,
        monotonic: Callable[[], float] = monotonic_s,
        probes: Mapping[str, Probe] | None = None,
    ) -> None:
        self._monotonic_s = monotonic
        self._desk, self._store, self._now, self._workers_wanted = desk, store, now, workers
        self._norms = Norms(store)
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._bell = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 3, "misfire_grace_time": MISFIRE_GRACE_S},
            timezone="UTC",
        )
        self._queue: queue.Queue[Look | None] = queue.Queue(QUEUE_MAX)
        self._under_way: dict[str, Look] = {}
        self._lock = threading.Lock()
        self.probe = looks.Probes(probes)
        self._jobs: dict[str, tuple[object, ...]] = {}
        self._samples: list[tuple[str, str, Verdict]] = []
        self._stuck = 0
        self._busy = 0
        self._is_unheard = False  # the store is away: said once
        self._stopping = threading.Event()
        self.overseer = Overseer(self)
        desk.on_recheck = self.look_again

    # starting and stopping

    def start(self, plan: Plan) -> None:
        for number in range(self._workers_wanted):
            self._add_worker(number)
        self.overseer.start()
        self.schedule(plan)
        self._bell.start()

    def stop(self) -> None:
        """No new look begins; those under way are not waited for beyond `join`."""
        self._stopping.set()
        if self._bell.running:
            self._bell.shutdown(wait=False)
        self.overseer.stop()
        for _ in range(self._workers_wanted + STUCK_MAX):
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                break

    def join(self, timeout_s: float) -> bool:
        """Wait for looks under way to end, and write what was measured."""
        until = monotonic_s() + timeout_s
        while self._busy and monotonic_s() < until:
            threading.Event().wait(0.02)
        self.save_samples()
        return self.overseer.join(1.0)

    # the bell

    def schedule(self, plan: Plan) -> None:
        """Ring for exactly the timed checks of this plan and node. A job that did not change keeps its next instant."""
        wanted = {alert_key(check.id, target): (check, target) for check, target in timed(plan)}
        for key in [key for key in self._jobs if key not in wanted]:
            self._bell.remove_job(key)
            del self._jobs[key]
        now = self._now()
        for place, (key, (check, target)) in enumerate(wanted.items()):
            spec = (check.every, check.cron, check.timezone)
            if self._jobs.get(key) != spec:
                self._ring_for(key, check, target, self._first_at(check, target, now, place))
                self._jobs[key] = spec

    def _ring_for(self, key: str, check: Check, target: str, first_at: datetime | None) -> None:
        trigger: BaseTrigger
        if check.every is not None:
            trigger = IntervalTrigger(seconds=check.every.total_seconds(), timezone="UTC", start_date=first_at)
        else:
            trigger = CronTrigger(check.cron or "", check.timezone)
        given: dict[str, Any] = {} if first_at is None else {"next_run_time": first_at}
        self._bell.add_job(self.ring, trigger, (check.id, target), id=key, replace_existing=True, **given)

    def _first_at(self, check: Check, target: str, now: datetime, place: int) -> datetime | None:
        """Checks with `every` begin at once, a little apart. A cron check that was missed while we were down is caught
        up once; None: at its next instant."""
        if check.every is not None:
            return now + min(SPLAY * place, check.every)
        with self._desk.looking() as (state, _):
            watch = state.watches.get(alert_key(check.id, target))
        missed = calendars.previous_cron(check.cron or "", check.timezone, now)
        if watch is None or watch.seen_at is None or missed is None or watch.seen_at >= missed:
            return None
        return now + SPLAY * place

    def look_again(self, recheck: Recheck) -> None:
        """While confirming: the next look comes after `retry`, sooner than its turn."""
        job = self._bell.get_job(alert_key(recheck.check, recheck.target))
        if job is not None and job.next_run_time is not None and recheck.at < job.next_run_time:
            job.modify(next_run_time=max(recheck.at, self._now()))

    def ring(self, check_id: str, target: str) -> None:
        """It is time for this look. It is skipped, and counted, while the last one is still under way."""
        check = self._desk.engine.plan.checks.get(check_id)
        if check is None or self._stopping.is_set():
            return
        look = Look(check, target, self._monotonic_s())
        with self._lock:
            if look.key in self._under_way:
                metrics.checks_skipped_total.labels(reason="busy").inc()
                return
            self._under_way[look.key] = look
        try:
            self._queue.put_nowait(look)
        except queue.Full:
            self._forget(look)
            metrics.checks_skipped_total.labels(reason="full").inc()

    # the workers

    def _add_worker(self, number: int) -> None:
        threading.Thread(target=self._work, name=f"probe-{number}", daemon=True).start()

    def _work(self) -> None:
        while (look := self._queue.get()) is not None:
            if self._stopping.is_set():
                return
            if not self._look(look):
                return  # Given up while it hung: somebody else has this worker's place.

    def _look(self, look: Look) -> bool:
        """One look; whether this worker still has its place afterwards."""
        with self._lock:
            self._busy += 1
        metrics.probe_workers_busy.set(self._busy)
        look.began_s = self._monotonic_s()
        metrics.check_lateness_seconds.observe(look.began_s - look.due_s)
        verdict = looks.look(self._desk, self.probe, look.check, look.target, self._now())
        with look.lock:
            was_given_up, look.is_given_up = look.is_given_up, True
        if was_given_up:
            with self._lock:
                self._stuck -= 1
            metrics.probe_stuck.set(self._stuck)
            return False
        self._finish(look, replace(verdict, took_s=self._monotonic_s() - look.began_s))
        return True

    def _finish(self, look: Look, verdict: Verdict) -> None:
        self._forget(look)
        with self._lock:
            self._busy = max(0, self._busy - 1)
            self._samples.append((look.check.id, look.target, verdict))
            is_much = len(self._samples) >= SAMPLES_BATCH and not self._is_unheard
        metrics.probe_workers_busy.set(self._busy)
        metrics.checks_total.labels(check=look.check.id, health=_said(verdict)).inc()
        metrics.check_duration_seconds.labels(probe=look.check.probe).observe(verdict.took_s)
        try:
            self._desk.apply(self._observed(look, verdict))
        except OpswatchError as trouble:  # The next look says it again.
            metrics.store_errors_total.inc()
            if not self._is_unheard:
                self._is_unheard = True
                log.error("verdicts not taken in", check=look.check.id, target=look.target, reason=str(trouble))
        else:
            if self._is_unheard:
                self._is_unheard = False
                log.info("verdicts are taken in again", check=look.check.id, target=look.target)
        if is_much:
            self.save_samples()

    def _observed(self, look: Look, verdict: Verdict) -> Observed:
        """The verdict, with how its values usually are at this hour where a limit asks for that. When that cannot be
        read, whatever would be judged by it is unknown: it neither fails nor recovers."""
        check, limits = look.check, look.check.limits
        if verdict.unknown is not None or not check.has_baseline:
            return Observed(check.id, look.target, verdict)
        calendar = self._desk.engine.plan.calendars.get(check.calendar or "")
        try:
            return Observed(check.id, look.target, verdict, self._norms.of(check, look.target, calendar, verdict.at))
        except OpswatchError as trouble:
            log.error("what is usual cannot be read", check=check.id, target=look.target, reason=str(trouble))
            compared = {one.item for one in verdict.samples if one.name in limits and limits[one.name].baseline}
            unread = [Failure(f"what is usual cannot be read: {trouble}", Health.UNKNOWN, item) for item in compared]
            return Observed(check.id, look.target, replace(verdict, failures=(*verdict.failures, *unread)))

    def _forget(self, look: Look) -> None:
        with self._lock:
            if self._under_way.get(look.key) is look:
                del self._under_way[look.key]

    # beside the head

    def save_samples(self) -> None:
        """Write what was measured since the last time. While the store is away it waits, up to a bound; losing more is
        said, and harms no page."""
        with self._lock:
            batch, self._samples = self._samples, []
        if not batch:
            return
        try:
            self._store.record_samples(batch)
        except OpswatchError as trouble:
            with self._lock:
                kept = (batch + self._samples)[-SAMPLES_WAITING_MAX:]
                lost, self._samples = len(batch) + len(self._samples) - len(kept), kept
            if lost:
                log.warning("samples lost", count=lost, reason=str(trouble))

    # over their time

    def give_up_on_late_looks(self) -> None:
        """Looks past their time limit are `unknown (timeout)`; their workers are replaced while we can afford it."""
        now_s = self._monotonic_s()
        with self._lock:
            under_way = list(self._under_way.values())
        for look in under_way:
            limit_s = look.check.timeout.total_seconds() + GRACE_S
            if look.began_s is not None and now_s - look.began_s > limit_s:
                self._give_up(look)

    def _give_up(self, look: Look) -> None:
        with look.lock:
            if look.is_given_up:
                return
            look.is_given_up = True
        with self._lock:
            self._stuck += 1
            is_affordable = self._stuck <= STUCK_MAX
            number = self._workers_wanted + self._stuck
        metrics.probe_stuck.set(self._stuck)
        log.warning("look did not come back", check=look.check.id, target=look.target, stuck=self._stuck)
        if is_affordable:
            self._add_worker(number)
        limit = f"{look.check.timeout.total_seconds():g} s"
        verdict = Verdict(self._now(), f"no answer within {limit}", unknown=UnknownReason.TIMEOUT)
        self._finish(look, verdict)


class Overseer(Loop):
    """Looks at the clock for those who cannot, and saves samples in batches."""

    name = "overseer"

    def __init__(self, checks: Checks) -> None:
        super().__init__()
        self._checks = checks
        self._saved_s = monotonic_s()

    def turn(self) -> None:
        self._checks.give_up_on_late_looks()
        if monotonic_s() - self._saved_s > 5:
            self._checks.save_samples()
            self._saved_s = monotonic_s()
        self.stopping.wait(0.2)


def timed(plan: Plan) -> Iterable[tuple[Check, str]]:
    """The (check, target) pairs that run by themselves on this node."""
    for check in plan.checks.values():
        if (check.every is None and check.cron is None) or check.passive:
            continue
        for target in check.targets:
            node = plan.targets[target].node
            if node is None or node == plan.node:
                yield check, target


def _said(verdict: Verdict) -> str:
    """For counting: what the look itself said, before limits."""
    if verdict.unknown is not None:
        return "unknown"
    return max((failure.health for failure in verdict.failures), key=lambda health: health.rank, default="ok")

"""The inbox: alerts of others are accepted once they are durable, and decided as the desk has time for them.

Batches that arrive together share one transaction. What is accepted waits in the store; what was accepted here and is
young also in memory, so that deciding need not read it again. More than the bounds is refused (503): its source posts
it again.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opswatch import logs, metrics
from opswatch.clock import monotonic_s
from opswatch.core.events import Posted, Reported
from opswatch.errors import Overloaded
from opswatch.posts import ALERTS_PER_BATCH, RESULTS, Read, alert_of, alerts_of
from opswatch.stores import Store
from opswatch.stores.inbox import Batch

log = logs.get("inbox")

ALERTS_MAX = 100_000  # accepted and not decided
SIZE_MAX = 64 * 1024 * 1024
IN_MEMORY_MAX = 128  # batches
ARRIVING_MAX = 512  # posts that wait for their transaction
LEASE = timedelta(seconds=60)
QUIET_S = 0.03  # no post for so long: the storm is over, or its source takes its time
COMMITTER_NAP_S = 1.0
ONE_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Arrived:
    """One accepted batch: its row, and its alerts as they came, where they are still in memory."""

    batch: Batch
    alerts: Sequence[Mapping[str, Any]] | None = None

    @property
    def event(self) -> Posted | Reported:
        """The event that it is."""
        batch = self.batch
        if batch.family == RESULTS:
            from opswatch.passive import result_of  # Late: commands have an inbox too, and start fast.

            results = json.loads(batch.body) if self.alerts is None else self.alerts
            return Reported(tuple([result_of(one) for one in results]), batch.id)
        found = alerts_of(batch.body) if self.alerts is None else tuple([alert_of(one) for one in self.alerts])
        return Posted(batch.source, found, batch.at, batch.id, batch.family)


class Inbox:
    """One per process. `submit` from any thread; whoever decides asks `next` and says `decided`."""

    def __init__(self, store: Store, node: str, now: Callable[[], datetime]) -> None:
        self._store, self._node, self._now = store, node, now
        self._lock = threading.Condition()
        self._arriving: deque[tuple[list[Arrived], Future[None]]] = deque()
        self._ready: deque[Arrived] = deque()
        self._has_spilled = True  # there may be rows in the store that are not in memory: those of the last run
        self._alerts = self._size = 0  # accepted and not decided, as far as this node knows
        self._last_at = datetime(1970, 1, 1, tzinfo=UTC)
        self._arrived_s = 0.0
        self._serial = itertools.count(1)
        self._committer: threading.Thread | None = None
        self._is_closed = False

    # the door's side

    def submit(self, read: Read, source: str, family: str = "prometheus") -> Future[None]:
        """Accept what can be used of a post. The future is done once it is durable; it fails with Overloaded. Raises
        Overloaded at once when too much waits already."""
        future: Future[None] = Future()
        if not read.alerts:
            future.set_result(None)
            return future
        count = len(read.alerts)
        with self._lock:
            self._refuse_overload(count, source)
            arrived = self._in_pieces(read, source, family)
            self._arriving.append((arrived, future))
            self._arrived_s = monotonic_s()
            self._alerts += count
            self._size += _size(arrived)
            if self._committer is None:
                self._committer = threading.Thread(target=self._commit, name="opswatch-inbox-commit", daemon=True)
                self._committer.start()
            self._lock.notify_all()
        return future

    def accept(self, read: Read, source: str, family: str = "prometheus", timeout_s: float = 10.0) -> None:
        """Likewise, and wait until it is durable. Raises Overloaded."""
        self.submit(read, source, family).result(timeout_s)

    @property
    def waiting(self) -> int:
        """Alerts that are accepted and not decided, as far as this node knows."""
        return self._alerts

    def close(self) -> None:
        """Accept nothing more. What is arriving is still made durable."""
        with self._lock:
            self._is_closed = True
            self._lock.notify_all()
        if self._committer is not None:
            self._committer.join(5.0)

    # the deciding side

    def next(self, alerts_max: int) -> list[Arrived]:
        """The oldest batches, up to about so many alerts: from memory, else from the store. Raises StoreUnavailable."""
        with self._lock:
            found: list[Arrived] = []
            while self._ready and (not found or _count(found) + self._ready[0].batch.count <= alerts_max):
                found.append(self._ready.popleft())
            if found or not self._has_spilled:
                return found
            self._has_spilled = False  # What is accepted from here on is in memory again, behind what is read now.
        try:
            rows = self._store.next_batches(self._node, self._now(), LEASE, max(1, alerts_max // ALERTS_PER_BATCH))
        except BaseException:
            self._has_spilled = True
            raise
        if rows:
            self._has_spilled = True
        return [Arrived(row) for row in rows]

    def put_back(self, arrived: Sequence[Arrived]) -> None:
        """They could not be decided now: they are the oldest still."""
        with self._lock:
            self._ready.extendleft(reversed(arrived))

    def release(self) -> None:
        """At the start: what this node had taken when it died is decided at once. Raises StoreUnavailable."""
        self._store.release_batches(self._node, self._now())
        self.look_into_store()

    def look_into_store(self) -> None:
        """Other nodes may have died over what they had claimed, or have spilled: the next turn reads the store. What
        waits is counted anew."""
        waiting = self._store.waiting()
        with self._lock:
            arriving = [one for group, _ in self._arriving for one in group]
            self._alerts, self._size = waiting.alerts + _count(arriving), waiting.size + _size(arriving)
            if waiting.rows:
                self._has_spilled = self._has_spilled or not self._ready
        metrics.inbox_alerts_pending.set(self._alerts)

    @property
    def is_busy(self) -> bool:
        """Whether posts keep coming in just now."""
        return bool(self._arriving) or monotonic_s() - self._arrived_s < QUIET_S

    def wait(self, timeout_s: float) -> bool:
        """Until something was accepted, at most so long."""
        with self._lock:
            return self._lock.wait_for(lambda: bool(self._ready) or self._has_spilled, timeout_s)

    def decided(self, arrived: Sequence[Arrived]) -> None:
        """They are no longer in the inbox."""
        with self._lock:
            self._alerts = max(0, self._alerts - _count(arrived))
            self._size = max(0, self._size - _size(arrived))
        for one in arrived:
            metrics.inbox_decided_alerts_total.labels(source=one.batch.source).inc(one.batch.count)
        metrics.inbox_alerts_pending.set(self._alerts)

    # -----------------------------------------------------------------------------------------------------------------

    def _refuse_overload(self, count: int, source: str) -> None:
        why = None
        if self._is_closed:
            why = "opswatch is stopping"
        elif len(self._arriving) >= ARRIVING_MAX:
            why = f"{len(self._arriving)} posts wait for the store"
        elif self._alerts and self._alerts + count > ALERTS_MAX:
            why = f"{self._alerts} alerts wait to be decided"
        elif self._size > SIZE_MAX:
            why = f"{self._size} bytes of alerts wait to be decided"
        if why is not None:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="overload").inc(count)
            raise Overloaded(f"{why}: post again in a moment")

    def _in_pieces(self, read: Read, source: str, family: str) -> list[Arrived]:
        """In pieces that are decided at once. Instants of this node never repeat, so that later is later."""
        arrived = []
        for start in range(0, len(read.alerts), ALERTS_PER_BATCH):
            piece = read.alerts[start : start + ALERTS_PER_BATCH]
            at = self._last_at = max(self._now(), self._last_at + ONE_US)
            name = f"{int(at.timestamp() * 1_000_000):020d}-{self._node}-{next(self._serial)}"
            is_whole = read.text is not None and len(piece) == len(read.alerts)
            body = read.text if is_whole and read.text is not None else json.dumps(piece, separators=(",", ":"))
            arrived.append(Arrived(Batch(name, source, family, at, len(piece), body), piece))
        return arrived

    def _commit(self) -> None:
        """The committer's thread: whatever has arrived meanwhile goes into one transaction."""
        while True:
            with self._lock:
                self._lock.wait_for(lambda: bool(self._arriving) or self._is_closed, COMMITTER_NAP_S)
                if not self._arriving:
                    if self._is_closed:
                        return
                    continue
                groups = list(self._arriving)
                self._arriving.clear()
                arrived = [one for group, _ in groups for one in group]
                stays = not self._has_spilled and len(self._ready) + len(arrived) <= IN_MEMORY_MAX
            try:
                node, until = (self._node, self._now() + LEASE) if stays else (None, None)
                self._store.accept([one.batch for one in arrived], node, until)
            except Exception as trouble:  # Whatever it is, nobody may be left to wait, and the next post is another.
                self._failed(groups, trouble)
                continue
            with self._lock:
                if stays:
                    self._ready.extend(arrived)
                else:
                    self._has_spilled = True
                self._lock.notify_all()
            for one in arrived:
                metrics.inbox_accepted_alerts_total.labels(source=one.batch.source).inc(one.batch.count)
            for _, future in groups:
                future.set_result(None)

    def _failed(self, groups: Sequence[tuple[list[Arrived], Future[None]]], trouble: Exception) -> None:
        """Nothing of it is kept: the sources post it again."""
        log.error("alerts of others cannot be stored", reason=str(trouble), posts=len(groups))
        for arrived, future in groups:
            with self._lock:
                self._alerts -= _count(arrived)
                self._size -= _size(arrived)
            source = arrived[0].batch.source
            metrics.inbox_refused_alerts_total.labels(source=source, reason="store").inc(_count(arrived))
            future.set_exception(Overloaded(f"nothing can be stored just now: {trouble}", retry_after_s=5.0))


def _count(arrived: Sequence[Arrived]) -> int:
    return sum(one.batch.count for one in arrived)


def _size(arrived: Sequence[Arrived]) -> int:
    return sum(len(one.batch.body) for one in arrived)

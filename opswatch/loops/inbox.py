"""Decides what is in the inbox: the oldest first, some at a time, people's commands in between."""

from __future__ import annotations

from collections.abc import Sequence

from opswatch import logs, metrics
from opswatch.clock import monotonic_s
from opswatch.core.events import Posted, Reported
from opswatch.desk import Desk
from opswatch.errors import AlreadyTaken, OpswatchError
from opswatch.inbox import Arrived, Inbox
from opswatch.loops import Loop
from opswatch.posts import ALERTS_PER_BATCH, RESULTS
from opswatch.stores import Store

log = logs.get("loops.inbox")

TOGETHER_MAX = ALERTS_PER_BATCH  # alerts decided in one commit: some 20 ms, which is what a person waits at most
NAP_S = 0.5
GIVES_WAY = 8.0  # times as long as the last decision took
GIVES_WAY_MAX_S = 0.5
BREATH_S = 0.004
STORE_LOOK_S = 5.0  # how often to look for what other nodes have left behind


class InboxLoop(Loop):
    """A batch leaves the inbox in the commit that decides it, so that each is decided once, through any crash."""

    name = "inbox"

    def __init__(self, desk: Desk, store: Store, inbox: Inbox) -> None:
        super().__init__()
        self._desk, self._store, self._inbox = desk, store, inbox
        self._looked_s = monotonic_s()
        self._is_first = True

    def turn(self) -> None:
        if self._is_first:
            self._inbox.release()
            self._is_first = False
        if monotonic_s() - self._looked_s > STORE_LOOK_S:
            self._looked_s = monotonic_s()
            self._inbox.look_into_store()
        arrived = self._inbox.next(TOGETHER_MAX)
        if not arrived:
            self._inbox.wait(NAP_S)
            return
        began_s = monotonic_s()
        try:
            self.decide(arrived)
        except OpswatchError:
            self._inbox.put_back(arrived)
            raise
        self._give_way(monotonic_s() - began_s)

    def _give_way(self, took_s: float) -> None:
        """While posts keep coming in, accepting them comes first, most of the time: a source that waits too long drops
        what it had to say, and what is accepted is safe."""
        until_s = monotonic_s() + min(GIVES_WAY * took_s, GIVES_WAY_MAX_S)
        while self._inbox.is_busy and monotonic_s() < until_s and not self.stopping.wait(BREATH_S):
            pass

    def decide(self, arrived: Sequence[Arrived]) -> None:
        """Decide these batches, and let them go."""
        try:
            events = [one.event for one in arrived]
            committed = self._desk.take(events)
        except AlreadyTaken as gone:
            others = [one for one in arrived if one.batch.id != gone.batch]
            self._inbox.decided([one for one in arrived if one.batch.id == gone.batch])
            if others:
                self.decide(others)
            return
        except OpswatchError:
            raise
        except Exception:
            log.exception("alerts of others cannot be decided together: one by one", batches=len(arrived))
            for one in arrived:
                self._one_by_one(one)
            committed = False
        else:
            self._keep_samples(events)
        if not committed:
            if any(one.batch.family == RESULTS for one in arrived):
                self._desk.flush()  # What was counted of them must be safe before they are gone.
            self._store.forget_batches([one.batch.id for one in arrived])
        self._inbox.decided(arrived)

    def _keep_samples(self, events: Sequence[Posted | Reported]) -> None:
        """What was measured by who reported. Losing it harms no page."""
        told = [one for event in events if isinstance(event, Reported) for one in event.results]
        if measured := [(one.check, one.target, one.verdict) for one in told if one.verdict.samples]:
            try:
                self._store.record_samples(measured)
            except OpswatchError as trouble:
                log.warning("samples of passive checks lost", count=len(measured), reason=str(trouble))

    def _one_by_one(self, arrived: Arrived) -> None:
        """A mistake of ours over one alert must not cost the others their page, nor hold up the inbox."""
        whole = arrived.event
        parts: list[Posted | Reported] = (
            [Reported((one,)) for one in whole.results]
            if isinstance(whole, Reported)
            else [Posted(whole.source, (one,), whole.at, family=whole.family) for one in whole.alerts]
        )
        for part in parts:
            try:
                self._desk.take([part])
            except OpswatchError:
                raise
            except Exception:
                metrics.inbox_undecidable_alerts_total.inc()
                log.exception("an alert cannot be decided, and is passed over", source=arrived.batch.source)

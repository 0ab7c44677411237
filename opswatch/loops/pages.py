"""Promised messages leave: claimed under a lease, looked at once more, rendered, sent, and reported back.

A claim is a lease, not a lock: if this process dies between sending and recording, the lease runs out and the message
is sent again with the same id, marked as a possible duplicate. Twice is better than never.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from opswatch import logs, metrics
from opswatch.channels import Receipt
from opswatch.core.effects import Announce, Page
from opswatch.core.events import Event, MessageSent, ReceiptLost, SendFailed
from opswatch.desk import Desk
from opswatch.errors import DeliveryError, OpswatchError, StoreUnavailable
from opswatch.loops import Loop
from opswatch.outgoing import NotWanted, Outgoing
from opswatch.stores import Promise, Store

log = logs.get("loops.pages")

LEASE = timedelta(seconds=60)
SENDERS = 8
CLAIM_MAX = 2 * SENDERS
NAP_MAX = timedelta(seconds=1)
STORE_NAP_S = 0.5
REPORTS_MAX = 500
RECEIPTS_FIRST_S = 0.05
BACK_OFF = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)  # seconds after the n-th failed attempt
ATTEMPTS_MAX = {"page": 6, "update": 8, "announce": 12}


Compose = Callable[[Promise, datetime], Outgoing]
"""Promise → words and way. Raises DeliveryError(permanent=True) when there is no such way, NotWanted when it lapsed."""


class Pages(Loop):
    """Claims what is due and hands it to a bounded number of senders; a slow vendor holds up only its own sender."""

    name = "pages"

    def __init__(self, desk: Desk, store: Store, compose: Compose, node: str, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._desk, self._store, self._compose, self._node, self._now = desk, store, compose, node, now
        self._work: queue.SimpleQueue[Promise | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(CLAIM_MAX)
        self.reports = Reports(desk)
        self._senders = [
            threading.Thread(target=self._send_all, name=f"sender-{n}", daemon=True) for n in range(SENDERS)
        ]

    def start(self) -> None:
        self._store.release(self._node, self._now())
        self.reports.start()
        for sender in self._senders:
            sender.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self._desk.nudge()
        for _ in self._senders:
            self._work.put(None)

    def join(self, timeout_s: float) -> bool:
        """Senders finish what they have in hand; receipts are written. What was not sent stays promised."""
        until = time.monotonic() + timeout_s
        ended = super().join(timeout_s)
        for sender in self._senders:
            if sender.ident is not None:
                sender.join(max(0.0, until - time.monotonic()))
        self.reports.stop()
        return self.reports.join(max(1.0, until - time.monotonic())) and ended

    def turn(self) -> None:
        version = self._desk.version
        if self.reports.lacks_store:  # Receipts first: what was sent while the store was away is not sent again.
            self.stopping.wait(RECEIPTS_FIRST_S)
            return
        free = self._take_room()
        claimed: list[Promise] = []
        try:
            if free:
                claimed = self._store.claim(self._node, self._now(), LEASE, free)
        finally:  # Also when the store is away: room that is not given back is gone for good.
            for _ in range(free - len(claimed)):
                self._room.release()
        for promise in claimed:
            self._work.put(promise)
        if not claimed:
            self._wait(version)

    def _take_room(self) -> int:
        free = 0
        while free < CLAIM_MAX and self._room.acquire(blocking=False):
            free += 1
        return free

    def _wait(self, version: int) -> None:
        due = self._store.next_due()
        nap = NAP_MAX if due is None else min(NAP_MAX, max(due - self._now(), timedelta(milliseconds=20)))
        self._desk.wait_for_move(version, nap)

    # one sender

    def _send_all(self) -> None:
        while (promise := self._work.get()) is not None:
            try:
                self._send(promise)
            except StoreUnavailable as trouble:
                log.error("cannot ask the store before sending", message=promise.id, reason=str(trouble))
                if self._try_again(promise):
                    continue
            except Exception:  # One message must not end a sender; its lease runs out and it is tried again.
                log.exception("sending failed", message=promise.id)
            self._room.release()

    def _try_again(self, promise: Promise) -> bool:
        """A claim that was never sent is asked about again while its lease lasts: it must not sleep it out."""
        if self.stopping.wait(STORE_NAP_S) or self._now() >= promise.lease_until:
            return False
        self._work.put(promise)
        return True

    def _send(self, promise: Promise) -> None:
        now = self._now()
        if not self._store.still_wanted(promise.id, now, promise.attempt):
            return
        try:
            outgoing = self._compose(promise, now)
            receipt = outgoing.carry(outgoing.message)
        except NotWanted as lapsed:
            self.reports.put(_failed(promise, str(lapsed), permanent=True, retry_at=None))
        except DeliveryError as trouble:
            self._report_trouble(promise, trouble)
        except Exception as trouble:  # A channel's own mistake counts as a way that does not work now.
            log.exception("channel broke", message=promise.id, channel=_channel(promise))
            self._report_trouble(promise, DeliveryError(f"{type(trouble).__name__}: {trouble}"))
        else:
            took_s = (self._now() - promise.promised_at).total_seconds()
            metrics.messages_total.labels(channel=_channel(promise), outcome="delivered").inc()
            metrics.delivery_seconds.labels(channel=_channel(promise)).observe(took_s)
            log.info("message delivered", message=promise.id, via=_channel(promise), took_s=round(took_s, 3))
            self.reports.put(_sent(promise, receipt, took_s))

    def _report_trouble(self, promise: Promise, trouble: DeliveryError) -> None:
        tries = ATTEMPTS_MAX[promise.kind]
        permanent = trouble.permanent or promise.attempt >= tries
        wait_s = max(trouble.retry_after_s or 0.0, BACK_OFF[min(promise.attempt, len(BACK_OFF)) - 1])
        retry_at = None if permanent else self._now() + timedelta(seconds=wait_s)
        outcome = "failed" if permanent else "retried"
        metrics.messages_total.labels(channel=_channel(promise), outcome=outcome).inc()
        log.warning(
            "message not delivered",
            message=promise.id,
            via=_channel(promise),
            reason=str(trouble),
            attempt=promise.attempt,
            permanent=permanent,
        )
        self.reports.put(_failed(promise, str(trouble), permanent=permanent, retry_at=retry_at))


class Reports(Loop):
    """Receipts go to the desk in batches of whatever has come in: one commit for a second's worth of a storm."""

    name = "receipts"

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._come_in: queue.Queue[Event] = queue.Queue(REPORTS_MAX)
        self._batch: list[Event] = []

    def put(self, event: Event) -> None:
        """Waits while the desk is far behind: then senders slow down, and nothing is lost."""
        self._come_in.put(event)

    def turn(self) -> None:
        if not self._batch:
            try:
                self._batch.append(self._come_in.get(timeout=NAP_MAX.total_seconds()))
            except queue.Empty:
                return
        while len(self._batch) < REPORTS_MAX:
            try:
                self._batch.append(self._come_in.get_nowait())
            except queue.Empty:
                break
        self._take_in()
        self._batch = []

    def _take_in(self) -> None:
        try:
            self._desk.apply_many(self._batch)
        except OpswatchError:
            raise
        except Exception:  # A mistake of ours about one of them: it must not hold up the others, nor every sender.
            log.exception("receipts not taken in together", receipts=len(self._batch))
            self._take_in_singly()

    def _take_in_singly(self) -> None:
        while self._batch:
            try:
                self._desk.apply(self._batch[0])
            except OpswatchError:
                raise  # It and the others wait for the store.
            except Exception as mistake:
                log.exception("receipt not taken in", receipt=type(self._batch[0]).__name__)
                metrics.loop_errors_total.labels(loop=self.name).inc()
                self._finish(self._batch[0], f"{type(mistake).__name__}: {mistake}")
            del self._batch[0]

    def _finish(self, receipt: Event, mistake: str) -> None:
        """What cannot be taken in now cannot be the next time: its message must not ring every minute for ever."""
        if isinstance(receipt, SendFailed) and receipt.retry_at is not None:
            return  # Its lease runs out, and it is tried again: a bounded number of times.
        if isinstance(receipt, MessageSent | SendFailed):
            outcome = "delivered" if isinstance(receipt, MessageSent) else "failed"
            self._desk.apply(ReceiptLost(receipt.message, receipt.incident, outcome, mistake[:300]))

    def join(self, timeout_s: float) -> bool:
        """What came in is written before it ends."""
        ended = super().join(timeout_s)
        while ended and (self._batch or not self._come_in.empty()):
            try:
                self.turn()
            except OpswatchError:
                return False
        return ended


def _channel(promise: Promise) -> str:
    return promise.body.channel if isinstance(promise.body, Announce) else promise.body.contact


def _person(promise: Promise) -> str | None:
    return None if isinstance(promise.body, Announce) else promise.body.person


def _sent(promise: Promise, receipt: Receipt, took_s: float) -> MessageSent:
    return MessageSent(
        message=promise.id,
        incident=promise.body.incident,
        kind=promise.kind,
        person=_person(promise),
        channel=_channel(promise),
        took_s=took_s,
        attempt=promise.attempt,
        ref=receipt.ref,
        possible_duplicate=promise.possible_duplicate,
    )


def _failed(promise: Promise, reason: str, *, permanent: bool, retry_at: datetime | None) -> SendFailed:
    return SendFailed(
        message=promise.id,
        incident=promise.body.incident,
        kind=promise.kind,
        person=_person(promise),
        channel=_channel(promise),
        reason=reason[:300],
        permanent=permanent,
        attempt=promise.attempt,
        page=promise.body if isinstance(promise.body, Page) else None,
        retry_at=retry_at,
    )

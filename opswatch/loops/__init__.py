"""One file per thread of the daemon. A loop never dies of one bad turn: it says so, counts it, and goes on."""

from __future__ import annotations

import threading
from datetime import timedelta

from opswatch import logs, metrics
from opswatch.clock import monotonic_s
from opswatch.errors import StoreUnavailable

log = logs.get("loops")
PAUSE_AFTER_TROUBLE_S = 1.0


class Loop:
    """A thread that takes turns until it is stopped. A turn waits by itself, at most a second or so, on `self.stopping`
    or on the desk; the watchdog believes a loop that turned within `patience`."""

    name = "loop"
    patience = timedelta(seconds=20)

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.turned_s = monotonic_s()
        self.trouble: str | None = None  # why the last turn failed
        self.lacks_store = False  # because the store could not be used
        self._thread = threading.Thread(target=self._run, name=f"opswatch-{self.name}", daemon=True)

    def turn(self) -> None:
        """One round of work, its own waiting included."""
        raise NotImplementedError

    def start(self) -> None:
        self.turned_s = monotonic_s()
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; `join` waits for it."""
        self.stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Whether it ended within the time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_turning(self) -> bool:
        """Whether it turned lately: what the watchdog and the dead-man ping ask."""
        return self._thread.is_alive() and monotonic_s() - self.turned_s < self.patience.total_seconds()

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.turn()
                self._went_well()
            except StoreUnavailable as trouble:
                self._failed(trouble, "the store is not there")
            except Exception as trouble:  # A loop must not die of one turn.
                self._failed(trouble, "turn failed")
            self.turned_s = monotonic_s()
            metrics.loop_last_turn_timestamp_seconds.labels(loop=self.name).set_to_current_time()

    def _went_well(self) -> None:
        if self.lacks_store:
            log.info("the store is there again", loop=self.name)
        self.trouble, self.lacks_store = None, False

    def _failed(self, trouble: Exception, words: str) -> None:
        metrics.loop_errors_total.labels(loop=self.name).inc()
        if isinstance(trouble, StoreUnavailable):
            if not self.lacks_store:  # Said once, and once more when it is over.
                log.error(words, loop=self.name, reason=str(trouble))
            self.lacks_store = True
        else:
            log.exception(words, loop=self.name)
            self.lacks_store = False
        self.trouble = str(trouble) or type(trouble).__name__
        self.stopping.wait(PAUSE_AFTER_TROUBLE_S)

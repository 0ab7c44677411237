"""Work done one piece after another in a thread of its own, bounded: what waits here delays nobody else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from opswatch import logs

log = logs.get("chat")


class Lane:
    """Started at once. A piece that raises is logged, and the next one is done."""

    def __init__(self, name: str, *, waiting_max: int = 1_000) -> None:
        self._name = name
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(waiting_max)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, piece: Callable[[], None]) -> bool:
        """False: too much is waiting, and this piece will not be done."""
        try:
            self._waiting.put_nowait(piece)
        except queue.Full:
            log.error("too much waits, dropped", lane=self._name)
            return False
        return True

    def stop(self, timeout_s: float) -> bool:
        """Finish what waits, for at most `timeout_s`. False: something was still being done."""
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (piece := self._waiting.get()) is not None:
            try:
                piece()
            except Exception as trouble:  # The lane's edge: one bad piece must not stop the others.
                log.error("a piece of work failed", lane=self._name, error=repr(trouble)[:300])

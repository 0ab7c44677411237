"""Sleep until the next deadline, then Tick. And learn at once what another process committed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from opswatch.core.events import Tick
from opswatch.desk import Desk
from opswatch.loops import Loop
from opswatch.stores import Store

NAP_MAX = timedelta(seconds=1)  # A clock that was set is noticed within it.
SAME_DEADLINE_NAP_S = 0.5


class Deadlines(Loop):
    """Wakes the desk at each stored deadline."""

    name = "deadlines"

    def __init__(self, desk: Desk, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._desk, self._now = desk, now
        self._ticked_for: datetime | None = None

    def turn(self) -> None:
        version = self._desk.version
        due = self._desk.next_deadline()
        now = self._now()
        if due is not None and due <= now:
            if due == self._ticked_for:  # A deadline that stays is a mistake of ours: say nothing, but do not spin.
                self.stopping.wait(SAME_DEADLINE_NAP_S)
            self._ticked_for = due
            self._desk.apply(Tick())
            return
        self._ticked_for = None
        self._desk.wait_for_move(version, min(NAP_MAX, due - now) if due is not None else NAP_MAX)


class News(Loop):
    """Takes over what the command line or another node committed, within 50 ms of its commit."""

    name = "news"

    def __init__(self, desk: Desk, store: Store) -> None:
        super().__init__()
        self._desk, self._store = desk, store

    def turn(self) -> None:
        if self._store.wait_for_change(NAP_MAX.total_seconds()):
            self._desk.refresh()

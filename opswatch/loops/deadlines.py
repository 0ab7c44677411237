"""Sleep until the next deadline, then Tick. And learn at once what another process committed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from opswatch import logs
from opswatch.core.events import Tick
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.loops import Loop
from opswatch.stores import Store

log = logs.get("loops.deadlines")

NAP_MAX = timedelta(seconds=1)  # A clock that was set is noticed within it.
SAME_DEADLINE_NAP_S = 0.5


class Deadlines(Loop):
    """Wakes the desk at each stored deadline."""

    name = "deadlines"

    def __init__(self, desk: Desk, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._desk, self._now = desk, now
        self._ticked_for: datetime | None = None
        self._undecidable: set[str] = set()  # what raised when it was due: a mistake of ours, said once each

    def turn(self) -> None:
        version = self._desk.version
        due = self._desk.next_deadline()
        now = self._now()
        if due is not None and due <= now:
            if due == self._ticked_for:  # A deadline that stays is a mistake of ours: say nothing, but do not spin.
                self.stopping.wait(SAME_DEADLINE_NAP_S)
            self._ticked_for = due
            self._tick(now)
            return
        self._ticked_for = None
        self._desk.wait_for_move(version, min(NAP_MAX, due - now) if due is not None else NAP_MAX)

    def _tick(self, now: datetime) -> None:
        """One thing that cannot be decided must not hold up every other ladder: it is found and passed over. The audit
        sees that it is overdue, and `/readyz` says so."""
        try:
            self._desk.apply(Tick(without=frozenset(self._undecidable)))
        except OpswatchError:
            raise
        except Exception:
            log.exception("what is due cannot be decided together: one by one")
            self._one_by_one(now)

    def _one_by_one(self, now: datetime) -> None:
        keys = [key for key in self._desk.due_keys(now) if key not in self._undecidable]
        for key in keys:
            try:
                self._desk.apply(Tick(only=frozenset({key})))
            except OpswatchError:
                raise
            except Exception:
                log.exception("cannot be decided, and is passed over", what=key)
                self._undecidable.add(key)


class News(Loop):
    """Takes over what the command line or another node committed, within 50 ms of its commit."""

    name = "news"

    def __init__(self, desk: Desk, store: Store) -> None:
        super().__init__()
        self._desk, self._store = desk, store

    def turn(self) -> None:
        if self._store.wait_for_change(NAP_MAX.total_seconds()):
            self._desk.refresh()

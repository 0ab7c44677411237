"""What was resolved before, ready to be compared with: read aside, so that no page waits for it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from opswatch import logs
from opswatch.core import similar
from opswatch.core.similar import Past
from opswatch.core.state import Incident
from opswatch.errors import StoreUnavailable
from opswatch.stores import Store

READ_MAX = 1_000  # of the newest incidents
FRESH_FOR = timedelta(minutes=1)

log = logs.get("pasts")


class Pasts:
    """The newest resolved incidents. Safe for many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[Past, ...] = ()
        self._read_at: datetime | None = None
        self._reading = threading.Lock()

    @property
    def is_read(self) -> bool:
        """Whether they were ever read."""
        return self._read_at is not None

    def like(self, incident: Incident, now: datetime) -> tuple[Past, ...]:
        """The most similar ones of what was read last; reads nothing itself, and has it read aside when it is old."""
        if self._read_at is None or not timedelta(0) <= now - self._read_at < FRESH_FOR:
            threading.Thread(target=self._read_aside, args=(now,), name="opswatch-pasts", daemon=True).start()
        return similar.similar(incident, self._known)

    def read(self, now: datetime) -> None:
        """Read them, unless somebody is reading. Raises StoreUnavailable."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            self._read_at = now
            found = self._store.incidents(include_resolved=True, limit=READ_MAX)
            self._known = tuple(one for one in map(similar.past, found) if one is not None)
        finally:
            self._reading.release()

    def _read_aside(self, now: datetime) -> None:
        try:
            self.read(now)
        except StoreUnavailable as lost:
            log.warning("past incidents cannot be read", reason=str(lost))

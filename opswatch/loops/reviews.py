"""Monday morning: the review of the week that is over, and on the first of a month that of the month, are written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path

from opswatch import logs, records
from opswatch.core import calendars
from opswatch.core.model import Secret
from opswatch.core.plan import Plan
from opswatch.core.review import BEFORE, name_of, span_of
from opswatch.desk import Desk
from opswatch.loops import Loop
from opswatch.loops.reports import LEASE, LEASE_NAME
from opswatch.records import FILE_MODE, Folder, NotOurs
from opswatch.render.review_page import CLOSED
from opswatch.reviewing import Child, Made, NotMade, Task
from opswatch.stores import Store

log = logs.get("loops.reviews")

KIND = "review"
EVERY = timedelta(minutes=1)
WRITTEN_AT = time(6)  # local to the plan's zone: there when people come in
AGAIN_AFTER = timedelta(minutes=30)  # one that could not be made
NAP_S = 1.0


class ReviewFiles(Loop):
    """Writes `data_dir/records/review` on the one node that holds the records lease.

    A review is written once, from six in the morning after its span ended (one that a daemon missed, when it is up
    again), and never again: what people write into its Markdown stays. It is made in a child process.
    """

    name = "reviews"

    def __init__(
        self, desk: Desk, store: Store, address: Secret, data_dir: Path, now: Callable[[], datetime], node: str
    ) -> None:
        super().__init__()
        self._desk, self._store, self._address, self._now, self._node = desk, store, address, now, node
        self._folder = Folder(data_dir, KIND)
        self._child = Child()
        self._looked_at: datetime | None = None
        self._written: set[str] = set()
        self._failed_at: dict[str, datetime] = {}

    def turn(self) -> None:
        now = self._now()
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < EVERY:
            self._looked_at = now
            self.keep(now)
        self.stopping.wait(NAP_S)

    def stop(self) -> None:
        super().stop()
        self._child.stop()

    def keep(self, now: datetime) -> None:
        """Write what is due and not written yet."""
        plan = self._desk.engine.plan
        for kind in BEFORE:
            start, end = last_due(kind, plan.timezone, now)
            name = name_of(kind, start, plan.timezone)
            if name in self._written or now - self._failed_at.get(name, now - AGAIN_AFTER) < AGAIN_AFTER:
                continue
            if self._store.lease(LEASE_NAME, self._node, now, LEASE):
                self._tried(plan, kind, start, end, name, now)

    def _tried(self, plan: Plan, kind: str, start: datetime, end: datetime, name: str, now: datetime) -> None:
        try:
            if self._is_wanted(name, end):
                self._write(self._child.make(Task(plan, self._address, kind, start, now)))
                log.info("review written", file=name)
        except NotOurs as trouble:
            log.warning("review left alone", file=name, reason=str(trouble))
        except (OSError, NotMade) as trouble:
            if self.stopping.is_set():
                return
            log.error("review not written", file=name, reason=str(trouble))
            self._failed_at[name] = now
            return
        self._written.add(name)

    def _is_wanted(self, name: str, end: datetime) -> bool:
        """Whether it is not there yet, and there is anything to tell: opswatch ran before it ended."""
        if records.tells(self._folder.read(name) or "", CLOSED) and self._html(name).exists():
            return False
        first = self._store.timeline(end=end, limit=1)
        return bool(first)

    def _write(self, made: Made) -> None:
        self._folder.write(made.name, made.document)
        write_whole(self._html(made.name), made.html)

    def _html(self, name: str) -> Path:
        return self._folder.path / f"{name}.html"


def last_due(kind: str, zone: str, now: datetime) -> tuple[datetime, datetime]:
    """The newest span of that kind whose review is due at `now`: from six in the morning of the day after it."""
    end = span_of(kind, now, zone)[0]
    due = calendars.instant(datetime.combine(calendars.reading(end, zone).date(), WRITTEN_AT), zone)
    if now < due:
        end = span_of(kind, end - timedelta(hours=1), zone)[0]
    return span_of(kind, end - timedelta(hours=1), zone)


def write_whole(file: Path, text: str) -> None:
    """The text stands there, whole and durable, or the old file does. A link is replaced, not followed. OSError passes
    through."""
    fd, written = tempfile.mkstemp(prefix=f".{file.stem[:100]}.", suffix=".new", dir=file.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as out:
            os.fchmod(fd, FILE_MODE)
            out.write(text)
            out.flush()
            os.fsync(fd)
        Path(written).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(written).unlink(missing_ok=True)
        raise

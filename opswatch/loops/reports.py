"""Documents are kept: the duty log of each shift follows what happens, and is closed when the shift ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from opswatch import logs, records
from opswatch.core.duties import Duty
from opswatch.desk import Desk
from opswatch.dutylogs import KIND, LATE, DutyLogs
from opswatch.errors import StoreUnavailable
from opswatch.loops import Loop
from opswatch.loops.paperwork import PaperKeeper
from opswatch.records import Folder, NotOurs
from opswatch.render.dutylog import ASKS, CLOSED, duty_log
from opswatch.stores import Store

log = logs.get("loops.records")

EVERY = timedelta(minutes=1)
CATCH_UP = timedelta(days=14)
LEASE = timedelta(minutes=3)
LEASE_NAME = "records"
NAP_S = 1.0
CLOSED_AT_ONCE = 5  # logs of shifts that are over, in one turn
BEHIND_MAX = 5_000
ASKING_MAX = 200


class Records(Loop):
    """Writes `data_dir/records` on the one node that holds the records lease.

    The logs of the shifts that run are brought up to date at most once a minute, when something was committed. One that
    ended is closed; those that ended while no daemon ran are caught up, 14 days back, a few at a time. A closed log is
    touched once more at most: when somebody writes the note it asked for, the question goes.
    """

    name = "records"

    def __init__(self, desk: Desk, store: Store, data_dir: Path, now: Callable[[], datetime], node: str) -> None:
        super().__init__()
        self._desk, self._store, self._now, self._node = desk, store, now, node
        self._folder = Folder(data_dir, KIND)
        self._logs = DutyLogs(desk, store)
        self._paperwork = PaperKeeper(desk, store, data_dir)
        self._looked_at: datetime | None = None
        self._next_end: datetime | None = None
        self._closed_until: datetime | None = None  # everything that ended before is closed or in `_behind`
        self._written_version: int | None = None  # of the desk, when the running logs were written
        self._running: list[Duty] = []
        self._behind: deque[Duty] = deque(maxlen=BEHIND_MAX)
        self._asking: dict[str, Duty] = {}

    def turn(self) -> None:
        if self._is_due(self._now()):
            self.keep()
        self.stopping.wait(NAP_S)

    def keep(self) -> None:
        """One look at everything: what ended, what runs, what was asked for."""
        now = self._looked_at = self._now()
        if not self._store.lease(LEASE_NAME, self._node, now, LEASE):
            self._forget()
            return
        if self._closed_until is None:
            self._folder.sweep(now)
        self._notice_ends(now)
        is_whole = self._write_running(now)
        is_whole = self._close_some(now) and is_whole
        self._look_for_answers(now)
        self._paperwork.keep(now)
        self._next_end = None if not is_whole else min((duty.end + LATE for duty in self._running), default=None)

    @property
    def is_behind(self) -> bool:
        """Whether logs of shifts that are over still wait to be closed."""
        return bool(self._behind)

    def _is_due(self, now: datetime) -> bool:
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < EVERY:
            return True
        if self._next_end is not None and (self.is_behind or self._next_end <= now):
            return True
        return self._paperwork.is_due(now)

    def _forget(self) -> None:
        """Another node writes; what it did not write is caught up when the lease comes back."""
        self._paperwork.forget()
        self._closed_until = self._written_version = self._next_end = None
        self._running = []
        self._behind.clear()
        self._asking.clear()

    # what ended

    def _notice_ends(self, now: datetime) -> None:
        since = self._closed_until or max(now - CATCH_UP, self._logs.first_at() or now)
        over = [duty for duty in self._logs.between(since - LATE, now) if since < duty.end + LATE <= now]
        self._behind.extend(over)
        self._closed_until = max(since, now)

    def _close_some(self, now: datetime) -> bool:
        """Close a few of those that are over; False when one could not be written and has to wait."""
        for _ in range(min(CLOSED_AT_ONCE, len(self._behind))):
            if not self._tried(self._behind[0], now, self._close):
                self._behind.rotate(-1)
                return False
            self._behind.popleft()
        return True

    def _close(self, duty: Duty, now: datetime) -> None:
        text = self._folder.read(duty.name) or ""
        if not records.tells(text, CLOSED):
            self._write(duty, now, text)
            text = self._folder.read(duty.name) or ""
            log.info("duty log closed", roster=duty.roster, people=",".join(duty.people), file=duty.name)
        if records.tells(text, ASKS) and len(self._asking) < ASKING_MAX:
            self._asking[duty.name] = duty

    # what runs

    def _write_running(self, now: datetime) -> bool:
        """Bring the logs of running shifts up to date, if anything was committed or somebody else is on duty."""
        version, running = self._desk.version, self._logs.at(now)
        if version == self._written_version and running == self._running:
            return True
        written = [self._tried(duty, now, self._bring_up_to_date) for duty in running]
        self._running = running
        self._written_version = version if all(written) else None
        return all(written)

    def _bring_up_to_date(self, duty: Duty, now: datetime) -> None:
        self._write(duty, now, self._folder.read(duty.name) or "")

    # what was asked for

    def _look_for_answers(self, now: datetime) -> None:
        """Where people wrote the note that a closed log asked for, the question goes."""
        for duty in list(self._asking.values()):
            if now - duty.end > CATCH_UP:
                del self._asking[duty.name]
            else:
                self._tried(duty, now, self._take_question_away)

    def _take_question_away(self, duty: Duty, now: datetime) -> None:
        text = self._folder.read(duty.name)
        if text is not None and records.people_wrote(text):
            self._write(duty, now, text)
            del self._asking[duty.name]

    # one file

    def _write(self, duty: Duty, now: datetime, text: str) -> None:
        """`text` is what its file holds. A gap in which nothing happened gets no file."""
        found = self._logs.log(duty, now)
        if duty.is_gap and found.is_blank and not text:
            return
        document = duty_log(found, self._logs.plan, has_words=records.people_wrote(text))
        self._folder.write(duty.name, document)

    def _tried(self, duty: Duty, now: datetime, write: Callable[[Duty, datetime], None]) -> bool:
        """One log's trouble holds up no other. False: the disk is full or the like, try again in a minute."""
        try:
            write(duty, now)
        except NotOurs as trouble:
            log.warning("duty log left alone", file=duty.name, reason=str(trouble))
        except OSError as trouble:
            log.error("duty log not written", file=duty.name, reason=trouble.strerror or str(trouble))
            return False
        except StoreUnavailable:
            raise
        except Exception:  # A mistake of ours in one log; the next daemon that comes up tries it again.
            log.exception("duty log not written", file=duty.name)
        return True

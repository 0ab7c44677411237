"""An SQLite file as a stranger may look at it: never in the way of its writers, never taking their locks away.

Opening such a file by ourselves is forbidden: closing any descriptor of it drops every lock this process has on it, and
the file may be our own store. SQLite knows how to share, so it alone opens; who holds which lock stands in /proc/locks.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee

_STEPS = 1000  # of SQLite's machine, between two glances at the time
_COPY_PAGES = 256
_PENDING, _RESERVED = 0x40000000, 0x40000001  # bytes that writers lock where there is no write-ahead log
_WAL_WRITE, _WAL_READ_FIRST, _WAL_READ_LAST = 120, 123, 127  # bytes of the -shm file


class Broken(Exception):
    """The file is no database, or a broken one; SQLite's words."""


class Locked(Exception):
    """Somebody keeps even readers out."""


class TimeIsUp(Exception):
    """The time limit passed."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the file says of itself."""

    page_bytes: int
    pages: int
    free_pages: int
    journal_mode: str

    @property
    def bytes(self) -> int:
        return self.page_bytes * self.pages


@dataclass(frozen=True, slots=True)
class Holders:
    """Processes that lock the file right now; 0 stands for one that is hidden from us."""

    writer: int | None
    readers: tuple[int, ...]  # of a write-ahead log: what they read cannot be checkpointed away


def path_of(url: str) -> Path:
    """The file of `sqlite:/path` or `sqlite:///path`. Raises CannotSee."""
    path = url.removeprefix("sqlite:").removeprefix("//")
    if not url.startswith("sqlite:") or not path.startswith("/") or "\0" in path:
        raise CannotSee(UnknownReason.ERROR, "the target needs a url such as 'sqlite:/var/lib/app/app.db'")
    return Path(path)


def log_of(path: Path) -> Path:
    """Where its write-ahead log is, if there is one."""
    return path.with_name(path.name + "-wal")


class Reader:
    """One connection that may only read."""

    def __init__(self, connection: sqlite3.Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def pages(self) -> Pages:
        """Raises Broken, Locked, TimeIsUp."""
        names = ("page_size", "page_count", "freelist_count", "journal_mode")
        size, count, free, mode = (self._pragma(name)[0][0] for name in names)
        return Pages(int(str(size)), int(str(count)), int(str(free)), str(mode))

    def check(self, *, is_full: bool, lines_max: int = 10) -> list[str]:
        """What `integrity_check` or the quick one finds wrong; nothing when all is well. Raises what `pages` does."""
        found = [str(row[0]) for row in self._pragma(f"{'integrity' if is_full else 'quick'}_check({lines_max})")]
        return [] if found == ["ok"] else found

    @contextmanager
    def copied(self) -> Iterator[Reader]:
        """A copy in the folder for temporary files, taken a little at a time so that writers pass between. Raises what
        `pages` does, OSError when it finds no room."""

        def mind_the_time(status: int, left: int, total: int) -> None:
            if monotonic_s() > self._deadline:
                raise TimeIsUp

        with tempfile.TemporaryDirectory(prefix="opswatch-") as folder:
            copy = sqlite3.connect(Path(folder) / "copy.db", isolation_level=None)
            with closing(copy):
                with told():
                    self._connection.backup(copy, pages=_COPY_PAGES, progress=mind_the_time, sleep=0.005)
                _mind(copy, self._deadline)
                yield Reader(copy, self._deadline)

    def _pragma(self, question: str) -> Sequence[tuple[object, ...]]:
        with told():
            return self._connection.execute(f"PRAGMA {question}").fetchall()


@contextmanager
def reader(path: Path, timeout_s: float, busy_s: float) -> Iterator[Reader]:
    """Open `path` to read; wait at most `busy_s` for somebody who locks even readers out. Raises Broken, Locked,
    TimeIsUp; CannotSee where there is no such file, or it may not be read."""
    deadline = monotonic_s() + timeout_s
    try:
        path.stat()
    except FileNotFoundError:
        raise CannotSee(UnknownReason.NO_DATA, f"{path} does not exist") from None
    except OSError as trouble:
        raise CannotSee(UnknownReason.REFUSED, f"{path} cannot be looked at: {trouble.strerror}") from None
    if not os.access(path, os.R_OK):
        raise CannotSee(UnknownReason.REFUSED, f"{path} may not be read by us")
    with told():
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=busy_s, isolation_level=None)
    with closing(connection):
        _mind(connection, deadline)
        yield Reader(connection, deadline)


def _mind(connection: sqlite3.Connection, deadline: float) -> None:
    connection.set_progress_handler(lambda: monotonic_s() > deadline, _STEPS)


@contextmanager
def told() -> Iterator[None]:
    """What sqlite3 raises, as one of ours."""
    try:
        yield
    except sqlite3.Error as trouble:
        code = getattr(trouble, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Locked(str(trouble)) from None
        if code == sqlite3.SQLITE_INTERRUPT:
            raise TimeIsUp from None
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise Broken(str(trouble)) from None
        raise CannotSee(UnknownReason.REFUSED, f"SQLite cannot open it: {trouble}") from None


def holders(path: Path, locks: Path = Path("/proc/locks")) -> Holders:
    """Who writes `path` or reads its log, as the kernel lists it. Nobody, where the kernel does not tell."""
    try:
        lines = locks.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return Holders(None, ())
    shared = path.with_name(path.name + "-shm")
    in_file, in_log = _locks_of(path, lines), _locks_of(shared, lines)
    writers = [pid for pid, first, last, kind in in_log if kind == "WRITE" and first <= _WAL_WRITE <= last]
    for byte in (_RESERVED, _PENDING):
        writers += [pid for pid, first, last, kind in in_file if kind == "WRITE" and first <= byte <= last]
    # Byte 123 is a reader that needs nothing of the log.
    readers = {pid for pid, first, last, kind in in_log if first > _WAL_READ_FIRST and last <= _WAL_READ_LAST}
    return Holders(writers[0] if writers else None, tuple(sorted(readers)))


def _locks_of(path: Path, lines: Sequence[str]) -> list[tuple[int, int, int, str]]:
    """(pid, first byte, last byte, READ or WRITE) of each lock that is held, not waited for."""
    try:
        seen = path.stat()
    except OSError:
        return []
    file = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    found = []
    for line in lines:
        words = line.split()
        # "1: POSIX  ADVISORY  WRITE 4711 fe:01:1234 120 120"; "1: -> …" waits.
        if len(words) == 8 and words[5] == file:
            last = 2**63 - 1 if words[7] == "EOF" else int(words[7])
            found.append((max(0, int(words[4])), int(words[6]), last, words[3]))
    return found

"""The embedded database: one writer, readers that never wait for it, and words for everything that can go wrong."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from opswatch.clock import monotonic_s
from opswatch.errors import OpswatchError, StoreUnavailable
from opswatch.stores.database import NO_TABLES, NoTables, Pool, Row, Rows, Session
from opswatch.stores.named import queries

BUSY_S = 5.0  # how long another process may hold the write lock before we say so
PATIENT_S = 600.0  # for those who wait for a migration
READERS_MAX = 8
POLL_S = 0.05  # a commit by the command line is seen within this
MEMORY = ":memory:"
STEP_PAGES = 256  # a megabyte of a copy, then a breath: the pager's own writes come first
STEP_PAUSE_S = 0.002
SYNC_STEPS = 4
LOG_BYTES_KEPT = 16 * 1024 * 1024
FREE_PAGES_KEPT = 1024  # a file that must grow again tomorrow need not shrink today
_PAUSE = threading.Event()  # never set: a pause


class SqliteDatabase:
    """One file. `durable` waits for the disk at each commit; `checkpoints` is for the daemon alone (trap 5).

    The file is made with mode 0660 less the umask, so that the service's group may use it. `:memory:` is one
    connection that everybody shares; it dies with the process.
    """

    def __init__(self, path: str, *, read_only: bool = False, checkpoints: bool = True, durable: bool = True) -> None:
        self.place = f"sqlite:{path}"
        self._path, self._read_only = path, read_only
        self._checkpoints, self._durable = checkpoints, durable
        in_memory = path == MEMORY
        self._writers: Pool[sqlite3.Connection] = Pool(
            self._open_writer, _close, size=1, wait_s=2 * BUSY_S, place=self.place, keep=in_memory
        )
        self._readers = self._writers if in_memory else self._pool_of_readers()
        self._is_closed = threading.Event()

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """One question on a reader."""
        with self._readers.taken() as connection, self._in_words():
            yield SqliteSession(connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A snapshot: what is committed meanwhile is not seen."""
        with self._readers.taken() as connection, self._in_words(), _transaction(connection, "BEGIN"):
            yield SqliteSession(connection)

    @contextmanager
    def writing(self, *, patient: bool = False) -> Iterator[Session]:
        """The write lock is taken at once: a lock asked for halfway is refused without waiting (trap 2)."""
        wait_s = PATIENT_S if patient else BUSY_S
        begin = "BEGIN IMMEDIATE"
        with self._writers.taken() as connection, self._in_words(), _transaction(connection, begin, wait_s):
            yield SqliteSession(connection)

    def wait(self, timeout_s: float, changed: Callable[[], bool]) -> bool:
        """Ask every 50 ms: the file cannot call us."""
        deadline = monotonic_s() + timeout_s
        while not changed():
            left = deadline - monotonic_s()
            if left <= 0 or self._is_closed.wait(min(POLL_S, left)):
                return False
        return True

    def check_integrity(self) -> list[str]:
        """Read the whole file; what SQLite finds wrong, empty when sound."""
        try:
            with self._readers.taken() as connection, self._in_words():
                found = [str(row[0]) for row in connection.execute(queries("sqlite.sql")["integrity"])]
        except StoreUnavailable as error:
            if _is_damage(error.__cause__):
                return [str(error)]
            raise
        return [] if found == ["ok"] else [f"{self.place}: {line}" for line in found]

    def copy_to(self, path: Path) -> None:
        """The file as it is now, as one new file at `path`, while everybody goes on writing: a snapshot holds no lock
        that a writer wants. Raises StoreUnavailable; OpswatchError when the copy cannot be written."""
        own = queries("sqlite.sql")
        with self._readers.taken() as connection, self._in_words(), _transaction(connection, "BEGIN"):
            connection.execute(own["snapshot"]).fetchone()
            try:
                target = sqlite3.connect(path, isolation_level=None)
                try:
                    target.execute(own["synchronous_off"])
                    connection.backup(target, pages=STEP_PAGES, progress=_breather(path))
                    target.execute(own["journal_alone"])
                finally:
                    target.close()
            except sqlite3.Error as trouble:
                raise OpswatchError(f"{path.name} could not be copied to {path.parent}: {trouble}") from trouble

    def leave_log(self) -> None:
        """Fold the log into the file and use none from here on: for a copy, which nobody else has open."""
        with self._writers.taken() as connection, self._in_words():
            connection.execute(queries("sqlite.sql")["journal_alone"])

    def tables(self) -> list[str]:
        """Their names, in order."""
        with self._readers.taken() as connection, self._in_words():
            return [str(row[0]) for row in connection.execute(queries("sqlite.sql")["tables"])]

    def sizes(self, tables: Sequence[str] = ()) -> dict[str, int]:
        """Bytes of the file, of its log, of what waits in the file to be used again, and of room on its disk."""
        own = queries("sqlite.sql")
        with self._readers.taken() as connection, self._in_words():
            pages, free, each = (
                int(connection.execute(own[name]).fetchone()[0]) for name in ("pages", "pages_free", "page_bytes")
            )
        log = _bytes_of(f"{self._path}-wal")
        return {"file": pages * each, "log": log, "free": free * each, "room": _room(self._path)}

    def give_back(self) -> None:
        """Cut the log when a storm has left it long, and a few free pages off the file. Only the daemon's writer does:
        no second connection may checkpoint (trap 5)."""
        if not self._checkpoints or self._read_only or self._path == MEMORY:
            return
        own = queries("sqlite.sql")
        with self._writers.taken() as connection, self._in_words():
            busy, in_log, folded = connection.execute(own["checkpoint_whole"]).fetchone()
            if not busy and in_log == folded and _bytes_of(f"{self._path}-wal") > LOG_BYTES_KEPT:
                connection.execute(own["checkpoint_cut"]).fetchone()
            if connection.execute(own["pages_free"]).fetchone()[0] > FREE_PAGES_KEPT:
                connection.executescript(own["pages_cut"])  # `execute` takes one step of it: one page.

    def close(self) -> None:
        self._is_closed.set()
        self._readers.close()
        self._writers.close()

    # -----------------------------------------------------------------------------------------------------------------

    def _pool_of_readers(self) -> Pool[sqlite3.Connection]:
        return Pool(self._open, _close, size=READERS_MAX, wait_s=2 * BUSY_S, place=self.place)

    def _open_writer(self) -> sqlite3.Connection:
        connection = self._open(wait_s=0.0)  # It waits for itself, see `_when_free`.
        with self._in_words():
            own = queries("sqlite.sql")
            if not self._read_only:
                _enter_wal(connection)
            connection.execute(own["synchronous_full" if self._durable else "synchronous_normal"])
            connection.execute(own["checkpoint_often" if self._checkpoints else "checkpoint_never"])
            connection.execute(own["journal_limit"])
        return connection

    def _open(self, wait_s: float = BUSY_S) -> sqlite3.Connection:
        with self._in_words():
            if self._path == MEMORY:
                return _connect(MEMORY, uri=False)
            if not self._read_only:
                self._make_file()
            mode = "ro" if self._read_only else "rw"
            name = f"file:{quote(str(Path(self._path).absolute()))}?mode={mode}"
            connection = _connect(name, uri=True, wait_s=wait_s)
            connection.execute(queries("sqlite.sql")["checkpoint_never"])
            return connection

    def _make_file(self) -> None:
        path = Path(self._path)
        try:
            if path.exists():
                return
            path.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o660))
        except OSError as error:
            raise StoreUnavailable(f"{self.place} cannot be opened or made: {error.strerror}; {_WHO_MAY}") from error

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "no such table" in str(error):
                raise NoTables(f"{self.place} {NO_TABLES}") from error
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            advice = _ADVICE.get(code)
            if advice is None:
                raise  # Ours: a row that the schema forbids, a query that is wrong.
            state = _STATES.get(code, "lost")
            if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) and _is_on_read_only_disk(self._path):
                state = "read_only"
                advice = "lies on a disk that is mounted read-only: see `dmesg`, repair it, mount it writable again"
            raise StoreUnavailable(f"{self.place} {advice} ({error})", state=state) from error


class SqliteSession:
    """Queries by name, on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queries = QUERIES
        self._any_table = queries("tables.sql")

    def rows(self, query: str, **parameters: object) -> list[Row]:
        return self._connection.execute(self._queries[query], parameters).fetchall()

    def run(self, query: str, **parameters: object) -> int:
        return self._connection.execute(self._queries[query], parameters).rowcount

    def many(self, query: str, batch: Sequence[Mapping[str, object]]) -> None:
        if batch:
            self._connection.executemany(self._queries[query], batch)

    def raw(self, statement: str) -> None:
        self._connection.execute(statement)

    def ring(self) -> None:
        """Nothing to do: who waits asks the file."""

    def all_rows(self, table: str) -> Rows:
        """Everything in a table, read as it is taken."""
        found = self._connection.execute(self._any_table["table_rows"].format(table=table))
        return Rows(tuple(column[0] for column in found.description), map(tuple, found))

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add rows, each with a value for every one of `columns`."""
        text = self._any_table["table_fill"]
        places = ", ".join("?" * len(columns))
        self._connection.executemany(text.format(table=table, columns=", ".join(columns), places=places), rows)

    def empty(self, table: str) -> None:
        self._connection.execute(self._any_table["table_empty"].format(table=table))

    def count(self, table: str) -> int:
        return int(self._connection.execute(self._any_table["table_count"].format(table=table)).fetchone()[0])


QUERIES = {**queries("queries.sql"), **queries("upkeep.sql")}


def _connect(name: str, *, uri: bool, wait_s: float = BUSY_S) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, uri=uri, timeout=wait_s, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.row_factory = sqlite3.Row
    return connection


def _breather(path: Path) -> Callable[[int, int, int], None]:
    """Between two steps of a copy. It is written to the disk a little at a time: all of it at the end would hold up the
    pager's own syncs on the same disk."""
    steps = itertools.count(1)

    def between(status: int, left: int, whole: int) -> None:
        if next(steps) % SYNC_STEPS == 0:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        _breathe()

    return between


def _breathe() -> None:
    _PAUSE.wait(STEP_PAUSE_S)


def _bytes_of(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _room(path: str) -> int:
    try:
        disk = os.statvfs(Path(path).absolute().parent)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize


def _is_on_read_only_disk(path: str) -> bool:
    try:
        return bool(os.statvfs(Path(path).absolute().parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.close()


def _is_damage(error: BaseException | None) -> bool:
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in damage


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str, wait_s: float = 0.0) -> Iterator[None]:
    _when_free(lambda: connection.execute(begin), wait_s)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # A full disk has rolled back already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Changing the journal needs the file to oneself: of several starters one succeeds, the others see it done."""
    own = queries("sqlite.sql")

    def enter() -> None:
        if connection.execute(own["journal_mode"]).fetchone()[0] not in ("wal", "memory"):
            connection.execute(own["space_given_back"])  # Heeded by a new file alone.
            connection.execute(own["journal_wal"])

    _when_free(enter, BUSY_S)


def _when_free(work: Callable[[], object], wait_s: float) -> None:
    """Try again every few milliseconds while another process holds the lock. SQLite's own waiting backs off to 100 ms
    at a time: with three busy writers one of them waited half a second for what others did in two milliseconds."""
    deadline = monotonic_s() + wait_s
    while True:
        try:
            work()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic_s() >= deadline:
                raise
            _PAUSE.wait(random.uniform(0.0005, 0.002))
        else:
            return


_WHO_MAY = "the service's group may use it: `sudo usermod -aG opswatch $USER`, then log in again"


_ADVICE = {
    sqlite3.SQLITE_BUSY: f"stayed locked for {BUSY_S:g} s: another process holds it, see `fuser -v` on the file",
    sqlite3.SQLITE_LOCKED: "is locked within this process; try again",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full; free some space, nothing was half written",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk fails or is full; see `dmesg` and `df`",
    sqlite3.SQLITE_READONLY: f"is read-only for this user; {_WHO_MAY}",
    sqlite3.SQLITE_PERM: f"may not be used by this user; {_WHO_MAY}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened: it does not exist, or this user may not; {_WHO_MAY}",
    sqlite3.SQLITE_CORRUPT: "is damaged: stop opswatch, keep a copy, restore the last backup",
    sqlite3.SQLITE_NOTADB: "is not a SQLite file: check `store` in config.toml",
}

_STATES = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}

"""PostgreSQL: the shared database of many nodes. Every wait on it is bounded on the server's side too."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row, tuple_row

from opswatch.clock import monotonic_s
from opswatch.core.model import Secret
from opswatch.errors import Conflict, StoreUnavailable
from opswatch.stores.database import NO_TABLES, NoTables, Pool, Row, Rows, Session
from opswatch.stores.named import as_pyformat, queries

CONNECTIONS_MAX = 8
CONNECT_S = 5
AWAY_S = 1.0
BUSY_S = 10.0
ROWS_AT_ONCE = 2_000
POLL_S = 1.0  # the truth; LISTEN only wakes sooner

Connection = psycopg.Connection[DictRow]


class PostgresDatabase:
    """One database. Nothing is connected before it is needed; a lost connection is made anew at the next need."""

    def __init__(self, url: Secret, *, read_only: bool = False) -> None:
        self._url, self._read_only = url, read_only
        self.place = _place(url)
        self._pool: Pool[Connection] = Pool(
            self._open, _close, size=CONNECTIONS_MAX, wait_s=BUSY_S, place=self.place, is_alive=_is_alive
        )
        self._listener: Connection | None = None
        self._listening = threading.Lock()
        self._is_closed = False
        self._away: tuple[float, StoreUnavailable] | None = None  # until when not to try again, and why

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """One question, outside a transaction."""
        with self._pool.taken() as connection, self._in_words():
            yield PostgresSession(connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A snapshot: what is committed meanwhile is not seen."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self._pool.taken() as connection, self._in_words(), _transaction(connection, begin):
            yield PostgresSession(connection)

    @contextmanager
    def writing(self, *, patient: bool = False) -> Iterator[Session]:
        """One transaction, READ COMMITTED: who wants the head after us waits for its row and then sees it moved."""
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        with self._pool.taken() as connection, self._in_words(), _transaction(connection, begin):
            if patient:
                connection.execute(_OWN["patience"])
            yield PostgresSession(connection)

    def wait(self, timeout_s: float, changed: Callable[[], bool]) -> bool:
        """Listen, and ask once a second all the same."""
        deadline = monotonic_s() + timeout_s
        with self._listening, self._in_words():
            try:
                listener = self._listen()
                while not changed():
                    left = deadline - monotonic_s()
                    if left <= 0:
                        return False
                    for _ in listener.notifies(timeout=min(POLL_S, left), stop_after=1):
                        break
            except psycopg.Error:
                self._listener = None
                if self._is_closed:
                    return False
                raise
        return True

    def check_integrity(self) -> list[str]:
        """PostgreSQL looks after its own pages (`pg_amcheck`); that it answers is all that is asked here."""
        with self.asking() as session:
            session.rows("head_version")
        return []

    def sizes(self, tables: Sequence[str]) -> dict[str, int]:
        """Bytes of each table with its indexes; those that are not there are left out."""
        with self._pool.taken() as connection, self._in_words():
            found = {name: connection.execute(_OWN["table_bytes"], {"table": name}).fetchone() for name in tables}
        return {name: int(row["bytes"]) for name, row in found.items() if row and row["bytes"] is not None}

    def give_back(self) -> None:
        """PostgreSQL's own vacuum does."""

    @contextmanager
    def replacing(self) -> Iterator[Session]:
        """One long transaction that fills the tables anew: others see the old rows until it ends."""
        with self.writing(patient=True) as session:
            session.raw(_OWN["restoring"])
            yield session

    def close(self) -> None:
        self._is_closed = True
        self._pool.close()
        if self._listener is not None:
            _close(self._listener)

    # -----------------------------------------------------------------------------------------------------------------

    def _open(self) -> Connection:
        """A new connection. While the server is away each attempt may take seconds: for a moment after one has failed
        the others are told the same at once, so that no queue of them builds up before the pager."""
        away = self._away
        if away is not None and monotonic_s() < away[0]:
            raise StoreUnavailable(str(away[1]), state=away[1].state)
        try:
            connection = self._connect()
        except StoreUnavailable as trouble:
            self._away = (monotonic_s() + AWAY_S, trouble)
            raise
        self._away = None
        return connection

    def _connect(self) -> Connection:
        with self._in_words():
            connection: Connection = psycopg.connect(
                self._url.reveal(),
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_S,
                application_name="opswatch",
                tcp_user_timeout=int(BUSY_S * 1000),  # A network that swallows packets must not hold a pager.
            )
            connection.execute(_OWN["limits"])
            connection.execute(_OWN["durable"])
            if self._read_only:
                connection.execute(_OWN["read_only"])
            return connection

    def _listen(self) -> Connection:
        if self._listener is None or self._listener.closed:
            self._listener = self._open()
            self._listener.execute(_OWN["listen"])
        return self._listener

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            state = error.sqlstate or ""
            if state in _CHOSE_ANOTHER or error.diag.schema_name == "pg_catalog":  # two made the same table at once
                raise Conflict(f"{self.place}: the database chose another transaction: {_first_line(error)}") from error
            if state == "42P01":
                raise NoTables(f"{self.place} {NO_TABLES}") from error
            advice = _ADVICE.get(state) or _ADVICE.get(state[:2])
            if advice is None and not isinstance(error, psycopg.OperationalError):
                raise  # Ours: a row that the schema forbids, a query that is wrong.
            words = f"{self.place} {advice or _ADVICE['08']} ({_first_line(error)})"
            raise StoreUnavailable(words, state=_STATES.get(state, "lost")) from error


class PostgresSession:
    """Queries by name, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, query: str, **parameters: object) -> list[Row]:
        return self._connection.execute(_QUERIES[query], parameters).fetchall()

    def run(self, query: str, **parameters: object) -> int:
        return self._connection.execute(_QUERIES[query], parameters).rowcount

    def many(self, query: str, batch: Sequence[Mapping[str, object]]) -> None:
        if len(batch) == 1:
            self.run(query, **batch[0])
        elif batch:
            with self._connection.cursor() as cursor:
                cursor.executemany(_QUERIES[query], batch)

    def raw(self, statement: str) -> None:
        self._connection.execute(statement.encode())

    def ring(self) -> None:
        self._connection.execute(_OWN["ring"])

    def all_rows(self, table: str) -> Rows:
        """Everything in a table, a few thousand rows at a time; inside a transaction."""
        cursor = self._connection.cursor(name=f"rows_of_{table}", row_factory=tuple_row)
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(_ANY_TABLE["table_rows"].format(table=table))
        return Rows(tuple(column.name for column in cursor.description or ()), iter(cursor))

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add rows, each with a value for every one of `columns`."""
        places = ", ".join(["%s"] * len(columns))
        text = _ANY_TABLE["table_fill"].format(table=table, columns=", ".join(columns), places=places)
        with self._connection.cursor() as cursor:
            cursor.executemany(text, rows)

    def empty(self, table: str) -> None:
        self._connection.execute(_ANY_TABLE["table_empty"].format(table=table))

    def count(self, table: str) -> int:
        found = self._connection.execute(_ANY_TABLE["table_count"].format(table=table)).fetchone()
        return 0 if found is None else int(found["rows"])


def _text_for_psycopg(file: str) -> dict[str, Any]:
    return {name: as_pyformat(text) for name, text in queries(file).items()}


_QUERIES = {**_text_for_psycopg("queries.sql"), **_text_for_psycopg("upkeep.sql")}
_ANY_TABLE: dict[str, Any] = dict(queries("tables.sql"))
_OWN: dict[str, Any] = dict(queries("postgres.sql"))


def _place(url: Secret) -> str:
    """Host and database, without user and password."""
    try:
        parts = conninfo_to_dict(url.reveal())
    except psycopg.ProgrammingError:  # Its own words would quote the address, password and all.
        raise StoreUnavailable(f"{url}: not an address; write postgresql://user@host/database") from None
    host = parts.get("host") or "local socket"
    return f"postgresql://{host}:{parts.get('port') or 5432}/{parts.get('dbname') or parts.get('user') or ''}"


def _close(connection: Connection) -> None:
    with suppress(psycopg.Error):
        connection.close()


def _is_alive(connection: Connection) -> bool:
    """An idle connection has nothing to say; one that does was cut (a restart, a limit) while we were away."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


@contextmanager
def _transaction(connection: Connection, begin: LiteralString) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            if not connection.closed:
                connection.execute("ROLLBACK")
        raise


# serialization failure, deadlock; idle in a transaction for too long; somebody made that table
_CHOSE_ANOTHER = ("40001", "40P01", "25P03", "42P07", "42710")


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0]


_ADVICE = {
    "08": "cannot be reached: is it running, does it exist, does it let this host and user in?",
    "42501": "does not let this user read or write: GRANT it the tables of opswatch",
    "25006": "is read-only: is this a standby? Point `store` at the primary",
    "53100": "cannot be written: its disk is full; free some space",
    "53300": "has no connection left: raise max_connections",
    "53": "has run out of something",
    "55P03": "stayed locked for 5 s: see pg_stat_activity for who holds it",
    "57014": "took longer than 15 s for one statement: see pg_stat_activity",
    "57": "is shutting down or starting",
    "58": "failed to read or write its files: see its log",
    "XX": "is damaged or confused: see its log",
}

_STATES = {"53100": "full", "55P03": "locked", "25006": "read_only", "42501": "read_only"}

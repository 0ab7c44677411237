"""One question to any SQL database, through SQLAlchemy: read-only, in a time limit that the server keeps as well.

What may be asked is settled before (`sql_statement`). Here the transaction is read-only where the database has such a
thing, rows are fetched from a cursor of the server and no further than wanted, and nothing is ever committed.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.sockets import NoSuchName, Place, hang_up_after, resolve
from opswatch.hosts.sqlite_file import path_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_DRIVERS |= {"mariadb": "mysql+pymysql", "oracle": "oracle+oracledb", "mssql": "mssql+pymssql"}
_TO_INSTALL = {"psycopg": "opswatch[postgres]", "pymysql": "opswatch[mysql]"}
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}|/.*")
_HANG_UP_S = 0.2  # the server's own word is the better one
_TIMED_OUT = ("57014", "1969", "3024", "1317")  # SQLSTATE of PostgreSQL, codes of MariaDB and MySQL
_NOT_LET_IN = ("password", "access denied", "authentication", "no pg_hba.conf entry", "login failed", "ora-01017")


@dataclass(frozen=True, slots=True)
class Rows:
    """What came back. `is_cut`: there were more rows than wanted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool
    took_s: float


def ask(url: str, query: str, *, timeout_s: float, rows_max: int) -> Rows:
    """The first `rows_max` rows of `query`. Raises CannotSee for all that can go wrong: nothing is known then of what
    was asked. Its text may repeat what the database says, never the URL."""
    try:
        import sqlalchemy
    except ImportError:
        words = "SQL checks need SQLAlchemy: install it with pip install 'opswatch[sql]'"
        raise CannotSee(UnknownReason.ERROR, words) from None
    deadline = monotonic_s() + timeout_s
    place = _place(url)
    try:
        _reach(place, timeout_s)
        engine = _engine(place, url, timeout_s)
    except ImportError as missing:
        name = missing.name or "of this database"
        words = f"the driver {name} is not installed: pip install {_TO_INSTALL.get(name, name)!r}"
        raise CannotSee(UnknownReason.ERROR, words) from None
    try:
        with engine.connect() as connection, _time_boxed(connection, deadline, rows_max):
            return _fetch(connection, query, rows_max)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as trouble:
        raise _told(trouble, monotonic_s() >= deadline, timeout_s) from None
    finally:
        engine.dispose()


def _place(url: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    wanted = "the target needs a url such as 'postgresql://user@host/database', as SQLAlchemy writes it"
    if url.startswith("sqlite:"):
        path = quote(str(path_of(url)))
        return make_url("sqlite://").set(database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    try:
        place = make_url(url)
        scheme = place.drivername
    except (ArgumentError, ValueError):  # The text may repeat the URL.
        raise CannotSee(UnknownReason.ERROR, wanted) from None
    if place.host and not _HOST.fullmatch(place.host):
        raise CannotSee(UnknownReason.ERROR, wanted)
    return place.set(drivername=_DRIVERS.get(scheme, scheme))


def _reach(place: URL, timeout_s: float) -> None:
    """By ourselves first: drivers ask the resolver without a time limit."""
    if not place.host or place.host.startswith("/"):
        return
    try:
        resolve(Place(place.host, place.port or 1), timeout_s)
    except NoSuchName as missing:
        raise CannotSee(UnknownReason.ERROR, f"the database cannot be asked: {missing}") from None


def _engine(place: URL, url: str, timeout_s: float) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    whole_s = max(1, math.ceil(timeout_s))
    limits: Mapping[str, Mapping[str, object]] = {
        "psycopg": {"connect_timeout": whole_s, "application_name": "opswatch"},
        "pymysql": {"connect_timeout": whole_s, "read_timeout": whole_s, "write_timeout": whole_s},
        "pysqlite": {"timeout": timeout_s / 2, "check_same_thread": False},
        "pymssql": {"login_timeout": whole_s, "timeout": whole_s},
        "oracledb": {"tcp_connect_timeout": timeout_s},
    }
    try:
        driver = place.get_driver_name()
        return create_engine(place, poolclass=NullPool, hide_parameters=True, connect_args=dict(limits.get(driver, {})))
    except (NoSuchModuleError, ArgumentError, TypeError, ValueError):
        kind = place.drivername.partition("+")[0]
        words = f"SQLAlchemy knows no database of kind {kind!r}, or not such options in its url"
        raise CannotSee(UnknownReason.ERROR, words) from None


@contextmanager
def _time_boxed(connection: Connection, deadline: float, rows_max: int) -> Iterator[None]:
    """Read-only, and ended by the server itself; by us, a moment later, where it hangs."""
    left_s = max(0.001, deadline - monotonic_s())
    driver: Any = connection.connection.driver_connection
    fd: int | None = None
    match connection.dialect.name:
        case "postgresql":
            fd = driver.fileno()
            _say(connection, "SET TRANSACTION READ ONLY")
            # SET LOCAL: behind a pooler the connection is somebody else's afterwards.
            _say(connection, f"SET LOCAL statement_timeout = {max(1, int(left_s * 1000))}")
            _say(connection, f"SET LOCAL lock_timeout = {max(1, int(left_s * 1000))}")
        case "mysql" | "mariadb":
            fd = driver._sock.fileno()
            is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
            limit = f"max_statement_time = {left_s:.3f}" if is_mariadb else f"max_execution_time = {int(left_s * 1000)}"
            _say(connection, f"SET SESSION {limit}")
            _say(connection, f"SET SESSION lock_wait_timeout = {max(1, int(left_s))}")
            # PyMySQL reads to the end whatever there is: a query without a LIMIT of its own gets this one.
            _say(connection, f"SET SESSION sql_select_limit = {rows_max + 1}")
            _say(connection, "SET SESSION TRANSACTION READ ONLY")
            connection.rollback()  # it holds from the next transaction on
        case "sqlite":
            driver.set_progress_handler(lambda: monotonic_s() > deadline, 1000)
        case "oracle":
            driver.call_timeout = max(1, int(left_s * 1000))
            _say(connection, "SET TRANSACTION READ ONLY")
    with hang_up_after(fd, left_s + _HANG_UP_S) if fd is not None else nullcontext():
        yield


def _say(connection: Connection, words: str) -> None:
    # Without parameters the driver takes the text as it is: no `%` and no `:word` of it means anything.
    connection.execution_options(no_parameters=True).exec_driver_sql(words)


def _fetch(connection: Connection, query: str, rows_max: int) -> Rows:
    began = monotonic_s()
    # Streamed: the server keeps what is not fetched. On PostgreSQL it is a cursor besides, which takes one statement.
    stream = connection.dialect.name == "postgresql"
    options = {"no_parameters": True, "stream_results": stream, "max_row_buffer": min(100, rows_max + 1)}
    result = connection.execution_options(**options).exec_driver_sql(query)
    columns = tuple(str(key) for key in result.keys())  # noqa: SIM118 - iterating the result reads its rows
    rows = [tuple(row) for row in result.fetchmany(rows_max + 1)]
    result.close()
    return Rows(columns, tuple(rows[:rows_max]), len(rows) > rows_max, monotonic_s() - began)


def _told(trouble: Exception, is_late: bool, timeout_s: float) -> CannotSee:
    origin = getattr(trouble, "orig", None) or trouble
    words = " ".join(str(origin).split())
    code = str(getattr(origin, "sqlstate", None) or (origin.args[0] if origin.args else ""))
    interrupted = isinstance(origin, sqlite3.Error) and words == "interrupted"
    if is_late or interrupted or code in _TIMED_OUT:
        return CannotSee(UnknownReason.TIMEOUT, f"the database did not answer the query within {timeout_s:.1f} s")
    if any(sign in words.lower() for sign in _NOT_LET_IN):
        return CannotSee(UnknownReason.REFUSED, f"the database does not let us in: {words}")
    return CannotSee(UnknownReason.ERROR, f"the database does not answer the query: {words}")

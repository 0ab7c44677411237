"""MySQL and MariaDB by PyMySQL with one exact time limit over everything, in a session that may only read."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.certificates import authorities
from opswatch.hosts.sockets import Place, dial, hang_up_after, is_our_trouble, place_of, say_trouble

Row = Mapping[str, Any]

_TIMED_OUT = (1969, 3024, 1317)  # MariaDB's max_statement_time, MySQL's max_execution_time, KILL QUERY
_LOST = (2006, 2013, 2014, 2055)
_SSL_MODES = ("disabled", "required", "verify_identity")


class NotConnected(Exception):
    """The server was not reached, or did not let us in. `code` is MySQL's; 0 where there was no server to say one."""

    def __init__(self, words: str, code: int = 0) -> None:
        super().__init__(words)
        self.code = code


class QueryFailed(Exception):
    """The server refused a query; `code` is MySQL's."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code


class TimeIsUp(Exception):
    """The time limit passed, or the server ended a query of ours for it."""


@dataclass(frozen=True, slots=True)
class _Login:
    place: Place
    user: str
    password: str
    database: str | None
    ssl_mode: str
    ssl_ca: str | None


class Session:
    """One open connection that may only read, until `write`."""

    def __init__(self, connection: Any, is_up: Callable[[], bool], is_here: bool) -> None:
        self._connection = connection
        self._is_up = is_up
        self.is_here = is_here
        """Whether the server listens on loopback of this host."""
        words = str(connection.get_server_info())
        self.is_mariadb = "mariadb" in words.lower()
        self.version = _version(words)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of one query by column names in lower case. Raises QueryFailed, TimeIsUp, NotConnected when the
        server goes away."""
        import pymysql

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, tuple(values) or None)
                names = [column[0].lower() for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except (pymysql.err.MySQLError, OSError, EOFError) as trouble:
            raise self._say(trouble) from None

    def write(self, statement: str, values: Sequence[object]) -> float:
        """Run one statement that writes, committed by itself; the seconds it took. Raises what `rows` does."""
        self.rows("SET SESSION TRANSACTION READ WRITE")
        began = monotonic_s()
        self.rows(statement, values)
        return monotonic_s() - began

    def _say(self, trouble: Exception) -> Exception:
        code, words = _code_and_words(trouble)
        if self._is_up() or code in _TIMED_OUT:
            return TimeIsUp("waiting for an answer")
        if code in _LOST or not code:
            return NotConnected(f"the connection was lost: {words}", code)
        return QueryFailed(words, code)


@contextmanager
def session(url: str, timeout_s: float) -> Iterator[Session]:
    """Connect to `mysql://user:password@host/database?ssl-mode=…&ssl-ca=…`. Raises NotConnected, TimeIsUp, NoSuchName;
    CannotSee when PyMySQL is not installed or this node cannot get there."""
    try:
        import pymysql
    except ImportError:
        words = "MySQL checks need PyMySQL: install it with pip install 'opswatch[mysql]'"
        raise CannotSee(UnknownReason.ERROR, words) from None
    login = _login(url)
    deadline = monotonic_s() + timeout_s
    try:
        sock = dial(login.place, timeout_s)
    except OSError as trouble:
        if is_our_trouble(trouble):
            words = f"this node has no way to {login.place}: {say_trouble(trouble, timeout_s)}"
            raise CannotSee(UnknownReason.ERROR, words) from None
        raise NotConnected(say_trouble(trouble, timeout_s)) from None
    is_here = sock.getpeername()[0] in ("127.0.0.1", "::1")
    with hang_up_after(sock.fileno(), deadline - monotonic_s()) as is_up:
        try:
            connection = _logged_in(pymysql, login, sock)
        except (pymysql.err.MySQLError, OSError, EOFError) as trouble:
            sock.close()
            if is_up():
                raise TimeIsUp("connected, but waiting for the server to answer") from None
            code, words = _code_and_words(trouble)
            raise NotConnected(words, code) from None
        try:
            opened = Session(connection, is_up, is_here)
            _limit(opened, max(0.001, deadline - monotonic_s()))
            yield opened
        finally:
            connection._force_close()  # `close` would send a farewell and wait for a server that hangs


def _logged_in(pymysql: Any, login: _Login, sock: Any) -> Any:
    tls: dict[str, object] = {}  # by itself PyMySQL takes TLS where the server has it
    if login.ssl_mode == "disabled":
        tls["ssl_disabled"] = True
    elif login.ssl_mode:
        tls["ssl"] = _tls(login)
    connection = pymysql.connect(
        host=login.place.host,
        port=login.place.port,
        user=login.user,
        password=login.password,
        database=login.database,
        charset="utf8mb4",
        autocommit=True,
        program_name="opswatch",
        local_infile=False,
        defer_connect=True,
        **tls,
    )
    connection.connect(sock)
    return connection


def _tls(login: _Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities(login.ssl_ca))
    if login.ssl_mode == "required":  # encrypted, to whomever: servers make their own certificates
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _limit(opened: Session, left_s: float) -> None:
    """A session that reads only, and whose statements the server itself ends; each server names that otherwise."""
    opened.rows("SET SESSION TRANSACTION READ ONLY")
    # Metadata locks: information_schema waits for them too, by default for a day.
    opened.rows(f"SET SESSION lock_wait_timeout = {max(1, int(left_s))}")
    if opened.is_mariadb:
        opened.rows(f"SET SESSION max_statement_time = {left_s:.3f}")
    elif opened.version >= (5, 7, 8):
        opened.rows(f"SET SESSION max_execution_time = {max(1, int(left_s * 1000))}")
    if not opened.is_mariadb and opened.version >= (8, 0, 0):
        opened.rows("SET SESSION information_schema_stats_expiry = 0")  # else sizes are up to a day old


def _login(url: str) -> _Login:
    wanted = "the target needs a url such as 'mysql://user@host/database?ssl-mode=required'"
    place = place_of(url, ("mysql", "mariadb"), 3306)
    parts = urlsplit(url)
    options = {name.lower(): words[-1] for name, words in parse_qs(parts.query).items()}
    mode = options.pop("ssl-mode", "").lower()
    ca = options.pop("ssl-ca", None)
    if options or (mode and mode not in _SSL_MODES):
        raise CannotSee(UnknownReason.ERROR, f"{wanted}; ssl-mode is one of {', '.join(_SSL_MODES)}")
    database = unquote(parts.path.strip("/")) or None
    return _Login(place, unquote(parts.username or ""), unquote(parts.password or ""), database, mode, ca)


def _code_and_words(trouble: Exception) -> tuple[int, str]:
    code = trouble.args[0] if trouble.args and isinstance(trouble.args[0], int) else 0
    words = trouble.args[1] if len(trouble.args) > 1 else trouble
    return code, " ".join(str(words).split()) or type(trouble).__name__


def _version(words: str) -> tuple[int, ...]:
    """(10, 11, 19) of "5.5.5-10.11.19-MariaDB-…": older clients were told a false one first."""
    numbers = words.removeprefix("5.5.5-").split("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdigit())

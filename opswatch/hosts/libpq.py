"""PostgreSQL by libpq with one exact time limit over everything: name, connection, log-in, each query.

psycopg's own waiting counts in whole seconds from two upwards, for each address anew, and a frozen server holds a query
for ever. Here every wait ends at the deadline. Queries run in one read-only transaction, by the simple protocol, so
that a pooler in transaction mode is fine.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.sockets import Place, resolve

if TYPE_CHECKING:
    from psycopg import pq

Row = list[str | None]
T = TypeVar("T")


class NotConnected(Exception):
    """The server was not reached, or did not let us in; the text is libpq's, without passwords."""


class QueryFailed(Exception):
    """The server refused a query; `state` is the SQLSTATE."""

    def __init__(self, words: str, state: str) -> None:
        super().__init__(words)
        self.state = state


class TimeIsUp(Exception):
    """The deadline passed; the text says while doing what."""


class Session:
    """One open connection inside a read-only transaction, until `write` ends it."""

    def __init__(self, connection: pq.abc.PGconn, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    @property
    def version(self) -> int:
        """150004 for 15.4."""
        return self._connection.server_version

    def rows(self, query: str) -> list[Row]:
        """The rows of one query, as text. Raises QueryFailed, TimeIsUp, NotConnected when the server goes away."""
        from psycopg import pq

        self._connection.send_query(query.encode())
        rows: list[Row] = []
        failed: QueryFailed | None = None
        while (result := self._next_result()) is not None:
            if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                rows += _read(result)
            else:
                failed = QueryFailed(_words(result.error_message), _state(result))
        if failed is not None:
            raise failed
        return rows

    @property
    def is_here(self) -> bool:
        """Whether the server listens on this host: a socket in the filesystem, or loopback."""
        host = self._connection.host.decode()
        address = self._connection.hostaddr.decode()
        return host.startswith("/") or address == "::1" or address.startswith("127.")

    def apart(self, ask: Callable[[], T]) -> T:
        """What `ask` gives; when a query of it is refused the transaction goes on without it."""
        self.rows("SAVEPOINT apart")
        try:
            return ask()
        except QueryFailed:
            self.rows("ROLLBACK TO SAVEPOINT apart")
            raise

    def write(self, statement: str) -> float:
        """End reading, then run one statement in a transaction of its own; the seconds it took to be durable. Nothing
        can be read afterwards. Raises what `rows` does."""
        left_ms = max(1, int((self._deadline - monotonic_s()) * 1000))
        self.rows(
            f"COMMIT; BEGIN READ WRITE; SET LOCAL statement_timeout = {left_ms}; SET LOCAL lock_timeout = {left_ms}"
        )
        began = monotonic_s()
        self.rows(statement)
        self.rows("COMMIT")
        return monotonic_s() - began

    def _next_result(self) -> pq.abc.PGresult | None:
        from psycopg import pq

        while self._connection.flush():
            _wait(self._connection.socket, select.POLLOUT, self._deadline, "sending a query")
        while self._connection.is_busy():
            _wait(self._connection.socket, select.POLLIN, self._deadline, "waiting for an answer")
            self._connection.consume_input()
        result = self._connection.get_result()
        if self._connection.status == pq.ConnStatus.BAD:
            raise NotConnected(_words(self._connection.error_message))
        return result


@contextmanager
def session(url: str, timeout_s: float) -> Iterator[Session]:
    """Connect to `url` (a URL or key=value pairs) and begin. Raises NotConnected, TimeIsUp, NoSuchName; CannotSee when
    psycopg is not installed or our own resolver is down."""
    try:
        import psycopg
        from psycopg import conninfo, pq
    except ImportError:
        words = "PostgreSQL checks need psycopg: install it with pip install 'opswatch[postgres]'"
        raise CannotSee(UnknownReason.ERROR, words) from None
    deadline = monotonic_s() + timeout_s
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.Error:  # Its text repeats the URL.
        words = "the target needs a url such as 'postgresql://user@host/database'"
        raise CannotSee(UnknownReason.ERROR, words) from None
    parts = {"fallback_application_name": "opswatch", **parts, **_addresses(parts, timeout_s)}
    connection = pq.PGconn.connect_start(conninfo.make_conninfo("", **parts).encode())
    try:
        _log_in(connection, deadline)
        opened = Session(connection, deadline)
        left_ms = max(1, int((deadline - monotonic_s()) * 1000))
        # SET LOCAL: behind a pooler the connection is somebody else's afterwards.
        opened.rows(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {left_ms}; SET LOCAL lock_timeout = {left_ms}")
        yield opened
    except psycopg.Error as trouble:
        raise NotConnected(_words(str(trouble).encode())) from None
    finally:
        connection.finish()  # which rolls back


def _addresses(parts: Mapping[str, str | int | None], timeout_s: float) -> dict[str, str | int | None]:
    """Resolved by us: libpq's own getaddrinfo knows no time limit. Sockets and lists are left to it."""
    host = str(parts.get("host") or "")
    if not host or host.startswith("/") or "," in host or parts.get("hostaddr"):
        return {}
    port = int(str(parts.get("port") or 5432))
    addresses = resolve(Place(host, port), timeout_s)
    count = len(addresses)
    return {
        "host": ",".join([host] * count),
        "hostaddr": ",".join(address.ip for address in addresses),
        "port": ",".join([str(port)] * count),
    }


def _log_in(connection: pq.abc.PGconn, deadline: float) -> None:
    from psycopg import pq

    doing = "connecting"
    while True:
        if connection.status == pq.ConnStatus.BAD:
            raise NotConnected(_words(connection.error_message))
        match connection.connect_poll():
            case pq.PollingStatus.OK:
                connection.nonblocking = 1
                return
            case pq.PollingStatus.FAILED:
                raise NotConnected(_words(connection.error_message))
            case pq.PollingStatus.READING:
                doing = "connected, but waiting for the server to answer" if _is_through(connection) else doing
                _wait(connection.socket, select.POLLIN, deadline, doing)
            case _:
                _wait(connection.socket, select.POLLOUT, deadline, doing)


def _is_through(connection: pq.abc.PGconn) -> bool:
    from psycopg import pq

    return connection.status not in (pq.ConnStatus.STARTED, pq.ConnStatus.NEEDED)


def _wait(fd: int, event: int, deadline: float, doing: str) -> None:
    poll = select.poll()
    poll.register(fd, event)
    left_ms = (deadline - monotonic_s()) * 1000
    if left_ms <= 0 or not poll.poll(left_ms):
        raise TimeIsUp(doing)


def _read(result: pq.abc.PGresult) -> list[Row]:
    return [
        [None if (cell := result.get_value(row, column)) is None else cell.decode() for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]


def _state(result: pq.abc.PGresult) -> str:
    from psycopg import pq

    return (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()


def _words(message: bytes | None) -> str:
    return " ".join((message or b"").decode(errors="replace").split())

"""A real PostgreSQL with real locks held by real sessions; and servers that only look like one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from opswatch.core.model import Health, Secret, UnknownReason
from tests import servers
from tests.probes.looks import all_text, failure, is_good, look, value

needs_postgres = pytest.mark.needs("postgres")


class Session:
    """A connection of our own that does one thing after another, each in a thread where it may block."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url)
        self.pid = self._connection.info.backend_pid
        self._threads: list[threading.Thread] = []

    def does(self, statement: str) -> None:
        self._connection.execute(statement.encode())

    def commits(self, statement: str) -> None:
        self.does(statement)
        self._connection.commit()

    def waits_for(self, statement: str, watcher: Session) -> None:
        """Start what will block, and come back when the server says that it does."""
        thread = threading.Thread(target=self._try, args=(statement,))
        thread.start()
        self._threads.append(thread)
        while not watcher.sees(f"SELECT 1 FROM pg_locks WHERE pid = {self.pid} AND NOT granted"):
            pass

    def sees(self, query: str) -> bool:
        rows = self._connection.execute(query.encode()).fetchall()
        self._connection.rollback()
        return bool(rows)

    def _try(self, statement: str) -> None:
        import psycopg

        with contextlib.suppress(psycopg.Error):
            self._connection.execute(statement.encode())

    def ends(self) -> None:
        if self._threads:
            self._connection.cancel()
        for thread in self._threads:
            thread.join()
        self._connection.close()


@pytest.fixture
def session(postgres_url: str) -> Iterator[Any]:
    opened: list[Session] = []

    def open_one() -> Session:
        opened.append(Session(postgres_url))
        return opened[-1]

    yield open_one
    for one in reversed(opened):
        one.ends()


@needs_postgres
def test_a_healthy_server_answers_and_counts_its_connections(postgres_url: str, session: Any) -> None:
    session(), session()
    verdict = look("postgres", url=postgres_url)
    assert is_good(verdict)
    assert value(verdict, "connections") >= 2
    usable = 60 - 3
    assert value(verdict, "connections_used_pct") == pytest.approx(100 * value(verdict, "connections") / usable)
    assert value(verdict, "blocked_sessions") == 0
    assert 0 <= value(verdict, "select_s") < 5
    assert "nobody waits for a lock" in verdict.sentence


@needs_postgres
def test_the_root_of_a_blocking_chain_is_named_with_its_query(postgres_url: str, session: Any) -> None:
    watcher, root, middle, last = session(), session(), session(), session()
    watcher.commits("CREATE TABLE orders (id int PRIMARY KEY, state text)")
    watcher.commits("INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
    root.does("UPDATE orders SET state = 'paid' WHERE id = 1")
    middle.does("UPDATE orders SET state = 'seen' WHERE id = 2")
    middle.waits_for("UPDATE orders SET state = 'late' WHERE id = 1", watcher)
    last.waits_for("UPDATE orders SET state = 'last' WHERE id = 2", watcher)
    verdict = look("postgres", url=postgres_url)
    assert value(verdict, "blocked_sessions") == 2
    assert value(verdict, "blocked_longest_s") > 0
    assert value(verdict, "idle_in_transaction") == 1
    assert value(verdict, "idle_in_transaction_longest_s") > 0
    (chain,) = verdict.evidence
    assert f"pid {root.pid} " in chain
    assert "blocks 2 sessions" in chain
    assert "idle in transaction" in chain
    assert "UPDATE orders SET state = 'paid'" in chain
    assert chain[:60] in verdict.sentence


@needs_postgres
def test_a_long_query_is_bounded_and_can_be_left_out(postgres_url: str, session: Any) -> None:
    watcher, root, waiter = session(), session(), session()
    watcher.commits("CREATE TABLE t (id int)")
    root.does("LOCK TABLE t /* " + "x" * 5000 + " */")
    waiter.waits_for("SELECT * FROM t", watcher)
    assert len(look("postgres", url=postgres_url).evidence[0]) <= 400
    assert "LOCK" not in look("postgres", {"query_length": 0}, url=postgres_url).evidence[0]


@needs_postgres
def test_a_role_that_may_not_look_says_so_instead_of_counting_nothing(
    postgres_server: servers.Postgres, postgres_url: str, session: Any
) -> None:
    owner = session()
    owner.commits("DROP ROLE IF EXISTS plain_reader")
    owner.commits("CREATE ROLE plain_reader LOGIN")
    try:
        verdict = look("postgres", url=postgres_url.replace("postgres@", "plain_reader@"))
    finally:
        owner.commits("DROP ROLE plain_reader")
    assert failure(verdict, "sessions").health is Health.UNKNOWN
    assert "pg_monitor" in failure(verdict, "sessions").sentence
    names = {sample.name for sample in verdict.samples}
    assert "connections_used_pct" in names and "idle_in_transaction" not in names


@needs_postgres
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("postgres@", "nobody_of_that_name@"), 'role "nobody_of_that_name" does not exist'),
        (("/opswatch_", "/no_database_"), "does not exist"),
    ],
)
def test_not_being_let_in_is_our_trouble_and_not_the_servers(
    postgres_url: str, change: tuple[str, str], words: str
) -> None:
    verdict = look("postgres", url=postgres_url.replace(*change))
    assert verdict.unknown is UnknownReason.REFUSED
    assert "does not let us in" in verdict.sentence
    assert words in verdict.sentence


@needs_postgres
def test_no_connection_left_is_critical(postgres_server: servers.Postgres, postgres_url: str, session: Any) -> None:
    owner = session()
    owner.commits("DROP ROLE IF EXISTS crowded")
    owner.commits("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    try:
        verdict = look("postgres", url=postgres_url.replace("postgres@", "crowded@"))
    finally:
        owner.commits("DROP ROLE crowded")
    assert "no connection is left" in failure(verdict).sentence


@needs_postgres
def test_a_frozen_server_costs_the_timeout_only(postgres_server: servers.Postgres, postgres_url: str) -> None:
    assert is_good(look("postgres", url=postgres_url))
    os.kill(postgres_server.process.pid, signal.SIGSTOP)  # the kernel still accepts for it
    try:
        verdict = look("postgres", url=postgres_url, timeout_s=0.4)
    finally:
        os.kill(postgres_server.process.pid, signal.SIGCONT)
    assert "did not answer within 0.4 s" in failure(verdict).sentence
    assert verdict.took_s < 5


@needs_postgres
def test_a_query_that_takes_too_long_is_ended(postgres_url: str) -> None:
    from opswatch.hosts.libpq import QueryFailed, TimeIsUp
    from opswatch.hosts.libpq import session as open_session

    with pytest.raises((TimeIsUp, QueryFailed)) as late, open_session(postgres_url, 0.3) as db:
        db.rows("SELECT pg_sleep(30)")
    assert not isinstance(late.value, QueryFailed) or late.value.state == "57014"


@needs_postgres
def test_nothing_can_be_written(postgres_url: str) -> None:
    from opswatch.hosts.libpq import QueryFailed
    from opswatch.hosts.libpq import session as open_session

    with pytest.raises(QueryFailed) as refused, open_session(postgres_url, 5) as db:
        db.rows("CREATE TABLE made (id int)")
    assert refused.value.state == "25006"


@needs_postgres
def test_a_socket_folder_is_a_place_too(postgres_server: servers.Postgres) -> None:
    assert is_good(look("postgres", url=postgres_server.socket_url))


def test_a_closed_port_is_critical() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    verdict = look("postgres", url=f"postgresql://x@127.0.0.1:{port}/x")
    assert "connection refused" in failure(verdict).sentence


@contextlib.contextmanager
def answering(message: str) -> Iterator[int]:
    """A port that answers whoever starts up with one FATAL message, as PostgreSQL does before it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock, contextlib.suppress(OSError, struct.error):
                    sock.settimeout(5)
                    if struct.unpack("!II", sock.recv(8))[1] == 80877103:  # asks for TLS
                        sock.sendall(b"N")
                    sock.recv(10000)
                    body = b"SFATAL\0VFATAL\0C57P03\0M" + message.encode() + b"\0\0"
                    sock.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)
                    sock.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("the database system is starting up", "starting up"),
        ("the database system is in recovery mode", "recovering"),
        ("sorry, too many clients already", "no connection is left"),
        ("remaining connection slots are reserved for superusers", "but the reserved ones"),
    ],
)
def test_a_server_that_serves_nobody_is_critical(message: str, words: str) -> None:
    with answering(message) as port:
        verdict = look("postgres", url=f"postgresql://x@127.0.0.1:{port}/x?gssencmode=disable")
    assert words in failure(verdict).sentence


def test_a_wrong_password_is_refused_and_never_shown() -> None:
    with answering('password authentication failed for user "x"') as port:
        url = Secret(f"postgresql://x:hunter2-pw@127.0.0.1:{port}/x?gssencmode=disable", "env:DB")
        verdict = look("postgres", url=url)
    assert verdict.unknown is UnknownReason.REFUSED
    assert "password authentication failed" in verdict.sentence
    assert "hunter2-pw" not in all_text(verdict)


def test_an_unknown_fatal_word_in_any_language_is_refused_not_down() -> None:
    with answering("数据库暂时不可用") as port:
        verdict = look("postgres", url=f"postgresql://x@127.0.0.1:{port}/x?gssencmode=disable")
    assert verdict.unknown is UnknownReason.REFUSED


def test_without_psycopg_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "psycopg" or name.startswith("psycopg.")]:
        monkeypatch.delitem(sys.modules, name)
    # None in sys.modules is how Python itself marks a module that cannot be imported.
    absent: ModuleType | None = None
    monkeypatch.setitem(sys.modules, "psycopg", absent)
    verdict = look("postgres", url="postgresql://x@127.0.0.1:1/x")
    assert verdict.unknown is UnknownReason.ERROR
    assert "opswatch[postgres]" in verdict.sentence


def test_a_ring_of_waiters_and_a_prepared_transaction_have_a_root() -> None:
    from opswatch.hosts import pg_sessions

    ring = [pg_sessions.Waiting(1, (2,), 1.0), pg_sessions.Waiting(2, (1,), 2.0), pg_sessions.Waiting(3, (2,), 3.0)]
    assert set(pg_sessions.roots(ring)) == {1}
    prepared = [pg_sessions.Waiting(5, (0, 4), 1.0), pg_sessions.Waiting(6, (5,), 1.0)]
    roots = pg_sessions.roots(prepared)
    assert {root: sorted(one.pid for one in waiters) for root, waiters in roots.items()} == {0: [5, 6], 4: [5, 6]}

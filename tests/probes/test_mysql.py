"""A real MariaDB with real locks and a real replica; and servers that only look like one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from opswatch.core.model import Health, Secret, UnknownReason
from opswatch.hosts.mysql import TimeIsUp, session
from tests import servers
from tests.probes.looks import all_text, failure, is_good, look, value

needs_mariadb = pytest.mark.needs("mariadb")


@pytest.fixture
def shop(mariadb_server: servers.MariaDB) -> Iterator[str]:
    """The address of a fresh database `shop`."""
    mariadb_server.say("DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop")
    yield mariadb_server.url_of("shop")
    mariadb_server.say("DROP DATABASE shop")


@contextlib.contextmanager
def client(server: servers.MariaDB, *statements: str) -> Iterator[Any]:
    """A session in a transaction that has done `statements`."""
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=server.port, user="root", database="shop")
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            yield cursor
    finally:
        connection.rollback()
        connection.close()


@contextlib.contextmanager
def blocked(server: servers.MariaDB, cursor: Any, statement: str) -> Iterator[None]:
    """`statement` waits in a thread while the block runs."""

    def run() -> None:
        import pymysql

        with contextlib.suppress(pymysql.err.MySQLError):
            cursor.execute(statement)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not server.say(f"SELECT 1 FROM information_schema.processlist WHERE info = '{statement}'"):
            time.sleep(0.005)
        yield
    finally:
        server.say(f"KILL QUERY {cursor.connection.thread_id()}")
        thread.join()


@needs_mariadb
def test_a_healthy_server_answers_and_counts_its_connections(mariadb_server: servers.MariaDB, shop: str) -> None:
    with client(mariadb_server, "SELECT 1"):
        verdict = look("mysql", url=shop)
    assert is_good(verdict)
    assert value(verdict, "connections") >= 1
    assert 0 < value(verdict, "connections_used_pct") < 50
    assert value(verdict, "threads_running") >= 0
    assert value(verdict, "uptime_s") >= 0
    assert value(verdict, "blocked_sessions") == 0
    assert value(verdict, "replicas") == 0
    assert "nobody waits for a lock" in verdict.sentence
    again = look("mysql", url=shop, memory=verdict.memory)
    assert value(again, "deadlocks") == 0
    assert value(again, "aborted_connects_per_min") >= 0


@needs_mariadb
def test_the_holder_of_a_row_lock_is_named_with_its_query(mariadb_server: servers.MariaDB, shop: str) -> None:
    mariadb_server.say(
        "CREATE TABLE orders (id int PRIMARY KEY, state text)", "INSERT INTO orders VALUES (1, 'new')", database="shop"
    )
    paid = "UPDATE orders SET state = 'paid' WHERE id = 1"
    late = "UPDATE orders SET state = concat(state, 1) WHERE id = 1"
    with client(mariadb_server, paid) as holder, client(mariadb_server) as waiter:
        with blocked(mariadb_server, waiter, late):
            verdict = look("mysql", url=shop)
        holding = holder.connection.thread_id()
    assert value(verdict, "blocked_sessions") == 1
    assert value(verdict, "blocked_longest_s") >= 0
    assert value(verdict, "idle_in_transaction") == 1
    assert value(verdict, "idle_in_transaction_longest_s") > 0
    assert f"thread {holding} (root@shop, sleep, transaction open for" in verdict.evidence[0]
    assert "blocks 1 session" in verdict.sentence


@needs_mariadb
def test_a_session_that_waits_for_a_table_is_counted(mariadb_server: servers.MariaDB, shop: str) -> None:
    mariadb_server.say("CREATE TABLE t (id int)", database="shop")
    waits = "SELECT 1 FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
    with (
        client(mariadb_server, "SELECT * FROM t"),
        client(mariadb_server) as waiter,
        blocked(mariadb_server, waiter, "ALTER TABLE t ADD x int"),
    ):
        while not mariadb_server.say(waits):
            time.sleep(0.005)
        verdict = look("mysql", {"parts": ["transactions"]}, url=shop)
    assert value(verdict, "blocked_sessions") == 1
    assert "wait for a table to be let go" in verdict.sentence


@needs_mariadb
def test_a_user_that_may_not_look_says_which_grant_is_missing(mariadb_server: servers.MariaDB, shop: str) -> None:
    mariadb_server.say("CREATE OR REPLACE USER plain", "CREATE OR REPLACE USER seer")
    mariadb_server.say("GRANT PROCESS, SHOW VIEW, SLAVE MONITOR, BINLOG MONITOR ON *.* TO seer")
    mariadb_server.say("CREATE TABLE secrets AS SELECT seq FROM seq_1_to_1000", database="shop")
    everything = {"parts": ["sessions", "transactions", "replication", "sizes", "auto_increment"]}
    try:
        plain = look("mysql", everything, url=mariadb_server.url_of("", "plain"))
        seer = look("mysql", everything, url=mariadb_server.url_of("", "seer"))
        with pytest.raises(Exception, match="denied"), session(mariadb_server.url_of("", "seer"), 5) as db:
            db.rows("SELECT * FROM shop.secrets")
    finally:
        mariadb_server.say("DROP USER plain, seer")
    assert failure(plain, "transactions").health is Health.UNKNOWN
    assert "docs/probes.md" in failure(plain, "transactions").sentence
    assert value(plain, "connections_used_pct") > 0
    assert "blocked_sessions" not in {sample.name for sample in plain.samples}
    assert is_good(seer)
    assert value(seer, "table_bytes", "table shop.secrets") > 0
    assert value(seer, "binlog_bytes") > 0


@needs_mariadb
def test_sizes_and_counters_that_run_out_are_told(mariadb_server: servers.MariaDB, shop: str) -> None:
    mariadb_server.say(
        "CREATE TABLE tiny (id tinyint unsigned AUTO_INCREMENT PRIMARY KEY)",
        "INSERT INTO tiny VALUES (203)",
        "CREATE TABLE roomy (id bigint AUTO_INCREMENT PRIMARY KEY)",
        database="shop",
    )
    verdict = look("mysql", {"parts": ["sizes", "auto_increment"], "quota_gib": 1}, url=shop)
    assert is_good(verdict)
    assert value(verdict, "auto_increment_used_pct") == pytest.approx(100 * 203 / 255)
    assert "shop.tiny.id has used 80 % of its numbers" in verdict.evidence
    assert value(verdict, "database_bytes", "database shop") > 0
    assert value(verdict, "free_bytes") > 0
    assert 0 < value(verdict, "quota_used_pct") < 100


@needs_mariadb
def test_the_write_probe_writes_one_row_again_and_again(mariadb_server: servers.MariaDB, shop: str) -> None:
    without = look("mysql", {"parts": [], "write_table": "shop.probe"}, url=shop)
    mariadb_server.say("CREATE TABLE shop.probe (name varchar(200) PRIMARY KEY, at datetime(6) NOT NULL)")
    verdicts = [look("mysql", {"parts": [], "write_table": "shop.probe"}, url=shop) for _ in range(2)]
    assert failure(without, "write").health is Health.UNKNOWN
    assert all(is_good(verdict) and value(verdict, "write_s") < 5 for verdict in verdicts)
    assert mariadb_server.say("SELECT count(*) FROM shop.probe") == [(1,)]


@needs_mariadb
def test_nothing_else_can_be_written(shop: str) -> None:
    with pytest.raises(Exception, match="READ ONLY"), session(shop, 5) as db:
        db.rows("CREATE TABLE made (id int)")


@needs_mariadb
def test_the_server_itself_ends_a_query_that_takes_too_long(shop: str) -> None:
    with pytest.raises(TimeIsUp), session(shop, 0.3) as db:
        db.rows("SELECT sleep(30)")


@pytest.fixture(scope="module")
def replica(mariadb_server: servers.MariaDB) -> Iterator[servers.MariaDB]:
    """A MariaDB that follows the other one from now on."""
    with servers.mariadb(number=2) as running:
        mariadb_server.say("CREATE OR REPLACE USER copier", "GRANT REPLICATION SLAVE ON *.* TO copier")
        ((file, position, *_),) = mariadb_server.say("SHOW MASTER STATUS")
        running.say(
            f"CHANGE MASTER TO master_host='127.0.0.1', master_port={mariadb_server.port}, master_user='copier', "
            f"master_log_file='{file}', master_log_pos={position}, master_connect_retry=1",
            "START SLAVE",
        )
        _until(running, "Slave_IO_Running", "Yes")
        yield running


def _until(replica: servers.MariaDB, key: str, wanted: str) -> None:
    from opswatch.hosts.mysql import session

    while True:
        with session(replica.url, 10) as db:
            (row,) = db.rows("SHOW SLAVE STATUS")
        if str(row[key.lower()]) == wanted:
            return
        time.sleep(0.01)


@needs_mariadb
def test_a_replica_at_rest_is_not_behind_and_is_left_alone(
    mariadb_server: servers.MariaDB, replica: servers.MariaDB
) -> None:
    _until(replica, "Seconds_Behind_Master", "0")
    verdict = look("mysql", {"parts": ["replication"], "write_table": "opswatch.probe"}, url=replica.url)
    assert is_good(verdict)
    assert value(verdict, "replication_lag_s") == 0
    assert value(verdict, "writable") == 1
    assert value(look("mysql", url=mariadb_server.url), "replicas") == 1


@needs_mariadb
def test_a_lag_that_is_null_is_a_failure_and_never_zero(replica: servers.MariaDB) -> None:
    replica.say("STOP SLAVE SQL_THREAD")
    try:
        stopped = look("mysql", {"parts": ["replication"]}, url=replica.url)
    finally:
        replica.say("START SLAVE")
    assert "SQL thread is stopped" in failure(stopped).sentence
    assert "replication_lag_s" not in {sample.name for sample in stopped.samples}


@needs_mariadb
def test_a_cut_link_is_critical_with_the_servers_own_words(
    mariadb_server: servers.MariaDB, replica: servers.MariaDB
) -> None:
    replica.say("STOP SLAVE", "CHANGE MASTER TO master_port=1", "START SLAVE")
    try:
        _until(replica, "Slave_IO_Running", "Connecting")
        verdict = look("mysql", {"parts": ["replication"]}, url=replica.url)
    finally:
        replica.say("STOP SLAVE", f"CHANGE MASTER TO master_port={mariadb_server.port}", "START SLAVE")
        _until(replica, "Slave_IO_Running", "Yes")
    assert "cut from its primary: its IO thread is connecting" in failure(verdict).sentence


@needs_mariadb
def test_a_wrong_password_is_refused_and_never_shown(mariadb_server: servers.MariaDB) -> None:
    url = f"mysql://nobody:hunter2-pw@127.0.0.1:{mariadb_server.port}/shop"
    verdict = look("mysql", url=Secret(url, "env:DB"))
    assert verdict.unknown is UnknownReason.REFUSED
    assert "Access denied" in verdict.sentence
    assert "hunter2-pw" not in all_text(verdict)


@needs_mariadb
def test_no_connection_left_is_critical(mariadb_server: servers.MariaDB, shop: str) -> None:
    mariadb_server.say("CREATE OR REPLACE USER crowded WITH MAX_USER_CONNECTIONS 1")
    url = mariadb_server.url_of("", "crowded")
    try:
        with session(url, 5):
            verdict = look("mysql", url=url)
    finally:
        mariadb_server.say("DROP USER crowded")
    assert "no connection is left" in failure(verdict).sentence


@needs_mariadb
def test_a_frozen_server_costs_the_timeout_only(mariadb_server: servers.MariaDB, shop: str) -> None:
    os.kill(mariadb_server.process.pid, signal.SIGSTOP)  # the kernel still accepts for it
    try:
        verdict = look("mysql", url=shop, timeout_s=0.4)
    finally:
        os.kill(mariadb_server.process.pid, signal.SIGCONT)
    assert "did not answer within 0.4 s" in failure(verdict).sentence
    assert verdict.took_s < 5


@needs_mariadb
def test_tls_that_is_demanded_and_not_there_is_a_failure(mariadb_server: servers.MariaDB) -> None:
    verdict = look("mysql", url=mariadb_server.url + "?ssl-mode=required")
    assert "cannot be reached" in failure(verdict).sentence
    assert "SSL" in failure(verdict).sentence or "TLS" in failure(verdict).sentence


def test_a_closed_port_is_critical() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    verdict = look("mysql", url=f"mysql://x@127.0.0.1:{port}/x")
    assert "connection refused" in failure(verdict).sentence


def test_an_option_nobody_knows_is_a_mistake_of_the_url() -> None:
    verdict = look("mysql", url="mysql://x@127.0.0.1/x?ssl-mode=sometimes")
    assert verdict.unknown is UnknownReason.ERROR
    assert "ssl-mode is one of" in verdict.sentence


def test_without_pymysql_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    # None in sys.modules is how Python itself marks a module that cannot be imported.
    absent: ModuleType | None = None
    monkeypatch.setitem(sys.modules, "pymysql", absent)
    verdict = look("mysql", url="mysql://x@127.0.0.1:1/x")
    assert verdict.unknown is UnknownReason.ERROR
    assert "opswatch[mysql]" in verdict.sentence


def test_new_words_of_replication_are_read_as_the_old_ones() -> None:
    from opswatch.hosts.findings import Findings
    from opswatch.hosts.mysql_replication import _look_at_channel, _old_words

    seen = Findings()
    new = {"channel_name": "eu", "replica_io_running": "Yes", "replica_sql_running": "Yes", "sql_delay": 60}
    _look_at_channel(_old_words({**new, "seconds_behind_source": 90}), seen)
    assert [(sample.name, sample.item, sample.value) for sample in seen.samples] == [
        ("replication_lag_s", "channel eu", 30.0)
    ]

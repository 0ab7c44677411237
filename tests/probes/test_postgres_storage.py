"""A real PostgreSQL that is written to: open transactions, deadlocks, sizes and their ceiling, overdue vacuum."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from opswatch import clock
from opswatch.core.model import Health
from tests import servers
from tests.probes.looks import failure, is_good, look, task, value

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def db(postgres_url: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def _write(url: str) -> Any:
    return look("postgres", {"parts": [], "write_table": "opswatch.probe"}, url=url)


def _make_probe_table(db: Any) -> None:
    db.execute("CREATE SCHEMA opswatch")
    db.execute("CREATE TABLE opswatch.probe (name text PRIMARY KEY, at timestamptz NOT NULL)")


def test_the_write_probe_writes_one_row_again_and_again(postgres_url: str, db: Any) -> None:
    _make_probe_table(db)
    verdicts = [_write(postgres_url) for _ in range(3)]
    assert all(is_good(verdict) for verdict in verdicts)
    assert value(verdicts[0], "write_s") < 5
    assert db.execute("SELECT count(*), max(at) > now() - interval '1 minute' FROM opswatch.probe").fetchone() == (
        1,
        True,
    )


def test_a_write_probe_without_its_table_is_our_trouble(postgres_url: str) -> None:
    verdict = _write(postgres_url)
    assert failure(verdict, "write").health is Health.UNKNOWN
    assert "docs/probes.md" in failure(verdict, "write").sentence


def test_a_server_that_takes_no_writes_is_critical(postgres_url: str, db: Any) -> None:
    _make_probe_table(db)
    db.execute("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE disk_full; END$$")
    db.execute("CREATE TRIGGER disk BEFORE INSERT ON opswatch.probe FOR EACH ROW EXECUTE FUNCTION full_disk()")
    verdict = _write(postgres_url)
    assert "takes no writes" in failure(verdict).sentence


def test_an_open_transaction_counts_from_its_beginning_and_a_backup_does_not(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, application_name="pg_dump") as backup, psycopg.connect(postgres_url) as app:
        backup.execute("SELECT 1")
        app.execute("CREATE TABLE held (id int)")
        app.execute("SELECT pg_sleep(0.05)")
        verdict = look("postgres", {"parts": ["transactions"]}, url=postgres_url)
        both = look("postgres", {"parts": ["transactions"], "ignore_applications": []}, url=postgres_url)
    assert value(verdict, "idle_in_transaction") == 1
    assert 0.05 <= value(verdict, "transaction_longest_s") < 60
    assert value(verdict, "idle_in_transaction_longest_s") == value(verdict, "transaction_longest_s")
    assert value(both, "idle_in_transaction") == 2


def test_a_forgotten_prepared_transaction_is_named(postgres_url: str, db: Any) -> None:
    db.execute("BEGIN")
    db.execute("CREATE TABLE half (id int)")
    db.execute("PREPARE TRANSACTION 'forgotten'")
    try:
        verdict = look("postgres", {"parts": ["transactions"]}, url=postgres_url)
    finally:
        db.execute("ROLLBACK PREPARED 'forgotten'")
    assert value(verdict, "prepared_longest_s") > 0
    assert any("prepared transaction forgotten" in line for line in verdict.evidence)


def test_a_deadlock_is_counted_once(postgres_url: str, db: Any) -> None:
    before = look("postgres", {"parts": ["deadlocks"]}, url=postgres_url)
    assert "deadlocks" not in {sample.name for sample in before.samples}
    _deadlock(postgres_url, db)
    after = look("postgres", {"parts": ["deadlocks"]}, url=postgres_url, memory=before.memory)
    again = look("postgres", {"parts": ["deadlocks"]}, url=postgres_url, memory=after.memory)
    assert value(after, "deadlocks") == 1
    assert "1 deadlock since the last look" in after.sentence
    assert value(again, "deadlocks") == 0


def _deadlock(url: str, db: Any) -> None:
    """Two sessions that take two locks in opposite order; the server ends one of them."""
    import psycopg

    db.execute("CREATE TABLE pair (id int)")
    db.execute("CREATE TABLE riap (id int)")
    met, victims = threading.Barrier(2), []

    def take(first: str, second: str) -> None:
        with psycopg.connect(url) as one:
            one.execute("SET deadlock_timeout = '10ms'")
            one.execute(f"LOCK TABLE {first}".encode())
            met.wait(10)
            try:
                one.execute(f"LOCK TABLE {second}".encode())
            except psycopg.errors.DeadlockDetected:
                victims.append(first)
                one.rollback()

    threads = [threading.Thread(target=take, args=pair) for pair in (("pair", "riap"), ("riap", "pair"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(victims) == 1


def test_sizes_are_told_beside_what_is_left(postgres_server: servers.Postgres, postgres_url: str, db: Any) -> None:
    db.execute("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
    verdict = look("postgres", {"parts": ["sizes"], "quota_gib": 1}, url=postgres_url)
    name = postgres_url.rsplit("/", 1)[1]
    assert is_good(verdict)
    assert value(verdict, "table_bytes", "table public.big") > 2_000_000
    assert value(verdict, "databases_bytes") > value(verdict, "database_bytes", f"database {name}") > 5_000_000
    assert value(verdict, "quota_used_pct") == pytest.approx(100 * value(verdict, "databases_bytes") / 1024**3)
    assert value(verdict, "wal_bytes") >= 16 * 1024**2
    assert value(verdict, "tablespace_free_bytes", "tablespace pg_default") > 0
    assert 0 < value(verdict, "tablespace_used_pct", "tablespace pg_default") < 100


def test_a_locked_table_is_measured_from_the_catalogue(postgres_url: str, db: Any) -> None:
    db.execute("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
    db.execute("VACUUM ANALYZE big")
    db.execute("BEGIN")
    db.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
    verdict = look("postgres", {"parts": ["sizes"]}, url=postgres_url)
    db.execute("ROLLBACK")
    assert is_good(verdict)
    assert value(verdict, "table_bytes", "table public.big") > 2_000_000


def test_the_ids_used_are_counted_against_the_real_end(postgres_url: str, db: Any) -> None:
    (age,) = db.execute("SELECT max(age(datfrozenxid)) FROM pg_database").fetchone()
    verdict = look("postgres", {"parts": ["wraparound"]}, url=postgres_url)
    assert value(verdict, "xid_used_pct") == pytest.approx(100 * age / 2**31, rel=0.5)
    assert 0 <= value(verdict, "multixact_used_pct") < 1


def test_a_table_nobody_vacuums_is_overdue_from_when_it_was_seen_so(postgres_url: str, db: Any) -> None:
    db.execute("CREATE TABLE busy (id int) WITH (autovacuum_enabled = off)")
    db.execute("CREATE TABLE static AS SELECT generate_series(1, 20000) AS id")
    db.execute("INSERT INTO busy SELECT generate_series(1, 20000)")
    db.execute("DELETE FROM busy WHERE id <= 15000")
    db.execute("SELECT pg_stat_force_next_flush()")
    first = look("postgres", {"parts": ["vacuum"]}, url=postgres_url)
    later = clock.now() + timedelta(hours=2)
    second = look("postgres", {"parts": ["vacuum"]}, url=postgres_url, memory=first.memory, now=later)
    assert value(first, "tables_to_vacuum") == 1
    assert value(first, "vacuum_overdue_s") == 0
    assert value(first, "dead_rows_pct") == pytest.approx(75)
    assert value(second, "vacuum_overdue_s") == pytest.approx(7200, abs=120)
    assert any("table public.busy: 15,000 dead rows (75 %), never vacuumed" in line for line in second.evidence)
    db.execute("VACUUM busy")
    after = look("postgres", {"parts": ["vacuum"]}, url=postgres_url, memory=second.memory, now=later)
    assert value(after, "vacuum_overdue_s") == 0


def test_what_takes_too_long_is_not_told_as_a_dead_server(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    from opswatch.hosts import pg_storage

    monkeypatch.setattr(pg_storage, "_WAL", "SELECT pg_sleep(30)")
    wanted = task("postgres", {"parts": ["sizes"]}, url=postgres_url, timeout_s=0.5)
    from opswatch.probes.postgres import Look

    verdict = Look().look(wanted)
    assert verdict.unknown == "timeout"
    assert "did not tell its sizes in time" in verdict.sentence

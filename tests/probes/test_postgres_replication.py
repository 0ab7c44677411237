"""A real primary and a real replica: a link at rest and a cut one, slots nobody reads, an archive that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from opswatch import clock
from opswatch.core.model import Health
from tests import servers
from tests.probes.looks import failure, is_good, look, module, value

pytestmark = pytest.mark.needs("postgres")

ARGS = {"parts": ["replication", "slots"]}


@pytest.fixture(scope="module")
def replica(postgres_server: servers.Postgres) -> Iterator[servers.Postgres]:
    with servers.replica_of(postgres_server) as running:
        yield running
    postgres_server.wait_until("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'replica'")
    postgres_server.say("SELECT pg_drop_replication_slot('replica')")


def _follows(replica: servers.Postgres, port: int) -> None:
    replica.say(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={port} user=postgres'")
    replica.say("SELECT pg_reload_conf()")


def _catches_up(primary: servers.Postgres) -> None:
    primary.wait_until(
        "SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication WHERE application_name = 'walreceiver'"
    )


def test_a_replica_at_rest_is_not_behind(postgres_server: servers.Postgres, replica: servers.Postgres) -> None:
    postgres_server.say("CREATE TABLE IF NOT EXISTS said (n int)")
    postgres_server.say("INSERT INTO said VALUES (1)")
    _catches_up(postgres_server)
    replica.wait_until("SELECT clock_timestamp() > pg_last_xact_replay_timestamp() + interval '50 ms'")
    verdict = look("postgres", ARGS, url=replica.url)
    assert is_good(verdict)
    assert value(verdict, "replication_lag_s") == 0
    assert value(verdict, "replication_lag_bytes") == 0
    assert value(verdict, "replicas") == 0
    assert "a replica, 0 ms and 0 B behind" in verdict.sentence


def test_a_record_that_just_arrived_is_no_lag(postgres_server: servers.Postgres, replica: servers.Postgres) -> None:
    """Not even when the last transaction is old: asked again a moment later, all that was known of is replayed."""
    from opswatch.hosts.libpq import session
    from opswatch.hosts.pg_replication import _is_passing

    _catches_up(postgres_server)
    with session(replica.url, 10) as db:
        ((here, ahead),) = db.rows("SELECT pg_last_wal_replay_lsn(), pg_last_wal_replay_lsn() + 1000000000")
        assert _is_passing(db, here)
        assert not _is_passing(db, ahead)


def test_a_primary_names_its_replica_and_the_slot_it_uses(
    postgres_server: servers.Postgres, replica: servers.Postgres
) -> None:
    _catches_up(postgres_server)
    verdict = look("postgres", ARGS, url=postgres_server.url)
    assert is_good(verdict)
    assert value(verdict, "replicas") == 1
    assert value(verdict, "replica_lag_s", "replica walreceiver@127.0.0.1") == 0
    assert value(verdict, "slot_inactive_s", "slot replica") == 0
    assert "replication_lag_s" not in {sample.name for sample in verdict.samples}


def test_a_cut_replica_is_critical_although_it_replayed_all_it_got(
    postgres_server: servers.Postgres, replica: servers.Postgres
) -> None:
    _follows(replica, port=1)
    try:
        replica.wait_until("SELECT count(*) FILTER (WHERE status = 'streaming') = 0 FROM pg_stat_wal_receiver")
        postgres_server.say("INSERT INTO said VALUES (2)")
        cut = look("postgres", ARGS, url=replica.url)
        postgres_server.wait_until("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'replica'")
        first = look("postgres", ARGS, url=postgres_server.url)
        later = clock.now() + timedelta(minutes=10)
        second = look("postgres", ARGS, url=postgres_server.url, memory=first.memory, now=later)
    finally:
        _follows(replica, postgres_server.port)
    assert "cut from its primary" in failure(cut).sentence
    assert value(cut, "replication_lag_s") > 0
    assert value(cut, "replication_lag_bytes") == 0
    assert value(first, "replicas") == 0
    assert value(first, "slots_inactive") == 1
    assert value(first, "slot_retained_bytes", "slot replica") > 0
    assert value(second, "slot_inactive_s", "slot replica") == pytest.approx(600, abs=60)
    assert any("nobody uses it" in line for line in second.evidence)
    replica.wait_until("SELECT status = 'streaming' FROM pg_stat_wal_receiver")


def test_paused_replay_falls_behind_and_says_so(postgres_server: servers.Postgres, replica: servers.Postgres) -> None:
    replica.say("SELECT pg_wal_replay_pause()")
    try:
        replica.wait_until("SELECT pg_get_wal_replay_pause_state() = 'paused'")
        postgres_server.say("INSERT INTO said SELECT generate_series(1, 1000)")
        replica.wait_until("SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()")
        verdict = look("postgres", ARGS, url=replica.url)
    finally:
        replica.say("SELECT pg_wal_replay_resume()")
    assert value(verdict, "replication_lag_bytes") > 10_000
    assert value(verdict, "replication_lag_s") > 0
    assert failure(verdict).health is Health.WARN
    assert "pg_wal_replay_resume" in failure(verdict).sentence


def test_a_replica_takes_no_write_probe(replica: servers.Postgres) -> None:
    verdict = look("postgres", {"write_table": "opswatch.probe"}, url=replica.url)
    assert is_good(verdict)
    assert "write_s" not in {sample.name for sample in verdict.samples}


def test_a_slot_that_lost_its_wal_is_critical(postgres_server: servers.Postgres) -> None:
    postgres_server.say("SELECT pg_create_physical_replication_slot('paused_cdc', true)")
    try:
        postgres_server.say("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        postgres_server.say("ALTER SYSTEM SET wal_keep_size = 0")
        postgres_server.say("SELECT pg_reload_conf()")
        for _ in range(3):  # segments of 16 MB
            postgres_server.say("SELECT pg_logical_emit_message(false, 'filler', 'x')")
            postgres_server.say("SELECT pg_switch_wal()")
        postgres_server.say("CHECKPOINT")
        verdict = look("postgres", {"parts": ["slots"]}, url=postgres_server.url)
    finally:
        postgres_server.say("ALTER SYSTEM RESET ALL")
        postgres_server.say("SELECT pg_reload_conf()")
        postgres_server.say("SELECT pg_drop_replication_slot('paused_cdc')")
    assert "lost" in failure(verdict, "slot paused_cdc").sentence


def test_an_archive_that_refuses_wal_is_critical_and_counted() -> None:
    with servers.postgres(settings=("archive_mode=on", "archive_command=false")) as server:
        before = look("postgres", {"parts": ["archive"]}, url=server.url)
        assert is_good(before)
        assert value(before, "archive_failing_s") == 0
        server.say("SELECT pg_logical_emit_message(false, 'filler', 'x')")
        server.say("SELECT pg_switch_wal()")
        server.wait_until("SELECT failed_count > 0 FROM pg_stat_archiver")
        verdict = look("postgres", {"parts": ["archive"]}, url=server.url, memory=before.memory)
    assert "archiving WAL fails" in failure(verdict).sentence
    assert value(verdict, "archive_failures") >= 1
    assert value(verdict, "archive_waiting") >= 1
    assert value(verdict, "archive_failing_s") > 0


def test_every_limit_finds_the_part_it_needs() -> None:
    probe = module("postgres")
    parts = [part for names in probe._OF_PART.values() for part in names]
    always = {"connect_s", "select_s", "write_s"}
    assert sorted([*parts, *always]) == sorted(probe.Look.samples)
    assert probe._wanted(probe.Args(parts=()), {"table_bytes": "> 1"}) == ["sizes"]

"""A real Redis with a real replica, little memory, failing snapshots; and servers that only look like one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from opswatch import clock
from opswatch.core.model import Health, Secret, UnknownReason
from tests import servers
from tests.probes.looks import all_text, failure, is_good, look, value

needs_redis = pytest.mark.needs("redis")


def _says(server: servers.Redis, *words: str) -> Any:
    """One command's answer."""
    import redis

    with redis.Redis(port=server.port) as client:
        return client.execute_command(*words)


def _names(verdict: Any) -> set[str]:
    return {sample.name for sample in verdict.samples}


@needs_redis
def test_a_healthy_server_answers_and_takes_a_key(redis_server: servers.Redis) -> None:
    verdict = look("redis", {"write_key": "opswatch:probe"}, url=redis_server.url)
    assert is_good(verdict)
    assert 0 <= value(verdict, "ping_s") < 5
    assert 0 < value(verdict, "write_s") < 5
    assert value(verdict, "memory_bytes") > 0
    assert value(verdict, "clients") == 0
    assert value(verdict, "replicas") == 0
    assert 0 < _says(redis_server, "TTL", "opswatch:probe") <= 60
    assert not {"memory_used_pct", "rdb_age_s", "evictions"} & _names(verdict)  # no limit, no snapshots, the first look


@needs_redis
def test_evictions_rejections_and_slow_commands_are_counted_between_two_looks() -> None:
    with servers.redis("--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru", "--maxclients", "10") as server:
        before = look("redis", url=server.url)
        _says(server, "CONFIG", "SET", "slowlog-log-slower-than", "0")
        for number in range(40):
            _says(server, "SET", f"k{number}", "x" * 50_000)
        _says(server, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
        _fill_up(server.port)
        after = look("redis", url=server.url, memory=before.memory)
        again = look("redis", url=server.url, memory=after.memory)
    assert value(after, "evictions") > 0
    assert value(after, "rejected") > 0
    assert value(after, "slow_commands") >= 40
    assert value(after, "slowlog_length") >= 40
    assert 50 < value(after, "memory_used_pct") <= 110
    assert "allkeys-lru" in after.sentence
    assert (value(again, "evictions"), value(again, "rejected"), value(again, "slow_commands")) == (0, 0, 0)


def _fill_up(port: int) -> None:
    """Take every place for clients until one is turned away; then let all go."""
    with contextlib.ExitStack() as held:
        for _ in range(50):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            sock.sendall(b"PING\r\n")
            if b"max number of clients" in sock.recv(100):
                break
    # The server lets go of them a moment after we do.
    while True:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b"PING\r\n")
            if sock.recv(100).startswith(b"+PONG"):
                return
        time.sleep(0.005)


@needs_redis
def test_a_full_server_that_evicts_nothing_takes_no_writes() -> None:
    with servers.redis("--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        verdict = look("redis", {"write_key": "opswatch:probe"}, url=server.url)
    assert "takes no writes" in failure(verdict).sentence
    assert "maxmemory" in failure(verdict).sentence


@needs_redis
def test_a_snapshot_that_fails_is_critical(redis_server: servers.Redis) -> None:
    with servers.redis("--save", "3600 1000000") as server:
        _says(server, "SET", "k", "v")
        good = look("redis", url=server.url, now=clock.now() + timedelta(hours=2))
        (server.folder / "dump.rdb").mkdir()  # which no file can replace
        _says(server, "BGSAVE")
        while _says(server, "INFO", "persistence")["rdb_last_bgsave_status"] != "err":
            time.sleep(0.005)
        verdict = look("redis", url=server.url)
    assert is_good(good)
    assert value(good, "rdb_age_s") == pytest.approx(7200, abs=60)
    assert value(good, "rdb_changes") == 1
    assert "the last snapshot failed: 1 changes" in failure(verdict).sentence
    assert any("MISCONF" in line for line in verdict.evidence)  # it refuses even PING then


@pytest.fixture(scope="module")
def replica(redis_server: servers.Redis) -> Iterator[servers.Redis]:
    """A Redis that follows the other one, and is in step."""
    with servers.redis(
        "--replicaof", "127.0.0.1", str(redis_server.port), "--repl-diskless-sync-delay", "0"
    ) as running:
        _until(running, "up")
        yield running


def _until(replica: servers.Redis, status: str) -> None:
    while _says(replica, "INFO", "replication")["master_link_status"] != status:
        time.sleep(0.005)


@needs_redis
def test_both_ends_of_a_link_tell_the_same(redis_server: servers.Redis, replica: servers.Redis) -> None:
    verdict = look("redis", {"write_key": "opswatch:probe"}, url=replica.url)
    assert is_good(verdict)
    assert value(verdict, "master_silent_s") < 60
    assert "write_s" not in _names(verdict)
    while _says(redis_server, "INFO", "replication")["slave0"]["state"] != "online":
        time.sleep(0.005)
    master = look("redis", url=redis_server.url)
    assert value(master, "replicas") == 1
    assert value(master, "replica_lag_bytes", f"replica 127.0.0.1:{replica.port}") >= 0


@needs_redis
def test_a_cut_link_is_critical(redis_server: servers.Redis, replica: servers.Redis) -> None:
    _says(replica, "REPLICAOF", "127.0.0.1", "1")
    try:
        _until(replica, "down")
        verdict = look("redis", url=replica.url)
    finally:
        _says(replica, "REPLICAOF", "127.0.0.1", str(redis_server.port))
        _until(replica, "up")
    assert "cut from its master 127.0.0.1:1" in failure(verdict).sentence
    assert value(verdict, "master_link_down_s") >= 0


@needs_redis
def test_passwords_users_and_what_they_may_not_ask() -> None:
    with servers.redis("--requirepass", "hunter2-pw", "--user", "seer", "on", ">seen-it", "+ping", "+info") as server:
        place = f"127.0.0.1:{server.port}/0"
        without = look("redis", url=f"redis://{place}")
        wrong = look("redis", url=Secret(f"redis://:hunter3-pw@{place}", "env:URL"))
        right = look("redis", url=Secret(f"redis://:hunter2-pw@{place}", "env:URL"))
        seer = look("redis", {"write_key": "x"}, url=Secret(f"redis://seer:seen-it@{place}", "env:URL"))
    assert without.unknown is UnknownReason.REFUSED
    assert wrong.unknown is UnknownReason.REFUSED
    assert "hunter3-pw" not in all_text(wrong)
    assert is_good(right)
    assert failure(seer, "write").health is Health.UNKNOWN
    assert "slowlog_length" not in _names(seer)


@needs_redis
def test_a_cluster_without_its_slots_is_critical_and_takes_no_key() -> None:
    # By default its second port lies 10,000 above the first, where there may be none.
    with servers.redis("--cluster-enabled", "yes", "--cluster-port", str(servers.free_port())) as server:
        verdict = look("redis", url=server.url)
    assert "the cluster is fail: 0 of 16384 slots are served" in failure(verdict).sentence


@needs_redis
def test_a_frozen_server_costs_the_timeout_only(redis_server: servers.Redis) -> None:
    os.kill(redis_server.process.pid, signal.SIGSTOP)  # the kernel still accepts for it
    try:
        verdict = look("redis", url=redis_server.url, timeout_s=0.3)
    finally:
        os.kill(redis_server.process.pid, signal.SIGCONT)
    assert "did not answer within 0.3 s" in failure(verdict).sentence
    assert verdict.took_s < 5


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A port that says `answer` to everything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        sock.settimeout(5)
                        while sock.recv(1000):
                            sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_server_that_is_loading_is_critical() -> None:
    with answering(b"-LOADING Redis is loading the dataset in memory\r\n") as port:
        verdict = look("redis", url=f"redis://127.0.0.1:{port}")
    assert "still loading its data" in failure(verdict).sentence


def test_what_is_no_redis_is_critical() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        verdict = look("redis", url=f"redis://127.0.0.1:{port}")
    assert "cannot be reached" in failure(verdict).sentence


def test_a_closed_port_is_critical() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    verdict = look("redis", url=f"redis://127.0.0.1:{port}")
    assert "refused" in failure(verdict).sentence


def test_without_redis_py_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    # None in sys.modules is how Python itself marks a module that cannot be imported.
    absent: ModuleType | None = None
    monkeypatch.setitem(sys.modules, "redis", absent)
    verdict = look("redis", url="redis://127.0.0.1:1")
    assert verdict.unknown is UnknownReason.ERROR
    assert "opswatch[redis]" in verdict.sentence

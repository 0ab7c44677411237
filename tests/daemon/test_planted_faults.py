"""`opswatch init && opswatch inspect daily` on a host where faults were planted for real: each is named, with evidence,
and nothing else is red."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from opswatch import clock
from tests import servers
from tests.daemon.harness import ROOT
from tests.probes.certificates import Authority, tls_server

WAITING = 12  # sessions behind one lock: more than the shipped limit

MORE_TARGETS = """
[[target]]
id = "shop-certificate"
kind = "tls"
url = "tls://127.0.0.1:{tls}"
service = "platform"

[[target]]
id = "orders-dumps"
kind = "backup"
url = "file:{backups}/*.dump"
service = "platform"
"""


def opswatch(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "opswatch", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
        timeout=180,
    )
    assert done.returncode in (0, 1), f"{words}:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def a_lock_held(server: servers.Postgres) -> Iterator[None]:
    """One session holds a table; others wait for it."""
    with contextlib.ExitStack() as open_now:
        holder = open_now.enter_context(psycopg.connect(server.url, autocommit=False))
        holder.execute("CREATE TABLE orders (n int)")
        holder.commit()
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        waiters = [psycopg.connect(server.url, autocommit=True) for _ in range(WAITING)]
        threads = [threading.Thread(target=_waits, args=(waiter,), daemon=True) for waiter in waiters]
        for thread in threads:
            thread.start()
        server.wait_until(f"SELECT count(*) >= {WAITING} FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        try:
            yield
        finally:
            holder.rollback()
            for thread in threads:
                thread.join(20)
            for waiter in waiters:
                waiter.close()


def _waits(session: psycopg.Connection[Any]) -> None:
    with contextlib.suppress(psycopg.Error):
        session.execute("SELECT count(*) FROM orders")


@contextlib.contextmanager
def a_disk_nearly_full(folder: Path) -> Iterator[Path]:
    """A filesystem of its own in a file, filled. As root only."""
    image, mount = folder / "disk.img", folder / "data"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(24 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    try:
        stat = os.statvfs(mount)
        (mount / "dump").write_bytes(b"x" * int(stat.f_bavail * stat.f_frsize * 0.97))
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def a_stale_backup(folder: Path) -> Path:
    """Nightly dumps that stopped three days ago."""
    folder.mkdir()
    now = clock.now().timestamp()  # Files have real ages.
    for days in (5, 4, 3):
        dump = folder / f"orders-{days}.dump"
        dump.write_bytes(b"d" * 50_000)
        os.utime(dump, (now - days * 86_400, now - days * 86_400))
    return folder


def cut(replica: servers.Postgres) -> None:
    """The replica can no longer reach its primary, and goes on answering."""
    replica.say("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
    replica.say("SELECT pg_reload_conf()")
    replica.wait_until("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")


@pytest.mark.skipif(os.geteuid() != 0, reason="root: it mounts a filesystem")
def test_each_planted_fault_is_named_and_nothing_else_is_red(tmp_path):
    expired = Authority(tmp_path, clock.now()).certificate(days=(-400, -1))
    with contextlib.ExitStack() as planted:
        primary = planted.enter_context(servers.postgres())
        primary.say("CREATE ROLE opswatch LOGIN; GRANT pg_monitor TO opswatch")
        replica = planted.enter_context(servers.replica_of(primary))
        mariadb = planted.enter_context(servers.mariadb())
        mariadb.say(
            "CREATE USER opswatch@'127.0.0.1'",
            "GRANT PROCESS, SHOW VIEW, SLAVE MONITOR, BINLOG MONITOR ON *.* TO opswatch@'127.0.0.1'",
        )
        redis = planted.enter_context(servers.redis())
        port = planted.enter_context(tls_server(expired))
        site = tmp_path / "site"
        opswatch(tmp_path, "init", str(site))
        config = site / "config.toml"
        for server in (primary, replica):
            assert f'id = "postgres-{server.port}"' in config.read_text()
        more = MORE_TARGETS.format(tls=port, backups=a_stale_backup(tmp_path / "backups"))
        config.write_text(config.read_text() + more)
        opswatch(site, "config", "check")

        mount = planted.enter_context(a_disk_nearly_full(tmp_path))
        planted.enter_context(a_lock_held(primary))
        cut(replica)
        report = json.loads(opswatch(site, "inspect", "daily", "--json"))

    red = {
        (line["check"], line["target"], line.get("item") or "") for line in report["lines"] if line["state"] == "crit"
    }
    named = {(check, target) for check, target, _ in red}
    assert named == {
        ("pg-health", f"postgres-{primary.port}"),
        ("pg-health", f"postgres-{replica.port}"),
        ("disk-space", "this-host"),
        ("tls-certificate", "shop-certificate"),
        ("backup-age", "orders-dumps"),
    }, sorted(red)
    assert ("disk-space", "this-host", str(mount)) in red
    looked_at = {line["target"] for line in report["lines"]}
    assert {f"mysql-{mariadb.port}", f"redis-{redis.port}"} <= looked_at
    evidence = {line["check"]: json.dumps(line) for line in report["lines"] if line["state"] == "crit"}
    assert "orders" in evidence["pg-health"] or "replica" in evidence["pg-health"].lower()
    assert "3d" in evidence["backup-age"] or "3 d" in evidence["backup-age"]

"""Real SQLite files: with writers that hold locks in processes of their own, broken, half empty, with a long log."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opswatch import clock
from opswatch.core.model import Health, UnknownReason
from opswatch.hosts import Mount
from opswatch.hosts.local import LocalHost
from opswatch.hosts.sqlite_file import holders
from tests.probes.looks import failure, is_good, look, module, value

HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    db.execute(statement).fetchone()
print("holds", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(path: Path, *statements: str) -> Iterator[int]:
    """Another process that has done `statements` and keeps what they locked; its pid."""
    command = [sys.executable, "-c", HOLD, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"holds\n"
        yield process.pid
        process.stdin.close()


def _made(path: Path, mode: str = "wal", rows: int = 1000) -> str:
    """A database in `mode` with a table of `rows`; its URL."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT)")
        db.executemany("INSERT INTO t (words) VALUES (?)", [("x" * 200,)] * rows)
        db.execute("CREATE INDEX by_words ON t (words)")
        db.commit()
    return f"sqlite:{path}"


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("integrity", ["quick", "full"])
def test_a_sound_file_is_whole_and_left_as_it_was(tmp_path: Path, mode: str, integrity: str) -> None:
    path = tmp_path / "app.db"
    url = _made(path, mode)
    before = path.read_bytes()
    verdict = look("sqlite", {"integrity": integrity, "journal_mode": mode}, url=url)
    assert is_good(verdict)
    assert value(verdict, "integrity_faults") == 0
    assert value(verdict, "file_bytes") == path.stat().st_size
    assert value(verdict, "free_pct") == 0
    assert value(verdict, "write_locked") == 0
    assert value(verdict, "disk_free_bytes") > 0
    assert path.read_bytes() == before


def test_a_writer_is_not_held_up_by_a_look(tmp_path: Path) -> None:
    """Between the pages of a copy, and beside a check in place, a commit goes through at once."""
    from opswatch.hosts.sqlite_file import reader

    for mode in ("wal", "delete"):
        path = tmp_path / f"{mode}.db"
        _made(path, mode)
        with reader(path, 10, 1) as file, contextlib.closing(sqlite3.connect(path, timeout=0)) as writer:
            file.pages()
            with file.copied() as copy:
                writer.execute("INSERT INTO t (words) VALUES ('meanwhile')")
                writer.commit()
                assert copy.check(is_full=True) == []
            file.check(is_full=False)
            writer.execute("INSERT INTO t (words) VALUES ('afterwards')")
            writer.commit()


def test_an_index_that_lies_is_found(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    url = _made(path, "delete")
    with contextlib.closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 't'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)
    verdict = look("sqlite", {"integrity": "quick"}, url=url)
    assert "broken" in failure(verdict).sentence


def test_what_is_no_database_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    path.write_bytes(b"this is a text, and not a short one: " * 100)
    assert "app.db is broken" in failure(look("sqlite", url=f"sqlite:{path}")).sentence


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_write_lock_that_stays_is_told_with_its_process(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "app.db"
    url = _made(path, mode)
    with holding(path, "BEGIN IMMEDIATE", "DELETE FROM t WHERE id = 1") as pid:
        if holders(path).writer is None:
            pytest.skip("does not apply: /proc/locks names files of this filesystem by another device")
        first = look("sqlite", url=url)
        second = look("sqlite", url=url, memory=first.memory, now=clock.now() + timedelta(minutes=20))
    after = look("sqlite", url=url, memory=second.memory)
    assert value(first, "write_locked") == 1
    assert value(second, "write_locked_s") == pytest.approx(1200, abs=60)
    assert f"pid {pid} (python" in second.sentence
    assert is_good(second)
    assert value(after, "write_locked_s") == 0


def test_whoever_keeps_readers_out_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    url = _made(path, "delete")
    with holding(path, "BEGIN EXCLUSIVE"):
        verdict = look("sqlite", url=url, timeout_s=0.2)
    assert "lets no reader in for 100 ms" in failure(verdict).sentence


def test_a_reader_that_never_ends_lets_the_log_grow_and_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "app.db"
    url = _made(path)
    monkeypatch.setattr(module("sqlite"), "_LOG_TELLS_FROM", 100_000)
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO t (words) VALUES ('something in the log')")
        writer.commit()
        with holding(path, "BEGIN", "SELECT * FROM t") as pid:
            for _ in range(3):
                writer.execute("UPDATE t SET words = words || 'y'")
                writer.commit()
            if not holders(path).readers:
                pytest.skip("does not apply: /proc/locks names files of this filesystem by another device")
            verdict = look("sqlite", url=url)
    assert value(verdict, "wal_bytes") > 500_000
    assert value(verdict, "wal_of_file_pct") > 25
    assert any(f"reading from the log now: pid {pid} (python" in line for line in verdict.evidence)


def test_empty_pages_and_another_journal_mode_are_told(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    url = _made(path, "delete")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM t WHERE id > 100")
        db.commit()
    verdict = look("sqlite", {"journal_mode": "wal"}, url=url)
    assert 50 < value(verdict, "free_pct") < 100
    assert value(verdict, "free_bytes") > 0
    assert failure(verdict).health is Health.WARN
    assert "its journal mode is delete, not wal" in failure(verdict).sentence


def test_what_is_too_big_to_copy_is_not_called_whole(tmp_path: Path) -> None:
    url = _made(tmp_path / "app.db", "delete", rows=10_000)
    verdict = look("sqlite", {"integrity": "full", "copy_max_mib": 1}, url=url)
    assert failure(verdict, "integrity").health is Health.UNKNOWN
    assert "integrity_faults" not in {sample.name for sample in verdict.samples}


def test_a_network_filesystem_is_a_warning(tmp_path: Path) -> None:
    url = _made(tmp_path / "app.db")

    class Host(LocalHost):
        def mounts(self) -> list[Mount]:
            whole = [Mount("/", "0:1", "ext4", "/dev/vda1", False, True)]
            return [*whole, Mount(str(tmp_path), "0:2", "nfs4", "nas:/x", False, True)]

    verdict = look("sqlite", url=url, probe=module("sqlite").Look(reach=lambda access: Host()))
    assert "network filesystem (nfs4)" in failure(verdict).sentence
    assert failure(verdict).health is Health.WARN


def test_a_missing_file_is_no_data_and_is_not_made(tmp_path: Path) -> None:
    verdict = look("sqlite", url=f"sqlite:{tmp_path / 'none.db'}")
    assert verdict.unknown is UnknownReason.NO_DATA
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="not as root: root may read everything")
def test_a_file_we_may_not_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    url = _made(path)
    path.chmod(0)
    assert look("sqlite", url=url).unknown is UnknownReason.REFUSED


def test_the_words_of_proc_locks_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    path.touch()
    shared = tmp_path / "app.db-shm"
    shared.touch()
    file, log = (_as_listed(one) for one in (path, shared))
    locks = tmp_path / "locks"
    locks.write_text(
        f"1: POSIX  ADVISORY  WRITE 11 {log} 120 120\n1: -> POSIX  ADVISORY  WRITE 99 {log} 120 120\n"
        f"2: POSIX  ADVISORY  READ 12 {log} 124 124\n3: POSIX  ADVISORY  READ 13 {log} 123 123\n"
        f"4: OFDLCK ADVISORY  WRITE -1 00:01:1 0 EOF\n5: POSIX  ADVISORY  READ 14 {file} 1073741826 1073742335\n"
    )
    assert (holders(path, locks).writer, holders(path, locks).readers) == (11, (12,))
    locks.write_text(f"1: POSIX  ADVISORY  WRITE 15 {file} 1073741825 1073741825\n")
    assert (holders(path, locks).writer, holders(path, locks).readers) == (15, ())


def _as_listed(path: Path) -> str:
    seen = path.stat()
    return f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"

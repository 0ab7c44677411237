"""A store that cannot be used says which, why and what to do; nothing is half written and no secret is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opswatch.core.changes import Changes, State
from opswatch.core.model import Secret
from opswatch.errors import PluginNotFound, StoreUnavailable
from opswatch.stores import Store, open_store
from tests.servers import Postgres
from tests.stores.things import NOW, incident, note, page


def sqlite_store(path: Path, **how: bool) -> Store:
    store = open_store(f"sqlite:{path}", **how)
    store.migrate()
    return store


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("root is needed to mount a disk of one megabyte")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("root may not mount here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_refuses_the_commit_and_everything_before_stands(small_disk: Path):
    store = sqlite_store(small_disk / "opswatch.db")
    state = State()
    store.load(state)
    written = 0
    with pytest.raises(StoreUnavailable, match="disk is full"):
        for number in range(10_000):
            store.commit(Changes(), [note("x" * 20_000, number)], NOW)
            written += 1
    assert written > 0
    assert len(store.timeline()) == written
    (small_disk / "room").unlink(missing_ok=True)
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    store.commit(Changes(), [note("room again")], NOW)
    assert store.timeline()[-1].position == written + 1
    assert store.check_integrity() == []
    store.close()


def test_a_disk_that_is_mounted_read_only_is_not_blamed_on_the_user(small_disk: Path):
    store = sqlite_store(small_disk / "opswatch.db")
    store.load(State())
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreUnavailable, match="mounted read-only") as caught:
        sqlite_store(small_disk / "opswatch.db").commit(Changes(), [note("nothing")], NOW)
    assert "usermod" not in str(caught.value)
    assert caught.value.state == "read_only"


def as_somebody_else(work: Callable[[], object]) -> str:
    """What StoreUnavailable says to a user who is neither root nor in the group."""
    if os.geteuid() != 0:
        with pytest.raises(StoreUnavailable) as caught:
            work()
        return str(caught.value)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:  # another process, another user
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            work()
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        words = said.read()
    os.waitpid(pid, 0)
    assert words.startswith("StoreUnavailable"), words
    return words


def test_a_folder_that_may_not_be_written_is_named_with_the_way_out(public: Path):
    public.chmod(0o555)
    words = as_somebody_else(lambda: sqlite_store(public / "opswatch.db"))
    assert "usermod -aG opswatch" in words
    assert str(public / "opswatch.db") in words


def test_somebody_outside_the_group_is_told_how_to_get_in(public: Path):
    before = os.umask(0o007)
    try:
        sqlite_store(public / "opswatch.db").close()
    finally:
        os.umask(before)
    if os.geteuid() != 0:
        (public / "opswatch.db").chmod(0)
    public.chmod(0o777)
    for read_only in (True, False):
        work = open_store(f"sqlite:{public / 'opswatch.db'}", read_only=read_only).incidents
        assert "usermod -aG opswatch" in as_somebody_else(work)


def test_reading_only_writes_nothing_and_needs_an_existing_file(tmp_path: Path):
    path = tmp_path / "opswatch.db"
    looking = open_store(f"sqlite:{path}", read_only=True)
    with pytest.raises(StoreUnavailable, match="does not exist"):
        looking.incidents()
    assert not path.exists()
    store = sqlite_store(path)
    store.load(State())
    store.commit(Changes(incidents={1: incident()}), [], NOW)
    assert looking.incidents() == [incident()]
    looking.load(State())
    with pytest.raises(StoreUnavailable, match="read-only"):
        looking.commit(Changes(), [note("x")], NOW)
    looking.close()
    store.close()


def test_a_lock_held_by_another_process_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("opswatch.stores.sqlite.BUSY_S", 0.05)
    store = sqlite_store(tmp_path / "opswatch.db")
    store.load(State())
    holder = sqlite3.connect(tmp_path / "opswatch.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.commit(Changes(), [note("x")], NOW)
    assert store.timeline() == [], "who reads never waits"
    holder.execute("ROLLBACK")
    store.commit(Changes(), [note("x")], NOW)
    assert len(store.timeline()) == 1
    holder.close()
    store.close()


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path):
    path = tmp_path / "opswatch.db"
    path.write_bytes(b"this is not a database, it is a letter to whoever reads it " * 40)
    with pytest.raises(StoreUnavailable, match="not a SQLite file"):
        sqlite_store(path)
    path.unlink()
    store = sqlite_store(path)
    store.load(State())
    store.commit(Changes(), [note("x" * 3000, n) for n in range(200)], NOW)
    store.close()
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = b"\x5a" * (len(content) // 2 - 8192)
    path.write_bytes(content)
    again = open_store(f"sqlite:{path}")
    assert again.check_integrity()
    with pytest.raises(StoreUnavailable, match="damaged"):
        again.timeline()
    again.close()


def test_the_file_is_for_the_service_and_its_group(tmp_path: Path):
    before = os.umask(0o007)
    try:
        store = sqlite_store(tmp_path / "sub" / "opswatch.db")
        store.load(State())
        store.commit(Changes(), [note("x")], NOW)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "sub").iterdir()}
    assert set(modes.values()) == {0o660}, modes
    assert {"opswatch.db", "opswatch.db-wal", "opswatch.db-shm", "opswatch.db-samples"} <= set(modes)
    store.close()


def test_the_command_line_leaves_the_log_to_the_daemon(tmp_path: Path):
    daemon = sqlite_store(tmp_path / "opswatch.db")
    cli = open_store(f"sqlite:{tmp_path / 'opswatch.db'}", checkpoints=False)
    cli.load(State())
    for _ in range(60):
        cli.commit(Changes(), [note("x" * 100_000)], NOW)
    log = tmp_path / "opswatch.db-wal"
    assert log.stat().st_size > 6_000_000, "nobody has folded it back"
    daemon.load(State())
    daemon.commit(Changes(), [note("x")], NOW)
    daemon.commit(Changes(), [note("x")], NOW)
    assert (tmp_path / "opswatch.db").stat().st_size > 6_000_000, "the daemon has"
    cli.close()
    daemon.close()


def test_a_database_that_is_away_is_named_without_its_password():
    store = open_store(Secret("postgresql://ana:hunter2@127.0.0.1:1/ops", "env:STORE"))
    with pytest.raises(StoreUnavailable, match=r"postgresql://127.0.0.1:1/ops cannot be reached") as caught:
        store.incidents()
    assert "hunter2" not in str(caught.value)
    store.close()
    with pytest.raises(StoreUnavailable, match="not an address") as caught:
        open_store(Secret("postgresql://ana:hunter2@[/ops", "env:STORE"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.needs("postgres")
def test_a_database_that_does_not_exist_is_named(postgres_server: Postgres):
    with pytest.raises(StoreUnavailable, match="does not exist"):
        open_store(postgres_server.url_of("nowhere")).incidents()


@pytest.mark.needs("postgres")
def test_a_standby_is_recognised(postgres_url: str):
    store = open_store(postgres_url)
    store.migrate()
    looking = open_store(postgres_url, read_only=True)
    looking.load(State())
    with pytest.raises(StoreUnavailable, match="read-only"):
        looking.commit(Changes(), [note("x")], NOW)
    looking.close()
    store.close()


@pytest.mark.needs("postgres")
def test_connections_cut_while_idle_are_made_anew(postgres_server: Postgres, postgres_url: str):
    store = open_store(postgres_url)
    store.migrate()
    store.load(State())
    store.commit(Changes(), [page()], NOW)
    postgres_server.cut(postgres_url)
    store.commit(Changes(), [note("after")], NOW)
    assert len(store.timeline()) == 1
    store.close()


def test_an_unknown_kind_of_store_is_refused_with_an_example():
    with pytest.raises(PluginNotFound, match=r"sqlite:var/opswatch\.db"):
        open_store("mongodb://x")
    with pytest.raises(PluginNotFound):
        open_store("sqlite:")


def test_a_closed_store_says_so(tmp_path: Path):
    store = sqlite_store(tmp_path / "opswatch.db")
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.incidents()
    shutil.rmtree(tmp_path, ignore_errors=True)

"""Servers that tests talk to, started for the run and stopped after it. PostgreSQL for now."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START_S = 30
FAST = ("fsync=off", "full_page_writes=off", "max_connections=60", "log_min_messages=fatal")
DURABLE = ("max_connections=60", "log_min_messages=fatal")


class Absent(Exception):
    """No such server is installed on this machine."""


def is_required() -> bool:
    """Whether an absent server is an error: in CI, or when somebody said so."""
    return os.environ.get("CI") == "true" or os.environ.get("OPSWATCH_REQUIRE_SERVERS") == "1"


@dataclass(frozen=True)
class Postgres:
    """A running server of our own. `url` is its `postgres` database over loopback; `socket_url` over its socket."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def socket_url(self) -> str:
        return f"postgresql:///postgres?host={self.folder}&port={self.port}&user=postgres"

    def create(self, name: str) -> str:
        """A fresh, empty database; its address."""
        self._say(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Also when somebody is still connected."""
        self._say(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def cut(self, url: str) -> None:
        """End every connection to the database of `url`, as a restart would, and wait until they are gone."""
        self._say(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{_database(url)}'")

    def stop(self) -> None:
        """At once: nothing in it is worth keeping."""
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _say(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


def _database(url: str) -> str:
    return url.rsplit("/", 1)[1]


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A private server in a folder of its own, on a free loopback port and a socket. `durable` waits for the disk, as
    in production: for benchmarks. Raises Absent when PostgreSQL is not installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="opswatch-postgres-"))
    try:
        server = _start(programs, folder, DURABLE if durable else FAST)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise Absent("PostgreSQL is not installed: apt-get install postgresql")


def _start(programs: Path, folder: Path, settings: tuple[str, ...]) -> Postgres:
    user = _unprivileged(folder)
    data, port = folder / "data", _free_port()
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder, timeout=60)
    options = [f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1", f"port={port}", *settings]
    command = [str(programs / "postgres"), "-D", str(data), *(part for option in options for part in ("-c", option))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
    server = Postgres(port, folder, process)
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(START_S * 10):
        if subprocess.run(ready, check=False).returncode == 0:
            return server
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
    server.stop()
    raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()}")


def _unprivileged(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; Debian's own user is there for that."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Servers that tests talk to, started for the run and stopped after it: PostgreSQL, MariaDB, Redis, on loopback."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

START_S = 30
FAST = (
    "fsync=off",
    "full_page_writes=off",
    "max_connections=60",
    "max_prepared_transactions=5",
    "log_min_messages=fatal",
)
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
        self.say(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Also when somebody is still connected."""
        self.say(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def cut(self, url: str) -> None:
        """End every connection to the database of `url`, as a restart would, and wait until they are gone."""
        self.say(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{_database(url)}'")

    def stop(self) -> None:
        """At once: nothing in it is worth keeping."""
        _stop(self.process, signal.SIGQUIT)

    def wait_until(self, query: str) -> None:
        """Come back when `query` gives true. Raises TimeoutError after half a minute."""
        import psycopg

        deadline = time.monotonic() + START_S
        with psycopg.connect(self.url, autocommit=True) as connection:
            while (row := connection.execute(query.encode()).fetchone()) is None or not row[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError(query)
                time.sleep(0.01)

    def say(self, statement: str) -> None:
        """Run one statement in the `postgres` database."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


def _database(url: str) -> str:
    return url.rsplit("/", 1)[1]


@contextlib.contextmanager
def postgres(*, durable: bool = False, settings: tuple[str, ...] = ()) -> Iterator[Postgres]:
    """A private server in a folder of its own, on a free loopback port and a socket. `durable` waits for the disk, as
    in production: for benchmarks; `settings` are more `name=value`. Raises Absent when PostgreSQL is not installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="opswatch-postgres-"))
    try:
        server = _start(programs, folder, (*(DURABLE if durable else FAST), *settings))
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def replica_of(primary: Postgres) -> Iterator[Postgres]:
    """A streaming replica of `primary`, on a slot of its own named `replica`, which streams when it is handed over."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="opswatch-replica-"))
    try:
        user = _unprivileged(folder)
        copy = [programs / "pg_basebackup", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(primary.port)]
        copy += ["-U", "postgres", "-X", "stream", "-c", "fast", "-R", "--no-sync", "-C", "-S", "replica"]
        subprocess.run(copy, check=True, user=user, cwd=folder, timeout=60)
        server = _serve(programs, folder, (*FAST, "wal_retrieve_retry_interval=100ms"))
        try:
            server.wait_until("SELECT status = 'streaming' FROM pg_stat_wal_receiver")
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
    data = folder / "data"
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder, timeout=60)
    return _serve(programs, folder, settings)


def _serve(programs: Path, folder: Path, settings: tuple[str, ...]) -> Postgres:
    user, data, port = _unprivileged(folder), folder / "data", free_port()
    options = [f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1", f"port={port}", *settings]
    command = [str(programs / "postgres"), "-D", str(data), *(part for option in options for part in ("-c", option))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
    server = Postgres(port, folder, process)
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    _wait_for("PostgreSQL", process, folder, lambda: subprocess.run(ready, check=False).returncode == 0)
    return server


def _wait_for(name: str, process: subprocess.Popen[bytes], folder: Path, is_ready: Callable[[], bool]) -> None:
    """Come back when it serves; raises RuntimeError with its log when it ended instead, or never serves."""
    for _ in range(START_S * 20):
        if is_ready():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    _stop(process, signal.SIGKILL)
    raise RuntimeError(f"{name} did not start: {(folder / 'log').read_text(errors='replace')}")


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)  # a test may have frozen it
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _unprivileged(folder: Path, name: str = "postgres") -> str | None:
    """Database servers refuse to run as root; Debian's own users are there for that."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_name


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- MariaDB


MARIADB = ("--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--skip-name-resolve")


@dataclass(frozen=True)
class MariaDB:
    """A running MariaDB of our own, with a binary log. `url` is its `mysql` database as root, without a password."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.url_of("mysql")

    def url_of(self, database: str, user: str = "root") -> str:
        return f"mysql://{user}@127.0.0.1:{self.port}/{database}"

    def say(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Run statements, each committed; the rows of the last."""
        import pymysql

        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def stop(self) -> None:
        """At once: nothing in it is worth keeping."""
        _stop(self.process, signal.SIGKILL)


@contextlib.contextmanager
def mariadb(number: int = 1) -> Iterator[MariaDB]:
    """A private server in a folder of its own, on a free loopback port; `number` is its server id. Raises Absent when
    MariaDB is not installed."""
    program, install = shutil.which("mariadbd", path=_PATH), shutil.which("mariadb-install-db", path=_PATH)
    if program is None or install is None:
        raise Absent("MariaDB is not installed: apt-get install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="opswatch-mariadb-"))
    try:
        user = _unprivileged(folder, "mysql")
        data, port = folder / "data", free_port()
        as_user = [f"--user={user}"] if user else []
        fresh = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        fresh += ["--skip-test-db", *MARIADB, *as_user]
        subprocess.run(fresh, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, timeout=60)
        command = [program, "--no-defaults", f"--datadir={data}", f"--socket={folder / 'socket'}", f"--port={port}"]
        command += ["--bind-address=127.0.0.1", f"--server-id={number}", "--log-bin=binlog", *MARIADB, *as_user]
        command += ["--innodb-flush-log-at-trx-commit=0", f"--pid-file={folder / 'pid'}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        _wait_for("MariaDB", process, folder, lambda: _listens(port))
        server = MariaDB(port, folder, process)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- Redis


@dataclass(frozen=True)
class Redis:
    """A running Redis of our own."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """At once: nothing in it is worth keeping."""
        _stop(self.process, signal.SIGKILL)


@contextlib.contextmanager
def redis(*settings: str) -> Iterator[Redis]:
    """A private server in a folder of its own, on a free loopback port, that saves nothing by itself; `settings` are
    words of its command line. Raises Absent when Redis is not installed."""
    program = shutil.which("redis-server", path=_PATH)
    if program is None:
        raise Absent("Redis is not installed: apt-get install redis-server")
    folder = Path(tempfile.mkdtemp(prefix="opswatch-redis-"))
    try:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        command += ["--repl-diskless-sync-delay", "0"]  # else a replica waits five seconds for others
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, *settings], stdout=log, stderr=log, cwd=folder)
        _wait_for("Redis", process, folder, lambda: _listens(port))
        server = Redis(port, folder, process)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- Prometheus, and amtool


PROMETHEUS = """
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
  evaluation_interval: 200ms
rule_files: [rules.yml]
scrape_configs:
- job_name: node
  honor_labels: true
  static_configs: [{{targets: ["{scraped}"]}}]
alerting:
  alertmanagers:
  - static_configs: [{{targets: ["{alertmanager}"]}}]
"""


class Prometheus:
    """A Prometheus of our own, in `folder`: it scrapes `scraped` and posts its alerts to `alertmanager`, both
    `host:port`. What it knows outlives `stop`."""

    def __init__(self, folder: Path, rules: str, *, scraped: str, alertmanager: str) -> None:
        program = shutil.which("prometheus", path=_PATH)
        if program is None:
            raise Absent("Prometheus is not installed: apt-get install prometheus")
        self._program, self.folder, self.port = program, folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(PROMETHEUS.format(scraped=scraped, alertmanager=alertmanager))

    def start(self) -> None:
        """Come back when it serves."""
        command = [self._program, f"--config.file={self.folder / 'prometheus.yml'}", "--rules.alert.resend-delay=500ms"]
        command += [f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        _wait_for("Prometheus", self._process, self.folder, lambda: _listens(self.port))

    def stop(self) -> None:
        """As its service would be stopped."""
        if self._process is not None:
            _stop(self._process, signal.SIGTERM)
            self._process = None


def amtool() -> str:
    """Alertmanager's own command line. Raises Absent."""
    found = shutil.which("amtool", path=_PATH)
    if found is None:
        raise Absent("amtool is not installed: apt-get install prometheus-alertmanager")
    return found


# Debian keeps servers in sbin, which is not on everybody's PATH.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True

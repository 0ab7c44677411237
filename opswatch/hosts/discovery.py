"""What runs on this host, for a first configuration: databases, caches, web servers, certificates, logs.

It looks at listening sockets and who holds them, at the sockets' folders, and at where logs are kept. It connects to
nothing and reads no file's content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

FOUND_MAX = 40
LOGS_MAX = 8
LOG_FOLDERS = ("nginx", "apache2", "httpd", "postgresql", "mysql", "mariadb", "redis")
SERVERS = {
    "postgres": "postgres",
    "postmaster": "postgres",
    "mariadbd": "mysql",
    "mysqld": "mysql",
    "redis-server": "redis",
    "valkey-server": "redis",
    "nginx": "web",
    "apache2": "web",
    "httpd": "web",
    "haproxy": "web",
    "caddy": "web",
}
POSTGRES_SOCKETS = (Path("/var/run/postgresql"), Path("/tmp"))  # where PostgreSQL puts them
MYSQL_SOCKETS = (Path("/run/mysqld/mysqld.sock"), Path("/var/lib/mysql/mysql.sock"))
CERTIFICATES = Path("/etc/letsencrypt/live")
TLS_PORTS = frozenset({443, 8443})


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that could be a `[[target]]`. `remark` says what has to be done before it can be looked at."""

    id: str
    kind: str
    url: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A program that listens."""

    program: str
    address: str
    port: int


def discover(
    listeners: Iterable[Listener] | None = None,
    *,
    logs: Path = Path("/var/log"),
    postgres_sockets: Iterable[Path] = POSTGRES_SOCKETS,
    mysql_sockets: Iterable[Path] = MYSQL_SOCKETS,
    certificates: Path = CERTIFICATES,
) -> list[Found]:
    """Everything found, each once, at most `FOUND_MAX`; in an order that does not change from run to run."""
    heard = list(listening() if listeners is None else listeners)
    found = {
        one.id: one
        for one in (
            *_postgres(heard, postgres_sockets),
            *_mysql(heard, mysql_sockets),
            *_redis(heard),
            *_web(heard),
            *_certificates(certificates),
            *_logs(logs),
        )
    }
    return list(found.values())[:FOUND_MAX]


def listening() -> list[Listener]:
    """Who listens on TCP here. Programs of other users have no name unless we are root: they are left out."""
    names: dict[int, str] = {}
    found = set()
    try:
        sockets = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return []
    for socket in sockets:
        if socket.status != psutil.CONN_LISTEN or not socket.pid or not socket.laddr:
            continue
        if socket.pid not in names:
            names[socket.pid] = _name(socket.pid)
        if names[socket.pid]:
            found.add(Listener(names[socket.pid], str(socket.laddr.ip), int(socket.laddr.port)))
    return sorted(found, key=lambda one: (one.program, one.port, one.address))


def _name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""


def _ports(heard: Iterable[Listener], kind: str) -> list[tuple[int, str]]:
    """(port, address to connect to) of every server of this kind, one per port."""
    ports: dict[int, str] = {}
    for one in heard:
        if SERVERS.get(one.program) == kind:
            ports.setdefault(one.port, _reachable(one.address))
    return sorted(ports.items())


def _reachable(address: str) -> str:
    """An address to connect to for one that is listened on: any means this machine itself."""
    if address in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _named(kind: str, port: int, usual: int) -> str:
    return f"{kind}-here" if port == usual else f"{kind}-{port}"


def _postgres(heard: Iterable[Listener], folders: Iterable[Path]) -> Iterator[Found]:
    remark = 'createuser opswatch; psql -c "GRANT pg_monitor TO opswatch"'
    by_socket = set()
    for folder in folders:
        for socket in sorted(folder.glob(".s.PGSQL.*")):
            number = socket.name.rpartition(".")[2]
            if number.isdigit() and int(number) not in by_socket:
                by_socket.add(int(number))
                url = f"postgresql://opswatch@/postgres?host={folder}&port={number}"
                yield Found(_named("postgres", int(number), 5432), "postgres", url, remark)
    for port, address in _ports(heard, "postgres"):
        if port not in by_socket:
            url = f"postgresql://opswatch@{address}:{port}/postgres"
            yield Found(_named("postgres", port, 5432), "postgres", url, remark)


def _mysql(heard: Iterable[Listener], sockets: Iterable[Path]) -> Iterator[Found]:
    remark = "CREATE USER opswatch@localhost IDENTIFIED VIA unix_socket; GRANT PROCESS, REPLICATION CLIENT ON *.* TO it"
    ports = _ports(heard, "mysql")
    for port, address in ports:
        yield Found(_named("mysql", port, 3306), "mysql", f"mysql://opswatch@{address}:{port}/", remark)
    if not ports:
        for socket in sockets:
            if socket.exists():
                yield Found("mysql-here", "mysql", f"mysql://opswatch@localhost/?unix_socket={socket}", remark)
                return


def _redis(heard: Iterable[Listener]) -> Iterator[Found]:
    for port, address in _ports(heard, "redis"):
        yield Found(_named("redis", port, 6379), "redis", f"redis://{address}:{port}/0")


def _web(heard: Iterable[Listener]) -> Iterator[Found]:
    for port, address in _ports(heard, "web"):
        if port in TLS_PORTS:
            yield Found(
                f"certificate-{port}", "tls", f"tls://{address}:{port}", "name the host people use, not the address"
            )
        else:
            yield Found(_named("web", port, 80), "http", f"http://{address}:{port}/")


def _certificates(folder: Path) -> Iterator[Found]:
    """Names that certificates are renewed for here: each is looked at as people see it, over the network."""
    try:
        names = sorted(one.name for one in folder.iterdir() if (one / "cert.pem").exists())
    except OSError:  # Not there, or only root may look.
        return
    for name in names:
        yield Found(f"certificate-{re.sub(r'[^a-z0-9]+', '-', name.lower())}", "tls", f"tls://{name}:443")


def _logs(folder: Path) -> Iterator[Found]:
    """Logs of the services above, a folder each: their *.log, not what rotation made of them."""
    kept = 0
    for name in LOG_FOLDERS:
        if kept < LOGS_MAX and any((folder / name).glob("*.log")):
            kept += 1
            yield Found(f"{re.sub(r'[^a-z0-9]+', '-', name)}-log", "log", f"file:{folder / name}/*.log")

"""Alerts of others: accepted durably, decided, beside Debian's Alertmanager. `python -m benchmarks.ingest [ALERTS]`

A real daemon on SQLite and a real Alertmanager, one after the other, get the same batches of 256 over HTTP on loopback
from the same client, a process of its own that keeps its connections: distinct alerts first, then the same again.
Alertmanager answers once they are in its memory, opswatch once they are on disk. Meanwhile somebody acknowledges, and a
webhook waits for the first page. The same storm twice, with everything resolved in between, shows what stays in memory.
"""

from __future__ import annotations

import http.client
import http.server
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from opswatch.links import Links, key_of
from opswatch.stores import Store, open_store

ROOT = Path(__file__).parents[1]
ALERTS = 10_240
BATCH = 256
SERVICES = 40
ACKS = 25  # the dashboard's door takes 30 in a row from one client
PEER = "prometheus-alertmanager"
PEER_CONFIG = """
route: {receiver: nobody, group_by: [service]}
receivers: [{name: nobody}]
"""
CONFIG = """
[opswatch]
name = "ingest"
node = "here"
[web]
listen = "127.0.0.1:0"
[[person]]
id = "ana"
name = "Ana"
role = "admin"
contact = {{ webhook = "http://127.0.0.1:{hook}/" }}
{services}
"""
SERVICE = '[[service]]\nid = "svc-{number}"\ntier = 2\n'


# ---------------------------------------------------------------------------------------------------------------------
# The client: a process of its own


@dataclass(frozen=True)
class Sent:
    """When the first byte left (on the clock that all processes of a host share), and how long it took."""

    began_s: float
    took_s: float


def post(port: int, alerts: int, connections: int, *, resolved: bool = False) -> Sent:
    """Everything once, from `connections` threads that each wait for an answer."""
    left = [_body(start, min(BATCH, alerts - start), resolved) for start in range(0, alerts, BATCH)][::-1]
    failed: list[object] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        assert connection.sock is not None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                body = left.pop()
            except IndexError:
                return
            connection.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            words = answer.read()
            if answer.status != 200:
                failed.append((answer.status, words[:200]))

    senders = [threading.Thread(target=send) for _ in range(connections)]
    began = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took = time.perf_counter() - began
    assert not failed, failed[0]
    return Sent(began, took)


def _body(start: int, count: int, resolved: bool) -> bytes:
    now = datetime.now(UTC)
    starts, ends = now - timedelta(minutes=1), now if resolved else now + timedelta(minutes=4)
    return json.dumps(
        [
            {
                "labels": {
                    "alertname": "DiskFull",
                    "instance": f"host-{number}:9100",
                    "job": "node",
                    "severity": "critical",
                    "service": f"svc-{number % SERVICES}",
                },
                "annotations": {"summary": f"Disk of host-{number} is 93 % full", "runbook_url": "https://wiki/disk"},
                "startsAt": starts.isoformat().replace("+00:00", "Z"),
                "endsAt": ends.isoformat().replace("+00:00", "Z"),
                "generatorURL": "http://prometheus:9090/graph?g0.expr=disk_used",
            }
            for number in range(start, start + count)
        ]
    ).encode()


def from_outside(port: int, alerts: int, connections: int, *, resolved: bool = False) -> Sent:
    """`post`, in another process: its work is not ours."""
    command = [sys.executable, "-m", "benchmarks.ingest", "post", str(port), str(alerts), str(connections)]
    done = subprocess.run([*command, str(int(resolved))], cwd=ROOT, capture_output=True, text=True, check=True)
    began, took = map(float, done.stdout.split())
    return Sent(began, took)


# ---------------------------------------------------------------------------------------------------------------------
# The two servers


@contextmanager
def alertmanager() -> Iterator[int]:
    """Its port."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        config = Path(folder) / "am.yml"
        config.write_text(PEER_CONFIG)
        flags = (f"--config.file={config}", f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{port}")
        process = subprocess.Popen(
            [PEER, *flags, "--cluster.listen-address="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _until(lambda: _answers(port, "/-/ready"))
            yield port
        finally:
            process.terminate()
            process.wait()


class Running:
    """A daemon of ours, and what somebody outside can see of it."""

    def __init__(self, process: subprocess.Popen[str], store: Store, port: int, folder: Path) -> None:
        self.process, self.store, self.port, self.folder = process, store, port, folder

    def wait_until_decided(self) -> None:
        _until(lambda: self.store.waiting().rows == 0, every_s=0.01)

    def memory(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss


@contextmanager
def daemon(hook: int) -> Iterator[Running]:
    """A fresh one, on a real disk."""
    with tempfile.TemporaryDirectory(prefix="opswatch-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        services = "".join(SERVICE.format(number=number) for number in range(SERVICES))
        (folder / "config.toml").write_text(CONFIG.format(hook=hook, services=services))
        (folder / "checks").mkdir()
        command = [sys.executable, "-m", "opswatch", "-c", str(folder / "config.toml"), "run"]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=(folder / "log").open("w"), text=True
        )
        assert process.stdout is not None
        try:
            port = _port_in(process.stdout)
            threading.Thread(target=process.stdout.read, daemon=True).start()
            _until(lambda: _answers(port, "/healthz"), every_s=0.2, timeout_s=60)
            store = open_store(f"sqlite:{folder}/var/opswatch.db", checkpoints=False)
            yield Running(process, store, port, folder)
            store.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _port_in(lines: Iterator[str]) -> int:
    for line in lines:
        if line.startswith("dashboard"):
            return int(line.rstrip().rpartition(":")[2])
    raise RuntimeError("the daemon did not start")


class Pages(http.server.BaseHTTPRequestHandler):
    """The webhook people are paged by: when the first page came."""

    first_s: float | None = None
    lock = threading.Lock()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        with Pages.lock:
            Pages.first_s = Pages.first_s or time.perf_counter()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


# ---------------------------------------------------------------------------------------------------------------------
# What is measured


def main(alerts: int = ALERTS) -> list[str]:
    """The rows, as Markdown."""
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    rows = [
        f"| {alerts:,} alerts in batches of {BATCH} | opswatch, on disk | Alertmanager, in memory | ratio |",
        "|---|---|---|---|",
    ]
    rates = {(name, kind, many): rate for name, kind, many, rate in _accepted(alerts, hook.server_port)}
    for kind in ("new", "again"):
        for many in (1, 4):
            ours, theirs = rates["opswatch", kind, many], rates.get((PEER, kind, many))
            peer, ratio = ("absent", "") if theirs is None else (f"{theirs:,.0f}/s", f"{ours / theirs:.1f} ×")
            rows.append(f"| accepted, {kind}, {many} connection{'s' * (many > 1)} | {ours:,.0f}/s | {peer} | {ratio} |")
    rows += _storm(alerts, hook.server_port)
    hook.shutdown()
    return rows


def _accepted(alerts: int, hook: int) -> Iterator[tuple[str, str, int, float]]:
    """(who, new or again, connections, alerts a second)"""
    for many in (1, 4):
        if shutil.which(PEER):
            with alertmanager() as port:
                for kind in ("new", "again"):
                    yield PEER, kind, many, alerts / from_outside(port, alerts, many).took_s
        with daemon(hook) as ours:
            for kind in ("new", "again"):
                yield "opswatch", kind, many, alerts / from_outside(ours.port, alerts, many).took_s
                ours.wait_until_decided()


def _storm(alerts: int, hook: int) -> Iterator[str]:
    """From the first byte until everything is decided; what people notice meanwhile; what stays in memory."""
    with daemon(hook) as ours:
        sizes = []
        for number in (1, 2):
            Pages.first_s, waits = None, Acks(ours)
            if number == 1:
                waits.start()
            began = from_outside(ours.port, alerts, 4).began_s
            ours.wait_until_decided()
            took = time.perf_counter() - began
            waits.stop()
            if number == 1:
                _until(lambda: Pages.first_s is not None)
                yield f"| accepted and decided, durable | {alerts / took:,.0f}/s | | |"
                yield f"| first page handed over after | {(Pages.first_s or 0) - began:.2f} s | | |"
                slowest = max(waits.took_s, default=0.0)
                yield f"| acknowledging meanwhile, {len(waits.took_s)} times, slowest | {slowest * 1e3:.0f} ms | | |"
            from_outside(ours.port, alerts, 4, resolved=True)
            ours.wait_until_decided()
            time.sleep(7)  # What sources remember is saved within five seconds.
            sizes.append(ours.memory())
        first, second = (size / 2**20 for size in sizes)
        both = f"{first:.0f} MiB, {second:.0f} MiB"
        yield f"| memory after the first storm, after a second like it | {both} | | {second / first:.2f} × |"


class Acks:
    """Somebody acknowledges over HTTP, over and over, while the storm goes on."""

    def __init__(self, ours: Running) -> None:
        self._ours, self._is_over = ours, threading.Event()
        self.took_s: list[float] = []
        self._thread = threading.Thread(target=self._acknowledge)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _acknowledge(self) -> None:
        links = Links("", key_of(self._ours.folder / "var"))
        for number in range(1, ACKS + 1):
            began = time.perf_counter()
            while not self._is_over.is_set():
                if self._ours.store.incident(number) is None:  # It is not open yet.
                    time.sleep(0.01)
                    continue
                token = links.sign(f"acknowledge {number}", "ana", datetime.now(UTC))
                began = time.perf_counter()
                urllib.request.urlopen(f"http://127.0.0.1:{self._ours.port}/ack/{token}", b"", timeout=30).read()
                break
            else:
                return
            self.took_s.append(time.perf_counter() - began)
            time.sleep(0.02)


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
            return True
    except OSError:
        return False


def _until(holds: Callable[[], bool], every_s: float = 0.05, timeout_s: float = 120) -> None:
    deadline = time.perf_counter() + timeout_s
    while not holds():
        assert time.perf_counter() < deadline, "it took too long"
        time.sleep(every_s)


if __name__ == "__main__":
    if sys.argv[1:2] == ["post"]:
        given = [int(word) for word in sys.argv[2:]]
        sent = post(given[0], given[1], given[2], resolved=bool(given[3]))
        print(sent.began_s, sent.took_s)
    else:
        print("\n".join(main(int(sys.argv[1]) if len(sys.argv) > 1 else ALERTS)))

"""Prometheus as Debian ships it, its rules, amtool, and the process in between: a night from the first page to the
recovery, with everything killed and restarted on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.daemon.harness import PATIENCE_S, Installation
from tests.daemon.test_amtool import Amtool
from tests.servers import free_port

RULES = """
groups:
- name: disks
  rules:
  - alert: DiskFull
    expr: disk_used_ratio > 0.9
    labels: {severity: page, service: orders}
    annotations:
      summary: "{{ $labels.instance }} is {{ $value | humanizePercentage }} full"
      runbook_url: http://wiki/disk-full
"""
HOSTS = 20


class Hosts:
    """What Prometheus scrapes: how full the disk of each host is."""

    def __init__(self) -> None:
        self.full: dict[str, float] = {f"db{n}:9100": 0.5 for n in range(HOSTS)}
        hosts = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                lines = [f'disk_used_ratio{{instance="{name}"}} {ratio}' for name, ratio in hosts.full.items()]
                body = "\n".join([*lines, ""]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    yield made
    made.close()


def until(what: Callable[[], Any]) -> Any:
    """What it gives, as soon as that is something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


def joined(box: Installation, incident: int = 1) -> list[str]:
    """The alerts that its timeline says came to it, each as often as it says so."""
    entries = box.json("show", str(incident))["timeline"]
    return [entry["facts"]["alert"] for entry in entries if entry["kind"] in ("triggered", "alert_joined")]


def test_a_night_with_prometheus(installed, receiver, prometheus, hosts, amtool):
    box: Installation = installed(wait="10m")
    port = free_port()  # The same one after each restart: Prometheus knows it.
    box.config.write_text(box.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    box.start()
    am = Amtool(amtool, box.url)
    prom = prometheus(RULES, scraped=hosts.address, alertmanager=f"127.0.0.1:{port}")
    prom.start()

    # A rule fires, and ana is paged.
    hosts.full["db0:9100"] = 0.95
    first = receiver.wait(lambda body: body["kind"] == "page")
    assert (first["incident"], first["person"], first["reason"]) == (1, "ana", "first")
    assert "db0:9100 is 95% full" in first["title"] + first["summary"]

    # A silence holds the ladder.
    silence = am("silence", "add", "alertname=DiskFull", "-c", "new disks", "-d", "1h").strip()
    assert am.json("alert", "query", "DiskFull") == []
    (held,) = am.json("silence", "query")
    (row,) = box.json("list")
    assert row["next_deadline"][:16] >= held["endsAt"][:16]

    # Everything fails while the process is killed and comes back.
    for name in hosts.full:
        hosts.full[name] = 0.97
    until(lambda: len(am.json("alert", "query", "--silenced", "DiskFull")) > 1)
    box.kill()
    box.start()
    am.waits_for(HOSTS, "--silenced", "DiskFull")
    assert [page["page_id"] for page in receiver.pages()] == [first["page_id"]]
    assert len(box.json("list")) == 1

    # Unsilenced, it pages.
    am("silence", "expire", silence)
    again = receiver.wait(lambda body: body["kind"] == "page" and body["page_id"] != first["page_id"])
    assert (again["incident"], again["reason"]) == (1, "quiet_ended")
    assert len(until(lambda: len(joined(box)) == HOSTS and joined(box))) == len(set(joined(box)))

    # Prometheus is restarted: nobody hears of a recovery.
    posted = max(one["updatedAt"] for one in am.json("alert", "query", "DiskFull"))
    prom.stop()
    prom.start()
    until(lambda: min(one["updatedAt"] for one in am.json("alert", "query", "DiskFull")) > posted)
    assert box.json("list")[0]["status"] == "triggered"
    assert [body for body in receiver.got if body["kind"] == "update"] == []

    # It recovers, and whoever was paged hears it.
    for name in hosts.full:
        hosts.full[name] = 0.5
    told = receiver.wait(lambda body: body["kind"] == "update")
    assert (told["event"], told["incident"], told["person"]) == ("resolved", 1, "ana")
    assert am.json("alert", "query", "DiskFull") == []
    assert len(receiver.pages()) == len({page["page_id"] for page in receiver.pages()})

    # And every page can be explained.
    shown = box.says("show", "1")
    for words in ("DiskFull", "db0:9100", "severity", "runbook_url", "http://wiki/disk-full", "prometheus", "/graph?"):
        assert words in shown, f"{words} is not in:\n{shown}"
    assert box.stop() == 0

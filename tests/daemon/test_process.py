"""Signals and systemd: ready, watchdog, reload, drain; one daemon per data folder."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import PATIENCE_S, ROOT


class Systemd:
    """The socket that a service manager listens on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self._arrived = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                lines = self._socket.recv(4096).decode().splitlines()
            except OSError:
                return
            with self._arrived:
                self.said += lines
                self._arrived.notify_all()

    def wait(self, line: str) -> None:
        with self._arrived:
            heard = self._arrived.wait_for(lambda: any(one.startswith(line) for one in self.said), PATIENCE_S)
            assert heard, f"{line} was never said: {self.said}"

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path, monkeypatch) -> Iterator[Systemd]:
    manager = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    yield manager
    manager.close()


def test_systemd_hears_ready_the_watchdog_reload_and_stopping(installed, systemd):
    box = installed()
    box.start()
    systemd.wait("READY=1")
    systemd.wait("STATUS=1 checks")
    systemd.wait("WATCHDOG=1")
    box.reload()
    systemd.wait("RELOADING=1")
    systemd.wait("MONOTONIC_USEC=")
    assert box.stop() == 0
    systemd.wait("STOPPING=1")


def test_sigterm_lets_the_message_in_hand_arrive_and_writes_its_receipt(installed, receiver):
    receiver.delay_s = 1.0
    box = installed()
    box.start()
    box.fails()
    receiver.wait(lambda body: body["kind"] == "page")
    assert box.stop() == 0
    messages = box.json("show", "1")["messages"]
    assert [message["outcome"] for message in messages if message["kind"] == "page"] == ["delivered"]
    box.start()
    assert len(receiver.pages()) == 1


def test_a_second_daemon_on_the_same_folder_is_refused_by_name(installed):
    box = installed()
    box.start()
    second = subprocess.run([*box.command, "run"], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S)
    assert second.returncode != 0
    assert f"process {box.process.pid}" in second.stderr + second.stdout
    assert "Traceback" not in second.stderr


def test_the_pid_file_of_a_killed_daemon_keeps_nobody_out(installed):
    box = installed()
    box.start()
    box.kill()
    box.start()
    assert int((box.folder / "var" / "opswatch.pid").read_text()) == box.process.pid


def test_our_own_downtime_is_told_as_not_monitored(installed):
    box = installed()
    box.start()
    box.wait_for_log("1 of 1 checks? looked")
    box.kill()
    box.start()
    import sqlite3

    with sqlite3.connect(box.folder / "var" / "opswatch.db") as database:
        rows = database.execute("SELECT facts FROM timeline WHERE kind = 'node_started' ORDER BY position").fetchall()
    assert len(rows) == 2
    assert "down_since" not in rows[0][0]
    assert "down_since" in rows[1][0]


def test_it_runs_with_a_closed_standard_output(installed, receiver):
    box = installed()
    env = {**os.environ, "NO_COLOR": "1"}
    box.process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$0" "$@" >&- 2>&-', *box.command, "run"], cwd=ROOT, env=env, text=True
    )
    box.fails()
    receiver.wait(lambda body: body["kind"] == "page")
    assert box.stop() == 0

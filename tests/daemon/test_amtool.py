"""amtool, as Debian ships it, against the running process: every command that its users know."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon.harness import PATIENCE_S, ROOT, Installation, Receiver

MORE = """
[[policy]]
id = "night"
[[policy.level]]
page = ["person:bo"]
"""


class Amtool:
    """`amtool` with its address given."""

    def __init__(self, program: str, url: str) -> None:
        self._command = [program, f"--alertmanager.url={url}", "--no-version-check"]

    def __call__(self, *words: str, code: int = 0) -> str:
        """What it prints; it must end with `code`."""
        done = subprocess.run(
            [*self._command, *words], capture_output=True, text=True, env={**os.environ, "USER": "ana"}
        )
        assert done.returncode == code, f"amtool {words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "-o", "json"))

    def waits_for(self, count: int, *words: str) -> list[Any]:
        """The alerts that `alert query WORDS` shows, as soon as there are so many: what was posted is decided soon."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found: list[Any] = self.json("alert", "query", *words)
            if len(found) == count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"not {count} alerts but {found}")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    receiver = Receiver()
    route = '[[route]]\npolicy = "night"\nmatch = { service = "orders", priority = ["P0", "P1"] }\n'
    made = Installation(tmp_path_factory.mktemp("amtool"), receiver, more=MORE)
    text = made.config.read_text()
    made.config.write_text(text.replace("[[route]]", f"{route}[[route]]", 1))
    made.start()
    yield made
    made.kill()
    receiver.close()


@pytest.fixture
def am(amtool: str, box: Installation) -> Amtool:
    return Amtool(amtool, box.url)


def test_alerts_are_added_and_queried(am):
    words = ("--annotation=summary=/ is full", "--generator-url=http://prometheus/graph")
    am("alert", "add", "DiskFull", "instance=db1", "severity=warning", "service=orders", *words)
    (one,) = am.waits_for(1, "DiskFull")
    assert one["labels"] == {
        "alertname": "DiskFull", "instance": "db1", "severity": "warning", "service": "orders",
    }  # fmt: skip
    assert one["annotations"] == {"summary": "/ is full"}
    assert "DiskFull" in am("alert", "query", 'instance=~"db.*"')
    assert "http://prometheus/graph" in am("alert", "query", "-o", "extended", "alertname=DiskFull")
    assert am.json("alert", "query", "alertname=Other") == []
    assert am.json("alert", "query", "--receiver=nobody") == []
    am("alert", "add", "DiskFull", "instance=db1", "severity=warning", "service=orders", "--end=2026-01-01T00:00:00Z",
       "--start=2025-12-31T00:00:00Z")  # fmt: skip
    am.waits_for(0, "DiskFull")


def test_silences_are_added_changed_and_expired(am):
    am("alert", "add", "QueueLong", "service=orders", "severity=info")
    am.waits_for(1, "QueueLong")
    name = am("silence", "add", "alertname=QueueLong", "service=~or.*", "-c", "rebuild", "-d", "2h").strip()
    (one,) = am.json("silence", "query", "alertname=QueueLong")
    assert (one["id"], one["createdBy"], one["comment"]) == (name, "ana", "rebuild")
    assert am.json("alert", "query", "QueueLong") == []
    (held,) = am.json("alert", "query", "--silenced", "QueueLong")
    assert held["status"] == {"state": "suppressed", "silencedBy": [name], "inhibitedBy": []}

    am("silence", "update", name, "-d", "4h", "-c", "it takes longer")
    (one,) = am.json("silence", "query", "--created-by=ana", "alertname=QueueLong")
    assert (one["id"], one["comment"]) == (name, "it takes longer")
    assert am.json("silence", "query", "--within=1h", "alertname=QueueLong") == []

    am("silence", "expire", name)
    am("silence", "expire", name)
    assert am.json("silence", "query", "alertname=QueueLong") == []
    assert [one["id"] for one in am.json("silence", "query", "--expired", "alertname=QueueLong")] == [name]
    am.waits_for(1, "QueueLong")


def test_silences_of_another_alertmanager_are_imported(am, tmp_path):
    name = am("silence", "add", "alertname=Imported", "-c", "as exported", "-d", "1h").strip()
    exported = am.json("silence", "query", "alertname=Imported")
    stranger = {**exported[0], "id": "11111111-2222-4333-8444-555555555555", "comment": "of elsewhere"}
    file = tmp_path / "silences.json"
    file.write_text(json.dumps([*exported, stranger]))
    am("silence", "import", str(file))
    found = am.json("silence", "query", "alertname=Imported")
    assert sorted(one["comment"] for one in found) == ["as exported", "of elsewhere"]
    assert name in [one["id"] for one in found]


def test_a_refusal_is_said_in_words(am):
    assert "too long" not in am("silence", "add", "alertname=A", "-c", "x", "-d", "1m")
    assert "must not match the empty string" in am("silence", "add", 'alertname=~".*"', "-c", "x", code=1)
    assert "404" in am("silence", "expire", "11111111-2222-4333-8444-555555555555", code=1)
    assert "lead" in am("silence", "add", "alertname=A", "-a", "jenkins", "-c", "x", "-d", "48h", code=1)


def test_routes_are_shown_and_tested(am):
    shown = am("config", "show")
    assert 'receiver: "standard"' in shown
    assert "# level 1: person:ana" in shown
    tree = am("config", "routes", "show")
    assert "receiver: standard" in tree and "receiver: night" in tree
    assert am("config", "routes", "test", "service=orders", "priority=P1").strip() == "night"
    assert am("config", "routes", "test", "service=orders", "priority=P2").strip() == "standard"


def test_the_commands_of_the_docs_work(am):
    page = (ROOT / "docs" / "alertmanager.md").read_text(encoding="utf-8")
    commands = [shlex.split(line)[1:] for line in page.splitlines() if line.startswith("    amtool ")]
    assert len(commands) >= 10
    for words in commands:
        am(*words)


def test_the_cluster_is_shown(am):
    shown = am("cluster", "show")
    assert "ready" in shown and "here" in shown

"""A terminal at an installation of its own: `says("ack", "1")` is what a person would see and get as exit code.

The store is a real SQLite file; alerts come from verdicts that go over a desk, as they do in the daemon.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opswatch import assemble
from opswatch.assemble import Office
from opswatch.cli import doctor, door, root, setup
from opswatch.core.events import Event, Observed
from opswatch.core.model import Failure, Health, Verdict
from opswatch.core.state import Incident

CONFIG = """
[opswatch]
name = "acme"
node = "here"
timezone = "UTC"
store = "sqlite:var/opswatch.db"

[[service]]
id = "orders"
name = "Order pipeline"
tier = 2

[[target]]
id = "db-1"
kind = "host"
service = "orders"
[[target]]
id = "db-2"
kind = "host"
service = "orders"

[[person]]
id = "ana"
name = "Ana Ruiz"
login = "ana"
timezone = "Europe/Berlin"
contact = { console = "ana", file = "ana" }
[[person]]
id = "bo"
name = "Bo"
login = "bo"
language = "zh"
timezone = "Asia/Shanghai"
contact = { console = "bo" }
[[person]]
id = "lead"
name = "Lena"
login = "lena"
role = "admin"
contact = { console = "lead" }
[[person]]
id = "vi"
name = "Vi"
login = "vi"
role = "viewer"
contact = { console = "vi" }

[[roster]]
id = "primary"
timezone = "Europe/Berlin"
[[roster.layer]]
id = "weekly"
timezone = "Europe/Berlin"
participants = [["ana"], ["bo"]]
turn = "1 week"
starts = 2026-01-05T09:00:00

[[roster]]
id = "nights"
timezone = "Asia/Shanghai"
fallback = ["person:lead"]
[[roster.layer]]
id = "never"
participants = [["bo"]]
turn = "1 day"
starts = 2020-01-01T00:00:00
until = 2020-02-01T00:00:00

[[policy]]
id = "standard"
repeat = 1
fallback = ["person:lead"]
[[policy.level]]
page = ["roster:primary"]
wait = "5m"
[[policy.level]]
page = ["person:lead"]
wait = "10m"

[[channel]]
id = "screen"
kind = "console"
[[channel]]
id = "record"
kind = "file"
path = "var/pages.jsonl"
"""

CHECKS = """
[[check]]
id = "db"
probe = "command"
match = { kind = "host" }
confirm = 1
recover = 1
args = { command = ["/bin/sh", "-c", "echo 'DB WARNING - 91 connections | connections=91;80;95'; exit 1"] }
[[check]]
id = "load"
probe = "load"
targets = ["db-1"]
every = "60s"
limits = { load15_per_cpu = { warn = "> 100000" } }
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What one command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    """Somebody at a terminal; ana unless told otherwise, and not root."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.config = folder, folder / "config.toml"
        self._patch = monkeypatch
        (folder / "checks").mkdir()
        (folder / "checks" / "all.toml").write_text(CHECKS, encoding="utf-8")
        self.writes(CONFIG)
        self.is_used_by("ana")

    def writes(self, text: str) -> None:
        self.config.write_text(text, encoding="utf-8")

    def is_used_by(self, login: str, *, sudoer: str | None = None) -> None:
        """Who sits here. `root` may say for whom; only which user the kernel would name is replaced."""
        for module in (door, doctor, setup):
            self._patch.setattr(module, "login", lambda: login)
        self._patch.setattr(door, "is_root", lambda: login == "root")
        self._patch.delenv("SUDO_USER", raising=False)
        if sudoer is not None:
            self._patch.setenv("SUDO_USER", sudoer)

    def says(self, *line: str, config: bool = True) -> Said:
        given = ["-c", str(self.config), *line] if config else list(line)
        result = CliRunner().invoke(root, given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    @contextmanager
    def office(self) -> Iterator[Office]:
        office = assemble.open_office(self.config)
        try:
            office.desk.refresh()
            yield office
        finally:
            office.close()

    def happens(self, event: Event) -> None:
        with self.office() as office:
            office.desk.apply(event)

    def fails(self, check: str = "db", target: str = "db-1", health: Health = Health.CRIT) -> None:
        """One look finds it broken."""
        with self.office() as office:
            sentence = f"{check} is broken"
            verdict = Verdict(office.now(), sentence, failures=(Failure(sentence, health),), evidence=("a line",))
            office.desk.apply(Observed(check, target, verdict))

    def recovers(self, check: str = "db", target: str = "db-1") -> None:
        with self.office() as office:
            office.desk.apply(Observed(check, target, Verdict(office.now() + timedelta(microseconds=1), "all is well")))

    def incident(self, number: int = 1) -> Incident:
        with self.office() as office, office.desk.looking() as (state, _):
            return state.incidents[number]

    def door_of_last(self, kind: str) -> object:
        """Through which door the last entry of this kind came."""
        with self.office() as office:
            return office.views.timeline(kinds=[kind])[-1].entry.facts["door"]

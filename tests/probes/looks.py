"""Looking, for tests: one call from a probe's name and arguments to its verdict."""

from __future__ import annotations

import importlib
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from opswatch import clock, probes
from opswatch.core.model import Failure, Secret, Verdict
from opswatch.core.plan import Target
from opswatch.hosts import Host
from opswatch.hosts.local import LocalHost
from opswatch.probes import Task

NAMES = sorted(path.stem for path in Path(probes.__file__).parent.glob("*.py") if path.stem != "__init__")


def module(name: str) -> ModuleType:
    """The probe's module."""
    return importlib.import_module(f"opswatch.probes.{name}")


def example(name: str) -> dict[str, Any]:
    """The TOML of the probe's docstring."""
    lines = (module(name).__doc__ or "").splitlines()[1:]
    indented = [line for line in lines if line.startswith("    ") or not line.strip()]
    return tomllib.loads(textwrap.dedent("\n".join(indented)))


def task(
    name: str,
    args: Mapping[str, object] | None = None,
    *,
    url: str | Secret | None = None,
    access: str = "local",
    kind: str = "host",
    timeout_s: float = 5.0,
    memory: bytes | None = None,
    now: datetime | None = None,
    limits: Mapping[str, object] | None = None,
) -> Task:
    """A Task with validated arguments."""
    secret = Secret(url) if isinstance(url, str) else url
    target = Target("the-target", kind, access=access, url=secret)
    return Task(target, module(name).Args(**(args or {})), now or clock.now(), timeout_s, memory, limits=limits or {})


def look(name: str, args: Mapping[str, object] | None = None, *, probe: object = None, **where: Any) -> Verdict:
    """What `probe` (default: a fresh one of that name) sees."""
    looker: Any = probe or module(name).Look()
    verdict: Verdict = looker.look(task(name, args, **where))
    return verdict


def value(verdict: Verdict, name: str, item: str = "") -> float:
    """The one sample of that name and item."""
    found = [sample.value for sample in verdict.samples if (sample.name, sample.item) == (name, item)]
    assert len(found) == 1, f"{name} of {item!r}: {found} in {verdict}"
    return found[0]


def failure(verdict: Verdict, item: str = "") -> Failure:
    """The one failure of that item."""
    found = [one for one in verdict.failures if one.item == item]
    assert len(found) == 1, f"{item!r}: {verdict}"
    return found[0]


def all_text(verdict: Verdict) -> str:
    """Everything of a verdict that people may read."""
    words = [
        verdict.sentence,
        *verdict.evidence,
        *verdict.sentences.values(),
        *(one.sentence for one in verdict.failures),
    ]
    return "\n".join(words)


def is_good(verdict: Verdict) -> bool:
    """Whether it saw, and nothing is wrong whatever the limits say. For `assert`: prints what it is instead."""
    if verdict.unknown is None and not verdict.failures:
        return True
    print(verdict)
    return False


def host_of(folder: Path, files: Mapping[str, str]) -> Callable[[str], Host]:
    """A host whose /proc, /sys/fs/cgroup and other folders hold `files` (names `proc/…`, `cgroup/…`, `root/etc/…`)."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    host = LocalHost(proc=folder / "proc", cgroup=folder / "cgroup", root=folder / "root")
    return lambda access: host

"""Processes that ended and nobody reaped, and processes that hang in the kernel.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "zombies"
    probe = "zombies"
    match = { kind = "host" }
    every = "60s"
    confirm = 5
    limits = { zombies = { warn = "> 20" }, stuck = { warn = "> 0" }, stuck_longest_s = { crit = "> 900" } }

A zombie holds nothing but its number: many of them mean a parent that is broken, and that parent is what to restart.
A process in uninterruptible sleep (state D) waits for a disk or a file server, and not even SIGKILL ends it. Being seen
there twice proves nothing, busy programs often are: it is `stuck` when it did not run at all since the last look.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opswatch.core.model import Sample, UnknownReason, Verdict
from opswatch.core.spans import say_roughly
from opswatch.hosts import ProcessState, Reach, reach
from opswatch.hosts.evidence import bounded, printable, say_count
from opswatch.probes import Measure, Task, cannot_tell, careful

_REMEMBERED_MAX = 2000

_Seen = dict[str, list[float]]  # "pid-start" → [first seen so at, times it had run]


class Args(BaseModel):
    """What to leave out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ignore: tuple[str, ...] = Field((), description="Names of programs whose zombies do not count")


class Look:
    """Walks the process table."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "zombies": Measure("", "processes that ended and were not reaped by their parent"),
        "zombie_oldest_s": Measure("s", "since the oldest of them was first seen so; absent without one"),
        "uninterruptible": Measure("", "processes in uninterruptible sleep just now, busy or stuck"),
        "stuck": Measure("", "those of them that did not run since the last look; absent at the first"),
        "stuck_longest_s": Measure(
            "s", "since the first of those was seen so; 0 without one, absent at the first look"
        ),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        processes = {process.pid: process for process in host.process_states()}
        if host.hides_processes():
            words = "processes of other users are hidden from us (hidepid, or ProtectProc= of our own unit)"
            return cannot_tell(task, UnknownReason.REFUSED, words)
        at = task.now.timestamp()
        before = _recall(task.memory, host.boot_id())
        zombies = [one for one in processes.values() if one.state == "Z" and one.name not in args.ignore]
        waiting = [one for one in processes.values() if one.state == "D"]
        seen = {_key(one): _since(one, before, at) for one in [*zombies, *waiting]}
        stuck = [one for one in waiting if _key(one) in before and seen[_key(one)][0] < at]
        ages = {one.pid: at - seen[_key(one)][0] for one in [*zombies, *stuck]}
        return Verdict(
            at=task.now,
            sentence=_sentence(zombies, stuck, ages, processes),
            samples=tuple(_samples(zombies, waiting, stuck, ages, is_first=task.memory is None)),
            evidence=bounded(_evidence(zombies, stuck, ages, processes)),
            memory=json.dumps({"boot": host.boot_id(), "seen": dict(list(seen.items())[:_REMEMBERED_MAX])}).encode(),
        )


def _key(process: ProcessState) -> str:
    """Names this process, and no later one of the same number; and what it does."""
    return f"{process.state}{process.pid}-{process.started_ticks}"


def _since(process: ProcessState, before: _Seen, at: float) -> list[float]:
    """[first seen so, switches counted then]: of one that ran in between, now."""
    switches = float(process.switches or 0)
    known = before.get(_key(process))
    return known if known is not None and known[1] == switches else [at, switches]


def _recall(memory: bytes | None, boot: str) -> _Seen:
    if memory is None:
        return {}
    kept = json.loads(memory)
    return kept["seen"] if kept["boot"] == boot else {}


def _samples(
    zombies: list[ProcessState],
    waiting: list[ProcessState],
    stuck: list[ProcessState],
    ages: Mapping[int, float],
    *,
    is_first: bool,
) -> Iterable[Sample]:
    yield Sample("zombies", len(zombies))
    if zombies:
        yield Sample("zombie_oldest_s", max(ages[one.pid] for one in zombies), "s")
    yield Sample("uninterruptible", len(waiting))
    if not is_first:
        yield Sample("stuck", len(stuck))
        yield Sample("stuck_longest_s", max((ages[one.pid] for one in stuck), default=0.0), "s")


def _sentence(
    zombies: list[ProcessState],
    stuck: list[ProcessState],
    ages: Mapping[int, float],
    processes: Mapping[int, ProcessState],
) -> str:
    parts = []
    if stuck:
        longest = max(stuck, key=lambda one: ages[one.pid])
        where = f" in {longest.waits_in}" if longest.waits_in else ""
        age = say_roughly(timedelta(seconds=ages[longest.pid]))
        parts.append(
            f"{say_count(len(stuck), 'process', 'processes')} stuck in the kernel, {longest.name}{where} for {age}"
        )
    if zombies:
        pid, count = Counter(one.parent for one in zombies).most_common(1)[0]
        parts.append(f"{say_count(len(zombies), 'zombie')}, {count} of them left by {_name(pid, processes)}")
    return printable("; ".join(parts)) or f"{say_count(len(processes), 'process', 'processes')}, none stuck, no zombies"


def _evidence(
    zombies: list[ProcessState],
    stuck: list[ProcessState],
    ages: Mapping[int, float],
    processes: Mapping[int, ProcessState],
) -> Iterable[str]:
    for one in sorted(stuck, key=lambda one: -ages[one.pid]):
        where = f", in {one.waits_in}" if one.waits_in else ""
        age = say_roughly(timedelta(seconds=ages[one.pid]))
        yield f"stuck: pid {one.pid} {one.name} of {_name(one.parent, processes)}, for {age}{where}"
    for pid, count in Counter(one.parent for one in zombies).most_common():
        names = sorted({one.name for one in zombies if one.parent == pid})
        yield f"{say_count(count, 'zombie')} of {_name(pid, processes)}: {', '.join(names[:5])}"


def _name(pid: int, processes: Mapping[int, ProcessState]) -> str:
    parent = processes.get(pid)
    return f"{parent.name} (pid {pid})" if parent is not None else f"pid {pid}"

"""Memory: what can still be had without swapping. The page cache is not counted as used.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "memory"
    probe = "memory"
    match = { kind = "host" }
    every = "60s"
    limits = { available_pct = { warn = "< 10", crit = "< 5", clear = 2 }, psi_full_avg60_pct = { warn = "> 5" } }

available_pct = MemAvailable / MemTotal of /proc/meminfo. In a container whose own limit (cgroup v2 memory.max) is
lower: (memory.max - (memory.current - inactive_file)) / memory.max. Swapped pages that nobody wants back are harmless:
put limits on the rate of swapping out, or on the pressure (PSI), not on swap in use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from opswatch.core.model import Sample, Verdict
from opswatch.hosts import MemoryUse, Reach, reach
from opswatch.hosts.evidence import say_bytes
from opswatch.probes import Measure, Task, careful


class Args(BaseModel):
    """Nothing to say: there is one memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Look:
    """Reads meminfo, vmstat and the pressure figures."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "available_pct": Measure("%", "what can be had without swapping, of all memory or of the container's limit"),
        "available_bytes": Measure("B", "the same in bytes"),
        "used_pct": Measure("%", "100 - `available_pct`"),
        "swap_used_pct": Measure("%", "swap in use; absent where there is no swap"),
        "swap_used_bytes": Measure("B", "the same in bytes"),
        "swap_in_bytes_s": Measure("B/s", "read back from swap since the last look; absent at the first"),
        "swap_out_bytes_s": Measure("B/s", "written to swap since the last look; absent at the first"),
        "oom_kills": Measure("", "processes killed for want of memory since the last look; absent at the first"),
        "psi_some_avg60_pct": Measure("%", "last minute: time some task waited for memory; absent without PSI"),
        "psi_full_avg60_pct": Measure("%", "last minute: time all tasks waited for memory; absent without PSI"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        host = self._reach(task.target.access)
        use = host.memory()
        boot = host.boot_id()
        rates = _since(_recall(task.memory, boot), use, task.now)
        return Verdict(
            at=task.now,
            sentence=_sentence(use, rates),
            samples=(*_samples(use), *rates),
            evidence=_evidence(use),
            memory=_remember(use, boot, task.now),
        )


def _available_pct(use: MemoryUse) -> float:
    return 100 * use.available_bytes / max(1, use.total_bytes)


def _samples(use: MemoryUse) -> Iterable[Sample]:
    yield Sample("available_pct", _available_pct(use), "%")
    yield Sample("available_bytes", use.available_bytes, "B")
    yield Sample("used_pct", 100 - _available_pct(use), "%")
    if use.swap_total_bytes > 0:
        yield Sample("swap_used_pct", 100 * (1 - use.swap_free_bytes / use.swap_total_bytes), "%")
        yield Sample("swap_used_bytes", use.swap_total_bytes - use.swap_free_bytes, "B")
    if use.psi_some_avg60_pct is not None:
        yield Sample("psi_some_avg60_pct", use.psi_some_avg60_pct, "%")
    if use.psi_full_avg60_pct is not None:
        yield Sample("psi_full_avg60_pct", use.psi_full_avg60_pct, "%")


def _since(last: Mapping[str, float | None], use: MemoryUse, now: datetime) -> tuple[Sample, ...]:
    """What happened since the last look of this boot."""
    rates = []
    at, kills = last.get("at"), last.get("oom_kills")
    span_s = now.timestamp() - at if at is not None else 0.0
    for name, counted in (("swap_in_bytes_s", use.swapped_in_bytes), ("swap_out_bytes_s", use.swapped_out_bytes)):
        before = last.get(name)
        if before is not None and counted is not None and span_s > 0:
            rates.append(Sample(name, max(0.0, counted - before) / span_s, "B/s"))
    if kills is not None and use.oom_kills is not None:
        rates.append(Sample("oom_kills", max(0.0, use.oom_kills - kills)))
    return tuple(rates)


def _recall(memory: bytes | None, boot: str) -> Mapping[str, float | None]:
    if memory is None:
        return {}
    kept = json.loads(memory)
    return kept["counters"] if kept["boot"] == boot else {}


def _remember(use: MemoryUse, boot: str, now: datetime) -> bytes:
    counters = {
        "at": now.timestamp(),
        "swap_in_bytes_s": use.swapped_in_bytes,
        "swap_out_bytes_s": use.swapped_out_bytes,
        "oom_kills": use.oom_kills,
    }
    return json.dumps({"boot": boot, "counters": counters}).encode()


def _sentence(use: MemoryUse, rates: Iterable[Sample]) -> str:
    of = "the container's limit" if use.limited_by == "cgroup" else "memory"
    amount = f"{say_bytes(use.available_bytes)} of {say_bytes(use.total_bytes)}"
    words = f"{amount} {of} available ({_available_pct(use):.0f} %)"
    kills = sum(rate.value for rate in rates if rate.name == "oom_kills")
    return f"{words}, {kills:.0f} killed for want of memory since the last look" if kills else words


def _evidence(use: MemoryUse) -> tuple[str, ...]:
    formula = {
        "host": "available = MemAvailable / MemTotal (/proc/meminfo)",
        "cgroup": "available = memory.max - (memory.current - inactive_file), of memory.max (cgroup v2)",
    }[use.limited_by]
    pressure = f"pressure over the last minute: some {use.psi_some_avg60_pct} %, full {use.psi_full_avg60_pct} %"
    has_pressure = use.psi_some_avg60_pct is not None
    swap = f"swap: {say_bytes(use.swap_total_bytes - use.swap_free_bytes)} of {say_bytes(use.swap_total_bytes)} used"
    return (formula, swap if use.swap_total_bytes else "no swap", *([pressure] if has_pressure else []))

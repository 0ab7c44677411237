"""Processors: how busy they were since the last look, all together.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "cpu"
    probe = "cpu"
    match = { kind = "host" }
    every = "60s"
    confirm = 10
    limits = { busy_pct = { warn = "> 85", crit = "> 95", clear = 10 }, steal_pct = { warn = "> 10" } }

Busy is user, nice, system and interrupt time. Waiting for disks (iowait) is idle time, and stolen time went to other
guests: both are samples of their own. The first look, and one after a reboot, measures a fifth of a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from opswatch.core.model import Sample, Verdict
from opswatch.core.spans import say_roughly
from opswatch.hosts import CpuTimes, Host, Reach, reach
from opswatch.hosts.evidence import say_count
from opswatch.probes import Measure, Task, careful

_SHORT_S = 0.2
_TELLING_S = 0.1  # processor seconds that must have passed: the kernel counts in hundredths


class Args(BaseModel):
    """Nothing to say: all processors are looked at together."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Look:
    """Compares the counters of /proc/stat with those of the last look."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "busy_pct": Measure("%", "time spent working since the last look; neither iowait nor steal counts"),
        "iowait_pct": Measure("%", "time idle with a disk request outstanding: an otherwise idle host may show 100"),
        "steal_pct": Measure("%", "time the hypervisor gave to other guests"),
        "psi_some_avg60_pct": Measure("%", "last minute: time some task waited for a processor; absent without PSI"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        host = self._reach(task.target.access)
        boot = host.boot_id()
        now = host.cpu()
        before, over = _recall(task, boot)
        if before is None or now.total_s - before.total_s < _TELLING_S:
            before, now, over = *_short(host, min(_SHORT_S, task.timeout_s / 2)), f"{_SHORT_S} s (first look)"
        busy, iowait, steal = _shares(before, now)
        pressure = now.psi_some_avg60_pct
        return Verdict(
            at=task.now,
            sentence=f"{busy:.0f} % of {say_count(now.processors, 'processor')} busy over the last {over}",
            samples=(
                Sample("busy_pct", busy, "%"),
                Sample("iowait_pct", iowait, "%"),
                Sample("steal_pct", steal, "%"),
                *((Sample("psi_some_avg60_pct", pressure, "%"),) if pressure is not None else ()),
            ),
            evidence=(f"busy {busy:.1f} %, iowait {iowait:.1f} %, steal {steal:.1f} %",),
            memory=json.dumps({"boot": boot, "at": task.now.timestamp(), "times": asdict(now)}).encode(),
        )


def _recall(task: Task, boot: str) -> tuple[CpuTimes | None, str]:
    """The counters of the last look in this boot, and how long ago that was, in words."""
    if task.memory is None:
        return None, ""
    kept = json.loads(task.memory)
    if kept["boot"] != boot:
        return None, ""
    return CpuTimes(**kept["times"]), say_roughly(timedelta(seconds=task.now.timestamp() - kept["at"]))


def _short(host: Host, span_s: float) -> tuple[CpuTimes, CpuTimes]:
    before = host.cpu()
    time.sleep(span_s)
    return before, host.cpu()


def _shares(before: CpuTimes, now: CpuTimes) -> tuple[float, float, float]:
    """Per cent of (busy, iowait, steal). The kernel's iowait and idle may run backwards a little: never below zero."""
    busy, idle, iowait, steal = (
        max(0.0, getattr(now, name) - getattr(before, name)) for name in ("busy_s", "idle_s", "iowait_s", "steal_s")
    )
    total = max(busy + idle + iowait + steal, 1e-9)
    return 100 * busy / total, 100 * iowait / total, 100 * steal / total

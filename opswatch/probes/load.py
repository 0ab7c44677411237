"""Load averages, per processor.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "load"
    probe = "load"
    match = { kind = "host" }
    every = "60s"
    limits = { load15_per_cpu = { warn = "> 2", clear = 0.25 } }
    priority = { warn = "P3" }

Load counts processes that want to run and those that wait for disks or for a dead file server. It is a fact for the
daily inspection rather than a reason to wake somebody: prefer the pressure figures of `cpu` and `memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from opswatch.core.model import Sample, Verdict
from opswatch.hosts import Reach, reach
from opswatch.hosts.evidence import say_count
from opswatch.probes import Measure, Task, careful


class Args(BaseModel):
    """Nothing to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Look:
    """Reads /proc/loadavg."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "load1_per_cpu": Measure("", "average over one minute, divided by the number of processors"),
        "load5_per_cpu": Measure("", "over five minutes"),
        "load15_per_cpu": Measure("", "over fifteen minutes"),
        "blocked": Measure("", "processes in uninterruptible sleep just now: they raise the load without working"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        load = self._reach(task.target.access).load()
        words = f"load {load.load1:.2f} {load.load5:.2f} {load.load15:.2f} on {say_count(load.processors, 'processor')}"
        if load.blocked:
            words += f", {say_count(load.blocked, 'process', 'processes')} blocked"
        return Verdict(
            at=task.now,
            sentence=words,
            samples=(
                Sample("load1_per_cpu", load.load1 / load.processors),
                Sample("load5_per_cpu", load.load5 / load.processors),
                Sample("load15_per_cpu", load.load15 / load.processors),
                Sample("blocked", load.blocked),
            ),
        )

"""Pressure: how much of the time work waits for processors, memory or disks (PSI).

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "pressure"
    probe = "pressure"
    match = { kind = "host" }
    every = "60s"
    confirm = 5
    [check.limits]
    cpu_some_avg300_pct = { warn = "> 60", clear = 10 }
    memory_full_avg60_pct = { warn = "> 5", crit = "> 20", clear = 2 }
    io_full_avg300_pct = { warn = "> 30", crit = "> 60", clear = 5 }

`some`: at least one task waited; `full`: all that had work waited at once, so that nothing got done. Unlike load and
iowait this is a share of time that was lost, comparable between hosts. `*_pct` without a window is exact over the time
since the last look, however long that is. `cgroup` looks at one service instead of the whole host.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.core.model import Sample, Verdict
from opswatch.hosts import Pressure, Reach, Stall, reach
from opswatch.hosts.evidence import bounded
from opswatch.probes import Measure, Task, careful

_WHAT = {"cpu": "a processor", "memory": "memory", "io": "disks", "irq": "interrupts to be served"}


def _check_cgroup(name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError("a control group below /sys/fs/cgroup, such as 'system.slice/postgresql.service'")
    return name.rstrip("/")


class Args(BaseModel):
    """Whose pressure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cgroup: Annotated[str, AfterValidator(_check_cgroup)] = Field(
        "", description="One control group, such as `system.slice/nginx.service`; default: the whole host"
    )


def _measures() -> Mapping[str, Measure]:
    whose = {"some": "some task waited", "full": "all tasks waited at once"}
    measures = {}
    for resource in ("cpu", "memory", "io", "irq"):
        # Interrupts are only counted in full; for the processors of a whole host `full` is always zero.
        for kind in ("some", "full") if resource != "irq" else ("full",):
            words = f"time {whose[kind]} for {_WHAT[resource]}"
            note = {"irq": "; absent where the kernel does not count it", "cpu": "; with `cgroup` only"}
            more = note.get(resource, "") if kind == "full" else ""
            measures[f"{resource}_{kind}_avg60_pct"] = Measure("%", f"last minute: {words}{more}")
            measures[f"{resource}_{kind}_avg300_pct"] = Measure("%", f"last five minutes: {words}{more}")
            measures[f"{resource}_{kind}_pct"] = Measure(
                "%", f"since the last look: {words}; absent at the first{more}"
            )
    return measures


class Look:
    """Reads /proc/pressure, or the pressure files of one control group."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = _measures()

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        stalls = dict(_stalls(host.pressure(args.cgroup), is_host=not args.cgroup))
        key = f"{host.boot_id()} {args.cgroup}"
        before = _recall(task.memory, key)
        at = task.now.timestamp()
        samples = [sample for name, stall in stalls.items() for sample in _samples(name, stall, before, at)]
        totals = {name: stall.total_s for name, stall in stalls.items()}
        return Verdict(
            at=task.now,
            sentence=_sentence(stalls, args.cgroup),
            samples=tuple(samples),
            evidence=bounded(_say(name, stall) for name, stall in stalls.items()),
            memory=json.dumps({"key": key, "at": at, "totals": totals}).encode(),
        )


def _stalls(found: Mapping[str, Pressure], *, is_host: bool) -> Iterable[tuple[str, Stall]]:
    for resource, pressure in found.items():
        if pressure.some is not None:
            yield f"{resource}_some", pressure.some
        if pressure.full is not None and not (resource == "cpu" and is_host):
            yield f"{resource}_full", pressure.full


def _samples(name: str, stall: Stall, before: Mapping[str, float], at: float) -> Iterable[Sample]:
    yield Sample(f"{name}_avg60_pct", stall.avg60_pct, "%")
    yield Sample(f"{name}_avg300_pct", stall.avg300_pct, "%")
    span_s = at - before.get("at", at)
    waited_s = stall.total_s - before.get(name, stall.total_s)
    # A control group that was made anew counts from zero again.
    if name in before and span_s > 0 and waited_s >= 0:
        yield Sample(f"{name}_pct", min(100.0, 100 * waited_s / span_s), "%")


def _recall(memory: bytes | None, key: str) -> Mapping[str, float]:
    """When we looked last and what was counted then, of the same thing since the same boot."""
    if memory is None:
        return {}
    kept = json.loads(memory)
    return {"at": kept["at"], **kept["totals"]} if kept["key"] == key else {}


def _sentence(stalls: Mapping[str, Stall], cgroup: str) -> str:
    where = f"in {cgroup} " if cgroup else ""
    if not stalls:
        return f"{where}no pressure is counted"
    name, worst = max(stalls.items(), key=lambda pair: pair[1].avg60_pct)
    resource, _, kind = name.partition("_")
    who = "some task" if kind == "some" else "all tasks"
    return f"{where}{who} waited for {_WHAT[resource]} {worst.avg60_pct:.0f} % of the last minute"


def _say(name: str, stall: Stall) -> str:
    windows = f"10 s {stall.avg10_pct:.1f} %, 60 s {stall.avg60_pct:.1f} %, 300 s {stall.avg300_pct:.1f} %"
    return f"{name.replace('_', ' ')}: {windows}"

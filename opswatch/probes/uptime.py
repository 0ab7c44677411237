"""How long the host is up, whether it was restarted since the last look, and whether it waits to be.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "reboots"
    probe = "uptime"
    match = { kind = "host" }
    every = "60s"
    confirm = 1
    limits = { rebooted = { warn = "> 0" }, reboot_pending_days = { warn = "> 14" }, uptime_days = { warn = "> 400" } }

A reboot is pending when Debian says so (/run/reboot-required), when a newer kernel of the same flavour is installed
than the one that runs, or when the file of the running one was replaced since it started. In a container there is no
kernel to compare, and the host's uptime is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.core.model import Failure, Health, Sample, Verdict
from opswatch.core.spans import say_roughly
from opswatch.hosts import Boot, Kernel, Reach, reach
from opswatch.hosts.evidence import bounded, printable
from opswatch.probes import Measure, Task, careful


class Args(BaseModel):
    """What to make of a pending reboot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending_is: Literal["ok", "warn", "crit"] = Field(
        "ok", description="How bad a pending reboot is at once; `ok`: only the limits on `reboot_pending_days` judge it"
    )
    kernel: Literal["compare", "ignore"] = Field(
        "compare", description="`ignore`: installed kernels say nothing, as where they are chosen by hand"
    )


class Look:
    """Reads /proc/uptime, the list of kernels and Debian's flag."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "uptime_s": Measure("s", "since the host started"),
        "uptime_days": Measure("d", "the same in days"),
        "rebooted": Measure("", "1 when it was restarted since the last look, else 0; absent at the first"),
        "reboot_pending": Measure("", "1 when it waits for a restart, else 0"),
        "reboot_pending_days": Measure("d", "for how long it has been waiting; 0 when it is not"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        boot = host.boot()
        last = _recall(task.memory)
        boot_id = host.boot_id() or str(round(task.now.timestamp() - boot.uptime_s, -1))
        rebooted = last is not None and last.boot_id != boot_id
        pending = list(_pending(boot, task.now, with_kernels=args.kernel == "compare"))
        since = _since(pending, last.pending_at if last is not None and not rebooted else None)
        days = (task.now - since).total_seconds() / 86400 if since is not None else 0.0
        sentence = _sentence(boot, last.kernel if last is not None and rebooted else None, pending, days)
        memory = {"boot": boot_id, "kernel": boot.kernel, "pending_at": since.timestamp() if since else None}
        is_bad = bool(pending) and args.pending_is != "ok"
        return Verdict(
            at=task.now,
            sentence=sentence,
            samples=(
                Sample("uptime_s", boot.uptime_s, "s"),
                Sample("uptime_days", boot.uptime_s / 86400, "d"),
                *((Sample("rebooted", int(rebooted)),) if last is not None else ()),
                Sample("reboot_pending", int(bool(pending))),
                Sample("reboot_pending_days", max(0.0, days), "d"),
            ),
            failures=(Failure(sentence, Health(args.pending_is)),) if is_bad else (),
            evidence=bounded(_evidence(boot, pending)),
            memory=json.dumps(memory).encode(),
        )


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why it should be restarted, and since when."""

    words: str
    since: datetime


@dataclass(frozen=True, slots=True)
class _Last:
    """What the last look saw."""

    boot_id: str
    kernel: str
    pending_at: datetime | None


def _recall(memory: bytes | None) -> _Last | None:
    if memory is None:
        return None
    kept = json.loads(memory)
    at = kept["pending_at"]
    return _Last(kept["boot"], kept["kernel"], datetime.fromtimestamp(at, UTC) if at is not None else None)


def _pending(boot: Boot, now: datetime, *, with_kernels: bool) -> Iterable[_Reason]:
    if boot.required_at is not None:
        packages = f", for {', '.join(boot.required_by[:5])}" if boot.required_by else ""
        yield _Reason(f"/run/reboot-required is there{packages}", boot.required_at)
    if not with_kernels:
        return
    booted_at = now - timedelta(seconds=boot.uptime_s)
    alike = [kernel for kernel in boot.installed if _flavour(kernel.release) == _flavour(boot.kernel)]
    newest = max(alike, key=lambda kernel: _rank(kernel.release), default=None)
    if newest is not None and _rank(newest.release) > _rank(boot.kernel):
        yield _Reason(f"kernel {newest.release} is installed, {boot.kernel} runs", newest.installed_at)
    for kernel in alike:
        if kernel.release == boot.kernel and kernel.installed_at > booted_at:
            yield _Reason(f"the file of kernel {boot.kernel} was replaced since it started", kernel.installed_at)


def _since(pending: Iterable[_Reason], known: datetime | None) -> datetime | None:
    """Since when it waits. The flag is written anew with each package: what we saw first counts."""
    beginnings = [reason.since for reason in pending]
    return min([*beginnings, *([known] if known is not None else [])]) if beginnings else None


def _flavour(release: str) -> str:
    """`amd64` of 6.1.0-25-amd64, `cloud-amd64` of 6.1.0-25-cloud-amd64: another flavour does not replace this one."""
    parts = release.split("-")
    first = len(parts)
    while first > 0 and parts[first - 1][:1].isalpha():
        first -= 1
    return "-".join(parts[first:])


def _rank(release: str) -> list[tuple[int, int, str]]:
    """For comparing releases: numbers as numbers."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|[a-z]+", release)]


def _sentence(boot: Boot, kernel_before: str | None, pending: list[_Reason], days: float) -> str:
    up = say_roughly(timedelta(seconds=boot.uptime_s))
    words = f"up for {up}, kernel {boot.kernel}"
    if kernel_before is not None:
        changed = "" if kernel_before == boot.kernel else f", before it was {kernel_before}"
        words = f"restarted {up} ago, kernel {boot.kernel}{changed}"
    if pending:
        age = f" for {say_roughly(timedelta(days=days))}" if days > 0 else ""
        words += f"; waits to be restarted{age}: {pending[0].words}"
    return printable(words)


def _evidence(boot: Boot, pending: list[_Reason]) -> Iterable[str]:
    yield from (f"{reason.words} (since {reason.since:%Y-%m-%d %H:%M}Z)" for reason in pending)
    if boot.installed:
        yield f"installed kernels: {', '.join(_newest_first(boot.installed))}"


def _newest_first(kernels: Iterable[Kernel]) -> list[str]:
    return [kernel.release for kernel in sorted(kernels, key=lambda one: _rank(one.release), reverse=True)][:10]

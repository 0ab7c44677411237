"""Pressure figures: recorded ones, and this host's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from opswatch import clock
from opswatch.core.model import UnknownReason, Verdict
from tests.probes.looks import host_of, look, module, value


def stall(avg60: float, total_us: int = 0, full: float | None = None) -> str:
    line = f"some avg10=0.00 avg60={avg60:.2f} avg300=1.00 total={total_us}\n"
    return line + (f"full avg10=0.00 avg60={full:.2f} avg300=0.50 total={total_us // 2}\n" if full is not None else "")


def pressure(folder: Path, files: Mapping[str, str], memory: bytes | None = None, **where: object) -> Verdict:
    args = where.pop("args", {})
    return look("pressure", args, probe=module("pressure").Look(host_of(folder, files)), memory=memory, **where)  # type: ignore[arg-type]  # args of a test


def names(verdict: Verdict) -> set[str]:
    return {sample.name for sample in verdict.samples}


def test_each_resource_tells_some_and_full(tmp_path: Path) -> None:
    files = {"proc/pressure/cpu": stall(12, full=0), "proc/pressure/io": stall(30, full=25.5)}
    verdict = pressure(tmp_path, files)
    assert value(verdict, "cpu_some_avg60_pct") == 12
    assert value(verdict, "io_full_avg60_pct") == 25.5
    assert value(verdict, "io_full_avg300_pct") == 0.5
    assert verdict.sentence == "some task waited for disks 30 % of the last minute"
    # The processors of a whole host are never all wanting at once.
    assert not [name for name in names(verdict) if name.startswith("cpu_full")]
    assert names(verdict) <= set(module("pressure").Look.samples)


def test_the_share_since_the_last_look_is_exact_within_one_boot(tmp_path: Path) -> None:
    now = clock.now()

    def at(minute: int, waited_s: int, boot: str, kept: bytes | None) -> Verdict:
        files = {
            "proc/pressure/memory": stall(0, waited_s * 1_000_000),
            "proc/sys/kernel/random/boot_id": boot,
        }
        return pressure(tmp_path, files, kept, now=now + timedelta(minutes=minute))

    first = at(0, 100, "one", None)
    assert "memory_some_pct" not in names(first)
    second = at(10, 250, "one", first.memory)
    assert value(second, "memory_some_pct") == 25
    assert "memory_some_pct" not in names(at(20, 5, "two", second.memory))


def test_a_service_has_a_pressure_of_its_own(tmp_path: Path) -> None:
    group = "system.slice/orders.service"
    files = {f"cgroup/unified/{group}/cpu.pressure": stall(40, full=38), f"cgroup/{group}/notes": ""}
    verdict = pressure(tmp_path, files, args={"cgroup": group})
    assert value(verdict, "cpu_full_avg60_pct") == 38
    assert verdict.sentence.startswith(f"in {group} some task waited")
    gone = pressure(tmp_path, files, args={"cgroup": "system.slice/gone.service"})
    assert gone.unknown is UnknownReason.NO_DATA
    assert "does not exist" in gone.sentence
    with pytest.raises(ValidationError, match="below /sys/fs/cgroup"):
        module("pressure").Args(cgroup="../../etc")


def test_a_kernel_without_the_figures_is_no_data(tmp_path: Path) -> None:
    verdict = pressure(tmp_path, {"proc/stat": ""})
    assert verdict.unknown is UnknownReason.NO_DATA
    assert "psi=1" in verdict.sentence


def test_this_host_is_seen() -> None:
    if not Path("/proc/pressure/cpu").exists():
        assert look("pressure").unknown is UnknownReason.NO_DATA
        return
    first = look("pressure")
    assert first.unknown is None
    assert 0 <= value(first, "cpu_some_avg60_pct") <= 100

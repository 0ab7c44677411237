"""Memory, processors, load: here for real, and others' figures laid out as a /proc of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import UnknownReason, Verdict
from tests.probes.looks import host_of, look, module, value

MEMINFO = (
    "MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable: 2000 kB\nCached: 1500 kB\nSwapTotal: 1000 kB\nSwapFree: 250 kB\n"
)
PRESSURE = "some avg10=1.00 avg60=2.50 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.75 avg300=0.00 total=1\n"


def memory(folder: Path, files: Mapping[str, str], **where: object) -> Verdict:
    return look("memory", probe=module("memory").Look(host_of(folder, files)), **where)


def test_memory_is_what_is_available_and_not_what_is_free(tmp_path: Path) -> None:
    verdict = memory(tmp_path, {"proc/meminfo": MEMINFO, "proc/pressure/memory": PRESSURE})
    assert value(verdict, "available_pct") == 25
    assert value(verdict, "available_bytes") == 2000 * 1024
    assert value(verdict, "used_pct") == 75
    assert value(verdict, "swap_used_pct") == 75
    assert value(verdict, "psi_full_avg60_pct") == 0.75
    assert "MemAvailable / MemTotal" in verdict.evidence[0]


def test_a_containers_own_limit_counts_when_it_is_lower(tmp_path: Path) -> None:
    limited = {
        "proc/meminfo": MEMINFO,
        "cgroup/memory.max": str(4000 * 1024),
        "cgroup/memory.current": str(3500 * 1024),
        "cgroup/memory.stat": f"anon 1\ninactive_file {500 * 1024}\n",
    }
    verdict = memory(tmp_path / "a", limited)
    assert value(verdict, "available_pct") == 25
    assert value(verdict, "available_bytes") == 1000 * 1024
    assert "container's limit" in verdict.sentence
    above = memory(tmp_path / "b", {**limited, "cgroup/memory.max": str(10**12)})
    none = memory(tmp_path / "c", {**limited, "cgroup/memory.max": "max\n"})
    assert value(above, "available_bytes") == value(none, "available_bytes") == 2000 * 1024


def test_swapping_and_kills_are_counted_since_the_last_look_of_this_boot(tmp_path: Path) -> None:
    now = clock.now()

    def at(minute: int, boot: str, pages: int, kills: int, kept: bytes | None) -> Verdict:
        files = {
            "proc/meminfo": MEMINFO,
            "proc/vmstat": f"pswpin {2 * pages}\npswpout {pages}\noom_kill {kills}\n",
            "proc/sys/kernel/random/boot_id": boot,
        }
        return memory(tmp_path, files, memory=kept, now=now + timedelta(minutes=minute))

    first = at(0, "one", 1000, 3, None)
    assert not {"swap_in_bytes_s", "swap_out_bytes_s", "oom_kills"} & {sample.name for sample in first.samples}
    second = at(1, "one", 1060, 5, first.memory)
    assert value(second, "swap_out_bytes_s") == os.sysconf("SC_PAGESIZE")
    assert value(second, "swap_in_bytes_s") == 2 * os.sysconf("SC_PAGESIZE")
    assert value(second, "oom_kills") == 2
    assert "2 killed for want of memory" in second.sentence
    rebooted = at(2, "two", 10, 0, second.memory)
    assert "oom_kills" not in {sample.name for sample in rebooted.samples}


def stat_of(*ticks: int) -> str:
    return f"cpu  {' '.join(map(str, ticks))}\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nprocs_running 1\nprocs_blocked 3\n"


def test_busy_is_work_and_neither_waiting_for_disks_nor_stolen(tmp_path: Path) -> None:
    probe = module("cpu").Look(host_of(tmp_path, {"proc/sys/kernel/random/boot_id": "one"}))
    now = clock.now()
    (tmp_path / "proc/stat").write_text(stat_of(1000, 0, 1000, 8000, 0, 0, 0, 0, 500, 0))
    first = look("cpu", probe=probe, now=now, timeout_s=0.02)
    assert "first look" in first.sentence
    #                                            user nice system idle iowait irq softirq steal guest
    (tmp_path / "proc/stat").write_text(stat_of(1200, 50, 1100, 8400, 100, 20, 30, 100, 600, 0))
    verdict = look("cpu", probe=probe, memory=first.memory, now=now + timedelta(minutes=1))
    assert value(verdict, "busy_pct") == pytest.approx(40)
    assert value(verdict, "iowait_pct") == pytest.approx(10)
    assert value(verdict, "steal_pct") == pytest.approx(10)
    assert verdict.sentence == "40 % of 2 processors busy over the last 1m"
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("two")
    after_boot = look("cpu", probe=probe, memory=verdict.memory, now=now, timeout_s=0.02)
    assert "first look" in after_boot.sentence


def test_counters_that_run_backwards_are_never_negative(tmp_path: Path) -> None:
    probe = module("cpu").Look(host_of(tmp_path, {"proc/stat": stat_of(1000, 0, 0, 1000, 500, 0, 0, 0)}))
    first = look("cpu", probe=probe, timeout_s=0.02)
    (tmp_path / "proc/stat").write_text(stat_of(1100, 0, 0, 1100, 400, 0, 0, 0))
    verdict = look("cpu", probe=probe, memory=first.memory)
    assert value(verdict, "iowait_pct") == 0
    assert value(verdict, "busy_pct") == pytest.approx(50)


def test_load_is_divided_by_the_processors(tmp_path: Path) -> None:
    files = {"proc/loadavg": "4.00 3.00 1.00 2/300 12345\n", "proc/stat": stat_of(1, 1, 1, 1)}
    verdict = look("load", probe=module("load").Look(host_of(tmp_path, files)))
    assert [value(verdict, f"load{minutes}_per_cpu") for minutes in (1, 5, 15)] == [2, 1.5, 0.5]
    assert value(verdict, "blocked") == 3
    assert "3 processes blocked" in verdict.sentence


@pytest.mark.parametrize("name", ["memory", "cpu", "load"])
def test_a_host_without_proc_is_refused_in_words(name: str, tmp_path: Path) -> None:
    verdict = look(name, probe=module(name).Look(host_of(tmp_path, {})))
    assert verdict.unknown is UnknownReason.REFUSED
    assert str(tmp_path) in verdict.sentence


@pytest.mark.parametrize("name", ["disk", "memory", "cpu", "load"])
def test_this_host_is_seen(name: str) -> None:
    verdict = look(name)
    assert verdict.unknown is None
    assert verdict.samples
    assert {sample.name for sample in verdict.samples} <= set(module(name).Look.samples)

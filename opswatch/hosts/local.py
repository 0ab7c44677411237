"""The host we run on, read from /proc."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import psutil

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import (
    Boot,
    CannotSee,
    CpuTimes,
    Finished,
    FstabLine,
    Listener,
    Load,
    MemoryUse,
    Mount,
    Pressure,
    Process,
    ProcessState,
    Timekeeping,
    Usage,
    boot,
    listeners,
    pressure,
    process_states,
    timekeeping,
)
from opswatch.hosts.files import Files, local_files
from opswatch.hosts.fstab import parse_fstab, parse_swaps, unescape
from opswatch.hosts.helper import Helpers, NoAnswer
from opswatch.hosts.run import run

T = TypeVar("T")

PATIENCE_S = 5.0  # with one mount; a dead server answers never
_NETWORK_KINDS = re.compile(r"nfs|cifs|smb|fuse|9p|ceph|gluster|lustre|afs|gfs|ocfs|virtiofs")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")
_STATFS = (sys.executable, "-I", "-S", str(Path(__file__).with_name("statfs.py")))


@lru_cache(maxsize=1)
def this_host() -> LocalHost:
    """The one shared LocalHost; its helper process is started beforehand."""
    host = LocalHost()
    host.prepare()
    return host


class LocalHost:
    """`hosts.Host` for access = "local". The folders are arguments so that others' figures can be read too."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cgroup: Path = Path("/sys/fs/cgroup"),
        helper: Sequence[str] = _STATFS,
        root: Path = Path("/"),
    ) -> None:
        self._proc = proc
        self._cgroup = cgroup
        self._root = root
        self._helpers = Helpers(helper)

    def prepare(self) -> None:
        """Start what must be running before it is needed."""
        self._helpers.start_one()

    # --- filesystems

    def mounts(self) -> list[Mount]:
        return parse_mountinfo(self._read("self/mountinfo"))

    def usage(self, paths: Sequence[str], timeout_s: float) -> dict[str, Usage | str]:
        deadline = monotonic_s() + timeout_s
        # Two may hang in one look, and the others are still seen.
        patience_s = min(PATIENCE_S, timeout_s * 0.4)
        answers: dict[str, Usage | str] = {}
        for path in paths:
            left_s = deadline - monotonic_s()
            answers[path] = self._ask(path, min(patience_s, left_s)) if left_s > 0 else "no time was left to ask it"
        return answers

    def _ask(self, path: str, timeout_s: float) -> Usage | str:
        try:
            answer = self._helpers.ask(path, timeout_s)
        except NoAnswer as silence:
            return f"statfs: {silence} within {timeout_s:.1f} s"
        assert isinstance(answer, dict)
        if "error" in answer:
            return str(answer["error"])
        return Usage(**answer)

    def fstab(self) -> list[FstabLine]:
        return parse_fstab(self._read_path(self._root / "etc/fstab", optional=True))

    def swaps(self) -> list[str]:
        return parse_swaps(self._read("swaps", optional=True))

    def mount_errors(self, mount: Mount) -> int | None:
        if mount.kind not in ("ext2", "ext3", "ext4"):
            return None
        # The kernel names the filesystem like its block device, wherever that one's node may be.
        device = self._root / "sys/dev/block" / mount.device
        count = self._read_path(self._root / "sys/fs/ext4" / device.resolve().name / "errors_count", optional=True)
        return int(count) if count.strip().isdigit() else None

    @property
    def files(self) -> Files:
        return local_files()

    # --- memory, processor

    def memory(self) -> MemoryUse:
        meminfo = _fields(self._read("meminfo"))
        vmstat = _fields(self._read("vmstat", optional=True))
        stalls = pressure.parse(self._read("pressure/memory", optional=True)) or Pressure(None, None)
        if "MemTotal" not in meminfo:
            raise CannotSee(UnknownReason.NO_DATA, "/proc/meminfo says no MemTotal")
        # Before Linux 3.14 there is no MemAvailable: free and page cache is what was used then.
        fallback = meminfo.get("MemFree", 0) + meminfo.get("Cached", 0) + meminfo.get("Buffers", 0)
        total = meminfo["MemTotal"] * 1024
        available = meminfo.get("MemAvailable", fallback) * 1024
        limit, used = self._container_memory()
        is_limited = limit is not None and limit < total
        if is_limited:
            assert limit is not None
            total, available = limit, max(0, min(available, limit - used))
        return MemoryUse(
            total_bytes=total,
            available_bytes=available,
            swap_total_bytes=meminfo.get("SwapTotal", 0) * 1024,
            swap_free_bytes=meminfo.get("SwapFree", 0) * 1024,
            limited_by="cgroup" if is_limited else "host",
            swapped_in_bytes=vmstat["pswpin"] * _PAGE if "pswpin" in vmstat else None,
            swapped_out_bytes=vmstat["pswpout"] * _PAGE if "pswpout" in vmstat else None,
            oom_kills=vmstat.get("oom_kill"),
            psi_some_avg60_pct=stalls.some.avg60_pct if stalls.some else None,
            psi_full_avg60_pct=stalls.full.avg60_pct if stalls.full else None,
        )

    def _container_memory(self) -> tuple[int | None, int]:
        """(limit, used without page cache that can go). Only the root of the hierarchy counts: inside a container that
        is its own group; on a host it has no limit, and the limit of our own service is not the host's."""
        limit = self._cgroup_number("memory.max")
        stat = self._read_path(self._cgroup / "memory.stat", optional=True)
        inactive = _fields(stat).get("inactive_file", 0)
        return limit, max(0, (self._cgroup_number("memory.current") or 0) - inactive)

    def _cgroup_number(self, name: str) -> int | None:
        text = self._read_path(self._cgroup / name, optional=True).strip()
        return int(text) if text.isdigit() else None

    def cpu(self) -> CpuTimes:
        lines = self._read("stat").splitlines()
        total = next((line for line in lines if line.startswith("cpu ")), None)
        if total is None:
            raise CannotSee(UnknownReason.NO_DATA, "/proc/stat has no line for all processors")
        stalls = pressure.parse(self._read("pressure/cpu", optional=True))
        # user already holds guest, nice holds guest_nice; old kernels have no steal.
        ticks = ([float(word) for word in total.split()[1:9]] + [0.0] * 8)[:8]
        user, nice, system, idle, iowait, irq, softirq, steal = (tick / _TICKS for tick in ticks)
        return CpuTimes(
            busy_s=user + nice + system + irq + softirq,
            idle_s=idle,
            iowait_s=iowait,
            steal_s=steal,
            processors=_count_processors(lines),
            psi_some_avg60_pct=stalls.some.avg60_pct if stalls and stalls.some else None,
        )

    def load(self) -> Load:
        one, five, fifteen = (float(word) for word in self._read("loadavg").split()[:3])
        lines = self._read("stat").splitlines()
        blocked = next((int(line.split()[1]) for line in lines if line.startswith("procs_blocked ")), 0)
        return Load(one, five, fifteen, _count_processors(lines), blocked)

    def pressure(self, cgroup: str = "") -> dict[str, Pressure]:
        return pressure.of_cgroup(self._cgroup, cgroup) if cgroup else pressure.of_host(self._proc)

    # --- time

    def boot_id(self) -> str:
        return self._read("sys/kernel/random/boot_id", optional=True).strip()

    def boot(self) -> Boot:
        return boot.read(self._read("uptime"), self._read("sys/kernel/osrelease"), self._root)

    def timekeeping(self) -> Timekeeping:
        return timekeeping.read()

    def wall(self) -> datetime:
        return timekeeping.wall()

    def boottime_s(self) -> float:
        return timekeeping.boottime_s()

    # --- processes

    def processes(self) -> Iterator[Process]:
        for pid in psutil.pids():
            try:
                yield _seen(psutil.Process(pid))
            except psutil.NoSuchProcess:  # It ended while we looked.
                continue

    def process_states(self) -> list[ProcessState]:
        return process_states.read(self._proc)

    def hides_processes(self) -> bool:
        return not (self._proc / "1").is_dir()

    def run(self, argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None) -> Finished:
        try:
            return run(argv, timeout_s=timeout_s, env=env, stdout_max=4 * 1024 * 1024)
        except OSError as trouble:
            raise CannotSee(UnknownReason.REFUSED, f"{argv[0]} cannot be run: {trouble.strerror}") from None

    # --- sockets

    def listeners(self) -> list[Listener]:
        return listeners.read(self._proc)

    def ephemeral_ports(self) -> range:
        return listeners.ephemeral_ports(self._read("sys/net/ipv4/ip_local_port_range", optional=True))

    # --- files

    def _read(self, name: str, *, optional: bool = False) -> str:
        return self._read_path(self._proc / name, optional=optional)

    def _read_path(self, path: Path, *, optional: bool) -> str:
        try:
            return path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as trouble:
            if optional:
                return ""
            raise CannotSee(UnknownReason.REFUSED, f"{path} cannot be read: {trouble.strerror}") from None


def parse_mountinfo(text: str) -> list[Mount]:
    """The mounts of /proc/self/mountinfo (proc(5)), in its order: later ones may cover earlier ones."""
    mounts = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if not separator or len(fields) < 6 or len(rest) < 3:
            continue
        mounts.append(
            Mount(
                path=unescape(fields[4]),
                device=fields[2],
                kind=rest[0],
                source=unescape(rest[1]),
                read_only="ro" in rest[2].split(","),
                is_whole=fields[3] == "/",
            )
        )
    return mounts


def is_network(kind: str) -> bool:
    """Whether a filesystem of this kind may hang because somebody else does."""
    return _NETWORK_KINDS.match(kind) is not None


def _fields(text: str) -> dict[str, int]:
    """`Name: 12 kB` and `name 12` lines."""
    found = {}
    for line in text.splitlines():
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdigit():
            found[words[0]] = int(words[1])
    return found


def _count_processors(lines: Sequence[str]) -> int:
    return max(1, sum(1 for line in lines if re.match(r"cpu\d", line)))


def _seen(process: psutil.Process) -> Process:
    with process.oneshot():
        name = process.name()  # psutil completes the kernel's 15 letters from the command line where it can
        memory = _may(process.memory_info)
        return Process(
            pid=process.pid,
            name=name,
            comm=name[:15],
            cmdline=tuple(_may(process.cmdline) or ()),
            user=_may(process.username),
            started_s=_may(process.create_time),
            rss_bytes=memory.rss if memory else None,
            is_zombie=process.status() == psutil.STATUS_ZOMBIE,
        )


def _may(ask: Callable[[], T]) -> T | None:
    """What `ask` says, None where it is not for us to know."""
    try:
        return ask()
    except (psutil.AccessDenied, psutil.ZombieProcess):
        return None

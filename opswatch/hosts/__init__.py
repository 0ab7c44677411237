"""One way to read a host, however it is reached. Values only: what is good or bad is for the probes and the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opswatch.core.model import UnknownReason
from opswatch.errors import OpswatchError


class CannotSee(OpswatchError):
    """Nothing could be seen. A probe answers it with `unknown` and this reason; the text is the sentence."""

    def __init__(self, reason: UnknownReason, sentence: str, *evidence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted filesystem. `read_only` is the superblock's word: a sandbox may hide a writable one from us."""

    path: str
    device: str  # "254:0": the same for bind mounts and subvolumes of one filesystem
    kind: str  # ext4, nfs4, tmpfs …
    source: str
    read_only: bool
    is_whole: bool  # False: a bind mount of a part


@dataclass(frozen=True, slots=True)
class Usage:
    """What statfs says. `avail_bytes` is what an ordinary user may still write: without root's reserve."""

    total_bytes: int
    free_bytes: int
    avail_bytes: int
    inodes: int  # 0: this filesystem does not count them
    inodes_free: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory in bytes. `limited_by` is "host", or "cgroup" where a container's own limit is the lower one."""

    total_bytes: int
    available_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    limited_by: str = "host"
    swapped_out_bytes: int | None = None  # counters since boot
    oom_kills: int | None = None
    psi_some_avg60_pct: float | None = None  # None: this kernel keeps no pressure figures
    psi_full_avg60_pct: float | None = None


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds since boot, of all processors together."""

    busy_s: float  # user, nice, system, interrupts; neither iowait nor steal
    idle_s: float
    iowait_s: float
    steal_s: float
    processors: int
    psi_some_avg60_pct: float | None = None

    @property
    def total_s(self) -> float:
        return self.busy_s + self.idle_s + self.iowait_s + self.steal_s


@dataclass(frozen=True, slots=True)
class Load:
    """The three load averages, and what may explain them."""

    load1: float
    load5: float
    load15: float
    processors: int
    blocked: int  # processes in uninterruptible sleep: load without work


@dataclass(frozen=True, slots=True)
class Process:
    """One running process. What may not be read is None (or empty)."""

    pid: int
    name: str  # whole, where the kernel's 15 letters were cut
    comm: str  # the kernel's 15 letters
    cmdline: tuple[str, ...]
    user: str | None
    started_s: float | None  # seconds since 1970
    rss_bytes: int | None
    is_zombie: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. Neither `exit_code` nor `signal`: it could not be killed and is left behind."""

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool
    is_cut: bool  # it printed more than was kept
    took_s: float

    @property
    def is_stuck(self) -> bool:
        return self.exit_code is None and self.signal is None


class Host(Protocol):
    """Each method raises CannotSee when the host does not show it. Safe to call from several threads at once."""

    def mounts(self) -> list[Mount]: ...

    def usage(self, paths: Sequence[str], timeout_s: float) -> dict[str, Usage | str]:
        """Of each path what statfs says, or in words why not. A hung mount costs its own answer only."""
        ...

    def memory(self) -> MemoryUse: ...

    def cpu(self) -> CpuTimes: ...

    def load(self) -> Load: ...

    def processes(self) -> Iterator[Process]: ...

    def hides_processes(self) -> bool:
        """Whether processes of other users are hidden from us (hidepid, ProtectProc)."""
        ...

    def boot_id(self) -> str:
        """Changes when the host boots: counters since boot start anew."""
        ...

    def run(self, argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None) -> Finished: ...


Reach = Callable[[str], Host]


def reach(access: str) -> Host:
    """The host that `access` of a target names. Raises CannotSee."""
    if access == "local":
        from opswatch.hosts.local import this_host

        return this_host()
    kind = access.partition(":")[0]
    raise CannotSee(
        UnknownReason.REFUSED,
        f"hosts cannot be reached by {kind!r} yet: write access = 'local', and the node that sees it",
    )

"""One way to read a host, however it is reached. Values only: what is good or bad is for the probes and the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from opswatch.core.model import UnknownReason
from opswatch.errors import OpswatchError

if TYPE_CHECKING:
    from opswatch.hosts.files import Files


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
    swapped_in_bytes: int | None = None  # counters since boot
    swapped_out_bytes: int | None = None
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
class ProcessState:
    """What the kernel says a process is doing: R runs, S sleeps, D waits uninterruptibly, Z has ended unreaped."""

    pid: int
    parent: int
    name: str  # the kernel's 15 letters
    state: str
    started_ticks: int  # since boot: with the pid it names this process and no later one
    switches: int | None = None  # of those in D: unchanged means that it never ran in between
    waits_in: str = ""  # of those in D: the kernel function, where we may know it


@dataclass(frozen=True, slots=True)
class Stall:
    """The share of time in which tasks waited, of the last 10, 60 and 300 seconds, and seconds in all since boot."""

    avg10_pct: float
    avg60_pct: float
    avg300_pct: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Pressure:
    """Waiting for one resource (PSI): of some task, and of all at once. Interrupts have no `some`."""

    some: Stall | None
    full: Stall | None


@dataclass(frozen=True, slots=True)
class FstabLine:
    """One line of /etc/fstab, as written."""

    source: str  # /dev/…, UUID=…, nas:/export, tmpfs
    path: str  # "none" for swap
    kind: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that waits for others: TCP in state LISTEN, UDP bound and not connected."""

    protocol: str  # tcp, udp
    address: str
    port: int
    user: str
    pid: int | None = None  # None: whose it is may not be known to us
    process: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this host itself can reach it."""
        return self.address.startswith("127.") or self.address in ("::1", "::ffff:127.0.0.1")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One installed kernel, and when its file came to be (UTC)."""

    release: str
    installed_at: datetime


@dataclass(frozen=True, slots=True)
class Boot:
    """What runs since when, and what would after the next boot."""

    uptime_s: float
    kernel: str
    installed: tuple[Kernel, ...]
    required_at: datetime | None  # /run/reboot-required was last written, UTC; None: it is not there
    required_by: tuple[str, ...]  # packages


@dataclass(frozen=True, slots=True)
class Timekeeping:
    """The kernel's own account of its clock. Nobody disciplines it while `max_error_s` stands at 16 s."""

    max_error_s: float
    offset_s: float  # still to be slewed away


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

    def process_states(self) -> list[ProcessState]: ...

    def pressure(self, cgroup: str = "") -> dict[str, Pressure]:
        """Of `cpu`, `memory`, `io` and, where the kernel counts them, `irq`: of the host, or of one control group."""
        ...

    def fstab(self) -> list[FstabLine]: ...

    def swaps(self) -> list[str]:
        """The areas in use: devices and files."""
        ...

    def mount_errors(self, mount: Mount) -> int | None:
        """Errors its filesystem has counted since it was last repaired; None where it keeps no count."""
        ...

    def listeners(self) -> list[Listener]: ...

    def ephemeral_ports(self) -> range:
        """The ports the kernel gives to sockets that ask for none."""
        ...

    def boot(self) -> Boot: ...

    def timekeeping(self) -> Timekeeping: ...

    def wall(self) -> datetime:
        """What its clock says, right or wrong, UTC. For looking at the clock, never for deciding anything."""
        ...

    def boottime_s(self) -> float:
        """Seconds since boot, also those asleep, on a clock that nobody can set."""
        ...

    @property
    def files(self) -> Files:
        """Its files, asked for so that a hung file server costs no thread."""
        ...

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

"""Filesystems: how full they are, in bytes and inodes, counted as df counts.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "disk-space"
    probe = "disk"
    match = { kind = "host" }
    every = "60s"
    timeout = "10s"
    limits = { used_pct = { warn = "> 80", crit = "> 90", clear = 3 }, inodes_used_pct = { crit = "> 90" } }
    args = { exclude = ["/snap/*", "/var/lib/docker/*"], expect = ["/"] }

Each mount is an item. Bind mounts and subvolumes of one filesystem count once. Pseudo filesystems, images that are full
by design and tmpfs are left out unless `include` names them. A hung mount is `unknown` by itself, the others are seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opswatch.core.model import Failure, Health, Sample, Verdict
from opswatch.hosts import Host, Mount, Reach, Usage, reach
from opswatch.hosts.evidence import bounded, printable, say_bytes, say_count
from opswatch.hosts.local import is_network
from opswatch.probes import Measure, Task, careful

_GIB = 1024**3
_BY_DESIGN = re.compile(
    r"aufs|autofs|binfmt_misc|bpf|cgroup2?|configfs|cramfs|debugfs|devfs|devpts|devtmpfs|efivarfs|erofs|fusectl|hugetlbfs"
    r"|fuse\.(gvfsd-fuse|lxcfs|portal|snapfuse)|iso9660|mqueue|nfsd|nsfs|overlay|proc|pstore|ramfs|romfs|rootfs"
    r"|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs|udf"
)


class Args(BaseModel):
    """What to look at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exclude: tuple[str, ...] = Field((), description="Mount points to leave out: globs, such as `/snap/*`")
    include: tuple[str, ...] = Field((), description="Mount points to look at although their kind is left out: globs")
    expect: tuple[str, ...] = Field((), description="Mount points that must be mounted: missing is critical")
    read_only_ok: tuple[str, ...] = Field((), description="Mounts that may turn read-only without a failure: globs")
    magic: float | None = Field(
        None, gt=0, le=1, description="Checkmk's magic factor, such as 0.8: gives `used_pct_scaled`"
    )
    magic_norm_gib: float = Field(20, gt=0, description="The size at which `magic` changes nothing")


class Look:
    """Asks statfs of every mount, in a helper process."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "used_pct": Measure("%", "used / (used + available), as df prints it: root's reserve counts as used up"),
        "avail_bytes": Measure("B", "what an ordinary user may still write"),
        "inodes_used_pct": Measure("%", "inodes in use; absent where the filesystem does not count them"),
        "used_pct_scaled": Measure("%", "`used_pct` made milder above `magic_norm_gib`; only with `magic`"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        mounted = host.mounts()
        mounts = _worth_looking(mounted, args)
        were_writable = frozenset(json.loads(task.memory)) if task.memory else frozenset()
        wanted = [mount for mount in mounts if not mount.read_only or mount.path in were_writable]
        seen = _ask(host, wanted, task.timeout_s * 0.9)
        usages = {path: usage for path, usage in seen.items() if isinstance(usage, Usage) and usage.total_bytes > 0}
        failures = [
            *_silent(seen),
            *_turned_read_only(wanted, args),
            *_missing(args.expect, mounted),
        ]
        writable = sorted({mount.path for mount in mounts if not mount.read_only} | {mount.path for mount in wanted})
        return Verdict(
            at=task.now,
            sentence=_sentence(usages, failures),
            samples=tuple(sample for path, usage in usages.items() for sample in _samples(path, usage, args)),
            failures=tuple(failures),
            sentences={path: _say(path, usage) for path, usage in usages.items()},
            evidence=bounded(f"{mount.path} ({mount.kind}, {mount.source})" for mount in wanted),
            memory=json.dumps(writable[:1000]).encode(),
        )


def _worth_looking(mounts: Iterable[Mount], args: Args) -> list[Mount]:
    """One mount for each filesystem, the most telling path of it. The last of several on one path covers the others."""
    visible = {mount.path: mount for mount in mounts}
    chosen: dict[str, Mount] = {}
    for mount in visible.values():
        if not _is_wanted(mount, args):
            continue
        other = chosen.get(mount.device)
        if other is None or _rank(mount) < _rank(other):
            chosen[mount.device] = mount
    return sorted(chosen.values(), key=lambda mount: mount.path)


def _is_wanted(mount: Mount, args: Args) -> bool:
    if any(fnmatchcase(mount.path, glob) for glob in args.exclude):
        return False
    if not _BY_DESIGN.fullmatch(mount.kind) or any(fnmatchcase(mount.path, glob) for glob in args.include):
        return True
    # In a container the root is an overlay, and the one filesystem there is.
    return mount.path == "/" and mount.kind == "overlay"


def _rank(mount: Mount) -> tuple[bool, int, str]:
    return (not mount.is_whole, len(mount.path), mount.path)


def _ask(host: Host, mounts: Iterable[Mount], timeout_s: float) -> dict[str, Usage | str]:
    """Those that hang when somebody else does are asked last: they cannot cost the others their turn."""
    order = sorted(mounts, key=lambda mount: (is_network(mount.kind), mount.path))
    return host.usage([mount.path for mount in order], timeout_s)


def _samples(path: str, usage: Usage, args: Args) -> Iterable[Sample]:
    yield Sample("used_pct", _used_pct(usage), "%", path)
    yield Sample("avail_bytes", usage.avail_bytes, "B", path)
    if usage.inodes > 0:
        yield Sample("inodes_used_pct", 100 * (usage.inodes - usage.inodes_free) / usage.inodes, "%", path)
    if args.magic is not None:
        yield Sample("used_pct_scaled", _scaled(usage, args.magic, args.magic_norm_gib * _GIB), "%", path)


def _used_pct(usage: Usage) -> float:
    used = usage.total_bytes - usage.free_bytes
    return 100 * used / max(1, used + usage.avail_bytes)


def _scaled(usage: Usage, magic: float, norm_bytes: float) -> float:
    """Checkmk moves the limits: `100 - (100 - limit) * scale`. Moving the value instead says the same of any limit."""
    scale = min(1.0, float((usage.total_bytes / norm_bytes) ** (magic - 1)))
    return max(0.0, 100 - (100 - _used_pct(usage)) / scale)


def _silent(seen: Mapping[str, Usage | str]) -> Iterable[Failure]:
    for path, answer in seen.items():
        if isinstance(answer, str):
            yield Failure(f"{printable(path)} does not answer ({answer})", Health.UNKNOWN, path)


def _turned_read_only(wanted: Iterable[Mount], args: Args) -> Iterable[Failure]:
    for mount in wanted:
        if mount.read_only and not any(fnmatchcase(mount.path, glob) for glob in args.read_only_ok):
            words = f"{printable(mount.path)} turned read-only: look for I/O errors in the kernel log"
            yield Failure(words, item=mount.path)


def _missing(expected: Iterable[str], mounts: Iterable[Mount]) -> Iterable[Failure]:
    present = {mount.path for mount in mounts}
    for path in expected:
        if path not in present:
            yield Failure(f"{printable(path)} is not mounted", item=path)


def _say(path: str, usage: Usage) -> str:
    words = f"{printable(path)} is {_used_pct(usage):.0f} % full, {say_bytes(usage.avail_bytes)} left"
    if usage.inodes > 0 and usage.inodes_free * 10 < usage.inodes:
        words += f", {usage.inodes_free} of {usage.inodes} inodes left"
    return words


def _sentence(usages: Mapping[str, Usage], failures: Iterable[Failure]) -> str:
    troubles = [failure.sentence for failure in failures]
    if troubles:
        return "; ".join(troubles[:3])
    if not usages:
        return "no filesystem to look at"
    fullest = max(usages, key=lambda path: _used_pct(usages[path]))
    return f"{say_count(len(usages), 'filesystem')}, the fullest: {_say(fullest, usages[fullest])}"

"""Mounts: is everything mounted that should be, from where it should be, and writable where it should be?

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "mounts"
    probe = "mounts"
    match = { kind = "host" }
    every = "60s"
    limits = { errors = { warn = "> 0" }, not_in_fstab = { warn = "> 0" } }
    args = { expect = ["/"], ignore = ["/media/*", "/mnt/*"] }

Each mount is an item. /etc/fstab says what should be: what is missing, or read-only without being meant so, is critical
(missing with `nofail`: a warning); another kind, another server, or swap that is not in use is a warning. What was
writable at the last look and is not any more fails with or without fstab. Read-only is the superblock's word, not the
mount's: a sandbox of our own does not falsify it. Entries with `noauto` may be missing; an automount that waits is
there. What mount units of systemd mount counts as mounted by hand: `ignore` it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.core.model import Failure, Health, Sample, Verdict
from opswatch.hosts import FstabLine, Host, Mount, Reach, reach
from opswatch.hosts.evidence import bounded, printable, say_count
from opswatch.hosts.local import is_network
from opswatch.probes import Measure, Task, careful

_REMEMBERED_MAX = 1000
# What nobody writes into fstab: kinds without a disk of their own, and images of containers and packages.
_BY_THEMSELVES = re.compile(
    r"autofs|binfmt_misc|bpf|cgroup2?|configfs|cramfs|debugfs|devpts|devtmpfs|efivarfs|erofs|fusectl|fuse\..*|hugetlbfs"
    r"|mqueue|nfsd|nsfs|overlay|proc|pstore|ramfs|rootfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs|zfs"
)


class Args(BaseModel):
    """What should be mounted, beside what /etc/fstab says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expect: tuple[str, ...] = Field((), description="Mount points that must be mounted, whatever fstab says")
    ignore: tuple[str, ...] = Field((), description="Mount points that do not matter: globs")
    fstab: bool = Field(True, description="Compare with /etc/fstab")
    swap: bool = Field(True, description="Swap that fstab names must be in use")
    missing_is: Literal["warn", "crit"] = Field("crit", description="How bad a missing mount is")
    read_only_ok: tuple[str, ...] = Field(
        (), description="Mounts that may be read-only although they should not: globs"
    )


class Look:
    """Compares mountinfo with fstab; touches no filesystem, so that a hung one costs nothing."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "missing": Measure("", "mounts that should be there and are not; swap counts"),
        "read_only": Measure("", "mounts that should be writable and are not"),
        "not_in_fstab": Measure("", "disks and shares mounted by hand: gone after the next boot; absent without fstab"),
        "errors": Measure("", "errors a filesystem has counted since its last repair, by mount; ext4 only"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        mounted = {mount.path: mount for mount in host.mounts()}  # The last of several on one path covers the others.
        wanted = [line for line in host.fstab() if args.fstab and not _is_ignored(line.path, args)]
        missing = [*_missing(wanted, mounted, args), *_swap_off(wanted, host, args)]
        read_only = list(_read_only(wanted, mounted, _recall(task.memory), args))
        by_hand = sorted(_by_hand(wanted, mounted, args)) if wanted else []
        failures = [*missing, *_different(wanted, mounted), *read_only]
        return Verdict(
            at=task.now,
            sentence=_sentence(failures, len(mounted), by_hand),
            samples=(
                Sample("missing", len(missing)),
                Sample("read_only", len(read_only)),
                *((Sample("not_in_fstab", len(by_hand)),) if wanted else ()),
                *_errors(mounted, host, args),
            ),
            failures=tuple(failures),
            evidence=bounded(_evidence(by_hand, mounted, failures)),
            memory=_remember(mounted, read_only),
        )


def _is_ignored(path: str, args: Args) -> bool:
    return any(fnmatchcase(path, glob) for glob in args.ignore)


def _missing(wanted: Iterable[FstabLine], mounted: Mapping[str, Mount], args: Args) -> Iterable[Failure]:
    lines = {line.path: line for line in wanted if line.path.startswith("/") and line.kind != "swap"}
    due = {path for path, line in lines.items() if "noauto" not in line.options}
    for path in sorted(due | {path.rstrip("/") or "/" for path in args.expect}):
        if path in mounted:
            continue
        line = lines.get(path)
        is_mild = line is not None and "nofail" in line.options and path not in args.expect
        where = f" (fstab: {line.source}, {line.kind})" if line is not None else ""
        yield Failure(
            printable(f"{path} is not mounted{where}"), Health.WARN if is_mild else Health(args.missing_is), path
        )


def _swap_off(wanted: Iterable[FstabLine], host: Host, args: Args) -> Iterable[Failure]:
    """An area is named by path, label or UUID, and appears under its device: only their number can be compared."""
    named = [line for line in wanted if line.kind == "swap" and not {"noauto", "nofail"} & set(line.options)]
    in_use = host.swaps() if named and args.swap else []
    if args.swap and len(in_use) < len(named):
        areas = ", ".join(line.source for line in named)
        words = f"of {say_count(len(named), 'swap area')} in fstab {len(in_use)} are in use ({areas}): swapon --all"
        yield Failure(printable(words), Health.WARN, "swap")


def _different(wanted: Iterable[FstabLine], mounted: Mapping[str, Mount]) -> Iterable[Failure]:
    for line in wanted:
        mount = mounted.get(line.path)
        if mount is None or mount.kind == "autofs" or "bind" in line.options or "rbind" in line.options:
            continue
        if line.kind not in ("auto", "none") and _family(line.kind) != _family(mount.kind):
            words = f"{line.path} is {mount.kind} from {mount.source}, fstab wants {line.kind} from {line.source}"
        elif is_network(mount.kind) and line.source.rstrip("/") != mount.source.rstrip("/"):
            words = f"{line.path} comes from {mount.source}, fstab wants {line.source}"
        else:
            continue
        yield Failure(printable(words), Health.WARN, line.path)


def _family(kind: str) -> str:
    """Kinds that one driver mounts under another's name: nfs is shown as nfs4, ext3 as ext4, sshfs as fuse.sshfs."""
    return re.sub(r"^fuse\.|[0-9]+$", "", kind).replace("ntfs-3g", "fuseblk").replace("smb", "cifs")


def _read_only(
    wanted: Iterable[FstabLine], mounted: Mapping[str, Mount], were_writable: frozenset[str], args: Args
) -> Iterable[Failure]:
    meant = {line.path: "ro" not in line.options for line in wanted}
    for path, mount in sorted(mounted.items()):
        if not mount.read_only or _is_ignored(path, args) or any(fnmatchcase(path, glob) for glob in args.read_only_ok):
            continue
        is_meant = path in meant or path in args.expect
        # Those come and go as they please: systemd fills a folder of credentials, then makes it read-only.
        if _BY_THEMSELVES.fullmatch(mount.kind) and not is_meant:
            continue
        if path in were_writable:
            yield Failure(f"{printable(path)} turned read-only: look for I/O errors in the kernel log", item=path)
        elif meant.get(path) and mount.kind not in ("iso9660", "udf"):
            yield Failure(f"{printable(path)} is read-only, fstab wants it writable", item=path)


def _by_hand(wanted: Iterable[FstabLine], mounted: Mapping[str, Mount], args: Args) -> Iterable[str]:
    """Mounted filesystems that fstab does not name. Parts of one that it names (bind mounts) are well, and so is /."""
    named = {line.path for line in wanted}
    known = {mounted[path].device for path in named if path in mounted}
    for path, mount in mounted.items():
        is_known = path in named or path == "/" or mount.device in known or not mount.is_whole
        if not is_known and not _BY_THEMSELVES.fullmatch(mount.kind) and not _is_ignored(path, args):
            yield path


def _errors(mounted: Mapping[str, Mount], host: Host, args: Args) -> Iterable[Sample]:
    seen: set[str] = set()
    for path, mount in sorted(mounted.items(), key=lambda pair: (not pair[1].is_whole, len(pair[0]))):
        if mount.device in seen or _is_ignored(path, args):
            continue
        seen.add(mount.device)
        count = host.mount_errors(mount)
        if count is not None:
            yield Sample("errors", count, item=path)


def _recall(memory: bytes | None) -> frozenset[str]:
    return frozenset(json.loads(memory)["writable"]) if memory else frozenset()


def _remember(mounted: Mapping[str, Mount], read_only: Iterable[Failure]) -> bytes:
    """What is writable, and what ought to be still."""
    writable = {path for path, mount in mounted.items() if not mount.read_only and mount.kind != "autofs"}
    turned = {failure.item for failure in read_only}
    return json.dumps({"writable": sorted(writable | turned)[:_REMEMBERED_MAX]}).encode()


def _sentence(failures: Iterable[Failure], count: int, by_hand: list[str]) -> str:
    troubles = [failure.sentence for failure in failures]
    if troubles:
        return "; ".join(troubles[:3]) + (f" and {len(troubles) - 3} more" if len(troubles) > 3 else "")
    words = f"{say_count(count, 'mount')}, as they should be"
    return f"{words}; not in fstab: {printable(', '.join(by_hand[:5]))}" if by_hand else words


def _evidence(by_hand: Iterable[str], mounted: Mapping[str, Mount], failures: Iterable[Failure]) -> Iterable[str]:
    for failure in failures:
        mount = mounted.get(failure.item)
        if mount is not None:
            state = "read-only" if mount.read_only else "writable"
            yield f"{mount.path}: {mount.kind} from {mount.source}, {state} (superblock)"
    yield from (f"not in fstab: {path} ({mounted[path].kind}, {mounted[path].source})" for path in by_hand)

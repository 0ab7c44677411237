"""When this host started, with which kernel, and what waits for its next start."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from opswatch.hosts import Boot, Kernel

_PACKAGES_MAX = 50


def read(uptime: str, kernel: str, root: Path) -> Boot:
    """From the texts of /proc/uptime and /proc/sys/kernel/osrelease, and the files under `root`."""
    flag = root / "run/reboot-required"
    required_at = _changed_at(flag)
    packages = _lines(flag.with_name("reboot-required.pkgs")) if required_at is not None else ()
    return Boot(float(uptime.split()[0]), kernel.strip(), _kernels(root), required_at, packages)


def _kernels(root: Path) -> tuple[Kernel, ...]:
    """What could be booted. Modules alone do not count: Debian leaves their folders behind."""
    named = [(path, re.sub(r"^vmlinu[xz]-", "", path.name)) for path in root.glob("boot/vmlinu[xz]-*")]
    named += [(path, path.parent.name) for path in root.glob("usr/lib/modules/*/vmlinuz")]
    found: dict[str, Kernel] = {}
    for path, release in named:
        try:
            # Not the time of the contents, which is that of the build: when it came onto this disk.
            found.setdefault(release, Kernel(release, datetime.fromtimestamp(path.stat().st_ctime, UTC)))
        except OSError:
            continue
    return tuple(found[release] for release in sorted(found))


def _changed_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(path.read_text(errors="replace").split()))[:_PACKAGES_MAX]
    except OSError:
        return ()

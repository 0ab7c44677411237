"""Pressure stall information: how much of the time tasks wait for a resource they need."""

from __future__ import annotations

import re
from pathlib import Path

from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee, Pressure, Stall

RESOURCES = ("cpu", "memory", "io", "irq")

_LINE = re.compile(r"^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)", re.MULTILINE)


def of_host(proc: Path) -> dict[str, Pressure]:
    """By resource. Raises CannotSee where the kernel keeps no such figures."""
    found = _read({name: (proc / "pressure" / name,) for name in RESOURCES})
    if not found:
        words = "this kernel keeps no pressure figures: Linux 4.20 or later, where need be booted with psi=1"
        raise CannotSee(UnknownReason.NO_DATA, words)
    return found


def of_cgroup(root: Path, cgroup: str) -> dict[str, Pressure]:
    """Of one control group (version 2), such as `system.slice/nginx.service`. Raises CannotSee."""
    # Beside version 1, systemd mounts the hierarchy of version 2 in a folder of its own.
    folders = (root / cgroup, root / "unified" / cgroup)
    found = _read({name: tuple(folder / f"{name}.pressure" for folder in folders) for name in RESOURCES})
    if not found:
        what = "keeps no pressure figures" if any(folder.is_dir() for folder in folders) else "does not exist"
        raise CannotSee(UnknownReason.NO_DATA, f"the control group {cgroup} {what}")
    return found


def parse(text: str) -> Pressure | None:
    """The figures of one pressure file; None where there are none."""
    lines = {
        which: Stall(float(avg10), float(avg60), float(avg300), int(total_us) / 1e6)
        for which, avg10, avg60, avg300, total_us in _LINE.findall(text)
    }
    return Pressure(lines.get("some"), lines.get("full")) if lines else None


def _read(files: dict[str, tuple[Path, ...]]) -> dict[str, Pressure]:
    found = {}
    for name, candidates in files.items():
        for path in candidates:
            try:
                pressure = parse(path.read_text())
            except OSError:  # Absent, or switched off for this group (EOPNOTSUPP).
                continue
            if pressure is not None:
                found[name] = pressure
                break
    return found

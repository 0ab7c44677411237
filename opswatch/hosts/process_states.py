"""What each process is doing, from one read of each: for those that hang, and those that have ended unreaped."""

from __future__ import annotations

import os
import re
from pathlib import Path

from opswatch.hosts import ProcessState

_SWITCHES = re.compile(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


def read(proc: Path) -> list[ProcessState]:
    """Every process that we may see."""
    found = []
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):  # noqa: PTH208
        try:
            state = parse_stat((proc / str(pid) / "stat").read_text(errors="replace"))
        except (OSError, ValueError, IndexError):  # It ended while we looked.
            continue
        found.append(_waiting(proc, state) if state.state == "D" else state)
    return found


def parse_stat(text: str) -> ProcessState:
    """One line of /proc/PID/stat. Raises ValueError or IndexError for anything else."""
    # The name may hold blanks and brackets itself: it ends at the last one.
    left, _, right = text.rpartition(")")
    pid, _, name = left.partition(" (")
    fields = right.split()
    return ProcessState(int(pid), int(fields[1]), name, fields[0], int(fields[19]))


def _waiting(proc: Path, process: ProcessState) -> ProcessState:
    folder = proc / str(process.pid)
    counts = _SWITCHES.findall(_text(folder / "status"))
    where = _text(folder / "wchan").strip()
    return ProcessState(
        process.pid,
        process.parent,
        process.name,
        process.state,
        process.started_ticks,
        switches=sum(map(int, counts)) if counts else None,
        waits_in="" if where == "0" else where,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

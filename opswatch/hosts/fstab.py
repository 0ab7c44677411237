"""What is to be mounted (/etc/fstab), and which swap is in use."""

from __future__ import annotations

import re

from opswatch.hosts import FstabLine


def parse_fstab(text: str) -> list[FstabLine]:
    """The lines of fstab(5) that name something; comments and broken lines are left out."""
    lines = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        options = tuple(fields[3].split(",")) if len(fields) > 3 else ("defaults",)
        path = unescape(fields[1])
        lines.append(FstabLine(unescape(fields[0]), path.rstrip("/") or path, fields[2], options))
    return lines


def parse_swaps(text: str) -> list[str]:
    """The areas of /proc/swaps, below its heading."""
    return [unescape(line.split()[0]) for line in text.splitlines()[1:] if line.strip()]


def unescape(path: str) -> str:
    """Blanks are written as `\\040` there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), path)

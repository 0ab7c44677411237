"""Pastes a real comparison of the two examples into docs/simulate.md: `python -m tests.sim.compared_page`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "simulate.md"
LINE = (
    "simulate --compare examples/office-hours.toml examples/follow-the-sun.toml "
    "--from 2026-12-01T00:00Z --days 120 --seeds 6"
)
PLACE = re.compile(r"(<!-- compared: .*? -->\n).*?(<!-- /compared -->)", re.DOTALL)
TABLE = re.compile(r"^\| figure .*?(?=^\n)", re.MULTILINE | re.DOTALL)
BARS = re.compile(r"^```\nP0.*?^```", re.MULTILINE | re.DOTALL)


def compared(*more: str) -> str:
    """What the real program prints, run where the examples are."""
    program = Path(sys.executable).with_name("opswatch")
    ran = subprocess.run(
        [program, *LINE.split(), *more], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def verdicts(text: str) -> dict[str, str]:
    """Row → what it says is better."""
    found = TABLE.search(text)
    assert found is not None, text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].strip().splitlines()[2:]]
    return {row[0]: row[-1] for row in rows}


if __name__ == "__main__":
    printed = compared()
    table, bars = TABLE.search(printed), BARS.search(printed)
    assert table is not None and bars is not None
    shown = f"    opswatch {LINE}\n\n{table[0]}\n{bars[0]}\n"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(PLACE.sub(lambda found: f"{found[1]}{shown}{found[2]}", page), encoding="utf-8")

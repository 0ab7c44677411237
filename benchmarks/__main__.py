"""Run them all and write docs/benchmarks.md: `make bench`."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import sqlite3
import sys
from pathlib import Path

from benchmarks import cold, head, idle, ingest, page, review, rosters, samples, simulate, steps

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def main() -> None:
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    parts = [f"{versions}, {os.cpu_count()} cores, {platform.machine()}."]
    for name, measure in (
        ("page", page.main),
        ("alert ingest", ingest.main),
        ("core steps", steps.main),
        ("simulation", simulate.main),
        ("rosters", rosters.main),
        ("cold starts", cold.main),
        ("idle cost", idle.main),
        ("history of values", samples.main),
        ("weekly review", review.main),
    ):
        print(f"measuring {name} …", file=sys.stderr)
        parts.append("\n".join(measure()))
    print("measuring the head …", file=sys.stderr)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        head.main()
    parts.append(said.getvalue().strip())
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n\n".join(parts) + f"\n{END}{after}")
    print(f"written to {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")


if __name__ == "__main__":
    main()

"""What `make test` runs: the linters, the types, the floors, then every test. It fails if any of them fails.

Each step is printed with the time it took; all of them run, so that one round shows everything that is wrong. The last
line counts the tests the way pytest does, a step that failed as an error. `make lint` is the same without the tests.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
STEP_LIMIT_S = 1_800  # A step that hangs is killed and has failed.
NOTHING_SELECTED = 5  # pytest's exit code
COUNTED = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")
WORKERS = str(min(os.cpu_count() or 1, 4))

LINTS = {
    "ruff check": [str(BIN / "ruff"), "check", "."],
    "ruff format": [str(BIN / "ruff"), "format", "--check", "."],
    "mypy --strict": [str(BIN / "mypy")],
    "import contracts": [str(BIN / "lint-imports"), "--no-cache", "--no-logo"],
}
PYTEST = [
    sys.executable,
    "-m",
    "pytest",
    "-p",
    "tests.no_skips",
    "-p",
    "tests.serial",
    "-o",
    "faulthandler_timeout=300",
]
TESTS = {
    # Whole files go to a worker, so that a server made for a file is made once.
    "tests": [*PYTEST, "-m", "not serial", "-n", WORKERS, "--dist", "loadfile"],
    "tests of the running daemon": [*PYTEST, "-m", "serial", "-p", "no:xdist"],
}


def main(*, only_lint: bool = False) -> int:
    """Run every step; 0 when all is well, 1 when anything failed."""
    began = time.monotonic()
    counts = lint()
    if only_lint:
        return 1 if counts["error"] else 0
    counts += test()
    is_well = counts["passed"] > 0 and not (counts["failed"] or counts["error"])
    print(f"\n{summary(counts, time.monotonic() - began)}", flush=True)
    return 0 if is_well else 1


def lint() -> Counter[str]:
    """Every linter, quiet while all is well. Those that complain are errors."""
    counts: Counter[str] = Counter()
    for name, command in LINTS.items():
        code, output, took_s = run(command, show=False)
        print(f"{'ok    ' if code == 0 else 'FAILED'} {name:<18} {took_s:6.1f} s", flush=True)
        if code != 0:
            print(output, flush=True)
            counts["error"] += 1
    return counts


def test() -> Counter[str]:
    """Every test, as pytest counts them. A pytest that broke, or was killed, is an error."""
    counts: Counter[str] = Counter()
    for name, command in TESTS.items():
        print(f"\n{name}", flush=True)
        code, output, took_s = run(command, show=True)
        found = tally(output)
        failed = code not in (0, NOTHING_SELECTED)
        print(f"{'FAILED' if failed else 'ok    '} {name}, {took_s:.1f} s", flush=True)
        if failed and not (found["failed"] or found["error"]):
            found["error"] += 1
        counts += found
    return counts


def run(command: list[str], *, show: bool) -> tuple[int, str, float]:
    """Run one step in the root of the project: its exit code, what it said, the seconds it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    timer = threading.Timer(STEP_LIMIT_S, _kill, [process])
    timer.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if show:
                print(line, end="", flush=True)
        return process.wait(), "".join(lines), time.monotonic() - began
    finally:
        timer.cancel()
        if process.poll() is None:  # Control-C here must not leave a suite behind.
            _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """The step and everything it started."""
    print(f"killed: it ran for more than {STEP_LIMIT_S} s, or was interrupted", flush=True)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tally(output: str) -> Counter[str]:
    """What pytest's last line counts: `812 passed, 3 skipped in 40.1s`."""
    counts: Counter[str] = Counter()
    ends = [line for line in output.splitlines() if re.search(r"\b\d+ \w+.* in [\d.:]+ ?s", line)]
    for number, kind in re.findall(
        r"(\d+) (failed|passed|skipped|xfailed|xpassed|errors?)\b", ends[-1] if ends else ""
    ):
        counts["error" if kind.startswith("error") else kind] += int(number)
    return counts


def summary(counts: Counter[str], took_s: float) -> str:
    """One line in pytest's own words."""
    parts = [f"{counts[kind]} {kind}" for kind in COUNTED if counts[kind]]
    return f"{', '.join(parts) or '0 passed'} in {took_s:.1f}s"


if __name__ == "__main__":
    sys.exit(main(only_lint="--lint" in sys.argv[1:]))

"""Cold starts: `opswatch who` and `--help`, and a daemon's time from start to its first look.

`python -m benchmarks.cold`
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OPSWATCH = [sys.executable, "-m", "opswatch"]
RUNS = 15


def an_installation(folder: Path) -> Path:
    """The example configuration with its checks, somewhere of its own, on any free port."""
    for name in ("checks", "playbooks"):
        shutil.copytree(ROOT / name, folder / name)
    text = (ROOT / "config.example.toml").read_text().replace("127.0.0.1:8470", "127.0.0.1:0")
    config = folder / "config.toml"
    config.write_text(text)
    return config


def timed(command: list[str], env: dict[str, str]) -> list[float]:
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=env, cwd=ROOT)
        took.append(time.perf_counter() - began)
    return took


def first_look(config: Path, env: dict[str, str]) -> list[float]:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        command = [*OPSWATCH, "-c", str(config), "run"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True, cwd=ROOT
        ) as daemon:
            assert daemon.stdout is not None
            for line in daemon.stdout:
                if line.startswith("looked at"):
                    took.append(time.perf_counter() - began)
                    break
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)
    return took


def row(name: str, took: list[float]) -> str:
    return f"| {name} | {len(took)} | {statistics.median(took):.3f} | {max(took):.3f} |"


def main() -> list[str]:
    """The rows, as Markdown."""
    lines = ["| cold start | n | median s | max s |", "| --- | --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as folder:
        config = an_installation(Path(folder))
        env = {**os.environ, "OPSWATCH_CONFIG": str(config), "PYTHONDONTWRITEBYTECODE": ""}
        subprocess.run(
            [*OPSWATCH, "who"], check=False, capture_output=True, env=env, cwd=ROOT
        )  # Bytecode, as installed.
        lines.append(row("`python -c pass`, for comparison", timed([sys.executable, "-c", "pass"], env)))
        lines.append(row("`opswatch --help`", timed([*OPSWATCH, "--help"], env)))
        lines.append(row("`opswatch who`", timed([*OPSWATCH, "who"], env)))
        lines.append(row("daemon start → its first look told", first_look(config, env)))
    return lines


if __name__ == "__main__":
    print("\n".join(main()))

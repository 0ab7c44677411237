"""What a thousand checks a minute cost while nothing fails: share of one core, and memory. `python -m benchmarks.idle`

A real daemon on the embedded store looks at this host's load, memory and at TCP ports of a listener on loopback, spread
over the minute. Its own processor time is read over a minute that begins after the first round.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
CHECKS = 1_000
ROUND_S = 60
CONFIG = """
[opswatch]
name = "idle"
node = "here"
[web]
listen = "127.0.0.1:0"
[[target]]
id = "box"
kind = "host"
[[target]]
id = "port"
kind = "tcp"
url = "tcp://127.0.0.1:{port}"
[[person]]
id = "ana"
name = "Ana"
role = "admin"
contact = {{ webhook = "http://127.0.0.1:9/" }}
"""
CHECK = """
[[check]]
id = "{probe}-{number}"
probe = "{probe}"
match = {{ kind = "{kind}" }}
every = "60s"
timeout = "10s"
"""


def write(folder: Path, port: int) -> Path:
    config = folder / "config.toml"
    config.write_text(CONFIG.format(port=port))
    (folder / "checks").mkdir()
    kinds = [("load", "host"), ("memory", "host"), ("tcp", "tcp"), ("tcp", "tcp")]
    checks = [
        CHECK.format(probe=probe, number=number, kind=kind)
        for number in range(CHECKS // len(kinds))
        for place, (probe, kind) in enumerate(kinds)
        if place != 3
    ] + [CHECK.format(probe="tcp", number=f"b{number}", kind="tcp") for number in range(CHECKS // len(kinds))]
    (folder / "checks" / "all.toml").write_text("".join(checks))
    return config


def main() -> list[str]:
    """The rows, as Markdown."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        config = write(Path(name), server.getsockname()[1])
        command = [sys.executable, "-m", "opswatch", "-c", str(config), "run"]
        daemon = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}
        )
        try:
            time.sleep(ROUND_S + 5)
            process = psutil.Process(daemon.pid)
            before = process.cpu_times()
            time.sleep(ROUND_S)
            after, memory = process.cpu_times(), process.memory_info().rss
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)
    share = (after.user + after.system - before.user - before.system) / ROUND_S
    return [
        "| idle cost | of one core | memory |",
        "| --- | --- | --- |",
        f"| {CHECKS:,} checks a minute, nothing fails | {share:.1%} | {memory / 2**20:.0f} MiB |",
    ]


if __name__ == "__main__":
    print("\n".join(main()))

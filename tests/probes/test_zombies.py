"""Real zombies, and a real process that hangs in the kernel."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import UnknownReason
from opswatch.hosts.process_states import parse_stat, read
from tests.probes.looks import host_of, look, module, value

# A parent that waits for the end of its child as vfork does: uninterruptibly. The child ends when its input does.
HANGS = """
import ctypes, os, signal
number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
if ctypes.CDLL(None).syscall(number, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
    os.read(0, 1)
    os._exit(0)
os.read(0, 1)
"""


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """A process in uninterruptible sleep; its pid."""
    with subprocess.Popen([sys.executable, "-S", "-c", HANGS], stdin=subprocess.PIPE) as process:
        try:
            for _ in range(500):
                if _state(process.pid) == "D":
                    break
                time.sleep(0.01)
            yield process.pid
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _state(pid: int) -> str:
    return parse_stat(Path(f"/proc/{pid}/stat").read_text()).state


@pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="does not apply: knows clone's number there only"
)
def test_a_process_that_did_not_run_between_two_looks_is_stuck() -> None:
    now = clock.now()
    with hanging() as pid:
        first = look("zombies", now=now)
        second = look("zombies", memory=first.memory, now=now + timedelta(minutes=1))
        third = look("zombies", memory=second.memory, now=now + timedelta(minutes=20))
    assert value(first, "uninterruptible") >= 1
    assert "stuck" not in {sample.name for sample in first.samples}
    assert value(second, "stuck") >= 1
    assert value(third, "stuck_longest_s") == 1200
    assert "stuck in the kernel" in third.sentence
    assert any(line.startswith(f"stuck: pid {pid} python") and "for 20m" in line for line in third.evidence)
    after = look("zombies", memory=third.memory, now=now + timedelta(minutes=21))
    assert not [line for line in after.evidence if f"pid {pid} " in line]


def test_a_process_that_ran_in_between_is_busy_and_not_stuck(tmp_path: Path) -> None:
    now = clock.now()

    def at(minute: int, switches: int, memory: bytes | None) -> float:
        files = {
            "proc/1/stat": stat(1, "init", "S", 0),
            "proc/77/stat": stat(77, "dd (of disk)", "D", 1),
            "proc/77/status": f"Name:\tdd\nvoluntary_ctxt_switches:\t{switches}\nnonvoluntary_ctxt_switches:\t2\n",
            "proc/77/wchan": "nfs_wait_bit_killable",
        }
        nonlocal kept, said
        probe = module("zombies").Look(host_of(tmp_path, files))
        verdict = look("zombies", probe=probe, memory=memory, now=now + timedelta(minutes=minute))
        kept, said = verdict.memory, verdict.sentence
        return value(verdict, "stuck") if memory else -1

    kept: bytes | None = None
    said = ""
    at(0, 5, None)
    assert at(1, 9, kept) == 0
    assert at(2, 9, kept) == 1
    assert "dd (of disk) in nfs_wait_bit_killable for 1m" in said


def stat(pid: int, name: str, state: str, parent: int) -> str:
    return f"{pid} ({name}) {state} {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {pid * 10} 0 0"


def test_a_real_zombie_is_told_with_the_parent_that_left_it() -> None:
    now = clock.now()
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # Ended, and not reaped.
    try:
        verdict = look("zombies", now=now)
        later = look("zombies", memory=verdict.memory, now=now + timedelta(hours=1))
        ignored = look("zombies", {"ignore": ["true"]}, now=now)
    finally:
        os.waitpid(child, 0)
    assert value(verdict, "zombies") >= 1
    assert any(f"(pid {os.getpid()}): true" in line for line in verdict.evidence)
    assert value(later, "zombie_oldest_s") == 3600
    assert not any(f"(pid {os.getpid()})" in line for line in ignored.evidence)


def test_hidden_processes_are_no_good_news(tmp_path: Path) -> None:
    probe = module("zombies").Look(host_of(tmp_path, {"proc/77/stat": stat(77, "mine", "S", 1)}))
    verdict = look("zombies", probe=probe)
    assert verdict.unknown is UnknownReason.REFUSED


def test_names_with_brackets_and_broken_lines_are_read(tmp_path: Path) -> None:
    assert parse_stat(stat(9, "a) Z (b", "R", 3)).name == "a) Z (b"
    host_of(tmp_path, {"proc/5/stat": "garbage", "proc/6/stat": stat(6, "x", "S", 1)})
    assert [one.pid for one in read(tmp_path / "proc")] == [6]

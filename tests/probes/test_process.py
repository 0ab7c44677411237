"""Processes that really run, really died, or only borrowed a number."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee, reach
from tests.probes.looks import failure, host_of, is_good, look, module, value


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose name is longer than the kernel keeps."""
    program = tmp_path / "a-very-long-program-name"
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([str(program), "300"])
    yield process
    process.kill()
    process.wait()


def test_a_long_name_is_compared_whole(sleeper: subprocess.Popen[bytes]) -> None:
    assert value(look("process", {"name": "a-very-long-program-name"}), "count") == 1
    assert value(look("process", {"name": "a-very-long-pro"}), "count") == 0
    assert value(look("process", {"name": "a-very-long-program-other"}), "count") == 0


def test_conditions_narrow_each_other_down(sleeper: subprocess.Popen[bytes]) -> None:
    both = look("process", {"cmdline": "long-program-name 300$", "user": str(os.getuid())})
    assert value(both, "count") == 1
    assert value(both, "rss_bytes") > 0
    assert 0 <= value(both, "youngest_age_s") < 60
    neither = look("process", {"cmdline": "long-program-name 300$", "user": "nobody-at-all"})
    assert "0 running, at least 1 wanted" in failure(neither).sentence


def test_too_many_are_as_bad_as_too_few(sleeper: subprocess.Popen[bytes]) -> None:
    name = {"name": "a-very-long-program-name"}
    assert is_good(look("process", {**name, "at_most": 1}))
    assert "at most 0 wanted" in failure(look("process", {**name, "at_least": 0, "at_most": 0})).sentence


def test_a_pid_file_counts_only_for_the_process_that_wrote_it(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    pidfile.write_text(f"{sleeper.pid}\n")
    assert is_good(look("process", {"pidfile": str(pidfile)}))
    an_hour_ago = clock.now().timestamp() - 3600
    os.utime(pidfile, (an_hour_ago, an_hour_ago))
    assert failure(look("process", {"pidfile": str(pidfile)}))
    pidfile.write_text("garbage")
    assert failure(look("process", {"pidfile": str(pidfile)}))
    assert failure(look("process", {"pidfile": str(tmp_path / "none")}))


def test_a_zombie_does_not_run(tmp_path: Path) -> None:
    program = tmp_path / "turns-to-zombie"
    shutil.copy("/bin/true", program)
    process = subprocess.Popen([str(program)])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # over, but not buried
    verdict = look("process", {"name": "turns-to-zombie"})
    process.wait()
    assert failure(verdict)
    assert "1 zombie" in verdict.sentence


def test_processes_hidden_from_us_are_not_missing(tmp_path: Path) -> None:
    hidden = host_of(tmp_path, {"proc/stat": ""})
    verdict = look("process", {"name": "somebody-elses"}, probe=module("process").Look(hidden))
    assert verdict.unknown is UnknownReason.REFUSED
    assert "hidden" in verdict.sentence


def test_which_processes_must_be_said() -> None:
    with pytest.raises(ValueError, match="which processes"):
        module("process").Args()
    with pytest.raises(ValueError, match="below at_least"):
        module("process").Args(name="x", at_least=2, at_most=1)


def test_a_host_reached_otherwise_is_refused() -> None:
    with pytest.raises(CannotSee, match="'node_exporter'"):
        reach("node_exporter:http://x")

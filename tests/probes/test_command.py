"""Plugins as they are: polite ones, stubborn ones, noisy ones, dead ones."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import Health, Secret, UnknownReason
from opswatch.hosts.run import run, stuck_children
from tests.probes.looks import all_text, failure, look, value


def script(folder: Path, text: str, name: str = "plugin") -> list[str]:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return [str(path)]


@pytest.mark.parametrize(("code", "health"), [(0, None), (1, Health.WARN), (2, Health.CRIT)])
def test_the_exit_code_decides_and_the_text_never(tmp_path: Path, code: int, health: Health | None) -> None:
    verdict = look("command", {"command": script(tmp_path, f"echo 'CRITICAL WARNING OK'; exit {code}")})
    assert verdict.unknown is None
    assert verdict.sentence == "CRITICAL WARNING OK"
    assert [one.health for one in verdict.failures] == ([health] if health else [])


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("exit 3", "the words"),
        ("exit 4", "exit code 4"),
        ("exit 126", "executable?"),
        ("exit 127", "exist?"),
        ("exit 200", "exit code 200"),
        ("kill -9 $$", "SIGKILL"),
        ("kill -SEGV $$", "SIGSEGV"),
    ],
)
def test_every_other_end_is_unknown_and_says_which(tmp_path: Path, end: str, words: str) -> None:
    verdict = look("command", {"command": script(tmp_path, f"echo 'the words'; {end}")})
    assert verdict.unknown is UnknownReason.ERROR
    assert words in verdict.sentence
    assert "the words" in verdict.sentence


def test_a_plugin_that_is_not_there_or_not_executable_is_told_apart(tmp_path: Path) -> None:
    missing = look("command", {"command": [str(tmp_path / "none")]})
    plain = tmp_path / "plain"
    plain.write_text("echo hello")
    plain.chmod(0o644)
    refused = look("command", {"command": [str(plain)]})
    plain.chmod(0o755)
    no_format = look("command", {"command": [str(plain)]})
    nowhere = look("command", {"command": ["/bin/true"], "cwd": str(tmp_path / "nowhere")})
    assert "does the plugin exist?" in missing.sentence
    assert "executable?" in refused.sentence
    assert "is it a program?" in no_format.sentence
    assert str(tmp_path / "nowhere") in nowhere.sentence
    assert {one.unknown for one in (missing, refused, no_format, nowhere)} == {UnknownReason.ERROR}


def test_performance_data_become_samples_and_thresholds_are_not_judged(tmp_path: Path) -> None:
    verdict = look("command", {"command": script(tmp_path, "echo \"fine | t=99C;50;60 'a b'=2 x=U t=1C\"")})
    assert value(verdict, "t") == 99
    assert value(verdict, "a b") == 2
    assert {sample.name for sample in verdict.samples} == {"t", "a b"}
    assert verdict.failures == ()


def test_long_output_is_evidence(tmp_path: Path) -> None:
    verdict = look("command", {"command": script(tmp_path, "printf 'one\\ntwo\\nthree | a=1\\n'")})
    assert verdict.evidence == ("two", "three")


def test_silence_on_stdout_shows_what_stderr_said(tmp_path: Path) -> None:
    verdict = look("command", {"command": script(tmp_path, "echo 'cannot open /dev/mem' >&2; exit 2")})
    assert failure(verdict).sentence == "(no output returned from the plugin)"
    assert verdict.evidence == ("stderr: cannot open /dev/mem",)


def test_a_flood_is_drained_and_cut(tmp_path: Path) -> None:
    flood = "head -c 1000000 /dev/zero | tr '\\0' 'x'; echo; head -c 1000000 /dev/zero | tr '\\0' 'y' >&2; exit 1"
    verdict = look("command", {"command": script(tmp_path, flood)})
    assert failure(verdict).health is Health.WARN
    assert len(verdict.sentence) <= 300
    assert "it printed more than is kept" in verdict.evidence


def test_control_characters_and_broken_letters_do_no_harm(tmp_path: Path) -> None:
    verdict = look("command", {"command": script(tmp_path, r"printf '\033[31mred\000\377 |a=1\n'")})
    assert "\x1b" not in verdict.sentence and "\x00" not in verdict.sentence
    assert value(verdict, "a") == 1


def test_a_hanging_plugin_gets_sigterm_and_is_unknown(tmp_path: Path) -> None:
    text = "trap 'echo cleaned up; exit 0' TERM; echo begun; sleep 20 & wait"
    verdict = look("command", {"command": script(tmp_path, text)}, timeout_s=0.3)
    assert verdict.unknown is UnknownReason.TIMEOUT
    assert verdict.took_s < 5
    assert any("cleaned up" in line for line in verdict.evidence)


def test_a_plugin_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"trap '' TERM; sleep 30 & echo $! > {pid_file}; while :; do sleep 30; done"
    verdict = look("command", {"command": script(tmp_path, text), "on_timeout": "crit"}, timeout_s=0.3)
    assert failure(verdict).health is Health.CRIT
    assert verdict.took_s < 5
    _until_it_is_gone(int(pid_file.read_text()))
    assert stuck_children() == 0


def test_a_grandchild_that_holds_the_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"setsid sleep 30 & echo $! > {pid_file}; echo done; exit 1"
    verdict = look("command", {"command": script(tmp_path, text)})
    try:
        assert failure(verdict).sentence == "done"
        assert verdict.took_s < 5
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_a_grandchild_in_a_session_of_its_own_does_not_delay_the_end_after_a_kill(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"trap '' TERM; setsid sleep 30 & echo $! > {pid_file}; while :; do sleep 30; done"
    verdict = look("command", {"command": script(tmp_path, text)}, timeout_s=0.2)
    try:
        assert verdict.unknown is UnknownReason.TIMEOUT
        assert verdict.took_s < 5
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_a_plugin_sees_nothing_of_our_environment_but_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-ours")
    verdict = look("command", {"command": script(tmp_path, 'env; echo "$0 $*"'), "env": {"PLUGIN_KEY": "given"}})
    text = all_text(verdict)
    assert "xoxb-ours" not in text
    assert "LC_ALL=C" in text
    assert "PLUGIN_KEY" in text and "given" not in text


def test_a_secret_that_a_plugin_prints_is_hidden(tmp_path: Path) -> None:
    secret = Secret("s3cr3t-value", "env:KEY")
    args = {"command": script(tmp_path, 'echo "got $KEY | a=1"; echo "still $KEY"; exit 2'), "env": {"KEY": secret}}
    verdict = look("command", args)
    assert "s3cr3t-value" not in all_text(verdict)
    assert value(verdict, "a") == 1


def test_the_target_fills_the_command(tmp_path: Path) -> None:
    args = {"command": [*script(tmp_path, 'echo "$1 $2 $OPSWATCH_HOST"'), "{target}", "-H{host}:{port}"]}
    verdict = look("command", args, url="tcp://db.example:5432")
    assert verdict.sentence == "the-target -Hdb.example:5432 db.example"


def test_no_shell_runs_unless_asked(tmp_path: Path) -> None:
    plain = look("command", {"command": f"/bin/echo hello; touch {tmp_path}/made"})
    assert plain.sentence == f"hello; touch {tmp_path}/made"
    assert not (tmp_path / "made").exists()
    shell = look("command", {"command": f"echo hello; touch {tmp_path}/made", "shell": True})
    assert shell.sentence == "hello"
    assert (tmp_path / "made").exists()


def test_its_temporary_folder_is_its_own_and_is_removed(tmp_path: Path) -> None:
    verdict = look("command", {"command": script(tmp_path, 'touch "$TMPDIR/x"; echo "$TMPDIR"')})
    assert "opswatch-" in verdict.sentence
    assert not Path(verdict.sentence).exists()


def test_input_is_empty(tmp_path: Path) -> None:
    assert look("command", {"command": script(tmp_path, "cat; echo over")}).sentence == "over"


def test_stdout_and_stderr_are_kept_apart_and_bounded() -> None:
    done = run(["/bin/sh", "-c", "echo out; echo err >&2"], timeout_s=5, stdout_max=2, stderr_max=100)
    assert (done.stdout, done.stderr, done.is_cut, done.exit_code) == (b"ou", b"err\n", True, 0)


def _until_it_is_gone(pid: int) -> None:
    """SIGKILL was sent; the kernel carries it out when it comes by. Fails when it never does."""
    deadline = clock.monotonic_s() + 5
    while _is_running(pid):
        assert clock.monotonic_s() < deadline, f"{pid} lives"


def _is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False

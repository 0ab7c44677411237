"""systemd units, as a systemctl of our own prints them in the real one's words."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import Health, UnknownReason, Verdict
from tests.probes.looks import failure, is_good, look, module, value


def unit(name: str, active: str = "active", restarts: int = 0, **more: str) -> str:
    fields = {"Id": name, "LoadState": "loaded", "ActiveState": active, "NRestarts": str(restarts), **more}
    return "".join(f"{key}={text}\n" for key, text in fields.items())


class Systemd:
    """A systemctl that prints what stands in a file, as the real one prints `show '*'`."""

    def __init__(self, folder: Path) -> None:
        self._output = folder / "units"
        program = folder / "systemctl"
        program.write_text(f'#!/bin/sh\n[ "$1" = show ] && cat {self._output}\n')
        program.chmod(0o755)
        self._probe = module("systemd").Look(systemctl=str(program))
        self._memory: bytes | None = None
        self._now = clock.now()

    def look(self, *units: str, later: timedelta = timedelta(0), **args: object) -> Verdict:
        self._output.write_text("\n".join(units))
        self._now += later
        verdict = look("systemd", args, probe=self._probe, memory=self._memory, now=self._now)
        self._memory = verdict.memory
        return verdict


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path)


def test_failed_units_are_items_with_their_reason(systemd: Systemd) -> None:
    bad = unit("db.service", "failed", Result="exit-code", ExecMainStatus="1", Description="The database")
    verdict = systemd.look(unit("a.service"), bad, unit("b.timer", "inactive"))
    assert value(verdict, "failed_units") == 1
    assert failure(verdict, "db.service").sentence == "db.service failed (exit-code, exit status 1)"
    assert verdict.evidence == ("db.service: The database",)
    assert systemd.look(unit("a.service"), unit("db.service")).failures == ()
    warned = systemd.look(bad, failed_is="warn")
    assert failure(warned, "db.service").health is Health.WARN


def test_the_ignore_list_ends_by_itself(systemd: Systemd) -> None:
    bad = unit("motd-news.service", "failed")
    today = clock.now().date()
    assert is_good(systemd.look(bad, ignore=["motd-*.service"]))
    assert is_good(systemd.look(bad, ignore=[f"motd-* until {today}"]))
    assert systemd.look(bad, ignore=[f"motd-* until {today - timedelta(days=1)}"]).failures


def test_restarts_add_up_to_a_crash_loop_and_pass_with_time(systemd: Systemd) -> None:
    hour = {"restarts_max": 5, "restarts_within": "1h"}
    assert is_good(systemd.look(unit("old.service", restarts=40), unit("db.service"), **hour))
    minute = timedelta(minutes=1)
    assert is_good(systemd.look(unit("old.service", restarts=40), unit("db.service", restarts=3), later=minute, **hour))
    verdict = systemd.look(unit("db.service", restarts=6), later=minute, **hour)
    assert value(verdict, "restarts", "db.service") == 6
    assert "6 times within 1h" in failure(verdict, "db.service").sentence
    reset = systemd.look(unit("db.service", restarts=1), later=minute, **hour)
    assert value(reset, "restarts", "db.service") == 7
    assert is_good(systemd.look(unit("db.service", restarts=1), later=timedelta(hours=2), **hour))


def test_required_units_must_be_active(systemd: Systemd) -> None:
    verdict = systemd.look(
        unit("ssh.service"),
        unit("cron.service", "inactive", SubState="dead"),
        require=["ssh", "cron.service", "x.service"],
    )
    assert "is inactive (dead)" in failure(verdict, "cron.service").sentence
    assert "not installed" in failure(verdict, "x.service").sentence
    assert len(verdict.failures) == 2


def test_without_systemd_it_is_refused_in_clear_words(tmp_path: Path) -> None:
    missing = look("systemd", probe=module("systemd").Look(systemctl=str(tmp_path / "none")))
    assert missing.unknown is UnknownReason.REFUSED
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\necho 'System has not been booted with systemd as init system (PID 1).' >&2\nexit 1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    container = look("systemd", probe=module("systemd").Look(systemctl=str(script)))
    assert container.unknown is UnknownReason.REFUSED
    assert "has not been booted with systemd" in container.sentence


def test_a_systemctl_that_hangs_is_a_time_out(tmp_path: Path) -> None:
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\nsleep 30\n")
    script.chmod(0o755)
    verdict = look("systemd", probe=module("systemd").Look(systemctl=str(script)), timeout_s=0.3)
    assert verdict.unknown is UnknownReason.TIMEOUT


@pytest.mark.parametrize("wrong", ["foo until tomorrow", "foo until 2027-13-01"])
def test_a_wrong_end_of_an_ignored_unit_is_refused_at_load(wrong: str) -> None:
    with pytest.raises(ValueError, match="until 2027-01-31"):
        module("systemd").Args(ignore=[wrong])

"""The unit is hardened, and where it is not, it says what hardening would falsify."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.project import ROOT

UNIT = ROOT / "systemd" / "opswatch.service"
INSTALL = ROOT / "docs" / "install.md"
EXPOSURE_MAX = 2.0
ANALYZE = shutil.which("systemd-analyze")
wants_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def directives(section: str) -> dict[str, list[str]]:
    """The settings of a section; a setting may stand several times."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and re.match(r"[A-Z]\w*=", line):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


SERVICE = directives("Service")


def test_it_is_watched_restarted_and_reloaded():
    assert SERVICE["Type"] == ["notify"]
    assert SERVICE["WatchdogSec"] == ["30"]
    assert SERVICE["Restart"] == ["always"]
    assert directives("Unit")["StartLimitIntervalSec"] == ["0"]
    assert SERVICE["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert directives("Install") == {"WantedBy": ["multi-user.target"]}


def test_it_runs_what_the_installation_puts_there():
    assert SERVICE["ExecStart"] == ["/opt/opswatch/venv/bin/opswatch -c /etc/opswatch/config.toml run"]
    install = INSTALL.read_text(encoding="utf-8")
    assert "/opt/opswatch/venv" in install
    assert "/etc/opswatch/config.toml" in install


def test_the_group_shares_the_store_and_nobody_else_reads_it():
    assert (SERVICE["User"], SERVICE["Group"], SERVICE["UMask"]) == (["opswatch"], ["opswatch"], ["0007"])
    assert (SERVICE["StateDirectory"], SERVICE["StateDirectoryMode"]) == (["opswatch"], ["2770"])


@pytest.mark.parametrize(
    ("name", "value", "falsified"),
    [
        ("ProtectHome", {"yes", "tmpfs", "true"}, "disk usage of /home"),
        ("ProtectProc", {"invisible", "noaccess", "ptraceable"}, "process checks"),
        ("ProcSubset", {"pid"}, "cpu, memory and load"),
        ("PrivateUsers", {"yes", "true"}, "owners of processes and files"),
        ("PrivateTmp", {"yes", "true"}, "sockets and logs in /tmp"),
        ("PrivateNetwork", {"yes", "true"}, "every network check"),
        ("MemoryDenyWriteExecute", {"yes", "true"}, "plugins that compile as they run"),
    ],
)
def test_true_verdicts_win(name: str, value: set[str], falsified: str):
    assert not value & set(SERVICE.get(name, [])), f"{name} would falsify {falsified}"


def test_each_relaxed_line_says_why():
    text = UNIT.read_text(encoding="utf-8")
    for name in (
        "ProtectHome",
        "ProtectProc",
        "ProcSubset",
        "PrivateUsers",
        "PrivateTmp",
        "PrivateNetwork",
        "SystemCallFilter",
    ):
        assert re.search(rf"^# Relaxed: .*(?:\n#.*)*\n{name}=", text, re.MULTILINE), (
            f"say above {name}= what it would falsify"
        )
    assert re.search(r"^# Relaxed by omission: MemoryDenyWriteExecute=", text, re.MULTILINE)


def test_credentials_are_shown_and_none_is_in_the_unit():
    text = UNIT.read_text(encoding="utf-8")
    assert re.search(r"^#LoadCredential=[\w-]+:/etc/opswatch/credentials/[\w-]+$", text, re.MULTILINE)
    assert set(SERVICE["Environment"]) == {"TMPDIR=/run/opswatch"}


@wants_systemd
def test_systemd_understands_the_unit(tmp_path: Path):
    # What it starts is not installed here.
    unit = tmp_path / UNIT.name
    unit.write_text(
        re.sub(r"^ExecStart=\S+.*$", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in verified.stderr.splitlines() if UNIT.name in line]
    assert verified.returncode == 0, verified.stderr
    assert not complaints, complaints


@wants_systemd
def test_the_exposure_is_low_and_is_what_the_page_says():
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    match = re.search(r"Overall exposure level for \S+: ([\d.]+)", scored.stdout)
    assert match, scored.stdout + scored.stderr
    assert float(match[1]) <= EXPOSURE_MAX
    # Each release of systemd weighs a little differently; the page names the one it was measured with.
    page = re.search(r"exposure \*\*([\d.]+)\*\* with systemd (\d+)", INSTALL.read_text(encoding="utf-8"))
    assert page, "docs/install.md: `exposure **2.0** with systemd 252`"
    release = subprocess.run(
        ["systemd-analyze", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert page[2] != release or page[1] == match[1], f"measured {match[1]}, the page says {page[1]}"

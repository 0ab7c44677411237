"""Hosts that were restarted, hosts that wait to be, hosts that do not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import Health, Verdict
from tests.probes.looks import failure, host_of, is_good, look, module, value

NOW = clock.now()
RUNS = {
    "proc/uptime": "864000.00 1.00\n",
    "proc/sys/kernel/osrelease": "6.1.0-25-amd64\n",
    "proc/sys/kernel/random/boot_id": "one",
}


def uptime(
    folder: Path,
    files: Mapping[str, str] | None = None,
    *,
    memory: bytes | None = None,
    now: datetime = NOW,
    **args: object,
) -> Verdict:
    probe = module("uptime").Look(host_of(folder, {**RUNS, **(files or {})}))
    return look("uptime", args, probe=probe, memory=memory, now=now)


def test_an_up_to_date_host_waits_for_nothing(tmp_path: Path) -> None:
    verdict = uptime(tmp_path)
    assert is_good(verdict)
    assert value(verdict, "uptime_days") == 10
    assert value(verdict, "reboot_pending") == value(verdict, "reboot_pending_days") == 0
    assert verdict.sentence == "up for 10d, kernel 6.1.0-25-amd64"


def test_a_restart_is_told_once_with_the_change_of_kernel(tmp_path: Path) -> None:
    before = uptime(tmp_path)
    assert "rebooted" not in {sample.name for sample in before.samples}
    again = {
        "proc/uptime": "120.00 1.00\n",
        "proc/sys/kernel/osrelease": "6.1.0-26-amd64\n",
        "proc/sys/kernel/random/boot_id": "two",
    }
    after = uptime(tmp_path, again, memory=before.memory)
    assert value(after, "rebooted") == 1
    assert after.sentence == "restarted 2m ago, kernel 6.1.0-26-amd64, before it was 6.1.0-25-amd64"
    assert value(uptime(tmp_path, again, memory=after.memory), "rebooted") == 0


def test_debians_flag_is_a_pending_reboot_that_ages_from_when_it_was_first_seen(tmp_path: Path) -> None:
    flag = {
        "root/run/reboot-required": "*** System restart required ***\n",
        "root/run/reboot-required.pkgs": "libc6\nlibc6\nlinux-image\n",
    }
    verdict = uptime(tmp_path, flag)
    assert is_good(verdict)
    assert value(verdict, "reboot_pending") == 1
    assert "for libc6, linux-image" in verdict.sentence
    # The next package writes the flag anew: that does not make it younger.
    os.utime(tmp_path / "root/run/reboot-required", times=((NOW + timedelta(days=3)).timestamp(),) * 2)
    later = uptime(tmp_path, memory=verdict.memory, now=NOW + timedelta(days=5))
    assert value(later, "reboot_pending_days") == pytest.approx(5, abs=0.1)
    assert failure(uptime(tmp_path, pending_is="warn")).health is Health.WARN


def test_a_newer_kernel_of_the_same_flavour_waits_for_a_restart(tmp_path: Path) -> None:
    installed = {
        f"root/boot/vmlinuz-{release}": ""
        for release in ("6.1.0-9-amd64", "6.1.0-25-cloud-amd64", "6.9.1-1-cloud-amd64", "0-rescue-abc")
    }
    assert value(uptime(tmp_path / "a", installed), "reboot_pending") == 0
    verdict = uptime(tmp_path / "b", {**installed, "root/boot/vmlinuz-6.1.0-101-amd64": ""})
    assert value(verdict, "reboot_pending") == 1
    assert "kernel 6.1.0-101-amd64 is installed, 6.1.0-25-amd64 runs" in verdict.sentence
    assert "installed kernels: 6.9.1-1-cloud-amd64, 6.1.0-101-amd64" in verdict.evidence[-1]
    assert value(uptime(tmp_path / "b", kernel="ignore"), "reboot_pending") == 0


def test_kernels_of_distributions_that_keep_them_with_their_modules_count(tmp_path: Path) -> None:
    files = {"proc/sys/kernel/osrelease": "5.14.0-427.13.1.el9_4.x86_64\n"}
    same = "root/usr/lib/modules/5.14.0-427.9.1.el9_4.x86_64/vmlinuz"
    newer = "root/usr/lib/modules/5.14.0-427.40.1.el9_4.x86_64/vmlinuz"
    assert value(uptime(tmp_path, {**files, same: ""}), "reboot_pending") == 0
    assert value(uptime(tmp_path, {**files, newer: ""}), "reboot_pending") == 1


def test_a_kernel_replaced_under_its_own_name_waits_too(tmp_path: Path) -> None:
    verdict = uptime(tmp_path, {"root/boot/vmlinuz-6.1.0-25-amd64": ""})
    assert "was replaced since it started" in verdict.sentence
    fresh = {"proc/uptime": "0.01 1.00\n", "root/boot/vmlinuz-6.1.0-25-amd64": ""}
    assert value(uptime(tmp_path, fresh, now=clock.now() + timedelta(minutes=1)), "reboot_pending") == 0


def test_this_host_is_seen() -> None:
    verdict = look("uptime")
    assert verdict.unknown is None
    assert value(verdict, "uptime_s") > 0
    assert value(look("uptime", memory=verdict.memory), "rebooted") == 0

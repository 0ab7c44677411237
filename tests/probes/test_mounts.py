"""What is mounted against what should be: recorded hosts, and a real filesystem that turns read-only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opswatch.core.model import Health, Verdict
from opswatch.hosts.fstab import parse_fstab
from tests.probes import hung
from tests.probes.looks import failure, host_of, is_good, look, module, value

FSTAB = """\
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=1234-abcd   /             ext4  errors=remount-ro  0 1
/dev/vdb1        /srv/my\\040data xfs   defaults           0 2
nas:/export/     /mnt/nas      nfs   rw,nofail          0 0
/dev/sr0         /media/cdrom0 udf   user,noauto        0 0
/dev/vdc         /archive      ext4  ro                 0 0
tmpfs            /scratch      tmpfs size=1g            0 0
UUID=swap        none          swap  sw                 0 0
"""
MOUNTINFO = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw,errors=remount-ro
28 27 254:16 / /srv/my\\040data ro,relatime - xfs /dev/vdb1 rw
29 27 0:40 / /mnt/nas rw - nfs4 nas:/export rw
30 27 254:32 / /archive ro - ext4 /dev/vdc ro
31 27 0:50 / /scratch rw - tmpfs tmpfs rw
32 27 0:51 / /run rw - tmpfs tmpfs rw
33 27 254:0 /var/x /var/y rw - ext4 /dev/vda1 rw
"""
SWAPS = "Filename Type Size Used Priority\n/dev/vda2 partition 1000 0 -2\n"


def mounts(
    folder: Path,
    mountinfo: str = MOUNTINFO,
    *,
    fstab: str = FSTAB,
    swaps: str = SWAPS,
    memory: bytes | None = None,
    **args: object,
) -> Verdict:
    files = {"proc/self/mountinfo": mountinfo, "proc/swaps": swaps, "root/etc/fstab": fstab}
    return look("mounts", args, probe=module("mounts").Look(host_of(folder, files)), memory=memory)


def without(path: str) -> str:
    return "".join(line for line in MOUNTINFO.splitlines(keepends=True) if f" {path} " not in line)


def test_a_host_that_is_as_fstab_says_is_good(tmp_path: Path) -> None:
    verdict = mounts(tmp_path)
    assert is_good(verdict)
    assert value(verdict, "missing") == value(verdict, "read_only") == value(verdict, "not_in_fstab") == 0


def test_what_fstab_wants_and_is_not_mounted_fails(tmp_path: Path) -> None:
    verdict = mounts(tmp_path, without("/srv/my\\040data"))
    assert failure(verdict, "/srv/my data").health is Health.CRIT
    assert "/dev/vdb1, xfs" in failure(verdict, "/srv/my data").sentence
    assert failure(mounts(tmp_path, without("/mnt/nas")), "/mnt/nas").health is Health.WARN  # nofail
    assert is_good(mounts(tmp_path, without("/mnt/nas"), ignore=["/mnt/*"]))


def test_what_is_expected_fails_without_fstab_too(tmp_path: Path) -> None:
    assert failure(mounts(tmp_path, fstab="", expect=["/", "/data/"]), "/data").health is Health.CRIT


def test_read_only_that_nobody_meant_fails_also_at_the_first_look(tmp_path: Path) -> None:
    """The mount of /srv/my data is read-only for us alone, that of /archive on purpose: neither is wrong."""
    verdict = mounts(tmp_path, MOUNTINFO.replace("/dev/vda1 rw,errors=remount-ro", "/dev/vda1 ro,errors=remount-ro"))
    assert failure(verdict, "/").sentence == "/ is read-only, fstab wants it writable"
    assert value(verdict, "read_only") == 1
    assert "read-only (superblock)" in verdict.evidence[0]


def test_a_mount_fstab_does_not_know_fails_when_it_turns_read_only(tmp_path: Path) -> None:
    data = "40 27 254:64 / /data rw - ext4 /dev/vde rw\n"
    before = mounts(tmp_path, data, fstab="")
    turned = mounts(tmp_path, data.replace("vde rw", "vde ro"), fstab="", memory=before.memory)
    still = mounts(tmp_path, data.replace("vde rw", "vde ro"), fstab="", memory=turned.memory)
    assert "turned read-only" in failure(turned, "/data").sentence
    assert "turned read-only" in failure(still, "/data").sentence
    assert is_good(mounts(tmp_path, data, fstab="", memory=still.memory))


def test_another_source_or_kind_than_in_fstab_is_told(tmp_path: Path) -> None:
    other = mounts(tmp_path, MOUNTINFO.replace("nas:/export", "old-nas:/export"))
    assert failure(other, "/mnt/nas").sentence == "/mnt/nas comes from old-nas:/export, fstab wants nas:/export/"
    kind = mounts(tmp_path, MOUNTINFO.replace("xfs /dev/vdb1", "ext4 /dev/vdb1"))
    assert "is ext4" in failure(kind, "/srv/my data").sentence


def test_swap_that_is_off_is_told(tmp_path: Path) -> None:
    verdict = mounts(tmp_path, swaps=SWAPS.splitlines()[0] + "\n")
    assert "1 swap area" in failure(verdict, "swap").sentence
    assert is_good(mounts(tmp_path, swaps="", swap=False))


def test_what_is_mounted_by_hand_is_counted(tmp_path: Path) -> None:
    verdict = mounts(tmp_path, MOUNTINFO + "41 27 254:80 / /restore rw - ext4 /dev/vdf rw\n")
    assert is_good(verdict)
    assert value(verdict, "not_in_fstab") == 1
    assert "not in fstab: /restore" in verdict.sentence


def test_errors_that_ext4_counted_are_a_sample(tmp_path: Path) -> None:
    (tmp_path / "root/sys/dev/block").mkdir(parents=True)
    (tmp_path / "root/sys/devices/dm-3").mkdir(parents=True)
    (tmp_path / "root/sys/dev/block/254:0").symlink_to("../../devices/dm-3")
    (tmp_path / "root/sys/fs/ext4/dm-3").mkdir(parents=True)
    (tmp_path / "root/sys/fs/ext4/dm-3/errors_count").write_text("7\n")
    assert value(mounts(tmp_path), "errors", "/") == 7


def test_lines_of_fstab_that_say_nothing_are_left_out() -> None:
    (line,) = parse_fstab("# a comment\n\nbroken\nnas:/a /mnt/a/ nfs\n")
    assert (line.path, line.options) == ("/mnt/a", ("defaults",))


@pytest.mark.skipif(os.geteuid() != 0, reason="as root only: it mounts filesystems")
def test_a_real_filesystem_that_turns_read_only_is_found(tmp_path: Path) -> None:
    readonly, remount = 1, 32
    with hung.tmpfs(tmp_path / "data", 1024 * 1024) as data:
        before = look("mounts", {"expect": [str(data)]})
        hung.mount("opswatch-test", data, "tmpfs", "", readonly | remount)
        after = look("mounts", {"expect": [str(data)]}, memory=before.memory)
        unnamed = look("mounts", memory=before.memory)
    assert not [one for one in before.failures if one.item == str(data)]
    assert "turned read-only" in failure(after, str(data)).sentence
    assert not [one for one in unnamed.failures if one.item == str(data)]  # A tmpfs that nobody asked for.
    gone = look("mounts", {"expect": [str(data)]})
    assert "is not mounted" in failure(gone, str(data)).sentence

"""Filesystems: recorded ones, real ones, one that hangs like a dead file server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from opswatch.core.model import Health, Verdict
from opswatch.hosts import Mount, Usage, reach
from opswatch.hosts.helper import Helpers, NoAnswer
from opswatch.hosts.local import parse_mountinfo
from tests.probes import hung
from tests.probes.looks import failure, is_good, look, module, value

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="as root only: it mounts filesystems")


MOUNTINFO = """\
22 27 0:21 / /proc rw,nosuid - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw,errors=remount-ro
30 27 254:0 /var/lib/x /srv/bind rw,relatime - ext4 /dev/vda1 rw
31 27 254:16 /@home /home rw,relatime - btrfs /dev/vdb rw,subvol=/@home
32 27 254:16 /@data /home/data rw,relatime - btrfs /dev/vdb rw,subvol=/@data
33 27 7:1 / /snap/core/1 ro,nodev - squashfs /dev/loop1 ro
34 27 0:40 / /mnt/nas\\040one rw - nfs4 nas:/export rw
35 27 0:41 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
36 27 254:32 / /sandboxed ro,relatime - xfs /dev/vdc rw
37 27 254:48 / /archive ro - ext4 /dev/vdd ro
38 27 0:50 / /run rw - tmpfs tmpfs rw
broken line
"""


class Recorded:
    """A host with given mounts that answers statfs from a table."""

    def __init__(self, mounts: list[Mount], usages: Mapping[str, Usage | str]) -> None:
        self._mounts = mounts
        self._usages = usages
        self.asked: list[str] = []

    def mounts(self) -> list[Mount]:
        return self._mounts

    def usage(self, paths: list[str], timeout_s: float) -> dict[str, Usage | str]:
        self.asked = list(paths)
        return {path: self._usages.get(path, HALF) for path in paths}

    def __call__(self, access: str) -> Recorded:
        return self


GIB = 1024**3
HALF = Usage(100 * GIB, 50 * GIB, 50 * GIB, 1000, 500)


def disk(
    mounts: str, usages: Mapping[str, Usage | str] | None = None, memory: bytes | None = None, **args: object
) -> Verdict:
    host = Recorded(parse_mountinfo(mounts), usages or {})
    return look("disk", args, probe=module("disk").Look(host), memory=memory)


def items(verdict: Verdict) -> set[str]:
    return {sample.item for sample in verdict.samples}


def test_each_filesystem_counts_once_and_pseudo_ones_never() -> None:
    assert items(disk(MOUNTINFO)) == {"/", "/home", "/mnt/nas one", "/sandboxed"}


def test_globs_take_mounts_out_and_back_in() -> None:
    verdict = disk(MOUNTINFO, exclude=["/home*", "/mnt/*"], include=["/run"])
    assert items(verdict) == {"/", "/run", "/sandboxed"}


def test_read_only_is_what_the_superblock_says() -> None:
    """A sandbox mounts everything read-only for us: that says nothing of the disk."""
    mounts = {mount.path: mount.read_only for mount in parse_mountinfo(MOUNTINFO)}
    assert not mounts["/sandboxed"]
    assert mounts["/archive"]
    assert is_good(disk(MOUNTINFO))


def test_a_filesystem_that_turns_read_only_fails_until_it_is_writable_again() -> None:
    before = disk(MOUNTINFO)
    gone_bad = MOUNTINFO.replace("/dev/vda1 rw", "/dev/vda1 ro")
    after = disk(gone_bad, memory=before.memory)
    assert "turned read-only" in failure(after, "/").sentence
    assert value(after, "used_pct", "/") == 50
    still = disk(gone_bad, memory=after.memory)
    assert failure(still, "/")
    assert is_good(disk(MOUNTINFO, memory=still.memory))
    assert is_good(disk(gone_bad, memory=before.memory, read_only_ok=["/"]))


def test_used_is_counted_as_df_counts_it() -> None:
    reserve = Usage(100 * GIB, 10 * GIB, 5 * GIB, 0, 0)
    verdict = disk(MOUNTINFO, {"/": reserve})
    assert value(verdict, "used_pct", "/") == pytest.approx(100 * 90 / 95)
    assert value(verdict, "avail_bytes", "/") == 5 * GIB
    assert verdict.sentences["/"] == "/ is 95 % full, 5.0 GiB left"
    assert "the fullest: / is 95 % full" in verdict.sentence


def test_inodes_count_only_where_they_are_counted() -> None:
    verdict = disk(MOUNTINFO, {"/": Usage(GIB, GIB, GIB, 0, 0), "/home": Usage(GIB, GIB, GIB, 1000, 50)})
    names = {(sample.name, sample.item) for sample in verdict.samples}
    assert ("inodes_used_pct", "/") not in names
    assert value(verdict, "inodes_used_pct", "/home") == 95
    assert "50 of 1000 inodes left" in verdict.sentences["/home"]


def test_a_silent_mount_is_unknown_by_itself() -> None:
    verdict = disk(MOUNTINFO, {"/mnt/nas one": "statfs: no answer within 4.0 s"})
    assert failure(verdict, "/mnt/nas one").health is Health.UNKNOWN
    assert items(verdict) == {"/", "/home", "/sandboxed"}


def test_network_mounts_are_asked_last() -> None:
    host = Recorded(parse_mountinfo(MOUNTINFO), {})
    look("disk", probe=module("disk").Look(host))
    assert host.asked[-1] == "/mnt/nas one"


def test_what_is_expected_must_be_mounted() -> None:
    verdict = disk(MOUNTINFO, expect=["/", "/srv/bind", "/data"])
    assert [one.item for one in verdict.failures] == ["/data"]


def test_the_magic_factor_is_milder_on_large_volumes_only() -> None:
    """Checkmk's own example: with 0.8 and 20 GiB, 90 % of 500 GiB counts as 81 %."""
    tight = Usage(500 * GIB, 50 * GIB, 50 * GIB, 0, 0)
    verdict = disk(MOUNTINFO, {"/": tight, "/home": Usage(10 * GIB, GIB, GIB, 0, 0)}, magic=0.8)
    scale = (500 / 20) ** (0.8 - 1)
    assert value(verdict, "used_pct_scaled", "/") == pytest.approx(100 - 10 / scale)
    assert value(verdict, "used_pct_scaled", "/home") == value(verdict, "used_pct", "/home") == 90


def test_the_overlay_of_a_container_root_counts() -> None:
    assert items(disk("1 1 0:40 / / rw - overlay overlay rw\n")) == {"/"}


@as_root
def test_a_real_filesystem_agrees_with_df(tmp_path: Path) -> None:
    with hung.tmpfs(tmp_path / "small", 4 * 1024 * 1024) as small:
        (small / "file").write_bytes(b"x" * 3 * 1024 * 1024)
        verdict = look("disk", {"include": [str(small)]})
        df = subprocess.run(["df", "--output=pcent", str(small)], capture_output=True, text=True, check=True)
    # df rounds up.
    assert -1 < value(verdict, "used_pct", str(small)) - int(df.stdout.split()[-1].rstrip("%")) <= 0
    assert value(verdict, "inodes_used_pct", str(small)) > 0


@as_root
def test_a_hung_mount_costs_its_own_item_and_the_helper_is_replaced(tmp_path: Path) -> None:
    try:
        with hung.hung_mount(tmp_path / "dead") as dead, hung.tmpfs(tmp_path / "well", 1024 * 1024) as well:
            verdict = look("disk", {"include": [str(well)]}, timeout_s=1.0)
            again = look("disk", {"include": [str(well)], "exclude": [str(dead)]}, timeout_s=1.0)
    except OSError as missing:
        pytest.skip(f"as root, but there is no FUSE here: {missing}")
    assert failure(verdict, str(dead)).health is Health.UNKNOWN
    assert "no answer within" in verdict.sentences[str(dead)]
    assert value(verdict, "used_pct", str(well)) == 0
    assert value(verdict, "used_pct", "/") > 0
    assert verdict.took_s < 5
    assert is_good(again)


def test_a_helper_that_hangs_or_dies_is_replaced_at_the_next_ask(tmp_path: Path) -> None:
    program = tmp_path / "helper.py"
    program.write_text(
        "import json, sys, time\n"
        "for line in sys.stdin:\n"
        "    word = json.loads(line)\n"
        "    if word == 'hang': time.sleep(60)\n"
        "    if word == 'die': sys.exit(1)\n"
        "    print(json.dumps(word.upper()), flush=True)\n"
    )
    helpers = Helpers([sys.executable, "-S", str(program)])
    try:
        assert helpers.ask("one", 5) == "ONE"
        with pytest.raises(NoAnswer, match="no answer"):
            helpers.ask("hang", 0.1)
        with pytest.raises(NoAnswer, match="died"):
            helpers.ask("die", 5)
        assert helpers.ask("two", 5) == "TWO"
        assert helpers.stuck() == 0
    finally:
        helpers.close()


def test_the_helper_says_why_a_path_cannot_be_asked() -> None:
    answers = reach("local").usage(["/", "/no/such/path"], 5.0)
    assert isinstance(answers["/"], Usage)
    assert answers["/no/such/path"] == "No such file or directory"

"""Backups that are young, old, small, cut off, half written, and gone."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core import judging
from opswatch.core.model import Health, UnknownReason, Verdict
from opswatch.core.plan import Check, Limit
from opswatch.hosts import CannotSee
from opswatch.hosts.files import Ends, Files
from opswatch.hosts.local import LocalHost
from tests.probes.looks import failure, is_good, look, module, value

NOW = clock.now()
HOUR = timedelta(hours=1)
DUMP = b"--\n-- PostgreSQL database dump\n--\n" + b"INSERT INTO t VALUES (1);\n" * 100
WHOLE = DUMP + b"--\n-- PostgreSQL database dump complete\n--\n"


def write(path: Path, data: bytes, hours_ago: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    at = (NOW - hours_ago * HOUR).timestamp()
    os.utime(path, times=(at, at))
    return path


def nightly(folder: Path, *sizes: int, newest_hours_ago: float = 3) -> list[Path]:
    """One backup a night, the last the newest."""
    ages = [newest_hours_ago + 24 * (len(sizes) - 1 - index) for index in range(len(sizes))]
    return [
        write(folder / f"db-{index}.dump", b"x" * size, age)
        for index, (size, age) in enumerate(zip(sizes, ages, strict=True))
    ]


def backup(
    folder: Path, glob: str = "*", memory: bytes | None = None, later: timedelta = timedelta(0), **args: object
) -> Verdict:
    return look(
        "backup", args, url=f"file:{folder}/{glob}", kind="backup", memory=memory, now=NOW + later, timeout_s=10
    )


def test_a_good_series_tells_age_size_and_count(tmp_path: Path) -> None:
    nightly(tmp_path, 1000, 1100, 900, 1050)
    verdict = backup(tmp_path, at_least=3)
    assert is_good(verdict)
    assert value(verdict, "age_s") == pytest.approx(3 * 3600, abs=1)
    assert value(verdict, "size_bytes") == 1050
    assert value(verdict, "count") == 4
    assert value(verdict, "bytes") == 4050
    assert value(verdict, "size_change_pct") == pytest.approx(5)
    assert value(verdict, "oldest_age_s") == pytest.approx(75 * 3600, abs=1)
    assert verdict.sentence == "4 backups, the newest db-3.dump of 3h ago, 1.0 KiB, +5 % against the median before it"


def test_the_size_is_compared_with_enough_others_only(tmp_path: Path) -> None:
    nightly(tmp_path, 1000, 1000, 10)
    assert "size_change_pct" not in {sample.name for sample in backup(tmp_path).samples}
    nightly(tmp_path, 1000, 1000, 5000, 1000, 100)
    assert value(backup(tmp_path), "size_change_pct") == pytest.approx(-90)


def test_sizes_of_a_backup_that_is_overwritten_in_place_are_remembered(tmp_path: Path) -> None:
    memory = None
    for night, size in enumerate((1000, 1000, 1000, 200)):
        write(tmp_path / "latest.dump", b"x" * size, 3 - 24 * night)
        verdict = backup(tmp_path, memory=memory, later=timedelta(days=night))
        memory = verdict.memory
    assert value(verdict, "size_change_pct") == pytest.approx(-80)


def test_too_few_none_and_nowhere(tmp_path: Path) -> None:
    nightly(tmp_path / "a", 10, 10)
    assert failure(backup(tmp_path / "a", at_least=7)).sentence == "2 finished backups, at least 7 wanted"
    (tmp_path / "empty").mkdir()
    assert failure(backup(tmp_path / "empty")).sentence == "no finished backup"
    nowhere = backup(tmp_path / "nowhere")
    assert nowhere.unknown is UnknownReason.NO_DATA
    assert "No such file or directory" in nowhere.sentence


def test_one_that_is_still_being_written_does_not_count_yet(tmp_path: Path) -> None:
    nightly(tmp_path, 1000, 1000)
    write(tmp_path / "db-9.dump", b"x" * 10, 0)
    write(tmp_path / "db-8.dump.part", b"x" * 10, 1)
    verdict = backup(tmp_path)
    assert is_good(verdict)
    assert value(verdict, "age_s") == pytest.approx(3 * 3600, abs=1)
    assert value(verdict, "unfinished") == 2
    settled = backup(tmp_path, memory=verdict.memory, later=timedelta(minutes=5))
    assert value(settled, "age_s") == pytest.approx(300, abs=1)
    assert value(settled, "unfinished") == 1


def test_a_mark_beside_it_says_that_it_is_finished(tmp_path: Path) -> None:
    first, second = nightly(tmp_path, 1000, 1000)
    write(Path(f"{first}.ok"), b"", 20)
    assert value(backup(tmp_path, ok_suffix=".ok"), "age_s") == pytest.approx(27 * 3600, abs=1)
    write(Path(f"{second}.ok"), b"", 10)  # Older than the data: it belongs to what lay there before.
    assert value(backup(tmp_path, ok_suffix=".ok"), "unfinished") == 1
    write(Path(f"{second}.ok"), b"", 2)
    assert value(backup(tmp_path, ok_suffix=".ok"), "age_s") == pytest.approx(3 * 3600, abs=1)


def _zip(data: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("dump.sql", data)
    return made.getvalue()


def _tar(data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo("dump.sql")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def _sqlite(data: bytes) -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE t (x)")
        database.executemany("INSERT INTO t VALUES (?)", [(data[:3000],)] * 10)
    return database.serialize()


MADE: dict[str, Callable[[bytes], bytes]] = {
    "a.sql": lambda data: data,
    "a.sql.xz": lzma.compress,
    "a.zip": _zip,
    "a.tar": _tar,
    "a.db": _sqlite,
}


@pytest.mark.parametrize("name", MADE)
def test_one_that_is_cut_off_is_found_by_its_own_format(name: str, tmp_path: Path) -> None:
    data = MADE[name](WHOLE)
    write(tmp_path / "whole" / name, data, 1)
    write(tmp_path / "cut" / name, data[: len(data) // 4], 1)
    assert is_good(backup(tmp_path / "whole"))
    assert f"{name} is cut off" in failure(backup(tmp_path / "cut")).sentence


def test_an_empty_one_and_one_that_is_something_else_fail(tmp_path: Path) -> None:
    write(tmp_path / "a" / "db.sql", b"", 1)
    assert failure(backup(tmp_path / "a")).sentence.endswith("db.sql is empty")
    write(tmp_path / "b" / "db.sql.gz", b"pg_dump: error: connection refused\n", 1)
    assert "is no gzip file" in failure(backup(tmp_path / "b")).sentence


def test_gzip_is_read_through_where_that_is_asked_for(tmp_path: Path) -> None:
    whole = gzip.compress(WHOLE)
    path = write(tmp_path / "db.sql.gz", whole, 1)
    first = backup(tmp_path, read_through=True)
    assert is_good(first)
    assert value(first, "verified") == 1
    write(path, whole[:-20], 1)
    assert "cannot be unpacked" in failure(backup(tmp_path, read_through=True)).sentence
    assert is_good(backup(tmp_path))
    # `pg_dump | gzip` whose first half died: the wrapping is whole, what is inside is not.
    write(path, gzip.compress(DUMP), 1)
    assert "is cut off: its last lines do not say" in failure(backup(tmp_path, read_through=True)).sentence
    write(path, gzip.compress(b""), 1)
    assert "is empty inside" in failure(backup(tmp_path, read_through=True)).sentence


def test_what_was_read_through_once_is_not_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "db.sql.gz", gzip.compress(WHOLE)[:-9], 1)
    bad = backup(tmp_path, read_through=True)
    path.write_bytes(gzip.compress(WHOLE)[:-9][:-1] + b"x")  # Same size and time: taken for the same.
    os.utime(path, times=((NOW - HOUR).timestamp(),) * 2)
    again = backup(tmp_path, read_through=True, memory=bad.memory)
    assert failure(again).sentence == failure(bad).sentence
    assert value(again, "verified") == 0


class Locked(Files):
    """Files that may be listed and not read, as another user's."""

    def ends(self, path: str, count: int, timeout_s: float) -> Ends:
        raise CannotSee(UnknownReason.REFUSED, f"{path} cannot be read: Permission denied")


class LockedHost(LocalHost):
    @property
    def files(self) -> Files:
        return Locked()


def test_what_we_may_not_read_is_judged_by_age_and_size_unless_more_was_asked_for(tmp_path: Path) -> None:
    nightly(tmp_path, 100, 100)
    probe = module("backup").Look(lambda access: LockedHost())
    where = {"url": f"file:{tmp_path}/*", "kind": "backup", "now": NOW}
    verdict = look("backup", probe=probe, **where)
    assert is_good(verdict)
    assert value(verdict, "size_bytes") == 100
    assert "not looked into" in verdict.evidence[0]
    asked = look("backup", {"read_through": True}, probe=probe, **where)
    assert failure(asked).health is Health.UNKNOWN
    assert "Permission denied" in failure(asked).sentence


def test_its_end_may_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "export.csv", b"1,2\n3,4\nEOF 2 rows\n", 1)
    assert is_good(backup(tmp_path, ends_with=r"EOF \d+ rows\s*$"))
    assert "does not end with" in failure(backup(tmp_path, ends_with="^END$")).sentence


def test_a_checksum_beside_it_must_match(tmp_path: Path) -> None:
    path = write(tmp_path / "db.dump", WHOLE, 1)
    write(tmp_path / "db.dump.sha256", f"{hashlib.sha256(WHOLE).hexdigest()}  db.dump\n".encode(), 1)
    good = backup(tmp_path)
    assert is_good(good)
    assert value(good, "verified") == value(good, "count") == 1
    write(path, WHOLE[:-1] + b"?", 1)
    assert "does not match its checksum in db.dump.sha256" in failure(backup(tmp_path)).sentence
    assert is_good(backup(tmp_path, checksum="none"))
    assert "has no checksum beside it" in failure(backup(tmp_path, checksum="md5")).sentence


def test_each_folder_can_be_a_series_and_one_that_is_emptied_is_missed(tmp_path: Path) -> None:
    nightly(tmp_path / "orders", 10, 10)
    (only,) = nightly(tmp_path / "users", 10, newest_hours_ago=50)
    both = backup(tmp_path, "*/*.dump", per_folder=True)
    assert is_good(both)
    assert value(both, "age_s", str(tmp_path / "users")) == pytest.approx(50 * 3600, abs=1)
    assert "2 series of backups, the stalest" in both.sentence
    only.unlink()
    later = backup(tmp_path, "*/*.dump", memory=both.memory, per_folder=True)
    assert failure(later, str(tmp_path / "users")).sentence == f"{tmp_path}/users: no finished backup"
    assert failure(backup(tmp_path, "*/*.dump", memory=later.memory, per_folder=True), str(tmp_path / "users"))


def test_a_folder_can_be_the_backup(tmp_path: Path) -> None:
    for day in range(4):
        write(tmp_path / f"base-{day}" / "pg_wal" / "1", b"x" * 600, 96 - 24 * day)
        write(tmp_path / f"base-{day}" / "data", b"x" * 400, 96 - 24 * day)
        at = (NOW - (96 - 24 * day) * HOUR).timestamp()
        os.utime(tmp_path / f"base-{day}", times=(at, at))
    verdict = backup(tmp_path, "base-*", folders=True)
    assert is_good(verdict)
    assert value(verdict, "size_bytes") == 1000
    assert value(verdict, "size_change_pct") == 0
    assert value(verdict, "age_s") == pytest.approx(24 * 3600, abs=1)


def test_one_from_the_future_is_told(tmp_path: Path) -> None:
    write(tmp_path / "db.dump", b"x", -5)
    verdict = backup(tmp_path)
    assert value(verdict, "age_s") == 0
    assert "written in the future" in verdict.evidence[0]


def test_it_counts_down_to_the_age_that_is_too_old(tmp_path: Path) -> None:
    nightly(tmp_path, 1000, newest_hours_ago=20)
    assert value(backup(tmp_path, rpo="26h"), "rpo_left_s") == pytest.approx(6 * 3600, abs=1)
    assert value(backup(tmp_path, rpo="26h", later=8 * HOUR), "rpo_left_s") == pytest.approx(-2 * 3600, abs=1)


@pytest.mark.parametrize(
    ("crit", "left"), [("> 180000", 108_000), (">= 72000", 0), (None, None), ("@1:5", None), ("90000", None)]
)
def test_without_a_span_the_critical_limit_is_what_it_counts_down_to(
    tmp_path: Path, crit: str | None, left: float | None
) -> None:
    nightly(tmp_path, 1000, newest_hours_ago=20)
    verdict = look("backup", {}, url=f"file:{tmp_path}/*", kind="backup", now=NOW, limits={"age_s": Limit("> 1", crit)})
    said = [sample.value for sample in verdict.samples if sample.name == "rpo_left_s"]
    assert said == ([] if left is None else [pytest.approx(left, abs=1)])


def test_where_there_is_no_backup_nothing_is_left(tmp_path: Path) -> None:
    verdict = backup(tmp_path, rpo="26h")
    assert not is_good(verdict)
    assert value(verdict, "rpo_left_s") == 0


def test_a_backup_that_is_nearly_too_old_rises_by_due_within(tmp_path: Path) -> None:
    nightly(tmp_path, 1000, newest_hours_ago=24)
    check = Check("b", "backup", ("db-1",), limits={"age_s": Limit("> 72000")})
    seen = judging.judge(check, backup(tmp_path, rpo="26h"), {})[""]
    assert seen.due_at is not None and abs(seen.due_at - NOW - 2 * HOUR) < timedelta(seconds=1)

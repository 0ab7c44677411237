"""Log files of real folders: too many, too large, rotated or not."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import Health, UnknownReason
from tests.probes import hung
from tests.probes.looks import failure, is_good, look, value

NOW = clock.now()


def write(path: Path, size: int, hours_ago: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    touch(path, NOW - timedelta(hours=hours_ago))
    return path


def touch(path: Path, at: datetime) -> None:
    os.utime(path, times=(at.timestamp(), at.timestamp()))


def test_what_rotation_made_of_a_log_counts_with_it(tmp_path: Path) -> None:
    write(tmp_path / "app.log", 100)
    write(tmp_path / "app.log.1", 50, 24)
    write(tmp_path / "app.log.2.gz", 10, 48)
    write(tmp_path / "app-2026-01-01.log", 5, 24 * 300)
    write(tmp_path / "other.txt", 1000)
    glob = str(tmp_path / "app.log")
    verdict = look("logfiles", {"paths": [glob]}, now=NOW)
    assert is_good(verdict)
    assert value(verdict, "files", glob) == 4
    assert value(verdict, "bytes", glob) == 165
    assert value(verdict, "largest_bytes", glob) == 100
    assert value(verdict, "newest_age_s", glob) == pytest.approx(0, abs=1)
    assert value(verdict, "rotated_age_s", glob) == pytest.approx(24 * 3600, abs=1)
    assert value(verdict, "oldest_age_s", glob) == pytest.approx(300 * 86400, abs=1)


def test_each_glob_is_an_item_and_a_rotated_file_is_not_live_although_it_matches(tmp_path: Path) -> None:
    write(tmp_path / "web/access.log", 10)
    write(tmp_path / "web/access-20260101.log", 900, 30)
    write(tmp_path / "db/db.log", 20, 2)
    web, db = str(tmp_path / "web/*.log"), str(tmp_path / "db/*")
    verdict = look("logfiles", {"paths": [web, db]}, now=NOW)
    assert value(verdict, "largest_bytes", web) == 10
    assert value(verdict, "bytes", web) == 910
    assert value(verdict, "newest_age_s", db) == pytest.approx(7200, abs=1)
    assert "rotated_age_s" not in {sample.name for sample in verdict.samples if sample.item == db}
    assert "the largest db.log with 20 B" in verdict.sentences[db]
    assert "access-20260101.log: 900 B" in verdict.evidence[0]


def test_growth_is_a_rate_since_the_last_look(tmp_path: Path) -> None:
    log = write(tmp_path / "app.log", 1000)
    first = look("logfiles", {"paths": [str(log)]}, now=NOW)
    assert "growth_bytes_s" not in {sample.name for sample in first.samples}
    write(log, 7000)
    second = look("logfiles", {"paths": [str(log)]}, now=NOW + timedelta(minutes=1), memory=first.memory)
    assert value(second, "growth_bytes_s", str(log)) == 100
    write(log, 10)
    third = look("logfiles", {"paths": [str(log)]}, now=NOW + timedelta(minutes=2), memory=second.memory)
    assert value(third, "growth_bytes_s", str(log)) == 0


def test_a_target_of_kind_log_brings_its_own_path(tmp_path: Path) -> None:
    write(tmp_path / "app.log", 3)
    verdict = look("logfiles", url=f"file:{tmp_path}/*.log", kind="log", now=NOW)
    assert value(verdict, "files", f"{tmp_path}/*.log") == 1


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    log = write(tmp_path / "app-7.log", 500)
    (tmp_path / "current.log").symlink_to(log)
    glob = str(tmp_path / "*.log")
    verdict = look("logfiles", {"paths": [glob]}, now=NOW)
    assert value(verdict, "bytes", glob) == 500
    assert "app-7.log" in verdict.evidence[0]


def test_a_glob_that_matches_nothing_cannot_be_seen(tmp_path: Path) -> None:
    here, gone = str(write(tmp_path / "a.log", 1)), str(tmp_path / "gone/*.log")
    verdict = look("logfiles", {"paths": [here, gone]}, now=NOW)
    assert failure(verdict, gone).health is Health.UNKNOWN
    assert "No such file or directory" in failure(verdict, gone).sentence
    assert look("logfiles", {"paths": [gone]}).unknown is UnknownReason.NO_DATA
    assert is_good(look("logfiles", {"paths": [gone], "missing_ok": True}))


@pytest.mark.skipif(os.geteuid() != 0, reason="as root only: it mounts filesystems")
def test_a_folder_of_a_dead_file_server_costs_a_time_out_and_no_thread(tmp_path: Path) -> None:
    try:
        with hung.hung_mount(tmp_path / "dead") as dead:
            verdict = look("logfiles", {"paths": [f"{dead}/*.log"]}, timeout_s=1)
    except OSError as missing:
        pytest.skip(f"as root, but there is no FUSE here: {missing}")
    assert verdict.unknown is UnknownReason.TIMEOUT
    assert verdict.took_s < 5


def test_nothing_to_look_at_is_our_mistake() -> None:
    assert look("logfiles").unknown is UnknownReason.ERROR

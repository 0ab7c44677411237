"""Log stories with real files: growth, rotation in every fashion, truncation, restarts, odd encodings."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opswatch import clock
from opswatch.core.model import Health, UnknownReason, Verdict
from opswatch.hosts.tail import is_rotated
from tests.probes.looks import failure, look, value

ERRORS = {"patterns": [{"match": "ERROR", "label": "errors"}]}


class Watched:
    """One log and the looks at it: memory goes from one look to the next, `later` moves the clock."""

    def __init__(self, path: Path, args: dict[str, Any] | None = None, url: str | None = None) -> None:
        self.path = path
        self.args = args or ERRORS
        self.url = url or f"file:{path}"
        self.memory: bytes | None = None
        self.ahead = timedelta(0)
        self.last: Verdict | None = None

    def write(self, *lines: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def look(self, later_s: float = 0) -> Verdict:
        self.ahead += timedelta(seconds=later_s)
        verdict = look("log", self.args, url=self.url, memory=self.memory, now=clock.now() + self.ahead)
        self.memory = verdict.memory
        self.last = verdict
        return verdict

    def hits(self, label: str = "errors") -> int:
        verdict = self.look()
        assert verdict.unknown is None, verdict
        return int(value(verdict, "hits", label))

    @property
    def losses(self) -> float:
        assert self.last is not None
        return value(self.last, "possible_losses")


@pytest.fixture
def log(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path / "app.log")
    watched.write("ERROR before we came")
    assert watched.hits() == 0
    return watched


def test_a_file_is_read_from_its_end_at_first_and_on_from_there(log: Watched) -> None:
    log.write("INFO fine", "ERROR one", "ERROR two")
    verdict = log.look()
    assert value(verdict, "hits", "errors") == 2
    assert value(verdict, "lines") == 3
    assert failure(verdict, "errors").health is Health.CRIT
    assert "2 lines match errors: app.log: ERROR one" in verdict.sentence
    assert verdict.evidence[:2] == ("app.log: ERROR one", "app.log: ERROR two")
    assert log.hits() == 0


def test_a_file_can_be_read_from_its_start(tmp_path: Path) -> None:
    log = Watched(tmp_path / "app.log", {**ERRORS, "from_start": True})
    log.write("ERROR old")
    assert log.hits() == 1


def test_severity_threshold_exceptions_and_what_is_ignored(tmp_path: Path) -> None:
    args = {
        "ignore": ["GET /health"],
        "from_start": True,
        "patterns": [
            {"match": "timeout", "label": "slow", "severity": "warn", "at_least": 2, "unless": ["retrying"]},
            {"match": "(?i)warning", "label": "count me", "severity": "count"},
            {"match": "panic"},
        ],
    }
    log = Watched(tmp_path / "app.log", args)
    log.write("timeout", "timeout, retrying", "timeout GET /health", "Warning")
    first = log.look()
    assert first.failures == ()
    assert value(first, "hits", "slow") == 1
    assert value(first, "hits", "count me") == 1
    log.write("timeout", "timeout", "panic")
    second = log.look()
    assert failure(second, "slow").health is Health.WARN
    assert failure(second, "panic").health is Health.CRIT


def test_within_a_window_hits_add_up_and_then_fade(tmp_path: Path) -> None:
    log = Watched(tmp_path / "app.log", {"window": "5m", "patterns": [{"match": "E", "label": "e", "at_least": 3}]})
    log.write("")
    log.look()
    log.write("E", "E")
    assert log.look(60).failures == ()
    log.write("E")
    assert failure(log.look(60), "e").sentence.startswith("3 lines match e within 5m")
    assert failure(log.look(60), "e")
    assert log.look(200).failures == ()
    assert value(log.look(600), "hits", "e") == 0


def test_rotation_by_rename_loses_nothing(log: Watched) -> None:
    log.write("ERROR late in the old file")
    log.path.rename(log.path.with_name("app.log.1"))
    log.write("ERROR early in the new file")
    assert log.hits() == 2
    assert log.losses == 0
    log.write("ERROR next")
    assert log.hits() == 1


def test_the_old_file_is_followed_until_its_writer_lets_go(log: Watched) -> None:
    writer = log.path.open("a")
    old = log.path.rename(log.path.with_name("app.log.1"))
    log.write("INFO new")
    assert log.hits() == 0
    writer.write("ERROR by a writer that was not told yet\n")
    writer.flush()
    assert log.hits() == 1
    log.look(10)
    log.look(10)
    writer.write("ERROR after it was given up\n")
    writer.close()
    assert log.hits() == 0
    assert old.read_text().count("ERROR") == 3


def test_the_old_file_is_found_when_it_moved_on_twice(log: Watched) -> None:
    log.write("ERROR one")
    log.path.rename(log.path.with_name("app.log.2"))
    second = log.path.with_name("app.log.1")
    second.write_text("ERROR two\nERROR three\n")
    log.write("ERROR four")
    assert log.hits() == 4
    assert log.losses == 0


def test_generations_from_before_are_not_read_again(log: Watched) -> None:
    old = log.path.with_name("app.log.2")
    old.write_text("ERROR ancient\n" * 10)
    os.utime(old, (1, 1))
    log.path.rename(log.path.with_name("app.log.1"))
    log.write("ERROR new")
    assert log.hits() == 1


def test_a_date_in_the_name_is_rotation_too(log: Watched) -> None:
    log.write("ERROR one")
    log.path.rename(log.path.with_name("app.log-20261121"))
    log.write("ERROR two")
    assert log.hits() == 2


def test_copytruncate_with_the_copy_there_loses_nothing(log: Watched) -> None:
    log.write("INFO read", *[f"INFO {number}" for number in range(100)])
    log.look()
    log.write("ERROR unread when it was copied")
    shutil.copy(log.path, log.path.with_name("app.log.1"))
    log.path.write_text("")
    log.write("ERROR after")
    assert log.hits() == 2
    assert log.losses == 0


def test_truncated_and_grown_past_our_place_is_noticed(log: Watched) -> None:
    log.write("INFO a short file")
    log.look()
    log.path.write_text("")
    log.write("ERROR first of the new content", *["INFO much more of it"] * 50)
    assert log.hits() == 1
    assert log.losses == 1
    assert any("may be lost" in line for line in (log.last.evidence if log.last else ()))


def test_truncated_to_nothing_starts_at_the_beginning(log: Watched) -> None:
    log.write("INFO something")
    log.look()
    log.path.write_text("")
    assert log.hits() == 0
    log.write("ERROR new")
    assert log.hits() == 1


def test_compressed_at_once_is_told_as_a_possible_loss(log: Watched) -> None:
    log.write("ERROR nobody will read this")
    with gzip.open(log.path.with_name("app.log.1.gz"), "wb") as packed:
        packed.write(log.path.read_bytes())
    log.path.unlink()
    log.write("ERROR new")
    assert log.hits() == 1
    assert log.losses == 1
    assert log.last is not None and any("compressed" in line for line in log.last.evidence)


def test_an_inode_used_again_is_another_file(log: Watched) -> None:
    """Ext4 gives a freed inode to the next file: device and inode alone would skip its beginning."""
    log.write(*["INFO long enough"] * 20)
    log.look()
    inode = log.path.stat().st_ino
    log.path.unlink()
    log.write("ERROR at the very start", *["INFO filling up"] * 40)
    if log.path.stat().st_ino != inode:
        pytest.skip("does not apply: this filesystem gave another inode")
    assert log.hits() == 1


def test_no_file_for_a_moment_keeps_the_place(log: Watched) -> None:
    log.write("ERROR unread")
    log.path.rename(log.path.with_name("app.log.1"))
    gap = log.look()
    assert gap.unknown is UnknownReason.NO_DATA
    assert "no such file" in gap.sentence
    log.write("INFO new")
    assert log.hits() == 1


def test_a_line_in_the_making_is_carried_over(log: Watched) -> None:
    with log.path.open("a") as file:
        file.write("ERR")
        file.flush()
        assert log.hits() == 0
        file.write("OR in two parts\n")
    assert log.hits() == 1


def test_a_last_line_that_never_ends_is_taken_after_a_while(log: Watched) -> None:
    with log.path.open("a") as file:
        file.write("ERROR and then the program died")
    assert value(log.look(), "hits", "errors") == 0
    assert value(log.look(2), "hits", "errors") == 0
    assert value(log.look(4), "hits", "errors") == 1
    assert value(log.look(4), "hits", "errors") == 0


def test_a_line_without_end_is_cut_and_its_rest_skipped(log: Watched) -> None:
    with log.path.open("a") as file:
        file.write("ERROR " + "x" * 200_000)
    first = log.look()
    assert value(first, "hits", "errors") == 1
    assert any("was cut" in line for line in first.evidence)
    with log.path.open("a") as file:
        file.write(" ERROR still the same line\nERROR another\n")
    assert log.hits() == 1


def test_a_burst_is_read_over_several_looks(tmp_path: Path) -> None:
    log = Watched(tmp_path / "app.log", {**ERRORS, "bytes_max": 65536, "from_start": True})
    log.write(*[f"ERROR {number:060}" for number in range(4000)])
    counts, behind = [], []
    for _ in range(6):
        verdict = log.look()
        counts.append(value(verdict, "hits", "errors"))
        behind.append(value(verdict, "bytes_behind"))
    assert sum(counts) == 4000
    assert behind[0] > 0 and behind[-1] == 0
    assert behind == sorted(behind, reverse=True)


def test_globs_follow_every_file_and_each_rotated_one_once(tmp_path: Path) -> None:
    log = Watched(tmp_path / "a.log", url=f"file:{tmp_path}/*.log*")
    other = tmp_path / "b.log"
    log.write("INFO")
    other.write_text("INFO\n")
    log.look()
    log.write("ERROR a")
    log.path.rename(tmp_path / "a.log.1")
    log.write("ERROR a again")
    other.open("a").write("ERROR b\n")
    (tmp_path / "c.log").write_text("ERROR new file\n")
    assert log.hits() == 4
    assert log.hits() == 0


def test_crlf_nul_and_colours_do_no_harm(log: Watched) -> None:
    args = {"patterns": [{"match": "^ERROR end$", "label": "errors"}]}
    log.args = args
    with log.path.open("ab") as file:
        file.write(b"ERROR end\r\n" + b"\0" * 4096 + b"ERROR end\n\x1b[31mERROR end\n")
    verdict = log.look()
    assert value(verdict, "hits", "errors") == 2
    assert "4096 NUL bytes were skipped" in verdict.evidence
    assert all(line.isprintable() for line in verdict.evidence)


@pytest.mark.parametrize("encoding", ["auto", "utf-8", "gb18030", "utf-16-le", "utf-16-be", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "app.log"
    word = "é" if encoding == "latin-1" else "订单"
    real = {"auto": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    path.write_bytes(f"一行\n{word}失败\n".encode(real) if word != "é" else "x\né failed\n".encode(real))
    args = {"patterns": [{"match": word, "label": "hit"}], "encoding": encoding, "from_start": True}
    log = Watched(path, args)
    assert log.hits("hit") == 1
    with path.open("ab") as file:
        file.write(f"{word}\n".encode(real)[:-1])
        file.flush()
        assert log.hits("hit") == 0
        file.write(f"{word}\n".encode(real)[-1:])
    assert log.hits("hit") == 1


def test_lines_of_two_encodings_are_each_read(log: Watched) -> None:
    log.args = {"patterns": [{"match": "订单", "label": "errors"}]}
    with log.path.open("ab") as file:
        file.write("订单\n".encode() + "订单\n".encode("gb18030") + b"\xff\xfe broken\n")
    assert log.hits() == 2


def test_a_pattern_does_not_run_on_into_the_next_line(log: Watched) -> None:
    log.args = {"patterns": [{"match": 'user="[^"]*" denied', "label": "errors"}]}
    log.write('user="bo', '" denied')
    assert log.hits() == 0


def test_a_file_that_may_not_be_read_is_unknown_by_itself(tmp_path: Path) -> None:
    log = Watched(tmp_path / "app.log", {**ERRORS, "paths": [str(tmp_path / "folder"), str(tmp_path / "missing.log")]})
    log.write("x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    log.args = {**log.args, "paths": [str(tmp_path / "missing.log"), str(tmp_path / "pipe")]}
    verdict = log.look()
    assert failure(verdict, str(tmp_path / "missing.log")).health is Health.UNKNOWN
    assert "not a regular file" in failure(verdict, str(tmp_path / "pipe")).sentence
    log.write("ERROR")
    assert log.hits() == 1


def test_idle_time_is_measured(log: Watched) -> None:
    verdict = log.look(7200)
    assert value(verdict, "idle_s") == pytest.approx(7200, abs=60)
    assert "last written to 2h ago" in verdict.sentence


def test_a_symbolic_link_that_moves_on_is_a_rotation(tmp_path: Path) -> None:
    first, second = tmp_path / "app-20261120.log", tmp_path / "app-20261121.log"
    link = tmp_path / "app.log"
    first.write_text("INFO\n")
    link.symlink_to(first)
    log = Watched(link)
    log.look()
    first.open("a").write("ERROR last of the old\n")
    second.write_text("ERROR first of the new\n")
    link.unlink()
    link.symlink_to(second)
    assert log.hits() == 2


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("app.log.1", True),
        ("app.log-20260101", True),
        ("app.log.2026-01-01", True),
        ("app-2026-01-01.log", True),
        ("app.log.3.gz", True),
        ("app.log.old", True),
        ("app.log", False),
        ("app.log.err", False),
        ("apple.log", False),
        ("app2.log.bak", False),
        ("myapp.log.1", False),
    ],
)
def test_names_of_rotated_files(name: str, yes: bool) -> None:
    assert is_rotated(name, "app.log") is yes


def test_no_line_is_lost_or_told_twice_whatever_happens(tmp_path: Path) -> None:
    """A seeded day of writing, renaming, copying-and-truncating and looking: every line is counted exactly once."""
    for seed in range(30):
        chance = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        log = Watched(folder / "app.log", {**ERRORS, "from_start": True})
        written = seen = 0
        log.write("INFO start")
        log.look()
        for step in range(40):
            match chance.choice(["write", "write", "look", "rename", "copytruncate"]):
                case "write":
                    lines = [f"ERROR {written + number} {'x' * chance.randrange(80)}" for number in range(3)]
                    log.write(*lines)
                    written += 3
                case "look":
                    seen += log.hits()
                case "rename":
                    if step % 3 == 0:  # More rotations than that between two looks are counted as a possible loss.
                        seen += log.hits()
                    _shift(folder)
                    log.path.rename(folder / "app.log.1")
                    log.write(f"INFO rotated in step {step}")
                case "copytruncate":
                    # What a shipper cannot follow is a copy of a copy: look before, as any interval does.
                    seen += log.hits()
                    _shift(folder)
                    shutil.copy(log.path, folder / "app.log.1")
                    log.path.write_text("")
                    log.write(f"INFO truncated in step {step}")
        seen += log.hits()
        assert seen == written, f"seed {seed}"


def _shift(folder: Path) -> None:
    """What logrotate does first: .2 to .3, .1 to .2."""
    for number in range(50, 0, -1):
        old = folder / f"app.log.{number}"
        if old.exists():
            old.rename(folder / f"app.log.{number + 1}")

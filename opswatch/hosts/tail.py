"""Reading on in a log file where we stopped, through rotation, truncation and restarts, without losing or repeating.

A file is known by device, inode, its first bytes and the last bytes before our offset. Names move and inodes are used
again; content that fits in both places is ours. Only whole lines are taken; an unfinished last line waits.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from opswatch.clock import monotonic_s

HEAD_MAX = 1024
TAIL_MAX = 64
LINE_MAX = 64 * 1024  # a longer line is cut, its rest is skipped
CHUNK = 1024 * 1024
PARTIAL_WAIT_S = 5.0
CLOCK_SLACK_S = 60.0
OLDER_MAX = 16
SIBLINGS_MAX = 200

_DATED = r"[._-]?\d[\d._:T-]*"
COMPRESSED = (".gz", ".xz", ".zst", ".bz2", ".lz4")

Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Position:
    """How far one file was read. `partial_size` is its size when an unfinished line was left there at `partial_at`."""

    path: str
    device: int
    inode: int
    offset: int = 0
    head_size: int = 0
    head: str = ""
    tail: str = ""
    partial_size: int = 0
    partial_at: float = 0.0
    is_skipping: bool = False  # inside a line that was too long


@dataclass(frozen=True, slots=True)
class Older:
    """A rotated file that its writer may still hold open. `quiet` counts looks without growth, since `since`."""

    position: Position
    since: float
    quiet: int = 0


@dataclass(frozen=True, slots=True)
class Followed:
    """What is remembered of one path between looks. `siblings` are the rotated files that lay beside it, as (device,
    inode, last change in ns): what is not among them later came since."""

    looked_at: float  # seconds since 1970
    current: Position | None = None
    older: tuple[Older, ...] = ()
    siblings: tuple[tuple[int, int, int], ...] = ()


@dataclass(slots=True)
class Limits:
    """What one look may still spend: bytes for this file, and until when (monotonic seconds)."""

    budget: int
    deadline: float
    newline: bytes = b"\n"

    @property
    def is_spent(self) -> bool:
        return self.budget <= 0 or monotonic_s() >= self.deadline


@dataclass(slots=True)
class Report:
    """What happened while reading one path."""

    bytes_behind: int = 0
    changed_at: float = 0.0  # last write, seconds since 1970
    losses: int = 0  # times something may have been lost
    notes: list[str] = field(default_factory=list)


def follow(
    path: str, state: Followed | None, *, now_s: float, from_start: bool, limits: Limits, sink: Sink
) -> tuple[Followed, Report]:
    """Hand every new whole line of `path` to `sink`, in pieces that end with a line end, oldest file first.

    Without `state` the file is seen for the first time: read `from_start`, else from its present end. Raises OSError
    when it cannot be opened (FileNotFoundError while a rotation is under way: keep the state).
    """
    report = Report()
    reader = _Reader(now_s, limits, sink, report)
    fd = _open(path)
    try:
        report.changed_at = os.fstat(fd).st_mtime
        identity = _identity(fd, path)
        old = state.current if state is not None and state.current is not None else None
        siblings = _siblings(path, old or identity)
        marks = tuple(sibling.mark for sibling in siblings)
        if state is None or old is None:
            start = identity if from_start else _at_end(fd, identity, limits.newline)
            return Followed(now_s, reader.read(fd, start), siblings=marks), report
        older = _drain(siblings, state.older, reader)
        if _is_same(fd, old):
            return Followed(now_s, reader.read(fd, old), older, marks), report
        older = (*older, *_finish_old(path, fd, state, siblings, reader))[-OLDER_MAX:]
        return Followed(now_s, reader.read(fd, identity), older, marks), report
    finally:
        os.close(fd)


def is_rotated(name: str, base: str) -> bool:
    """Whether `name` is what rotation makes of `base`: app.log.1, app.log-20260101, app-2026-01-01.log, app.log.2.gz"""
    if name == base:
        return False
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    stem, dot, extension = base.rpartition(".")
    patterns = [rf"{re.escape(base)}(?:{_DATED}|\.old)"]
    if stem:
        patterns.append(rf"{re.escape(stem)}{_DATED}{re.escape(dot + extension)}")
    return any(re.fullmatch(pattern, name) for pattern in patterns)


# ---------------------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads on in open files and reports."""

    def __init__(self, now_s: float, limits: Limits, sink: Sink, report: Report) -> None:
        self.now_s = now_s
        self.limits = limits
        self.report = report
        self._sink = sink

    def read(self, fd: int, position: Position, *, is_finished: bool = False) -> Position:
        """As far as the limits allow; of a file that `is_finished` the unfinished last line too."""
        while not self.limits.is_spent:
            data = os.pread(fd, min(CHUNK, max(self.limits.budget, LINE_MAX)), position.offset)
            size = os.fstat(fd).st_size
            taken, position = self._take(data, position, size, is_finished)
            if not taken:
                break
            self.limits.budget -= taken
        size = os.fstat(fd).st_size
        held = size - position.offset if position.partial_size == size else 0
        self.report.bytes_behind += max(0, size - position.offset - held)
        return _marked(fd, position)

    def _take(self, data: bytes, position: Position, size: int, is_finished: bool) -> tuple[int, Position]:
        """How many bytes of `data` were dealt with, and where that leaves us."""
        newline = self.limits.newline
        end = _line_end(data, newline)
        if position.is_skipping:
            start = _line_start(data, newline)
            skipped = len(data) if start is None else start
            moved = replace(position, offset=position.offset + skipped, is_skipping=start is None)
            return skipped, moved
        if end:
            self._sink(data[:end])
            return end, replace(position, offset=position.offset + end, partial_size=0)
        if len(data) >= LINE_MAX:
            self.report.notes.append(f"{position.path}: a line of more than {LINE_MAX // 1024} KiB was cut")
            self._sink(data[:LINE_MAX] + newline)
            return LINE_MAX, replace(position, offset=position.offset + LINE_MAX, is_skipping=True)
        if not data:
            return 0, position
        if position.partial_size != size:
            position = replace(position, partial_size=size, partial_at=self.now_s)
        if is_finished or self.now_s - position.partial_at >= PARTIAL_WAIT_S:
            self._sink(data + newline)
            return len(data), replace(position, offset=position.offset + len(data), partial_size=0)
        return 0, position


def _line_end(data: bytes, newline: bytes) -> int:
    """Behind the last line end; 0 without one. Line ends of two bytes count on even places only."""
    place = data.rfind(newline)
    while place > 0 and place % len(newline):
        place = data.rfind(newline, 0, place + len(newline) - 1)
    return place + len(newline) if place >= 0 else 0


def _line_start(data: bytes, newline: bytes) -> int | None:
    """Behind the first line end."""
    place = data.find(newline)
    while place > 0 and place % len(newline):
        place = data.find(newline, place + 1)
    return place + len(newline) if place >= 0 else None


def _open(path: str) -> int:
    # Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "not a regular file")
    return fd


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _identity(fd: int, path: str) -> Position:
    seen = os.fstat(fd)
    return _marked(fd, Position(os.path.realpath(path), seen.st_dev, seen.st_ino))


def _marked(fd: int, position: Position) -> Position:
    """`position` with the marks by which the file is known again."""
    head = os.pread(fd, HEAD_MAX, 0)
    tail_size = min(TAIL_MAX, position.offset)
    tail = os.pread(fd, tail_size, position.offset - tail_size)
    return replace(position, head_size=len(head), head=_hash(head), tail=_hash(tail))


def _at_end(fd: int, position: Position, newline: bytes) -> Position:
    """Behind the last whole line: one that is being written just now is new."""
    size = os.fstat(fd).st_size
    begin = max(0, size - LINE_MAX)
    begin -= begin % len(newline)
    end = _line_end(os.pread(fd, LINE_MAX, begin), newline)
    return replace(position, offset=begin + end if end or begin == 0 else size)


def _is_same(fd: int, position: Position, *, anywhere: bool = False) -> bool:
    """Whether this file is what was read up to `position`; `anywhere`: also a copy of it with another inode."""
    seen = os.fstat(fd)
    if seen.st_size < position.offset:
        return False
    if not anywhere and (seen.st_dev, seen.st_ino) != (position.device, position.inode):
        return False
    if _hash(os.pread(fd, position.head_size, 0)) != position.head:
        return False
    tail_size = min(TAIL_MAX, position.offset)
    return _hash(os.pread(fd, tail_size, position.offset - tail_size)) == position.tail


# ---------------------------------------------------------------------------------------------------------------------
# Rotation


@dataclass(frozen=True, slots=True)
class _Sibling:
    """An uncompressed file that may be an older generation."""

    path: str
    mark: tuple[int, int, int]

    @property
    def inode(self) -> tuple[int, int]:
        return self.mark[:2]


def _finish_old(path: str, fd: int, state: Followed, siblings: list[_Sibling], reader: _Reader) -> list[Older]:
    """The file under `path` is another one, or was rewritten: first the rest of the one we were reading, then what came
    and went between the looks."""
    old = state.current
    assert old is not None
    known = {(one.position.device, one.position.inode) for one in state.older} | {_inode(fd)}
    older: list[Older] = []
    found = _find(siblings, old)
    if found is not None:
        is_tracked, position = _read_rest(found.path, old, reader)
        known.add(found.inode)
        if is_tracked:
            older.append(Older(position, reader.now_s))
    else:
        reader.report.losses += 1
        how = "compressed" if _has_compressed(path) else "gone, or it was truncated"
        reader.report.notes.append(f"{path}: rotated, and the old file is {how}: lines since the last look may be lost")
    before = set(state.siblings)
    since_ns = int((state.looked_at - CLOCK_SLACK_S) * 1e9)  # a restored archive is no news
    unseen = [
        sibling
        for sibling in siblings
        if sibling.inode not in known and sibling.mark not in before and sibling.mark[2] >= since_ns
    ]
    if len(unseen) > OLDER_MAX:
        reader.report.losses += 1
        reader.report.notes.append(f"{path}: {len(unseen)} files came and went between two looks, too many to read")
    for sibling in reversed(unseen[:OLDER_MAX]):  # the oldest first
        reader.report.notes.append(f"{path}: {Path(sibling.path).name} came and went between two looks, read whole")
        _, position = _read_rest(sibling.path, None, reader)
        older.append(Older(position, reader.now_s))
    return older


def _siblings(path: str, old: Position) -> list[_Sibling]:
    """The youngest first."""
    real = os.path.realpath(path)
    bases = {Path(name).name for name in (path, real, old.path)}
    stems = tuple({base.rpartition(".")[0] or base for base in bases})
    found: dict[str, _Sibling] = {}
    for folder in {Path(name).parent for name in (path, real, old.path)}:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith(stems) or entry.name.endswith(COMPRESSED) or not entry.is_file():
                        continue
                    if entry.path == old.path or any(is_rotated(entry.name, base) for base in bases):
                        seen = entry.stat()
                        found[entry.path] = _Sibling(entry.path, (seen.st_dev, seen.st_ino, seen.st_mtime_ns))
        except OSError:
            continue
    found.pop(path, None)
    return sorted(found.values(), key=_youth, reverse=True)[:SIBLINGS_MAX]


def _youth(sibling: _Sibling) -> tuple[int, int]:
    """By last change; files changed within one tick of the clock by their number, .1 being the youngest."""
    number = sibling.path.rpartition(".")[2]
    return sibling.mark[2], -int(number) if number.isdigit() else 0


def _find(siblings: Iterable[_Sibling], old: Position) -> _Sibling | None:
    """The file of `old` under another name, else a copy that was made before it was truncated."""
    listed = list(siblings)
    moved = next((sibling for sibling in listed if _holds(sibling.path, old)), None)
    if moved is not None or old.head_size == 0:  # Of an empty file there is no telling which are copies.
        return moved
    return next((sibling for sibling in listed if _holds(sibling.path, old, anywhere=True)), None)


def _holds(path: str, old: Position, *, anywhere: bool = False) -> bool:
    try:
        fd = _open(path)
    except OSError:
        return False
    try:
        return _is_same(fd, old, anywhere=anywhere)
    finally:
        os.close(fd)


def _read_rest(path: str, old: Position | None, reader: _Reader) -> tuple[bool, Position]:
    """(whether it is the very file and not a copy, how far it was read)."""
    fd = _open(path)
    try:
        identity = _identity(fd, path)
        if old is None:
            return True, reader.read(fd, identity)
        is_moved = (identity.device, identity.inode) == (old.device, old.inode)
        start = replace(identity, offset=old.offset, is_skipping=old.is_skipping)
        # Nobody appends to a copy: its unfinished last line will stay unfinished.
        position = reader.read(fd, start, is_finished=not is_moved)
        behind = os.fstat(fd).st_size > position.offset
        return is_moved or behind, position
    finally:
        os.close(fd)


def _drain(siblings: Iterable[_Sibling], older: Iterable[Older], reader: _Reader) -> tuple[Older, ...]:
    """Read on in rotated files: a program writes to the old one until it is told to open the new one."""
    kept = []
    for one in older:
        inode = (one.position.device, one.position.inode)
        sibling = next((name for name in siblings if name.inode == inode and _holds(name.path, one.position)), None)
        if sibling is None:
            continue  # compressed or deleted: what came after our last look at it is gone with it
        fd = _open(sibling.path)
        try:
            before = one.position
            is_over = one.quiet >= 1 and reader.now_s - one.since >= PARTIAL_WAIT_S
            position = replace(reader.read(fd, before, is_finished=is_over), path=sibling.path)
            grew = os.fstat(fd).st_size > before.offset and position.offset > before.offset
            behind = os.fstat(fd).st_size > position.offset
        finally:
            os.close(fd)
        if grew or behind or not is_over:
            kept.append(Older(position, reader.now_s if grew else one.since, 0 if grew else one.quiet + 1))
    return tuple(kept)


def _has_compressed(path: str) -> bool:
    try:
        names = [entry.name for entry in Path(path).parent.iterdir()]
    except OSError:
        return False
    return any(name.endswith(COMPRESSED) and is_rotated(name, Path(path).name) for name in names)


def _inode(fd: int) -> tuple[int, int]:
    seen = os.fstat(fd)
    return seen.st_dev, seen.st_ino

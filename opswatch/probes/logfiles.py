"""Log files as files: how many, how large, whether they are still written and still rotated.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "log-files"
    probe = "logfiles"
    match = { kind = "host" }
    every = "10m"
    [check.limits]
    bytes = { warn = "> 20e9" }
    largest_bytes = { warn = "> 2e9" }
    files = { warn = "> 2000" }
    rotated_age_s = { warn = "> 700000" }
    [check.args]
    paths = ["/var/log/*.log", "/var/log/nginx/*.log"]

Each glob is an item. Beside the files it names, those that rotation made of them are counted (app.log.1, app.log.2.gz,
app-2026-01-01.log). That rotation works shows in three places: `largest_bytes` stays small, `rotated_age_s` (since the
last rotation) stays below its period, and `oldest_age_s` shows that old ones are removed. What lines say is for `log`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.hosts import Reach, reach
from opswatch.hosts.evidence import bounded, printable, say_bytes, say_count
from opswatch.hosts.files import File, Files, Listing
from opswatch.hosts.tail import is_rotated
from opswatch.probes import Measure, Task, cannot_tell, careful

_LIVE_MAX = 2000  # files whose rotated ones are looked for
_FOLDERS_MAX = 200


def _check_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("an absolute path or glob, such as '/var/log/app/*.log'")
    return path


class Args(BaseModel):
    """Which files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: tuple[Annotated[str, AfterValidator(_check_path)], ...] = Field(
        (), max_length=50, description="Files or globs (`**` goes down), beside the target's URL; each is an item"
    )
    missing_ok: bool = Field(False, description="A glob may match nothing")


class Look:
    """Lists and adds up; opens no file."""

    kinds: ClassVar[tuple[str, ...]] = ("host", "log")
    samples: ClassVar[Mapping[str, Measure]] = {
        "files": Measure("", "files, rotated ones included"),
        "bytes": Measure("B", "their size, all together"),
        "largest_bytes": Measure("B", "size of the largest that is not rotated yet"),
        "newest_age_s": Measure("s", "since any of them was written to"),
        "oldest_age_s": Measure("s", "since the oldest of all was written to, rotated ones included"),
        "rotated_age_s": Measure("s", "since the last rotation; absent where nothing was rotated"),
        "growth_bytes_s": Measure(
            "B/s", "by how much they grew since the last look, never negative; absent at the first"
        ),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        files = self._reach(task.target.access).files
        globs = _globs(task, args)
        if not globs:
            return cannot_tell(
                task, UnknownReason.ERROR, "no paths to look at: give `paths`, or a target of kind 'log'"
            )
        timeout_s = task.timeout_s * 0.8 / (2 * len(globs))
        listings = {glob: files.find([glob], timeout_s) for glob in globs}
        sets = {glob: _with_rotated(files, listing, timeout_s) for glob, listing in listings.items() if listing.files}
        if not sets and not args.missing_ok:
            return cannot_tell(task, UnknownReason.NO_DATA, _why_nothing(listings))
        before = _recall(task.memory)
        growth = {glob: one.growth(before, glob, task.now) for glob, one in sets.items()}
        return Verdict(
            at=task.now,
            sentence=_sentence(sets),
            samples=tuple(
                sample for glob, one in sets.items() for sample in _samples(glob, one, growth[glob], task.now)
            ),
            failures=() if args.missing_ok else tuple(_nothing(listings)),
            sentences={glob: _say(glob, one) for glob, one in sets.items()},
            evidence=bounded(_largest(sets)),
            memory=json.dumps(
                {"at": task.now.timestamp(), "bytes": {glob: one.total for glob, one in sets.items()}}
            ).encode(),
        )


@dataclass(frozen=True, slots=True)
class _Set:
    """What belongs to one glob."""

    live: tuple[File, ...]
    rotated: tuple[File, ...]
    is_cut: bool

    @property
    def total(self) -> int:
        return sum(file.size for file in (*self.live, *self.rotated))

    def growth(self, before: Mapping[str, float], glob: str, now: datetime) -> float | None:
        """Bytes a second since the last look."""
        span_s = now.timestamp() - before.get("at", now.timestamp())
        return max(0.0, self.total - before[glob]) / span_s if glob in before and span_s > 0 else None


def _globs(task: Task, args: Args) -> list[str]:
    url = task.target.url.reveal() if task.target.url else ""
    path = url.removeprefix("file:").removeprefix("//") if url.startswith("file:/") else ""
    return list(dict.fromkeys([*([path] if path else []), *args.paths]))


def _with_rotated(files: Files, listing: Listing, timeout_s: float) -> _Set:
    """Those that matched, and beside them what rotation made of them."""
    folders = sorted({file.folder for file in listing.files})[:_FOLDERS_MAX]
    beside = files.find([f"{folder.rstrip('/')}/*" for folder in folders], timeout_s)
    everything = {file.path: file for file in (*beside.files, *listing.files)}
    by_folder: dict[str, list[str]] = {}
    for file in everything.values():
        by_folder.setdefault(file.folder, []).append(file.name)
    for names in by_folder.values():
        names.sort()
    rotated: set[str] = set()
    for file in listing.files[:_LIVE_MAX]:
        rotated.update(f"{file.folder.rstrip('/')}/{name}" for name in _made_of(file.name, by_folder[file.folder]))
    return _Set(
        live=tuple(file for file in listing.files if file.path not in rotated),
        rotated=tuple(everything[path] for path in sorted(rotated & everything.keys())),
        is_cut=listing.is_cut or beside.is_cut,
    )


def _made_of(base: str, names: list[str]) -> Iterable[str]:
    """The names (sorted) that rotation makes of `base`. Only those that begin alike are asked about."""
    stem = base.rpartition(".")[0] or base
    for index in range(bisect_left(names, stem), len(names)):
        if not names[index].startswith(stem):
            return
        if is_rotated(names[index], base):
            yield names[index]


def _recall(memory: bytes | None) -> Mapping[str, float]:
    if memory is None:
        return {}
    kept = json.loads(memory)
    return {"at": kept["at"], **kept["bytes"]}


def _samples(glob: str, one: _Set, growth: float | None, now: datetime) -> Iterable[Sample]:
    everything = (*one.live, *one.rotated)
    yield Sample("files", len(everything), item=glob)
    yield Sample("bytes", one.total, "B", glob)
    if one.live:
        yield Sample("largest_bytes", max(file.size for file in one.live), "B", glob)
        yield Sample("newest_age_s", min(_age_s(file, now) for file in one.live), "s", glob)
    yield Sample("oldest_age_s", max(_age_s(file, now) for file in everything), "s", glob)
    if one.rotated:
        yield Sample("rotated_age_s", min(_age_s(file, now) for file in one.rotated), "s", glob)
    if growth is not None:
        yield Sample("growth_bytes_s", growth, "B/s", glob)


def _age_s(file: File, now: datetime) -> float:
    return max(0.0, (now - file.changed_at) / timedelta(seconds=1))


def _nothing(listings: Mapping[str, Listing]) -> Iterable[Failure]:
    for glob, listing in listings.items():
        if not listing.files:
            words = listing.troubles.get(glob, "no file matches")
            yield Failure(printable(f"{glob}: {words}"), Health.UNKNOWN, glob)


def _why_nothing(listings: Mapping[str, Listing]) -> str:
    return "; ".join(failure.sentence for failure in list(_nothing(listings))[:3])


def _sentence(sets: Mapping[str, _Set]) -> str:
    if not sets:
        return "no log files"
    count = sum(len(one.live) + len(one.rotated) for one in sets.values())
    size = sum(one.total for one in sets.values())
    more = ", and more than could be listed" if any(one.is_cut for one in sets.values()) else ""
    return f"{say_count(count, 'log file')}, {say_bytes(size)}{more}"


def _say(glob: str, one: _Set) -> str:
    words = f"{glob}: {say_count(len(one.live) + len(one.rotated), 'file')}, {say_bytes(one.total)}"
    if not one.live:
        return printable(words)
    largest = max(one.live, key=lambda file: file.size)
    return printable(f"{words}, the largest {largest.name} with {say_bytes(largest.size)}")


def _largest(sets: Mapping[str, _Set]) -> Iterable[str]:
    files = {file.path: file for one in sets.values() for file in (*one.live, *one.rotated)}
    for file in sorted(files.values(), key=lambda file: -file.size)[:10]:
        yield f"{file.path}: {say_bytes(file.size)}, written to {file.changed_at:%Y-%m-%d %H:%M}Z"

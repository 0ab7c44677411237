"""Backups: is the newest one young enough, as large as ever, finished and whole, and are there enough of them?

    [[target]]
    id = "orders-backup"
    kind = "backup"
    url = "file:/var/backups/orders/*.sql.gz"

    [[check]]
    id = "orders-backup"
    probe = "backup"
    targets = ["orders-backup"]
    every = "15m"
    timeout = "2m"
    limits = { age_s = { warn = "> 90000", crit = "> 180000" }, size_change_pct = { warn = "-30:100" } }
    args = { at_least = 7, read_through = true }

A job that ended well proves no backup: the classic failure is an empty or partial dump with exit code 0. Here the
files speak. Of the newest finished one: it must not be empty, must begin as its name says and end as its format does
(xz, zip, tar, SQLite, plain dumps of PostgreSQL and MySQL; gzip with `read_through`), and match its checksum where one
lies beside it. A file that was just written to, has no `ok_suffix` beside it or is named like a partial one is not
finished: the one before it counts. Where we may not read files, their age and size are judged all the same.
`size_change_pct` compares with the median of those before it. `rpo_left_s` is what a rule such as
`when = { check = "orders-backup", due_within = "4h" }` asks. Full and incremental backups are different series: give
them different targets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from statistics import median
from typing import Annotated, Any, ClassVar, Literal

import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.limits import parse_range
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.core.plan import Limit
from opswatch.core.spans import say_roughly
from opswatch.hosts import CannotSee, Reach, dumps, reach
from opswatch.hosts.evidence import bounded, printable, say_bytes, say_count
from opswatch.hosts.files import Ends, File, Files
from opswatch.probes import Measure, Pattern, Span, Task, cannot_tell, careful

_SERIES_MAX = 100
_HISTORY = 14  # earlier sizes the newest is compared with
_HISTORY_MIN = 3
_LAST_BYTES = 4096


def _check_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("an absolute path or glob, such as '/var/backups/*.dump'")
    return path


class Args(BaseModel):
    """Where backups lie, and what a good one is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: tuple[Annotated[str, AfterValidator(_check_path)], ...] = Field(
        (), max_length=20, description="Files or globs (`**` goes down), beside the target's URL"
    )
    folders: bool = Field(False, description="Each backup is a folder; its size is that of everything in it")
    per_folder: bool = Field(False, description="Each folder that holds backups is a series, and an item, of its own")
    rpo: Span | None = Field(
        None,
        gt=timedelta(0),
        description="The age that the newest must not reach: `rpo_left_s` counts down to it. Without it: to the "
        "critical limit of `age_s`, where that reads like `> 180000`",
    )
    at_least: int = Field(1, ge=0, description="Fewer finished backups than this in a series is critical")
    unfinished: tuple[str, ...] = Field(
        ("*.part", "*.partial", "*.tmp", "*.temp", "*.incomplete", "*.inprogress", "*.filepart"),
        description="Names of backups that are still being written: globs",
    )
    settle: Span = Field(timedelta(minutes=2), description="Written to within this span: not finished yet")
    ok_suffix: str | None = Field(None, description="A backup is finished when NAME + this lies beside it: `.ok`")
    checksum: Literal["auto", "none", "md5", "sha1", "sha256", "sha512"] = Field(
        "auto", description="`auto`: compared where NAME.sha256 (or .md5, …) lies beside it; a kind: one must lie there"
    )
    read_through: bool = Field(False, description="Unpack the newest gzip file once, to see that it is whole")
    ends_with: Pattern | None = Field(None, description="Must be found in its last 4 KiB, unpacked with `read_through`")


class Look:
    """Lists, compares, and reads the newest one."""

    kinds: ClassVar[tuple[str, ...]] = ("backup", "host")
    samples: ClassVar[Mapping[str, Measure]] = {
        "age_s": Measure("s", "since the newest finished backup was written"),
        "rpo_left_s": Measure(
            "s", "until the newest is too old (`rpo`), negative afterwards, 0 where there is none; for `due_within`"
        ),
        "size_bytes": Measure("B", "its size"),
        "size_change_pct": Measure("%", "by how much it is larger (or smaller) than the median of up to 14 before it"),
        "count": Measure("", "finished backups"),
        "bytes": Measure("B", "their size, all together"),
        "oldest_age_s": Measure("s", "since the oldest one was written: how far back one can go"),
        "unfinished": Measure("", "backups being written, or left behind half done"),
        "verified": Measure(
            "", "1 when the newest was read through and is whole, else 0; absent where nothing asks for it"
        ),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        deadline = monotonic_s() + task.timeout_s * 0.9
        files = self._reach(task.target.access).files
        globs = _globs(task, args)
        if not globs:
            return cannot_tell(task, UnknownReason.ERROR, "nowhere to look: a url such as 'file:/var/backups/*.dump'")
        listing = files.find(globs, task.timeout_s * 0.4, folders=args.folders)
        if listing.troubles and not listing.files:
            return cannot_tell(task, UnknownReason.NO_DATA, printable("; ".join(listing.troubles.values())))
        beside = _beside(files, listing.files, args, task.timeout_s * 0.2)
        memory = _recall(task.memory)
        series = _series(listing.files, beside, memory, task.now, args)
        for item, one in series.items():
            _examine(files, one, beside, memory.get(item, {}), deadline, args)
        failures = [failure for item, one in series.items() for failure in one.failures(item, args)]
        return Verdict(
            at=task.now,
            sentence=_sentence(series, failures, task.now),
            samples=tuple(sample for item, one in series.items() for sample in _samples(item, one, task, args)),
            failures=tuple(failures),
            sentences={item: one.say(task.now) for item, one in series.items() if item},
            evidence=bounded(_evidence(series, listing.troubles, task.now)),
            memory=json.dumps({item: one.memory for item, one in series.items()}).encode(),
        )


_Kept = Mapping[str, Any]  # of one series: see _Series.memory


@dataclass
class _Series:
    """The backups of one thing, oldest first, and what is known of the newest."""

    finished: list[File]
    unfinished: list[File]
    sizes: dict[str, int]  # path and time → size, also of those that were removed since
    trouble: str = ""
    blind: str = ""  # why it could not be looked into
    is_verified: bool | None = None  # None: nothing asked for it
    verified: str = ""  # which one was read through, and with what result

    @property
    def newest(self) -> File | None:
        return self.finished[-1] if self.finished else None

    @property
    def memory(self) -> _Kept:
        return {"sizes": self.sizes, "verified": [self.verified, self.trouble]}

    def size_change_pct(self) -> float | None:
        """Against the median of those before the newest."""
        if self.newest is None:
            return None
        before = [size for key, size in self.sizes.items() if key != _key(self.newest)][-_HISTORY:]
        return 100 * (self.newest.size / median(before) - 1) if len(before) >= _HISTORY_MIN and median(before) else None

    def failures(self, item: str, args: Args) -> Iterable[Failure]:
        where = f"{item}: " if item else ""
        if self.newest is None:
            waiting = f", {say_count(len(self.unfinished), 'unfinished one')}" if self.unfinished else ""
            if args.at_least > 0:
                yield Failure(printable(f"{where}no finished backup{waiting}"), item=item)
            return
        if len(self.finished) < args.at_least:
            words = f"{where}{say_count(len(self.finished), 'finished backup')}, at least {args.at_least} wanted"
            yield Failure(printable(words), item=item)
        if self.trouble:
            yield Failure(printable(f"{self.newest.path} {self.trouble}"), item=item)
        elif self.blind and (args.read_through or args.ends_with or args.checksum not in ("auto", "none")):
            # What was asked for must be possible; the rest is looked at where we are let in.
            yield Failure(printable(self.blind), Health.UNKNOWN, item)

    def say(self, now: datetime) -> str:
        if self.newest is None:
            return "no finished backup"
        change = self.size_change_pct()
        compared = f", {change:+.0f} % against the median before it" if change is not None else ""
        age = say_roughly(now - self.newest.changed_at)
        count = say_count(len(self.finished), "backup")
        return printable(
            f"{count}, the newest {self.newest.name} of {age} ago, {say_bytes(self.newest.size)}{compared}"
        )


def _globs(task: Task, args: Args) -> list[str]:
    url = task.target.url.reveal() if task.target.url else ""
    path = url.removeprefix("file:").removeprefix("//") if url.startswith("file:/") else ""
    return list(dict.fromkeys([*([path] if path else []), *args.paths]))


def _beside(files: Files, found: Iterable[File], args: Args, timeout_s: float) -> dict[str, File]:
    """Marks and checksums that lie beside the backups."""
    if args.ok_suffix is None and args.checksum == "none":
        return {}
    endings = [args.ok_suffix] if args.ok_suffix is not None else []
    endings += [f".{kind}" for kind in _kinds(args)]
    folders = sorted({file.folder.rstrip("/") for file in found})[:_SERIES_MAX]
    globs = [f"{_literally(folder)}/*{_literally(ending)}" for folder in folders for ending in endings]
    return {file.path: file for file in files.find(globs, timeout_s).files} if globs else {}


def _literally(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


def _kinds(args: Args) -> list[str]:
    return {"auto": ["sha256", "sha512", "sha1", "md5"], "none": []}.get(args.checksum, [args.checksum])


def _series(
    found: Iterable[File], beside: Mapping[str, File], memory: Mapping[str, _Kept], now: datetime, args: Args
) -> dict[str, _Series]:
    """By item, those we knew before included: a series whose folder was emptied has not become good."""
    groups: dict[str, list[File]] = {item: [] for item in memory if item or not args.per_folder}
    if not args.per_folder:
        groups = {"": []}
    for file in found:
        if file.path not in beside:  # A glob such as /backups/* matches those too.
            groups.setdefault(file.folder if args.per_folder else "", []).append(file)
    series = {}
    for item, files in sorted(groups.items())[:_SERIES_MAX]:
        files.sort(key=lambda file: (file.changed_at, file.path))
        kept = memory.get(item, {})
        unfinished = [file for file in files if not _is_finished(file, beside, now, args)]
        finished = [file for file in files if file not in unfinished]
        sizes: dict[str, int] = dict(kept.get("sizes", {}))
        sizes |= {_key(file): file.size for file in finished[-_HISTORY - 1 :]}
        sizes = dict(sorted(sizes.items())[-_HISTORY - 1 :])
        series[item] = _Series(finished, unfinished, sizes)
    return series


def _key(file: File) -> str:
    """Sorts by time. One that is overwritten in place is a new one each time."""
    return f"{file.changed_at:%Y-%m-%dT%H:%M:%S.%f} {file.path}"


def _is_finished(file: File, beside: Mapping[str, File], now: datetime, args: Args) -> bool:
    if any(fnmatchcase(file.name, glob) for glob in args.unfinished):
        return False
    if args.ok_suffix is not None:
        mark = beside.get(file.path + args.ok_suffix)
        # A mark that is older belongs to what lay there before.
        return mark is not None and mark.changed_at >= file.changed_at
    # Each write sets the time. One from the future comes from a file server whose clock is wrong: no reason to wait.
    return file.changed_at > now or now - file.changed_at >= args.settle


def _examine(files: Files, one: _Series, beside: Mapping[str, File], kept: _Kept, deadline: float, args: Args) -> None:
    """What is wrong with the newest. Read through only once."""
    newest = one.newest
    if newest is None or args.folders:
        one.trouble = "is empty" if newest is not None and newest.size == 0 else ""
        return
    key = f"{_key(newest)} {newest.size}"
    before, trouble = kept.get("verified", ["", ""])
    if before == key:
        one.verified, one.trouble, one.is_verified = key, trouble, not trouble
        return
    left_s = max(0.1, deadline - monotonic_s())
    try:
        ends = files.ends(newest.path, dumps.LOOK_AT, left_s)
        one.trouble = dumps.what_is_missing(newest.name, ends) or _wrong_end(ends.tail, ends.head, newest, args)
        if not one.trouble:
            _read_through(files, one, newest, beside, ends, deadline, args)
    except CannotSee as blind:
        one.blind = str(blind)
        return
    if one.is_verified is not None and (one.is_verified or one.trouble):
        one.verified = key


def _wrong_end(tail: bytes, head: bytes, file: File, args: Args) -> str:
    is_packed = head.startswith((b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh"))
    if args.ends_with is None or is_packed or re2.search(args.ends_with, tail[-_LAST_BYTES:]):
        return ""
    return f"does not end with /{args.ends_with}/"


def _read_through(
    files: Files, one: _Series, newest: File, beside: Mapping[str, File], ends: Ends, deadline: float, args: Args
) -> None:
    sums = next((beside[path] for kind in _kinds(args) if (path := f"{newest.path}.{kind}") in beside), None)
    if sums is not None:
        kind = sums.path.rpartition(".")[2]
        wanted = files.ends(sums.path, 4096, max(0.1, deadline - monotonic_s())).head.split()[:1]
        actual = files.digest(newest.path, kind, max(0.1, deadline - monotonic_s()))
        one.is_verified = actual is not None and wanted == [actual.encode()]
        if actual is not None and not one.is_verified:
            one.trouble = f"does not match its checksum in {sums.name}"
    elif args.checksum not in ("auto", "none"):
        one.trouble = f"has no checksum beside it ({newest.name}.{args.checksum})"
    if args.read_through and not one.trouble and dumps.is_gzip(ends):
        inside = files.unpack(newest.path, _LAST_BYTES, max(0.1, deadline - monotonic_s()))
        one.is_verified = isinstance(inside, Ends) and one.is_verified is not False
        if isinstance(inside, str):
            one.trouble = f"cannot be unpacked: {inside}"
        elif inside is not None:
            one.trouble = _what_is_missing_inside(inside, args)


def _what_is_missing_inside(inside: Ends, args: Args) -> str:
    """A pipe whose first program died leaves a gzip file that is whole around a dump that is not."""
    if inside.size == 0:
        return "is empty inside"
    if args.ends_with is not None and not re2.search(args.ends_with, inside.tail):
        return f"does not end with /{args.ends_with}/"
    return dumps.of_dump(inside.head, inside.tail)


def _recall(memory: bytes | None) -> dict[str, _Kept]:
    return dict(json.loads(memory)) if memory else {}


def _samples(item: str, one: _Series, task: Task, args: Args) -> Iterable[Sample]:
    yield Sample("count", len(one.finished), item=item)
    yield Sample("unfinished", len(one.unfinished), item=item)
    newest, now, rpo_s = one.newest, task.now, _rpo_s(task, args)
    if rpo_s is not None and (newest is not None or args.at_least):
        yield Sample("rpo_left_s", rpo_s - _age_s(newest, now) if newest is not None else 0.0, "s", item)
    if newest is None:
        return
    yield Sample("age_s", _age_s(newest, now), "s", item)
    yield Sample("size_bytes", newest.size, "B", item)
    change = one.size_change_pct()
    if change is not None:
        yield Sample("size_change_pct", change, "%", item)
    yield Sample("bytes", sum(file.size for file in one.finished), "B", item)
    yield Sample("oldest_age_s", _age_s(one.finished[0], now), "s", item)
    if one.is_verified is not None:
        yield Sample("verified", int(one.is_verified), item=item)


def _rpo_s(task: Task, args: Args) -> float | None:
    """The age that is too old: what is written, or the critical limit where it is the one number that it must be."""
    if args.rpo is not None:
        return args.rpo.total_seconds()
    limit = task.limits.get("age_s")
    if not isinstance(limit, Limit) or limit.crit is None:
        return None
    bad = parse_range(limit.crit)
    return bad.low if bad.compare in (">", ">=") else None


def _age_s(file: File, now: datetime) -> float:
    return max(0.0, (now - file.changed_at).total_seconds())


def _sentence(series: Mapping[str, _Series], failures: list[Failure], now: datetime) -> str:
    if failures:
        more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
        return "; ".join(failure.sentence for failure in failures[:3]) + more
    if set(series) == {""}:
        return series[""].say(now)
    stale = max(
        (one for one in series.values() if one.newest), key=lambda one: _age_s(one.finished[-1], now), default=None
    )
    words = f"{say_count(len(series), 'series', 'series')} of backups"
    return words + (f", the stalest: {stale.say(now)}" if stale is not None else "")


def _evidence(series: Mapping[str, _Series], troubles: Mapping[str, str], now: datetime) -> Iterable[str]:
    for one in series.values():
        if one.blind:
            yield f"not looked into: {one.blind}"
        for file in reversed(one.finished[-5:]):
            yield f"{file.path}: {say_bytes(file.size)}, {_when(file, now)}"
        yield from (
            f"{file.path}: not finished, {say_bytes(file.size)}, {_when(file, now)}" for file in one.unfinished[-3:]
        )
    yield from troubles.values()


def _when(file: File, now: datetime) -> str:
    if file.changed_at > now:
        return f"written in the future ({file.changed_at:%Y-%m-%d %H:%M}Z): a clock is wrong"
    return f"written {file.changed_at:%Y-%m-%d %H:%M}Z"

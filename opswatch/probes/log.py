"""Log files: lines that match, since the last look, through rotation and restarts.

    [[target]]
    id = "app-log"
    kind = "log"
    url = "file:/var/log/app/*.log"

    [[check]]
    id = "app-errors"
    probe = "log"
    targets = ["app-log"]
    every = "60s"
    confirm = 1
    limits = { idle_s = { warn = "> 3600" }, bytes_behind = { warn = "> 1e8" } }
    [check.args]
    ignore = ["GET /health"]
    window = "10m"
    [[check.args.patterns]]
    match = "OutOfMemoryError|panic:"
    label = "fatal"
    [[check.args.patterns]]
    match = "(?i)timeout .* database"
    label = "db-timeouts"
    severity = "warn"
    at_least = 5
    unless = ["retrying"]

Each label is an item: it fails while at least `at_least` lines match within `window`, and is good again when the window
has passed in quiet. A line is an event, not a state: keep `confirm = 1`, or a window longer than `confirm` looks.
Patterns are RE2: linear time whatever a line holds. Reading goes on where it stopped, also in the rotated file; what
cannot be followed (compressed before it was read, truncated in between) is counted in `possible_losses`.
"""

from __future__ import annotations

import codecs
import glob
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.core.spans import say_roughly, say_span
from opswatch.hosts.evidence import bounded, cut, printable, say_bytes, say_count
from opswatch.hosts.lines import Hits, Rule, newline_of
from opswatch.hosts.tail import COMPRESSED, Followed, Limits, Older, Position, Report, follow, is_rotated
from opswatch.probes import Measure, Pattern, Span, Task, cannot_tell, careful

_FILES_MAX = 200
_PATTERNS_MAX = 500
_WINDOW_STEPS = 60  # readings kept of each label within its window


def _check_encoding(name: str) -> str:
    if name == "auto":
        return name
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError("an encoding Python knows, such as 'utf-8', 'gb18030', 'latin-1' or 'utf-16-le'") from None
    return name


def _check_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("an absolute path or glob, such as '/var/log/app/*.log'")
    return path


class LinePattern(BaseModel):
    """One kind of line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: Pattern = Field(description="Found anywhere in the line")
    label: str = Field("", max_length=80, description="Its name, the item of samples and alerts; default: the pattern")
    severity: Literal["warn", "crit", "count"] = Field("crit", description="`count`: only a sample, for limits")
    at_least: int = Field(1, ge=1, description="So many lines within the window fail")
    unless: tuple[Pattern, ...] = Field((), description="Lines in which one of these is found do not count")

    @property
    def rule(self) -> Rule:
        """As `hosts.lines` wants it."""
        return Rule(self.item, self.match, self.unless)

    @property
    def item(self) -> str:
        """What its samples and failures are filed under."""
        return self.label or cut(self.match, 60)


class Args(BaseModel):
    """Which lines of which files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patterns: tuple[LinePattern, ...] = Field((), max_length=_PATTERNS_MAX, description="What to look for; see below")
    paths: tuple[Annotated[str, AfterValidator(_check_path)], ...] = Field(
        (), description="Files or globs, beside the target's URL"
    )
    ignore: tuple[Pattern, ...] = Field((), description="Lines in which one of these is found never count")
    window: Span = Field(timedelta(0), description="Lines count for this long; `0s`: only those of this look")
    from_start: bool = Field(False, description="Read a file from its start when it is seen for the first time")
    encoding: Annotated[str, AfterValidator(_check_encoding)] = Field(
        "auto", description="`auto`: UTF-8, else GB18030, else Latin-1, line by line"
    )
    bytes_max: int = Field(64 * 1024 * 1024, ge=64 * 1024, description="Read no more in one look; the rest is behind")

    @model_validator(mode="after")
    def _labels_differ(self) -> Args:
        items = [pattern.item for pattern in self.patterns]
        twice = next((item for item in items if items.count(item) > 1), None)
        if twice is not None:
            raise ValueError(f"two patterns are called {twice!r}: give each a label of its own")
        return self


class Look:
    """Reads on, matches, counts."""

    kinds: ClassVar[tuple[str, ...]] = ("log",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "hits": Measure("", "lines that match, within the window; one for each label"),
        "lines": Measure("", "lines read in this look"),
        "bytes_behind": Measure("B", "not read yet: more came than `bytes_max` allows, or the time was up"),
        "idle_s": Measure("s", "since any of the files was written to"),
        "possible_losses": Measure("", "times in this look that lines may have been lost to rotation or truncation"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        globs = _globs(task)
        if not globs:
            return cannot_tell(task, UnknownReason.ERROR, "the target needs a url such as 'file:/var/log/app/*.log'")
        paths, missing = _expand(globs)
        memory = _Memory.load(task.memory)
        hits = Hits([pattern.rule for pattern in args.patterns], args.ignore, args.encoding)
        blocked = dict.fromkeys(missing, "no such file")
        reports = _read_all(task, paths, memory, hits, blocked)
        if not reports:
            reason = UnknownReason.NO_DATA if not paths else UnknownReason.REFUSED
            why = "; ".join(f"{printable(path)}: {words}" for path, words in list(blocked.items())[:3])
            return cannot_tell(task, reason, why)
        counts = memory.counted(hits, args, task.now.timestamp())
        return _verdict(task, args, reports, hits, counts, blocked, memory)


def _globs(task: Task) -> list[str]:
    args: Args = task.args
    url = task.target.url.reveal() if task.target.url is not None else ""
    path = url.removeprefix("file:")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    return [*([path] if path.startswith("/") and url.startswith("file:") else []), *args.paths]


def _expand(globs: Sequence[str]) -> tuple[list[str], list[str]]:
    """(files, what names none). Rotated generations of a file that is there are followed with it, not by themselves."""
    found: dict[str, None] = {}
    missing = []
    for pattern in globs:
        matched = glob.glob(pattern, recursive=True)  # noqa: PTH207 - absolute patterns
        files = sorted(path for path in matched if not Path(path).is_dir())
        if not files:
            missing.append(pattern)
        found.update(dict.fromkeys(files))
    by_folder: dict[Path, list[str]] = {}
    for path in found:
        by_folder.setdefault(Path(path).parent, []).append(Path(path).name)
    current = [path for path in found if not _is_generation(Path(path), by_folder[Path(path).parent])]
    return current[:_FILES_MAX], missing


def _is_generation(path: Path, names: Sequence[str]) -> bool:
    if path.suffix in COMPRESSED:
        return True
    return any(is_rotated(path.name, base) and len(base) < len(path.name) for base in names)


def _read_all(
    task: Task, paths: Sequence[str], memory: _Memory, hits: Hits, blocked: dict[str, str]
) -> dict[str, Report]:
    """Each file has an equal share of the bytes; what one leaves over is the next one's."""
    args: Args = task.args
    began, now_s = monotonic_s(), task.now.timestamp()
    left = args.bytes_max
    reports: dict[str, Report] = {}
    for index, path in enumerate(paths):
        limits = Limits(left // (len(paths) - index), began + task.timeout_s * 0.8, newline_of(args.encoding))
        share = limits.budget
        try:
            memory.files[path], reports[path] = follow(
                path,
                memory.files.get(path),
                now_s=now_s,
                # A file that appears later holds nothing we have seen.
                from_start=args.from_start or not memory.is_first,
                limits=limits,
                sink=partial(hits.scan, source=Path(path).name),
            )
        except OSError as trouble:
            blocked[path] = (trouble.strerror or str(trouble)).lower()
        left -= share - limits.budget
    return reports


# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class _Memory:
    """What is kept between looks: positions, and the hits of the window as (at, count)."""

    files: dict[str, Followed]
    recent: dict[str, list[list[float]]]
    is_first: bool

    @staticmethod
    def load(memory: bytes | None) -> _Memory:
        if memory is None:
            return _Memory({}, {}, True)
        kept = json.loads(memory)
        return _Memory({path: _followed(state) for path, state in kept["files"].items()}, kept["recent"], False)

    def dump(self, paths: Iterable[str]) -> bytes:
        """Positions of `paths`, and of files that are gone for the moment, up to the limit."""
        wanted = dict.fromkeys(paths)
        gone = sorted((path for path in self.files if path not in wanted), key=lambda path: -self.files[path].looked_at)
        kept = [path for path in wanted if path in self.files] + gone[: max(0, _FILES_MAX - len(wanted))]
        return json.dumps({"files": {path: asdict(self.files[path]) for path in kept}, "recent": self.recent}).encode()

    def counted(self, hits: Hits, args: Args, now_s: float) -> dict[str, int]:
        """Hits of each label within the window, this look's among them."""
        counts = {}
        recent: dict[str, list[list[float]]] = {}
        for pattern in args.patterns:
            new = hits.counts.get(pattern.item, 0)
            old = [part for part in self.recent.get(pattern.item, []) if part[0] > now_s - args.window.total_seconds()]
            counts[pattern.item] = new + int(sum(count for _, count in old))
            if new:
                old = [*old, [now_s, new]]
            if len(old) > _WINDOW_STEPS:  # The two oldest become one, at the later instant: never too short.
                old = [[old[1][0], old[0][1] + old[1][1]], *old[2:]]
            if old and args.window:
                recent[pattern.item] = old
        self.recent = recent
        return counts


def _followed(state: Mapping[str, Any]) -> Followed:
    return Followed(
        looked_at=state["looked_at"],
        current=Position(**state["current"]) if state["current"] else None,
        older=tuple(Older(Position(**one["position"]), one["since"], one["quiet"]) for one in state["older"]),
        siblings=tuple((device, inode, changed) for device, inode, changed in state["siblings"]),
    )


def _verdict(
    task: Task,
    args: Args,
    reports: Mapping[str, Report],
    hits: Hits,
    counts: Mapping[str, int],
    blocked: Mapping[str, str],
    memory: _Memory,
) -> Verdict:
    behind = sum(report.bytes_behind for report in reports.values())
    idle_s = max(0.0, task.now.timestamp() - max(report.changed_at for report in reports.values()))
    said = {pattern.item: _say_hits(pattern, counts[pattern.item], hits, args) for pattern in args.patterns}
    failing = [
        Failure(said[pattern.item], Health(pattern.severity), pattern.item)
        for pattern in args.patterns
        if pattern.severity != "count" and counts[pattern.item] >= pattern.at_least
    ]
    notes = [note for report in reports.values() for note in report.notes]
    if hits.nuls:
        notes.append(f"{hits.nuls} NUL bytes were skipped")
    return Verdict(
        at=task.now,
        sentence="; ".join(failure.sentence for failure in failing[:3]) or _say_quiet(reports, hits, behind, idle_s),
        samples=(
            *(Sample("hits", count, item=item) for item, count in counts.items()),
            Sample("lines", hits.lines),
            Sample("bytes_behind", behind, "B"),
            Sample("idle_s", idle_s, "s"),
            Sample("possible_losses", sum(report.losses for report in reports.values())),
        ),
        failures=(
            *failing,
            *(Failure(f"{printable(path)}: {why}", Health.UNKNOWN, path) for path, why in blocked.items()),
        ),
        evidence=bounded([*(line for lines in hits.shown.values() for line in lines), *notes]),
        sentences={item: words for item, words in said.items() if item not in {failure.item for failure in failing}},
        memory=memory.dump(reports),
    )


def _say_hits(pattern: LinePattern, count: int, hits: Hits, args: Args) -> str:
    words = f"{say_count(count, 'line')} {'matches' if count == 1 else 'match'} {pattern.item}"
    if args.window:
        words += f" within {say_span(args.window)}"
    first = hits.shown.get(pattern.item)
    return f"{words}: {printable(first[0], 160)}" if first else words


def _say_quiet(reports: Mapping[str, Report], hits: Hits, behind: int, idle_s: float) -> str:
    words = f"{say_count(hits.lines, 'new line')} in {say_count(len(reports), 'file')}, nothing that fails"
    if idle_s >= 60:
        words += f", last written to {say_roughly(timedelta(seconds=idle_s))} ago"
    return f"{words}, {say_bytes(behind)} still to read" if behind else words

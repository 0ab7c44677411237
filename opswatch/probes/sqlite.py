"""An SQLite file: is it whole, does its log grow, who holds it, how much of it is empty? Never in its writers' way.

    [[target]]
    id = "app-db"
    kind = "sqlite"
    url = "sqlite:/var/lib/app/app.db"

    [[check]]
    id = "app-db-file"
    probe = "sqlite"
    targets = ["app-db"]
    every = "5m"
    timeout = "30s"
    args = { journal_mode = "wal" }
    [check.limits]
    wal_bytes = { warn = "> 67108864" }
    free_pct = { warn = "> 30" }
    write_locked_s = { warn = "> 300", crit = "> 900" }
    disk_free_bytes = { crit = "< 1e9" }

The file is opened to read. With a write-ahead log readers hold up nobody, so `integrity = "quick"` checks in place;
without one every reader holds up writers, and a copy in the folder for temporary files is checked instead, taken a
little at a time, of up to `copy_max_mib`. `integrity = "full"` always checks a copy: in place it would keep the log
from being checkpointed. What does not fit into the time limit is `unknown` by itself.

A broken file is critical, and so is one that lets no reader in for `busy`. A log much bigger than usual means that some
reader never ends, so that it cannot be checkpointed: its process is named. `write_locked_s` counts while each of our
looks finds the write lock held at several glances. On a network filesystem locks do not hold, which is a warning.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Health, UnknownReason, Verdict
from opswatch.hosts import CannotSee, Host, Reach, Usage, reach
from opswatch.hosts.evidence import bounded, printable, say_bytes, say_seconds
from opswatch.hosts.findings import Counters, Findings
from opswatch.hosts.local import is_network
from opswatch.hosts.sqlite_file import Broken, Locked, Pages, Reader, TimeIsUp, holders, log_of, path_of, reader
from opswatch.probes import Measure, Span, Task, careful

_GLANCES = 5
_GLANCE_S = 0.02
_LOG_TELLS_FROM = 64 * 1024**2  # bytes: from here on the readers of a log are named


class Args(BaseModel):
    """How thoroughly to look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    integrity: Literal["none", "quick", "full"] = Field("none", description="Check the file itself; see above")
    copy_max_mib: int = Field(1024, ge=1, description="The biggest file that is copied to be checked")
    busy: Span = Field(timedelta(seconds=2), description="How long somebody may keep readers out")
    journal_mode: Literal["wal", "delete", "truncate", "persist"] | None = Field(
        None, description="What it must be; another one is a warning"
    )


class Look:
    """Reads by SQLite alone, and /proc/locks."""

    kinds: ClassVar[tuple[str, ...]] = ("sqlite",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "file_bytes": Measure("B", "the database, by its own count of pages"),
        "wal_bytes": Measure("B", "its write-ahead log; stays at its highest until it is truncated"),
        "wal_of_file_pct": Measure("%", "the log, of the database; absent while that is empty"),
        "free_bytes": Measure("B", "pages of the file that hold nothing"),
        "free_pct": Measure("%", "of all its pages"),
        "write_locked": Measure("", "1 when somebody holds the write lock at several glances, else 0"),
        "write_locked_s": Measure("s", "for how long our looks have found it so, by the same process"),
        "integrity_faults": Measure("", "what the check found, at most 10; absent without `integrity`"),
        "integrity_s": Measure("s", "time the check took, copying included; absent without `integrity`"),
        "disk_free_bytes": Measure("B", "what its filesystem still takes"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        path = path_of(task.target.url.reveal() if task.target.url else "")
        host = self._reach("local")
        busy_s = min(args.busy.total_seconds(), task.timeout_s / 2)
        try:
            return _look(task, path, host, busy_s)
        except Broken as trouble:
            return _failed(task, f"{path.name} is broken: {trouble}")
        except Locked:
            who = _say_process(holders(path).writer)
            return _failed(task, f"{path.name} is locked: {who} lets no reader in for {say_seconds(busy_s)}")
        except TimeIsUp:
            words = f"{path.name} could not be read within {task.timeout_s:.1f} s"
            raise CannotSee(UnknownReason.TIMEOUT, words) from None


def _look(task: Task, path: Path, host: Host, busy_s: float) -> Verdict:
    args: Args = task.args
    seen, counters = Findings(), Counters(task.memory, task.now)
    on_network = _network_kind(host, path)
    if on_network:
        words = f"{path.name} is on a network filesystem ({on_network}): locks do not hold there, it will break"
        seen.fail(words, health=Health.WARN)
    with reader(path, task.timeout_s, busy_s) as file:
        pages = file.pages()
        _look_at_pages(seen, path, pages)
        _look_at_locks(seen, counters, path, task)
        usage = host.usage([str(path.parent)], task.timeout_s / 2)[str(path.parent)]
        if isinstance(usage, Usage):
            seen.add("disk_free_bytes", usage.avail_bytes, "B")
        if args.journal_mode and pages.journal_mode != args.journal_mode:
            seen.fail(f"its journal mode is {pages.journal_mode}, not {args.journal_mode}", health=Health.WARN)
        if args.integrity != "none":
            _check(seen, file, pages, args)
    return seen.verdict(task.now, counters.memory())


def _look_at_pages(seen: Findings, path: Path, pages: Pages) -> None:
    log_bytes = _size(log_of(path))
    free_bytes = pages.free_pages * pages.page_bytes
    seen.add("file_bytes", pages.bytes, "B")
    seen.add("wal_bytes", log_bytes, "B")
    if pages.bytes:
        seen.add("wal_of_file_pct", 100 * log_bytes / pages.bytes, "%")
    seen.add("free_bytes", free_bytes, "B")
    free_pct = 100 * pages.free_pages / max(1, pages.pages)
    seen.add("free_pct", free_pct, "%")
    words = f"{path.name} has {say_bytes(pages.bytes)}, {free_pct:.0f} % of it empty"
    seen.words.append(f"{words}, and a log of {say_bytes(log_bytes)}" if pages.journal_mode == "wal" else words)


def _look_at_locks(seen: Findings, counters: Counters, path: Path, task: Task) -> None:
    writer = _steady_writer(path)
    seen.add("write_locked", float(writer is not None))
    held_s = counters.since(f"writer {writer}", task.now) if writer is not None else 0.0
    seen.add("write_locked_s", held_s, "s")
    if writer is not None:
        seen.words.append(f"{_say_process(writer)} holds the write lock")
    if _size(log_of(path)) >= _LOG_TELLS_FROM:
        readers = ", ".join(_say_process(pid) for pid in holders(path).readers[:5])
        seen.evidence.append(f"reading from the log now: {readers or 'nobody'}")


def _steady_writer(path: Path) -> int | None:
    """Who holds the write lock at every glance: a busy writer lets go of it between its transactions."""
    pause = threading.Event()
    writer = holders(path).writer
    for _ in range(_GLANCES - 1):
        if writer is None:
            return None
        pause.wait(_GLANCE_S)
        if holders(path).writer != writer:
            return None
    return writer


def _say_process(pid: int | None) -> str:
    if not pid:
        return "somebody"
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"pid {pid}"
    return f"pid {pid} ({printable(name, 20)})"


def _check(seen: Findings, file: Reader, pages: Pages, args: Args) -> None:
    is_full = args.integrity == "full"
    began = monotonic_s()
    try:
        if pages.journal_mode == "wal" and not is_full:
            faults = file.check(is_full=False)
        elif pages.bytes > args.copy_max_mib * 1024**2:
            words = f"it is not checked: a copy of {say_bytes(pages.bytes)} is more than copy_max_mib"
            seen.hidden("integrity", words)
            return
        else:
            with file.copied() as copy:
                faults = copy.check(is_full=is_full)
    except TimeIsUp:
        seen.hidden("integrity", "its check did not end in time: raise `timeout`, or check it less often")
        return
    except (Locked, OSError) as trouble:
        seen.hidden("integrity", f"it could not be checked: {printable(str(trouble), 200)}")
        return
    seen.add("integrity_faults", len(faults))
    seen.add("integrity_s", monotonic_s() - began, "s")
    if faults:
        seen.fail(f"the file is broken: {faults[0]}")
        seen.evidence += faults
    else:
        seen.words.append(f"whole ({args.integrity} check)")


def _network_kind(host: Host, path: Path) -> str:
    """The kind of network filesystem `path` is on; empty on a local one."""
    try:
        mounts = [mount for mount in host.mounts() if path.is_relative_to(mount.path)]
    except CannotSee:
        return ""
    nearest = max(mounts, key=lambda mount: len(mount.path), default=None)
    return nearest.kind if nearest is not None and is_network(nearest.kind) else ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _failed(task: Task, sentence: str) -> Verdict:
    sentence = printable(sentence, 300)
    return Verdict(task.now, sentence, failures=(Failure(sentence),), evidence=bounded([sentence]))

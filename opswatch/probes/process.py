"""A program that must run: how many processes, how old, how much memory.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "nginx-runs"
    probe = "process"
    match = { kind = "host" }
    every = "60s"
    limits = { rss_bytes = { warn = "> 2e9" }, youngest_age_s = { warn = "< 60" } }
    args = { name = "nginx", user = "www-data", at_least = 2, at_most = 64 }

Every condition given must hold for a process to count: name, cmdline, user, pidfile. Zombies do not count. A name is
compared whole, also where the kernel keeps only its first 15 letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opswatch.core.model import Failure, Sample, UnknownReason, Verdict
from opswatch.core.spans import say_roughly
from opswatch.hosts import Process, Reach, reach
from opswatch.hosts.evidence import bounded, say_bytes, say_count
from opswatch.probes import Measure, Pattern, Task, cannot_tell, careful

_CLOCK_SLACK_S = 2.0  # a process may write its pid file within the tick it was born in


class Args(BaseModel):
    """Which processes count, and how many there must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(None, description="Name of the program, whole: `postgres`")
    cmdline: Pattern | None = Field(None, description="Found anywhere in the command line, its words joined by blanks")
    user: str | None = Field(None, description="Name or number of the user it runs as")
    pidfile: str | None = Field(
        None, description="File with the pid; a pid that another program got since does not count"
    )
    at_least: int = Field(1, ge=0, description="Fewer is critical")
    at_most: int | None = Field(None, ge=0, description="More is critical")

    @model_validator(mode="after")
    def _names_something(self) -> Args:
        if not (self.name or self.cmdline or self.pidfile or self.user):
            raise ValueError("one of name, cmdline, pidfile, user: which processes count?")
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at_most = {self.at_most} is below at_least = {self.at_least}")
        return self


class Look:
    """Walks the process table."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "count": Measure("", "processes that fit"),
        "youngest_age_s": Measure("s", "age of the one started last: small again after each restart"),
        "oldest_age_s": Measure("s", "age of the one started first"),
        "rss_bytes": Measure("B", "resident memory of all of them; shared pages count in each"),
        "rss_max_bytes": Measure("B", "resident memory of the largest"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        alike = [process for process in host.processes() if _fits(process, args)]
        alive = [process for process in alike if not process.is_zombie]
        if len(alive) < args.at_least and host.hides_processes():
            words = "processes of other users are hidden from us (hidepid, or ProtectProc= of our own unit)"
            return cannot_tell(task, UnknownReason.REFUSED, words)
        return Verdict(
            at=task.now,
            sentence=_sentence(alive, len(alike) - len(alive), args, task.now),
            samples=tuple(_samples(alive, task.now)),
            failures=tuple(_failures(len(alive), args)),
            evidence=bounded((_describe(process) for process in alive), 10),
        )


def _fits(process: Process, args: Args) -> bool:
    if args.name is not None and not _is_called(process, args.name):
        return False
    if args.user is not None and args.user != process.user and args.user != _uid_name(args.user, process.user):
        return False
    if args.cmdline is not None and not _search(args.cmdline, process):
        return False
    return args.pidfile is None or _is_in_pidfile(process, args.pidfile)


def _is_called(process: Process, name: str) -> bool:
    if process.name == name:
        return True
    program = process.cmdline[0].rpartition("/")[2] if process.cmdline else ""
    if program.rstrip(":") == name:
        return True
    # Nothing but the kernel's 15 letters to go by: a zombie, or a process that rewrote its command line.
    return len(name) > 15 and process.comm == name[:15] and not program.startswith(process.comm)


def _uid_name(user: str, actual: str | None) -> str | None:
    if not user.isdigit() or actual is None:
        return None
    import pwd

    try:
        return user if pwd.getpwuid(int(user)).pw_name == actual else None
    except (KeyError, OverflowError):
        return None


def _search(pattern: str, process: Process) -> bool:
    import re2

    words = " ".join(process.cmdline) or process.name
    return re2.search(pattern, words.encode(errors="surrogateescape")) is not None


def _is_in_pidfile(process: Process, pidfile: str) -> bool:
    """Whether the file names this process. One born after the file was written only inherited the number."""
    path = Path(pidfile)
    try:
        text = path.read_bytes()[:64].split()
        written = path.stat().st_mtime
    except OSError:
        return False
    if not text or text[0] != str(process.pid).encode():
        return False
    return process.started_s is None or process.started_s <= written + _CLOCK_SLACK_S


def _samples(alive: list[Process], now: datetime) -> Iterable[Sample]:
    yield Sample("count", len(alive))
    ages = [max(0.0, now.timestamp() - process.started_s) for process in alive if process.started_s is not None]
    sizes = [process.rss_bytes for process in alive if process.rss_bytes is not None]
    if ages:
        yield Sample("youngest_age_s", min(ages), "s")
        yield Sample("oldest_age_s", max(ages), "s")
    if sizes:
        yield Sample("rss_bytes", sum(sizes), "B")
        yield Sample("rss_max_bytes", max(sizes), "B")


def _failures(count: int, args: Args) -> Iterable[Failure]:
    if count < args.at_least:
        yield Failure(f"{_what(args)}: {count} running, at least {args.at_least} wanted")
    elif args.at_most is not None and count > args.at_most:
        yield Failure(f"{_what(args)}: {count} running, at most {args.at_most} wanted")


def _sentence(alive: list[Process], zombies: int, args: Args, now: datetime) -> str:
    wrong = next((failure.sentence for failure in _failures(len(alive), args)), None)
    words = wrong or f"{_what(args)}: {say_count(len(alive), 'process', 'processes')} running{_say_state(alive, now)}"
    return f"{words}, and {say_count(zombies, 'zombie')}" if zombies else words


def _say_state(alive: list[Process], now: datetime) -> str:
    found = {sample.name: sample.value for sample in _samples(alive, now)}
    size = f", {say_bytes(found['rss_bytes'])}" if "rss_bytes" in found else ""
    age = say_roughly(timedelta(seconds=found["youngest_age_s"])) if "youngest_age_s" in found else ""
    return size + (f", the youngest for {age}" if age else "")


def _what(args: Args) -> str:
    parts = [args.name or "", f"/{args.cmdline}/" if args.cmdline else "", args.pidfile or ""]
    return " ".join(filter(None, parts)) + (f" of {args.user}" if args.user else "")


def _describe(process: Process) -> str:
    size = say_bytes(process.rss_bytes) if process.rss_bytes is not None else "?"
    return f"pid {process.pid} {process.name} ({process.user or '?'}, {size}): {' '.join(process.cmdline)[:200]}"

"""systemd units: those that failed, those that restart again and again, and those that must run.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "systemd-units"
    probe = "systemd"
    match = { kind = "host" }
    every = "60s"
    args = { require = ["ssh.service"], ignore = ["motd-news.service", "fwupd*.service until 2027-01-31"] }

Each unit is an item. A unit that failed is critical, so is one restarted more often than `restarts_max` within
`restarts_within`; `systemctl reset-failed UNIT` clears the first, the second passes with time.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.core.spans import say_span
from opswatch.hosts import CannotSee, Host, Reach, reach
from opswatch.hosts.evidence import bounded, printable, say_count
from opswatch.probes import Measure, Span, Task, careful

_PROPERTIES = "Id,LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,StateChangeTimestamp,Description"
_UNITS_MAX = 200  # remembered or told of in one look
_READINGS_MAX = 60

_Unit = dict[str, str]
_History = dict[str, list[list[float]]]  # unit → [[at, restarts counted then], …], the first being where we began


def _split_ignore(text: str) -> tuple[str, date | None]:
    glob, separator, until = text.partition(" until ")
    return glob.strip(), date.fromisoformat(until.strip()) if separator else None


def _check_ignore(text: str) -> str:
    try:
        _split_ignore(text)
    except ValueError:
        raise ValueError("a unit or a glob, with an end if you like: 'foo*.service until 2027-01-31'") from None
    return text


class Args(BaseModel):
    """Which units matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ignore: tuple[Annotated[str, AfterValidator(_check_ignore)], ...] = Field(
        (), description="Units nobody needs: globs; `GLOB until YYYY-MM-DD` ends by itself"
    )
    require: tuple[str, ...] = Field((), description="Units that must be active: anything else is critical")
    restarts_max: int = Field(5, ge=1, description="More restarts than this within `restarts_within` is a crash loop")
    restarts_within: Span = Field(timedelta(hours=1), description="The span for `restarts_max`")
    failed_is: Literal["warn", "crit"] = Field("crit", description="How bad a failed unit is")


class Look:
    """Asks `systemctl show`, once for all units."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "failed_units": Measure("", "units in state failed, without the ignored ones"),
        "restarts": Measure("", "automatic restarts of a unit within `restarts_within`, for units that had any"),
    }

    def __init__(self, reach: Reach = reach, systemctl: str = "systemctl") -> None:
        self._reach = reach
        self._systemctl = systemctl

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        units = _read(self._reach(task.target.access), self._systemctl, task.timeout_s * 0.8)
        watched = {unit["Id"]: unit for unit in units if not _is_ignored(unit["Id"], args, task.now.date())}
        failed = [unit for unit in watched.values() if unit["ActiveState"] == "failed"]
        history = _grown(_recall(task.memory), watched.values(), task.now, args.restarts_within)
        restarts = {name: count for name in history if (count := _restarts(history[name])) > 0}
        failures = [
            *(Failure(_say_failed(unit), Health(args.failed_is), unit["Id"]) for unit in failed[:_UNITS_MAX]),
            *_crash_loops(restarts, args),
            *_not_running(args.require, {unit["Id"]: unit for unit in units}),
        ]
        return Verdict(
            at=task.now,
            sentence=_sentence(failures, len(watched)),
            samples=(
                Sample("failed_units", len(failed)),
                *(Sample("restarts", count, item=name) for name, count in restarts.items()),
            ),
            failures=tuple(failures),
            sentences={name: f"{name} was restarted {count} times" for name, count in restarts.items()},
            evidence=bounded(f"{unit['Id']}: {unit.get('Description', '')}" for unit in failed),
            memory=json.dumps({"at": task.now.timestamp(), "history": history}).encode(),
        )


def _read(host: Host, systemctl: str, timeout_s: float) -> list[_Unit]:
    """Every loaded unit. `show` works alike since systemd 235; JSON output of `list-units` came much later."""
    argv = (systemctl, "show", "*", f"--property={_PROPERTIES}", "--no-pager")
    done = host.run(argv, timeout_s)
    if done.timed_out:
        raise CannotSee(UnknownReason.TIMEOUT, f"systemctl did not answer within {timeout_s:.0f} s")
    words = printable(done.stderr.decode(errors="replace"), 200)
    if done.exit_code != 0:
        raise CannotSee(UnknownReason.REFUSED, f"systemd cannot be asked here: {words or 'systemctl failed'}")
    units = [_parse(block) for block in done.stdout.decode(errors="replace").split("\n\n")]
    loaded = [unit for unit in units if unit.get("Id") and unit.get("ActiveState")]
    if not loaded:
        raise CannotSee(UnknownReason.REFUSED, f"systemd does not run here: {words or 'it knows no units'}")
    return loaded


def _parse(block: str) -> _Unit:
    return {key: value for key, separator, value in (line.partition("=") for line in block.splitlines()) if separator}


def _is_ignored(unit: str, args: Args, today: date) -> bool:
    for text in args.ignore:
        glob, until = _split_ignore(text)
        if fnmatchcase(unit, glob) and (until is None or today <= until):
            return True
    return False


def _recall(memory: bytes | None) -> tuple[float | None, _History]:
    """When we looked last (seconds since 1970), and the readings until then."""
    if memory is None:
        return None, {}
    kept = json.loads(memory)
    return kept["at"], kept["history"]


def _grown(last: tuple[float | None, _History], units: Iterable[_Unit], now: datetime, within: timedelta) -> _History:
    """The readings of units that were ever restarted: those within the span, and the one before."""
    looked_at, old = last
    counted = {unit["Id"]: int(unit.get("NRestarts") or 0) for unit in units}
    began = (now - within).timestamp()
    grown: _History = {}
    for name, count in sorted(counted.items(), key=lambda pair: -pair[1])[:_UNITS_MAX]:
        # What was counted before the very first look may be old; what nobody had counted at the last look is new.
        readings = old.get(name) or [[looked_at, 0] if looked_at is not None else [now.timestamp(), count]]
        if readings[-1][1] != count:
            readings = [*readings, [now.timestamp(), count]]
        inside = next((index for index, (at, _) in enumerate(readings) if at >= began), len(readings))
        readings = readings[max(0, inside - 1) :][-_READINGS_MAX:]
        if readings[-1][1] > 0 or len(readings) > 1:
            grown[name] = readings
    return grown


def _restarts(readings: list[list[float]]) -> int:
    """How often it was restarted over these readings. A counter that fell was reset by hand and began anew."""
    pairs = itertools.pairwise(readings)
    return int(sum(after - before if after >= before else after for (_, before), (_, after) in pairs))


def _crash_loops(restarts: Mapping[str, int], args: Args) -> Iterable[Failure]:
    for name, count in restarts.items():
        if count > args.restarts_max:
            words = f"{name} restarts again and again: {count} times within {say_span(args.restarts_within)}"
            yield Failure(printable(words), item=name)


def _not_running(required: Iterable[str], units: Mapping[str, _Unit]) -> Iterable[Failure]:
    for name in required:
        unit = units.get(name if "." in name else f"{name}.service")
        if unit is None or unit.get("LoadState") == "not-found":
            yield Failure(f"{name} is not installed, or was never loaded", item=name)
        elif unit["ActiveState"] not in ("active", "reloading", "failed"):
            yield Failure(f"{name} must run, but is {unit['ActiveState']} ({unit.get('SubState', '')})", item=name)


def _say_failed(unit: _Unit) -> str:
    why = unit.get("Result", "")
    status = unit.get("ExecMainStatus", "0")
    details = [why if why not in ("", "success") else "", f"exit status {status}" if status not in ("", "0") else ""]
    since = unit.get("StateChangeTimestamp", "")
    told = ", ".join(filter(None, [*details, f"since {since}" if since else ""]))
    return printable(f"{unit['Id']} failed ({told})" if told else f"{unit['Id']} failed")


def _sentence(failures: Iterable[Failure], count: int) -> str:
    troubles = [failure.sentence for failure in failures]
    if not troubles:
        return f"{say_count(count, 'unit')}, none failed"
    more = f" and {len(troubles) - 3} more" if len(troubles) > 3 else ""
    return "; ".join(troubles[:3]) + more

"""Passive results, as Nagios takes them: lines of `PROCESS_SERVICE_CHECK_RESULT;host;service;code;output`.

A host's result is that of the service `host`. The line may begin with its instant: `[1795143600] PROCESS_…`. In the
output `\\n` is the end of a line, as in Nagios' command file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opswatch.config.settings import HookSettings
from opswatch.config.suggest import listed, nearest
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.core.plan import Check, Plan, Target
from opswatch.core.results import Result
from opswatch.hooks import expires
from opswatch.hosts.evidence import bounded, printable
from opswatch.hosts.plugin_output import parse_plugin_output
from opswatch.posts import OURS, PROBLEMS_MAX, BadPost, Read, usable

LINES_MAX = 5_000
LINE_MAX = 16 * 1024
NAME_MAX = 200
HOST = "host"
SENTENCE_MAX = 300
AHEAD_MAX = timedelta(seconds=5)  # an instant further ahead is a wrong clock: ours is taken
SERVICE_FORM = "PROCESS_SERVICE_CHECK_RESULT;host;service;code;output"
HOST_FORM = "PROCESS_HOST_CHECK_RESULT;host;code;output"
KINDS = {"PROCESS_SERVICE_CHECK_RESULT": 4, "PROCESS_HOST_CHECK_RESULT": 3}
_STAMP = re.compile(r"\[(\d{9,11})\]\s+")
_SERVICE = {0: Health.OK, 1: Health.WARN, 2: Health.CRIT}
_HOST = {0: Health.OK, 1: Health.CRIT}  # 2 is unreachable: nobody can tell


@dataclass(frozen=True, slots=True)
class Line:
    """One result as it was written. `at` is its sender's instant."""

    number: int
    host: str
    service: str
    code: int
    output: str
    at: datetime | None = None

    @property
    def health(self) -> Health:
        known = _HOST if self.service == HOST else _SERVICE
        return known.get(self.code, Health.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Submitted:
    """`results` are ours, in the shape of the inbox; `others` are alerts of what we do not know, where they are wanted.
    `problems` name each line that cannot be used."""

    results: Read
    others: Read
    problems: tuple[str, ...]


def read(text: str, plan: Plan, hook: HookSettings, now: datetime) -> Submitted:
    """What these lines say. Raises BadPost where there are too many."""
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > LINES_MAX:
        raise BadPost(f"{len(lines)} lines: at most {LINES_MAX} are taken; post them in several")
    known = Known(plan)
    results: list[Mapping[str, Any]] = []
    others: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for number, written in enumerate(lines, start=1):
        if not written.strip():
            continue
        try:
            line = _line(number, written)
        except ValueError as wrong:
            problems.append(f"line {number}: {wrong}")
            continue
        try:
            check, target = known.place(line)
        except ValueError as wrong:
            if hook.others:
                others.append(_alert(line, hook, now))
            else:
                problems.append(f"line {number}: {wrong}")
            continue
        # Of several in one second the last one holds: instants must grow.
        at = (line.at if line.at is not None and line.at <= now + AHEAD_MAX else now) + timedelta(microseconds=number)
        results.append(
            {"check": check, "target": target, "health": line.health, "code": line.code, "output": line.output}
            | {"at": at.isoformat()}
        )
    rest = len(problems) - PROBLEMS_MAX
    shown = (*problems[:PROBLEMS_MAX], f"and {rest} more") if rest > 0 else tuple(problems)
    return Submitted(Read(tuple(results)), usable(others), shown)


def result_of(one: Mapping[str, Any]) -> Result:
    """What `read` found, as the core takes it: from the inbox, also after a restart."""
    output = parse_plugin_output(one["output"])
    health, at = Health(one["health"]), datetime.fromisoformat(one["at"])
    sentence = printable(output.line, SENTENCE_MAX) or "(no output was sent)"
    if health is Health.UNKNOWN and one["code"] not in (2, 3):
        sentence = f"exit code {one['code']} is none of 0 to 3: {sentence}"
    seen: dict[str, Sample] = {}
    for item in output.perfdata:
        if item.value is not None:
            seen.setdefault(item.label, Sample(item.label, item.value, item.unit))
    verdict = Verdict(
        at=at,
        sentence=sentence,
        samples=tuple(seen.values()),
        failures=(Failure(sentence, health),) if health in (Health.WARN, Health.CRIT) else (),
        unknown=UnknownReason.ERROR if health is Health.UNKNOWN else None,
        evidence=bounded(list(output.long)),
    )
    return Result(one["check"], one["target"], verdict)


class Known:
    """Which check and target the names of a sender mean."""

    def __init__(self, plan: Plan) -> None:
        self._checks: dict[str, list[Check]] = {}
        for check in plan.checks.values():
            for name in check.passive:
                self._checks.setdefault(name.casefold(), []).append(check)
        self._targets: dict[str, Target] = {}
        for target in plan.targets.values():
            for name in (target.labels.get("hostname", ""), target.labels.get("host", ""), target.id):
                self._targets[name.casefold()] = target

    def place(self, line: Line) -> tuple[str, str]:
        """The ids of check and target. Raises ValueError, in words."""
        checks = self._checks.get(line.service.casefold())
        if checks is None:
            expected = f"no passive check is called {line.service!r}"
            raise ValueError(f"{expected}: {_hint(line.service, self._checks)}")
        target = self._targets.get(line.host.casefold()) or self._targets.get(line.host.partition(".")[0].casefold())
        if target is None:
            names = [name for check in checks for name in check.targets]
            raise ValueError(f"no target is called {line.host!r}: {_hint(line.host, names)}")
        for check in checks:
            if target.id in check.targets:
                return check.id, target.id
        looked_at = [name for check in checks for name in check.targets]
        raise ValueError(f"check {checks[0].id} is not about {target.id}, but about {listed(looked_at)}")


def _hint(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = nearest(word, names)
    return f"did you mean {near!r}?" if near else f"there are {listed(names)}"


def _line(number: int, written: str) -> Line:
    """Raises ValueError, in words."""
    if len(written) > LINE_MAX:
        raise ValueError(f"{len(written)} letters: at most {LINE_MAX} are taken")
    text = written.strip()
    at = None
    if stamp := _STAMP.match(text):
        at = datetime.fromtimestamp(int(stamp[1]), UTC)
        text = text[stamp.end() :]
    kind, _, rest = text.partition(";")
    if kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f"did you mean {near}?" if near else f"{SERVICE_FORM} or {HOST_FORM} is expected"
        raise ValueError(f"{printable(kind, 50)!r}: {hint}")
    parts = rest.split(";", KINDS[kind] - 1)
    if len(parts) < KINDS[kind]:
        form = SERVICE_FORM if KINDS[kind] == 4 else HOST_FORM
        raise ValueError(f"{len(parts)} of {KINDS[kind]} parts: {form} is expected")
    host, service = parts[0].strip(), parts[1].strip() if KINDS[kind] == 4 else HOST
    if not host or not service or len(host) > NAME_MAX or len(service) > NAME_MAX:
        raise ValueError(f"names of 1 to {NAME_MAX} letters are expected for host and service")
    code = parts[-2].strip()
    if not re.fullmatch(r"-?\d{1,6}", code, re.ASCII):
        raise ValueError(f"code {printable(code, 20)!r}: 0 ok, 1 warning, 2 critical or 3 unknown is expected")
    return Line(number, host, service, int(code), parts[-1].replace("\\n", "\n"), at)


def _alert(line: Line, hook: HookSettings, now: datetime) -> dict[str, Any]:
    """What no check of ours knows, as an alert of others."""
    output = parse_plugin_output(line.output)
    severity = {Health.WARN: "warning", Health.CRIT: "critical"}.get(line.health)
    ours = {"key": f"{line.host}/{line.service}"}
    found = {
        "labels": {"alertname": line.service, "host": line.host} | ({"severity": severity} if severity else {}),
        "annotations": {"summary": printable(output.line, SENTENCE_MAX) or f"{line.service} is {line.health}"},
        "startsAt": None,
        "endsAt": None,
        "generatorURL": None,
        "status": "resolved" if line.health is Health.OK else "firing",
        OURS: ours | {"unknown": "error"} if line.health is Health.UNKNOWN else ours,
    }
    return found if line.health is Health.OK else found | {"endsAt": expires(hook, now)}

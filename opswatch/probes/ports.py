"""Listening ports: those that must be there, those that nobody expects, and whose they are.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "ports"
    probe = "ports"
    match = { kind = "host" }
    every = "60s"
    limits = { appeared = { warn = "> 0" } }
    args = { expect = ["tcp/22 sshd", "tcp/443 nginx", "udp/127.0.0.1:323"], allow = ["tcp/80", "tcp/9000-9099"] }

Each port is an item. A port is written `PROTOCOL/PORT`, `PROTOCOL/ADDRESS:PORT`, either with a process behind it; in
`allow` the port may be a range or `*`. With `allow` every other listener is unexpected, but for those that only this
host can reach (`loopback_ok`), and UDP ports the kernel chose for a client. Whose a socket is, only root may know of
everybody: where it is hidden the process is not judged, and the user is shown instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.core.model import Failure, Health, Sample, Verdict
from opswatch.hosts import Listener, Reach, reach
from opswatch.hosts.evidence import bounded, printable, say_count
from opswatch.probes import Measure, Task, careful

_WRITTEN = re.compile(r"(tcp|udp)/(?:(\S+):)?(\d+|\d+-\d+|\*)(?:\s+(\S+))?")
_REMEMBERED_MAX = 2000


@dataclass(frozen=True, slots=True)
class _Place:
    """One written port."""

    protocol: str
    address: str | None
    ports: range
    process: str | None

    def is_at(self, listener: Listener) -> bool:
        if listener.protocol != self.protocol or listener.port not in self.ports:
            return False
        return self.address is None or fnmatchcase(listener.address, self.address)

    def is_whose(self, listener: Listener) -> bool:
        """Also where it is not for us to know."""
        return self.process is None or listener.process is None or fnmatchcase(listener.process, self.process)


def _read(text: str) -> _Place:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError("a port such as 'tcp/443', 'tcp/127.0.0.1:5432', 'udp/[::]:53 named', 'tcp/9000-9099'")
    protocol, address, port, process = found.groups()
    first, _, last = port.partition("-")
    ports = range(65536) if port == "*" else range(int(first), int(last or first) + 1)
    if not ports or ports[-1] > 65535:
        raise ValueError("a port between 1 and 65535, a range rising")
    return _Place(protocol, address.strip("[]") if address else None, ports, process)


def _check(text: str) -> str:
    _read(text)
    return text


def _check_one(text: str) -> str:
    if len(_read(text).ports) != 1:
        raise ValueError("one port, such as 'tcp/443 nginx': a range belongs into `allow`")
    return text


class Args(BaseModel):
    """What should listen, and what may."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expect: tuple[Annotated[str, AfterValidator(_check_one)], ...] = Field(
        (), description="Ports somebody must listen on: missing, or held by another process, is critical"
    )
    allow: tuple[Annotated[str, AfterValidator(_check)], ...] | None = Field(
        None, description="Other ports that may be there; once it is given, also empty, all the rest is unexpected"
    )
    unexpected_is: Literal["warn", "crit"] = Field("warn", description="How bad an unexpected listener is")
    loopback_ok: bool = Field(True, description="Listeners on loopback addresses are never unexpected")


class Look:
    """Reads the kernel's tables of sockets, and /proc for their owners."""

    kinds: ClassVar[tuple[str, ...]] = ("host",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "listening": Measure("", "sockets that wait for others; UDP ports chosen by the kernel do not count"),
        "missing": Measure("", "expected ports that nobody, or somebody else, listens on"),
        "unexpected": Measure("", "listeners that `allow` does not name; absent without `allow`"),
        "appeared": Measure("", "places listened on that were not at the last look; absent at the first"),
        "vanished": Measure("", "places listened on at the last look and not any more; absent at the first"),
    }

    def __init__(self, reach: Reach = reach) -> None:
        self._reach = reach

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        expected = [_read(text) for text in args.expect]
        listeners = [
            one
            for one in host.listeners()
            if not _is_a_clients(one, host.ephemeral_ports(), [*expected, *_allowed(args)])
        ]
        missing = list(_missing(dict(zip(args.expect, expected, strict=True)), listeners))
        strangers = list(_unexpected(listeners, expected, args))
        here = {_key(one): one for one in listeners}
        before = _recall(task.memory)
        appeared = sorted(here.keys() - before) if before is not None else []
        vanished = sorted(before - here.keys()) if before is not None else []
        failures = (*missing, *strangers)
        return Verdict(
            at=task.now,
            sentence=_sentence(failures, listeners, appeared),
            samples=(
                Sample("listening", len(listeners)),
                Sample("missing", len(missing)),
                *((Sample("unexpected", len(strangers)),) if args.allow is not None else ()),
                *((Sample("appeared", len(appeared)), Sample("vanished", len(vanished))) if before is not None else ()),
            ),
            failures=failures,
            evidence=bounded(_evidence(appeared, vanished, here)),
            memory=json.dumps({"places": sorted(here)[:_REMEMBERED_MAX]}).encode(),
        )


def _allowed(args: Args) -> list[_Place]:
    return [_read(text) for text in args.allow or ()]


def _is_a_clients(listener: Listener, ephemeral: range, named: Iterable[_Place]) -> bool:
    """UDP knows no listening: whoever asks a question is bound to a port of the kernel's choice for a moment."""
    if listener.protocol != "udp" or listener.port not in ephemeral:
        return False
    return not any(place.is_at(listener) and len(place.ports) == 1 for place in named)


def _missing(expected: Mapping[str, _Place], listeners: Iterable[Listener]) -> Iterable[Failure]:
    listeners = list(listeners)
    for text, place in expected.items():
        there = [one for one in listeners if place.is_at(one)]
        if not there:
            yield Failure(f"nobody listens on {text}", item=_item(place))
        elif not any(place.is_whose(one) for one in there):
            words = f"{_item(place)} is held by {_whose(there[0])}, not by {place.process}"
            yield Failure(printable(words), item=_item(place))


def _unexpected(listeners: Iterable[Listener], expected: list[_Place], args: Args) -> Iterable[Failure]:
    if args.allow is None:
        return
    named = [*expected, *_allowed(args)]
    told: dict[str, list[Listener]] = {}
    for one in listeners:
        is_named = any(place.is_at(one) and (place in expected or place.is_whose(one)) for place in named)
        if not is_named and not (args.loopback_ok and one.is_loopback):
            told.setdefault(f"{one.protocol}/{one.port}", []).append(one)
    for item, alike in told.items():
        words = (
            f"{_whose(alike[0])} listens on {item} ({', '.join(sorted({one.address for one in alike}))}), unexpected"
        )
        yield Failure(printable(words), Health(args.unexpected_is), item)


def _item(place: _Place) -> str:
    at = f"{place.address}:" if place.address else ""
    return f"{place.protocol}/{at}{place.ports[0]}"


def _key(listener: Listener) -> str:
    return f"{listener.protocol}/{listener.address}:{listener.port}"


def _whose(listener: Listener) -> str:
    if listener.process is None:
        return f"a process of {listener.user}"
    return f"{listener.process} (pid {listener.pid}, {listener.user})"


def _recall(memory: bytes | None) -> set[str] | None:
    return set(json.loads(memory)["places"]) if memory else None


def _sentence(failures: Iterable[Failure], listeners: list[Listener], appeared: list[str]) -> str:
    troubles = [failure.sentence for failure in failures]
    if troubles:
        return "; ".join(troubles[:3]) + (f" and {len(troubles) - 3} more" if len(troubles) > 3 else "")
    words = f"{say_count(len(listeners), 'listener')}, as expected"
    return f"{words}; new since the last look: {', '.join(appeared[:5])}" if appeared else words


def _evidence(appeared: Iterable[str], vanished: Iterable[str], here: Mapping[str, Listener]) -> Iterable[str]:
    yield from (f"new: {key}, {_whose(here[key])}" for key in appeared)
    yield from (f"gone: {key}" for key in vanished)
    yield from (f"{key}, {_whose(one)}" for key, one in here.items() if key not in appeared)

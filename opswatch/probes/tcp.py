"""A TCP port: does it accept, and does it say what it should?

    [[target]]
    id = "mail-in"
    kind = "tcp"
    url = "tcp://mail.example.com:25"

    [[check]]
    id = "smtp-greets"
    probe = "tcp"
    targets = ["mail-in"]
    every = "60s"
    timeout = "10s"
    limits = { connect_s = { warn = "> 0.5" } }
    args = { expect = "^220 ", send = "QUIT\\r\\n" }

A load balancer accepts while everything behind it is dead: prefer `expect`. What is sent goes out at once, before
anything is read. A refused or silent port is critical; a resolver of ours that fails is `unknown`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Sample, UnknownReason, Verdict
from opswatch.hosts.evidence import bounded, printable, redacted, say_seconds
from opswatch.hosts.sockets import (
    Address,
    NoSuchName,
    Place,
    connect,
    is_our_trouble,
    place_of,
    resolve,
    say_trouble,
)
from opswatch.probes import Measure, Pattern, SecretText, Task, cannot_tell, careful, secrets_of

_READ_MAX = 64 * 1024


class Args(BaseModel):
    """What to say, and what to hear."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    send: SecretText | None = Field(None, description="Text to send after connecting; never shown")
    expect: Pattern | None = Field(None, description="Must be found in what comes back, before the timeout")
    family: Literal["any", "ipv4", "ipv6"] = Field("any", description="Kind of addresses to try")
    addresses: Literal["first", "all"] = Field(
        "first", description="`first`: one address that accepts is enough; `all`: each of them must"
    )


class Look:
    """Connects, says, listens."""

    kinds: ClassVar[tuple[str, ...]] = ("tcp",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "dns_s": Measure("s", "time to find the addresses"),
        "connect_s": Measure("s", "time to connect; of several addresses the slowest"),
        "answer_s": Measure("s", "time from connecting until the expected text was there; only with `expect`"),
    }

    def __init__(self, resolve: Callable[[Place, float, str], list[Address]] = resolve) -> None:
        self._resolve = resolve

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        began = monotonic_s()
        place = place_of(task.target.url.reveal() if task.target.url else None, ("tcp",))
        try:
            addresses = self._resolve(place, task.timeout_s, args.family)
        except NoSuchName as missing:
            return Verdict(at=task.now, sentence=str(missing), failures=(Failure(str(missing)),))
        dns_s = monotonic_s() - began
        tries = _try(addresses, args, began + task.timeout_s, secrets_of(task))
        return _verdict(task, place, args, dns_s, tries)


class _Try:
    """How one address answered."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.trouble = ""
        self.is_ours = False
        self.connect_s: float | None = None
        self.answer_s: float | None = None


def _try(addresses: list[Address], args: Args, deadline: float, secrets: list[str]) -> list[_Try]:
    tries = []
    for index, address in enumerate(addresses):
        left_s = max(0.0, deadline - monotonic_s())
        tries.append(_converse(address, args, left_s / (len(addresses) - index), secrets))
        if args.addresses == "first" and not tries[-1].trouble:
            break
    return tries


def _converse(address: Address, args: Args, timeout_s: float, secrets: list[str]) -> _Try:
    result = _Try(address)
    began = monotonic_s()
    try:
        sock, result.connect_s = connect(address, timeout_s)
        with sock:
            connected = monotonic_s()
            if args.send is not None:
                sock.sendall(args.send.reveal().encode())
            if args.expect is not None:
                result.trouble = _listen(sock, args.expect, began + timeout_s, timeout_s, secrets)
                result.answer_s = monotonic_s() - connected
    except OSError as trouble:
        result.trouble = say_trouble(trouble, timeout_s)
        result.is_ours = is_our_trouble(trouble)
    return result


def _listen(sock: socket.socket, expect: str, deadline: float, timeout_s: float, secrets: list[str]) -> str:
    """Empty when `expect` was heard, else what happened instead."""
    heard = b""
    ended = ""
    pattern = re2.compile(expect)
    while not ended and len(heard) < _READ_MAX:
        left_s = deadline - monotonic_s()
        try:
            sock.settimeout(max(0.001, left_s))
            data = sock.recv(4096) if left_s > 0 else None
        except TimeoutError:
            data = None
        if data is None:
            ended = f"within {timeout_s:.1f} s"
        elif not data:
            ended = "before it hung up"
        heard += data or b""
        if pattern.search(heard):
            return ""
    shown = printable(redacted(heard.decode(errors="replace"), secrets), 120)
    return f"said {shown!r} {ended}, not what is expected" if heard else f"said nothing {ended}"


def _verdict(task: Task, place: Place, args: Args, dns_s: float, tries: list[_Try]) -> Verdict:
    bad = [attempt for attempt in tries if attempt.trouble]
    evidence = bounded(
        f"{attempt.address.ip}: {attempt.trouble or f'ok after {say_seconds(attempt.connect_s or 0)}'}"
        for attempt in tries
    )
    if bad and all(attempt.is_ours for attempt in tries):
        words = f"this node has no way to {place}: {bad[0].trouble}"
        return cannot_tell(task, UnknownReason.ERROR, words, *evidence)
    # An address family this node has no route for says nothing of the target, as long as another was tried.
    theirs = [attempt for attempt in bad if not attempt.is_ours]
    failed = theirs if args.addresses == "all" else theirs if len(bad) == len(tries) else []
    samples = [Sample("dns_s", dns_s, "s")]
    if times := [attempt.connect_s for attempt in tries if attempt.connect_s is not None]:
        samples.append(Sample("connect_s", max(times), "s"))
    if answers := [attempt.answer_s for attempt in tries if attempt.answer_s is not None and not attempt.trouble]:
        samples.append(Sample("answer_s", max(answers), "s"))
    if failed:
        where = f" ({', '.join(attempt.address.ip for attempt in failed)})" if args.addresses == "all" else ""
        sentence = f"{place}{where}: {failed[0].trouble}"
    else:
        sentence = f"{place} accepts after {say_seconds(max(times, default=0.0))}"
    failures = (Failure(sentence),) if failed else ()
    return Verdict(task.now, sentence, tuple(samples), failures, evidence=evidence)

"""The clock: how far it is off, whether anybody keeps it right, and whether it jumped.

    [[target]]
    id = "this-host"
    kind = "host"

    [[check]]
    id = "clock"
    probe = "clock"
    match = { kind = "host" }
    every = "5m"
    timeout = "10s"
    limits = { offset_s = { warn = "> 0.05", crit = "> 1", clear = 0.01 }, stepped_s = { warn = "> 0.5" } }
    args = { servers = ["ntp1.example.com", "ntp2.example.com", "192.0.2.1:123"] }

Of several servers the median counts, so that one which is wrong misleads nobody; each is an item of its own. Without
servers, the offset is what chronyd says of itself, where it runs. Whether the clock is kept right the kernel tells
(adjtimex; inside a sandbox that forbids it, timedatectl or chronyc): for all who keep it, ntpd, chronyd and timesyncd
alike. Jumps are found without anybody's help, by comparing with a clock that nobody can set. A target of kind `ntp`
(`ntp://host`) is a time server to watch instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.hosts import CannotSee, Host, Reach, reach
from opswatch.hosts.evidence import bounded, printable, say_count, say_seconds
from opswatch.hosts.sntp import PORT, Answer, NotUsable, ask
from opswatch.hosts.sockets import NoSuchName, Place, is_our_trouble, place_of, resolve, say_trouble
from opswatch.probes import Measure, Span, Task, cannot_tell, careful

_UNKEPT_S = 16.0  # the kernel's own bound: nobody has told it the time for long


def _check_server(text: str) -> str:
    try:
        place_of(_url(text), ("ntp",), PORT)
    except CannotSee:
        raise ValueError("a time server such as 'ntp.example.com', '192.0.2.1' or '[2001:db8::1]:123'") from None
    return text


def _url(text: str) -> str:
    return f"ntp://[{text}]" if text.count(":") > 1 and "[" not in text else f"ntp://{text}"


class Args(BaseModel):
    """Whom to ask, and what to make of a clock that nobody keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: tuple[Annotated[str, AfterValidator(_check_server)], ...] = Field(
        (), max_length=10, description="Time servers to compare with; `host` or `host:port`"
    )
    packets: int = Field(4, ge=1, le=8, description="Questions to each server; the fastest answer counts")
    unkept_is: Literal["ok", "warn", "crit"] = Field("warn", description="How bad a clock is that nobody keeps right")
    grace: Span = Field(timedelta(minutes=17), description="Not before the host is up for this long")


class Look:
    """Asks the kernel and the servers."""

    kinds: ClassVar[tuple[str, ...]] = ("host", "ntp")
    samples: ClassVar[Mapping[str, Measure]] = {
        "offset_s": Measure("s", "how far the clock is off, never negative; the median of all servers"),
        "synchronised": Measure("", "1 when somebody keeps the clock right, else 0; absent where that is hidden"),
        "max_error_s": Measure("s", "what the kernel believes the clock to be off at most; absent where it is hidden"),
        "stepped_s": Measure("s", "by how much the clock was set since the last look; absent at the first of a boot"),
        "server_offset_s": Measure("s", "how far we are off by this server, never negative"),
        "delay_s": Measure("s", "time to this server and back"),
        "stratum": Measure("", "how many steps this server is away from an atomic clock or a satellite"),
    }

    def __init__(
        self,
        reach: Reach = reach,
        timedatectl: str = "timedatectl",
        chronyc: str = "chronyc",
    ) -> None:
        self._reach = reach
        self._timedatectl = timedatectl
        self._chronyc = chronyc

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        host = self._reach(task.target.access)
        url = task.target.url.reveal() if task.target.url else None
        if task.target.kind != "host":
            return _server_verdict(task, _ask_one(place_of(url, ("ntp",), PORT), args, task.timeout_s * 0.9, host.wall))
        kept = _kept(host, self._timedatectl, self._chronyc, task.timeout_s * 0.3)
        deadline = monotonic_s() + task.timeout_s * 0.6
        sights = {}
        for index, server in enumerate(args.servers):
            left_s = max(0.001, deadline - monotonic_s()) / (len(args.servers) - index)
            sights[server] = _ask_one(place_of(_url(server), ("ntp",), PORT), args, left_s, host.wall)
        return _verdict(task, host, kept, sights, host.wall())


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one server said, or why nothing."""

    place: Place
    answer: Answer | None = None
    trouble: str = ""
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """Whether the clock is kept right, as far as anybody tells; `offset_s` is what its keeper says. None: hidden."""

    is_kept: bool | None
    max_error_s: float | None = None
    offset_s: float | None = None
    evidence: tuple[str, ...] = ()


def _ask_one(place: Place, args: Args, timeout_s: float, wall: Callable[[], datetime]) -> _Sight:
    deadline = monotonic_s() + timeout_s
    try:
        address = resolve(place, timeout_s)[0]
        return _Sight(place, ask(address, max(0.001, deadline - monotonic_s()), wall, args.packets))
    except NoSuchName as missing:
        return _Sight(place, trouble=str(missing))
    except CannotSee as blind:
        return _Sight(place, trouble=str(blind), is_ours=True)
    except NotUsable as refused:
        return _Sight(place, trouble=str(refused))
    except OSError as failed:
        return _Sight(place, trouble=say_trouble(failed, timeout_s), is_ours=is_our_trouble(failed))


def _kept(host: Host, timedatectl: str, chronyc: str, timeout_s: float) -> _Kept:
    chrony = _chrony(host, chronyc, timeout_s / 2)
    try:
        kernel = host.timekeeping()
    except CannotSee as hidden:
        if chrony is not None:
            return chrony
        words = _run(host, (timedatectl, "show", "--property=NTPSynchronized", "--value"), timeout_s / 2)
        return _Kept(
            {"yes": True, "no": False}.get(words), evidence=(str(hidden), f"timedatectl: {words or 'nothing'}")
        )
    is_kept = kernel.max_error_s < _UNKEPT_S
    words = f"kernel: at most {kernel.max_error_s:g} s off, {'kept right' if is_kept else 'nobody keeps it right'}"
    offset_s = chrony.offset_s if chrony is not None else None
    return _Kept(is_kept, kernel.max_error_s, offset_s, (words, *(chrony.evidence if chrony is not None else ())))


def _chrony(host: Host, chronyc: str, timeout_s: float) -> _Kept | None:
    """`chronyc -c tracking`: comma-separated; the fifth is the offset, the last whether it follows anybody."""
    fields = _run(host, (chronyc, "-n", "-c", "tracking"), timeout_s).split(",")
    if len(fields) < 14:
        return None
    is_kept = fields[13] != "Not synchronised"
    try:
        offset_s = float(fields[4])
    except ValueError:
        return None
    words = f"chronyd: stratum {fields[2]} by {fields[1] or fields[0]}, {offset_s:+.6f} s off, {fields[13].lower()}"
    return _Kept(is_kept, None, offset_s if is_kept else None, (words,))


def _run(host: Host, argv: tuple[str, ...], timeout_s: float) -> str:
    """What it prints; empty where it is not installed, or cannot tell."""
    try:
        done = host.run(argv, timeout_s)
    except CannotSee:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.exit_code == 0 else ""


def _verdict(task: Task, host: Host, kept: _Kept, sights: Mapping[str, _Sight], wall: datetime) -> Verdict:
    args: Args = task.args
    answers = {server: sight.answer for server, sight in sights.items() if sight.answer is not None}
    evidence = bounded([*(_say(sight) for sight in sights.values()), *kept.evidence])
    if sights and not answers and kept.is_kept is None:
        return cannot_tell(task, UnknownReason.ERROR, f"no time server can be asked: {_troubles(sights)}", *evidence)
    offset_s = median(answer.offset_s for answer in answers.values()) if answers else kept.offset_s
    uptime_s = host.boottime_s()
    samples = [*_kept_samples(kept), *_server_samples(answers)]
    if offset_s is not None:
        samples.append(Sample("offset_s", abs(offset_s), "s"))
    stepped_s = _stepped(task.memory, host.boot_id(), wall, uptime_s)
    if stepped_s is not None:
        samples.append(Sample("stepped_s", abs(stepped_s), "s"))
    failures = [*_silent(sights, answers), *_unkept(kept, uptime_s, args)]
    memory = {"boot": host.boot_id(), "wall": wall.timestamp(), "boottime_s": uptime_s}
    return Verdict(
        at=task.now,
        sentence=_sentence(offset_s, len(answers), kept, stepped_s),
        samples=tuple(samples),
        failures=tuple(failures),
        sentences={server: _say(sights[server]) for server in answers},
        evidence=evidence,
        memory=json.dumps(memory).encode(),
    )


def _kept_samples(kept: _Kept) -> Iterable[Sample]:
    if kept.is_kept is not None:
        yield Sample("synchronised", int(kept.is_kept))
    if kept.max_error_s is not None:
        yield Sample("max_error_s", kept.max_error_s, "s")


def _server_samples(answers: Mapping[str, Answer]) -> Iterable[Sample]:
    for server, answer in answers.items():
        yield Sample("server_offset_s", abs(answer.offset_s), "s", server)
        yield Sample("delay_s", answer.delay_s, "s", server)
        yield Sample("stratum", answer.stratum, item=server)


def _silent(sights: Mapping[str, _Sight], answers: Mapping[str, Answer]) -> Iterable[Failure]:
    """A server that does not answer says nothing of our clock: it cannot be seen."""
    for server, sight in sights.items():
        if server not in answers:
            yield Failure(f"{sight.place}: {sight.trouble}", Health.UNKNOWN, server)


def _unkept(kept: _Kept, uptime_s: float, args: Args) -> Iterable[Failure]:
    if kept.is_kept is False and args.unkept_is != "ok" and uptime_s > args.grace.total_seconds():
        words = "nobody keeps this clock right: chronyd, ntpd or systemd-timesyncd is off, or reaches no server"
        yield Failure(words, Health(args.unkept_is))


def _stepped(memory: bytes | None, boot: str, wall: datetime, boottime_s: float) -> float | None:
    """How much further the wall clock moved than time did."""
    if memory is None:
        return None
    kept = json.loads(memory)
    if kept["boot"] != boot:
        return None
    return float((wall.timestamp() - kept["wall"]) - (boottime_s - kept["boottime_s"]))


def _sentence(offset_s: float | None, servers: int, kept: _Kept, stepped_s: float | None) -> str:
    parts = []
    if stepped_s is not None and abs(stepped_s) > 0.1:
        way = "forward" if stepped_s > 0 else "back"
        parts.append(f"the clock was set {way} by {say_seconds(abs(stepped_s))} since the last look")
    if offset_s is not None:
        way = "behind" if offset_s > 0 else "ahead of"
        whom = say_count(servers, "time server") if servers else "what chronyd follows"
        parts.append(f"the clock is {say_seconds(abs(offset_s))} {way} {whom}")
    state = {
        True: "somebody keeps it right",
        False: "nobody keeps it right",
        None: "whether it is kept right is hidden",
    }
    parts.append(state[kept.is_kept] if parts else f"the clock: {state[kept.is_kept]}")
    return "; ".join(parts)


def _say(sight: _Sight) -> str:
    if sight.answer is None:
        return f"{sight.place}: {sight.trouble}"
    one = sight.answer
    way = "behind" if one.offset_s > 0 else "ahead"
    return (
        f"{sight.place}: we are {abs(one.offset_s):.6f} s {way}, {say_seconds(one.delay_s)} there and back, "
        f"stratum {one.stratum} by {printable(one.reference, 20)}"
    )


def _troubles(sights: Mapping[str, _Sight]) -> str:
    return "; ".join(f"{sight.place}: {sight.trouble}" for sight in list(sights.values())[:3])


def _server_verdict(task: Task, sight: _Sight) -> Verdict:
    """Of a time server that is watched for its own sake."""
    if sight.is_ours:
        return cannot_tell(task, UnknownReason.ERROR, f"this node has no way to {sight.place}: {sight.trouble}")
    if sight.answer is None:
        words = f"{sight.place}: {sight.trouble}"
        return Verdict(task.now, words, failures=(Failure(words),))
    samples = (
        Sample("offset_s", abs(sight.answer.offset_s), "s"),
        Sample("delay_s", sight.answer.delay_s, "s"),
        Sample("stratum", sight.answer.stratum),
    )
    return Verdict(task.now, _say(sight), samples, evidence=(f"it may be {sight.answer.error_s:.3f} s off itself",))

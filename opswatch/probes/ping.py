"""Ping: how many packets come back, how fast, how evenly.

    [[target]]
    id = "gateway"
    kind = "ping"
    url = "ping://gateway.example.com"

    [[check]]
    id = "gateway-answers"
    probe = "ping"
    targets = ["gateway"]
    every = "60s"
    timeout = "10s"
    limits = { loss_pct = { warn = "> 20", crit = "> 60" }, rtt_s = { warn = "> 0.2" }, jitter_s = { warn = "> 0.05" } }
    args = { count = 5 }

That nothing comes back is critical by itself. Routers answer pings when they have nothing better to do: one that loses
some may be well. No privilege is needed where net.ipv4.ping_group_range names the group of opswatch; elsewhere a look
is `unknown` and says how to allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from statistics import fmean, median
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Sample, UnknownReason, Verdict
from opswatch.hosts import CannotSee
from opswatch.hosts.evidence import bounded, say_seconds
from opswatch.hosts.icmp import Echoes, ping
from opswatch.hosts.sockets import Address, NoSuchName, Place, place_of, resolve
from opswatch.probes import Measure, Task, careful

_WAIT_MAX_S = 2.0  # for the last packet


class Args(BaseModel):
    """How many packets, to which addresses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(5, ge=1, le=20, description="Packets in one look")
    interval_s: float = Field(0.2, ge=0.01, le=1, description="Seconds between two of them")
    size: int = Field(56, ge=8, le=1472, description="Bytes each carries: 1472 fill an Ethernet frame")
    family: Literal["any", "ipv4", "ipv6"] = Field("any", description="Kind of addresses to try")
    addresses: Literal["first", "all"] = Field(
        "first", description="`first`: the first address of the name; `all`: each of them must answer, the worst counts"
    )


class Look:
    """Sends echo requests and counts what comes back."""

    kinds: ClassVar[tuple[str, ...]] = ("ping",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "loss_pct": Measure("%", "packets that did not come back"),
        "rtt_s": Measure("s", "median time there and back"),
        "rtt_max_s": Measure("s", "the slowest of them"),
        "jitter_s": Measure("s", "mean difference between one packet's time and the next one's; absent below two"),
        "duplicates": Measure("", "answers that came more than once: a loop, or two hosts with one address"),
    }

    def __init__(self, resolve: Callable[[Place, float, str], list[Address]] = resolve) -> None:
        self._resolve = resolve

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        deadline = monotonic_s() + task.timeout_s * 0.9
        # A port is only what `Place` wants.
        place = place_of(task.target.url.reveal() if task.target.url else None, ("ping",), 7)
        try:
            addresses = self._resolve(place, task.timeout_s * 0.5, args.family)
        except NoSuchName as missing:
            return Verdict(at=task.now, sentence=str(missing), failures=(Failure(str(missing)),))
        wanted = addresses if args.addresses == "all" else addresses[:1]
        sights = {}
        for index, address in enumerate(wanted):
            left_s = max(0.02, deadline - monotonic_s()) / (len(wanted) - index)
            sights[address.ip] = _ping(address, args, left_s)
        return _verdict(task, place.host, sights)


def _ping(address: Address, args: Args, left_s: float) -> Echoes:
    """Within `left_s`: closer together where the time is short, and waiting less for the last."""
    interval_s = min(args.interval_s, left_s / (2 * args.count))
    wait_s = min(_WAIT_MAX_S, left_s - interval_s * (args.count - 1))
    return ping(address, count=args.count, interval_s=interval_s, wait_s=wait_s, size=args.size)


def _verdict(task: Task, host: str, sights: Mapping[str, Echoes]) -> Verdict:
    theirs = {ip: echoes for ip, echoes in sights.items() if not echoes.is_ours}
    evidence = bounded(_say(ip, echoes) for ip, echoes in sights.items())
    if not theirs:
        trouble = next(iter(sights.values())).trouble if sights else "no address"
        raise CannotSee(UnknownReason.ERROR, f"this node has no way to {host}: {trouble}")
    worst_ip = max(theirs, key=lambda ip: (_loss_pct(theirs[ip]), _median_s(theirs[ip])))
    silent = [ip for ip, echoes in theirs.items() if not echoes.times_s]
    where = f" ({', '.join(silent)})" if silent and len(theirs) > 1 else ""
    sentence = f"{host}{where}: {_say_briefly(theirs[worst_ip])}"
    return Verdict(
        at=task.now,
        sentence=sentence,
        samples=tuple(_samples(theirs)),
        failures=(Failure(sentence),) if silent else (),
        evidence=evidence,
    )


def _samples(sights: Mapping[str, Echoes]) -> Iterable[Sample]:
    """Of several addresses the worst."""
    yield Sample("loss_pct", max(_loss_pct(echoes) for echoes in sights.values()), "%")
    heard = [list(echoes.times_s.values()) for echoes in sights.values() if echoes.times_s]
    if heard:
        yield Sample("rtt_s", max(median(times) for times in heard), "s")
        yield Sample("rtt_max_s", max(max(times) for times in heard), "s")
    uneven = [jitter for echoes in sights.values() if (jitter := _jitter_s(echoes)) is not None]
    if uneven:
        yield Sample("jitter_s", max(uneven), "s")
    yield Sample("duplicates", sum(echoes.duplicates for echoes in sights.values()))


def _loss_pct(echoes: Echoes) -> float:
    return 100 * (echoes.sent - len(echoes.times_s)) / max(1, echoes.sent)


def _median_s(echoes: Echoes) -> float:
    return median(echoes.times_s.values()) if echoes.times_s else 0.0


def _jitter_s(echoes: Echoes) -> float | None:
    times = [echoes.times_s[number] for number in sorted(echoes.times_s)]
    return fmean(abs(after - before) for before, after in pairwise(times)) if len(times) > 1 else None


def _say_briefly(echoes: Echoes) -> str:
    if not echoes.times_s:
        return f"none of {echoes.sent} packets came back" + (f" ({echoes.trouble})" if echoes.trouble else "")
    words = f"{len(echoes.times_s)} of {echoes.sent} packets came back, {_say_ms(_median_s(echoes))} there and back"
    return f"{words}, {echoes.duplicates} of them twice" if echoes.duplicates else words


def _say_ms(seconds: float) -> str:
    return f"{seconds * 1000:.2g} ms" if seconds < 0.01 else say_seconds(seconds)


def _say(ip: str, echoes: Echoes) -> str:
    times = ", ".join(f"{echoes.times_s[number] * 1000:.2f}" for number in sorted(echoes.times_s))
    return f"{ip}: {_say_briefly(echoes)}" + (f" (ms: {times})" if times else "")

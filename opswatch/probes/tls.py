"""TLS certificates: trusted, for this name, and how long still, on every address of the name.

    [[target]]
    id = "shop"
    kind = "tls"
    url = "tls://shop.example.com:443"

    [[check]]
    id = "shop-certificate"
    probe = "tls"
    targets = ["shop"]
    every = "1h"
    limits = { lifetime_left_pct = { warn = "< 33", crit = "< 17" }, days_left = { crit = "< 0.5" } }

A share of the lifetime fits certificates of 90 days and of 24 hours alike; fixed days do not. The worst address counts,
and of each chain the certificate that expires first: the server's own or an intermediate. Of what a server sends only
the chain that is trusted counts: an expired extra hurts nobody. One that is not trusted is critical, and the values of
what was sent are told all the same.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Sample, UnknownReason, Verdict
from opswatch.hosts.certificates import Certificate, Handshake, shake_hands
from opswatch.hosts.evidence import bounded, printable, say_count
from opswatch.hosts.sockets import Address, NoSuchName, Place, is_our_trouble, place_of, resolve, say_trouble
from opswatch.probes import Measure, Task, cannot_tell, careful


class Args(BaseModel):
    """Whom to expect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_name: str | None = Field(None, description="Name to ask for and to verify; default: the host of the URL")
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust instead of the system's")


class Look:
    """Shakes hands with every address."""

    kinds: ClassVar[tuple[str, ...]] = ("tls", "http")
    samples: ClassVar[Mapping[str, Measure]] = {
        "days_left": Measure("d", "until the first certificate of the chain expires; negative afterwards"),
        "lifetime_left_pct": Measure("%", "the same as a share of that certificate's whole lifetime"),
        "handshake_s": Measure("s", "time for the handshake, on the slowest address"),
        "certificates": Measure("", "different certificates that the addresses show"),
        "addresses": Measure("", "addresses that shook hands"),
    }

    def __init__(self, resolve: Callable[[Place, float], list[Address]] = resolve) -> None:
        self._resolve = resolve

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        deadline = monotonic_s() + task.timeout_s
        place = place_of(task.target.url.reveal() if task.target.url else None, ("tls", "https"), 443)
        try:
            addresses = self._resolve(place, task.timeout_s)
        except NoSuchName as missing:
            return Verdict(at=task.now, sentence=str(missing), failures=(Failure(str(missing)),))
        sights = []
        for index, address in enumerate(addresses):
            left_s = max(0.001, deadline - monotonic_s())
            sights.append(_look_at(address, args.server_name or place.host, args, left_s / (len(addresses) - index)))
        return _verdict(task, place, sights)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one address showed."""

    address: Address
    trouble: str = ""
    is_ours: bool = False
    hands: Handshake | None = None


def _look_at(address: Address, name: str, args: Args, timeout_s: float) -> _Sight:
    deadline = monotonic_s() + timeout_s
    try:
        return _Sight(address, hands=shake_hands(address, name, timeout_s=timeout_s, ca_file=args.ca_file))
    except ssl.SSLCertVerificationError as refused:
        trouble = _say_refused(refused)
    except ssl.SSLError as refused:
        trouble = f"the handshake failed: {(refused.reason or str(refused)).replace('_', ' ').lower()}"
    except OSError as failed:
        return _Sight(address, say_trouble(failed, timeout_s), is_our_trouble(failed))
    try:
        # Not trusted, but its dates are worth knowing.
        hands = shake_hands(address, name, timeout_s=max(0.001, deadline - monotonic_s()), verify=False)
    except OSError:
        return _Sight(address, trouble)
    return _Sight(address, trouble, hands=hands)


def _say_refused(refused: ssl.SSLCertVerificationError) -> str:
    return f"the certificate is not trusted: {printable(refused.verify_message or str(refused), 160).rstrip('.')}"


def _verdict(task: Task, place: Place, sights: list[_Sight]) -> Verdict:
    shown = [hands for sight in sights if (hands := sight.hands) is not None]
    evidence = bounded(_evidence(sights, task))
    if sights and all(sight.is_ours for sight in sights):
        words = f"this node has no way to {place}: {sights[0].trouble}"
        return cannot_tell(task, UnknownReason.ERROR, words, *evidence)
    theirs = [sight for sight in sights if not sight.is_ours]
    bad = [sight for sight in theirs if sight.trouble]
    chains = [certificate for hands in shown for _, certificate in _placed(hands)]
    samples = []
    if chains:
        samples = [
            Sample("days_left", min(one.days_left(task.now) for one in chains), "d"),
            Sample("lifetime_left_pct", min(one.lifetime_left_pct(task.now) for one in chains), "%"),
            Sample("handshake_s", max(hands.took_s for hands in shown), "s"),
        ]
        samples += [
            Sample("certificates", len({hands.chain[0].serial for hands in shown})),
            Sample("addresses", len(shown)),
        ]
    left = _say_left(shown, task)
    if bad:
        where = f" on {len(bad)} of {len(theirs)} addresses ({bad[0].address.ip} …)" if len(theirs) > 1 else ""
        sentence = f"{place}{where}: {bad[0].trouble}" + (f", {left}" if left else "")
    else:
        sentence = f"{place}: certificate is trusted, {left}"
    return Verdict(task.now, sentence, tuple(samples), (Failure(sentence),) if bad else (), evidence=evidence)


def _placed(hands: Handshake) -> Iterable[tuple[int, Certificate]]:
    """The server's own, and those between it and the root: the root's end is the trust store's business."""
    return ((place, one) for place, one in enumerate(hands.chain) if place == 0 or not one.is_self_signed)


def _say_left(shown: list[Handshake], task: Task) -> str:
    """How long the first to end lasts, and which it is when it is not the server's own."""
    ends = [(one.days_left(task.now), place, one) for hands in shown for place, one in _placed(hands)]
    if not ends:
        return ""
    days, place, first = min(ends, key=lambda end: end[0])
    return _say_days(days) + (f" (of the intermediate {printable(first.subject, 80)})" if place else "")


def _say_days(days: float) -> str:
    if days < 0:
        return f"expired {-days:.1f} days ago"
    return f"{days * 24:.1f} hours left" if days < 2 else f"{days:.0f} days left"


def _evidence(sights: list[_Sight], task: Task) -> Iterable[str]:
    """One line for each certificate with the addresses that show it, one for each address that shows none."""
    by_serial: dict[str, list[_Sight]] = {}
    for sight in sights:
        key = sight.hands.chain[0].serial if sight.hands else sight.address.ip
        by_serial.setdefault(key, []).append(sight)
    for alike in by_serial.values():
        ips = ", ".join(sight.address.ip for sight in alike)
        first = alike[0]
        if first.hands is None:
            yield f"{ips}: {first.trouble}"
            continue
        leaf = first.hands.chain[0]
        more = f" and {say_count(len(leaf.names) - 3, 'other')}" if len(leaf.names) > 3 else ""
        yield (
            f"{ips}: {', '.join(leaf.names[:3])}{more}, by {leaf.issuer}, serial {leaf.serial}, "
            f"until {leaf.not_after:%Y-%m-%d %H:%M}Z, {first.hands.protocol} {first.hands.cipher}"
            + (f"; {first.trouble}" if first.trouble else "")
        )
        for _, between in list(_placed(first.hands))[1:]:
            days = _say_days(between.days_left(task.now))
            yield f"  intermediate {between.subject}, until {between.not_after:%Y-%m-%d %H:%M}Z: {days}"
        if "local issuer" in first.trouble and len(first.hands.chain) == 1:
            yield f"  it sends no intermediate, and {leaf.issuer} is none of the authorities"

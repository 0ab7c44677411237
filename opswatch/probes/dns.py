"""A name in the DNS: every answer of every server asked, as expected, and the same everywhere.

    [[target]]
    id = "shop-name"
    kind = "dns"
    url = "dns://shop.example.com?type=A"

    [[check]]
    id = "shop-name"
    probe = "dns"
    targets = ["shop-name"]
    every = "60s"
    timeout = "10s"
    limits = { answer_s = { warn = "> 0.5" }, serial_spread = { warn = "> 0" } }
    args = { expect = ["192.0.2.10", "192.0.2.11"], authoritative = true }

Asks the resolvers of this node, or `servers`, or with `authoritative` each name server of the zone at each of its
addresses. Resolvers that fail are our own trouble, and `unknown`, unless they answer a control question: then it is the
name's. A name that answers by place or in turns (GeoDNS, round robin) needs `expect_is = "among"` and `agree = false`.
`dns://192.0.2.53/name?type=A` names a server in the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Sample, UnknownReason, Verdict
from opswatch.hosts import CannotSee
from opswatch.hosts.evidence import bounded, printable, say_count, say_seconds
from opswatch.hosts.nameservers import (
    PORT,
    Reply,
    Server,
    Silence,
    ask,
    is_name,
    is_type,
    normal,
    parents,
    system_servers,
)
from opswatch.hosts.sockets import NoSuchName, place_of, resolve
from opswatch.probes import Measure, Task, cannot_tell, careful

_SERVERS_MAX = 16
_WANTED = "the target needs a url such as 'dns://www.example.com?type=A'"


def _check_server(text: str) -> str:
    try:
        place_of(_url(text), ("dns",), PORT)
    except CannotSee:
        raise ValueError("a server such as '192.0.2.53', 'ns1.example.com' or '[2001:db8::53]:5353'") from None
    return text


def _url(text: str) -> str:
    return f"dns://[{text}]" if text.count(":") > 1 and "[" not in text else f"dns://{text}"


class Args(BaseModel):
    """Whom to ask, and what to hear."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: tuple[Annotated[str, AfterValidator(_check_server)], ...] = Field(
        (), max_length=_SERVERS_MAX, description="Servers to ask, each must answer; default: the resolvers of this node"
    )
    authoritative: bool = Field(False, description="Ask every name server of the zone itself")
    expect: tuple[str, ...] = Field(
        (), description="Records as a zone file writes them: `192.0.2.1`, `10 mx.example.com.`"
    )
    expect_is: Literal["exactly", "at_least", "among"] = Field(
        "exactly", description="The answer is exactly `expect`; holds at least those; holds no others"
    )
    agree: bool = Field(True, description="All servers must give the same answer")
    signatures: bool = Field(
        False, description="Ask for DNSSEC signatures: gives `signature_days_left`; none is critical"
    )
    control: str = Field(".", description="Name whose NS records any working resolver finds: tells whose trouble it is")


class Look:
    """Asks each server once, over UDP, over TCP where the answer is long."""

    kinds: ClassVar[tuple[str, ...]] = ("dns",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "answers": Measure("", "different records, of all servers together"),
        "answer_s": Measure("s", "time to answer, of the slowest server"),
        "ttl_s": Measure("s", "how long the answer may be kept, the shortest of all; absent without an answer"),
        "servers": Measure("", "servers that answered"),
        "servers_silent": Measure("", "servers that did not, or could not say"),
        "serial_spread": Measure("", "how far the oldest zone is behind the newest; of several authoritative servers"),
        "signature_days_left": Measure("d", "until the first signature ends; with `signatures` only"),
    }

    def __init__(self, system: Callable[[], list[Server]] = system_servers, port: int = PORT) -> None:
        self._system = system
        self._port = port  # of the name servers of zones

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        deadline = monotonic_s() + task.timeout_s * 0.9
        question, named = _question(task)
        try:
            wanted = tuple(normal(record, question.kind) for record in args.expect)
        except ValueError as mistake:
            return cannot_tell(task, UnknownReason.ERROR, f"expect: {mistake}")
        servers = [*named, *(server for text in args.servers for server in _found(text, task.timeout_s * 0.2))]
        asks_ours = not servers and not args.authoritative
        if not servers:
            servers = self._system()
        if args.authoritative:
            servers = _of_zone(question.name, servers, self._port, task.timeout_s * 0.4)
        answers = _ask_all(servers[:_SERVERS_MAX], question, deadline, args)
        replies = [one for one in answers if isinstance(one, Reply) and one.is_definite]
        if not replies:
            return _nothing(task, question, answers, deadline, is_ours=asks_ours)
        troubles = [
            *_wrong(replies, wanted, args),
            *([] if asks_ours else _failed(answers)),
            *_disagreeing(replies, args),
        ]
        spread = _serial_spread(replies, question, deadline)
        return Verdict(
            at=task.now,
            sentence=_sentence(question, replies, troubles),
            samples=tuple(_samples(task, replies, len(answers) - len(replies), spread)),
            failures=(Failure(_sentence(question, replies, troubles)),) if troubles else (),
            evidence=bounded(_say(one) for one in answers),
        )


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


def _question(task: Task) -> tuple[_Question, list[Server]]:
    """What the URL asks for, and the servers it names."""
    url = task.target.url.reveal() if task.target.url else ""
    try:
        parts = urlsplit(url)
        server, path = parts.netloc, unquote(parts.path).strip("/")
        kind = parse_qs(parts.query).get("type", ["A"])[-1].upper()
    except ValueError:
        raise CannotSee(UnknownReason.ERROR, _WANTED) from None
    name = path or unquote(server)
    if parts.scheme != "dns" or not name or "@" in name or not is_name(name) or not is_type(kind):
        raise CannotSee(UnknownReason.ERROR, _WANTED)
    return _Question(name.rstrip(".") or ".", kind), _found(server, task.timeout_s * 0.2) if path and server else []


def _found(text: str, timeout_s: float) -> list[Server]:
    """The addresses of a server that is written down. Raises CannotSee."""
    place = place_of(_url(text), ("dns",), PORT)
    try:
        addresses = resolve(place, timeout_s)
    except NoSuchName as missing:
        raise CannotSee(UnknownReason.ERROR, f"the server to ask: {missing}") from None
    return [Server(address.ip, place.port, place.host) for address in addresses]


def _of_zone(name: str, resolvers: Sequence[Server], port: int, timeout_s: float) -> list[Server]:
    """Every address of every name server of the zone that holds `name`. Raises CannotSee when our resolvers do not find
    them."""
    deadline = monotonic_s() + timeout_s

    def answer(asked: str, kind: str) -> tuple[str, ...]:
        for resolver in resolvers:
            reply = ask(resolver, asked, kind, max(0.05, (deadline - monotonic_s()) / 4))
            if isinstance(reply, Reply) and reply.is_definite:
                return reply.records
        raise CannotSee(UnknownReason.ERROR, f"our own resolver does not find the name servers of {asked}")

    zone_servers = next((found for parent in parents(name) if (found := answer(parent, "NS"))), ())
    if not zone_servers:
        raise CannotSee(UnknownReason.ERROR, f"our own resolver finds no name servers for {name}")
    return [
        Server(ip, port, server.rstrip("."))
        for server in zone_servers[:_SERVERS_MAX]
        for kind in ("A", "AAAA")
        for ip in answer(server, kind)
    ]


def _ask_all(servers: Sequence[Server], question: _Question, deadline: float, args: Args) -> list[Reply | Silence]:
    answers = []
    for index, server in enumerate(servers):
        left_s = max(0.05, deadline - monotonic_s()) / (len(servers) - index + 1)
        answers.append(
            ask(
                server,
                question.name,
                question.kind,
                left_s,
                recurse=not args.authoritative,
                signatures=args.signatures,
            )
        )
    return answers


def _nothing(
    task: Task, question: _Question, answers: Sequence[Reply | Silence], deadline: float, *, is_ours: bool
) -> Verdict:
    """No server said anything of the name: ours, or the name's?"""
    evidence = bounded(_say(one) for one in answers)
    said = printable(f"{answers[0].server}: {answers[0].trouble}" if answers else "no server to ask", 200)
    if is_ours:
        failed = next((one for one in answers if isinstance(one, Reply) and one.rcode == "SERVFAIL"), None)
        why = _why_failed(failed.server, question, deadline, task.args) if failed is not None else ""
        if not why:
            return cannot_tell(
                task, UnknownReason.ERROR, f"our own resolver does not answer for {question}: {said}", *evidence
            )
        sentence = f"{question}: {why}"
    elif all(isinstance(one, Silence) and one.is_ours for one in answers):
        return cannot_tell(task, UnknownReason.ERROR, f"this node has no way to ask for {question}: {said}", *evidence)
    else:
        sentence = f"{question}: none of {say_count(len(answers), 'server')} answers ({said})"
    return Verdict(task.now, sentence, failures=(Failure(sentence),), evidence=evidence)


def _why_failed(resolver: Server, question: _Question, deadline: float, args: Args) -> str:
    """What a SERVFAIL means; empty when the resolver answers nothing else either."""
    left_s = max(0.1, deadline - monotonic_s()) / 2
    control = ask(resolver, args.control, "NS", left_s)
    if not isinstance(control, Reply) or not control.is_definite:
        return ""
    unchecked = ask(resolver, question.name, question.kind, left_s, validate=False)
    if isinstance(unchecked, Reply) and unchecked.is_definite:
        return "its DNSSEC signatures are wrong or expired: resolvers that check them give no answer"
    return "its own name servers do not answer (SERVFAIL, though the resolver works for other names)"


def _wrong(replies: Iterable[Reply], wanted: tuple[str, ...], args: Args) -> Iterable[str]:
    for reply in replies:
        if reply.trouble:
            yield f"{reply.server}: {reply.trouble}"
        elif args.authoritative and not reply.is_authoritative:
            yield f"{reply.server}: it does not hold the zone, though the delegation says so"
        elif args.signatures and reply.signed_until is None:
            yield f"{reply.server}: the answer is not signed"
        elif wanted and (difference := _difference(set(reply.records), set(wanted), args)):
            yield f"{reply.server}: {difference}"


def _difference(records: set[str], wanted: set[str], args: Args) -> str:
    missing = sorted(wanted - records) if args.expect_is != "among" else []
    strange = sorted(records - wanted) if args.expect_is != "at_least" else []
    parts = [
        f"{', '.join(missing)} is missing" if missing else "",
        f"{', '.join(strange)} is not expected" if strange else "",
    ]
    return " and ".join(filter(None, parts))


def _failed(answers: Iterable[Reply | Silence]) -> Iterable[str]:
    """Servers that were named must answer, unless this node has no way to them."""
    for one in answers:
        is_theirs = not one.is_ours if isinstance(one, Silence) else not one.is_definite
        if is_theirs:
            yield f"{one.server}: {one.trouble}"


def _disagreeing(replies: Sequence[Reply], args: Args) -> Iterable[str]:
    if not args.agree:
        return
    said: dict[tuple[str, ...], list[Server]] = {}
    for reply in replies:
        said.setdefault(reply.records, []).append(reply.server)
    if len(said) > 1:
        versions = "; ".join(
            f"{servers[0]} says {', '.join(records) or 'nothing'}" for records, servers in said.items()
        )
        yield f"the servers do not agree: {versions}"


def _serial_spread(replies: Sequence[Reply], question: _Question, deadline: float) -> int | None:
    """How far zones are apart. Only those who keep the zone may be compared: others may remember an older one."""
    keepers = [reply for reply in replies if reply.is_authoritative]
    if len(keepers) < 2:
        return None
    serials = [_serial(reply, question, max(0.05, deadline - monotonic_s()) / len(keepers)) for reply in keepers]
    known = [serial for serial in serials if serial is not None]
    # Serials run in a circle (RFC 1982): the largest step forward from any to any other.
    steps = [(after - before) % 2**32 for before in known for after in known]
    return max((step for step in steps if step < 2**31), default=None)


def _serial(reply: Reply, question: _Question, timeout_s: float) -> int | None:
    if reply.serial is not None:
        return reply.serial
    # The zone begins at the name itself or above it; asked below, a keeper shows its SOA beside the empty answer.
    soa = ask(reply.server, question.name, "SOA", timeout_s, recurse=False)
    return soa.serial if isinstance(soa, Reply) else None


def _samples(task: Task, replies: Sequence[Reply], silent: int, spread: int | None) -> Iterable[Sample]:
    yield Sample("answers", len({record for reply in replies for record in reply.records}))
    yield Sample("answer_s", max(reply.took_s for reply in replies), "s")
    ttls = [reply.ttl_s for reply in replies if reply.ttl_s is not None]
    if ttls:
        yield Sample("ttl_s", min(ttls), "s")
    yield Sample("servers", len(replies))
    yield Sample("servers_silent", silent)
    if spread is not None:
        yield Sample("serial_spread", spread)
    ends = [reply.signed_until for reply in replies if reply.signed_until is not None]
    if ends:
        yield Sample("signature_days_left", (min(ends) - task.now).total_seconds() / 86400, "d")


def _sentence(question: _Question, replies: Sequence[Reply], troubles: Sequence[str]) -> str:
    if troubles:
        more = f" and {len(troubles) - 2} more" if len(troubles) > 2 else ""
        return printable(f"{question}: {'; '.join(troubles[:2])}{more}", 300)
    records = sorted({record for reply in replies for record in reply.records})
    more = f" and {len(records) - 4} more" if len(records) > 4 else ""
    slowest = say_seconds(max(reply.took_s for reply in replies))
    who = say_count(len(replies), "server")
    return printable(f"{question} is {', '.join(records[:4])}{more}, say {who} within {slowest}", 300)


def _say(one: Reply | Silence) -> str:
    if isinstance(one, Silence):
        return f"{one.server}: {one.trouble}"
    through = f" by way of {', '.join(one.aliases)}" if one.aliases else ""
    said = one.trouble or ", ".join(one.records)
    serial = f", serial {one.serial}" if one.serial is not None else ""
    return f"{one.server}: {said}{through}{serial}, after {say_seconds(one.took_s)}"

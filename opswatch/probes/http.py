"""A web address: status, body, certificate, and the time of each phase.

    [[target]]
    id = "shop"
    kind = "http"
    url = "https://shop.example.com"

    [[check]]
    id = "shop-answers"
    probe = "http"
    targets = ["shop"]
    every = "60s"
    timeout = "10s"
    limits = { total_s = { warn = "> 1", crit = "> 5" }, tls_days_left = { warn = "< 14" }, queue = { crit = "> 999" } }
    [check.args]
    path = "/health"
    headers = { Authorization = "Bearer token" }
    status = ["200"]
    expect = "ok|ready"
    expect_json = { "checks.db" = true, "version" = "2.1" }
    json_samples = { queue = "queue.depth" }

Each redirect is followed by hand, at most `redirects_max`; headers, body and login stay with the host they are meant
for. With `family = "both"` IPv4 and IPv6 are two items, asked one after the other in half of the time each.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import re2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from opswatch.clock import monotonic_s
from opswatch.core.model import Failure, Health, Sample, UnknownReason, Verdict
from opswatch.hosts import CannotSee
from opswatch.hosts.certificates import Certificate, shake_hands
from opswatch.hosts.evidence import cut, printable, redacted, say_seconds
from opswatch.hosts.fetch import NAME_FAILED, NOT_TRUSTED, Answer, Request, fetch
from opswatch.hosts.sockets import NoSuchName, place_of, resolve
from opswatch.probes import Measure, Pattern, SecretText, Task, careful, secrets_of


def _read_status(text: str) -> tuple[int, int]:
    low, _, high = text.strip().partition("-")
    return int(low), int(high or low)


def _check_status(text: str) -> str:
    try:
        low, high = _read_status(text)
    except ValueError:
        low, high = 0, -1
    if not 100 <= low <= high <= 599:
        raise ValueError("a status or a range of them, such as '200' or '200-399'")
    return text


class Args(BaseModel):
    """What to ask, and what a good answer is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field("", description="Joined to the target's URL as a browser would")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field("GET", description="Method")
    headers: Mapping[str, SecretText] = Field({}, description="Headers to send; never shown")
    body: SecretText | None = Field(None, description="Body to send; never shown")
    status: tuple[Annotated[str, BeforeValidator(str), AfterValidator(_check_status)], ...] = Field(
        ("200-399",), min_length=1, description="Good statuses, after redirects: each one or a range"
    )
    expect: Pattern | None = Field(None, description="Must be found in the body")
    reject: Pattern | None = Field(None, description="Must not be found in the body")
    expect_json: Mapping[str, str | bool | int | float | None] = Field(
        {}, description='Values in a JSON body by path: `{ "checks.db" = true, "items[0].id" = 7 }`'
    )
    json_samples: Mapping[str, str] = Field({}, description="Samples from a JSON body: name to path; numbers only")
    redirects_max: int = Field(5, ge=0, le=20, description="Redirects to follow; 0: judge the redirect itself")
    family: Literal["any", "ipv4", "ipv6", "both"] = Field("any", description="Kind of addresses to use")
    body_max_bytes: int = Field(1024 * 1024, ge=1, le=16 * 1024 * 1024, description="Read no more of the body")
    verify: bool = Field(True, description="Whether the certificate must be trusted")
    ca_file: str | None = Field(None, description="PEM file of the authorities to trust instead of the system's")


class Look:
    """Asks once, for each family."""

    kinds: ClassVar[tuple[str, ...]] = ("http",)
    samples: ClassVar[Mapping[str, Measure]] = {
        "status": Measure("", "status of the last answer"),
        "dns_s": Measure("s", "time to find the address; over all redirects, as the others"),
        "connect_s": Measure("s", "time to connect"),
        "tls_s": Measure("s", "time for the TLS handshake"),
        "first_byte_s": Measure("s", "from there to the first byte of the answer"),
        "total_s": Measure("s", "the whole"),
        "body_bytes": Measure("B", "size of the body as far as it was read, unpacked"),
        "redirects": Measure("", "redirects followed"),
        "tls_days_left": Measure("d", "until the certificate expires, of all hops the first to; negative afterwards"),
        "tls_lifetime_left_pct": Measure("%", "the same as a share of that certificate's lifetime"),
        "*": Measure("", "the names in `json_samples`"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        families = ("ipv4", "ipv6") if args.family == "both" else (args.family,)
        deadline = monotonic_s() + task.timeout_s
        reports = []
        for index, family in enumerate(families):
            left_s = (deadline - monotonic_s()) / (len(families) - index)
            reports.append(_ask(task, args, family, left_s))
        items = families if args.family == "both" else ("",)
        return Verdict(
            at=task.now,
            sentence="; ".join(dict.fromkeys(report.sentence for report in reports)),
            samples=tuple(
                Sample(name, value, unit, item)
                for item, report in zip(items, reports, strict=True)
                for name, value, unit in report.samples
            ),
            failures=tuple(
                Failure(report.sentence, report.health, item)
                for item, report in zip(items, reports, strict=True)
                if report.health is not Health.OK
            ),
            sentences={item: report.sentence for item, report in zip(items, reports, strict=True) if item},
            evidence=tuple(line for report in reports for line in report.evidence)[:20],
        )


class _Report:
    """What one family gave."""

    def __init__(self) -> None:
        self.sentence = ""
        self.health = Health.OK
        self.samples: list[tuple[str, float, str]] = []
        self.evidence: list[str] = []


def _ask(task: Task, args: Args, family: str, timeout_s: float) -> _Report:
    request = _request(task, args, family)
    deadline = monotonic_s() + timeout_s
    answer = fetch(request, timeout_s)
    report = _Report()
    certificates = list(answer.certificates)
    troubles = [answer.trouble] if answer.trouble else list(_judge(answer, args))
    if answer.code == NAME_FAILED:
        troubles = [_ask_resolver(request, family, deadline)]
    if answer.code == NOT_TRUSTED:
        certificates += _untrusted(answer.place, deadline)
    family_words = f" over {family.replace('ip', 'IP')}" if family != "any" else ""
    if troubles:
        report.health = Health.UNKNOWN if answer.is_ours else Health.CRIT
        report.sentence = printable(f"{answer.place}{family_words}: {'; '.join(troubles)}", 300)
        report.evidence += _evidence(task, answer)
    else:
        took = say_seconds(answer.phases.total_s)
        report.sentence = f"{answer.place}{family_words} answered {answer.status} after {took}"
    report.samples += [*_samples(answer), *_certificate_samples(certificates, task), *_json_samples(answer, args)]
    return report


def _request(task: Task, args: Args, family: str) -> Request:
    url = task.target.url.reveal() if task.target.url else None
    place_of(url, ("https", "http"), 80)  # says what is missing
    parts = urlsplit(url or "")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username is not None else None
    return Request(
        url=urljoin(bare, args.path) if args.path else bare,
        method=args.method,
        headers={name: secret.reveal() for name, secret in args.headers.items()},
        body=args.body.reveal().encode() if args.body is not None else None,
        login=login,
        family=family,
        redirects_max=args.redirects_max,
        body_max=args.body_max_bytes,
        verify=args.verify,
        ca_file=args.ca_file,
    )


def _ask_resolver(request: Request, family: str, deadline: float) -> str:
    """libcurl cannot tell a name that does not exist from a resolver of ours that is down; then CannotSee is raised."""
    place = place_of(request.url, ("https", "http"), 80)
    try:
        resolve(place, max(0.5, deadline - monotonic_s()), family)
    except NoSuchName as missing:
        return str(missing)
    raise CannotSee(UnknownReason.ERROR, f"our own resolver failed for {place.host}, and then did not")


def _untrusted(place: str, deadline: float) -> list[Certificate]:
    """The certificate that libcurl refused: an expired one has a date too."""
    where = place_of(place, ("https",), 443)
    try:
        left_s = max(0.001, deadline - monotonic_s())
        address = resolve(where, left_s)[0]
        return list(shake_hands(address, where.host, timeout_s=left_s, verify=False).chain)
    except (OSError, ssl.SSLError, NoSuchName, CannotSee):
        return []


def _judge(answer: Answer, args: Args) -> Iterable[str]:
    """What is wrong with an answer that came."""
    if not any(low <= answer.status <= high for low, high in map(_read_status, args.status)):
        yield f"status {answer.status}, wanted {' or '.join(args.status)}"
    if args.expect is not None and not re2.search(args.expect, _text(answer)):
        yield f"the body lacks /{cut(args.expect, 80)}/"
    if args.reject is not None and re2.search(args.reject, _text(answer)):
        yield f"the body holds /{cut(args.reject, 80)}/"
    if args.expect_json or args.json_samples:
        yield from _judge_json(answer, args)


def _judge_json(answer: Answer, args: Args) -> Iterable[str]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        yield "the body is not JSON" + (" (it was cut)" if answer.is_cut else "")
        return
    for path, wanted in args.expect_json.items():
        found = _at(document, path)
        if found is _NOTHING:
            yield f"JSON has no {path}"
        elif found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
            yield f"{path} is {printable(json.dumps(found, ensure_ascii=False), 80)}, wanted {json.dumps(wanted)}"
    for path in args.json_samples.values():
        if not _is_number(_at(document, path)):
            yield f"JSON has no number at {path}"


_NOTHING = object()


def _at(document: object, path: str) -> object:
    """`checks.db`, `items[0].id`, with or without a leading `$.`; a key that holds dots is found whole."""
    keys = path.removeprefix("$").removeprefix(".").replace("[", ".[").split(".")
    found = document
    if isinstance(document, dict) and path in document:
        return document[path]
    for key in filter(None, keys):
        if key.startswith("[") and isinstance(found, list) and key[1:-1].lstrip("-").isdigit():
            index = int(key[1:-1])
            if not -len(found) <= index < len(found):
                return _NOTHING
            found = found[index]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return _NOTHING
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(answer: Answer) -> str:
    charset = answer.content_type.partition("charset=")[2].split(";")[0].strip(" \"'") or "utf-8"
    try:
        return answer.body.decode(charset, errors="replace")
    except LookupError:
        return answer.body.decode(errors="replace")


def _samples(answer: Answer) -> Iterable[tuple[str, float, str]]:
    phases = answer.phases
    if answer.status:
        yield "status", answer.status, ""
        yield "body_bytes", len(answer.body), "B"
        yield "redirects", answer.hops, ""
    if not answer.trouble:
        yield "dns_s", phases.dns_s, "s"
        yield "connect_s", phases.connect_s, "s"
        if phases.tls_s:
            yield "tls_s", phases.tls_s, "s"
        yield "first_byte_s", phases.first_byte_s, "s"
    yield "total_s", phases.total_s, "s"


def _certificate_samples(certificates: list[Certificate], task: Task) -> Iterable[tuple[str, float, str]]:
    if certificates:
        yield "tls_days_left", min(one.days_left(task.now) for one in certificates), "d"
        yield "tls_lifetime_left_pct", min(one.lifetime_left_pct(task.now) for one in certificates), "%"


def _json_samples(answer: Answer, args: Args) -> Iterable[tuple[str, float, str]]:
    try:
        document = json.loads(answer.body) if args.json_samples and answer.body else None
    except (ValueError, RecursionError):
        return
    for name, path in args.json_samples.items():
        found = _at(document, path)
        if isinstance(found, int | float) and _is_number(found):
            yield name, float(found), ""


def _evidence(task: Task, answer: Answer) -> Iterable[str]:
    phases = answer.phases
    yield (
        f"dns {say_seconds(phases.dns_s)}, connect {say_seconds(phases.connect_s)}, tls {say_seconds(phases.tls_s)}, "
        f"first byte {say_seconds(phases.first_byte_s)}, total {say_seconds(phases.total_s)}, {answer.hops} redirects"
    )
    text = _text(answer).strip()
    if text:
        yield printable("body: " + redacted(text[:2000], secrets_of(task)), 300)

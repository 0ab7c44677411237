"""One HTTP request by libcurl, redirects followed by hand: bounded, timed by phase, secrets kept to their host."""

from __future__ import annotations

import errno
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pycurl

from opswatch import __version__
from opswatch.clock import monotonic_s
from opswatch.hosts.certificates import Certificate, authorities, read_pem
from opswatch.hosts.sockets import is_our_trouble

_REDIRECTS = (301, 302, 303, 307, 308)
_RESOLVE = {
    "any": pycurl.IPRESOLVE_WHATEVER,
    "ipv4": pycurl.IPRESOLVE_V4,
    "ipv6": pycurl.IPRESOLVE_V6,
}
NAME_FAILED = pycurl.E_COULDNT_RESOLVE_HOST
NOT_TRUSTED = pycurl.E_PEER_FAILED_VERIFICATION
TIMED_OUT = pycurl.E_OPERATION_TIMEDOUT


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `login` is (user, password). Headers, body and login are not carried to another host."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    login: tuple[str, str] | None = None
    family: str = "any"
    redirects_max: int = 5
    body_max: int = 1024 * 1024
    verify: bool = True
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds spent, over all hops."""

    dns_s: float = 0.0
    connect_s: float = 0.0
    tls_s: float = 0.0
    first_byte_s: float = 0.0
    total_s: float = 0.0

    def __add__(self, other: Phases) -> Phases:
        return Phases(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the last hop. `trouble` is empty when there was an answer at all; `code` is libcurl's."""

    place: str  # scheme, host and port: what may be shown
    status: int = 0
    body: bytes = b""
    is_cut: bool = False  # more than `body_max` was coming
    content_type: str = ""
    phases: Phases = Phases()
    hops: int = 0
    certificates: tuple[Certificate, ...] = ()  # the server's own, of each hop that had one
    trouble: str = ""
    code: int = 0
    is_ours: bool = False  # this node has no way there at all, as without IPv6


def fetch(request: Request, timeout_s: float) -> Answer:
    """Ask, follow redirects to http and https only, and say what came back within `timeout_s`. Never raises for what
    the other side does."""
    deadline = monotonic_s() + timeout_s
    curl = pycurl.Curl()
    try:
        return _follow(curl, request, deadline)
    finally:
        curl.close()


def _follow(curl: pycurl.Curl, request: Request, deadline: float) -> Answer:
    phases = Phases()
    certificates: tuple[Certificate, ...] = ()
    hops = 0
    while True:
        answer, location = _one_hop(curl, request, deadline - monotonic_s())
        phases += answer.phases
        certificates += answer.certificates
        answer = replace(answer, phases=phases, certificates=certificates, hops=hops)
        if answer.trouble or answer.status not in _REDIRECTS or not location or request.redirects_max == 0:
            return answer
        if hops == request.redirects_max:
            return replace(answer, trouble=f"more than {hops} redirects")
        if urlsplit(location).scheme not in ("http", "https"):
            return replace(answer, trouble="a redirect to something that is not the web")
        request = _redirected(request, location, answer.status)
        hops += 1


def _redirected(request: Request, location: str, status: int) -> Request:
    if status in (301, 302, 303) and request.method not in ("GET", "HEAD"):
        request = replace(request, method="GET", body=None)
    if _place(location) != _place(request.url):
        request = replace(request, headers={}, body=None, login=None)
    return replace(request, url=location)


def _one_hop(curl: pycurl.Curl, request: Request, timeout_s: float) -> tuple[Answer, str]:
    body = _Body(request.body_max)
    place = _place(request.url)
    if not _fits_family(request):
        return Answer(place, trouble=f"the url's address is not of {request.family.replace('ip', 'IP')}"), ""
    try:
        _prepare(curl, request, body, max(0.001, timeout_s))
    except (pycurl.error, UnicodeEncodeError, TypeError):
        return Answer(place, trouble="the url or a header cannot be sent"), ""
    trouble, code = "", 0
    try:
        curl.perform()
    except pycurl.error as failed:
        code = int(failed.args[0])
        # We hang up on purpose when enough was read.
        if not (code == pycurl.E_WRITE_ERROR and body.is_cut):
            trouble = _say(code, str(failed.args[1]), timeout_s, curl)
    answer = Answer(
        place=place,
        status=curl.getinfo(pycurl.RESPONSE_CODE),
        body=bytes(body.data),
        is_cut=body.is_cut,
        content_type=curl.getinfo(pycurl.CONTENT_TYPE) or "",
        phases=_phases(curl),
        certificates=_certificates(curl) if urlsplit(request.url).scheme == "https" else (),
        trouble=trouble,
        code=code,
        is_ours=bool(trouble) and is_our_trouble(OSError(curl.getinfo(pycurl.OS_ERRNO), "")),
    )
    return answer, curl.getinfo(pycurl.REDIRECT_URL) or ""


def _prepare(curl: pycurl.Curl, request: Request, body: _Body, timeout_s: float) -> None:
    parts = urlsplit(request.url)
    # Nothing of the last hop may remain: pycurl takes an empty list of headers for "leave them as they are".
    curl.reset()
    curl.setopt(pycurl.URL, request.url)
    curl.setopt(pycurl.COOKIEFILE, "")  # cookies do remain: a login redirect needs its own back
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.NOPROXY, ",".join(filter(None, ("localhost,127.0.0.1,::1", os.environ.get("no_proxy", "")))))
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout_s * 1000)))
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(timeout_s * 1000)))
    curl.setopt(pycurl.IPRESOLVE, _RESOLVE[request.family])
    curl.setopt(pycurl.USERAGENT, f"opswatch/{__version__}")
    curl.setopt(pycurl.ACCEPT_ENCODING, "")
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in request.headers.items()])
    curl.setopt(pycurl.WRITEFUNCTION, body.add)
    _set_method(curl, request)
    if request.login is not None:
        curl.setopt(pycurl.USERNAME, request.login[0])
        curl.setopt(pycurl.PASSWORD, request.login[1])
    if parts.scheme == "https":
        curl.setopt(pycurl.OPT_CERTINFO, 1)
        curl.setopt(pycurl.CAINFO, authorities(request.ca_file))
        curl.setopt(pycurl.SSL_VERIFYPEER, int(request.verify))
        curl.setopt(pycurl.SSL_VERIFYHOST, 2 if request.verify else 0)


def _set_method(curl: pycurl.Curl, request: Request) -> None:
    if request.method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
        return
    if request.body is not None:
        curl.setopt(pycurl.POSTFIELDS, request.body)
    if request.method != "GET" or request.body is not None:
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)


class _Body:
    """The beginning of the answer."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.is_cut = False
        self._limit = limit

    def add(self, data: bytes) -> int:
        room = self._limit - len(self.data)
        self.data += data[:room]
        if len(data) > room:
            self.is_cut = True
            return 0  # enough: libcurl hangs up
        return len(data)


def _phases(curl: pycurl.Curl) -> Phases:
    """libcurl counts each from the beginning; a phase that was not reached is 0."""
    dns = curl.getinfo(pycurl.NAMELOOKUP_TIME)
    connected = curl.getinfo(pycurl.CONNECT_TIME)
    secured = curl.getinfo(pycurl.APPCONNECT_TIME)
    first = curl.getinfo(pycurl.STARTTRANSFER_TIME)
    ready = max(connected, secured)
    return Phases(
        dns_s=dns,
        connect_s=max(0.0, connected - dns),
        tls_s=max(0.0, secured - connected) if secured else 0.0,
        first_byte_s=max(0.0, first - ready) if first else 0.0,
        total_s=curl.getinfo(pycurl.TOTAL_TIME),
    )


def _certificates(curl: pycurl.Curl) -> tuple[Certificate, ...]:
    """The server's own certificate; none where the handshake failed, or where a connection was used again."""
    chain = curl.getinfo(pycurl.INFO_CERTINFO)
    for key, value in chain[0] if chain else ():
        if key == "Cert":
            try:
                return (read_pem(value),)
            except ValueError:
                return ()
    return ()


def _say(code: int, words: str, timeout_s: float, curl: pycurl.Curl) -> str:
    if code == pycurl.E_OPERATION_TIMEDOUT:
        phase = "a connection"
        if curl.getinfo(pycurl.CONNECT_TIME) > 0:
            phase = "the rest of the answer" if curl.getinfo(pycurl.STARTTRANSFER_TIME) > 0 else "an answer"
        return f"no end after {timeout_s:.1f} s of waiting for {phase}"
    if code == pycurl.E_COULDNT_CONNECT:
        return (
            "connection refused"
            if "refused" in words.lower() or curl.getinfo(pycurl.OS_ERRNO) == errno.ECONNREFUSED
            else words
        )
    if code == NOT_TRUSTED:
        why = words.removeprefix("SSL certificate problem: ").removeprefix("SSL certificate OpenSSL verify result: ")
        return f"the certificate is not trusted: {why}"
    return words or f"libcurl error {code}"


def _fits_family(request: Request) -> bool:
    """libcurl connects to a literal address of the other family all the same."""
    try:
        literal = ipaddress.ip_address(urlsplit(request.url).hostname or "")
    except ValueError:
        return True
    return request.family in ("any", f"ipv{literal.version}")


def _place(url: str) -> str:
    """Scheme, host and port, never user, path or query: those may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "the url"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"

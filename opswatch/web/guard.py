"""The doorkeeper, before any page: limits on rate, size, time and crowd, and the headers that every answer carries."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opswatch import clock, logs
from opswatch.web.clients import Client
from opswatch.web.limits import Allowance, Buckets

log = logs.get("web")

BODY_MAX = 64 * 1024
BODY_TIMEOUT_S = 10.0
AT_ONCE_MAX = 24  # requests being answered; the rest of the pool of threads is for who asks whether we live
SIGNED = ("/ack/", "/ical/", "/heartbeat/")  # addresses that are themselves a key: neither logged nor handed on
SILENCES = ("/api/v2/silences", "/api/v2/silence/")  # as Alertmanager has them
REPORTS = ("/heartbeat/",)  # where machines say what they saw
FOR_MACHINES = ("/healthz", "/readyz", "/metrics")
ALLOWANCES: Mapping[str, Allowance] = {
    "machine": Allowance(burst=60, per_s=10),
    "report": Allowance(burst=600, per_s=100),
    "look": Allowance(burst=120, per_s=20),  # a whole team may sit behind one address
    "say": Allowance(burst=30, per_s=1),
    "silence": Allowance(burst=600, per_s=10),  # `amtool silence import` brings all of an old Alertmanager's at once
    "stranger": Allowance(burst=20, per_s=0.5),  # what was refused for who they are: guessing ends here
}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Stands around the application. `client` says who asks, from the peer's address and the headers."""

    def __init__(
        self,
        app: ASGIApp,
        client: Callable[[Scope], Client],
        *,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
        allowances: Mapping[str, Allowance] = ALLOWANCES,
    ) -> None:
        self._app = app
        self._client = client
        self._buckets = {name: Buckets(each, monotonic_s=monotonic_s) for name, each in allowances.items()}
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        client = self._client(scope)
        answer = _Answer(scope, send)
        if wait_s := self._wait_s(scope, client):
            # Never 429 where machines report: those that take it for an answer do not come again.
            await answer.refuse(503 if _reports(scope) else 429, "Too many requests: please wait a moment.", wait_s)
            return
        body = await _body(scope, receive)
        if isinstance(body, int):
            await answer.refuse(body, "That is too much." if body == 413 else "That took too long.")
            return
        is_for_machines = scope["path"] in FOR_MACHINES
        if self._at_once >= AT_ONCE_MAX and not is_for_machines:
            await answer.refuse(503, "Busy just now: please try again in a moment.", 1)
            return
        self._at_once += not is_for_machines
        try:
            await self._app(scope, _replay(body, receive), answer.send)
        finally:
            self._at_once -= not is_for_machines
        # Who goes on after that is refused, and not logged: the log must not be a stranger's to fill.
        if answer.status in (401, 403) and not self._buckets["stranger"].wait_s(client.key):
            log.info("request refused", client=client.address, path=_no_token(scope["path"]), status=answer.status)

    def _wait_s(self, scope: Scope, client: Client) -> float:
        kind = "look" if scope["method"] in ("GET", "HEAD") else "silence" if _silences(scope) else "say"
        kind = "report" if _reports(scope) else "machine" if scope["path"] in FOR_MACHINES else kind
        wait_s = self._buckets[kind].wait_s(client.key)
        if wait_s or not _shows_a_secret(scope):
            return wait_s
        return self._buckets["stranger"].wait_s(client.key, cost=0)


def _silences(scope: Scope) -> bool:
    return str(scope["path"]).startswith(SILENCES)


def _reports(scope: Scope) -> bool:
    return str(scope["path"]).startswith(REPORTS)


class _Answer:
    """The way out: every answer gets the headers, and its status is remembered."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
            # Not `no-referrer` everywhere: with it browsers send `Origin: null` even to ourselves.
            is_signed = self._scope["path"].startswith(SIGNED)
            headers.setdefault("referrer-policy", "no-referrer" if is_signed else "same-origin")
        await self._send(message)

    async def refuse(self, status: int, words: str, wait_s: float = 0) -> None:
        """Answer in a line of plain text, and close: what was not read must not be taken for the next request."""
        body = f"{words}\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        if wait_s:
            headers.append((b"retry-after", str(math.ceil(wait_s)).encode()))
        headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _shows_a_secret(scope: Scope) -> bool:
    return "authorization" in Headers(scope=scope) or (scope["method"] == "POST" and scope["path"] == "/sign-in")


def _no_token(path: str) -> str:
    return f"{path[: path.index('/', 1)]}/…" if path.startswith(SIGNED) else path[:100]


async def _body(scope: Scope, receive: Receive) -> bytes | int:
    """The whole body; 413 when it is too long, 408 when it does not come."""
    headers = Headers(scope=scope)
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return b""
    announced = headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()) or int(announced) > BODY_MAX:
        return 413
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(receive)
    except TimeoutError:
        return 408


async def _read(receive: Receive) -> bytes | int:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return 408
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_MAX:
            return 413
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body, once; then whatever comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again

"""Where others post alerts in bulk: `POST /api/v2/alerts`, as Prometheus posts them to Alertmanager.

It stands before the guard and FastAPI (decision 0012): their limits are for people, and a post goes straight to the
inbox. It has limits of its own. 200 means that every alert is durable; 400 names those that cannot be used, the others
are kept all the same; 503 with Retry-After says: post it again.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from opswatch import clock, logs, metrics
from opswatch.errors import Overloaded
from opswatch.posts import BODY_MAX, BadPost, Read, is_packed, read
from opswatch.web.auth import INGEST, Caller, Refused
from opswatch.web.door import Door
from opswatch.web.guard import HEADERS
from opswatch.web.limits import Allowance, Buckets

log = logs.get("web")

ALERTS = "/api/v2/alerts"
PROMETHEUS = "prometheus"  # the source of whoever shows no token, and the family of all who post here
AT_ONCE_MAX = 64
BYTES_AT_ONCE_MAX = 4 * BODY_MAX
BODY_TIMEOUT_S = 10.0
DURABLE_TIMEOUT_S = 8.0  # Prometheus waits ten
LARGE = 512 * 1024  # read elsewhere: who else asks meanwhile need not wait
GUESSES = Allowance(burst=20, per_s=0.5)


class Ingest:
    """Takes what is posted for the inbox; hands everything else on to `app`."""

    def __init__(self, app: ASGIApp, door: Door, *, monotonic_s: Callable[[], float] = clock.monotonic_s) -> None:
        self._app, self._door = app, door
        self._guesses = Buckets(GUESSES, monotonic_s=monotonic_s)
        self._at_once = self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != ALERTS:
            await self._app(scope, receive, send)
            return
        try:
            caller = self._admit(scope)
            size = _announced(scope)
            if self._at_once >= AT_ONCE_MAX or self._bytes + size > BYTES_AT_ONCE_MAX:
                raise Overloaded(f"{self._at_once} posts are being read: post again in a moment")
            self._at_once += 1
            self._bytes += size
            try:
                found = await self._accept(receive, size, caller.token or PROMETHEUS)
            finally:
                self._at_once -= 1
                self._bytes -= size
        except _Wrong as wrong:
            await _answer(send, wrong.status, wrong.words, close=True)
        except BadPost as bad:
            await _answer(send, 400, str(bad))
        except Overloaded as busy:
            await _answer(send, 503, str(busy), retry_after_s=busy.retry_after_s, close=True)
        else:
            await _answer(send, 400 if found.problems else 200, "\n".join(found.problems))

    async def _accept(self, receive: Receive, size: int, source: str) -> Read:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _body(receive, size)
        except TimeoutError:
            raise _Wrong(408, "the body did not come within 10 s") from None
        try:
            is_work = len(body) > LARGE or is_packed(body)
            found = await asyncio.to_thread(read, body) if is_work else read(body)
        except BadPost:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="invalid").inc()
            raise
        if found.problems:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="invalid").inc(len(found.problems))
            log.warning("some posted alerts cannot be used", source=source, problems=len(found.problems))
        durable = asyncio.wrap_future(self._door.office.inbox.submit(found, source, PROMETHEUS))
        try:
            async with asyncio.timeout(DURABLE_TIMEOUT_S):
                await durable
        except TimeoutError:
            raise Overloaded("the store takes too long: post again in a moment") from None
        return found

    def _admit(self, scope: Scope) -> Caller:
        """Who posts, if they may. A page in a browser on this machine may not: it cannot send JSON here unasked."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        client = self._door.client(scope)
        if "authorization" in headers and (wait_s := self._guesses.wait_s(client.key, cost=0)):
            raise Overloaded("too many wrong tokens from there", retry_after_s=wait_s)
        caller = self._door.gate.caller(client, headers, None, self._door.now())
        try:
            self._door.gate.admit(caller, INGEST, headers)
        except Refused as refused:
            self._guesses.wait_s(client.key)
            words = "a token that may ingest is needed: Authorization: Bearer …"
            raise _Wrong(refused.status, words) from None
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _Wrong(415, f"content-type {kind or 'is missing'}: application/json is expected")
        return caller


class _Wrong(Exception):
    """Answered with this status, in these words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def _announced(scope: Scope) -> int:
    """How long the body will be, as its sender says. Raises _Wrong."""
    given = next((value for name, value in scope["headers"] if name == b"content-length"), None)
    if given is None:
        return BODY_MAX  # It comes in chunks: as much as may come.
    size = int(given) if given.isdigit() and len(given) < 12 else BODY_MAX + 1
    if size > BODY_MAX:
        raise _Wrong(413, f"at most {BODY_MAX} bytes are taken: post fewer alerts at once")
    return size


async def _body(receive: Receive, size: int) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Wrong(408, "the sender hung up")
        parts.append(message.get("body", b""))
        if sum(map(len, parts)) > size:
            raise _Wrong(413, f"at most {BODY_MAX} bytes are taken: post fewer alerts at once")
        if not message.get("more_body", False):
            return b"".join(parts)


async def _answer(
    send: Send, status: int, words: str = "", *, retry_after_s: float | None = None, close: bool = False
) -> None:
    """Errors are a JSON string, as Alertmanager's. What was not read must not be taken for the next request."""
    body = json.dumps(words, ensure_ascii=False).encode("utf-8", "replace") if words else b""
    headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
    if words:
        headers.append((b"content-type", b"application/json"))
    if retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(retry_after_s))).encode()))
    if close:
        headers.append((b"connection", b"close"))
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="opswatch"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _raw(headers: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


_HEADERS = _raw({**HEADERS, "cache-control": "no-store"})

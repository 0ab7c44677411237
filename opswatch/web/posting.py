"""What every door for alerts of others shares: who may post, how much at once, and how it is answered.

They stand before the guard and FastAPI (decision 0012), whose limits are for people. 503 with Retry-After says: post it
again; never 429, which Alertmanager does not do.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Receive, Scope, Send

from opswatch import clock
from opswatch.errors import Overloaded
from opswatch.posts import BODY_MAX
from opswatch.web.auth import INGEST, Caller, Refused
from opswatch.web.clients import Client
from opswatch.web.door import Door
from opswatch.web.guard import HEADERS
from opswatch.web.limits import Allowance, Buckets

AT_ONCE_MAX = 64
BYTES_AT_ONCE_MAX = 4 * BODY_MAX
BODY_TIMEOUT_S = 10.0
DURABLE_TIMEOUT_S = 8.0  # Prometheus waits ten
GUESSES = Allowance(burst=20, per_s=0.5)
A_TOKEN = "a token that may ingest is needed: Authorization: Bearer …, or as the password of Basic"


class Wrong(Exception):
    """Answered with this status, in these words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Entrance:
    """One for all the doors of one process: what they read at once is bounded together."""

    def __init__(self, door: Door, *, monotonic_s: Callable[[], float] = clock.monotonic_s) -> None:
        self._door = door
        self._guesses = Buckets(GUESSES, monotonic_s=monotonic_s)
        self._at_once = self._bytes = 0

    def admit(self, scope: Scope, headers: Mapping[str, str]) -> Caller:
        """Who posts, if they may. Raises Wrong, Overloaded."""
        client = self._door.client(scope)
        if "authorization" in headers:
            self.check_guesses(client)
        caller = self._door.gate.caller(client, _with_password(headers), None, self._door.now())
        try:
            self._door.gate.admit(caller, INGEST, headers)
        except Refused as refused:
            raise self.guessed(client, Wrong(refused.status, A_TOKEN)) from None
        return caller

    def check_guesses(self, client: Client) -> None:
        """Raises Overloaded for who has tried too many secrets."""
        if wait_s := self._guesses.wait_s(client.key, cost=0):
            raise Overloaded("too many wrong tokens from there", retry_after_s=wait_s)

    def guessed(self, client: Client, why: Wrong) -> Wrong:
        """One more wrong secret from there."""
        self._guesses.wait_s(client.key)
        return why

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """For a body of so many bytes. Raises Overloaded when too many are being read."""
        if self._at_once >= AT_ONCE_MAX or self._bytes + size > BYTES_AT_ONCE_MAX:
            raise Overloaded(f"{self._at_once} posts are being read: post again in a moment")
        self._at_once += 1
        self._bytes += size
        try:
            yield
        finally:
            self._at_once -= 1
            self._bytes -= size


def headers_of(scope: Scope) -> dict[str, str]:
    """Names in small letters; of several of one name the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def content_type(headers: Mapping[str, str]) -> str:
    """`application/json`, without what follows it."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def announced(headers: Mapping[str, str], most: int = BODY_MAX) -> int:
    """How long the body will be, as its sender says. Raises Wrong."""
    given = headers.get("content-length")
    if given is None:
        return most  # It comes in chunks: as much as may come.
    size = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else most + 1
    if size > most:
        raise too_long(most)
    return size


async def read_body(receive: Receive, size: int, most: int = BODY_MAX) -> bytes:
    """The body, of at most `size` bytes. Raises Wrong when it is longer, or does not come."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _body(receive, size, most)
    except TimeoutError:
        raise Wrong(408, "the body did not come within 10 s") from None


async def _body(receive: Receive, size: int, most: int) -> bytes:
    parts: list[bytes] = []
    have = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Wrong(408, "the sender hung up")
        parts.append(message.get("body", b""))
        have += len(parts[-1])
        if have > size:
            raise too_long(most)
        if not message.get("more_body", False):
            return b"".join(parts)


def too_long(most: int) -> Wrong:
    return Wrong(413, f"at most {most} bytes are taken: post fewer alerts at once")


async def durable(accepted: Future[None]) -> None:
    """Wait until it is safe. Raises Overloaded."""
    try:
        async with asyncio.timeout(DURABLE_TIMEOUT_S):
            await asyncio.wrap_future(accepted)
    except TimeoutError:
        raise Overloaded("the store takes too long: post again in a moment") from None


async def answer(
    send: Send, status: int, words: object = "", *, retry_after_s: float | None = None, close: bool = False
) -> None:
    """Words are JSON, errors a string as Alertmanager's. What was not read must not be taken for the next request."""
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


def _with_password(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Many senders can show a name and a password only: the password is the token, the name is theirs to choose."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return headers
    try:
        password = base64.b64decode(given.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        password = ""
    return {**headers, "authorization": f"Bearer {password}"}


def _raw(headers: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


_HEADERS = _raw({**HEADERS, "cache-control": "no-store"})

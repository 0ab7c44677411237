"""Where others post alerts in bulk: `POST /api/v2/alerts`, as Prometheus posts them to Alertmanager.

It stands before the guard and FastAPI (decision 0012): their limits are for people, and a post goes straight to the
inbox. It has limits of its own. 200 means that every alert is durable; 400 names those that cannot be used, the others
are kept all the same; 503 with Retry-After says: post it again.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from opswatch import logs, metrics
from opswatch.errors import Overloaded
from opswatch.posts import BadPost, Read, is_packed, read
from opswatch.web.auth import Caller
from opswatch.web.door import Door
from opswatch.web.posting import Entrance, Wrong, announced, answer, content_type, durable, headers_of, read_body

log = logs.get("web")

ALERTS = "/api/v2/alerts"
PROMETHEUS = "prometheus"  # the source of whoever shows no token, and the family of all who post here
LARGE = 512 * 1024  # read elsewhere: who else asks meanwhile need not wait


class Ingest:
    """Takes what is posted for the inbox; hands everything else on to `app`."""

    def __init__(self, app: ASGIApp, door: Door, entrance: Entrance) -> None:
        self._app, self._door, self._entrance = app, door, entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != ALERTS:
            await self._app(scope, receive, send)
            return
        try:
            caller = self._admit(scope)
            size = announced(headers_of(scope))
            async with self._entrance.room(size):
                found = await self._accept(receive, size, caller.token or PROMETHEUS)
        except Wrong as wrong:
            await answer(send, wrong.status, wrong.words, close=True)
        except BadPost as bad:
            await answer(send, 400, str(bad))
        except Overloaded as busy:
            await answer(send, 503, str(busy), retry_after_s=busy.retry_after_s, close=True)
        else:
            await answer(send, 400 if found.problems else 200, "\n".join(found.problems))

    async def _accept(self, receive: Receive, size: int, source: str) -> Read:
        body = await read_body(receive, size)
        try:
            is_work = len(body) > LARGE or is_packed(body)
            found = await asyncio.to_thread(read, body) if is_work else read(body)
        except BadPost:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="invalid").inc()
            raise
        if found.problems:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="invalid").inc(len(found.problems))
            log.warning("some posted alerts cannot be used", source=source, problems=len(found.problems))
        await durable(self._door.office.inbox.submit(found, source, PROMETHEUS))
        return found

    def _admit(self, scope: Scope) -> Caller:
        """Who posts, if they may. A page in a browser on this machine may not: it cannot send JSON here unasked."""
        headers = headers_of(scope)
        caller = self._entrance.admit(scope, headers)
        if (kind := content_type(headers)) != "application/json":
            raise Wrong(415, f"content-type {kind or 'is missing'}: application/json is expected")
        return caller

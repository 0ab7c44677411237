"""Where webhooks are posted: `/hooks/alertmanager`, `/hooks/grafana`, `/hooks/generic/ID`, and lines
of Nagios at `/hooks/nagios`.

200 means that every alert that can be used is durable; 400 names those that cannot, the others are kept all the same
(Alertmanager posts nothing again after a 4xx: what is good must not wait for what is bad); 503 with Retry-After says:
post it again. Who posts shows a token that may ingest, or signs the body with the hook's secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from starlette.types import ASGIApp, Receive, Scope, Send

from opswatch import logs, metrics, passive
from opswatch.config import HookSettings
from opswatch.config.settings import BUILT_IN
from opswatch.errors import Overloaded
from opswatch.hooks import BODY_MAX, Found, read
from opswatch.posts import RESULTS, BadPost, Read, is_packed
from opswatch.web.door import Door
from opswatch.web.posting import Entrance, Wrong, announced, answer, content_type, durable, headers_of, read_body

log = logs.get("web")

ROOT = "/hooks/"
GENERIC = "/hooks/generic/"
NAGIOS = "nagios"
LARGE = 64 * 1024  # read elsewhere: who else asks meanwhile need not wait


class Hooks:
    """Takes what webhooks say; hands everything else on to `app`."""

    def __init__(self, app: ASGIApp, door: Door, entrance: Entrance) -> None:
        self._app, self._door, self._entrance = app, door, entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(ROOT):
            await self._app(scope, receive, send)
            return
        hook = self._hook(scope["path"])
        outcome = "invalid"
        try:
            found = await self._take(hook, scope, receive)
        except Wrong as wrong:
            outcome = "refused" if wrong.status in (401, 403) else "invalid"
            await answer(send, wrong.status, {"error": wrong.words}, close=True)
        except BadPost as bad:
            await answer(send, 400, {"error": str(bad)})
        except Overloaded as busy:
            outcome = "overload"
            await answer(send, 503, {"error": str(busy)}, retry_after_s=busy.retry_after_s, close=True)
        else:
            outcome = _outcome(found)
            await answer(send, 400 if found.read.problems else 200, _said(found))
        if hook is not None:  # Names of strangers must not become labels.
            metrics.hook_posts_total.labels(hook=hook.id, outcome=outcome).inc()

    async def _take(self, hook: HookSettings | None, scope: Scope, receive: Receive) -> Found:
        headers = headers_of(scope)
        signature = headers.get(hook.signature.lower()) if hook is not None and hook.secret is not None else None
        token = None if signature is not None else self._admit(scope, headers)
        if hook is None:
            raise Wrong(404, self._unknown(scope["path"]))
        if signature is not None:
            self._entrance.check_guesses(self._door.client(scope))
        size = announced(headers, BODY_MAX)
        async with self._entrance.room(size):
            body = await read_body(receive, size, BODY_MAX)
            if signature is not None and not _is_signed(body, hook, signature):
                why = Wrong(401, f"the signature in {hook.signature} is not that of this body and the hook's secret")
                raise self._entrance.guessed(self._door.client(scope), why)
            return await self._accept(hook, body, token)

    async def _accept(self, hook: HookSettings, body: bytes, token: str | None) -> Found:
        now = self._door.now()
        if hook.id == NAGIOS:
            return await self._accept_lines(hook, body, token, now)
        is_work = len(body) > LARGE or is_packed(body)
        found = await asyncio.to_thread(read, hook, body, now) if is_work else read(hook, body, now)
        source = source_of(hook, token)
        if found.read.problems:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="invalid").inc(len(found.read.problems))
        if found.read.problems or found.notes:
            log.warning(
                "a webhook can be used in part",
                hook=hook.id,
                problems=len(found.read.problems),
                first=(*found.read.problems, *found.notes)[0][:300],
            )
        await durable(self._door.office.inbox.submit(found.read, source, hook.family))
        return found

    async def _accept_lines(self, hook: HookSettings, body: bytes, token: str | None, now: datetime) -> Found:
        """Results of passive checks: text, a line each."""
        lines = body.decode("utf-8-sig", "replace")
        told = await asyncio.to_thread(passive.read, lines, self._door.plan, hook, now)
        source, inbox = source_of(hook, token), self._door.office.inbox
        if told.problems:
            metrics.inbox_refused_alerts_total.labels(source=source, reason="invalid").inc(len(told.problems))
            log.warning(
                "some passive results cannot be used", problems=len(told.problems), first=told.problems[0][:300]
            )
        accepted = [inbox.submit(told.results, source, RESULTS), inbox.submit(told.others, source, hook.family)]
        for one in accepted:
            await durable(one)
        both = (*told.results.alerts, *told.others.alerts)
        return Found(Read(both, (*told.problems, *told.others.problems)))

    def _admit(self, scope: Scope, headers: Mapping[str, str]) -> str | None:
        """The token that was shown; None on this machine, where none is needed: but no page in a browser may post from
        here, and one cannot send JSON unasked."""
        caller = self._entrance.admit(scope, headers)
        if scope["method"] != "POST":
            raise Wrong(405, "POST is expected")
        if scope["path"] == ROOT + NAGIOS:
            if caller.token is None and ("origin" in headers or headers.get("sec-fetch-site", "none") != "none"):
                raise Wrong(403, "a page in a browser may not post here without a token")
        elif caller.token is None and (kind := content_type(headers)) != "application/json":
            raise Wrong(415, f"content-type {kind or 'is missing'}: application/json is expected")
        return caller.token

    def _hook(self, path: str) -> HookSettings | None:
        known = self._door.office.settings.hooks
        if path.startswith(GENERIC):
            hook = known.get(path.removeprefix(GENERIC))
            return hook if hook is not None and hook.mapping is not None else None
        name = path.removeprefix(ROOT)
        return known.get(name) if name in BUILT_IN else None

    def _unknown(self, path: str) -> str:
        from opswatch.config.suggest import listed, nearest

        paths = [hook.path for hook in self._door.office.settings.hooks.values()]
        near = nearest(path[:200], paths)
        return f"no hook is posted there; {f'did you mean {near}?' if near else f'there are {listed(paths)}'}"


def source_of(hook: HookSettings, token: str | None) -> str:
    """Who posts: of hooks that several may use the token, so that it is seen when one of them falls silent."""
    return hook.id if hook.mapping is not None else token or hook.id


def _is_signed(body: bytes, hook: HookSettings, given: str) -> bool:
    assert hook.secret is not None
    expected = hmac.new(hook.secret.reveal().encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), given.strip().removeprefix("sha256=").lower().encode("latin-1"))


def _outcome(found: Found) -> str:
    if found.read.problems:
        return "partly" if found.read.alerts else "invalid"
    return "accepted" if found.read.alerts or not found.ignored else "ignored"


def _said(found: Found) -> dict[str, object]:
    said: dict[str, object] = {"accepted": len(found.read.alerts), "ignored": found.ignored}
    if found.read.problems:
        said["problems"] = list(found.read.problems)
    return said | ({"notes": list(found.notes)} if found.notes else {})

"""`/heartbeat/{key}`: scheduled jobs report here. The key says which one, and is all that is asked for."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from opswatch.core.events import Pinged
from opswatch.links import BadLink
from opswatch.web.door import Door

KEY_MAX = 512
TEXT_MAX = 10_000  # letters of output that are looked at: its end
RUN_MAX = 64
EXIT_MAX = 255
METHODS = ["GET", "HEAD", "POST"]
KIND = "heartbeat:"


def add_heartbeats(app: FastAPI, door: Door) -> None:
    """`/heartbeat/{key}` is a success; `/start`, `/fail`, `/log` and `/{exit code}` say otherwise. The body may be the
    end of the job's output; `?rid=` tells runs that overlap from each other."""

    async def report(request: Request, key: str, what: str = "success") -> Response:
        kind, exit_code = _said(what)
        body = (await request.body())[-4 * TEXT_MAX :].decode("utf-8", "replace")[-TEXT_MAX:]
        run = request.query_params.get("rid", "")[:RUN_MAX]
        event = Pinged(_heartbeat(door, key), kind, door.now(), exit_code, run, body)
        await run_in_threadpool(door.office.desk.apply, event)  # Answered only once it is stored.
        return PlainTextResponse("OK\n")

    app.add_api_route("/heartbeat/{key}", report, methods=METHODS, include_in_schema=False)
    app.add_api_route("/heartbeat/{key}/{what}", report, methods=METHODS, include_in_schema=False)


def _said(what: str) -> tuple[str, int | None]:
    """The kind of sign, and the exit code where it is one."""
    if what in ("success", "start", "fail", "log"):
        return what, None
    if what.isascii() and what.isdigit() and int(what) <= EXIT_MAX:
        return ("success", 0) if int(what) == 0 else ("fail", int(what))
    raise HTTPException(404)


def _heartbeat(door: Door, key: str) -> str:
    """Which one; a stranger is not told whether it is gone or was never given out."""
    try:
        what, number = door.office.links.read_feed(key if len(key) <= KEY_MAX else "")
    except BadLink:
        raise HTTPException(404) from None
    name = what.removeprefix(KIND)
    is_good = what.startswith(KIND) and number == door.office.settings.web.feed_number(what)
    if not is_good or name not in door.plan.heartbeats:
        raise HTTPException(404)
    return name

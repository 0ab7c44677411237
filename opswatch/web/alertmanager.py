"""Alertmanager's API v2, for amtool, karma, Grafana and whoever else knows it. Alerts are posted at `web/ingest.py`.

Errors are JSON strings, lists are never null, instants have milliseconds: its clients insist on all three.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from opswatch import __version__
from opswatch.assemble import linear_fullmatch
from opswatch.core.matchers import MATCHERS_MAX, Matcher, check_matcher, read_matcher
from opswatch.errors import Conflict, StoreUnavailable
from opswatch.web import am_alerts, am_silences
from opswatch.web.am_routes import Receivers, config_of
from opswatch.web.am_silences import ACTIVE, EXPIRED, PENDING, Wrong
from opswatch.web.auth import ACT, INGEST, READ, Caller, Refused
from opswatch.web.clients import is_same_origin
from opswatch.web.door import Door
from opswatch.web.pages import GET

API = "/api/v2"
SPEAKS = "0.27.0"  # Clients look at the version to know what they may ask for.
NODE_LIVES = timedelta(seconds=30)
TRUE, FALSE = frozenset({"true", "1", "t", "yes", "on"}), frozenset({"false", "0", "f", "no", "off"})


def add_alertmanager(app: FastAPI, door: Door) -> None:
    """`/api/v2/…`, `/-/healthy`, `/-/ready`. The description of our own API leaves them out: Alertmanager has one."""
    started_at = door.now()

    def add(path: str, method: str, answer: Callable[[Request, bytes], Response]) -> None:
        async def endpoint(request: Request) -> Response:
            body = await request.body()  # The guard has bounded it.
            return await run_in_threadpool(_answered, answer, request, body)

        methods = GET if method == "GET" else [method]
        app.add_api_route(API + path, endpoint, methods=[*methods], include_in_schema=False)

    def alerts(request: Request, _: bytes) -> Response:
        door.admit(request, READ)
        return _json([one.as_json() for one in am_alerts.shown(door, _wanted(request))])

    def groups(request: Request, _: bytes) -> Response:
        door.admit(request, READ)
        return _json(am_alerts.grouped(am_alerts.shown(door, _wanted(request))))

    def receivers(request: Request, _: bytes) -> Response:
        door.admit(request, READ)
        return _json([{"name": name} for name in Receivers(door.plan).names])

    def status(request: Request, _: bytes) -> Response:
        door.admit(request, READ)
        return _json(_status(door, started_at))

    def list_silences(request: Request, _: bytes) -> Response:
        door.admit(request, READ)
        states = frozenset(state for state in (ACTIVE, PENDING, EXPIRED) if _flag(request, state))
        return _json([one.as_json() for one in am_silences.listed(door, _filters(request), states)])

    def get_silence(request: Request, _: bytes) -> Response:
        door.admit(request, READ)
        return _json(am_silences.find(door, request.path_params["name"]).as_json())

    def post_silence(request: Request, body: bytes) -> Response:
        caller = _may_silence(door, request)
        name = am_silences.post(door, _read(request, body), caller.person, _called(caller))
        return _json({"silenceID": name})

    def delete_silence(request: Request, _: bytes) -> Response:
        caller = _may_silence(door, request)
        am_silences.expire(door, request.path_params["name"], caller.person or _called(caller))
        return Response()

    add("/alerts", "GET", alerts)
    add("/alerts/groups", "GET", groups)
    add("/receivers", "GET", receivers)
    add("/status", "GET", status)
    add("/silences", "GET", list_silences)
    add("/silences", "POST", post_silence)
    add("/silence/{name}", "GET", get_silence)
    add("/silence/{name}", "DELETE", delete_silence)

    @app.api_route("/-/healthy", methods=GET, include_in_schema=False)
    def healthy() -> Response:
        """As `/healthz`."""
        return _stands(door.health().alive)

    @app.api_route("/-/ready", methods=GET, include_in_schema=False)
    def ready() -> Response:
        """As `/readyz`."""
        health = door.health()
        return _stands(health.alive and health.ready)


def trouble(words: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An error, as the clients of this API read one."""
    return Response(json.dumps(words, ensure_ascii=False), status, headers=headers, media_type="application/json")


# ---------------------------------------------------------------------------------------------------------------------


def _answered(answer: Callable[[Request, bytes], Response], request: Request, body: bytes) -> Response:
    try:
        return answer(request, body)
    except Wrong as wrong:
        return trouble(wrong.words, wrong.status)
    except Refused as refused:
        words = "a token that may do this is needed: Authorization: Bearer …"
        asked = {"www-authenticate": 'Bearer realm="opswatch"'} if refused.status == 401 else None
        return trouble(words, refused.status, asked)
    except (StoreUnavailable, Conflict):
        return trouble("the store cannot be reached just now", 503, {"retry-after": "2"})


def _json(value: object) -> Response:
    return JSONResponse(value)


def _stands(well: bool) -> Response:
    return PlainTextResponse("OK" if well else "not well", 200 if well else 503)


def _may_silence(door: Door, request: Request) -> Caller:
    """Who may: a token or a session that may act; and whoever is on this machine, where loopback may do something. A
    page of a stranger in a browser here is not: it cannot send JSON to us unasked, nor DELETE."""
    caller = door.caller(request)
    if ACT in caller.may or caller.token is not None or INGEST not in caller.may:
        door.gate.admit(caller, ACT, request.headers)
    elif _is_a_browser(request) and not is_same_origin(request.headers, door.office.settings.public_url):
        raise Refused("cross_site", 403)
    return caller


def _is_a_browser(request: Request) -> bool:
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def _called(caller: Caller) -> str:
    """What the timeline calls who gave no name."""
    return caller.token or "loopback"


def _read(request: Request, body: bytes) -> object:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Wrong(415, f"content-type {kind or 'is missing'}: application/json is expected")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise Wrong(400, f"the body is not JSON: {problem}") from None


def _wanted(request: Request) -> am_alerts.Wanted:
    return am_alerts.Wanted(
        _filters(request),
        active=_flag(request, "active"),
        silenced=_flag(request, "silenced"),
        inhibited=_flag(request, "inhibited"),
        muted=_flag(request, "muted"),
        receiver=_receiver(request.query_params.get("receiver", "")),
    )


def _flag(request: Request, name: str) -> bool:
    """What is neither true nor false is refused: taken for either, somebody would not see what fails."""
    given = request.query_params.get(name, "true").lower()
    if given not in TRUE | FALSE:
        raise Wrong(400, f"{name} = {given[:20]!r}: true or false is expected")
    return given in TRUE


def _filters(request: Request) -> tuple[Matcher, ...]:
    given = request.query_params.getlist("filter")
    if len(given) > MATCHERS_MAX:
        raise Wrong(400, f"{len(given)} filters: at most {MATCHERS_MAX} are taken")
    regex = linear_fullmatch()
    try:
        found = tuple(read_matcher(text) for text in given)
        for one in found:
            check_matcher(one, regex)
    except ValueError as problem:
        raise Wrong(400, str(problem)) from None
    return found


def _receiver(pattern: str) -> Callable[[str], bool]:
    if not pattern:
        return lambda name: True
    regex = linear_fullmatch()
    try:
        regex(pattern, "")
    except ValueError as problem:
        raise Wrong(400, f"failed to parse receiver param: {problem}") from None
    return lambda name: regex(pattern, name)


def _status(door: Door, started_at: datetime) -> dict[str, Any]:
    now = door.now()
    living = [
        node
        for node, (seen, facts) in sorted(door.office.store.nodes().items())
        if now - seen < NODE_LIVES and not facts.get("stopped")
    ]
    return {
        "cluster": {
            "name": door.plan.node,
            "peers": [{"address": node, "name": node} for node in living],
            "status": "ready",
        },
        "config": {"original": config_of(door.plan, now)},
        "uptime": am_alerts.said_at(started_at),
        "versionInfo": {
            "branch": "opswatch",
            "buildDate": "",
            "buildUser": "opswatch",
            "goVersion": f"none: Python {sys.version.split()[0]}",
            "revision": __version__,
            "version": f"{SPEAKS}+opswatch.{__version__}",
        },
    }

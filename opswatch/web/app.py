"""The application: every address of the web door, and what is answered when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from opswatch import __version__, clock, metrics
from opswatch.errors import Conflict, StoreUnavailable
from opswatch.web.ack import add_links
from opswatch.web.ahead import add_ahead
from opswatch.web.alertmanager import API as ALERTMANAGER
from opswatch.web.alertmanager import add_alertmanager, trouble
from opswatch.web.api import add_api
from opswatch.web.auth import READ, Refused
from opswatch.web.door import Door, static
from opswatch.web.guard import Guard
from opswatch.web.heartbeats import add_heartbeats
from opswatch.web.history import add_history
from opswatch.web.hooks import Hooks
from opswatch.web.ical import add_ical
from opswatch.web.ingest import Ingest
from opswatch.web.pages import GET, NotFound, add_pages, sign_in_page
from opswatch.web.posting import Entrance
from opswatch.web.reports import add_reports

FOR_EVER = "public, max-age=31536000, immutable"  # their address changes with their content


def make_app(door: Door, *, monotonic_s: Callable[[], float] = clock.monotonic_s) -> ASGIApp:
    """Everything that HTTP reaches, behind the guard. `monotonic_s` is what limits count by."""
    app = FastAPI(title="opswatch", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    add_for_machines(app, door)
    add_api(app, door)
    add_pages(app, door)
    add_ahead(app, door)
    add_reports(app, door)
    add_history(app, door)
    add_links(app, door)
    add_ical(app, door)
    add_alertmanager(app, door)
    add_heartbeats(app, door)
    add_troubles(app, door)
    entrance = Entrance(door, monotonic_s=monotonic_s)
    inner = Hooks(Guard(app, door.client, monotonic_s=monotonic_s), door, entrance)
    return Ingest(inner, door, entrance)


def add_for_machines(app: FastAPI, door: Door) -> None:
    """Are we alive, can we page, our numbers, and what pages are drawn with."""

    @app.api_route("/healthz", methods=GET, include_in_schema=False)
    def healthz(request: Request) -> Response:
        """Whether the loops turn. Open to everybody."""
        return _stands(request, door.health().alive, "alive", "not alive")

    @app.api_route("/readyz", methods=GET, include_in_schema=False)
    def readyz(request: Request) -> Response:
        """Whether a page would reach somebody now. Open to everybody."""
        health = door.health()
        return _stands(request, health.alive and health.ready, "ready", "not ready")

    def _stands(request: Request, well: bool, yes: str, no: str) -> Response:
        # Problems hold names of people, rosters and hosts: not for strangers.
        problems = door.health().problems if door.caller(request).may_read else ()
        return PlainTextResponse("\n".join([yes if well else no, *problems, ""]), 200 if well else 503)

    @app.api_route("/metrics", methods=GET, include_in_schema=False)
    def numbers(request: Request) -> Response:
        door.admit(request, READ)
        return Response(metrics.text(), headers={"content-type": metrics.content_type()})

    @app.api_route("/static/{name}", methods=GET, include_in_schema=False)
    def drawn_with(name: str) -> Response:
        found = static(name)
        if found is None:
            raise HTTPException(404)
        return Response(found[0], media_type=found[1], headers={"cache-control": FOR_EVER})


def add_troubles(app: FastAPI, door: Door) -> None:
    """What is answered when there is no answer: a page for browsers, JSON for the API, a line for the rest."""

    @app.exception_handler(Refused)
    def refused(request: Request, why: Refused) -> Response:
        if _wants_html(request) and why.status == 401:
            words = door.words(request, None)
            return sign_in_page(door, request, why=words.say("error.sign_in"), status=401)
        url = door.office.settings.public_url + "/"
        answer = _trouble(door, request, f"error.{why.key}", why.status, url=url)
        if why.status == 401:
            answer.headers["www-authenticate"] = 'Bearer realm="opswatch"'
        return answer

    @app.exception_handler(NotFound)
    def not_found(request: Request, what: NotFound) -> Response:
        return _trouble(door, request, what.title, 404, what.text, **what.facts)

    @app.exception_handler(HTTPException)
    def http(request: Request, trouble: HTTPException) -> Response:
        status = trouble.status_code
        is_ours = trouble.detail != HTTPStatus(status).phrase
        if request.url.path.startswith("/api/") and is_ours:
            return JSONResponse({"error": trouble.detail}, status, headers=trouble.headers)
        key = {404: "error.not_found", 405: "error.no_method"}.get(status, "error.bad_request")
        answer = _trouble(door, request, key, status, "error.not_found_text" if status == 404 else "")
        answer.headers.update(trouble.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, trouble: RequestValidationError) -> Response:
        # What was given is not sent back: it may be somebody's token in the wrong place.
        where = [".".join(str(part) for part in one["loc"]) + ": " + one["msg"] for one in trouble.errors()]
        return JSONResponse({"error": "; ".join(where)[:1000]}, 422)

    @app.exception_handler(StoreUnavailable)
    @app.exception_handler(Conflict)
    def no_store(request: Request, trouble: Exception) -> Response:
        answer = _trouble(door, request, "error.store", 503)
        answer.headers["retry-after"] = "2"
        return answer

    @app.exception_handler(Exception)
    def ours(request: Request, trouble: Exception) -> Response:
        return _trouble(door, request, "error.ours", 500)  # uvicorn logs it, with where it came from


def _trouble(door: Door, request: Request, title: str, status: int, text: str = "", **facts: object) -> Response:
    words = door.words(request, None)
    said = words.say(title, **facts)
    if request.url.path.startswith(f"{ALERTMANAGER}/"):
        return trouble(said, status)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": said}, status)
    if not _wants_html(request):
        return PlainTextResponse(f"{said}\n", status)
    more = words.say(text, **facts) if text else ""
    return door.page(request, "message", words, status=status, title=said, text=more)


def _wants_html(request: Request) -> bool:
    is_page = not request.url.path.startswith(("/api/", "/metrics", "/static/"))
    return is_page and "text/html" in request.headers.get("accept", "")

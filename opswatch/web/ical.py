"""`/ical/{key}.ics`: calendars to subscribe to. The key says whose, and is all that is asked for."""

from __future__ import annotations

import hashlib

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from opswatch.links import BadLink
from opswatch.render.ical import unstamped
from opswatch.web.door import Door
from opswatch.web.pages import GET

KEY_MAX = 512
DAYS = 180
PAST_DAYS = 31
MEDIA = "text/calendar; charset=utf-8"


def add_ical(app: FastAPI, door: Door) -> None:
    """The calendars of people, rosters and teams."""

    @app.api_route("/ical/{key}.ics", methods=GET, include_in_schema=False)
    def feed(request: Request, key: str) -> Response:
        try:
            text = door.office.views.ahead.ical(_what(door, key), DAYS, PAST_DAYS)
        except (BadLink, KeyError):  # A stranger is not told which: revoked, gone, or never given out.
            raise HTTPException(404) from None
        tag = f'W/"{hashlib.sha256(unstamped(text).encode()).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": "private, no-cache", "referrer-policy": "no-referrer"}
        if _is_known(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        headers["content-disposition"] = 'inline; filename="opswatch.ics"'
        return Response(text.encode(), media_type=MEDIA, headers=headers)


def _what(door: Door, key: str) -> str:
    """Whose calendar it is. Raises BadLink for a key that is not, or no longer, good."""
    if len(key) > KEY_MAX:
        raise BadLink("too long")
    what, number = door.office.links.read_feed(key)
    if number != door.office.settings.web.feed_number(what):
        raise BadLink("revoked")
    return what


def _is_known(given: str, tag: str) -> bool:
    """Weak comparison (RFC 9110 13.1.2): only the opaque part counts."""
    opaque = tag.removeprefix("W/")
    return any(one.strip() == "*" or one.strip().removeprefix("W/") == opaque for one in given[:2000].split(","))

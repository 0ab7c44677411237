"""One check on one target: how it stands, what each of its values did, and where they are heading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from opswatch.core.trends import History
from opswatch.render import sparkline
from opswatch.render.inspection import say_value
from opswatch.web.auth import READ
from opswatch.web.door import Door
from opswatch.web.pages import GET, NotFound
from opswatch.web.words import Words

SPAN = timedelta(days=30)
VALUES_MAX = 60


@dataclass(frozen=True, slots=True)
class Course:
    """One value of a check, drawn. `ahead` says when it breaks its limit if it goes on like this."""

    name: str
    item: str
    drawn: Markup
    now: str
    least: str
    most: str
    ahead: str


def add_history(app: FastAPI, door: Door) -> None:
    """`/checks/{check}/{target}`."""

    @app.api_route("/checks/{check}/{target}", methods=GET, include_in_schema=False)
    def history(request: Request, check: str, target: str) -> HTMLResponse:
        caller = door.admit(request, READ)
        words = door.words(request, caller.person)
        known = door.plan.checks.get(check)
        if known is None or target not in known.targets:
            raise NotFound("history.not_found", "history.not_found_text", check=check[:80], target=target[:80])
        rows = [row for row in door.office.views.checks() if (row.check, row.target) == (check, target)]
        return door.page(
            request,
            "history",
            words,
            caller,
            check=known,
            target=target,
            rows=sorted(rows, key=lambda row: row.item),
            seen={row.key: words.ago(row.seen_at, door.now()) if row.seen_at else "" for row in rows},
            courses=_courses(door, words, check, target),
        )


def _courses(door: Door, words: Words, check: str, target: str) -> list[Course]:
    """Every value that is kept of it, those with a limit first."""
    views = door.office.views
    end = door.now()
    found = [
        views.history(check, target, sample, item, end - SPAN, end)
        for item, sample, _ in views.measured(check, target)[:VALUES_MAX]
    ]
    found.sort(key=lambda one: (not one.limits, one.item, one.sample))
    return [_course(words, one) for one in found if one.values]


def _course(words: Words, one: History) -> Course:
    values = [most for _, _, most in one.values]
    title = f"{one.sample} {one.item}".strip()
    return Course(
        name=one.sample,
        item=one.item,
        drawn=Markup(sparkline.svg(one, title)),  # The drawing escapes what it was given.
        now=say_value(values[-1], one.unit),
        least=say_value(min(least for _, least, _ in one.values), one.unit),
        most=say_value(max(values), one.unit),
        ahead=_ahead(words, one),
    )


def _ahead(words: Words, one: History) -> str:
    left = one.ahead.left if one.ahead is not None else None
    return words.say("history.ahead", span=words.span(left)) if left is not None else ""

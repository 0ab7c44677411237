"""An inspection's report as one HTML file that stands by itself: phone or desk, light or dark, screen or paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from opswatch.core.inspection import Report
from opswatch.core.plan import Plan
from opswatch.render.inspection import STATES, Sheet, Value

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN_MAX = 100  # of one list of changes or findings; the table has them all
HTML_LANGUAGES = {"en": "en", "zh": "zh-CN"}
COLUMNS = ("state", "what", "value", "limit", "course", "left", "owner", "by")
_WIDTH, _HEIGHT, _EDGE = 108, 26, 3
_CODE = re.compile(r"`([^`]+)`")


def page(
    report: Report,
    plan: Plan,
    *,
    language: str | None = None,
    playbook_url: Callable[[str], str | None] = lambda name: None,
    nav: Sequence[tuple[str, str]] = (),
    sign_url: str | None = None,
    said: str = "",
) -> str:
    """The whole page, in `language` or the plan's. It fetches nothing; `playbook_url` gives links to playbooks. On the
    web it has links above it (`nav`), a form per item at `sign_url`, and what was answered (`said`)."""
    sheet = Sheet(report, plan, language)
    return (
        _templates()
        .get_template("inspection.html.j2")
        .render(
            sheet=sheet,
            report=report,
            plan=plan,
            say=sheet.say,
            more=lambda count: sheet.count("more", count),
            health=str(report.health),
            bar=_bar(report.counts()),
            nav=nav,
            sign_url=sign_url,
            said=said,
            words=sheet.writer.say,
            bad=sheet.bad(),
            rows=sheet.everything(),
            columns=[sheet.say(f"column_{name}") for name in COLUMNS],
            shown_max=SHOWN_MAX,
            spark=spark,
            code=code,
            playbook_url=playbook_url,
            css=css(),
            html_language=HTML_LANGUAGES[sheet.writer.language],
        )
    )


@lru_cache(maxsize=1)
def css() -> Markup:
    """What stands between <style> and </style>, exactly."""
    return Markup("\n" + _templates().get_template("inspection.css.j2").render() + "\n")


def _bar(counts: Mapping[str, int]) -> Markup:
    """How much of it is bad, as a bar."""
    total, at = sum(counts.values()), 0.0
    parts = []
    for state in STATES:
        if count := counts[str(state)]:
            width = 1000 * count / total
            shape = '<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="10" rx="3"/>'
            parts.append(Markup(shape).format(str(state), at, max(width - 4, 4)))
            at += width
    shape = '<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    return Markup(shape).format(Markup("").join(parts)) if parts else Markup("")


def spark(value: Value) -> Markup:
    """The course of a value as a line of the last thirty days; a gap where nothing was seen. Nothing for too few."""
    days = value.course
    seen = [day for day in days if day is not None]
    if len(seen) < 2:
        return Markup("")
    low, high = min(seen), max(seen)
    across = (_WIDTH - 2 * _EDGE) / (len(days) - 1)
    span = (high - low) or 1.0
    points: list[tuple[float, float] | None] = [
        None
        if day is None
        else (
            _EDGE + place * across,
            _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * ((day - low) / span if high > low else 0.5),
        )
        for place, day in enumerate(days)
    ]
    path, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        path.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "L"
    last = next(point for point in reversed(points) if point is not None)
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}"><path d="{}"/>'
        '<circle cx="{:.1f}" cy="{:.1f}" r="2.4"/></svg>'
    ).format(_WIDTH, _HEIGHT, f"{low:g} … {high:g}", " ".join(path), *last)


def code(text: str) -> Markup:
    """Words in which `commands` stand between backticks."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # Late: the command line rarely needs it.

    return Environment(
        loader=PackageLoader("opswatch"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

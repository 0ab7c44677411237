"""The rotation review set as a page: Markdown that people write into, and HTML with plots that stands by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opswatch.core import calendars
from opswatch.core.load import SLEEP_FROM, SLEEP_TO
from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.core.review import Review, trend
from opswatch.records import Document
from opswatch.render.documents import cell, safe
from opswatch.render.review import remarks, sections, title, writer_of
from opswatch.render.review_words import ReviewWriter, Section

if TYPE_CHECKING:
    from jinja2 import Environment

CLOSED = "closed"
"""The key of the fact that a review is final."""
HEAT_MAX = 40  # people in the plot of hours
HTML_LANGUAGES = {"en": "en", "zh": "zh-CN"}
_CODE = re.compile(r"`([^`]+)`")


def markdown(review: Review, plan: Plan, *, language: str | None = None, html_file: str = "") -> Document:
    """The document of one review, in `language` or the plan's. `html_file`: what its HTML is called, if it has one."""
    writer = writer_of(review, plan, language)
    said = remarks(writer, review)
    if html_file:
        said.append(writer.say("review.html_hint", file=html_file))
    blocks = ["<!-- opswatch:head -->", f"# {safe(title(writer, review))}", "", *said_as_list(said)]
    blocks += ["<!-- /opswatch:head -->", ""]
    for section in sections(writer, review):
        blocks += [f"<!-- opswatch:{section.name} -->", *_section(section), f"<!-- /opswatch:{section.name} -->", ""]
    blocks += ["<!-- opswatch:decide -->", f"## {writer.say('decide.title')}", "", writer.say("decide.ask")]
    blocks += ["<!-- /opswatch:decide -->", ""]
    return Document("\n".join(blocks), {"head": {CLOSED: f"- {said[1]}"} if review.is_over else {}})


def said_as_list(lines: list[str]) -> list[str]:
    return [f"- {safe(line)}" for line in lines]


def _section(section: Section) -> list[str]:
    """A section that has nothing to say is an empty part."""
    if not (section.tables or section.lines):
        return []
    out = [f"## {section.title}", ""]
    for table in section.tables:
        if table.rows:
            marks = ("---:" if place in table.numbers else "---" for place in range(len(table.columns)))
            out += [f"| {' | '.join(table.columns)} |", f"| {' | '.join(marks)} |"]
            out += [f"| {' | '.join(cell(safe(text)) for text in row)} |" for row in table.rows]
            out.append("")
    if section.lines:
        out += [*(f"- {safe(line)}" for line in section.lines), ""]
    return [*out, section.note] if section.note else out[:-1]


# ---------------------------------------------------------------------------------------------------------------------
# HTML


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the plot: its label, and how many of each priority."""

    label: str
    words: str
    counts: tuple[int, ...]
    is_weekend: bool

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Line:
    """One priority's medians, oldest first, in seconds; None where nothing was acknowledged."""

    priority: str
    points: tuple[float | None, ...]
    words: tuple[str, ...]
    target: float | None

    @property
    def highest(self) -> float:
        return max([*(point for point in self.points if point is not None), self.target or 0.0, 1.0])


def html(review: Review, plan: Plan, *, language: str | None = None) -> str:
    """The review as one HTML file: styles and plots inside, nothing fetched, no script."""
    writer = writer_of(review, plan, language)
    found = (_line(writer, review, priority) for priority in (Priority.P0, Priority.P1, Priority.P2))
    lines = [one for one in found if one is not None]
    return (
        templates()
        .get_template("review.html.j2")
        .render(
            language=HTML_LANGUAGES[writer.language],
            title=title(writer, review),
            name=plan.name,
            remarks=remarks(writer, review),
            sections={section.name: section for section in sections(writer, review)},
            bars=_bars(writer, review),
            hours=_hours(writer, review),
            is_sleep=[hour >= SLEEP_FROM or hour < SLEEP_TO for hour in range(24)],
            lines=lines,
            spans=[*(one.name for one in review.before), review.name],
            priorities=[str(priority) for priority in Priority],
            say=writer.say,
        )
    )


def _bars(writer: ReviewWriter, review: Review) -> list[Bar]:
    weekdays = writer.word("time.weekdays").split()
    return [
        Bar(
            label=weekdays[day.weekday()] if review.kind == "week" else str(day.day),
            words=writer.say("plot.day_total", day=writer.date(_noon(day, review.zone)), count=str(sum(counts))),
            counts=counts,
            is_weekend=day.weekday() >= 5,
        )
        for day, counts in review.days
    ]


def _hours(writer: ReviewWriter, review: Review) -> list[dict[str, Any]]:
    """Rows of the plot of hours: people who were paged, and for each hour the count and its words."""
    paged = sorted((one for one in review.people if one.pages), key=lambda one: (-one.pages, one.person))[:HEAT_MAX]
    return [
        {
            "name": writer.who(one.person),
            "zone": one.zone,
            "cells": [
                (
                    count,
                    writer.say("plot.cell", person=writer.who(one.person), hour=f"{hour:02d}:00", count=str(count)),
                )
                for hour, count in enumerate(one.by_hour)
            ],
        }
        for one in paged
    ]


def _line(writer: ReviewWriter, review: Review, priority: Priority) -> Line | None:
    """None when nothing of that priority was acknowledged in any span."""
    medians = trend(review, priority)
    if not any(medians):
        return None
    names = [*(one.name for one in review.before), review.name]
    words = [
        writer.say("plot.point", span=name, median=writer.took(median))
        for name, median in zip(names, medians, strict=True)
    ]
    target = review.figures[priority].acked.target
    return Line(
        str(priority),
        tuple(None if median is None else median.total_seconds() for median in medians),
        tuple(words),
        target.total_seconds() if target is not None else None,
    )


def _noon(day: date, zone: str) -> datetime:
    return calendars.instant(datetime.combine(day, datetime.min.time()) + timedelta(hours=12), zone)


def with_code(text: str) -> Any:
    """Text made safe, its `code` set as code."""
    from markupsafe import Markup, escape

    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Those of every page that stands by itself."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("opswatch"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = with_code
    return environment

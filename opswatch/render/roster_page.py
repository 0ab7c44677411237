"""The weeks ahead as one HTML page that stands by itself: what is wrong first, then a calendar for each roster."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from opswatch.core.coverage import Coverage, Kind
from opswatch.core.plan import Plan
from opswatch.render.coverage import sentence
from opswatch.render.roster_calendar import Day, RosterCalendar, day_words, names, roster_calendar
from opswatch.render.words import LANGUAGES, Reader, lookup

if TYPE_CHECKING:
    from jinja2 import Environment

HTML_LANGUAGES = {"en": "en", "zh": "zh-CN"}
FINDINGS_SHOWN = 12  # of one roster
COLOURS = 8  # of groups of people; with more they repeat, and the names beside them tell
_WIDTH, _HEIGHT = 1440, 24


def page(
    coverages: Sequence[Coverage],
    plan: Plan,
    *,
    language: str | None = None,
    zone: str | None = None,
    at: datetime,
    nav: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole page, in `language` or the plan's. Days are those of `zone`, or of each roster's own zone. It fetches
    nothing. On the web it has links above it (`nav`)."""
    spoken = language if language in LANGUAGES else plan.language
    sheets = [_Sheet(one, plan, spoken, zone or plan.rosters[one.roster].timezone) for one in coverages]
    reader = Reader(spoken, plan=plan, zone=zone or plan.timezone)
    days = max((round((one.end - one.start).total_seconds() / 86400) for one in coverages), default=0)
    return (
        _templates()
        .get_template("rosters.html.j2")
        .render(
            sheets=sheets,
            plan=plan,
            word=reader.word,
            title=reader.word("coverage.page_title", days=days),
            made=reader.word("coverage.made", at=reader.when(at)),
            days=days,
            nav=nav,
            css=css(),
            html_language=HTML_LANGUAGES[spoken],
        )
    )


def policy() -> str:
    """The content security policy of the page on the web: its one style sheet is named by its hash, nothing else may
    style or run."""
    digest = base64.b64encode(hashlib.sha256(str(css()).encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"


@lru_cache(maxsize=1)
def css() -> Markup:
    """The one style sheet of the page: the web names its hash to the browser."""
    return Markup(_templates().get_template("rosters.css.j2").render())


class _Sheet:
    """One roster, as the page shows it."""

    def __init__(self, coverage: Coverage, plan: Plan, language: str, zone: str) -> None:
        self.calendar: RosterCalendar = roster_calendar(coverage, zone)
        self._reader = Reader(language, plan=plan, zone=zone)
        self.roster, self.zone = coverage.roster, zone
        self.title = self._reader.word("coverage.roster", roster=coverage.roster, zone=zone)
        self.findings = [
            (str(one.kind), sentence(self._reader, one.facts()), tone(one.kind))
            for one in coverage.findings[:FINDINGS_SHOWN]
        ]
        left = len(coverage.findings) - FINDINGS_SHOWN
        self.more = self._reader.word("coverage.more", count=left) if left > 0 else ""
        self.legend = [
            (colour(number), names(self._reader, people)) for number, people in enumerate(self.calendar.groups)
        ]
        self.has_gap = bool(coverage.gaps)
        self.rows = [
            (self._date(day), self._is_weekend(day), self._bar(day), self._words(day)) for day in self.calendar.days
        ]

    def _date(self, day: Day) -> str:
        weekdays = (lookup(self._reader.language, "time.weekdays") or "").split()
        months = (lookup(self._reader.language, "time.months") or "").split()
        return self._reader.word(
            "coverage.day", weekday=weekdays[day.day.weekday()], day=day.day.day, month=months[day.day.month - 1]
        )

    def _is_weekend(self, day: Day) -> bool:
        return day.day.weekday() >= 5

    def _words(self, day: Day) -> list[tuple[str, str]]:
        return [
            ("gap" if piece.is_gap else "swap" if piece.is_override else "", said)
            for said, piece in day_words(self.calendar, day, self._reader)
        ]

    def _bar(self, day: Day) -> Markup:
        """The day from left to right; what is drawn is also said in words beside it."""
        length = (day.end - day.start).total_seconds()
        parts = []
        for piece in day.pieces:
            left = (piece.start - day.start).total_seconds() / length * _WIDTH
            wide = (piece.end - piece.start).total_seconds() / length * _WIDTH
            kind = "gap" if piece.is_gap else "off" if piece.group is None else colour(piece.group)
            parts.append(f'<rect class="{kind}" x="{left:.1f}" y="0" width="{wide:.1f}" height="{_HEIGHT}"/>')
            if piece.is_gap:
                parts.append(_hatched(left, wide))
            elif piece.is_override:
                parts.append(f'<rect class="swap" x="{left:.1f}" y="{_HEIGHT - 5}" width="{wide:.1f}" height="5"/>')
        lines = "".join(f'<path d="M{x} 0v{_HEIGHT}"/>' for x in (360, 720, 1080))
        head = f'<svg class="day" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        # Numbers and our own class names only.
        return Markup(f'{head}{"".join(parts)}<g class="hours">{lines}</g></svg>')


def _hatched(left: float, wide: float) -> str:
    """A gap is not only red: it is crossed out."""
    return (
        f'<path class="cross" d="M{left:.1f} 0L{left + wide:.1f} {_HEIGHT}M{left:.1f} {_HEIGHT}L{left + wide:.1f} 0"/>'
    )


def colour(group: int) -> str:
    """The class of a group's colour."""
    return f"g{group % COLOURS}"


def tone(kind: Kind) -> str:
    """How it is shown: `crit`, `warn` or `note`."""
    return "crit" if kind in (Kind.GAP, Kind.UNREACHABLE) else "note" if kind is Kind.TWICE else "warn"


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

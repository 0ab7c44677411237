"""Words of documents: their own catalogue, local times without a zone in each cell, and text safe inside Markdown."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from opswatch.core import calendars
from opswatch.core.plan import Plan
from opswatch.render.words import LANGUAGES, Reader, fill

LETTERS_MAX = 60_000  # of one list
_NEAR = timedelta(days=6)


class Writer(Reader):
    """Writes one document: its language, its zone, and the day that its times are near to (UTC, its start)."""

    __slots__ = ("day",)

    def __init__(self, language: str, *, plan: Plan | None = None, zone: str, day: datetime) -> None:
        super().__init__(language, plan=plan, zone=zone)
        self.day = day

    def say(self, key: str, **facts: object) -> str:
        """The words of `section.key` of the documents' catalogue. A key that no catalogue has is our mistake."""
        section, _, name = key.partition(".")
        said = {name: str(value) for name, value in facts.items() if value not in (None, "")}
        return fill(catalogue(self.language)[section][name], said)

    def counted(self, key: str, count: int, **facts: object) -> str:
        """`1 page`, `12 pages`."""
        return self.say(f"{key}_{'one' if count == 1 else 'many'}", count=count, **facts)

    def moment(self, at: datetime, zone: str | None = None) -> str:
        """`Mon 16 Nov 03:07`; its zone is said elsewhere."""
        return self._time("moment", at, zone)

    def between(self, start: datetime, end: datetime, zone: str | None = None) -> tuple[str, str]:
        """Both ends as `moment`; the second as `03:07` when they fall on one local date."""
        first, last = (calendars.reading(at, zone or self.zone) for at in (start, end))
        same = first.date() == last.date()
        return self.moment(start, zone), f"{last:%H:%M}" if same else self.moment(end, zone)

    def date(self, at: datetime) -> str:
        """`Mon 16 Nov 2026`."""
        return self._time("day", at)

    def clock(self, at: datetime) -> str:
        """`03:07` on the document's day, `Tue 03:07` near it, else `moment`; its zone is said elsewhere."""
        local, day = calendars.reading(at, self.zone), calendars.reading(self.day, self.zone)
        if local.date() == day.date():
            return f"{local:%H:%M}"
        return self._time("near", at) if timedelta(0) <= local - day < _NEAR else self.moment(at)

    def name(self, person: object) -> str:
        """A person's name, or `team:dev` in words, safe in Markdown."""
        return safe(self.target(str(person)) if ":" in str(person) else self.person(person))

    def _time(self, key: str, at: datetime, zone: str | None = None) -> str:
        local = calendars.reading(at, zone or self.zone)
        return self.say(
            f"time.{key}",
            weekday=self.word("time.weekdays").split()[local.weekday()],
            month=self.word("time.months").split()[local.month - 1],
            day=local.day,
            year=local.year,
            clock=f"{local:%H:%M}",
        )


def safe(text: str) -> str:
    """One line of somebody's text: no HTML (and so no marker of ours), no link, no picture; words stay readable."""
    return " ".join(text.split()).replace("<", "&lt;").replace("](", "]\\(")


def paragraph(text: str) -> str:
    """Somebody's text of several lines, inside a list item."""
    lines = [line for line in (safe(one) for one in text.splitlines()) if line]
    return "\n  ".join(f"\\{line}" if line.startswith("[") else line for line in lines)


def cell(text: str) -> str:
    """Text that is safe already, inside a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def tidy(text: str) -> str:
    """A filled template without doubled blank lines, and none between a list or table and the marker that follows."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("<!-- /opswatch:"):
            while lines and not lines[-1].strip():
                lines.pop()
        if line.strip() or (lines and lines[-1].strip()):
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def as_many(lines: Sequence[str], count_max: int, letters_max: int = LETTERS_MAX) -> int:
    """How many of the lines fit into a list."""
    letters = 0
    for count, line in enumerate(lines[:count_max]):
        letters += len(line)
        if letters > letters_max:
            return count
    return min(len(lines), count_max)


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: str) -> dict[str, dict[str, str]]:
    """All that documents say: `documents.LANGUAGE.toml`, and a pair of its own, `documents-NAME.LANGUAGE.toml`, for
    each kind that needs many words. A section stands in one of them."""
    catalogue: dict[str, dict[str, str]] = {}
    for file in sorted(files("opswatch").joinpath("locale").iterdir(), key=lambda file: file.name):
        if file.name.startswith("documents") and file.name.endswith(f".{language}.toml"):
            catalogue |= tomllib.loads(file.read_text(encoding="utf-8"))
    return catalogue

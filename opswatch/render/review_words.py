"""How the rotation review speaks: its own catalogue, and the tables and lines that its sections are made of."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files

from opswatch.render.documents import Writer
from opswatch.render.words import LANGUAGES, fill

LINES_MAX = 40
TITLE_MAX = 100

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`numbers` are the columns set to the right."""

    columns: Cells
    rows: tuple[Cells, ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the review: its name (for markers and anchors), a heading, and what stands under it. The last table
    may be long: `fold` is what a reader sees of it at first."""

    name: str
    title: str
    tables: tuple[Table, ...] = ()
    lines: Cells = ()
    note: str = ""
    fold: str = ""


class ReviewWriter(Writer):
    """Writes with the review's own catalogue besides that of all documents."""

    __slots__ = ()

    def say(self, key: str, **facts: object) -> str:
        section, _, name = key.partition(".")
        own = _catalogue(self.language).get(section)
        if own is None:
            return super().say(key, **facts)
        return fill(own[name], {name: str(value) for name, value in facts.items() if value not in (None, "")})

    def who(self, person: str | None) -> str:
        """A person's name, or a team's in words; empty for None."""
        return "" if not person else self.target(person) if ":" in person else self.person(person)

    def took(self, span: timedelta | None) -> str:
        """`4m 12s`; seconds matter here, parts of them do not."""
        return self.say("review.none") if span is None else self.span(span)

    def names(self, people: Iterable[str]) -> str:
        return self.join(self.who(person) for person in people)


def say_all(writer: ReviewWriter, section: str, names: Sequence[str]) -> Cells:
    """The words of several keys of one section."""
    return tuple(writer.say(f"{section}.{name}") for name in names)


def titled(writer: ReviewWriter, number: int, words: str, service: str | None) -> str:
    """An incident's title behind its service's name."""
    name, words = writer.service(service), brief(words) or writer.say("review.untitled", number=number)
    return f"{name}: {words}" if name else words


def brief(text: str, letters_max: int = TITLE_MAX) -> str:
    """Somebody's text as one line that is not long."""
    line = " ".join(text.split())
    return line if len(line) <= letters_max else line[: letters_max - 1].rstrip() + "…"


def more(writer: ReviewWriter, left: int) -> list[str]:
    """`and 3 more`, where some are left."""
    return [writer.counted("review.more", left)] if left > 0 else []


def cut(writer: ReviewWriter, lines: Sequence[str]) -> list[str]:
    """The first lines of a list that may be long, and how many more there are."""
    return [*lines[:LINES_MAX], *more(writer, len(lines) - LINES_MAX)]


def number(number: float) -> str:
    """`3`, `3.5`."""
    return f"{number:.1f}".removesuffix(".0")


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    text = files("opswatch").joinpath("locale", f"review.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)

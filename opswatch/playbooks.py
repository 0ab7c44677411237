"""What to do when a check fails: one Markdown file per failure, with front matter between two lines of `+++` (TOML).

+++
title = "A filesystem is nearly full"
matches = ["disk-space"]           # ids or globs of checks; the file's own name always matches
scenario = "capacity"
owner = "team:ops"                 # a person's id or team:ID
reviewed_at = 2026-11-01
visibility = "responder"           # who may read it: viewer | responder | lead | admin
+++
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from opswatch.core.matching import matches_glob
from opswatch.core.model import Role
from opswatch.errors import ConfigError, Problem

FENCE = "+++"
SIZE_MAX = 256 * 1024
_KEYS = ("title", "matches", "scenario", "owner", "reviewed_at", "visibility")


@dataclass(frozen=True, slots=True)
class Playbook:
    """One playbook. `id` is the file's name without `.md`; `text` is Markdown without the front matter."""

    id: str
    title: str
    text: str
    matches: tuple[str, ...] = ()
    scenario: str = ""
    owner: str | None = None
    reviewed_at: date | None = None
    visibility: Role = Role.VIEWER

    def is_for(self, check: str) -> bool:
        """Whether it says what to do when that check fails."""
        return check == self.id or matches_glob(self.matches, check)

    def may_be_read_by(self, role: Role) -> bool:
        return role >= self.visibility


class Playbooks:
    """Every playbook of a folder, read once."""

    def __init__(self, found: Iterable[Playbook]) -> None:
        self._by_id = {playbook.id: playbook for playbook in found}

    def __iter__(self) -> Iterator[Playbook]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, name: str | None) -> Playbook | None:
        return self._by_id.get(name or "")

    def for_check(self, check: str, named: str | None = None) -> Playbook | None:
        """The playbook for a failing check: the one its definition names, the one named like it, else the first whose
        `matches` hold."""
        exact = self.get(named) or self.get(check)
        return exact or next((playbook for playbook in self._by_id.values() if playbook.is_for(check)), None)


def load(folder: Path) -> Playbooks:
    """The playbooks of `folder`, in the order of their names; none where there is no such folder. Raises ConfigError
    with every problem at once, each with file and line."""
    problems: list[Problem] = []
    found = [_read(file, problems) for file in sorted(folder.glob("*.md")) if not file.name.startswith(".")]
    if problems:
        raise ConfigError(problems)
    return Playbooks(playbook for playbook in found if playbook is not None)


def _read(file: Path, problems: list[Problem]) -> Playbook | None:
    try:
        with file.open(encoding="utf-8") as stream:
            whole = stream.read(SIZE_MAX + 1)
    except (OSError, UnicodeDecodeError) as trouble:
        problems.append(Problem(str(file), 1, "the file", "", f"cannot be read as UTF-8 text: {trouble}"))
        return None
    if len(whole) > SIZE_MAX:
        problems.append(
            Problem(str(file), 1, "the file", "", f"at most {SIZE_MAX} letters: nobody reads more at 3 a.m.")
        )
        return None
    front, text = _split(whole)
    try:
        matter = tomllib.loads(front)
    except tomllib.TOMLDecodeError as trouble:
        problems.append(Problem(str(file), _line_of(trouble), "front matter", "", f"not TOML: {trouble}"))
        return None
    before = len(problems)
    problems += _problems(file, front, matter)
    return None if len(problems) > before else _playbook(file.stem, matter, text)


def _split(whole: str) -> tuple[str, str]:
    """Front matter and text."""
    lines = whole.splitlines(keepends=True)
    if not lines or lines[0].strip() != FENCE:
        return "", whole
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.strip() == FENCE), None)
    return ("".join(lines[1:end]), "".join(lines[end + 1 :])) if end is not None else ("".join(lines[1:]), "")


def _playbook(name: str, matter: Mapping[str, Any], text: str) -> Playbook:
    return Playbook(
        id=name,
        title=matter.get("title") or _heading(text) or name,
        text=text.strip() + "\n",
        matches=tuple(matter.get("matches", ())),
        scenario=matter.get("scenario", ""),
        owner=matter.get("owner"),
        reviewed_at=matter.get("reviewed_at"),
        visibility=Role[matter.get("visibility", "viewer").upper()],
    )


def _heading(text: str) -> str:
    return next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")


def _problems(file: Path, front: str, matter: Mapping[str, Any]) -> list[Problem]:
    def problem(key: str, expected: str) -> Problem:
        line = next((n for n, text in enumerate(front.splitlines(), start=2) if text.split("=")[0].strip() == key), 1)
        seen = str(matter[key])[:80]
        return Problem(str(file), line, key, seen, expected)

    found = [problem(key, f"unknown key; known are {', '.join(_KEYS)}") for key in matter if key not in _KEYS]
    found += [
        problem(key, "text in quotes")
        for key in ("title", "scenario", "owner")
        if not isinstance(matter.get(key, ""), str)
    ]
    matches = matter.get("matches", [])
    if not isinstance(matches, list) or not all(isinstance(one, str) for one in matches):
        found.append(problem("matches", 'a list of checks, such as ["disk-*"]'))
    if type(matter.get("reviewed_at", date.min)) is not date:
        found.append(problem("reviewed_at", "a date without quotes, such as 2026-11-01"))
    if str(matter.get("visibility", "viewer")).upper() not in Role.__members__:
        found.append(problem("visibility", "one of viewer, responder, lead, admin"))
    return found


def _line_of(trouble: tomllib.TOMLDecodeError) -> int:
    """The line in the whole file: the fence is line 1."""
    words = str(trouble).partition("at line ")[2].partition(",")[0]
    return int(words) + 1 if words.isdigit() else 1

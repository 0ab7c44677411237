"""Everything wrong with a configuration, gathered while it is read, each thing with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opswatch.config import lines
from opswatch.config.suggest import nearest
from opswatch.errors import Problem

KeyPath = lines.Path
SEEN_MAX = 80
MASK = "***"
# What stands under these keys is never shown, also when it stands in the file itself.
SECRET_KEY = re.compile(
    r"(^|_)(secret|token|password|passwd|passphrase|authorization|cookie)s?$|(^|_)(api|private|signing|access)_key$",
    re.I,
)
URL_KEYS = ("url", "store", "webhook", "proxy")


@dataclass(frozen=True)
class Source:
    """One file of the configuration, as its bytes were when they were read. `shown` is its name for people."""

    file: Path
    shown: str
    data: bytes
    document: Mapping[str, Any]

    def value(self, path: KeyPath) -> object:
        """What is written at `path`, references unresolved; None where nothing is."""
        found: Any = self.document
        for key in path:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def place(self, *path: str | int) -> Place:
        return Place(self, path)


@dataclass(frozen=True)
class Place:
    """A key of a file."""

    source: Source
    path: KeyPath

    def at(self, *keys: str | int) -> Place:
        return Place(self.source, (*self.path, *keys))

    @property
    def value(self) -> object:
        """What is written there, references unresolved."""
        return self.source.value(self.path)

    @property
    def is_written(self) -> bool:
        return self.value is not None

    def __str__(self) -> str:
        """Table, id and key, for people: `[[check]] disk-space: limits.used_pct.warn`."""
        if not self.path:
            return "the file"
        table, rest = str(self.path[0]), list(self.path[1:])
        if rest and isinstance(rest[0], int):
            head = f"[[{table}]] {self._name(self.path[:2])}"
            return f"{head}: {self._rest(2)}" if len(self.path) > 2 else head
        if isinstance(self.source.value((table,)), Mapping):
            return f"[{table}] {self._rest(1)}".rstrip()
        return table

    def _rest(self, start: int) -> str:
        words: list[str] = []
        for length in range(start + 1, len(self.path) + 1):
            key = self.path[length - 1]
            if isinstance(key, int) and words:
                words[-1] += f" {self._name(self.path[:length])}"
            else:
                words.append(str(key))
        return ".".join(words)

    def _name(self, path: KeyPath) -> str:
        value, index = self.source.value(path), path[-1]
        if isinstance(value, Mapping) and isinstance(value.get("id"), str):
            return str(value["id"])
        return f"#{int(index) + 1}"


def is_secret(path: KeyPath) -> bool:
    """Whether what stands at `path` must not be shown: tokens and passwords, contacts' addresses, URLs."""
    keys = [key for key in path if isinstance(key, str)]
    return any(SECRET_KEY.search(key) for key in keys) or "contact" in keys[:-1] or bool(keys and keys[-1] in URL_KEYS)


def masked(value: object, path: KeyPath = ()) -> object:
    """`value` with what must not be shown replaced; references show themselves, not what they lead to."""
    if isinstance(value, Mapping):
        return {key: masked(part, (*path, str(key))) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(part, path) for part in value]
    if isinstance(value, str) and is_secret(path) and not value.startswith(("env:", "file:/", "credential:")):
        return MASK
    return value


@dataclass
class Problems:
    """A list that grows while the files are read; lines are looked up at the end, if there is anything to look up."""

    found: list[tuple[Place, str, str, str | None]] = field(default_factory=list)
    without_place: list[Problem] = field(default_factory=list)
    unresolved: set[tuple[str, KeyPath]] = field(default_factory=set)

    def add(self, place: Place, expected: str, *, suggestion: str = "", seen: str | None = None) -> None:
        """Something is wrong at `place`. `seen` is what is written there unless given."""
        if (place.source.shown, place.path) not in self.unresolved:
            self.found.append((place, expected, suggestion, seen))

    def unknown(
        self, place: Place, word: object, known: Iterable[str], expected: str, *, seen: str | None = None
    ) -> None:
        """`word`, in what is written at `place`, names nothing that is known."""
        self.add(place, expected, suggestion=nearest(word, known), seen=seen)

    def cannot_resolve(self, place: Place, words: str) -> None:
        """A reference leads nowhere. Whatever else is wrong with that value is a consequence."""
        self.add(place, words)
        self.leave_unresolved(place)

    def leave_unresolved(self, place: Place) -> None:
        """Nobody needs what the reference at `place` leads to: nothing about that value is a problem."""
        self.unresolved.add((place.source.shown, place.path))

    def __bool__(self) -> bool:
        return bool(self.found or self.without_place)

    def listed(self) -> list[Problem]:
        """All of them with line and column, in the order of the files and lines."""
        maps: dict[str, dict[KeyPath, lines.Position]] = {}
        order: dict[str, int] = {}
        listed = list(self.without_place)
        for place, expected, suggestion, seen in self.found:
            source = place.source
            order.setdefault(source.shown, len(order))
            if source.shown not in maps:
                maps[source.shown] = lines.positions(source.data)
            line, column = lines.position(maps[source.shown], place.path)
            shown = _shown(place.value, place.path) if seen is None else seen
            listed.append(Problem(source.shown, line, str(place), shown, expected, suggestion, column))
        unique = list(dict.fromkeys(listed))
        return sorted(unique, key=lambda problem: (order.get(problem.file, -1), problem.line or 0, problem.column or 0))


def _shown(value: object, path: KeyPath) -> str:
    """What was written, as TOML would show it, short, with secrets masked."""
    if value is None:
        return ""
    safe = masked(value, path)
    if isinstance(safe, bool):
        text = str(safe).lower()
    elif isinstance(safe, str):
        text = f'"{safe}"'
    elif isinstance(safe, Mapping):
        text = "{ " + ", ".join(f"{key} = {_shown(part, ())}" for key, part in safe.items()) + " }"
    elif isinstance(safe, list):
        text = "[" + ", ".join(_shown(part, ()) for part in safe) + "]"
    else:
        text = str(safe)
    return text if len(text) <= SEEN_MAX else text[: SEEN_MAX - 1] + "…"


def syntax_problem(shown: str, data: bytes, trouble: Exception) -> Problem:
    """What TOML itself refuses: one problem, with its line."""
    if isinstance(trouble, UnicodeDecodeError):
        line = data.count(b"\n", 0, trouble.start) + 1
        return Problem(shown, line, "syntax", "", "save the file as UTF-8: these bytes are not", column=1)
    text = str(trouble)
    found = re.search(r"\(at line (\d+), column (\d+)\)", text)
    line, column = (int(found.group(1)), int(found.group(2))) if found else (data.count(b"\n") + 1, 1)
    words = re.sub(r"\s*\(at [^()]*\)$", "", text)
    lines_read = data.decode("utf-8").splitlines()
    hint = _syntax_hint(lines_read[line - 1] if line <= len(lines_read) else "")
    expected = f"not TOML: {words[:1].lower()}{words[1:]}{hint}"
    return Problem(shown, line, "syntax", "", expected, column=column)


def _syntax_hint(line: str) -> str:
    """What people mean who write what TOML does not read; empty when nothing is known of it."""
    code = _QUOTED.sub('""', line)
    return next((f"; {words}" for pattern, words in _SYNTAX_HINTS if pattern.search(code)), "")


_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""")
_SYNTAX_HINTS = (
    (
        re.compile(r"=\s*\d{4}-\d\d?-\d\d?[T ]\d{1,2}:\d\d(?!:?\d)"),
        "a date and time has two digits everywhere, and seconds: 2026-01-05T09:00:00",
    ),
    (re.compile(r"=\s*\d{1,2}:\d\d(?!:?\d)"), 'write a time of day in quotes: "09:00"'),
    (re.compile(r"=\s*\d+\s*[A-Za-z]"), 'write spans in quotes: "5m", "1 week"'),
    (re.compile(r"^\s*[\w.-]+\s*:\s"), "a key and its value are joined by `=`, not by `:`"),
    (re.compile(r"\{[^}]*$"), 'a table in braces stands on one line: { from = "09:00", to = "17:00" }'),
    (re.compile(r"=.*\]\s*\["), "a comma stands between the parts of a list"),
    (re.compile(r"=[\s\[]*(?!true\b|false\b|inf\b|nan\b)[A-Za-z_]"), "write text in quotes"),
)

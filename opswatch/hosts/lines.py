"""Finding the lines that match, in bytes of whatever encoding: one automaton over everything, then line by line."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

SHOWN_MAX = 3  # lines kept of each item
_PATTERN_MEMORY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """Lines in which `match` is found and none of `unless`, counted under `item`. RE2 patterns."""

    item: str
    match: str
    unless: tuple[str, ...] = ()


@dataclass
class Hits:
    """What matched so far. `encoding` is Python's name for it, or "auto": UTF-8, else GB18030, else Latin-1."""

    rules: Sequence[Rule]
    ignore: Sequence[str] = ()
    encoding: str = "auto"
    lines: int = 0
    nuls: int = 0  # NUL bytes left out: a truncated file whose writer did not notice
    counts: dict[str, int] = field(default_factory=dict)
    shown: dict[str, list[str]] = field(default_factory=dict)

    def scan(self, data: bytes, source: str) -> None:
        """Count the matching lines of `data`, which ends with a line end. `source` is named where lines are shown."""
        if newline_of(self.encoding) == b"\n":
            self.nuls += data.count(b"\0")
        text = _utf8(data, self.encoding)
        self.lines += text.count(b"\n")
        if not self.rules:
            return
        any_of = _any_of(tuple(rule.match for rule in self.rules))
        position = 0
        while position < len(text) and (match := any_of.search(text, position)) is not None:
            start = text.rfind(b"\n", 0, match.start()) + 1
            end = text.find(b"\n", match.end())
            end = len(text) if end < 0 else end
            self._count(text[start:end], source)
            position = end + 1

    def _count(self, line: bytes, source: str) -> None:
        if any(_compiled(pattern).search(line) for pattern in self.ignore):
            return
        for rule in self.rules:
            if not _compiled(rule.match).search(line) or any(_compiled(but).search(line) for but in rule.unless):
                continue
            self.counts[rule.item] = self.counts.get(rule.item, 0) + 1
            shown = self.shown.setdefault(rule.item, [])
            if len(shown) < SHOWN_MAX:
                shown.append(f"{source}: {line.decode(errors='replace')}")


def newline_of(encoding: str) -> bytes:
    """The bytes that end a line. UTF-16 without a named byte order is little-endian, with or without its mark."""
    if encoding == "auto":
        return b"\n"
    return "\n".encode(_exact(encoding))


def _exact(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return "utf-16-le" if name == "utf-16" else name


def _utf8(data: bytes, encoding: str) -> bytes:
    """`data` as UTF-8 with plain line ends and without NUL bytes, whatever it was."""
    if encoding == "auto":
        data = data if _is_utf8(data) else b"\n".join(_guess(line) for line in data.split(b"\n"))
    elif _exact(encoding) != "utf-8" or not _is_utf8(data):
        data = data.decode(_exact(encoding), errors="replace").lstrip("\ufeff").encode(errors="replace")
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guess(line: bytes) -> bytes:
    for encoding in ("utf-8", "gb18030"):
        try:
            return line.decode(encoding).encode()
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1").encode()


@lru_cache(maxsize=256)
def _any_of(patterns: tuple[str, ...]) -> Any:
    return _compiled("|".join(f"(?:{pattern})" for pattern in patterns))


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_nl = True  # `[^"]*` must not run on into the next line
    options.never_capture = True
    options.max_mem = _PATTERN_MEMORY
    return re2.compile(f"(?m){pattern}".encode(), options)

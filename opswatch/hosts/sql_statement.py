"""Is this text one statement that asks? Read by its letters, before any database sees it."""

from __future__ import annotations

import re

_ASKS = ("select", "with", "values", "table")
# Where a semicolon is only a letter: quotes, names, comments, PostgreSQL's $tag$ … $tag$.
_OPAQUE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1",
    re.DOTALL,
)


def one_question(text: str) -> str:
    """`text` without the semicolon at its end. Raises ValueError when it is no single SELECT, WITH, VALUES or TABLE."""
    plain = _OPAQUE.sub(lambda found: " " * len(found.group()), text)
    end = len(plain.rstrip())
    if end and plain[end - 1] == ";":
        text, plain = text[: end - 1], plain[: end - 1]
    if ";" in plain:
        raise ValueError("one statement only: there is more after the first semicolon")
    first = re.match(r"[\s(]*(\w+)", plain)
    if first is None or first.group(1).lower() not in _ASKS:
        raise ValueError("a statement that asks: it begins with SELECT, WITH, VALUES or TABLE")
    return text.strip()

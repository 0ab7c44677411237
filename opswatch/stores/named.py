"""SQL lives in `.sql` files, by name: `-- name: what it is for`, then the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_TITLE = re.compile(r"^-- ([a-z_]+): \S")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@lru_cache(maxsize=8)
def queries(file: str) -> dict[str, str]:
    """Name → text of every query in `file` of this folder, parameters as `:like_this`."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (_FOLDER / file).read_text(encoding="utf-8").splitlines():
        if title := _TITLE.match(line):
            name = title.group(1)
            assert name not in found, f"{file}: {name} stands twice"
            found[name] = lines = []
        elif not line.startswith("--"):
            lines.append(line)
    return {name: "\n".join(text).strip() for name, text in found.items()}


def as_pyformat(text: str) -> str:
    """`:x` as psycopg wants it, `%(x)s`; a literal percent sign doubled."""
    return _PARAMETER.sub(r"%(\1)s", text.replace("%", "%%"))


def statements(script: str) -> Iterator[str]:
    """The statements of a migration, one by one: each ends with a `;` at the end of a line. Comments are dropped."""
    text = "\n".join(line.split("--", 1)[0].rstrip() for line in script.splitlines())
    for statement in re.split(r";\s*\n|;\s*\Z", text):
        if statement.strip():
            yield statement.strip()

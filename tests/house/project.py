"""What the house rules look at: the committed files, the modules of the package and what they import."""

from __future__ import annotations

import ast
import os
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "opswatch"
_NOT_OURS = {".git", ".venv", "var", "dist", "build", "node_modules", "__pycache__"}


@cache
def files() -> tuple[Path, ...]:
    """Files of the project: what git has or would take, everything that is not a cache where there is no git."""
    asked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    if asked.returncode == 0 and asked.stdout:
        found = (ROOT / name for name in os.fsdecode(asked.stdout).split("\0") if name)
    else:
        found = (path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts))
    return tuple(sorted(path for path in found if path.is_file()))


def named(path: Path) -> str:
    """The path as the project calls it: `opswatch/core/model.py`."""
    return path.relative_to(ROOT).as_posix()


def python_files(under: Path = PACKAGE) -> list[Path]:
    """The committed Python files of a folder."""
    return [path for path in files() if path.suffix == ".py" and path.is_relative_to(under)]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def pyproject() -> dict[str, Any]:
    """pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a line imports. `name` is absolute: relative imports are spelled out."""

    path: Path
    line: int
    name: str
    is_for_types: bool  # it stands under `if TYPE_CHECKING:`

    def __str__(self) -> str:
        return f"{named(self.path)}:{self.line} imports {self.name}"


def imports(path: Path) -> Iterator[Import]:
    """Everything a file imports, wherever in it. `from a import b` is `a.b`: only that tells a door from its room."""
    tree = parsed(path)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        for name in _names(path, node):
            yield Import(path, node.lineno, name, id(node) in for_types)  # type: ignore[attr-defined]  # a statement


def _names(path: Path, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        start = node.module or ""
        if node.level:
            package = path.relative_to(ROOT).parent.parts
            start = ".".join([*package[: len(package) - node.level + 1], *([start] if start else [])])
        return [f"{start}.{alias.name}" for alias in node.names]
    return []

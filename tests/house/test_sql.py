"""SQL lives in `stores/*.sql`, reads no clock, and says nothing that only one of our two databases understands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.project import PACKAGE, files, named, parsed, python_files

# Statements as they begin; PRAGMA and BEGIN are how an adapter talks to its connection, not what we ask of our tables.
STATEMENT = re.compile(
    r"\b(?:select\s[\s\S]+?\sfrom\s+[\w(]|insert\s+(?:or\s+\w+\s+)?into\s+\w|update\s+\w+\s+set\s|delete\s+from\s+\w|"
    r"(?:create|drop|alter)\s+(?:unique\s+)?(?:temp\w*\s+)?(?:table|index|view|trigger)\s)",
    re.IGNORECASE,
)
READS_A_CLOCK = re.compile(
    r"\bnow\s*\(|\bcurrent_(?:timestamp|date|time)\b|\blocaltime(?:stamp)?\b|'now'|\b(?:strftime|julianday|unixepoch|"
    r"clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|sysdate|getdate)\b",
    re.IGNORECASE,
)
# HOUSE 8: what would make one text two.
ONE_DATABASE_ONLY = re.compile(
    r"\bdistinct\s+on\b|\bskip\s+locked\b|\bautoincrement\b|\b(?:big)?serial\b|\bpg_(?:try_)?advisory|\barray\[|\bany\s*\(|"
    r"\bfor\s+update\b|\brandom\s*\(",
    re.IGNORECASE,
)
# What an adapter says to its own database, and the rare migration that one of them needs differently.
ONE_DIALECT = re.compile(r"(?:^|\.)(?:postgres|sqlite)\.sql$")
# SQL that is not ours to keep in queries.sql: questions to a database that is watched, and why.
ASKS_ANOTHER_DATABASE = {
    "opswatch/probes/postgres.py": "its write probe writes one row of the watched server",
    "opswatch/hosts/pg_sessions.py": "looks at the watched server's own views",
    "opswatch/hosts/pg_replication.py": "looks at the watched server's own views",
    "opswatch/hosts/pg_storage.py": "looks at the watched server's own views",
    "opswatch/hosts/mysql_replication.py": "looks at the watched server's own views",
    "opswatch/hosts/mysql_sessions.py": "looks at the watched server's own views",
    "opswatch/hosts/mysql_storage.py": "looks at the watched server's own views, and writes one row where wanted",
}


def sql_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".sql" and path.is_relative_to(PACKAGE / "stores")]


def without_comments(path: Path) -> list[tuple[int, str]]:
    """Numbered lines of a SQL file, what stands after `--` left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(number, line.split("--", 1)[0]) for number, line in enumerate(lines, start=1)]


def sayings(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{named(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in without_comments(path)
        if pattern.search(line)
    ]


def strings(tree: ast.Module) -> list[tuple[int, str]]:
    """Every string a module holds but its docstrings; f-strings with their holes filled by a name."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    inside: set[int] = set()
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
            found.append((node.lineno, text))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | inside:
            found.append((node.lineno, node.value))
    return found


def test_python_holds_no_sql():
    spoken = [
        f"{named(path)}:{line}: {text.strip()[:80]!r}"
        for path in python_files()
        if named(path) not in ASKS_ANOTHER_DATABASE
        for line, text in strings(parsed(path))
        if STATEMENT.search(text)
    ]
    assert not spoken, "give it a name in stores/queries.sql:\n" + "\n".join(spoken)


def test_sql_never_asks_what_time_it_is():
    assert not (found := sayings(READS_A_CLOCK, sql_files())), "`:now` is always a parameter:\n" + "\n".join(found)


def test_sql_speaks_to_both_databases():
    shared = [path for path in sql_files() if not ONE_DIALECT.search(path.name)]
    assert not (found := sayings(ONE_DATABASE_ONLY, shared)), "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM b",
        "insert or ignore into t values (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "create table t (a)",
    ],
)
def test_a_statement_is_recognised(text: str):
    assert STATEMENT.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "select one, or all",
        "updates are set aside",
        "delete it",
        "BEGIN IMMEDIATE",
        "PRAGMA data_version",
        "create a table",
    ],
)
def test_words_are_not_statements(text: str):
    assert not STATEMENT.search(text)

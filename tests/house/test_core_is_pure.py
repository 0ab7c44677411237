"""The core decides and does nothing else: it imports only what cannot read a clock, a file, a socket or a die."""

from __future__ import annotations

import ast

import pytest

from tests.house.project import PACKAGE, imports, named, parsed, python_files

CORE = PACKAGE / "core"
# HOUSE 2. Holiday dates and compiled matchers arrive as values in the Plan, so no library for them is here.
ALLOWED = frozenset(
    {
        "__future__",
        "bisect",
        "collections",
        "cronsim",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "math",
        "operator",
        "opswatch.core",
        "opswatch.errors",
        "re",
        "statistics",
        "typing",
        "zoneinfo",
    }
)
# Builtins that reach out of the process, or make an import that no reader sees.
REACHES_OUT = frozenset({"__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print"})


def is_allowed(module: str) -> bool:
    """Whether `module` is on the list, or inside something that is."""
    return any(module == name or module.startswith(f"{name}.") for name in ALLOWED)


def test_the_core_imports_only_its_list():
    strangers = [found for path in python_files(CORE) for found in imports(path) if not is_allowed(found.name)]
    assert not strangers, "The core may not import:\n" + "\n".join(map(str, strangers))


def test_the_core_calls_nothing_that_reaches_out():
    calls = [
        f"{named(path)}:{node.lineno} calls {node.func.id}()"
        for path in python_files(CORE)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REACHES_OUT
    ]
    assert not calls, "\n".join(calls)


def test_there_is_a_core_to_look_at():
    assert {"model.py", "events.py", "effects.py"} <= {path.name for path in python_files(CORE)}


@pytest.mark.parametrize(
    "module", ["os", "time", "random", "pydantic", "opswatch.clock", "collections_extended", "opswatch"]
)
def test_the_list_refuses(module: str):
    assert not is_allowed(module)


@pytest.mark.parametrize(
    "module", ["collections.abc.Mapping", "opswatch.core.model.Priority", "datetime", "cronsim.CronSim"]
)
def test_the_list_admits(module: str):
    assert is_allowed(module)

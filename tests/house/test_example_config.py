"""The example runs as it is, names every key, and each block that stands commented out is right."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opswatch import config, playbooks, plugins
from opswatch.config import schema
from opswatch.core.model import Health, Priority
from tests.config.site import NOW

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
OFF = re.compile(r"#(?=[^\s#])")
"""A key that is switched off: "#" and no blank. Prose has one."""

VALUES = {"DB_MAIN_URL": "postgresql://opswatch@127.0.0.1/orders", "DEADMAN_URL": "https://deadman.example.com/ping"}


def _blocks(text: str) -> list[tuple[int, int]]:
    """[first, last) line of each run of lines that are switched off."""
    lines = text.splitlines()
    edges = [number for number, line in enumerate(lines) if OFF.match(line)]
    starts = [number for number in edges if number - 1 not in edges]
    ends = [number + 1 for number in edges if number + 1 not in edges]
    return list(zip(starts, ends, strict=True))


def _switched_on(text: str, block: tuple[int, int]) -> str:
    lines = text.splitlines()
    for number in range(*block):
        lines[number] = OFF.sub("", lines[number], count=1)
    return "\n".join(lines) + "\n"


def _name(file: Path, block: tuple[int, int]) -> str:
    return f"{file.name}:{block[0] + 1}"


FILES = [EXAMPLE, *sorted((ROOT / "checks").glob("*.toml"))]
BLOCKS = [(file, block) for file in FILES for block in _blocks(file.read_text(encoding="utf-8"))]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The example with its folders, and the files it may name."""
    shutil.copy(EXAMPLE, tmp_path)
    for folder in ("checks", "playbooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "tls").mkdir()
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "tls" / name).write_text("for the example only\n")
    return tmp_path


def _load(folder: Path) -> config.Loaded:
    path = folder / EXAMPLE.name
    named = {
        name for file in (path, *folder.glob("checks/*.toml")) for name in re.findall(r"env:(\w+)", file.read_text())
    }
    environ = {name: VALUES.get(name, "0123456789abcdef0123456789") for name in named}
    return config.load(path, plugins.kinds(), now=NOW, environ=environ)


def test_the_example_loads_without_a_word():
    loaded = config.load(EXAMPLE, plugins.kinds(), now=NOW, environ={})
    assert loaded.warnings == []
    assert config.lint(loaded, NOW) == []


def test_the_example_looks_at_this_host_and_pages_somebody():
    plan = config.load(EXAMPLE, plugins.kinds(), now=NOW, environ={}).plan
    looking = {check.probe for check in plan.checks.values() if "this-host" in check.targets}
    assert {"disk", "memory", "cpu", "load", "systemd"} <= looking
    (person,) = plan.people.values()
    assert person.login and person.contacts and plan.admins() == (f"person:{person.id}",)


@pytest.mark.parametrize(("file", "block"), BLOCKS, ids=[_name(*both) for both in BLOCKS])
def test_each_block_may_be_switched_on(copy: Path, file: Path, block: tuple[int, int]):
    here = copy / file.relative_to(ROOT)
    here.write_text(_switched_on(file.read_text(encoding="utf-8"), block), encoding="utf-8")
    loaded = _load(copy)
    unexpected = [
        str(warning)
        for warning in loaded.warnings
        if "does not act on it yet" not in warning.expected and "matches no target" not in warning.expected
    ]
    assert unexpected == []


def _tables(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in document.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                yield f"{path}{key}", item
                yield from _tables(item, f"{path}{key}.")


def _named_keys() -> set[tuple[str, str]]:
    """Every (table, key) that stands in the example or a shipped check, switched on or off."""
    found: set[tuple[str, str]] = set()
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        for variant in (text, *(_switched_on(text, block) for block in _blocks(text))):
            found |= {(path, key) for path, table in _tables(tomllib.loads(variant)) for key in table}
    return found


def test_the_example_names_every_key():
    wanted = {(table, key) for table, model in (schema.ARRAYS | schema.TABLES).items() for key in model.KEYS}
    wanted |= {("roster.layer", key) for key in schema.RosterLayer.KEYS}
    wanted |= {("policy.level", key) for key in schema.Level.KEYS}
    wanted |= {("priority.P1", key) for key in schema.PriorityRule.KEYS}
    assert sorted(wanted - _named_keys()) == []


def test_every_check_that_can_page_has_a_playbook_and_says_why():
    loaded = config.load(EXAMPLE, plugins.kinds(), now=NOW, environ={})
    for check in loaded.plan.checks.values():
        can_page = check.priority.get(Health.CRIT, Priority.P1) < Priority.P3 or check.priority.get(Health.WARN) == 2
        assert check.why, check.id
        if can_page:
            assert check.playbook in {book.id for book in loaded.playbooks}, check.id


def test_every_playbook_says_how_to_look_fix_undo_and_whom_to_call():
    for book in playbooks.load(ROOT / "playbooks"):
        text = book.text.lower()
        assert book.title and book.reviewed_at
        assert "undo" in text and "whom to call" in text, book.id

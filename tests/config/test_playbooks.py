"""Playbooks are found by the check that fails, and their front matter is looked at when the configuration is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from opswatch import playbooks
from opswatch.core.model import Role
from opswatch.errors import ConfigError
from tests.config.site import Site

DISK = """\
+++
title = "A filesystem is nearly full"
matches = ["disk-*", "inodes"]
owner = "team:ops"
reviewed_at = 2026-11-01
visibility = "responder"
+++
# Disk full

Look first.
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    (tmp_path / "disk-full.md").write_text(DISK, encoding="utf-8")
    (tmp_path / "memory.md").write_text("# Out of memory\n\nSee who takes it.\n", encoding="utf-8")
    (tmp_path / ".memory.md.swp").write_text("+++\nbroken", encoding="utf-8")
    return tmp_path


def test_front_matter_is_read_and_the_text_is_left_as_it_is(shelf: Path):
    disk = playbooks.load(shelf).get("disk-full")
    assert disk is not None
    assert (disk.title, disk.owner, disk.reviewed_at) == ("A filesystem is nearly full", "team:ops", date(2026, 11, 1))
    assert disk.text == "# Disk full\n\nLook first.\n"
    assert disk.may_be_read_by(Role.LEAD) and not disk.may_be_read_by(Role.VIEWER)


def test_without_front_matter_the_heading_is_the_title(shelf: Path):
    memory = playbooks.load(shelf).get("memory")
    assert memory is not None and memory.title == "Out of memory"


def test_a_failing_check_finds_its_playbook_by_name_then_by_pattern(shelf: Path):
    found = playbooks.load(shelf)
    assert [book and book.id for book in map(found.for_check, ("memory", "disk-space", "inodes", "load"))] == [
        "memory",
        "disk-full",
        "disk-full",
        None,
    ]
    named = found.for_check("load", "memory")
    assert named is not None and named.id == "memory"


@pytest.mark.parametrize(
    ("front", "key", "line"),
    [
        ("owners = 'x'", "owners", 2),
        ('title = "a"\nmatches = "disk"', "matches", 3),
        ('reviewed_at = "2026-11-01"', "reviewed_at", 2),
        ('visibility = "boss"', "visibility", 2),
        ("title = ", "front matter", 2),
    ],
)
def test_wrong_front_matter_is_a_problem_with_its_line(tmp_path: Path, front: str, key: str, line: int):
    (tmp_path / "a.md").write_text(f"+++\n{front}\n+++\ntext\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        playbooks.load(tmp_path)
    assert [(problem.where, problem.line) for problem in refused.value.problems] == [(key, line)]


def test_a_broken_playbook_is_told_with_everything_else(tmp_path: Path):
    site = Site(tmp_path).writes("[opswatch]\nnmae = 1\n").adds("playbooks/a.md", "+++\nowners = 1\n+++\n")
    assert [Path(problem.file).name for problem in site.problems()] == ["a.md", "config.toml"]


def test_no_folder_is_no_playbooks(tmp_path: Path):
    assert len(playbooks.load(tmp_path / "none")) == 0

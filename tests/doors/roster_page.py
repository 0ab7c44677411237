"""Pastes what commands print into docs/rosters.md: `python -m tests.doors.roster_page`. A test holds the page to it.

A section is one installation: its blocks of TOML are the files that their first lines name.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from opswatch import assemble
from opswatch.cli import door, root
from tests.transcripts import blocks, transcript

PAGE = Path(__file__).parents[2] / "docs" / "rosters.md"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


@contextmanager
def reader(folder: Path) -> Iterator[None]:
    """Ana sits at a terminal in `folder`, on the day the page was written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(door, "login", lambda: "ana")
        patch.setattr(door, "is_root", lambda: False)
        for name in ("open_office", "open_office_in_force", "examine"):
            patch.setattr(assemble, name, partial(getattr(assemble, name), now=lambda: NOW))
        yield


def sections(page: str) -> list[str]:
    """The parts of the page that have something to run."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return [part for part in parts if "```console\n" in part]


def play(section: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Each command of a section, in `folder`: (command, what it printed, what the page says it prints)."""
    for block in blocks(section, "toml"):
        name = block.partition("\n")[0].removeprefix("# ")
        (folder / name).write_text(block, encoding="utf-8")
    for command, expected in transcript(section):
        program, *line = shlex.split(command)
        assert program == "opswatch", command
        ran = CliRunner().invoke(root, line)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        yield command, ran.output.replace(f"{folder}/", "").rstrip("\n"), expected.rstrip("\n")


def pasted(page: str, folder: Path) -> str:
    """The page with what its commands print now."""
    for number, section in enumerate(sections(page)):
        inside = folder / str(number)
        inside.mkdir()
        with reader(inside):
            shown = "".join(f"$ {command}\n{output}\n" for command, output, _ in play(section, inside))
        new = re.sub(
            r"^```console\n.*?^```", lambda _, shown=shown: f"```console\n{shown}```", section, flags=re.M | re.S
        )
        page = page.replace(section, new)
    return page


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        text = pasted(PAGE.read_text(encoding="utf-8"), Path(scratch))
    PAGE.write_text(text, encoding="utf-8")

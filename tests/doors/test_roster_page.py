"""docs/rosters.md is run: its six examples load, and print what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from opswatch.cli import root
from opswatch.config import schema
from tests.doors.roster_page import PAGE, play, reader, sections

TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = sections(TEXT)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_prints_what_stands_there(number: int, tmp_path: Path):
    with reader(tmp_path):
        for command, printed, shown in play(EXAMPLES[number], tmp_path):
            assert printed == shown, f"$ {command}\nprints\n{printed}\n\n(python -m tests.doors.roster_page pastes it)"


def test_there_are_the_six_examples_people_ask_for():
    titles = [example.partition("\n")[0] for example in EXAMPLES]
    for number, word in enumerate(["week", "sun", "night", "weekends", "holidays", "while"], start=1):
        assert titles[number - 1].startswith(f"## {number}. ") and word in titles[number - 1]
    assert len(titles) == 6


def test_every_key_it_speaks_of_is_one():
    tables = (schema.Roster, schema.RosterLayer, schema.Level, schema.Opswatch, schema.WindowTable)
    known = {key for table in tables for key in table.KEYS}
    spoken_of = set(re.findall(r"`(\w+) =\s", TEXT))
    assert spoken_of and spoken_of <= known


def test_every_command_it_speaks_of_is_one():
    spoken_of = re.findall(r"opswatch ([a-z-]+)(?: ([a-z]+))?", TEXT)
    assert len(spoken_of) > 10
    for first, second in spoken_of:
        command = root.get_command(click.Context(root), first)
        assert command is not None, first
        if isinstance(command, click.Group):
            assert second in command.commands, f"{first} {second}"

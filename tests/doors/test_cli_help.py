"""The help: one line per command that is the command's own, a page that is what the program says."""

from __future__ import annotations

import re

import click
import pytest

from opswatch.cli import SECTIONS, root
from tests.doors.cli_page import PAGE, commands, page
from tests.doors.terminal import Terminal

ASKED_FOR = {
    *(
        "run",
        "init",
        "config",
        "status",
        "doctor",
        "list",
        "show",
        "ack",
        "unack",
        "accept",
        "decline",
        "resolve",
        "reopen",
        "snooze",
    ),
    *(
        "absence",
        "swap",
        "escalate",
        "reassign",
        "note",
        "priority",
        "open",
        "who",
        "roster",
        "override",
        "silence",
        "maintenance",
        "heartbeat",
        "hook",
        "pause",
        "checks",
    ),
    *(
        "explain",
        "test",
        *("update", "merge", "split"),
        "simulate",
        "inspect",
        "page-test",
        "dutylog",
        "handoff",
        "postmortem",
        "risk",
        "review",
        "db",
        "export",
    ),
    "completion",
}


def test_every_command_of_this_release_is_there():
    assert {entry.name for entries in SECTIONS.values() for entry in entries} == ASKED_FOR
    assert {command.name for _, command in commands()} >= ASKED_FOR


def test_a_command_is_called_as_the_table_calls_it():
    top = click.Context(root)
    for entries in SECTIONS.values():
        for entry in entries:
            command = root.get_command(top, entry.name)
            assert command is not None
            assert command.name == entry.name


def test_every_command_and_option_says_what_it_does():
    for ctx, command in commands():
        assert command.help, ctx.command_path
        silent = [
            option.name
            for option in command.params
            if isinstance(option, click.Option) and not option.help and not option.hidden
        ]
        assert not silent, f"{ctx.command_path}: {silent}"


def test_the_page_is_what_the_program_says():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.doors.cli_page"


def test_every_example_in_the_help_can_be_read():
    """Each `opswatch …` line of a help text parses, up to what the installation would answer."""
    examples = [
        (ctx, line.strip())
        for ctx, command in commands()
        for line in (command.help or "").splitlines()
        if re.match(r"\s*opswatch ", line)
    ]
    assert len(examples) > 15
    import shlex

    for ctx, line in examples:
        words = shlex.split(line)[1:]
        path = ctx.command_path.split()[1:]
        assert words[: len(path)] == path, line
        ctx.command.make_context(path[-1], words[len(path) :], resilient_parsing=False)


@pytest.mark.parametrize("line", [(), ("--help",), ("override",), ("override", "add", "--help")])
def test_help_is_never_an_accident(terminal: Terminal, line: tuple[str, ...]):
    said = terminal.says(*line, config=False)
    assert said.code in (0, 2)
    assert "Usage: opswatch" in said.out + said.err


def test_the_version(terminal: Terminal):
    from opswatch import __version__

    said = terminal.says("--version", config=False)
    assert (said.code, said.out) == (0, f"opswatch {__version__}\n")

"""Pastes the help of every command into docs/cli.md: `python -m tests.doors.cli_page`. A test holds the page to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from opswatch import __main__
from opswatch.cli import SECTIONS, root

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
MARK = "<!-- From here on: pasted by `python -m tests.doors.cli_page`. -->\n"
WIDTH = 100
assert __main__.run.name == "run"  # Imported for what it does: it adds `run`.


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """Every command with its context, in the order of the help; groups before their own."""
    top = click.Context(root, info_name="opswatch", terminal_width=WIDTH)
    for entries in SECTIONS.values():
        for entry in entries:
            command = root.get_command(top, entry.name)
            assert command is not None, entry.name
            ctx = click.Context(command, info_name=entry.name, parent=top, terminal_width=WIDTH)
            yield ctx, command
            if isinstance(command, click.Group):
                for name, inner in command.commands.items():
                    yield click.Context(inner, info_name=name, parent=ctx, terminal_width=WIDTH), inner


def pasted() -> str:
    """The generated part of the page."""
    top = click.Context(root, info_name="opswatch", terminal_width=WIDTH)
    parts = [f"```\n{root.get_help(top)}\n```\n"]
    for ctx, command in commands():
        if not isinstance(command, click.Group):
            parts.append(f"### {ctx.command_path}\n\n```\n{command.get_help(ctx)}\n```\n")
    return "\n".join(parts)


def page() -> str:
    """The whole page: what is written by hand, then what is pasted."""
    by_hand, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{PAGE} has lost its line {MARK!r}"
    return f"{by_hand}{MARK}\n{pasted()}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

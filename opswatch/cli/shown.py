"""How answers look: columns and colour on a terminal, plain lines in a pipe, JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence

import click

STYLES = {
    "P0": "bold white on red",
    "P1": "bold red",
    "P2": "yellow",
    "crit": "bold red",
    "warn": "yellow",
    "unknown": "magenta",
    "ok": "green",
    "fail": "bold red",
    "triggered": "bold",
    "nobody": "bold red",
}
_PIPE_WIDTH = 10_000  # nobody reads it with eyes: lines stay whole for grep


def print_json(value: object) -> None:
    """One JSON document, readable, as UTF-8."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, whole: int = 0) -> None:
    """Columns under headings; Chinese letters count as the two columns they take. A cell that is a priority or a
    state is coloured. The first `whole` columns are never broken into lines."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    coloured = is_coloured()
    out = StringIO()
    console = Console(file=out, width=width(), force_terminal=coloured, no_color=not coloured, legacy_windows=False)
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, no_wrap=number < whole)
    for row in rows:
        table.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
    console.print(table)
    click.echo("\n".join(line.rstrip() for line in out.getvalue().splitlines()), color=coloured)


def width() -> int:
    """How many columns a line may take."""
    return shutil.get_terminal_size().columns if _is_terminal() else _PIPE_WIDTH


def lines_of(parts: Iterable[str], room: int) -> list[str]:
    """`parts` joined by "; " to lines of at most `room` columns; a part is never broken. At least one line."""
    from rich.cells import cell_len

    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}; {part}" if lines[-1] else part
        if lines[-1] and cell_len(joined) > room:
            lines[-1] += ";"
            lines.append(part)
        else:
            lines[-1] = joined
    return lines


def print_markdown(text: str) -> None:
    """Set as a page on a terminal, as it is in a pipe."""
    if not _is_terminal():
        click.echo(text.rstrip("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(no_color=not is_coloured()).print(Markdown(text))


def styled(word: str, text: str | None = None) -> str:
    """`text` (or the word itself) in the colour of `word`, where there is colour."""
    style = STYLES.get(word, "")
    text = word if text is None else text
    if not style or not is_coloured():
        return text
    colour = next((name for name in ("red", "yellow", "magenta", "green") if name in style), None)
    return click.style(text, fg=colour, bold="bold" in style)


def say(text: str = "") -> None:
    """A line on standard output."""
    click.echo(text, color=is_coloured())


def is_coloured() -> bool:
    """Whether colour is wanted: a terminal, and nobody said NO_COLOR."""
    return _is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False

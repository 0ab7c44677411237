"""The rotation review: how duty went over a week or a month."""

from __future__ import annotations

from pathlib import Path

import click

from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, Command, is_json
from opswatch.cli.shown import print_json, print_markdown, say

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("review", cls=Command)
@click.argument("kind", metavar="[week|month]", type=click.Choice(["week", "month"]), default="week")
@click.option("--at", metavar="T", help="Of the week or month that covers this time; default: the last that is over.")
@click.option(
    "--html",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there, with plots.",
)
@is_json
def review(kind: str, at: str | None, file: Path | None, as_json: bool) -> int:
    """How duty went: incidents, how fast they were answered, who was woken, what made noise.

    \b
    opswatch review
    opswatch review week --at '3 weeks ago' --html review.html
    opswatch review month --json
    """
    import gc

    gc.disable()  # A busy week is a million small values, and this process ends with its answer.
    office = door().office()
    views, (_, language) = office.views, door().reader()
    found = views.review(kind, door().instant(at, "--at") if at is not None else None)
    if file is not None:
        from opswatch.render.review_page import html

        with in_words():
            file.write_text(html(found, office.plan, language=language), encoding="utf-8")
    if as_json:
        from opswatch.render.review_json import as_values

        print_json(as_values(found))
    elif file is not None:
        say(str(file))
    else:
        from opswatch.records import for_reading
        from opswatch.render.review_page import markdown

        print_markdown(for_reading(markdown(found, office.plan, language=language).text))
    return DONE

"""What a change to the rosters does, for the pull request that makes it: `opswatch roster diff OLD NEW`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from opswatch.cli.door import in_words
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say

FILE = click.Path(path_type=Path)


@click.command("diff", cls=Command)
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="So many days ahead.")
@click.option("--roster", metavar="R", help="Only this one.")
@click.option("--with-overrides", is_flag=True, help="Lay the overrides over both that the store of OLD holds.")
@is_json
def diff(old: Path, new: Path, days: int, roster: str | None, with_overrides: bool, as_json: bool) -> int:
    """Which shifts change hands between two configurations, the running one first; nothing is changed.

    It needs no store, and says the same on every machine: overrides count with --with-overrides only. Exit 0 also where
    there are differences.

    \b
    opswatch roster diff old/config.toml config.toml
    opswatch roster diff ../main . --days 60 --roster primary
    """
    from opswatch import assemble, render
    from opswatch.core.roster_diff import diff as compared
    from opswatch.render.roster_diff import as_json as in_json
    from opswatch.render.roster_diff import roster_diff
    from opswatch.render.words import Reader

    with in_words():
        after, now = assemble.plan_alone(_file(new))
        before = assemble.imagined(_file(old), lambda: now).plan
        overrides = assemble.stored_overrides(_file(old), now) if with_overrides else ()
    found = compared(before, after, overrides, now, timedelta(days=days))
    if roster is not None:
        known = [one.roster.id for one in found]
        found = [one for one in found if roster in (one.roster.id, one.before.id if one.before else None)]
        if not found:
            words = render.word(after.language, "answer.unknown_roster", roster=roster, known=", ".join(known))
            click.echo(words, err=True)
            return REFUSED
    if as_json:
        print_json([in_json(one, now) for one in found])
        return DONE
    readers = [Reader(after.language, plan=side, zone=after.timezone) for side in (before, after)]
    say(roster_diff(readers[0], readers[1], found, now, days))
    return DONE


def _file(path: Path) -> Path:
    """A folder means its config.toml."""
    return path / "config.toml" if path.is_dir() else path

"""What happened, handed out as tables: CSV, lines of JSON, or a SQLite file."""

from __future__ import annotations

from pathlib import Path

import click

from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say


@click.command("export", cls=Command)
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--from", "start", metavar="T", help="From this time; default: the first thing written down.")
@click.option("--to", "end", metavar="T", help="Until this time; default: now.")
@is_json
def export(target: Path, start: str | None, end: str | None, as_json: bool) -> int:
    """Write incidents, the timeline, pages, shifts, duty logs and documents to FILE, which must not exist.

    A name ending in .db becomes a SQLite file (datasette FILE), .jsonl one JSON object per line; any other a folder of
    CSV. No contact, address or secret is in it.

    opswatch export november.db --from 2026-11-01 --to 2026-12-01
    """
    from opswatch import exports
    from opswatch.errors import ConfigError, OpswatchError, StoreUnavailable

    office = door().office()
    begins = None if start is None else door().instant(start, "--from")
    ends = None if end is None else door().instant(end, "--to")
    with in_words():
        try:
            done = exports.export(
                office.desk, office.store, office.settings.data_dir, target, office.now(), start=begins, end=ends
            )
        except (ConfigError, StoreUnavailable):
            raise
        except OpswatchError as refused:
            click.echo(f"opswatch: {refused}", err=True)
            return REFUSED
    if as_json:
        print_json({"place": str(done.place), "rows": dict(done.rows)})
        return DONE
    counted = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.rows.items())
    say(f"{done.place}: {counted}, {done.start:%Y-%m-%d %H:%M} to {done.end:%Y-%m-%d %H:%M} UTC")
    return DONE

"""The store: its schema and its health."""

from __future__ import annotations

import click

from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, say


@click.group("db", cls=Group)
def db() -> None:
    """The store: its schema and its health."""


@db.command("migrate")
@is_json
def migrate(as_json: bool) -> int:
    """Bring the schema up to date. Forward only; the previous release runs on it too, and a running daemon goes on."""
    from opswatch import assemble

    with in_words():
        applied = assemble.migrate(door().path())
    if as_json:
        print_json({"applied": applied})
    elif applied:
        say("\n".join(f"applied {name}" for name in applied))
    else:
        say("The schema is up to date.")
    return DONE


@db.command("check")
@is_json
def check(as_json: bool) -> int:
    """Read the whole store and say what is wrong with it; exit 1 when anything is."""
    from opswatch import assemble

    with in_words():
        missing, damaged = assemble.check_store(door().path())
    if as_json:
        print_json({"missing_migrations": missing, "problems": damaged})
    else:
        for name in missing:
            say(f"migration {name} is missing: `opswatch db migrate`")
        for line in damaged:
            say(f"damaged: {line}: stop opswatch, keep a copy, restore the last backup")
        if not missing and not damaged:
            say("The store is sound, and its schema is up to date.")
    return REFUSED if missing or damaged else DONE

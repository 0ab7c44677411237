"""The store: its schema, its health, its size; backups of the whole, and putting one back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli.door import door, in_words
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say

if TYPE_CHECKING:
    from opswatch.archive import Manifest
    from opswatch.backups import Destination, Restored

MB = 1e6


@click.group("db", cls=Group)
def db() -> None:
    """The store: its schema, its health and size, backups."""


@db.command("backup")
@click.argument("target", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option("--keep", metavar="N", type=click.IntRange(1), help="Of the backups in DIR, keep the newest N.")
@is_json
def back_up(target: Path, keep: int | None, as_json: bool) -> int:
    """Write the store, the records and the key of the links into one file, while everything runs.

    In a folder it gets a name with the time. It is read again before it gets its name: a file that is there is whole.
    The configuration is not in it. Example, for cron:

    opswatch db backup /backup/opswatch/ --keep 14
    """
    from opswatch import assemble, backups

    if keep is not None and not target.is_dir():
        raise click.BadParameter(f"{target} is no folder", param_hint="--keep")
    with in_words():
        made = assemble.back_up(door().path(), target, keep=keep)
    if as_json:
        removed = [str(path) for path in made.removed]
        print_json({"file": str(made.file), "bytes": made.bytes, "removed": removed, **backups.facts_of(made.manifest)})
        return DONE
    say(f"{made.file}: {made.bytes / MB:.1f} MB, {_told(made.manifest)}")
    for path in made.removed:
        say(f"removed {path}")
    return DONE


@db.command("restore")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--into", metavar="DIR|URL", help="A data folder or a store's address; default: the configuration's.")
@click.option("--check", "only_check", is_flag=True, help="Only say whether it could be put back.")
@click.option("--force", is_flag=True, help="Also where something stands; that is moved aside.")
@is_json
def restore(file: Path, into: str | None, only_check: bool, force: bool, as_json: bool) -> int:
    """Put a backup back: stop every daemon first.

    Every byte is compared with what was written, the copy is looked through, and its timeline must tell its state;
    only then is anything touched. A backup goes back into SQLite or PostgreSQL, whichever it came from.

    opswatch db restore kept.tar.gz --check

    opswatch db restore kept.tar.gz --into /var/tmp/drill
    """
    from opswatch import assemble, backups

    with in_words():
        try:
            if only_check:
                manifest = backups.check(file)
                return _say_checked(file, manifest, as_json)
            restored = assemble.restore(file, _destination(into), force=force)
        except (backups.BadBackup, backups.WouldLose) as refused:
            click.echo(f"opswatch: {refused}", err=True)
            return REFUSED
    _say_restored(restored, as_json)
    return DONE


@db.command("inspect")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@is_json
def inspect(file: Path | None, as_json: bool) -> int:
    """How large the store is, how far back it goes, how fast it grows; or what a backup FILE says of itself."""
    from opswatch import assemble, backups

    with in_words():
        if file is not None:
            manifest = backups.manifest_of(file)
            return _say_checked(file, manifest, as_json, looked_through=False)
        found = assemble.census(door().path())
    if as_json:
        print_json(found.as_json())
        return DONE
    say(f"{found.place}: {_size(sum(found.parts.values()))}, growing by about {_size(found.bytes_per_day)} a day")
    parts = [(f"{part} on disk", _size(size)) for part, size in found.parts.items()]
    since = [("timeline since", found.shape.first_at), ("samples since", found.samples_first_at)]
    print_table(
        ("", ""),
        [
            *parts,
            ("free inside", _size(found.free)),
            *((name, f"{at:%Y-%m-%d %H:%M} UTC" if at else "nothing yet") for name, at in since),
            ("entries a day", f"{found.entries_per_day:.0f}"),
            ("samples a day", f"{found.samples_per_day:.0f}"),
            *((f"rows: {table}", str(count)) for table, count in sorted(found.shape.counts.items())),
        ],
    )
    return DONE


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


# ---------------------------------------------------------------------------------------------------------------------


def _destination(into: str | None) -> Destination:
    """What `--into` names; without it the configuration's store and data folder."""
    from opswatch import assemble
    from opswatch.backups import Destination
    from opswatch.core.model import Secret

    if into is None:
        return assemble.destination(door().path())
    if into.startswith(("sqlite:", "postgresql:", "postgres:")):
        return Destination(Secret(into, "--into"), None)
    folder = Path(into).absolute()
    return Destination(Secret(f"sqlite:{folder / 'opswatch.db'}", f"sqlite:{folder}"), folder)


def _say_checked(file: Path, manifest: Manifest, as_json: bool, *, looked_through: bool = True) -> int:
    from opswatch.backups import facts_of

    if as_json:
        print_json({"file": str(file), "sound": True, **facts_of(manifest)} if looked_through else manifest.as_json())
        return DONE
    say(f"{file}: {'sound; ' if looked_through else ''}{_told(manifest)}")
    if not looked_through:
        rows = [(f"rows: {table}", str(count)) for table, count in sorted(manifest.counts.items())]
        print_table(("", ""), [("schema", ", ".join(manifest.schema)), ("files", str(len(manifest.members))), *rows])
    return DONE


def _say_restored(restored: Restored, as_json: bool) -> None:
    from opswatch.backups import facts_of

    if as_json:
        aside = [str(path) for path in restored.aside]
        print_json({"aside": aside, "migrated": list(restored.migrated), **facts_of(restored.manifest)})
        return
    say(f"restored: {_told(restored.manifest)}")
    for name in restored.migrated:
        say(f"applied {name}")
    for path in restored.aside:
        say(f"moved aside: {path}")
    say("Start the daemon; pages that were promised and not delivered then leave now. Look at them: opswatch list")


def _told(manifest: Manifest) -> str:
    what = f"{manifest.position} timeline entries, {manifest.open_incidents} open incidents"
    return f"{manifest.name or 'opswatch'} of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {what}"


def _size(size: float) -> str:
    return f"{size / MB:.1f} MB" if size >= MB / 10 else f"{size / 1e3:.0f} kB"

"""Overrides of rosters: somebody for somebody, somebody more, somebody less, or a whole schedule for a while."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.swaps import dry_run_option
from opswatch.cli.values import PERSON, ROSTER
from opswatch.core.counts import say_count

if TYPE_CHECKING:
    from opswatch.core.state import Override

SCHEDULE_MAX = 256 * 1024
Shift = tuple[datetime, datetime, tuple[str, ...]]


@click.group("override", cls=Group)
def override() -> None:
    """Somebody else is on call for a while."""


@override.command("add")
@click.option("--roster", type=ROSTER, required=True, metavar="R", help="Overrides name one roster.")
@click.option("--from", "start", required=True, metavar="T", help="From when.")
@click.option("--to", "end", required=True, metavar="T", help="To when, exclusive.")
@click.option("--replace", type=PERSON, metavar="A", help="Instead of A …")
@click.option("--by", "instead", type=PERSON, metavar="B", help="… B is on call.")
@click.option("--add", "more", type=PERSON, metavar="B", help="B is on call as well.")
@click.option("--remove", type=PERSON, metavar="A", help="A is not on call; nobody takes the place.")
@click.option(
    "--schedule",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A schedule of its own: TOML with [[shift]] tables of from, to, people; without any: nobody.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@dry_run_option
@is_json
def add(
    roster: str,
    start: str,
    end: str,
    replace: str | None,
    instead: str | None,
    more: str | None,
    remove: str | None,
    schedule: Path | None,
    reason: str,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Change who is on call in one roster from T to T. What that changes, shift by shift, is shown, with --dry-run
    before it is made, and told to those who gain or lose hours.

    \b
    opswatch override add --roster primary --from 'fri 18:00' --to 'mon 09:00' --replace ana --by bo
    opswatch override add --roster primary --from now --to 4h --add bo
    """
    from opswatch.core.events import AddOverride

    removed, added = _who(replace, instead, more, remove, schedule)
    speaker = door().speaker()
    begins, ends = door().instant(start, "--from"), door().instant(end, "--to")
    shifts = _shifts(schedule, _zone_of(roster)) if schedule is not None else None
    command = AddOverride(roster, begins, ends, removed, added, shifts, reason, by=speaker.person.id, door=speaker.door)
    if not door().say(command, as_json=as_json, dry_run=dry_run):
        return REFUSED
    if not as_json and not dry_run:
        zone, _ = door().reader()
        say(f"From {times.named(begins, zone)} to {times.named(ends, zone)}.")
    return DONE


@override.command("list")
@click.option("--roster", type=ROSTER, metavar="R", help="Only of this one.")
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@is_json
def list_overrides(roster: str | None, everything: bool, as_json: bool) -> int:
    """Overrides that are running or ahead."""
    office = door().office()
    now = office.now()
    found = [
        one
        for one in sorted(office.views.overrides(), key=lambda one: (one.start, one.id))
        if (everything or one.end > now) and roster in (None, one.roster)
    ]
    if as_json:
        print_json([_json(one) for one in found])
        return DONE
    if not found:
        say("There are no overrides.")
        return DONE
    zone, _ = door().reader()
    rows = [
        [
            str(one.id),
            one.roster,
            times.local(one.start, zone),
            times.local(one.end, zone),
            _change(one),
            one.by,
            one.reason,
        ]
        for one in found
    ]
    print_table(["ID", "ROSTER", f"FROM ({zone})", "TO", "CHANGE", "BY", "REASON"], rows)
    return DONE


@override.command("remove")
@click.argument("id", type=int)
@click.option("--from", "start", metavar="T", help="Only from then …")
@click.option("--to", "end", metavar="T", help="… until then; the rest stays.")
@dry_run_option
@is_json
def remove(id: int, start: str | None, end: str | None, dry_run: bool, as_json: bool) -> int:
    """End override ID, or the part of it from T to T: the layers show again there."""
    from opswatch.core.events import RemoveOverride

    speaker = door().speaker()
    begins = door().instant(start, "--from") if start is not None else None
    ends = door().instant(end, "--to") if end is not None else None
    command = RemoveOverride(id, begins, ends, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json, dry_run=dry_run) else REFUSED


# ---------------------------------------------------------------------------------------------------------------------


def _who(
    replace: str | None, instead: str | None, more: str | None, remove: str | None, schedule: Path | None
) -> tuple[str | None, str | None]:
    """(removed, added); exactly one of the four forms."""
    if (replace is None) != (instead is None):
        raise click.UsageError("--replace A and --by B belong together.")
    forms = [form for form in (replace, more, remove, schedule) if form is not None]
    if len(forms) != 1:
        raise click.UsageError("Say one of: --replace A --by B, --add B, --remove A, --schedule FILE.")
    return replace or remove, instead or more


def _zone_of(roster: str) -> str:
    plan = door().office().plan
    return plan.rosters[roster].timezone if roster in plan.rosters else plan.timezone


def _shifts(file: Path, zone: str) -> tuple[Shift, ...]:
    """The `[[shift]]` tables of a schedule; times without an offset are local to the roster's zone."""
    import tomllib

    try:
        with file.open("rb") as stream:
            data = stream.read(SCHEDULE_MAX + 1)
        if len(data) > SCHEDULE_MAX:
            raise click.UsageError(f"{file}: more than {SCHEDULE_MAX} bytes")
        document = tomllib.loads(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise click.UsageError(f"{file}: {wrong}") from None
    tables = document.pop("shift", [])
    if document or not isinstance(tables, list):
        raise click.UsageError(f"{file}: holds [[shift]] tables and nothing else")
    return tuple(_shift(file, number, table, zone) for number, table in enumerate(tables, start=1))


def _shift(file: Path, number: int, table: object, zone: str) -> Shift:
    where = f"{file}: shift {number}"
    if not isinstance(table, dict) or set(table) != {"from", "to", "people"}:
        raise click.UsageError(f"{where}: needs from, to and people, and nothing else")
    people = table["people"]
    if not isinstance(people, list) or not all(isinstance(person, str) for person in people):
        raise click.UsageError(f"{where}: people is a list such as ['ana', 'bo']")
    start, end = (_instant(where, key, table[key], zone) for key in ("from", "to"))
    if end <= start:
        raise click.UsageError(f"{where}: to must be after from")
    return start, end, tuple(people)


def _instant(where: str, key: str, value: object, zone: str) -> datetime:
    from opswatch.core.instants import instant

    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise click.UsageError(f"{where}: {key} is a time such as 2026-12-24T18:00:00") from None
    return at.astimezone(UTC) if at.tzinfo is not None else instant(at, zone)


def _change(one: Override) -> str:
    if one.shifts is not None:
        return f"a schedule of {say_count(len(one.shifts), 'shift')}"
    if one.remove is not None and one.add is not None:
        return f"{one.add} for {one.remove}"
    return f"without {one.remove}" if one.remove is not None else f"{one.add} as well"


def _json(one: Override) -> dict[str, object]:
    from opswatch.views import utc

    shifts = None
    if one.shifts is not None:
        shifts = [{"from": utc(start), "to": utc(end), "people": list(people)} for start, end, people in one.shifts]
    return {
        "id": one.id,
        "roster": one.roster,
        "from": utc(one.start),
        "to": utc(one.end),
        "remove": one.remove,
        "add": one.add,
        "shifts": shifts,
        "by": one.by,
        "made_at": utc(one.made_at),
        "reason": one.reason,
    }

"""Absences: who is away, which of their shifts that touches, and calendars that say so."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.swaps import dry_run_option
from opswatch.cli.values import ABSENCE, PERSON
from opswatch.core.counts import say_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opswatch.core.absences import Conflict
    from opswatch.core.plan import Person
    from opswatch.core.state import Absence

KINDS = ("leave", "sick", "training", "travel")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_no_cover = click.option("--no-cover", is_flag=True, help="Ask nobody to take the shifts it touches.")


@click.group("absence", cls=Group)
def absence() -> None:
    """Who is away; shifts that this leaves without them."""


@absence.command("add")
@click.option("--from", "start", required=True, metavar="T", help="From when; a date alone: from its beginning.")
@click.option("--to", "end", required=True, metavar="T", help="To when; a date alone: to its end.")
@click.option("--person", type=PERSON, metavar="P", help="Who; default: yourself. Others need a lead.")
@click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What it is.")
@click.option("--reason", default="", metavar="TEXT", help="Why. Everybody can read it.")
@_no_cover
@dry_run_option
@is_json
def add(
    start: str,
    end: str,
    person: str | None,
    kind: str,
    reason: str,
    no_cover: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Say that somebody is away. Nobody is taken off a roster by that: the shifts of the next 90 days that it touches
    are listed, and for each a cover is asked for (--no-cover: is not). Times are the person's local ones.

    \b
    opswatch absence add --from 2026-12-24 --to 2026-12-31
    opswatch absence add --person bo --kind sick --from now --to 'tomorrow 18:00'
    """
    from opswatch.core.events import AddAbsence

    speaker = door().speaker()
    people = door().office().plan.people
    away = people.get(person or speaker.person.id, speaker.person)
    begins = _instant(start, "--from", away.timezone, days=0)
    ends = _instant(end, "--to", away.timezone, days=1)
    command = AddAbsence(begins, ends, person, kind, reason, not no_cover, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json, dry_run=dry_run) else REFUSED


@absence.command("list")
@click.option("--person", type=PERSON, metavar="P", help="Only of P.")
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@is_json
def list_absences(person: str | None, everything: bool, as_json: bool) -> int:
    """Who is away now or will be, and the shifts of the next 90 days that still name them."""
    from opswatch.core.away import CONFLICTS_AHEAD

    office = door().office()
    now = office.now()
    found = [
        one
        for one in office.views.absences()
        if (everything or one.end > now) and (person is None or one.person == person)
    ]
    touched: dict[int, list[Conflict]] = {}
    for conflict in office.views.conflicts(now, now + CONFLICTS_AHEAD):
        touched.setdefault(conflict.absence, []).append(conflict)
    if as_json:
        print_json([_json(one, touched.get(one.id, [])) for one in found])
        return DONE
    if not found:
        say("Nobody is away.")
        return DONE
    zone, _ = door().reader()
    rows = [
        [
            str(one.id),
            one.person,
            times.local(one.start, zone),
            times.local(one.end, zone),
            one.kind,
            "" if one.source == "hand" else one.source,
            "; ".join(_touched(conflict, zone) for conflict in touched.get(one.id, [])),
            one.reason,
        ]
        for one in found
    ]
    print_table(["ID", "WHO", f"FROM ({zone})", "TO", "KIND", "SOURCE", "ON CALL ALL THE SAME", "REASON"], rows)
    return DONE


@absence.command("remove")
@click.argument("id", type=ABSENCE)
@is_json
def remove(id: int, as_json: bool) -> int:
    """Take absence ID back: nobody is asked to cover for it any more. Overrides that came of it stay, and are named."""
    from opswatch.core.events import RemoveAbsence

    speaker = door().speaker()
    command = RemoveAbsence(id, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@absence.command("import")
@click.argument("where", metavar="FILE|URL")
@click.option("--person", type=PERSON, metavar="P", help="All of it is P's; default: by the attendees' e-mail.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How far ahead.")
@click.option("--name", metavar="NAME", help="What the calendar is called here; default: the file's name or the host.")
@_no_cover
@dry_run_option
@is_json
def import_absences(
    where: str, person: str | None, days: int, name: str | None, no_cover: bool, dry_run: bool, as_json: bool
) -> int:
    """Take absences from an iCalendar file or address (env:NAME keeps a secret one off the command line). Imported
    again, what moved moves and what it no longer has is removed; what is marked free or cancelled is none.

    \b
    opswatch absence import leave.ics --person bo --dry-run
    opswatch absence import env:LEAVE_CALENDAR_URL
    """
    from opswatch import icalendars
    from opswatch.core.events import AbsencesImported

    speaker = door().speaker()
    office = door().office()
    people = office.plan.people
    if person is not None and person not in people:
        raise click.BadParameter(f"nobody is called {person!r}; known are {', '.join(people)}", param_hint="--person")
    where = _referred(where)
    now = office.now()
    until = now + timedelta(days=days)
    try:
        data = icalendars.fetch(where) if icalendars.is_url(where) else _bytes(where, icalendars.BYTES_MAX)
        found = icalendars.absences(data, people, now, until, person=person)
    except icalendars.BadCalendar as wrong:
        label = icalendars.host_of(where) if icalendars.is_url(where) else where
        raise click.UsageError(f"{label}: {wrong}") from None
    whose = (person,) if person is not None else _by_address(people)
    source = name or icalendars.source_of(where)
    event = AbsencesImported(
        source[:100], whose, now, until, found.absences, speaker.person.id, speaker.door, not no_cover
    )
    is_done = door().say(event, as_json=as_json, dry_run=dry_run)
    if is_done and found.strangers and not as_json:
        click.echo(
            f"warning: {say_count(found.strangers, 'event')} of nobody with a contact.email here: left out", err=True
        )
    return DONE if is_done else REFUSED


# ---------------------------------------------------------------------------------------------------------------------


def _referred(where: str) -> str:
    import os

    from opswatch.config.references import Unresolved, is_reference, resolve

    if not is_reference(where):
        return where
    if where.startswith("file:"):  # The calendar itself stands there.
        return where.removeprefix("file:")
    try:
        return str.__str__(resolve(where, os.environ)).strip()
    except Unresolved as missing:
        raise click.UsageError(f"{where}: {missing}") from None


def _bytes(where: str, limit: int) -> bytes:
    try:
        with Path(where).open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as trouble:
        raise click.UsageError(f"{where} cannot be read: {trouble.strerror}") from None


def _by_address(people: Mapping[str, Person]) -> tuple[str, ...]:
    """Whose absences a calendar of many people may tell."""
    return tuple(one.id for one in people.values() if "email" in one.contacts)


def _instant(text: str, option: str, zone: str, *, days: int) -> datetime:
    """As everywhere; a date alone is the beginning of that day, or with `days` of a later one."""
    from opswatch.core.instants import instant

    if _DAY.fullmatch(text.strip()) is None:
        return door().instant(text, option, zone=zone)
    try:
        return instant(datetime.combine(date.fromisoformat(text.strip()) + timedelta(days=days), time()), zone)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no date: write one such as 2026-12-24", param_hint=option) from None


def _touched(conflict: Conflict, zone: str) -> str:
    return f"{conflict.roster} {times.local(conflict.start, zone)} to {times.local(conflict.end, zone)}"


def _json(one: Absence, touched: list[Conflict]) -> dict[str, object]:
    from opswatch.views import utc

    return {
        "id": one.id,
        "person": one.person,
        "from": utc(one.start),
        "to": utc(one.end),
        "kind": one.kind,
        "reason": one.reason,
        "source": one.source,
        "uid": one.uid or None,
        "by": one.by,
        "made_at": utc(one.made_at),
        "conflicts": [
            {"roster": c.roster, "from": utc(c.start), "to": utc(c.end), "others": list(c.others)} for c in touched
        ],
    }

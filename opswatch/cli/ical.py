"""`opswatch roster ical`: shifts for calendars, as a file or as a link to subscribe to."""

from __future__ import annotations

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command
from opswatch.cli.shown import say
from opswatch.cli.values import PERSON, ROSTER

DAYS_MAX = 400


@click.command("ical", cls=Command)
@click.option("--roster", type=ROSTER, metavar="R", help="The shifts of a roster, its gaps included.")
@click.option("--person", type=PERSON, metavar="P", help="The shifts of a person, in whatever roster.")
@click.option("--team", metavar="T", help="The shifts of a team's people, in whatever roster.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=90, show_default=True, help="So many days ahead.")
@click.option("--link", is_flag=True, help="Print the address to subscribe to instead.")
def ical(roster: str | None, person: str | None, team: str | None, days: int, link: bool) -> int:
    """Shifts as an iCalendar file (RFC 5545); without an option those of who asks.

    The address of --link needs no sign-in: whoever has it sees these shifts. Raise its number under `ical` of [web]
    and reload, and the addresses given out are worth nothing.

    \b
    opswatch roster ical --roster primary
    opswatch roster ical --person chen --link
    """
    from opswatch.core.effects import Refuse

    given = [f"{kind}:{name}" for kind, name in (("roster", roster), ("person", person), ("team", team)) if name]
    if len(given) > 1:
        raise click.UsageError("one of --roster, --person and --team: a calendar shows one of them")
    what = given[0] if given else f"person:{door().speaker().person.id}"
    office = door().office()
    try:
        text = office.views.ahead.ical(what, days)
    except KeyError:
        kind, _, name = what.partition(":")
        known = ", ".join(office.plan.rosters if kind == "roster" else office.plan.people if kind == "person" else ())
        facts = {"roster": name, "person": name, "to": name, "known": known}
        door().show_answer(Refuse(f"unknown_{kind}", facts))
        return REFUSED
    if link:
        url = office.links("ical", what=what, number=office.settings.web.feed_number(what))
        if url is None:
            raise click.UsageError("there is no public_url under [opswatch]: nobody could open the link")
        say(url)
        return DONE
    click.echo(text.encode(), nl=False)
    return DONE

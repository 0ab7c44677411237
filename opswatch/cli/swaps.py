"""Shifts that somebody else takes: asked for, offered, accepted, withdrawn. A swap gives one in return."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.values import COVER, PERSON, ROSTER

if TYPE_CHECKING:
    from opswatch.core.state import Cover

_from = click.option("--from", "start", metavar="T", help="Only from then …")
_to = click.option("--to", "end", metavar="T", help="… until then.")
_return_from = click.option("--return-from", metavar="T", help="In return: the other's hours from then …")
_return_to = click.option("--return-to", metavar="T", help="… until then.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")


@click.group("swap", cls=Group)
def swap() -> None:
    """Ask somebody to take a shift; take one that is asked for."""


@swap.command("ask")
@click.option("--roster", type=ROSTER, required=True, metavar="R", help="Of which roster.")
@click.option("--from", "start", metavar="T", help="From when; without times: the next shift.")
@click.option("--to", "end", metavar="T", help="To when, exclusive.")
@click.option("--with", "only", type=PERSON, metavar="PERSON", help="Ask this person alone.")
@_return_from
@_return_to
@click.option("--cover", is_flag=True, help="Nothing is given in return.")
@click.option("--person", type=PERSON, metavar="P", help="For P's shift instead of one's own; needs a lead.")
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@is_json
def ask(
    roster: str,
    start: str | None,
    end: str | None,
    only: str | None,
    return_from: str | None,
    return_to: str | None,
    cover: bool,
    person: str | None,
    reason: str,
    as_json: bool,
) -> int:
    """Ask whoever may take a shift to take it: those of the roster, then the team, who are reachable, there and free.
    In return you take theirs: the one between --return-from and --return-to, or their next one; with --cover, none. The
    first who accepts has it; until then you stay on call.

    \b
    opswatch swap ask --roster primary --from 'fri 18:00' --to 'mon 09:00'
    opswatch swap ask --roster primary --cover --reason 'dentist' --from 'tomorrow 09:00' --to 'tomorrow 12:00'
    """
    from opswatch.core.events import AskCover, AskSwap

    speaker = door().speaker()
    span, back = _span(start, end, "--"), _span(return_from, return_to, "--return-")
    if cover and back != (None, None):
        raise click.UsageError("--cover gives nothing in return: leave --return-from and --return-to out.")
    about = (roster, *span, only, person, reason)
    command = (
        AskCover(*about, by=speaker.person.id, door=speaker.door)
        if cover
        else AskSwap(*about, *back, by=speaker.person.id, door=speaker.door)
    )
    return DONE if door().say(command, as_json=as_json) else REFUSED


@swap.command("list")
@click.option("--all", "everything", is_flag=True, help="Those of the last weeks that are over too.")
@is_json
def list_swaps(everything: bool, as_json: bool) -> int:
    """Requests that somebody take a shift."""
    found = [one for one in door().office().views.covers() if everything or one.is_open]
    if as_json:
        print_json([_json(one) for one in found])
        return DONE
    if not found:
        say("Nobody asks for anything.")
        return DONE
    zone, _ = door().reader()
    rows = [
        [
            str(one.id),
            one.roster,
            one.person,
            times.local(one.start, zone),
            times.local(one.end, zone),
            "swap" if one.is_swap else "cover",
            _standing(one),
            one.reason,
        ]
        for one in found
    ]
    print_table(["ID", "ROSTER", "WHOSE", f"FROM ({zone})", "TO", "KIND", "STANDS", "REASON"], rows)
    return DONE


@swap.command("offer")
@click.argument("id", type=COVER)
@_from
@_to
@_return_from
@_return_to
@is_json
def offer(
    id: int, start: str | None, end: str | None, return_from: str | None, return_to: str | None, as_json: bool
) -> int:
    """Offer to take request ID, or a part of it, perhaps for another shift in return: who asked accepts it or not."""
    from opswatch.core.events import OfferCover

    speaker = door().speaker()
    span, back = _span(start, end, "--"), _span(return_from, return_to, "--return-")
    command = OfferCover(id, *span, *back, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@swap.command("accept")
@click.argument("id", type=COVER)
@_from
@_to
@click.option("--of", type=PERSON, metavar="PERSON", help="Your own request: accept the offer of PERSON.")
@dry_run_option
@is_json
def accept(id: int, start: str | None, end: str | None, of: str | None, dry_run: bool, as_json: bool) -> int:
    """Take the shift of request ID, or a part of it: it becomes an override at once, a swap becomes two.

    \b
    opswatch swap accept 3 --dry-run
    opswatch swap accept 3 --from 'fri 18:00' --to 'sat 09:00'
    """
    from opswatch.core.events import AcceptCover

    speaker = door().speaker()
    command = AcceptCover(id, *_span(start, end, "--"), of, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json, dry_run=dry_run) else REFUSED


@swap.command("withdraw")
@click.argument("id", type=COVER)
@is_json
def withdraw(id: int, as_json: bool) -> int:
    """Take request ID back, or your offer for it."""
    from opswatch.core.events import WithdrawCover

    speaker = door().speaker()
    command = WithdrawCover(id, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


# ---------------------------------------------------------------------------------------------------------------------


def _span(start: str | None, end: str | None, option: str) -> tuple[datetime | None, datetime | None]:
    if (start is None) != (end is None):
        raise click.UsageError(f"{option}from and {option}to belong together.")
    if start is None or end is None:
        return None, None
    begins, ends = door().instant(start, f"{option}from"), door().instant(end, f"{option}to")
    if ends <= begins:
        raise click.BadParameter("it must be later than its beginning", param_hint=f"{option}to")
    return begins, ends


def _standing(one: Cover) -> str:
    takers = ", ".join(dict.fromkeys(person for person, _, _ in one.taken))
    if not one.is_open:
        return f"{one.status}: {takers}" if takers else str(one.status)
    offered = ", ".join(offer.person for offer in one.offers)
    asked = ", ".join(person for person, _, _ in one.asked) or "nobody"
    parts = [f"asked {asked}", f"offered by {offered}" if offered else "", f"partly {takers}" if takers else ""]
    return "; ".join(part for part in parts if part)


def _json(one: Cover) -> dict[str, object]:
    from opswatch.views import utc

    def spans(some: tuple[tuple[datetime, datetime], ...]) -> list[dict[str, object]]:
        return [{"from": utc(start), "to": utc(end)} for start, end in some]

    return {
        "id": one.id,
        "status": str(one.status),
        "kind": "swap" if one.is_swap else "cover",
        "roster": one.roster,
        "person": one.person,
        "from": utc(one.start),
        "to": utc(one.end),
        "left": spans(one.left),
        "with": one.only,
        "return_from": utc(one.return_start),
        "return_to": utc(one.return_end),
        "asked": [person for person, _, _ in one.asked],
        "offers": [
            {
                "person": offer.person,
                "from": utc(offer.start),
                "to": utc(offer.end),
                "return_from": utc(offer.return_start),
                "return_to": utc(offer.return_end),
            }
            for offer in one.offers
        ],
        "taken": [{"person": person, "from": utc(start), "to": utc(end)} for person, start, end in one.taken],
        "absence": one.absence,
        "by": one.by,
        "made_at": utc(one.made_at),
        "reason": one.reason,
    }

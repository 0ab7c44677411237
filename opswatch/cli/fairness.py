"""`opswatch roster fairness`: what duty costs each person, and swaps that would even it out."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.values import ROSTER

if TYPE_CHECKING:
    from opswatch.core.fairness import Proposal, Share

DAYS_MAX = 1100
COLUMNS = (
    "person",
    "zone",
    "hours",
    "night_hours",
    "nights",
    "weekend_hours",
    "holiday_hours",
    "shifts",
    "pages",
    "woken",
    "load",
)


@click.command("fairness", cls=Command)
@click.option("--roster", type=ROSTER, metavar="R", help="Only this one.")
@click.option("--team", metavar="T", help="Only the people of this team, in whatever roster.")
@click.option("--from", "start", metavar="T", help="From when; default: --days ago, with --propose now.")
@click.option("--to", "end", metavar="T", help="To when, exclusive; default: --days later.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=90, show_default=True, help="How long.")
@click.option("--propose", is_flag=True, help="Swaps of future shifts that even it out, as commands.")
@click.option("--csv", "as_csv", is_flag=True, help="For a spreadsheet: CSV.")
@is_json
def fairness(
    roster: str | None,
    team: str | None,
    start: str | None,
    end: str | None,
    days: int,
    propose: bool,
    as_csv: bool,
    as_json: bool,
) -> int:
    """Hours on call, nights, weekends, holidays, pages per person, over any time past or ahead.

    Night is 22:00 to 06:00 where they live, and a holiday one of the first calendar among their layers. `load` are
    hours, of which those at night and on holidays count twice, those at weekends half as much again. Time in two
    rosters at once counts once.

    \b
    opswatch roster fairness --roster primary
    opswatch roster fairness --team ops --from 2026-01-01 --to 2026-04-01 --csv
    opswatch roster fairness --roster primary --propose --days 60
    """
    if as_csv and (as_json or propose):
        raise click.UsageError("--csv is a table of people: it goes with neither --json nor --propose")
    office = door().office()
    if roster is not None and roster not in office.plan.rosters:
        return _refuse("unknown_roster", as_json, roster=roster, known=", ".join(office.plan.rosters))
    if team is not None and all(person.team != team for person in office.plan.people.values()):
        return _refuse("unknown_team", as_json, to=team)
    begins, ends = _span(start, end, timedelta(days=days), is_ahead=propose)
    found = office.views.ahead.fairness(begins, ends, roster=roster, team=team)
    if propose:
        return _propose(office.views.ahead.fair_swaps(begins, ends, roster=roster, team=team), as_json)
    if as_csv:
        _print_csv(found)
    elif as_json:
        from opswatch.coverages import share_json

        print_json([share_json(share) for share in found])
    else:
        _show(found, begins, ends)
    return DONE


def _span(start: str | None, end: str | None, span: timedelta, *, is_ahead: bool) -> tuple[datetime, datetime]:
    now = door().office().now()
    begins = door().instant(start, "--from") if start is not None else None
    ends = door().instant(end, "--to") if end is not None else None
    if begins is None:
        begins = now if is_ahead else ends - span if ends is not None else now - span
    ends = ends or begins + span
    if not begins < ends <= begins + timedelta(days=DAYS_MAX):
        raise click.BadParameter("must be after --from, and at most three years", param_hint="--to")
    if is_ahead and begins < now - timedelta(minutes=1):  # `now` was read a moment ago.
        raise click.BadParameter(
            "what is past cannot be swapped: leave it out, or write a time ahead", param_hint="--from"
        )
    return begins, ends


def _print_csv(found: tuple[Share, ...]) -> None:
    from opswatch.coverages import share_json

    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(share_json(share) for share in found)
    click.echo(out.getvalue(), nl=False)


def _show(found: tuple[Share, ...], begins: datetime, ends: datetime) -> None:
    from opswatch.coverages import share_json

    zone, _ = door().reader()
    people = door().office().plan.people
    say(f"From {times.named(begins, zone)} to {times.named(ends, zone)}.")
    if not found:
        say("Nobody is on call there.")
        return
    rows = []
    for share in found:
        row = share_json(share)
        name = people[share.person].name if share.person in people else share.person
        cells = [f"{row[column]:g}" if isinstance(row[column], float) else str(row[column]) for column in COLUMNS[2:]]
        rows.append([f"{name} ({share.person})", share.zone, *cells])
    print_table(
        ["WHO", "ZONE", "HOURS", "AT NIGHT", "NIGHTS", "WEEKEND", "HOLIDAY", "SHIFTS", "PAGES", "WOKEN", "LOAD"], rows
    )
    loads = [share.load for share in found]
    say(f"The most loaded has {max(loads) - min(loads):.1f} weighted hours more than the least.")


def _propose(proposal: Proposal, as_json: bool) -> int:
    from opswatch.core.fairness import spread

    commands = [_commands(number, proposal) for number in range(len(proposal.swaps))]
    if as_json:
        from opswatch.views import utc

        swaps = [
            {
                "roster": swap.roster,
                "one": swap.one,
                "other": swap.other,
                "first": {"start": utc(swap.first[0]), "end": utc(swap.first[1])},
                "second": {"start": utc(swap.second[0]), "end": utc(swap.second[1])},
                "commands": list(lines),
            }
            for swap, lines in zip(proposal.swaps, commands, strict=True)
        ]
        before, after = (
            {who: round(load, 1) for who, load in one.items()} for one in (proposal.before, proposal.after)
        )
        both = {"spread_before": round(spread(proposal.before), 1), "spread_after": round(spread(proposal.after), 1)}
        print_json({"swaps": swaps, "before": before, "after": after, **both})
        return DONE
    if not proposal.swaps:
        say(f"No swap would even it out; the spread is {spread(proposal.before):.1f} weighted hours.")
        return DONE
    zone, _ = door().reader()
    for number, (swap, lines) in enumerate(zip(proposal.swaps, commands, strict=True), 1):
        first, second = (
            f"{times.local(start, zone)} to {times.local(end, zone)}" for start, end in (swap.first, swap.second)
        )
        say(f"# {number}. {swap.one}: {first}  <->  {swap.other}: {second} ({zone})")
        for line in lines:
            say(line)
    say(f"# spread of weighted hours: {spread(proposal.before):.1f} before, {spread(proposal.after):.1f} after")
    for who, load in sorted(proposal.after.items()):
        say(f"#   {who}: {proposal.before[who]:.1f} -> {load:.1f}")
    return DONE


def _commands(number: int, proposal: Proposal) -> tuple[str, str]:
    """Two lines to paste; everything else of the answer is a comment to a shell."""
    from opswatch.views import utc

    swap = proposal.swaps[number]
    return tuple(  # type: ignore[return-value]  # two of them
        f"opswatch override add --roster {swap.roster} --from {utc(start)} --to {utc(end)}"
        f" --replace {gives} --by {takes} --reason 'fair swap'"
        for gives, takes, (start, end) in ((swap.one, swap.other, swap.first), (swap.other, swap.one, swap.second))
    )


def _refuse(key: str, as_json: bool, **facts: object) -> int:
    from opswatch.core.effects import Refuse

    door().show_answer(Refuse(key, facts), as_json=as_json)
    return REFUSED

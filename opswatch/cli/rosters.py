"""Who is on call, and the shifts of a roster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import click

from opswatch.cli import times
from opswatch.cli.coverage import coverage
from opswatch.cli.door import door
from opswatch.cli.fairness import fairness
from opswatch.cli.groups import DONE, REFUSED, Command, Group, is_json
from opswatch.cli.ical import ical
from opswatch.cli.roster_diff import diff
from opswatch.cli.shown import print_json, print_table, say, styled
from opswatch.cli.values import ROSTER

AHEAD = timedelta(days=14)
SPAN_MAX = timedelta(days=3660)


@click.command("who", cls=Command)
@click.option("--roster", type=ROSTER, metavar="R", help="Only this one.")
@click.option("--at", metavar="T", help="At that time instead of now.")
@is_json
def who(roster: str | None, at: str | None, as_json: bool) -> int:
    """Who is on call, per roster; in a gap the roster's fallback, and marked as such.

    \b
    opswatch who
    opswatch who --roster primary --at '2026-12-25 03:00 Asia/Shanghai'
    """
    office = door().office()
    if roster is not None and roster not in office.plan.rosters:
        return _unknown(roster, as_json)
    when = door().instant(at, "--at") if at is not None else office.now()
    rows = office.views.on_call(roster, when)
    if as_json:
        print_json([row.as_json() for row in rows])
        return DONE
    if not rows:
        say("There is no roster: write a [[roster]] in the configuration.")
    zone, _ = door().reader()
    if at is not None:
        say(f"At {times.named(when, zone)}:")
    for row in rows:
        people = _names(row.on_call) if row.on_call else styled("nobody")
        how = ", as fallback: nobody is on call" if row.fallback else f", layer {row.layer}" if row.layer else ""
        until = f", until {times.named(row.until, zone)}" if row.until else ""
        following = f", then {_names(row.next)}" if row.next else ""
        say(f"{row.roster}: {people}{how}{until}{following}")
    return DONE


@click.group("roster", cls=Group)
def roster() -> None:
    """The shifts of a roster."""


@roster.command("show")
@click.argument("roster", type=ROSTER)
@click.option("--from", "start", metavar="T", default="now", show_default=True, help="From when.")
@click.option("--to", "end", metavar="T", help="To when, exclusive; default: 14 days later.")
@is_json
def show(roster: str, start: str, end: str | None, as_json: bool) -> int:
    """The shifts and gaps of ROSTER that tile the time from T to T; JSON is in UTC.

    \b
    opswatch roster show primary --from 2026-12-24 --to 2026-12-27
    """
    office = door().office()
    if roster not in office.plan.rosters:
        return _unknown(roster, as_json)
    zone = office.plan.rosters[roster].timezone
    begins = door().instant(start, "--from", zone=zone)
    ends = door().instant(end, "--to", zone=zone) if end is not None else begins + AHEAD
    if not begins < ends <= begins + SPAN_MAX:
        raise click.BadParameter("must be after --from, and at most ten years", param_hint="--to")
    shifts = office.views.shifts(roster, begins, ends)
    if as_json:
        from opswatch.coverages import shift_json

        print_json([shift_json(shift) for shift in shifts])
        return DONE
    rows = [
        [
            times.local(shift.start, zone),
            times.local(shift.end, zone),
            _names(shift.people) or "nobody",
            shift.layer or "",
            f"override {shift.override}" if shift.override else "",
        ]
        for shift in shifts
    ]
    headings = [f"FROM ({zone})", "TO", "ON CALL", "LAYER", "CHANGED BY"]
    used = len(headings) if any(row[-1] for row in rows) else len(headings) - 1
    print_table(headings[:used], [row[:used] for row in rows], whole=2)
    return DONE


roster.add_command(coverage)
roster.add_command(fairness)
roster.add_command(diff)
roster.add_command(ical)


def _names(people: Sequence[str]) -> str:
    known = door().office().plan.people
    return ", ".join(f"{known[one].name} ({one})" if one in known else one for one in people)


def _unknown(roster: str, as_json: bool) -> int:
    from opswatch.core.effects import Refuse

    known = ", ".join(door().office().plan.rosters)
    door().show_answer(Refuse("unknown_roster", {"roster": roster, "known": known}), as_json=as_json)
    return REFUSED

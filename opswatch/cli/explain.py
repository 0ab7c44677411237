"""Why this priority, who is paged when and how, what is quiet, and what follows if nobody answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say, styled
from opswatch.cli.values import SERVICE
from opswatch.core.spans import say_roughly

if TYPE_CHECKING:
    from opswatch.core.explain import Explanation

INTERRUPTS = {"always": "at any time", "day": "held until the person's day", "never": "nobody: it is in the digest"}


@click.command("explain", cls=Command)
@click.argument("what", required=False, metavar="[INCIDENT|CHECK/TARGET]")
@click.option("--service", type=SERVICE, metavar="S", help="Instead: something of this service, were it to fail …")
@click.option(
    "--state",
    type=click.Choice(["crit", "warn", "unknown"]),
    default="crit",
    show_default=True,
    help="… like this. Also for CHECK/TARGET that does not fail.",
)
@click.option("--at", metavar="T", help="At that time instead of now.")
@is_json
def explain(what: str | None, service: str | None, state: str, at: str | None, as_json: bool) -> int:
    """Which priority and why, which route and policy, who is paged when if nobody answers, what is quiet and why. For
    what does not fail: as if it did. Nothing is changed and nobody is paged.

    \b
    opswatch explain 142
    opswatch explain disk-space/this-host --at 'sat 03:00'
    opswatch explain --service orders --state warn
    """
    if (what is None) == (service is None):
        raise click.UsageError("Say an INCIDENT or CHECK/TARGET, or --service S.")
    office = door().office()
    when = door().instant(at, "--at") if at is not None else office.now()
    found, unknown = _explained(what, service, state, when)
    if found is None:
        click.echo(f"There is no {unknown}.", err=True)
        return REFUSED
    if as_json:
        print_json(_json(found))
    else:
        _print(found, state)
    return DONE


def _explained(what: str | None, service: str | None, state: str, at: datetime) -> tuple[Explanation | None, str]:
    """The explanation, or what is not known."""
    from opswatch.assemble import linear_fullmatch
    from opswatch.core import explain
    from opswatch.core.model import Health

    office = door().office()
    health, regex = Health(state), linear_fullmatch()
    office.desk.refresh()
    with office.desk.looking() as (so, engine):
        try:
            if service is not None:
                return explain.of_service(engine.plan, so, service, at, health=health, regex=regex), ""
            assert what is not None
            check, slash, target = what.partition("/")
            if slash:
                return explain.of_check(engine.plan, so, check, target, at, health=health, regex=regex), ""
            number = what.removeprefix("#")
            if number.isdecimal():
                return explain.of_incident(engine.plan, so, int(number), at, regex), ""
        except KeyError as unknown:
            subject = "service" if service is not None else "check and target" if "/" in (what or "") else "incident"
            return None, f"{subject} {str(unknown.args[0])!r} that can be explained"
    raise click.UsageError(f"{what!r} is neither an incident's number nor CHECK/TARGET.")


def _print(found: Explanation, state: str) -> None:
    office = door().office()
    zone, language = door().reader()
    supposed = f", were it {state} then" if found.is_supposed else ""
    say(f"{found.subject} at {times.named(found.at, zone)}{supposed}")
    say(f"  priority   {styled(str(found.priority), found.why)}")
    say(f"  interrupts {INTERRUPTS.get(found.interrupt, found.interrupt)}")
    say(f"  quiet      {_quiet(found, zone)}")
    say(f"  policy     {_policy(found)}")
    if found.is_supposed and (confirming := _confirming(found)):
        say(f"  first      {confirming}")
    if found.joins:
        say(f"  joins      incident {found.incident}, which is open: nobody is paged for joining")
    if office.plan.mode == "observe":
        say("  mode       observe: all of this is decided and recorded, and nothing is sent")
    say("If nobody answers:" if found.course else "Nothing follows.")
    _print_course(found, zone, language)


def _print_course(found: Explanation, zone: str, language: str) -> None:
    from opswatch import render

    plan = door().office().plan
    for entry in found.course:
        after = f"+{say_roughly(entry.at - found.at)}" if entry.at > found.at else "now"
        words = render.entry(language, entry, plan=plan, zone=zone)
        say(f"  {times.local(entry.at, zone)}  {after:<9} {words}")
    if found.is_cut and found.course:
        say("  … and so on, until somebody answers or it recovers.")


def _quiet(found: Explanation, zone: str) -> str:
    if found.quiet is None:
        return "no: it is told at once"
    return f"{found.quiet.reason}, until {times.named(found.quiet.until, zone)}: {found.quiet.why}"


def _policy(found: Explanation) -> str:
    policy = door().office().plan.policies.get(found.policy)
    route = f"route {found.route} → " if found.route is not None else ""
    if policy is None:
        return f"{route}{found.policy} (built in: the admins)"
    climbs = f", {policy.repeat + 1} climbs" if policy.repeat else ""
    levels = len(policy.levels)
    return f"{route}{policy.id} ({levels} level{'s' if levels != 1 else ''}{climbs})"


def _confirming(found: Explanation) -> str:
    """How long it takes until a failure is believed."""
    check = door().office().plan.checks.get(found.subject.partition("/")[0])
    if check is None or check.confirm <= 1:
        return ""
    spacing = check.retry or check.every
    apart = f", {say_roughly(spacing)} apart" if spacing is not None else ""
    return f"{check.confirm} bad looks in a row{apart}; the times below count from the last of them"


def _json(found: Explanation) -> dict[str, object]:
    from opswatch import render
    from opswatch.views import utc

    plan = door().office().plan
    zone, language = door().reader()
    held = found.quiet
    return {
        "subject": found.subject,
        "at": utc(found.at),
        "supposed": found.is_supposed,
        "priority": str(found.priority),
        "why": found.why,
        "interrupt": found.interrupt,
        "policy": found.policy,
        "route": found.route,
        "quiet": {"reason": str(held.reason), "until": utc(held.until), "why": held.why} if held else None,
        "incident": None if found.is_supposed and not found.joins else found.incident,
        "if_nobody_answers": [
            {
                "at": utc(entry.at),
                "kind": entry.kind,
                "facts": dict(entry.facts),
                "text": render.entry(language, entry, plan=plan, zone=zone),
            }
            for entry in found.course
        ],
        "goes_on": found.is_cut,
    }

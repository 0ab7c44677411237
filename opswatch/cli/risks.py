"""The risk ledger at the terminal: what is to be dealt with, by whom, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.acting import TEXT
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Group, is_json
from opswatch.cli.shown import print_json, print_table, say
from opswatch.cli.values import PERSON, SERVICE, TARGET

if TYPE_CHECKING:
    from datetime import date

    from opswatch.views import RiskRow

_owner = click.option("--owner", type=PERSON, metavar="PERSON", help="A person, or team:ID.")
_due = click.option("--due", metavar="DATE", help="Until when: 2026-12-01, fri, '2 weeks'.")
_id = click.argument("id", type=int)


@click.group("risk", cls=Group)
def risk() -> None:
    """The risk ledger: what is to be dealt with, by whom, until when."""


@risk.command("add", context_settings=TEXT)
@click.argument("title", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--severity", type=click.Choice(["high", "medium", "low"]), default="medium", show_default=True, help="How bad."
)
@_owner
@_due
@click.option("--service", type=SERVICE, metavar="S", help="Which service it concerns.")
@click.option("--target", type=TARGET, metavar="T", help="Which target it concerns.")
@click.option("--evidence", default="", metavar="TEXT", help="What was seen.")
@is_json
def add(
    title: tuple[str, ...],
    severity: str,
    owner: str | None,
    due: str | None,
    service: str | None,
    target: str | None,
    evidence: str,
    as_json: bool,
) -> int:
    """Write TITLE into the ledger. Without --owner it is yours.

    \b
    opswatch risk add no spare disk for db-main --severity high --owner bo --due 2026-12-01
    """
    from opswatch.core.events import AddRisk
    from opswatch.core.model import Severity

    speaker = door().speaker()
    command = AddRisk(
        " ".join(title),
        Severity(severity),
        owner,
        _day(due),
        service,
        target,
        evidence,
        by=speaker.person.id,
        door=speaker.door,
    )
    return DONE if door().say(command, as_json=as_json) else REFUSED


@risk.command("list")
@click.option("--all", "include_closed", is_flag=True, help="Closed ones too, newest first.")
@click.option("--overdue", is_flag=True, help="Only what is overdue.")
@click.option("--mine", is_flag=True, help="Only yours.")
@is_json
def list_risks(include_closed: bool, overdue: bool, mine: bool, as_json: bool) -> int:
    """What is open or accepted, worst and first due first."""
    rows = door().office().views.risks(include_closed=include_closed)
    if mine:
        person = door().speaker().person
        rows = [row for row in rows if row.owner in (person.id, f"team:{person.team}")]
    rows = [row for row in rows if row.is_overdue] if overdue else rows
    if as_json:
        print_json([row.as_json() for row in rows])
        return DONE
    if not rows:
        say("Nothing is overdue." if overdue else "The ledger is empty.")
        return DONE
    print_table(["ID", "SEVERITY", "STATUS", "DUE", "OWNER", "SOURCE", "TITLE"], [_row(row) for row in rows])
    return DONE


@risk.command("close", context_settings=TEXT)
@_id
@click.argument("text", nargs=-1, type=click.UNPROCESSED)
@is_json
def close(id: int, text: tuple[str, ...], as_json: bool) -> int:
    """Risk ID is dealt with; TEXT says how."""
    from opswatch.core.events import CloseRisk

    speaker = door().speaker()
    command = CloseRisk(id, " ".join(text), by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@risk.command("accept")
@_id
@click.option("--until", required=True, metavar="T", help="Then it is open again.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it may stay.")
@is_json
def accept(id: int, until: str, reason: str, as_json: bool) -> int:
    """Live with risk ID until T. Leads only.

    \b
    opswatch risk accept 3 --until '2026-12-01 09:00' --reason 'the host goes in November'
    """
    from opswatch.core.events import AcceptRisk

    speaker = door().speaker()
    ends = door().instant(until, "--until")
    command = AcceptRisk(id, ends, reason, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


@risk.command("assign")
@_id
@_owner
@_due
@is_json
def assign(id: int, owner: str | None, due: str | None, as_json: bool) -> int:
    """Another owner, or another date, for risk ID."""
    from opswatch.core.events import AssignRisk

    if owner is None and due is None:
        raise click.UsageError("Say --owner PERSON, --due DATE or both.")
    speaker = door().speaker()
    command = AssignRisk(id, owner, _day(due), by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED


def _day(text: str | None) -> date | None:
    """The date of `--due`, on the calendar of who types it."""
    if text is None:
        return None
    try:
        return times.read_day(text, door().office().now(), door().reader()[0])
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--due") from None


def _row(row: RiskRow) -> list[str]:
    zone, _ = door().reader()
    status = f"until {times.local(row.accepted_until, zone)}" if row.accepted_until else row.status
    due = "" if row.due is None else f"{row.due.isoformat()}{' OVERDUE' if row.is_overdue else ''}"
    return [str(row.id), row.severity, status, due, row.owner or "nobody", row.source, row.title]

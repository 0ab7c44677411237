"""Incidents, to look at: what is open, and everything about one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, print_table, say, styled
from opswatch.cli.values import INCIDENT
from opswatch.core import sla
from opswatch.core.counts import say_count

if TYPE_CHECKING:
    from opswatch.core.plan import Plan
    from opswatch.core.state import PoolCall
    from opswatch.views import IncidentRow, IncidentView

EVIDENCE_LINES = 10
FAILING_SHOWN = 50
MEMBERS_SHOWN = 40
TALLIED = 5
MESSAGES_SHOWN = 40


@click.command("list", cls=Command)
@click.option("--all", "everything", is_flag=True, help="Resolved ones too, the newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=500, show_default=True, help="At most so many.")
@is_json
def list_incidents(everything: bool, limit: int, as_json: bool) -> int:
    """Open incidents, worst and oldest first."""
    office = door().office()
    rows = office.views.incidents(include_resolved=everything, limit=limit)
    if as_json:
        print_json([row.as_json() for row in rows])
        return DONE
    if not rows:
        say("There are no incidents." if everything else "Nothing is open.")
        return DONE
    zone, _ = door().reader()
    now = office.now()
    headings = ["#", "PRIORITY", "STATUS", "SERVICE", "TITLE", "OWNER", f"SINCE ({zone})", "NEXT"]
    print_table(headings, [_row(row, zone, now) for row in rows])
    return DONE


def _row(row: IncidentRow, zone: str, now: datetime) -> list[str]:
    quiet = f"storm #{row.storm}" if row.storm is not None else row.quiet
    status = f"{row.status}, {quiet}" if quiet else str(row.status)
    due = times.away(row.next_deadline, now) if row.next_deadline else ""
    due = "; ".join(part for part in (due, *_promises(row, now)) if part)
    return [
        str(row.id),
        row.priority,
        status,
        row.service or "",
        row.title,
        f"{row.owner} ({row.acks})" if row.owner and row.acks else row.owner or "",
        times.local(row.opened_at, zone),
        due,
    ]


def _promises(row: IncidentRow, now: datetime) -> list[str]:
    """What is late, and when the next update is due."""
    late = sla.late(row.due, row.status, now)
    said = [f"{what} late" for what in late]
    if row.due.update is not None and row.status == "acknowledged" and "update" not in late:
        said.append(f"update {times.away(row.due.update, now)}")
    return said


@click.command("show", cls=Command)
@click.argument("incident", type=INCIDENT)
@is_json
def show(incident: int, as_json: bool) -> int:
    """Everything about INCIDENT: why, who has it, what fails, who was told, the timeline, what you may do."""
    from opswatch.core.effects import Refuse

    view = door().office().views.incident(incident)
    if view is None:
        door().show_answer(Refuse("unknown_incident", {"incident": incident}), as_json=as_json)
        return REFUSED
    if as_json:
        print_json(view.as_json())
        return DONE
    zone, language = door().reader()
    row = view.row
    say(f"#{row.id} {styled(row.priority)} {row.status}: {row.title}")
    for name, value in _facts(view, zone):
        if value:
            say(f"  {name:<10} {value}")
    _storm(view)
    _around(view, zone)
    _failing(view, zone)
    _messages(view, zone)
    _timeline(view, zone, language)
    say(f"you may: {', '.join(view.allowed)}")
    return DONE


def _reserves(call: PoolCall, plan: Plan) -> str:
    """`emergency: 1 of 2 have accepted (Sun Li)`."""
    came = [_name(one) for one in call.accepted]
    pool = plan.pools.get(call.pool)
    said = f"{call.pool}: {len(came)} of {pool.need if pool else 0} have accepted"
    return f"{said} ({', '.join(came)})" if came else said


def _facts(view: IncidentView, zone: str) -> list[tuple[str, str]]:
    office = door().office()
    one, row, now = view.incident, view.row, office.now()
    owner = _name(one.owner) if one.owner else "nobody"
    acked = f"{owner}, since {times.named(one.acked_at, zone)}" if one.acked_at else owner
    levels = len(office.plan.policies[one.policy].levels) if one.policy in office.plan.policies else 0
    rung = f"level {one.level} of {levels}" if one.level <= levels else "the last resort"
    ladder = f"{one.policy}: {rung}, cycle {one.cycle}, climb {one.climb}"
    due = f"{times.named(row.next_deadline, zone)}, {times.away(row.next_deadline, now)}" if row.next_deadline else ""
    quiet = row.quiet or ""
    if row.snoozed_until:
        quiet += f" until {times.named(row.snoozed_until, zone)}"
    return [
        ("why", one.why),
        ("service", one.service or ""),
        ("owner", f"{acked} ({row.acks} have acknowledged)" if row.acks else acked),
        *(("reserves", _reserves(call, office.plan)) for call in one.pools),
        ("promised", times.named(one.promised_for, zone)),
        ("opened", f"{times.named(one.opened_at, zone)}, {times.away(one.opened_at, now)}"),
        ("resolved", times.named(one.resolved_at, zone)),
        ("ladder", ladder),
        ("next", due),
        ("quiet", quiet),
        ("update by", _promise(view.due.update, zone, now)),
        ("over by", _promise(view.due.resolve, zone, now)),
        ("merged", f"into #{one.merged_into}" if one.merged_into is not None else ""),
        ("reporter", _name(one.reporter) if one.reporter else ""),
        ("more", one.summary if one.summary != row.title else ""),
        ("link", office.links("incident", incident=row.id) or ""),
    ]


def _name(person: str) -> str:
    known = door().office().plan.people.get(person)
    return known.name if known is not None else person


def _promise(at: datetime | None, zone: str, now: datetime) -> str:
    late = ", late" if at is not None and at <= now else ""
    return f"{times.named(at, zone)}, {times.away(at, now)}{late}" if at is not None else ""


def _around(view: IncidentView, zone: str) -> None:
    """What probably brought it about; what was like it, and what fixed that."""
    if (cause := view.around.cause) is not None:
        number = f", incident #{cause.incident}" if cause.incident is not None else ""
        say(f"likely cause: {cause.name}{number}: {view.around.what}")
    if view.around.similar:
        say("seen before:")
    for one in view.around.similar:
        fixed = f": {one.fixed}" if one.fixed else ""
        say(f"  #{one.number} {one.title}, resolved {times.named(one.resolved_at, zone)}{fixed}")


def _storm(view: IncidentView) -> None:
    """What a storm holds, by what it has most of; which storm holds this one."""
    from opswatch.core.storms import tallies

    if view.row.storm is not None:
        say(f"part of storm #{view.row.storm}: it climbs for this one; ack {view.row.id} takes it out")
    if not view.incident.is_storm:
        return
    say(f"storm: {say_count(view.incident.folded, 'incident')} folded, {len(view.folded)} still open")
    for name, tally in tallies(view.alerts).items():
        shown = [f"{key} {count}" for key, count in tally[:TALLIED]]
        more = f", and {len(tally) - TALLIED} more" if len(tally) > TALLIED else ""
        say(f"  by {name:<8} {', '.join(shown)}{more}")
    numbers = ", ".join(f"#{number}" for number in view.folded[:MEMBERS_SHOWN])
    more = f", and {len(view.folded) - MEMBERS_SHOWN} more" if len(view.folded) > MEMBERS_SHOWN else ""
    if numbers:
        say(f"  {'members':<11} {numbers}{more}")


def _failing(view: IncidentView, zone: str) -> None:
    from opswatch.core.incidents import posted_facts

    if len(view.alerts) > FAILING_SHOWN:
        say(f"fails: {say_count(len(view.alerts), 'alert')}, of which the first {FAILING_SHOWN}")
    for alert in view.alerts[:FAILING_SHOWN]:
        say(f"fails: {alert.key} {styled(str(alert.health))} since {times.named(alert.fired_at, zone)}")
        say(f"  {alert.sentence}")
        for line in alert.evidence[:EVIDENCE_LINES]:
            say(f"    {line}")
        if alert.is_external:
            _posted(posted_facts(alert))
    if not view.alerts and view.posted is not None:
        say("what opened it:")
        _posted(view.posted)


def _posted(facts: Mapping[str, Any]) -> None:
    """What others said of an alert."""
    say(f"    posted by {facts['source']}" + (f": {facts['generator_url']}" if facts["generator_url"] else ""))
    for what in ("labels", "annotations"):
        if facts[what]:
            pairs = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in facts[what].items())
            say(f"    {what}: {pairs}")


def _messages(view: IncidentView, zone: str) -> None:
    if view.messages:
        say("messages:")
    if len(view.messages) > MESSAGES_SHOWN:
        say(f"  the last {MESSAGES_SHOWN}; --json has more")
    for message in reversed(view.messages[:MESSAGES_SHOWN]):  # Oldest first, as the timeline below.
        outcome = message.outcome or ("waiting" if message.attempts == 0 else f"trying, {message.attempts} so far")
        detail = f": {message.detail}" if message.detail else ""
        to = f"{_name(message.person)} by {message.channel}" if message.person else message.channel
        say(f"  {times.exact(message.promised_at, zone)}  {message.kind} to {to}  {outcome}{detail}")


def _timeline(view: IncidentView, zone: str, language: str) -> None:
    from opswatch import render

    say(f"timeline ({zone}):")
    for stored in view.entries:
        words = render.entry(language, stored.entry, plan=door().office().plan, zone=zone)
        say(f"  {times.exact(stored.entry.at, zone)}  {words}")

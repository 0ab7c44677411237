"""What can be said to an incident, each verb one command of `core/events`. The desk decides; its answer is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.values import INCIDENT, PERSON, PRIORITY, SERVICE, SPAN

if TYPE_CHECKING:
    from opswatch.core.model import Priority

TEXT = {"ignore_unknown_options": True}  # "note 142 -5 degrees" is a text

_incident = click.argument("incident", type=INCIDENT)
_incidents = click.argument("incidents", type=INCIDENT, nargs=-1, required=True)


@click.command("ack", cls=Command)
@_incidents
@is_json
def ack(incidents: tuple[int, ...], as_json: bool) -> int:
    """Take INCIDENTS: paging stops, they are yours.

    \b
    opswatch ack 142
    opswatch ack 142 143
    """
    from opswatch.core.events import Acknowledge

    return _each(incidents, Acknowledge, as_json)


@click.command("unack", cls=Command)
@_incidents
@is_json
def unack(incidents: tuple[int, ...], as_json: bool) -> int:
    """Give INCIDENTS back: nobody has them, paging starts again."""
    from opswatch.core.events import Unack

    return _each(incidents, Unack, as_json)


@click.command("accept", cls=Command)
@_incidents
@is_json
def accept(incidents: tuple[int, ...], as_json: bool) -> int:
    """Join INCIDENTS as a reserve. Who has them stays: `ack` takes one. Enough have come: nobody else is asked.

    \b
    opswatch accept 142
    """
    from opswatch.core.events import Accept

    return _each(incidents, Accept, as_json)


@click.command("decline", cls=Command)
@_incidents
@is_json
def decline(incidents: tuple[int, ...], as_json: bool) -> int:
    """Do not come to INCIDENTS as a reserve, or no more: the next of the pool is asked at once."""
    from opswatch.core.events import Decline

    return _each(incidents, Decline, as_json)


@click.command("resolve", cls=Command, context_settings=TEXT)
@_incident
@click.argument("text", nargs=-1, type=click.UNPROCESSED)
@is_json
def resolve(incident: int, text: tuple[str, ...], as_json: bool) -> int:
    """INCIDENT is over; TEXT says why. If its check still fails after `reopen_after`, it opens again.

    \b
    opswatch resolve 142 old logs removed
    """
    from opswatch.core.events import Resolve

    return _said(Resolve, as_json, incident=incident, text=" ".join(text))


@click.command("reopen", cls=Command)
@_incidents
@is_json
def reopen(incidents: tuple[int, ...], as_json: bool) -> int:
    """INCIDENTS are not over: paging starts anew."""
    from opswatch.core.events import Reopen

    return _each(incidents, Reopen, as_json)


@click.command("snooze", cls=Command)
@_incident
@click.argument("span", type=SPAN)
@is_json
def snooze(incident: int, span: timedelta, as_json: bool) -> int:
    """Nobody is paged for INCIDENT for SPAN; its status stays.

    \b
    opswatch snooze 142 2h
    """
    from opswatch.core.events import Snooze

    return _said(Snooze, as_json, incident=incident, span=span)


@click.command("escalate", cls=Command)
@_incidents
@is_json
def escalate(incidents: tuple[int, ...], as_json: bool) -> int:
    """Page the next level of INCIDENTS now."""
    from opswatch.core.events import Escalate

    return _each(incidents, Escalate, as_json)


@click.command("reassign", cls=Command)
@_incident
@click.argument("to", type=PERSON, metavar="@PERSON|team:TEAM")
@click.option("--due", metavar="T", help="When it is promised for; stays on the board.")
@is_json
def reassign(incident: int, to: str, due: str | None, as_json: bool) -> int:
    """Give INCIDENT to a person or a team, who are paged for it.

    \b
    opswatch reassign 142 @bo
    opswatch reassign 142 team:dev --due 'tomorrow 12:00'
    """
    from opswatch.core.events import Reassign

    due_at = door().instant(due, "--due") if due is not None else None
    whom = to if to.startswith(("person:", "team:")) else f"person:{to.removeprefix('@')}"
    return _said(Reassign, as_json, incident=incident, to=whom, due=due_at)


@click.command("note", cls=Command, context_settings=TEXT)
@_incident
@click.argument("text", nargs=-1, required=True, type=click.UNPROCESSED)
@is_json
def note(incident: int, text: tuple[str, ...], as_json: bool) -> int:
    """Write TEXT on the timeline of INCIDENT.

    \b
    opswatch note 142 replica rebuilt, watching
    """
    from opswatch.core.events import Note

    return _said(Note, as_json, incident=incident, text=" ".join(text))


@click.command("priority", cls=Command)
@_incident
@click.argument("priority", type=PRIORITY, metavar="P0|P1|P2|P3")
@is_json
def priority(incident: int, priority: Priority, as_json: bool) -> int:
    """Say how bad INCIDENT is. Rules may raise it further, never lower it again."""
    from opswatch.core.events import SetPriority

    return _said(SetPriority, as_json, incident=incident, priority=priority)


@click.command("update", cls=Command, context_settings=TEXT)
@_incident
@click.argument("text", nargs=-1, type=click.UNPROCESSED)
@click.option("-t", "--template", metavar="ID", help="A prepared wording; TEXT follows it.")
@is_json
def update(incident: int, text: tuple[str, ...], template: str | None, as_json: bool) -> int:
    """Tell the stakeholders of INCIDENT how it stands: the policy's channels, the service's stakeholders, the reporter.

    Prepared: investigating, identified, monitoring, delayed, recovered, and every [[wording]].

    \b
    opswatch update 142 the replica is being rebuilt, back by 15:00
    opswatch update 142 --template investigating
    """
    from opswatch.core.events import PostUpdate

    words = list(text)
    if template is None and words and words[0].startswith("template:"):
        template = words.pop(0).removeprefix("template:")
    return _said(PostUpdate, as_json, incident=incident, text=" ".join(words), template=template)


@click.command("merge", cls=Command)
@_incident
@click.argument("words", nargs=-1, required=True, metavar="[into] INCIDENT")
@is_json
def merge(incident: int, words: tuple[str, ...], as_json: bool) -> int:
    """INCIDENT is the same as another one: its alerts move there, and whoever was paged for it is told.

    \b
    opswatch merge 142 into 140
    """
    from opswatch.core.events import Merge

    numbers = [word.removeprefix("#") for word in words if word != "into"]
    if len(numbers) != 1 or not numbers[0].isdecimal() or len(numbers[0]) > 9:
        raise click.BadParameter(f"{' '.join(words)!r}: name one incident, as in: opswatch merge 142 into 140")
    return _said(Merge, as_json, incident=incident, into=int(numbers[0]))


@click.command("split", cls=Command)
@_incident
@click.argument("alerts", nargs=-1, metavar="[ALERT]...")
@click.option("-s", "--service", type=SERVICE, metavar="ID", help="Those of this service.")
@is_json
def split(incident: int, alerts: tuple[str, ...], service: str | None, as_json: bool) -> int:
    """Some ALERTs of INCIDENT become an incident of their own. Patterns are fine: 'disk-space/*'.

    Whoever has the old one has the new one too, and nobody is paged; while nobody has it, the new one climbs.

    \b
    opswatch split 142 disk-space/db-1
    opswatch split 142 --service orders
    """
    from opswatch.core.events import Split

    if not alerts and service is None:
        raise click.UsageError("Name the alerts that go, or --service ID. `opswatch show` lists them.")
    return _said(Split, as_json, incident=incident, alerts=alerts, service=service)


@click.command("open", cls=Command, context_settings=TEXT)
@click.argument("title", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-s", "--service", type=SERVICE, metavar="ID", help="The service it concerns.")
@click.option("-p", "--priority", type=PRIORITY, metavar="P0|P1|P2|P3", help="How bad it is; else the rules say.")
@click.option("--text", default="", metavar="TEXT", help="More than fits into a title.")
@is_json
def open_incident(
    title: tuple[str, ...], service: str | None, priority: Priority | None, text: str, as_json: bool
) -> int:
    """Report a fault that no check saw; whoever is on call is paged.

    \b
    opswatch open --service orders --priority P1 checkout shows an error
    """
    from opswatch.core.events import Open

    return _said(Open, as_json, title=" ".join(title).strip(), service=service, priority=priority, text=text)


# ---------------------------------------------------------------------------------------------------------------------


def _each(incidents: tuple[int, ...], make: Callable[..., Any], as_json: bool) -> int:
    """One command for each; 1 when any was refused, the others are done all the same."""
    codes = [_said(make, as_json, incident=incident) for incident in incidents]
    return max(codes)


def _said(make: Callable[..., Any], as_json: bool, **what: object) -> int:
    """The sentence, said by who runs this: 0 when it was done, 1 when it was refused."""
    speaker = door().speaker()
    command = make(**what, by=speaker.person.id, door=speaker.door)
    return DONE if door().say(command, as_json=as_json) else REFUSED

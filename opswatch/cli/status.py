"""The whole at a glance, for people and for a monitoring system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, Command, is_json
from opswatch.cli.shown import print_json, say, styled

if TYPE_CHECKING:
    from opswatch.core.model import Health
    from opswatch.views import StatusView


@click.command("status", cls=Command)
@click.option("--nagios", is_flag=True, help="As a Nagios plugin: one line, exit 0 to 3.")
@is_json
def status(nagios: bool, as_json: bool) -> int:
    """How many checks stand how, what is open, who is on call, whether a daemon lives.

    As a Nagios plugin: CRITICAL when no daemon lives or a P0 or P1 is not acknowledged, WARNING when anything else is
    open or pages are paused.
    """
    view = door().office().views.status()
    if nagios:
        return _as_plugin(view)
    if as_json:
        print_json(view.as_json())
        return DONE
    zone, _ = door().reader()
    say(f"{view.name}, mode {view.mode}, at {times.named(view.at, zone)}")
    say(f"daemon     {_daemons(view)}")
    say(f"incidents  {_incidents(view)}")
    say(f"checks     {_checks(view)}")
    if view.paused_until is not None:
        say(f"paused     no pages until {times.named(view.paused_until, zone)}, by {view.paused_by}")
    for row in door().office().views.on_call():
        people = ", ".join(row.on_call) or styled("nobody")
        say(f"on call    {row.roster}: {people}{' (fallback)' if row.fallback else ''}")
    return DONE


def _daemons(view: StatusView) -> str:
    if not view.nodes:
        return styled("fail", "none has run yet: opswatch run")
    seen = ", ".join(f"{node} seen {times.away(at, view.at)}" for node, at in sorted(view.nodes.items()))
    return seen if view.is_alive else styled("fail", f"none lives ({seen})")


def _incidents(view: StatusView) -> str:
    total = sum(view.incidents.values())
    if not total:
        return "nothing is open"
    parts = [f"{styled(name)} {count}" for name, count in view.incidents.items() if count]
    return f"{total} open ({', '.join(parts)}), {view.unacknowledged} not acknowledged"


def _checks(view: StatusView) -> str:
    return ", ".join(f"{count} {styled(name)}" for name, count in view.checks.items() if count) or "there are none"


# ---------------------------------------------------------------------------------------------------------------------


def _as_plugin(view: StatusView) -> int:
    from opswatch.cli.plugin import counter, speak

    health, sentence = _judged(view)
    data = [counter(f"checks_{name}", count) for name, count in view.checks.items()]
    data += [counter(f"incidents_{name.lower()}", count) for name, count in view.incidents.items()]
    rows = door().office().views.incidents(limit=20)
    return speak(
        health,
        sentence,
        [*data, counter("unacknowledged", view.unacknowledged)],
        [f"#{row.id} {row.priority} {row.status}: {row.title}" for row in rows],
    )


def _judged(view: StatusView) -> tuple[Health, str]:
    from opswatch.core.model import Health, Status

    if not view.is_alive:
        return Health.CRIT, "no opswatch daemon lives: nothing is looked at, nobody is paged"
    total = sum(view.incidents.values())
    rows = door().office().views.incidents()
    urgent = [row for row in rows if row.status is Status.TRIGGERED and row.priority in ("P0", "P1")]
    if urgent:
        return Health.CRIT, f"{len(urgent)} urgent and not acknowledged: #{urgent[0].id} {urgent[0].title}"
    if view.paused_until is not None:
        return Health.WARN, f"pages are paused by {view.paused_by}; {total} open"
    if total:
        return Health.WARN, f"{total} open, {view.unacknowledged} not acknowledged"
    return Health.OK, f"nothing is open, {view.checks.get('ok', 0)} checks ok"

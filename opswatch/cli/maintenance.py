"""Planned quiet: which maintenance windows there are, and when exactly they will hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, Group, is_json
from opswatch.cli.shown import print_json, print_table, say

if TYPE_CHECKING:
    from opswatch.core.plan import Maintenance
    from opswatch.core.quiet import Occurrence

COUNT_MAX = 200


@click.group("maintenance", cls=Group)
def maintenance() -> None:
    """Windows in which failures are kept and page nobody. They are written in the configuration: [[maintenance]]."""


@maintenance.command("list", cls=Command)
@is_json
def list_windows(as_json: bool) -> int:
    """Every window, whether it holds now, and when it does next."""
    office = door().office()
    now = office.now()
    rows = [(window, _occurrences(window, 1)) for window in office.plan.maintenance]
    if as_json:
        print_json([_json(window) | {"next": [_span(one) for one in found]} for window, found in rows])
        return DONE
    if not rows:
        say("There are no maintenance windows.")
        return DONE
    table = [
        [
            window.id,
            _matches(window),
            "now" if found and found[0].start <= now else "",
            times.local(found[0].start, window.timezone) if found else "over",
            times.local(found[0].end, window.timezone) if found else "",
            window.timezone,
            window.owner,
            window.reason,
        ]
        for window, found in rows
    ]
    print_table(["ID", "MATCHES", "HOLDS", "FROM", "TO", "ZONE", "OWNER", "REASON"], table)
    return DONE


@maintenance.command("preview", cls=Command)
@click.argument("id")
@click.option("--count", type=click.IntRange(1, COUNT_MAX), default=10, help="How many; default: 10.")
@is_json
def preview(id: str, count: int, as_json: bool) -> int:
    """The next times that window ID holds: local times with their UTC offset, and UTC. A change of the clocks shows."""
    windows = {window.id: window for window in door().office().plan.maintenance}
    if id not in windows:
        from opswatch.config.suggest import nearest

        hint = nearest(id, windows) or f"there are: {', '.join(windows) or 'none'}"
        click.echo(f"no [[maintenance]] is called {id}; {hint}", err=True)
        return REFUSED
    window, found = windows[id], _occurrences(windows[id], count)
    if as_json:
        print_json(_json(window) | {"next": [_span(one) for one in found]})
        return DONE
    say(f"{window.id}: {window.reason} ({window.owner}); matches {_matches(window)}")
    if not found:
        say("It is over, and does not come again.")
        return DONE
    rows = [
        [
            times.offset(one.start, window.timezone),
            times.offset(one.end, window.timezone),
            f"{one.start:%Y-%m-%d %H:%M}",
            f"{one.end:%H:%M}",
        ]
        for one in found
    ]
    print_table([f"FROM ({window.timezone})", "TO", "FROM (UTC)", "TO"], rows)
    return DONE


def _occurrences(window: Maintenance, count: int) -> list[Occurrence]:
    from opswatch.core.quiet import occurrences

    return occurrences(window, door().office().now(), count)


def _matches(window: Maintenance) -> str:
    return " ".join(f"{name}={value}" for name, value in window.match.items())


def _span(one: Occurrence) -> dict[str, object]:
    from opswatch.views import utc

    return {"from": utc(one.start), "to": utc(one.end)}


def _json(window: Maintenance) -> dict[str, object]:
    return {
        "id": window.id,
        "match": dict(window.match),
        "timezone": window.timezone,
        "owner": window.owner,
        "reason": window.reason,
    }

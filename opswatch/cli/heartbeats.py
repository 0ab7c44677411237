"""Heartbeats: which scheduled jobs report, where, and how they stand."""

from __future__ import annotations

from datetime import timedelta

import click

from opswatch.cli import times
from opswatch.cli.door import door
from opswatch.cli.groups import DONE, Command, Group, is_json
from opswatch.cli.shown import print_json, print_table, say, styled
from opswatch.core.spans import say_roughly


@click.group("heartbeat", cls=Group)
def heartbeat() -> None:
    """Scheduled jobs that report. They are written in the configuration: [[heartbeat]]."""


@heartbeat.command("list", cls=Command)
@click.option("--url", "shows_url", is_flag=True, help="Where each reports; whoever has the address may report.")
@is_json
def list_heartbeats(shows_url: bool, as_json: bool) -> int:
    """Each heartbeat: how it stands, its last success, when it is late.

    \b
    opswatch heartbeat list --url
    curl -fsS -m 10 --retry 5 URL/start; backup.sh; curl -fsS -m 10 --retry 5 URL/$?
    """
    office = door().office()
    rows = office.views.heartbeats()
    if as_json:
        from opswatch.views import utc

        print_json(
            [
                {
                    "id": row.id,
                    "state": row.state,
                    "last_success": utc(row.success_at),
                    "last_sign": utc(row.pinged_at),
                    "exit_code": row.exit_code,
                    "took_s": row.took_s,
                    "expected": utc(row.expected_at),
                    "late": utc(row.late_at),
                    "url": _url(row.id) if shows_url else None,
                }
                for row in rows
            ]
        )
        return DONE
    if not rows:
        say("There are no heartbeats: write a [[heartbeat]] in the configuration.")
        return DONE
    now = office.now()
    table = [
        [
            row.id,
            styled(row.state) if row.state in ("late", "failed", "overrun") else row.state,
            times.away(row.success_at, now) if row.success_at else "never",
            say_roughly(timedelta(seconds=row.took_s)) if row.took_s is not None else "",
            times.offset(row.expected_at, row.timezone),
            times.offset(row.late_at, row.timezone),
            *([_url(row.id)] if shows_url else []),
        ]
        for row in rows
    ]
    heads = ["ID", "STATE", "LAST SUCCESS", "TOOK", "EXPECTED", "LATE", *(["URL"] if shows_url else [])]
    print_table(heads, table)
    return DONE


def _url(name: str) -> str:
    office = door().office()
    what = f"heartbeat:{name}"
    number = office.settings.web.feed_number(what)
    return office.links("heartbeat", what=what, number=number) or f"/heartbeat/{office.links.feed(what, number)}"

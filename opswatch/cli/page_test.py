"""Is this person reached? A marked test page, and its receipt."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from opswatch.cli.door import door
from opswatch.cli.groups import DONE, REFUSED, Command, is_json
from opswatch.cli.shown import print_json, say
from opswatch.cli.values import PERSON, SPAN
from opswatch.clock import monotonic_s

if TYPE_CHECKING:
    from opswatch.views import MessageRow

POLL_S = 0.1


@click.command("page-test", cls=Command)
@click.argument("person", type=PERSON)
@click.option("--contact", metavar="C", help="By this way; default: their first one.")
@click.option("--wait", type=SPAN, default="20s", metavar="SPAN", show_default=True, help="For the receipt.")
@is_json
def page_test(person: str, contact: str | None, wait: timedelta, as_json: bool) -> int:
    """Send PERSON a page that says it is a test, and wait for its receipt. Exit 0 when it was delivered.

    \b
    opswatch page-test ana --contact phone
    """
    from opswatch.core.effects import Refuse
    from opswatch.core.events import PageTest

    speaker = door().speaker()
    office = door().office()
    answer = office.desk.answer(PageTest(person, contact, by=speaker.person.id, door=speaker.door))
    if isinstance(answer, Refuse):
        door().show_answer(answer, as_json=as_json)
        return REFUSED
    if not as_json:
        door().show_answer(answer)
    is_running = office.views.status().is_alive
    row = _receipt(str(answer.facts["page"]), wait if is_running else timedelta(0))
    if as_json:
        print_json(_json(str(answer.facts["page"]), row, is_running=is_running))
    else:
        say(_words(row, wait, is_running=is_running))
    return DONE if row is not None and row.outcome == "delivered" else REFUSED


def _receipt(page: str, wait: timedelta) -> MessageRow | None:
    """The message, once it is settled or the time is up."""
    views = door().office().views
    until = monotonic_s() + wait.total_seconds()
    nap = threading.Event()
    while True:
        row = views.message(page)
        if (row is not None and row.settled_at is not None) or monotonic_s() >= until:
            return row
        nap.wait(POLL_S)


def _words(row: MessageRow | None, wait: timedelta, *, is_running: bool) -> str:
    from opswatch.core.spans import say_span

    if row is not None and row.settled_at is not None:
        took_s = (row.settled_at - row.promised_at).total_seconds()
        if row.outcome == "delivered":
            return f"Delivered after {took_s:.1f} s."
        return f"Not delivered ({row.outcome}): {row.detail or 'no reason was given'}"
    if not is_running:
        return "No daemon is running, so it waits: it is sent when `opswatch run` is started."
    tried = f"; {row.attempts} tries so far{': ' + row.detail if row.detail else ''}" if row and row.attempts else ""
    return f"No receipt within {say_span(wait)}{tried}. It is still being tried."


def _json(page: str, row: MessageRow | None, *, is_running: bool) -> dict[str, object]:
    from opswatch.views import utc

    return {
        "page_id": page,
        "running": is_running,
        "outcome": row.outcome if row else None,
        "settled_at": utc(row.settled_at) if row else None,
        "attempts": row.attempts if row else 0,
        "detail": row.detail if row else "",
    }

"""The words of an emergency: opswatch itself cannot promise pages, and says so straight to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.plan import Plan
from opswatch.render.message import Message
from opswatch.render.messages import Link
from opswatch.render.text import fill_template, reader_of, stamp
from opswatch.render.words import Reader

LINES_MAX = 10


@dataclass(frozen=True, slots=True)
class StoreLost:
    """Since when the store cannot be used, how (lost | full | locked | read_only | damaged) and why in the store's own
    words. `untold` are the pages that were decided meanwhile, worst first: (priority, title). `until`: it is over."""

    node: str
    since: datetime
    state: str
    reason: str
    untold: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None


def store_lost(
    plan: Plan, lost: StoreLost, person: str | None, *, id: str, link: Link, at: datetime, again: timedelta
) -> Message:
    """For one person, or a channel (None), in their language and zone. It is told `again` after that long."""
    reader = Reader(plan.language, plan=plan, zone=plan.timezone) if person is None else reader_of(plan, person)
    how = reader.word(f"emergency.{lost.state}")
    over = lost.until is not None
    title = reader.word("emergency.over_title" if over else "emergency.title", node=lost.node, how=how)
    opening = _over(reader, lost) if over else _lasting(reader, lost, how, again)
    url = link("dashboard")
    links = {} if url is None else {reader.word("page.open"): url}
    return Message(
        id,
        "page",
        title,
        fill_template("message.txt.j2", title=title, opening=opening, lines=[], links=links),
        at,
        links=links,
        priority="P0",
        status="resolved" if over else "triggered",
        card=f"emergency/{lost.node}/{stamp(lost.since)}",
        payload=_payload(lost, id, person, title, opening[0], url, at),
    )


def problem(lost: StoreLost) -> str:
    """In one line, for `/readyz` and logs: "the store is full: pages cannot be promised since 03:12 UTC"."""
    reader = Reader("en")
    how = reader.word(f"emergency.{lost.state}")
    return f"{how}: pages cannot be promised since {lost.since:%Y-%m-%d %H:%M} UTC ({lost.reason})"


def _lasting(reader: Reader, lost: StoreLost, how: str, again: timedelta) -> Sequence[str]:
    opening = [
        reader.word("emergency.since", how=how, since=reader.when(lost.since)),
        reader.word("emergency.reason", reason=lost.reason),
    ]
    if lost.untold:
        opening.append(reader.word("emergency.untold"))
        opening += [f"{priority}: {title}" for priority, title in lost.untold[:LINES_MAX]]
        if left := len(lost.untold) - LINES_MAX:
            opening += [reader.word("emergency.more", count=left)] if left > 0 else []
    return [*opening, reader.word("emergency.again", span=reader.span(again))]


def _over(reader: Reader, lost: StoreLost) -> Sequence[str]:
    assert lost.until is not None
    return [
        reader.word("emergency.over", until=reader.when(lost.until), span=reader.span(lost.until - lost.since)),
        reader.word("emergency.over_next"),
    ]


def _payload(
    lost: StoreLost, id: str, person: str | None, title: str, summary: str, url: str | None, at: datetime
) -> dict[str, object]:
    """As a page's (SPEC 4), with a kind of its own: whoever reads pages by machine must not take it for one."""
    return dict.fromkeys(("incident", "service", "roster", "level", "cycle")) | {
        "kind": "emergency",
        "page_id": id,
        "attempt": 1,
        "possible_duplicate": False,
        "test": False,
        "priority": "P0",
        "reason": "emergency",
        "status": "triggered" if lost.until is None else "resolved",
        "title": title,
        "summary": summary,
        "why": lost.reason,
        "person": person,
        "untold": [{"priority": priority, "title": what} for priority, what in lost.untold],
        "since": stamp(lost.since),
        "links": {**dict.fromkeys(("incident", "acknowledge", "resolve", "playbook")), "dashboard": url},
        "at": stamp(at),
    }

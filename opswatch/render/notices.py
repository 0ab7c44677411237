"""The messages that are about no single incident: the digest, and the page that only tries the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opswatch.core.effects import Announce, Page
from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.core.state import Incident
from opswatch.render.card import Card, since
from opswatch.render.message import Message
from opswatch.render.messages import Link
from opswatch.render.text import fill_template, reader_of, stamp
from opswatch.render.words import Reader

DIGEST_LINES_MAX = 40


def digest(
    plan: Plan,
    announce: Announce,
    incidents: Sequence[Incident],
    *,
    id: str,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
) -> Message:
    """What is open, worst first, and the P3 that woke nobody: for a channel, in the plan's language and zone."""
    reader = Reader(plan.language, plan=plan, zone=plan.timezone)
    ordered = sorted(incidents, key=lambda one: (one.priority, one.number))
    shown = ordered[:DIGEST_LINES_MAX]
    worse = [_digest_line(plan, reader, one, at) for one in shown if one.priority is not Priority.P3]
    quiet = [_digest_line(plan, reader, one, at) for one in shown if one.priority is Priority.P3]
    named = ((reader.word("digest.open"), worse), (reader.word("digest.new"), quiet))
    parts = [(heading, rows) for heading, rows in named if rows]
    left = len(ordered) - len(shown)
    more = reader.word("word.and_more", count=left) if left else ""
    title = reader.word("digest.title", count=len(ordered)) if ordered else reader.word("digest.title_none")
    url = link("dashboard")
    links = {"opswatch": url} if url else {}
    text = fill_template("digest.txt.j2", title=title, parts=parts, more=more, links=links)
    payload: dict[str, object] = {
        "kind": "announce",
        "page_id": id,
        "channel": announce.channel,
        "event": "digest",
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": None,
        "incidents": [one.number for one in ordered],
        "title": title,
        "summary": text,
        "at": stamp(at),
    }
    lines = tuple((heading, "\n".join(rows)) for heading, rows in [*parts, *([("…", [more])] if more else [])])
    return Message(id, "announce", title, text, at, lines, links, loud=False, attempt=attempt, payload=payload)


def bundle_page(
    plan: Plan,
    page: Page,
    incidents: Sequence[Incident],
    *,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
) -> Message:
    """Pages that an hour had no room for, as one: which incidents nobody has taken still, the worst first."""
    reader = reader_of(plan, page.person)
    ordered = sorted(incidents, key=lambda one: (one.priority, one.number))
    services = list(dict.fromkeys(reader.service(one.service) for one in ordered if one.service))
    title = reader.word(
        "page.bundle_title",
        priority=page.priority,
        count=max(page.count, len(ordered)),
        service=reader.join([*services[:3], *(["…"] if len(services) > 3 else [])]),
    )
    opening = [reader.word("page.duplicate")] if possible_duplicate else []
    opening.append(reader.word("page.bundle"))
    rows = [
        reader.word(
            "page.bundle_line",
            number=one.number,
            title=Card(plan, one, (), reader, at).title(),
            since=since(reader, one.opened_at, at),
        )
        for one in ordered[:DIGEST_LINES_MAX]
    ]
    if left := len(ordered) - DIGEST_LINES_MAX:
        rows += [reader.word("word.and_more", count=left)] if left > 0 else []
    gone = page.count - len(ordered)
    lines = [(reader.word("digest.open"), "\n".join(rows))]
    if gone > 0:
        lines.append(("…", reader.word("page.bundle_over", count=gone)))
    url = link("dashboard")
    links = {"opswatch": url} if url else {}
    text = fill_template("message.txt.j2", title=title, opening=opening, lines=lines, links=links)
    payload: dict[str, object] = dict.fromkeys(("why", "service", "roster")) | {
        "kind": "page",
        "page_id": page.id,
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": ordered[0].number if ordered else None,
        "incidents": [one.number for one in ordered],
        "count": page.count,
        "priority": str(page.priority),
        "status": "triggered",
        "reason": str(page.reason),
        "title": title,
        "summary": "\n".join(rows),
        "person": page.person,
        "level": page.level,
        "cycle": page.cycle,
        "links": dict.fromkeys(("incident", "acknowledge", "resolve", "playbook")),
        "at": stamp(at),
    }
    return Message(
        page.id,
        "page",
        title,
        text,
        at,
        tuple(lines),
        links,
        priority=str(page.priority),
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def test_page(
    plan: Plan, page: Page, *, at: datetime, by: str = "", attempt: int = 1, possible_duplicate: bool = False
) -> Message:
    """A page that says that it is a test, in the language of the person it tries to reach."""
    reader = reader_of(plan, page.person)
    title = reader.word("page.test_title")
    opening = [reader.word("page.test_text", person=reader.person(page.person), channel=page.contact)]
    if by:
        opening.append(reader.word("page.test_by", by=reader.person(by)))
    if possible_duplicate:
        opening.append(reader.word("page.duplicate"))
    text = fill_template("message.txt.j2", title=title, opening=opening, lines=[], links={})
    payload: dict[str, object] = dict.fromkeys(("incident", "status", "why", "service", "roster")) | {
        "kind": "page",
        "page_id": page.id,
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": True,
        "priority": str(page.priority),
        "reason": str(page.reason),
        "title": title,
        "summary": opening[0],
        "person": page.person,
        "level": page.level,
        "cycle": page.cycle,
        "links": dict.fromkeys(("incident", "acknowledge", "resolve", "playbook")),
        "at": stamp(at),
    }
    return Message(
        page.id,
        "test",
        title,
        text,
        at,
        priority=str(page.priority),
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


# Pytest would take a function of this name, imported into a test, for a test.
test_page.__test__ = False  # type: ignore[attr-defined]


def _digest_line(plan: Plan, reader: Reader, incident: Incident, at: datetime) -> str:
    card = Card(plan, incident, (), reader, at)
    return reader.word(
        "digest.line",
        number=f"#{incident.number}",
        title=card.title(),
        since=since(reader, incident.opened_at, at),
        owner=card.owner(),
    )

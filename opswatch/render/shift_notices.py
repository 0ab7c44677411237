"""What a roster's channel is told: who is on call from now on, and on Monday who will be that week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opswatch.core.effects import Announce
from opswatch.core.plan import Plan
from opswatch.core.roster import Shift
from opswatch.render.message import Message
from opswatch.render.messages import Link
from opswatch.render.quiet_message import quiet_message
from opswatch.render.text import stamp
from opswatch.render.words import Reader

EVENTS = frozenset({"on_call", "week_ahead"})
LINES_MAX = 40


def shift_notice(
    plan: Plan,
    body: Announce,
    shifts: Sequence[Shift],
    *,
    id: str,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
) -> Message:
    """In the plan's language and the roster's zone. `shifts` are those of the week, for `week_ahead`."""
    roster = plan.rosters.get(str(body.facts.get("roster")))
    reader = Reader(plan.language, plan=plan, zone=roster.timezone if roster else plan.timezone)
    facts = reader.facts(body.facts)
    title = reader.word(_title_of(body), **facts)
    lines = _shift_lines(reader, shifts) if body.event == "week_ahead" else _change_lines(reader, facts)
    url = link("rosters")
    links = {"opswatch": url} if url else {}
    payload: dict[str, object] = {
        "kind": "announce",
        "event": body.event,
        "page_id": id,
        "channel": body.channel,
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": None,
        "title": title,
        "facts": dict(body.facts),
        "links": {"rosters": url},
        "at": stamp(at),
    }
    return quiet_message(
        "announce",
        title,
        lines,
        links,
        id=id,
        at=at,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def _title_of(body: Announce) -> str:
    if body.event == "week_ahead":
        return "rostered.week_ahead"
    if not body.facts.get("people"):
        return "rostered.nobody"
    return "rostered.fallback" if body.facts.get("fallback") else "rostered.on_call"


def _change_lines(reader: Reader, facts: dict[str, str]) -> list[tuple[str, str]]:
    named = (("whose", "rostered.before"), ("until", "rostered.until"), ("following", "rostered.next"))
    return [(reader.word(key), facts[name]) for name, key in named if facts.get(name)]


def _shift_lines(reader: Reader, shifts: Sequence[Shift]) -> list[tuple[str, str]]:
    rows = [
        (reader.when(shift.start), reader.join(map(reader.person, shift.people)) or reader.word("rostered.gap"))
        for shift in shifts[:LINES_MAX]
    ]
    left = len(shifts) - len(rows)
    return [*rows, *([("…", reader.word("word.and_more", count=left))] if left else [])]

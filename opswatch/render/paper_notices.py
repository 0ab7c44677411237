"""Notices: what is owed or due, and a shift that begins, for one person. They interrupt nobody and edit no card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from opswatch.core.effects import Notice
from opswatch.core.plan import Plan
from opswatch.core.state import Incident
from opswatch.render.message import Message
from opswatch.render.messages import Link
from opswatch.render.quiet_message import quiet_message
from opswatch.render.text import reader_of, stamp
from opswatch.render.wordings import update_text
from opswatch.render.words import Reader

ABOUT_SHIFTS = ("changes", "hours", "wanted", "left", "pools", "text")
HOW = {
    "paper_owed": "how_paper",
    "paper_due": "how_paper",
    "paper_overdue": "how_paper",
    "paper_review": "how_review",
    "handover": "how_handover",
    "shift_soon": "how_shift",
    "handover_reminder": "how_take_over",
    "handover_waits": "how_handover",
    "handover_accepted": "how_handover",
    "accepted": "how_pool",
    "declined": "how_pool",
    "pool_exhausted": "how_pool",
    "silence_ending": "how_silence",
    "quiet_report": "how_quiet",
    "shifts_changed": "how_shifts",
    "shifts_corrected": "how_shifts",
    "cover_asked": "how_cover",
    "swap_asked": "how_cover",
    "cover_offered": "how_offer",
    "cover_offer_withdrawn": "how_nothing",
    "cover_withdrawn": "how_nothing",
    "cover_taken": "how_nothing",
    "cover_open": "how_open",
    "cover_expired": "how_expired",
    "update_due": "how_update",
    "resolve_due": "how_update",
    "resolve_overdue": "how_update",
    "update_overdue": "how_update",
    "stakeholder_update": "how_show",
    "report_taken": "how_show",
    "report_promised": "how_show",
    "report_waiting": "how_show",
    "report_closed": "how_show",
}
"""The command that goes on with it, by event; a risk's for the others."""


def notice(
    plan: Plan,
    notice: Notice,
    *,
    id: str,
    link: Link,
    at: datetime,
    incident: Incident | None = None,
    parts: Sequence[tuple[str, Sequence[str]]] = (),
    attempt: int = 1,
    possible_duplicate: bool = False,
) -> Message:
    """The words of one notice, in the language and zone of its reader. `incident` is the one it is about, if it is
    known; `parts` are the lists of a hand-over, (heading, lines)."""
    reader = reader_of(plan, notice.person)
    facts = reader.facts({"title": incident.title if incident else "", **notice.facts, "incident": notice.incident})
    if notice.event == "stakeholder_update" and incident is not None:
        facts = {**facts, "news": update_text(reader, incident, notice.facts)}
        facts.pop("text", None)
    title = reader.word(f"notice.{notice.event}", **facts)
    title = title[:1].upper() + title[1:]
    lines = [
        *_lines(reader, notice, facts),
        *((heading, "\n".join(f"- {row}" for row in rows)) for heading, rows in parts),
    ]
    url = link("incident", incident=notice.incident) if notice.incident is not None else link("dashboard")
    links = {reader.word("page.incident") if notice.incident is not None else "opswatch": url} if url else {}
    payload: dict[str, object] = {
        "kind": "notice",
        "event": notice.event,
        "page_id": id,
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": notice.incident,
        "person": notice.person,
        "title": title,
        "facts": dict(notice.facts),
        "links": {"incident": url if notice.incident is not None else None},
        "at": stamp(at),
    }
    return quiet_message(
        "update",
        title,
        lines,
        links,
        id=id,
        at=at,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def _lines(reader: Reader, notice: Notice, facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is known, and the command that goes on with it."""
    named = ("due", "owner", "severity", "service", "evidence", "news", *ABOUT_SHIFTS)
    lines = [(reader.word(f"notice.{name}"), facts[name]) for name in named if name in facts]
    ids = {**_ids(notice), **({"by": notice.facts["by"]} if "by" in notice.facts else {})}
    return [*lines, (reader.word("notice.how"), reader.word(f"notice.{_how(notice)}", **ids))]


def _how(notice: Notice) -> str:
    return HOW.get(notice.event, "how_risk")


def _ids(notice: Notice) -> dict[str, object]:
    return {"number": notice.incident, "id": notice.facts.get("id"), "roster": notice.facts.get("roster")}

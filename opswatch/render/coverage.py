"""What is wrong with the weeks ahead, in words: one finding as a sentence, and the message that tells the new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from opswatch.core.coverage import Kind
from opswatch.core.effects import Announce, Notice
from opswatch.core.plan import Plan
from opswatch.render.message import Message
from opswatch.render.messages import Link
from opswatch.render.quiet_message import quiet_message
from opswatch.render.text import reader_of, stamp
from opswatch.render.words import Reader

Facts = Mapping[str, object]


def sentence(reader: Reader, finding: Facts) -> str:
    """One finding (`Finding.facts()`, or the same from a stored message) without its roster's name."""
    kind, why = str(finding.get("kind")), str(finding.get("why") or "")
    also = str(finding.get("also") or "")
    amount = finding.get("amount")
    facts = {
        "start": _when(reader, finding.get("start")),
        "end": _when(reader, finding.get("end")),
        "people": reader.join(reader.person(person) for person in _list(finding.get("people"))),
        "override": finding.get("override"),
        "amount": None if kind == Kind.ABSENT and amount == 1 else amount,
        "also": reader.join(reader.person(one) for one in also.split(",")) if kind == Kind.ABSENT and also else also,
    }
    if kind == Kind.GAP and amount:
        return reader.word("coverage.gaps", **facts)
    says = why in ("contact", "viewer", "unknown", "days", "share", "rest")
    return reader.word(f"coverage.{kind}_{why}" if says else f"coverage.{kind}", **facts)


def coverage_notice(
    plan: Plan,
    body: Announce | Notice,
    *,
    id: str,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
) -> Message:
    """What is new, by roster: for a channel in the plan's language and zone, for a person in theirs."""
    is_channel = isinstance(body, Announce)
    to = {"channel": body.channel} if isinstance(body, Announce) else {"person": body.person}
    reader = (
        Reader(plan.language, plan=plan, zone=plan.timezone)
        if isinstance(body, Announce)
        else reader_of(plan, body.person)
    )
    findings = [one for one in _list(body.facts.get("findings")) if isinstance(one, Mapping)]
    more = body.facts.get("more")
    title = _title(reader, findings, int(str(more or 0)))
    lines = _lines(reader, findings)
    if more:
        lines.append(("…", reader.word("coverage.more", count=more)))
    if findings:
        how = "how_gap" if findings[0].get("kind") == Kind.GAP else "how_other"
        lines.append((reader.word("coverage.how"), reader.word(f"coverage.{how}", roster=findings[0].get("roster"))))
    url = link("rosters")
    links = {"opswatch": url} if url else {}
    payload: dict[str, object] = {
        "kind": "announce" if is_channel else "notice",
        "event": body.event,
        "page_id": id,
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": None,
        **to,
        "title": title,
        "findings": [dict(one) for one in findings],
        "links": {"rosters": url},
        "at": stamp(at),
    }
    return quiet_message(
        "announce" if is_channel else "update",
        title,
        lines,
        links,
        id=id,
        at=at,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def _title(reader: Reader, findings: Sequence[Facts], more: int) -> str:
    if len(findings) == 1 and not more and findings[0].get("kind") == Kind.GAP:
        start = _when(reader, findings[0].get("start"))
        return reader.word("coverage.title_gap", roster=findings[0].get("roster"), start=start)
    return reader.word("coverage.title", count=len(findings) + more)


def _lines(reader: Reader, findings: Sequence[Facts]) -> list[tuple[str, str]]:
    """A line for each roster, with its findings."""
    by_roster: dict[str, list[str]] = {}
    for one in findings:
        by_roster.setdefault(str(one.get("roster")), []).append(f"- {sentence(reader, one)}")
    return [(roster, "\n".join(rows)) for roster, rows in by_roster.items()]


def _when(reader: Reader, at: object) -> str:
    if isinstance(at, datetime):
        return reader.when(at)
    try:
        return reader.when(datetime.fromisoformat(str(at)))
    except ValueError:
        return str(at)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []

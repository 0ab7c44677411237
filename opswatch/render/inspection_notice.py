"""What a channel is told when an inspection has run: the numbers, the five worst, and where the report is."""

from __future__ import annotations

from datetime import datetime

from opswatch.core.effects import Announce
from opswatch.core.inspection import Report
from opswatch.core.plan import Plan
from opswatch.render.inspection import Sheet
from opswatch.render.message import Message
from opswatch.render.messages import Link
from opswatch.render.text import fill_template, stamp

SENTENCE_MAX = 160


def inspected(
    plan: Plan,
    announce: Announce,
    report: Report,
    *,
    id: str,
    link: Link,
    at: datetime,
    attempt: int = 1,
    possible_duplicate: bool = False,
) -> Message:
    """One run, for a channel: in the plan's language, the inspection's zone. Loud only when something is critical."""
    sheet = Sheet(report, plan)
    title = sheet.say("told_title", title=sheet.title, short=sheet.short)
    lines = [(sheet.say("fact_changes"), sheet.changes_short)] if sheet.changes_short else []
    worst = [_line(sheet, row.says, row.what, row.sentence) for row in (sheet.row(line) for line in report.worst)]
    left = len(report.bad) - len(worst)
    if left > 0:
        worst.append(sheet.count("more", left))
    if worst:
        lines.append((sheet.say("needs"), "\n".join(worst)))
    if report.unsigned:
        lines.append((sheet.say("checklist"), sheet.count("to_sign", len(report.unsigned))))
    url = link("inspection", run=report.run)
    links = {sheet.say("report"): url} if url else {}
    payload: dict[str, object] = {
        "kind": "announce",
        "page_id": id,
        "channel": announce.channel,
        "event": "inspected",
        "attempt": attempt,
        "possible_duplicate": possible_duplicate,
        "test": False,
        "incident": None,
        "title": title,
        "summary": sheet.changes_short,
        "run": report.run,
        "state": str(report.health),
        "counts": report.counts(),
        "changes": report.changes(),
        "worst": [
            {"state": str(line.health), "check": line.check, "target": line.target, "item": line.item or None}
            for line in report.worst
        ],
        "links": {"inspection": url},
        "at": stamp(at),
    }
    text = fill_template("message.txt.j2", title=title, opening=[], lines=lines, links=links)
    return Message(
        id,
        "announce",
        title,
        text,
        at,
        tuple(lines),
        links,
        loud=str(report.health) == "crit",
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )


def _line(sheet: Sheet, state: str, what: str, sentence: str) -> str:
    text = sentence if len(sentence) <= SENTENCE_MAX else sentence[: SENTENCE_MAX - 1].rstrip() + "…"
    return sheet.say("told_line", state=state, what=what, text=text)

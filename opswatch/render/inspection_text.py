"""An inspection's report as Markdown that people may write into, as JSON, and as the lines of a message."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from opswatch.core.inspection import Line, Reading, Report
from opswatch.core.plan import Plan
from opswatch.records import Document, for_reading, key, parts_of
from opswatch.render.documents import as_many, cell, safe
from opswatch.render.inspection import Row, Sheet, Value
from opswatch.render.sparkline import bars
from opswatch.render.text import fill_template, stamp

LINES_MAX = 100
ROWS_MAX = 500
NOTES_MARK = "<!-- notes -->"
COLUMNS = ("state", "what", "value", "limit", "last", "course", "left", "owner", "by")

Section = dict[str, object]
Facts = Mapping[str, str]


def markdown(report: Report, plan: Plan, *, language: str | None = None) -> Document:
    """The document of one report, in `language` or the plan's. Only signatures change it later."""
    sheet = Sheet(report, plan, language)
    made: dict[str, tuple[Section, Facts]] = {
        "changes": _changes(sheet),
        "needs": _needs(sheet),
        "checklist": _checklist(sheet),
        "heading": _heading(sheet),
        "everything": (_everything(sheet), {}),
    }
    text = fill_template(
        "inspection.md.j2",
        title=safe(sheet.headline),
        short=safe(sheet.short),
        facts=[f"{safe(name)}: {safe(said)}" for name, said in sheet.facts()],
        sections={name: section for name, (section, _) in made.items()},
        notes=sheet.say("notes"),
        hint=sheet.say("notes_hint"),
    )
    return Document(_tidy(text), {name: facts for name, (_, facts) in made.items()})


def for_terminal(report: Report, plan: Plan, *, language: str | None = None, show_all: bool = False) -> str:
    """The Markdown of a report for reading: what changed, what needs a person; with `show_all` every line."""
    text = markdown(report, plan, language=language).text
    text = text[: text.index(NOTES_MARK)] if NOTES_MARK in text else text
    everything = parts_of(text).get("everything")
    if everything is not None and not show_all:
        text = text[: everything.start]
    return for_reading(text)


def as_json(report: Report) -> dict[str, object]:
    """The report for programs: instants in UTC, spans in seconds."""
    return {
        "run": report.run,
        "inspection": report.inspection,
        "began_at": stamp(report.began_at),
        "ended_at": stamp(report.ended_at),
        "due_at": stamp(report.due_at) if report.due_at else None,
        "timezone": report.zone,
        "node": report.node,
        "by": report.by,
        "state": str(report.health),
        "counts": report.counts(),
        "changes": report.changes(),
        "last_run": report.last_run,
        "lines": [_line_json(line) for line in report.lines],
        "gone": [_line_json(line) for line in report.gone],
        "checklist": _checklist_json(report),
        "elsewhere": list(report.elsewhere),
        "left_out": report.left_out,
    }


def said(one: Value) -> str:
    """`96.4 % (critical > 90)`."""
    return f"{one.text} ({one.limit})" if one.limit else one.text


def sparkline(days: Sequence[float | None]) -> str:
    """The course of a value in letters, a blank where nothing was seen; the days before the first value left out."""
    seen = [day for day in days if day is not None]
    if len(seen) < 2:
        return ""
    first = next(place for place, day in enumerate(days) if day is not None)
    return bars(days[first:], gap=" ")


# ---------------------------------------------------------------------------------------------------------------------
# The parts


def _changes(sheet: Sheet) -> tuple[Section, Facts]:
    lines, facts = [], {}
    for kind, words, rows in sheet.changes():
        for row in rows:
            text = _change(sheet, kind, words, row)
            lines.append(text)
            facts[key(kind, row.what, row.state)] = f"- {text}"
    report = sheet.report
    words = sheet.say("unchanged", run=report.last_run) if report.last_run and not lines else ""
    return _listed(sheet, sheet.say("changes"), lines, words=words), facts


def _change(sheet: Sheet, kind: str, words: str, row: Row) -> str:
    if kind == "gone":
        return f"{words}: {_what(row)}, {safe(sheet.say('gone_was', state=row.says, text=row.sentence))}"
    was = f" ({sheet.say('was', state=row.was)})" if row.was else ""
    return f"{words}: **{row.says}**{was} {_what(row)}: {safe(row.sentence)}"


def _needs(sheet: Sheet) -> tuple[Section, Facts]:
    lines, facts = [], {}
    for row in sheet.bad():
        lines.append(_finding(sheet, row))
        facts[key("needs", row.what, row.state)] = f"- {lines[-1]}"
    words = "" if lines else sheet.say("needs_nobody")
    return _listed(sheet, sheet.say("needs"), lines, words=words), facts


def _finding(sheet: Sheet, row: Row) -> str:
    """One finding: what and how bad, then a line each for its values, whose it is, and the evidence."""
    first = f"**{row.says}**{f' {row.priority}' if row.priority else ''} {_what(row)}: {safe(row.sentence)}"
    values = ", ".join(safe(f"{one.name} {said(one)}{_spark(one)}") for one in row.values[:4])
    meta = [f"{sheet.say('owner')}: {safe(row.owner) or sheet.say('owner_nobody')}"]
    meta += [sheet.say("since", at=row.since)] if row.since else []
    meta += [f"{sheet.say('playbook')}: {safe(row.playbook)}"] if row.playbook else []
    more = [values, "; ".join(meta), safe(row.why), *(safe(note) for note in row.notes)]
    shown = [f"`{safe(text).replace('`', chr(39))}`" for text in row.evidence]
    return "\n".join([first, *(f"  - {text}" for text in [*more, *shown] if text)])


def _checklist(sheet: Sheet) -> tuple[Section, Facts]:
    items = sheet.checklist()
    lines, facts = [], {}
    for item in items:
        mark = "x" if item.signed else " "
        note = f": {safe(item.note)}" if item.note else ""
        lines.append(f"[{mark}] {item.number}. {safe(item.text)} ({safe(item.signed) or sheet.say('unsigned')}{note})")
        if item.signed:
            facts[key("signed", item.number)] = f"- {lines[-1]}"
    note = sheet.say("checklist_note", run=sheet.report.run) if sheet.report.unsigned else ""
    return _listed(sheet, sheet.say("checklist"), lines) | {"note": note}, facts


def _heading(sheet: Sheet) -> tuple[Section, Facts]:
    lines, facts = [], {}
    for row, one in sheet.heading():
        parts = [one.to_limit, one.per_day, f"{sheet.say('owner')}: {row.owner}" if row.owner else ""]
        lines.append(
            f"{_what(row)}: {safe(one.name)} {safe(said(one))}{_spark(one)}; {safe(', '.join(filter(None, parts)))}"
        )
        facts[key("heading", row.what, one.name)] = f"- {lines[-1]}"
    note = sheet.say("heading_note") if lines else ""
    return _listed(sheet, sheet.say("heading"), lines) | {"note": note}, facts


def _everything(sheet: Sheet) -> Section:
    report = sheet.report
    rows = [[cell(text) for text in _cells(sheet, row)] for row in sheet.everything()]
    count = as_many(["".join(row) for row in rows], ROWS_MAX)
    notes = [sheet.count("more", len(rows) - count)] if len(rows) > count else []
    notes += [sheet.say("left_out", count=report.left_out)] if report.left_out else []
    notes += [sheet.say("elsewhere", list=safe(", ".join(report.elsewhere[:20])))] if report.elsewhere else []
    notes.append(sheet.say("times", zone=report.zone))
    return {
        "title": sheet.say("everything"),
        "words": "",
        "lines": [],
        "columns": [sheet.say(f"column_{name}") for name in COLUMNS],
        "rows": rows[:count],
        "note": "\n\n".join(notes),
    }


def _cells(sheet: Sheet, row: Row) -> Iterable[str]:
    values, none = row.values[:3], sheet.say("none")
    shown = [safe(f"{one.text} {one.name}" if len(values) > 1 else one.text) for one in values]
    course = next((sparkline(one.course) for one in values if one.course), "")
    return (
        f"**{row.says}**" if row.state != "ok" else row.says,
        _what(row) if values else f"{_what(row)}: {safe(row.sentence)}",
        ", ".join(shown) or none,
        safe("; ".join(one.limit for one in values if one.limit)) or none,
        safe(", ".join(one.was for one in values if one.was)) or none,
        course or none,
        ", ".join(one.left for one in values if one.left) or none,
        safe(row.owner) or none,
        row.by,
    )


def _listed(sheet: Sheet, title: str, lines: Sequence[str], *, words: str = "") -> Section:
    count = as_many(lines, LINES_MAX)
    more = [sheet.count("more", len(lines) - count)] if len(lines) > count else []
    return {"title": title, "words": words, "lines": [*lines[:count], *more], "columns": [], "rows": [], "note": ""}


def _what(row: Row) -> str:
    return safe(row.what)


def _spark(one: Value) -> str:
    return f" {sparkline(one.course)}" if one.course else ""


def _tidy(text: str) -> str:
    """No two blank lines, and none before a marker."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("<!-- /opswatch:"):
            while lines and not lines[-1].strip():
                lines.pop()
        if line.strip() or (lines and lines[-1].strip()):
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# For programs


def _line_json(line: Line) -> dict[str, object]:
    return {
        "check": line.check,
        "target": line.target,
        "item": line.item or None,
        "state": str(line.health),
        "reason": str(line.reason) if line.reason else None,
        "priority": str(line.priority) if line.priority is not None else None,
        "sentence": line.sentence,
        "change": str(line.change),
        "was": str(line.was) if line.was else None,
        "bad_since": stamp(line.bad_since) if line.bad_since else None,
        "owner": line.owner or None,
        "service": line.service,
        "values": [_reading_json(one) for one in line.readings],
        "evidence": [*line.broken, *line.evidence],
        "notes": list(line.notes),
        "playbook": line.playbook,
        "looks": line.looks,
        "bad_looks": line.bad_looks,
        "looked_by": "machine",
    }


def _reading_json(one: Reading) -> dict[str, object]:
    course = one.course
    return {
        "name": one.name,
        "value": one.value if math.isfinite(one.value) else None,
        "unit": one.unit,
        "state": str(one.health),
        "warn": one.warn,
        "crit": one.crit,
        "last": one.was if one.was is not None and math.isfinite(one.was) else None,
        "days": list(course.days) if course.is_drawn else [],
        "per_day": course.per_day,
        "limit": course.limit,
        "left_s": course.left.total_seconds() if course.left is not None else None,
    }


def _checklist_json(report: Report) -> list[dict[str, object]]:
    signed = {one.item: one for one in report.signatures}
    return [
        {
            "item": number,
            "text": text,
            "signed_by": signed[number].by if number in signed else None,
            "signed_at": stamp(signed[number].at) if number in signed else None,
            "note": signed[number].note if number in signed else "",
        }
        for number, text in enumerate(report.checklist, start=1)
    ]

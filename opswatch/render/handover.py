"""A hand-over: a page of Markdown for the file, and the same lists as lines of a message, for who reads them."""

from __future__ import annotations

from collections.abc import Sequence

from opswatch.core.handover import HandOver, Item, Planned
from opswatch.core.model import RiskStatus
from opswatch.core.papers import is_overdue as paper_is_overdue
from opswatch.core.plan import Plan
from opswatch.core.risks import is_overdue
from opswatch.core.state import Override, Paper, Risk, Silence
from opswatch.records import Document
from opswatch.render import answers
from opswatch.render.documents import Writer, as_many, safe, tidy
from opswatch.render.text import fill_template

LINES_MAX = 60  # of one list in the file
MESSAGE_LINES_MAX = 12  # of one list in a message
NOTE_MAX = 200

Part = tuple[str, str, list[str]]
"""Name, heading, lines."""


def hand_over(found: HandOver, plan: Plan, *, language: str | None = None) -> Document:
    """The document, in `language` or the plan's; times are local to its roster's zone."""
    writer = Writer(language or plan.language, plan=plan, zone=found.handing.zone, day=found.now)
    at = writer.moment(found.handing.at)
    text = fill_template(
        "handover.md.j2",
        title=_say(writer, "title", roster=safe(found.handing.roster), at=at),
        facts=[*_people(writer, found), _say(writer, "written", at=writer.moment(found.now), zone=writer.zone)],
        short=short(writer, found),
        parts=parts(writer, found, LINES_MAX),
        add=_say(writer, "add"),
        hint=_say(writer, "hint"),
    )
    return Document(tidy(text))


def message_parts(found: HandOver, plan: Plan, person: str) -> list[tuple[str, list[str]]]:
    """The lists for a message to one of the next people, in their language and zone: (heading, lines)."""
    known = plan.people.get(person)
    language, zone = (known.language, known.timezone) if known else (plan.language, found.handing.zone)
    writer = Writer(language, plan=plan, zone=zone, day=found.now)
    lists = [(heading, lines) for _, heading, lines in parts(writer, found, MESSAGE_LINES_MAX)]
    return lists or [(_say(writer, "open"), [_say(writer, "calm")])]


def short(writer: Writer, found: HandOver) -> str:
    """All of it in one line."""
    if found.is_calm:
        return _say(writer, "calm")
    papers, risks = len(found.papers), len(found.risks)
    return _say(
        writer,
        "short",
        incidents=writer.counted("handover.incidents", len(found.items)),
        papers=writer.counted("handover.papers", papers) if papers else "",
        risks=writer.counted("handover.risks", risks) if risks else "",
    )


def parts(writer: Writer, found: HandOver, lines_max: int) -> list[Part]:
    """The lists that are not empty, each bounded."""
    quiet = [_silence(writer, one) for one in found.silences]
    if found.paused_until is not None:
        quiet.insert(0, _say(writer, "paused", at=writer.clock(found.paused_until)))
    lists = {
        "open": [_item(writer, one) for one in found.items],
        "papers": [_paper(writer, one, found) for one in found.papers],
        "risks": [_risk(writer, one, found) for one in found.risks],
        "quiet": quiet,
        "planned": [_window(writer, one) for one in found.planned],
        "overrides": [_override(writer, one) for one in found.overrides],
        "notes": [safe(answers.entry(writer.language, one, plan=writer.plan, zone=writer.zone)) for one in found.notes],
    }
    return [(name, _say(writer, name), _bounded(writer, lines, lines_max)) for name, lines in lists.items() if lines]


# ---------------------------------------------------------------------------------------------------------------------


def _people(writer: Writer, found: HandOver) -> list[str]:
    handing = found.handing
    out = writer.join(f"**{writer.name(person)}**" for person in handing.people) or _say(writer, "nobody")
    to = writer.join(f"**{writer.name(person)}**" for person in handing.to)
    until = writer.moment(handing.until) if handing.until is not None else ""
    if not to:
        second = _say(writer, "to_nobody")
    elif handing.is_gap:
        second = _say(writer, "to_gap", people=to)
    else:
        second = _say(writer, "to", people=to, until=until)
    return [_say(writer, "from", people=out), second]


def _item(writer: Writer, one: Item) -> str:
    incident = one.incident
    owner = writer.name(incident.owner) if incident.owner else ""
    service = writer.service(incident.service)
    title = safe(
        f"{incident.priority} {service}: {incident.title}" if service else f"{incident.priority} {incident.title}"
    )
    step = "nobody_next" if one.step == "nobody" else one.step
    at = writer.clock(one.at) if one.at is not None else ""
    text = str(one.last_note.facts.get("text", "")) if one.last_note else ""
    return _say(
        writer,
        "item",
        number=incident.number,
        title=title,
        since=writer.clock(incident.opened_at),
        owner=_say(writer, "owner" if owner else "owner_nobody", person=owner),
        next=_say(writer, step, at=at),
        note=safe(text)[:NOTE_MAX],
    )


def _paper(writer: Writer, one: Paper, found: HandOver) -> str:
    stage = _say(writer, "overdue") if paper_is_overdue(one, found.now) else writer.code(one.stage)
    owner = writer.name(one.owner) if one.owner else _say(writer, "nobody")
    what, at = writer.code(one.kind), writer.clock(one.due_at)
    return _say(writer, "paper", number=one.incident, what=what, owner=owner, at=at, stage=stage)


def _risk(writer: Writer, one: Risk, found: HandOver) -> str:
    plan = writer.plan
    is_late = plan is not None and is_overdue(plan, one, found.now)
    owner = writer.name(one.owner) if one.owner else ""
    until = writer.moment(one.accepted_until) if one.status is RiskStatus.ACCEPTED and one.accepted_until else ""
    return _say(
        writer,
        "risk",
        id=one.id,
        severity=writer.code(one.severity),
        title=safe(one.title),
        owner=_say(writer, "owner" if owner else "owner_nobody", person=owner),
        due=one.due.isoformat() if one.due and not until else "",
        until=until,
        late=_say(writer, "overdue") if is_late else "",
    )


def _silence(writer: Writer, one: Silence) -> str:
    matchers = " ".join(f"{name}{how}{value}" for name, how, value in one.matchers)
    return _say(
        writer,
        "silence",
        id=one.id,
        at=writer.clock(one.ends_at),
        matchers=f"`{safe(matchers)}`",
        person=writer.name(one.owner),
        reason=safe(one.reason)[:NOTE_MAX],
    )


def _window(writer: Writer, one: Planned) -> str:
    window = one.window
    return _say(
        writer,
        "window",
        start=writer.clock(one.start),
        end=writer.clock(one.end),
        id=safe(window.id),
        reason=safe(window.reason),
        person=writer.name(window.owner),
    )


def _override(writer: Writer, one: Override) -> str:
    add, remove = writer.name(one.add or ""), writer.name(one.remove or "")
    name = "schedule" if one.shifts is not None else "replaced" if add and remove else "added" if add else "removed"
    start, end = writer.between(one.start, one.end)
    change = _say(writer, name, add=add, remove=remove)
    return _say(writer, "override", start=start, end=end, change=change, reason=safe(one.reason)[:NOTE_MAX])


def _bounded(writer: Writer, lines: Sequence[str], lines_max: int) -> list[str]:
    count = as_many(lines, lines_max)
    left = len(lines) - count
    return [*lines[:count], *([_say(writer, "more", count=left)] if left else [])]


def _say(writer: Writer, name: str, **facts: object) -> str:
    return writer.say(f"handover.{name}", **facts)

"""A duty log as a page of Markdown that a lead reads on Monday: short, a table of incidents, local times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from statistics import median

from opswatch.core.duties import Duty
from opswatch.core.dutylog import AHEAD, DutyLog, Failure, Line, OfPerson
from opswatch.core.effects import Entry
from opswatch.core.plan import Plan
from opswatch.records import Document, key
from opswatch.render import answers
from opswatch.render.documents import Writer, as_many, cell, paragraph, safe, tidy
from opswatch.render.text import fill_template

ROWS_MAX = 100
DEEDS_MAX = 12  # of one incident, besides what people wrote
LINES_MAX = 200
TITLE_MAX = 150

CLOSED = "closed"
ASKS = "asks"
"""Keys of two facts that others look for: the log is closed; it asks for a note that nobody wrote."""

Facts = Mapping[str, str]


def duty_log(log: DutyLog, plan: Plan, *, language: str | None = None, has_words: bool = False) -> Document:
    """The document of one duty log, in `language` or the plan's; times are local to its roster's zone.

    `has_words`: people wrote into the file by hand, so that no note is missing.
    """
    writer = Writer(language or plan.language, plan=plan, zone=log.duty.zone, day=log.duty.start)
    incidents, incident_facts = _incidents(writer, log)
    open_items, open_facts = _open(writer, log)
    pages, page_facts = _pages(writer, log)
    sections, section_facts = _sections(writer, log)
    notes, note_facts = _notes(writer, log, has_words)
    state = writer.say(f"dutylog.{log.stage}", at=writer.when(log.duty.end)) if log.stage != AHEAD else ""
    text = fill_template(
        "dutylog.md.j2",
        title=_title(writer, log.duty),
        facts=[*_whose(writer, log.duty), *_remarks(writer, log)],
        short=_short(writer, log),
        state=state,
        incidents=incidents,
        open=open_items,
        pages=pages,
        sections=sections,
        notes=notes,
    )
    facts = {
        "summary": {CLOSED: f"- {state}"} if log.is_over else {},
        "incidents": incident_facts,
        "open": open_facts,
        "pages": page_facts,
        **section_facts,
        "notes": note_facts,
    }
    return Document(tidy(text), facts)


# ---------------------------------------------------------------------------------------------------------------------
# Who and when


def _title(writer: Writer, duty: Duty) -> str:
    day = writer.date(duty.start)
    if duty.roster is None:
        return writer.say("dutylog.title_no_roster", day=day)
    return writer.say("dutylog.title", roster=safe(duty.roster), day=day)


def _whose(writer: Writer, duty: Duty) -> list[str]:
    """Who was on duty and when, in the roster's zone and in that of each person who lives in another."""
    people = writer.join(f"**{writer.name(person)}**" for person in duty.people)
    if duty.roster is None:
        who = writer.say("dutylog.on_duty_no_roster")
    elif duty.fallback:
        who = writer.say("dutylog.on_duty_fallback", people=people)
    else:
        who = writer.say("dutylog.on_duty" if people else "dutylog.on_duty_nobody", people=people)
    start, end = writer.between(duty.start, duty.end)
    lines = [who, writer.say("dutylog.when", start=start, end=end, zone=duty.zone)]
    plan = writer.plan
    for person in duty.people:
        zone = plan.people[person].timezone if plan and person in plan.people else duty.zone
        if zone != duty.zone:
            start, end = writer.between(duty.start, duty.end, zone)
            words = writer.say("dutylog.when_for", person=writer.name(person), start=start, end=end, zone=zone)
            lines.append(words)
    if duty.shift is not None:
        start, end = writer.between(*duty.shift)
        lines.append(writer.say("dutylog.part_of", start=start, end=end))
    return lines


def _remarks(writer: Writer, log: DutyLog) -> list[str]:
    said = [("dutylog.observed", log.is_observing), ("dutylog.cut", log.is_cut)]
    return [writer.say(name) for name, is_so in said if is_so]


def _short(writer: Writer, log: DutyLog) -> str:
    """The night in one line."""
    pages = sum(one.pages for one in log.people)
    if log.stage == AHEAD:
        return writer.say("dutylog.ahead")
    if not (log.incidents or pages or log.open_items):
        parts = [writer.say("dutylog.quiet")]
    else:
        parts = [_counted_incidents(writer, log.incidents)] if log.incidents else []
        parts += [writer.counted("dutylog.pages", pages)] if pages else []
        answers = [span for one in log.people for span in one.answers]
        parts += [writer.say("dutylog.answered", span=writer.span(_median(answers)))] if answers else []
        count = len(log.open_items)
        parts += [writer.counted("dutylog.open", count) if count else writer.say("dutylog.all_closed")]
    if log.failures:
        parts.append(writer.counted("dutylog.failed", len(log.failures)))
    if log.not_monitored:
        blind = sum((gap.end - gap.start for gap in log.not_monitored), timedelta())
        parts.append(writer.say("dutylog.blind", span=writer.span(blind)))
    return writer.word("word.list").join(parts)


def _counted_incidents(writer: Writer, lines: Sequence[Line]) -> str:
    counts = Counter(line.priority for line in lines)
    split = writer.join(f"{counts[priority]} {priority}" for priority in sorted(counts) if priority)
    return writer.counted("dutylog.incidents", len(lines), split=split)


# ---------------------------------------------------------------------------------------------------------------------
# Incidents


def _incidents(writer: Writer, log: DutyLog) -> tuple[dict[str, object], Facts]:
    names = ("number", "incident", "opened", "paged", "acked", "resolved")
    rows = [[cell(text) for text in _row(writer, line)] for line in log.incidents]
    count = as_many(["".join(row) for row in rows], ROWS_MAX)
    deeds = [(line, deed) for line in log.incidents[:count] for deed in _told(line.deeds)]
    said = [_deed(writer, line, deed) for line, deed in deeds]
    shown = as_many(said, LINES_MAX)
    left, left_deeds = len(rows) - count, len(said) - shown
    section: dict[str, object] = {
        "title": writer.say("dutylog.incidents"),
        "columns": [writer.say(f"dutylog.column_{name}") for name in names],
        "rows": rows[:count],
        "more": writer.counted("dutylog.more", left) if left else "",
        "deeds": said[:shown] + ([writer.counted("dutylog.more", left_deeds)] if left_deeds else []),
        "times": writer.say("dutylog.times", zone=writer.zone),
    }
    facts = {_key_of(line): f"- {_sentence(writer, line)}" for line in log.incidents[:count]}
    facts |= {
        key(line.number, deed.at, deed.kind, deed.by): f"- {words}"
        for (line, deed), words in zip(deeds[:shown], said, strict=False)
    }
    return section, facts


def _row(writer: Writer, line: Line) -> list[str]:
    paged = writer.say("dutylog.then").join(writer.name(person) for person in line.paged)
    nobody = "dutylog.unanswered" if line.paged else "dutylog.none"
    return [
        str(line.number),
        _what(writer, line),
        _opened(writer, line),
        paged or writer.say("dutylog.none"),
        _acked(writer, line) or writer.say(nobody),
        _ended(writer, line),
    ]


def _what(writer: Writer, line: Line) -> str:
    title = safe(line.title) or writer.say("dutylog.untitled", number=line.number)
    title = title if len(title) <= TITLE_MAX else title[: TITLE_MAX - 1].rstrip() + "…"
    service = safe(writer.service(line.service))
    priority = f"**{line.priority}** " if line.priority else ""
    return priority + (f"{service}: {title}" if service else title)


def _opened(writer: Writer, line: Line) -> str:
    if line.opened_at is None:
        return writer.say("dutylog.none")
    at = writer.clock(line.opened_at)
    return writer.say("dutylog.by", at=at, person=writer.name(line.opened_by)) if line.opened_by else at


def _acked(writer: Writer, line: Line) -> str:
    if line.acked_at is None or line.opened_at is None:
        return ""
    span = writer.span(line.acked_at - line.opened_at)
    return writer.say("dutylog.acked", at=writer.clock(line.acked_at), person=writer.name(line.acked_by), span=span)


def _ended(writer: Writer, line: Line) -> str:
    if line.is_open:
        owner = writer.name(line.owner) if line.owner else ""
        return writer.say("dutylog.open_owner" if owner else "dutylog.open_nobody", person=owner)
    if line.resolved_at is None or line.opened_at is None:
        return writer.say("dutylog.none")
    at, span = writer.clock(line.resolved_at), writer.span(line.resolved_at - line.opened_at)
    if line.resolved_by is None:
        return writer.say("dutylog.recovered", at=at, span=span)
    return writer.say("dutylog.resolved", at=at, person=writer.name(line.resolved_by), span=span)


def _sentence(writer: Writer, line: Line) -> str:
    """The row as a line of its own, where people took the table over."""
    return writer.say(
        "dutylog.incident_line",
        number=f"#{line.number}",
        title=_what(writer, line),
        opened=_opened(writer, line),
        paged=writer.say("dutylog.then").join(writer.name(person) for person in line.paged),
        acked=_acked(writer, line),
        end=_ended(writer, line) if line.is_open else writer.say("dutylog.end_resolved", at=_ended(writer, line)),
    )


def _key_of(line: Line) -> str:
    return key(line.number, line.status, line.priority, line.owner, line.acked_at, line.resolved_at)


def _told(deeds: Sequence[Entry]) -> list[Entry]:
    """All that people wrote, and the newest of the rest."""
    rest = [deed for deed in deeds if not deed.facts.get("text")]
    dropped = {id(deed) for deed in rest[: max(0, len(rest) - DEEDS_MAX)]}
    return [deed for deed in deeds if id(deed) not in dropped]


def _deed(writer: Writer, line: Line, deed: Entry) -> str:
    return f"#{line.number} {_said(writer, deed)}"


def _said(writer: Writer, entry: Entry) -> str:
    """An entry with its local time; what a person wrote is given whole."""
    if entry.kind in ("noted", "duty_note"):
        words = f"{writer.name(entry.by)}: {paragraph(str(entry.facts.get('text', '')))}"
    else:
        words = safe(answers.entry(writer.language, entry, plan=writer.plan, zone=writer.zone))
    return f"{writer.clock(entry.at)} {words}"


def _open(writer: Writer, log: DutyLog) -> tuple[dict[str, object], Facts]:
    said = []
    for line in log.open_items:
        owner = writer.name(line.owner) if line.owner else ""
        said.append(
            writer.say(
                "dutylog.open_line",
                number=f"#{line.number}",
                title=_what(writer, line),
                since=_opened(writer, line),
                owner=writer.say("dutylog.owner" if owner else "dutylog.owner_nobody", person=owner),
            )
        )
    keys = [key("open", log.is_over, line.number, line.status, line.owner) for line in log.open_items]
    title = writer.say("dutylog.open" if log.is_over else "dutylog.open_running")
    return _list(writer, title, said, keys)


# ---------------------------------------------------------------------------------------------------------------------
# Pages


def _pages(writer: Writer, log: DutyLog) -> tuple[dict[str, object], Facts]:
    people = [one for one in log.people if one.pages or one.answers or one.passed]
    # Who was on duty and never paged stands in the table too, once there is one.
    people = list(log.people) if people else []
    names = ("who", "pages", "arrived", "answered", "how_fast", "passed")
    section: dict[str, object] = {
        "title": writer.say("dutylog.pages"),
        "columns": [writer.say(f"dutylog.column_{name}") for name in names],
        "rows": [_page_row(writer, one) for one in people[:LINES_MAX]],
        "note": writer.say("dutylog.passed_note") if any(one.passed for one in people) else "",
    }
    facts = {
        key(one.person, one.pages, one.delivered, len(one.answers), one.passed): "- "
        + writer.say(
            "dutylog.pages_line",
            person=writer.name(one.person),
            pages=one.pages,
            arrived=one.delivered,
            answered=len(one.answers),
            fast=_fast(writer, one),
            passed=one.passed,
        )
        for one in people[:LINES_MAX]
    }
    return section, facts


def _page_row(writer: Writer, one: OfPerson) -> list[str]:
    fast = _fast(writer, one) or writer.say("dutylog.none")
    numbers = [str(one.pages), str(one.delivered), str(len(one.answers)), fast, str(one.passed)]
    return [cell(text) for text in (writer.name(one.person), *numbers)]


def _fast(writer: Writer, one: OfPerson) -> str:
    if len(one.answers) < 2:
        return writer.span(one.answers[0]) if one.answers else ""
    middle, slowest = writer.span(_median(one.answers)), writer.span(max(one.answers))
    return writer.say("dutylog.fast_range", span=middle, slowest=slowest)


def _median(spans: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(span.total_seconds() for span in spans))


# ---------------------------------------------------------------------------------------------------------------------
# The lists


def _sections(writer: Writer, log: DutyLog) -> tuple[dict[str, object], dict[str, Facts]]:
    made = {
        "failures": _list(
            writer,
            writer.say("dutylog.failures"),
            [_failure(writer, one) for one in log.failures],
            [key(one.person, one.channel, one.reason, one.times, one.outcome) for one in log.failures],
        ),
        "inspections": _list(
            writer,
            writer.say("dutylog.inspections"),
            [_said(writer, entry) for entry in log.inspections],
            [key(entry.kind, entry.facts.get("run"), entry.facts.get("item")) for entry in log.inspections],
        ),
        "changes": _list(
            writer,
            writer.say("dutylog.changes"),
            [_said(writer, entry) for entry in log.changes],
            [key(entry.at, entry.kind, entry.by, entry.facts.get("id")) for entry in log.changes],
        ),
        "not-monitored": _list(
            writer,
            writer.say("dutylog.blind_title"),
            [
                writer.say(
                    "dutylog.blind_line",
                    start=writer.clock(gap.start),
                    end=writer.clock(gap.end),
                    node=safe(gap.node),
                    span=writer.span(gap.end - gap.start),
                )
                for gap in log.not_monitored
            ],
            [key(gap.node, gap.start, gap.end) for gap in log.not_monitored],
        ),
    }
    return {name: section for name, (section, _) in made.items()}, {name: facts for name, (_, facts) in made.items()}


def _failure(writer: Writer, one: Failure) -> str:
    return writer.say(
        "dutylog.failure",
        at=writer.clock(one.first_at),
        channel=safe(one.channel),
        person=writer.name(one.person) if one.person else "",
        reason=safe(one.reason)[:300],
        times=one.times if one.times > 1 else "",
        outcome=writer.say(f"dutylog.{one.outcome}"),
    )


def _notes(writer: Writer, log: DutyLog, has_words: bool) -> tuple[dict[str, object], Facts]:
    """What people noted on the shift; asked for when they noted nothing."""
    said = [_said(writer, entry) for entry in log.notes]
    keys = [key(entry.at, entry.by, entry.facts.get("text")) for entry in log.notes]
    section, facts = _list(writer, writer.say("dutylog.notes"), said, keys)
    is_missing = not (log.has_notes or has_words or log.duty.is_gap or not log.duty.people)
    if log.is_over:
        people = writer.join(writer.name(person) for person in log.duty.people)
        asks = [writer.say("dutylog.note_missing_closed", people=people)] if is_missing else []
        facts = {**facts, **dict.fromkeys([ASKS] if asks else [], "".join(asks))}
    elif log.stage == AHEAD:
        asks = []
    else:
        asks = [*([writer.say("dutylog.note_missing")] if is_missing else []), writer.say("dutylog.note_hint")]
    return section | {"asks": asks}, facts


def _list(writer: Writer, title: str, said: Sequence[str], keys: Iterable[str]) -> tuple[dict[str, object], Facts]:
    count = as_many(said, LINES_MAX)
    left = len(said) - count
    more = [writer.counted("dutylog.more", left)] if left else []
    facts = {name: f"- {line}" for name, line in zip(keys, said[:count], strict=False)}
    return {"title": title, "lines": [*said[:count], *more]}, facts

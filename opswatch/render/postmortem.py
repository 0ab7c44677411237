"""A post-mortem (or a short review) as a page: what the machine saw is filled in, what people know is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opswatch.core.model import PaperKind, Stage
from opswatch.core.plan import Plan
from opswatch.core.postmortem import DELIVERED, FAILED, Detection, PageLine, PostMortem, Responder, Series
from opswatch.records import Document, key
from opswatch.render import answers, sparkline
from opswatch.render.documents import Writer, as_many, cell, paragraph, safe, tidy
from opswatch.render.text import fill_template

LINES_MAX = 200
ROWS_MAX = 60
ALERTS_MAX = 12
FIVE = ("happened", "did", "cost", "night", "next")
ASKED = ("summary", "impact", "factors", "well", "badly", "lucky", "actions")
_WORDS = (*ASKED, *FIVE, "five", "hint_five", "action", "owner", "due", "done", *(f"hint_{name}" for name in ASKED))

Section = dict[str, object]
Facts = Mapping[str, str]


def post_mortem(found: PostMortem, plan: Plan, *, language: str | None = None) -> Document:
    """The document of one paper, in `language` or the plan's; times are local to the zone of who owes it."""
    incident, paper = found.incident, found.paper
    owner = plan.people.get((paper.owner if paper else None) or "")
    zone = owner.timezone if owner else plan.timezone
    writer = Writer(language or plan.language, plan=plan, zone=zone, day=incident.opened_at)
    is_review = paper is not None and paper.kind is PaperKind.REVIEW
    timeline, story_facts = _timeline(writer, found)
    sections: dict[str, Section] = {
        "impact": _section("", _impact(writer, found)),
        "detection": _section(_say(writer, "detection"), _detection(writer, found)),
        "timeline": timeline,
        "responders": _responders(writer, found.responders),
        "pages": _pages(writer, found.pages),
        "playbook": _section(_say(writer, "playbook"), [_playbook(writer, found)]),
        "metrics": _metrics(writer, found.series),
    }
    stage = _stage(writer, found)
    title = safe(incident.title)
    text = fill_template(
        "postmortem.md.j2",
        title=_say(writer, "title_review" if is_review else "title", number=incident.number, title=title),
        facts=_facts(writer, found),
        short=_short(writer, found),
        stage=stage,
        is_review=is_review,
        five=FIVE,
        words={name: _say(writer, name) for name in _WORDS},
        sections=sections,
    )
    facts = {
        "head": {key(paper.stage if paper else Stage.DRAFT, paper.moved_at if paper else None): f"- {stage}"},
        "timeline": story_facts,
    }
    return Document(tidy(text), facts)


# ---------------------------------------------------------------------------------------------------------------------
# The head


def _facts(writer: Writer, found: PostMortem) -> list[str]:
    incident, paper, plan = found.incident, found.paper, writer.plan
    lines = []
    if incident.service:
        known = plan.services.get(incident.service) if plan else None
        tier = known.tier if known else ""
        lines.append(_say(writer, "service", service=safe(writer.service(incident.service)), tier=tier))
    lines.append(_say(writer, "priority", why=safe(incident.why or str(incident.priority))))
    if incident.resolved_at is not None and found.lasted is not None:
        start, end = writer.between(incident.opened_at, incident.resolved_at)
        span = writer.span(found.lasted)
        lines.append(_say(writer, "when", start=start, end=end, zone=writer.zone, span=span))
    else:
        lines.append(_say(writer, "when_open", start=writer.moment(incident.opened_at), zone=writer.zone))
    if paper is not None:
        owner = f"**{writer.name(paper.owner)}**" if paper.owner else _say(writer, "nobody")
        lines.append(_say(writer, "owed", owner=owner, due=writer.moment(paper.due_at), zone=writer.zone))
    return lines


def _short(writer: Writer, found: PostMortem) -> str:
    if found.lasted is None:
        return _say(writer, "short_open")
    acked = found.acked_after
    person = next((one.person for one in found.responders if "acknowledged" in one.did), None)
    return _say(
        writer,
        "short",
        span=writer.span(found.lasted),
        person=writer.name(person) if person else "",
        acked=writer.span(acked) if acked is not None else "",
        pages=writer.counted("postmortem.pages", len(found.pages)) if found.pages else "",
        reopened=found.reopened or "",
    )


def _stage(writer: Writer, found: PostMortem) -> str:
    paper = found.paper
    if paper is None or paper.stage is Stage.DRAFT:
        return _say(writer, "draft")
    if paper.stage is Stage.IN_REVIEW:
        return _say(writer, "in_review")
    at = writer.moment(paper.moved_at) if paper.moved_at else ""
    return _say(writer, "published", person=writer.name(paper.moved_by) if paper.moved_by else "", at=at)


# ---------------------------------------------------------------------------------------------------------------------
# Sections


def _impact(writer: Writer, found: PostMortem) -> list[str]:
    lines = [_say(writer, "lasted", span=writer.span(found.lasted))] if found.lasted is not None else []
    if found.alerts:
        shown = [f"`{safe(alert)}`" for alert in found.alerts[:ALERTS_MAX]]
        left = len(found.alerts) - len(shown)
        shown += [_say(writer, "more", count=left)] if left else []
        lines.append(_say(writer, "failing", alerts=writer.join(shown)))
    return lines


def _detection(writer: Writer, found: PostMortem) -> list[str]:
    seen, incident = found.detection, found.incident
    lines = _seen(writer, seen)
    if found.acked_after is not None:
        person = next((one.person for one in found.responders if "acknowledged" in one.did), incident.owner)
        lines.append(_say(writer, "acked", person=writer.name(person), after=writer.span(found.acked_after)))
    else:
        lines.append(_say(writer, "not_acked"))
    if found.levels > 1:
        lines.append(_say(writer, "climbed", count=found.levels))
    return lines


def _seen(writer: Writer, seen: Detection) -> list[str]:
    if seen.check is None:
        if seen.reported_by is None:
            return [_say(writer, "unseen")]
        return [_say(writer, "reported", person=writer.name(seen.reported_by))]
    lines = [_say(writer, "detected", check=f"`{safe(seen.check)}`", target=f"`{safe(seen.target or '')}`")]
    if seen.began_at is not None and seen.after is not None:
        name = "began_about" if seen.is_estimate else "began"
        lines.append(_say(writer, name, at=writer.clock(seen.began_at), after=writer.span(seen.after)))
    if seen.confirmed_at is not None:
        lines.append(_say(writer, "confirmed", at=writer.clock(seen.confirmed_at)))
    return lines


def _timeline(writer: Writer, found: PostMortem) -> tuple[Section, Facts]:
    said = []
    for entry in found.story:
        if entry.kind == "noted":
            words = f"{writer.name(entry.by)}: {paragraph(str(entry.facts.get('text', '')))}"
        else:
            words = safe(answers.entry(writer.language, entry, plan=writer.plan, zone=writer.zone))
        said.append(_say(writer, "story_line", at=writer.clock(entry.at), words=words))
    count = as_many(said, LINES_MAX)
    names = [key(entry.at, entry.kind, entry.by, entry.facts.get("alert")) for entry in found.story]
    more = [_say(writer, "more", count=len(said) - count)] if len(said) > count else []
    more += [_say(writer, "cut")] if found.is_cut else []
    section = _section(_say(writer, "timeline"), [*said[:count], *more])
    section["note"] = _say(writer, "times", zone=writer.zone)
    return section, {name: f"- {line}" for name, line in zip(names, said[:count], strict=False)}


def _responders(writer: Writer, people: Sequence[Responder]) -> Section:
    rows = []
    for one in people[:ROWS_MAX]:
        did = [_say(writer, name) for name in one.did]
        did += [_say(writer, "paged", count=one.pages)] if one.pages else []
        paged = writer.clock(one.paged_at) if one.paged_at else _say(writer, "none")
        after = writer.span(one.answered_after) if one.answered_after is not None else _say(writer, "none")
        rows.append([writer.name(one.person), writer.join(did), paged, after])
    return _table(writer, "responders", ("who", "did", "paged", "answered"), rows)


def _pages(writer: Writer, pages: Sequence[PageLine]) -> Section:
    rows = [
        [
            writer.clock(one.at),
            writer.name(one.person),
            safe(one.contact),
            writer.code(one.reason),
            _arrived(writer, one),
            _say(writer, "yes" if one.is_answered else "no"),
        ]
        for one in pages[:ROWS_MAX]
    ]
    section = _table(writer, "pages", ("at", "who", "by", "why", "arrived", "taken"), rows)
    left = len(pages) - len(rows)
    return section | {"lines": [_say(writer, "more", count=left)] if left else []}


def _arrived(writer: Writer, one: PageLine) -> str:
    if one.outcome == DELIVERED:
        return _say(writer, "delivered", span=_seconds(writer, one))
    if one.outcome == FAILED:
        return _say(writer, "failed", reason=safe(one.detail)[:200])
    return _say(writer, one.outcome, reason=safe(one.detail)[:200])


def _seconds(writer: Writer, one: PageLine) -> str:
    """`1.5s`: what a delivery takes is told more finely than other spans."""
    took_s = one.after.total_seconds() if one.after is not None else 0.0
    unit = "s" if writer.language == "en" else writer.word("time.s")
    return f"{took_s:.1f}{unit}" if took_s < 10 or one.after is None else writer.span(one.after)


def _playbook(writer: Writer, found: PostMortem) -> str:
    if found.playbook is None:
        return _say(writer, "playbook_none")
    return _say(writer, "playbook_used", playbook=f"`{safe(found.playbook)}`")


def _metrics(writer: Writer, series: Sequence[Series]) -> Section:
    rows = [
        [
            safe(f"{one.name} {one.item}".strip()),
            _number(writer, one.before, one.unit),
            _number(writer, one.at_detection, one.unit),
            _number(writer, one.worst, one.unit),
            _number(writer, one.last, one.unit),
            safe(one.limit) or _say(writer, "none"),
            sparkline.bars(one.values),
        ]
        for one in series
    ]
    return _table(writer, "metrics", ("what", "before", "told", "worst", "last", "limit", "shape"), rows)


# ---------------------------------------------------------------------------------------------------------------------


def _number(writer: Writer, value: float | None, unit: str) -> str:
    if value is None:
        return _say(writer, "none")
    said = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return safe(f"{said} {unit}".strip())


def _section(title: str, lines: Sequence[str]) -> Section:
    return {"title": title, "columns": [], "rows": [], "lines": list(lines), "note": ""}


def _table(writer: Writer, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Section:
    said = [[cell(text) for text in row] for row in rows]
    return _section(_say(writer, name), []) | {
        "columns": [_say(writer, f"column_{column}") for column in columns],
        "rows": said,
    }


def _say(writer: Writer, name: str, **facts: object) -> str:
    return writer.say(f"postmortem.{name}", **facts)

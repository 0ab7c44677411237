"""The rotation review in words: sections with tables and lines, which Markdown and HTML set each in their own way.

Words here are plain text: who sets them makes them safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from opswatch.core import calendars
from opswatch.core.model import Priority
from opswatch.core.noise import NoisyCheck, Tag, Told
from opswatch.core.plan import Plan
from opswatch.core.review import Figures, Gap, Missed, Review
from opswatch.core.speed import Speed
from opswatch.render.review_left import broken, left
from opswatch.render.review_words import (
    LINES_MAX,
    TITLE_MAX,
    Cells,
    ReviewWriter,
    Section,
    Table,
    brief,
    more,
    number,
    say_all,
    titled,
)

INCIDENTS_MAX = 60
GAPS_MAX = 3  # of one roster, told one by one
PEOPLE_MAX = 60
WOKEN_MAX = 3
PER_12H_MAX = 2.0  # Google SRE: at most two incidents in a shift of twelve hours


def writer_of(review: Review, plan: Plan, language: str | None = None) -> ReviewWriter:
    """In `language`, or the plan's; times are local to the review's zone."""
    return ReviewWriter(language or plan.language, plan=plan, zone=review.zone, day=review.start)


def title(writer: ReviewWriter, review: Review) -> str:
    day = calendars.reading(review.start, review.zone)
    if review.kind == "month":
        month = writer.word("time.months").split()[day.month - 1]
        return writer.say("review.title_month", month=month, year=day.year)
    year, week, _ = day.isocalendar()
    return writer.say("review.title_week", week=week, year=year)


def remarks(writer: ReviewWriter, review: Review) -> list[str]:
    """When it is about, when it was written, and what limits it."""
    start, last = writer.date(review.start), writer.date(review.end - timedelta(hours=1))
    lines = [writer.say("review.span", start=start, end=last, zone=review.zone)]
    lines.append(writer.say("review.closed" if review.is_over else "review.running", at=writer.when(review.at)))
    if review.known_since is not None:
        lines.append(writer.say("review.known_since", at=writer.when(review.known_since)))
    lines += [writer.say("review.observed")] if review.is_observing else []
    return lines + ([writer.say("review.cut")] if review.is_cut else [])


def sections(writer: ReviewWriter, review: Review) -> list[Section]:
    """Everything it says, the most important first."""
    return [
        Section("short", writer.say("short.title"), lines=tuple(in_short(writer, review))),
        _answered(writer, review),
        _resolved(writer, review),
        broken(writer, review),
        _trend(writer, review),
        _people(writer, review),
        _pages(writer, review),
        _noisy(writer, review),
        _missed(writer, review),
        _delivery(writer, review),
        _coverage(writer, review),
        left(writer, review),
        _ahead(writer, review),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# In short


def in_short(writer: ReviewWriter, review: Review) -> list[str]:
    """What a lead should know who reads nothing else."""
    if not (review.opened or review.pages or review.open):
        lines = [writer.say("short.quiet")]
    else:
        lines = [_counts(writer, review), *_answers(writer, review), *_woken(writer, review)]
    noisy = sum(one.pages for one in review.told if one.tag.is_noise)
    paged = sum(one.pages for one in review.told)
    if noisy:
        lines.append(writer.say("short.noise", share=f"{noisy / paged:.0%}", count=noisy, pages=paged))
    ended = sum(one.ended for one in review.missed)
    failed = sum(one.given_up for one in review.deliveries)
    for key, count in (
        ("short.broken", sum(one.count for one in review.broken)),
        ("short.missed", sum(bool(one.passed) for one in review.missed)),
        ("short.ended", ended),
        ("short.open", len(review.open)),
        ("short.forgotten", len(review.forgotten)),
        ("short.overdue", len(review.overdue)),
        ("short.failed", failed),
        ("short.gaps", len(review.gaps_ahead)),
    ):
        lines += [writer.counted(key, count)] if count else []
    blind = sum((one.end - one.start for one in review.not_monitored), timedelta())
    return lines + ([writer.say("short.blind", span=writer.span(blind))] if blind else [])


def _counts(writer: ReviewWriter, review: Review) -> str:
    split = writer.join(f"{one.opened} {one.priority}" for one in review.figures if one.opened)
    said = writer.counted("short.incidents", review.opened, split=split)
    said = writer.word("word.list").join([said, writer.counted("short.pages", review.pages)])
    if review.before:
        mean = sum(one.opened for before in review.before for one in before.figures) / len(review.before)
        said += writer.say(f"short.versus_{review.kind}", mean=number(mean), count=len(review.before))
    return said


def _answers(writer: ReviewWriter, review: Review) -> list[str]:
    return [
        writer.say(
            "short.answered",
            priority=one.priority,
            median=writer.took(one.acked.median),
            target=writer.span(one.acked.target) if one.acked.target and one.acked.count else "",
            late=(one.acked.count - one.acked.within) or None if one.acked.within is not None else None,
            count=one.acked.count,
            unanswered=one.unanswered or None,
        )
        for one in review.figures
        if (one.acked.count or one.unanswered) and one.priority <= Priority.P2
    ]


def _woken(writer: ReviewWriter, review: Review) -> list[str]:
    woken = [one for one in review.people if one.sleep]
    if not woken:
        return [writer.say("short.nobody_woken")]
    said = []
    for one in woken[:WOKEN_MAX]:
        key = "short.woken_one" if one.sleep == 1 else "short.woken_many"
        key += "_one_night" if one.sleep > 1 and one.nights == 1 else ""
        said.append(writer.say(key, person=writer.who(one.person), count=one.sleep, nights=one.nights))
    return [*said, *more(writer, len(woken) - len(said))]


# ---------------------------------------------------------------------------------------------------------------------
# Figures


def _answered(writer: ReviewWriter, review: Review) -> Section:
    names = ("priority", "opened", "usual", "acked", "median", "p90", "mean", "target", "within")
    rows = tuple(
        (str(one.priority), str(one.opened), _usual(writer, review, one), *_speed(writer, one.acked))
        for one in review.figures
    )
    table = Table(say_all(writer, "answered", names), rows, frozenset(range(1, 9)))
    return Section("answered", writer.say("answered.title"), (table,), note=writer.say("answered.note"))


def _resolved(writer: ReviewWriter, review: Review) -> Section:
    words = [writer.say("answered.priority"), writer.say("resolved.resolved")]
    words += say_all(writer, "answered", ("median", "p90", "mean", "target", "within"))
    rows = tuple((str(one.priority), *_speed(writer, one.resolved), str(one.unanswered)) for one in review.figures)
    table = Table((*words, writer.say("resolved.unanswered")), rows, frozenset(range(1, 8)))
    return Section("resolved", writer.say("resolved.title"), (table,), note=writer.say("resolved.note"))


def _speed(writer: ReviewWriter, speed: Speed) -> Cells:
    none = writer.say("review.none")
    within = none
    if speed.within is not None and speed.count:
        within = writer.say("answered.of", within=str(speed.within), count=speed.count)
    return (
        str(speed.count),
        *(writer.took(span) for span in (speed.median, speed.p90, speed.mean)),
        writer.took(speed.target),
        within,
    )


def _usual(writer: ReviewWriter, review: Review, one: Figures) -> str:
    if not review.before:
        return writer.say("review.none")
    return number(sum(before.figures[one.priority].opened for before in review.before) / len(review.before))


def _trend(writer: ReviewWriter, review: Review) -> Section:
    worst = (Priority.P0, Priority.P1, Priority.P2)
    columns = [writer.say(f"trend.span_{review.kind}"), writer.say("trend.incidents")]
    columns += [writer.say("trend.mtta", priority=priority) for priority in worst]
    columns += [writer.say("trend.mttr", priority=priority) for priority in worst]
    spans = [*((one.name, one.figures) for one in review.before), (review.name, review.figures)]
    rows = tuple(
        (
            name,
            str(sum(one.opened for one in figures)),
            *(writer.took(figures[priority].acked.median) for priority in worst),
            *(writer.took(figures[priority].resolved.median) for priority in worst),
        )
        for name, figures in reversed(spans)
    )
    table = Table(tuple(columns), rows, frozenset(range(1, 8)))
    return Section("trend", writer.say(f"trend.title_{review.kind}"), (table,), note=writer.say("trend.note"))


# ---------------------------------------------------------------------------------------------------------------------
# People and pages


def _people(writer: ReviewWriter, review: Review) -> Section:
    names = ("who", "on_call", "incidents", "per_12h", "pages", "work", "rest", "sleep", "nights", "answered", "fast")
    rows = tuple(
        (
            writer.who(one.person),
            writer.say("people.hours", hours=number(one.hours / timedelta(hours=1))),
            str(one.incidents),
            _per_12h(writer, one.per_12h),
            *map(str, (one.pages, one.work, one.rest, one.sleep, one.nights, one.answers)),
            writer.took(one.answer),
            str(one.passed),
            str(sum(number for tag, number in one.tags.items() if Tag(tag).is_noise)),
        )
        for one in review.people[:PEOPLE_MAX]
    )
    columns = say_all(writer, "people", (*names, "passed", "noise"))
    lines = tuple(more(writer, len(review.people) - len(rows)))
    table = Table(columns, rows, frozenset(range(1, 13)))
    return Section("people", writer.say("people.title"), (table,) if rows else (), lines, writer.say("people.note"))


def _per_12h(writer: ReviewWriter, rate: float | None) -> str:
    if rate is None:
        return writer.say("review.none")
    return f"{rate:.1f}" + (" !" if rate > PER_12H_MAX else "")


def _pages(writer: ReviewWriter, review: Review) -> Section:
    tags = tuple(
        (
            writer.say(f"pages.{tag}"),
            str(len(ours)),
            str(sum(one.pages for one in ours)),
            str(sum(one.said_by is None for one in ours)),
        )
        for tag in Tag
        if (ours := [one for one in review.told if one.tag is tag])
    )
    told = [_told(writer, one) for one in review.told[:INCIDENTS_MAX]]
    names = ("number", "incident", "opened", "paged", "pages", "turned")
    tables = (
        Table(say_all(writer, "pages", ("tag", "incidents", "pages", "derived")), tags, frozenset({1, 2, 3})),
        Table(say_all(writer, "pages", names), tuple(told), frozenset({4})),
    )
    lines = tuple(more(writer, len(review.told) - len(told)))
    if not told:
        return Section("pages", writer.say("pages.title"))
    fold = writer.counted("pages.fold", len(told))
    return Section("pages", writer.say("pages.title"), tables, lines, writer.say("pages.note"), fold)


def _told(writer: ReviewWriter, one: Told) -> Cells:
    tag = writer.say(f"pages.{one.tag}")
    if one.said_by is not None:
        tag = writer.say("pages.said", tag=tag, person=writer.who(one.said_by), why=brief(one.why, 2 * TITLE_MAX))
    return (
        str(one.number),
        f"{one.priority} {titled(writer, one.number, one.title, one.service)}",
        writer.moment(one.opened_at) if one.opened_at else writer.say("review.none"),
        writer.names(one.people),
        str(one.pages),
        tag,
    )


def _noisy(writer: ReviewWriter, review: Review) -> Section:
    names = ("check", "alerts", "things", "pages", "sleep", "acted", "noise", "lasted", "proposal")
    rows = tuple(
        (
            one.check,
            *map(str, (one.alerts, one.things, one.pages, one.sleep, one.acted, one.noise)),
            writer.took(one.lasted),
            _proposal(writer, one),
        )
        for one in review.noisy
    )
    tables = (Table(say_all(writer, "noisy", names), rows, frozenset(range(1, 8))),) if rows else ()
    return Section("noisy", writer.say("noisy.title"), tables, note=writer.say("noisy.note") if rows else "")


def _proposal(writer: ReviewWriter, one: NoisyCheck) -> str:
    found = one.proposal
    if found is None:
        return writer.say("noisy.watch")
    return writer.say(
        f"noisy.{found.kind}",
        count=str(found.count),
        of=str(found.of),
        value=found.value,
        before=found.before,
        span=writer.span(found.span) if found.span else "",
        what=found.what,
    )


def _missed(writer: ReviewWriter, review: Review) -> Section:
    lines = [_missed_line(writer, one) for one in review.missed[:LINES_MAX]]
    lines += more(writer, len(review.missed) - len(lines))
    return Section("missed", writer.say("missed.title"), lines=tuple(lines))


def _missed_line(writer: ReviewWriter, one: Missed) -> str:
    key = "missed.ended" if one.ended else "missed.line" if one.acked_at else "missed.line_none"
    return writer.say(
        key,
        number=one.number,
        title=f"{one.priority} {titled(writer, one.number, one.title, None)}",
        people=writer.names(one.passed),
        person=writer.who(one.acked_by),
        span=writer.span(one.acked_at - one.since) if one.acked_at else "",
    )


def _delivery(writer: ReviewWriter, review: Review) -> Section:
    names = ("channel", "arrived", "median", "p95", "failed", "given_up")
    rows = tuple(
        (
            one.channel,
            str(one.delivered),
            *(_seconds(writer, span) for span in (one.median, one.p95)),
            str(one.failed),
            str(one.given_up),
        )
        for one in review.deliveries
    )
    tables = (Table(say_all(writer, "delivery", names), rows, frozenset(range(1, 6))),) if rows else ()
    return Section("delivery", writer.say("delivery.title"), tables, note=writer.say("delivery.note") if rows else "")


def _seconds(writer: ReviewWriter, span: timedelta | None) -> str:
    """`1.4s` below ten seconds: messages are fast."""
    if span is None or span >= timedelta(seconds=10):
        return writer.took(span)
    return f"{span.total_seconds():.1f}{writer.word('time.s') if writer.language != 'en' else 's'}"


# ---------------------------------------------------------------------------------------------------------------------
# What is left, and what comes


def _coverage(writer: ReviewWriter, review: Review) -> Section:
    lines, ahead = _gaps(writer, "coverage.gap", review.gaps), _gaps(writer, "coverage.gap_ahead", review.gaps_ahead)
    if not lines and not ahead:
        said = [writer.say("coverage.none")]
    else:
        said = [*(lines or [writer.say("coverage.none_here")]), *(ahead or [writer.say("coverage.none_ahead")])]
    for blind in review.not_monitored[:LINES_MAX]:
        start, end = writer.between(blind.start, blind.end)
        span = writer.span(blind.end - blind.start)
        said.append(writer.say("coverage.blind", start=start, end=end, node=blind.node, span=span))
    return Section("coverage", writer.say("coverage.title"), lines=tuple(said))


def _gaps(writer: ReviewWriter, key: str, gaps: Sequence[Gap]) -> list[str]:
    """Each gap; of a roster with many, such as every night, how many and how long."""
    said = []
    for roster in dict.fromkeys(gap.roster for gap in gaps):
        ours = [gap for gap in gaps if gap.roster == roster]
        if len(ours) <= GAPS_MAX:
            said += [_gap(writer, key, gap) for gap in ours]
            continue
        start, end = writer.between(ours[0].start, ours[0].end)
        people = writer.names(dict.fromkeys(person for gap in ours for person in gap.fallback))
        span = writer.span(sum((gap.end - gap.start for gap in ours), timedelta()))
        facts = {"roster": roster, "count": len(ours), "span": span, "start": start, "end": end, "people": people}
        said.append(writer.say(f"{key}_often", **facts))
    return said


def _gap(writer: ReviewWriter, key: str, gap: Gap) -> str:
    start, end = writer.between(gap.start, gap.end)
    return writer.say(key, roster=gap.roster, start=start, end=end, people=writer.names(gap.fallback))


def _ahead(writer: ReviewWriter, review: Review) -> Section:
    none = writer.say("review.none")
    rows = []
    for day in review.ahead:
        instant = calendars.instant(datetime.combine(day.day, datetime.min.time()), review.zone)
        expected = none if day.expected is None else number(day.expected)
        remark = writer.say("ahead.holiday", calendars=writer.join(day.holidays)) if day.holidays else ""
        remark = remark or ("" if day.seen else writer.say("ahead.unknown"))
        duty = "; ".join(
            f"{one.roster}: {writer.names(one.people) or writer.say('review.nobody')}"
            + (f" ({writer.say('ahead.gap')})" if one.has_gap and one.people else "")
            for one in day.duty
        )
        cells = (writer.date(instant), expected, none if day.most is None else str(day.most))
        rows.append((*cells, writer.word("word.list").join(part for part in (duty, remark) if part) or none))
    table = Table(say_all(writer, "ahead", ("day", "expected", "most", "on_duty")), tuple(rows), frozenset({1, 2}))
    return Section("ahead", writer.say("ahead.title"), (table,), note=writer.say("ahead.note"))

"""What a review says of promises that were broken, and of what is left over: papers, incidents, silences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from opswatch.core.promises import WHAT
from opswatch.core.review import Review
from opswatch.render.review_words import ReviewWriter, Section, Table, brief, cut, more, say_all, titled

NUMBERS_MAX = 12  # incidents named in one cell


def broken(writer: ReviewWriter, review: Review) -> Section:
    """Promises that were not kept: how many of each, and of which incidents. Empty while every one was kept."""
    rows = tuple(
        (str(one.priority), *(_numbers(writer, numbers) for numbers in (one.ack, one.update, one.resolve)))
        for one in review.broken
        if one.count
    )
    table = Table((writer.say("answered.priority"), *say_all(writer, "broken", WHAT)), rows)
    if not rows:
        return Section("broken", writer.say("broken.title"), lines=(writer.say("broken.none"),))
    return Section("broken", writer.say("broken.title"), (table,), note=writer.say("broken.note"))


def left(writer: ReviewWriter, review: Review) -> Section:
    """Overdue papers, what somebody may have forgotten, other open incidents and old silences, each list cut where it
    grows long."""
    overdue = [
        writer.say(
            f"left.{one.kind}",
            number=one.number,
            title=brief(one.title) or "–",
            due=writer.moment(one.due_at),
            person=writer.who(one.owner),
        )
        for one in review.overdue
    ]
    forgotten = [
        writer.say(
            "left.forgotten",
            number=one.number,
            priority=one.priority,
            title=titled(writer, one.number, one.title, None),
            since=writer.moment(one.acked_at or review.until),
            span=writer.span(review.until - (one.acked_at or review.until)),
            person=writer.who(one.owner),
        )
        for one in review.forgotten
    ]
    opened = [
        writer.say(
            "left.open",
            number=one.number,
            priority=one.priority,
            title=titled(writer, one.number, one.title, None),
            since=writer.moment(one.opened_at) if one.opened_at else writer.say("review.none"),
            person=writer.who(one.owner),
        )
        for one in review.open
        if one not in review.forgotten
    ]
    silences = [
        writer.say(
            "left.silence",
            number=one.id,
            matchers=writer.join(f"{name}{how}{value}" for name, how, value in one.matchers),
            since=writer.moment(one.starts_at),
            span=writer.span(review.at - one.starts_at),
            person=writer.who(one.owner),
            reason=brief(one.reason),
            held=writer.counted("left.held", count)
            if (count := review.held.get(one.id, 0))
            else writer.say("left.held_none"),
        )
        for one in review.silences
    ]
    lines = [line for some in (overdue, forgotten, opened, silences) for line in cut(writer, some)]
    return Section("left", writer.say("left.title"), lines=tuple(lines or [writer.say("left.none")]))


def _numbers(writer: ReviewWriter, numbers: Sequence[int]) -> str:
    """`3: #4, #7 (2x)`: how many times in all, and which incidents they were."""
    if not numbers:
        return writer.say("review.none")
    times = Counter(numbers)
    named = [
        writer.say("broken.times", number=number, count=count) if count > 1 else f"#{number}"
        for number, count in list(times.items())[:NUMBERS_MAX]
    ]
    return writer.say(
        "broken.cell", count=len(numbers), which=writer.join([*named, *more(writer, len(times) - len(named))])
    )

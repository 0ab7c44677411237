"""How sentences about shifts that others take, and about absences, are read and said."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from opswatch.core import events
from opswatch.core.absences import KINDS
from opswatch.core.events import Command
from opswatch.core.phrases import (
    FROM,
    REASON,
    UNTIL,
    Speaker,
    given_reason,
    needed_number,
    needed_person,
    needed_span,
    say_reason,
)
from opswatch.core.sentence import Sentence, Unclear, quoted, say_instant

WITH = ("with", "和", "跟")
OF = ("of", "whose", "替")
RETURN = ("return", "in-return", "换回", "回班")
KIND_WORDS = {
    "请假": "leave",
    "休假": "leave",
    "病假": "sick",
    "培训": "training",
    "出差": "travel",
    **{kind: kind for kind in KINDS},
}
_NO_COVER = ("uncovered", "不找人")
_DATE_ALONE = re.compile(r"(\d{4}-\d\d-\d\d)(?=[\s,;、。]|$)(?!\s+\d{1,2}[:点])")

Span = tuple[datetime | None, datetime | None]


def read_ask_cover(sentence: Sentence, speaker: Speaker) -> Command:
    """`primary from T to T with bo because …`; without times the next shift."""
    roster, (start, end), only, person, back, reason = _asked(sentence)
    if back != (None, None):
        raise Unclear("needs_swap")
    return events.AskCover(roster, start, end, only, person, reason, by=speaker.by, door=speaker.door)


def read_ask_swap(sentence: Sentence, speaker: Speaker) -> Command:
    """Likewise, and `return from T to T`."""
    roster, (start, end), only, person, back, reason = _asked(sentence)
    return events.AskSwap(roster, start, end, only, person, reason, *back, by=speaker.by, door=speaker.door)


def _asked(sentence: Sentence) -> tuple[str, Span, str | None, str | None, Span, str]:
    roster: str | None = None
    span: Span = (None, None)
    back: Span = (None, None)
    only = person = None
    while not sentence.at_end:
        if sentence.peek() in (*FROM, "for"):
            span = _span(sentence)
        elif sentence.keyword(*RETURN):
            back = _span(sentence)
        elif sentence.keyword(*WITH):
            only = needed_person(sentence)
        elif sentence.keyword(*OF):
            person = needed_person(sentence)
        elif sentence.peek() not in REASON and roster is None:
            sentence.keyword("roster")
            roster = sentence.value().removeprefix("roster:")
        else:
            break
    reason = given_reason(sentence) if sentence.peek() in REASON else ""
    if roster is None:
        raise Unclear("needs_roster")
    return roster, span, only, person, back, reason


def _span(sentence: Sentence) -> tuple[datetime, datetime]:
    """`from T to T`, or `for 4h` from now."""
    if sentence.keyword("for"):
        return sentence.now, sentence.now + needed_span(sentence)
    if not sentence.keyword(*FROM):
        raise Unclear("needs_times")
    start = sentence.instant()
    if not sentence.keyword(*UNTIL):
        raise Unclear("needs_times")
    end = sentence.instant()
    if end <= start:
        raise Unclear("bad_time", said=say_instant(end))
    return start, end


def say_ask(command: events.AskCover | events.AskSwap) -> str:
    words = [quoted(f"roster:{command.roster}"), *_say_span(command.start, command.end)]
    if isinstance(command, events.AskSwap) and command.return_start is not None:
        words += ["return", *_say_span(command.return_start, command.return_end)]
    words += ["with", quoted(command.only)] if command.only is not None else []
    words += ["of", quoted(command.person)] if command.person is not None else []
    return " ".join(words) + say_reason(command.reason)


def _say_span(start: datetime | None, end: datetime | None) -> list[str]:
    return [] if start is None or end is None else ["from", say_instant(start), "to", say_instant(end)]


def read_offer(sentence: Sentence, speaker: Speaker) -> Command:
    """`3 from T to T return from T to T`."""
    number = needed_number(sentence)
    span: Span = _span(sentence) if sentence.peek() in FROM else (None, None)
    back: Span = _span(sentence) if sentence.keyword(*RETURN) else (None, None)
    return events.OfferCover(number, *span, *back, by=speaker.by, door=speaker.door)


def say_offer(command: events.OfferCover) -> str:
    back = _say_span(command.return_start, command.return_end)
    words = [str(command.id), *_say_span(command.start, command.end), *(["return", *back] if back else [])]
    return " ".join(words)


def read_accept(sentence: Sentence, speaker: Speaker) -> Command:
    """`3`, `3 from T to T`, `3 of bo`."""
    number = needed_number(sentence)
    span: Span = _span(sentence) if sentence.peek() in FROM else (None, None)
    of = needed_person(sentence) if sentence.keyword(*OF) else None
    return events.AcceptCover(number, *span, of, by=speaker.by, door=speaker.door)


def say_accept(command: events.AcceptCover) -> str:
    of = ["of", quoted(command.of)] if command.of is not None else []
    return " ".join([str(command.id), *_say_span(command.start, command.end), *of])


def read_withdraw(sentence: Sentence, speaker: Speaker) -> Command:
    return events.WithdrawCover(needed_number(sentence), by=speaker.by, door=speaker.door)


# ---------------------------------------------------------------------------------------------------------------------
# Absences


def read_absence(sentence: Sentence, speaker: Speaker) -> Command:
    """`@bo sick from T to T because …`; a date alone is all of that day, the last one too."""
    person: str | None = None
    kind: str | None = None
    span: Span = (None, None)
    cover = True
    while not sentence.at_end and sentence.peek() not in REASON:
        if sentence.peek() in FROM:
            span = _days(sentence)
        elif sentence.keyword("for"):
            span = sentence.now, sentence.now + needed_span(sentence)
        elif (word := sentence.keyword(*KIND_WORDS)) is not None and kind is None:
            kind = KIND_WORDS[word]
        elif sentence.keyword(*_NO_COVER):
            cover = False
        elif person is None and word is None:
            sentence.keyword(*OF)
            person = needed_person(sentence)
        else:
            break
    reason = given_reason(sentence) if sentence.peek() in REASON else ""
    start, end = span
    if start is None or end is None:
        raise Unclear("needs_times")
    return events.AddAbsence(start, end, person, kind or KINDS[0], reason, cover, by=speaker.by, door=speaker.door)


def _days(sentence: Sentence) -> tuple[datetime, datetime]:
    sentence.keyword(*FROM)
    first = sentence.take(_DATE_ALONE)
    start = _midnight(sentence, first[1], 0) if first is not None else sentence.instant()
    if not sentence.keyword(*UNTIL):
        if first is None:
            raise Unclear("needs_times")
        return start, _midnight(sentence, first[1], 1)
    last = sentence.take(_DATE_ALONE)
    end = _midnight(sentence, last[1], 1) if last is not None else sentence.instant()
    if end <= start:
        raise Unclear("bad_time", said=say_instant(end))
    return start, end


def _midnight(sentence: Sentence, written: str, more: int) -> datetime:
    try:
        day = date.fromisoformat(written) + timedelta(days=more)
        return datetime.combine(day, time(), tzinfo=sentence.zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unclear("bad_time", said=written) from None


def say_absence(command: events.AddAbsence) -> str:
    words = ["of", quoted(command.person)] if command.person is not None else []
    words += [command.kind, *_say_span(command.start, command.end)]
    words += [] if command.cover else [_NO_COVER[0]]
    return " ".join(words) + say_reason(command.reason)


def read_remove_absence(sentence: Sentence, speaker: Speaker) -> Command:
    return events.RemoveAbsence(needed_number(sentence), by=speaker.by, door=speaker.door)


def say_number(command: events.WithdrawCover | events.RemoveAbsence) -> str:
    return str(command.id)

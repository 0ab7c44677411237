"""How sentences about what outlives an incident are read and said: silences, pauses, overrides of rosters."""

from __future__ import annotations

import re
from datetime import datetime

from opswatch.core import events
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
    needed_until,
    say_reason,
)
from opswatch.core.sentence import Sentence, Unclear, quoted, say_instant

Shift = tuple[datetime, datetime, tuple[str, ...]]

_MATCHER = re.compile(r'\{?([A-Za-z_][\w.-]*)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*"|[^\s",;}、。]+)\}?', re.DOTALL)
_NOBODY = "-"


# ---------------------------------------------------------------------------------------------------------------------
# Silences and pauses


def read_silence(sentence: Sentence, speaker: Speaker) -> Command:
    wanted = []
    while (found := sentence.take(_MATCHER)) is not None:
        wanted.append((found[1], found[2], sentence.group(found, 3)))
    if not wanted:
        raise Unclear("needs_matcher")
    starts = sentence.instant() if sentence.keyword(*FROM) else None
    until = needed_until(sentence, starts or sentence.now)
    reason = given_reason(sentence)
    if not reason:
        raise Unclear("needs_reason")
    return events.AddSilence(tuple(wanted), until, reason, starts, by=speaker.by, door=speaker.door)


def say_silence(command: events.AddSilence) -> str:
    wanted = " ".join(f"{label}{how}{quoted(value, always=True)}" for label, how, value in command.matchers)
    starts = f" from {say_instant(command.starts)}" if command.starts else ""
    return f"{wanted}{starts} until {say_instant(command.until)}{say_reason(command.reason)}"


def read_unsilence(sentence: Sentence, speaker: Speaker) -> Command:
    return events.ExpireSilence(needed_number(sentence), by=speaker.by, door=speaker.door)


def read_pause(sentence: Sentence, speaker: Speaker) -> Command:
    until = needed_until(sentence, sentence.now)
    return events.Pause(until, given_reason(sentence), by=speaker.by, door=speaker.door)


def say_pause(command: events.Pause) -> str:
    return f"until {say_instant(command.until)}{say_reason(command.reason)}"


def read_unpause(sentence: Sentence, speaker: Speaker) -> Command:
    return events.Unpause(by=speaker.by, door=speaker.door)


# ---------------------------------------------------------------------------------------------------------------------
# Rosters


def read_override(sentence: Sentence, speaker: Speaker) -> Command:
    """`override primary from T to T replace ana by bo`, or as the command line has it, `--roster R --from T …`."""
    sentence.keyword("for")
    roster: str | None = None
    start, end = None, None
    remove, add, shifts = None, None, None
    while not sentence.at_end:
        if sentence.keyword(*FROM):
            start = sentence.instant()
        elif sentence.keyword(*UNTIL):
            end = sentence.instant()
        elif sentence.keyword("for"):
            start = start or sentence.now
            end = start + needed_span(sentence)
        elif sentence.keyword("replace", "remove", "替换", "去掉"):
            remove = needed_person(sentence)
        elif sentence.keyword("by", "with", "add", "由", "加"):
            # The command line's `override add --roster R` begins with an `add` that names nobody.
            add = add if sentence.remaining().startswith("--") else needed_person(sentence)
        elif sentence.keyword("schedule", "排班"):
            shifts = _shifts(sentence)
        elif sentence.peek() not in REASON and roster is None:
            sentence.keyword("roster")
            roster = sentence.value().removeprefix("roster:")
        else:
            break
    reason = given_reason(sentence) if sentence.peek() in REASON else ""
    if roster is None:
        raise Unclear("needs_roster")
    if start is None or end is None:
        raise Unclear("needs_times")
    if end <= start:
        raise Unclear("bad_time", said=say_instant(end))
    if (remove is None and add is None) == (shifts is None):
        raise Unclear("needs_change")
    return events.AddOverride(roster, start, end, remove, add, shifts, reason, by=speaker.by, door=speaker.door)


def _shifts(sentence: Sentence) -> tuple[Shift, ...]:
    """`T/T=ana+bo T/T=-`, the last naming nobody; `-` alone: nobody for all of the span."""
    shifts: list[Shift] = []
    while not sentence.at_end and sentence.peek() not in REASON:
        word = sentence.next()
        if word == _NOBODY:
            continue
        span, _, people = word.partition("=")
        start, _, end = span.partition("/")
        try:
            times = datetime.fromisoformat(start), datetime.fromisoformat(end)
        except ValueError:
            raise Unclear("bad_time", said=word) from None
        if not people or any(time.tzinfo is None for time in times):
            raise Unclear("bad_time", said=word)
        named = () if people == _NOBODY else tuple(people.split("+"))
        shifts.append((*times, named))
    return tuple(shifts)


def say_override(command: events.AddOverride) -> str:
    words = [quoted(f"roster:{command.roster}"), "from", say_instant(command.start), "to", say_instant(command.end)]
    if command.shifts is not None:
        words.append("schedule")
        words += [
            f"{say_instant(start)}/{say_instant(end)}={'+'.join(people) or _NOBODY}"
            for start, end, people in command.shifts
        ] or [_NOBODY]
    elif command.remove is not None and command.add is not None:
        words += ["replace", quoted(command.remove), "by", quoted(command.add)]
    elif command.remove is not None:
        words += ["remove", quoted(command.remove)]
    else:
        words += ["add", quoted(command.add or "")]
    return " ".join(words) + say_reason(command.reason)


def read_unoverride(sentence: Sentence, speaker: Speaker) -> Command:
    number = needed_number(sentence)
    start = sentence.instant() if sentence.keyword(*FROM) else None
    end = sentence.instant() if sentence.keyword(*UNTIL) else None
    return events.RemoveOverride(number, start, end, by=speaker.by, door=speaker.door)


def say_unoverride(command: events.RemoveOverride) -> str:
    start = f" from {say_instant(command.start)}" if command.start else ""
    end = f" to {say_instant(command.end)}" if command.end else ""
    return f"{command.id}{start}{end}"


def say_id(command: events.ExpireSilence) -> str:
    return str(command.id)

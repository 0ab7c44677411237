"""Times as people type and read them: RFC 3339, `2026-12-25 03:00 Asia/Shanghai`, `tomorrow 09:00`, `2h`, `2h ago`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opswatch.core.instants import with_zone, written
from opswatch.core.sentence import Sentence, Unclear
from opswatch.core.spans import parse_span, say_roughly

EXAMPLES = "'2026-12-25T03:00:00Z', '2026-12-25 03:00 Asia/Shanghai', 'tomorrow 09:00', '18:00', '2h' or 'now'"


def read(text: str, now: datetime, zone_name: str) -> datetime:
    """The instant that `text` means, UTC; without an offset or a zone of its own it is local to `zone_name`. A clock
    reading alone is the next one, a span counts from `now`, with `ago` back from it. Raises ValueError with words."""
    words, zone_name = with_zone(text.split(), zone_name)
    plain = " ".join(words)
    try:
        if words[-1:] == ["ago"]:
            return now - parse_span(" ".join(words[:-1]))
        at = written(plain, zone_name)
        return _spoken(plain, now, zone_name) if at is None else at
    except (ValueError, Unclear, OverflowError):
        raise ValueError(f"{text!r} is no time: write {EXAMPLES}") from None


def read_day(text: str, now: datetime, zone_name: str) -> date:
    """The date that `text` means on the calendar of `zone_name`: `2026-12-01`, `fri`, `2 weeks` from today. Raises
    ValueError with words."""
    sentence = Sentence(text, now=now, zone=ZoneInfo(zone_name))
    try:
        day = sentence.day()
    except Unclear:
        day = None
    if day is None or not sentence.at_end:
        raise ValueError(f"{text!r} is no date: write '2026-12-01', 'fri', 'tomorrow' or '2 weeks'")
    return day


def local(at: datetime | None, zone_name: str) -> str:
    """`Mon 2026-01-05 11:04` on the clocks of `zone_name`, which the caller names once; empty for None."""
    return "" if at is None else f"{at.astimezone(ZoneInfo(zone_name)):%a %Y-%m-%d %H:%M}"


def exact(at: datetime, zone_name: str) -> str:
    """`Mon 2026-01-05 11:04:23`: where the steps of a ladder may be seconds apart."""
    return f"{local(at, zone_name)}:{at:%S}"


def named(at: datetime | None, zone_name: str) -> str:
    """`Mon 2026-01-05 11:04 (Asia/Shanghai)`."""
    return "" if at is None else f"{local(at, zone_name)} ({zone_name})"


def offset(at: datetime, zone_name: str) -> str:
    """`Mon 2026-01-05 11:04 +08:00`: where a change of the clocks must show."""
    there = at.astimezone(ZoneInfo(zone_name))
    shift = f"{there:%z}"
    return f"{local(at, zone_name)} {shift[:3]}:{shift[3:5]}"


def away(at: datetime, now: datetime) -> str:
    """`in 4m`, `2h 5m ago`, `now`."""
    span = at - now
    if abs(span) < timedelta(seconds=1):
        return "now"
    return f"in {say_roughly(span)}" if span > timedelta(0) else f"{say_roughly(span)} ago"


def _spoken(text: str, now: datetime, zone_name: str) -> datetime:
    sentence = Sentence(text, now=now, zone=ZoneInfo(zone_name))
    at = sentence.instant()
    if not sentence.at_end:
        raise ValueError(text)
    return at

"""How single values are written: spans, zones, priorities, local times, names. Each says what it expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opswatch.config.reading import Misspelt, Reader, reads
from opswatch.core.calendars import check_cron
from opswatch.core.counts import say_count
from opswatch.core.limits import parse_mads, parse_range
from opswatch.core.model import Health, Priority, Secret
from opswatch.core.plan import NotifyStep
from opswatch.core.spans import parse_span

_NAME = re.compile(r"\w[\w.-]{0,63}")
_SPAN_EXAMPLE = "write a span such as '30s', '5m', '1h30m' or '2d'"
_TURN_UNITS = ("hour", "day", "week", "month")
_OTHER_TURNS = {
    "hourly": "1 hour",
    "hour": "1 hour",
    "daily": "1 day",
    "day": "1 day",
    "weekly": "1 week",
    "week": "1 week",
    "biweekly": "2 weeks",
    "fortnightly": "2 weeks",
    "monthly": "1 month",
    "month": "1 month",
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text in quotes")
    return value


def _words(value: Any) -> str:
    if not _text(value).strip():
        raise ValueError("not empty: a few words")
    return _text(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false, without quotes")
    return value


def _name(value: Any) -> str:
    if not _NAME.fullmatch(_text(value)):
        raise ValueError("a short name of letters, digits, '-', '_' and '.', such as 'db-main'")
    return _text(value)


def _secret(value: Any) -> Secret:
    if not _text(value):
        raise ValueError("not empty: this value (or what it refers to) has no characters")
    return Secret(str(value), getattr(value, "source", ""))


def _span_or_nothing(value: Any) -> timedelta:
    if not isinstance(value, str):
        raise ValueError(_SPAN_EXAMPLE)
    return parse_span(value)


def _span(value: Any) -> timedelta:
    if (found := _span_or_nothing(value)) <= timedelta(0):
        raise ValueError("more than nothing: " + _SPAN_EXAMPLE)
    return found


def _keeping(value: Any) -> timedelta:
    """Like a span, and years: how long something is kept need not be exact to the day."""
    years = re.fullmatch(r"\s*(\d{1,2})\s*(?:y|years?|年)\s*", value) if isinstance(value, str) else None
    return timedelta(days=365 * int(years.group(1))) if years and int(years.group(1)) else _span(value)


def _zone(value: Any) -> str:
    try:
        ZoneInfo(_text(value))
    except (ZoneInfoNotFoundError, OSError, ValueError):
        import zoneinfo

        from opswatch.config import zones

        meant = zones.meant(str(value), zoneinfo.available_timezones())
        raise Misspelt(zones.expected(str(value)), meant=meant) from None
    return _text(value)


def _priority(value: Any) -> Priority:
    if not isinstance(value, str) or value not in Priority.__members__:
        raise Misspelt("one of P0, P1, P2, P3", Priority.__members__)
    return Priority[value]


def _range(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"say on which side, in quotes: '> {value}' or '< {value}'")
    parse_range(_text(value))
    return _text(value)


def _mads(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"in quotes, with its unit: '{value} mad'")
    return parse_mads(_text(value))


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise ValueError("a number from 0 on, without quotes")
    return float(value)


def _local_time(value: Any) -> datetime:
    """A local wall time: TOML's own, a date (midnight), or the same in quotes."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a local date and time such as 2026-01-05T09:00:00") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise ValueError("a local wall time without offset such as 2026-01-05T09:00:00; the zone is `timezone`'s")
    return value


def _turn(value: Any) -> tuple[int, str]:
    found = re.fullmatch(r"\s*(\d+)\s*([a-z]+?)s?\s*", value) if isinstance(value, str) else None
    if not found or found.group(2) not in _TURN_UNITS:
        words = "a count of hours, days, weeks or months such as '1 week' or '12 hours'"
        raise Misspelt(words, meant=_meant_turn(value))
    if int(found.group(1)) < 1:
        raise ValueError("at least one, such as '1 week'")
    return (int(found.group(1)), found.group(2))


def _meant_turn(value: Any) -> str:
    """`weekly`, `7d`, `a week`: what stands in other tools."""
    word = value.strip().lower() if isinstance(value, str) else ""
    short = re.fullmatch(r"(\d+)\s*(h|hr|hrs|d|w|wk|wks|mo)", word)
    if short:
        return say_count(int(short[1]), next(unit for unit in _TURN_UNITS if unit.startswith(short[2][0])))
    return _OTHER_TURNS.get(word.removeprefix("a ").removeprefix("every "), "")


def _step(value: Any) -> NotifyStep:
    """`"slack"`, `"5m phone"`."""
    words = value.split() if isinstance(value, str) else []
    if len(words) == 1:
        return NotifyStep(words[0])
    try:
        return NotifyStep(words[-1], parse_span(" ".join(words[:-1])))
    except (ValueError, IndexError):
        raise ValueError("a contact, after a span if it waits: 'slack' or '5m phone'") from None


def _cron(value: Any) -> str:
    check_cron(_text(value))
    return _text(value)


def _anything(value: Any) -> Any:
    return value


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table such as { key = … }")
    return value


def one_of(*known: str) -> Reader[str]:
    """One of these words."""

    def convert(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise Misspelt(f"one of {', '.join(known)}", known)
        return str(value)

    return reads(convert)


def whole(low: int, high: int) -> Reader[int]:
    """A whole number from `low` to `high`."""

    def convert(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("a whole number, without quotes")
        if not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return reads(convert)


def health_of(known: Iterable[Health]) -> Callable[[Any], Health]:
    names = tuple(health.value for health in known)

    def convert(value: Any) -> Health:
        if value not in names:
            raise Misspelt(f"one of {', '.join(names)}", names)
        return Health(value)

    return convert


text = reads(_text)
words = reads(_words)
flag = reads(_flag)
name = reads(_name)
secret = reads(_secret)
span = reads(_span)
span_or_nothing = reads(_span_or_nothing)
keeping = reads(_keeping)
zone = reads(_zone)
priority = reads(_priority)
range_text = reads(_range)
mads = reads(_mads)
number = reads(_number)
local_time = reads(_local_time)
turn = reads(_turn)
step = reads(_step)
cron = reads(_cron)
health = reads(health_of(Health))
anything = reads(_anything)
table = reads(_table)

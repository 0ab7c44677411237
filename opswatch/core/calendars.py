"""Local time people write (windows, workdays, conditions) and the instants it means.

The door to all local time in the core: `core/instants.py` (clock changes) and `core/crons.py` are reached through here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from opswatch.core.crons import check_cron, cron_between, next_cron, previous_cron
from opswatch.core.instants import instant, offset, reading, zone
from opswatch.core.model import Priority
from opswatch.core.plan import DayCalendar, When, Window

__all__ = [
    "check_cron",
    "covers",
    "cron_between",
    "first_covered",
    "instant",
    "is_workday",
    "next_cron",
    "occurrences",
    "offset",
    "parse_window",
    "pieces",
    "previous_cron",
    "reading",
    "say_window",
    "when_holds",
    "when_next",
    "zone",
]

HORIZON = timedelta(days=400)  # How far ahead anything is looked for: a year, and its leap day, and a month.

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES = {name: number for names in (_WEEKDAYS, _LONG_WEEKDAYS) for number, name in enumerate(names)}
_DAYS_HINT = (
    "write 'mon-fri', 'sat,sun', 'workdays', 'restdays', 'all', or days of the month such as '1,15', '1..4' or '-3..-1'"
)
_MEANT = {
    "weekday": "mon-fri",
    "weekdays": "mon-fri",
    "weekend": "sat,sun",
    "weekends": "sat,sun",
    "holidays": "restdays",
    "tues": "tue",
    "weds": "wed",
    "thur": "thu",
    "thurs": "thu",
}
_TIME_HINT = "write a local time such as '09:00', or a weekday and a time such as 'fri 20:00' in both"
_CLOCK = re.compile(r"(?:(?P<day>[a-z]+)\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?")


# ---------------------------------------------------------------------------------------------------------------------
# What a window covers


def pieces(
    window: Window, zone_name: str, calendar: DayCalendar | None, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Occurrences of `window` that overlap [start, end), whole, in order, as instants (UTC).

    A window that starts at a reading that happens twice starts at the first; one that ends there ends at the last, so
    that it is never shorter than written. One that clocks jump over entirely does not occur.
    """
    for piece in occurrences(window, zone_name, calendar, start, end):
        yield piece.opens, piece.closes


class Occurrence(NamedTuple):
    """A window on one day, [opens, closes), UTC. `overnight`: it reaches into another local day (00:00 does not)."""

    opens: datetime
    closes: datetime
    overnight: bool


def occurrences(
    window: Window, zone_name: str, calendar: DayCalendar | None, start: datetime, end: datetime
) -> Iterator[Occurrence]:
    """As `pieces`, with what a roster asks besides."""
    day = reading(start, zone_name).date() - _DAY * (_days_long_max(window) + 1)
    day_last = reading(end, zone_name).date() + _DAY  # Clocks set back over midnight read yesterday again.
    while day <= day_last:
        if _falls_on(window, day, calendar):
            closing_day = _closing_day(window, day)
            opens = instant(datetime.combine(day, window.start), zone_name)
            closes = instant(datetime.combine(closing_day, window.end), zone_name, last=True)
            if opens < closes and opens < end and closes > start:
                yield Occurrence(opens, closes, closing_day - _DAY * (window.end == _MIDNIGHT) > day)
        day += _DAY


def covers(windows: Iterable[Window], zone_name: str, calendar: DayCalendar | None, at: datetime) -> bool:
    """Whether any of the windows covers that instant. No windows cover nothing."""
    soon = at + timedelta.resolution
    return any(True for window in windows for _ in pieces(window, zone_name, calendar, at, soon))


def first_covered(
    windows: Iterable[Window],
    zone_name: str,
    calendar: DayCalendar | None,
    at: datetime,
    *,
    horizon: timedelta = HORIZON,
) -> datetime | None:
    """The first instant from `at` on that a window covers (`at` itself, when it does); None beyond `horizon`."""
    firsts = (next(pieces(window, zone_name, calendar, at, at + horizon), None) for window in windows)
    return min((max(at, piece[0]) for piece in firsts if piece is not None), default=None)


def last_covered(
    windows: Iterable[Window], zone_name: str, calendar: DayCalendar | None, at: datetime, *, since: datetime
) -> datetime | None:
    """The last instant in `[since, at]` that a window covers (`at` itself, when it does); None when there is none. An
    end counts as covered: what happens then is still seen."""
    found = [
        piece for window in windows for piece in pieces(window, zone_name, calendar, since, at + timedelta.resolution)
    ]
    return max((min(at, closes) for _, closes in found), default=None)


def is_workday(day: date, calendar: DayCalendar | None) -> bool:
    """Monday to Friday without the calendar's holidays, and the weekend days it says are worked (调休)."""
    if calendar is not None and day in calendar.worked:
        return True
    return day.weekday() < 5 and (calendar is None or day not in calendar.holidays)


def _falls_on(window: Window, day: date, calendar: DayCalendar | None) -> bool:
    """Whether an occurrence starts on that local date."""
    if window.weekdays is not None:
        return day.weekday() in window.weekdays
    if window.work is not None:
        return is_workday(day, calendar) is window.work
    if window.month_days is not None:
        return day.day in window.month_days or _from_month_end(day) in window.month_days
    return True


def _from_month_end(day: date) -> int:
    """-1 for the last day of its month, -2 for the one before."""
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (day - next_month).days


def _closing_day(window: Window, day: date) -> date:
    """The local date on which the occurrence that starts on `day` ends."""
    is_next = window.end <= window.start
    if window.end_weekday is None:
        return day + _DAY * is_next
    days = (window.end_weekday - day.weekday()) % 7
    return day + _DAY * (7 if days == 0 and is_next else days)


def _days_long_max(window: Window) -> int:
    return 1 if window.end_weekday is None else 7


# ---------------------------------------------------------------------------------------------------------------------
# Conditions


def when_holds(
    when: When | None, calendars: Mapping[str, DayCalendar], priority: Priority | None, at: datetime
) -> bool:
    """Whether the condition of a level or a route holds for that priority at that instant. None always holds."""
    if when is None:
        return True
    if when.priorities is not None and priority not in when.priorities:
        return False
    return not when.windows or covers(when.windows, when.timezone, _calendar(when, calendars), at)


def when_next(
    when: When | None, calendars: Mapping[str, DayCalendar], priority: Priority | None, at: datetime
) -> datetime | None:
    """The first instant from `at` on at which the condition holds; None when it does not within 400 days."""
    if when is None:
        return at
    if when.priorities is not None and priority not in when.priorities:
        return None
    if not when.windows:
        return at
    return first_covered(when.windows, when.timezone, _calendar(when, calendars), at)


def _calendar(when: When, calendars: Mapping[str, DayCalendar]) -> DayCalendar | None:
    return None if when.calendar is None else calendars.get(when.calendar)


# ---------------------------------------------------------------------------------------------------------------------
# Windows as people write them


def parse_window(days: str | Iterable[int | str] | None, start: str, end: str) -> Window:
    """The window of `{ days = "mon-fri", from = "09:00", to = "17:00" }`.

    `days`: weekdays, `workdays`, `restdays`, days of the month (negative from its end), nothing or `all` for every day.
    `start` and `end` may both name a weekday instead: "fri 20:00", "mon 08:00". An `end` of 24:00 or 00:00 is the end
    of the day. ValueError says what was expected, with an example.
    """
    opens_on, opens = _parse_clock("from", start)
    closes_on, closes = _parse_clock("to", end, allow_24=True)
    if (opens_on is None) != (closes_on is None):
        raise ValueError(f"from = {start!r}, to = {end!r}: only one of them names a weekday; {_TIME_HINT}")
    if opens_on is None:
        weekdays, month_days, work = _parse_days(days)
        return Window(opens, closes, weekdays, month_days, work)
    if days is not None:
        raise ValueError(f"days = {days!r}: from = {start!r} names the day already; leave `days` out")
    return Window(opens, closes, weekdays=frozenset({opens_on}), end_weekday=closes_on)


def say_window(window: Window) -> str:
    """The window in the words of the configuration: "mon-fri 09:00-17:00", "fri 20:00 to mon 08:00"."""
    start = _say_clock(window.start)
    end = "24:00" if window.end == _MIDNIGHT else _say_clock(window.end)
    if window.end_weekday is not None and window.weekdays is not None:
        opens_on = ",".join(_WEEKDAYS[day] for day in sorted(window.weekdays))
        # Midnight that begins a weekday, not the end of the day before.
        return f"{opens_on} {start} to {_WEEKDAYS[window.end_weekday]} {_say_clock(window.end)}"
    return f"{_say_days(window)} {start}-{end}"


def _parse_clock(key: str, text: str, *, allow_24: bool = False) -> tuple[int | None, time]:
    found = _CLOCK.fullmatch(text.strip().lower())
    if found is None or (found["day"] is not None and found["day"] not in _NAMES):
        raise ValueError(f"{key} = {text!r}: {_TIME_HINT}")
    weekday = None if found["day"] is None else _NAMES[found["day"]]
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if allow_24 and weekday is None and (hour, minute, second) == (24, 0, 0):
        return weekday, _MIDNIGHT
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{key} = {text!r}: no clock reads that; {_TIME_HINT}")
    return weekday, time(hour, minute, second)


def _parse_days(
    days: str | Iterable[int | str] | None,
) -> tuple[frozenset[int] | None, frozenset[int] | None, bool | None]:
    """Weekdays, days of the month, workdays or restdays: at most one of them is not None."""
    text = days if isinstance(days, str) else ",".join(map(str, days or ()))
    words = [word.strip() for word in text.lower().split(",")]
    if days is None or words == ["all"]:
        return None, None, None
    if words in (["workdays"], ["restdays"]):
        return None, None, words == ["workdays"]
    found = [_parse_weekdays(word) for word in words]
    weekdays = frozenset(day for some in found if some is not None for day in some)
    if all(some is not None for some in found):
        return weekdays, None, None
    others = [word for word, some in zip(words, found, strict=True) if some is None]
    if not weekdays:
        return None, frozenset(day for word in others for day in _parse_month_days(word)), None
    for word in others:
        if word not in ("all", "workdays", "restdays"):
            _parse_month_days(word)  # What names no day at all is said to.
    raise ValueError(f"days = {days!r}: weekdays and other days cannot be mixed in one window; {_DAYS_HINT}")


def _parse_weekdays(word: str) -> set[int] | None:
    """ "mon" or "fri-mon" as numbers from 0; None when it names no weekday."""
    first, _, last = (part.strip() for part in word.partition("-"))
    if first not in _NAMES or (last and last not in _NAMES) or word.endswith("-"):
        return None
    length = (_NAMES[last or first] - _NAMES[first]) % 7
    return {(_NAMES[first] + step) % 7 for step in range(length + 1)}


def _parse_month_days(word: str) -> set[int]:
    first, dots, last = (part.strip() for part in word.partition(".."))
    try:
        low = int(first)
        high = int(last) if dots else low
    except ValueError:
        meant = f"did you mean {_MEANT[word]!r}? Else " if word in _MEANT else ""
        raise ValueError(f"{word!r} names no day; {meant}{_DAYS_HINT}") from None
    if not (1 <= low <= high <= 31 or -31 <= low <= high <= -1):
        raise ValueError(f"{word!r} is no day of a month, nor a rising range of them; {_DAYS_HINT}")
    return set(range(low, high + 1))


def _say_clock(clock: time) -> str:
    return clock.isoformat("seconds" if clock.second else "minutes")


def _say_days(window: Window) -> str:
    if window.weekdays is not None:
        return _say_ranges(sorted(window.weekdays), "-", lambda day: _WEEKDAYS[day])
    if window.month_days is not None:
        return f"days {_say_ranges(sorted(window.month_days), '..', str)} of the month"
    if window.work is not None:
        return "workdays" if window.work else "restdays"
    return "every day"


def _say_ranges(numbers: list[int], dash: str, say: Callable[[int], str]) -> str:
    """1, 2, 3, 5 as "1..3,5"; two in a row stay two words."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = (f"{say(run[0])}{dash}{say(run[-1])}" if len(run) > 2 else ",".join(map(say, run)) for run in runs)
    return ",".join(said)

"""How single values are written: spans, zones, priorities, local times, names. Each says what it expected."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict
from pydantic import BaseModel as PydanticModel

from opswatch.core.limits import parse_range
from opswatch.core.model import Health, Priority, Secret
from opswatch.core.plan import NotifyStep
from opswatch.core.spans import parse_span

NAME = re.compile(r"\w[\w.-]*")
SPAN_EXAMPLE = "write a span such as '30s', '5m', '1h30m' or '2d'"
TURN_UNITS = ("hour", "day", "week", "month")


class Misspelt(ValueError):
    """A word out of a known set was expected."""

    def __init__(self, words: str, known: tuple[str, ...]) -> None:
        super().__init__(words)
        self.known = known


class Table(PydanticModel):
    """A TOML table: other keys are refused, values are not converted. Built when first used: a start must be quick."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True, arbitrary_types_allowed=True)


def _name(text: str) -> str:
    if not NAME.fullmatch(text) or len(text) > 64:
        raise ValueError("a short name of letters, digits, '-', '_' and '.', such as 'db-main'")
    return text


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, int)) and not isinstance(value, bool) else value


def _as_secret(value: Any) -> Any:
    if isinstance(value, Secret) or not isinstance(value, str):
        return value
    if not value:
        raise ValueError("not empty: this value (or what it refers to) has no characters")
    return Secret(str(value), getattr(value, "source", ""))


def _as_span(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(SPAN_EXAMPLE)
    span = parse_span(value)
    if span < timedelta(0):
        raise ValueError(SPAN_EXAMPLE)
    return span


def _some(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("more than nothing: " + SPAN_EXAMPLE)
    return span


def _as_keeping(value: Any) -> Any:
    """Like a span, and years: how long something is kept need not be exact to the day."""
    years = re.fullmatch(r"\s*(\d{1,2})\s*(?:y|years?|年)\s*", value) if isinstance(value, str) else None
    return timedelta(days=365 * int(years.group(1))) if years else _as_span(value)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        import zoneinfo

        known = tuple(sorted(zoneinfo.available_timezones()))
        raise Misspelt("an IANA time zone such as 'Europe/Berlin' or 'Asia/Shanghai'", known) from None
    return text


def _as_priority(value: Any) -> Any:
    if isinstance(value, Priority):
        return value
    if not isinstance(value, str) or value not in Priority.__members__:
        raise Misspelt("one of P0, P1, P2, P3", tuple(Priority.__members__))
    return Priority[value]


def _as_health(value: Any) -> Any:
    if isinstance(value, Health):
        return value
    known = tuple(health.value for health in Health)
    if value not in known:
        raise Misspelt(f"one of {', '.join(known)}", known)
    return Health(value)


def _range(text: str) -> str:
    parse_range(text)
    return text


def _as_range(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"say on which side, in quotes: '> {value}' or '< {value}'")
    return value


def _as_local(value: Any) -> Any:
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


def _as_turn(value: Any) -> Any:
    found = re.fullmatch(r"\s*(\d+)\s*([a-z]+?)s?\s*", value) if isinstance(value, str) else None
    if not found or found.group(2) not in TURN_UNITS:
        raise ValueError("a count of hours, days, weeks or months such as '1 week' or '12 hours'")
    if int(found.group(1)) < 1:
        raise ValueError("at least one, such as '1 week'")
    return (int(found.group(1)), found.group(2))


def _as_step(value: Any) -> Any:
    """`"slack"`, `"5m phone"`."""
    if isinstance(value, NotifyStep):
        return value
    words = value.split() if isinstance(value, str) else []
    if len(words) == 1:
        return NotifyStep(words[0])
    try:
        return NotifyStep(words[-1], parse_span(" ".join(words[:-1])))
    except (ValueError, IndexError):
        raise ValueError("a contact, after a span if it waits: 'slack' or '5m phone'") from None


def _cron(text: str) -> str:
    from opswatch.core.calendars import check_cron

    check_cron(text)
    return text


Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[list[str], BeforeValidator(_as_list)]
Ints = Annotated[list[int], BeforeValidator(_as_list)]
SecretText = Annotated[Secret, BeforeValidator(_as_secret)]
Span = Annotated[timedelta, BeforeValidator(_as_span), AfterValidator(_some)]
SpanOrNothing = Annotated[timedelta, BeforeValidator(_as_span)]
Keeping = Annotated[timedelta, BeforeValidator(_as_keeping), AfterValidator(_some)]
Zone = Annotated[str, AfterValidator(_zone)]
PriorityName = Annotated[Priority, BeforeValidator(_as_priority)]
PriorityNames = Annotated[list[PriorityName], BeforeValidator(_as_list)]
HealthName = Annotated[Health, BeforeValidator(_as_health)]
HealthNames = Annotated[list[HealthName], BeforeValidator(_as_list)]
RangeText = Annotated[str, BeforeValidator(_as_range), AfterValidator(_range)]
LocalTime = Annotated[datetime, BeforeValidator(_as_local)]
Turn = Annotated[tuple[int, str], BeforeValidator(_as_turn)]
Step = Annotated[NotifyStep, BeforeValidator(_as_step)]
Cron = Annotated[str, AfterValidator(_cron)]
Labels = dict[str, str]

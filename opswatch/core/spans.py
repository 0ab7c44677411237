"""Spans of time as people write them: "5m", "1h30m", "2 weeks"."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS: dict[str, int] = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
    "秒": 1,
    "分": 60,
    "分钟": 60,
    "小时": 3600,
    "天": 86400,
    "周": 604800,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+|[一-鿿]+)\s*")
_SPAN_MAX = timedelta(days=3660)


def parse_span(text: str) -> timedelta:
    """The span that `text` writes; `y` is not a unit, years are calendars' business. Raises ValueError with words."""
    rest = text.strip().lower()
    total = 0.0
    position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        unit = _unit(part.group(2)) if part else None
        if part is None or unit is None:
            raise ValueError("write a span such as '30s', '5m', '1h30m' or '2d'")
        total += float(part.group(1)) * unit
        position = part.end()
    if not rest:
        raise ValueError("write a span such as '30s', '5m', '1h30m' or '2d'")
    if total > _SPAN_MAX.total_seconds():
        raise ValueError("a span of at most ten years")
    return timedelta(seconds=total)


def _unit(word: str) -> int | None:
    # "5 hours" is a plural; "50ms" is no plural of minutes.
    return _UNITS.get(word) or (_UNITS.get(word.removesuffix("s")) if len(word) > 3 else None)


def say_span(span: timedelta) -> str:
    """The shortest exact writing of `span` that `parse_span` reads back: "1h30m"; "0s" for nothing."""
    seconds = span.total_seconds()
    sign = "-" if seconds < 0 else ""
    rest = abs(seconds)
    words = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{int(count)}{unit}")
    if rest or not words:
        words.append(f"{rest:.6f}".rstrip("0").rstrip(".") + "s")
    return sign + "".join(words)


def say_roughly(span: timedelta) -> str:
    """`span` for a sentence: its two largest units, "2d 3h", "4m", "12s"."""
    seconds = int(abs(span.total_seconds()))
    words: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count and len(words) < 2:
            words.append(f"{count}{unit}")
    return " ".join(words) or "0s"

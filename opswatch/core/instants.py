"""A reading of a local clock, and the instant it means: what happens where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name. ValueError, in words, when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"no time zone is called {name!r}; write an IANA name such as 'Asia/Shanghai' or 'UTC'"
        ) from None


def instant(local: datetime, zone_name: str, *, last: bool = False) -> datetime:
    """The instant (UTC) at which the clocks of `zone_name` read `local`, which is naive.

    A reading that clocks jump over means the first instant after the jump. One that happens twice means its first
    occurrence, or its last with `last`. ValueError for an unknown zone.
    """
    return _instants(local, zone_name)[last]


def written(text: str, zone_name: str) -> datetime | None:
    """The instant (UTC) that a date and time mean: RFC 3339, or local to `zone_name`, or to the zone that they end in:
    `2026-12-25 03:00 Asia/Shanghai`. None for other words; ValueError for a zone that does not exist."""
    words, zone_name = with_zone(text.split(), zone_name)
    try:
        found = datetime.fromisoformat(" ".join(words).upper())
    except ValueError:
        return None
    return instant(found, zone_name) if found.tzinfo is None else found.astimezone(UTC)


def with_zone(words: list[str], zone_name: str) -> tuple[list[str], str]:
    """The words without the zone they may end in, and the zone that holds. ValueError for one that does not exist."""
    last = words[-1] if len(words) > 1 else ""
    if "/" not in last and last.upper() not in ("UTC", "GMT"):
        return words, zone_name
    name = last.upper() if "/" not in last else last
    zone(name)  # Says in words which zone is unknown.
    return words[:-1], name


def reading(at: datetime, zone_name: str) -> datetime:
    """What the clocks of `zone_name` read at that instant: naive, for local arithmetic only."""
    return at.astimezone(zone(zone_name)).replace(tzinfo=None, fold=0)


def offset(at: datetime, zone_name: str) -> timedelta:
    """How far the clocks of `zone_name` are ahead of UTC at that instant."""
    ahead = at.astimezone(zone(zone_name)).utcoffset()
    assert ahead is not None  # A ZoneInfo always knows.
    return ahead


def clock_change(zone_name: str, before: datetime, after: datetime) -> datetime:
    """The instant in (before, after] since which the offset is that of `after`; it differs from that of `before`."""
    low = before.replace(microsecond=0)  # Clocks change on whole seconds.
    high = after if after.microsecond == 0 else after.replace(microsecond=0) + _SECOND
    new = offset(high, zone_name)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if offset(middle, zone_name) == new:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=65536)
def _instants(local: datetime, zone_name: str) -> tuple[datetime, datetime]:
    """First and last occurrence of a reading; the same instant twice unless clocks are set back over it."""
    assert local.tzinfo is None, "a local reading has no offset of its own"
    aware = local.replace(tzinfo=zone(zone_name), fold=0)
    before, after = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert before is not None and after is not None
    first = (local - before).replace(tzinfo=UTC, fold=0)
    if before == after:
        return first, first
    second = (local - after).replace(tzinfo=UTC, fold=0)
    if second > first:
        return first, second
    jump = clock_change(zone_name, second, first)  # Jumped over: nobody's clock ever reads it.
    return jump, jump

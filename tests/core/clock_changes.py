"""Every clock change of some zones from 2020 to 2035, found by looking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Africa/Cairo",
)
# Those known for trouble besides: half hours, quarters, two hours at once, clocks that follow the moon, changed minds.
FUZZ_ZONES = (
    *ZONES,
    "Africa/El_Aaiun",
    "Africa/Juba",
    "America/Asuncion",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Europe/Dublin",
    "Europe/London",
    "Europe/Volgograd",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Fiji",
    "Pacific/Norfolk",
    "UTC",
)


_STRIDE = timedelta(days=4)  # Nobody changes clocks and their mind within four days.


@cache
def changes(zone_name: str, until: int = 2035) -> tuple[datetime, ...]:
    """Instants (UTC) at which clocks of the zone change, from 2020 to the end of `until`."""
    found = []
    day, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(until + 1, 1, 1, tzinfo=UTC)
    ahead = _ahead(day, zone_name)
    while day < end:
        following = _ahead(day + _STRIDE, zone_name)
        if following != ahead:
            change = _first_after_change(day, zone_name)
            found += [change] if change < end else []
        day, ahead = day + _STRIDE, following
    return tuple(found)


def _first_after_change(start: datetime, zone_name: str) -> datetime:
    ahead, at = _ahead(start, zone_name), start
    for step in (timedelta(hours=6), timedelta(minutes=15)):
        while _ahead(at + step, zone_name) == ahead:
            at += step
    return at + timedelta(minutes=15)


def _ahead(at: datetime, zone_name: str) -> timedelta | None:
    return at.astimezone(ZoneInfo(zone_name)).utcoffset()

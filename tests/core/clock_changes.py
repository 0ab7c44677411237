"""Every clock change of ten zones from 2020 to 2035, found by looking."""

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


@cache
def changes(zone_name: str, until: int = 2035) -> tuple[datetime, ...]:
    """Instants (UTC) at which clocks of the zone change, from 2020 to the end of `until`."""
    found = []
    day, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(until + 1, 1, 1, tzinfo=UTC)
    while day < end:
        if _ahead(day, zone_name) != _ahead(day + timedelta(days=1), zone_name):
            found.append(_first_after_change(day, zone_name))
        day += timedelta(days=1)
    return tuple(found)


def _first_after_change(day: datetime, zone_name: str) -> datetime:
    minute = day
    while _ahead(minute, zone_name) == _ahead(day, zone_name):
        minute += timedelta(minutes=15)
    return minute


def _ahead(at: datetime, zone_name: str) -> timedelta | None:
    return at.astimezone(ZoneInfo(zone_name)).utcoffset()

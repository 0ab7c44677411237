"""Which IANA zone somebody meant who wrote a city, an abbreviation or an offset."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opswatch.config.suggest import nearest

# Places people name whose clocks bear another city's name.
CITIES = {
    "beijing": "Asia/Shanghai",
    "shenzhen": "Asia/Shanghai",
    "guangzhou": "Asia/Shanghai",
    "hangzhou": "Asia/Shanghai",
    "mumbai": "Asia/Kolkata",
    "delhi": "Asia/Kolkata",
    "bangalore": "Asia/Kolkata",
    "hanoi": "Asia/Ho_Chi_Minh",
    "osaka": "Asia/Tokyo",
    "abu_dhabi": "Asia/Dubai",
    "munich": "Europe/Berlin",
    "hamburg": "Europe/Berlin",
    "frankfurt": "Europe/Berlin",
    "cologne": "Europe/Berlin",
    "barcelona": "Europe/Madrid",
    "milan": "Europe/Rome",
    "geneva": "Europe/Zurich",
    "boston": "America/New_York",
    "washington": "America/New_York",
    "atlanta": "America/New_York",
    "miami": "America/New_York",
    "dallas": "America/Chicago",
    "houston": "America/Chicago",
    "austin": "America/Chicago",
    "san_francisco": "America/Los_Angeles",
    "seattle": "America/Los_Angeles",
    "rio_de_janeiro": "America/Sao_Paulo",
    "melbourne": "Australia/Melbourne",
}
# CST is left out: it is Chicago's as much as Shanghai's.
ABBREVIATIONS = {
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "PT": "America/Los_Angeles",
    "MDT": "America/Denver",
    "CDT": "America/Chicago",
    "EDT": "America/New_York",
    "ET": "America/New_York",
    "BST": "Europe/London",
    "CEST": "Europe/Berlin",
    "EEST": "Europe/Athens",
    "GST": "Asia/Dubai",
    "IST": "Asia/Kolkata",
    "SGT": "Asia/Singapore",
    "HKT": "Asia/Hong_Kong",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
}
_OFFSET = re.compile(r"(?:[A-Za-z]{3})?\s*[+-]\d{1,2}(?::?\d\d)?")
_SHORT = re.compile(r"[A-Z]{2,5}")
_EXAMPLE = "an IANA time zone such as 'Europe/Berlin' or 'Asia/Shanghai'"


def is_fixed(word: str) -> bool:
    """Whether `word` is an offset or an abbreviation: of a zone's hour, and not of the zone."""
    return _OFFSET.fullmatch(word.strip()) is not None or _SHORT.fullmatch(word.strip()) is not None


def expected(word: str) -> str:
    """What to write instead of `word`, which is no zone."""
    why = ": offsets and abbreviations do not know when clocks change" if is_fixed(word) else ""
    return f"{_EXAMPLE}{why}"


def meant(word: str, known: Iterable[str]) -> str:
    """The zone that `word` was probably meant to be; empty where that cannot be said."""
    if is_fixed(word):
        return ABBREVIATIONS.get(word.strip(), "")
    zones = sorted(known, key=lambda zone: (zone.count("/"), zone))
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in zones} | CITIES
    city = word.strip().rpartition("/")[2].lower().replace(" ", "_")
    return by_city.get(nearest(city, by_city), "")

"""Absences out of a calendar that somebody else keeps (RFC 5545): who is away when, instance by instance."""

from __future__ import annotations

import hashlib
import re
import time as time_module
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opswatch.core.events import Away
from opswatch.core.instants import instant
from opswatch.core.plan import Person
from opswatch.errors import OpswatchError

BYTES_MAX = 5 * 1024 * 1024
EVENTS_MAX = 5_000  # in one file
INSTANCES_MAX = 1_000  # of one import
REASON_MAX = 200
FETCH_TIMEOUT_S = 20  # of silence
FETCH_MAX_S = 60
EXTRA = "reading calendars needs the extra `calendar`: pip install 'opswatch[calendar]'"

_LINE = re.compile(r"[A-Za-z0-9-]+(?:;[^:]*(?:\"[^\"]*\"[^:]*)*)?:.*", re.DOTALL)
_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY"})
_DAY = timedelta(days=1)


class BadCalendar(OpswatchError):
    """It cannot be read; the words say which line, and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a calendar says of a span. `strangers` are the events whose addresses are nobody's here."""

    absences: tuple[Away, ...]
    strangers: int = 0


def absences(
    data: bytes, people: Mapping[str, Person], start: datetime, end: datetime, *, person: str | None = None
) -> Found:
    """Every instance of every event that overlaps [start, end) and takes up time. With `person` all of it is theirs;
    otherwise events are of the `people` whose e-mail address attends (or organises what nobody attends), in any case.

    All-day events are dates where that person lives, half-open; times without a zone are on their clocks. Raises
    BadCalendar.
    """
    lines = _checked(data)
    icalendar, recurring = _libraries()
    try:
        calendar = icalendar.Calendar.from_ical(data)
    except (ValueError, KeyError, IndexError, TypeError) as wrong:
        raise BadCalendar(f"line 1: no iCalendar file: {str(wrong)[:200]}") from None
    _check_events(calendar, lines)
    try:
        instances = recurring.of(calendar, components=["VEVENT"]).between(start - 2 * _DAY, end + 2 * _DAY)
    except Exception as wrong:  # What a rule may hold is endless: the library says it in many ways.
        raise BadCalendar(f"its recurrences cannot be worked out: {str(wrong)[:200] or type(wrong).__name__}") from None
    if len(instances) > 2 * INSTANCES_MAX:
        raise BadCalendar(_too_many(len(instances)))
    by_address = {
        contact.reveal().casefold(): one.id
        for one in people.values()
        if (contact := one.contacts.get("email")) is not None
    }
    again = {str(one["UID"]) for one in calendar.walk("VEVENT") if {"RRULE", "RDATE", "RECURRENCE-ID"} & set(one)}
    found: dict[tuple[str, str], Away] = {}
    strangers: set[str] = set()
    for event in instances:
        if not _takes_time(event):
            continue
        whose = [person] if person is not None else _whose(event, by_address)
        if not whose:
            strangers.add(str(event.get("UID", "")))
        for name in whose:
            away = _away(event, people[name], str(event["UID"]) in again)
            if away.start < away.end and away.start < end and away.end > start:
                found[away.person, away.uid] = away
    if len(found) > INSTANCES_MAX:
        raise BadCalendar(_too_many(len(found)))
    ordered = sorted(found.values(), key=lambda one: (one.start, one.person, one.uid))
    return Found(tuple(ordered), len(strangers))


def fetch(url: str) -> bytes:
    """The calendar at `url` (http, https or webcal), bounded in size and time. Raises BadCalendar; its words name the
    host alone: such an address is often a secret."""
    import requests

    address = re.sub(r"^webcals?://", "https://", url, flags=re.IGNORECASE)
    host = host_of(url)
    try:
        with requests.get(address, timeout=FETCH_TIMEOUT_S, stream=True) as answer:
            if answer.status_code != requests.codes.ok:
                raise BadCalendar(f"{host} answers {answer.status_code}, and no calendar")
            data, began = b"", time_module.monotonic()
            for part in answer.iter_content(64 * 1024):
                data += part
                if len(data) > BYTES_MAX or time_module.monotonic() - began > FETCH_MAX_S:
                    raise BadCalendar(f"{host} sends more than {BYTES_MAX // 1024 // 1024} MiB, or for too long")
            return data
    except requests.RequestException as trouble:
        raise BadCalendar(f"{host} cannot be asked: {type(trouble).__name__}") from None


def is_url(where: str) -> bool:
    return re.match(r"(?:https?|webcals?)://", where, re.IGNORECASE) is not None


def host_of(url: str) -> str:
    """The part of an address that is no secret."""
    return urlsplit(url).hostname or "that address"


def source_of(where: str) -> str:
    """What an imported absence says it came from: the file's name; of an address its host and a mark of the rest."""
    if not is_url(where):
        return Path(where).name
    return f"{host_of(where)}#{hashlib.sha256(where.encode()).hexdigest()[:8]}"


def _libraries() -> tuple[Any, Any]:
    try:
        import icalendar
        import recurring_ical_events
    except ImportError:
        raise BadCalendar(EXTRA) from None
    return icalendar, recurring_ical_events


def _too_many(count: int) -> str:
    return f"{count} absences in that span, more than {INSTANCES_MAX}: import a shorter one (--days)"


# ---------------------------------------------------------------------------------------------------------------------
# Before it is read: where it goes wrong


def _checked(data: bytes) -> list[int]:
    """The lines on which its events begin. Raises BadCalendar with the first line that is none."""
    if len(data) > BYTES_MAX:
        raise BadCalendar(f"more than {BYTES_MAX // 1024 // 1024} MiB: export a shorter span")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        broken = data[: wrong.start].count(b"\n") + 1
        raise BadCalendar(f"line {broken}: not UTF-8, which an iCalendar file is") from None
    begun: list[tuple[str, int]] = []
    events: list[int] = []
    for number, line in _unfolded(text):
        if _LINE.fullmatch(line) is None:
            raise BadCalendar(f"line {number}: {line[:60]!r} is no line of a calendar: expected NAME:VALUE")
        name, _, value = line.partition(":")
        word = value.strip().upper()
        if not begun and (name.upper(), word) != ("BEGIN", "VCALENDAR"):
            raise BadCalendar(f"line {number}: expected BEGIN:VCALENDAR, not {line[:60]!r}")
        if name.upper() == "BEGIN":
            begun.append((word, number))
            events += [number] if word == "VEVENT" else []
        elif name.upper() == "END":
            what, since = begun.pop()
            if what != word:
                raise BadCalendar(f"line {number}: END:{word[:40]}, but {what} is open since line {since}")
        elif name.partition(";")[0].upper() in ("RRULE", "EXRULE"):
            often = re.search(r"FREQ=(\w+)", word)
            if often is not None and often[1] in _TOO_OFTEN:
                raise BadCalendar(f"line {number}: {often[1]}: nobody is away each minute; HOURLY is the most")
    if begun:
        raise BadCalendar(f"line {begun[-1][1]}: BEGIN:{begun[-1][0][:40]} is never ended: the file is cut off")
    if not text.strip():
        raise BadCalendar("line 1: it is empty: expected BEGIN:VCALENDAR")
    if len(events) > EVENTS_MAX:
        raise BadCalendar(f"{len(events)} events, more than {EVENTS_MAX}: export a shorter span")
    return events


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first physical one."""
    number, held = 0, ""
    for at, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if line[:1] in (" ", "\t") and held:
            held += line[1:]
            continue
        if held.strip():
            yield number, held
        number, held = at, line
    if held.strip():
        yield number, held


def _check_events(calendar: Any, lines: list[int]) -> None:
    """Each event has a name, a beginning, and nothing that could not be read."""
    for place, event in enumerate(calendar.walk("VEVENT")):
        line = lines[place] if place < len(lines) else 1
        for prop, wrong in getattr(event, "errors", ()):
            raise BadCalendar(f"line {line}: in the event that begins here, {prop or 'a line'}: {str(wrong)[:200]}")
        for needed in ("UID", "DTSTART"):
            if event.get(needed) is None:
                raise BadCalendar(f"line {line}: the event that begins here has no {needed}")


# ---------------------------------------------------------------------------------------------------------------------
# One instance


def _takes_time(event: Any) -> bool:
    """Not what was cancelled, nor what its owner marked as free."""
    if str(event.get("STATUS", "")).upper() == "CANCELLED" or str(event.get("TRANSP", "")).upper() == "TRANSPARENT":
        return False
    return str(event.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper() != "FREE"


def _whose(event: Any, by_address: Mapping[str, str]) -> list[str]:
    attendees = _listed(event.get("ATTENDEE"))
    there = [one for one in attendees if str(one.params.get("PARTSTAT", "")).upper() != "DECLINED"]
    addresses = there if attendees else _listed(event.get("ORGANIZER"))
    known = (by_address.get(str(one).casefold().removeprefix("mailto:").strip()) for one in addresses)
    return list(dict.fromkeys(name for name in known if name is not None))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _away(event: Any, person: Person, is_one_of_many: bool) -> Away:
    """`uid` names the instance by when its rule would have it: where it was moved to does not count."""
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    instance = event.get("RECURRENCE-ID")
    uid = str(event["UID"])
    if is_one_of_many and instance is not None:
        uid = f"{uid}/{instance.dt.isoformat()}"
    reason = " ".join(str(event.get("SUMMARY", "")).split())[:REASON_MAX]
    return Away(person.id, _instant(start, person.timezone), _instant(end, person.timezone), uid, reason)


def _instant(at: date | datetime, zone: str) -> datetime:
    if not isinstance(at, datetime):
        return instant(datetime.combine(at, time()), zone)
    return at.astimezone(UTC) if at.tzinfo is not None else instant(at, zone)

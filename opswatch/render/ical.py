"""Shifts as a calendar for other programs: RFC 5545, for a person, a roster or a team."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opswatch import __version__
from opswatch.core.roster import Shift
from opswatch.render.words import Reader

REFRESH = "PT1H"
LINE_OCTETS_MAX = 75
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})
_CONTROL = dict.fromkeys(set(range(32)) - {9, 10, 13} | {127})


@dataclass(frozen=True, slots=True)
class Duty:
    """A whole shift of a roster, or a gap in it; `instead` are paged in the gap. `changed_at`: when an override made it
    what it is."""

    roster: str
    shift: Shift
    instead: tuple[str, ...] = ()
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """What one calendar shows: `person:chen`, `roster:primary` or `team:ops`."""

    what: str
    duties: tuple[Duty, ...]


def calendar(feed: Feed, reader: Reader, *, installation: str, now: datetime, url: str | None = None) -> str:
    """The VCALENDAR, its lines ended by CRLF and folded at 75 octets. Times are UTC.

    A UID names the feed, the roster, the layer and the instant the shift begins: a change of later shifts does not
    touch it. SEQUENCE stays 0: an override that is taken back would have to count down; of two versions the one with
    the later DTSTAMP is right (RFC 5546), and that is `now`.
    """
    name = reader.word(f"ical.name_{_kind(feed)}", name=_name(feed, reader))
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:-//opswatch//opswatch {__version__}//{reader.language.upper()}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_text(name)}",
        f"NAME:{_text(name)}",
        f"X-WR-TIMEZONE:{_text(reader.zone)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}",
        f"X-PUBLISHED-TTL:{REFRESH}",
    ]
    for duty in feed.duties:
        lines += _event(feed, duty, reader, installation, now, url)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in fold(line))


def unstamped(text: str) -> str:
    """The calendar without the instants at which it was made: equal while nothing has changed."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("DTSTAMP:"))


def fold(line: str) -> Iterator[str]:
    """A line in pieces of at most 75 octets of UTF-8, never cutting a letter; all but the first begin with a space."""
    piece, octets = "", 0
    for letter in line:
        size = len(letter.encode())
        if octets + size > LINE_OCTETS_MAX:
            yield piece
            piece, octets = " ", 1
        piece, octets = piece + letter, octets + size
    yield piece


def _event(feed: Feed, duty: Duty, reader: Reader, installation: str, now: datetime, url: str | None) -> Iterator[str]:
    shift = duty.shift
    yield "BEGIN:VEVENT"
    yield f"UID:{_uid(feed, duty, installation)}"
    yield f"DTSTAMP:{_instant(now)}"
    yield f"DTSTART:{_instant(shift.start)}"
    yield f"DTEND:{_instant(shift.end)}"
    yield f"SUMMARY:{_text(_summary(feed, duty, reader))}"
    yield f"DESCRIPTION:{_text(_description(duty, reader))}"
    yield "SEQUENCE:0"
    if duty.changed_at is not None:
        yield f"LAST-MODIFIED:{_instant(duty.changed_at)}"
    if url:
        yield f"URL:{url}"
    yield f"CATEGORIES:{_text(reader.word('ical.category'))}"
    yield "STATUS:CONFIRMED"
    yield "TRANSP:TRANSPARENT"  # Being on call fills no diary: meetings go on.
    yield "END:VEVENT"


def _uid(feed: Feed, duty: Duty, installation: str) -> str:
    kind, _, name = feed.what.partition(":")
    parts = [kind, name, *([duty.roster] if kind != "roster" else []), duty.shift.layer or "none"]
    return f"{_text('-'.join(parts))}-{_instant(duty.shift.start)}@{_text(installation)}.opswatch"


def _summary(feed: Feed, duty: Duty, reader: Reader) -> str:
    people = duty.shift.people
    if not people:
        return reader.word("ical.gap", roster=duty.roster, people=_names(duty.instead, reader))
    if _kind(feed) != "person":
        return reader.word("ical.shift", roster=duty.roster, people=_names(people, reader))
    others = [person for person in people if person != feed.what.partition(":")[2]]
    return reader.word("ical.mine", roster=duty.roster, people=_names(others, reader))


def _description(duty: Duty, reader: Reader) -> str:
    shift = duty.shift
    until = reader.word("ical.from_to", start=reader.when(shift.start), end=reader.when(shift.end))
    people = _names(shift.people or duty.instead, reader)
    changed = reader.word("ical.changed", override=shift.override) if shift.override else ""
    return "\n".join(line for line in (people, until, changed) if line)


def _names(people: Sequence[str], reader: Reader) -> str:
    return reader.join(reader.person(person) for person in people)


def _kind(feed: Feed) -> str:
    return feed.what.partition(":")[0]


def _name(feed: Feed, reader: Reader) -> str:
    kind, _, name = feed.what.partition(":")
    return reader.person(name) if kind == "person" else name


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(text: str) -> str:
    return text.translate(_CONTROL).translate(_ESCAPED)

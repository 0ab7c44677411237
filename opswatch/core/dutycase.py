"""One incident as a shift saw it: its story so far, who was asked and how fast they answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch.core.effects import Entry
from opswatch.core.model import PageReason, Status

DEEDS = frozenset(
    {
        "accepted",
        "ack_counted",
        "declined",
        "pool_exhausted",
        "unacknowledged",
        "ack_expired",
        "escalated",
        "reassigned",
        "raised",
        "priority_set",
        "reopened",
        "resolved",
        "snoozed",
        "noted",
        "ladder_ended",
        "unreachable_person",
    }
)
"""Kinds that are told under an incident: what was done, and what went wrong."""

PAGES = frozenset({"page_promised", "page_delivered", "page_failed", "level_entered"})
_RECEIPTS = frozenset({"page_delivered", "page_failed", "message_failed"})


@dataclass(slots=True)
class Tally:
    """The pages of one person about one incident, or about several, in one shift."""

    pages: int = 0
    delivered: int = 0
    answers: list[timedelta] = field(default_factory=list)
    passed: int = 0

    def add(self, other: Tally) -> None:
        self.pages += other.pages
        self.delivered += other.delivered
        self.answers += other.answers
        self.passed += other.passed

    @property
    def is_worth_a_line(self) -> bool:
        return bool(self.pages or self.delivered or self.answers or self.passed)


@dataclass(slots=True)
class _Asked:
    """A person was paged at `at` in this climb, and somebody's answer is awaited."""

    at: datetime
    climb: str
    is_passed: bool = False


@dataclass(slots=True)
class Case:
    """What the timeline says of one incident, entry by entry. Only what falls inside the shift is counted."""

    number: int
    title: str = ""
    service: str | None = None
    priority: str = ""
    policy: str = ""
    alert: str | None = None  # that opened it
    status: Status = Status.TRIGGERED
    owner: str | None = None
    opened_at: datetime | None = None
    opened_by: str | None = None
    acked_at: datetime | None = None
    acked_by: str | None = None
    taken_at: datetime | None = None  # somebody has had it since; None: nobody has
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    is_touched: bool = False
    paged: dict[str, None] = field(default_factory=dict)  # in order
    rosters: set[str] = field(default_factory=set)  # that its pages came through
    who: set[str] = field(default_factory=set)  # who was paged or acted inside the shift
    deeds: list[Entry] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    asked: dict[str, _Asked] = field(default_factory=dict)
    passed_at: datetime | None = None  # the ladder climbed past somebody, the first time inside the shift

    def take(self, entry: Entry, *, is_inside: bool) -> None:
        """Go on with the story. Entries come in order."""
        if is_inside and entry.kind not in _RECEIPTS:  # They may come in when all is over.
            self.is_touched = True
            self.who |= {entry.by} if entry.by else set()
            if entry.kind in DEEDS and _is_worth_telling(entry):
                self.deeds.append(entry)
        if (read := _READERS.get(entry.kind)) is not None:
            read(self, entry, is_inside)

    def tally(self, person: str) -> Tally:
        return self.tallies.setdefault(person, Tally())


def _is_worth_telling(entry: Entry) -> bool:
    """A recovery says nothing that the line does not say."""
    return entry.kind != "resolved" or bool(entry.facts.get("text") or entry.facts.get("still_failing"))


def _triggered(case: Case, entry: Entry, is_inside: bool) -> None:
    case.title, case.priority = _text(entry, "title"), _text(entry, "priority")
    case.service, case.policy = _text(entry, "service") or None, _text(entry, "policy")
    case.alert = _text(entry, "alert") or None
    case.opened_at, case.opened_by = entry.at, entry.by


def _page_promised(case: Case, entry: Entry, is_inside: bool) -> None:
    person = _text(entry, "person")
    case.paged.setdefault(person)
    if roster := _text(entry, "roster"):
        case.rosters.add(roster)
    if is_inside:
        case.who.add(person)
        case.tally(person).pages += 1
    if _text(entry, "reason") != PageReason.REMINDER:  # A reminder asks the owner, who has answered.
        asked = case.asked.setdefault(person, _Asked(entry.at, _climb(entry)))
        if asked.climb != _climb(entry):  # Asked anew: they may be passed anew. What they owe counts from the first.
            asked.climb, asked.is_passed = _climb(entry), False


def _page_delivered(case: Case, entry: Entry, is_inside: bool) -> None:
    if is_inside and (person := _text(entry, "person")):
        case.tally(person).delivered += 1


def _level_entered(case: Case, entry: Entry, is_inside: bool) -> None:
    """The ladder climbed past everybody whom this climb had asked before."""
    for person, asked in case.asked.items():
        if asked.climb == _text(entry, "climb") and not asked.is_passed:
            asked.is_passed = True
            case.tally(person).passed += is_inside
            if is_inside and case.passed_at is None:
                case.passed_at = entry.at


def _acknowledged(case: Case, entry: Entry, is_inside: bool) -> None:
    case.taken_at = case.taken_at or entry.at
    case.status, case.owner = Status.ACKNOWLEDGED, _text(entry, "owner") or entry.by
    if case.acked_at is None:
        case.acked_at, case.acked_by = entry.at, entry.by
    asked = case.asked.get(entry.by or "")
    if asked is not None and is_inside:
        case.tally(entry.by or "").answers.append(entry.at - asked.at)
    case.asked.clear()


def _ack_counted(case: Case, entry: Entry, is_inside: bool) -> None:
    """One of several who are wanted: they have answered, the others are asked on."""
    if case.acked_at is None:
        case.acked_at, case.acked_by, case.owner = entry.at, entry.by, entry.by
    asked = case.asked.pop(entry.by or "", None)
    if asked is not None and is_inside:
        case.tally(entry.by or "").answers.append(entry.at - asked.at)


def _nobody_has_it(case: Case, entry: Entry, is_inside: bool) -> None:
    case.status, case.owner, case.taken_at = Status.TRIGGERED, None, None
    case.asked.clear()


def _reopened(case: Case, entry: Entry, is_inside: bool) -> None:
    _nobody_has_it(case, entry, is_inside)
    case.resolved_at = case.resolved_by = None


def _reassigned(case: Case, entry: Entry, is_inside: bool) -> None:
    _nobody_has_it(case, entry, is_inside)
    case.owner = _text(entry, "to").removeprefix("person:")


def _resolved(case: Case, entry: Entry, is_inside: bool) -> None:
    case.status, case.resolved_at, case.resolved_by = Status.RESOLVED, entry.at, entry.by
    case.taken_at = None
    case.asked.clear()


def _raised(case: Case, entry: Entry, is_inside: bool) -> None:
    case.priority = _text(entry, "priority")
    if entry.facts.get("breaks_ack"):
        _nobody_has_it(case, entry, is_inside)


def _priority_set(case: Case, entry: Entry, is_inside: bool) -> None:
    case.priority = _text(entry, "priority")


def _text(entry: Entry, name: str) -> str:
    value = entry.facts.get(name)
    return "" if value is None else str(value)


def _climb(entry: Entry) -> str:
    """Of the page's id, `incident/climb/…`."""
    return _text(entry, "page").partition("/")[2].partition("/")[0]


_READERS: Mapping[str, Callable[[Case, Entry, bool], None]] = {
    "triggered": _triggered,
    "page_promised": _page_promised,
    "page_delivered": _page_delivered,
    "level_entered": _level_entered,
    "acknowledged": _acknowledged,
    "ack_counted": _ack_counted,
    "unacknowledged": _nobody_has_it,
    "ack_expired": _nobody_has_it,
    "escalated": _nobody_has_it,
    "reopened": _reopened,
    "reassigned": _reassigned,
    "resolved": _resolved,
    "raised": _raised,
    "priority_set": _priority_set,
}

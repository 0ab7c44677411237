"""Reading the timeline: replaying its entries must give back the state (law 7: the log is the truth)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from opswatch.core.changes import State
from opswatch.core.effects import Entry
from opswatch.core.model import RiskStatus, Stage, Status
from opswatch.core.state import Incident

CHECKPOINT = "checkpoint"
"""The kind of the entry that stands for everything before it, once that was forgotten: its facts are the book then."""

RESOLVED_KEPT = timedelta(days=7)
"""How long a checkpoint remembers what is resolved: longer than anything can be reopened."""


@dataclass(slots=True)
class Line:
    """What the book says of one open incident."""

    status: str
    priority: str
    owner: str | None = None
    service: str | None = None
    alerts: set[str] = field(default_factory=set)
    ended_at: datetime | None = None  # resolved then
    storm: int | None = None  # folded into that one, while it is open
    acks: tuple[str, ...] = ()  # who has acknowledged it
    accepted: tuple[str, ...] = ()  # `pool/person` of reserves who came, sorted


def line_of(incident: Incident) -> Line:
    """The line that the state itself gives."""
    return Line(
        str(incident.status),
        str(incident.priority),
        incident.owner,
        incident.service,
        set(incident.alerts),
        storm=incident.storm,
        acks=incident.acks,
        accepted=tuple(sorted(f"{call.pool}/{person}" for call in incident.pools for person in call.accepted)),
    )


@dataclass(slots=True)
class Book:
    """The state as the timeline tells it: open incidents, what was announced of each alert, what is arranged."""

    incidents: dict[int, Line] = field(default_factory=dict)
    announced: dict[str, str | None] = field(default_factory=dict)
    silences: set[int] = field(default_factory=set)
    overrides: set[int] = field(default_factory=set)
    absences: set[int] = field(default_factory=set)
    covers: set[int] = field(default_factory=set)  # requests that are open
    is_paused: bool = False
    risks: dict[int, str] = field(default_factory=dict)  # those not closed → open or accepted
    papers: dict[int, str] = field(default_factory=dict)  # those not published → their stage

    def arranged(self) -> tuple[object, ...]:
        """All of it but incidents and alerts: to compare two books."""
        rosters = self.overrides, self.absences, self.covers
        return self.silences, *rosters, self.is_paused, self.risks, self.papers

    def open_incidents(self) -> dict[int, Line]:
        return {number: line for number, line in self.incidents.items() if line.status != Status.RESOLVED}


def book_of(state: State) -> Book:
    """The same view, taken from the state itself. Resolved incidents are left out: they leave it after a day."""
    return Book(
        incidents={
            number: line_of(one) for number, one in state.incidents.items() if one.status is not Status.RESOLVED
        },
        announced={key: str(alert.announced) if alert.announced else None for key, alert in state.alerts.items()},
        silences=set(state.silences),
        overrides=set(state.overrides),
        absences=set(state.absences),
        covers={number for number, one in state.covers.items() if one.is_open},
        is_paused=state.standing.paused_until is not None,
        risks={number: str(one.status) for number, one in state.risks.items() if one.status is not RiskStatus.CLOSED},
        papers={number: str(one.stage) for number, one in state.papers.items() if not one.is_published},
    )


def replay(entries: Iterable[Entry], book: Book | None = None) -> Book:
    """The book after these entries, in order. Entries that change nothing of it are passed over."""
    book = book or Book()
    for entry in entries:
        if (read := _READERS.get(entry.kind)) is not None:
            read(book, entry, entry.facts)
    return book


def checkpoint(book: Book, at: datetime) -> dict[str, object]:
    """The book at `at` as facts of an entry, from which `replay` goes on. Incidents long resolved are left out."""
    lines = {
        str(number): asdict(line)
        | {"alerts": sorted(line.alerts), "ended_at": None if line.ended_at is None else line.ended_at.isoformat()}
        for number, line in book.incidents.items()
        if line.ended_at is None or at - line.ended_at < RESOLVED_KEPT
    }
    return {
        "incidents": lines,
        "announced": dict(book.announced),
        "silences": sorted(book.silences),
        "overrides": sorted(book.overrides),
        "absences": sorted(book.absences),
        "covers": sorted(book.covers),
        "is_paused": book.is_paused,
        "risks": {str(number): status for number, status in book.risks.items()},
        "papers": {str(number): stage for number, stage in book.papers.items()},
    }


Facts = Mapping[str, object]


def _resumed(book: Book, entry: Entry, facts: Mapping[str, Any]) -> None:
    """Everything as the checkpoint says. What a later release counts and an older checkpoint lacks is empty."""
    book.incidents = {int(number): _line(line) for number, line in facts.get("incidents", {}).items()}
    book.announced = dict(facts.get("announced", {}))
    book.silences = set(facts.get("silences", ()))
    book.overrides = set(facts.get("overrides", ()))
    book.absences = set(facts.get("absences", ()))
    book.covers = set(facts.get("covers", ()))
    book.is_paused = bool(facts.get("is_paused"))
    book.risks = {int(number): str(status) for number, status in facts.get("risks", {}).items()}
    book.papers = {int(number): str(stage) for number, stage in facts.get("papers", {}).items()}


def _line(facts: Mapping[str, Any]) -> Line:
    ended = facts["ended_at"]
    return Line(
        facts["status"],
        facts["priority"],
        facts["owner"],
        facts["service"],
        set(facts["alerts"]),
        None if ended is None else datetime.fromisoformat(ended),
        facts.get("storm"),
        tuple(facts.get("acks", ())),
        tuple(facts.get("accepted", ())),
    )


def _text(facts: Facts, name: str) -> str | None:
    value = facts.get(name)
    return None if value is None else str(value)


def _triggered(book: Book, entry: Entry, facts: Facts) -> None:
    line = Line(Status.TRIGGERED, str(facts["priority"]), None, _text(facts, "service"), storm=_storm(facts))
    book.incidents[entry.incident or 0] = line
    _joined(book, entry, facts)


def _storm(facts: Facts) -> int | None:
    return None if facts.get("storm") is None else _number(facts, "storm")


def _folded(book: Book, entry: Entry, facts: Facts) -> None:
    book.incidents[entry.incident or 0].storm = _storm(facts) if entry.kind == "folded" else None


def _widened(book: Book, entry: Entry, facts: Facts) -> None:
    book.incidents[entry.incident or 0].service = None


def _joined(book: Book, entry: Entry, facts: Facts) -> None:
    if (key := _text(facts, "alert")) is not None:
        book.incidents[entry.incident or 0].alerts.add(key)
        book.announced[key] = _text(facts, "state")


def _fired(book: Book, entry: Entry, facts: Facts) -> None:
    book.announced[str(facts["alert"])] = None


def _announced(book: Book, entry: Entry, facts: Facts) -> None:
    book.announced[str(facts["alert"])] = _text(facts, "state")


def _ended(book: Book, entry: Entry, facts: Facts) -> None:
    key = str(facts["alert"])
    book.announced.pop(key, None)
    if (line := book.incidents.get(entry.incident or 0)) is not None:
        line.alerts.discard(key)


def _left(book: Book, entry: Entry, facts: Facts) -> None:
    book.incidents[entry.incident or 0].alerts.discard(str(facts["alert"]))


def _acknowledged(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    line.status, line.owner, line.ended_at = Status.ACKNOWLEDGED, _text(facts, "owner") or entry.by, None
    line.acks = tuple(dict.fromkeys((*line.acks, entry.by or "")))


def _ack_counted(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    line.acks = (*line.acks, entry.by or "")
    line.owner = line.acks[0]


def _nobody_has_it(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    line.status, line.owner, line.ended_at = Status.TRIGGERED, _text(facts, "owner"), None
    left = facts.get("acks")
    line.acks = tuple(map(str, left)) if isinstance(left, (list, tuple)) else ()


def _reopened(book: Book, entry: Entry, facts: Facts) -> None:
    _nobody_has_it(book, entry, facts)
    book.incidents[entry.incident or 0].accepted = ()


def _reserve(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    who = f"{facts['pool']}/{entry.by}"
    others = {name for name in line.accepted if name != who}
    line.accepted = tuple(sorted(others | {who} if entry.kind == "accepted" else others))


def _reassigned(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    line.acks = ()
    line.status, line.owner = Status.TRIGGERED, str(facts["to"]).removeprefix("person:")


def _resolved(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    line.status, line.ended_at = Status.RESOLVED, entry.at


def _merged(book: Book, entry: Entry, facts: Facts) -> None:
    line = book.incidents[entry.incident or 0]
    book.incidents[_number(facts, "into")].alerts |= line.alerts
    line.alerts = set()
    _resolved(book, entry, facts)


def _raised(book: Book, entry: Entry, facts: Facts) -> None:
    book.incidents[entry.incident or 0].priority = str(facts["priority"])
    if facts.get("breaks_ack"):
        _nobody_has_it(book, entry, facts)


def _priority_set(book: Book, entry: Entry, facts: Facts) -> None:
    book.incidents[entry.incident or 0].priority = str(facts["priority"])


def _number(facts: Facts, name: str = "id") -> int:
    return int(str(facts[name]))


def _override_removed(book: Book, entry: Entry, facts: Facts) -> None:
    book.overrides.discard(_number(facts))
    kept = facts.get("kept")
    book.overrides.update(int(str(number)) for number in (kept if isinstance(kept, (list, tuple)) else ()))


def _cover_accepted(book: Book, entry: Entry, facts: Facts) -> None:
    if facts.get("whole"):
        book.covers.discard(_number(facts))


def _forgotten(book: Book, entry: Entry, facts: Facts) -> None:
    for name, kept in (("overrides", book.overrides), ("absences", book.absences)):
        gone = facts.get(name)
        kept.difference_update(int(str(number)) for number in (gone if isinstance(gone, (list, tuple)) else ()))


def _paused(book: Book, entry: Entry, facts: Facts) -> None:
    book.is_paused = entry.kind == "paused"


def _risk(book: Book, entry: Entry, facts: Facts) -> None:
    accepted = entry.kind == "risk_accepted"
    book.risks[_number(facts)] = str(RiskStatus.ACCEPTED if accepted else RiskStatus.OPEN)


def _risk_closed(book: Book, entry: Entry, facts: Facts) -> None:
    book.risks.pop(_number(facts), None)


def _paper_owed(book: Book, entry: Entry, facts: Facts) -> None:
    book.papers[entry.incident or 0] = str(Stage.DRAFT)


def _paper_moved(book: Book, entry: Entry, facts: Facts) -> None:
    book.papers[entry.incident or 0] = str(facts["stage"])
    if facts["stage"] == Stage.PUBLISHED:
        del book.papers[entry.incident or 0]


_READERS: Mapping[str, Callable[[Book, Entry, Facts], None]] = {
    CHECKPOINT: _resumed,
    "triggered": _triggered,
    "alert_joined": _joined,
    "alert_left": _left,
    "alert_fired": _fired,
    "alert_announced": _announced,
    "alert_cleared": _ended,
    "announced_ended": _ended,
    "check_removed": _ended,
    "folded": _folded,
    "storm_widened": _widened,
    "unfolded": _folded,
    "acknowledged": _acknowledged,
    "ack_counted": _ack_counted,
    "accepted": _reserve,
    "declined": _reserve,
    "unacknowledged": _nobody_has_it,
    "ack_expired": _nobody_has_it,
    "escalated": _nobody_has_it,
    "reopened": _reopened,
    "reassigned": _reassigned,
    "resolved": _resolved,
    "merged": _merged,
    "raised": _raised,
    "priority_set": _priority_set,
    "silence_added": lambda book, entry, facts: book.silences.add(_number(facts)),
    "silence_expired": lambda book, entry, facts: book.silences.discard(_number(facts)),
    "override_added": lambda book, entry, facts: book.overrides.add(_number(facts)),
    "override_removed": _override_removed,
    "absence_added": lambda book, entry, facts: book.absences.add(_number(facts)),
    "absence_removed": lambda book, entry, facts: book.absences.discard(_number(facts)),
    "cover_asked": lambda book, entry, facts: book.covers.add(_number(facts)),
    "cover_accepted": _cover_accepted,
    "cover_withdrawn": lambda book, entry, facts: book.covers.discard(_number(facts)),
    "cover_expired": lambda book, entry, facts: book.covers.discard(_number(facts)),
    "long_past_forgotten": _forgotten,
    "paused": _paused,
    "unpaused": _paused,
    "risk_added": _risk,
    "risk_accepted": _risk,
    "risk_reopened": _risk,
    "risk_closed": _risk_closed,
    "paper_owed": _paper_owed,
    "paper_moved": _paper_moved,
}

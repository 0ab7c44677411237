"""What a post-mortem knows by itself, read from the timeline: detection, who did what, what the pages did. No words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opswatch.core import limits
from opswatch.core.effects import Entry
from opswatch.core.model import Health
from opswatch.core.plan import Check, Plan
from opswatch.core.state import Incident, Paper

DELIVERED, FAILED, OVERTAKEN, WAITING = "delivered", "failed", "overtaken", "waiting"
DOING = {
    "triggered": "opened",
    "acknowledged": "acknowledged",
    "unacknowledged": "gave_back",
    "escalated": "escalated",
    "reassigned": "reassigned",
    "snoozed": "snoozed",
    "noted": "noted",
    "priority_set": "set_priority",
    "reopened": "reopened",
    "resolved": "resolved",
}
"""What a person did, by the kind of entry that says so."""

QUIET_KINDS = frozenset({"page_promised", "page_delivered", "alert_announced", "paper_reminded", "owner_message"})
"""Entries that its own table tells better: they stand in no post-mortem's timeline."""

TOOK = "took_s"  # how long a look took is kept as a value too
SERIES_MAX = 6
POINTS_MAX = 40  # of one sparkline


@dataclass(frozen=True, slots=True)
class Detection:
    """Which check saw it first. `began_at` is the first bad value of the run that led to it; with `is_estimate` it is
    counted back from the confirmation. None: nobody knows (a person reported it)."""

    check: str | None
    target: str | None
    confirmed_at: datetime | None
    opened_at: datetime
    began_at: datetime | None = None
    is_estimate: bool = False
    reported_by: str | None = None

    @property
    def after(self) -> timedelta | None:
        """How long it had been failing when somebody was told."""
        return None if self.began_at is None else self.opened_at - self.began_at


@dataclass(frozen=True, slots=True)
class Responder:
    """A person in it: what they did, in order, and when they were first paged and how fast they took it."""

    person: str
    did: tuple[str, ...]
    pages: int = 0
    paged_at: datetime | None = None
    answered_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class PageLine:
    """One page: to whom, by which way, and what became of it."""

    page: str
    person: str
    contact: str
    at: datetime
    reason: str
    outcome: str
    after: timedelta | None = None  # delivered so long after the promise
    detail: str = ""  # why it failed
    is_answered: bool = False  # this person took the incident after it, before the ladder started anew


@dataclass(frozen=True, slots=True)
class Value:
    """One value that the failing check saw. `item` is empty for the target as a whole."""

    at: datetime
    name: str
    value: float
    unit: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one name around the incident, oldest first, thinned to what a line shows."""

    name: str
    item: str
    unit: str
    values: tuple[float, ...]
    before: float | None  # the last one before it began
    at_detection: float | None
    worst: float
    last: float
    limit: str = ""  # as the check has it


@dataclass(frozen=True, slots=True)
class PostMortem:
    """All of it. Instants are UTC. `story` are the entries worth reading, in order."""

    incident: Incident
    paper: Paper | None
    detection: Detection
    responders: tuple[Responder, ...]
    pages: tuple[PageLine, ...]
    story: tuple[Entry, ...]
    series: tuple[Series, ...]
    alerts: tuple[str, ...]  # every failure that was part of it
    reopened: int = 0
    playbook: str | None = None
    is_cut: bool = False
    levels: int = 0  # how often the ladder climbed

    @property
    def lasted(self) -> timedelta | None:
        end = self.incident.resolved_at
        return None if end is None else end - self.incident.opened_at

    @property
    def acked_after(self) -> timedelta | None:
        first = self.incident.first_acked_at
        return None if first is None else first - self.incident.opened_at


def post_mortem(
    incident: Incident,
    paper: Paper | None,
    entries: Iterable[Entry],
    plan: Plan,
    *,
    fired: Iterable[Entry] = (),
    values: Sequence[Value] = (),
    is_cut: bool = False,
) -> PostMortem:
    """The post-mortem of `incident` as its timeline's `entries` tell it. `fired` are `alert_fired` entries from around
    its beginning: they belong to no incident yet. `values` are what the failing check saw around it, oldest first."""
    told = list(entries)
    check = plan.checks.get(incident.check or "")
    detection = _detection(incident, told, list(fired), values, check)
    return PostMortem(
        incident=incident,
        paper=paper,
        detection=detection,
        responders=_responders(told),
        pages=_pages(told),
        story=tuple(entry for entry in told if entry.kind not in QUIET_KINDS),
        series=_series(values, detection, check),
        alerts=tuple(dict.fromkeys(_text(entry, "alert") for entry in told if _is_joining(entry))),
        reopened=sum(entry.kind == "reopened" for entry in told),
        playbook=check.playbook if check else None,
        is_cut=is_cut,
        levels=sum(entry.kind == "level_entered" for entry in told),
    )


def first_alert(entries: Iterable[Entry]) -> tuple[str, str] | None:
    """(check, target) of the failure that opened it; None where a person did."""
    for entry in entries:
        if entry.kind == "triggered" and (key := _text(entry, "alert")):
            check, _, rest = key.partition("/")
            return check, rest.partition("/")[0]
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Detection


def _detection(
    incident: Incident, entries: list[Entry], fired: list[Entry], values: Sequence[Value], check: Check | None
) -> Detection:
    opened = next((entry for entry in entries if entry.kind == "triggered"), None)
    key = _text(opened, "alert") if opened else ""
    if not key:
        return Detection(None, None, None, incident.opened_at, reported_by=opened.by if opened else None)
    name, _, rest = key.partition("/")
    target, _, item = rest.partition("/")
    own = [entry.at for entry in fired if _text(entry, "alert") == key and entry.at <= incident.opened_at]
    confirmed = max(own, default=incident.opened_at)
    found = Detection(name, target, confirmed, incident.opened_at)
    if check is None:
        return found
    if (began := began_at(check, values, confirmed, item)) is not None:
        return replace(found, began_at=began)
    spacing = check.retry or check.every
    if spacing is not None and check.confirm > 1:
        return replace(found, began_at=confirmed - spacing * (check.confirm - 1), is_estimate=True)
    return replace(found, began_at=confirmed)


def began_at(check: Check, values: Sequence[Value], confirmed: datetime, item: str = "") -> datetime | None:
    """The first value of the unbroken run of bad ones that ends at the confirmation; None where no limit of the check
    explains it."""
    began: datetime | None = None
    for name, limit in check.limits.items():
        if limit.warn is None and limit.crit is None:
            continue
        run: datetime | None = None
        for value in values:
            if value.name != name or value.at > confirmed or (item and value.item != item):
                continue
            is_bad = limits.judge(limit, value.value) is not Health.OK
            run = (run or value.at) if is_bad else None
        if run is not None and (began is None or run < began):
            began = run
    return began


# ---------------------------------------------------------------------------------------------------------------------
# People and pages


@dataclass(slots=True)
class _Part:
    did: dict[str, None] = field(default_factory=dict)
    pages: int = 0
    paged_at: datetime | None = None
    answered_after: timedelta | None = None


def _responders(entries: Iterable[Entry]) -> tuple[Responder, ...]:
    """In the order in which they came in."""
    parts: dict[str, _Part] = {}
    for entry in entries:
        if entry.kind == "page_promised":
            part = parts.setdefault(_text(entry, "person"), _Part())
            part.pages += 1
            part.paged_at = part.paged_at or entry.at
        elif entry.by and entry.kind in DOING:
            part = parts.setdefault(entry.by, _Part())
            part.did.setdefault(DOING[entry.kind])
            if entry.kind == "acknowledged" and part.answered_after is None and part.paged_at is not None:
                part.answered_after = entry.at - part.paged_at
    return tuple(
        Responder(person, tuple(part.did), part.pages, part.paged_at, part.answered_after)
        for person, part in parts.items()
    )


def _pages(entries: Iterable[Entry]) -> tuple[PageLine, ...]:
    """What became of each page, in the order of the promises. One that nothing is known of when the incident was taken
    or ended was overtaken: nobody needed it any more."""
    lines: dict[str, PageLine] = {}
    for entry in entries:
        page = _text(entry, "page")
        match entry.kind:
            case "page_promised":
                person, contact = _text(entry, "person"), _text(entry, "contact")
                lines[page] = PageLine(page, person, contact, entry.at, _text(entry, "reason"), WAITING)
            case "page_delivered" if page in lines:
                took = entry.facts.get("took_s")
                after = timedelta(seconds=took) if isinstance(took, (int, float)) else entry.at - lines[page].at
                lines[page] = replace(lines[page], outcome=DELIVERED, after=after)
            case "page_failed" if page in lines and lines[page].outcome != DELIVERED:
                outcome = FAILED if entry.facts.get("permanent") else WAITING
                lines[page] = replace(lines[page], outcome=outcome, detail=_text(entry, "reason"))
            case "acknowledged" | "resolved":
                lines = {name: _taken(line, entry) for name, line in lines.items()}
    return tuple(lines.values())


def _taken(line: PageLine, entry: Entry) -> PageLine:
    if line.outcome == WAITING:
        line = replace(line, outcome=OVERTAKEN)
    is_theirs = entry.kind == "acknowledged" and line.person == entry.by
    return replace(line, is_answered=line.is_answered or is_theirs)


# ---------------------------------------------------------------------------------------------------------------------
# Values


def _series(values: Sequence[Value], detection: Detection, check: Check | None) -> tuple[Series, ...]:
    """Those that have a limit first, then the others; each thinned. How long looks took only where nothing else is
    known."""
    groups: dict[tuple[str, str], list[Value]] = {}
    for value in values:
        groups.setdefault((value.name, value.item), []).append(value)
    limited = check.limits if check else {}
    if TOOK not in limited and any(name != TOOK for name, _ in groups):
        groups = {key: found for key, found in groups.items() if key[0] != TOOK}
    ranked = sorted(groups, key=lambda key: (key[0] not in limited, key))
    return tuple(_one_series(groups[key], detection, check) for key in ranked[:SERIES_MAX])


def _one_series(values: list[Value], detection: Detection, check: Check | None) -> Series:
    first = values[0]
    limit = check.limits.get(first.name) if check else None
    began = detection.began_at or detection.opened_at
    before = [value.value for value in values if value.at < began]
    until = [value.value for value in values if value.at <= detection.opened_at]
    numbers = [value.value for value in values]
    text = (limit.crit or limit.warn or "") if limit else ""
    lower_is_worse = text.lstrip().startswith("<")
    return Series(
        name=first.name,
        item=first.item,
        unit=first.unit,
        values=thinned(numbers, POINTS_MAX, least=lower_is_worse),
        before=before[-1] if before else None,
        at_detection=until[-1] if until else None,
        worst=min(numbers) if lower_is_worse else max(numbers),
        last=numbers[-1],
        limit=text,
    )


def thinned(numbers: Sequence[float], count_max: int, *, least: bool = False) -> tuple[float, ...]:
    """At most `count_max` numbers: of each stretch its largest (with `least` its smallest), so that no peak is lost."""
    if len(numbers) <= count_max:
        return tuple(numbers)
    size = len(numbers) / count_max
    stretches = (numbers[int(n * size) : max(int((n + 1) * size), int(n * size) + 1)] for n in range(count_max))
    return tuple(min(stretch) if least else max(stretch) for stretch in stretches)


def _is_joining(entry: Entry) -> bool:
    return entry.kind in ("triggered", "alert_joined") and bool(_text(entry, "alert"))


def _text(entry: Entry | None, name: str) -> str:
    facts: Mapping[str, object] = entry.facts if entry else {}
    value = facts.get(name)
    return "" if value is None else str(value)

"""The rotation review: how duty went over a week or a month, from the timeline, as a value. No words.

What counts when: an incident is *opened* in the span in which it was triggered, *acknowledged* in the span of its first
acknowledgement, *resolved* in the span of its last resolution; so every one counts exactly once, and weeks add up. It
counts under the priority it had when the span ended. Spans of time are from the triggering.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from opswatch.core import calendars, noise
from opswatch.core.duties import Span
from opswatch.core.dutycase import DEEDS, PAGES, Case
from opswatch.core.dutylog import NotMonitored, not_monitored
from opswatch.core.effects import Entry
from opswatch.core.load import Load, loads_of
from opswatch.core.model import Priority, Status
from opswatch.core.noise import NoisyCheck, Told
from opswatch.core.plan import Plan
from opswatch.core.promises import Broken, broken
from opswatch.core.roster import Rosters
from opswatch.core.speed import Speed, rank, speed
from opswatch.core.staffing import Day, outlook
from opswatch.core.state import Held, Override, Silence

__all__ = ["HISTORY_KINDS", "KINDS", "Figures", "Overdue", "Review", "figures_of", "review", "span_of"]

LIFE = frozenset({"triggered", "acknowledged", "resolved", "reopened", "raised", "priority_set"})
HISTORY_KINDS = LIFE
"""Kinds that the spans before are read for."""
KINDS = (
    LIFE
    | DEEDS
    | PAGES
    | {"alert_fired", "alert_cleared", "announced_ended", "alert_joined", "message_failed", "node_started"}
    | {"duty_note", "sla_breached"}
)
"""Kinds that the span itself is read for."""

BEFORE = {"week": 4, "month": 3}
"""How many spans before are compared with."""
SILENCE_OLD = timedelta(days=7)
ACK_OLD = timedelta(days=1)
"""Who took something this long ago, and is not done, may have forgotten it."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figures:
    """One priority in one span. `unanswered` were resolved without anybody having acknowledged them."""

    priority: Priority
    opened: int
    acked: Speed
    resolved: Speed
    unanswered: int


@dataclass(frozen=True, slots=True)
class Before:
    """The same figures of an earlier span."""

    name: str
    start: datetime
    end: datetime
    figures: tuple[Figures, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """The ladder climbed past people, since `since`. `ended`: nobody on any level answered. Who acknowledged it after
    that, in the span, and when; None: nobody."""

    number: int
    title: str
    priority: str
    since: datetime
    passed: tuple[str, ...]
    ended: bool
    acked_at: datetime | None
    acked_by: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way out. Latency is from the promise of a page to its receipt; failures are attempts, of pages and of other
    messages; `given_up` ended a way for good."""

    channel: str
    delivered: int
    median: timedelta | None
    p95: timedelta | None
    failed: int
    given_up: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody was, or will be, on call for a roster in [start, end), where it `covers`. `fallback`: who is paged."""

    roster: str
    start: datetime
    end: datetime
    fallback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overdue:
    """A post-mortem, a short review or a risk whose date is over. `kind`: `postmortem`, `review` or `risk`."""

    kind: str
    number: int
    title: str
    owner: str | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """An incident that was open when the span ended (or is, while it runs). `acked_at`: somebody has had it since;
    None: nobody has it, or it was handed to somebody who has not taken it."""

    number: int
    title: str
    priority: str
    opened_at: datetime | None
    owner: str | None
    acked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What one review says of [start, end), UTC; its days are local to `zone`. `until`: how far it is known, earlier
    than `end` while the span runs. Silences, what is overdue and the days ahead are as of `at`."""

    kind: str  # week | month
    name: str  # 2026-W47, 2026-11
    zone: str
    start: datetime
    end: datetime
    until: datetime
    at: datetime
    figures: tuple[Figures, ...]
    before: tuple[Before, ...]  # oldest first
    days: tuple[tuple[date, tuple[int, ...]], ...]  # incidents opened on each local day, P0 to P3
    people: tuple[Load, ...]
    told: tuple[Told, ...]  # incidents that paged anybody, worst first
    noisy: tuple[NoisyCheck, ...]
    missed: tuple[Missed, ...]
    deliveries: tuple[Delivery, ...]
    gaps: tuple[Gap, ...]
    gaps_ahead: tuple[Gap, ...]
    silences: tuple[Silence, ...]  # in force for longer than a week
    open: tuple[Open, ...]
    overdue: tuple[Overdue, ...]
    ahead: tuple[Day, ...]
    not_monitored: tuple[NotMonitored, ...]
    known_since: datetime | None = None  # the timeline begins later than the span
    broken: tuple[Broken, ...] = ()  # promises, P0 to P3
    held: Mapping[int, int] = field(default_factory=dict)  # alerts that each of `silences` has held back so far
    is_observing: bool = False
    is_cut: bool = False  # more happened than was read

    @property
    def is_over(self) -> bool:
        return self.until >= self.end

    @property
    def pages(self) -> int:
        return sum(load.pages for load in self.people)

    @property
    def forgotten(self) -> tuple[Open, ...]:
        """What somebody has had for longer than a day, the longest first."""
        old = [one for one in self.open if one.acked_at is not None and self.until - one.acked_at > ACK_OLD]
        return tuple(sorted(old, key=lambda one: (one.acked_at or self.until, one.number)))

    @property
    def opened(self) -> int:
        return sum(one.opened for one in self.figures)


def span_of(kind: str, at: datetime, zone: str) -> Span:
    """The local week (from Monday) or month of `zone` that covers `at`. ValueError for another kind."""
    day = calendars.reading(at, zone).date()
    if kind == "week":
        first = day - _DAY * day.weekday()
        last = first + 7 * _DAY
    elif kind == "month":
        first = day.replace(day=1)
        last = (first + 32 * _DAY).replace(day=1)
    else:
        raise ValueError(f"{kind!r} is no span of a review: write 'week' or 'month'")
    return _midnight(first, zone), _midnight(last, zone)


def name_of(kind: str, start: datetime, zone: str) -> str:
    """`2026-W47`, `2026-11`: the review's file, without its ending."""
    day = calendars.reading(start, zone).date()
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}" if kind == "week" else f"{day:%Y-%m}"


def spans_before(kind: str, start: datetime, zone: str) -> list[Span]:
    """The spans that a review compares with, oldest first."""
    found: list[Span] = []
    for _ in range(BEFORE[kind]):
        found.append(span_of(kind, (found[-1][0] if found else start) - timedelta(hours=1), zone))
    return found[::-1]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a review is made of. `entries` are those of the span, `older` the whole earlier stories of incidents that
    were touched in it or open at its end; `history` the entries of the spans before, with the stories of incidents that
    began before those; all in order. `begun` are instants and priorities of incidents triggered in the last weeks,
    for the outlook, known from `known_since` on. `after` are `node_started` entries that follow."""

    entries: Sequence[Entry]
    older: Sequence[Entry] = ()
    history: Sequence[Entry] = ()
    begun: Sequence[tuple[datetime, str]] = ()
    known_since: datetime | None = None
    after: Sequence[Entry] = ()
    silences: Sequence[Silence] = ()
    held: Mapping[str, Held] = field(default_factory=dict)  # what quiet holds back, see core.held
    overrides: Sequence[Override] = ()
    overdue: Sequence[Overdue] = ()
    is_cut: bool = False


def review(facts: Facts, plan: Plan, rosters: Rosters, *, kind: str, start: datetime, now: datetime) -> Review:
    """The review of the span of that kind that begins at `start`, as known at `now`. ValueError for another kind."""
    zone = plan.timezone
    start, end = span_of(kind, start, zone)
    until = min(now, end)
    inside = [entry for entry in facts.entries if start <= entry.at < end and entry.kind in KINDS]
    cases = _cases(facts.older, inside)
    told = noise.told(cases.values(), [*facts.older, *inside])
    silences = tuple(one for one in facts.silences if now - one.starts_at > SILENCE_OLD)
    loads, asleep = loads_of(inside, cases.values(), told, plan, rosters, facts.overrides, (start, until))
    return Review(
        kind=kind,
        name=name_of(kind, start, zone),
        zone=zone,
        start=start,
        end=end,
        until=until,
        at=now,
        figures=figures_of(cases.values(), plan, start, end),
        before=_before(facts, plan, kind, spans_before(kind, start, zone)),
        days=_days(cases.values(), zone, start, end),
        people=loads,
        told=told,
        noisy=noise.noisiest(inside, told, asleep, plan),
        missed=_missed(cases.values(), inside),
        deliveries=_deliveries(inside),
        gaps=_gaps(plan, rosters, facts.overrides, start, end),
        gaps_ahead=_gaps(plan, rosters, facts.overrides, end, end + 7 * _DAY),
        silences=silences,
        open=_open(cases.values()),
        overdue=tuple(sorted(facts.overdue, key=lambda one: (one.due_at, one.kind, one.number))),
        ahead=outlook(facts.begun, facts.known_since or start, plan, rosters, facts.overrides, end),
        not_monitored=not_monitored([*inside, *facts.after], start, end),
        known_since=facts.known_since if facts.known_since is not None and facts.known_since > start else None,
        broken=broken(inside),
        held={one.id: _held(facts, one) for one in silences},
        is_observing=plan.mode == "observe",
        is_cut=facts.is_cut,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Figures


def figures_of(cases: Iterable[Case], plan: Plan, start: datetime, end: datetime) -> tuple[Figures, ...]:
    """P0 to P3 in [start, end), from cases as they stood at `end`."""
    opened = dict.fromkeys(Priority, 0)
    unanswered = dict.fromkeys(Priority, 0)
    acked: dict[Priority, list[timedelta]] = {priority: [] for priority in Priority}
    resolved: dict[Priority, list[timedelta]] = {priority: [] for priority in Priority}
    for case in cases:
        if case.opened_at is None or case.priority not in Priority.__members__:
            continue  # Its beginning is not known: it has no age.
        priority = Priority[case.priority]
        opened[priority] += start <= case.opened_at < end
        if case.acked_at is not None and start <= case.acked_at < end:
            acked[priority].append(case.acked_at - case.opened_at)
        if case.resolved_at is not None and start <= case.resolved_at < end:
            resolved[priority].append(case.resolved_at - case.opened_at)
            unanswered[priority] += case.acked_at is None
    return tuple(
        Figures(
            priority,
            opened[priority],
            speed(acked[priority], plan.rule(priority).ack_within),
            speed(resolved[priority], plan.rule(priority).resolve_within),
            unanswered[priority],
        )
        for priority in Priority
    )


def _before(facts: Facts, plan: Plan, kind: str, spans: Sequence[Span]) -> tuple[Before, ...]:
    """Each span as it stood at its own end: what happened to its incidents later is not known there. One in which
    opswatch did not run yet for more than a day says nothing, and is left out."""
    cases: dict[int, Case] = {}
    found: list[Before] = []
    waiting = iter(facts.history)
    entry = next(waiting, None)
    for start, end in spans:
        touched: set[int] = set()
        while entry is not None and entry.at < end:
            if entry.incident:
                cases.setdefault(entry.incident, Case(entry.incident)).take(entry, is_inside=False)
                touched.add(entry.incident)
            entry = next(waiting, None)
        if facts.known_since is not None and facts.known_since > start + _DAY:
            continue
        figures = figures_of((cases[number] for number in touched), plan, start, end)
        found.append(Before(name_of(kind, start, plan.timezone), start, end, figures))
    return tuple(found)


def _cases(older: Iterable[Entry], inside: Iterable[Entry]) -> dict[int, Case]:
    cases: dict[int, Case] = {}
    for entries, is_inside in ((older, False), (inside, True)):
        for entry in entries:
            if entry.incident:
                if (case := cases.get(entry.incident)) is None:
                    case = cases[entry.incident] = Case(entry.incident)
                case.take(entry, is_inside=is_inside)
    return cases


def _days(cases: Iterable[Case], zone: str, start: datetime, end: datetime) -> tuple[tuple[date, tuple[int, ...]], ...]:
    first, last = calendars.reading(start, zone).date(), calendars.reading(end, zone).date()
    counts = {first + _DAY * number: [0] * len(Priority) for number in range((last - first).days)}
    for case in cases:
        if case.opened_at is not None and start <= case.opened_at < end and case.priority in Priority.__members__:
            counts[calendars.reading(case.opened_at, zone).date()][Priority[case.priority]] += 1
    return tuple((day, tuple(of_day)) for day, of_day in counts.items())


# ---------------------------------------------------------------------------------------------------------------------
# What went wrong


def _missed(cases: Iterable[Case], entries: Iterable[Entry]) -> tuple[Missed, ...]:
    acks: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.kind == "acknowledged":
            acks.setdefault(entry.incident or 0, []).append(entry)
    found = []
    for case in cases:
        passed = tuple(person for person, tally in case.tallies.items() if tally.passed)
        ends = [deed.at for deed in case.deeds if deed.kind == "ladder_ended"]
        since = min([*ends, *([case.passed_at] if case.passed_at else [])], default=None)
        if since is not None:
            answer = next((ack for ack in acks.get(case.number, ()) if ack.at >= since), None)
            given = (case.number, case.title, case.priority, since, passed, bool(ends))
            found.append(Missed(*given, answer.at if answer else None, answer.by if answer else None))
    return tuple(sorted(found, key=lambda one: (not one.ended, one.priority, one.number)))


def _deliveries(entries: Iterable[Entry]) -> tuple[Delivery, ...]:
    took: dict[str, list[timedelta]] = {}
    failed: dict[str, int] = {}
    given_up: dict[str, int] = {}
    for entry in entries:
        if entry.kind == "page_delivered":
            seconds = float(str(entry.facts.get("took_s") or 0))
            took.setdefault(str(entry.facts.get("channel")), []).append(timedelta(seconds=seconds))
        elif entry.kind in ("page_failed", "message_failed"):
            channel = str(entry.facts.get("channel"))
            failed[channel] = failed.get(channel, 0) + 1
            given_up[channel] = given_up.get(channel, 0) + bool(entry.facts.get("permanent"))
    found = []
    for channel in sorted({*took, *failed}):
        ranked = sorted(took.get(channel, ()))
        p95 = rank(ranked, 95) if ranked else None
        gone = (failed.get(channel, 0), given_up.get(channel, 0))
        found.append(Delivery(channel, len(ranked), speed(ranked).median, p95, *gone))
    return tuple(sorted(found, key=lambda one: -one.delivered))


def _gaps(
    plan: Plan, rosters: Rosters, overrides: Sequence[Override], start: datetime, end: datetime
) -> tuple[Gap, ...]:
    return tuple(
        Gap(roster, *gap, fallback=rosters.on_call(roster, overrides, gap[0]).people)
        for roster in plan.rosters
        for gap in rosters.gaps(roster, overrides, start, end)
    )


def _open(cases: Iterable[Case]) -> tuple[Open, ...]:
    found = [case for case in cases if case.status is not Status.RESOLVED]
    return tuple(
        Open(case.number, case.title, case.priority, case.opened_at, case.owner, case.taken_at)
        for case in sorted(found, key=lambda case: (case.priority, case.number))
    )


def _held(facts: Facts, silence: Silence) -> int:
    held = facts.held.get(f"silence {silence.id}")
    return held.count if held is not None else 0


def _midnight(day: date, zone: str) -> datetime:
    return calendars.instant(datetime.combine(day, time()), zone)


def trend(review: Review, priority: Priority) -> list[timedelta | None]:
    """Median time to acknowledge of one priority, span by span, this one last."""
    return [*(one.figures[priority].acked.median for one in review.before), review.figures[priority].acked.median]

"""The rotation review of any week or month, as the store tells it: read in bounded slices, decided in the core.

A review of a busy week is more than a second of Python: in the daemon `reviewing.py` makes it in a child process, so
that the pager's threads keep the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from opswatch.core import papers, risks
from opswatch.core import review as reviewing
from opswatch.core.changes import State
from opswatch.core.effects import Entry
from opswatch.core.model import PaperKind, Status
from opswatch.core.plan import Plan
from opswatch.core.review import HISTORY_KINDS, KINDS, Facts, Overdue, Review
from opswatch.core.staffing import WEEKS
from opswatch.core.state import Incident
from opswatch.desk import Desk
from opswatch.stores import Store, Stored

ENTRIES_MAX = 200_000  # of one review, and of each span that it is compared with
OLDER_MAX = 500  # incidents that began before it, told whole
STORY_MAX = 500  # entries of one of those
NODES_MAX = 50
_DAY = timedelta(days=1)


class Reviews:
    """Answers what the review of a week or a month says. Each answer reads the store anew."""

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk, self._store = desk, store

    @property
    def plan(self) -> Plan:
        return self._desk.engine.plan

    def review(self, kind: str, at: datetime, now: datetime) -> Review:
        """The review of the local week or month (`kind`) that covers `at`, as known at `now`. ValueError for another
        kind. A busy week takes seconds."""
        self._desk.refresh()
        with self._desk.looking() as (state, engine):
            plan, rosters = engine.plan, engine.rosters
            silences, overrides = tuple(state.silences.values()), tuple(state.overrides.values())
            held = dict(state.standing.held)
            incidents, overdue = list(state.incidents.values()), _overdue(state, plan, now)
        start, end = reviewing.span_of(kind, at, plan.timezone)
        inside = self._span(start, end, KINDS)
        history = self._history(kind, start, plan.timezone)
        facts = Facts(
            entries=inside,
            older=list(self._older(inside, start, incidents)),
            history=history,
            begun=self._begun(history, inside, end),
            known_since=self._known_since(end),
            after=[one.entry for one in self._read(end, now, frozenset({"node_started"}), NODES_MAX)],
            silences=silences,
            held=held,
            overrides=overrides,
            overdue=[self._titled(one) for one in overdue],
            is_cut=len(inside) >= ENTRIES_MAX,
        )
        return reviewing.review(facts, plan, rosters, kind=kind, start=start, now=now)

    # reading

    def _span(self, start: datetime, end: datetime, kinds: frozenset[str]) -> list[Entry]:
        """Entries of these kinds in [start, end), in order, read a day at a time; at most ENTRIES_MAX."""
        stored: list[Stored] = []
        while start < end and len(stored) < ENTRIES_MAX:
            stored += self._read(start, min(start + _DAY, end), kinds, ENTRIES_MAX - len(stored))
            start += _DAY
        stored.sort(key=lambda one: one.position)  # Clocks of nodes differ a little; positions are the order.
        return [one.entry for one in stored]

    def _read(self, start: datetime, end: datetime, kinds: frozenset[str], limit: int) -> list[Stored]:
        return self._store.timeline(start=start, end=end, kinds=kinds, limit=limit) if start < end else []

    def _history(self, kind: str, start: datetime, zone: str) -> list[Entry]:
        """The spans before, with the stories of incidents that began before even those."""
        spans = reviewing.spans_before(kind, start, zone)
        entries = [entry for span in spans for entry in self._span(*span, HISTORY_KINDS)]
        stories = (self._story(number, spans[0][0], HISTORY_KINDS) for number in _orphans(entries)[:OLDER_MAX])
        return [*(entry for story in stories for entry in story), *entries]

    def _older(self, inside: Iterable[Entry], start: datetime, known: Iterable[Incident]) -> Iterator[Entry]:
        """The earlier stories of incidents that were touched in it, or open at its beginning."""
        touched = _orphans(inside)
        newest = self._store.incidents(include_resolved=True)  # For a span of long ago, what the state has forgotten.
        waiting = {one.number for one in (*known, *newest) if _was_open(one, start)}
        for number in [*touched, *sorted(waiting - set(touched), reverse=True)][:OLDER_MAX]:
            yield from self._story(number, start, KINDS)

    def _story(self, number: int, end: datetime, kinds: frozenset[str]) -> list[Entry]:
        return [one.entry for one in self._store.timeline(incident=number, end=end, kinds=kinds, limit=STORY_MAX)]

    def last(self, kind: str, now: datetime) -> datetime:
        """An instant of the last span of that kind that is over. ValueError for another kind."""
        return reviewing.span_of(kind, now, self.plan.timezone)[0] - timedelta(hours=1)

    def _begun(self, history: Iterable[Entry], inside: Iterable[Entry], end: datetime) -> list[tuple[datetime, str]]:
        """When incidents of the last eight weeks were triggered, and how bad they were then."""
        since = end - _DAY * 7 * WEEKS
        known = [entry for entries in (history, inside) for entry in entries if entry.kind == "triggered"]
        first = min((entry.at for entry in known), default=end)
        known += self._span(since, first, frozenset({"triggered"}))
        return [(entry.at, str(entry.facts.get("priority"))) for entry in known if entry.at >= since]

    def _titled(self, one: Overdue) -> Overdue:
        """With the title of its incident, where the state has forgotten that."""
        incident = None if one.title or one.kind == "risk" else self._store.incident(one.number)
        return one if incident is None else replace(one, title=incident.title)

    def _known_since(self, end: datetime) -> datetime:
        """When anything was first written down."""
        first = self._store.timeline(limit=1)
        return first[0].entry.at if first else end


def _overdue(state: State, plan: Plan, now: datetime) -> list[Overdue]:
    """Papers and risks whose time is over."""
    known = state.incidents
    late = [paper for paper in state.papers.values() if papers.is_overdue(paper, now)]
    found = [
        Overdue(
            "review" if paper.kind is PaperKind.REVIEW else "postmortem",
            paper.incident,
            known[paper.incident].title if paper.incident in known else "",
            paper.owner,
            paper.due_at,
        )
        for paper in late
    ]
    for risk in state.risks.values():
        if (since := risks.overdue_at(plan, risk)) is not None and since <= now:
            found.append(Overdue("risk", risk.id, risk.title, risk.owner, since))
    return found


def _orphans(entries: Iterable[Entry]) -> list[int]:
    """Incidents that something happened to, and that were not triggered in these."""
    touched: dict[int, None] = {}
    begun: set[int] = set()
    for entry in entries:
        if entry.incident:
            touched[entry.incident] = None
            if entry.kind == "triggered":
                begun.add(entry.incident)
    return sorted(touched.keys() - begun)


def _was_open(incident: Incident, at: datetime) -> bool:
    """Whether it may have been open at `at`; its own story says exactly."""
    is_over = incident.status is Status.RESOLVED and incident.resolved_at is not None and incident.resolved_at < at
    return incident.opened_at < at and not is_over

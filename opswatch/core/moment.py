"""One moment of deciding: what is known, and what has been decided so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opswatch.core.changes import Draft
from opswatch.core.effects import Announce, Done, Effect, Entry, Notice, Page, Record, Refuse, Update
from opswatch.core.matching import Fullmatch, fullmatch
from opswatch.core.places import Places
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Alert

TEXT_MAX = 4000
SPAN_MAX = timedelta(days=366)
MARKS_MAX = 2_000


def span_trouble(start: datetime, end: datetime) -> str | None:
    """Why nothing can be arranged for [start, end): the key of a refusal whose facts are the two. None where it can."""
    if start >= end:
        return "span_backwards"
    return "span_too_long" if end - start > SPAN_MAX else None


@dataclass(slots=True)
class Moment:
    """Handed down through one step. The leaves read `plan`, `rosters` and `draft`, and add to `draft` and `effects`;
    nothing outside the step sees either until the desk commits them."""

    plan: Plan
    rosters: Rosters
    draft: Draft
    now: datetime
    regex: Fullmatch = fullmatch
    by_service: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    ended: list[Alert] = field(default_factory=list)  # alerts that ended in this step: others may have waited for it
    places_known: Places | None = None

    @property
    def places(self) -> Places:
        """Where alerts of others belong in this plan."""
        if self.places_known is None:
            self.places_known = Places(self.plan)
        return self.places_known

    def targets_of(self, service: str | None) -> tuple[str, ...]:
        """The ids of a service's targets."""
        return self.by_service.get(service or "", ())

    def record(self, kind: str, *, incident: int | None = None, by: str | None = None, **facts: object) -> None:
        """A line for the timeline. Facts are JSON values; instants are turned into ISO text."""
        self.effects.append(Record(Entry(self.now, kind, incident, by, plain_facts(facts))))

    def note(self, kind: str, incident: int | None, facts: Mapping[str, object]) -> None:
        """Likewise, for the thousands: `facts` are JSON values already."""
        self.effects.append(Record(Entry(self.now, kind, incident, None, facts)))

    def done(self, key: str, **facts: object) -> None:
        self.effects.append(Done(key, facts))

    def refuse(self, key: str, **facts: object) -> None:
        self.effects.append(Refuse(key, facts))

    def serial(self) -> str:
        """Makes the id of a message that may be sent more than once in an incident's life unique."""
        return f"{int(self.now.timestamp() * 1_000_000)}.{len(self.effects)}"

    def once(self, mark: str, until: datetime) -> bool:
        """Whether `mark` (`gap primary 2026-12-01T00:00Z 7d`) is new; from now on it is known, at least until `until`.
        For whatever people are told once, through restarts and by any node."""
        return bool(self.new_of({mark: until}))

    def new_of(self, marks: Mapping[str, datetime]) -> frozenset[str]:
        """As `once`, of many at a time: those that are new."""
        known = self.draft.standing.marks
        new = {mark: until for mark, until in marks.items() if known.get(mark, self.now) <= self.now}
        if not new:
            return frozenset()
        kept = {name: end for name, end in known.items() if end > self.now and name not in new}
        room = max(MARKS_MAX - len(new), 0)
        if len(kept) > room:  # Bounded: what ends first is forgotten first.
            kept = dict(sorted(kept.items(), key=lambda item: item[1])[len(kept) - room :])
        self.draft.standing = replace(self.draft.standing, marks={**kept, **new})
        return frozenset(new)

    def announce(self, channel: str, event: str, incident: int | None = None, **facts: object) -> None:
        self.send(Announce(channel, event, self.serial(), incident, plain_facts(facts)))

    def send(self, message: Page | Update | Notice | Announce) -> None:
        """Promise a message. In observe mode it is decided and recorded, and not sent."""
        if self.plan.mode != "observe":
            self.effects.append(message)


def plain_facts(facts: Mapping[str, object]) -> dict[str, object]:
    """Facts as JSON values, instants as ISO text; what is None is left out."""
    return {name: _plain(value) for name, value in facts.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return plain_facts(value)
    if isinstance(value, (tuple, list, frozenset, set)):
        return [_plain(part) for part in value]
    if isinstance(value, (str, bool)) or value is None:
        return str(value) if isinstance(value, str) else value
    if isinstance(value, (int, float)):
        return value if type(value) in (int, float) else str(value)
    return str(value)

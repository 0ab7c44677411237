"""State and rows: what a change writes, what a load reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry
from opswatch.core.state import (
    Absence,
    Alert,
    Beat,
    Cover,
    Incident,
    Override,
    Paper,
    Posting,
    Risk,
    Silence,
    Standing,
    Watch,
)
from opswatch.stores.codec import EPOCH, decode, decode_facts, encode, from_column, from_us, to_column, to_us
from opswatch.stores.database import Row, Session

K = TypeVar("K", int, str)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kind(Generic[V]):
    """One table of values: `alert_save`, `alert_leave`, `alerts_kept`, `alerts_changed` are its queries."""

    one: str
    many: str
    type: type[V]
    columns: Callable[[V], dict[str, object]] | None = None


def _incident_columns(incident: Incident) -> dict[str, object]:
    return {
        "status": incident.status.value,
        "priority": int(incident.priority),
        "service": None if incident.service is None else to_column(incident.service),
        "opened_at": to_us(incident.opened_at),
        "wake_at": to_us(incident.wake_at),
    }


ALERTS = _Kind("alert", "alerts", Alert)
INCIDENTS = _Kind("incident", "incidents", Incident, _incident_columns)
SILENCES = _Kind("silence", "silences", Silence)
OVERRIDES = _Kind("override", "overrides", Override)
ABSENCES = _Kind("absence", "absences", Absence)
COVERS = _Kind("cover", "covers", Cover)
BEATS = _Kind("beat", "beats", Beat)
RISKS = _Kind("risk", "risks", Risk)
PAPERS = _Kind("paper", "papers", Paper)
WATCHES = _Kind("watch", "watches", Watch)
POSTINGS = _Kind("posting", "postings", Posting)


def write(session: Session, changes: Changes, version: int, writer: str, now: datetime) -> None:
    """Save what is new; mark what has left. The rows of what left stay, so that other nodes learn of it."""
    stamp: dict[str, object] = {"version": version, "now": to_us(now)}
    _write(session, ALERTS, changes.alerts, stamp)
    _write(session, INCIDENTS, changes.incidents, stamp)
    _write(session, SILENCES, changes.silences, stamp)
    _write(session, OVERRIDES, changes.overrides, stamp)
    _write(session, ABSENCES, changes.absences, stamp)
    _write(session, COVERS, changes.covers, stamp)
    _write(session, BEATS, changes.beats, stamp)
    _write(session, RISKS, changes.risks, stamp)
    _write(session, PAPERS, changes.papers, stamp)
    beside: dict[str, object] = {**stamp, "writer": writer}
    _write(session, WATCHES, changes.watches, beside)


def write_beside(session: Session, changes: Changes, version: int, writer: str, now: datetime = EPOCH) -> None:
    """Likewise, for what checks and sources remember. Without `now`, rows of what left may be pruned at the next
    occasion."""
    stamp: dict[str, object] = {"version": version, "now": to_us(now), "writer": writer}
    _write(session, WATCHES, changes.watches, stamp)
    _write(session, POSTINGS, changes.postings, stamp)


def standing(changes: Changes) -> str | None:
    """The document of the single facts, None where they stay as they are."""
    return None if changes.standing is None else encode(changes.standing)


def read(session: Session, head: Row, seen: int, writer: str, state: State) -> Changes:
    """What brings `state`, which stands at version `seen` (-1: nothing), to `head`."""
    changes = Changes(standing=decode(Standing, head["standing"]))
    if seen < 0 or seen < head["pruned_at_version"]:
        changes.alerts = _everything(session, ALERTS, from_column, state.alerts)
        changes.incidents = _everything(session, INCIDENTS, int, state.incidents)
        changes.silences = _everything(session, SILENCES, int, state.silences)
        changes.overrides = _everything(session, OVERRIDES, int, state.overrides)
        changes.absences = _everything(session, ABSENCES, int, state.absences)
        changes.covers = _everything(session, COVERS, int, state.covers)
        changes.beats = _everything(session, BEATS, from_column, state.beats)
        changes.risks = _everything(session, RISKS, int, state.risks)
        changes.papers = _everything(session, PAPERS, int, state.papers)
    else:
        changes.alerts = _since(session, ALERTS, from_column, seen=seen)
        changes.incidents = _since(session, INCIDENTS, int, seen=seen)
        changes.silences = _since(session, SILENCES, int, seen=seen)
        changes.overrides = _since(session, OVERRIDES, int, seen=seen)
        changes.absences = _since(session, ABSENCES, int, seen=seen)
        changes.covers = _since(session, COVERS, int, seen=seen)
        changes.beats = _since(session, BEATS, from_column, seen=seen)
        changes.risks = _since(session, RISKS, int, seen=seen)
        changes.papers = _since(session, PAPERS, int, seen=seen)
    if seen < 0:
        changes.watches = _everything(session, WATCHES, from_column, {})
        changes.postings = _everything(session, POSTINGS, from_column, {})
    else:  # Those that this node has changed but not saved yet are nowhere else: they are never taken away.
        changes.watches = _since(session, WATCHES, from_column, seen=seen, writer=writer)
        changes.postings = postings(session, seen, writer, state)
    return changes


def postings(session: Session, seen: int, writer: str, state: State) -> dict[str, Posting | None]:
    """What sources said to other nodes, where it is news: both halves of a pair may post to a node each."""
    found = _since(session, POSTINGS, from_column, seen=seen, writer=writer)
    return {key: theirs for key, theirs in found.items() if _is_news(theirs, state.postings.get(key))}


def _is_news(theirs: Posting | None, ours: Posting | None) -> bool:
    if ours is None:
        return theirs is not None
    return ours.ended_at is not None if theirs is None else theirs.posted_at > ours.posted_at


def entry_of(row: Row) -> Entry:
    """A line of the timeline, from its row."""
    by = None if row["by_whom"] is None else from_column(row["by_whom"])
    return Entry(from_us(row["at"]), from_column(row["kind"]), row["incident"], by=by, facts=decode_facts(row["facts"]))


# ---------------------------------------------------------------------------------------------------------------------


def _write(session: Session, kind: _Kind[V], values: Mapping[Any, V | None], stamp: Mapping[str, object]) -> None:
    saved, left = [], []
    for key, value in sorted(values.items()):  # Always in one order: two transactions cannot wait for each other.
        place = to_column(key) if isinstance(key, str) else key
        if value is None:
            left.append({**stamp, "id": place})
        elif kind.columns is None:
            saved.append({**stamp, "id": place, "document": encode(value)})
        else:
            saved.append({**stamp, "id": place, "document": encode(value), **kind.columns(value)})
    session.many(f"{kind.one}_save", saved)
    session.many(f"{kind.one}_leave", left)


def _everything(session: Session, kind: _Kind[V], key: Callable[[Any], K], before: Mapping[K, V]) -> dict[K, V | None]:
    """All that is kept, and None for what `before` has and the database no longer keeps."""
    kept: dict[K, V | None] = {
        key(row["id"]): decode(kind.type, row["document"]) for row in session.rows(f"{kind.many}_kept")
    }
    return kept | {gone: None for gone in before if gone not in kept}


def _since(session: Session, kind: _Kind[V], key: Callable[[Any], K], **seen: object) -> dict[K, V | None]:
    return {
        key(row["id"]): decode(kind.type, row["document"]) if row["left_at"] is None else None
        for row in session.rows(f"{kind.many}_changed", **seen)
    }

"""The inbox: alerts of others that were accepted, until they are decided. Their row goes in the decision's commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.errors import AlreadyTaken
from opswatch.stores.codec import from_column, from_us, to_column, to_us
from opswatch.stores.database import Row, Session


@dataclass(frozen=True, slots=True)
class Batch:
    """Alerts that arrived together. `body` is their JSON list, validated at the door. `id` sorts by when it came."""

    id: str
    source: str
    family: str
    at: datetime
    count: int
    body: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is accepted and not decided: rows, alerts, characters of their bodies, and since when the oldest waits."""

    rows: int = 0
    alerts: int = 0
    size: int = 0
    oldest_at: datetime | None = None


def put(session: Session, batches: Sequence[Batch], node: str | None, lease_until: datetime | None) -> None:
    """Accept them: they are safe once the transaction commits. With a `node` they are claimed at once: it has them in
    memory."""
    claim: dict[str, object] = {
        "node": None if node is None else to_column(node),
        "lease_until": None if lease_until is None else to_us(lease_until),
    }
    rows = [
        {
            "id": batch.id,
            "source": to_column(batch.source),
            "family": to_column(batch.family),
            "at": to_us(batch.at),
            "alerts": batch.count,
            "size": len(batch.body),
            **claim,
        }
        for batch in batches
    ]
    session.many("inbox_put", rows)
    session.many("inbox_put_body", [{"id": batch.id, "body": batch.body} for batch in batches])


def claim(session: Session, node: str, now: datetime, lease: timedelta, limit: int) -> list[Batch]:
    """The oldest that nobody decides, in order, this node's until the lease runs out."""
    rows = session.rows(
        "inbox_claim", node=to_column(node), now=to_us(now), lease_until=to_us(now + lease), limit=limit
    )
    return sorted(map(_batch, rows), key=lambda batch: batch.id)


def take(session: Session, batch: str) -> None:
    """Decided, in this transaction. Raises AlreadyTaken when another node has done so."""
    if not session.run("inbox_take", id=batch):
        raise AlreadyTaken(batch)
    session.run("inbox_take_body", id=batch)


def forget(session: Session, batches: Sequence[str]) -> None:
    """Decided before, or nothing followed from it."""
    rows = [{"id": batch} for batch in batches]
    session.many("inbox_take", rows)
    session.many("inbox_take_body", rows)


def release(session: Session, node: str, now: datetime) -> int:
    """A node that comes up again decides at once what it had claimed before it died."""
    return session.run("inbox_release", node=to_column(node), now=to_us(now))


def waiting(session: Session) -> Waiting:
    """How much there is to decide."""
    row = session.rows("inbox_waiting")[0]
    oldest = row["oldest_at"]
    return Waiting(
        int(row["batches"]),
        int(row["alerts"] or 0),
        int(row["size"] or 0),
        None if oldest is None else from_us(oldest),
    )


def _batch(row: Row) -> Batch:
    return Batch(
        row["id"],
        from_column(row["source"]),
        from_column(row["family"]),
        from_us(row["at"]),
        row["alerts"],
        row["body"],
    )

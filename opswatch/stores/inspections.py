"""Runs of inspections: each report kept once, found again by its name or as the last of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opswatch.core.inspection import Report
from opswatch.stores.codec import decode, decode_facts, encode, encode_facts, from_column, from_us, to_column, to_us
from opswatch.stores.database import Row, Session

KEPT = timedelta(days=400)
PRUNE_BATCH = 50  # documents of some size


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line of the list of runs. `told_at` is None for somebody's own look; `counts` are lines by health, `changes`
    those new, worse, better or gone."""

    run: str
    inspection: str
    began_at: datetime
    due_at: datetime | None
    told_at: datetime | None
    by: str | None
    counts: Mapping[str, int]
    changes: Mapping[str, int]
    checklist: int = 0
    took_s: float = 0.0


def keep(session: Session, report: Report, told_at: datetime | None) -> bool:
    """Write a report down. False: a run of this name is kept already, and stays as it is."""
    facts = {
        "counts": report.counts(),
        "changes": report.changes(),
        "checklist": len(report.checklist),
        "took_s": round((report.ended_at - report.began_at).total_seconds(), 1),
    }
    written = session.run(
        "inspection_keep",
        id=to_column(report.run),
        inspection=to_column(report.inspection),
        began_at=to_us(report.began_at),
        due_at=None if report.due_at is None else to_us(report.due_at),
        told_at=None if told_at is None else to_us(told_at),
        by_whom=None if report.by is None else to_column(report.by),
        facts=encode_facts(facts),
        document=encode(report),
    )
    return written > 0


def one(session: Session, run: str) -> Report | None:
    """A report by its name."""
    return _report(session.rows("inspection", id=to_column(run)))


def last(session: Session, inspection: str, before: datetime, *, told: bool) -> Report | None:
    """The report to compare with: the newest that began before. `told`: of rounds for everybody only."""
    query = "inspection_last_told" if told else "inspection_last"
    return _report(session.rows(query, inspection=to_column(inspection), before=to_us(before)))


def last_due(session: Session, inspection: str) -> datetime | None:
    """The instant that the newest scheduled run was for."""
    found = session.rows("inspection_last_due", inspection=to_column(inspection))
    return from_us(found[0]["due_at"]) if found else None


def newest(session: Session, inspection: str | None, limit: int) -> list[RunRow]:
    """The newest runs first: of one inspection, or of all."""
    if inspection is None:
        return [_row(row) for row in session.rows("inspections_newest", limit=limit)]
    return [_row(row) for row in session.rows("inspections_newest_of", inspection=to_column(inspection), limit=limit)]


def prune(session: Session, now: datetime) -> int:
    """Forget runs that are over for more than a year; their files stay."""
    return session.run("prune_inspections", before=to_us(now - KEPT), limit=PRUNE_BATCH)


def _report(rows: list[Row]) -> Report | None:
    return decode(Report, rows[0]["document"]) if rows else None


def _row(row: Row) -> RunRow:
    facts: dict[str, Any] = decode_facts(row["facts"])
    return RunRow(
        run=from_column(row["id"]),
        inspection=from_column(row["inspection"]),
        began_at=from_us(row["began_at"]),
        due_at=None if row["due_at"] is None else from_us(row["due_at"]),
        told_at=None if row["told_at"] is None else from_us(row["told_at"]),
        by=None if row["by_whom"] is None else from_column(row["by_whom"]),
        counts=facts.get("counts", {}),
        changes=facts.get("changes", {}),
        checklist=facts.get("checklist", 0),
        took_s=facts.get("took_s", 0.0),
    )

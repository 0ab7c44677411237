"""What is forgotten, and when: ends that everybody has seen, old evidence, and at last the timeline itself.

Everything goes a bounded number of rows at a time, each batch a short transaction of its own, so that a page never
waits for it. The timeline's beginning is folded into one entry, a checkpoint that says what was so at that point:
replaying from it still gives the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from opswatch.core.timeline import checkpoint, replay
from opswatch.stores import inspections
from opswatch.stores.codec import decode_facts, encode_facts, from_us, to_us
from opswatch.stores.database import Database, Row, Session
from opswatch.stores.rows import entry_of

BATCH = 500  # rows per transaction: a few milliseconds
BATCHES_MAX = 40  # per call
ENDS_KEPT = timedelta(days=1)  # a node that was away for longer reads everything again
SILENCES_KEPT = timedelta(hours=120)  # those that have ended are listed for so long, as by Alertmanager
SETTLED_KEPT = timedelta(days=90)
LEASES_KEPT = timedelta(days=7)
EVIDENCE_KEPT = timedelta(days=90)
TIMELINE_KEPT = timedelta(days=1095)
NODES_KEPT = timedelta(days=90)
BEGINNING = -(2**63)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long what is kept."""

    evidence: timedelta = EVIDENCE_KEPT
    timeline: timedelta = TIMELINE_KEPT


class Retention:
    """Called hourly, by any node: two at once do the same, and it comes out the same."""

    def __init__(self, database: Database, write: Callable[[Callable[[Session], int]], int]) -> None:
        self._database, self._write = database, write
        self._without_evidence_until = BEGINNING  # entries before it were looked at by this process

    def prune(self, now: datetime, kept: Kept) -> int:
        """Forget what has been over for long; how many rows went or were shortened. Raises StoreUnavailable."""
        gone = _until_none(lambda: self._write(partial(_forget_ends, now, kept)))
        gone += self._forget_evidence(now - kept.evidence)
        return gone + _until_none(lambda: self._fold(to_us(now - kept.timeline)))

    # evidence

    def _forget_evidence(self, before: datetime) -> int:
        """Entries keep what happened; the lines that proved it go."""
        end, after, shortened = to_us(before), 0, 0
        for _ in range(BATCHES_MAX):
            with self._database.asking() as session:
                span = {"start": self._without_evidence_until, "end": end}
                found = session.rows("evidence_between", after=after, limit=BATCH, **span)
            if not found:
                self._without_evidence_until = max(self._without_evidence_until, end)
                break
            after = found[-1]["position"]
            if bare := list(_without_evidence(found)):
                shortened += self._write(partial(_rewrite, bare))
        return shortened

    # the timeline

    def _fold(self, before: int) -> int:
        """Read without a lock, replace in one transaction. Whoever else folds computes the same from the same."""
        with self._database.asking() as session:
            first = session.rows("timeline_first")
            if not first or first[0]["at"] >= before:
                return 0
            after = first[0]["position"] - 1
            page = session.rows("timeline_after", after=after, kinds="", limit=BATCH)
        old = []
        for row in page:
            if row["at"] >= before:
                break
            old.append(row)
        if len(old) < 2:  # A checkpoint alone has nothing to fold in.
            return 0
        book = replay(entry_of(row) for row in old)
        facts = encode_facts(checkpoint(book, from_us(old[-1]["at"])))
        return self._write(partial(_replace, old[-1]["position"], facts))


def _until_none(batch: Callable[[], int]) -> int:
    """Batch after batch, until one found nothing or it is enough for this time; how many rows went."""
    gone = 0
    for _ in range(BATCHES_MAX):
        went = batch()
        gone += went
        if not went:
            break
    return gone


def _forget_ends(now: datetime, kept: Kept, session: Session) -> int:
    ended, settled = to_us(now - ENDS_KEPT), to_us(now - SETTLED_KEPT)
    history = to_us(now - max(kept.timeline, ENDS_KEPT))
    session.run("head_touch")
    over = ("prune_alerts", "prune_watches", "prune_postings", "prune_beats")
    ends = sum(session.run(query, before=ended, limit=BATCH) for query in over)
    ends += session.run("prune_silences", before=to_us(now - SILENCES_KEPT), limit=BATCH)
    long_over = ("prune_incidents", "prune_overrides", "prune_absences", "prune_covers")
    ends += sum(session.run(query, before=history, limit=BATCH) for query in long_over)
    if ends:
        session.run("prune_mark")
    others = sum(session.run(query, before=settled, limit=BATCH) for query in ("prune_messages", "prune_cards"))
    others += inspections.prune(session, now)
    others += session.run("prune_leases", before=to_us(now - LEASES_KEPT), limit=BATCH)
    return ends + others + session.run("prune_nodes", before=to_us(now - NODES_KEPT))


def _without_evidence(found: Iterable[Row]) -> Iterator[dict[str, object]]:
    for row in found:
        facts = decode_facts(row["facts"])
        if facts.pop("evidence", None) is not None:
            yield {"position": row["position"], "facts": encode_facts(facts)}


def _rewrite(bare: list[dict[str, object]], session: Session) -> int:
    session.many("evidence_forget", bare)
    return len(bare)


def _replace(position: int, facts: str, session: Session) -> int:
    gone = session.run("fold_before", position=position)
    session.run("fold_at", position=position, facts=facts)
    return gone

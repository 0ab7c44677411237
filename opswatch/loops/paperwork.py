"""Post-mortems and hand-overs become files: a draft the moment an incident resolves, a hand-over when a shift ends.

Works inside the loop that keeps the records, on the node that holds their lease. What people write into a post-mortem's
table of actions is read back, and goes to the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from opswatch import logs
from opswatch.core.events import Action, ActionsFound, ShiftEnded
from opswatch.core.handover import Handing
from opswatch.core.state import Paper
from opswatch.desk import Desk
from opswatch.errors import StoreUnavailable
from opswatch.paperwork import HANDOVER, POSTMORTEM, Paperwork
from opswatch.records import Folder, NotOurs
from opswatch.render import paper_form
from opswatch.render.handover import hand_over
from opswatch.render.postmortem import post_mortem
from opswatch.stores import Store

log = logs.get("loops.paperwork")

LATE = timedelta(seconds=10)  # what was decided before the end of a shift is committed by then, on every node
TOO_LATE = timedelta(hours=6)  # a hand-over that old tells nobody anything
PAPERS_MAX = 200  # kept up to date in one turn


@dataclass(slots=True)
class _Written:
    """What a file was made of: while nothing of it changed it is not made again."""

    paper: Paper
    position: int
    actions: tuple[Action, ...] | None = None


class PaperKeeper:
    """`keep` does all that is due now; `is_due` says, cheaply and each second, whether it would do anything at once."""

    def __init__(self, desk: Desk, store: Store, data_dir: Path) -> None:
        self._desk = desk
        self._paperwork = Paperwork(desk, store)
        self._papers = Folder(data_dir, POSTMORTEM)
        self._handovers = Folder(data_dir, HANDOVER)
        self._written: dict[int, _Written] = {}
        self._handed_until: datetime | None = None
        self._next_handing: datetime | None = None
        self._looked_version: int | None = None

    def keep(self, now: datetime) -> None:
        """Write what is new, read what people wrote. Raises StoreUnavailable."""
        self._hand_over(now)
        papers = self._paperwork.kept()
        self._looked_version = self._desk.version
        for paper in sorted(papers, key=lambda paper: paper.due_at)[:PAPERS_MAX]:
            self._tried(f"{POSTMORTEM}/{paper.incident}", lambda paper=paper: self._keep_paper(paper))  # type: ignore[misc]
        kept = {paper.incident for paper in papers}
        self._written = {number: one for number, one in self._written.items() if number in kept}

    def is_due(self, now: datetime) -> bool:
        """Whether a shift has ended, or a paper is owed that has no file yet."""
        if self._next_handing is not None and self._next_handing + LATE <= now:
            return True
        if self._looked_version is None or self._looked_version == self._desk.version:
            return False
        self._looked_version = self._desk.version
        return any(self._is_new(paper) for paper in self._paperwork.kept())

    def forget(self) -> None:
        """Another node writes now."""
        self._written.clear()
        self._handed_until = self._next_handing = self._looked_version = None

    # post-mortems

    def _is_new(self, paper: Paper) -> bool:
        known = self._written.get(paper.incident)
        return known is None or (known.paper.stage, known.paper.opened_at) != (paper.stage, paper.opened_at)

    def _keep_paper(self, paper: Paper) -> None:
        """Bring one file up to date, and take over its actions."""
        name, number = str(paper.incident), paper.incident
        known, position = self._written.get(number), self._paperwork.last_position(number)
        text = self._papers.read(name)
        if known is None or text is None or known.position != position or self._is_new(paper):
            found = self._paperwork.post_mortem(number)
            if found is None:
                return
            if self._papers.write(name, post_mortem(found, self._paperwork.plan)) and text is None:
                log.info("post-mortem drafted", incident=number, owner=paper.owner)
            text = self._papers.read(name) or ""
        actions = paper_form.actions(paper_form.read(text), self._paperwork.plan)
        before = known.actions if known else None
        self._written[number] = _Written(paper, position, actions)
        if actions and actions != before:
            self._desk.apply(ActionsFound(number, actions))

    # hand-overs

    def _hand_over(self, now: datetime) -> None:
        since = self._handed_until or max(now - TOO_LATE, self._paperwork.first_at() or now)
        ended = [one for one in self._paperwork.handings(since - LATE, now) if since < one.at + LATE <= now]
        newest = {one.roster: one for one in ended}  # Of several that were missed only the last still means something.
        for handing in newest.values():
            self._tried(f"{HANDOVER}/{handing.name}", lambda one=handing: self._hand(one, now))  # type: ignore[misc]
        self._handed_until = now
        ahead = self._paperwork.handings(now - LATE, now + timedelta(days=1))
        self._next_handing = min((one.at for one in ahead if one.at + LATE > now), default=None)

    def _hand(self, handing: Handing, now: datetime) -> None:
        if self._handovers.read(handing.name) is None:
            document = hand_over(self._paperwork.hand_over(handing, now), self._paperwork.plan)
            self._handovers.write(handing.name, document)
            log.info("shift handed over", roster=handing.roster, people=",".join(handing.to), file=handing.name)
        self._desk.apply(ShiftEnded(handing.roster, handing.at, handing.people, handing.to, handing.name))

    def _tried(self, file: str, write: Callable[[], None]) -> None:
        """One file's trouble holds up no other; it is tried again within a minute, or by the next daemon."""
        try:
            write()
        except NotOurs as trouble:
            log.warning("record left alone", file=file, reason=str(trouble))
        except OSError as trouble:
            log.error("record not written", file=file, reason=trouble.strerror or str(trouble))
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("record not written", file=file)

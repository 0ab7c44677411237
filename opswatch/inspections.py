"""Reports of inspections as the store has them now, signatures included; and their files under `records`."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from opswatch.core.inspection import Report, Signature
from opswatch.desk import Desk
from opswatch.records import FILE_MODE, Folder
from opswatch.stores import Store
from opswatch.stores.inspections import RunRow as RunRow  # Given out: a door names it from here, and knows no store.

KIND = "inspections"
SIGNED = "inspection_signed"
SIGNATURES_MAX = 10_000


class Reports:
    """Answers which runs there were and what each report says."""

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk, self._store = desk, store

    def rows(self, inspection: str | None = None, limit: int = 50) -> list[RunRow]:
        """The newest runs first: of one inspection, or of all."""
        return self._store.inspections(inspection, limit)

    def unsigned(self) -> dict[str, int]:
        """Run → how many items of its checklist nobody signed yet, of those that may still be signed."""
        self._desk.refresh()
        with self._desk.looking() as (state, _):
            runs = dict(state.standing.runs)
        return {run: signers.count("") for run, signers in runs.items() if "" in signers}

    def report(self, run: str) -> Report | None:
        """A report with what people signed since; None when there is none of this name."""
        found = self._store.inspection(run)
        if found is None or not found.checklist:
            return found
        stored = self._store.timeline(start=found.began_at, kinds=(SIGNED,), limit=SIGNATURES_MAX)
        ours = [one.entry for one in stored if one.entry.facts.get("run") == run]
        return found.signed(
            Signature(int(str(entry.facts["item"])), entry.by or "", entry.at, str(entry.facts.get("text", "")))
            for entry in ours
        )

    def last(self, inspection: str, before: datetime) -> Report | None:
        """The newest report of an inspection that began before, without signatures."""
        return self._store.last_inspection(inspection, before)


@dataclass(frozen=True, slots=True)
class Written:
    """The files of one report."""

    markdown: Path
    html: Path
    json: Path


class Files:
    """`data_dir/records/inspections/2026-11-17-daily.{md,html,json}`. People may write into the Markdown; the other two
    are made anew. OSError passes through; NotOurs says why a file was left alone."""

    def __init__(self, desk: Desk, data_dir: Path) -> None:
        self._desk = desk
        self.folder = Folder(data_dir, KIND)

    def write(self, report: Report) -> Written:
        """Bring the three files of a report up to date."""
        from opswatch.render import inspection_page, inspection_text  # Late: who only asks needs no templates.

        plan = self._desk.engine.plan
        self.folder.write(report.run, inspection_text.markdown(report, plan))
        written = self.of(report.run)
        replace(written.html, inspection_page.page(report, plan))
        replace(written.json, json.dumps(inspection_text.as_json(report), ensure_ascii=False, indent=1) + "\n")
        return written

    def of(self, run: str) -> Written:
        """Where the files of a run are, or would be."""
        markdown = self.folder.file(run)
        return Written(markdown, markdown.parent / f"{run}.html", markdown.parent / f"{run}.json")


def replace(file: Path, text: str) -> None:
    """Put a text in the place of a file in one step: there is the old one or the new one. A link is not followed."""
    fd, name = tempfile.mkstemp(prefix=f".{file.stem[:100]}.", suffix=".new", dir=file.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as out:
            os.fchmod(fd, FILE_MODE)
            out.write(text)
            out.flush()
            os.fsync(fd)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)
        raise

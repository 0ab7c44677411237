"""What happened, as tables for people: a folder of CSV, lines of JSON, or a SQLite file for Datasette.

Never in it: contacts, addresses, tokens, the words of messages. What is in it is read a page at a time.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opswatch.core.model import Status
from opswatch.core.state import Incident
from opswatch.desk import Desk
from opswatch.dutylogs import KIND, DutyLogs, row_of
from opswatch.errors import OpswatchError
from opswatch.stores import Store

Row = Mapping[str, object]

PAGE = 5_000
SPAN_OF_NOTHING = timedelta(days=90)  # where nothing was ever written down: only shifts are told
FILE_MODE = 0o660
FOLDER_MODE = 0o770
FILE_BYTES_MAX = 4 * 1024 * 1024  # of one document
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Table:
    """Its columns with their types, what names a row, and the rows, made while they are taken."""

    name: str
    columns: Mapping[str, type]
    key: tuple[str, ...]
    rows: Iterable[Row]


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows of each table were written where, and of which span."""

    place: Path
    start: datetime
    end: datetime
    rows: Mapping[str, int]


def export(
    desk: Desk,
    store: Store,
    data_dir: Path,
    target: Path,
    now: datetime,
    *,
    start: datetime | None,
    end: datetime | None,
) -> Exported:
    """Write everything of `[start, end)` to `target`: `.db` or `.sqlite` a SQLite file, `.jsonl` one JSON object per
    line, anything else a new folder of CSV. None: from the first thing that was written down, until now. It gets its
    name when it is whole. Raises OpswatchError when something stands there, StoreUnavailable."""
    if target.exists():
        raise OpswatchError(f"{target} exists: name another, or remove it first")
    if not target.absolute().parent.is_dir():
        raise OpswatchError(f"{target.parent} is no folder: make it first")
    end = now if end is None else end
    start = _first(store, end) if start is None else start
    if start >= end:
        raise OpswatchError(f"nothing lies between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC")
    tables = _tables(desk, store, data_dir, start, end, now)
    write = {".db": _as_sqlite, ".sqlite": _as_sqlite, ".jsonl": _as_lines}.get(target.suffix, _as_csv)
    with _unfinished(target.absolute().parent) as room:
        made = room / target.name
        counts = write(made, tables)
        made.chmod(FOLDER_MODE if made.is_dir() else FILE_MODE)
        made.replace(target)
    return Exported(target, start, end, counts)


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def _tables(desk: Desk, store: Store, data_dir: Path, start: datetime, end: datetime, now: datetime) -> list[Table]:
    desk.refresh()
    duties = frozenset(duty.name for duty in DutyLogs(desk, store).between(start, end))
    return [
        Table("incidents", _INCIDENT, ("id",), _incidents(store, start, end)),
        Table("timeline", _ENTRY, ("position",), _timeline(store, start, end)),
        Table("pages", _PAGE, ("id",), _pages(store, start, end)),
        Table("shifts", _SHIFT, ("roster", "start"), _shifts(desk, start, end)),
        Table("duty_logs", _DUTY, ("name",), _duty_logs(desk, store, start, end, now)),
        Table("documents", _DOCUMENT, ("kind", "name"), _documents(data_dir, duties, start, end)),
    ]


_INCIDENT = {"id": int} | dict.fromkeys(("title", "service", "priority", "status", "owner", "opened_at"), str)
_INCIDENT |= dict.fromkeys(("acknowledged_at", "resolved_at", "resolved_by", "why", "policy", "check"), str)
_ENTRY: dict[str, type] = {"position": int, "at": str, "kind": str, "incident": int, "by": str, "facts": str}
_PAGE: dict[str, type] = {"id": str, "kind": str, "incident": int, "person": str, "channel": str, "promised_at": str}
_PAGE |= {"attempts": int, "settled_at": str, "outcome": str, "detail": str}
_SHIFT: dict[str, type] = dict.fromkeys(("roster", "start", "end", "people", "layer", "override"), str)
_DUTY: dict[str, type] = {"name": str, "roster": str, "people": str, "fallback": int, "start": str, "end": str}
_DUTY |= {"closed": int}
_DOCUMENT: dict[str, type] = dict.fromkeys(("kind", "name", "changed_at", "text"), str)


def _incidents(store: Store, start: datetime, end: datetime) -> Iterator[Row]:
    """Those that were open at some time in it."""
    for one in store.each_incident(end):
        if one.status is not Status.RESOLVED or one.resolved_at is None or one.resolved_at >= start:
            yield _incident(one)


def _incident(one: Incident) -> Row:
    return {
        "id": one.number,
        "title": one.title,
        "service": one.service,
        "priority": str(one.priority),
        "status": str(one.status),
        "owner": one.owner,
        "opened_at": _utc(one.opened_at),
        "acknowledged_at": _utc(one.first_acked_at),
        "resolved_at": _utc(one.resolved_at),
        "resolved_by": one.resolved_by,
        "why": one.why,
        "policy": one.policy,
        "check": one.check,
    }


def _timeline(store: Store, start: datetime, end: datetime) -> Iterator[Row]:
    after = 0
    while page := store.timeline(start=start, end=end, after=after, limit=PAGE):
        for one in page:
            entry = one.entry
            yield {
                "position": one.position,
                "at": _utc(entry.at),
                "kind": entry.kind,
                "incident": entry.incident,
                "by": entry.by,
                "facts": json.dumps(dict(entry.facts), ensure_ascii=False, default=str),
            }
        after = page[-1].position


def _pages(store: Store, start: datetime, end: datetime) -> Iterator[Row]:
    for one in store.each_message(start, end):
        yield {
            "id": one.id,
            "kind": one.kind,
            "incident": one.incident,
            "person": one.person,
            "channel": one.channel,
            "promised_at": _utc(one.promised_at),
            "attempts": one.attempts,
            "settled_at": _utc(one.settled_at),
            "outcome": one.outcome,
            "detail": one.detail,
        }


def _shifts(desk: Desk, start: datetime, end: datetime) -> Iterator[Row]:
    with desk.looking() as (state, engine):
        overrides = tuple(state.overrides.values())
    for roster in engine.plan.rosters:
        for shift in engine.rosters.shifts(roster, overrides, start, end):
            yield {
                "roster": roster,
                "start": _utc(shift.start),
                "end": _utc(shift.end),
                "people": " ".join(shift.people),
                "layer": shift.layer,
                "override": None if shift.override is None else str(shift.override),
            }


def _duty_logs(desk: Desk, store: Store, start: datetime, end: datetime, now: datetime) -> Iterator[Row]:
    for duty in DutyLogs(desk, store).between(start, end):
        row = row_of(duty, now)
        yield {
            "name": row.name,
            "roster": row.roster,
            "people": " ".join(row.people),
            "fallback": int(row.fallback),
            "start": _utc(row.start),
            "end": _utc(row.end),
            "closed": int(row.is_over),
        }


def _documents(data_dir: Path, duties: frozenset[str], start: datetime, end: datetime) -> Iterator[Row]:
    """Markdown under `records/`: the logs of these duties, and of other kinds what was last changed in the span."""
    for path in sorted((data_dir / "records").glob("*/*.md")):
        try:
            changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if path.is_symlink() or path.stat().st_size > FILE_BYTES_MAX:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:  # Somebody is just replacing it, or may read what we may not.
            continue
        is_wanted = path.stem in duties if path.parent.name == KIND else start <= changed_at < end
        if is_wanted:
            yield {"kind": path.parent.name, "name": path.stem, "changed_at": _utc(changed_at), "text": text}


# ---------------------------------------------------------------------------------------------------------------------
# Forms


def _as_csv(folder: Path, tables: Iterable[Table]) -> dict[str, int]:
    """With a mark of its encoding: without it spreadsheets show Chinese as noise."""
    folder.mkdir(mode=FOLDER_MODE)
    counts = {}
    for table in tables:
        with (folder / f"{table.name}.csv").open("w", encoding="utf-8-sig", newline="") as out:
            writer = csv.DictWriter(out, list(table.columns))
            writer.writeheader()
            counts[table.name] = 0
            for row in table.rows:
                writer.writerow({name: _cell(value) for name, value in row.items()})
                counts[table.name] += 1
    return counts


def _cell(value: object) -> object:
    """What a spreadsheet would take for a formula is text: alert titles are written by strangers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _as_lines(file: Path, tables: Iterable[Table]) -> dict[str, int]:
    counts = {}
    with file.open("w", encoding="utf-8") as out:
        for table in tables:
            counts[table.name] = 0
            for row in table.rows:
                plain = {**row, "facts": json.loads(str(row["facts"]))} if "facts" in row else dict(row)
                out.write(json.dumps({"table": table.name, **plain}, ensure_ascii=False) + "\n")
                counts[table.name] += 1
    return counts


def _as_sqlite(file: Path, tables: Iterable[Table]) -> dict[str, int]:
    from sqlite_utils import Database  # Late: pluggy, pip's vendored parts and more come with it.

    database = Database(file)
    try:
        for table in tables:
            made = database.table(table.name)
            made.create(dict(table.columns), pk=table.key if len(table.key) > 1 else table.key[0])
            made.insert_all((dict(row) for row in table.rows), batch_size=500, replace=True)
        for name in ("timeline", "pages"):
            database.table(name).add_foreign_key("incident", "incidents", "id")
            database.table(name).create_index(["incident"], if_not_exists=True)
        database.table("documents").enable_fts(["name", "text"], tokenize="unicode61")
        return {table.name: database.table(table.name).count for table in tables}
    finally:
        database.close()


# ---------------------------------------------------------------------------------------------------------------------


def _first(store: Store, end: datetime) -> datetime:
    first = store.timeline(limit=1)
    return first[0].entry.at if first and first[0].entry.at < end else end - SPAN_OF_NOTHING


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    room = Path(tempfile.mkdtemp(prefix=".opswatch-export-", dir=folder))
    try:
        yield room
    except OSError as trouble:
        raise OpswatchError(f"{trouble.filename or folder}: {trouble.strerror or os.strerror(0)}") from trouble
    finally:
        shutil.rmtree(room, ignore_errors=True)

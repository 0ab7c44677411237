"""A whole copy of a store while everybody goes on using it, whether that copy is sound, and the way back.

A copy is always a pair of SQLite files, whichever database it came from: it can be checked, replayed and looked into
on any machine, and put back into either kind of database.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Entry, Record
from opswatch.core.model import Secret
from opswatch.core.timeline import Book, replay
from opswatch.errors import OpswatchError
from opswatch.sim.laws import the_log_is_the_truth
from opswatch.stores.codec import from_us
from opswatch.stores.copying import copy, tables_in, tables_of_a_store
from opswatch.stores.database import Database, NoTables
from opswatch.stores.opening import SAMPLES, Databases, databases, opened, store_over
from opswatch.stores.sql import SqlStore
from opswatch.stores.sqlite import SqliteDatabase

NAME = "opswatch.db"
FILES = (NAME, NAME + SAMPLES)
REPLAY_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a store holds: enough to tell two of them apart, and to say what would be lost. `position` is of the last
    timeline entry; `counts` are rows by table."""

    schema: tuple[str, ...] = ()
    version: int = 0
    position: int = 0
    open_incidents: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever decided in it."""
        return self.position == 0 and self.version == 0


def snapshot(url: Secret | str, folder: Path) -> None:
    """Copy the store at `url` into `FILES` of an existing `folder`: one instant of it, synced to disk. No writer waits
    for it. Raises StoreUnavailable; OpswatchError when the copy cannot be written, or the schema is not this
    release's (PostgreSQL only)."""
    with closing(databases(url, read_only=True, checkpoints=False)) as found:
        if isinstance(found.main, SqliteDatabase) and isinstance(found.samples, SqliteDatabase):
            found.main.copy_to(folder / NAME)
            found.samples.copy_to(folder / (NAME + SAMPLES))
        else:
            _copy_out(found, folder)
    for name in FILES:
        _sync(folder / name)
    _sync(folder)


def fill(url: Secret | str, folder: Path) -> None:
    """Make the PostgreSQL database at `url` hold what the copy in `folder` holds, in one transaction: others see the
    old rows, then the new ones. The copy must have this release's schema. Raises StoreUnavailable."""
    with closing(opened(url)) as store:
        store.migrate()
    main, samples = tables_of_a_store()
    with closing(databases(url)) as target, closing(_copy_in(folder, read_only=True)) as source:
        _refuse_other_schema(target)
        replacing = getattr(target.main, "replacing", None)
        assert replacing is not None, "a SQLite store is put back file by file"
        with replacing() as session:
            session.run("head_touch")
            for database, tables in ((source.main, main), (source.samples, samples)):
                with database.reading() as copied:
                    copy(tables, copied, session)
            session.ring()


def bring_up_to_date(folder: Path) -> list[str]:
    """Migrate the copy in `folder` to this release's schema; the names of the migrations applied."""
    with closing(store_over(_copy_in(folder))) as store:
        applied = store.migrate()
    _leave_log(folder)
    return applied


def examine(folder: Path) -> list[str]:
    """What is wrong with the copy in `folder`: damaged pages, gaps in the timeline, a state that its timeline does not
    tell. Empty when sound. One of an older schema is not replayed before it was brought up to date."""
    with closing(_copy_in(folder, read_only=True)) as found:
        store = store_over(found)
        missing = set(store.missing_migrations())
        problems = [one for one in store.check_integrity() if not any(name in one for name in missing)]
        return problems if problems or missing else untrue(store)


def untrue(store: SqlStore) -> list[str]:
    """Where replaying the timeline gives another state than the one that is stored (law 7); empty when it is so."""
    state, book, after = State(), Book(), 0
    store.load(state)
    while page := store.timeline(after=after, limit=REPLAY_PAGE):
        book, after = replay((one.entry for one in page), book), page[-1].position
    return the_log_is_the_truth(state, (), book)


def shape_of(url: Secret | str) -> Shape:
    """What the store at `url` holds; an empty shape where nobody has made one yet. Raises StoreUnavailable when it
    cannot be read."""
    secret = url if isinstance(url, Secret) else Secret(url)
    kind, _, path = secret.reveal().partition(":")
    if kind == "sqlite" and not Path(path).exists():
        return Shape()
    with closing(databases(secret, read_only=True)) as found:
        try:
            return _shape(found)
        except NoTables:
            return Shape()


def shape_of_copy(folder: Path) -> Shape:
    """What the copy in `folder` holds."""
    return shape_of(f"sqlite:{folder / NAME}")


def unknown_migrations(schema: Iterable[str]) -> list[str]:
    """Those of a schema that this release has never heard of. What only PostgreSQL needed does not count."""
    with closing(opened("sqlite::memory:")) as known:
        ours = set(known.migrate())
    return sorted(name for name in set(schema) - ours if not name.endswith(".postgres"))


def note(url: Secret | str, kind: str, now: datetime, facts: Mapping[str, object]) -> None:
    """Add a line to the timeline of the store at `url`. For a store that nobody else uses. Raises StoreUnavailable."""
    with closing(opened(url)) as store:
        store.load(State())
        store.commit(Changes(), [Record(Entry(now, kind, facts=facts))], now)


def newer_than(url: Secret | str, position: int) -> tuple[int, int]:
    """Timeline entries behind `position`, and how many incidents they tell of."""
    with closing(databases(url, read_only=True)) as found, found.main.asking() as session:
        row = session.rows("timeline_newer", position=position)[0]
    return int(row["entries"]), int(row["incidents"])


# ---------------------------------------------------------------------------------------------------------------------


def _copy_in(folder: Path, *, read_only: bool = False) -> Databases:
    return databases(f"sqlite:{folder / NAME}", read_only=read_only)


def _copy_out(found: Databases, folder: Path) -> None:
    _refuse_other_schema(found)
    with closing(store_over(_copy_in(folder))) as store:
        store.migrate()
    with closing(_copy_in(folder)) as target, found.main.reading() as session:
        for database in (target.main, target.samples):
            with database.writing() as into:
                copy(tables_in(database), session, into)
    _leave_log(folder)


def _leave_log(folder: Path) -> None:
    """A copy is two files, without logs beside them; nobody else has it open."""
    with closing(_copy_in(folder)) as found:
        for database in (found.main, found.samples):
            assert isinstance(database, SqliteDatabase)
            database.leave_log()


def _refuse_other_schema(found: Databases) -> None:
    """Rows are copied by the columns that this release knows: an older or newer schema would lose some."""
    if missing := store_over(found).missing_migrations():
        raise OpswatchError(f"the store lacks {', '.join(missing)}: run opswatch db migrate, then try again")
    with found.main.asking() as session:
        theirs = [str(row["name"]) for row in session.rows("migrations_applied")]
    if unknown := unknown_migrations(theirs):
        raise OpswatchError(f"the store is newer than this opswatch ({', '.join(unknown)}): use its release")


def _shape(found: Databases) -> Shape:
    schema: list[str] = []
    counts: dict[str, int] = {}
    for database, tables in _tables(found):
        with database.reading() as session:
            schema += [str(row["name"]) for row in session.rows("migrations_applied")]
            counts |= {table: session.count(table) for table in tables}
    with found.main.reading() as session:
        head = session.rows("head")[0]
        unresolved = session.rows("incidents_unresolved")[0]["unresolved"]
        ends = session.rows("timeline_ends", since=0)[0]
    first, last = (from_us(ends[name]) if ends["entries"] else None for name in ("first_at", "last_at"))
    return Shape(tuple(sorted(set(schema))), head["version"], head["position"], int(unresolved), first, last, counts)


def _tables(found: Databases) -> list[tuple[Database, list[str]]]:
    """The tables that are there, by the database that has them."""
    if isinstance(found.main, SqliteDatabase):
        return [(database, tables_in(database)) for database in (found.main, found.samples)]
    main, samples = tables_of_a_store()
    return [(found.main, list(found.main.sizes([*main, *samples])))]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A store's rows, carried from one database to another, whichever they are: one text of SQL made both schemas."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from opswatch.stores.database import Session
from opswatch.stores.opening import databases, store_over
from opswatch.stores.sqlite import SqliteDatabase

BATCH = 2_000
OWN_TO_EACH = "migrations_applied"  # each database records what was done to it


def copy(tables: Iterable[str], source: Session, target: Session) -> None:
    """Make each table of `target` hold what `source` has, and nothing else."""
    for table in tables:
        found = source.all_rows(table)
        target.empty(table)
        while batch := list(islice(found.each, BATCH)):
            target.fill(table, found.columns, batch)


def tables_of_a_store() -> tuple[list[str], list[str]]:
    """The tables that this release keeps: of the state, and of the samples. Read from an empty one, so that a migration
    is the only place that names them."""
    found = databases("sqlite::memory:")
    store = store_over(found)
    try:
        store.migrate()
        return tables_in(found.main), tables_in(found.samples)
    finally:
        store.close()


def tables_in(database: object) -> list[str]:
    """Those of a SQLite file that hold what we remember."""
    assert isinstance(database, SqliteDatabase)
    return [name for name in database.tables() if name != OWN_TO_EACH]

"""The schema, brought forward: numbered texts, each in one transaction, recorded in the same transaction.

Several nodes may start at once: recording comes first, so that on PostgreSQL the second waits for the first one's
transaction and then finds it recorded; on SQLite it waits for the write lock. Files may be called
`0007_x.sql`, or `0007_x.sqlite.sql` / `0007_x.postgres.sql` where a dialect needs its own.
"""

from __future__ import annotations

import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from opswatch.errors import Conflict
from opswatch.stores.database import Database, NoTables
from opswatch.stores.named import statements

FOLDER = Path(__file__).parent / "migrations"
_FILE = re.compile(r"(samples_)?(\d{4}_\w+)(?:\.(sqlite|postgres))?\.sql")


def migrate(database: Database, dialect: str, *, samples: bool = False, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing of the main texts (or of the samples'), in order; the names of those applied here.

    A newer schema is left alone: yesterday's release runs on it. Raises StoreUnavailable.
    """
    texts = migrations(dialect, samples=samples, folder=folder)
    done = _recorded(database)
    if not done:
        with suppress(Conflict), database.writing() as session:  # Conflict: another starter made it at the same moment.
            session.run("migrations_table")
    return [name for name, text in texts.items() if name not in done and _apply(database, name, text)]


def migrations(dialect: str, *, samples: bool = False, folder: Path = FOLDER) -> dict[str, str]:
    """Name → text, in order, of those meant for this dialect."""
    texts = {}
    for path in sorted(folder.glob("*.sql")):
        parts = _FILE.fullmatch(path.name)
        assert parts, f"{path.name}: a migration is called NNNN_name.sql"
        if bool(parts.group(1)) == samples and parts.group(3) in (None, dialect):
            texts[path.stem] = path.read_text(encoding="utf-8")
    return texts


def missing(database: Database, dialect: str, *, samples: bool = False) -> list[str]:
    """Migrations this release has and the database has not."""
    done = _recorded(database)
    return [name for name in migrations(dialect, samples=samples) if name not in done]


def _recorded(database: Database) -> set[str]:
    try:
        with database.asking() as session:
            return {row["name"] for row in session.rows("migrations_applied")}
    except NoTables:
        return set()


def _apply(database: Database, name: str, text: str) -> bool:
    digest = sha256(text.encode()).hexdigest()
    with database.writing(patient=True) as session:
        if not session.run("migration_claim", name=name, digest=digest):
            return False
        for statement in statements(text):
            session.raw(statement)
    return True

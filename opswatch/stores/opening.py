"""From an address in the configuration to a store."""

from __future__ import annotations

from dataclasses import dataclass

from opswatch.core.model import Secret
from opswatch.errors import PluginNotFound
from opswatch.stores.database import Database
from opswatch.stores.samples import Samples
from opswatch.stores.sql import SqlStore

SAMPLES = "-samples"  # SQLite keeps them in a file of their own: they never hold the write lock of pages


@dataclass(frozen=True, slots=True)
class Databases:
    """Where a store keeps things: on PostgreSQL both are one."""

    main: Database
    samples: Database
    dialect: str

    def close(self) -> None:
        self.samples.close()
        self.main.close()


def opened(url: Secret | str, *, read_only: bool = False, checkpoints: bool = True) -> SqlStore:
    """See `open_store`."""
    return store_over(databases(url, read_only=read_only, checkpoints=checkpoints))


def databases(url: Secret | str, *, read_only: bool = False, checkpoints: bool = True) -> Databases:
    """The databases at an address; nothing is connected yet. Raises PluginNotFound."""
    secret = url if isinstance(url, Secret) else Secret(url)
    scheme, _, rest = secret.reveal().partition(":")
    if scheme == "sqlite" and rest:
        return _sqlite(rest, read_only=read_only, checkpoints=checkpoints)
    if scheme in ("postgresql", "postgres"):
        return _postgres(secret, read_only=read_only)
    raise PluginNotFound(f"no store for an address that begins with {scheme!r}: {_EXAMPLES}")


def store_over(found: Databases) -> SqlStore:
    """A store over databases that are already at hand; it closes them."""
    return SqlStore(found.main, Samples(found.samples), dialect=found.dialect, samples_database=found.samples)


def _sqlite(path: str, *, read_only: bool, checkpoints: bool) -> Databases:
    from opswatch.stores.sqlite import MEMORY, SqliteDatabase

    database = SqliteDatabase(path, read_only=read_only, checkpoints=checkpoints)
    beside = MEMORY if path == MEMORY else path + SAMPLES
    samples = SqliteDatabase(beside, read_only=read_only, checkpoints=checkpoints, durable=False)
    return Databases(database, samples, "sqlite")


def _postgres(url: Secret, *, read_only: bool) -> Databases:
    try:
        from opswatch.stores.postgres import PostgresDatabase
    except ImportError as error:
        raise PluginNotFound(f"PostgreSQL needs psycopg: pip install 'opswatch[postgres]' ({error})") from error

    database = PostgresDatabase(url, read_only=read_only)
    return Databases(database, database, "postgres")


_EXAMPLES = "write sqlite:var/opswatch.db or postgresql://user@host/database"

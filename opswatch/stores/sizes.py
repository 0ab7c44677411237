"""How much of the disk a store takes, by what it is for. Cheap: nothing is counted."""

from __future__ import annotations

from functools import cache

from opswatch.stores.copying import tables_of_a_store
from opswatch.stores.database import Database
from opswatch.stores.sqlite import SqliteDatabase


def sizes_of(main: Database, samples: Database) -> dict[str, int]:
    """Bytes of `state`, `samples` and `log`; of `free`: what waits within them to be used again; of `room` on their
    disk (not known for PostgreSQL, whose disk may be elsewhere)."""
    if isinstance(main, SqliteDatabase) and isinstance(samples, SqliteDatabase):
        first, second = main.sizes(), samples.sizes()
        return {
            "state": first["file"],
            "samples": second["file"],
            "log": first["log"] + second["log"],
            "free": first["free"] + second["free"],
            "room": first["room"],
        }
    of_state, of_samples = _tables()
    state, values = main.sizes(of_state), samples.sizes(of_samples)
    return {"state": sum(state.values()), "samples": sum(values.values()), "log": 0, "free": 0}


@cache
def _tables() -> tuple[list[str], list[str]]:
    return tables_of_a_store()

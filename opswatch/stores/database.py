"""What a database must be able to do for the store, and the small pool both adapters keep their connections in."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from opswatch.errors import StoreUnavailable

C = TypeVar("C")
Row = Any  # read by column name
NO_TABLES = "has no tables yet: run `opswatch db migrate`, or start the daemon once"


class NoTables(StoreUnavailable):
    """Nobody has migrated this database yet."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table's columns, and its rows one after another. To be taken before the session ends."""

    columns: tuple[str, ...]
    each: Iterator[tuple[object, ...]]


class Session(Protocol):
    """A connection for as long as one transaction, or one question. Queries go by their name in `queries.sql`."""

    def rows(self, query: str, **parameters: object) -> list[Row]: ...

    def run(self, query: str, **parameters: object) -> int:
        """Carry out; how many rows it touched."""
        ...

    def many(self, query: str, batch: Sequence[Mapping[str, object]]) -> None:
        """Carry out once per set of parameters."""
        ...

    def raw(self, statement: str) -> None:
        """One statement of a migration."""
        ...

    def ring(self) -> None:
        """Wake those who wait for a change, once this transaction commits."""
        ...

    def all_rows(self, table: str) -> Rows:
        """Everything in a table of ours, read as it is taken."""
        ...

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add rows, each with a value for every one of `columns`."""
        ...

    def empty(self, table: str) -> None: ...

    def count(self, table: str) -> int: ...


class Database(Protocol):
    """All raise StoreUnavailable; `writing` also Conflict when the database itself chose another transaction."""

    place: str  # for people, no secrets

    def asking(self) -> AbstractContextManager[Session]:
        """One question, outside a transaction."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """Several questions that all see the same instant."""
        ...

    def writing(self, *, patient: bool = False) -> AbstractContextManager[Session]:
        """One transaction: committed at the end, rolled back by an exception. `patient` for migrations."""
        ...

    def wait(self, timeout_s: float, changed: Callable[[], bool]) -> bool:
        """Until `changed` says so (True), or the time is up."""
        ...

    def check_integrity(self) -> list[str]: ...

    def sizes(self, tables: Sequence[str]) -> dict[str, int]:
        """Bytes on disk by part: the file and its log, or each of `tables`."""
        ...

    def give_back(self) -> None:
        """Return to the disk what retention freed, a bounded amount at a time; waits for nobody."""
        ...

    def close(self) -> None: ...


class Pool(Generic[C]):
    """A bounded number of connections, each used by one thread at a time. One that met trouble is not used again."""

    def __init__(
        self,
        make: Callable[[], C],
        dispose: Callable[[C], None],
        *,
        size: int,
        wait_s: float,
        place: str,
        is_alive: Callable[[C], bool] = lambda connection: True,
        keep: bool = False,
    ) -> None:
        self._make, self._dispose, self._is_alive = make, dispose, is_alive
        self._wait_s, self._place, self._keep = wait_s, place, keep
        self._idle: deque[C] = deque()
        self._free = threading.BoundedSemaphore(size)
        self._is_closed = False

    @contextmanager
    def taken(self) -> Iterator[C]:
        """A connection of one's own. Raises StoreUnavailable when all stay busy."""
        if not self._free.acquire(timeout=self._wait_s):
            raise StoreUnavailable(f"{self._place}: all connections have been busy for {self._wait_s:g} s; try again")
        try:
            connection = self._next()
            try:
                yield connection
            except StoreUnavailable:
                self._give_back(connection, usable=self._keep)
                raise
            except BaseException:
                self._give_back(connection, usable=True)
                raise
            self._give_back(connection, usable=True)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what is idle now, and the others as they come back."""
        self._is_closed = True
        while (connection := self._warmest()) is not None:
            self._dispose(connection)

    def _next(self) -> C:
        if self._is_closed:
            raise StoreUnavailable(f"{self._place}: already closed")
        while (connection := self._warmest()) is not None:
            if self._is_alive(connection):
                return connection
            self._dispose(connection)
        return self._make()

    def _warmest(self) -> C | None:
        try:
            return self._idle.pop()
        except IndexError:  # Another thread was quicker; asking first and popping then would race.
            return None

    def _give_back(self, connection: C, *, usable: bool) -> None:
        if usable and not self._is_closed:
            self._idle.append(connection)
        else:
            self._dispose(connection)

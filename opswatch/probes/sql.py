"""A question to an SQL database: one value, or one for each row, against the check's limits.

    [[target]]
    id = "shop-numbers"
    kind = "sql"
    url = "postgresql://reader@db.example.com/shop"

    [[check]]
    id = "stuck-payments"
    probe = "sql"
    targets = ["shop-numbers"]
    every = "5m"
    timeout = "10s"
    limits = { rows = { warn = "> 0", crit = "> 20" }, waits_s = { crit = "> 3600" } }
    [check.args]
    query = '''
    SELECT provider, min(created_at) AS waits FROM payments
    WHERE state = 'pending' AND created_at < now() - interval '15 minutes' GROUP BY provider
    '''
    item = "provider"

Needs `pip install 'opswatch[sql]'` and the database's driver: `opswatch[postgres]`, `opswatch[mysql]`, none for SQLite
(`sqlite:/path`); Oracle (`oracledb`), SQL Server (`pymssql`) and others by their SQLAlchemy URL, without our tests.

`rows` counts the rows. Each column of numbers is a sample of its name, true and false as 1 and 0; the first of them is
`value` too. An instant is told as its age, `NAME_s`: one without a zone needs `timezone`. With `item` each row is an
item; without it the first row speaks for the target, and more rows are only counted. No row is `unknown (no_data)`,
unless all limits are on `rows`. NULL where a limit wants a number is unknown by itself.

One statement that asks, in a read-only transaction, ended by the server at the check's timeout. Give it a role that may
do nothing but SELECT all the same: a function called by a query can do what its role can. `%` and `:` mean nothing
special. A database that does not answer is `unknown`: look at it itself with `postgres` or `mysql`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opswatch.core.model import UnknownReason, Verdict
from opswatch.hosts import CannotSee, sql_query
from opswatch.hosts.evidence import cut, printable, redacted, say_count, say_seconds
from opswatch.hosts.findings import Findings
from opswatch.hosts.sql_statement import one_question
from opswatch.probes import Measure, Task, careful, secrets_of

_OURS = ("rows", "value", "query_s")
_CELL_MAX = 80


def _known_zone(name: str | None) -> str | None:
    if name is not None:
        try:
            ZoneInfo(name)
        except (OSError, ValueError):
            raise ValueError("a time zone such as 'Europe/Berlin'") from None
    return name


class Args(BaseModel):
    """What to ask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Annotated[str, AfterValidator(one_question)] = Field(
        max_length=20_000, description="One statement that asks: SELECT, WITH, VALUES or TABLE"
    )
    item: str | None = Field(None, description="The column that names a row")
    rows_max: int = Field(100, ge=1, le=1000, description="How many rows to fetch; more are told as cut")
    show_rows: int = Field(5, ge=0, le=20, description="How many rows to show as evidence")
    timezone: Annotated[str | None, AfterValidator(_known_zone)] = Field(
        None, description="Zone of instants that name none"
    )


class Look:
    """Asks through SQLAlchemy."""

    kinds: ClassVar[tuple[str, ...]] = ("sql", "postgres", "mysql", "sqlite")
    samples: ClassVar[Mapping[str, Measure]] = {
        "rows": Measure("", "how many rows came back, `rows_max` at most"),
        "value": Measure("", "the first column of numbers, or the first instant's age"),
        "query_s": Measure("s", "time the query took"),
        "*": Measure("", "each column of numbers under its name; the age of an instant in s under `NAME_s`"),
    }

    @careful
    def look(self, task: Task) -> Verdict:
        args: Args = task.args
        url = task.target.url.reveal() if task.target.url else ""
        answer = sql_query.ask(url, args.query, timeout_s=task.timeout_s, rows_max=args.rows_max)
        if not answer.rows and any(name not in ("rows", "query_s") for name in task.limits):
            raise CannotSee(UnknownReason.NO_DATA, "the query gives no row")
        if args.item is not None and args.item.lower() not in [name.lower() for name in answer.columns]:
            told = ", ".join(answer.columns[:10])
            raise CannotSee(UnknownReason.ERROR, f"the query gives no column {args.item!r}: it gives {told}")
        seen = Findings()
        seen.add("rows", len(answer.rows))
        seen.add("query_s", answer.took_s, "s")
        seen.words.append(f"{say_count(len(answer.rows), 'row')} in {say_seconds(answer.took_s)}")
        _look_at_rows(seen, answer, task)
        _miss_nothing(seen, answer, task)
        if answer.is_cut:
            words = f"there are more than {args.rows_max} rows: see rows_max"
            seen.hidden("more rows", words)
        return seen.verdict(task.now)


def _look_at_rows(seen: Findings, answer: sql_query.Rows, task: Task) -> None:
    args: Args = task.args
    names = [name.lower() for name in answer.columns]
    told: set[str] = set()
    for number, row in enumerate(answer.rows):
        cells = dict(zip(names, row, strict=True))
        item = _name(cells.pop(args.item.lower())) if args.item is not None else ""
        words = _say_row(answer.columns, row, task)
        if item in told:  # only counted
            if args.item is not None:
                raise CannotSee(UnknownReason.ERROR, f"two rows have the same {args.item}, {item!r}: group by it")
        else:
            told.add(item)
            _look_at_row(seen, item, cells, task)
            seen.sentences[item] = words
        if number < args.show_rows:
            seen.evidence.append(words)
    if len(answer.rows) == 1 and args.show_rows:
        seen.words.append(seen.evidence[0])


def _look_at_row(seen: Findings, item: str, cells: Mapping[str, Any], task: Task) -> None:
    has_value = False
    for name, cell in cells.items():
        sample = f"{name}_s" if isinstance(cell, datetime) else name
        wanted = {name, f"{name}_s"} | (set() if has_value else {"value"})
        try:
            value = _number(cell, task)
        except ValueError as trouble:
            # NULL tells no type: it is missed only where a limit may have meant it.
            if cell is not None or not wanted.isdisjoint(task.limits):
                seen.hidden(item, f"{name} is {trouble}")
                has_value = True
            continue
        if value is None:
            continue
        unit = "s" if isinstance(cell, datetime | timedelta) else ""
        if not has_value:
            seen.add("value", value, unit, item)
        if sample not in _OURS:
            seen.add(sample, value, unit, item)
        has_value = True


def _miss_nothing(seen: Findings, answer: sql_query.Rows, task: Task) -> None:
    """A limit on what the query does not give would never be judged. Raises CannotSee."""
    if not answer.rows or seen.failures:
        return
    given = {sample.name for sample in seen.samples}
    for name in task.limits:
        if name not in given:
            told = ", ".join(answer.columns[:10])
            raise CannotSee(UnknownReason.ERROR, f"the query gives no number named {name!r}: its columns are {told}")


def _number(cell: object, task: Task) -> float | None:
    """The cell as a number; None for what is none and needs not be. Raises ValueError for what cannot be told."""
    args: Args = task.args
    match cell:
        case None:
            raise ValueError("NULL")
        case bool() | int() | float() | Decimal():
            if not math.isfinite(cell):
                raise ValueError("no finite number")
            return float(cell)
        case datetime():
            if cell.tzinfo is None and args.timezone is None:
                raise ValueError("an instant without a zone: write `timezone`")
            aware = cell if cell.tzinfo is not None else cell.replace(tzinfo=ZoneInfo(args.timezone or "UTC"))
            return (task.now - aware) / timedelta(seconds=1)
        case timedelta():
            return cell / timedelta(seconds=1)
    return None


def _name(cell: object) -> str:
    return cut(printable(str(cell)), 120) or "–"


def _say_row(columns: tuple[str, ...], row: tuple[Any, ...], task: Task) -> str:
    secrets = secrets_of(task)
    return cut(", ".join(_say_cells(columns, row, secrets)), 300)


def _say_cells(columns: tuple[str, ...], row: tuple[Any, ...], secrets: list[str]) -> Iterator[str]:
    for name, cell in zip(columns, row, strict=True):
        if isinstance(cell, bytes | bytearray | memoryview):
            text = f"{len(cell)} bytes"
        elif isinstance(cell, datetime | date | time):
            text = cell.isoformat()
        else:
            text = "NULL" if cell is None else str(cell)[: 4 * _CELL_MAX]
        yield printable(redacted(f"{name} = {cut(text, _CELL_MAX)}", secrets))

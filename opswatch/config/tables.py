"""From TOML to tables: each is read by itself, and every name that was given is noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from opswatch.config import schema
from opswatch.config.problems import KeyPath, Place, Problems, Source
from opswatch.config.reading import Bad, Spot, Table
from opswatch.config.suggest import nearest
from opswatch.core.model import Priority

T = TypeVar("T", bound=Table)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One validated table and where it stands."""

    place: Place
    value: T


@dataclass
class Tables:
    """Every table that is right in itself, and every name that was given, right or not."""

    arrays: dict[str, list[Entry[Any]]] = field(default_factory=dict)
    singles: dict[str, Entry[Any]] = field(default_factory=dict)
    priorities: dict[Priority, Entry[schema.PriorityRule]] = field(default_factory=dict)
    names: dict[str, dict[str, Place]] = field(default_factory=dict)
    raw: dict[tuple[str, KeyPath], Mapping[str, Any]] = field(default_factory=dict)  # resolved, for channels

    def all(self, table: str, model: type[T]) -> list[Entry[T]]:
        """The entries of `[[table]]`."""
        return cast("list[Entry[T]]", self.arrays.get(table, []))

    def one(self, table: str, model: type[T]) -> T:
        """`[table]`, or what holds where it is not written."""
        entry = self.singles.get(table)
        return cast("T", entry.value) if entry else model()

    def known(self, table: str) -> dict[str, Place]:
        """Every id given in `[[table]]`, also of those entries that have mistakes."""
        return self.names.get(table, {})


def read_tables(sources: list[tuple[Source, Mapping[str, Any]]], problems: Problems) -> Tables:
    """Validate each table of each file by itself. The first file may hold every table, the others only `[[check]]`."""
    tables = Tables()
    for number, (source, document) in enumerate(sources):
        for name, value in document.items():
            if number > 0 and name != "check":
                problems.add(source.place(name), "check files hold [[check]] tables only", suggestion="check", seen="")
            elif name in schema.ARRAYS:
                _read_array(tables, source, name, value, problems)
            elif name in schema.TABLES:
                _read_single(tables, source, name, value, problems)
            elif name == "priority":
                _read_priorities(tables, source, value, problems)
            else:
                known = [*schema.ARRAYS, *schema.TABLES, "priority"]
                words = f"unknown table; known are {', '.join(sorted(known))}"
                problems.add(source.place(name), words, suggestion=nearest(name, known), seen="")
    return tables


def _read_array(tables: Tables, source: Source, name: str, value: Any, problems: Problems) -> None:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        problems.add(source.place(name), f"a list of tables: write [[{name}]]", seen="")
        return
    for index, item in enumerate(value):
        place = source.place(name, index)
        _note_name(tables, name, item.get("id"), place, problems)
        if name == "channel":
            tables.raw[source.shown, place.path] = item
            item = {key: part for key, part in item.items() if key in schema.Channel.KEYS}
        checked = _read(schema.ARRAYS[name], item, place, problems)
        if checked is not None:
            tables.arrays.setdefault(name, []).append(Entry(place, checked))


def _note_name(tables: Tables, table: str, name: Any, place: Place, problems: Problems) -> None:
    if table not in schema.NAMED or not isinstance(name, str):
        return
    names = tables.names.setdefault(table, {})
    if name in names:
        from opswatch.config import lines

        first = names[name].source
        line, _ = lines.position(lines.positions(first.data), names[name].path)
        problems.add(place.at("id"), f"a name of its own: {first.shown}:{line} has it already")
    names.setdefault(name, place)


def _read_single(tables: Tables, source: Source, name: str, value: Any, problems: Problems) -> None:
    place = source.place(name)
    if not isinstance(value, dict):
        problems.add(place, f"a table: write [{name}]", seen="")
    elif (checked := _read(schema.TABLES[name], value, place, problems)) is not None:
        tables.singles[name] = Entry(place, checked)


def _read_priorities(tables: Tables, source: Source, value: Any, problems: Problems) -> None:
    place = source.place("priority")
    if not isinstance(value, dict):
        problems.add(place, "a table per priority: write [priority.P0]", seen="")
        return
    for name, item in value.items():
        if name not in Priority.__members__:
            problems.add(
                place.at(name), "one of P0, P1, P2, P3", suggestion=nearest(name, Priority.__members__), seen=""
            )
        elif not isinstance(item, dict):
            problems.add(place.at(name), f"a table: write [priority.{name}]")
        elif (checked := _read(schema.PriorityRule, item, place.at(name), problems)) is not None:
            tables.priorities[Priority[name]] = Entry(place.at(name), checked)


def _read(model: type[T], value: Any, place: Place, problems: Problems) -> T | None:
    try:
        return model.read(value, Spot(place, problems))
    except Bad:
        return None

"""From TOML to validated tables: pydantic looks at each, and its words become ours."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from opswatch.config import schema
from opswatch.config.fields import Misspelt, Table
from opswatch.config.problems import KeyPath, Place, Problems, Source
from opswatch.config.references import Resolved
from opswatch.config.suggest import listed, nearest
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
            item = {key: part for key, part in item.items() if key in schema.Channel.model_fields}
        checked = validated(schema.ARRAYS[name], item, place, problems)
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
    elif (checked := validated(schema.TABLES[name], value, place, problems)) is not None:
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
        elif (checked := validated(schema.PriorityRule, item, place.at(name), problems)) is not None:
            tables.priorities[Priority[name]] = Entry(place.at(name), checked)


# ---------------------------------------------------------------------------------------------------------------------
# pydantic's words, in ours

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], value: Mapping[str, Any], place: Place, problems: Problems) -> M | None:
    """`value` as `model`; None when something is wrong with it, and then every such thing is in `problems`."""
    try:
        return model.model_validate(value)
    except ValidationError as failed:
        for error in failed.errors(include_url=False):
            _report(model, cast("Mapping[str, Any]", error), place, problems)
        return None


def _report(model: type[BaseModel], error: Mapping[str, Any], place: Place, problems: Problems) -> None:
    location = _in_file(error["loc"])
    there = place.at(*location)
    holder, found = _field_at(model, location)
    kind = str(error["type"])
    if kind == "extra_forbidden":
        known = _keys(holder)
        problems.add(there, f"unknown key; known are {listed(known)}", suggestion=nearest(location[-1], known))
    elif kind == "missing":
        problems.add(there, f"is required{_example(str(location[-1]), found)}")
    elif kind == "literal_error":
        known = _literals(found)
        problems.add(there, f"one of {', '.join(known)}", suggestion=nearest(error["input"], known))
    elif kind == "value_error" and isinstance(trouble := error["ctx"]["error"], Misspelt):
        problems.add(there, str(trouble), suggestion=nearest(error["input"], trouble.known))
    else:
        problems.add(there, _unmasked_free(_words(kind, error), error["input"]) + _such_as(found))


def _in_file(location: tuple[Any, ...]) -> KeyPath:
    """The part of pydantic's location that is keys and indices of the file."""
    return tuple(key for key in location if key != "[key]")


_WORDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number, without quotes",
    "int_from_float": "a whole number",
    "float_type": "a number, without quotes",
    "bool_type": "true or false, without quotes",
    "list_type": "a list in brackets",
    "dict_type": 'a table such as { key = "value" }',
    "model_type": 'a table such as { key = "value" }',
    "model_attributes_type": 'a table such as { key = "value" }',
    "too_short": "at least one element",
    "string_too_short": "not empty",
}


def _words(kind: str, error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in _WORDS:
        return _WORDS[kind]
    limits = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}
    limits |= {"greater_than": ("more than", "gt"), "less_than": ("less than", "lt")}
    if kind in limits:
        words, key = limits[kind]
        return f"{words} {context[key]}"
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _unmasked_free(words: str, value: Any) -> str:
    """Validators may quote what they got; what came from elsewhere must not come out here."""
    return words.replace(str(value), value.source) if isinstance(value, Resolved) and value else words


def _example(key: str, found: FieldInfo | None) -> str:
    if not found or not found.examples:
        return ""
    example = found.examples[0]
    if isinstance(example, str) and example.startswith("[["):
        return f": begin one with {example}"
    written = example if isinstance(example, str) and example.startswith("{") else _toml(example)
    return f", such as {key} = {written}"


def _such_as(found: FieldInfo | None) -> str:
    if not found or not found.examples or str(found.examples[0]).startswith(("[[", "{")):
        return ""
    return f", such as {_toml(found.examples[0])}"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return f'"{value}"' if isinstance(value, str) and not value[:4].isdigit() else str(value)


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _field_at(model: type[BaseModel], location: KeyPath) -> tuple[type[BaseModel], FieldInfo | None]:
    """The model that holds the last key of `location`, and that key's field where there is one."""
    holder, found = model, None
    for key in location:
        if not isinstance(key, str):
            continue
        if found is not None:
            inner = next(_models_in(found.annotation), None)
            if inner is None:
                return holder, found
            if any(key == (info.alias or name) for name, info in inner.model_fields.items()) or key == location[-1]:
                holder = inner
            else:
                continue  # A name the operator chose: a limit's sample, say.
        found = next((info for name, info in holder.model_fields.items() if key == (info.alias or name)), None)
        if found is None:
            return holder, None
    return holder, found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if typing.get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)


def _literals(found: FieldInfo | None) -> list[str]:
    def values(annotation: Any) -> Iterator[str]:
        if typing.get_origin(annotation) is typing.Literal:
            yield from (str(part) for part in typing.get_args(annotation))
        else:
            for part in typing.get_args(annotation):
                yield from values(part)

    return list(values(found.annotation)) if found else []

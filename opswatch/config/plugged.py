"""The keys of one probe or channel: its own pydantic model looks at them, and pydantic's words become ours."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from opswatch.config.problems import KeyPath, Place, Problems
from opswatch.config.references import Resolved
from opswatch.config.suggest import listed, nearest
from opswatch.core.model import Secret

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], value: Mapping[str, Any], place: Place, problems: Problems) -> M | None:
    """`value` as `model`; None when something is wrong with it, and then every such thing is in `problems`."""
    try:
        return model.model_validate(_prepared(model, value, place.source.file.parent))
    except ValidationError as failed:
        errors = [cast("Mapping[str, Any]", error) for error in failed.errors(include_url=False)]
        meant = {_meant(model, error) for error in errors if error["type"] == "extra_forbidden"}
        for error in errors:
            if error["type"] != "missing" or _in_file(error["loc"]) not in meant:
                _report(model, error, place, problems)
        return None


def _meant(model: type[BaseModel], error: Mapping[str, Any]) -> KeyPath:
    """The key that a misspelt one was meant to be: it is not missed as well."""
    location = _in_file(error["loc"])
    return (*location[:-1], nearest(location[-1], _keys(_field_at(model, location)[0])))


def _prepared(model: type[BaseModel], value: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Text for fields that are Secrets becomes one and remembers where it came from; relative paths begin where the
    file is."""
    prepared = dict(value)
    for name, info in model.model_fields.items():
        key = info.alias or name
        text = prepared.get(key)
        if isinstance(text, str) and _holds(info.annotation, Secret):
            prepared[key] = Secret(str(text), getattr(text, "source", ""))
        elif isinstance(text, str) and text and _holds(info.annotation, Path):
            prepared[key] = folder.resolve() / text
    return prepared


def _holds(annotation: Any, wanted: type) -> bool:
    """Whether the annotation is `wanted`, alone or among others (`Secret | None`), not inside a list or table."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return any(_holds(part, wanted) for part in typing.get_args(annotation))
    return annotation is wanted


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

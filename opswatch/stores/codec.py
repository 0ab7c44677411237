"""Frozen values of the core to JSON documents and back, exactly, by their own type hints (decision 0004).

Fields that hold their default are left out, unknown fields are ignored: yesterday's release reads today's documents.
Instants are ISO text in UTC, dates ISO text, spans whole microseconds, enums their values, bytes base64.
"""

from __future__ import annotations

import json
import types
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache, partial
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from operator import attrgetter
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Convert = Callable[[Any], Any]
Pair = tuple[Convert | None, Convert | None]  # to JSON, from JSON; None where JSON has the value as it is


def encode(value: Any) -> str:
    """The JSON document of a frozen dataclass, ASCII only. Raises ValueError for an instant without a time zone."""
    kind: Any = type(value)
    return _dumps(_packer(kind)(value))


def decode(kind: type[T], document: str) -> T:
    """The value of type `kind` that `encode` made this document of. Raises ValueError when it is not one."""
    hashable: Any = kind
    try:
        made: T = _unpacker(hashable)(json.loads(document))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error
    return made


def encode_facts(facts: Mapping[str, object]) -> str:
    """Free facts as JSON. What JSON does not know is written as text: no fact may keep a page from being promised."""
    return _dumps(dict(facts))


def decode_facts(document: str) -> dict[str, Any]:
    """The facts again, as JSON values."""
    facts: dict[str, Any] = json.loads(document)
    return facts


def to_us(at: datetime) -> int:
    """Microseconds since 1970 UTC, exactly. Raises ValueError for an instant without a time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: an instant is aware")
    return (at - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """The instant, aware, UTC."""
    return EPOCH + timedelta(microseconds=us)


def to_column(text: str) -> str:
    """Text as every database takes it: NUL, lone surrogates and other unprintables become a JSON string."""
    return text if text.isprintable() and not text.startswith('"') else json.dumps(text)


def from_column(text: str) -> str:
    """What `to_column` was given."""
    return str(json.loads(text)) if text.startswith('"') else text


# ---------------------------------------------------------------------------------------------------------------------
# One pair of converters per type, made at its first use


def _dumps(packed: object) -> str:
    return _ENCODER.encode(packed) if _ENCODE is None else "".join(_ENCODE(packed, 0))


def _as_text(fact: object) -> object:
    if isinstance(fact, datetime):
        return fact.isoformat()
    if isinstance(fact, Mapping):
        return dict(fact)
    return sorted(map(str, fact)) if isinstance(fact, (set, frozenset)) else str(fact)


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_as_text)
# What `_ENCODER.encode` makes anew for each document: half of the time a short one takes. Ours hold no circles.
_ENCODE: Callable[[object, int], Iterable[str]] | None = (
    None
    if c_make_encoder is None
    else c_make_encoder(None, _as_text, encode_basestring_ascii, None, ":", ",", False, False, True)
)


@lru_cache(maxsize=256)
def _packer(kind: type) -> Convert:
    shape = _shape(kind)
    if len(shape) < 2:  # `attrgetter` gives no tuple of one.
        return partial(_pack_one, shape)
    names = [name for name, _, _, _ in shape]
    return partial(_pack, attrgetter(*names), [(name, default, pack) for name, default, pack, _ in shape])


@lru_cache(maxsize=256)
def _unpacker(kind: type) -> Convert:
    return partial(_unpack, kind, {name: unpack for name, _, _, unpack in _shape(kind)})


def _shape(kind: type) -> list[tuple[str, object, Convert | None, Convert | None]]:
    """(name, default, to JSON, from JSON) of each field."""
    hints = get_type_hints(kind)
    shape = []
    for field in fields(kind):
        made = field.default_factory() if field.default_factory is not MISSING else field.default
        shape.append((field.name, made, *_pair(hints[field.name])))
    return shape


def _pack(
    parts_of: Callable[[object], tuple[Any, ...]], shape: list[tuple[str, object, Convert | None]], value: object
) -> dict[str, object]:
    return {
        name: part if pack is None or part is None else pack(part)
        for (name, default, pack), part in zip(shape, parts_of(value), strict=True)
        if part is not default and part != default
    }


def _pack_one(shape: list[tuple[str, object, Convert | None, Convert | None]], value: object) -> dict[str, object]:
    return {
        name: part if pack is None or part is None else pack(part)
        for name, default, pack, _ in shape
        if (part := getattr(value, name)) != default
    }


def _unpack(kind: type, unpackers: dict[str, Convert | None], document: dict[str, Any]) -> object:
    given = {}
    for name, part in document.items():
        if name in unpackers:
            unpack = unpackers[name]
            given[name] = part if unpack is None or part is None else unpack(part)
    return kind(**given)


def _pair(hint: Any) -> Pair:
    if hint in (str, int, float, bool, object, Any):
        return None, None
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_value, {member.value: member for member in hint}.__getitem__
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        return _packer(hint), _unpacker(hint)
    return _pair_of_many(hint)


def _pair_of_many(hint: Any) -> Pair:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        return _pair(inner[0] if inner[1] is type(None) else inner[1])  # None itself never reaches a converter
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        pack, unpack = _pair(inner[0])
        return (list if pack is None else partial(_each, list, pack)), (
            tuple if unpack is None else partial(_each, tuple, unpack)
        )
    if origin is tuple:
        pairs = [_pair(part) for part in inner]
        return partial(_zipped, list, [p for p, _ in pairs]), partial(_zipped, tuple, [u for _, u in pairs])
    if origin is not None and issubclass(origin, Mapping):
        return _pair_of_mapping(*inner)
    raise TypeError(f"no JSON form for {hint!r}: add it to stores/codec.py")


def _pair_of_mapping(key: Any, value: Any) -> Pair:
    if key is not str:
        raise TypeError(f"no JSON form for keys of {key!r}: add it to stores/codec.py")
    pack, unpack = _pair(value)
    return (
        dict if pack is None else partial(_each_value, pack),
        None if unpack is None else partial(_each_value, unpack),
    )


def _each(many: Callable[[Any], Any], convert: Convert, parts: Any) -> Any:
    return many([None if part is None else convert(part) for part in parts])


def _each_value(convert: Convert, parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if part is None else convert(part) for name, part in parts.items()}


def _zipped(many: Callable[[Any], Any], converts: list[Convert | None], parts: Any) -> Any:
    pairs = zip(converts, parts, strict=True)
    return many([part if convert is None or part is None else convert(part) for convert, part in pairs])


def _enum_value(member: Enum) -> object:
    return member.value


@lru_cache(maxsize=8192)  # A decision names the same few instants a thousand times.
def _pack_instant(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: an instant is aware")
    return at.isoformat() if at.tzinfo is UTC else at.astimezone(UTC).isoformat()


_SCALARS: dict[Any, Pair] = {
    datetime: (_pack_instant, datetime.fromisoformat),
    date: (date.isoformat, date.fromisoformat),
    timedelta: (lambda span: span // MICROSECOND, lambda us: timedelta(microseconds=us)),
    bytes: (lambda raw: b64encode(raw).decode("ascii"), b64decode),
}

"""How a TOML table becomes a value: each key has a reader, and everything that is wrong is said at once.

Our own tables are not pydantic models: importing pydantic costs 100 ms of the 250 that a cold `opswatch who` may take.
The keys of probes and channels are (see `plugged.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar

from opswatch.config.problems import Place, Problems
from opswatch.config.references import Resolved
from opswatch.config.suggest import listed, nearest

T = TypeVar("T")
K = TypeVar("K")
NOTHING: Mapping[Any, Any] = MappingProxyType({})
_REQUIRED: Any = object()


class Bad(Exception):
    """This value is of no use; why has been reported already."""


class Misspelt(ValueError):
    """A word out of a known set was expected; `meant` is the one, where that is known better than by its letters."""

    def __init__(self, words: str, known: Iterable[str] = (), *, meant: str = "") -> None:
        super().__init__(words)
        self.known = known
        self.meant = meant


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that is being read, and where to report what is wrong with it."""

    place: Place
    problems: Problems
    is_key: bool = False  # The key itself is looked at, not what stands under it.

    def at(self, key: str | int) -> Spot:
        return Spot(self.place.at(key), self.problems)

    def bad(self, expected: str, *, suggestion: str = "") -> NoReturn:
        self.problems.add(self.place, expected, suggestion=suggestion, seen="" if self.is_key else None)
        raise Bad


Reader = Callable[[Any, Spot], T]


def reads(convert: Callable[[Any], T]) -> Reader[T]:
    """A reader from a function that raises ValueError, in words, for what it does not take."""

    def read(value: Any, spot: Spot) -> T:
        try:
            return convert(value)
        except Misspelt as wrong:
            spot.bad(_unquoted(wrong, value), suggestion=wrong.meant or nearest(value, wrong.known))
        except ValueError as wrong:
            spot.bad(_unquoted(wrong, value))

    return read


def _unquoted(wrong: ValueError, value: Any) -> str:
    """Words may quote what they were given; a value from elsewhere must not come out here."""
    words = str(wrong)
    return words.replace(str(value), value.source) if isinstance(value, Resolved) and value else words


def list_of(reader: Reader[T], *, at_least: int = 0) -> Reader[tuple[T, ...]]:
    """A list of at least so many elements."""

    def read(value: Any, spot: Spot) -> tuple[T, ...]:
        if isinstance(value, dict):
            _lone_table(reader, value, spot)
        if not isinstance(value, list):
            spot.bad("a list in brackets")
        if len(value) < at_least:
            spot.bad("at least one element")
        return _all((reader, part, spot.at(index)) for index, part in enumerate(value))

    return read


def _lone_table(reader: Reader[T], value: dict[str, Any], spot: Spot) -> NoReturn:
    """One table where a list of them belongs: what is wrong inside it is said all the same."""
    with suppress(Bad):
        reader(value, spot)
    keys = [key for key in spot.place.path if isinstance(key, str)]
    spot.problems.add(spot.place, f"a list of tables: write [[{'.'.join(keys)}]], or {keys[-1]} = [{{ … }}]", seen="")
    raise Bad


def some_of(reader: Reader[T], *, at_least: int = 0) -> Reader[tuple[T, ...]]:
    """A list, or one value alone."""
    several = list_of(reader, at_least=at_least)

    def read(value: Any, spot: Spot) -> tuple[T, ...]:
        return several(value, spot) if isinstance(value, list) else (reader(value, spot),)

    return read


def map_of(key_reader: Reader[K], reader: Reader[T]) -> Reader[dict[K, T]]:
    """A table whose keys the operator chooses."""

    def read_pair(pair: tuple[str, Any], spot: Spot) -> tuple[K, T]:
        return key_reader(pair[0], replace(spot, is_key=True)), reader(pair[1], spot)

    def read(value: Any, spot: Spot) -> dict[K, T]:
        if not isinstance(value, dict):
            spot.bad("a table such as { key = … }")
        return dict(_all((read_pair, pair, spot.at(pair[0])) for pair in value.items()))

    return read


def _all(parts: Iterable[tuple[Reader[T], Any, Spot]]) -> tuple[T, ...]:
    """Each value read by its reader; Bad only once each has said what is wrong with it."""
    found, is_bad = [], False
    for reader, value, spot in parts:
        try:
            found.append(reader(value, spot))
        except Bad:
            is_bad = True
    if is_bad:
        raise Bad
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------------------
# Tables


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table: how it is read, what holds when it is not written, and an example as TOML.

    `spare` stands in for a required value that is wrong, so that the rest of its table can be looked at all the same.
    """

    read: Reader[Any]
    default: Any
    alias: str | None
    example: str
    spare: Any

    def take(self, value: Any, spot: Spot) -> Any:
        """The value of this key, or what holds where it is not written."""
        if value is not _REQUIRED:
            return self.read(value, spot)
        if self.default is _REQUIRED:
            spot.bad(f"is required, such as {self.example}" if self.example else "is required")
        return self.default

    def stand_in(self) -> Any:
        """What the rest is looked at with when this value is wrong. Raises Bad where nothing can stand in."""
        if self.default is not _REQUIRED:
            return self.default
        if self.spare is _REQUIRED:
            raise Bad
        return self.spare


def key(
    read: Reader[Any], default: Any = _REQUIRED, *, alias: str | None = None, example: str = "", spare: Any = _REQUIRED
) -> Any:
    """A key of a Table. Without `default` it must be written; `alias` is its name in the file where Python has none."""
    return Key(read, default, alias, example, spare)


class Table:
    """A TOML table. Subclasses list its keys; other keys are refused, with the nearest one.

    `spoilt` names the keys that were wrong and have a stand-in: such a table is only good for finding more mistakes,
    and what follows from a stand-in is not one.
    """

    KEYS: ClassVar[dict[str, tuple[str, Key]]] = {}  # as written → attribute, key
    ELSEWHERE: ClassVar[Mapping[str, str]] = NOTHING  # keys often written here → where they belong
    spoilt: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Key)}
        cls.KEYS = {value.alias or name: (name, value) for name, value in own.items()}

    def __init__(self, **values: Any) -> None:
        for name, known in self.KEYS.values():
            if name not in values:
                assert known.default is not _REQUIRED, f"{type(self).__name__} needs {name}"
                values[name] = known.default
        self.__dict__.update(values)

    @classmethod
    def read(cls: type[T_Table], value: Any, spot: Spot) -> T_Table:
        """The table that `value` writes. Everything wrong with it is reported; raises Bad where too little is left."""
        if not isinstance(value, dict):
            spot.bad("a table such as { key = … }")
        spoilt = cls._misspelt(value, spot)
        values: dict[str, Any] = {}
        for written, (name, known) in cls.KEYS.items():
            if name not in spoilt:
                try:
                    values[name] = known.take(value.get(written, _REQUIRED), spot.at(written))
                except Bad:
                    spoilt.add(name)
        # Only now, once every key has been looked at: a stand-in may not exist.
        values.update({name: known.stand_in() for name, known in cls.KEYS.values() if name in spoilt})
        return cls(**values, spoilt=frozenset(spoilt))

    @classmethod
    def _misspelt(cls, value: Mapping[str, Any], spot: Spot) -> set[str]:
        """Report keys that are not known; the keys they were meant to be (which are then not missed as well)."""
        meant: set[str] = set()
        for written in value:
            if written not in cls.KEYS:
                belongs = cls.ELSEWHERE.get(written)
                near = nearest(written, cls.KEYS) if belongs is None else ""
                expected = belongs or f"unknown key; known are {listed(cls.KEYS)}"
                spot.problems.add(spot.place.at(written), expected, suggestion=near)
                if near and near not in value:
                    meant.add(cls.KEYS[near][0])
        return meant


T_Table = TypeVar("T_Table", bound=Table)

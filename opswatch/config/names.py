"""Cross references: does what this name stands for exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opswatch.config import schema
from opswatch.config.problems import Place, Problems
from opswatch.config.suggest import listed
from opswatch.config.tables import Tables

ROSTER_VARIANTS = ("next", "previous")
TARGET_FORMS = "roster:ID, roster:ID/next, roster:ID/previous, person:ID, team:ID, pool:ID or channel:ID"
_TABLE_OF = {"roster": "roster", "person": "person", "pool": "pool", "channel": "channel", "heartbeat": "heartbeat"}


@dataclass
class Names:
    """Everything that has a name in this configuration, and where a name that stands for nothing is reported."""

    tables: Tables
    problems: Problems
    teams: frozenset[str] = frozenset()  # of people: who `team:ID` pages
    service_teams: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tables: Tables, problems: Problems) -> Names:
        people = tables.all("person", schema.Person)
        services = tables.all("service", schema.Service)
        return cls(
            tables,
            problems,
            frozenset(entry.value.team for entry in people if entry.value.team),
            frozenset(entry.value.team for entry in services if entry.value.team),
        )

    def check(self, table: str, name: str, place: Place) -> bool:
        """Whether `[[table]]` has an entry `name`; a problem where it has none."""
        return self.among(self.tables.known(table), name, place, what=table)

    def among(self, known: Iterable[str], name: str, place: Place, *, what: str) -> bool:
        """Whether `name` is one of `known`; a problem where it is not."""
        names = list(known)
        if name in names:
            return True
        self.problems.unknown(place, name, names, f"no {what} has this name; known are {listed(names)}")
        return False

    def check_all(self, table: str, names: Iterable[str] | None, place: Place) -> None:
        """`check` for a key that holds one name or a list of them."""
        for one, there in each(names, place):
            self.check(table, one, there)

    def check_teams(self, names: Iterable[str] | None, place: Place) -> None:
        for one, there in each(names, place):
            self.among(self.teams | self.service_teams, one, there, what="team")

    def check_targets(self, texts: Iterable[str], place: Place, *, allow: tuple[str, ...] = ()) -> None:
        """Check what a level, a fallback or a delivery names: `roster:primary/next`, `channel:ops` …"""
        for text, there in each(texts, place):
            self.check_target(text, there, allow=allow)

    def check_target(self, text: str, place: Place, *, allow: tuple[str, ...] = ()) -> None:
        kind, colon, name = text.partition(":")
        kinds = allow or ("roster", "person", "team", "pool", "channel")
        if not colon or kind not in kinds:
            forms = TARGET_FORMS if not allow else ", ".join(f"{one}:ID" for one in allow)
            guess = self._guess(kind if colon else text, name, kinds)
            self.problems.add(place, f"write {forms}", seen=f'"{text}"', suggestion=guess)
            return
        if kind == "roster":
            name, slash, variant = name.partition("/")
            if slash and variant not in ROSTER_VARIANTS:
                self.problems.unknown(
                    place, variant, ROSTER_VARIANTS, f"after the slash: {' or '.join(ROSTER_VARIANTS)}"
                )
                return
        if kind == "team":
            self.among(self.teams, name, place, what="person's team")
        else:
            self.check(_TABLE_OF[kind], name, place)

    def _guess(self, word: str, name: str, kinds: tuple[str, ...]) -> str:
        """`rosters:primary` was meant as `roster:primary`, and a bare `chen` as `person:chen`."""
        from opswatch.config.suggest import nearest

        if not name:
            return next(
                (f"{kind}:{word}" for kind in kinds if kind in _TABLE_OF and word in self.tables.known(kind)), ""
            )
        kind = nearest(word, kinds)
        return f"{kind}:{name}" if kind else ""


def each(values: Iterable[str] | None, place: Place) -> list[tuple[str, Place]]:
    """Values of a key that may hold one or a list, each with its own place."""
    written = place.value
    return [
        (value, place.at(index) if isinstance(written, list) else place) for index, value in enumerate(values or ())
    ]


def cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The circles of a graph, each once, from its first member in the order given: `[["a", "b"]]` for a → b → a."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        _walk(start, edges, trail, done, found)
    return found


def _walk(
    node: str, edges: Mapping[str, Iterable[str]], trail: list[str], done: set[str], found: list[list[str]]
) -> None:
    if node in trail:
        found.append(trail[trail.index(node) :])
        return
    if node in done:
        return
    trail.append(node)
    for following in edges.get(node, ()):
        _walk(following, edges, trail, done, found)
    trail.pop()
    done.add(node)

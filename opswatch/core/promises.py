"""Which promises were broken in a span: not taken, not told of, not over in time, for each priority. No words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opswatch.core.effects import Entry
from opswatch.core.model import Priority

WHAT = ("ack", "update", "resolve")
"""The clocks of an incident, as `sla_breached` names them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One priority: the incidents whose clock ran out, each number once for each time that it did, in order. The
    priority is the one that made the promise: what an incident had when its clock ran out."""

    priority: Priority
    ack: tuple[int, ...] = ()
    update: tuple[int, ...] = ()
    resolve: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return len(self.ack) + len(self.update) + len(self.resolve)


def broken(entries: Iterable[Entry]) -> tuple[Broken, ...]:
    """What `sla_breached` entries say, P0 to P3; a priority that kept every promise is there with none."""
    found: dict[tuple[str, str], list[int]] = {(str(one), what): [] for one in Priority for what in WHAT}
    for entry in entries:
        if entry.kind == "sla_breached" and entry.incident:
            ours = found.get((str(entry.facts.get("priority")), str(entry.facts.get("what"))))
            if ours is not None:
                ours.append(entry.incident)
    return tuple(Broken(one, *(tuple(found[str(one), what]) for what in WHAT)) for one in Priority)

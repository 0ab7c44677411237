"""How the daemon stands, as `/healthz` and `/readyz` tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """`alive`: the loops turn. `ready`: a page would reach somebody now. `problems` say in words what stands in the way
    of either, or what else people should know (a configuration that was refused); strangers are not shown them."""

    alive: bool
    ready: bool
    problems: tuple[str, ...] = ()

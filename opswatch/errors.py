"""The few errors somebody reacts to differently; everything else is an answer (`Refuse`) or an assert."""

from __future__ import annotations

from dataclasses import dataclass


class OpswatchError(Exception):
    """Something a person can act on. Its text says what happened, to what, and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration, with its place. `line` and `column` count from 1."""

    file: str
    line: int | None
    where: str  # table and key: `[[check]] disk-space: limits.used_pct.warn`
    seen: str  # the value as written, empty when something is missing
    expected: str
    suggestion: str = ""  # the nearest known spelling
    column: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        seen = f" = {self.seen}" if self.seen else ""
        hint = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"{place}: {self.where}{seen}: {self.expected}{hint}"


class ConfigError(OpswatchError):
    """The configuration cannot be used; `problems` lists every reason at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class DeliveryError(OpswatchError):
    """A message did not arrive. `permanent` stops retrying: the person's next contact is tried at once."""

    def __init__(self, reason: str, *, permanent: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


class Conflict(OpswatchError):
    """Another node moved the head first: look again, decide again."""


class AlreadyTaken(OpswatchError):
    """Another node has decided this batch of the inbox: leave it. Nothing was committed."""

    def __init__(self, batch: str) -> None:
        super().__init__(f"batch {batch} of the inbox was decided by another node")
        self.batch = batch


class Overloaded(OpswatchError):
    """Nothing more can be accepted just now, or not safely: HTTP 503 with Retry-After."""

    def __init__(self, reason: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class StoreUnavailable(OpswatchError):
    """The store cannot be reached, is full or is locked. Command line exit 3, `/readyz` 503.

    `state` says which, for people who are told in their own language: lost | full | locked | read_only | damaged."""

    def __init__(self, reason: str, *, state: str = "lost") -> None:
        super().__init__(reason)
        self.state = state


class PluginNotFound(OpswatchError):
    """No such probe, channel or store, or the library it needs is not installed."""

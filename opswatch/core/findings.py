"""Facts that the ledger of risks and the post-mortems take in: what rounds found, and what papers list as actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from opswatch.core.model import Severity


@dataclass(frozen=True, slots=True)
class RiskFound:
    """An inspection (or another round) found something to be dealt with. Found again under the same `key`, it is the
    same risk. `core.risks.from_finding` makes one with a due date."""

    key: str
    title: str
    severity: Severity = Severity.MEDIUM
    source: str = "inspection"
    owner: str | None = None
    due: date | None = None
    service: str | None = None
    target: str | None = None
    check: str | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RiskGone:
    """What was found under `key` is there no more: its risk is closed."""

    key: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A row of a post-mortem's table of actions."""

    title: str
    owner: str | None = None  # a person's id, or `team:dev`
    due: date | None = None
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class ActionsFound:
    """The rows of the table of actions, as the file of this incident's paper has them now."""

    incident: int
    actions: tuple[Action, ...]

"""What others looked at for us: results of passive checks, as they came in."""

from __future__ import annotations

from dataclasses import dataclass

from opswatch.core.model import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """What somebody else saw, of a passive check and its target."""

    check: str
    target: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reported:
    """Results that were accepted together. `batch` names the row of the inbox that they stand in; it leaves the inbox
    in the same commit."""

    results: tuple[Result, ...]
    batch: str = ""

"""Probes look at one target and say what they saw. File name = probe name.

A probe file is: a docstring with the TOML that configures it, a frozen pydantic `Args` (extra keys forbidden), one class
with `look`, nothing else public. Adding a probe is adding a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from opswatch.core.model import UnknownReason, Verdict
from opswatch.core.plan import Target


@dataclass(frozen=True, slots=True)
class Task:
    """One look that is wanted: where, with what, and how long it may take.

    `args` is the probe's own validated `Args`. `memory` is what this probe returned as `Verdict.memory` last time.
    `timeout_s` counts from `now`; a probe that may block for ever must not. `limits` are the names of samples the
    check has limits for, for probes that measure only what is asked.
    """

    target: Target
    args: Any
    now: datetime
    timeout_s: float
    memory: bytes | None = None
    check: str = ""
    limits: Mapping[str, object] = field(default_factory=dict)


class Probe(Protocol):
    """Never raises: trouble looking is `unknown` with a reason. Must be safe to call from several threads at once."""

    def look(self, task: Task) -> Verdict: ...


def cannot_tell(task: Task, reason: UnknownReason, sentence: str, *evidence: str) -> Verdict:
    """The verdict of a look that did not work."""
    return Verdict(at=task.now, sentence=sentence, unknown=reason, evidence=evidence[:20], memory=task.memory)


Clock = Callable[[], float]
EVIDENCE_LINES_MAX = 20
EVIDENCE_LINE_MAX = 400

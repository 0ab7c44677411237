"""What questions to one database gave, gathered until they make a verdict; and counters that grew since the last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch.core.model import Failure, Health, Sample, Verdict
from opswatch.hosts.evidence import bounded, cut, printable

ITEMS_MAX = 50  # of one kind: a server with a thousand databases must not make a thousand alerts


@dataclass
class Findings:
    """Samples, failures and words in the order they were found. `words` are joined to the verdict's sentence."""

    samples: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    sentences: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str = "", item: str = "") -> None:
        """One sample."""
        self.samples.append(Sample(name, value, unit, item))

    def fail(self, sentence: str, item: str = "", health: Health = Health.CRIT) -> None:
        """Something wrong whatever the limits say."""
        self.failures.append(Failure(cut(printable(sentence), 300), health, item))

    def hidden(self, part: str, sentence: str) -> None:
        """One part could not be looked at: that is unknown by itself and costs the others nothing."""
        self.fail(sentence, part, Health.UNKNOWN)

    def verdict(self, now: datetime, memory: bytes | None = None) -> Verdict:
        """All of it, bounded; what failed stands first in the evidence."""
        return Verdict(
            at=now,
            sentence=cut(printable("; ".join(self.words)), 400),
            samples=tuple(self.samples),
            failures=tuple(self.failures),
            evidence=bounded([*(one.sentence for one in self.failures), *self.evidence]),
            sentences={item: cut(printable(words), 300) for item, words in self.sentences.items()},
            memory=memory,
        )


class Counters:
    """Counters of a server, remembered from look to look. A counter that fell, or whose `epoch` is another one (a
    restart, a reset of statistics), began anew: then its whole value is growth."""

    def __init__(self, memory: bytes | None, now: datetime) -> None:
        kept = _recall(memory)
        self._before: Mapping[str, object] = kept
        self._kept: dict[str, object] = {"at": now.isoformat()}
        self._seconds = _seconds_since(kept.get("at"), now)

    def grown(self, name: str, value: float, epoch: str = "") -> float | None:
        """How much `name` grew since the last look; None at the first."""
        self._kept[name] = [value, epoch]
        match self._before.get(name):
            case [int() | float() as before, str() as then]:
                return value - before if then == epoch and value >= before else value
        return None

    def per_minute(self, name: str, value: float, epoch: str = "") -> float | None:
        """The growth as a rate; None at the first look, and where no time has passed."""
        grown = self.grown(name, value, epoch)
        return None if grown is None or not self._seconds else grown * 60 / self._seconds

    def since(self, name: str, now: datetime) -> float:
        """Seconds since `name` was first so; a name that was not asked for in a look is forgotten."""
        began = self._before.get(f"since {name}")
        seconds = _seconds_since(began, now)
        self._kept[f"since {name}"] = began if seconds is not None else now.isoformat()
        return seconds or 0.0

    def memory(self) -> bytes:
        """What the next look wants back."""
        return json.dumps(self._kept, separators=(",", ":")).encode()


def _recall(memory: bytes | None) -> Mapping[str, object]:
    try:
        kept = json.loads(memory or b"{}")
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def _seconds_since(then: object, now: datetime) -> float | None:
    """None where `then` is no instant, or lies ahead: the clock was set back."""
    try:
        passed = (now - datetime.fromisoformat(str(then))) / timedelta(seconds=1)
    except (ValueError, TypeError):
        return None
    return passed if passed > 0 else None

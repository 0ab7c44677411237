"""The nouns: what is watched, who watches it, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class Priority(IntEnum):
    """How bad it is, and so how loudly we may interrupt. P0 is the worst; smaller is more urgent."""

    P0 = 0
    P1 = 1
    P2 = 2
    P3 = 3

    def __str__(self) -> str:
        return self.name


class Health(StrEnum):
    """What a look said of one thing. `unknown` is a state of its own: it never means recovered."""

    OK = "ok"
    WARN = "warn"
    CRIT = "crit"
    UNKNOWN = "unknown"

    @property
    def is_bad(self) -> bool:
        """Warn or crit: the two that count together while confirming."""
        return self in (Health.WARN, Health.CRIT)

    @property
    def rank(self) -> int:
        """For taking the worst: ok < unknown < warn < crit (Nagios' max_state_alt)."""
        return _RANK[self]


_RANK = {Health.OK: 0, Health.UNKNOWN: 1, Health.WARN: 2, Health.CRIT: 3}


class UnknownReason(StrEnum):
    """Why we cannot tell (SPEC 2)."""

    TIMEOUT = "timeout"
    NO_DATA = "no_data"
    REFUSED = "refused"
    ERROR = "error"
    VANTAGE = "vantage"
    UNREACHABLE = "unreachable"


class Status(StrEnum):
    """The three states of an incident."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How much a risk may cost. It interrupts nobody: that is what priorities are for."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Worst first: high 0, medium 1, low 2."""
        return list(Severity).index(self)


class RiskStatus(StrEnum):
    """An entry of the risk ledger is open, dealt with, or lived with until a date."""

    OPEN = "open"
    CLOSED = "closed"
    ACCEPTED = "accepted"


class PaperKind(StrEnum):
    """What is owed about an incident: a whole post-mortem, or a review of five lines."""

    POSTMORTEM = "postmortem"
    REVIEW = "review"


class Stage(StrEnum):
    """How far a post-mortem or a short review has come."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"


class CoverStatus(StrEnum):
    """A request that somebody take a shift is open, or over: taken whole, withdrawn, or its hours have come."""

    OPEN = "open"
    TAKEN = "taken"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class PageReason(StrEnum):
    """Why a person is interrupted: exactly the list of SPEC 4."""

    FIRST = "first"
    UNANSWERED = "unanswered"
    ACK_EXPIRED = "ack_expired"
    DELIVERY_FAILED = "delivery_failed"
    ESCALATED = "escalated"
    REASSIGNED = "reassigned"
    QUIET_ENDED = "quiet_ended"
    RAISED = "raised"
    REMINDER = "reminder"


class QuietReason(StrEnum):
    """Why a person is not interrupted (HOUSE 3)."""

    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    SNOOZED = "snoozed"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    VANTAGE = "vantage"
    FLAPPING = "flapping"
    HELD = "held"
    BUNDLED = "bundled"
    STORM = "storm"
    UPSTREAM = "upstream"


class Role(IntEnum):
    """What a person may do (SPEC 5). Larger may more."""

    VIEWER = 0
    RESPONDER = 1
    LEAD = 2
    ADMIN = 3


class Secret:
    """A value that must not be printed, logged or stored. `reveal()` is the one way to read it."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "") -> None:
        self._value = value
        self.source = source  # `env:DB_MAIN_URL`, or empty when it stands in the file itself

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return self.source or "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


# ---------------------------------------------------------------------------------------------------------------------
# What a probe saw


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value. `item` names the part it belongs to (a mount, a unit); empty for the target as a whole."""

    name: str
    value: float
    unit: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that is wrong whatever the limits say. `health` may be UNKNOWN: this one item could not be seen."""

    sentence: str
    health: Health = Health.CRIT
    item: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at one target said. With `unknown` set, nothing else of it is judged.

    `at` is the instant the look began, UTC. `sentence` is one sentence in plain words. `evidence` is bounded by the
    probe. `sentences` gives items their own sentence. `memory` is what the probe wants back at its next look; None
    keeps what it gave last, so that a look that hung forgets no log offset.
    """

    at: datetime
    sentence: str
    samples: tuple[Sample, ...] = ()
    failures: tuple[Failure, ...] = ()
    unknown: UnknownReason | None = None
    evidence: tuple[str, ...] = ()
    sentences: Mapping[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    memory: bytes | None = None

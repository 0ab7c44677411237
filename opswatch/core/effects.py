"""Everything the core can want done. The desk writes effects in the same transaction as the state they follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opswatch.core.model import PageReason, Priority


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `kind` is past tense (`acknowledged`); `facts` hold what words and replay need.

    Facts are JSON values (instants as ISO text). The position in the timeline is given at commit.
    """

    at: datetime
    kind: str
    incident: int | None = None
    by: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    entry: Entry


@dataclass(frozen=True, slots=True)
class Page:
    """Promise to interrupt a person. Its id names the rung: promising twice is promising once."""

    incident: int
    climb: int
    cycle: int
    level: int
    person: str
    step: str  # "1", "2"; "1.1" is the first other contact tried after step 1 failed for good
    contact: str  # a key of the person's contacts
    priority: Priority
    reason: PageReason
    roster: str | None = None
    test: bool = False
    at: datetime | None = None
    pool: str | None = None  # they are asked as a reserve of it
    bundle: tuple[int, ...] = ()  # one page for these incidents together (`[mercy]`); `incident` is 0 then
    count: int = 0  # how many pages it stands for

    @property
    def id(self) -> str:
        """`incident/climb/cycle/level/person/step` (SPEC 4)."""
        return f"{self.incident}/{self.climb}/{self.cycle}/{self.level}/{self.person}/{self.step}"


@dataclass(frozen=True, slots=True)
class Update:
    """Tell somebody who was paged what became of it. Not a page: it never climbs. `event`: acknowledged | resolved |
    reopened | merged | joined; shadow: somebody they learn from was paged."""

    incident: int
    person: str
    contact: str
    event: str
    serial: str  # makes the id unique: the same event may happen twice


@dataclass(frozen=True, slots=True)
class Notice:
    """Tell somebody something that edits no incident's card and interrupts nobody: what is owed, what is due, a shift
    handed over, asked for or changed. `event`: a key of the catalogue's `notice` section. `incident` is the one it is
    about, if any.

    It is kept as an update that belongs to no incident, with an update's fields and more: a node of 0.1 that claims one
    reads an update, and lets it go.
    """

    incident: int | None
    person: str
    contact: str
    event: str
    serial: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell a channel. For chat this is the incident's one card, posted or edited. `event` as in Update, or triggered,
    unanswered, raised, digest, noted, …"""

    channel: str
    event: str
    serial: str
    incident: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Promised pages of this incident that were not sent yet are overtaken. None: everybody's."""

    incident: int
    people: tuple[str, ...] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Settle:
    """A promised message is finished: delivered, or failed for good."""

    message: str
    outcome: str  # delivered | failed
    detail: str = ""
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """A promised message will be tried again."""

    message: str
    until: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch of the inbox is decided: its row goes in the same transaction, or nothing does."""

    batch: str


@dataclass(frozen=True, slots=True)
class Recheck:
    """Look again sooner than `every` says: confirming, or a parent came back."""

    check: str
    target: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a command: a key of the message catalogue, and its facts."""

    key: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refuse:
    """The answer to a command that cannot be carried out, and why. Exit code 1, HTTP 409, an ephemeral reply."""

    key: str
    facts: Mapping[str, object] = field(default_factory=dict)


Effect = Record | Page | Update | Notice | Announce | Withdraw | Settle | Postpone | Taken | Recheck | Done | Refuse

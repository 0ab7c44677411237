"""What `render` gives and a channel carries: words, links and actions for one address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Action:
    """A button: what it says, and the sentence it types for you (`acknowledge 142`)."""

    label: str
    sentence: str
    style: str = ""  # "", "primary", "danger"


@dataclass(frozen=True, slots=True)
class Message:
    """Words, links and actions for one address, ready to be carried.

    `id` is the idempotency key: the same message sent twice has the same one. `card` groups messages that belong to one
    thing (an incident): a channel that can edit keeps one card per `card` and edits it; `ref` is what it returned when
    it posted that card here before. `thread_line` is one line for the card's thread, empty for none. `payload` is the
    machine-readable form (SPEC 4), for webhooks.
    """

    id: str
    kind: str  # page | update | announce | test
    title: str  # one short line: fits a lock screen
    text: str  # the whole, plain text, a few lines
    at: datetime
    lines: tuple[tuple[str, str], ...] = ()  # (name, value) facts for cards
    links: Mapping[str, str] = field(default_factory=dict)  # label → URL
    actions: tuple[Action, ...] = ()
    priority: str = ""
    status: str = ""  # triggered | acknowledged | resolved, "" where there is no incident
    card: str = ""
    ref: str | None = None
    thread_line: str = ""
    loud: bool = True  # False: an edit or an update, nobody needs to be woken
    attempt: int = 1
    possible_duplicate: bool = False
    payload: Mapping[str, object] = field(default_factory=dict)

"""Chat: where people answer. A door has three duties, no fourth: who is it, what do they say, how is it answered.

What the commands do and what the questions find is behind `Conversation`; `assemble` gives each door one.
"""

from __future__ import annotations

from typing import Protocol

from opswatch.core.events import Command
from opswatch.core.grammar import Question
from opswatch.core.plan import Person


class Conversation(Protocol):
    """What a chat door needs of the house. Called from the door's own thread, one call at a time."""

    def apply(self, command: Command) -> tuple[bool, str]:
        """Carry `command` out: whether it was done, and the answer in the language of who gave it."""
        ...

    def answer(self, question: Question, person: Person) -> str:
        """What `person` asked, in their language and zone."""
        ...

    def person_by_contact(self, kind: str, address: str) -> Person | None:
        """The person whose `contact.KIND` is `address`; None: a stranger."""
        ...

    def card(self, ref: str) -> int | None:
        """The number of the incident whose card a channel posted as `ref`; None: no card of ours."""
        ...

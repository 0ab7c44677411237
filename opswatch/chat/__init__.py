"""Chat: where people answer. A door has three duties, no fourth: who is it, what do they say, how is it answered.

What the commands do and what the questions find is behind `Conversation`; `assemble` gives each door one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from opswatch.core.events import Command
from opswatch.core.grammar import Question
from opswatch.core.model import Secret
from opswatch.core.plan import Person

if TYPE_CHECKING:
    from opswatch.assemble import Office


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


class Door(Protocol):
    """One way in. `trouble` says why nobody can come in just now; "" when they can."""

    @property
    def trouble(self) -> str: ...

    def start(self) -> None:
        """Returns at once: a vendor that cannot be reached must not delay the pager."""
        ...

    def stop(self) -> None: ...


def doors(office: Office) -> list[Door]:
    """The chat doors that the configuration asks for, not started: one per Slack app with an `app_token`."""
    found: dict[Secret, Door] = {}
    for channel in office.settings.channels.values():
        app_token = getattr(channel.config, "app_token", None)
        if channel.kind == "slack" and isinstance(app_token, Secret) and app_token not in found:
            found[app_token] = _slack(office, channel.config, app_token)
    return list(found.values())


def _slack(office: Office, config: object, app_token: Secret) -> Door:
    # Here, and not above: the SDK takes 80 ms to load, and many installations have no Slack.
    from opswatch.chat.slack import SlackDoor, SlackSettings
    from opswatch.conversation import Conversation as Behind

    # A channel's settings are its own business; a door may not import it, only read what it shares with it.
    token, base_url = getattr(config, "token", None), getattr(config, "base_url", "")
    assert isinstance(token, Secret)
    settings = SlackSettings(token, app_token, str(base_url), timeout_s=float(getattr(config, "timeout", 10.0)))
    return SlackDoor(settings, Behind(office), now=office.now)

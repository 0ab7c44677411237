"""Channels carry one message to one address. File name = kind. A channel knows nothing of incidents.

A channel file is: a docstring with the TOML that configures it, a frozen pydantic `Config` (extra keys forbidden), one
class `Channel` with `send`, nothing else public. The vendor's answer body is the truth, not its HTTP status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from opswatch.render.message import Action, Message

__all__ = ["Action", "Channel", "Message", "Receipt"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The vendor has it. `ref` names it there (for edits); `detail` is a short fact for the timeline."""

    ref: str | None = None
    detail: str = ""


class Channel(Protocol):
    """Safe to call from several threads at once; limits its own waiting (10 s unless its config says otherwise)."""

    def send(self, message: Message, address: str) -> Receipt:
        """Raises DeliveryError(permanent=…, retry_after_s=…)."""
        ...

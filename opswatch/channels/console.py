"""Messages on the terminal: for trying opswatch out, and for the log of the service.

[[channel]]
id     = "screen"
kind   = "console"
stream = "stderr"      # or "stdout"
color  = "auto"        # always | never; auto: on a terminal, unless NO_COLOR is set
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Literal, TextIO

from opswatch.channels import Message, Receipt
from opswatch.channels._config import ChannelConfig
from opswatch.errors import DeliveryError

_COLORS = {"P0": "1;97;41", "P1": "1;31", "P2": "1;33", "P3": "1;36"}
_DONE = "1;32"
_DIM = "2"
_TEXT_MAX = 8_000


class Config(ChannelConfig):
    stream: Literal["stderr", "stdout"] = "stderr"
    color: Literal["auto", "always", "never"] = "auto"


class Channel:
    """One card per message, in one write, so that cards of several threads do not mix."""

    def __init__(self, config: Config, *, to: str = "") -> None:
        self._config = config
        self._to = to
        self._lock = threading.Lock()

    def send(self, message: Message, address: str = "") -> Receipt:
        """Prints the card. Raises DeliveryError (temporary) when the stream is closed or full."""
        # Looked up now, not at import: the stream of a service is replaced while it starts.
        stream: TextIO = sys.stdout if self._config.stream == "stdout" else sys.stderr
        card = _card(message, address or self._to, in_color=self._in_color(stream))
        try:
            with self._lock:
                stream.write(card)
                stream.flush()
        except (OSError, ValueError) as trouble:
            raise DeliveryError(f"{self._config.stream} cannot be written: {trouble}") from trouble
        return Receipt(detail=self._config.stream)

    def _in_color(self, stream: TextIO) -> bool:
        if self._config.color == "auto":
            return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
        return self._config.color == "always"


def _card(message: Message, address: str, *, in_color: bool) -> str:
    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if in_color else text

    color = _DONE if message.status == "resolved" else _COLORS.get(message.priority, "1")
    text = _printable(message.text)[:_TEXT_MAX].strip()
    title, _, body = text.partition("\n")
    to = f" → {_printable(address)}" if address else ""
    head = paint(f"{message.kind.upper()}{to}  {message.id}", _DIM)
    rows = [f"{paint('│', color)} {row}".rstrip() for row in body.strip("\n").splitlines()]
    return "\n".join([head, f"{paint('┃', color)} {paint(title, color)}", *rows, "", ""])


def _printable(text: str) -> str:
    """Without control characters: what a probe saw must not move the cursor of who reads it."""
    return "".join(char if char in "\n\t" or char.isprintable() else "·" for char in text)

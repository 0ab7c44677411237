"""Messages as lines of JSON in a file: a record that needs no account, and that other programs can follow.

[[channel]]
id       = "record"
kind     = "file"
path     = "var/pages.jsonl"   # relative to where opswatch runs
max_size = 10_000_000          # bytes; then it is moved to pages.jsonl.1, .2, …
keep     = 5                   # how many of those stay

A line holds the message as SPEC 4 writes it for webhooks, and `to`. It is on the disk before it counts as delivered.
The links in it acknowledge: keep the file as private as a mailbox.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import IO

from pydantic import Field

from opswatch.channels import Message, Receipt
from opswatch.channels._config import ChannelConfig
from opswatch.errors import DeliveryError

_MODE = 0o640


class Config(ChannelConfig):
    path: Path
    max_size: int = Field(10_000_000, ge=10_000)
    keep: int = Field(5, ge=1, le=100)


class Channel:
    """Safe from several threads and several processes: the daemon and a command line may write at once."""

    def __init__(self, config: Config, *, to: str = "") -> None:
        self._config = config
        self._to = to
        self._lock = threading.Lock()

    def send(self, message: Message, address: str = "") -> Receipt:
        """Appends one line and waits until the disk has it. Raises DeliveryError, temporary: disks are emptied."""
        line = _line(message, address or self._to)
        try:
            with self._lock:
                size = self._append(line)
        except OSError as trouble:
            raise DeliveryError(f"{self._config.path} cannot be written: {trouble.strerror or trouble}") from trouble
        return Receipt(detail=f"{self._config.path.name}, {size} bytes")

    def _append(self, line: bytes) -> int:
        path = self._config.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(path.with_name(path.name + ".lock")) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_size + len(line) > self._config.max_size:
                self._rotate(path)
            with _opened(path) as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
                return file.tell()

    def _rotate(self, path: Path) -> None:
        for index in range(self._config.keep - 1, 0, -1):
            older = path.with_name(f"{path.name}.{index}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{index + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))


def _opened(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, _MODE), "ab")


def _line(message: Message, to: str) -> bytes:
    body = dict(message.payload) or {
        "kind": message.kind,
        "page_id": message.id,
        "attempt": message.attempt,
        "possible_duplicate": message.possible_duplicate,
        "title": message.title,
        "summary": message.text,
        "at": message.at.isoformat(),
    }
    if to:
        body["to"] = to
    return json.dumps(body, ensure_ascii=False, default=str).encode() + b"\n"

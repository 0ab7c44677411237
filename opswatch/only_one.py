"""At most one daemon per data folder, and nobody puts a backup back under a running one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from opswatch.errors import OpswatchError

PID_FILE = "opswatch.pid"


class OnlyOne:
    """A second daemon would take the first one's claims for those of the dead.

    `opswatch.pid` holds the process id, for `kill -HUP $(cat …)`; the lock on it ends with the process, however it
    ends. Raises OpswatchError, naming the process that has it."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / PID_FILE
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            running = self._file.read().strip() or "unknown"
            self._file.close()
            raise OpswatchError(f"another opswatch runs on {data_dir} (process {running}): stop it first") from None
        self._file.truncate()
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()

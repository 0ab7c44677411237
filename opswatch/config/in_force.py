"""What a running daemon has loaded, kept in its data folder: a typo on disk keeps nobody from acknowledging.

The copy has the words of the configuration and its check files as they were written, references unresolved, under the
strictest rights that any of them has. It counts while the daemon that wrote it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from opswatch.config.settings import Loaded

FILE = "in-force.json"
MODE_MAX = 0o660
DATA_DIR = "var"
_WRITTEN = re.compile(r'^\s*data_dir\s*=\s*(["\'])(?P<value>[^"\']+)\1', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration that the daemon with process number `pid` decides by, loaded at `at` (UTC)."""

    at: datetime
    pid: int
    fingerprint: str
    data: Mapping[Path, bytes]

    @property
    def is_running(self) -> bool:
        """Whether that daemon lives, as far as this process can see."""
        try:
            os.kill(self.pid, 0)
        except PermissionError:  # It is somebody else's, so it is.
            return True
        except (ProcessLookupError, OverflowError):
            return False
        return True


def keep(loaded: Loaded, at: datetime) -> None:
    """Write down that this process decides by `loaded` from now on. Raises OSError."""
    files = {str(source.file.absolute()): source.data.decode("utf-8") for source in loaded.sources}
    record = {"at": at.isoformat(), "pid": os.getpid(), "fingerprint": loaded.fingerprint, "files": files}
    place = loaded.settings.data_dir / FILE
    fresh = place.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(record, stream)
    mode = MODE_MAX
    for source in loaded.sources:
        mode &= source.file.stat().st_mode | 0o600
    fresh.chmod(mode)
    fresh.replace(place)


def forget(data_dir: Path) -> None:
    """This process decides no more."""
    with contextlib.suppress(OSError):
        (data_dir / FILE).unlink()


def find(path: Path) -> InForce | None:
    """What a daemon that lives has loaded from `path`; None where none does, or where it is not ours to read."""
    try:
        record = json.loads((_data_dir(path) / FILE).read_text(encoding="utf-8"))
        data = {Path(name): text.encode() for name, text in record["files"].items()}
        found = InForce(datetime.fromisoformat(record["at"]), int(record["pid"]), str(record["fingerprint"]), data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    is_of_path = bool(data) and os.path.realpath(next(iter(data))) == os.path.realpath(path)
    return found if is_of_path and found.is_running else None


def _data_dir(path: Path) -> Path:
    """Where the file says that its data are, even when it is broken."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        written = tomllib.loads(text)["opswatch"]["data_dir"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        found = _WRITTEN.search(text)
        written = found["value"] if found else DATA_DIR
    return path.parent / (written if isinstance(written, str) else DATA_DIR)

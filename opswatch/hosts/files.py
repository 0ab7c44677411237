"""Files of a host: which there are, how they begin and end, whether they are whole. Never waits longer than told."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from opswatch.clock import monotonic_s
from opswatch.core.model import UnknownReason
from opswatch.hosts import CannotSee
from opswatch.hosts.helper import Helpers, NoAnswer

FILES_MAX = 20_000
_ANSWER_MAX = 16 * 1024 * 1024
_PROGRAM = (sys.executable, "-I", "-S", str(Path(__file__).with_name("listing.py")))


@dataclass(frozen=True, slots=True)
class File:
    """One file, or a folder with all that is in it."""

    path: str
    size: int
    changed_at: datetime  # UTC

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0] or "/"


@dataclass(frozen=True, slots=True)
class Listing:
    """What matched. `troubles`: glob → why nothing can match it. `is_cut`: there are more than `FILES_MAX`."""

    files: tuple[File, ...]
    troubles: Mapping[str, str]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """The first and the last bytes of a file; they overlap in a small one."""

    head: bytes
    tail: bytes
    size: int


class Files:
    """Each method raises CannotSee: `timeout` when no answer came, `refused` when the file may not be read."""

    def __init__(self, program: Sequence[str] = _PROGRAM) -> None:
        self._helpers = Helpers(program, answer_max=_ANSWER_MAX)

    def find(self, globs: Sequence[str], timeout_s: float, *, folders: bool = False) -> Listing:
        """The files that match any of `globs` (absolute; `**` goes down), or with `folders` the folders. A file with
        several names (links) counts once."""
        question = {"globs": list(globs), "files_max": FILES_MAX, "folders": folders}
        answer = self._ask(question, f"{', '.join(globs[:3])}", timeout_s)
        files = (File(path, size, datetime.fromtimestamp(at, UTC)) for path, size, at in answer["files"])
        return Listing(tuple(files), answer["troubles"], answer["is_cut"])

    def ends(self, path: str, count: int, timeout_s: float) -> Ends:
        """Its first and last `count` bytes."""
        answer = self._ask({"ends": path, "count": count}, path, timeout_s)
        return _ends(answer)

    def digest(self, path: str, kind: str, timeout_s: float) -> str | None:
        """Its checksum in hexadecimal (`kind` as hashlib names it); None when that takes longer."""
        answer = self._ask({"digest": path, "kind": kind, "within_s": timeout_s * 0.9}, path, timeout_s)
        return None if "late" in answer else str(answer["digest"])

    def unpack(self, path: str, count: int, timeout_s: float) -> Ends | str | None:
        """Reads a gzip file to its end: the first and last `count` bytes of what was in it; words when it is not whole;
        None when that takes longer."""
        answer = self._ask({"unpacked": path, "count": count, "within_s": timeout_s * 0.9}, path, timeout_s)
        if "late" in answer:
            return None
        return str(answer["broken"]) if "broken" in answer else _ends(answer)

    def _ask(self, question: Mapping[str, object], what: str, timeout_s: float) -> Any:
        began = monotonic_s()
        try:
            answer = self._helpers.ask(question, timeout_s)
        except NoAnswer as silence:
            words = f"{what}: {silence} within {monotonic_s() - began:.1f} s"
            raise CannotSee(UnknownReason.TIMEOUT, words) from None
        if isinstance(answer, dict) and "error" in answer:
            raise CannotSee(UnknownReason.REFUSED, f"{what} cannot be read: {answer['error']}")
        return answer


def _ends(answer: Mapping[str, Any]) -> Ends:
    return Ends(base64.b64decode(answer["head"]), base64.b64decode(answer["tail"]), answer["size"])


@lru_cache(maxsize=1)
def local_files() -> Files:
    """Those of this host, through helpers that all looks share."""
    return Files()

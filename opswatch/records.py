"""Documents on disk: parts that opswatch writes again and again, and between them whatever people write.

A generated part stands between `<!-- opswatch:NAME -->` and `<!-- /opswatch:NAME -->`. Its last line is a seal: a hash
of the part, and short keys of the facts it tells. While the seal fits, nobody touched the part and it is rewritten.
Once it does not, the part is people's: it is kept as it is, and facts it had not told yet are appended below it, in a
part of their own (`NAME.2`). Outside the markers nothing is ever changed.

The seal is in the file itself, so that one rename writes the words and the record of them: there is no instant between
the two, a crash leaves the old file or the new one, and a copy saved over ours by a slow editor is still recognised.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from opswatch.errors import OpswatchError

FILE_BYTES_MAX = 2 * 1024 * 1024
PART_LETTERS_MAX = 256 * 1024
ATTEMPTS_MAX = 5  # at a file that somebody saves again and again while we write
FILE_MODE = 0o660  # people of the group write into it: umask 0007
FOLDER_MODE = 0o770
LEFTOVER_AGE = timedelta(hours=1)

_MARK = re.compile(r"^[ \t]*<!-- (/?)opswatch:([a-z][a-z0-9_.-]{0,63}) -->[ \t]*(?=\r?$)", re.MULTILINE)
_SEAL = re.compile(r"^[ \t]*<!-- seal ([0-9a-f]{16})((?: [0-9a-z]+)*) -->[ \t]*\r?\n?\Z", re.MULTILINE)
_COMMENT_LINE = re.compile(
    r"^[ \t]*<!-- (?:/?opswatch:[a-z][a-z0-9_.-]*|seal [0-9a-z ]+) -->[ \t]*\r?\n?", re.MULTILINE
)


class NotOurs(OpswatchError):
    """A file that stands where a record should be, and that cannot be written without losing what it is."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says now. `text` is the whole of it, its parts between markers; `facts` gives for each part the
    facts it tells, key → one Markdown line: what is appended where people took the part over. Keys must not depend on
    the language."""

    text: str
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it stands in a text: `[start, end)` with its markers, `body` without markers and seal."""

    name: str
    start: int
    end: int
    body: str
    seal: str | None
    keys: frozenset[str]

    @property
    def is_touched(self) -> bool:
        """Whether people changed it since it was written. Line ends and trailing blanks do not count."""
        return self.seal != _hash(self.body)


# ---------------------------------------------------------------------------------------------------------------------
# Texts


def merged(text: str, document: Document) -> str:
    """`text` brought up to date: untouched parts as in `document`, touched ones kept with new facts below, parts that
    are missing put after the one they follow. An empty `text` gives the whole document."""
    fresh = parts_of(document.text)
    if not text.strip():
        return _sealed(document, fresh)
    before: str | None = None
    for part in fresh.values():
        text = _updated(text, part, document.facts.get(part.name, {}), before)
        before = next((one.name for one in reversed(_chain(text, part.name))), before)
    return text


def parts_of(text: str) -> dict[str, Part]:
    """The parts in a text, in order. Of two with one name the first is meant; a marker without its fellow is no
    marker."""
    found: dict[str, Part] = {}
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if not mark[1]:
            opened = mark
        elif opened is not None and opened[2] == mark[2]:
            found.setdefault(mark[2], _part(text, opened, mark))
            opened = None
    return found


def people_wrote(text: str) -> bool:
    """Whether anything in it is of a person: words outside the parts, or a part that was changed."""
    parts = parts_of(text).values()
    outside, at = [], 0
    for part in sorted(parts, key=lambda part: part.start):
        outside.append(text[at : part.start])
        at = part.end
    words = _COMMENT_LINE.sub("", "".join([*outside, text[at:]])).strip()
    return bool(words) or any(part.is_touched for part in parts)


def tells(text: str, fact: str) -> bool:
    """Whether a part of it tells the fact of this key, as it was last written."""
    return any(fact in part.keys for part in parts_of(text).values())


def for_reading(text: str) -> str:
    """The text without markers and seals, for a terminal or a chat."""
    apart = _MARK.sub("", text)  # A blank line in its place: what people add right below is a paragraph of its own.
    return re.sub(r"\n(?:[ \t]*\r?\n){2,}", "\n\n", _COMMENT_LINE.sub("", apart)).strip() + "\n"


def key(*facts: object) -> str:
    """A short key of a fact, for `Document.facts`: the same facts, the same key, in any language and release."""
    return hashlib.sha256(repr([str(fact) for fact in facts]).encode()).hexdigest()[:8]


# ---------------------------------------------------------------------------------------------------------------------
# Files


class Folder:
    """`data_dir/records/<kind>/`. OSError passes through; NotOurs says why a file was left alone."""

    def __init__(self, data_dir: Path, kind: str) -> None:
        self.path = data_dir / "records" / kind

    def file(self, name: str) -> Path:
        return self.path / f"{name}.md"

    def read(self, name: str) -> str | None:
        """The text of a record; None when there is none yet."""
        raw = _read(self.file(name))
        return None if raw is None else _decoded(raw)

    def write(self, name: str, document: Document) -> bool:
        """Bring the record up to date. False: it already was, nothing was written.

        The new text is durable when this returns. A file that changes while we write is read again.
        """
        self._make()
        file = self.file(name)
        for _ in range(ATTEMPTS_MAX):
            raw = _read(file)
            new = merged(_decoded(raw or b""), document).encode("utf-8", "surrogateescape")
            if new == raw:
                return False
            if len(new) > FILE_BYTES_MAX:
                raise NotOurs(f"{file} would be larger than {FILE_BYTES_MAX >> 20} MiB: it is left as it is")
            if self._replace(file, raw, new):
                return True
        raise NotOurs(f"{file} changes all the time: it is left as it is for now")

    def sweep(self, now: datetime) -> None:
        """Remove what a crash left half written."""
        for left in self.path.glob(".*.new"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < (now - LEFTOVER_AGE).timestamp():
                    left.unlink()

    def _make(self) -> None:
        for folder in (self.path.parent, self.path):
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) & stat.S_ISGID | FOLDER_MODE)

    def _replace(self, file: Path, seen: bytes | None, new: bytes) -> bool:
        """Whether `new` stands where `seen` stood; False when somebody saved the file meanwhile."""
        mode = FILE_MODE if seen is None else stat.S_IMODE(file.stat().st_mode)
        fd, written = tempfile.mkstemp(prefix=f".{file.stem[:100]}.", suffix=".new", dir=self.path)
        try:
            with os.fdopen(fd, "wb") as out:
                os.fchmod(fd, mode)
                out.write(new)
                out.flush()
                os.fsync(fd)
            if _read(file) != seen:
                Path(written).unlink()
                return False
            Path(written).replace(file)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(written).unlink(missing_ok=True)
            raise
        _sync_folder(self.path)
        return True


def _read(file: Path) -> bytes | None:
    """The bytes of a plain file. A link, a pipe or something huge is not ours: it is neither read nor replaced."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as trouble:
        if trouble.errno == errno.ELOOP:
            raise NotOurs(f"{file} is a symbolic link: it is left as it is") from None
        raise
    with os.fdopen(fd, "rb") as opened:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotOurs(f"{file} is not a plain file: it is left as it is")
        raw = opened.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise NotOurs(f"{file} is larger than {FILE_BYTES_MAX >> 20} MiB: it is left as it is")
    if b"\0" in raw:
        raise NotOurs(f"{file} is not UTF-8 text any more: it is left as it is")
    return raw


def _decoded(raw: bytes) -> str:
    """Bytes that are not UTF-8 come back out as they were."""
    return raw.decode("utf-8", "surrogateescape")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# ---------------------------------------------------------------------------------------------------------------------
# Parts


def _part(text: str, opening: re.Match[str], closing: re.Match[str]) -> Part:
    inner = text[opening.end() : closing.start()]
    seal = _SEAL.search(inner)
    return Part(
        name=opening[2],
        start=opening.start(),
        end=closing.end(),
        body=(inner[: seal.start()] if seal else inner).strip("\r\n"),
        seal=seal[1] if seal else None,
        keys=frozenset(seal[2].split()) if seal else frozenset(),
    )


def _hash(body: str) -> str:
    lines = [line.rstrip() for line in body.strip().splitlines()]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _written(name: str, body: str, facts: Mapping[str, str]) -> str:
    """A part with its markers and seal."""
    body = body.strip("\r\n")
    assert len(body) <= PART_LETTERS_MAX, f"part {name} has {len(body)} letters"
    seal = " ".join(["<!-- seal", _hash(body), *facts, "-->"])
    return "\n".join(
        [f"<!-- opswatch:{name} -->", *([body] if body.strip() else []), seal, f"<!-- /opswatch:{name} -->"]
    )


def _sealed(document: Document, fresh: Mapping[str, Part]) -> str:
    """A new document: its parts sealed, those that say nothing left out."""
    text = document.text
    for part in sorted(fresh.values(), key=lambda part: -part.start):
        facts = document.facts.get(part.name, {})
        written = _written(part.name, part.body, facts) if part.body.strip() else ""
        text = text[: part.start] + written + text[part.end :]
    return re.sub(r"\n{3,}", "\n\n", text)


def _chain(text: str, name: str) -> list[Part]:
    """A part and what was appended below it: `notes`, `notes.2`, `notes.3`."""
    found = parts_of(text)
    chain = [found[name]] if name in found else []
    while (below := f"{name}.{len(chain) + 1}") in found and chain:
        chain.append(found[below])
    return chain


def _updated(text: str, fresh: Part, facts: Mapping[str, str], before: str | None) -> str:
    chain = _chain(text, fresh.name)
    if not chain:
        return _put_in(text, _written(fresh.name, fresh.body, facts), before) if fresh.body.strip() else text
    told: set[str] = set()
    for place, part in enumerate(chain):
        new = {name: line for name, line in facts.items() if name not in told}
        if part.is_touched:
            told |= part.keys | {name for name, line in new.items() if line in part.body}
            continue
        body = fresh.body if place == 0 else "\n".join(new.values())
        text = _swapped(text, part, _written(part.name, body, new))
        told |= set(new)
        chain[place + 1 :] = _chain(text, fresh.name)[place + 1 :]  # They stand elsewhere now.
    new = {name: line for name, line in facts.items() if name not in told}
    if new:
        below = f"{fresh.name}.{len(chain) + 1}"
        text = _put_in(text, _written(below, "\n".join(new.values()), new), chain[-1].name)
    return text


def _swapped(text: str, part: Part, written: str) -> str:
    return text[: part.start] + _as_lines_of(text, written) + text[part.end :]


def _put_in(text: str, written: str, before: str | None) -> str:
    """A part that is not there yet: below the part it follows, else at the top."""
    above = parts_of(text).get(before) if before else None
    if above is None:
        return _as_lines_of(text, f"{written}\n\n") + text
    return text[: above.end] + _as_lines_of(text, f"\n\n{written}") + text[above.end :]


def _as_lines_of(text: str, written: str) -> str:
    """With the line ends that the file has."""
    return written.replace("\n", "\r\n") if "\r\n" in text else written

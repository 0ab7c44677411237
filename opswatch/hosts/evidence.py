"""What may be shown of what was seen: printable, bounded, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opswatch.core.counts import say_count as say_count

LINES_MAX = 20
LINE_MAX = 400

_NAMES = r"passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?"
_VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|[^\s\"'&,;]+)"
_SCHEMES = r"(?:(?:bearer|basic|digest|token)\s+)?"
_HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@"), r"\1:***@"),
    (re.compile(rf"(?i)((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?){_SCHEMES}[^\s\"',;]+"), r"\1***"),
    (re.compile(r"(?i)((?:set-)?cookie[\"']?\s*[:=]\s*).+"), r"\1***"),
    (re.compile(rf"(?i)([a-z0-9_.-]*(?:{_NAMES})(?:[_-][a-z0-9_]+)?[\"']?\s*[:=]\s*){_VALUE}"), r"\1***"),
    (re.compile(rf"(?i)(--(?:{_NAMES})\s+)\S+"), r"\1***"),
    (re.compile(r"\bAKIA[0-9A-Z]{12,20}\b"), "AKIA***"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), "eyJ***"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*"), "-----BEGIN PRIVATE KEY----- ***"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def printable(text: str, limit: int = LINE_MAX) -> str:
    """`text` as one line of at most `limit` letters: no control characters (a terminal obeys them, PostgreSQL refuses
    NUL), secrets hidden."""
    line = _CONTROL.sub(" ", text[: limit * 4]).strip()
    return cut(redacted(line), limit)


def bounded(lines: Iterable[str], lines_max: int = LINES_MAX) -> tuple[str, ...]:
    """The first `lines_max` lines that are not empty, each printable; the last says how many more there were."""
    kept: list[str] = []
    more = 0
    for line in lines:
        shown = printable(line) if len(kept) < lines_max else ""
        if shown:
            kept.append(shown)
        elif len(kept) >= lines_max and line.strip():
            more += 1
    if more:
        kept[-1] = f"… and {more + 1} more lines"
    return tuple(kept)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets`, and without what looks like one."""
    text = without(text, secrets)
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


def without(text: str, secrets: Iterable[str]) -> str:
    """`text` with each of `secrets` hidden, and nothing else: what is parsed afterwards must stay as it is."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def cut(text: str, limit: int) -> str:
    """At most `limit` letters, marked where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def say_bytes(count: float) -> str:
    """ "3.1 GiB": binary units, as df -h counts."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} PiB"


def say_seconds(seconds: float) -> str:
    """ "3 ms", "1.2 s", "42 s": for the time something took."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"

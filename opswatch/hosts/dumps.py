"""Whether a backup file is whole, as far as its first and last bytes tell."""

from __future__ import annotations

import re

from opswatch.hosts.files import Ends

LOOK_AT = 64 * 1024 + 1024  # bytes of each end: a zip may carry a comment of 64 KiB behind its directory

_BY_NAME = {
    ".gz": (b"\x1f\x8b", "gzip"),
    ".tgz": (b"\x1f\x8b", "gzip"),
    ".xz": (b"\xfd7zXZ\x00", "xz"),
    ".zst": (b"\x28\xb5\x2f\xfd", "zstd"),
    ".bz2": (b"BZh", "bzip2"),
    ".lz4": (b"\x04\x22\x4d\x18", "lz4"),
    ".zip": (b"PK", "zip"),
}
# Dumps in plain SQL say in a comment that they are complete.
_LAST_LINES = (
    (b"PostgreSQL database cluster dump", b"PostgreSQL database cluster dump complete"),
    (b"PostgreSQL database dump", b"PostgreSQL database dump complete"),
    (b"-- MySQL dump", b"-- Dump completed"),
    (b"-- MariaDB dump", b"-- Dump completed"),
)


def what_is_missing(name: str, ends: Ends) -> str:
    """Why the file cannot be whole; empty when nothing speaks against it."""
    if ends.size == 0:
        return "is empty"
    ending = re.search(r"\.[a-z0-9]+$", name.lower())
    magic, kind = _BY_NAME.get(ending.group(), (b"", "")) if ending else (b"", "")
    if not ends.head.startswith(magic):
        return f"is no {kind} file, whatever its name says"
    return _cut_off(ends) or of_dump(ends.head, ends.tail)


def of_dump(head: bytes, tail: bytes) -> str:
    """The same of a dump in plain SQL, also of one that was unpacked."""
    if not head.lstrip().startswith((b"--", b"/*")):  # Else it stands inside of something, such as a tar file.
        return ""
    for first, last in _LAST_LINES:
        if first in head[:1000]:
            return "" if last in tail[-4096:] else f"is cut off: its last lines do not say {last.decode()!r}"
    return ""


def is_gzip(ends: Ends) -> bool:
    """Whether only reading it through tells if it is whole."""
    return ends.head.startswith(b"\x1f\x8b")


def _cut_off(ends: Ends) -> str:
    head, tail = ends.head, ends.tail
    if head.startswith(b"\xfd7zXZ\x00") and not tail.rstrip(b"\0").endswith(b"YZ"):
        return "is cut off: the end mark of xz is missing"
    if head.startswith(b"PK\x03\x04") and b"PK\x05\x06" not in tail:
        return "is cut off: the directory of the zip file is missing"
    if head[257:262] == b"ustar" and not tail.endswith(bytes(1024)):
        return "is cut off: the two empty blocks at the end of the tar file are missing"
    if head.startswith(b"SQLite format 3\0") and ends.size < _sqlite_size(head):
        return f"is cut off: its header speaks of {_sqlite_size(head)} bytes, there are {ends.size}"
    return ""


def _sqlite_size(head: bytes) -> int:
    """The number of pages is right only where the change counter says that it was kept up to date."""
    page = int.from_bytes(head[16:18], "big")
    is_kept = head[24:28] == head[92:96]
    return (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big") if is_kept else 0

"""The helper process that lists and reads files. It may hang for ever on a dead file server; we may not.

One JSON question a line comes in, one JSON answer a line goes out; `hosts/files.py` asks. It imports nothing of
opswatch: it starts in milliseconds, and is run by its file name, never forked from the threaded daemon.
"""

from __future__ import annotations

import base64
import glob
import gzip
import hashlib
import json
import os
import stat
import sys
import time
import zlib
from typing import Any

# os.path is here anyway; pathlib would double the time it takes to start.
# ruff: noqa: PTH116, PTH118, PTH120, PTH123, PTH207

CHUNK = 1024 * 1024
TREE_MAX = 100_000  # entries of one folder that are added up


def found(question: dict[str, Any]) -> dict[str, object]:
    """The files, or folders, that match `globs`: [path, bytes, changed at, written in place]. A file with several names
    counts once."""
    files: dict[tuple[int, int], list[object]] = {}
    troubles: dict[str, str] = {}
    is_cut = False
    want_folders = question["folders"]
    for pattern in question["globs"]:
        before = len(files)
        for path in glob.iglob(pattern, recursive=True):
            if len(files) >= question["files_max"]:
                is_cut = True
                break
            try:
                seen = os.stat(path)
                is_link = stat.S_ISLNK(os.lstat(path).st_mode)
            except OSError:  # Gone meanwhile, or a link to nowhere.
                continue
            if not (stat.S_ISDIR if want_folders else stat.S_ISREG)(seen.st_mode):
                continue
            key = (seen.st_dev, seen.st_ino)
            if key not in files or not is_link:
                size, changed = tree(path) if want_folders else (seen.st_size, seen.st_mtime)
                files[key] = [path, size, changed]
        if len(files) == before and (trouble := why_none(pattern)):
            troubles[pattern] = trouble
    return {"files": list(files.values()), "is_cut": is_cut, "troubles": troubles}


def tree(folder: str) -> tuple[int, float]:
    """Bytes of all files below, and when the last of them changed."""
    total, changed, count = 0, os.stat(folder).st_mtime, 0
    for where, _, names in os.walk(folder):
        for name in names:
            count += 1
            if count > TREE_MAX:
                return total, changed
            try:
                seen = os.lstat(os.path.join(where, name))
            except OSError:
                continue
            total += seen.st_size
            changed = max(changed, seen.st_mtime)
    return total, changed


def why_none(pattern: str) -> str:
    """Why nothing can match: the folder that the pattern names is not there, or not for us. Empty: nothing matches."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    try:
        with os.scandir(folder or "/"):
            return ""
    except OSError as trouble:
        return f"{folder}: {trouble.strerror}"


def ends(question: dict[str, Any]) -> dict[str, object]:
    """The first and last bytes of a file."""
    count = question["count"]
    with open(question["ends"], "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(count)
        file.seek(max(0, size - count))
        tail = file.read(count)
    return {"size": size, "head": base64.b64encode(head).decode(), "tail": base64.b64encode(tail).decode()}


def digest(question: dict[str, Any]) -> dict[str, object]:
    """The checksum of a whole file, or `late`."""
    until = time.monotonic() + question["within_s"]
    summed = hashlib.new(question["kind"])
    with open(question["digest"], "rb") as file:
        while chunk := file.read(CHUNK):
            summed.update(chunk)
            if time.monotonic() > until:
                return {"late": True}
    return {"digest": summed.hexdigest()}


def unpacked(question: dict[str, Any]) -> dict[str, object]:
    """The first and last bytes inside a gzip file, or why it is not whole (its checksum included), or `late`."""
    until = time.monotonic() + question["within_s"]
    head, tail, total = b"", b"", 0
    try:
        with gzip.open(question["unpacked"], "rb") as file:
            while chunk := file.read(CHUNK):
                head = head or chunk[: question["count"]]
                tail = (tail + chunk)[-question["count"] :]
                total += len(chunk)
                if time.monotonic() > until:
                    return {"late": True}
    except (EOFError, zlib.error, gzip.BadGzipFile) as trouble:
        return {"broken": str(trouble)}
    return {"size": total, "head": base64.b64encode(head).decode(), "tail": base64.b64encode(tail).decode()}


def answer(question: dict[str, Any]) -> dict[str, object]:
    """What the question asks, or `{"error": words}`."""
    ask = next(ask for key, ask in QUESTIONS.items() if key in question)
    try:
        return ask(question)
    except OSError as trouble:
        return {"error": trouble.strerror or str(trouble)}


QUESTIONS = {"globs": found, "ends": ends, "digest": digest, "unpacked": unpacked}


def main() -> None:
    """Answer until the other side is gone."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

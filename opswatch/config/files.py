"""Which files a configuration consists of, and their bytes."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opswatch.config.problems import Problems, Source, syntax_problem
from opswatch.errors import ConfigError, Problem

SIZE_MAX = 8 * 1024 * 1024
CHECKS_DEFAULT = "checks"
PLAYBOOKS_DEFAULT = "playbooks"


def read(
    path: Path, problems: Problems, held: Mapping[Path, bytes] | None = None
) -> tuple[list[Source], dict[Path, bytes]]:
    """The configuration file and its check files as Sources, and the bytes of all files, playbooks too. What is no
    TOML is a problem; a main file that is none raises ConfigError, for nothing else can be said then. With `held` these
    files stand for those on disk: the first is the main one."""
    if held is not None:
        kept = [_parsed(file, str(file), data, problems) for file, data in held.items()]
        return [source for source in kept if source is not None], dict(held)
    main = _source(path, str(path), problems)
    if main is None:
        raise ConfigError(problems.listed())
    sources, data = [main], {path: main.data}
    for file in files_of(folder(main.document, path, "checks"), "*.toml"):
        source = _source(file, str(file), problems)
        if source is not None:
            sources.append(source)
            data[file] = source.data
    for file in files_of(folder(main.document, path, "playbooks"), "*.md"):
        data[file] = _bytes(file)
    return sources, data


def read_one(path: Path, problems: Problems) -> Source | None:
    """A file beside the configuration as a Source; None when it is none, which is a problem."""
    return _source(path, str(path), problems, hint="")


def folder(document: Any, path: Path, which: str) -> Path:
    """The folder of check files or playbooks, relative to the configuration file."""
    table = document.get("opswatch", {})
    written = table.get(which) if isinstance(table, dict) else None
    return path.parent / (written if isinstance(written, str) else which)


def files_of(directory: Path, pattern: str) -> list[Path]:
    """Files of a folder in the order of their names; hidden ones (editors' copies) are not read."""
    return sorted(file for file in directory.glob(pattern) if file.is_file() and not file.name.startswith("."))


def fingerprint(path: Path) -> str:
    """Of what is on disk now. Differs from `Loaded.fingerprint` when it is not what is loaded; never raises for a file
    that is missing or broken."""
    files = {path: _bytes(path)}
    try:
        document = tomllib.loads(files[path].decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return digest(files.items())
    for which, pattern in (("checks", "*.toml"), ("playbooks", "*.md")):
        files.update({file: _bytes(file) for file in files_of(folder(document, path, which), pattern)})
    return digest(files.items())


def digest(files: Iterable[tuple[Path, bytes]]) -> str:
    """One text for names and bytes of all files, whatever their order."""
    total = hashlib.sha256()
    for file, data in sorted(files):
        total.update(f"{file.name}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()[:16]


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(SIZE_MAX)
    except OSError:
        return b""


def _source(file: Path, shown: str, problems: Problems, hint: str = "; `opswatch init` writes one") -> Source | None:
    try:
        data = file.read_bytes()
        if len(data) > SIZE_MAX:
            problems.without_place.append(Problem(shown, 1, "the file", f"{len(data)} bytes", f"at most {SIZE_MAX}"))
            return None
    except OSError as trouble:
        hint = hint if isinstance(trouble, FileNotFoundError) else ""
        words = f"cannot be read: {(trouble.strerror or 'no reason given').lower()}{hint}"
        problems.without_place.append(Problem(shown, None, "the file", "", words))
        return None
    return _parsed(file, shown, data, problems)


def _parsed(file: Path, shown: str, data: bytes, problems: Problems) -> Source | None:
    try:
        return Source(file, shown, data, tomllib.loads(data.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as trouble:
        problems.without_place.append(syntax_problem(shown, data, trouble))
        return None

"""A backup is one file: a compressed tar of a store's copy, what stands beside it, and a manifest that says what
should be in it. Nothing is taken out of one whose bytes are not those that went in."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

from opswatch.errors import OpswatchError

MANIFEST = "manifest.json"
FORMAT = 1
FILE_MODE = 0o660
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
CHUNK = 1024 * 1024
LEVEL = 1  # most of the gain for a third of the time


class BadBackup(OpswatchError):
    """A file that is no backup of ours, or not the one that was written."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a backup. `mode` are its permission bits."""

    bytes: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `place` is where the store was, without secrets; `position` and `counts` are as
    `stores.backup.Shape` has them; `configuration` is the fingerprint of what was loaded then."""

    made_at: datetime
    release: str
    name: str
    node: str
    place: str
    configuration: str
    schema: tuple[str, ...]
    position: int
    open_incidents: int
    first_at: datetime | None
    last_at: datetime | None
    counts: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "made_at": self.made_at.isoformat(),
            "opswatch": self.release,
            "name": self.name,
            "node": self.node,
            "store": self.place,
            "configuration": self.configuration,
            "schema": list(self.schema),
            "position": self.position,
            "open_incidents": self.open_incidents,
            "first_at": None if self.first_at is None else self.first_at.isoformat(),
            "last_at": None if self.last_at is None else self.last_at.isoformat(),
            "counts": dict(self.counts),
            "files": {
                name: {"bytes": one.bytes, "sha256": one.sha256, "mode": f"{one.mode:04o}"}
                for name, one in self.members.items()
            },
        }


def members_of(folder: Path) -> dict[str, Member]:
    """Every regular file below `folder`, by its path there; links and the like are no part of a backup."""
    return {
        path.relative_to(folder).as_posix(): Member(path.stat().st_size, _digest(path), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def pack(folder: Path, manifest: Manifest, target: Path) -> None:
    """Write what the manifest names from `folder` into the new file `target`, and wait for the disk."""
    document = json.dumps(manifest.as_json(), indent=1).encode()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        with gzip.GzipFile("", "wb", LEVEL, out, mtime=0) as pressed, tarfile.open(fileobj=pressed, mode="w|") as tar:
            _add(tar, MANIFEST, len(document), FILE_MODE, manifest.made_at, BytesIO(document))
            for name, member in manifest.members.items():
                with (folder / name).open("rb") as stream:
                    _add(tar, name, member.bytes, member.mode, manifest.made_at, stream)
        out.flush()
        os.fsync(out.fileno())


def manifest_of(file: Path) -> Manifest:
    """What the backup in `file` says of itself. Raises BadBackup."""
    with _opened(file) as tar:
        return _first(tar, file)


def unpack(file: Path, folder: Path | None) -> Manifest:
    """Take everything out into the empty `folder` (None: only look), each byte compared with the manifest. Raises
    BadBackup for a file that is missing, changed, or was not announced; then `folder` is not to be used."""
    with _opened(file) as tar:
        manifest = _first(tar, file)
        missing = dict(manifest.members)
        for member, stream in _files(tar, file):
            known = missing.pop(member.name, None)
            if known is None:
                raise BadBackup(f"{file}: holds {member.name!r}, which its manifest does not name, or twice")
            if _taken(stream, None if folder is None else folder / member.name, known) != known.sha256:
                raise BadBackup(f"{file}: {member.name} is not what was written: use another backup")
        if missing:
            raise BadBackup(f"{file}: lacks {', '.join(sorted(missing)[:5])}: it was cut off; use another backup")
    return manifest


# ---------------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """A backup that is read from its beginning to its end; what goes wrong in it is BadBackup."""
    try:
        with file.open("rb") as raw:
            try:
                with tarfile.open(fileobj=raw, mode="r|gz") as tar:
                    yield tar
            except (tarfile.TarError, EOFError, zlib.error) as trouble:
                raise BadBackup(f"{file}: is no backup of opswatch, or damaged, or cut off ({trouble})") from trouble
    except FileNotFoundError:
        raise OpswatchError(f"{file} does not exist") from None


def _files(tar: tarfile.TarFile, file: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    while (member := tar.next()) is not None:
        path = PurePosixPath(member.name)
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is None or path.is_absolute() or ".." in path.parts:
            raise BadBackup(f"{file}: {member.name!r} has no place in a backup")
        yield member, stream


def _first(tar: tarfile.TarFile, file: Path) -> Manifest:
    found = next(_files(tar, file), None)
    if found is None or found[0].name != MANIFEST or found[0].size > MANIFEST_BYTES_MAX:
        raise BadBackup(f"{file}: is no backup of opswatch: it does not begin with {MANIFEST}")
    try:
        return _manifest(json.loads(found[1].read()))
    except (ValueError, KeyError, TypeError, AttributeError) as trouble:
        raise BadBackup(f"{file}: its manifest cannot be read ({trouble})") from trouble


def _manifest(document: dict[str, Any]) -> Manifest:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']}, this release reads {FORMAT}")
    instants = {
        name: None if document[name] is None else datetime.fromisoformat(document[name])
        for name in ("first_at", "last_at")
    }
    return Manifest(
        made_at=datetime.fromisoformat(document["made_at"]),
        release=str(document["opswatch"]),
        name=str(document["name"]),
        node=str(document["node"]),
        place=str(document["store"]),
        configuration=str(document["configuration"]),
        schema=tuple(document["schema"]),
        position=int(document["position"]),
        open_incidents=int(document["open_incidents"]),
        counts={str(table): int(rows) for table, rows in document["counts"].items()},
        members={
            str(name): Member(int(one["bytes"]), str(one["sha256"]), int(one["mode"], 8) & 0o777)
            for name, one in document["files"].items()
        },
        **instants,
    )


def _taken(stream: IO[bytes], into: Path | None, known: Member) -> str:
    """The digest of what came out, and the file, synced, with the mode it had."""
    if into is None:
        return _digest_of(stream, None)
    into.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
    with os.fdopen(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        digest = _digest_of(stream, out)
        out.flush()
        os.fsync(out.fileno())
        os.fchmod(out.fileno(), known.mode)
    return digest


def _add(tar: tarfile.TarFile, name: str, size: int, mode: int, at: datetime, stream: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, int(at.timestamp())
    tar.addfile(info, stream)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return _digest_of(stream, None)


def _digest_of(stream: IO[bytes], out: IO[bytes] | None) -> str:
    total = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        total.update(chunk)
        if out is not None:
            out.write(chunk)
    return total.hexdigest()

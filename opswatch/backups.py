"""Backups of an installation while it runs, and putting one back: the store, the records, the key that signs links."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opswatch import __version__, archive
from opswatch.archive import BadBackup, Manifest
from opswatch.core.model import Secret
from opswatch.errors import OpswatchError, StoreUnavailable
from opswatch.links import KEY_FILE
from opswatch.only_one import OnlyOne
from opswatch.stores import backup, open_store
from opswatch.stores.backup import Shape
from opswatch.stores.census import Census, census
from opswatch.stores.opening import databases

__all__ = [
    "BadBackup",
    "Census",
    "Destination",
    "Made",
    "Restored",
    "WouldLose",
    "back_up",
    "census",
    "check",
    "facts_of",
    "manifest_of",
    "restore",
]

FOLDER = "records"
STORE = "store"  # the folder of the store's copy within a backup
UNFINISHED = ".opswatch-backup-"
UNFINISHED_AGE_S = 86_400.0
ALIVE_WITHIN = timedelta(seconds=15)  # a node says every few seconds that it lives
_OURS = re.compile(r"opswatch-\d{8}T\d{6}Z\.tar\.gz")


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written, read again and found sound."""

    file: Path
    bytes: int
    manifest: Manifest
    removed: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a backup is put back. `data_dir` None: only the store."""

    store: Secret
    data_dir: Path | None

    @property
    def file(self) -> Path | None:
        """The store's file; None for PostgreSQL."""
        kind, _, path = self.store.reveal().partition(":")
        return Path(path) if kind == "sqlite" else None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back; `aside` is what stood there before and was moved away, `migrated` what brought an older
    backup up to date."""

    manifest: Manifest
    migrated: tuple[str, ...] = ()
    aside: tuple[Path, ...] = ()


class WouldLose(OpswatchError):
    """What stands where the backup is to go holds something: its text names it. `force` goes on all the same."""


# ---------------------------------------------------------------------------------------------------------------------
# Out


def back_up(
    store: Secret,
    data_dir: Path,
    target: Path,
    now: datetime,
    *,
    name: str = "",
    node: str = "",
    configuration: str = "",
    keep: int | None = None,
) -> Made:
    """Write a backup to `target`: a file, or a folder in which it gets a name with the time; of those in a folder the
    newest `keep` stay. It is read again before it gets its name: a file that is there is whole. Nobody waits for it.

    Raises StoreUnavailable, OpswatchError when it cannot be written, BadBackup when the store itself is damaged.
    """
    is_folder = target.is_dir() or str(target).endswith(os.sep)
    file = target / f"opswatch-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar.gz" if is_folder else target
    _refuse_to_overwrite(file)
    with _words_for(file), _workshop(file.parent) as shop:
        copy = shop / "copy"
        _gather(store, data_dir, copy)
        if problems := backup.examine(copy / STORE):
            raise BadBackup(f"the copy is not sound, so nothing was written: {'; '.join(problems[:3])}")
        shape = backup.shape_of_copy(copy / STORE)
        manifest = _manifest(shape, _place(store), copy, now, name=name, node=node, configuration=configuration)
        packed = shop / "packed"
        archive.pack(copy, manifest, packed)
        archive.unpack(packed, None)
        packed.chmod(archive.FILE_MODE)
        packed.replace(file)
        _sync(file.parent)
        removed = _keep_newest(file.parent, keep) if is_folder and keep else ()
        return Made(file, file.stat().st_size, manifest, removed)


def _gather(store: Secret, data_dir: Path, copy: Path) -> None:
    (copy / STORE).mkdir(parents=True)
    backup.snapshot(store, copy / STORE)
    records = data_dir / FOLDER
    if records.is_dir():
        shutil.copytree(records, copy / FOLDER, symlinks=True, ignore=_unfinished)
    with contextlib.suppress(FileNotFoundError):  # No link was ever signed here.
        shutil.copy2(data_dir / KEY_FILE, copy / KEY_FILE)


def _unfinished(folder: str, names: list[str]) -> list[str]:
    """Files that somebody is just writing: they get their name when they are whole."""
    return [name for name in names if name.startswith(".")]


def _manifest(
    shape: Shape, place: str, copy: Path, now: datetime, *, name: str, node: str, configuration: str
) -> Manifest:
    return Manifest(
        made_at=now,
        release=__version__,
        name=name,
        node=node,
        place=place,
        configuration=configuration,
        schema=shape.schema,
        position=shape.position,
        open_incidents=shape.open_incidents,
        first_at=shape.first_at,
        last_at=shape.last_at,
        counts=shape.counts,
        members=archive.members_of(copy),
    )


def _refuse_to_overwrite(file: Path) -> None:
    """A backup may take the place of an older one; of anything else it may not."""
    if not file.parent.is_dir():
        raise OpswatchError(f"{file.parent} is no folder: make it first, on another disk than the store's")
    if file.exists():
        try:
            archive.manifest_of(file)
        except BadBackup:
            raise OpswatchError(f"{file} exists and is no backup: name another file") from None


def _keep_newest(folder: Path, keep: int) -> tuple[Path, ...]:
    """By their names: a clock that was set does not make an old one new."""
    ours = sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name))
    old = tuple(ours[: max(0, len(ours) - keep)])
    for path in old:
        path.unlink(missing_ok=True)
    return old


# ---------------------------------------------------------------------------------------------------------------------
# In


def check(file: Path) -> Manifest:
    """Whether the backup could be put back: every byte as it was written, no page damaged, and the timeline tells the
    state. Writes only into a temporary folder. Raises BadBackup with what is wrong."""
    with tempfile.TemporaryDirectory(prefix="opswatch-check-") as folder, _words_for(Path(folder)):
        return _sound(file, Path(folder))[0]


def restore(file: Path, into: Destination, now: datetime, *, force: bool = False) -> Restored:
    """Put a backup back, once it is known to be sound. What stood there is moved aside (PostgreSQL: replaced in one
    transaction). The restored store's timeline says that it was restored, and from when.

    Raises BadBackup; OpswatchError when a daemon runs on it; WouldLose, unless `force`, when it holds anything.
    """
    _refuse_newer(file, into)
    bench = into.file.parent if into.file else into.data_dir  # the store's own disk: it is put in place by renaming
    home = into.data_dir or bench
    for folder in (bench, home):
        if folder is not None:
            folder.mkdir(mode=0o770, parents=True, exist_ok=True)
    with _words_for(bench or Path(tempfile.gettempdir())), _workshop(bench) as shop, _nobody_else(into, home, now):
        manifest, migrated = _sound(file, shop)
        if not force:
            _refuse_to_lose(into, manifest)
        aside = _put_store(into, shop, now)
        if into.data_dir is not None:
            aside += _put_beside(into.data_dir, shop, now)
        _compare(into, shop)
        facts = {"made_at": manifest.made_at.isoformat(), "position": manifest.position, "node": manifest.node}
        backup.note(into.store, "restored", now, facts)
        return Restored(manifest, tuple(migrated), tuple(aside))


def _refuse_newer(file: Path, into: Destination) -> None:
    """Into PostgreSQL rows are carried by the columns that this release knows; a SQLite file goes as it is."""
    schema = archive.manifest_of(file).schema
    if into.file is None and (unknown := backup.unknown_migrations(schema)):
        words = f"{file}: is of a newer release ({', '.join(unknown)}): restore it with that one, or into SQLite"
        raise BadBackup(words)


def _sound(file: Path, folder: Path) -> tuple[Manifest, list[str]]:
    """Unpack, bring up to date, look through. The manifest, and the migrations that were applied."""
    manifest = archive.unpack(file, folder)
    copy = folder / STORE
    if not all((copy / name).exists() for name in backup.FILES):
        raise BadBackup(f"{file}: holds no store")
    shape = backup.shape_of_copy(copy)
    if (shape.position, dict(shape.counts)) != (manifest.position, dict(manifest.counts)):
        raise BadBackup(f"{file}: its store ends at entry {shape.position}, its manifest says {manifest.position}")
    migrated = backup.bring_up_to_date(copy)
    if problems := backup.examine(copy):
        raise BadBackup(f"{file}: {'; '.join(problems[:3])}")
    return manifest, migrated


@contextmanager
def _nobody_else(into: Destination, home: Path | None, now: datetime) -> Iterator[None]:
    """No daemon uses it, and none starts on it meanwhile; on PostgreSQL, no node of another host has lately."""
    if into.file is None and (alive := _alive(into.store, now)):
        raise OpswatchError(f"{', '.join(alive)} runs on this store: stop every node, wait {ALIVE_WITHIN.seconds} s")
    only_one = OnlyOne(home) if home is not None else None
    try:
        yield
    finally:
        if only_one is not None:
            only_one.release()


def _alive(store: Secret, now: datetime) -> list[str]:
    opened = open_store(store, read_only=True)
    try:
        if opened.missing_migrations():
            return []
        return sorted(
            node
            for node, (seen, facts) in opened.nodes().items()
            if abs(now - seen) < ALIVE_WITHIN and not facts.get("stopped")
        )
    finally:
        opened.close()


def _refuse_to_lose(into: Destination, manifest: Manifest) -> None:
    if held := _held(into, manifest):
        raise WouldLose(f"{_place(into.store)} {held}; --force puts the backup in its place")
    if into.data_dir is not None and any((into.data_dir / FOLDER).glob("*/*")):
        raise WouldLose(f"{into.data_dir / FOLDER} holds documents; --force moves them aside")


def _held(into: Destination, manifest: Manifest) -> str:
    """What the store at the destination holds, in words; empty for one that never decided anything."""
    try:
        shape = backup.shape_of(into.store)
        if shape.is_empty:
            return ""
        entries, incidents = backup.newer_than(into.store, manifest.position)
    except StoreUnavailable as trouble:
        return f"cannot be read, so nobody knows what it holds ({trouble})"
    until = f"{shape.last_at:%Y-%m-%d %H:%M} UTC" if shape.last_at else "never"
    lost = f"{entries} of them, about {incidents} incidents, are newer than the backup and would be lost"
    return f"holds {shape.position} timeline entries until {until} and {shape.open_incidents} open incidents; {lost}"


def _put_store(into: Destination, shop: Path, now: datetime) -> list[Path]:
    file = into.file
    if file is None:
        backup.fill(into.store, shop / STORE)
        return []
    aside = []
    for name, place in _files_of(file).items():
        # The log goes first: beside another file than its own it would be taken for that one's.
        for log in ("-wal", "-shm"):
            _move_aside(Path(f"{place}{log}"), now, suffix=log)
        aside += _move_aside(place, now)
        (shop / STORE / name).chmod(0o660)
    for name, place in reversed(_files_of(file).items()):  # The state last: without it nothing starts.
        (shop / STORE / name).replace(place)
    _sync(file.parent)
    return aside


def _files_of(file: Path) -> dict[str, Path]:
    """Names in a copy → places of a store."""
    return {name: file.with_name(file.name + name.removeprefix(backup.NAME)) for name in backup.FILES}


def _put_beside(data_dir: Path, shop: Path, now: datetime) -> list[Path]:
    aside = []
    for name in (FOLDER, KEY_FILE):
        if (shop / name).exists():
            aside += _move_aside(data_dir / name, now)
            shutil.move(shop / name, data_dir / name)
    _sync(data_dir)
    return aside


def _move_aside(path: Path, now: datetime, suffix: str = "") -> list[Path]:
    if not path.exists():
        return []
    name = path.name.removesuffix(suffix) if suffix else path.name
    moved = path.with_name(f"{name}.before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{suffix}")
    path.replace(moved)
    return [moved]


def _compare(into: Destination, shop: Path) -> None:
    """On PostgreSQL, where rows were carried over one by one: as many stand in each table as were put there."""
    if into.file is not None:
        return
    put, there = backup.shape_of_copy(shop / STORE), backup.shape_of(into.store)
    if (there.position, dict(there.counts)) != (put.position, dict(put.counts)):
        raise BadBackup("the store does not hold what was put into it: do not start on it; restore again")


# ---------------------------------------------------------------------------------------------------------------------


@contextmanager
def _workshop(folder: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards, on the disk of `folder`; what killed processes left there goes too."""
    if folder is not None:
        _sweep(folder)
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sweep(folder: Path) -> None:
    with contextlib.suppress(OSError):
        newest = folder.stat().st_mtime
        for path in folder.glob(f"{UNFINISHED}*"):
            if newest - path.stat().st_mtime > UNFINISHED_AGE_S:
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _words_for(file: Path) -> Iterator[None]:
    """A disk that is full or closed to us is said with what to do."""
    try:
        yield
    except OSError as trouble:
        if trouble.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OpswatchError(f"no room left for {file}: a backup needs about twice the store's size") from trouble
        raise OpswatchError(f"{trouble.filename or file}: {trouble.strerror or trouble}") from trouble


def _place(store: Secret) -> str:
    """Where a store is, without secrets."""
    opened = databases(store)
    try:
        return opened.main.place
    finally:
        opened.close()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def facts_of(manifest: Manifest) -> Mapping[str, object]:
    """For a door: the manifest without the list of its files."""
    document = manifest.as_json()
    files = document.pop("files")
    assert isinstance(files, dict)
    return {**document, "files": len(files)}


def manifest_of(file: Path) -> Manifest:
    """What a backup says of itself; nothing is compared. Raises BadBackup."""
    return archive.manifest_of(file)

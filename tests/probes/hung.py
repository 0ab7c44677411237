"""A mount that hangs like a dead file server: FUSE whose daemon never answers. Root only; needs nothing installed."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_DETACH = 2


@contextlib.contextmanager
def hung_mount(where: Path) -> Iterator[Path]:
    """`where`, mounted so that statfs never comes back. Raises OSError where that cannot be had."""
    where.mkdir()
    fd = os.open("/dev/fuse", os.O_RDWR)
    try:
        mount("opswatch-hung", where, "fuse", f"fd={fd},rootmode=40000,user_id=0,group_id=0")
        try:
            yield where
        finally:
            unmount(where)
    finally:
        os.close(fd)


@contextlib.contextmanager
def tmpfs(where: Path, size: int) -> Iterator[Path]:
    """`where`, as a filesystem of `size` bytes. Raises OSError where that cannot be had."""
    where.mkdir()
    mount("opswatch-test", where, "tmpfs", f"size={size},nr_inodes=100")
    try:
        yield where
    finally:
        unmount(where)


def mount(source: str, where: Path, kind: str, options: str, flags: int = 0) -> None:
    """mount(2). Raises OSError."""
    result = _libc.mount(source.encode(), os.fsencode(where), kind.encode(), ctypes.c_ulong(flags), options.encode())
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def unmount(where: Path) -> None:
    """umount2(2), detached: also while somebody hangs in it."""
    _libc.umount2(os.fsencode(where), _DETACH)

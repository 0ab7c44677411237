"""The helper process that asks filesystems how full they are. It may hang for ever on a dead NFS mount; we may not.

One JSON path a line comes in, one JSON answer a line goes out. It imports nothing of opswatch: it starts in
milliseconds, and is run by its file name, never forked from the threaded daemon.
"""

from __future__ import annotations

import json
import os
import sys


def answer(path: str) -> dict[str, object]:
    """What statfs says of `path`, or `{"error": words}`."""
    try:
        fs = os.statvfs(path)
    except OSError as trouble:
        return {"error": trouble.strerror or str(trouble)}
    unit = fs.f_frsize or fs.f_bsize
    return {
        "total_bytes": fs.f_blocks * unit,
        "free_bytes": fs.f_bfree * unit,
        "avail_bytes": fs.f_bavail * unit,
        "inodes": fs.f_files,
        "inodes_free": fs.f_ffree,
    }


def main() -> None:
    """Answer until the other side is gone."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

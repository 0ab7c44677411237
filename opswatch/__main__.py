"""`opswatch`: the command line, and `run`, which only this floor may start."""

from __future__ import annotations

from typing import NoReturn

from opswatch.cli import root
from opswatch.cli.door import door, in_words
from opswatch.cli.groups import Command


@root.command("run", cls=Command)
def run() -> int:
    """Look, page and answer until SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    path = door().path()
    from opswatch import daemon

    with in_words():
        return daemon.run(path)


def main() -> NoReturn:
    """The installed command."""
    root.main()


if __name__ == "__main__":
    main()

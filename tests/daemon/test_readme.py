"""The README is run: each command of its transcripts in turn, its output compared; `…` stands for anything."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import PATIENCE_S, ROOT
from tests.transcripts import blocks, holds, transcript

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")


class Clone:
    """A copy of what a clone has, with a daemon over it; the port is any free one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("checks", "playbooks"):
            shutil.copytree(ROOT / name, folder / name)
        example = (ROOT / "config.example.toml").read_text()
        (folder / "config.example.toml").write_text(example.replace("127.0.0.1:8470", "127.0.0.1:0"))
        bin_dir = folder / ".venv" / "bin"
        bin_dir.mkdir(parents=True)
        (bin_dir / "opswatch").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m opswatch "$@"\n')
        (bin_dir / "opswatch").chmod(0o755)
        (bin_dir / "activate").write_text(f'PATH="{bin_dir}:$PATH"\n')
        self.log = folder / "terminal-1.log"
        self.env = {**os.environ, "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "COLUMNS": "200"}
        self.env.pop("OPSWATCH_CONFIG", None)
        self._said = ""
        with self.log.open("w") as log:
            self.daemon = subprocess.Popen(
                [str(bin_dir / "opswatch"), "--config", "config.example.toml", "run"],
                cwd=folder,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def says(self, command: str) -> str:
        """The second terminal: one shell's worth of state is its environment."""
        activate = ". .venv/bin/activate; export OPSWATCH_CONFIG=config.example.toml"
        done = subprocess.run(
            ["/bin/bash", "-c", f"{activate}\n{command}"], cwd=self.folder, env=self.env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def until(self, look, expected: str) -> None:
        """Look again until it is as expected: what a reader does who waits for a page."""
        until, output = time.monotonic() + 2 * PATIENCE_S, ""
        while time.monotonic() < until:
            output = look()
            if holds(expected, output):
                return
            threading.Event().wait(0.2)
        raise AssertionError(f"expected\n{expected}\n\nbut it is\n{output}")


@pytest.fixture
def clone(tmp_path) -> Iterator[Clone]:
    made = Clone(tmp_path)
    yield made
    made.daemon.send_signal(signal.SIGTERM)
    made.daemon.wait(PATIENCE_S)


def test_the_readme_works_as_it_is_written(clone):
    first_looks, the_page = blocks(PAGE, "text")
    clone.until(clone.log.read_text, first_looks)
    for command, expected in transcript(PAGE):
        is_question = command.split()[0] == "opswatch" and command.split()[1] in ("list", "show", "checks", "who")
        if is_question or command.startswith("opswatch dutylog"):
            clone.until(lambda command=command: clone.says(command), expected)
        else:
            output = clone.says(command)
            assert holds(expected, output), f"$ {command}\n{output}"
        if command == "opswatch list":
            for line in the_page.splitlines():
                clone.until(clone.log.read_text, line)

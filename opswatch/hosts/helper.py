"""Helper processes that may hang in our place: asked by line, killed when they do not answer, then replaced."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
from collections.abc import Sequence

from opswatch.clock import monotonic_s

HELPERS_MAX = 4
ANSWER_MAX = 64 * 1024


class NoAnswer(Exception):
    """The helper did not answer in time, or died; the text says which."""


class Helpers:
    """A few processes of one `program`. Safe to call from several threads: each ask has a helper for itself."""

    def __init__(self, program: Sequence[str], *, answer_max: int = ANSWER_MAX) -> None:
        self._program = tuple(program)
        self._answer_max = answer_max
        self._lock = threading.Lock()
        self._room = threading.Semaphore(HELPERS_MAX)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._stuck: list[subprocess.Popen[bytes]] = []

    def start_one(self) -> None:
        """Have one ready before it is needed."""
        with self._lock:
            if not self._idle:
                self._idle.append(self._start())

    def ask(self, question: object, timeout_s: float) -> object:
        """The answer, within `timeout_s` or so. Raises NoAnswer; OSError when no helper can be started."""
        deadline = monotonic_s() + timeout_s
        if not self._room.acquire(timeout=max(0.0, timeout_s)):
            raise NoAnswer("all helpers are busy")
        try:
            helper = self._take()
            try:
                answer = _converse(helper, question, deadline, self._answer_max)
            except BaseException:
                self._discard(helper)
                raise
            with self._lock:
                self._idle.append(helper)
            return answer
        finally:
            self._room.release()

    def stuck(self) -> int:
        """How many killed helpers hang on still, in uninterruptible sleep."""
        with self._lock:
            self._stuck = [helper for helper in self._stuck if helper.poll() is None]
            return len(self._stuck)

    def close(self) -> None:
        """End those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for helper in idle:
            self._discard(helper)

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            while self._idle:
                helper = self._idle.pop()
                if helper.poll() is None:
                    return helper
                _close_pipes(helper)
        return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )

    def _discard(self, helper: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            helper.kill()
        _close_pipes(helper)
        try:
            helper.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            with self._lock:
                self._stuck.append(helper)


def _converse(helper: subprocess.Popen[bytes], question: object, deadline: float, answer_max: int) -> object:
    assert helper.stdin is not None and helper.stdout is not None
    try:
        helper.stdin.write(json.dumps(question).encode() + b"\n")
        line = _read_line(helper.stdout.fileno(), deadline, answer_max)
        return json.loads(line)
    except (OSError, ValueError) as trouble:
        raise NoAnswer(f"the helper died: {trouble}") from None


def _read_line(fd: int, deadline: float, answer_max: int) -> bytearray:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    line = bytearray()
    while not line.endswith(b"\n"):
        wait_ms = (deadline - monotonic_s()) * 1000
        if wait_ms <= 0 or not poll.poll(wait_ms):
            raise NoAnswer("no answer")
        data = os.read(fd, 65536)
        if not data or len(line) > answer_max:
            raise OSError("it ended without an answer")
        line += data
    return line


def _close_pipes(helper: subprocess.Popen[bytes]) -> None:
    for pipe in (helper.stdin, helper.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

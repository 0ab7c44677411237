"""Running a program that may hang, flood, daemonise or refuse to die, without waiting for it longer than promised."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence

from opswatch.clock import monotonic_s
from opswatch.hosts import Finished

STDOUT_MAX = 64 * 1024
STDERR_MAX = 8 * 1024
KILL_AFTER = 0.1  # SIGTERM at the limit, SIGKILL after this share of it,
KILL_AFTER_MAX_S = 0.5  # and not much later: who waits for us gives up a second after the limit
GIVE_UP_S = 0.3  # after SIGKILL: a process in uninterruptible sleep dies when it pleases
DRAIN_MAX = 1024 * 1024  # what is read after the end, should a grandchild go on printing

# A plugin must not see the daemon's environment: tokens stand there. These are what programs need to work at all.
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "TZ", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_stuck: list[subprocess.Popen[bytes]] = []
_stuck_lock = threading.Lock()


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdout_max: int = STDOUT_MAX,
    stderr_max: int = STDERR_MAX,
) -> Finished:
    """Run `argv` (no shell) in a session of its own and say how it ended, at the latest 0.8 s after `timeout_s`.

    It gets /dev/null as input, the C locale, a temporary folder that is removed afterwards, and of our environment only
    what is harmless, plus `env`. Output beyond the limits is read and forgotten. Raises OSError when it cannot start.
    """
    scratch = tempfile.mkdtemp(prefix="opswatch-")
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
            env={**_environment(), "TMPDIR": scratch, **(env or {})},
            start_new_session=True,
        )
        with _Watch(process, timeout_s, stdout_max, stderr_max) as watch:
            return watch.until_the_end()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def stuck_children() -> int:
    """How many programs could not be killed and are still there; those that ended meanwhile are reaped."""
    with _stuck_lock:
        _stuck[:] = [process for process in _stuck if process.poll() is None]
        return len(_stuck)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": _PATH, **kept, "LC_ALL": "C", "LANG": "C"}


class _Watch:
    """One running program: reads what it prints, and ends it when its time is up."""

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float, stdout_max: int, stderr_max: int) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._began = monotonic_s()
        self._term_at = self._began + timeout_s
        self._kill_at = self._term_at + min(timeout_s * KILL_AFTER, KILL_AFTER_MAX_S)
        self._give_up_at = self._kill_at + GIVE_UP_S
        self._timed_out = False
        self._killed = False
        self._selector = selectors.DefaultSelector()
        self._output = {process.stdout.fileno(): _Kept(stdout_max), process.stderr.fileno(): _Kept(stderr_max)}
        self._stdout, self._stderr = self._output.values()
        for fd in self._output:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ)
        self._pidfd = self._wake_at_exit()

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *trouble: object) -> None:
        self._selector.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def until_the_end(self) -> Finished:
        while not self._has_ended():
            now = monotonic_s()
            if now >= self._give_up_at:
                break
            self._end_it_when_due(now)
            self._read(self._next_deadline(now) - now)
        self._drain()
        if self._timed_out:
            # Before reaping: while the leader is a zombie the group's number cannot belong to strangers.
            self._signal(signal.SIGKILL)
        return self._finished()

    def _wake_at_exit(self) -> int | None:
        try:
            pidfd = os.pidfd_open(self._process.pid)
        except OSError:  # An old kernel or a strict sandbox: we poll instead.
            return None
        self._selector.register(pidfd, selectors.EVENT_READ)
        return pidfd

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _end_it_when_due(self, now: float) -> None:
        if now >= self._kill_at and not self._killed:
            self._killed = True
            self._signal(signal.SIGKILL)
        elif now >= self._term_at and not self._timed_out:
            self._timed_out = True
            self._signal(signal.SIGTERM)

    def _next_deadline(self, now: float) -> float:
        if self._killed:
            deadline = self._give_up_at
        else:
            deadline = self._kill_at if self._timed_out else self._term_at
        return deadline if self._pidfd is not None else min(deadline, now + 0.02)

    def _signal(self, number: signal.Signals) -> None:
        # EPERM: a set-user-id child such as sudo. It is counted as stuck if it does not go by itself.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self, wait_s: float) -> int:
        count = 0
        for key, _ in self._selector.select(max(0.0, wait_s)):
            if key.fd == self._pidfd:
                continue
            try:
                data = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            if not data:
                self._selector.unregister(key.fd)
            self._output[key.fd].add(data)
            count += len(data)
        return count

    def _drain(self) -> None:
        """What lies in the pipes now. Their end is not awaited: a grandchild may hold them for ever."""
        total = 0
        while total < DRAIN_MAX:
            count = self._read(0.0)
            if not count:
                return
            total += count

    def _finished(self) -> Finished:
        code = self._process.poll()
        if code is None:
            with _stuck_lock:
                _stuck.append(self._process)
        return Finished(
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            stdout=bytes(self._stdout.data),
            stderr=bytes(self._stderr.data),
            timed_out=self._timed_out,
            is_cut=self._stdout.is_cut,
            took_s=monotonic_s() - self._began,
        )


class _Kept:
    """The beginning of a stream."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.is_cut = False
        self._limit = limit

    def add(self, data: bytes) -> None:
        room = self._limit - len(self.data)
        self.data += data[:room]
        self.is_cut = self.is_cut or len(data) > room

"""A review made in a process of its own: data in, words out. `python -m opswatch.reviewing` is that process.

It is handed the plan without its secrets, and the store's address, through its standard input; both are ours, so they
go as they are (pickled). It reads the store and writes nothing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from datetime import datetime

from opswatch.core.engine import Engine
from opswatch.core.model import Secret
from opswatch.core.plan import Plan
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.records import Document
from opswatch.reviews import Reviews
from opswatch.stores import open_store

CHILD_S = 120.0
NICE = 10  # looks and pages go first
TROUBLE_LETTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Task:
    """Which review is wanted, of which store, by which plan. `now` is aware, UTC."""

    plan: Plan
    store: Secret
    kind: str
    at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """The review in words, in the plan's language: its name, the Markdown that people write into, and the HTML."""

    name: str
    document: Document
    html: str


class NotMade(OpswatchError):
    """The child died, or took too long; the text says which."""


def make(task: Task) -> Made:
    """Here and now: for a process that has nothing else to do. Raises StoreUnavailable, ValueError."""
    from opswatch.render.review_page import html, markdown

    store = open_store(task.store, read_only=True, checkpoints=False)
    try:
        reviews = Reviews(Desk(store, Engine(task.plan), lambda: task.now), store)
        review = reviews.review(task.kind, task.at, task.now)
    finally:
        store.close()
    document = markdown(review, task.plan, html_file=f"{review.name}.html")
    return Made(review.name, document, html(review, task.plan))


class Child:
    """Makes one review at a time in a process of its own; `stop` ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def make(self, task: Task, timeout_s: float = CHILD_S) -> Made:
        """Raises NotMade."""
        command = [sys.executable, "-P", "-m", "opswatch.reviewing"]
        with self._lock:
            if self._is_stopped:
                raise NotMade("stopping")
            pipe = subprocess.PIPE
            process = self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            said, trouble = process.communicate(pickle.dumps(_bare(task)), timeout_s)
        except subprocess.TimeoutExpired:
            raise NotMade(f"it took longer than {timeout_s:.0f} s") from None
        finally:
            _end(process)
        if process.returncode != 0:
            last = trouble.decode(errors="replace").strip().rpartition("\n")[2]
            raise NotMade(last[:TROUBLE_LETTERS_MAX] or f"exit code {process.returncode}")
        made = pickle.loads(said)
        assert isinstance(made, Made)
        return made

    def stop(self) -> None:
        """End the process that runs, and start none any more."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


def _bare(task: Task) -> Task:
    """Without what a review has no use for: secrets, and the arguments of probes."""
    plan = task.plan
    people = {name: replace(person, contacts={}) for name, person in plan.people.items()}
    checks = {name: replace(check, args=None) for name, check in plan.checks.items()}
    targets = {name: replace(target, url=None) for name, target in plan.targets.items()}
    return replace(task, plan=replace(plan, people=people, checks=checks, targets=targets))


def main() -> None:
    """The child: a task from standard input, what was made of it to standard output."""
    gc.disable()  # It lives for a second or two, and everything it reads is needed to the end.
    os.nice(NICE)
    task = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps(make(task)))


if __name__ == "__main__":
    from opswatch import reviewing  # Under its own name: what is pickled must be found again by the parent.

    reviewing.main()

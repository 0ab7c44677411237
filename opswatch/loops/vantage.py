"""Asks the anchors whether this node can see at all: while the core has that question, and while the node is blind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch import logs, metrics, plugins
from opswatch.clock import monotonic_s
from opswatch.core import sight
from opswatch.core.events import AnchorsAsked
from opswatch.core.model import Secret, UnknownReason, Verdict
from opswatch.core.plan import Plan, Target
from opswatch.core.state import Outlook
from opswatch.desk import Desk
from opswatch.loops import Loop
from opswatch.probes import Task, cannot_tell

log = logs.get("loops.vantage")

ANSWER_WITHIN_S = 5.0  # half of what the core waits for us
BLIND_AGAIN_S = 10.0
NAP = timedelta(seconds=1)
PROBES = {"https": "http"}  # the others are called like what looks
ANSWERS = frozenset({"connect_s", "first_byte_s", "handshake_s", "rtt_s", "answer_s"})
"""Samples that only an answer gives: a page that says 503 was reached all the same."""

Ask = Callable[[str, datetime], Verdict]


class Vantage(Loop):
    """Believes itself blind only when none of the anchors answers."""

    name = "vantage"

    def __init__(self, desk: Desk, now: Callable[[], datetime], ask: Ask | None = None) -> None:
        super().__init__()
        self._desk, self._now = desk, now
        self._ask = ask or look_at
        self._asking: dict[str, threading.Thread] = {}
        self.blind_since: datetime | None = None

    def turn(self) -> None:
        version = self._desk.version
        with self._desk.looking() as (state, engine):
            plan = engine.plan
            outlook = state.standing.outlooks.get(plan.node)
        self.blind_since = outlook.blind_since if outlook is not None else None
        metrics.anchors_unreachable.set(float(self.blind_since is not None))
        if not plan.vantage.anchors or not is_wanted(outlook, self._now()):
            self._desk.wait_for_move(version, NAP)
            return
        self._desk.apply(self.asked(plan))
        if self.blind_since is not None:
            self.stopping.wait(BLIND_AGAIN_S)

    def asked(self, plan: Plan) -> AnchorsAsked:
        """Ask all anchors at once, at most `ANSWER_WITHIN_S`. One that hung at its last turn is not asked again before
        it has come back: it is silent."""
        now, answers = self._now(), _Answers()
        for anchor in plan.vantage.anchors:
            if (known := self._asking.get(anchor)) is None or not known.is_alive():
                asking = threading.Thread(
                    target=answers.take, args=(anchor, self._ask, now), name="anchor", daemon=True
                )
                self._asking[anchor] = asking
                asking.start()
        heard = answers.wait(plan.vantage.anchors, ANSWER_WITHIN_S)
        answered = tuple(anchor for anchor in plan.vantage.anchors if heard.get(anchor))
        silent = tuple(anchor for anchor in plan.vantage.anchors if not heard.get(anchor))
        log.info("anchors asked", answered=len(answered), silent=len(silent))
        return AnchorsAsked(plan.node, answered, silent)


@dataclass(slots=True)
class _Answers:
    """What came back so far. One answer is enough: nobody waits for the rest."""

    heard: dict[str, bool] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, anchor: str, ask: Ask, now: datetime) -> None:
        verdict = ask(anchor, now)
        with self._news:
            self.heard[anchor] = answers(verdict)
            self._news.notify_all()

    def wait(self, anchors: tuple[str, ...], timeout_s: float) -> Mapping[str, bool]:
        until = monotonic_s() + timeout_s
        with self._news:
            self._news.wait_for(
                lambda: any(self.heard.values()) or len(self.heard) == len(anchors), max(0.0, until - monotonic_s())
            )
            return dict(self.heard)


def is_wanted(outlook: Outlook | None, now: datetime) -> bool:
    """Whether the core waits for an answer."""
    if outlook is None:
        return False
    return outlook.blind_since is not None or sight.question_until(outlook, now) is not None


def answers(verdict: Verdict) -> bool:
    """Whether anything came back from there, whatever it said."""
    if any(sample.name in ANSWERS for sample in verdict.samples):
        return True
    return verdict.unknown is None and not verdict.failures


def look_at(anchor: str, now: datetime) -> Verdict:
    """One look at an anchor by the probe of its kind. Never raises."""
    scheme = anchor.partition("://")[0]
    kind = PROBES.get(scheme, scheme)
    target = Target(f"anchor {anchor}", kind, url=Secret(anchor), is_remote=True)
    task = Task(target, None, now, ANSWER_WITHIN_S)
    try:
        module = plugins.find("probes", kind)
        task = Task(target, module.Args(), now, ANSWER_WITHIN_S)
        found: Verdict = module.Look().look(task)
    except (
        Exception
    ) as trouble:  # An anchor that cannot be asked is silent; it must not keep the others from being heard.
        log.exception("anchor cannot be asked", anchor=anchor)
        return cannot_tell(task, UnknownReason.ERROR, f"{type(trouble).__name__}")
    return found

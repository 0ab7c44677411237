"""When promises cannot be stored: say so straight through a channel, seldom, to the people of last resort.

It needs the plan and the channels, and nothing that the store holds: what it knows it keeps in memory, for as long as
the store is away. It does not replace paging. What was decided meanwhile is decided again when the store is back, and
leaves then the usual way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opswatch import logs, metrics
from opswatch.core import escalation, reach
from opswatch.core.changes import Draft
from opswatch.core.effects import Page
from opswatch.core.engine import Decision
from opswatch.core.model import Priority
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan
from opswatch.desk import Desk
from opswatch.errors import OpswatchError, StoreUnavailable
from opswatch.links import Links
from opswatch.outgoing import Composer
from opswatch.render.emergency import StoreLost, problem, store_lost

log = logs.get("emergency")

GRACE = timedelta(seconds=30)  # a database that is started anew is not worth waking somebody
GRACE_WITH_PAGES = timedelta(seconds=3)  # somebody would have been woken by now
AGAIN = timedelta(minutes=10)
CALM = timedelta(seconds=2)  # so long nothing may fail before it is over
UNSURE = timedelta(minutes=2)  # likewise, where nobody has tried a decision since: its check may have recovered
UNTOLD_MAX = 100
WAKES = (Priority.P0, Priority.P1)


@dataclass(frozen=True, slots=True)
class _Untold:
    """A page that was decided and could not be promised."""

    priority: Priority
    title: str
    person: str


class Emergency:
    """One per daemon. `lost`, `works` and `unstored` are cheap and come from any thread; `look` sends, in a thread of
    its own, because a channel may take its time."""

    def __init__(self, desk: Desk, composer: Composer, links: Links, node: str, *, grace: timedelta = GRACE) -> None:
        self._desk, self._composer, self._links, self._node, self._grace = desk, composer, links, node, grace
        self._lock = threading.Lock()
        self._lost: StoreLost | None = None
        self._failed_at: datetime | None = None
        self._untold: dict[str, _Untold] = {}
        self._version = 0  # of the desk, when a decision was last not stored
        self._told_at: datetime | None = None
        self._told: tuple[str, ...] = ()  # targets that have heard of it
        self._sending: threading.Thread | None = None

    # what is noticed

    def lost(self, trouble: StoreUnavailable, now: datetime) -> None:
        """The store could not be used just now."""
        metrics.store_errors_total.inc()
        with self._lock:
            self._failed_at = now
            first = self._lost is None
            since = now if self._lost is None else self._lost.since
            self._lost = StoreLost(self._node, since, trouble.state, str(trouble))
            lost = self._lost
        metrics.store_lost_timestamp_seconds.set(lost.since.timestamp())
        if first:
            log.error("pages cannot be promised", state=lost.state, reason=lost.reason)

    def unstored(self, decision: Decision, trouble: StoreUnavailable, now: datetime) -> None:
        """This was decided and could not be stored: the pages in it reach nobody yet."""
        self.lost(trouble, now)
        named = {
            number: incident.title for number, incident in decision.changes.incidents.items() if incident is not None
        }
        with self._lock:
            self._version = self._desk.version
            for effect in decision.effects:
                if isinstance(effect, Page) and not effect.test and len(self._untold) < UNTOLD_MAX:
                    title = named.get(effect.incident) or f"#{effect.incident}"
                    self._untold[effect.id] = _Untold(effect.priority, title, effect.person)

    def works(self, now: datetime) -> None:
        """The store took something small just now. It is over once nothing has failed for a while, and after pages were
        not stored only with a decision that was: a full disk still takes small writes."""
        with self._lock:
            lost, failed_at = self._lost, self._failed_at
            if lost is None or failed_at is None:
                return
            decides_again = not self._untold or self._desk.version != self._version
            if timedelta(0) <= now - failed_at < (CALM if decides_again else UNSURE):
                return
            told, self._told, self._told_at = self._told, (), None
            self._lost, self._failed_at = None, None
            self._untold.clear()
        metrics.store_lost_timestamp_seconds.set(0)
        lasted_s = int((now - lost.since).total_seconds())
        log.info("pages can be promised again", since=lost.since.isoformat(), lasted_s=lasted_s)
        if told:
            self._send(replace(lost, until=now), told, now)

    @property
    def problem(self) -> str | None:
        """In one line, while it lasts."""
        lost = self._lost
        return None if lost is None else problem(lost)

    # what is said

    def look(self, now: datetime) -> None:
        """Say it if it is time to: after a grace, then every ten minutes while it lasts."""
        with self._lock:
            lost, untold = self._lost, list(self._untold.values())
            if lost is None or not self._is_due(lost, untold, now):
                return
            self._told_at = now
        targets = self._targets(untold, now)
        if targets:
            worst = sorted({(str(one.priority), one.title) for one in untold})
            with self._lock:
                self._told = tuple(dict.fromkeys((*self._told, *targets)))
            self._send(replace(lost, untold=tuple(worst)), targets, now)

    def _is_due(self, lost: StoreLost, untold: list[_Untold], now: datetime) -> bool:
        if self._sending is not None and self._sending.is_alive():
            return False
        if self._told_at is not None:
            return not timedelta(0) <= now - self._told_at < AGAIN
        wakes = any(one.priority in WAKES for one in untold)
        return now - lost.since >= (min(GRACE_WITH_PAGES, self._grace) if wakes else self._grace)

    def _targets(self, untold: list[_Untold], now: datetime) -> tuple[str, ...]:
        """Whom pages that were decided would have woken, the fallback of the last route's policy, and the admins:
        `person:ID`, `channel:ID`. Nobody, while pages are paused or only observed."""
        with self._desk.looking() as (state, engine):
            plan = engine.plan
            if plan.mode == "observe" or state.standing.paused_until is not None:
                return ()
            moment = Moment(plan, engine.rosters, Draft(state), now)
            found = reach.resolve(moment, (*_fallback(plan), *plan.admins()), Priority.P0)
        named = [f"person:{one.person}" for one in untold if one.priority in WAKES]
        named += [f"person:{called.person}" for called in found.people]
        return tuple(dict.fromkeys([*named, *(f"channel:{name}" for name in found.channels)]))

    def _send(self, lost: StoreLost, targets: tuple[str, ...], now: datetime) -> None:
        self._sending = threading.Thread(
            target=self._send_all, args=(lost, targets, now), name="opswatch-emergency", daemon=True
        )
        self._sending.start()

    def _send_all(self, lost: StoreLost, targets: tuple[str, ...], now: datetime) -> None:
        for target in targets:
            try:
                self._tell(target, lost, now)
            except Exception:  # One way that breaks must not keep the others from being tried.
                log.exception("emergency not told", to=target)

    def _tell(self, target: str, lost: StoreLost, now: datetime) -> None:
        """By the first way that takes it."""
        plan = self._desk.engine.plan
        kind, _, name = target.partition(":")
        person = name if kind == "person" else None
        link = self._links.at(now)
        serial = int(now.timestamp())
        message = store_lost(
            plan, lost, person, id=f"emergency/{self._node}/{serial}/{target}", link=link, at=now, again=AGAIN
        )
        for contact in _ways(plan, person) if person is not None else ("",):
            try:
                if person is not None:
                    self._composer.send_to_person(person, contact, message)
                else:
                    self._composer.send_to_channel(name, message)
            except OpswatchError as trouble:
                metrics.emergencies_total.labels(outcome="failed").inc()
                log.error("emergency not delivered", to=target, via=contact or name, reason=str(trouble))
            else:
                metrics.emergencies_total.labels(outcome="sent").inc()
                log.warning("emergency told", to=target, via=contact or name, over=lost.until is not None)
                return


def _fallback(plan: Plan) -> tuple[str, ...]:
    """Of the policy that takes what no other route does."""
    name = plan.routes[-1].policy if plan.routes else next(iter(plan.policies), escalation.ADMINS_ONLY)
    return escalation.policy_of(plan, name).fallback


def _ways(plan: Plan, person: str) -> Iterator[str]:
    """Their contacts for the worst, then the others."""
    known = plan.people[person]
    yield from dict.fromkeys([*(step.contact for step in reach.rules_of(known, Priority.P0)), *known.contacts])

"""The post: promised pages leave, arrive, ring late, get lost, fail for now or for good, and are sent again.

It keeps the bargain of the real outbox: what is promised stays until it is settled or overtaken; a daemon that dies
between sending and recording sends again, marked as a possible duplicate.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core.effects import Page, Postpone, Settle, Withdraw
from opswatch.core.events import MessageSent, SendFailed
from opswatch.sim.life import Delivery
from opswatch.sim.world import World

HANDED_AFTER = timedelta(milliseconds=200)
ANSWERED_AFTER = timedelta(seconds=1)
BACK_OFF = tuple(timedelta(seconds=span) for span in (2, 5, 10, 20, 40, 60))
ATTEMPTS_MAX = 6


@dataclass(slots=True)
class Parcel:
    """A promised page that is not settled."""

    page: Page
    promised_at: datetime
    due_at: datetime  # true time
    attempt: int = 0
    in_hand_of: int | None = None  # the life of the daemon that is sending it


@dataclass(frozen=True, slots=True)
class Rung:
    """A page that reached its person's device at `at`, true time."""

    page: Page
    at: datetime
    is_duplicate: bool


class Post:
    """Carries pages; `rings` is told when one reaches a person. `sent` counts attempts, `twice` marked repeats."""

    def __init__(self, world: World, numbers: Delivery, rings: Callable[[Rung], None]) -> None:
        self._world, self._numbers, self._rings = world, numbers, rings
        self.waiting: dict[str, Parcel] = {}
        self._chances: dict[str, random.Random] = {}
        self.sent = self.twice = self.lost = self.failed = 0
        self.is_calm = False
        world.hears(Page, self._promised)
        world.hears(Withdraw, self._overtaken)
        world.hears(Settle, self._settled)
        world.hears(Postpone, self._postponed)

    def resume(self) -> None:
        """The daemon is back: what it had not settled is due again."""
        for name in list(self.waiting):
            self._leave(self.waiting[name], self._world.now)

    def pending(self) -> list[tuple[Page, datetime]]:
        """What waits, and since when it is due; what is in hand or about to be tried again is not overdue."""
        return [(parcel.page, parcel.due_at) for parcel in self.waiting.values()]

    # what the desk decided

    def _promised(self, page: Page) -> None:
        now = self._world.now
        parcel = self.waiting[page.id] = Parcel(page, now, now)
        self._leave(parcel, now + HANDED_AFTER)

    def _overtaken(self, withdraw: Withdraw) -> None:
        for name, parcel in list(self.waiting.items()):
            page = parcel.page
            is_theirs = withdraw.people is None or page.person in withdraw.people
            if page.incident == withdraw.incident and not page.test and is_theirs:
                del self.waiting[name]

    def _settled(self, settle: Settle) -> None:
        self.waiting.pop(settle.message, None)

    def _postponed(self, postpone: Postpone) -> None:
        parcel = self.waiting.get(postpone.message)
        if parcel is not None:
            parcel.in_hand_of = None
            self._leave(parcel, postpone.until - self._world.skew)

    # on its way

    def _leave(self, parcel: Parcel, when: datetime) -> None:
        parcel.due_at = when
        self._world.at(when, lambda: self._send(parcel))

    def _send(self, parcel: Parcel) -> None:
        world = self._world
        is_wanted = self.waiting.get(parcel.page.id) is parcel
        if not is_wanted or not world.is_up or parcel.in_hand_of == world.life or parcel.due_at > world.now:
            return
        is_duplicate = parcel.in_hand_of is not None  # An earlier life had it: it may have rung.
        parcel.in_hand_of = world.life
        parcel.attempt += 1
        self.sent += 1
        self.twice += is_duplicate
        luck = self._chance(parcel.page.person)
        chance = 1.0 if self.is_calm else luck.random()
        numbers = self._numbers
        if (chance := chance - numbers.permanent) < 0:
            self._report(parcel, "the address does not exist", is_duplicate, permanent=True)
        elif (chance := chance - numbers.temporary) < 0:
            self._report(parcel, "too many requests", is_duplicate, permanent=parcel.attempt >= ATTEMPTS_MAX)
        else:
            is_lost = (chance := chance - numbers.lost) < 0
            is_slow = not is_lost and chance - numbers.slow < 0
            if is_lost:
                self.lost += 1
            else:
                delay = world.about(numbers.slow_by, chance=luck) if is_slow else ANSWERED_AFTER
                world.after(delay, lambda: self._rings(Rung(parcel.page, world.now, is_duplicate)))
            self._report(parcel, None, is_duplicate)

    def _chance(self, who: str) -> random.Random:
        """The luck of what is sent to this person."""
        if who not in self._chances:
            self._chances[who] = self._world.stream("post", who)
        return self._chances[who]

    def _report(self, parcel: Parcel, trouble: str | None, is_duplicate: bool, *, permanent: bool = False) -> None:
        """The vendor has answered; a daemon that died meanwhile never learns of it."""
        world, page, life = self._world, parcel.page, self._world.life

        def arrives() -> None:
            if not world.is_up or world.life != life:
                return
            common = (page.id, page.incident, "page", page.person, page.contact)
            if trouble is None:
                took_s = (world.now - parcel.promised_at).total_seconds()
                world.take(MessageSent(*common, took_s, parcel.attempt, possible_duplicate=is_duplicate))
                return
            self.failed += permanent
            wait = BACK_OFF[min(parcel.attempt, len(BACK_OFF)) - 1]
            retry_at = None if permanent else world.desk_now + wait
            world.take(SendFailed(*common, trouble, permanent, parcel.attempt, page, retry_at))

        world.after(ANSWERED_AFTER, arrives)

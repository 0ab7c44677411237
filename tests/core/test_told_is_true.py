"""What people were told is what is so: whatever happens in any order, once nothing changes and nothing quiets it.

A small world behind a router: looks see the truth through the network, opswatch asks its anchors, is killed, restarted
and reloaded, its clock is set; people silence, pause, acknowledge and resolve. Then the world stands still, and after a
while everybody knows what is so: nothing less, and nothing twice.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Recheck
from opswatch.core.events import (
    Acknowledge,
    AddSilence,
    AnchorsAsked,
    ClockJumped,
    ExpireSilence,
    Pause,
    Resolve,
    Unpause,
)
from opswatch.core.model import Failure, Health, QuietReason, Status, UnknownReason
from opswatch.core.plan import Check, Maintenance, Plan, Service, Target, Vantage
from opswatch.core.sight import question_until
from opswatch.core.state import Alert, Incident, Paper, Silence, Standing, Watch
from opswatch.sim import laws
from opswatch.stores.codec import decode, encode
from tests.story import Story, two_levels

MINUTE = timedelta(minutes=1)
NIGHTLY = "OPSWATCH_NIGHTLY" in os.environ
ANCHORS = ("tcp://gateway:443",)

# What looks where: shop → orders → db; the databases are reached through the switch, the switch through the router.
LOOKS = {
    ("ping", "router"): (),
    ("ping", "switch"): ("router",),
    ("db", "db-1"): ("router", "switch"),
    ("db", "db-2"): ("router", "switch"),
    ("web", "shop-1"): ("router",),
    ("disk", "here"): None,  # no network at all
}


def a_world() -> Plan:
    base = two_levels(group_by=("target",))
    services = {
        "net": Service("net", tier=2),
        "orders": Service("orders", tier=2),
        "shop": Service("shop", tier=2, depends_on=("orders",)),
    }
    targets = {
        "router": Target("router", "ping", service="net", is_remote=True),
        "switch": Target("switch", "ping", service="net", is_remote=True, parents=("router",)),
        "db-1": Target("db-1", "postgres", service="orders", is_remote=True, parents=("switch",)),
        "db-2": Target("db-2", "postgres", service="orders", is_remote=True, parents=("switch",)),
        "shop-1": Target("shop-1", "http", service="shop", is_remote=True, parents=("router",)),
        "here": Target("here", "host", service="shop"),
    }
    retry = timedelta(seconds=10)
    checks = {
        "ping": Check(
            "ping", "ping", ("router", "switch"), every=MINUTE, confirm=2, recover=1, retry=retry, reach=True
        ),
        "db": Check("db", "postgres", ("db-1", "db-2"), every=MINUTE, confirm=1, recover=2, retry=retry),
        "web": Check("web", "http", ("shop-1",), every=MINUTE, confirm=2, recover=2),
        "disk": Check("disk", "disk", ("here",), every=MINUTE, confirm=1, recover=1),
    }
    batch = Maintenance("batch", {"target": "db-2"}, "batch", "ana", cron="30 * * * *", lasts=10 * MINUTE)
    return replace(
        base,
        services=services,
        targets=targets,
        checks=checks,
        vantage=Vantage(ANCHORS, failing=4),
        maintenance=(batch,),
    )


class World(Story):
    """The story, without replaying the whole timeline at every step."""

    def _laws(self) -> None:
        pass


class ToldIsTrue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(a_world())
        self.truth = dict.fromkeys(LOOKS, Health.OK)
        self.is_cut_off = False
        self.saved: State | None = None
        self.world.starts()
        self.everything_is_looked_at()

    # the world

    def sees(self, check: str, target: str) -> None:
        """One look, through the network as it is, and the looks it asks for."""
        wanted = [(check, target)]
        for _ in range(60):
            if not wanted:
                break
            for effect in self.looks_once(*wanted.pop(0)):
                if isinstance(effect, Recheck) and (effect.check, effect.target) not in wanted:
                    wanted.append((effect.check, effect.target))
            self.anchors_answer()

    def looks_once(self, check: str, target: str):
        world, way = self.world, LOOKS[check, target]
        world.now += timedelta(milliseconds=100)
        is_reached = way is None or not (self.is_cut_off or any(self.truth["ping", hop] is Health.CRIT for hop in way))
        health = self.truth[check, target] if is_reached else Health.CRIT
        if health is Health.OK:
            return world.looks(check, target)
        if health is Health.UNKNOWN:
            return world.looks(check, target, unknown=UnknownReason.ERROR)
        return world.looks(check, target, failures=(Failure(f"{target} is {health}", health),))

    def anchors_answer(self) -> None:
        outlook = self.world.state.standing.outlooks.get("here")
        if outlook is None or (outlook.blind_since is None and question_until(outlook, self.world.now) is None):
            return
        answered = () if self.is_cut_off else ANCHORS
        for effect in self.world.apply(AnchorsAsked("here", answered, () if answered else ANCHORS)):
            if isinstance(effect, Recheck):
                self.looks_once(effect.check, effect.target)

    def everything_is_looked_at(self) -> None:
        for check, target in LOOKS:
            self.sees(check, target)

    # what may happen

    @rule(what=st.sampled_from(list(LOOKS)), health=st.sampled_from(list(Health)))
    def something_changes(self, what, health):
        self.truth[what] = health
        self.sees(*what)

    @rule(what=st.sampled_from(list(LOOKS)), times=st.integers(2, 8))
    def something_flaps(self, what, times):
        for number in range(2 * times):
            self.truth[what] = Health.CRIT if number % 2 == 0 else Health.OK
            for _ in range(2):
                self.sees(*what)

    @rule(cut=st.booleans())
    def the_network_of_opswatch(self, cut):
        self.is_cut_off = cut
        self.everything_is_looked_at()

    @rule(minutes=st.integers(1, 7))
    def time_passes(self, minutes):
        for _ in range(minutes):
            self.world.passes(seconds=57)
            self.everything_is_looked_at()

    @rule(span=st.sampled_from([MINUTE, 15 * MINUTE, 3 * 60 * MINUTE]))
    def nobody_looks_for_a_while(self, span):
        self.world.passes(seconds=span.total_seconds())

    @rule(whose=st.sampled_from(["db-1", "router", "shop-1"]), span=st.sampled_from([5 * MINUTE, 60 * MINUTE]))
    def somebody_silences(self, whose, span):
        self.world.says(AddSilence((("target", "=", whose),), self.world.now + span, "so", by="ana"))

    @rule()
    def a_silence_ends(self):
        if self.world.state.silences:
            self.world.says(ExpireSilence(min(self.world.state.silences), by="ana"))

    @rule(on=st.booleans())
    def everything_is_paused(self, on):
        now = self.world.now
        self.world.says(Pause(now + 10 * MINUTE, by="lead") if on else Unpause(by="lead"))

    @rule(pick=st.integers(0, 9), resolves=st.booleans())
    def somebody_acts(self, pick, resolves):
        numbers = sorted(self.world.state.incidents)
        if numbers:
            number = numbers[pick % len(numbers)]
            self.world.says(Resolve(number, by="ana") if resolves else Acknowledge(number, by="ana"))

    @rule()
    def what_checks_remember_is_saved(self):
        self.saved = through_the_store(self.world.state)

    @rule(is_killed=st.booleans())
    def the_node_starts_anew(self, is_killed):
        """Killed, it has lost what checks learned since they were saved last: all but what a decision saved with it."""
        after = through_the_store(self.world.state)
        if is_killed and self.saved is not None:
            old = {
                key: watch for key, watch in self.saved.watches.items() if is_only_a_look(watch, after.watches.get(key))
            }
            after.apply(Changes(watches=dict(old)))
        self.world.state = after
        self.world.starts()

    @rule(with_anchors=st.booleans())
    def the_plan_is_reloaded(self, with_anchors):
        anchors = ANCHORS if with_anchors else ()
        self.world.reloads(replace(self.world.engine.plan, vantage=Vantage(anchors, failing=4)))

    @rule(hours=st.sampled_from([-1, 1]))
    def the_clock_is_set(self, hours):
        self.world.passes(seconds=0)
        before = {key: (alert.health, alert.announced) for key, alert in self.world.state.alerts.items()}
        pages = len(self.world.pages)
        self.world.now += timedelta(hours=hours)
        self.world.apply(ClockJumped("here", timedelta(hours=hours)))
        assert {key: (one.health, one.announced) for key, one in self.world.state.alerts.items()} == before
        assert len(self.world.pages) == pages
        self.world.passes(seconds=0)  # Deadlines may have come by it; nothing is well or ill because of it.
        assert {key: one.health for key, one in self.world.state.alerts.items()} == {
            key: health for key, (health, _) in before.items()
        }
        self.everything_is_looked_at()

    # what must hold

    @invariant()
    def the_laws_hold(self):
        self.world.passes(seconds=0)  # Looks take time: what came due meanwhile is done.
        state, now = self.world.state, self.world.now
        assert laws.every_alert_is_somebodys(state) == []
        assert laws.nothing_is_promised_twice(self.world.pages) == []
        assert [alert.key for alert in state.alerts.values() if alert.quiet is not None and alert.wake_at is None] == []
        assert laws.quiet_has_a_reason(self.world.engine.plan, state, now) == []

    def teardown(self):
        """Nothing changes and nothing quiets any more: within an hour and a half everybody knows."""
        world = self.world
        self.is_cut_off = False
        world.reloads(replace(a_world(), maintenance=()))
        world.says(Unpause(by="lead"))
        for silence in list(world.state.silences):
            world.says(ExpireSilence(silence, by="lead"))
        for _ in range(26):
            self.time_passes(1)
        self.everybody_knows()
        seen = len(world.entries)
        self.time_passes(5)
        again = [
            entry for entry in world.entries[seen:] if entry.kind in ("alert_announced", "triggered", "alert_joined")
        ]
        assert again == [], "nothing changed, and people were told again"
        assert laws.the_log_is_the_truth(world.state, world.entries) == []

    def everybody_knows(self):
        down = {target for (check, target), health in self.truth.items() if check == "ping" and health is Health.CRIT}
        for (check, target), so in self.truth.items():
            alert = self.world.state.alerts.get(f"{check}/{target}")
            way = LOOKS[check, target] or ()
            if down & set(way):
                assert alert is not None, f"{target} is behind {down}"
                assert (alert.reason, alert.quiet) == (UnknownReason.UNREACHABLE, QuietReason.UNREACHABLE)
            elif so is Health.OK:
                assert alert is None, f"{target} is well, people think it is {alert and alert.announced}"
            else:
                assert alert is not None, f"{target} is {so} and nobody knows"
                assert alert.health is so, target
                if alert.quiet is QuietReason.UPSTREAM:
                    assert target == "shop-1"
                    continue
                assert (alert.announced, alert.quiet) == (so, None), target
                incident = self.world.state.incidents[alert.incident or 0]
                assert incident.status is not Status.RESOLVED or incident.reopen_at is not None


def is_only_a_look(old: Watch, new: Watch | None) -> bool:
    """Whether losing the newer one loses looks alone: what a decision follows from is saved with it."""
    return new is not None and (old.confirmed, old.episode, old.flapping) == (new.confirmed, new.episode, new.flapping)


KINDS = {"alerts": Alert, "incidents": Incident, "silences": Silence, "watches": Watch, "papers": Paper}


def through_the_store(state: State) -> State:
    """What is left of a state once it was written and read."""
    kept = State()
    for name, kind in KINDS.items():
        rows = {key: decode(kind, encode(one)) for key, one in getattr(state, name).items()}
        kept.apply(Changes(**{name: rows}))
    kept.apply(Changes(standing=decode(Standing, encode(state.standing))))
    return kept


ToldIsTrue.TestCase.settings = settings(
    max_examples=1000 if NIGHTLY else 4,
    stateful_step_count=40 if NIGHTLY else 10,
    deadline=None,
    derandomize=not NIGHTLY,
    phases=[phase for phase in Phase if phase is not Phase.shrink],
)
TestToldIsTrue = ToldIsTrue.TestCase

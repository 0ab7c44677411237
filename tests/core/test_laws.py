"""The laws of on-call under everything that can happen in any order (Hypothesis shrinks what breaks them)."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opswatch.core import flapping
from opswatch.core.calendars import parse_window
from opswatch.core.events import (
    AbsencesImported,
    Accept,
    AcceptCover,
    AcceptRisk,
    Acknowledge,
    Action,
    ActionsFound,
    AddAbsence,
    AddOverride,
    AddRisk,
    AddSilence,
    AskCover,
    AskSwap,
    AssignRisk,
    Away,
    CloseRisk,
    Decline,
    Escalate,
    ExpireSilence,
    Merge,
    MovePaper,
    Note,
    OfferCover,
    Open,
    Pause,
    Posted,
    PostedAlert,
    PostUpdate,
    Reassign,
    RemoveAbsence,
    Reopen,
    Resolve,
    RiskFound,
    RiskGone,
    SetPriority,
    Snooze,
    Split,
    StartPaper,
    Unack,
    Unpause,
    WithdrawCover,
)
from opswatch.core.model import Health, Priority, Role, Stage
from opswatch.core.plan import ClassifyRule, Level, Maintenance, NotifyStep, Plan, Policy, Pool, Route, When
from opswatch.sim import laws
from tests.story import Story, person, roster, rules, two_levels

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NIGHTLY = "OPSWATCH_NIGHTLY" in os.environ


def a_team() -> Plan:
    """Rosters, conditions, personal rules, quiet nights, a rising rule, maintenance: everything at once."""
    day = parse_window(None, "08:00", "22:00")
    notify = rules(P1=(NotifyStep("slack"), NotifyStep("phone", 4 * MINUTE)), P2=(NotifyStep("slack"),))
    people = (
        replace(person("ana", "slack", "phone"), notify=notify, day=day, timezone="Europe/Berlin", team="dba"),
        replace(person("bo", "slack"), day=day, timezone="America/New_York", team="dba"),
        person("cy", "slack", "email"),
        person("lead", role=Role.ADMIN),
    )
    night = When((parse_window("mon-fri", "18:00", "08:00"),), "Europe/Berlin")
    levels = (
        Level(("roster:primary", "channel:ops"), 5 * MINUTE),
        Level(("roster:primary/next", "team:dba"), 7 * MINUTE, night),
        Level(("person:cy", "team:dba"), 9 * MINUTE, round_robin=True, announce=("channel:ops",)),
        Level(("pool:emergency",), 8 * MINUTE, When(alerts=">= 2")),
    )
    timeouts = {Priority.P0: 30 * MINUTE, Priority.P1: 45 * MINUTE}
    loud = (Level(("person:lead", "roster:primary"), 3 * MINUTE),)
    policies = {
        "standard": Policy("standard", levels, repeat=1, fallback=("person:lead", "channel:ops"), ack_timeout=timeouts),
        "loud": Policy("loud", loud, ack_timeout=timeouts, acks={Priority.P0: 2}),
    }
    base = two_levels()
    checks = {
        "db": replace(base.checks["db"], confirm=2, recover=2),
        "web": replace(base.checks["web"], priority={Health.WARN: Priority.P3, Health.CRIT: Priority.P2}),
    }
    batch = Maintenance(
        "batch", {"target": "db-2"}, "batch", "ana", "Europe/Berlin", cron="0 4 * * *", lasts=20 * MINUTE
    )
    return replace(
        base,
        people={one.id: one for one in people},
        rosters={"primary": roster("ana", "bo", "cy")},
        pools={"emergency": Pool("emergency", ("bo", "cy", "lead"), need=2, wait=2 * MINUTE)},
        pages_per_hour_max=4,
        policies=policies,
        routes=(Route("loud", priorities=frozenset({Priority.P0})), Route("standard")),
        classify=(ClassifyRule(Priority.P0, 1, states=frozenset({Health.CRIT}), lasting=90 * MINUTE),),
        checks=checks,
        maintenance=(batch,),
        digest=replace(base.digest, to=("channel:ops",)),
    )


WHO = st.sampled_from(["ana", "bo", "cy", "lead"])
CHECKS = st.sampled_from(["db", "web"])
TARGETS = st.sampled_from(["db-1", "db-2"])
PRIORITIES = st.sampled_from(list(Priority))
HEALTH = st.sampled_from([Health.WARN, Health.CRIT])
POSTED = (
    {"alertname": "Slow", "instance": "db-1", "severity": "warning"},
    {"alertname": "Down", "service": "orders", "severity": "critical"},
    {"alertname": "Lost", "app": "elsewhere"},
)
SPANS = st.sampled_from([MINUTE, 5 * MINUTE, 11 * MINUTE, 40 * MINUTE, timedelta(hours=3), timedelta(hours=30)])


class OnCall(RuleBasedStateMachine):
    """Everything that can happen to a desk."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = self.the_plan()
        self.story = Story(self.plan)
        self.story.starts()

    def the_plan(self) -> Plan:
        return a_team()

    def some_incident(self, pick: int) -> int:
        known = sorted(self.story.state.incidents)
        return known[pick % len(known)] if known else 1

    @rule(check=CHECKS, host=TARGETS, health=HEALTH, times=st.integers(1, 3))
    def it_fails(self, check, host, health, times):
        for _ in range(times):
            self.story.fails(check, host, health)

    @rule(check=CHECKS, host=TARGETS, times=st.integers(1, 3))
    def it_recovers(self, check, host, times):
        for _ in range(times):
            self.story.recovers(check, host)

    @rule(check=CHECKS, host=TARGETS)
    def it_cannot_tell(self, check, host):
        self.story.cannot_tell(check, host)

    @rule(
        source=st.sampled_from(["prom-a", "prom-b"]),
        which=st.sets(st.integers(0, len(POSTED) - 1)),
        how=st.sampled_from(["fires", "fires without an end", "resolves", "comes late", "by a slow clock"]),
    )
    def others_post(self, source, which, how):
        now = self.story.now
        end = {"fires": now + 4 * MINUTE, "comes late": now, "by a slow clock": now - 10 * MINUTE}.get(how)
        posted = tuple(
            PostedAlert(POSTED[place], {"summary": "posted"}, now - HOUR, now if how == "resolves" else end)
            for place in sorted(which)
        )
        self.story.now += timedelta(milliseconds=1)
        self.story.apply(Posted(source, posted, now - 5 * MINUTE if how == "comes late" else self.story.now))

    @rule(span=SPANS)
    def time_passes(self, span):
        self.story.passes(seconds=span.total_seconds())
        assert laws.nobody_is_forgotten(self.story.state, self.story.now) == []

    @rule(span=SPANS)
    def the_desk_wakes_late(self, span):
        """The machine was asleep: one tick, long after everything that was due."""
        self.story.now += span
        self.story.ticks()
        assert laws.nobody_is_forgotten(self.story.state, self.story.now) == []

    @rule(
        who=WHO, pick=st.integers(0, 9), what=st.integers(0, 13), span=SPANS, priority=st.sampled_from(list(Priority))
    )
    def somebody_says(self, who, pick, what, span, priority):
        number = self.some_incident(pick)
        self.story.says(
            [
                Acknowledge(number, by=who),
                Unack(number, by=who),
                Resolve(number, by=who),
                Reopen(number, by=who),
                Snooze(number, span, by=who),
                Escalate(number, by=who),
                Reassign(number, "person:bo" if pick % 2 else "team:dba", by=who),
                Note(number, "looking", by=who),
                SetPriority(number, priority, by=who),
                Accept(number, by=who),
                Decline(number, by=who),
                Merge(number, self.some_incident(pick + 1), by=who),
                Split(number, (f"*/db-{1 + pick % 2}",), by=who),
                PostUpdate(number, "we are on it", by=who),
            ][what]
        )

    @rule(who=WHO, pick=st.integers(1, 4), what=st.integers(0, 9), span=SPANS)
    def somebody_does_paperwork(self, who, pick, what, span):
        story, number = self.story, self.some_incident(pick)
        today = story.now.date()
        [
            lambda: story.says(AddRisk("no spare disk", due=today + timedelta(days=pick), by=who)),
            lambda: story.says(AssignRisk(pick, who, today + timedelta(days=2), by=who)),
            lambda: story.says(CloseRisk(pick, by=who)),
            lambda: story.says(AcceptRisk(pick, story.now + span, "so", by="lead")),
            lambda: story.apply(RiskFound(f"k{pick}", "full", due=today)),
            lambda: story.apply(RiskGone(f"k{pick}")),
            lambda: story.says(StartPaper(number, who, by=who)),
            lambda: story.says(MovePaper(number, list(Stage)[pick % 3], by="lead")),
            lambda: story.apply(ActionsFound(number, (Action("a", who), Action(f"b{pick}", is_done=pick == 1)))),
            lambda: story.says(MovePaper(number, Stage.PUBLISHED, by=who)),
        ][what]()

    @rule(who=WHO)
    def somebody_reports(self, who):
        self.story.says(Open("the printer smokes", "orders", by=who))

    @rule(who=WHO, span=SPANS, label=st.sampled_from([("service", "=", "orders"), ("target", "=~", "db-.")]))
    def somebody_silences(self, who, span, label):
        self.story.says(AddSilence((label,), self.story.now + span, "reasons", by=who))

    @precondition(lambda self: self.story.state.silences)
    @rule(who=WHO)
    def somebody_ends_a_silence(self, who):
        self.story.says(ExpireSilence(min(self.story.state.silences), by=who))

    @rule(span=SPANS)
    def everything_is_paused(self, span):
        self.story.says(Pause(self.story.now + span, by="lead"))

    @rule()
    def the_pause_is_lifted(self):
        self.story.says(Unpause(by="lead"))

    @rule(who=WHO, span=SPANS)
    def somebody_takes_a_shift(self, who, span):
        self.story.says(AddOverride("primary", self.story.now, self.story.now + span, add=who, by=who))

    @rule(who=WHO, pick=st.integers(1, 4), what=st.integers(0, 8), span=SPANS, other=WHO)
    def somebody_arranges_shifts(self, who, pick, what, span, other):
        story = self.story
        start = story.now + pick * timedelta(hours=9)
        end = start + span
        some = (Away(other, start, end, f"u{pick}"),) if pick % 2 else ()
        [
            lambda: story.says(AskCover("primary", start, end, person=other, by=who)),
            lambda: story.says(AskSwap("primary", by=who)),
            lambda: story.says(OfferCover(pick, by=who)),
            lambda: story.says(AcceptCover(pick, by=who)),
            lambda: story.says(AcceptCover(pick, start, end, by=who)),
            lambda: story.says(WithdrawCover(pick, by=who)),
            lambda: story.says(AddAbsence(start, end, other, by=who)),
            lambda: story.says(RemoveAbsence(pick, by=who)),
            lambda: story.apply(AbsencesImported("a.ics", (other,), story.now, end, some, who)),
        ][what]()

    @precondition(lambda self: self.story.pending)
    @rule(pick=st.integers(0, 50))
    def a_way_closes(self, pick):
        pending = list(self.story.pending.values())
        self.story.way_closes(pending[pick % len(pending)])

    @rule(fewer=st.booleans())
    def the_plan_is_reloaded(self, fewer):
        people = {name: one for name, one in self.plan.people.items() if not (fewer and name == "cy")}
        self.story.reloads(replace(self.plan, people=people))

    @rule()
    def the_node_restarts(self):
        self.story.starts()

    @invariant()
    def the_laws_hold(self):
        story = self.story
        assert laws.acknowledgements_are_honoured(story.state) == []
        assert laws.every_alert_is_somebodys(story.state) == []
        assert laws.the_folded_are_somebodys(story.state) == []
        assert laws.storms_page_as_one(story.state, story.pending.values()) == []
        assert laws.told_is_true(story.state, story.now) == []
        assert laws.nobody_is_surprised(self.plan, story.pages) == []
        assert laws.loudness_is_honoured(story.pages) == []
        assert laws.nothing_is_promised_twice(story.pages) == []
        assert laws.calls_end(story.engine.plan, story.state) == []

    def teardown(self):
        """Nothing quiets anything any more: everybody knows. Then the faults stop, and calm returns."""
        story = self.story
        story.reloads(replace(self.plan, maintenance=()))
        story.says(Unpause(by="lead"))
        for silence in list(story.state.silences):
            story.says(ExpireSilence(silence, by="lead"))
        assert laws.told_is_true(story.state, story.now) == []  # What flaps is told when it has calmed down.
        over = tuple(PostedAlert(labels, resolved=True) for labels in POSTED)
        for source in ("prom-a", "prom-b"):
            story.now += timedelta(milliseconds=1)
            story.apply(Posted(source, over, story.now))
        for check in ("db", "web"):
            for host in ("db-1", "db-2"):
                story.recovers(check, host)
                story.recovers(check, host)
        for _ in range(flapping.RESULTS):  # What flaps is over when it has been well for long enough.
            for watch in [watch for watch in story.state.watches.values() if watch.flapping]:
                story.recovers(watch.check, watch.target)
        if any(one.is_storm for one in story.state.incidents.values()):
            story.passes(minutes=5)  # A storm waits whether it goes on.
        story.passes(hours=6)  # What flapped is told to be over when it has calmed down.
        for incident in list(story.state.incidents.values()):
            if incident.by_hand or not incident.alerts:  # Reported or reopened by a person: no check says it is over.
                story.says(Resolve(incident.number, by="lead"))
        assert laws.calm_returned(story.state, timedelta(0)) == []
        assert laws.mercy_is_bounded(self.plan.pages_per_hour_max, story.pages) == []
        story.passes(days=2)
        assert story.state.incidents == {}
        assert laws.the_log_is_the_truth(story.state, story.entries) == []


class InStorms(OnCall):
    """The same where every failure is an incident of its own, and three of them are a storm."""

    def the_plan(self) -> Plan:
        return replace(a_team(), group_by=("check", "target"), storm_incidents=2, storm_within=4 * MINUTE)


OnCall.TestCase.settings = settings(
    max_examples=2000 if NIGHTLY else 30,
    stateful_step_count=60 if NIGHTLY else 30,
    deadline=None,
    derandomize=not NIGHTLY,
)
TestOnCall = OnCall.TestCase
InStorms.TestCase.settings = settings(OnCall.TestCase.settings, max_examples=2000 if NIGHTLY else 12)
TestInStorms = InStorms.TestCase

"""Alerts of others: one pipeline, and silence that is never taken for recovery."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from opswatch.core.changes import Changes
from opswatch.core.events import Acknowledge, AddSilence, Posted, PostedAlert, Resolve
from opswatch.core.external import fingerprint, key_of, source_key
from opswatch.core.model import Health, Priority, Status, UnknownReason
from opswatch.core.plan import Service, Target
from tests.story import Story, two_levels

MINUTE = timedelta(minutes=1)
FULL = {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "critical"}
KEY = key_of(FULL, "prometheus")


class Prometheus:
    """A Prometheus with its own clock, posting into a story every minute."""

    def __init__(self, story: Story, source: str = "prometheus", ahead: timedelta = timedelta(0)) -> None:
        self.story, self.source, self.ahead = story, source, ahead
        self.firing: dict[str, dict] = {}
        self.resolved: dict[str, dict] = {}

    def fires(self, labels=FULL, **annotations: str) -> None:
        self.resolved.pop(str(labels), None)
        self.firing.setdefault(str(labels), {"labels": labels, "starts_at": self.clock})["annotations"] = annotations
        self.posts()

    def resolves(self, labels=FULL) -> None:
        one = self.firing.pop(str(labels))
        self.resolved[str(labels)] = one | {"ends_at": self.clock}
        self.posts()

    @property
    def clock(self):
        return self.story.now + self.ahead

    def alerts(self) -> tuple[PostedAlert, ...]:
        firing = [PostedAlert(**one, ends_at=self.clock + 4 * MINUTE) for one in self.firing.values()]
        return (*firing, *(PostedAlert(**one) for one in self.resolved.values()))

    def posts(self) -> None:
        self.story.now += timedelta(milliseconds=1)
        self.story.apply(Posted(self.source, self.alerts(), self.story.now))

    def runs(self, minutes: int) -> None:
        for _ in range(minutes):
            self.story.passes(minutes=1)
            self.posts()


def open_incidents(story: Story):
    return [one for one in story.state.incidents.values() if one.status is not Status.RESOLVED]


def test_fingerprints_are_those_of_prometheus():
    assert fingerprint({"name": "garland, briggs", "fear": "love is not enough"}) == "507a62d79ee76c9a"
    assert fingerprint({}) == "cbf29ce484222325"
    assert fingerprint({"alertname": "HighCPU", "instance": "db1:9100", "severity": "P1"}) == "e9365966377b9aac"
    assert fingerprint({"alertname": "磁盘满", "host": "订单库-01"}) == "8b39bf14b1cc962e"


def test_what_prometheus_posts_pages_like_our_own_and_its_end_closes_it():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires(summary="/var is 93 % full", runbook_url="https://wiki/disk")
    assert story.paged() == ["ana"]
    alert = story.state.alerts[KEY]
    assert (alert.service, alert.seen_as, alert.health) == ("orders", "db-1", Health.CRIT)
    assert (alert.sentence, alert.source) == ("/var is 93 % full", "prometheus")
    prometheus.runs(minutes=4)
    assert story.paged() == []
    prometheus.resolves()
    assert open_incidents(story) == [] and story.state.alerts == {}


def test_what_is_posted_again_commits_nothing_and_resets_nothing():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires(summary="/var is 93 % full")
    before = dict(story.state.incidents)
    story.passes(minutes=1)
    changes, effects = story.engine.step(story.state, Posted("prometheus", prometheus.alerts(), story.now), story.now)
    assert not changes.behind_head and effects == []
    assert changes.postings[KEY].expires_at == story.now + 4 * MINUTE
    assert dict(story.state.incidents) == before


def test_a_second_outage_is_a_new_episode():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    prometheus.runs(minutes=2)
    prometheus.resolves()
    prometheus.runs(minutes=3)
    prometheus.fires()
    assert story.state.alerts[KEY].episode == 2
    assert story.paged() == ["ana", "ana"]


def test_an_end_that_passes_is_no_recovery_and_the_ladder_goes_on():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    story.paged()
    story.passes(minutes=5)
    assert story.paged() == ["ana", "bo"]  # Ana: that the source is silent.
    alert = story.state.alerts[KEY]
    assert (alert.health, alert.reason, alert.priority) == (
        Health.UNKNOWN,
        UnknownReason.NO_DATA,
        Priority.P1,
    )
    titles = [one.title for one in open_incidents(story)]
    assert len(titles) == 2 and "source prometheus is silent" in titles[1]


def test_a_source_that_is_wholly_silent_closes_nothing_and_is_told_of_once():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    for number in range(5):
        prometheus.fires({**FULL, "disk": str(number)})
    story.passes(days=2)
    assert len(story.state.alerts) == 6
    assert len([one for one in open_incidents(story) if "is silent" in one.title]) == 1
    prometheus.runs(minutes=1)
    assert [one.title for one in open_incidents(story) if "is silent" in one.title] == []
    assert all(alert.health is Health.CRIT for alert in story.state.alerts.values())


def test_what_its_source_no_longer_reports_closes_after_a_while():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    other = {**FULL, "disk": "other"}
    prometheus.fires(other)
    del prometheus.firing[str(FULL)]
    prometheus.runs(minutes=63)
    assert set(story.state.alerts) == {KEY, key_of(other, "prometheus")}
    assert story.state.alerts[KEY].health is Health.UNKNOWN
    prometheus.runs(minutes=3)
    assert set(story.state.alerts) == {key_of(other, "prometheus")}
    assert "no longer reported" in str(story.facts("alert_cleared")["text"])


def test_a_restarted_source_has_its_time_before_silence_counts():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    prometheus.fires({**FULL, "disk": "other"})
    story.passes(hours=3)
    del prometheus.firing[str(FULL)]  # It restarted, and this rule is pending anew.
    prometheus.runs(minutes=50)
    assert KEY in story.state.alerts
    prometheus.runs(minutes=12)
    assert KEY not in story.state.alerts


def test_our_own_downtime_is_no_silence():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    story.now += timedelta(hours=2)  # Nobody ticks: we are down.
    story.starts()
    story.passes(minutes=3)
    assert story.state.alerts[KEY].health is Health.CRIT
    prometheus.runs(minutes=10)
    assert story.state.alerts[KEY].health is Health.CRIT
    assert "alert_changed" not in story.kinds()


def test_resolved_by_hand_and_firing_on_it_reopens():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    story.says(Resolve(1, by="ana"))
    prometheus.runs(minutes=12)
    assert story.state.incidents[1].status is Status.TRIGGERED


def test_both_halves_of_a_pair_are_one_alert_and_a_late_half_changes_nothing():
    story = Story(two_levels())
    first, second = Prometheus(story, "prom-a"), Prometheus(story, "prom-b")
    first.fires()
    second.fires()
    assert len(story.state.alerts) == 1
    first.resolves()
    second.posts()  # It has not evaluated since.
    assert story.state.alerts == {}
    story.passes(seconds=30)
    second.resolves()
    assert story.state.alerts == {} and story.paged() == ["ana"]


def test_late_batches_never_move_state_backwards():
    story = Story(two_levels())
    fires = Posted("prometheus", (PostedAlert(FULL, starts_at=story.now),), story.now)
    ended = Posted("prometheus", (PostedAlert(FULL, ends_at=story.now + MINUTE),), story.now + 2 * MINUTE)
    story.now += 2 * MINUTE
    story.apply(ended)
    story.apply(fires)
    assert story.state.alerts == {} and story.paged() == []


def test_a_slow_clock_does_not_resolve_and_a_fast_one_does_not_fire_for_ever():
    story = Story(two_levels())
    slow = Prometheus(story, ahead=timedelta(minutes=-20))
    slow.fires()
    slow.runs(minutes=3)
    assert story.state.alerts[KEY].health is Health.CRIT
    assert story.state.postings[KEY].skew_s < -30
    assert [entry.facts["source"] for entry in story.entries if entry.kind == "clock_skewed"] == ["prometheus"]
    slow.resolves()
    assert story.state.alerts == {}
    fast = Prometheus(story, ahead=timedelta(minutes=10))
    fast.fires({**FULL, "disk": "b"})
    fast.resolves({**FULL, "disk": "b"})
    fast.runs(minutes=11)
    assert story.state.alerts == {}


def test_labels_name_the_service_else_they_are_matched():
    base = two_levels()
    services = {**base.services, "shop": Service("shop", tier=1, labels={"app": "shop"})}
    story = Story(replace(base, services=services))
    prometheus = Prometheus(story)
    for labels, service in (
        ({"alertname": "A", "service": "shop"}, "shop"),
        ({"alertname": "B", "app": "shop", "pod": "x"}, "shop"),
        ({"alertname": "C", "instance": "db-2"}, "orders"),
        ({"alertname": "D", "service": "elsewhere"}, "elsewhere"),
        ({"alertname": "E"}, None),
    ):
        prometheus.fires(labels)
        assert story.state.alerts[key_of(labels, "prometheus")].service == service


def test_severity_says_how_bad():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    for severity, priority in (
        ("page", Priority.P1),
        ("critical", Priority.P1),
        ("warning", Priority.P2),
        ("info", Priority.P3),
        ("P0", Priority.P0),
        ("", Priority.P1),
    ):
        labels = {"alertname": "A", "service": "orders", "severity": severity, "n": severity}
        labels = {name: value for name, value in labels.items() if value}
        prometheus.fires(labels)
        assert story.state.alerts[key_of(labels, "prometheus")].priority is priority, severity


LABELS = [{"alertname": "A", "n": str(number)} for number in range(3)]


@settings(max_examples=400 if "OPSWATCH_NIGHTLY" in os.environ else 40, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6), st.randoms(use_true_random=False)
)
def test_duplicates_and_the_order_of_batches_do_not_change_the_outcome(truth, chance):
    """`truth[n][k]`: whether alert k fires in the n-th minute; each batch says all that Prometheus knows by then."""
    start = Story(two_levels()).now
    since: dict[int, object] = {}
    ended: dict[int, object] = {}
    batches = []
    for minute, firing in enumerate(truth):
        at = start + minute * MINUTE
        for number, fires in enumerate(firing):
            if fires and number not in since:
                since[number] = at
                ended.pop(number, None)
            elif not fires and number in since:
                ended[number] = since.pop(number), at
        alerts = [PostedAlert(LABELS[n], starts_at=began, ends_at=at + 4 * MINUTE) for n, began in since.items()]
        alerts += [PostedAlert(LABELS[n], starts_at=began, ends_at=end) for n, (began, end) in ended.items()]
        batches.append(Posted("prometheus", tuple(alerts), at))
    mixed = [*batches, *chance.choices(batches, k=3)]
    chance.shuffle(mixed)
    outcomes = []
    for order in (batches, mixed):
        story = Story(two_levels(), starts=start + 6 * MINUTE)
        for batch in order:
            story.apply(batch)
        outcomes.append({(key, alert.health) for key, alert in story.state.alerts.items()})
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == sum(truth[-1])


def test_a_crowd_is_decided_like_one_at_a_time():
    """The quick way for thousands, against the way of a single alert."""
    base = two_levels()
    plan = replace(
        base,
        services={**base.services, "shop": Service("shop", tier=1)},
        targets={
            **base.targets,
            "shop-1": Target("shop-1", "host", service="shop"),
            "shop-2": Target("shop-2", "host", service="shop"),
        },
    )
    posted = tuple(
        PostedAlert(labels, {"summary": f"{labels}"}, None, None)
        for number in range(4)
        for labels in (
            {"alertname": "A", "instance": "db-1", "n": str(number)},
            {"alertname": "B", "service": "shop", "severity": "info", "n": str(number)},
            {"alertname": "C", "instance": f"shop-{number % 2 + 1}", "n": str(number)},
            {"alertname": "D", "n": str(number)},
        )
    )
    together, apart = Story(plan), Story(plan)
    together.apply(Posted("prometheus", posted, together.now))
    for one in posted:
        apart.apply(Posted("prometheus", (one,), apart.now))
    assert together.state.alerts == apart.state.alerts
    for number, incident in apart.state.incidents.items():
        assert together.state.incidents[number] == incident
    assert sorted(page.id for page in together.pages) == sorted(page.id for page in apart.pages)


def test_ten_thousand_that_join_tell_the_owner_once():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    story.says(Acknowledge(1, by="ana"))
    before = len(story.updates)
    story.apply(Posted("prometheus", tuple(PostedAlert({**FULL, "n": str(n)}) for n in range(200)), story.now + MINUTE))
    assert len(story.state.incidents[1].alerts) == 201
    assert len(story.updates) - before == 1
    for second in (2, 3):
        more = tuple(PostedAlert({**FULL, "m": f"{second}-{n}"}) for n in range(20))
        story.apply(Posted("prometheus", more, story.now + second * MINUTE))
    assert len(story.updates) - before == 1
    story.passes(minutes=2)
    story.apply(Posted("prometheus", (PostedAlert({**FULL, "late": "1"}),), story.now + 9 * MINUTE))
    assert len(story.updates) - before == 2


def test_what_a_silence_holds_is_told_when_it_ends():
    story = Story(two_levels())
    story.says(AddSilence((("alertname", "=", "DiskFull"),), story.now + 30 * MINUTE, "known", by="ana"))
    prometheus = Prometheus(story)
    prometheus.fires()
    prometheus.runs(minutes=29)
    assert story.paged() == []
    prometheus.runs(minutes=2)
    assert story.paged() == ["ana"]


def test_a_reload_keeps_what_others_posted():
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    before = dict(story.state.alerts)
    story.reloads(two_levels())
    assert story.state.alerts == before


def test_an_alert_whose_posting_was_lost_is_expected_anew():
    """Postings are saved within seconds, not with the decision: a node may die in between."""
    story = Story(two_levels())
    prometheus = Prometheus(story)
    prometheus.fires()
    story.state.apply(Changes(postings={KEY: None, source_key("prometheus"): None}))
    story.now += 2 * MINUTE
    story.starts()
    story.passes(minutes=4)
    assert story.state.alerts[KEY].health is Health.CRIT
    story.passes(minutes=12)
    assert story.state.alerts[KEY].health is Health.UNKNOWN
    prometheus.runs(minutes=1)
    assert (story.state.alerts[KEY].health, story.state.alerts[KEY].episode) == (Health.CRIT, 1)

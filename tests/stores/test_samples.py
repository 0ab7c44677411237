"""History of values: beside the head, each once, for a while."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

from opswatch.core.changes import State
from opswatch.core.model import Sample, Verdict
from opswatch.stores import Store
from opswatch.stores.samples import Point
from tests.stores.things import HOUR, NOW

VERDICT = Verdict(
    NOW,
    "fine",
    samples=(Sample("used_pct", 41.5, "%", "/"), Sample("used_pct", 7.0, "%", "/mnt/\udcff"), Sample("odd", math.nan)),
    took_s=0.25,
)


def points(store: Store) -> list[tuple[str, str, float]]:
    found = store.samples("disk", "host", NOW - HOUR, NOW + 1000 * HOUR)
    return sorted((point.item, point.name, point.value) for point in found)


def test_every_value_of_a_verdict_is_kept_once(store: Store):
    store.record_samples([("disk", "host", VERDICT), ("disk", "host", VERDICT), ("disk", "other", VERDICT)])
    assert points(store) == [("", "took_s", 0.25), ("/", "used_pct", 41.5), ("/mnt/\udcff", "used_pct", 7.0)]
    assert store.samples("disk", "nobody", NOW, NOW + HOUR) == []


def test_values_come_oldest_first_within_the_span_asked_for(store: Store):
    looks = [Verdict(NOW + n * HOUR, "fine", took_s=float(n)) for n in (3, 1, 2, 0)]
    store.record_samples([("ping", "host", look) for look in looks])
    found = store.samples("ping", "host", NOW + HOUR, NOW + 3 * HOUR)
    assert found == [Point(NOW + n * HOUR, "took_s", float(n), "s") for n in (1, 2)]
    assert len(store.samples("ping", "host", NOW, NOW + 9 * HOUR, limit=1)) == 1


def test_old_values_are_forgotten_and_their_series_may_come_back(store: Store):
    store.record_samples([("disk", "host", VERDICT)])
    late = NOW + timedelta(days=14, seconds=1)
    assert store.prune(late) == 3
    assert points(store) == []
    store.record_samples([("disk", "host", replace(VERDICT, at=late))])
    assert len(points(store)) == 3
    assert store.prune(late) == 0


def test_samples_do_not_move_the_head(store: Store):
    store.load(State())
    store.record_samples([("disk", f"host-{n}", VERDICT) for n in range(600)])
    assert not store.changed()
    assert store.check_integrity() == []

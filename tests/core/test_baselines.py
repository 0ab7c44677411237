"""Baselines: a planted drop is found, a normal week stays quiet, and what has learnt too little judges nothing."""

from __future__ import annotations

import math
import os
import random
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import fmean, pstdev

import pytest

from opswatch.core.calendars import reading
from opswatch.core.events import Observed
from opswatch.core.limits import broken, judge, learning
from opswatch.core.model import Health, Sample, Verdict
from opswatch.core.norms import HOUR, Hour, Norm, hours_like, norm, slot
from opswatch.core.plan import Baseline, Check, Limit
from tests.story import MONDAY_NOON_BERLIN, Story, two_levels

OK, WARN, CRIT = Health.OK, Health.WARN, Health.CRIT
MINUTE = timedelta(minutes=1)
ORDERS = Limit(baseline=Baseline(warn=4, crit=8, side="below", min_change=10))
MONDAY = Norm(usual=48, mad=7.06, hours=8, days=56, slot="Mon 14:00")
CONSTANT = Norm(usual=0, mad=0, hours=8, days=56, slot="Mon 14:00")


# ---------------------------------------------------------------------------------------------------------------------
# One value


@pytest.mark.parametrize(
    ("value", "level"), [(48, OK), (20, OK), (19, WARN), (0, WARN), (-9, CRIT), (500, OK), (math.nan, OK)]
)
def test_a_value_is_bad_when_it_is_far_below_the_usual(value: float, level: Health):
    assert judge(ORDERS, value, norm=MONDAY) is level


def test_it_says_how_far_below_which_usual_and_when():
    assert broken(ORDERS, 12, norm=MONDAY) == ("5.1 MAD below the usual 48 for Mon 14:00",)
    assert broken(Limit(crit="< 20", baseline=Baseline(warn=4)), 12, norm=MONDAY) == (
        "crit at < 20",
        "5.1 MAD below the usual 48 for Mon 14:00",
    )


@pytest.mark.parametrize(("side", "high", "low"), [("both", WARN, WARN), ("above", WARN, OK), ("below", OK, WARN)])
def test_a_side_is_where_it_is_bad(side: str, high: Health, low: Health):
    limit = Limit(baseline=Baseline(warn=4, side=side))
    assert (judge(limit, 100, norm=MONDAY), judge(limit, 0, norm=MONDAY)) == (high, low)


def test_a_trifle_is_never_bad_however_regular_the_rest():
    limit = Limit(baseline=Baseline(warn=4, min_change=5))
    assert judge(limit, 5, norm=CONSTANT) is OK
    assert judge(limit, 6, norm=CONSTANT) is WARN
    assert broken(limit, 6, norm=CONSTANT) == ("above the usual 0, which never varied, for Mon 14:00",)


def test_the_worse_of_both_counts():
    limit = Limit(warn="< 30", crit="< 5", baseline=Baseline(warn=4))
    assert [judge(limit, value, norm=MONDAY) for value in (48, 25, 10, 4)] == [OK, WARN, WARN, CRIT]


def test_it_clears_only_past_its_gap_and_a_wide_gap_lets_go_in_the_end():
    limit = Limit(clear=5, baseline=Baseline(warn=4))
    assert [judge(limit, value, WARN, MONDAY) for value in (19, 24, 26)] == [WARN, WARN, OK]
    wide = Limit(clear=1000, baseline=Baseline(warn=4))
    assert [judge(wide, value, WARN, MONDAY) for value in (33, 35)] == [WARN, OK]


@pytest.mark.parametrize(
    ("norm", "words"),
    [
        (None, "learning, 0 of 28 days"),
        (replace(MONDAY, days=9), "learning, 9 of 28 days"),
        (replace(MONDAY, hours=2), "learning, 2 of 3 hours like Mon 14:00"),
    ],
)
def test_what_has_learnt_too_little_judges_nothing_and_says_so(norm: Norm | None, words: str):
    assert judge(ORDERS, 0, norm=norm) is OK
    assert broken(ORDERS, 0, norm=norm) == ()
    assert learning(ORDERS, norm) == words
    assert learning(ORDERS, MONDAY) == learning(Limit("> 80"), None) == ""


# ---------------------------------------------------------------------------------------------------------------------
# A story


def watching(limit: Limit = ORDERS, **changes: object) -> Story:
    plan = two_levels()
    check = replace(plan.checks["db"], limits={"orders": limit}, confirm=3, recover=2, **changes)  # type: ignore[arg-type]
    return Story(replace(plan, checks={**plan.checks, "db": check}), MONDAY_NOON_BERLIN)


def looks(story: Story, value: float, norm: Norm | None = MONDAY, item: str = "") -> None:
    story.now += MINUTE
    verdict = Verdict(story.now, "orders are counted", (Sample("orders", value, "/min", item),))
    story.apply(Observed("db", "db-1", verdict, {} if norm is None else {(item, "orders"): norm}))


def test_a_drop_pages_with_its_reason_and_recovery_closes():
    story = watching(Limit(baseline=Baseline(crit=4, side="below", min_change=10)))
    for value in (50, 44, 12, 11, 12):
        looks(story, value)
    assert story.paged() == ["ana"]
    assert story.state.alerts["db/db-1"].evidence[0] == "orders 12 /min: 5.1 MAD below the usual 48 for Mon 14:00"
    looks(story, 47)
    looks(story, 49)
    assert story.state.alerts == {}


def test_while_it_learns_it_says_so_and_keeps_saying_it_when_it_cannot_look():
    story = watching()
    looks(story, 0, replace(MONDAY, days=9))
    assert story.state.watches["db/db-1"].notes == ("orders: learning, 9 of 28 days",)
    story.cannot_tell("db")
    assert story.state.watches["db/db-1"].notes == ("orders: learning, 9 of 28 days",)
    looks(story, 48)
    assert story.state.watches["db/db-1"].notes == ()


def test_each_item_has_its_own_usual():
    story = watching()
    story.now += MINUTE
    samples = (Sample("orders", 12, "", "shop"), Sample("orders", 12, "", "kiosk"))
    kiosk = replace(MONDAY, usual=12, mad=2)
    story.apply(
        Observed(
            "db", "db-1", Verdict(story.now, "x", samples), {("shop", "orders"): MONDAY, ("kiosk", "orders"): kiosk}
        )
    )
    health = {watch.item: watch.health for watch in story.state.watches.values()}
    assert health == {"": OK, "shop": WARN, "kiosk": OK}


def test_the_same_event_on_the_same_state_is_the_same_decision():
    one, other = watching(), watching()
    for value in (50, 12, 12, 12, 47, 0, 12):
        looks(one, value)
        looks(other, value)
    assert one.entries == other.entries and one.state.watches == other.state.watches


# ---------------------------------------------------------------------------------------------------------------------
# Two months of a shop


def orders_at(at: datetime, chance: random.Random) -> float:
    """Busy by day, quiet by night, half on Sundays; give or take."""
    local = reading(at, "Europe/Berlin")
    usual = 60 + 50 * math.sin((local.hour - 8) / 24 * 2 * math.pi)
    usual *= 0.5 if local.weekday() == 6 else 1
    return max(0.0, chance.gauss(usual, math.sqrt(usual)))


def learnt(at: datetime, chance: random.Random, check: Check) -> Norm:
    hours = []
    for begins in hours_like(at, check.timezone):
        seen = [orders_at(begins + MINUTE * 5 * n, chance) for n in range(12)]
        hours.append(Hour(begins, "orders", min(seen), max(seen), fmean(seen), pstdev(seen), 12))
    return norm(hours, 56, slot(at, check.timezone))


def week(story: Story, chance: random.Random, *, drop: tuple[int, int] = (0, 0)) -> list[datetime]:
    """Looks each five minutes for a week; orders fall to a fifth in the hours of `drop`. When somebody was paged."""
    check, begins, paged = story.engine.plan.checks["db"], story.now, []
    for hour in range(7 * 24):
        usual = learnt(begins + hour * HOUR, chance, check)
        for minute in range(0, 60, 5):
            story.now = begins + hour * HOUR + MINUTE * minute
            share = 0.2 if drop[0] <= hour < drop[1] else 1.0
            looks(story, orders_at(story.now, chance) * share, usual)
            paged += [story.now] * len(story.paged())
    return paged


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5] if "OPSWATCH_NIGHTLY" in os.environ else [1])
def test_a_normal_week_stays_quiet_and_a_planted_drop_is_found(seed: int):
    limit = Limit(baseline=Baseline(crit=4, side="below", min_change=10))
    assert week(watching(limit, timezone="Europe/Berlin"), random.Random(seed)) == []
    story = watching(limit, timezone="Europe/Berlin")
    begins = story.now
    paged = week(story, random.Random(seed), drop=(22, 24))  # Tuesday, 10:00 to 12:00 UTC
    assert paged and begins + 22 * HOUR <= paged[0] <= begins + 22 * HOUR + 20 * MINUTE
    assert all(at < begins + 26 * HOUR for at in paged)

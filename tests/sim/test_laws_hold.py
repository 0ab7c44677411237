"""The laws over rough lives of a whole team. One that breaks prints the command that shows it again.

The seeds are fixed; OPSWATCH_NIGHTLY=1 lives thousands, OPSWATCH_SEED=N begins elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from opswatch.core.model import Priority
from opswatch.core.plan import Level, Plan, When
from opswatch.sim.life import ROUGH
from opswatch.sim.run import Run, simulate
from opswatch.sim.witness import LawBroken
from tests.sim.team_plan import CONFIG, START, team

NIGHTLY = "OPSWATCH_NIGHTLY" in os.environ
FIRST = int(os.environ.get("OPSWATCH_SEED", "1"))
WEEKS = timedelta(weeks=2)
AUTUMN = START + timedelta(weeks=31)  # both clock changes of autumn are ahead


def live(seed: int, start: datetime, span: timedelta, *, every_look: bool = False) -> Run:
    """A life; when it breaks a law, the test fails with the command that shows it."""
    try:
        return simulate(team(), seed, start, start + span, life=ROUGH, every_look=every_look)
    except LawBroken as broken:
        dense = " --every-look" if every_look else ""
        until = min(broken.at, start + span) + timedelta(minutes=1)
        pytest.fail(
            f"{broken}\n\n  opswatch -c {CONFIG.relative_to(CONFIG.parents[3])} simulate --rough{dense} --seed {seed} "
            f"--from {start:%Y-%m-%dT%H:%MZ} --until {until:%Y-%m-%dT%H:%MZ}",
            pytrace=False,
        )


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (2_000 if NIGHTLY else 20)))
def test_laws_hold_over_rough_weeks(seed):
    run = live(seed, START if seed % 2 else AUTUMN, WEEKS)
    assert run.report.incidents.total() > 5, "this life was meant to be rough"
    assert run.looks_whole > 2


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (200 if NIGHTLY else 2)))
def test_laws_hold_when_every_look_is_made_and_silence_counts(seed):
    run = live(seed, START + timedelta(days=10), timedelta(days=4), every_look=True)
    assert run.steps > 3_000


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (50 if NIGHTLY else 1)))
def test_laws_hold_over_a_long_life(seed):
    assert live(seed, START, timedelta(days=365 if NIGHTLY else 60)).steps > 500


def with_every_rung(plan: Plan) -> Plan:
    """Several must acknowledge, levels take turns, announce themselves and want more alerts, hours are soon full."""
    policies = {}
    for name, policy in plan.policies.items():
        levels = [
            replace(level, announce=tuple(f"channel:{one}" for one in sorted(plan.channels)))
            if any(target.startswith("pool:") for target in level.page)
            else replace(level, round_robin=place == 0)
            for place, level in enumerate(policy.levels)
        ]
        levels.append(
            Level(tuple(f"pool:{pool}" for pool in plan.pools), 10 * timedelta(minutes=1), When(alerts=">= 2"))
        )
        policies[name] = replace(policy, levels=tuple(levels), acks={Priority.P0: 2, Priority.P1: 2})
    pools = {name: replace(pool, need=min(2, len(pool.people))) for name, pool in plan.pools.items()}
    return replace(plan, policies=policies, pools=pools, pages_per_hour_max=3)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (500 if NIGHTLY else 6)))
def test_laws_hold_with_reserves_turns_several_acknowledgements_and_mercy(seed):
    assert simulate(with_every_rung(team()), seed, START, START + WEEKS, life=ROUGH).steps > 100

"""Limits that compare with what is usual: how they are written, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from opswatch.core.plan import Baseline, Limit
from tests.config.site import Site

MAIN = '[[target]]\nid = "this-host"\nkind = "host"\n'
CHECK = '[[check]]\nid = "orders"\nprobe = "memory"\ntargets = ["this-host"]\nevery = "60s"\n'


def written(tmp_path: Path, limits: str, more: str = "", main: str = MAIN) -> Site:
    return Site(tmp_path).writes(main, server=f"{CHECK}limits = {{ per_min = {limits} }}\n{more}")


@pytest.mark.parametrize(
    ("limits", "meant"),
    [
        ('{ baseline = "4 mad", min_change = 10 }', Limit(baseline=Baseline(warn=4, min_change=10))),
        (
            '{ baseline = { warn = "4 mad", crit = "8.5 MAD" }, min_change = 10, side = "below" }',
            Limit(baseline=Baseline(4, 8.5, "below", 10)),
        ),
        (
            '{ crit = "< 1", clear = 2, baseline = { crit = "6 mads" }, min_change = 0.5 }',
            Limit(crit="< 1", clear=2, baseline=Baseline(crit=6, min_change=0.5)),
        ),
    ],
)
def test_how_far_from_the_usual_is_bad(tmp_path: Path, limits: str, meant: Limit):
    assert written(tmp_path, limits).loads().plan.checks["orders"].limits == {"per_min": meant}


def test_a_check_has_a_calendar_for_its_holidays(tmp_path: Path):
    plan = written(tmp_path, '{ baseline = "4 mad", min_change = 1 }', 'calendar = "CN"\n').loads().plan
    assert plan.checks["orders"].calendar == "cn"
    assert plan.calendars["cn"].id == "cn"


@pytest.mark.parametrize(
    ("limits", "key", "expected"),
    [
        ("{ baseline = 4, min_change = 1 }", "baseline", "'4 mad'"),
        ('{ baseline = "4", min_change = 1 }', "baseline", "such as '4 mad'"),
        ('{ baseline = "0 mad", min_change = 1 }', "baseline", "such as '4 mad'"),
        ('{ baseline = "-4 mad", min_change = 1 }', "baseline", "such as '4 mad'"),
        ('{ baseline = "4 sigma", min_change = 1 }', "baseline", "such as '4 mad'"),
        ("{ baseline = {}, min_change = 1 }", "baseline", "a `warn` or a `crit`"),
        ('{ baseline = { warm = "4 mad" }, min_change = 1 }', "baseline.warm", "unknown key"),
        ('{ baseline = { warn = "4 mad", crit = "3 mad" }, min_change = 1 }', "baseline.crit", "which is 4 mad"),
        ('{ baseline = "4 mad", min_change = "10" }', "min_change", "without quotes"),
        ('{ baseline = "4 mad", min_change = 1, side = "belo" }', "side", "one of both, above, below"),
        ('{ warn = "> 3", min_change = 1 }', "min_change", "belongs to a `baseline`"),
        ('{ warn = "> 3", side = "below" }', "side", "belongs to a `baseline`"),
        ("{ clear = 3 }", "", "a `warn`, a `crit` or a `baseline`"),
    ],
)
def test_one_mistake_is_one_problem_with_its_place(tmp_path: Path, limits: str, key: str, expected: str):
    problem = written(tmp_path, limits).problem()
    assert problem.where == "[[check]] orders: limits.per_min" + (f".{key}" if key else "")
    assert expected in problem.expected
    assert (Path(problem.file).name, problem.line) == ("server.toml", 6)


def test_a_calendar_that_does_not_exist_is_told(tmp_path: Path):
    problem = written(tmp_path, '{ baseline = "4 mad", min_change = 1 }', 'calendar = "atlantis"\n').problem()
    assert problem.where == "[[check]] orders: calendar"
    assert "a country such as" in problem.expected


def test_a_baseline_that_can_never_learn_is_warned_of(tmp_path: Path):
    short = MAIN + '[retention]\nrollups = "20d"\n'
    loaded = written(tmp_path, '{ baseline = "4 mad", min_change = 1 }', main=short).loads()
    assert any("keeps 20; keep 56d" in warning.expected for warning in loaded.warnings)


def test_without_a_smallest_difference_it_is_warned_of(tmp_path: Path):
    loaded = written(tmp_path, '{ baseline = "4 mad" }').loads()
    assert any("min_change" in w.expected and "per_min.baseline" in w.where for w in loaded.warnings)
    assert loaded.plan.checks["orders"].limits["per_min"].baseline == Baseline(warn=4)

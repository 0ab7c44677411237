"""What `[[inspection]]` says, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from opswatch.errors import ConfigError
from tests.config.site import Site

HOST = '[[target]]\nid = "db-1"\nkind = "host"\n'
DAILY = '[[inspection]]\nid = "daily"\ncron = "30 7 * * *"\nchecks = ["disk-*"]\n'
ROUND_ONLY = '[[check]]\nid = "disk-weekly"\nprobe = "disk"\ntargets = ["db-1"]\n'


def site(tmp_path: Path, *tables: str, check: str = ROUND_ONLY) -> Site:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "all.toml").write_text(check)
    return Site(tmp_path).writes(HOST + "".join(tables))


def warned(tmp_path: Path, *tables: str, check: str = ROUND_ONLY) -> list[str]:
    return [f"{one.where}: {one.expected}" for one in site(tmp_path, *tables, check=check).loads().warnings]


def test_an_inspection_is_read_whole(tmp_path: Path):
    more = 'timezone = "Asia/Shanghai"\nchecklist = ["restore one file", "look at the lamps"]\n'
    (daily,) = site(tmp_path, DAILY, more).loads().settings.inspections
    assert (daily.cron, daily.timezone, daily.checks) == ("30 7 * * *", "Asia/Shanghai", ("disk-*",))
    assert daily.checklist == ("restore one file", "look at the lamps")


def test_a_check_without_a_time_of_its_own_runs_in_a_round(tmp_path: Path):
    assert warned(tmp_path, DAILY) == []


def test_a_check_that_nothing_ever_runs_is_told(tmp_path: Path):
    (said,) = warned(tmp_path)
    assert "disk-weekly" in said and "no [[inspection]] names it" in said


def test_a_name_that_no_check_has_is_told(tmp_path: Path):
    said = warned(tmp_path, DAILY.replace('"disk-*"', '"disk-*", "pg-*"'))
    assert len(said) == 1 and "matches no check" in said[0] and "daily" in said[0]


@pytest.mark.parametrize("where", ["person:ana", "ops", "channel:nowhere"])
def test_a_report_is_delivered_to_channels_only(tmp_path: Path, where: str):
    with pytest.raises(ConfigError) as refused:
        site(tmp_path, DAILY, f'deliver = ["{where}"]\n').loads()
    (problem,) = refused.value.problems
    assert "deliver" in str(problem)

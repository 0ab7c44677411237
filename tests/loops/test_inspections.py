"""Rounds that look for real, at the hour they are due, once; and what is left of them when something goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.config import Inspection
from opswatch.core.effects import Done
from opswatch.core.engine import Engine
from opswatch.core.events import NodeStarted, SignInspection, Tick
from opswatch.core.inspection import Change, Report
from opswatch.core.model import Failure, Health, Priority, Sample, UnknownReason, Verdict
from opswatch.core.plan import Check, Limit, Plan, Target
from opswatch.desk import Desk
from opswatch.inspections import Reports
from opswatch.loops.inspections import Inspections, Inspector
from opswatch.loops.rounds import Notice, Round, Stopped, wanted
from opswatch.probes import Task
from opswatch.stores import Store, open_store
from tests.story import two_levels

SHANGHAI_SEVEN = datetime(2026, 11, 16, 23, 0, tzinfo=UTC)  # 07:00 on the 17th
HALF_AN_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)
LOOK_AT = ("restore a file", "lamps")
DAILY = Inspection("daily", "30 7 * * *", "Asia/Shanghai", ("size", "beat"), ("channel:ops",), LOOK_AT)
LIMITS = {"used_pct": Limit("> 80", "> 90")}
PATIENCE_S = 20


class Sizes:
    """A probe that says what it is told to, in order; the last again and again."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)
        self.looked = 0

    def look(self, task: Task) -> Verdict:
        self.looked += 1
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return Verdict(task.now, f"size is {value:g}", (Sample("used_pct", value, "%", "/data"),), evidence=("df",))


class Beats:
    """A probe that is well."""

    def look(self, task: Task) -> Verdict:
        return Verdict(task.now, "it beats")


class Hangs:
    def __init__(self) -> None:
        self.let_go = threading.Event()

    def look(self, task: Task) -> Verdict:
        self.let_go.wait(PATIENCE_S)
        return Verdict(task.now, "at last")


def a_plan(**more: object) -> Plan:
    checks = {
        "size": Check("size", "size", ("db-1",), limits=LIMITS, priority={Health.WARN: Priority.P3}),
        "beat": Check("beat", "beat", ("db-1", "db-2"), every=timedelta(minutes=1)),
        "other": Check("other", "beat", ("db-1",)),
    }
    return replace(two_levels(**more), checks=checks, timezone="Asia/Shanghai")


class Site:
    """One node over a real store. Its clock is the test's: each look takes a millisecond, each pause its span."""

    def __init__(self, folder: Path, store: Store, node: str = "here", **probes: object) -> None:
        self.folder, self.store, self.node = folder, store, node
        self.now, self.paused = SHANGHAI_SEVEN, list[float]()
        self.probes = {"beat": Beats(), **probes}
        self.desk = Desk(store, Engine(replace(a_plan(), node=node)), self.tick)
        self.loop = self.daemon()
        self.round: dict[str, object] = {"is_real": True}

    def tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def daemon(self) -> Inspections:
        return Inspections(
            self.desk, self.store, self.folder, self.tick, self.node, (DAILY,), make_round=self.make_round
        )

    def make_round(self, notice: Notice, stopping: threading.Event) -> Round:
        return Round(
            self.desk,
            self.store,
            self.tick,
            probe=self.probes.__getitem__,  # type: ignore[arg-type]
            notice=notice,
            stopping=stopping,
            pause=self.pause,
            **self.round,  # type: ignore[arg-type]
        )

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += timedelta(seconds=seconds)

    def starts(self) -> None:
        self.desk.apply(NodeStarted(self.node))

    def passes(self, span: timedelta) -> None:
        self.now += span
        self.loop.keep()

    def by_hand(self) -> Report:
        inspector = Inspector(self.desk, self.store, self.folder, self.tick)
        self.round = {"is_real": False, "again": False}
        a_round = self.make_round(lambda *_: None, threading.Event())
        return inspector.run(DAILY, a_round, is_told=False, by="ana")

    @property
    def runs(self) -> list[str]:
        return [row.run for row in self.store.inspections()]

    def report(self, run: str) -> Report:
        found = Reports(self.desk, self.store).report(run)
        assert found is not None
        return found

    def health(self, key: str) -> Health:
        with self.desk.looking() as (state, _):
            return state.watches[key].confirmed

    def incidents(self) -> list[int]:
        with self.desk.looking() as (state, _):
            return sorted(state.incidents)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/opswatch.db")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def site(tmp_path: Path, kept: Store) -> Site:
    site = Site(tmp_path, kept, size=Sizes(50))
    site.starts()
    return site


# ---------------------------------------------------------------------------------------------------------------------
# When


def test_it_runs_at_its_local_hour_once(site: Site):
    site.passes(timedelta(minutes=29))
    assert site.runs == []
    site.passes(timedelta(minutes=2))
    assert site.runs == ["2026-11-17-daily"]
    site.passes(timedelta(hours=1))
    assert site.runs == ["2026-11-17-daily"]
    site.passes(DAY)
    assert site.runs == ["2026-11-18-daily", "2026-11-17-daily"]


def test_what_was_missed_is_caught_up_once_and_says_that_it_is_late(site: Site):
    site.passes(HALF_AN_HOUR)
    site.now += 4 * DAY + timedelta(hours=2)
    site.loop = site.daemon()
    site.loop.keep()
    site.loop.keep()
    assert site.runs == ["2026-11-21-daily", "2026-11-17-daily"]
    late = site.report("2026-11-21-daily")
    assert late.due_at == datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert late.began_at - late.due_at > timedelta(hours=1)
    page = (site.folder / "records/inspections/2026-11-21-daily.md").read_text()
    assert "it was due Sat 21 Nov 07:30" in page


def test_a_new_installation_has_missed_nothing(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(50))
    site.now += timedelta(hours=3)
    site.starts()
    site.loop.keep()
    assert site.runs == []


def test_an_inspection_that_is_written_later_has_missed_nothing(site: Site):
    weekly = replace(DAILY, id="weekly", cron="0 7 * * mon")
    site.passes(HALF_AN_HOUR)
    site.loop.reload((DAILY, weekly))
    site.loop.keep()
    assert site.runs == ["2026-11-17-daily"]
    site.passes(6 * DAY)
    assert "2026-11-23-weekly" in site.runs


def test_two_nodes_run_it_once(tmp_path: Path, kept: Store):
    here = Site(tmp_path / "here", kept, "here", size=Sizes(50))
    there = Site(tmp_path / "there", kept, "there", size=Sizes(50))
    here.starts()
    for site in (here, there):
        site.now = SHANGHAI_SEVEN + HALF_AN_HOUR + timedelta(seconds=1)
        site.loop.keep()
    assert here.runs == ["2026-11-17-daily"]
    assert here.report("2026-11-17-daily").node == "here"
    assert len(kept.timeline(kinds=("inspected",))) == 1


def test_a_node_that_died_in_the_middle_is_followed_by_another(tmp_path: Path, kept: Store):
    here, there = (Site(tmp_path / name, kept, name, size=Sizes(50)) for name in ("here", "there"))
    here.starts()
    kept.lease("inspection/daily/20261116T233000Z", "here", SHANGHAI_SEVEN + HALF_AN_HOUR, timedelta(minutes=5))
    there.passes(timedelta(minutes=31))
    assert there.runs == [], "somebody is at it"
    for _ in range(5):
        there.passes(timedelta(minutes=1))
    assert there.runs == ["2026-11-17-daily"]


def test_a_run_that_was_kept_and_never_told_is_told_by_the_next_daemon(site: Site, monkeypatch: pytest.MonkeyPatch):
    def dies(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Inspector, "_tell", dies)
    with pytest.raises(SystemExit):
        site.passes(HALF_AN_HOUR)
    monkeypatch.undo()
    assert site.store.timeline(kinds=("inspected",)) == []
    site.loop = site.daemon()
    site.passes(timedelta(minutes=1))
    assert len(site.store.timeline(kinds=("inspected",))) == 1
    assert (site.folder / "records/inspections/2026-11-17-daily.html").exists()
    assert len(site.runs) == 1


# ---------------------------------------------------------------------------------------------------------------------
# What it sees


def test_a_round_says_values_and_feeds_the_alerts_of_checks_that_run_in_rounds_only(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(95))
    site.starts()
    site.passes(HALF_AN_HOUR)
    found = site.report("2026-11-17-daily")
    assert [line.key for line in found.bad] == ["size/db-1//data"]
    assert (found.counts()["ok"], found.counts()["crit"]) == (2, 1)
    assert found.bad[0].looks == 3, "confirmed before anything is said"
    assert site.paused == [30.0, 30.0]
    assert site.health("size/db-1//data") is Health.CRIT
    assert site.incidents() == [1]
    points = kept.samples("size", "db-1", SHANGHAI_SEVEN, site.now)
    assert [point.value for point in points if point.name == "used_pct"] == [95, 95, 95]


def test_what_recovers_is_seen_by_the_next_round_and_closes_its_incident(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(95, 95, 95, 60))
    site.starts()
    site.passes(HALF_AN_HOUR)
    site.passes(DAY)
    site.desk.apply(Tick())
    second = site.report("2026-11-18-daily")
    assert [line.change for line in second.lines if line.check == "size"] == [Change.BETTER]
    assert site.health("size/db-1//data") is Health.OK
    with site.desk.looking() as (state, _):
        assert str(state.incidents[1].status) == "resolved"


def test_checks_that_run_by_themselves_are_looked_at_and_their_alerts_left_alone(tmp_path: Path, kept: Store):
    class Fails:
        def look(self, task: Task) -> Verdict:
            return Verdict(task.now, "no beat", failures=(Failure("no beat"),))

    site = Site(tmp_path, kept, size=Sizes(50), beat=Fails())
    site.starts()
    site.passes(HALF_AN_HOUR)
    assert [line.key for line in site.report("2026-11-17-daily").bad] == ["beat/db-1", "beat/db-2"]
    assert site.incidents() == []


def test_a_look_that_hangs_is_given_up_and_the_others_are_not(tmp_path: Path, kept: Store):
    hangs = Hangs()
    seconds = iter(range(0, 1_000_000, 5))
    site = Site(tmp_path, kept, size=hangs)
    site.round |= {"monotonic": lambda: float(next(seconds)), "again": False}
    site.starts()
    site.passes(HALF_AN_HOUR)
    hangs.let_go.set()
    lines = {line.check: line for line in site.report("2026-11-17-daily").lines}
    assert (lines["size"].health, lines["size"].reason) == (Health.UNKNOWN, UnknownReason.TIMEOUT)
    assert lines["size"].sentence == "no answer within 30 s"


def test_a_round_that_is_stopped_leaves_nothing_and_is_run_again(site: Site):
    site.loop.stop()
    site.passes(HALF_AN_HOUR)
    assert site.runs == []
    site.loop = site.daemon()
    site.passes(timedelta(minutes=2))
    assert site.runs == ["2026-11-17-daily"]


def test_what_another_node_sees_is_named():
    the_plan = a_plan(targets={"db-1": Target("db-1", "host"), "db-2": Target("db-2", "host", node="there")})
    here, elsewhere = wanted(the_plan, ("beat",))
    assert [target for _, target in here] == ["db-1"] and elsewhere == ["beat/db-2"]


def test_somebodys_own_look_is_kept_and_changes_no_alert(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(95))
    site.starts()
    found = site.by_hand()
    assert (found.run, found.by, found.bad[0].looks) == ("2026-11-17-daily-070000", "ana", 1)
    assert site.incidents() == [] and site.paused == []
    with site.desk.looking() as (state, _):
        assert state.watches == {}
    site.round = {"is_real": True}
    site.passes(HALF_AN_HOUR)
    assert site.report("2026-11-17-daily").last_run is None, "a round is compared with rounds"


def test_a_stop_is_heard_while_looks_are_under_way(site: Site):
    stopping = threading.Event()
    stopping.set()
    a_round = site.make_round(lambda *_: None, stopping)
    with pytest.raises(Stopped):
        a_round.go(wanted(site.desk.engine.plan, ("beat",))[0])


# ---------------------------------------------------------------------------------------------------------------------
# What is left of it


def test_its_files_stand_in_the_records_and_people_write_into_one(site: Site):
    site.passes(HALF_AN_HOUR)
    folder = site.folder / "records/inspections"
    kinds = ("html", "json", "md")
    assert sorted(file.name for file in folder.iterdir()) == [f"2026-11-17-daily.{kind}" for kind in kinds]
    plain = json.loads((folder / "2026-11-17-daily.json").read_text())
    assert (plain["state"], plain["counts"]["ok"], plain["checklist"][1]["text"]) == ("ok", 3, "lamps")
    page = folder / "2026-11-17-daily.md"
    page.write_text(page.read_text() + "\nThe fan of db-2 is loud.\n")
    answer = site.desk.answer(SignInspection("2026-11-17-daily", 2, "two lamps were out", by="ana"))
    assert isinstance(answer, Done)
    site.passes(timedelta(minutes=1))
    text = page.read_text()
    assert "The fan of db-2 is loud." in text
    assert "[x] 2. lamps (Ana, Tue 17 Nov 07:30: two lamps were out)" in text and "[ ] 1. restore a file" in text
    assert "two lamps were out" in (folder / "2026-11-17-daily.html").read_text()
    assert site.report("2026-11-17-daily").unsigned == ((1, "restore a file"),)


def test_findings_that_wake_nobody_go_to_the_ledger_and_leave_it(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(85, 85, 85, 60))
    site.starts()
    site.passes(HALF_AN_HOUR)
    with site.desk.looking() as (state, _):
        (risk,) = state.risks.values()
    assert (risk.key, risk.target, str(risk.status)) == ("inspection/size/db-1//data", "db-1", "open")
    assert (risk.title, risk.source) == ("size/db-1//data: size is 85", "inspection:daily")
    site.passes(DAY)
    (closed,) = kept.risks()
    assert str(closed.status) == "closed"


def test_a_value_that_fills_up_goes_to_the_ledger_before_it_breaks_its_limit(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(70))
    site.starts()
    for back in range(10, 0, -1):
        at = SHANGHAI_SEVEN - back * DAY
        value = Sample("used_pct", 70 - back, "%", "/data")
        kept.record_samples([("size", "db-1", Verdict(at, "a look", (value,)))])
    while not kept.roll_up(SHANGHAI_SEVEN):
        pass
    site.passes(HALF_AN_HOUR)
    (line,) = site.report("2026-11-17-daily").heading
    assert line.soonest is not None and line.soonest.course.left is not None
    assert 19 <= line.soonest.course.left / DAY <= 21
    assert sum(day is not None for day in line.soonest.course.days) == 11
    with site.desk.looking() as (state, _):
        (risk,) = state.risks.values()
    assert risk.title == "size/db-1//data: used_pct reaches its limit in 20 days"
    assert site.incidents() == [], "a forecast pages nobody"

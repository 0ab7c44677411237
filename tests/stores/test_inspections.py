"""Runs of inspections are kept once, found again, and compared with the right one, on both databases."""

from __future__ import annotations

from datetime import timedelta

from opswatch.core.inspection import Change, Course, Line, Reading, Report
from opswatch.core.model import Health, Priority, UnknownReason
from opswatch.stores import Store, open_store
from tests.stores.things import NOW

DAY = timedelta(days=1)


def report(run: str = "2026-03-29-daily", *, days: int = 0, **more: object) -> Report:
    began = NOW + days * DAY
    value = Reading(
        "used_pct", 96.5, "%", Health.CRIT, "> 80", "> 90", 91.0, Course((None, 90.0, 96.5), 1.5, DAY, 99.0)
    )
    line = Line(
        "disk",
        "db-1",
        "/磁盘",
        Health.CRIT,
        "磁盘 96 %",
        Change.WORSE,
        Health.WARN,
        UnknownReason.ERROR,
        Priority.P1,
        began,
        (value,),
        ("used_pct 96.5 %: crit at > 90",),
        ("a line",),
        owner="team:commerce",
    )
    given = {"lines": (line,), "gone": (line,), "checklist": ("look", "listen"), "due_at": began, **more}
    return Report(run, "daily", "Asia/Shanghai", began, began + timedelta(seconds=3), "ops-1", **given)  # type: ignore[arg-type]


def test_a_report_comes_back_as_it_was(store: Store):
    assert store.keep_inspection(report(), NOW)
    assert store.inspection("2026-03-29-daily") == report()
    assert store.inspection("never") is None


def test_whoever_is_first_has_run_it(store: Store, store_url: str):
    other = open_store(store_url)
    assert store.keep_inspection(report(by="ana"), NOW)
    assert not other.keep_inspection(report(by="bo"), NOW)
    kept = other.inspection("2026-03-29-daily")
    assert kept is not None and kept.by == "ana"
    other.close()


def test_a_round_is_compared_with_the_last_round_and_not_with_somebodys_own_look(store: Store):
    store.keep_inspection(report("a", days=0), NOW)
    store.keep_inspection(report("b", days=1, due_at=None), None)
    store.keep_inspection(report("c", days=2), NOW)
    assert store.last_inspection("daily", NOW + 2 * DAY, told=True) == report("a")
    assert store.last_inspection("daily", NOW + 2 * DAY) == report("b", days=1, due_at=None)
    assert store.last_inspection("daily", NOW) is None
    assert store.last_inspection("weekly", NOW + 9 * DAY) is None


def test_the_list_is_newest_first_and_knows_the_numbers(store: Store):
    for day, name in enumerate("abc"):
        store.keep_inspection(report(name, days=day), NOW)
    assert [row.run for row in store.inspections(limit=2)] == ["c", "b"]
    assert store.inspections("weekly") == []
    (row, *_) = store.inspections("daily")
    assert (row.counts["crit"], row.changes["gone"], row.checklist, row.took_s) == (1, 1, 2, 3.0)


def test_which_instant_was_run_last(store: Store):
    assert store.last_due("daily") is None
    store.keep_inspection(report("a", days=1), NOW)
    store.keep_inspection(report("b", days=3, due_at=None), NOW)
    assert store.last_due("daily") == NOW + DAY


def test_runs_of_last_year_are_forgotten(store: Store):
    store.keep_inspection(report("old"), NOW)
    store.keep_inspection(report("new", days=10), NOW)
    store.prune(NOW + 405 * DAY)
    assert [row.run for row in store.inspections()] == ["new"]

"""Inspections: what a run says, what changed since the last one, and what people sign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from opswatch.core.events import Inspected, SignInspection
from opswatch.core.inspection import Change, Course, Looked, Report, course, looked, report, run_name, wants_another
from opswatch.core.model import Failure, Health, Role, Sample, UnknownReason, Verdict
from opswatch.core.norms import Hour
from opswatch.core.plan import Check, Limit, Service, Target
from opswatch.core.state import Watch
from tests.story import Story, person, plan, two_levels

MORNING = datetime(2026, 11, 17, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
DISK = Check("disk", "disk", ("db-1",), limits={"used_pct": Limit("> 80", "> 90", clear=3)}, playbook="disk-full")
THE_PLAN = plan(
    levels=(),
    people=(),
    services={"orders": Service("orders", tier=1, team="commerce")},
    targets={"db-1": Target("db-1", "host", service="orders")},
)


def sees(check: Check = DISK, before: Mapping[str, Watch] | None = None, **mounts: float) -> Looked:
    """A look at some mounts: how full each is."""
    samples = tuple(Sample("used_pct", used, "%", f"/{name}") for name, used in mounts.items())
    return looked(check, "db-1", Verdict(MORNING, "the disks", samples, evidence=("df says so",)), before or {})


def blind(check: Check = DISK) -> Looked:
    verdict = Verdict(MORNING, "no answer", unknown=UnknownReason.TIMEOUT)
    return looked(check, "db-1", verdict, {})


def reports(*seen: Looked, last: Report | None = None, at: datetime = MORNING, **more: object) -> Report:
    name = run_name("daily", at, "UTC", cron="30 6 * * *")
    return report(Report(name, "daily", "UTC", at, at, "ops-1", **more), seen, THE_PLAN, last=last)  # type: ignore[arg-type]


def said(lines: object) -> list[str]:
    return [line.item for line in lines]  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------------------------
# What a run says


def test_the_first_run_has_nothing_to_compare_with():
    first = reports(sees(var=50, home=60))
    assert {line.change for line in first.lines} == {Change.FIRST}
    assert first.changes() == {"new": 0, "worse": 0, "better": 0, "gone": 0}
    assert first.last_run is None


def test_all_well_is_a_report_too():
    well = reports(sees(var=50))
    assert (well.health, well.bad, well.counts()["ok"]) == (Health.OK, (), 1)


def test_a_line_says_value_limit_owner_and_priority():
    (line,) = reports(sees(var=95)).lines
    (value,) = line.readings
    assert (value.value, value.warn, value.crit, value.health) == (95, "> 80", "> 90", Health.CRIT)
    assert (line.owner, line.service, str(line.priority)) == ("team:commerce", "orders", "P1")
    assert (line.playbook, line.evidence, line.bad_since) == ("disk-full", ("df says so",), MORNING)
    assert line.broken == ("used_pct 95 %: crit at > 90, clears 3 past it",)


def test_the_next_run_says_what_became_worse_better_new_and_gone():
    first = reports(sees(var=50, home=85, tmp=85, old=20))
    second = reports(sees(var=91, home=70, tmp=85, data=10), last=first, at=MORNING + DAY)
    assert said(second.changed(Change.WORSE)) == ["/var"]
    assert said(second.changed(Change.BETTER)) == ["/home"]
    assert said(second.changed(Change.NEW)) == ["/data"]
    assert said(second.gone) == ["/old"]
    assert second.changes() == {"new": 1, "worse": 1, "better": 1, "gone": 1}
    assert (second.last_run, second.last_at) == ("2026-11-17-daily", MORNING)


def test_a_value_is_compared_with_the_last_one():
    second = reports(sees(var=70), last=reports(sees(var=50)), at=MORNING + DAY)
    assert second.lines[0].readings[0].was == 50


def test_what_stays_bad_keeps_the_day_it_began():
    runs = [reports(sees(var=85))]
    for day in (1, 2):
        runs.append(reports(sees(var=92), last=runs[-1], at=MORNING + day * DAY))
    assert [run.lines[0].bad_since for run in runs] == [MORNING] * 3
    assert runs[1].lines[0].was is Health.WARN


def test_items_of_a_look_that_failed_are_not_gone():
    second = reports(blind(), last=reports(sees(var=50)), at=MORNING + DAY)
    assert second.gone == ()
    assert [(line.item, line.health, line.reason) for line in second.lines] == [
        ("", Health.UNKNOWN, UnknownReason.TIMEOUT)
    ]


def test_what_another_node_sees_is_not_gone():
    second = reports(last=reports(sees(var=50)), at=MORNING + DAY, elsewhere=("disk/db-1",))
    assert (second.gone, second.lines) == ((), ())


def test_the_worst_come_first_and_only_five_are_told():
    seen = sees(a=85, b=95, c=86, d=99, e=87, f=88, g=10)
    assert said(reports(seen).worst) == ["/b", "/d", "/a", "/c", "/e"]


def test_a_limit_holds_until_the_value_is_past_its_gap():
    before = {"/var": Watch("disk", "db-1", "/var", health=Health.WARN, levels={"used_pct": Health.WARN})}
    assert reports(sees(var=79)).health is Health.OK
    assert reports(sees(var=79, before=before)).health is Health.WARN


def test_a_thing_the_check_remembers_and_no_longer_sees_is_no_line():
    before = {"/old": Watch("disk", "db-1", "/old")}
    assert said(reports(sees(var=50, before=before)).lines) == ["/var"]


# ---------------------------------------------------------------------------------------------------------------------
# Looking again


def fails(*, is_bad: bool, earlier: Looked | None = None) -> Looked:
    failures = (Failure("it is down"),) if is_bad else ()
    return looked(DISK, "db-1", Verdict(MORNING, "a look", failures=failures), {}, earlier)


def test_what_fails_is_looked_at_again_until_it_is_confirmed():
    one = fails(is_bad=True)
    assert wants_another(one, {}, 3)
    two = fails(is_bad=True, earlier=one)
    assert wants_another(two, {}, 3)
    assert not wants_another(fails(is_bad=True, earlier=two), {}, 3), "three looks: the check's own `confirm`"


def test_what_is_known_to_fail_is_not_looked_at_again_until_it_recovers():
    assert not wants_another(fails(is_bad=True), {"": Health.CRIT}, 3)
    assert wants_another(fails(is_bad=False), {"": Health.CRIT}, 3)
    assert not wants_another(fails(is_bad=False), {}, 3)


def test_what_came_and_went_while_we_looked_is_said():
    (line,) = reports(fails(is_bad=False, earlier=fails(is_bad=True))).lines
    assert (line.health, line.looks, line.bad_looks, line.notes) == (Health.OK, 2, 1, ("it is down",))


# ---------------------------------------------------------------------------------------------------------------------
# Where it is heading


def hours(*values: float) -> list[Hour]:
    """One hour of each of the last days, today's last."""
    start = MORNING - (len(values) - 1) * DAY
    return [Hour(start + day * DAY, "used_pct", value, value, value, 0.0, 60) for day, value in enumerate(values)]


def test_a_disk_that_fills_says_how_long_it_has():
    found = course(hours(60, 62, 64, 66, 68, 70), DISK.limits["used_pct"], "UTC", MORNING)
    assert found.per_day == 2 and found.left == 10 * DAY and found.limit == 90
    assert found.days[-6:] == (60, 62, 64, 66, 68, 70) and found.days[0] is None
    line = report(
        Report("r", "daily", "UTC", MORNING, MORNING, "n"),
        [sees(var=70)],
        THE_PLAN,
        courses={("disk", "db-1", "/var", "used_pct"): found},
    )
    assert [one.item for one in line.heading] == ["/var"]


def test_a_sawtooth_and_a_young_series_say_nothing():
    assert course(hours(80, 20, 80, 20, 80, 20), DISK.limits["used_pct"], "UTC", MORNING).left is None
    assert course(hours(60, 70), DISK.limits["used_pct"], "UTC", MORNING).left is None
    assert course([], None, "UTC", MORNING) == Course((None,) * 30)


# ---------------------------------------------------------------------------------------------------------------------
# Names


def test_a_run_is_called_by_its_local_date():
    evening = datetime(2026, 11, 16, 23, 30, tzinfo=UTC)
    assert run_name("daily", evening, "Asia/Shanghai", cron="30 7 * * *") == "2026-11-17-daily"
    assert run_name("daily", evening, "Asia/Shanghai") == "2026-11-17-daily-073000"


def test_the_second_run_of_a_date_has_its_time():
    twice = "30 7,19 * * *"
    assert run_name("daily", MORNING + timedelta(hours=1), "UTC", cron=twice) == "2026-11-17-daily"
    assert run_name("daily", MORNING + timedelta(hours=13), "UTC", cron=twice) == "2026-11-17-daily-1930"


# ---------------------------------------------------------------------------------------------------------------------
# At the desk


def ran(run: str = "2026-11-17-daily", **more: object) -> Inspected:
    counts, changes = {"ok": 9, "warn": 1, "crit": 0, "unknown": 0}, {"new": 0, "worse": 1, "better": 0, "gone": 0}
    given = {"deliver": ("channel:ops",), "checklist": 2, **more}
    return Inspected(run, "daily", "ops-1", counts, changes, **given)  # type: ignore[arg-type]


def team() -> Story:
    story = Story(two_levels())
    story.apply(ran())
    return story


def test_a_run_is_written_down_and_told_to_its_channel():
    story = team()
    (entry,) = [entry for entry in story.entries if entry.kind == "inspected"]
    assert (entry.facts["run"], entry.facts["warn"], entry.facts["worse"]) == ("2026-11-17-daily", 1, 1)
    (told,) = story.announcements
    assert (told.channel, told.event, told.facts["run"]) == ("ops", "inspected", "2026-11-17-daily")
    assert story.paged() == []


def test_the_same_run_of_a_second_node_changes_nothing():
    story = team()
    story.apply(ran(deliver=("channel:ops",)))
    assert len(story.announcements) == 1
    assert [entry.kind for entry in story.entries].count("inspected") == 1


def test_a_channel_that_is_gone_is_passed_over():
    story = Story(two_levels())
    story.apply(ran(deliver=("channel:old",)))
    assert story.announcements == []


def test_an_item_is_signed_once_by_a_person():
    story = team()
    sign = SignInspection("2026-11-17-daily", 2, "counted by hand", by="ana")
    answer = story.says(sign)
    assert (answer.key, answer.facts["count"]) == ("inspection_signed", 1)
    again = story.says(SignInspection("2026-11-17-daily", 2, by="bo"))
    assert (again.key, again.facts["by"]) == ("already_signed", "ana")
    signed = [entry for entry in story.entries if entry.kind == "inspection_signed"]
    assert [(entry.by, entry.facts["item"], entry.facts["text"]) for entry in signed] == [("ana", 2, "counted by hand")]


def test_what_cannot_be_signed_is_refused_with_the_reason():
    story = team()
    story.apply(ran("2026-11-17-hourly", checklist=0))
    assert story.says(SignInspection("2026-11-16-daily", 1, by="ana")).key == "unknown_run"
    assert story.says(SignInspection("2026-11-17-daily", 3, by="ana")).key == "unknown_item"
    assert story.says(SignInspection("2026-11-17-daily", 0, by="ana")).key == "unknown_item"
    assert story.says(SignInspection("2026-11-17-hourly", 1, by="ana")).key == "no_checklist"


def test_a_viewer_signs_nothing():
    people = (person("vi", role=Role.VIEWER), person("ana"), person("bo"), person("lead", role=Role.ADMIN))
    story = Story(two_levels(people=people))
    story.apply(ran())
    assert story.says(SignInspection("2026-11-17-daily", 1, by="vi")).key == "viewer_refused"


def test_only_the_newest_hundred_runs_wait_for_signatures():
    story = Story(two_levels())
    for number in range(101):
        story.apply(ran(f"2026-{number:03}-daily"))
    assert len(story.state.standing.runs) == 100
    assert story.says(SignInspection("2026-000-daily", 1, by="ana")).key == "unknown_run"

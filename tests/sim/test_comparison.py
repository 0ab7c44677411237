"""Two designs meet the same failures; what differs is the designs, and chance is told apart from it."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.core.effects import Record
from opswatch.core.model import Priority
from opswatch.core.plan import Level, Policy
from opswatch.sim.comparison import common_rates, compare, t95, uncovered_time
from opswatch.sim.life import CALM, NEVER, ROUGH
from opswatch.sim.report import PersonLine, Report
from opswatch.sim.run import Story
from tests.doors.browser import DESKTOP, PHONE, chromium
from tests.doors.terminal import CHECKS, CONFIG, Terminal
from tests.sim.compared_page import PAGE, compared, verdicts
from tests.sim.team_plan import START, team

SPAN = timedelta(days=40)
OFTEN = replace(CALM, failures=replace(ROUGH.failures, flaps=0.0), mishaps=replace(CALM.mishaps, crash_every=NEVER))


def slower():
    """The same team; nobody is paged before half an hour is over."""
    plan = team()
    policies = {
        name: Policy(name, (Level(("person:ed",), timedelta(minutes=30)), *policy.levels), policy.repeat)
        for name, policy in plan.policies.items()
    }
    return replace(plan, policies=policies)


def failures_of(plan, seed: int) -> Counter[tuple[str, str, datetime]]:
    """What broke when, in truth."""
    story, broke = Story(plan, seed, START, START + SPAN, life=OFTEN, rates=common_rates((team(), plan), START)), []
    start = story.things._start

    def notes(fault):
        broke.append((fault.name, str(fault.health), story.world.now))
        start(fault)

    story.things._start = notes  # type: ignore[method-assign]
    story.world.run(START + SPAN)
    return Counter(broke)


def test_the_same_things_break_at_the_same_instants():
    """Only where something is still broken a failure falls together with it: repairs depend on who comes."""
    ours, theirs = failures_of(team(), 3), failures_of(slower(), 3)
    both = (ours & theirs).total()
    assert both > 40
    assert both / max(ours.total(), theirs.total()) > 0.85


def test_a_priority_of_the_second_plan_makes_nothing_fail_more_often():
    calm = replace(team(), services={name: replace(one, tier=4) for name, one in team().services.items()})
    assert common_rates((team(), calm), START) == common_rates((team(), team()), START)
    assert common_rates((calm, team()), START) != common_rates((team(), calm), START)


def test_people_take_the_same_ring_the_same_way():
    """A plan compared with itself differs in nothing."""
    lives = [(lived(seed), lived(seed)) for seed in (1, 2, 3)]
    found = compare((team(), team()), lives, (1, 2, 3))
    assert {row.better for row in found.rows if row.difference is not None} == {"same"}


def lived(seed: int) -> Report:
    story = Story(team(), seed, START, START + timedelta(days=14), life=OFTEN)
    story.world.run(START + timedelta(days=14))
    story.ledger.close()
    return story.ledger.report


def report(pages: int, answered: float | None = None) -> Report:
    start = datetime(2027, 1, 1, tzinfo=UTC)
    made = Report(start, start + timedelta(days=7))
    made.people = {"ana": PersonLine(pages=Counter({Priority.P1: pages}))}
    if answered is not None:
        made.answered_s = {Priority.P1: [answered]}
    return made


def row_of(pairs: list[tuple[Report, Report]], key: str, priority: Priority | None = None):
    found = compare((team(), team()), pairs, range(len(pairs)))
    return next(row for row in found.rows if (row.metric.key, row.metric.priority) == (key, priority))


def test_a_difference_is_taken_life_by_life():
    """Years differ far more than the designs, and still every year is better by two."""
    row = row_of([(report(10), report(8)), (report(100), report(98)), (report(55), report(53))], "pages")
    assert (row.difference, row.low, row.high, row.better) == (-2, -2, -2, "second")


def test_what_may_be_chance_is_not_called_better():
    row = row_of([(report(10), report(4)), (report(10), report(14)), (report(10), report(9))], "pages")
    assert row.difference == pytest.approx(-1)
    assert row.low is not None and row.low < 0 < row.high
    assert row.better == "even"
    assert row_of([(report(10), report(9))] * 2, "pages").better == "unknown", "two lives say nothing about chance"


def test_a_life_without_an_answer_has_no_pair():
    pairs = [(report(1, 60), report(1, 30)), (report(1), report(1, 5)), (report(1, 90), report(1, 60))]
    row = row_of([*pairs, (report(1, 20), report(1, 20))], "ack_median", Priority.P1)
    assert row.difference == pytest.approx(statistics.fmean([-30, -30, 0]))
    assert row.first[1] is None


@pytest.mark.parametrize(("freedom", "wanted"), [(1, 12.706), (9, 2.262), (30, 2.042), (500, 1.96)])
def test_the_span_is_students(freedom: int, wanted: float):
    assert t95(freedom) == wanted


def test_hours_that_nobody_had_it_are_those_of_the_timeline():
    story, book = Story(team(), 5, START, START + SPAN, life=OFTEN), []
    story.world.hears(Record, lambda record: book.append(record.entry))
    story.world.run(START + SPAN)
    story.ledger.close()
    left, opened = timedelta(0), {}
    for entry in book:
        if entry.kind == "triggered":
            opened[entry.incident] = entry.at
        elif entry.kind in ("acknowledged", "resolved") and entry.incident in opened:
            left += entry.at - opened.pop(entry.incident)
    left += sum((START + SPAN - at for at in opened.values()), timedelta(0))
    assert story.ledger.report.unattended_s.total() == pytest.approx(left.total_seconds(), abs=len(book))


def test_uncovered_is_when_no_roster_names_anybody():
    plan = team()
    assert uncovered_time(plan, START, START + SPAN) == timedelta(0)
    holes = replace(plan, rosters={"holes": plan.rosters["holes"]})
    assert uncovered_time(holes, START, START + timedelta(days=30)) == timedelta(days=10)
    assert uncovered_time(replace(plan, rosters={}), START, START + SPAN) == SPAN


# ---------------------------------------------------------------------------------------------------------------------
# The command


@pytest.fixture
def terminal(tmp_path, monkeypatch) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    (tmp_path / "checks" / "all.toml").write_text(CHECKS.replace("confirm = 1", 'every = "5m"'), encoding="utf-8")
    changed = CONFIG.replace('name = "acme"', 'name = "patient"').replace('wait = "5m"', 'wait = "2h"')
    (tmp_path / "patient.toml").write_text(changed, encoding="utf-8")
    return made


def says(terminal: Terminal, *more: str):
    files = (str(terminal.config), str(terminal.folder / "patient.toml"))
    return terminal.says("simulate", "--compare", *files, "--from", "2027-01-01T00:00Z", "--days", "90", *more)


def test_it_says_who_is_better_in_the_readers_language(terminal: Terminal):
    said = says(terminal, "--seeds", "4")
    assert said.code == 0, said.err
    assert "# acme and patient: 90 days on call, lived side by side" in said.out
    assert "P1: until somebody has it, median" in said.out
    assert "█" in said.out
    terminal.is_used_by("bo")
    assert "acme 与 patient：并行模拟值班 90 天" in says(terminal, "--seeds", "1").out


def test_programs_get_json_and_each_life(terminal: Terminal):
    found = json.loads(says(terminal, "--seeds", "3", "--json").out)
    assert (found["first"], found["second"], found["seeds"]) == ("acme", "patient", [1, 2, 3])
    row = next(one for one in found["rows"] if (one["figure"], one["priority"]) == ("unattended", "P1"))
    assert len(row["first_lives"]) == 3
    wanted = statistics.fmean(row["second_lives"]) - statistics.fmean(row["first_lives"])
    assert row["difference"] == pytest.approx(wanted)
    assert found["parameters"]["answers"]["night"]["probability"] == 0.45


def test_mistakes_are_said_as_everywhere(terminal: Terminal):
    (terminal.folder / "patient.toml").write_text("[opswatch\n", encoding="utf-8")
    assert says(terminal).code == 2
    assert terminal.says("simulate", "--html", "x.html").code == 2
    assert terminal.says("simulate", "--compare", str(terminal.config)).code == 2


def test_the_page_fetches_nothing_and_fits_a_phone(terminal: Terminal):
    page = terminal.folder / "report.html"
    assert says(terminal, "--seeds", "2", "--html", str(page)).code == 0
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=|url\(|<script""", text)
    with chromium() as browser, browser.tab() as tab:
        for size in (PHONE, DESKTOP):
            tab.opens(page.as_uri(), size=size)
            wide = tab.runs("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, f"{wide} pixels too wide for {size}"
        assert "acme" in tab.text("h1")
        assert tab.trouble == []


def test_the_examples_say_what_the_page_says():
    """Figures move with the engine; who is better in what does not."""
    told, now = verdicts(PAGE.read_text(encoding="utf-8")), verdicts(compared())
    assert list(told) == list(now)
    names = {"office-hours", "follow-the-sun"}
    both = {row for row in told if told[row] in names and now[row] in names}
    assert {row: now[row] for row in both} == {row: told[row] for row in both}
    assert len(both) >= 6
    assert now["P1: hours that nobody had it"] == "follow-the-sun"
    assert now["pages that rang"] == "office-hours"

"""A simulated month of the scenario's team: duty logs and four weekly reviews, and a recount confirms each number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opswatch.core.duties import Duty
from opswatch.core.effects import Entry
from opswatch.core.model import Priority
from opswatch.core.review import Review
from opswatch.core.roster import Rosters
from opswatch.core.state import Override
from opswatch.dutylogs import DutyLogs
from opswatch.loops.reports import Records
from opswatch.records import for_reading, tells
from opswatch.render.dutylog import CLOSED
from opswatch.reviews import Reviews
from tests.records import recount
from tests.records.month import DAY, ENDS, HOUR, STARTS, ZONE, Month

SEED = 20261019
WEEKS = [(STARTS + 7 * number * DAY, STARTS + 7 * (number + 1) * DAY) for number in range(4)]


@dataclass(frozen=True, slots=True)
class Lived:
    """The month when it is over: the house, every entry it left, and the four reviews as of each Monday at seven."""

    month: Month
    folder: Path
    entries: list[Entry]
    reviews: list[Review]
    rosters: Rosters
    overrides: tuple[Override, ...]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("month")
    month = Month(folder, SEED)
    files = Records(month.desk, month.store, folder, lambda: month.now, "ops-1")
    reviews: list[Review] = []

    def catch_up() -> None:
        files.keep()
        while files.is_behind:
            files.keep()

    def each_hour(now: datetime) -> None:
        local = now.astimezone(ZoneInfo(ZONE))
        if local.hour == 7 and local.weekday() in (0, 3):
            catch_up()
        if local.hour == 6 and local.weekday() == 0 and now > STARTS + DAY:
            reader = Reviews(month.desk, month.store)
            reviews.append(reader.review("week", reader.last("week", now), now))

    month.on_hour = each_hour
    month.passes()
    catch_up()
    entries = [stored.entry for stored in month.store.timeline(limit=100_000)]
    yield Lived(month, folder, entries, reviews, Rosters(month.plan), month.views.overrides())
    month.store.close()


def test_the_month_is_worth_counting(lived: Lived):
    """Otherwise what follows would prove nothing."""
    kinds = Counter(entry.kind for entry in lived.entries)
    for kind in (
        "raised",
        "reopened",
        "reassigned",
        "snoozed",
        "escalated",
        "priority_set",
        "ack_expired",
        "page_failed",
    ):
        assert kinds[kind], f"nothing was {kind}"
    assert kinds["triggered"] > 150
    assert {entry.facts["priority"] for entry in lived.entries if entry.kind == "triggered"} == {"P0", "P1", "P2", "P3"}
    assert [(one.start, one.end) for one in lived.reviews] == WEEKS


def test_counts_and_speeds_of_every_priority_and_week(lived: Lived):
    for review in lived.reviews:
        for figures in review.figures:
            told = recount.spans(lived.entries, review.start, review.end, str(figures.priority))
            assert figures.opened == told["opened"], (review.name, figures.priority)
            assert figures.unanswered == told["unanswered"], (review.name, figures.priority)
            rule = lived.month.plan.rule(figures.priority)
            for speed, found, target in (
                (figures.acked, told["acked"], rule.ack_within),
                (figures.resolved, told["resolved"], rule.resolve_within),
            ):
                assert isinstance(found, list)
                assert speed.count == len(found)
                assert speed.p90 == recount.percentile(found, 0.9)
                assert speed.target == target
                assert speed.within == (None if target is None else len([span for span in found if span <= target]))
                if found:
                    ranked = sorted(span.total_seconds() for span in found)
                    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
                    assert speed.median is not None and speed.mean is not None
                    assert speed.median.total_seconds() == pytest.approx((low + high) / 2)
                    assert speed.mean.total_seconds() == pytest.approx(sum(ranked) / len(ranked))


def test_every_incident_and_page_counts_exactly_once(lived: Lived):
    inside = [entry for entry in lived.entries if entry.at < ENDS]
    assert sum(review.opened for review in lived.reviews) == sum(entry.kind == "triggered" for entry in inside)
    assert sum(review.pages for review in lived.reviews) == sum(entry.kind == "page_promised" for entry in inside)
    acked = [story for story in recount.stories(inside).values() if recount.acked_at(story)]
    assert sum(one.acked.count for review in lived.reviews for one in review.figures) == len(acked)


def test_earlier_weeks_are_as_they_stood_then(lived: Lived):
    """The weeks that the last review compares with are those that were written."""
    last = lived.reviews[-1]
    assert [one.name for one in last.before] == ["2026-W43", "2026-W44", "2026-W45"]  # Nothing is known of W42.
    for before, written in zip(last.before, lived.reviews[:3], strict=True):
        assert before.figures == written.figures


def test_incidents_of_each_day(lived: Lived):
    for review in lived.reviews:
        found = Counter(
            (recount.opened_at(story).astimezone(ZoneInfo(ZONE)).date(), recount.priority(story, review.end))
            for story in recount.stories(lived.entries).values()
            if review.start <= recount.opened_at(story) < review.end
        )
        assert len(review.days) == 7
        told = {(day, str(priority)): counts[priority] for day, counts in review.days for priority in Priority}
        assert {key: count for key, count in told.items() if count} == dict(found)


def test_pages_of_each_person_by_work_rest_and_sleep(lived: Lived):
    plan = lived.month.plan
    for review in lived.reviews:
        found: dict[str, Counter[str]] = {}
        for entry in recount.pages(lived.entries, review.start, review.end):
            person = str(entry.facts["person"])
            local = entry.at.astimezone(ZoneInfo(plan.people[person].timezone))
            kind = recount.hours_of(entry, plan, lived.rosters, lived.overrides)
            found.setdefault(person, Counter()).update([kind, f"{local.hour} h"])
        for load in review.people:
            told = Counter({"work": load.work, "rest": load.rest, "sleep": load.sleep})
            told.update({f"{hour} h": count for hour, count in enumerate(load.by_hour)})
            assert +told == found.pop(load.person, Counter()), (review.name, load.person)
        assert not found
    assert sum(load.sleep for review in lived.reviews for load in review.people) > 20


def test_who_answered_how_fast_and_whom_the_ladder_passed(lived: Lived):
    total = 0
    for review in lived.reviews:
        answers = recount.answers(lived.entries, review.start, review.end)
        passed = recount.passed(lived.entries, review.start, review.end)
        assert {one.person: one.answers for one in review.people if one.answers} == {
            person: len(spans) for person, spans in answers.items()
        }
        assert {one.person: one.passed for one in review.people if one.passed} == dict(passed), review.name
        total += passed.total()
    assert total > 20


def test_missed_acknowledgements(lived: Lived):
    """Those the ladder climbed past, and who took it after that and not before."""
    stories = recount.stories(lived.entries)
    for review in lived.reviews:
        inside = [entry for entry in lived.entries if entry.at < review.end]
        found = {
            number
            for number, story in stories.items()
            if recount.passed([entry for entry in inside if entry.incident == number], review.start, review.end)
        }
        assert {one.number for one in review.missed if one.passed} == found
        for one in review.missed:
            later = [e for e in stories[one.number] if e.kind == "acknowledged" and one.since <= e.at < review.end]
            assert (one.acked_at, one.acked_by) == ((later[0].at, later[0].by) if later else (None, None))
            assert any(e.kind in ("level_entered", "ladder_ended") and e.at == one.since for e in stories[one.number])


def test_hours_on_call(lived: Lived):
    for review in lived.reviews:
        quarters = recount.on_call_hours(lived.month.plan, lived.rosters, lived.overrides, review.start, review.end)
        told = {one.person: one.hours / timedelta(minutes=15) for one in review.people if one.hours}
        assert set(told) == set(quarters)
        for person, count in quarters.items():
            assert told[person] == pytest.approx(count, abs=1), (review.name, person)  # An override begins any time.


def test_how_the_pages_turned_out(lived: Lived):
    for review in lived.reviews:
        stories = recount.stories(lived.entries)
        paged = Counter(entry.incident for entry in recount.pages(lived.entries, review.start, review.end))
        assert {one.number: one.pages for one in review.told} == dict(paged)
        for one in review.told:
            story = stories[one.number]
            said, brief = recount.noise_said(story, review.end), recount.is_brief_noise(story, review.end)
            assert one.tag.is_noise == (said or brief), (review.name, one)
            assert (one.said_by is not None) == said
    assert any(one.tag.is_noise and one.said_by is None for review in lived.reviews for one in review.told)


def test_deliveries(lived: Lived):
    for review in lived.reviews:
        inside = [entry for entry in lived.entries if review.start <= entry.at < review.end]
        for one in review.deliveries:
            ours = [entry for entry in inside if entry.facts.get("channel") == one.channel]
            took = [timedelta(seconds=float(str(e.facts["took_s"]))) for e in ours if e.kind == "page_delivered"]
            failed = [entry for entry in ours if entry.kind in ("page_failed", "message_failed")]
            assert (one.delivered, one.failed) == (len(took), len(failed))
            assert one.given_up == len([entry for entry in failed if entry.facts["permanent"]])
            assert one.p95 == recount.percentile(took, 0.95)


def test_noisy_checks(lived: Lived):
    for review in lived.reviews:
        inside = [entry for entry in lived.entries if review.start <= entry.at < review.end]
        fired = Counter(str(e.facts["alert"]).split("/")[0] for e in inside if e.kind == "alert_fired")
        opener = {
            number: str(story[0].facts["alert"]).split("/")[0]
            for number, story in recount.stories(lived.entries).items()
        }
        pages = Counter(opener[entry.incident or 0] for entry in inside if entry.kind == "page_promised")
        assert review.noisy
        for one in review.noisy:
            assert (one.alerts, one.pages) == (fired[one.check], pages[one.check])


def test_gaps_are_the_nights_of_dubai(lived: Lived):
    for review in lived.reviews:
        assert {gap.roster for gap in (*review.gaps, *review.gaps_ahead)} == {"mena"}
        assert all(gap.fallback == ("lead",) for gap in review.gaps)
        assert sum((gap.end - gap.start for gap in review.gaps), timedelta()) == 7 * 8 * HOUR


# ---------------------------------------------------------------------------------------------------------------------
# Duty logs


def concerns(story: list[Entry], duty: Duty) -> bool:
    """In this month a policy names one roster: of its own name."""
    own = story[0].facts["policy"] == duty.roster
    before = [entry for entry in story if entry.at < duty.end]
    inside = [entry for entry in before if entry.at >= duty.start]
    touched = {entry.by for entry in inside} | {
        entry.facts["person"] for entry in inside if entry.kind == "page_promised"
    }
    through = any(e.kind == "page_promised" and e.facts.get("roster") == duty.roster for e in before)
    return own or through or bool(touched & set(duty.people))


def test_duty_logs_count_what_the_timeline_tells(lived: Lived):
    """Every log of the month: the incidents it lists, and each person's pages, arrivals and late answers."""
    logs, now = DutyLogs(lived.month.desk, lived.month.store), lived.month.now
    stories, checked = recount.stories(lived.entries), 0
    for duty in logs.between(STARTS, ENDS):
        log = logs.log(duty, now)
        ours = {number: story for number, story in stories.items() if concerns(story, duty)}
        entries = [entry for number, story in ours.items() for entry in story]
        pages = Counter(str(entry.facts["person"]) for entry in recount.pages(entries, duty.start, duty.end))
        arrived = Counter(
            str(entry.facts["person"])
            for entry in entries
            if entry.kind == "page_delivered" and duty.start <= entry.at < duty.end
        )
        answers = recount.answers(entries, duty.start, duty.end)
        told = {one.person: one for one in log.people}
        assert {person: one.pages for person, one in told.items() if one.pages} == dict(pages), duty.name
        assert {person: one.delivered for person, one in told.items() if one.delivered} == dict(arrived), duty.name
        assert {person: len(one.answers) for person, one in told.items() if one.answers} == {
            person: len(spans) for person, spans in answers.items()
        }, duty.name
        assert {person: one.passed for person, one in told.items() if one.passed} == dict(
            recount.passed(entries, duty.start, duty.end)
        ), duty.name
        opened = {number for number, story in ours.items() if duty.start <= story[0].at < duty.end}
        assert opened <= {line.number for line in log.incidents}, duty.name
        checked += pages.total()
    assert checked >= sum(entry.kind == "page_promised" for entry in lived.entries)


def test_every_incident_stands_in_a_duty_log_of_its_day(lived: Lived):
    logs, now = DutyLogs(lived.month.desk, lived.month.store), lived.month.now
    told: set[int] = set()
    for duty in logs.between(STARTS, ENDS):
        told |= {line.number for line in logs.log(duty, now).incidents}
    assert told >= set(recount.stories(entry for entry in lived.entries if entry.at < ENDS))


def test_files_of_the_month_are_closed(lived: Lived):
    duties = [duty for duty in DutyLogs(lived.month.desk, lived.month.store).between(STARTS, ENDS) if not duty.is_gap]
    written = lived.folder / "records" / "dutylog"
    for duty in duties:
        if duty.end < ENDS:
            text = (written / f"{duty.name}.md").read_text(encoding="utf-8")
            assert tells(text, CLOSED), duty.name
            assert for_reading(text).startswith("# Duty log: ")


def test_what_ended_as_p0_or_p1_has_its_post_mortem_with_the_recounted_times(lived: Lived):
    """Owed by the entries themselves; its file names the incident, and how long it lasted by the raw timeline."""
    owed = {
        entry.incident for entry in lived.entries if entry.kind == "paper_owed" and entry.facts["what"] == "postmortem"
    }
    due = set()
    for number, story in recount.stories(lived.entries).items():
        ended = [entry for entry in story if entry.kind == "resolved"]
        if any(recount.priority(story, entry.at) in ("P0", "P1") for entry in ended):
            due.add(number)
    assert due == owed
    assert len(due) > 20
    for number in due:
        text = (lived.folder / "records" / "postmortem" / f"{number}.md").read_text()
        story = recount.stories(lived.entries)[number]
        assert f"incident {number}:" in text
        assert (
            str(story[0].facts.get("title") or next(e for e in story if e.kind == "triggered").facts["title"]) in text
        )


def test_each_hand_over_goes_from_who_was_on_call_to_who_is(lived: Lived):
    overrides = list(lived.overrides)
    told = [entry for entry in lived.entries if entry.kind == "handed_over"]
    assert len(told) >= 4
    for entry in told:
        at = datetime.fromisoformat(str(entry.facts["at"]))
        roster = str(entry.facts["roster"])
        before = lived.rosters.on_call(roster, overrides, at - timedelta(seconds=1)).people
        after = lived.rosters.on_call(roster, overrides, at).people
        assert (tuple(entry.facts["whose"]), tuple(entry.facts["people"])) == (before, after), entry
        text = (lived.folder / "records" / "handover" / f"{entry.facts['name']}.md").read_text()
        for person in (*before, *after):
            assert lived.month.plan.people[person].name in text

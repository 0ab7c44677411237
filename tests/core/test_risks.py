"""The risk ledger: written down, found, reminded, lived with, closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from opswatch.core import risks
from opswatch.core.calendars import parse_window
from opswatch.core.effects import Refuse
from opswatch.core.events import AcceptRisk, AddRisk, AssignRisk, CloseRisk, RiskFound, RiskGone
from opswatch.core.model import RiskStatus, Role, Severity
from opswatch.core.plan import Service
from tests.story import Story, person, two_levels

TODAY = date(2026, 11, 16)
DAY = timedelta(days=1)


def a_story() -> Story:
    """Bo lives in Shanghai, where it is ten in the morning."""
    bo = replace(person("bo", "slack"), timezone="Asia/Shanghai", day=parse_window("mon-fri", "09:00", "18:00"))
    people = (person("ana"), bo, replace(person("cy"), team="dba"), person("lead", role=Role.LEAD))
    return Story(two_levels(people=people))


def told(story: Story) -> list[tuple[str, str]]:
    new = [(notice.event, notice.person) for notice in story.notices]
    story.notices.clear()
    return new


def test_a_risk_that_is_written_down_is_its_writers_unless_they_say_whose():
    story = a_story()
    story.says(AddRisk("no  spare\ndisk", by="ana"))
    story.says(AddRisk("old certificate", Severity.HIGH, "@bo", TODAY + DAY, "orders", "db-1", "ends soon", by="ana"))
    first, second = story.state.risks.values()
    assert (first.id, first.title, first.owner, first.source) == (1, "no spare disk", "ana", "hand")
    assert (second.owner, second.due, second.evidence) == ("bo", TODAY + DAY, ("ends soon",))


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (AddRisk(" ", by="ana"), "empty_risk"),
        (AddRisk("x", owner="zed", by="ana"), "unknown_person"),
        (AddRisk("x", owner="team:zed", by="ana"), "unknown_team"),
        (AddRisk("x", service="zed", by="ana"), "unknown_service"),
        (AddRisk("x", target="zed", by="ana"), "unknown_target"),
        (AddRisk("x", due=TODAY - DAY, by="ana"), "bad_due"),
        (CloseRisk(1, by="ana"), "unknown_risk"),
        (AssignRisk(1, "bo", by="ana"), "unknown_risk"),
        (AcceptRisk(1, datetime(2027, 1, 1, tzinfo=UTC), "so", by="ana"), "not_allowed"),
        (AcceptRisk(1, datetime(2027, 1, 1, tzinfo=UTC), "so", by="lead"), "unknown_risk"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(command, key):
    answer = a_story().says(command)
    assert isinstance(answer, Refuse)
    assert answer.key == key


def test_its_owner_is_reminded_on_the_morning_it_is_due_then_daily_for_a_week():
    story = a_story()
    story.says(AddRisk("no spare disk", owner="bo", due=TODAY + DAY, by="ana"))
    story.passes(hours=22)
    assert told(story) == []
    story.passes(hours=1)
    assert (story.now, told(story)) == (datetime(2026, 11, 17, 1, tzinfo=UTC), [("risk_due", "bo")])
    assert not risks.is_overdue(story.engine.plan, story.state.risks[1], story.now)
    story.passes(days=30)
    reminders = told(story)
    assert set(reminders) == {("risk_overdue", "bo")}
    assert len(reminders) == 5, "not on the weekend, and then the lists alone name it"
    assert risks.is_overdue(story.engine.plan, story.state.risks[1], story.now)


def test_a_date_is_over_at_midnight_where_the_owner_lives():
    story = a_story()
    story.says(AddRisk("no spare disk", owner="bo", due=TODAY, by="ana"))
    ends = datetime(2026, 11, 16, 16, tzinfo=UTC)
    assert risks.overdue_at(story.engine.plan, story.state.risks[1]) == ends
    assert not risks.is_overdue(story.engine.plan, story.state.risks[1], ends - timedelta(seconds=1))


def test_what_a_team_owns_its_people_hear_of_and_what_nobody_owns_the_leads():
    story = a_story()
    story.says(AddRisk("one", owner="team:dba", due=TODAY + DAY, by="ana"))
    story.apply(RiskFound("k", "two", due=TODAY + DAY))
    story.passes(days=1, hours=12)
    assert set(told(story)) == {("risk_due", "cy"), ("risk_due", "lead")}


def test_a_closed_risk_stays_a_day_and_closing_again_is_answered():
    story = a_story()
    story.says(AddRisk("no spare disk", due=TODAY + DAY, by="ana"))
    assert story.says(CloseRisk(1, "it is in", by="bo")).key == "risk_closed"
    assert story.says(CloseRisk(1, by="bo")).key == "risk_closed_already"
    assert story.says(AssignRisk(1, "bo", by="bo")).key == "risk_closed_already"
    story.passes(days=3)
    assert story.state.risks == {}
    assert told(story) == []


def test_another_owner_or_date_begins_anew():
    story = a_story()
    story.says(AddRisk("no spare disk", due=TODAY, by="ana"))
    story.passes(days=2)
    told(story)
    story.says(AssignRisk(1, "person:bo", TODAY + 7 * DAY, by="lead"))
    story.passes(days=4)
    assert told(story) == []
    story.passes(days=1)
    assert told(story) == [("risk_due", "bo")]


def test_an_accepted_risk_is_quiet_until_its_date_and_open_again_then():
    story = a_story()
    story.says(AddRisk("no spare disk", due=TODAY + DAY, by="ana"))
    until = story.now + 10 * DAY
    assert story.says(AcceptRisk(1, until, " ", by="lead")).key == "needs_risk_reason"
    assert story.says(AcceptRisk(1, story.now, "so", by="lead")).key == "bad_span"
    assert story.says(AcceptRisk(1, until, "the host goes", by="lead")).key == "risk_accepted"
    story.passes(days=9)
    assert told(story) == []
    assert story.state.risks[1].status is RiskStatus.ACCEPTED
    story.passes(days=1)
    assert told(story) == [("risk_reopened", "ana")]
    assert story.state.risks[1].status is RiskStatus.OPEN


def test_a_finding_found_again_is_the_same_risk_and_what_people_decided_stays():
    story = a_story()
    found = RiskFound("inspection/disk/db-1", "/ is 81 % full", Severity.LOW, "inspection:daily", due=TODAY + 30 * DAY)
    story.apply(found)
    story.says(AssignRisk(1, "bo", by="lead"))
    story.apply(replace(found, title="/ is 88 % full", severity=Severity.HIGH, evidence=("88",)))
    (risk,) = story.state.risks.values()
    assert (risk.title, risk.severity, risk.owner, risk.evidence) == ("/ is 88 % full", Severity.HIGH, "bo", ("88",))
    story.says(AcceptRisk(1, story.now + 10 * DAY, "so", by="lead"))
    story.apply(found)
    assert story.state.risks[1].status is RiskStatus.ACCEPTED


def test_a_finding_that_is_gone_closes_its_risk_and_one_that_comes_back_opens_it():
    story = a_story()
    found = RiskFound("k", "/ is 81 % full")
    story.apply(found)
    story.apply(RiskGone("other"))
    story.apply(RiskGone("k", "60 % now"))
    assert (story.state.risks[1].status, story.state.risks[1].reason) == (RiskStatus.CLOSED, "60 % now")
    story.apply(found)
    assert story.state.risks[1].status is RiskStatus.OPEN
    story.apply(RiskGone("k"))
    story.passes(days=2)
    story.apply(found)
    assert list(story.state.risks) == [2]


def test_an_inspections_finding_is_the_services_teams_and_due_by_how_bad_it_is():
    plan = replace(a_story().engine.plan, services={"orders": Service("orders", team="dba")})
    now = datetime(2026, 11, 16, 2, tzinfo=UTC)
    found = risks.from_finding(plan, now, key="k", title="full", severity=Severity.HIGH, service="orders")
    assert (found.owner, found.due) == ("team:dba", date(2026, 11, 23))
    assert risks.from_finding(plan, now, key="k", title="full").owner is None


def test_the_worst_stands_first_then_what_is_due_first():
    story = a_story()
    for severity, due in ((Severity.LOW, None), (Severity.HIGH, None), (Severity.HIGH, TODAY + DAY)):
        story.says(AddRisk("x", severity, due=due, by="ana"))
    assert [risk.id for risk in risks.ranked(story.state.risks.values())] == [3, 2, 1]

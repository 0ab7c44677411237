"""What a silence says of itself: what it matches, that it will end, and what it and a window held back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from opswatch.core.effects import Done, Notice
from opswatch.core.events import AddSilence, ExpireSilence
from opswatch.core.plan import Maintenance, Window
from opswatch.core.quiet import occurrences
from opswatch.core.silences import uuid_of
from tests.story import Story, two_levels

HOUR = timedelta(hours=1)


def silence(story: Story, label: str = "service", value: str = "orders", span: timedelta = 4 * HOUR, by: str = "ana"):
    return story.says(AddSilence(((label, "=", value),), story.now + span, "index rebuild", by=by))


def notices(story: Story, event: str) -> list[Notice]:
    return [one for one in story.notices if one.event == event]


def test_who_silences_hears_how_much_fails_that_it_matches():
    story = Story(two_levels())
    story.fails("db")
    assert silence(story).facts["matches"] == "1"
    assert silence(story, value="other").facts["matches"] == "0"


def test_a_label_that_nothing_has_is_said_with_the_nearest_one():
    story = Story(two_levels())
    facts = silence(story, label="servce").facts
    assert (facts["unknown"], facts["nearest"]) == ("servce", "service")
    facts = silence(story, value="ordrs").facts
    assert (facts["unknown"], facts["nearest"]) == ("service=ordrs", "service=orders")
    assert silence(story).facts["unknown"] is None


def test_the_owner_is_told_an_hour_before_it_ends():
    story = Story(two_levels())
    silence(story)
    story.fails("db")
    story.passes(hours=2, minutes=59)
    assert notices(story, "silence_ending") == []
    story.passes(minutes=1)
    told = notices(story, "silence_ending")
    assert [(one.person, one.facts["failing"]) for one in told] == [("ana", "1")]
    story.passes(hours=2)
    assert len(notices(story, "silence_ending")) == 1


def test_one_that_ends_at_night_is_told_of_while_it_is_day():
    plan = two_levels()
    day = Window(time(8), time(18))
    ana = replace(plan.people["ana"], day=day, timezone="UTC")
    story = Story(replace(plan, people={**plan.people, "ana": ana}), starts=datetime(2026, 1, 5, 15, tzinfo=UTC))
    silence(story, span=12 * HOUR)
    story.passes(hours=3)
    assert [one.at for one in story.entries if one.kind == "silence_ending"] == [datetime(2026, 1, 5, 18, tzinfo=UTC)]


def test_one_of_a_few_minutes_is_not_announced():
    story = Story(two_levels())
    silence(story, span=timedelta(minutes=15))
    story.passes(hours=1)
    assert notices(story, "silence_ending") == []


def test_its_owner_hears_what_it_held_back():
    story = Story(two_levels())
    silence(story)
    story.fails("db")
    story.passes(hours=1)
    story.recovers("db")
    story.passes(hours=4)
    (told,) = notices(story, "quiet_report")
    assert (told.facts["what"], told.facts["id"], told.facts["count"], told.facts["failing"]) == (
        "silence",
        "1",
        1,
        "0",
    )
    assert story.paged() == []
    assert not story.state.standing.held


def reports(story: Story) -> list[str]:
    """What the timeline says of ended quiets: how much of what was held back still fails."""
    return [str(entry.facts["failing"]) for entry in story.entries if entry.kind == "quiet_report"]


def test_what_still_fails_pages_and_is_not_reported_besides():
    story = Story(two_levels())
    silence(story)
    story.fails("db")
    story.says(ExpireSilence(1, by="ana"))
    assert (story.paged(), reports(story)) == (["ana"], ["1"])
    assert notices(story, "quiet_report") == []


def test_a_silence_that_held_nothing_back_ends_without_a_word():
    story = Story(two_levels())
    silence(story)
    story.passes(hours=5)
    assert notices(story, "quiet_report") == []


def test_a_window_reports_what_would_have_paged():
    window = Maintenance("batch", {"service": "orders"}, "rebuild", "bo", cron="0 2 * * *", lasts=2 * HOUR)
    story = Story(replace(two_levels(), maintenance=(window,)), starts=datetime(2026, 1, 5, 2, 30, tzinfo=UTC))
    story.fails("db")
    story.passes(minutes=20)
    story.recovers("db")
    story.passes(hours=2)
    (told,) = notices(story, "quiet_report")
    assert (told.person, told.facts["what"], told.facts["id"], told.facts["count"]) == ("bo", "maintenance", "batch", 1)
    assert story.paged() == []


def test_a_window_keeps_its_local_time_over_a_change_of_the_clocks():
    window = Maintenance("batch", {}, "rebuild", "bo", cron="30 2 * * sun", timezone="Europe/Berlin", lasts=2 * HOUR)
    found = occurrences(window, datetime(2026, 3, 16, tzinfo=UTC), 3)
    assert [(one.start, one.end) for one in found] == [
        (datetime(2026, 3, 22, 1, 30, tzinfo=UTC), datetime(2026, 3, 22, 3, 30, tzinfo=UTC)),
        # 02:30 does not exist on this night: it begins at the first instant that does, 03:00.
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 29, 3, 0, tzinfo=UTC)),
        (datetime(2026, 4, 5, 0, 30, tzinfo=UTC), datetime(2026, 4, 5, 2, 30, tzinfo=UTC)),
    ]


def test_the_one_that_holds_now_comes_first():
    window = Maintenance("batch", {}, "rebuild", "bo", cron="0 2 * * *", lasts=2 * HOUR)
    first, second = occurrences(window, datetime(2026, 1, 5, 3, tzinfo=UTC), 2)
    assert (first.start.hour, first.start.day, second.start.day) == (2, 5, 6)


# ---------------------------------------------------------------------------------------------------------------------
# As Alertmanager's API changes them


def changes(story: Story, number: int, **new: object):
    """Silence `number` as amtool would write it again, with these things new."""
    now = story.state.silences[number]
    given = {"matchers": now.matchers, "until": now.ends_at, "starts": now.starts_at, "reason": now.reason, **new}
    return story.says(AddSilence(**given, by="ana", door="alertmanager", replaces=number, uuid="another"))


def test_a_silence_that_ends_later_stays_the_same_one():
    story = Story(two_levels())
    silence(story)
    name = uuid_of(story.state.silences[1])
    story.passes(hours=1)
    assert changes(story, 1, until=story.now + 10 * HOUR).facts["id"] == 1
    assert uuid_of(story.state.silences[1]) == name
    story.fails("db")
    story.passes(hours=9)
    assert story.paged() == []
    story.passes(hours=2)
    assert story.paged()[0] == "ana"


def test_a_silence_that_ends_sooner_pages_sooner_and_reports_once():
    story = Story(two_levels())
    silence(story)
    story.fails("db")
    changes(story, 1, until=story.now + HOUR)
    story.passes(minutes=59)
    assert story.paged() == []
    story.passes(minutes=2)
    assert story.paged() == ["ana"]
    story.passes(hours=5)
    assert reports(story) == ["1"]


def test_the_report_of_one_that_was_made_longer_waits_for_its_end():
    story = Story(two_levels())
    silence(story)
    story.fails("db")
    changes(story, 1, until=story.now + 20 * HOUR)
    story.passes(hours=19)
    assert reports(story) == []
    story.passes(hours=2)
    assert reports(story) == ["1"]


def test_other_matchers_make_another_silence_and_page_only_what_it_no_longer_matches():
    story = Story(two_levels())
    silence(story)
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    answer = changes(story, 1, matchers=(("target", "=", "db-1"),))
    assert answer.facts["id"] == 2
    assert [*story.state.silences] == [2]
    assert uuid_of(story.state.silences[2]) == "another"
    assert story.paged() == ["ana"]
    assert [alert.target for alert in story.state.alerts.values() if alert.announced] == ["db-2"]


def test_one_that_has_not_begun_may_begin_at_another_time_but_not_before_now():
    story = Story(two_levels())
    later = story.now + 5 * HOUR
    story.says(AddSilence((("service", "=", "orders"),), later + HOUR, "later", later, by="ana"))
    assert changes(story, 1, starts=later - HOUR).facts["id"] == 1
    assert story.state.silences[1].starts_at == later - HOUR
    assert changes(story, 1, starts=story.now - HOUR).facts["id"] == 2
    assert story.state.silences[2].starts_at == story.now


def test_who_is_in_no_plan_may_silence_for_a_day_over_alertmanagers_api_and_the_lead_hears():
    story = Story(two_levels())
    told = AddSilence((("service", "=", "orders"),), story.now + 4 * HOUR, "x", by="jenkins", door="alertmanager")
    assert isinstance(story.says(told), Done)
    assert story.state.silences[1].is_outsiders
    story.passes(hours=3)
    assert [one.person for one in notices(story, "silence_ending")] == ["lead"]
    assert story.says(replace(told, until=story.now + 25 * HOUR)).key == "not_allowed"
    assert story.says(replace(told, door="web")).key == "unknown_person"
    assert isinstance(story.says(ExpireSilence(1, by="jenkins", door="alertmanager")), Done)


def test_our_checks_are_silenced_by_alertname_too():
    story = Story(two_levels())
    assert silence(story, label="alertname", value="db").facts["unknown"] is None
    story.fails("db")
    assert story.paged() == []


def test_many_that_are_held_back_count_once_each():
    story = Story(two_levels())
    silence(story)
    for _ in range(2):
        for number in range(30):
            story.fails("db", item=f"/mnt/{number}")
    held = story.state.standing.held["silence 1"]
    assert (held.count, len(held.alerts)) == (30, 30)

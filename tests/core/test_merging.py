"""Two lines that were one incident all along, and one that was two."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opswatch.core.effects import Done, Refuse
from opswatch.core.events import Merge, Reopen, SetPriority, Split
from opswatch.core.model import Priority, Status
from tests.story import Story, two_levels


def two_open(**more: object) -> Story:
    """Incident 1 (db-1) and incident 2 (db-2), both paged to ana."""
    story = Story(two_levels(group_by=("target",), **more))
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    assert story.paged() == ["ana", "ana"]
    return story


def one_of_two() -> Story:
    """Incident 1 has the alerts of both hosts."""
    story = Story(two_levels())
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    story.paged()
    return story


def test_a_merged_incident_is_over_and_its_alerts_are_the_others():
    story = two_open()
    answer = story.says(Merge(2, 1, by="ana"))
    assert isinstance(answer, Done)
    assert (story.incident(2).status, story.incident(2).merged_into) == (Status.RESOLVED, 1)
    assert story.incident(1).alerts == ("db/db-1", "db/db-2")
    story.recovers("db", "db-1")
    assert story.incident(1).status is Status.TRIGGERED
    story.recovers("db", "db-2")
    assert story.incident(1).status is Status.RESOLVED


def test_everybody_who_was_paged_for_it_is_told_once_and_not_paged_for_it_again():
    story = two_open()
    story.says(Merge(2, 1, by="bo"))
    assert [(one.incident, one.person) for one in story.updates if one.event == "merged"] == [(2, "ana")]
    story.passes(minutes=5)
    assert [page.incident for page in story.pages[2:]] == [1]


def test_what_fails_later_with_its_key_joins_the_other_one():
    story = two_open()
    story.says(Merge(2, 1, by="bo"))
    story.paged()
    story.fails("web", "db-2")
    assert story.paged() == []
    assert "web/db-2" in story.incident(1).alerts


def test_whoever_has_the_other_one_has_this_too_and_is_told():
    story = two_open()
    story.acks("bo", 1)
    story.says(Merge(2, 1, by="ana"))
    assert (story.incident(1).status, story.incident(1).owner) == (Status.ACKNOWLEDGED, "bo")
    assert ("bo", "joined") in [(one.person, one.event) for one in story.updates]


def test_a_higher_priority_raises_the_other_one():
    story = two_open()
    story.acks("bo", 1)
    story.says(SetPriority(2, Priority.P0, by="ana"))
    story.paged()
    story.says(Merge(2, 1, by="ana"))
    assert (story.incident(1).priority, story.incident(1).status) == (Priority.P0, Status.TRIGGERED)
    assert set(story.paged()) == {"bo", "ana"}


def test_the_owners_own_merge_never_breaks_their_acknowledgement():
    story = two_open()
    story.acks("bo", 1)
    story.says(SetPriority(2, Priority.P0, by="ana"))
    story.paged()
    story.says(Merge(2, 1, by="bo"))
    assert (story.incident(1).priority, story.incident(1).owner) == (Priority.P0, "bo")
    assert story.paged() == []


def test_merging_twice_is_merging_once():
    story = two_open()
    story.says(Merge(2, 1, by="bo"))
    assert isinstance(story.says(Merge(2, 1, by="bo")), Done)
    assert story.kinds().count("merged") == 1


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (Merge(1, 1, by="bo"), "merge_itself"),
        (Merge(1, 9, by="bo"), "unknown_incident"),
        (Merge(9, 1, by="bo"), "unknown_incident"),
        (Split(1, ("disk/*",), by="bo"), "unknown_alert"),
        (Split(1, ("db/db-1",), by="bo"), "split_all"),
        (Split(1, (), "billing", by="bo"), "unknown_alert"),
    ],
)
def test_what_cannot_be_merged_or_split_is_refused_with_the_reason(command, key):
    answer = two_open().says(command)
    assert isinstance(answer, Refuse) and answer.key == key


def test_what_was_merged_away_is_spoken_to_under_its_new_number():
    story = two_open()
    story.says(Merge(2, 1, by="bo"))
    for command in (Reopen(2, by="bo"), Merge(2, 1, by="bo"), Merge(1, 2, by="bo")):
        answer = story.says(command)
        assert answer.key in ("merged_away", "merged", "merge_over")
        assert answer.facts["into"] == 1


def test_a_split_off_part_is_an_incident_of_its_own_and_climbs_while_nobody_has_it():
    story = one_of_two()
    story.says(Split(1, ("db/db-2",), by="bo"))
    assert story.incident(1).alerts == ("db/db-1",)
    assert story.incident(2).alerts == ("db/db-2",)
    assert story.paged() == ["ana"]
    story.recovers("db", "db-2")
    assert story.incident(2).status is Status.RESOLVED
    assert story.incident(1).status is Status.TRIGGERED


def test_whoever_has_the_old_one_has_what_is_split_off_and_nobody_is_paged():
    story = one_of_two()
    story.acks("bo")
    story.says(Split(1, ("*/db-2",), by="bo"))
    assert (story.incident(2).status, story.incident(2).owner) == (Status.ACKNOWLEDGED, "bo")
    assert story.paged() == []
    assert story.incident(2).wake_at > story.now
    story.passes(hours=1)
    assert story.incident(1).owner == story.incident(2).owner == "bo"


def test_a_part_may_be_named_by_its_service():
    story = Story(two_levels(group_by=("team",), services=_two_services(), targets=_two_targets()))
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    assert len(story.state.incidents) == 1
    story.says(Split(1, (), "billing", by="bo"))
    assert story.incident(2).service == "billing"


def _two_services():
    from opswatch.core.plan import Service

    return {name: Service(name, name, tier=2, team="shop") for name in ("orders", "billing")}


def _two_targets():
    from opswatch.core.plan import Target

    return {"db-1": Target("db-1", "host", service="orders"), "db-2": Target("db-2", "host", service="billing")}


def test_the_split_off_part_does_not_take_what_fails_later():
    story = one_of_two()
    story.says(Split(1, ("db/db-2",), by="bo"))
    story.passes(minutes=1)
    story.fails("web", "db-2")
    assert "web/db-2" in story.incident(1).alerts
    assert story.now - story.incident(2).opened_at < timedelta(hours=1)

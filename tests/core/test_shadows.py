"""Shadows learn by watching: told what the roster they shadow is paged for, never paged, waited for by nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opswatch.core.plan import Level, Plan
from tests.story import MONDAY_3AM_BERLIN, Story, person, plan, roster

MINUTE = timedelta(minutes=1)


def a_team(
    *, shadow_contacts: tuple[str, ...] = ("phone", "slack"), pages: tuple[str, ...] = ("roster:primary",)
) -> Plan:
    """ana and then bo are paged; eve shadows the roster of ana."""
    eve = person("eve", *shadow_contacts) if shadow_contacts else replace(person("eve"), contacts={})
    return plan(
        levels=(Level(pages, 5 * MINUTE), Level(("person:bo",), 10 * MINUTE)),
        people=(person("ana"), person("bo"), eve),
        rosters={
            "primary": roster("ana"),
            "learning": replace(roster("eve"), id="learning", shadows="primary"),
        },
    )


def told(story: Story, name: str = "eve") -> list[tuple[str, str]]:
    """(event, contact) of the updates that went to somebody."""
    return [(one.event, one.contact) for one in story.updates if one.person == name]


def test_a_shadow_is_told_by_a_way_that_does_not_ring_and_is_never_paged():
    story = Story(a_team(), starts=MONDAY_3AM_BERLIN)
    story.fails("db")
    assert story.paged() == ["ana"]
    assert told(story) == [("shadow", "slack")]
    story.passes(hours=3)
    assert "eve" not in story.paged()
    assert told(story) == [("shadow", "slack")]  # Once an incident.


def test_a_shadow_hears_what_became_of_it():
    story = Story(a_team(), starts=MONDAY_3AM_BERLIN)
    story.fails("db")
    story.acks("ana")
    story.recovers("db")
    assert told(story) == [("shadow", "slack"), ("acknowledged", "slack"), ("resolved", "slack")]


def test_an_unreachable_shadow_changes_nothing():
    with_eve, without = (
        Story(a_team(shadow_contacts=()), starts=MONDAY_3AM_BERLIN),
        Story(replace(a_team(), rosters={"primary": roster("ana")}), starts=MONDAY_3AM_BERLIN),
    )
    for story in (with_eve, without):
        story.fails("db")
        story.passes(minutes=30)
    assert told(with_eve) == []
    assert with_eve.incident() == without.incident()


def test_a_shadow_adds_no_step_and_moves_no_deadline():
    watched, alone = (
        Story(a_team(), starts=MONDAY_3AM_BERLIN),
        Story(replace(a_team(), rosters={"primary": roster("ana")}), starts=MONDAY_3AM_BERLIN),
    )
    for story in (watched, alone):
        story.fails("db")
    assert replace(watched.incident(), shadows=()) == alone.incident()
    assert watched.incident().shadows == (("eve", "slack"),)


def test_who_is_paged_already_is_not_told_as_a_shadow_too():
    story = Story(a_team(pages=("person:eve", "roster:primary")), starts=MONDAY_3AM_BERLIN)
    story.fails("db")
    assert told(story) == []


def test_a_page_past_the_roster_is_not_watched():
    story = Story(a_team(pages=("person:ana",)), starts=MONDAY_3AM_BERLIN)
    story.fails("db")
    assert story.paged() == ["ana"] and told(story) == []


def test_in_a_gap_nobody_shadows_and_no_gap_is_told():
    team = a_team()
    empty = replace(team.rosters["learning"], layers=(), fallback=("person:bo",))
    story = Story(replace(team, rosters={**team.rosters, "learning": empty}), starts=MONDAY_3AM_BERLIN)
    story.fails("db")
    assert told(story, "bo") == []
    now = MONDAY_3AM_BERLIN
    assert story.engine.rosters.gaps("learning", (), now, now + timedelta(days=7)) == []

"""What is like it, and what probably brought it about."""

from __future__ import annotations

from dataclasses import replace

from opswatch.core import likely, similar
from opswatch.core.changes import Draft
from opswatch.core.events import Merge, Resolve
from opswatch.core.plan import Check, Service, Target
from opswatch.core.state import Incident
from tests.story import Story, two_levels


def resolved(story: Story) -> list[similar.Past]:
    return [one for one in map(similar.past, story.state.incidents.values()) if one is not None]


def test_words_are_small_letters_without_numbers_and_chinese_is_pairs():
    assert similar.tokens("Disk / is 93 % full on db-1") == {"disk", "full", "db-1"}
    assert similar.tokens("磁盘已满") == {"磁盘", "盘已", "已满"}
    assert similar.tokens("满") == {"满"}


def test_the_same_check_comes_first_and_says_what_fixed_it():
    story = Story(two_levels(group_by=("target", "check")))
    story.fails("db", "db-1")
    story.says(Resolve(1, "replica rebuilt", by="ana"))
    story.recovers("db", "db-1")
    story.fails("web", "db-2")
    story.recovers("web", "db-2")
    story.fails("db", "db-2")
    found = similar.similar(story.incident(3), resolved(story))
    assert [one.number for one in found][:1] == [1]
    assert found[0].fixed == "replica rebuilt"


def test_what_is_open_merged_or_unlike_is_not_shown():
    story = Story(two_levels(group_by=("target", "check")))
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    story.says(Merge(2, 1, by="ana"))
    assert resolved(story) == []
    other = replace(story.incident(1), number=9, title="the printer smokes", check=None, service=None)
    assert similar.similar(other, [_past(story.incident(1))]) == ()


def _past(incident: Incident) -> similar.Past:
    when = incident.opened_at
    return similar.Past(1, incident.title, when, None, "", incident.check, incident.service, similar.tokens("db"))


def test_at_most_three_are_shown_and_what_was_fixed_comes_before_what_was_not():
    story = Story(two_levels())
    for place in range(5):
        story.fails("db", "db-1")
        if place == 1:
            story.says(Resolve(2, "index dropped", by="ana"))
        story.recovers("db", "db-1")
        story.passes(hours=1)
    story.fails("db", "db-1")
    now = max(story.state.incidents)
    found = similar.similar(story.incident(now), resolved(story))
    assert [one.number for one in found] == [2, 5, 4]


def shop() -> Story:
    """web → api → database, each with a host of its own."""
    services = {
        "web": Service("web", tier=2, depends_on=("api",)),
        "api": Service("api", tier=2, depends_on=("database",)),
        "database": Service("database", tier=2),
    }
    names = ("web-1", "api-1", "database-1")
    return Story(
        two_levels(
            services=services,
            targets={name: Target(name, "host", service=name.partition("-")[0]) for name in names},
            checks={"up": Check("up", "command", names, confirm=1, recover=1)},
        )
    )


def cause(story: Story, number: int) -> str | None:
    incident = story.incident(number)
    found = likely.cause_of(story.engine.plan, Draft(story.state), incident, story.state.alerts_of(incident))
    return found.name if found is not None else None


def test_the_most_upstream_failing_thing_is_the_likely_cause_as_things_fail():
    story = shop()
    story.fails("up", "web-1")
    assert cause(story, 1) is None
    story.fails("up", "api-1")
    assert (cause(story, 1), cause(story, 2)) == ("api", None)
    story.fails("up", "database-1")
    assert (cause(story, 1), cause(story, 2), cause(story, 3)) == ("database", "database", None)
    story.recovers("up", "database-1")
    assert cause(story, 1) == "api"


def test_the_cause_is_said_with_its_incident_and_what_is_seen_of_it():
    story = shop()
    story.fails("up", "web-1")
    story.fails("up", "database-1")
    incident = story.incident(1)
    found = likely.around(story.engine.plan, story.state, incident, story.state.alerts_of(incident))
    assert found.cause is not None
    assert (found.cause.incident, found.what) == (2, "up is crit on database-1")

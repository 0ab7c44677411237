"""News for stakeholders in words: prepared ones in the reader's language, and one's own."""

from __future__ import annotations

from dataclasses import replace

from opswatch import render
from opswatch.core.effects import Announce, Notice
from opswatch.core.events import Merge
from opswatch.core.plan import Wording
from tests.story import Story, two_levels


def link(*_: object, **__: object) -> None:
    return None


def a_story() -> Story:
    own = {"outage": Wording("outage", {"en": "{service} ({priority}): {title}", "zh": "{service} 不可用"})}
    story = Story(two_levels(wordings=own))
    people = {**story.engine.plan.people, "bo": replace(story.engine.plan.people["bo"], language="zh")}
    story = Story(replace(story.engine.plan, people=people))
    story.fails()
    return story


def notice(story: Story, person: str, **facts: object) -> render.Message:
    body = Notice(1, person, "webhook", "stakeholder_update", "s", {"by": "ana", **facts})
    return render.notice(story.engine.plan, body, id="n", link=link, at=story.now, incident=story.incident())


def test_a_prepared_wording_is_in_the_readers_language_with_what_was_added():
    story = a_story()
    assert "We are investigating a problem with Order pipeline" in notice(story, "ana", template="investigating").text
    zh = notice(story, "bo", template="investigating", text="预计 15:00 恢复").text
    assert "Order pipeline 出现问题，我们正在调查" in zh and "预计 15:00 恢复" in zh


def test_a_wording_of_the_house_fills_its_braces():
    story = a_story()
    assert "Order pipeline (P1): db is crit on db-1" in notice(story, "ana", template="outage").text
    assert "Order pipeline 不可用" in notice(story, "bo", template="outage").text


def test_a_channel_and_a_webhook_get_the_words():
    story = a_story()
    body = Announce("ops", "stakeholder_update", "s", 1, {"by": "ana", "text": "back by noon"})
    message = render.announce(story.engine.plan, story.incident(), body, (), id="a", link=link, at=story.now)
    assert message.payload["text"] == "update by Ana: back by noon"
    assert message.thread_line == "update by Ana: back by noon" or "back by noon" in message.title


def test_the_card_of_what_was_merged_points_to_the_other_and_has_no_buttons():
    story = Story(two_levels(group_by=("target",)))
    story.fails("db", "db-1")
    story.fails("db", "db-2")
    story.says(Merge(2, 1, by="bo"))
    (update,) = [one for one in story.updates if one.event == "merged"]
    message = render.update(story.engine.plan, story.incident(2), update, (), id="u", link=link, at=story.now)
    assert "merged into #1" in message.title.lower()
    assert message.actions == ()
    assert (message.payload["event"], message.payload["merged_into"]) == ("merged", 1)

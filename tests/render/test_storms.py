"""What people read of a storm: a few lines, live counts, in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opswatch.render.card import Card
from opswatch.render.words import Reader
from tests.core.test_storms import burst, many, storm_of
from tests.story import Story


def lines(language: str, *, open_again: int = 0) -> tuple[str, dict[str, str]]:
    story = Story(replace(many(30), language=language))
    burst(story, 0, 30)
    burst(story, 0, open_again, ok=True)
    storm = storm_of(story)
    plan = story.engine.plan
    card = Card(
        plan, storm, story.state.alerts_of(storm), Reader(language, plan=plan), story.now + timedelta(minutes=1)
    )
    return card.title(), dict(card.facts())


def test_a_storms_title_counts_what_is_open():
    assert lines("en")[0] == "P1 Storm: 30 incidents open"
    assert lines("zh")[0] == "P1 告警风暴：30 起未恢复"
    assert lines("en", open_again=12)[0] == "P1 Storm: 18 incidents open"
    assert lines("en", open_again=30)[0] == "P1 Storm of 30 incidents"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_storm_says_how_many_and_where_in_few_lines(language: str):
    reader = Reader(language)
    facts = lines(language, open_again=12)[1]
    assert facts[reader.word("page.storm")] == reader.word("page.storm_counts", folded=30, open=18)
    more = reader.word("word.and_more", count=14)
    assert facts[reader.word("page.storm_service")].endswith(more)
    assert facts[reader.word("page.storm_check")] == "up 18"
    assert len("\n".join(facts.values()).splitlines()) < 16

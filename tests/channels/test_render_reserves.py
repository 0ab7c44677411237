"""What reserves, several who acknowledge, and people whose hour is full read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from opswatch import render
from opswatch.core.effects import Announce, Done, Entry, Notice, Page
from opswatch.core.model import PageReason, Priority
from opswatch.core.plan import Policy, Pool
from opswatch.core.state import PoolCall
from tests.channels.test_render import DISK, INCIDENT, MINUTES, NOW, PLAN, link
from tests.config.site import Site

POOLED = replace(
    PLAN,
    pools={"emergency": Pool("emergency", ("bo", "chen"), need=2)},
    policies={"standard": replace(PLAN.policies["standard"], acks={Priority.P1: 2})},
)
CALLED = replace(INCIDENT, pools=(PoolCall("emergency", ("bo", "chen"), ("bo",), until=NOW),))


def page(person: str, **more: object) -> Page:
    return Page(142, 1, 1, 3, person, "1", "slack", Priority.P1, PageReason.FIRST, **more)  # type: ignore[arg-type]


def test_a_reserve_reads_how_to_come_and_who_has_come():
    text = render.page(POOLED, CALLED, page("bo", pool="emergency"), (DISK,), link=link, at=NOW).text
    assert "`accept 142` if you come, `decline 142` if you cannot" in text
    assert "emergency: 1 of 2 have accepted (Bo)" in text
    zh = render.page(POOLED, CALLED, page("chen", pool="emergency"), (DISK,), link=link, at=NOW).text
    assert "`accept 142`" in zh and "1/2 人接受" in zh


def test_the_card_says_one_of_two_have_acknowledged():
    one = replace(CALLED, owner="bo", acks=("bo",))
    text = render.page(POOLED, one, page("chen"), (DISK,), link=link, at=NOW).text
    assert "已认领 1/2" in text
    told = render.announce(POOLED, one, Announce("ops", "ack_counted", "1", 142), id="a", link=link, at=NOW, ref="x")
    assert told.thread_line == "acknowledged by Bo: 1 of 2"


def test_who_gave_it_back_is_named_in_the_page():
    back = replace(INCIDENT, given_back_by="chen")
    rung = replace(page("bo"), reason=PageReason.ACK_EXPIRED)
    assert "陈伟 gave it back" in render.page(PLAN, back, rung, (DISK,), link=link, at=NOW).text
    assert "has lapsed" in render.page(PLAN, INCIDENT, rung, (DISK,), link=link, at=NOW).text


def test_a_level_announces_itself_in_words_of_its_own():
    facts = {"level": 2, "levels": 3, "people": ["bo"], "waited_s": 720}
    told = render.announce(
        PLAN, INCIDENT, Announce("ops", "level", "1", 142, facts), id="a", link=link, at=NOW, ref="x"
    )
    assert told.thread_line == "level 2 of 3 entered: Bo paged, 12m without an answer"
    assert not told.loud


def test_a_level_entered_because_more_are_wanted_says_how_many_there_are():
    facts = {"level": 2, "levels": 3, "people": ["bo"], "count": 1, "need": 2}
    told = render.announce(
        PLAN, INCIDENT, Announce("ops", "level", "1", 142, facts), id="a", link=link, at=NOW, ref="x"
    )
    assert told.thread_line == "level 2 of 3 entered: Bo paged; 1 of 2 have acknowledged"


def test_the_owner_reads_who_joins():
    facts = {"by": "bo", "pool": "emergency", "count": 2, "need": 2}
    told = render.notice(POOLED, Notice(142, "chen", "slack", "accepted", "1", facts), id="n", link=link, at=NOW)
    assert "Bo 加入" in told.title and "2/2" in told.title
    left = Notice(142, "bo", "slack", "pool_exhausted", "1", {"pool": "emergency", "count": 0, "need": 2})
    title = render.notice(POOLED, left, id="n", link=link, at=NOW, incident=INCIDENT).title
    assert title == "Nobody of emergency is left to ask for #142 / is 93 % full on db-1; 2 were wanted"


def test_pages_that_come_as_one_say_how_many_and_which():
    other = replace(INCIDENT, number=143, title="queue stuck", opened_at=NOW - 20 * MINUTES)
    rung = Page(
        0, 0, 0, 0, "bo", "b1", "slack", Priority.P1, PageReason.UNANSWERED, bundle=(142, 143, 144), count=12, at=NOW
    )
    said = render.bundle_page(PLAN, rung, (INCIDENT, other), link=link, at=NOW)
    assert said.title == "P1 Order pipeline: 12 pages in one"
    assert "#142 P1 Order pipeline: / is 93 % full on db-1" in said.text and "#143" in said.text
    assert "10 of the pages held back are over, or somebody has them." in said.text
    assert (said.payload["incident"], said.payload["incidents"], said.payload["count"]) == (142, [142, 143], 12)
    assert "12 条寻呼合并" in render.bundle_page(PLAN, replace(rung, person="chen"), (other,), link=link, at=NOW).title


def test_answers_and_lines_have_their_facts():
    said = Done("accepted", {"incident": 142, "pool": "emergency", "count": 1, "need": 2, "nobody": True})
    assert render.answer("en", said) == (
        "You join #142: 1 of 2 of emergency have accepted. Nobody has it yet: `ack` takes it."
    )
    line = Entry(NOW, "level_skipped", 142, None, {"level": 2, "alerts": 1, "wanted": ">= 5"})
    assert render.entry("en", line) == "level 2 skipped: not now, 1 alert, wanted >= 5"


def test_the_page_about_escalation_loads_as_it_is_written(tmp_path: Path):
    """docs/escalation.md, with the people it speaks of."""
    text = (Path(__file__).parents[2] / "docs" / "escalation.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("```toml\n")
    example, _, _ = rest.partition("```")
    people = "".join(
        f'[[person]]\nid = "{name}"\nteam = "platform"\ncontact = {{ webhook = "http://127.0.0.1/{name}" }}\n'
        for name in ("lead", "zhang", "sun", "wu")
    )
    channel = '[[channel]]\nid = "ops"\nkind = "console"\n'
    policy = Site(tmp_path).writes(example + people + channel).loads().plan.policies["standard"]
    assert isinstance(policy, Policy) and policy.acks == {Priority.P0: 2}
    assert policy.levels[0].round_robin and policy.levels[1].announce == ("channel:ops",)

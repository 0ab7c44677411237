"""A page leaves for Slack, a button is pressed, the card changes: everything real but Slack itself."""

from __future__ import annotations

import pytest

from opswatch import assemble, chat, playbooks
from opswatch.core import events
from opswatch.core.model import Priority, Status
from opswatch.loops.pages import Pages
from opswatch.outgoing import Composer
from tests.fakes.slack import FakeSlack

CONFIG = """
[opswatch]
store = "sqlite:opswatch.db"
data_dir = "."
timezone = "Asia/Shanghai"

[[service]]
id = "orders"
name = "Order pipeline"
tier = 1

[[person]]
id = "bo"
name = "Bo"
timezone = "Asia/Shanghai"
role = "admin"
contact = {{ slack = "U1" }}
[person.notify]
P1 = ["slack"]

[[person]]
id = "li"
name = "李"
language = "zh"
contact = {{ slack = "U2" }}

[[policy]]
id = "standard"
[[policy.level]]
page = ["person:bo", "channel:ops"]
wait = "5m"

[[route]]
policy = "standard"

[[channel]]
id = "ops"
kind = "slack"
token = "xoxb-good"
app_token = "xapp-good"
to = "#ops"
base_url = "{base_url}"
"""


@pytest.fixture
def slack():
    slack = FakeSlack()
    yield slack
    slack.close()


@pytest.fixture
def office(slack, tmp_path):
    """An installation that pages and listens."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(base_url=slack.base_url), encoding="utf-8")
    office = assemble.open_office(path, is_daemon=True)
    composer = Composer(office.desk, office.store, office.settings, playbooks.load(tmp_path / "none"), office.links)
    pages = Pages(office.desk, office.store, composer.compose, office.plan.node, office.now)
    (door,) = chat.doors(office)
    pages.start()
    door.start()
    slack.wait(lambda: slack.connected)
    yield office
    door.stop()
    pages.stop()
    pages.join(10)
    office.close()


def card(slack, office, channel):
    """The incident's card, once its receipt is written: nobody presses a button faster than that."""
    posted = slack.wait(lambda: next((one for one in slack.of(channel) if one.thread_ts is None), None))
    slack.wait(lambda: office.store.incident_of_card(f"{channel}:{posted.ts}") == 1)
    return posted


def says(slack, posted, words):
    return slack.wait(lambda: words in posted.words)


def open_fault(office):
    office.desk.apply(events.Open("checkout shows an error", "orders", Priority.P1, by="li", door="cli"))


def status(office):
    return office.views.incident(1).incident.status


def test_a_button_on_the_card_acknowledges_and_every_card_says_so(slack, office):
    open_fault(office)
    mine, channels = card(slack, office, "D1"), card(slack, office, "C1")
    assert "P1 Order pipeline: checkout shows an error" in mine.words
    slack.click("U1", mine, "acknowledge 1")
    assert says(slack, mine, "Acknowledged by Bo")
    assert says(slack, channels, "Acknowledged by Bo")
    assert status(office) is Status.ACKNOWLEDGED
    lines = slack.wait(lambda: [one.text for one in slack.of("C1") if one.thread_ts == channels.ts])
    assert lines == ["acknowledged by Bo"]
    slack.wait(lambda: any("You have #1 now" in text for _, text in slack.answers))


def test_words_in_the_cards_thread_are_about_its_incident(slack, office):
    open_fault(office)
    posted = card(slack, office, "C1")
    slack.say("U2", "C1", "备注：已切换到备用支付", thread_ts=posted.ts)
    slack.wait(lambda: any("已记到 #1" in text for _, text in slack.answers))
    slack.say("U1", "C1", "close: payment provider is back", thread_ts=posted.ts)
    assert says(slack, posted, "Resolved by Bo")
    assert status(office) is Status.RESOLVED
    kinds = [stored.entry.kind for stored in office.views.incident(1).entries]
    assert "noted" in kinds
    assert "resolved" in kinds


def test_the_second_to_press_is_told_who_was_first(slack, office):
    open_fault(office)
    mine = card(slack, office, "D1")
    slack.click("U1", mine, "acknowledge 1")
    slack.click("U2", card(slack, office, "C1"), "acknowledge 1")
    slack.wait(lambda: any("Bo 已经认领了 #1" in text for _, text in slack.answers))


def test_questions_are_answered(slack, office):
    open_fault(office)
    slack.slash("U2", "list")
    slack.wait(lambda: any("#1 P1 checkout shows an error：未认领" in text for _, text in slack.answers))
    slack.slash("U1", "show 1")
    slack.wait(lambda: any("(Asia/Shanghai)" in text for _, text in slack.answers))

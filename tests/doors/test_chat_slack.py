"""People answer from Slack: through the real slack-sdk, a Slack on loopback, and the one grammar."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opswatch.chat.lane import Lane
from opswatch.chat.slack import SlackDoor, SlackSettings
from opswatch.core import events, grammar
from opswatch.core.model import Secret
from opswatch.core.plan import Person
from tests.fakes.slack import BOT, FakeSlack, Posted

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
ANA = Person("ana", "Ana", "Europe/Berlin", "en", contacts={"slack": Secret("U1")})
LI = Person("li", "李", "Asia/Shanghai", "zh", contacts={"slack": Secret("U2")})
CARD = Posted("C1", "1767582000.000100", "P1 Order pipeline: / is 93 % full on db-1")


class House:
    """What stands behind the door in these tests: it writes down what it is asked to do."""

    def __init__(self):
        self.forget()

    def forget(self):
        self.commands = []
        self.questions = []
        self.broken = False
        self.holds = None  # an Event: `apply` waits for it

    def apply(self, command):
        if self.holds is not None:
            self.holds.wait(10)
        if self.broken:
            raise OSError("the disk is full, and here is a password: hush")
        self.commands.append(command)
        return True, f"done: {grammar.say(command)} <b>&"

    def answer(self, question, person):
        self.questions.append((question, person.id))
        return f"{person.id} asked"

    def person_by_contact(self, kind, address):
        return next((one for one in (ANA, LI) if one.contacts[kind].reveal() == address), None)

    def card(self, ref):
        return 142 if ref == f"{CARD.channel}:{CARD.ts}" else None


def settings(slack, **given):
    quick = SlackSettings(
        Secret(slack.token), Secret(slack.app_token), slack.base_url, ping_s=0.1, stale_s=5.0, look_s=0.05, retry_s=0.05
    )
    return replace(quick, **given)


@pytest.fixture(scope="module")
def slack_all_day():
    slack = FakeSlack()
    yield slack
    slack.close()


@pytest.fixture(scope="module")
def house_all_day():
    return House()


@pytest.fixture(scope="module")
def door(slack_all_day, house_all_day):
    """One door for all: connecting takes longer than any of these stories."""
    door = SlackDoor(settings(slack_all_day), house_all_day, now=lambda: NOW)
    door.start()
    slack_all_day.wait(lambda: slack_all_day.connected and door.is_connected)
    yield door
    door.stop()


@pytest.fixture
def slack(slack_all_day):
    slack_all_day.forget()
    return slack_all_day


@pytest.fixture
def house(house_all_day):
    house_all_day.forget()
    return house_all_day


def ordered(slack, house):
    """The commands, once everything that was pushed has been dealt with."""
    slack.wait(lambda: house.commands)
    return house.commands


def nothing_more(slack, house, door):
    """After a last command has come through, everything before it has been dealt with: the line keeps the order."""
    slack.slash("U1", "ack 9999")
    slack.wait(lambda: any(getattr(command, "incident", 0) == 9999 for command in house.commands))
    return [command for command in house.commands if getattr(command, "incident", 0) != 9999]


def told(slack, words):
    """Waits for an answer that holds `words`."""
    return slack.wait(lambda: next((text for _, text in slack.answers if words in text), None))


# ---------------------------------------------------------------------------------------------------------------------
# What is said


def test_a_button_is_a_sentence_somebody_else_typed_for_you(slack, house, door):
    envelope = slack.click("U1", CARD, "acknowledge 142")
    assert ordered(slack, house) == [events.Acknowledge(142, by="ana", door="slack")]
    slack.wait(lambda: envelope in slack.acked)
    told(slack, "done: acknowledge 142")
    assert slack.responses[0]["response_type"] == "ephemeral"
    assert slack.responses[0]["replace_original"] is False


def test_words_in_a_cards_thread_need_no_number_and_no_mention(slack, house, door):
    slack.say("U1", "C1", "snooze 2h", thread_ts=CARD.ts)
    assert ordered(slack, house) == [events.Snooze(142, timedelta(hours=2), by="ana", door="slack")]
    told(slack, "done: snooze 142 2h")
    assert slack.ephemerals[0]["user"] == "U1"
    assert slack.ephemerals[0]["thread_ts"] == CARD.ts


def test_chinese_words_do_as_well(slack, house, door):
    slack.say("U2", "C1", "认领", thread_ts=CARD.ts)
    assert ordered(slack, house) == [events.Acknowledge(142, by="li", door="slack")]


def test_a_mention_comes_twice_and_is_done_once(slack, house, door):
    seen = {"authorizations": [{"user_id": BOT}]}
    for kind in ("message", "app_mention"):
        event = {
            "type": kind,
            "user": "U1",
            "channel": "C1",
            "ts": "5.5",
            "text": f"<@{BOT}> ack 142",
            "channel_type": "channel",
        }
        slack.push("events_api", {"type": "event_callback", "event": event} | seen)
    assert nothing_more(slack, house, door) == [events.Acknowledge(142, by="ana", door="slack")]


def test_a_slash_command_is_the_same_sentence(slack, house, door):
    slack.slash("U1", "note 142 replica &amp; disk rebuilt, see <https://wiki.example.com/x|the page>")
    assert ordered(slack, house) == [
        events.Note(142, "replica & disk rebuilt, see https://wiki.example.com/x", by="ana", door="slack")
    ]


def test_a_mentioned_colleague_is_a_person(slack, house, door):
    slack.slash("U1", "reassign 142 <@U2|li>")
    assert ordered(slack, house) == [events.Reassign(142, "person:li", by="ana", door="slack")]


def test_a_direct_message_is_addressed_to_us(slack, house, door):
    slack.say("U1", "D1", "ack 142")
    assert ordered(slack, house) == [events.Acknowledge(142, by="ana", door="slack")]
    slack.wait(lambda: slack.of("D1"))
    assert slack.of("D1")[0].text.startswith("done: acknowledge 142")


def test_times_are_in_the_zone_of_who_speaks(slack, house, door):
    slack.slash("U2", "reassign 142 @ana due 18:00")
    assert ordered(slack, house)[0].due == datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def test_a_question_in_a_channel_is_answered_for_all_to_read(slack, house, door):
    slack.say("U1", "C1", f"<@{BOT}> who primary?", kind="app_mention", ts="7.7")
    slack.messages["C1", "7.7"] = Posted("C1", "7.7", "who primary?")
    posted = slack.wait(lambda: next((one for one in slack.of("C1") if one.text == "ana asked"), None))
    assert posted.thread_ts == "7.7"
    assert house.questions == [(grammar.Who("primary"), "ana")]


def test_an_empty_slash_command_says_what_can_be_said(slack, house, door):
    slack.slash("U2", "")
    assert "acknowledge NUMBER" in told(slack, "你可以说")


def test_what_is_not_understood_is_answered_in_the_persons_language(slack, house, door):
    slack.slash("U2", "snooze 142")
    assert "snooze NUMBER SPAN" in told(slack, "多长时间")


def test_answers_cannot_mention_everybody(slack, house, door):
    slack.slash("U1", "ack 142")
    assert told(slack, "done").endswith("&lt;b&gt;&amp;")


# ---------------------------------------------------------------------------------------------------------------------
# What is not said to us


@pytest.mark.parametrize(
    "talk",
    [
        "close to fixing it now",
        "I think somebody should acknowledge this",
        "thanks!",
        "does anybody know what changed on this host since last night",
    ],
)
def test_people_talking_in_a_thread_are_left_alone(slack, house, door, talk):
    slack.say("U1", "C1", talk, thread_ts=CARD.ts)
    assert nothing_more(slack, house, door) == []
    assert slack.ephemerals == []


def test_a_slip_in_a_thread_is_answered(slack, house, door):
    slack.say("U1", "C1", "acknowlege", thread_ts=CARD.ts)
    assert "acknowledge" in told(slack, "Did you mean")


def test_other_threads_and_channels_are_none_of_our_business(slack, house, door):
    slack.say("U1", "C1", "ack", thread_ts="1.1")
    slack.say("U1", "C1", "ack 142")
    assert nothing_more(slack, house, door) == []


@pytest.mark.parametrize(
    "event",
    [{"bot_id": "B7"}, {"subtype": "message_changed"}, {"subtype": "bot_message"}, {"user": BOT}, {"user": None}],
)
def test_robots_and_edits_order_nothing(slack, house, door, event):
    payload = {"authorizations": [{"user_id": BOT}]}
    body = {"type": "message", "user": "U1", "channel": "C1", "ts": "3.3", "text": "ack", "thread_ts": CARD.ts} | event
    slack.push("events_api", {"type": "event_callback", "event": body} | payload)
    assert nothing_more(slack, house, door) == []


def test_a_stranger_is_refused_politely_and_told_what_to_do(slack, house, door):
    slack.users.add("U9")
    slack.click("U9", CARD, "acknowledge 142")
    assert 'slack = "U9"' in told(slack, "do not know who you are")
    assert nothing_more(slack, house, door) == []


# ---------------------------------------------------------------------------------------------------------------------
# Once, in order, whatever happens


def test_an_envelope_that_is_delivered_twice_is_done_once(slack, house, door):
    for retry in range(3):
        slack.say("U1", "C1", "note: rebuilt", thread_ts=CARD.ts, ts="8.8", retry_attempt=retry)
    assert nothing_more(slack, house, door) == [events.Note(142, "rebuilt", by="ana", door="slack")]
    slack.wait(lambda: len(slack.acked) >= 4)  # A late one of the test before may be among them.


def test_two_presses_are_two_sentences(slack, house, door):
    for _ in range(2):
        slack.click("U1", CARD, "acknowledge 142")
    assert len(nothing_more(slack, house, door)) == 2


def test_sentences_are_carried_out_in_the_order_they_were_said(slack, house, door):
    for number in range(1, 40):
        slack.slash("U1", f"ack {number}")
    slack.wait(lambda: len(house.commands) == 39)
    assert [command.incident for command in house.commands] == list(range(1, 40))


def test_envelopes_are_acknowledged_while_a_command_still_waits(slack, house, door):
    house.holds = threading.Event()
    sent = [slack.slash("U1", f"ack {number}") for number in range(3)]
    slack.wait(lambda: set(sent) <= set(slack.acked))
    assert house.commands == []
    house.holds.set()
    slack.wait(lambda: len(house.commands) == 3)


def test_a_slack_that_takes_no_answers_delays_no_command(slack, house, door):
    release = slack.hang("chat.postEphemeral")
    slack.say("U1", "C1", "ack", thread_ts=CARD.ts)
    slack.wait(lambda: any(method == "chat.postEphemeral" for method, _ in slack.calls))
    slack.slash("U1", "ack 143")
    slack.wait(lambda: len(house.commands) == 2)
    release.set()
    told(slack, "done: acknowledge 143")


def test_a_command_that_fails_says_so_without_secrets_and_the_next_one_works(slack, house, door):
    house.broken = True
    slack.slash("U1", "ack 142")
    assert "hush" not in told(slack, "That did not work")
    house.broken = False
    slack.slash("U1", "ack 142")
    assert len(ordered(slack, house)) == 1


def test_an_envelope_that_is_not_as_documented_stops_nothing(slack, house, door):
    for payload in ({}, {"type": "block_actions"}, {"type": "block_actions", "actions": []}, {"event": None}):
        slack.push("interactive", payload)
        slack.push("events_api", payload)
        slack.push("slash_commands", payload)
    slack.push("sing", {"la": 1})
    assert nothing_more(slack, house, door) == []


# ---------------------------------------------------------------------------------------------------------------------
# The connection


def connects_again(slack, house, before):
    slack.wait(lambda: slack.connected and slack.connected[-1] is not before)
    slack.slash("U1", "ack 142")
    return ordered(slack, house)


def test_a_connection_that_is_cut_is_made_anew(slack, house, door):
    before = slack.connected[-1]
    before.drop()
    assert connects_again(slack, house, before)


def test_a_socket_that_is_wedged_while_it_looks_well_is_noticed(slack, house):
    door = SlackDoor(settings(slack, stale_s=0.5), house, now=lambda: NOW)
    known = len(slack.sockets)
    door.start()
    slack.wait(lambda: len(slack.sockets) > known and door.is_connected)
    before = slack.connected[-1]
    before.freeze()
    assert connects_again(slack, house, before)
    door.stop()


def test_slack_asks_for_a_new_connection_every_few_hours(slack, house, door):
    before = slack.connected[-1]
    slack.refresh()
    assert connects_again(slack, house, before)


def test_a_slack_that_is_away_is_tried_again(slack, house):
    slack.fail("apps.connections.open", "internal_error", times=2)
    slack.fail("apps.connections.open", status=503, body="<html>", times=1)
    slack.fail("apps.connections.open", status=429, headers={"Retry-After": "0"})
    door = SlackDoor(settings(slack), house, now=lambda: NOW)
    door.start()
    slack.wait(lambda: door.is_connected)
    assert [method for method, _ in slack.calls].count("apps.connections.open") == 5
    door.stop()


def test_a_refused_token_is_said_and_not_hammered(slack, house):
    door = SlackDoor(settings(slack, app_token=Secret("xapp-wrong")), house, now=lambda: NOW)
    door.start()
    slack.wait(lambda: "invalid_auth" in door.trouble)
    assert not door.is_connected
    assert "xapp" not in door.trouble
    door.stop()
    assert len(slack.calls) == 1


def test_a_door_can_be_stopped_before_it_ever_connected(house):
    nowhere = SlackSettings(Secret("x"), Secret("y"), "http://127.0.0.1:1/", retry_s=0.01)
    door = SlackDoor(nowhere, house, now=lambda: NOW)
    door.start()
    door.stop()
    assert not door.is_connected


def test_a_stopped_door_has_finished_what_it_heard_and_leaves_no_thread(slack, house):
    others = set(threading.enumerate())
    door = SlackDoor(settings(slack), house, now=lambda: NOW)
    known = len(slack.sockets)
    door.start()
    slack.wait(lambda: len(slack.sockets) > known and door.is_connected)
    slack.slash("U1", "ack 142")
    slack.wait(lambda: slack.acked)
    door.stop(timeout_s=20)
    assert len(house.commands) == 1
    slack.wait(lambda: set(threading.enumerate()) <= others)


def test_a_lane_that_is_full_says_so():
    gate = threading.Event()
    lane = Lane("test", waiting_max=2)
    taken = [lane.put(lambda: gate.wait(10)) for _ in range(10)]
    assert False in taken
    gate.set()
    assert lane.stop(10)


def test_a_piece_that_raises_does_not_stop_the_lane():
    done = threading.Event()
    lane = Lane("test")
    lane.put(lambda: 1 / 0)
    lane.put(done.set)
    assert done.wait(10)
    assert lane.stop(10)

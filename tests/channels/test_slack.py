"""One card per incident in Slack, through the real slack-sdk and a Slack on loopback."""

from __future__ import annotations

import socket

import pytest

from opswatch.channels import Action, slack
from opswatch.errors import DeliveryError
from tests.channels.messages import page, update
from tests.fakes.slack import FakeSlack


@pytest.fixture
def fake():
    fake = FakeSlack()
    yield fake
    fake.close()


def channel(fake, **config):
    return slack.Channel(slack.Config(token=fake.token, base_url=fake.base_url, **config), to="#ops")


def refused(fake, message=None, address="U1", **config):
    with pytest.raises(DeliveryError) as failed:
        channel(fake, **config).send(message or page(), address)
    return failed.value


def buttons(posted):
    return [each for block in posted.blocks if block["type"] == "actions" for each in block["elements"]]


def test_a_page_is_a_direct_message_with_a_button_that_types_the_sentence(fake):
    receipt = channel(fake).send(page(), "U1")
    (posted,) = fake.of("D1")
    assert receipt.ref == f"D1:{posted.ts}"
    assert posted.blocks[0]["text"]["text"] == "P1 Order pipeline: / is 93 % full on db-1"
    assert "crit, tier 1 service orders" in posted.words
    assert [(button["text"]["text"], button["value"]) for button in buttons(posted)] == [
        ("Acknowledge", "acknowledge 142"),
        ("Resolve", "resolve 142"),
    ]
    assert buttons(posted)[0]["style"] == "primary"


def test_a_link_that_a_button_stands_for_is_not_shown_twice(fake):
    channel(fake).send(page(), "U1")
    (posted,) = fake.of("D1")
    assert "/incidents/142" in posted.words
    assert "/ack/x" not in posted.words


def test_a_channel_is_found_by_its_name(fake):
    assert channel(fake).send(page()).ref.startswith("C1:")


def test_a_known_card_is_edited_and_its_thread_gets_the_line(fake):
    first = channel(fake).send(page(), "U1")
    second = channel(fake).send(update(ref=first.ref, actions=(Action("Resolve", "resolve 142"),)), "U1")
    card, line = fake.of("D1")
    assert second.ref == first.ref
    assert card.edits == 1
    assert [button["value"] for button in buttons(card)] == ["resolve 142"]
    assert (line.text, line.thread_ts, line.is_broadcast) == ("acknowledged by Bo", card.ts, False)


def test_an_edit_wakes_nobody_so_a_second_page_rings_in_the_thread(fake):
    first = channel(fake).send(page(), "U1")
    channel(fake).send(page("142/1/2/1/bo/1", ref=first.ref, thread_line="nobody has answered yet"), "U1")
    card, ringing = fake.of("D1")
    assert card.edits == 1
    assert ringing.is_broadcast
    assert "P1 Order pipeline" in ringing.text
    assert "nobody has answered yet" in ringing.text


def test_a_card_that_is_gone_is_posted_anew(fake):
    receipt = channel(fake).send(update(ref="D1:1.000001"), "U1")
    (posted,) = fake.of("D1")
    assert receipt.ref == f"D1:{posted.ts}"
    assert "message_not_found" in receipt.detail


def test_a_second_page_whose_line_cannot_be_posted_has_woken_nobody(fake):
    first = channel(fake).send(page(), "U1")
    fake.fail("chat.postMessage", status=429, headers={"Retry-After": "3"})
    failed = refused(fake, page(ref=first.ref, thread_line="still nobody"))
    assert (failed.permanent, failed.retry_after_s) == (False, 3)


def test_an_update_whose_line_cannot_be_posted_has_done_its_work(fake):
    first = channel(fake).send(page(), "U1")
    fake.fail("chat.postMessage", "internal_error")
    receipt = channel(fake).send(update(ref=first.ref), "U1")
    assert receipt.ref == first.ref
    assert "internal_error" in receipt.detail


@pytest.mark.parametrize(
    "code",
    [
        "channel_not_found", "user_not_found", "not_in_channel", "is_archived", "invalid_auth", "account_inactive",
        "token_revoked", "missing_scope", "restricted_action", "message_limit_exceeded", "something_new",
    ],
)  # fmt: skip
def test_what_slack_would_refuse_again_is_permanent(fake, code):
    fake.fail("chat.postMessage", code)
    failed = refused(fake)
    assert failed.permanent
    assert str(failed).startswith(code)
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "code", ["internal_error", "fatal_error", "service_unavailable", "request_timeout", "rate_limited"]
)
def test_trouble_that_passes_is_temporary(fake, code):
    fake.fail("chat.postMessage", code)
    assert not refused(fake).permanent


def test_slacks_body_is_the_truth_whatever_the_status_says(fake):
    assert refused(fake, address="C2").args == ("not_in_channel (invite the app: /invite @opswatch)",)
    assert refused(fake, address="#nowhere").permanent
    assert refused(fake, address="C3").permanent


def test_a_wrong_token_is_permanent_and_is_not_shown(fake):
    fake.token = "xoxb-other"
    config = slack.Config(token="xoxb-secret", base_url=fake.base_url)
    with pytest.raises(DeliveryError) as failed:
        slack.Channel(config).send(page(), "U1")
    assert failed.value.permanent
    assert "xoxb-secret" not in str(failed.value) + repr(config)


def test_a_limit_says_when_to_try_again(fake):
    fake.fail("chat.postMessage", status=429, headers={"Retry-After": "7"})
    failed = refused(fake)
    assert (failed.permanent, failed.retry_after_s) == (False, 7)


def test_a_limit_without_a_sensible_time_has_one(fake):
    fake.fail("chat.postMessage", status=429, headers={"Retry-After": "soon"})
    assert 0 < refused(fake).retry_after_s <= 60


def test_while_edits_are_limited_slack_is_not_asked_and_pages_still_go_out(fake):
    sending = channel(fake)
    first = sending.send(page(), "U1")
    fake.fail("chat.update", status=429, headers={"Retry-After": "30"})
    for _ in range(2):
        with pytest.raises(DeliveryError) as failed:
            sending.send(update(ref=first.ref), "U1")
        assert failed.value.retry_after_s > 25
    assert [method for method, _ in fake.calls].count("chat.update") == 1
    assert sending.send(page("143/1/1/1/bo/1", card="incident/143"), "U1").ref != first.ref
    assert sending.send(page("144/1/1/1/li/1", card="incident/144"), "U2").ref.startswith("D2:")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_page_of_html_from_in_between_is_temporary(fake, status):
    fake.fail("chat.postMessage", status=status, body="<html>bad gateway</html>", headers={"Content-Type": "text/html"})
    failed = refused(fake)
    assert not failed.permanent
    assert "html" not in str(failed)


def test_a_login_page_with_status_200_is_not_taken_for_success(fake):
    fake.fail("chat.postMessage", body="<html>hotel wifi</html>")
    assert not refused(fake).permanent


def test_an_answer_that_is_no_object_is_temporary(fake):
    fake.fail("chat.postMessage", body="[]")
    assert not refused(fake).permanent


def test_a_slack_that_hangs_is_given_up_in_time(fake):
    fake.hang("chat.postMessage")
    failed = refused(fake, timeout="1s")
    assert not failed.permanent
    assert len(fake.calls) == 1


def test_nobody_listening_is_temporary():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = slack.Config(token="xoxb-x", base_url=f"http://127.0.0.1:{port}/api")
    with pytest.raises(DeliveryError) as failed:
        slack.Channel(config).send(page(), "U1")
    assert not failed.value.permanent


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long"])
def test_a_page_does_not_fail_for_its_looks(fake, code):
    fake.fail("chat.postMessage", code)
    channel(fake).send(page(), "U1")
    (posted,) = fake.of("D1")
    assert posted.blocks == []
    assert "P1 Order pipeline" in posted.text


def test_whatever_a_probe_said_fits(fake):
    huge = page(
        title="t" * 5_000,
        lines=tuple((f"fact {n}", "<&>" * 20_000) for n in range(80)),
        actions=tuple(Action("label" * 50, "note 142: " + "x" * 9_000) for _ in range(40)),
    )
    channel(fake).send(huge, "U1")
    (posted,) = fake.of("D1")
    assert len(fake.calls) == 1
    assert posted.blocks
    assert "/incidents/142" in posted.words


def test_evidence_cannot_mention_everybody_or_hide_a_link(fake):
    channel(fake).send(page(lines=(("Seen", "<!channel> <http://evil|ok> & more"),), title="<!here>"), "U1")
    (posted,) = fake.of("D1")
    assert "<!channel>" not in posted.words
    assert "&lt;!channel&gt; &lt;http://evil|ok&gt; &amp; more" in posted.words
    assert "<!here>" not in posted.text


def test_a_message_without_facts_shows_its_text(fake):
    channel(fake).send(page(lines=(), text="Digest: 2 open\n\n- one\n- two", title="Digest: 2 open", actions=()), "C1")
    (posted,) = fake.of("C1")
    assert "- one" in posted.words
    assert buttons(posted) == []

"""The six sentences at the terminal, and the others: each becomes a command, each is answered in words and a code."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from opswatch.core import events, grammar
from opswatch.core.events import (
    Accept,
    AcceptCover,
    AcceptRisk,
    Acknowledge,
    AddAbsence,
    AddOverride,
    AddRisk,
    AddSilence,
    AskCover,
    AskSwap,
    AssignRisk,
    CloseRisk,
    Command,
    Decline,
    DutyNote,
    Escalate,
    ExpireSilence,
    Merge,
    MessageSent,
    MovePaper,
    Note,
    OfferCover,
    Open,
    PageTest,
    Pause,
    PostUpdate,
    Reassign,
    RemoveAbsence,
    RemoveOverride,
    Reopen,
    Resolve,
    SetPriority,
    SignInspection,
    Snooze,
    Split,
    StartPaper,
    TakeOver,
    Unack,
    Unpause,
    WithdrawCover,
)
from opswatch.core.model import Priority, Status
from opswatch.desk import Desk
from tests.doors.terminal import Terminal

LINES: dict[type[Command], tuple[str, ...]] = {
    Acknowledge: ("ack", "1"),
    Unack: ("unack", "1"),
    Accept: ("accept", "1"),
    Decline: ("decline", "1"),
    Resolve: ("resolve", "1", "disk", "cleaned"),
    Reopen: ("reopen", "1"),
    Snooze: ("snooze", "1", "2h"),
    Escalate: ("escalate", "1"),
    Reassign: ("reassign", "1", "@bo", "--due", "2030-01-01T00:00:00Z"),
    Note: ("note", "1", "replica", "rebuilt"),
    PostUpdate: ("update", "1", "--template", "investigating", "back", "by", "noon"),
    Merge: ("merge", "1", "into", "2"),
    Split: ("split", "1", "disk/*", "--service", "orders"),
    SetPriority: ("priority", "1", "P0"),
    Open: ("open", "--service", "orders", "--priority", "P1", "--text", "since noon", "checkout", "is", "slow"),
    AddSilence: ("silence", "add", "service=orders", "target=~db-.*", "--for", "2h", "--reason", "index rebuild"),
    ExpireSilence: ("silence", "expire", "3"),
    AddOverride: (
        *("override", "add", "--roster", "primary", "--from", "2030-01-01T00:00:00Z", "--to", "2030-01-02T00:00:00Z"),
        *("--replace", "ana", "--by", "bo", "--reason", "holiday"),
    ),
    RemoveOverride: ("override", "remove", "3", "--from", "2030-01-01T00:00:00Z", "--to", "2030-01-02T00:00:00Z"),
    AskSwap: (
        *("swap", "ask", "--roster", "primary", "--from", "2030-01-01T00:00:00Z", "--to", "2030-01-02T00:00:00Z"),
        *("--with", "bo", "--person", "ana", "--reason", "wedding"),
        *("--return-from", "2030-01-05T00:00:00Z", "--return-to", "2030-01-06T00:00:00Z"),
    ),
    AskCover: ("swap", "ask", "--roster", "primary", "--cover"),
    OfferCover: ("swap", "offer", "3", "--from", "2030-01-01T00:00:00Z", "--to", "2030-01-02T00:00:00Z"),
    AcceptCover: ("swap", "accept", "3", "--of", "bo"),
    WithdrawCover: ("swap", "withdraw", "3"),
    AddAbsence: ("absence", "add", "--from", "2030-01-01", "--to", "2030-01-02", "--kind", "sick", "--no-cover"),
    RemoveAbsence: ("absence", "remove", "3"),
    Pause: ("pause", "1h", "--reason", "moving house"),
    Unpause: ("pause", "off"),
    PageTest: ("page-test", "bo", "--contact", "console"),
    DutyNote: ("dutylog", "note", "batch", "ran", "late"),
    AddRisk: (
        *("risk", "add", "no", "spare", "disk", "--severity", "high", "--owner", "bo", "--due", "2 weeks"),
        *("--service", "orders", "--target", "db-1", "--evidence", "the last one went in May"),
    ),
    AssignRisk: ("risk", "assign", "3", "--owner", "bo", "--due", "2 weeks"),
    CloseRisk: ("risk", "close", "3", "it", "is", "in"),
    AcceptRisk: ("risk", "accept", "3", "--until", "2030-01-01T00:00:00Z", "--reason", "the host goes"),
    StartPaper: ("postmortem", "new", "1", "--owner", "bo"),
    MovePaper: ("postmortem", "publish", "1"),
    SignInspection: ("inspect", "sign", "2026-11-17-daily", "2"),
    TakeOver: ("handoff", "--roster", "primary", "--accept"),
}


def every_command() -> set[type[Command]]:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Command)]
    return set(kinds) - {Command}


def test_every_command_can_be_said_at_the_terminal():
    assert set(LINES) == every_command()


@pytest.mark.parametrize("kind", LINES, ids=lambda kind: kind.__name__)
def test_what_is_typed_is_the_same_sentence_as_everywhere(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, kind: type[Command]
):
    """The command that reaches the desk is the one that its sentence means in chat."""
    heard: list[Command] = []
    answer = Desk.answer

    def listen(desk: Desk, command: Command) -> object:
        heard.append(command)
        return answer(desk, command)

    monkeypatch.setattr(Desk, "answer", listen)
    terminal.is_used_by("lena")
    terminal.fails()
    terminal.says(*LINES[kind])
    [command] = heard
    assert type(command) is kind
    assert (command.by, command.door) == ("lead", "cli")
    with terminal.office() as office:
        said = grammar.say(command)
        assert grammar.parse(said, by="lead", door="cli", now=office.now()) == command, said


def test_an_acknowledgement_stops_paging_and_says_so(terminal: Terminal):
    terminal.fails()
    said = terminal.says("ack", "1")
    assert said.code == 0
    assert said.out.startswith("You have #1 now: db is broken on db-1.")
    assert terminal.incident().status is Status.ACKNOWLEDGED
    assert terminal.incident().owner == "ana"
    assert terminal.door_of_last("acknowledged") == "cli"


def test_an_answer_is_in_the_language_of_who_asked(terminal: Terminal):
    terminal.is_used_by("bo")
    terminal.fails()
    assert "#1" in (said := terminal.says("ack", "1").out)
    assert any("一" <= letter <= "鿿" for letter in said)


def test_what_somebody_else_has_is_refused_with_their_name(terminal: Terminal):
    terminal.fails()
    terminal.says("ack", "1")
    terminal.is_used_by("lena")
    said = terminal.says("ack", "1")
    assert (said.code, said.out) == (1, "")
    assert "Ana Ruiz has #1 already" in said.err


def test_saying_it_twice_is_done_once(terminal: Terminal):
    terminal.fails()
    assert [terminal.says("ack", "1").code for _ in range(2)] == [0, 0]


def test_several_are_taken_at_once_and_one_refusal_is_the_code(terminal: Terminal):
    terminal.fails("db")
    terminal.happens(Open("checkout is slow", by="lead"))
    said = terminal.says("ack", "#1", "2", "9")
    assert said.code == 1
    assert "You have #1 now" in said.out
    assert "You have #2 now" in said.out
    assert "There is no incident #9." in said.err


def test_a_viewer_may_look_not_act(terminal: Terminal):
    terminal.is_used_by("vi")
    terminal.fails()
    assert terminal.says("list").code == 0
    said = terminal.says("ack", "1")
    assert said.code == 1
    assert "responder" in said.err
    assert terminal.incident().owner is None


def test_the_whole_life_of_an_incident(terminal: Terminal):
    terminal.fails()
    assert terminal.says("snooze", "1", "1h30m").code == 0
    assert terminal.incident().snoozed_until is not None
    assert terminal.says("escalate", "1").code == 0
    assert terminal.incident().level == 2
    assert terminal.says("reassign", "1", "bo").code == 0
    assert terminal.incident().owner == "bo"
    assert terminal.says("priority", "1", "p0").code == 0
    assert terminal.incident().priority is Priority.P0
    assert terminal.says("note", "1", "--", "-5", "degrees", "in", "the", "rack").code == 0
    assert terminal.says("resolve", "1", "fan", "replaced").code == 0
    assert terminal.incident().status is Status.RESOLVED
    assert terminal.says("reopen", "1").code == 0
    assert terminal.says("unack", "1").code == 0
    shown = terminal.says("show", "1").out
    assert "-5 degrees in the rack" in shown
    assert "fan replaced" in shown


def test_what_is_not_possible_now_says_what_is(terminal: Terminal):
    terminal.fails()
    terminal.says("resolve", "1")
    said = terminal.says("snooze", "1", "1h")
    assert said.code == 1
    assert "Possible now: note, reopen" in said.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("ack",), "Missing argument 'INCIDENTS...'"),
        (("ack", "one"), "'one' is no incident: write its number, such as 142"),
        (("snooze", "1", "soon"), "'soon': write a span such as '30s', '5m', '1h30m' or '2d'"),
        (("snooze", "1", "0m"), "'0m' is no time at all"),
        (("priority", "1", "P7"), "'P7' is no priority: write P0, P1, P2 or P3"),
        (("reassign", "1", "bo", "--due", "later"), "'later' is no time: write"),
        (("silence", "add", "orders", "--for", "1h", "--reason", "x"), "write a label and its value"),
        (("silence", "add", "service=orders", "--reason", "x"), "Say either --for SPAN or --until T."),
        (("silence", "add", "service=orders", "--for", "1h"), "Missing option '--reason'"),
        (("pause", "soon"), "write a span"),
        (("acknowledge", "1"), "There is no command 'acknowledge'."),
        (("lst",), "Did you mean 'list'?"),
        (("list", "--jsn"), "No such option"),
    ],
)
def test_what_cannot_be_read_is_usage_and_changes_nothing(terminal: Terminal, line: tuple[str, ...], words: str):
    terminal.fails()
    before = terminal.incident()
    said = terminal.says(*line)
    assert said.code == 2
    assert words in said.err
    assert "Traceback" not in said.err
    assert terminal.incident() == before


def test_programs_get_the_answer_as_json(terminal: Terminal):
    terminal.fails()
    answer = terminal.says("ack", "1", "--json").json
    assert answer["done"] is True
    assert answer["answer"] == "acknowledged"
    assert answer["facts"]["incident"] == 1
    refused = terminal.says("ack", "7", "--json")
    assert refused.code == 1
    assert refused.json == {
        "done": False,
        "answer": "unknown_incident",
        "facts": {"incident": 7},
        "text": "There is no incident #7.",
    }


# ---------------------------------------------------------------------------------------------------------------------
# Who is it


def test_a_stranger_is_told_how_to_become_known(terminal: Terminal):
    terminal.fails()
    terminal.is_used_by("mallory")
    said = terminal.says("ack", "1")
    assert said.code == 1
    assert 'write login = "mallory" under your [[person]]' in said.err
    assert "--as PERSON" in said.err
    assert terminal.says("list").code == 0, "asking needs no name"


def test_root_says_who_acts_and_it_is_recorded(terminal: Terminal):
    terminal.fails()
    terminal.is_used_by("root")
    assert terminal.says("ack", "1").code == 1
    assert terminal.says("ack", "1", "--as", "bo").code == 0
    assert terminal.incident().owner == "bo"
    assert terminal.door_of_last("acknowledged") == "cli:root"


def test_root_by_sudo_is_who_they_were_before(terminal: Terminal):
    terminal.fails()
    terminal.is_used_by("root", sudoer="lena")
    assert terminal.says("ack", "1").code == 0
    assert terminal.incident().owner == "lead"
    assert terminal.door_of_last("acknowledged") == "cli:root"


def test_nobody_else_acts_for_others(terminal: Terminal):
    terminal.fails()
    said = terminal.says("ack", "1", "--as", "bo")
    assert said.code == 1
    assert "only root may act as somebody else (you are ana): use sudo" in said.err
    assert terminal.says("ack", "1", "--as", "ana").code == 0


def test_as_somebody_who_is_not_there(terminal: Terminal):
    terminal.is_used_by("root")
    said = terminal.says("--as", "eve", "pause", "1h")
    assert said.code == 1
    assert "nobody is called so; known are ana, bo, lead, vi" in said.err


def test_a_sudoer_variable_of_an_ordinary_user_means_nothing(terminal: Terminal):
    terminal.fails()
    terminal.is_used_by("mallory", sudoer="lena")
    assert terminal.says("ack", "1").code == 1


# ---------------------------------------------------------------------------------------------------------------------
# Arrangements


def test_a_silence_is_added_listed_and_ended(terminal: Terminal):
    assert terminal.says("silence", "list").out == "There are no silences.\n"
    assert terminal.says("silence", "add", 'service="orders"', "--for", "2h", "--reason", "rebuild").code == 0
    [row] = terminal.says("silence", "list", "--json").json
    assert row["matchers"] == [{"label": "service", "how": "=", "value": "orders"}]
    assert (row["owner"], row["reason"]) == ("ana", "rebuild")
    assert "service=orders" in terminal.says("silence", "list").out
    terminal.fails()
    assert terminal.says("list").out == "Nothing is open.\n"
    assert terminal.says("silence", "expire", "1").code == 0
    assert "db is broken" in terminal.says("list").out


def test_a_long_silence_needs_a_lead(terminal: Terminal):
    line = ("silence", "add", "service=orders", "--for", "3d", "--reason", "move")
    assert terminal.says(*line).code == 1
    terminal.is_used_by("lena")
    assert terminal.says(*line).code == 0


def test_a_pattern_that_is_none_is_refused_in_words(terminal: Terminal):
    said = terminal.says("silence", "add", "service=~(", "--for", "1h", "--reason", "x")
    assert said.code == 1
    assert "That matcher cannot be used" in said.err


def test_a_pause_is_shown_and_ended(terminal: Terminal):
    terminal.is_used_by("lena")
    assert terminal.says("pause").out == "Pages are not paused.\n"
    assert terminal.says("pause", "1h").code == 0
    assert "by lead" in terminal.says("pause").out
    assert terminal.says("pause", "--json").json["paused_by"] == "lead"
    assert "no pages until" in terminal.says("status").out
    assert terminal.says("pause", "off").code == 0
    assert terminal.says("pause", "--json").json == {"paused_until": None, "paused_by": None}


def test_a_test_page_without_a_daemon_waits_and_says_so(terminal: Terminal):
    said = terminal.says("page-test", "bo", "--wait", "30s")
    assert said.code == 1
    assert "A test page to Bo by console is on its way." in said.out
    assert "No daemon is running" in said.out
    answer = terminal.says("page-test", "bo", "--json").json
    assert answer["running"] is False
    assert answer["outcome"] is None


@pytest.mark.parametrize("line", [("open", "--service", "orders", "shop is down"), ("escalate", "1")])
def test_who_wants_somebody_paged_is_told_when_no_daemon_lives_to_do_it(terminal: Terminal, line: tuple[str, ...]):
    terminal.fails()
    said = terminal.says(*line)
    assert said.code == 0
    assert "no opswatch daemon lives: nobody is paged" in said.err
    with terminal.office() as office:
        office.store.beat("here", office.now(), {})
    assert terminal.says(*line).err == ""


def test_a_test_page_needs_a_way(terminal: Terminal):
    said = terminal.says("page-test", "bo", "--contact", "pigeon")
    assert said.code == 1
    assert "console" in said.err


def test_the_receipt_of_a_test_page_is_told(terminal: Terminal):
    """Another node lives, and sends as the daemon's page loop does: claim, then report."""
    is_over = threading.Event()

    def deliver() -> None:
        with terminal.office() as office:
            while not is_over.is_set():
                for promise in office.store.claim("here", office.now(), timedelta(seconds=30), 10):
                    office.desk.apply(MessageSent(promise.id, None, "page", "bo", "console", 0.1))
                office.store.wait_for_change(0.05)

    with terminal.office() as office:
        office.store.beat("here", office.now(), {})
    sender = threading.Thread(target=deliver)
    sender.start()
    try:
        said = terminal.says("page-test", "bo", "--wait", "60s")
    finally:
        is_over.set()
        sender.join()
    assert said.code == 0
    assert "Delivered after" in said.out

"""The ledger, post-mortems and hand-overs at the terminal."""

from __future__ import annotations

import pytest

from opswatch.loops.paperwork import PaperKeeper
from tests.doors.terminal import CONFIG, Terminal


def resolved(terminal: Terminal) -> None:
    """A P1 that Ana took and ended; a daemon's loop wrote its draft."""
    terminal.says("open", "checkout fails", "--priority", "P1", "--service", "orders")
    terminal.says("ack", "1")
    terminal.says("resolve", "1", "restarted")
    keeps(terminal)


def keeps(terminal: Terminal) -> None:
    with terminal.office() as office:
        PaperKeeper(office.desk, office.store, office.settings.data_dir).keep(office.now())


def writes(terminal: Terminal, old: str, new: str) -> None:
    path = terminal.folder / "var" / "records" / "postmortem" / "1.md"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------------------
# The ledger


def test_a_risk_is_written_down_listed_and_closed(terminal: Terminal):
    said = terminal.says(
        "risk", "add", "no", "spare", "disk", "--severity", "high", "--owner", "bo", "--due", "2 weeks"
    )
    assert said.code == 0, said.err
    assert said.out.startswith("Risk 1 is in the ledger, high, owner Bo, due ")
    (row,) = terminal.says("risk", "list", "--json").json
    assert (row["title"], row["severity"], row["owner"], row["overdue"]) == ("no spare disk", "high", "bo", False)
    assert "no spare disk" in terminal.says("risk", "list").out
    assert terminal.says("risk", "list", "--mine").out == "The ledger is empty.\n"
    assert terminal.says("risk", "list", "--overdue").out == "Nothing is overdue.\n"
    assert terminal.says("risk", "assign", "1", "--owner", "ana").out.startswith("Risk 1: owner Ana Ruiz, due ")
    assert terminal.says("risk", "close", "1", "it", "is", "in").out == "Risk 1 is closed: no spare disk\n"
    assert terminal.says("risk", "list", "--json").json == []
    (row,) = terminal.says("risk", "list", "--all", "--json").json
    assert (row["status"], row["reason"]) == ("closed", "it is in")


def test_only_a_lead_accepts_a_risk_and_says_why(terminal: Terminal):
    terminal.says("risk", "add", "old host")
    assert terminal.says("risk", "accept", "1", "--until", "2h", "--reason", "it goes").code == 1
    terminal.is_used_by("lena")
    assert terminal.says("risk", "accept", "1", "--until", "2h").code == 2
    said = terminal.says("risk", "accept", "1", "--until", "2h", "--reason", "it goes")
    assert said.out.startswith("Risk 1 is accepted until ")
    assert terminal.says("risk", "list", "--json").json[0]["status"] == "accepted"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (("risk", "add"), 2),
        (("risk", "add", "x", "--due", "whenever"), 2),
        (("risk", "add", "x", "--due", "2001-01-01"), 1),
        (("risk", "add", "x", "--owner", "zed"), 1),
        (("risk", "close", "7"), 1),
        (("risk", "assign", "7"), 2),
        (("postmortem", "new", "7"), 1),
        (("postmortem", "show", "7"), 1),
        (("postmortem", "check", "7"), 1),
        (("postmortem", "publish", "7"), 1),
        (("handoff", "--roster", "prime"), 1),
    ],
)
def test_what_cannot_be_is_refused(terminal: Terminal, line: tuple[str, ...], code: int):
    assert terminal.says(*line).code == code


# ---------------------------------------------------------------------------------------------------------------------
# Post-mortems


def test_a_post_mortem_is_owed_written_and_published(terminal: Terminal):
    resolved(terminal)
    (row,) = terminal.says("postmortem", "list", "--json").json
    assert (row["incident"], row["kind"], row["owner"], row["stage"]) == (1, "postmortem", "ana", "draft")
    assert "checkout fails" in terminal.says("postmortem", "list").out
    writes(terminal, "## What went well", "Thanks to all.\n\n## What went well")
    shown = terminal.says("postmortem", "show", "1").out
    assert "Thanks to all." in shown
    assert "<!-- opswatch" not in shown
    said = terminal.says("postmortem", "submit", "1")
    assert said.code == 0
    assert said.out.startswith("The post-mortem of #1 waits for review.\n6 things are missing")
    assert terminal.says("postmortem", "publish", "1").code == 1
    terminal.is_used_by("lena")
    assert terminal.says("postmortem", "return", "1").out == "The post-mortem of #1 is a draft again.\n"
    assert terminal.says("postmortem", "publish", "1").code == 0
    assert terminal.says("postmortem", "list").out == "No post-mortem is owed.\n"
    assert terminal.says("postmortem", "list", "--all", "--json").json[0]["stage"] == "published"


def test_check_says_what_is_missing_and_exits_with_it(terminal: Terminal):
    resolved(terminal)
    said = terminal.says("postmortem", "check", "1")
    assert said.code == 1
    assert "- Section “Impact” is empty.\n" in said.out
    writes(terminal, "|  |  |  |  |", "| size the pool | zed | 2026-12-01 |  |")
    found = terminal.says("postmortem", "check", "1", "--json").json["missing"]
    assert found[-1] == "Action “size the pool”: nobody is called zed."
    terminal.is_used_by("bo")
    assert "“影响”一节是空的" in terminal.says("postmortem", "check", "1").out


def test_before_the_daemon_wrote_the_file_check_says_so_and_show_shows_what_is_known(terminal: Terminal):
    terminal.says("open", "checkout fails", "--priority", "P1")
    assert terminal.says("postmortem", "new", "1", "--owner", "bo").code == 0
    assert "There is no file yet" in terminal.says("postmortem", "check", "1").out
    assert "# Post-mortem of incident 1: checkout fails" in terminal.says("postmortem", "show", "1").out


# ---------------------------------------------------------------------------------------------------------------------
# Hand-overs


def test_what_would_be_handed_over_now_is_printed(terminal: Terminal):
    terminal.says("open", "checkout fails", "--priority", "P1", "--service", "orders")
    terminal.says("note", "1", "restarting")
    terminal.says("silence", "add", "service=orders", "--for", "2h", "--reason", "rebuild")
    said = terminal.says("handoff", "--roster", "primary")
    assert said.code == 0
    assert "#1 P1 Order pipeline: checkout fails" in said.out
    assert "Last note: restarting" in said.out
    assert "`service=orders` (Ana Ruiz: rebuild)" in said.out
    assert [found["roster"] for found in terminal.says("handoff", "--json").json] == ["primary", "nights"]


def test_without_rosters_there_is_nothing_to_hand_over(terminal: Terminal):
    before, _, rest = CONFIG.partition("[[roster]]")
    after = "[[policy]]" + rest.partition("[[policy]]")[2]
    terminal.writes((before + after).replace("roster:primary", "person:ana"))
    assert terminal.says("handoff").out == "There are no rosters.\n"


def test_owners_whom_the_configuration_no_longer_knows_are_named(terminal: Terminal):
    resolved(terminal)
    terminal.says("risk", "add", "no spare disk", "--owner", "vi")
    terminal.writes(CONFIG.replace('id = "vi"', 'id = "zoe"'))
    said = terminal.says("config", "check")
    assert "risk 1" in said.out + said.err
    assert "opswatch risk assign 1 --owner PERSON" in said.out + said.err

"""Post-mortems and hand-overs as files, over a real store: drafted at once, never taking a person's words away."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from opswatch import assemble
from opswatch.channels import Message
from opswatch.core.calendars import parse_window
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, AddRisk, CloseRisk, MovePaper, Note, Observed, Open, Resolve
from opswatch.core.model import Health, PaperKind, Priority, Sample, Secret, Severity, Stage, Verdict
from opswatch.core.plan import Limit, Plan
from opswatch.desk import Desk
from opswatch.links import Links
from opswatch.outgoing import Composer
from opswatch.playbooks import Playbooks
from opswatch.render import paper_form
from opswatch.views import Views
from tests.records.room import Room, team

ROOT = Path(__file__).parents[2]
MONDAY_3AM = datetime(2026, 11, 16, 2, tzinfo=UTC)  # in Berlin; the shift is handed over at nine
MINUTE = timedelta(minutes=1)


def a_plan(**more: object) -> Plan:
    base = team(**more)
    db = replace(
        base.checks["db"],
        confirm=3,
        retry=MINUTE,
        priority={Health.CRIT: Priority.P1},
        limits={"connections": Limit("> 80", "> 90")},
        playbook="db-down",
    )
    return replace(base, checks={**base.checks, "db": db})


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, a_plan(), MONDAY_3AM)
    made.starts()
    yield made
    made.close()


def sees(room: Room, *numbers: float) -> None:
    """One look a minute."""
    for number in numbers:
        room.now += MINUTE
        verdict = Verdict(room.now, f"{number:g} connections", samples=(Sample("connections", number),))
        room.store.record_samples([("db", "db-1", verdict)])
        room._arrive(room.apply(Observed("db", "db-1", verdict)))


def a_night(room: Room) -> None:
    """It fails, Ana sleeps, Bo takes it, and it recovers."""
    sees(room, 50, 95, 97, 99)
    room.passes(minutes=6)
    room.says(Acknowledge(1, by="bo"))
    room.says(Note(1, "restarted | the pool", by="bo"))
    sees(room, 40)


def file(room: Room, name: str = "1", kind: str = "postmortem") -> Path:
    return room.folder / "records" / kind / f"{name}.md"


def text(room: Room) -> str:
    return file(room).read_text(encoding="utf-8")


def fill(room: Room, old: str, new: str) -> None:
    before = text(room)
    assert old in before
    file(room).write_text(before.replace(old, new, 1), encoding="utf-8")


def test_the_draft_is_there_the_moment_the_incident_resolves(room: Room):
    room.keep()
    a_night(room)
    assert room.records._is_due(room.now), "it need not wait for the next minute"
    room.keep()
    said = text(room)
    assert "# Post-mortem of incident 1: 99 connections on db-1" in said
    assert "**It lasted 7m; Bo took it after 6m; 2 pages.**" in said
    assert "It began failing 10:02; somebody was told 2m later." in said, "times of Bo, who owes it, in Shanghai"
    assert "| Ana | was paged (1) | 10:04 | – |" in said
    assert "| 10:09 | Bo | webhook | nobody has answered yet | after 1.5s | yes |" in said
    assert "- 10:10 Bo: restarted | the pool" in said
    assert "`db-down`" in said
    assert "| connections | 50 | 99 | 99 | 40 | > 90 |" in said
    assert not room.records._is_due(room.now)


def test_it_is_in_chinese_where_the_plan_is(tmp_path: Path):
    room = Room(tmp_path, a_plan(language="zh"), MONDAY_3AM)
    a_night(room)
    room.keep()
    assert "# 故障 1 复盘：99 connections on db-1" in text(room)
    assert "## 促成因素" in text(room)
    room.close()


def test_what_people_wrote_survives_and_the_timeline_goes_on(room: Room):
    a_night(room)
    room.keep()
    fill(room, "## What went well", "Thanks to all.\n\n## What went well\n\nThe pool was restarted in a minute.")
    fill(room, "- 10:04 P1 opened", "- 10:04 (we saw it earlier) P1 opened")
    room.says(Note(1, "the pool was too small", by="ana"))
    room.says(MovePaper(1, Stage.IN_REVIEW, by="bo"))
    room.passes(minutes=2)
    room.keep()
    said = text(room)
    assert "Thanks to all." in said
    assert "The pool was restarted in a minute." in said
    assert "(we saw it earlier)" in said
    assert "Ana: the pool was too small" in said, "new facts stand below a part that people took over"
    assert "_It waits for review._" in said


def test_actions_in_the_file_go_to_the_ledger_and_a_tick_closes_them(room: Room):
    a_night(room)
    room.keep()
    fill(room, "|  |  |  |  |", "| size the pool | Bo | 2026-12-01 |  |\n| alert earlier | @lead | 2026-12-02 | no |")
    room.passes(minutes=2)
    room.keep()
    rows = room.views.risks()
    assert [(row.title, row.owner, row.due, row.source) for row in rows] == [
        ("size the pool", "bo", date(2026, 12, 1), "postmortem:1"),
        ("alert earlier", "lead", date(2026, 12, 2), "postmortem:1"),
    ]
    fill(room, "| 2026-12-01 |  |", "| 2026-12-01 | x |")
    room.passes(minutes=2)
    room.keep()
    assert [row.title for row in room.views.risks()] == ["alert earlier"]
    room.says(CloseRisk(2, by="lead"))
    daemon = room.daemon()
    daemon.keep()
    assert room.views.risks() == [], "a daemon that reads the file anew takes nothing back"


def test_what_is_missing_is_named_until_nothing_is(room: Room):
    a_night(room)
    room.keep()
    missing = room.views.post_mortem_missing(1, "en", data_dir=room.folder)
    assert missing is not None
    assert missing[:2] == ["Section “Summary” is empty.", "Section “Impact” is empty."]
    assert missing[-1] == "There is no action. Write a row, or: none."
    for heading in ("Summary", "Contributing factors", "What went well", "What went badly", "Where we were lucky"):
        fill(room, f"## {heading}\n", f"## {heading}\n\nwords\n")
    fill(room, "<!-- opswatch:impact -->", "Twelve orders.\n\n<!-- opswatch:impact -->")
    fill(room, "|  |  |  |  |", "| one |  |  |  |\n| two | zed | soon |  |")
    assert room.views.post_mortem_missing(1, "en", data_dir=room.folder) == [
        "Action “one” has no owner.",
        "Action “one” has no date.",
        "Action “two”: nobody is called zed.",
        "Action “two”: soon is no date, write YYYY-MM-DD.",
    ]
    fill(room, "| one |  |  |  |\n| two | zed | soon |  |", "none")
    assert room.views.post_mortem_missing(1, "zh", data_dir=room.folder) == []
    assert room.views.post_mortem_missing(2, "en", data_dir=room.folder) is None


def test_a_file_that_was_begun_in_one_language_is_read_in_any():
    form = paper_form.read("## 改进措施\n\n- [ ] 换盘 @bo 2026-12-01\n- [x] 加告警 team:dba\n\n## Impact\nmuch\n")
    assert [(row.title, row.owner, row.due, row.is_done) for row in form.rows] == [
        ("换盘", "bo", "2026-12-01", False),
        ("加告警", "team:dba", "", True),
    ]
    assert form.sections["impact"] == "much"


def test_a_short_review_asks_five_lines(tmp_path: Path):
    base = a_plan()
    bo = replace(base.people["bo"], day=parse_window(None, "12:00", "20:00"))
    room = Room(tmp_path, replace(base, people={**base.people, "bo": bo}), MONDAY_3AM)
    room.says(Open("printer smokes", "orders", Priority.P2, by="bo"))
    room.says(Acknowledge(1, by="bo"))
    room.says(Resolve(1, by="bo"))
    room.keep()
    assert "# Short review of incident 1: printer smokes" in text(room)
    assert "Contributing factors" not in text(room)
    missing = room.views.post_mortem_missing(1, "en", data_dir=tmp_path)
    assert missing is not None
    assert len(missing) == 5
    fill(room, "- **What happened**:", "- **What happened**: it smoked")
    fill(room, "- **What it cost**:", "- **What it cost**:\n  ten pages\n")
    missing = room.views.post_mortem_missing(1, "en", data_dir=tmp_path)
    assert missing is not None
    assert len(missing) == 3
    (row,) = room.views.papers()
    assert (row.kind, row.owner, row.is_overdue) == (PaperKind.REVIEW, "bo", False)
    room.close()


def test_a_published_paper_is_on_the_list_of_all_for_good(room: Room):
    a_night(room)
    room.says(MovePaper(1, Stage.PUBLISHED, by="lead"))
    room.passes(days=3)
    assert room.views.papers() == []
    (row,) = room.views.papers(include_published=True)
    assert (row.stage, row.title, row.is_overdue) == ("published", "99 connections on db-1", False)
    assert "Published by Lead" in (room.views.post_mortem(1) or "")


def test_what_is_due_outlives_the_process(room: Room):
    a_night(room)
    room.says(AddRisk("no spare disk", owner="ana", due=date(2026, 11, 17), by="ana"))
    room.passes(minutes=1)
    again = Desk(room.store, Engine(room.views.plan), lambda: room.now)
    again.refresh()
    with again.looking() as (state, _):
        assert state.paper_deadlines.first() == datetime(2026, 11, 16, 22, 11, tzinfo=UTC), "nearly due"
    assert [row.incident for row in Views(again, room.store, lambda: room.now).papers()] == [1]
    assert [row.id for row in Views(again, room.store, lambda: room.now).risks()] == [1]


# ---------------------------------------------------------------------------------------------------------------------
# Hand-overs


def message(room: Room, event: str) -> Message:
    """The notice of this event, as its reader gets it."""
    settings = assemble.read_config(ROOT / "config.example.toml", room.now, for_looking=False).settings
    composer = Composer(room.desk, room.store, settings, Playbooks(()), Links("http://ops", Secret("k" * 32)))
    claimed = room.store.claim("ops-1", room.now, MINUTE, 100)
    promise = next(one for one in claimed if getattr(one.body, "event", "") == event)
    return composer._rendered(promise, room.now)


def test_at_the_end_of_a_shift_the_next_person_gets_a_file_and_a_message(room: Room):
    room.keep()
    a_night(room)
    room.says(Open("printer smokes", "orders", Priority.P2, by="ana"))
    room.says(AddRisk("no spare disk", Severity.HIGH, "ana", date(2026, 11, 17), by="ana"))
    room.now = datetime(2026, 11, 16, 8, 0, 9, tzinfo=UTC)
    room.keep()
    assert not file(room, "2026-11-16-primary-0900", "handover").exists()
    room.passes(seconds=1)
    assert room.records._is_due(room.now)
    room.keep()
    said = file(room, "2026-11-16-primary-0900", "handover").read_text(encoding="utf-8")
    assert "# Hand-over: primary, Mon 16 Nov 09:00" in said
    assert "- From: **Ana**\n- To: **Bo**, until Mon 23 Nov 09:00" in said
    assert "**1 incident open, 1 post-mortem owed, 1 risk due**" in said
    room.daemon().keep()
    notices = [row for row in room.store.messages() if "/handover/" in row.id]
    assert [(row.person, row.channel) for row in notices] == [("bo", "webhook")]
    sent = message(room, "handover")
    assert sent.title == "You are on call: primary"
    assert "#2 P2 Order pipeline: printer smokes" in sent.text
    assert "opswatch handoff --roster primary" in sent.text
    assert sent.payload["kind"] == "notice"


def test_a_hand_over_of_long_ago_tells_nobody_anything(room: Room):
    room.keep()
    room.now = datetime(2026, 11, 16, 20, tzinfo=UTC)
    room.daemon().keep()
    assert list((room.folder / "records").glob("handover/*")) == []


def test_it_can_be_asked_for_at_any_time(room: Room):
    a_night(room)
    said = room.views.hand_over("primary", "zh")
    assert "交班：**Ana**" in said
    assert "opswatch:" not in said
    with pytest.raises(KeyError):
        room.views.hand_over("prime")


def test_a_reminder_names_the_incident_its_date_and_the_command(room: Room):
    a_night(room)
    room.passes(minutes=1)
    sent = message(room, "paper_owed")
    assert sent.title == "Post-mortem owed: #1 99 connections on db-1"
    assert "Due: Tue 17 Nov 10:11 (Asia/Shanghai)" in sent.text
    assert "opswatch postmortem show 1" in sent.text
    assert (sent.card, sent.ref, sent.loud) == ("", None, False), "it edits no card and wakes nobody"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_catalogues_have_the_same_words(language: str):
    other = {"en": "zh", "zh": "en"}[language]
    texts = (ROOT / "opswatch" / "locale" / f"documents-papers.{name}.toml" for name in (language, other))
    mine, theirs = (tomllib.loads(path.read_text(encoding="utf-8")) for path in texts)
    assert {name: set(words) for name, words in mine.items()} == {name: set(words) for name, words in theirs.items()}

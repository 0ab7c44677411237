"""The review's files: written on Monday morning by a child process, once; and words in both languages."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.core.effects import Entry
from opswatch.core.events import Acknowledge, AddSilence, Note
from opswatch.core.model import Priority, Secret
from opswatch.core.plan import PriorityRule
from opswatch.core.review import Facts, Review, review
from opswatch.core.roster import Rosters
from opswatch.loops.reviews import ReviewFiles, last_due
from opswatch.records import for_reading
from opswatch.render.review_json import as_values
from opswatch.render.review_page import html, markdown
from opswatch.reviewing import Child, NotMade, Task
from tests.house.project import ROOT
from tests.records.room import Room, team

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)  # of ISO week 47


def files(room: Room) -> ReviewFiles:
    address = Secret(f"sqlite:{room.folder / 'opswatch.db'}")
    return ReviewFiles(room.desk, room.store, address, room.folder, lambda: room.now, room.node)


def a_week(folder: Path) -> Room:
    """One incident on Wednesday that Bo answered, seen at the end of the week."""
    room = Room(folder, team(language="en"), MONDAY + 2 * DAY + 3 * HOUR)
    room.fails()
    room.passes(minutes=6)
    room.says(Acknowledge(1, by="bo"))
    room.says(Note(1, "noise: <b>the batch</b> does | this", by="bo"))
    room.recovers()
    room.now = MONDAY + 7 * DAY
    return room


@pytest.mark.parametrize(
    ("now", "week"),
    [
        (MONDAY + 5 * HOUR, MONDAY - 14 * DAY),
        (MONDAY + 6 * HOUR, MONDAY - 7 * DAY),
        (MONDAY + 6 * DAY, MONDAY - 7 * DAY),
    ],
)
def test_a_week_is_due_on_monday_at_six(now: datetime, week: datetime):
    assert last_due("week", "UTC", now) == (week, week + 7 * DAY)


def test_it_is_written_once_and_what_people_write_stays(tmp_path: Path):
    room = a_week(tmp_path)
    folder, loop = tmp_path / "records" / "review", files(room)
    loop.keep(room.now + 5 * HOUR)
    assert not (folder / "2026-W47.md").exists()
    loop.keep(room.now + 6 * HOUR)
    file = folder / "2026-W47.md"
    text = file.read_text(encoding="utf-8")
    assert "1 incident (1 P1), 2 pages" in text
    assert "Ana" in text and "in 1 incident" in text  # The ladder climbed past her.
    page = (folder / "2026-W47.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert file.stat().st_mode & 0o777 == (folder / "2026-W47.html").stat().st_mode & 0o777 == 0o660
    file.write_text(text + "\nWe move the batch.\n", encoding="utf-8")
    before = file.stat().st_mtime_ns
    files(room).keep(room.now + 2 * DAY)
    assert file.stat().st_mtime_ns == before
    room.close()


def test_only_the_node_with_the_lease_writes(tmp_path: Path):
    room = a_week(tmp_path)
    now = room.now + 7 * HOUR
    assert room.store.lease("records", "another", now, HOUR)
    files(room).keep(now)
    assert not (tmp_path / "records" / "review").exists()
    room.close()


def test_a_week_before_opswatch_ran_gets_no_file(tmp_path: Path):
    room = Room(tmp_path, team(), MONDAY + 8 * DAY)
    room.starts()
    files(room).keep(room.now)
    assert not (tmp_path / "records" / "review").exists()
    room.close()


def test_a_child_that_fails_says_why_and_one_that_is_stopped_ends(tmp_path: Path):
    child = Child()
    task = Task(team(), Secret(f"sqlite:{tmp_path / 'nothing-here.db'}"), "week", MONDAY, MONDAY)
    with pytest.raises(NotMade, match="nothing-here"):
        child.make(task)
    child.stop()
    with pytest.raises(NotMade, match="stopping"):
        child.make(task)


# ---------------------------------------------------------------------------------------------------------------------
# Words


def seen(room: Room) -> Review:
    room.says(AddSilence((("target", "=", "db-2"),), room.now + 20 * DAY, "rebuilding <it>", by="lead"))
    return room.views.review("week", MONDAY)


def test_what_people_wrote_is_safe_in_both(tmp_path: Path):
    room = a_week(tmp_path)
    found = seen(room)
    for language in ("en", "zh"):
        page = html(found, room.views.plan, language=language)
        assert "<b>the batch</b>" not in page
        assert "&lt;b&gt;the batch" in page
        assert not re.search(r"<script|https?://|url\(", page), "it stands by itself"
        text = for_reading(markdown(found, room.views.plan, language=language).text)
        assert "&lt;b>the batch&lt;/b> does \\| this" in text
        assert "?" not in re.sub(r"What follows from this week\?", "", text), "a fact is missing"
    room.close()


def test_every_word_of_the_page_is_chinese_where_it_should_be(tmp_path: Path):
    room = a_week(tmp_path)
    text = for_reading(markdown(seen(room), room.views.plan, language="zh").text)
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads and all(any("一" <= letter <= "鿿" for letter in head) for head in heads)
    room.close()


def test_as_json_it_has_the_same_numbers(tmp_path: Path):
    room = a_week(tmp_path)
    values = as_values(seen(room))
    assert [one["opened"] for one in values["figures"]] == [0, 1, 0, 0]
    assert values["figures"][1]["acked"]["median"] == 360.0
    assert (values["start"], values["told"][0]["tag"]) == ("2026-11-16T00:00:00Z", "noise")
    room.close()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            (
                "| P1 | 1: #1 | – | 1: #1 |",
                "Lead took it Mon 23 Nov 04:03, 2d 2h ago, and it is still open",
                "it has held back 1 alert so far",
                "it has held back nothing so far",
                "2 promises broken",
                "1 incident was taken more than a day ago",
            ),
        ),
        (
            "zh",
            (
                "| P1 | 1 次：#1 | – | 1 次：#1 |",
                "接手，已 2 天 2 小时，仍未关闭",
                "至今压下 1 条告警",
                "至今没有压下任何告警",
            ),
        ),
    ],
)
def test_broken_promises_and_what_is_forgotten_stand_in_it(tmp_path: Path, language: str, said: tuple[str, ...]):
    promises = {Priority.P1: PriorityRule("always", MINUTE * 30, DAY * 3, DAY * 2)}
    room = Room(tmp_path, team(priorities=promises), MONDAY + 3 * HOUR)
    room.says(AddSilence((("target", "=", "db-2"),), room.now + 20 * DAY, "moving", by="lead"))
    room.says(AddSilence((("target", "=", "db-9"),), room.now + 20 * DAY, "moving", by="lead"))
    room.fails(target="db-2")
    room.passes(days=7)
    room.fails()
    room.passes(hours=1, minutes=3)
    room.says(Acknowledge(1, by="lead"))
    room.passes(days=2, hours=2)
    found = room.views.review("week", MONDAY + 7 * DAY)
    text = for_reading(markdown(found, room.views.plan, language=language).text)
    page = html(found, room.views.plan, language=language)
    for words in said:
        assert words in text, text
        assert words.startswith("|") or words in page
    values = as_values(found)
    assert values["broken"][1] == {"priority": "P1", "ack": [1], "update": [], "resolve": [1]}
    assert values["held"] == {"1": 1, "2": 0}
    room.close()


def test_an_empty_week_is_a_page_too():
    plan = team()
    found = review(Facts([]), plan, Rosters(plan), kind="week", start=MONDAY, now=MONDAY + 8 * DAY)
    assert "Quiet: no incident, no page." in markdown(found, plan).text
    assert "Nobody was paged." in html(found, plan)


def test_a_week_of_ten_thousand_incidents_stays_a_page():
    plan, entries = team(), []
    for number in range(1, 10_001):
        at, page = MONDAY + number * timedelta(seconds=30), {"page": f"{number}/1/1/1/ana/1", "person": "ana"}
        facts = {"title": "x" * 500, "priority": "P1", "policy": "standard", "alert": f"db/db-{number % 9}"}
        entries += [Entry(at, "triggered", number, facts=facts), Entry(at, "page_promised", number, facts=page)]
    found = review(Facts(entries), plan, Rosters(plan), kind="week", start=MONDAY, now=MONDAY + 8 * DAY)
    assert found.pages == 10_000
    assert len(html(found, plan)) < 300_000
    assert len(markdown(found, plan).text) < 100_000


def catalogue(language: str) -> dict[str, dict[str, str]]:
    text = (ROOT / "opswatch" / "locale" / f"review.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def test_both_languages_have_the_same_words_and_facts():
    english, chinese = catalogue("en"), catalogue("zh")
    assert {section: list(words) for section, words in english.items()} == {
        section: list(words) for section, words in chinese.items()
    }
    facts = re.compile(r"\{\w+\??\}")
    for section, words in english.items():
        for key, template in words.items():
            other = chinese[section][key]
            assert set(facts.findall(other)) == set(facts.findall(template)), f"{section}.{key}"

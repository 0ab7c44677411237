"""What happened is handed out whole, in three forms, without a secret, and never half."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch import exports
from opswatch.core.engine import Engine
from opswatch.core.events import Acknowledge, Observed
from opswatch.core.model import Failure, Verdict
from opswatch.desk import Desk
from opswatch.errors import OpswatchError
from opswatch.stores import Store, sql
from tests.story import two_levels

START = datetime(2026, 11, 16, 2, tzinfo=UTC)
Export = Callable[..., exports.Exported]


@pytest.fixture
def export(store: Store, tmp_path: Path) -> Export:
    """After a week in which db-1 failed each day and somebody took it."""
    now = START
    desk = Desk(store, Engine(two_levels()), lambda: now)
    for day in range(7):
        now = START + timedelta(days=day)
        desk.apply(Observed("db", "db-1", Verdict(now, "=cmd|' /C calc'!A0", failures=(Failure("no answer"),))))
        desk.answer(Acknowledge(day + 1, by="ana"))
        now += timedelta(minutes=10)
        desk.apply(Observed("db", "db-1", Verdict(now, "answers")))
    log = tmp_path / "var" / "records" / "postmortem"
    log.mkdir(parents=True)
    (log / "1.md").write_text("# what we learned: 磁盘")
    os.utime(log / "1.md", (START.timestamp(), START.timestamp()))

    def out(name: str, **span: datetime) -> exports.Exported:
        both: dict[str, datetime | None] = {"start": None, "end": None, **span}
        return exports.export(desk, store, tmp_path / "var", tmp_path / name, START + timedelta(days=8), **both)

    return out


def test_a_sqlite_file_answers_questions(export: Export):
    done = export("week.db")
    with sqlite3.connect(done.place) as database:
        counts = dict(
            database.execute("SELECT id, (SELECT COUNT(*) FROM timeline WHERE incident = i.id) FROM incidents i")
        )
        assert sorted(counts) == list(range(1, 8))
        assert min(counts.values()) > 4
        assert database.execute("SELECT DISTINCT person FROM pages WHERE kind = 'page'").fetchall() == [("ana",)]
        assert database.execute("SELECT owner, status FROM incidents WHERE id = 3").fetchone() == ("ana", "resolved")
        assert database.execute("SELECT kind FROM documents").fetchall() == [("postmortem",)]
        assert database.execute("PRAGMA foreign_key_list(timeline)").fetchall()
    assert done.rows["incidents"] == 7


def test_a_span_holds_what_was_open_in_it(export: Export):
    day = START + timedelta(days=2)
    done = export("day.jsonl", start=day - timedelta(hours=1), end=day + timedelta(hours=1))
    rows = [json.loads(line) for line in done.place.read_text().splitlines()]
    assert [row["id"] for row in rows if row["table"] == "incidents"] == [3]
    told = [row for row in rows if row["table"] == "timeline"]
    assert {row["incident"] for row in told} <= {3, None}
    assert isinstance(told[0]["facts"], dict)


def test_spreadsheets_calculate_nothing_of_it(export: Export):
    done = export("week")
    with (done.place / "incidents.csv").open(encoding="utf-8-sig", newline="") as stream:
        titles = [row["title"] for row in csv.DictReader(stream)]
    assert len(titles) == 7
    for file in done.place.glob("*.csv"):
        with file.open(encoding="utf-8-sig", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@"))]


def test_no_contact_leaves(export: Export):
    secrets = [way.reveal() for person in two_levels().people.values() for way in person.contacts.values()]
    text = export("week.jsonl").place.read_text()
    assert secrets
    assert not [secret for secret in secrets if secret in text]


def test_pages_of_rows_leave_nothing_out(export: Export, monkeypatch: pytest.MonkeyPatch):
    whole = export("whole.jsonl")
    monkeypatch.setattr(sql, "HANDOUT_PAGE", 2)
    monkeypatch.setattr(exports, "PAGE", 3)
    small = export("small.jsonl")
    assert small.place.read_text() == whole.place.read_text()


def test_nothing_is_overwritten_and_nothing_half_written(export: Export, tmp_path: Path):
    (tmp_path / "mine.db").write_text("keep me")
    with pytest.raises(OpswatchError, match="exists"):
        export("mine.db")
    with pytest.raises(OpswatchError, match="nothing lies between"):
        export("none.db", start=START, end=START)
    assert (tmp_path / "mine.db").read_text() == "keep me"
    assert not list(tmp_path.glob(".opswatch-export-*"))

"""What a roster's channel reads: who is on call now, and who will be this week, in the roster's zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch import render
from opswatch.core.effects import Announce, Notice
from opswatch.core.plan import Person, Plan, Roster
from opswatch.core.roster import Shift
from opswatch.render.shift_notices import LINES_MAX, shift_notice

NOW = datetime(2026, 1, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = Plan(
    people={"bo": Person("bo", "Bo", "Asia/Shanghai"), "chen": Person("chen", "陈伟", "Asia/Shanghai", "zh")},
    rosters={"primary": Roster("primary", (), "Asia/Shanghai")},
)


def link(*_: object, **__: object) -> str:
    return "http://opswatch/rosters"


def change(plan: Plan = PLAN, **facts: object) -> str:
    given = {"roster": "primary", "people": ["bo"], "whose": ["chen"], "until": (NOW + DAY).isoformat(), **facts}
    return shift_notice(plan, Announce("ops", "on_call", "1", facts=given), (), id="a", link=link, at=NOW).text


def test_a_change_names_who_is_on_call_until_when_and_who_was():
    said = change(following=["chen"])
    assert "Bo is on call for primary now" in said
    assert "Before: 陈伟" in said and "Then: 陈伟" in said
    assert "Until: Tue 6 Jan 09:00 (Asia/Shanghai)" in said


def test_a_gap_is_said_as_one():
    assert "Nobody is on call for primary: Bo is paged in its place" in change(fallback=True)
    assert "Nobody is on call for primary" in change(people=[])


def test_in_chinese_too():
    assert "primary 现由 Bo 值班" in change(replace(PLAN, language="zh"))


def test_the_week_ahead_lists_its_shifts_and_gaps():
    shifts = [Shift(NOW, NOW + DAY, ("bo",), "l", None), Shift(NOW + DAY, NOW + 2 * DAY, (), None, None)]
    body = Announce("ops", "week_ahead", "1", facts={"roster": "primary"})
    said = shift_notice(PLAN, body, shifts, id="a", link=link, at=NOW).text
    assert "On call for primary this week" in said
    assert "Mon 5 Jan 09:00 (Asia/Shanghai): Bo" in said and "Tue 6 Jan 09:00 (Asia/Shanghai): nobody" in said
    many = shift_notice(PLAN, body, shifts * LINES_MAX, id="a", link=link, at=NOW).text
    assert f"and {LINES_MAX} more" in many


def test_a_reminder_says_from_when_until_when_and_how_to_find_somebody_else():
    facts = {"roster": "primary", "at": NOW.isoformat(), "until": (NOW + DAY).isoformat()}
    for person, words in (
        ("bo", "You are on call for primary from Mon 5 Jan 09:00"),
        ("chen", "你将于 1月5日 周一 09:00"),
    ):
        body = Notice(None, person, "webhook", "shift_soon", "1", facts)
        said = render.notice(PLAN, body, id="n", link=link, at=NOW).text
        assert words in said
        assert "swap ask" in said

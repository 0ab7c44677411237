"""Hours on call in words: in the reader's language, on their clocks and on the roster's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opswatch import render
from opswatch.core.effects import Done, Notice
from opswatch.core.plan import Roster
from tests.story import person, two_levels

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CHANGE = ["primary", NOW.isoformat(), (NOW + DAY).isoformat(), ["chen"], ["li"]]


def team():
    people = {
        "chen": replace(person("chen"), name="Chen Wei", language="zh", timezone="Asia/Shanghai"),
        "li": replace(person("li"), timezone="Europe/Berlin"),
    }
    return replace(two_levels(), people=people, rosters={"primary": Roster("primary", (), "Asia/Shanghai")})


def notice(who: str, event: str, **facts: object) -> str:
    body = Notice(None, who, "webhook", event, "s", facts)
    return render.notice(team(), body, id="n", link=lambda *a, **k: None, at=NOW).text


def test_a_change_names_both_zones_once_each():
    said = render.answer("en", Done("override_added", {"id": 3, "roster": "primary", "changes": [CHANGE]}), plan=team())
    assert said == (
        "Override 3 of primary is in place.\n"
        "- primary, Tue 24 Nov 01:00 – Wed 25 Nov 01:00 (UTC) = Tue 24 Nov 09:00 – Wed 25 Nov 09:00 (Asia/Shanghai): "
        "Li instead of Chen Wei"
    )


def test_a_notice_is_in_the_language_and_zone_of_who_reads_it():
    said = notice("chen", "shifts_changed", changes=[CHANGE], by="li")
    assert "你的班次有变动，由 Li" in said
    assert "11月24日 周二 09:00 至 11月25日 周三 09:00（Asia/Shanghai）：Li 替换 Chen Wei" in said
    assert "Your shifts change, by Chen Wei" in notice("li", "shifts_changed", changes=[CHANGE], by="chen")


def test_a_request_says_when_what_for_and_how_to_take_it():
    hours = [["primary", NOW.isoformat(), (NOW + DAY).isoformat()]]
    back = ["primary", (NOW + 7 * DAY).isoformat(), (NOW + 8 * DAY).isoformat()]
    said = notice("li", "swap_asked", id=7, roster="primary", person="chen", hours=hours, wanted=back, text="wedding")
    for words in ("Chen Wei asks whether you swap a shift: primary", "Tue 1 Dec 02:00", "wedding", "swap accept 7"):
        assert words in said


def test_what_changes_in_each_way_has_its_words():
    def who(before: list[str], after: list[str]) -> str:
        facts = {"id": 1, "roster": "primary", "changes": [[*CHANGE[:3], before, after]]}
        return render.answer("en", Done("override_added", facts), plan=team(), zone="Asia/Shanghai").rpartition(": ")[2]

    assert who(["chen"], ["chen", "li"]) == "Li as well"
    assert who([], ["li"]) == "Li, where nobody was on call"
    assert who(["chen", "li"], ["li"]) == "without Chen Wei"
    assert who(["chen"], []) == "nobody instead of Chen Wei"


def test_a_long_list_is_cut_and_says_so():
    many = {"id": 1, "roster": "primary", "changes": [CHANGE] * 40}
    assert render.answer("en", Done("override_added", many), plan=team()).endswith("and 28 more")

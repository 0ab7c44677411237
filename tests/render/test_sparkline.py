"""Sparklines: what is drawn is what was measured, gaps are gaps, and who cannot see it is told the same."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as xml
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.core.norms import HOUR
from opswatch.core.plan import Plan
from opswatch.core.trends import Forecast, History, summary
from opswatch.render.documents import Writer
from opswatch.render.sparkline import ahead, bars, course, figure, letters, svg

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 16, tzinfo=UTC)
DAY = timedelta(days=1)


def writer(language: str = "en") -> Writer:
    return Writer(language, plan=Plan(), zone="Asia/Shanghai", day=START)


def did(values: list[float | None], *, limits: tuple[float, ...] = (), item: str = "/var") -> History:
    seen = [(START + n * HOUR, value, value) for n, value in enumerate(values) if value is not None]
    end = START + max(1, len(values)) * HOUR
    numbers = summary([value for value in values if value is not None])
    return History("disk", "host", "used_pct", item, "%", START, end, tuple(seen), numbers, limits, None)


def drawn(history: History, title: str = "x", **size: int) -> dict[str, list[str]]:
    """Class → the paths of that class."""
    root = xml.fromstring(svg(history, title, **size))
    found: dict[str, list[str]] = {}
    for path in root.iter("path"):
        found.setdefault(path.attrib["class"], []).append(path.attrib["d"])
    return found


def test_the_highest_is_at_the_top_and_the_last_has_a_dot():
    found = drawn(did([10, 30, 20]), width=66, height=46, pieces=3)
    assert found["line"] == ["M13 43L33 3L53 23"]
    assert found["last"] == ["M53 23h0"]


def test_a_gap_breaks_the_line():
    found = drawn(did([1, 2, None, 3]), pieces=4)
    assert len(found["line"]) == 2
    assert found["line"][1].endswith("h0"), "a single look is a dot"


def test_a_limit_is_drawn_where_it_does_not_flatten_the_rest():
    assert len(drawn(did([80, 85], limits=(90,)))["limit"]) == 1
    assert "limit" not in drawn(did([1, 1.5], limits=(90,)))


@pytest.mark.parametrize("values", [[], [None, None], [5], [5, 5, 5]])
def test_what_has_no_course_is_drawn_all_the_same(values: list[float | None]):
    found = drawn(did(values))
    assert all(re.fullmatch(r"[MLhZ\d. ]+", path) for paths in found.values() for path in paths)


def test_its_colour_is_the_texts_and_its_title_is_read_out_and_escaped():
    text = svg(did([1, 2]), 'used_pct of "/a&b" <script>')
    root = xml.fromstring(text)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root.findtext("title") == 'used_pct of "/a&b" <script>'
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', text))
    assert colours == {"currentColor", "none"}
    assert "style=" not in text, "pages allow no inline styles"


def test_letters_show_the_same():
    assert letters(did([0, 7, None, 3.5]), 4) == "▁█·▅"
    assert letters(did([]), 3) == "···"
    assert bars([2, 2]) == "▁▁"
    assert bars([]) == ""


def test_who_cannot_see_it_is_told():
    history = did([41.04, 62, 58], limits=(90,))
    assert course(writer(), history) == (
        "used_pct of /var: 41.04 to 62 %, last 58 %, Mon 16 Nov 08:00 to Mon 16 Nov 11:00, limit 90"
    )
    assert "限值 90" in course(writer("zh"), history)
    assert course(writer(), did([], item="")).startswith("used_pct: nothing was measured")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (12.4 * DAY, "reaches 90 % in 12d at +1.5 % a day"),
        (1.5 * DAY, "reaches 90 % in 1d 12h at +1.5 % a day"),
        (0 * DAY, "past 90 % now"),
    ],
)
def test_when_a_limit_is_reached_in_words(left: timedelta, words: str):
    assert ahead(writer(), Forecast(1.5, 71, 90, left, 28), "%") == words


def test_it_is_said_in_chinese_too():
    assert ahead(writer("zh"), Forecast(-1.5, 12, 10, 2 * DAY, 28), "%") == "按每天 -1.5 %，2 天后达到 10 %"


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (41.04, "41.04"), (93.12345, "93.12"), (1234567.8, "1,234,568"), (1e-7, "1e-07")]
)
def test_figures_are_short(value: float, said: str):
    assert figure(value) == said


def test_both_languages_say_the_same_things():
    catalogues = [
        tomllib.loads((ROOT / "opswatch" / "locale" / f"documents-values.{language}.toml").read_text(encoding="utf-8"))
        for language in ("en", "zh")
    ]
    english, chinese = (one["values"] for one in catalogues)
    assert english.keys() == chinese.keys()
    for key, words in english.items():
        assert sorted(re.findall(r"\{(\w+)", words)) == sorted(re.findall(r"\{(\w+)", chinese[key])), key

"""What somebody writes who comes from another tool: each mistake is answered with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.site import Site

PEOPLE = (
    '[[person]]\nid = "chen"\nrole = "admin"\ncontact = { webhook = "http://127.0.0.1/chen" }\n'
    '[[person]]\nid = "li"\ncontact = { webhook = "http://127.0.0.1/li" }\n'
)
LAYER = {
    "id": '"week"',
    "participants": '[["chen"], ["li"]]',
    "turn": '"1 week"',
    "starts": "2026-11-23T09:00:00",
}


def roster(**keys: str) -> str:
    """A roster of one layer with these keys, as TOML writes their values."""
    lines = [f"{key} = {value}\n" for key, value in {**LAYER, **keys}.items()]
    return f'{PEOPLE}[[roster]]\nid = "primary"\n[[roster.layer]]\n{"".join(lines)}'


def told(tmp_path: Path, text: str) -> list[str]:
    return [str(problem) for problem in Site(tmp_path).writes(text).problems()]


def only(tmp_path: Path, text: str) -> str:
    (words,) = told(tmp_path, text)
    return words


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Shanghai", "Asia/Shanghai"),
        ("Asia/Shangai", "Asia/Shanghai"),
        ("asia/dubai", "Asia/Dubai"),
        ("Beijing", "Asia/Shanghai"),
        ("Asia/Beijing", "Asia/Shanghai"),
        ("New York", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("Europe/Munic", "Europe/Berlin"),
        ("San Francisco", "America/Los_Angeles"),
        ("US/Eastrn", "US/Eastern"),
        ("PST", "America/Los_Angeles"),
        ("CEST", "Europe/Berlin"),
    ],
)
def test_a_city_or_an_abbreviation_leads_to_its_zone(tmp_path, written, meant):
    assert f"(did you mean {meant}?)" in only(tmp_path, roster(timezone=f'"{written}"'))


@pytest.mark.parametrize("written", ["CST", "UTC+8", "GMT-3", "+08:00"])
def test_an_offset_is_no_zone_and_none_is_guessed(tmp_path, written):
    words = only(tmp_path, roster(timezone=f'"{written}"'))
    assert "do not know when clocks change" in words and "did you mean" not in words


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("weekly", "1 week"),
        ("Daily", "1 day"),
        ("a week", "1 week"),
        ("biweekly", "2 weeks"),
        ("7d", "7 days"),
        ("12h", "12 hours"),
        ("1w", "1 week"),
        ("2mo", "2 months"),
    ],
)
def test_turns_as_other_tools_write_them(tmp_path, written, meant):
    assert f"(did you mean {meant}?)" in only(tmp_path, roster(turn=f'"{written}"'))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('["chen", "li"]', 'each a list of people: [["chen"], ["li"]]; all on call at once: [["chen", "li"]]'),
        ('"chen, li"', '[["chen"], ["li"]]; all on call at once: [["chen", "li"]]'),
        ('["chen"]', 'each a list of people: [["chen"]]'),
        ('["a", "b", "c", "d"]', '[["a"], ["b"], ["c"], …]; all on call at once: [["a", "b", "c", …]]'),
        ("[]", "write at least one turn"),
        ('[["chen"], []]', "turn 2 is empty"),
        ('[["Chen"]]', "(did you mean chen?)"),
        ('[["wang"]]', "no person has this id; known are chen, li"),
    ],
)
def test_participants_are_turns_of_people(tmp_path, written, words):
    assert words in only(tmp_path, roster(participants=written))


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ("weekdays", "did you mean 'mon-fri'?"),
        ("weekend", "did you mean 'sat,sun'?"),
        ("mon,tues", "'tues' names no day; did you mean 'tue'?"),
        ("mon,workdays", "cannot be mixed"),
        ("32", "no day of a month"),
    ],
)
def test_days_that_are_none(tmp_path, days, words):
    assert words in only(tmp_path, roster(windows=f'[{{ days = "{days}" }}]'))


def test_a_key_in_the_wrong_table_says_where_it_belongs(tmp_path):
    words = only(tmp_path, roster(fallback='["person:chen"]'))
    assert words.endswith("a key of [[roster]]: write it above the first [[roster.layer]]")
    missing, turn = told(tmp_path, '[[roster]]\nid = "primary"\nturn = "1 week"\n')
    assert "layer: is required" in missing
    assert turn.endswith("a key of a layer: write it below a line [[roster.layer]]")
    words = only(tmp_path, f'{PEOPLE}[[policy]]\nid = "p"\n[[policy.level]]\npage = "person:li"\nrepeat = 2\n')
    assert words.endswith("a key of [[policy]]: write it above the first [[policy.level]]")
    words = only(tmp_path, '[[person]]\nid = "bo"\nphone = "+1"\n')
    assert words.endswith('a way to reach somebody: write contact = { phone = "…" }')


def test_one_table_where_a_list_belongs_is_looked_into_all_the_same(tmp_path):
    text = roster(turn='"weekly"').replace("[[roster.layer]]", "[roster.layer]")
    brackets, turn = told(tmp_path, text)
    assert brackets.endswith("a list of tables: write [[roster.layer]], or layer = [{ … }]")
    assert "did you mean 1 week?" in turn
    words = only(tmp_path, roster(windows='{ days = "mon-fri" }'))
    assert words.endswith("a list of tables: write [[roster.layer.windows]], or windows = [{ … }]")


def test_what_is_right_of_a_layer_is_looked_at_beside_what_is_wrong(tmp_path):
    problems = told(tmp_path, roster(timezone='"Shanghai"', participants="[[]]", every='"1 day"'))
    assert [
        words
        for words in ("did you mean Asia/Shanghai", "turn 1 is empty", "two turns would overlap")
        if not any(words in problem for problem in problems)
    ] == []
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("starts = 2026-11-23 9:00", "has two digits everywhere, and seconds: 2026-01-05T09:00:00"),
        ("starts = 2026-11-23T09:00", "has two digits everywhere, and seconds: 2026-01-05T09:00:00"),
        ('windows = [{ from = 09:00, to = "10:00" }]', 'write a time of day in quotes: "09:00"'),
        ("wait = 5m", 'write spans in quotes: "5m", "1 week"'),
        ("id = sun", "write text in quotes"),
        ("participants = [[chen], [li]]", "write text in quotes"),
        ('participants = [["chen"] ["li"]]', "a comma stands between the parts of a list"),
        ('turn: "1 week"', "joined by `=`, not by `:`"),
        ('windows = [{ from = "09:00",', "a table in braces stands on one line"),
    ],
)
def test_what_toml_refuses_is_told_in_words_of_rosters(tmp_path, line, hint):
    words = only(tmp_path, f"[[roster]]\n{line}\n")
    assert "config.toml:2: syntax: not TOML: " in words and hint in words


def test_what_is_not_known_of_toml_is_left_to_its_own_words(tmp_path):
    assert only(tmp_path, 'x = "a = b: c" d\n').endswith("after a statement")

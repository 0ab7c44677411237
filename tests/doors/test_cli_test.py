"""`opswatch test`: scenarios beside the configuration, played by the real command on real files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.doors.terminal import CONFIG, Said, Terminal

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BLOCK = re.compile(r"^```toml\n(config = .*?)^```", re.MULTILINE | re.DOTALL)
HEAD = '[[scenario]]\nat = "2026-01-13 03:00 Europe/Berlin"\n'


@pytest.fixture
def terminal(tmp_path, monkeypatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def plays(terminal: Terminal, text: str, *more: str) -> Said:
    file = terminal.folder / "scenarios.toml"
    file.write_text(text, encoding="utf-8")
    return terminal.says("test", str(file), *more)


def test_five_lines_are_a_useful_file(terminal: Terminal):
    """`config` names the configuration; nothing else has to."""
    text = 'config = "config.toml"\n' + HEAD + 'fails = "orders"\npages = ["+0m bo", "+5m lead", "+15m bo"]\n'
    (terminal.folder / "night.toml").write_text(text, encoding="utf-8")
    said = terminal.says("test", str(terminal.folder / "night.toml"), config=False)
    assert (said.code, said.err) == (0, "")
    assert said.out == "ok      scenario 1\n1 scenario, as expected\n"


def test_what_came_stands_beside_what_was_expected(terminal: Terminal):
    said = plays(terminal, HEAD + 'name = "Night"\nfails = "orders"\npages = ["+0m bo console", "+5m ana"]\n')
    assert said.code == 1
    assert f"FAILED  Night  ({terminal.folder / 'scenarios.toml'}:1)" in said.out
    assert "Tue 2026-01-13 03:00 (Europe/Berlin); P1 because: crit, tier 2 service orders" in said.out
    marks = re.findall(r"^    ([=+-]) (\+\S+) +(\w+)", said.out, re.MULTILINE)
    assert marks == [("=", "+0s", "bo"), ("+", "+5m", "lead"), ("-", "+5m", "ana")]
    assert said.out.endswith("1 of 1 scenarios FAILED\n")


def test_it_needs_no_secret_no_store_and_no_daemon(terminal: Terminal):
    text = CONFIG.replace('store = "sqlite:var/opswatch.db"', 'store = "env:NO_SUCH_STORE"')
    text = text.replace('contact = { console = "bo" }', 'contact = { console = "env:NO_SUCH_ADDRESS" }')
    terminal.writes(text)
    assert plays(terminal, HEAD + 'fails = "orders"\npages = ["+0m bo"]\n').code == 0
    assert not (terminal.folder / "var").exists()


@pytest.mark.parametrize(
    "lines",
    [
        'fails = "db/db-1"\npages = ["+0m bo"]',
        'fails = "db-1"\npages = ["+0m bo"]',
        'fails = "db"\npages = ["+0m bo"]\npriority = "P1"',
        'fails = { target = "db-1", state = "unknown" }\npriority = "P3"\npages = []\nuntil = "+2h"',
        'fails = "orders"\nstate = "warn"\npriority = "P2"\npages = ["+0m bo"]',
        'fails = "orders"\ngiven = ["silence service=orders for 2h because rebuild"]\nquiet = "silenced"\n'
        'pages = ["+2h bo"]',
        'fails = "orders"\ngiven = ["pause 1h because move"]\nexpect = [{ at = "+30m", quiet = "paused" }, '
        '{ nobody = true, before = "+1h" }]',
        'fails = "orders"\ngiven = [{ says = "override primary from 2026-01-12 to 2026-01-14 replace bo by ana", by = '
        '"lead", before = "1d" }]\npages = ["+0m ana console"]',
        'fails = "orders"\nunreachable = ["bo"]\nexpect = [{ at = "+0m", person = "lead", level = 2 }]',
        'fails = "orders"\nexpect = [{ within = "10m", person = "lead", reason = "unanswered" }, { at = "+0m", '
        'roster = "primary" }, { at = "2026-01-13 03:05 Europe/Berlin", person = "lead", policy = "standard" }]',
        'fails = "orders"\nexpect = [{ nobody = true, person = "ana", before = "+8h" }]',
    ],
)
def test_scenarios_that_hold(terminal: Terminal, lines: str):
    said = plays(terminal, HEAD + lines + "\n")
    assert said.code == 0, said.out + said.err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            'expect = [{ at = "+1m", person = "bo" }]',
            "expected a page to bo at +1m: it did not come; the nearest one came at +0s",
        ),
        (
            'expect = [{ within = "2m", person = "lead" }]',
            "expected a page to lead within 2m: it did not come; the nearest one came at +5m",
        ),
        (
            'expect = [{ nobody = true, before = "+8h" }]',
            "nobody was to be paged before +8h: bo was, by console, at +0s",
        ),
        ('priority = "P0"', "at +0s the priority was to be P0, and is P1"),
        ('quiet = "maintenance"', "at +0s the quiet was to be maintenance, and is none"),
        ('expect = [{ at = "+1m", owner = "ana" }]', "at +1m the owner was to be ana, and is none"),
    ],
)
def test_what_does_not_hold_is_said_in_words(terminal: Terminal, lines: str, words: str):
    said = plays(terminal, HEAD + f'fails = "orders"\n{lines}\n')
    assert said.code == 1
    assert words in said.out


def test_people_answer_and_things_recover(terminal: Terminal):
    events = """
[[scenario.event]]
after = "3m"
says = "ack 1"
by = "bo"
[[scenario.event]]
after = "4m"
says = "ack 1"
by = "ana"
refused = true
[[scenario.event]]
after = "20m"
recovers = "orders"
[[scenario.expect]]
at = "+10m"
status = "acknowledged"
owner = "bo"
[[scenario.expect]]
at = "+20m"
status = "resolved"
"""
    assert plays(terminal, HEAD + 'fails = "orders"\npages = ["+0m bo"]\n' + events).code == 0
    said = plays(terminal, HEAD + 'fails = "orders"\npages = ["+0m bo"]\n' + events.replace("refused = true", ""))
    assert said.code == 1
    assert "“ack 1” was refused: Bo has #1 already." in said.out


def test_programs_get_json_and_ci_gets_junit(terminal: Terminal):
    text = HEAD + 'name = "a <b>"\nfails = "orders"\npages = ["+0m bo"]\n' + HEAD + 'fails = "orders"\npages = []\n'
    report = terminal.folder / "report.xml"
    found = plays(terminal, text, "--json", "--junit", str(report))
    assert found.code == 1
    assert (found.json["ok"], found.json["failed"]) == (False, 1)
    good, bad = found.json["scenarios"]
    assert (good["name"], good["ok"], good["pages"][0]["person"]) == ("a <b>", True, "bo")
    assert (bad["ok"], bad["unexpected"][0]["person"], bad["line"]) == (False, "bo", 6)
    suite = ET.fromstring(report.read_text(encoding="utf-8")).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["a <b>", "scenario 2"]
    assert [case.find("failure") is not None for case in cases] == [False, True]


def test_it_speaks_the_readers_language(terminal: Terminal):
    terminal.is_used_by("bo")
    said = plays(terminal, HEAD + 'fails = "orders"\npages = []\n')
    assert said.out.startswith("失败    scenario 1")
    assert "1 个场景中 1 个失败" in said.out


def test_every_mistake_is_told_at_once_with_its_line(terminal: Terminal):
    said = plays(
        terminal,
        'conf = 1\n[[scenario]]\nat = "2026-01-13 03:00 Europe/Berln"\nfails = "orders"\n'
        + HEAD
        + 'fails = "ordrs"\npages = ["+0m leaad", "soon bo", "+1m bo phone"]\ngiven = ["silnce x=y for 2h because z"]\n'
        + HEAD
        + '[[scenario.expect]]\nperson = "bo"\nqiet = "none"\n'
        + '[[scenario.event]]\nafter = "-5m"\nsays = "who"\nby = "bo"\n',
    )
    assert said.code == 2
    lines = said.err.splitlines()
    for number, words in (
        (1, "did you mean config?"),
        (3, "no time zone is called 'Europe/Berln'"),
        (7, "did you mean orders?"),
        (8, "did you mean lead?"),
        (8, "such as '+5m chen phone'"),
        (8, "no contact of bo has this name; known are console"),
        (9, "did you mean silence?"),
        (14, "did you mean quiet?"),
        (16, "a span such as '+5m'"),
    ):
        assert any(f"scenarios.toml:{number}:" in line and words in line for line in lines), (number, words, said.err)
    assert lines[-1].endswith("nothing was loaded")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one [[scenario]]"),
        ("[[scenario]\n", "not TOML"),
        (HEAD, "something that happens"),
        (HEAD + 'fails = "orders"\n', "something to expect"),
        (HEAD + 'fails = "orders"\nexpect = [{ person = "bo" }]\n', "when the page comes"),
        (HEAD + 'fails = "orders"\nexpect = [{ nobody = true }]\n', "until when"),
        (HEAD + 'fails = "orders"\nexpect = [{ at = "+1m" }]\n', "what is expected"),
        (HEAD + 'fails = "orders"\nexpect = [{ at = "90d", nobody = true }]\n', "at most 31 days"),
        ('config = "nowhere.toml"\n' + HEAD + 'fails = "x"\npages = []\n', ""),
    ],
)
def test_a_file_that_is_none_is_refused(terminal: Terminal, text: str, words: str):
    said = plays(terminal, text)
    assert said.code == 2
    assert words in said.err


def test_a_mistake_in_the_configuration_is_told_too(terminal: Terminal):
    terminal.writes(CONFIG.replace('page = ["person:lead"]', 'page = ["person:lena"]'))
    said = plays(terminal, HEAD + 'fails = "orders"\npages = ["+0m bo"]\n')
    assert said.code == 2
    assert "person:lena" in said.err


def test_the_examples_pass_by_the_real_program(tmp_path: Path):
    files = sorted(str(file.relative_to(ROOT)) for file in EXAMPLES.glob("*.scenarios.toml"))
    assert len(files) >= 2
    program = Path(sys.executable).with_name("opswatch")
    ran = subprocess.run(
        [program, "test", *files], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env={"HOME": "/"}
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr


def test_the_page_about_it_shows_what_works(terminal: Terminal):
    page = (ROOT / "docs" / "test.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert len(blocks) >= 3
    for folder in ("examples", "checks", "playbooks"):
        shutil.copytree(ROOT / folder, terminal.folder / "shown" / folder)
    file = terminal.folder / "shown" / "examples" / "stock.toml"
    for block in blocks:
        file.write_text(block, encoding="utf-8")
        said = terminal.says("test", str(file), config=False)
        assert said.code == 0, block + said.out + said.err
    wrong = blocks[0].replace("[[scenario]]", '[[scenario]]\nname = "Stock fails at night"')
    file.write_text(wrong.replace('"+5m nurul slack", "+5m maria email"', '"+5m chen slack"'), encoding="utf-8")
    said = terminal.says("test", str(file), config=False)
    shown = re.search(r"^FAILED  Stock.*?^```", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert said.out.replace(str(file), "stock.toml").strip() == shown[0].removesuffix("```").strip()

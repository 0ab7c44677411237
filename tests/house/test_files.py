"""A file holds one idea, says which, fits a reader's head, and names nothing of the machine it was written on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.project import ROOT, files, named, parsed, python_files

LINES_MAX = 600  # 400 is the habit: past that, ask whether it holds two ideas.
# Files that are longer, and why that is better than two files.
LONGER: dict[str, str] = {}

NOT_OURS = {"LICENSE", "uv.lock"}
TEXT = {"", ".py", ".md", ".toml", ".sql", ".j2", ".html", ".css", ".js", ".json", ".service", ".txt", ".yml", ".yaml"}
# One letter of each stands in brackets, so that this file does not find itself.
ELSEWHERE = re.compile(r"(?<![\w.])/w[o]rk/|\.l[i]brary\b|/r[o]ot/\.pyenv|/h[o]me/(?!(?:you|user|ana|chenw)\b)\w+/")
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")


def text_files() -> list[Path]:
    """Committed files that people read or write, but for those that are copies of somebody else's."""
    found = [path for path in files() if path.suffix in TEXT and named(path) not in NOT_OURS]
    return [path for path in found if "vendor" not in path.parts and not path.name.endswith(".min.js")]


def lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` of every committed line that matches."""
    return [
        f"{named(path)}:{number}: {line.strip()[:100]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_is_too_long_to_read():
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(ROOT)}
    long = {name: length for name, length in lengths.items() if length > LINES_MAX and name not in LONGER}
    assert not long, f"more than {LINES_MAX} lines: {long}"


def test_exceptions_are_still_needed():
    for name, reason in LONGER.items():
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) > LINES_MAX, f"{name} is short again"
        assert len(reason) > 20, f"{name}: say why"


def test_every_module_says_its_idea():
    silent = [named(path) for path in python_files() if not ast.get_docstring(parsed(path))]
    assert not silent, f"a docstring says in a sentence which idea a file holds: {silent}"


def test_no_file_is_named_after_an_idea_not_yet_found():
    vague = {"utils", "helpers", "common", "base", "misc"}
    assert not [named(path) for path in python_files() if path.stem in vague]


def test_nothing_names_the_machine_it_was_written_on():
    assert not (found := lines_that_match(ELSEWHERE)), "\n".join(found)


def test_nothing_is_left_for_later_in_a_comment():
    assert not (found := lines_that_match(UNFINISHED)), "finish it, or open an issue:\n" + "\n".join(found)


@pytest.mark.parametrize("line", ["cd /{w}/main", "see /{r}/.pyenv/versions", "open('/{h}/bob/x')"])
def test_a_machine_path_is_recognised(line: str):
    assert ELSEWHERE.search(line.format(w="work", r="root", h="home"))


@pytest.mark.parametrize(
    "line", ["https://example.org/work/", "network/interfaces", "/home/* is excluded", "homework/"]
)
def test_other_words_are_left_alone(line: str):
    assert not ELSEWHERE.search(line)


def test_shell_scripts_can_be_run_and_stop_at_the_first_error():
    scripts = [
        path for path in files() if path.read_bytes()[:2] == b"#!" and b"sh" in path.read_bytes()[:30].split(b"\n")[0]
    ]
    assert ROOT / ".ci" / "run" in scripts
    for path in scripts:
        assert path.stat().st_mode & 0o111, f"{named(path)} is not executable"
        assert re.search(r"^set -eu", path.read_text(encoding="utf-8"), re.MULTILINE), (
            f"{named(path)} goes on after errors"
        )

"""The standing documents exist, name the version that runs, and link to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import opswatch
from tests.house.project import ROOT, files, named, pyproject

# `[words](place)`; not images of other hosts, not anchors of the same page.
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)\s#]+)[^)]*\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def test_one_version_is_named_everywhere():
    version = pyproject()["project"]["version"]
    assert opswatch.__version__ == version
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "limitations under the License." in text
    assert pyproject()["project"]["license"] == "Apache-2.0"


@pytest.mark.parametrize("page", pages(), ids=named)
def test_links_lead_somewhere(page: Path):
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    dead = [place for place in LINK.findall(text) if not (page.parent / place).exists()]
    assert not dead, f"{named(page)} links to {dead}"


def test_decisions_are_numbered_without_holes():
    numbers = [int(path.name[:4]) for path in pages() if path.parent == ROOT / "docs" / "decisions"]
    assert numbers == list(range(1, len(numbers) + 1))


def test_each_decision_has_its_parts():
    for path in pages():
        if path.parent == ROOT / "docs" / "decisions":
            text = path.read_text(encoding="utf-8")
            assert text.startswith(f"# {int(path.name[:4])}. "), f"{named(path)}: `# {int(path.name[:4])}. title`"
            missing = {"Context", "Decision", "Price"} - set(re.findall(r"^## (\w+)", text, re.MULTILINE))
            assert not missing, f"{named(path)} lacks {missing}"


def test_the_glossary_says_each_word_once():
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [word for row in rows[1:] for word in re.split(r"[,/] | / ", row) if word.strip("- ")]
    assert len(words) == len(set(words))

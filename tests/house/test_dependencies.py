"""Every library we stand on has a line in docs/dependencies.md that says why, and no line outlives its library."""

from __future__ import annotations

import re

from tests.house.project import ROOT, pyproject

PAGE = ROOT / "docs" / "dependencies.md"


def project_name(requirement: str) -> str:
    """`psycopg[binary]>=3.2` is psycopg; spelled the way the package index normalises it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def wanted(which: str) -> set[str]:
    project = pyproject()["project"]
    groups = {"runtime": project["dependencies"], **project["optional-dependencies"]}
    return {project_name(requirement) for requirement in groups[which]}


def explained(heading: str) -> dict[str, list[str]]:
    """The table under a heading of the page: the library in its first cell → its other cells."""
    section = re.split(rf"^## {heading}.*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1].split("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_runtime_libraries_are_explained():
    assert set(explained("Runtime")) == wanted("runtime")


def test_extras_are_explained():
    extras = set(pyproject()["project"]["optional-dependencies"]) - {"dev"}
    assert set(explained("Extras")) == {name for extra in extras for name in wanted(extra)}


def test_development_tools_are_explained():
    assert set(explained("Development")) == wanted("dev")


def test_each_line_says_licence_size_and_what_we_would_do_without():
    for heading in ("Runtime", "Extras", "Development"):
        for name, cells in explained(heading).items():
            assert len(cells) == 4, f"{name}: why, licence, size, without it"
            assert all(cells), f"{name} has an empty cell"
            assert re.fullmatch(r"[\d.]+ MB", cells[2]), f"{name}: {cells[2]!r} is not a size"


def test_every_requirement_has_a_floor():
    extras = pyproject()["project"]["optional-dependencies"]
    requirements = [
        *pyproject()["project"]["dependencies"],
        *(one for name in extras if name != "dev" for one in extras[name]),
    ]
    assert all(">=" in requirement for requirement in requirements)

"""A module stands on the floors below it, a door never touches the world, and only two rooms read the clock."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import PACKAGE, ROOT, imports, named, parsed, pyproject, python_files

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"
DOORS = ("cli", "web", "chat")
WORLD = ("probes", "channels", "stores", "loops")
# Below every floor: names the package, imports nothing.
GROUND = {"opswatch"}
# Who may ask what time it is; everybody else is handed `now`.
READ_THE_CLOCK = {"opswatch/daemon.py", "opswatch/assemble.py", "opswatch/clock.py"}


def layers() -> list[list[str]]:
    """The floors of pyproject.toml, top first, each a list of rooms."""
    contract = next(each for each in pyproject()["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [floor.replace("|", " ").replace(":", " ").split() for floor in contract["layers"]]


def rooms() -> set[str]:
    """What the package has at its top: `opswatch.core`, `opswatch.desk`."""
    parts = {path.relative_to(PACKAGE).parts for path in python_files()}
    return {f"opswatch.{first[0].removesuffix('.py')}" for first in parts} - {"opswatch.__init__"}


def unbuilt() -> list[str]:
    """Rooms that a contract names and that are not there yet: import-linter cannot check around them."""
    return sorted({room for floor in layers() for room in floor} - rooms())


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_room_stands_on_a_floor():
    homeless = rooms() - {room for floor in layers() for room in floor} - GROUND
    assert not homeless, f"give these a floor in pyproject.toml's layers: {sorted(homeless)}"


def test_neighbours_stay_strangers():
    contract = next(each for each in pyproject()["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    for strangers in (("cli", "web", "chat"), ("probes", "channels", "stores")):
        assert " | ".join(f"opswatch.{room}" for room in strangers) in contract["layers"]


def test_the_import_contracts_are_kept():
    if unbuilt():
        pytest.skip(f"not built yet: {', '.join(unbuilt())}")
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/lost.py", "import opswatch.stores"),
        ("probes/lost.py", "import opswatch.channels"),
        ("cli/lost.py", "import opswatch.web"),
        ("views/lost.py", "import opswatch.loops"),
        ("cli/lost.py", "import opswatch.probes"),
    ],
)
def test_a_broken_contract_is_noticed(tmp_path: Path, module: str, line: str):
    """The contracts bite: a house of empty rooms passes, and with one wrong import in it fails."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in {room for floor in layers() for room in floor}:
        folder = tmp_path / room.replace(".", "/")
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (tmp_path / "opswatch" / "__init__.py").touch()
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / "opswatch" / module).write_text(line + "\n")
    assert lint_imports(tmp_path).returncode == 1


def test_doors_do_not_touch_the_world():
    touched = [
        found
        for door in DOORS
        for path in python_files(PACKAGE / door)
        for found in imports(path)
        if any(f"{found.name}.".startswith(f"opswatch.{room}.") for room in WORLD)
    ]
    assert not touched, "A door asks `desk`, `views` and `assemble`; never the world itself:\n" + "\n".join(
        map(str, touched)
    )


def test_only_the_daemon_and_assemble_read_the_clock():
    elsewhere = [path for path in python_files() if named(path) not in READ_THE_CLOCK]
    readers = [
        str(found)
        for path in elsewhere
        for found in imports(path)
        if found.name in ("opswatch.clock.now", "opswatch.clock.*")
    ]
    readers += [
        f"{named(path)}:{node.lineno} reads clock.now"
        for path in elsewhere
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "clock.now"
    ]
    assert not readers, "These are handed `now`:\n" + "\n".join(readers)

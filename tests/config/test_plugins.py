"""The file name is the registration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opswatch import plugins
from opswatch.config.holidays import COUNTRIES
from opswatch.errors import PluginNotFound

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def test_a_probe_is_found_by_its_file_name():
    assert plugins.find("probes", "disk").__name__ == "opswatch.probes.disk"
    assert "disk" in plugins.names("probes")


@pytest.mark.parametrize("name", ["dsk", "", "../errors", "__init__", "disk.x"])
def test_what_does_not_exist_is_told_with_what_does(name: str):
    with pytest.raises(PluginNotFound, match=r"there are .*disk"):
        plugins.find("probes", name)


def test_the_nearest_spelling_is_offered():
    with pytest.raises(PluginNotFound, match="did you mean disk"):
        plugins.find("probes", "dsk")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg.rows")

    monkeypatch.setattr(plugins.importlib, "import_module", missing)
    with pytest.raises(PluginNotFound, match=r"opswatch\[postgres\]"):
        plugins.find("probes", "disk")


def test_names_alone_import_nothing():
    lookup = plugins.names_only()
    assert lookup.args_model("disk") is None
    with pytest.raises(PluginNotFound):
        lookup.args_model("dsk")


def test_a_command_that_neither_looks_nor_sends_imports_no_pydantic_and_no_holidays(tmp_path: Path):
    """100 ms and 50 ms of the 250 that a cold `opswatch who` may take."""
    code = (
        "import sys; from pathlib import Path; from opswatch import config, plugins; "
        f"config.load(Path({str(EXAMPLE)!r}), plugins.names_only()); "
        "print([name for name in ('pydantic', 'holidays', 'difflib', 'tree_sitter') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


def test_the_countries_we_offer_are_those_the_holidays_package_knows():
    import holidays

    known = {code.lower() for code in holidays.list_supported_countries() if len(code) == 2}
    assert known <= COUNTRIES | {"uk"} and known | {"uk"} >= COUNTRIES

"""The file name is the registration."""

from __future__ import annotations

import pytest

from opswatch import plugins
from opswatch.config.holidays import COUNTRIES
from opswatch.errors import PluginNotFound


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


def test_the_countries_we_offer_are_those_the_holidays_package_knows():
    import holidays

    known = {code.lower() for code in holidays.list_supported_countries() if len(code) == 2}
    assert known <= COUNTRIES | {"uk"} and known | {"uk"} >= COUNTRIES

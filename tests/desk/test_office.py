"""Opening an installation: who may change its schema."""

from __future__ import annotations

import sqlite3

import pytest

from opswatch import assemble
from opswatch.errors import StoreUnavailable

CONFIG = """
[opswatch]
name = "trial"
[[person]]
id = "ana"
name = "Ana"
role = "admin"
contact = { webhook = "http://127.0.0.1:9/" }
"""


def test_a_command_makes_a_new_store_and_leaves_an_older_one_to_the_daemon(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    assemble.open_office(path).close()
    with sqlite3.connect(tmp_path / "var" / "opswatch.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM migrations_applied ORDER BY name")]
        assert any(name.startswith("0001") for name in names)
    later = "0002"
    if any(name.startswith(later) for name in names):
        with sqlite3.connect(tmp_path / "var" / "opswatch.db") as database:
            database.execute("DELETE FROM migrations_applied WHERE name LIKE ?", (f"{later}%",))
        with pytest.raises(StoreUnavailable, match="opswatch db migrate"):
            assemble.open_office(path)

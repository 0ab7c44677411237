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
    with sqlite3.connect(tmp_path / "var" / "opswatch.db-samples") as beside:
        beside.execute("DELETE FROM migrations_applied")
    with pytest.raises(StoreUnavailable, match="opswatch db migrate"):
        assemble.open_office(path)

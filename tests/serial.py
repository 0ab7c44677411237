"""A pytest plugin: tests of the real process run one after another, when the machine is otherwise quiet.

They start daemons, kill them and count the pages; beside a second worker that burns a core they would measure that.
Everything under `tests/daemon/` is marked `serial`; any other test may mark itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

DAEMON = Path(__file__).parent / "daemon"


@pytest.hookimpl(tryfirst=True)  # Before `-m` chooses by marker.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(DAEMON):
            item.add_marker(pytest.mark.serial)

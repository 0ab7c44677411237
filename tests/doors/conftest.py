"""A terminal for every test of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("OPSWATCH_CONFIG", raising=False)
    return Terminal(tmp_path, monkeypatch)

"""One receiver and one installation per test; whatever still runs at its end is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.harness import Installation, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def installed(tmp_path: Path, receiver: Receiver) -> Iterator[Callable[..., Installation]]:
    made: list[Installation] = []

    def install(**how: Any) -> Installation:
        made.append(Installation(tmp_path / f"box{len(made)}", how.pop("receiver", receiver), **how))
        return made[-1]

    yield install
    for one in made:
        if one.process is not None:
            one.kill()

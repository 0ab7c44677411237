"""docs/simulate.md names every number, with the value that holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from opswatch.sim.life import CALM, as_table, read

PAGE = Path(__file__).parents[2] / "docs" / "simulate.md"


def test_the_numbers_on_the_page_are_those_that_hold():
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    written = tomllib.loads(block)
    assert read(written) == CALM
    assert {part: set(keys) for part, keys in written.items()} == {p: set(keys) for p, keys in as_table(CALM).items()}

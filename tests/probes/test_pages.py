"""docs/probes.md says what the probes say."""

from __future__ import annotations

from tests.probes.looks import NAMES
from tests.probes.probe_pages import MARK, PAGE, drawn


def test_the_page_is_drawn_from_the_probes() -> None:
    _, mark, below = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"the mark is gone from {PAGE.name}"
    assert below.strip() == drawn().strip(), "run: python -m tests.probes.probe_pages"


def test_the_page_lists_every_probe_above_the_mark() -> None:
    above = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    assert [name for name in NAMES if f"[{name}](#{name})" not in above] == []

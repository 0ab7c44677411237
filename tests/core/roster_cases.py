"""The cases of `cases/roster.json`, and words to check one with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.core.duty import Duty, utc

Case = dict[str, Any]
_FILE = Path(__file__).parent / "cases" / "roster.json"
CASES: dict[str, Case] = {case["id"]: case for case in json.loads(_FILE.read_text(encoding="utf-8"))}
EXPRESSED: dict[str, Callable[[Case], None]] = {}


def holds(*ids: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Registers a check for the cases of these ids."""

    def note(check: Callable[[Case], None]) -> Callable[[Case], None]:
        EXPRESSED.update(dict.fromkeys(ids, check))
        return check

    return note


def answers(duty: Duty, case: Case, pick: str = "") -> None:
    """Every query of the case (of which the answer ends in `pick`, if given)."""
    asked = [(at, who.removesuffix(pick).strip()) for at, who in case["queries"] if who.endswith(pick)]
    assert asked
    assert [(at, duty.who(at)) for at, _ in asked] == [(at, ",".join(sorted(who.split(",")))) for at, who in asked]


def segments(duty: Duty, case: Case, start: str, end: str, *, gaps: bool = True) -> None:
    expected = [(utc(start), utc(end), who.split(" (")[0]) for start, end, who in case["expected_segments"]]
    found = [segment for segment in duty.segments(start, end) if gaps or segment[2] != "gap"]
    assert found == sorted(expected)

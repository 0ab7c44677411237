"""Sixty-two rosters with exact answers from other products' tests (`cases/roster.json`), asked of ours.

Every case is either expressed or stands in REASON, some in both: then the part of it that is ours is asserted, or what
we do instead. `docs/decisions/0003-roster-cases.md` says the same to people.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core import roster_cases_layered, roster_cases_turns
from tests.core.roster_cases import CASES, EXPRESSED

assert roster_cases_turns and roster_cases_layered  # Imported for what they register.

REASON = {
    "R05": "regenerating stored shifts is not ours; the shifts of the layer in its new zone are asserted",
    "R07": "participants are a list without positions, so there can be no hole in it; the answer is asserted",
    "R09": "no stored 'current index'; the same turns follow from an anchor on the same grid, asserted",
    "R13": "SPEC 3 refuses a count below 1 instead of guessing 1; the refusal is asserted",
    "R15": "no yearly unit: 12 months are a year, asserted so",
    "W23": "SPEC 3 refuses `until` before `effective`; the refusal is asserted, and that it would put nobody on call",
    "T07": "SPEC 3: a window over midnight stays with those on call at its start; asserted so (A, not B)",
    "O15": "two database transactions are the store's; that the second is refused is asserted",
    "O19": "SPEC 3: overrides name one roster, and a second replace of one person is refused; asserted so",
    "O25": "requests are not the resolver's: test_covers.py; that a swap of somebody not on call is none is asserted",
    "G01": "fair scheduler with vacations generating stored shifts: ours are derived, absences ask for cover (SPEC 3)",
    "G03": "round robin over stored shifts: a manual change is an override in ours and never moves later turns",
    "G05": "choice by least recent duty: no such scheduler; turns follow the pattern (SPEC 3)",
    "C05": "quality score of coverage: SPEC names none; fairness is hours, nights, weekends, holidays",
    "C07": "coverage ratio: SPEC names none; the edges and the one-minute hole are asserted",
    "I01": "import feeds absences, not rosters: tests/hosts/test_icalendars.py; all-day is local, half-open",
    "I03": "people are named by id; an imported absence is matched by e-mail in any case: test_icalendars.py",
}


def test_every_case_is_expressed_or_has_its_reason():
    assert len(CASES) == 62
    assert set(EXPRESSED) | set(REASON) == set(CASES)


def test_the_reasons_stand_in_the_decision_too():
    page = (Path(__file__).parents[2] / "docs" / "decisions" / "0003-roster-cases.md").read_text(encoding="utf-8")
    assert [case for case in REASON if f"| {case} |" not in page] == []


@pytest.mark.parametrize("name", EXPRESSED)
def test_the_case_holds(name):
    EXPRESSED[name](CASES[name])

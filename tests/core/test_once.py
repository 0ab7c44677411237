"""What people are told once is told once, until it may be forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opswatch.core.changes import Draft, State
from opswatch.core.moment import MARKS_MAX, Moment
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def moment(now: datetime, draft: Draft) -> Moment:
    plan = Plan()
    return Moment(plan, Rosters(plan), draft, now)


def test_a_mark_is_new_once_until_its_end():
    draft = Draft(State())
    assert moment(NOW, draft).once("gap primary", NOW + HOUR)
    assert not moment(NOW + HOUR / 2, draft).once("gap primary", NOW + 3 * HOUR)
    assert moment(NOW + HOUR, draft).once("gap primary", NOW + 2 * HOUR)


def test_marks_are_bounded_and_those_that_end_first_go_first():
    draft = Draft(State())
    for number in range(MARKS_MAX + 5):
        assert moment(NOW, draft).once(f"mark {number}", NOW + HOUR + timedelta(seconds=number))
    assert len(draft.standing.marks) == MARKS_MAX
    assert "mark 4" not in draft.standing.marks
    assert f"mark {MARKS_MAX + 4}" in draft.standing.marks

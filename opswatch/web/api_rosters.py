"""The JSON API's questions about rosters: what is wrong with the weeks ahead, and what duty costs each person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime, BaseModel, Field

from opswatch.coverages import coverage_json, share_json
from opswatch.web.door import Door

DAYS_MAX = 400
SPAN_MAX = timedelta(days=1100)
USUAL = timedelta(days=90)


class Span(BaseModel):
    start: datetime
    end: datetime


class Finding(BaseModel):
    """One thing to be dealt with. In a gap `people` are paged instead."""

    kind: Literal["gap", "empty", "unreachable", "absent", "overloaded", "twice"]
    roster: str
    start: datetime
    end: datetime
    people: list[str]
    why: str | None
    amount: int
    also: str | None
    override: int | None


class Shift(Span):
    people: list[str]
    layer: str | None
    override: int | None


class Coverage(BaseModel):
    """One roster over the days ahead."""

    roster: str
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    gap_s: int
    gaps: list[Span]
    unreachable: list[str]
    findings: list[Finding]
    shifts: list[Shift]


class Share(BaseModel):
    """What duty costs one person; spans in hours, `load` in weighted hours."""

    person: str
    zone: str
    hours: float
    night_hours: float
    nights: int
    weekend_hours: float
    holiday_hours: float
    shifts: int
    pages: int
    woken: int
    load: float


def add_rosters(api: APIRouter, door: Door) -> None:
    """`/coverage` and `/fairness`."""

    @api.get("/coverage", response_model=list[Coverage], summary="What is wrong with the days ahead, per roster")
    def coverage(roster: str | None = None, days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 30) -> Any:
        """One roster or all of them, from now on."""
        try:
            return [coverage_json(one) for one in door.office.views.ahead.coverage(days, roster)]
        except KeyError:
            raise HTTPException(404, f"there is no roster {str(roster)[:80]}") from None

    @api.get("/fairness", response_model=list[Share], summary="What duty costs each person, the most loaded first")
    def fairness(
        roster: str | None = None,
        team: str | None = None,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
    ) -> Any:
        """Of one roster or all, of one team's people or everybody; by default the last 90 days."""
        end = to or (from_ + USUAL if from_ else door.now())
        start = from_ or end - USUAL
        if not start < end <= start + SPAN_MAX:
            raise HTTPException(422, "`to` must be after `from`, and at most three years")
        try:
            found = door.office.views.ahead.fairness(start, end, roster=roster, team=team)
        except KeyError:
            raise HTTPException(404, f"there is no roster {str(roster)[:80]}") from None
        return [share_json(share) for share in found]

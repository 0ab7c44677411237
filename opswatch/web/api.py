"""The JSON API: the same answers as `--json` on the command line. Described at `/api/v1/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import AwareDatetime, BaseModel, Field

from opswatch.web.api_rosters import add_rosters
from opswatch.web.auth import READ
from opswatch.web.door import Door
from opswatch.web.pages import NUMBER_MAX

LIST_MAX = 500

Priority = Literal["P0", "P1", "P2", "P3"]
State = Literal["triggered", "acknowledged", "resolved"]


class OnCall(BaseModel):
    """Who is on call for one roster. In a gap `on_call` holds the fallback's people, and `fallback` is true."""

    roster: str
    at: datetime
    on_call: list[str]
    fallback: bool
    layer: str | None
    from_: Annotated[datetime | None, Field(alias="from")]
    until: datetime | None
    next: list[str]


class Incident(BaseModel):
    """One line of the list. `next_deadline` is when opswatch does something about it by itself."""

    id: int
    status: State
    priority: Priority
    service: str | None
    title: str
    owner: str | None
    opened_at: datetime
    alerts: int
    next_deadline: datetime | None
    acks: str | None = None  # "1 of 2", where the policy wants several people and somebody has acknowledged


class Entry(BaseModel):
    """One line of the timeline."""

    position: int
    at: datetime
    kind: str
    incident: int | None
    by: str | None
    facts: dict[str, Any]


class Failing(BaseModel):
    """One check that fails on one target."""

    check: str
    target: str
    item: str
    state: Literal["ok", "warn", "crit", "unknown"]
    since: datetime
    sentence: str
    evidence: list[str]
    source: str  # `check`, or who posted it
    labels: dict[str, str] = {}  # as posted, likewise what follows
    annotations: dict[str, str] = {}
    generator_url: str = ""


class SentMessage(BaseModel):
    """One promised message, and what became of it. `outcome` is null while it is on its way."""

    id: str
    kind: str
    person: str | None
    channel: str
    promised_at: datetime
    attempts: int
    settled_at: datetime | None
    outcome: str | None
    detail: str


class Reserves(BaseModel):
    """A pool that was called. `asking_until` is null when nobody of it is being asked."""

    pool: str
    need: int
    accepted: list[str]
    declined: list[str]
    asking_until: datetime | None


class WholeIncident(Incident):
    """Everything about one incident. `allowed` are the commands that it takes now."""

    why: str
    summary: str
    policy: str
    level: int
    cycle: int
    climb: int
    acknowledged_by: list[str]
    reserves: list[Reserves]
    paged: list[tuple[str, str]]
    snoozed_until: datetime | None
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    failing: list[Failing]
    messages: list[SentMessage]
    timeline: list[Entry]
    allowed: list[str]


class Status(BaseModel):
    """The whole at a glance. `checks` counts by state, `incidents` open ones by priority; `nodes` gives each node's
    last sign of life, and `running` whether one is younger than half a minute."""

    name: str
    node: str
    mode: Literal["page", "observe"]
    at: datetime
    checks: dict[str, int]
    incidents: dict[Priority, int]
    unacknowledged: int
    paused_until: datetime | None
    paused_by: str | None
    nodes: dict[str, datetime]
    running: bool


class Trouble(BaseModel):
    """Why there is no answer."""

    error: str


TROUBLES: Mapping[int | str, dict[str, Any]] = {
    401: {"model": Trouble, "description": "No token, and not on this machine."},
    403: {"model": Trouble, "description": "This token may not read."},
    404: {"model": Trouble, "description": "There is no such thing."},
    429: {"description": "Too many requests; `Retry-After` says how long to wait.", "content": {"text/plain": {}}},
    503: {"model": Trouble, "description": "The store cannot be reached just now."},
}


def add_api(app: FastAPI, door: Door) -> None:
    """`/api/v1/…`. Instants are UTC."""

    def may_read(request: Request) -> None:
        door.admit(request, READ)

    bearer = HTTPBearer(auto_error=False, description="The secret of a `[[token]]` whose `may` holds `read`.")
    api = APIRouter(prefix="/api/v1", dependencies=[Depends(bearer), Depends(may_read)], responses={**TROUBLES})

    @api.get("/status", response_model=Status, summary="The whole at a glance")
    def status() -> Any:
        return door.office.views.status().as_json()

    @api.get("/on-call", response_model=list[OnCall], summary="Who is on call, per roster")
    def on_call(roster: str | None = None, at: AwareDatetime | None = None) -> Any:
        """One roster or all of them, now or at the instant `at`."""
        try:
            rows = door.office.views.on_call(roster, at)
        except KeyError:
            raise HTTPException(404, f"there is no roster {str(roster)[:80]}") from None
        return [row.as_json() for row in rows]

    @api.get(
        "/incidents",
        response_model=list[Incident],
        response_model_exclude_unset=True,
        summary="Open incidents, worst first",
    )
    def incidents(all: bool = False, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = LIST_MAX) -> Any:
        """With `all`, resolved ones too, the newest first."""
        return [row.as_json() for row in door.office.views.incidents(include_resolved=all, limit=limit)]

    @api.get(
        "/incidents/{number}",
        response_model=WholeIncident,
        response_model_exclude_unset=True,
        summary="Everything about one incident",
    )
    def incident(number: int) -> Any:
        view = door.office.views.incident(number) if 0 < number <= NUMBER_MAX else None
        if view is None:
            raise HTTPException(404, f"there is no incident {str(number)[:20]}")
        return view.as_json()

    add_rosters(api, door)
    app.include_router(api)

    @app.get("/api/v1/openapi.json", include_in_schema=False, dependencies=[Depends(may_read)])
    def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

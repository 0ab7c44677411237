"""Every door shows the roster that pages: the command line, the API, the views and the pager agree at any instant."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

from opswatch.core import reach
from opswatch.core.changes import Draft
from opswatch.core.events import AddOverride
from opswatch.core.model import Priority
from opswatch.core.moment import Moment
from tests.doors.terminal import Terminal
from tests.doors.web_office import START, web_office

DAY = timedelta(days=1)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_the_api_shows_whom_the_pager_pages(tmp_path: Path):
    rng = random.Random(11)
    with web_office(tmp_path) as site:
        for days in (2, 9, 40):
            start = START + days * DAY
            site.says(AddOverride("primary", start, start + 3 * DAY, remove="chen", add="ana", by="lead"))
        engine = site.office.desk.engine
        instants = [START + rng.uniform(-100, 200) * DAY for _ in range(60)]
        with site.office.desk.looking() as (state, _):
            overrides = tuple(state.overrides.values())
            paged = {
                (at, name): [one.person for one in reach.resolve(m, [f"roster:{name}"], Priority.P0).people]
                for at in instants
                for m in [Moment(engine.plan, engine.rosters, Draft(state), at)]
                for name in engine.plan.rosters
            }
        assert len(overrides) == 3
        for at in instants:
            for row in site.get("/api/v1/on-call", params={"at": text(at)}).json():
                assert row["on_call"] == paged[at, row["roster"]]
                assert row["next"] == list(engine.rosters.next_people(row["roster"], overrides, at))


def test_the_command_line_shows_whom_the_pager_pages(terminal: Terminal):
    rng = random.Random(12)
    with terminal.office() as office:
        now = office.now()
        office.desk.apply(AddOverride("primary", now + DAY, now + 5 * DAY, remove="ana", add="lead", by="lead"))
        office.desk.apply(AddOverride("primary", now + 3 * DAY, now + 9 * DAY, shifts=(), by="lead"))
        engine = office.desk.engine
        instants = [(now + rng.uniform(-20, 40) * DAY).replace(microsecond=0) for _ in range(12)]
        with office.desk.looking() as (state, _):
            moments = {at: Moment(engine.plan, engine.rosters, Draft(state), at) for at in instants}
            paged = {
                (at, name): [one.person for one in reach.resolve(m, [f"roster:{name}"], Priority.P0).people]
                for at, m in moments.items()
                for name in engine.plan.rosters
            }
    for at in instants:
        for row in terminal.says("who", "--at", text(at), "--json").json:
            assert row["on_call"] == paged[at, row["roster"]]
            line = ("roster", "show", row["roster"], "--from", text(at), "--to", text(at + timedelta(seconds=1)))
            [shift] = terminal.says(*line, "--json").json
            assert row["on_call"] == (shift["people"] or (["lead"] if row["fallback"] else []))

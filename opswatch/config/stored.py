"""What the store holds that the configuration no longer knows."""

from __future__ import annotations

from collections.abc import Iterable

from opswatch.config.settings import Loaded
from opswatch.config.suggest import listed, nearest
from opswatch.core.model import RiskStatus
from opswatch.core.notices import is_known
from opswatch.core.state import Cover, Override, Paper, Risk, Silence
from opswatch.errors import Problem

STORE = "the store"


def check(
    loaded: Loaded,
    overrides: Iterable[Override],
    silences: Iterable[Silence],
    risks: Iterable[Risk] = (),
    papers: Iterable[Paper] = (),
    covers: Iterable[Cover] = (),
) -> list[Problem]:
    """A problem for each roster of a stored override, each roster and person of a request for cover, and each owner of
    a silence, a risk or a post-mortem, that nobody bears any more. They have no line: the command that repairs them is
    in the words. People who stand in overrides and absences are `config.leaving`'s."""
    plan, found = loaded.plan, []
    for override in overrides:
        where = f"override {override.id}"
        repair = f"`opswatch override remove {override.id}` ends it"
        if override.roster not in plan.rosters:
            found.append(problem(where, override.roster, "roster", plan.rosters, repair))
    for cover in covers:
        where, repair = f"request {cover.id}", f"`opswatch swap withdraw {cover.id}` ends it, and so does the reload"
        if cover.is_open and cover.roster not in plan.rosters:
            found.append(problem(where, cover.roster, "roster", plan.rosters, repair))
        if cover.is_open and cover.person not in plan.people:
            found.append(problem(where, cover.person, "person", plan.people, repair))
    for silence in silences:
        if silence.owner not in plan.people and not silence.is_outsiders:
            repair = f"`opswatch silence expire {silence.id}` ends it"
            found.append(problem(f"silence {silence.id}", silence.owner, "person", plan.people, repair))
    owned = [
        (f"risk {risk.id}", risk.owner, f"`opswatch risk assign {risk.id} --owner PERSON` gives it to another")
        for risk in risks
        if risk.status is not RiskStatus.CLOSED
    ]
    owned += [
        (
            f"post-mortem {paper.incident}",
            paper.owner,
            f"`opswatch postmortem new {paper.incident} --owner PERSON` gives it to another",
        )
        for paper in papers
        if not paper.is_published
    ]
    for where, owner, repair in owned:
        if owner is not None and not is_known(plan, owner):
            found.append(problem(where, owner, "person or team", plan.people, repair))
    return found


def problem(where: str, name: str, what: str, known: Iterable[str], repair: str) -> Problem:
    """Something stored names somebody or something that this configuration does not have."""
    names = list(known)
    return Problem(
        file=STORE,
        line=None,
        where=where,
        seen=f'"{name}"',
        expected=f"no {what} has this id any more; known are {listed(names)}; {repair}",
        suggestion=nearest(name, names),
    )

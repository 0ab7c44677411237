"""What an incident owes on paper: a post-mortem or a short review, by whom, until when, and who is reminded of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from opswatch.core import calendars, notices, risks, shift_life
from opswatch.core.events import Action, ActionsFound, Command, MovePaper, ShiftEnded, StartPaper
from opswatch.core.model import PaperKind, Priority, RiskStatus, Stage
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan
from opswatch.core.state import Incident, Paper

REVIEW_WITHIN = timedelta(hours=24)
NEARLY_DUE = timedelta(hours=4)
OVERDUE_DAYS_MAX = 7  # reminders after it was due; then the lists alone name it
KEEP_PUBLISHED = timedelta(hours=24)
ACTIONS_MAX = 50

_DAY = timedelta(days=1)


def is_overdue(paper: Paper, now: datetime) -> bool:
    """Whether it is not published, and its time is over."""
    return not paper.is_published and paper.due_at <= now


# ---------------------------------------------------------------------------------------------------------------------
# What is owed


def owed(m: Moment, incident: Incident) -> None:
    """The incident is over: what it owes is due from now. One that was reopened owes its paper anew, with the words
    that are there already."""
    owes, within = _owes(m, incident)
    known = m.draft.paper(incident.number)
    kinds = {owes, known.kind if known else None} - {None}
    if not kinds:
        return
    kind = PaperKind.POSTMORTEM if PaperKind.POSTMORTEM in kinds else PaperKind.REVIEW
    paper = Paper(
        incident=incident.number,
        kind=kind,
        opened_at=m.now,
        due_at=m.now + within,
        owner=(known.owner if known else None) or _owner(m.plan, incident),
        actions=known.actions if known else (),
    )
    _record_owed(m, keep(m, paper), why=_why(kind, incident))


def _owes(m: Moment, incident: Incident) -> tuple[PaperKind | None, timedelta]:
    within = m.plan.rule(incident.priority).postmortem_within
    if within:
        return PaperKind.POSTMORTEM, within
    if was_outside_day(m, incident):
        return PaperKind.REVIEW, REVIEW_WITHIN
    return None, REVIEW_WITHIN


def was_outside_day(m: Moment, incident: Incident) -> bool:
    """Whether somebody took it, or ended it, outside their own `day`, and was not at work. What never interrupts was
    done by choice."""
    if m.plan.rule(incident.priority).interrupt == "never":
        return False
    acted = [(incident.owner, incident.acked_at), (incident.resolved_by, m.now)]
    return any(_is_off(m, person, at) for person, at in acted)


def _is_off(m: Moment, person: str | None, at: datetime | None) -> bool:
    known = m.plan.people.get(person or "")
    if known is None or known.day is None or at is None:
        return False
    if calendars.covers((known.day,), known.timezone, None, at):
        return False
    return not m.rosters.is_working(known.id, m.draft.overrides(), at)


def _owner(plan: Plan, incident: Incident) -> str | None:
    """Who had it, else who ended it, else who was paged first."""
    paged = [person for person, _ in incident.paged]
    named = [incident.owner, incident.resolved_by, *paged]
    return next((name for name in named if name is not None and notices.is_known(plan, name)), None)


def _why(kind: PaperKind, incident: Incident) -> str:
    return str(incident.priority) if kind is PaperKind.POSTMORTEM else "outside_day"


# ---------------------------------------------------------------------------------------------------------------------
# What people say


def run(m: Moment, command: Command) -> None:
    """Carry out one command about a paper. The role was looked at before."""
    COMMANDS[type(command)](m, command)


def _start(m: Moment, command: StartPaper) -> None:
    owner = (command.owner or "").removeprefix("person:").removeprefix("@") or None
    if owner is not None and not notices.is_known(m.plan, owner):
        m.refuse("unknown_person", person=owner, known=", ".join(m.plan.people))
        return
    known, incident = m.draft.paper(command.incident), m.draft.incident(command.incident)
    if known is not None and known.kind is PaperKind.POSTMORTEM:
        _change_owner(m, known, owner, command)
        return
    if not 1 <= command.incident <= m.draft.standing.incident_last:
        m.refuse("unknown_incident", incident=command.incident)
        return
    within = m.plan.rule(incident.priority if incident else Priority.P1).postmortem_within or REVIEW_WITHIN
    paper = Paper(
        incident=command.incident,
        kind=PaperKind.POSTMORTEM,
        opened_at=m.now,
        due_at=m.now + within,
        owner=owner or (known.owner if known else None) or command.by,
    )
    _record_owed(m, keep(m, paper), by=command.by, door=command.door, why="by_hand")
    m.done("paper_started", incident=paper.incident, owner=paper.owner, until=paper.due_at)


def _change_owner(m: Moment, paper: Paper, owner: str | None, command: StartPaper) -> None:
    if owner is None or owner == paper.owner:
        m.done("paper_exists", incident=paper.incident, owner=paper.owner, until=paper.due_at)
        return
    m.record("paper_assigned", incident=paper.incident, by=command.by, door=command.door, owner=owner)
    keep(m, replace(paper, owner=owner))
    m.done("paper_assigned", incident=paper.incident, owner=owner, until=paper.due_at)


def _move(m: Moment, command: MovePaper) -> None:
    paper = m.draft.paper(command.incident)
    if paper is None:
        m.refuse("unknown_paper", incident=command.incident)
        return
    if paper.stage is command.to:
        m.done(f"paper_is_{command.to}", incident=paper.incident)
        return
    m.record(
        "paper_moved",
        incident=paper.incident,
        by=command.by,
        door=command.door,
        what=str(paper.kind),
        before=str(paper.stage),
        stage=str(command.to),
        late=True if command.to is Stage.PUBLISHED and paper.due_at < m.now else None,
    )
    keep(m, replace(paper, stage=command.to, moved_at=m.now, moved_by=command.by, told=0))
    m.done(f"paper_{command.to}", incident=paper.incident)


# ---------------------------------------------------------------------------------------------------------------------
# What its file says


def actions_found(m: Moment, event: ActionsFound) -> None:
    """Rows of the table of actions go to the ledger, each once. One that was reworded in its place stays the same
    risk; one that is ticked is closed. A row that was taken out leaves its risk: somebody closes it."""
    paper = m.draft.paper(event.incident)
    if paper is None:
        return
    rows = {action_key(event.incident, action.title): action for action in event.actions[:ACTIONS_MAX]}
    known = dict(paper.actions)
    kept: dict[str, int] = {}
    for place, (key, action) in enumerate(rows.items()):
        risk = known.get(key) or _reworded(paper, rows, place)
        kept[key] = (
            risk
            if risk is not None
            else risks.add_action(m, event.incident, key, action.title, action.owner, action.due).id
        )
        _follow(m, kept[key], key, action)
    left = {key: risk for key, risk in known.items() if risk not in kept.values()}
    actions = (*kept.items(), *left.items())[:ACTIONS_MAX]
    if actions != paper.actions:
        keep(m, replace(paper, actions=actions))


def action_key(incident: int, title: str) -> str:
    """Under which the ledger knows an action, however it is spaced and capitalised."""
    words = " ".join(title.lower().split())
    return f"postmortem/{incident}/{sha256(words.encode()).hexdigest()[:12]}"


def _reworded(paper: Paper, rows: Mapping[str, Action], place: int) -> int | None:
    """The risk of the row that stood in this place and stands nowhere any more."""
    if place >= len(paper.actions) or paper.actions[place][0] in rows:
        return None
    return paper.actions[place][1]


def _follow(m: Moment, number: int, key: str, action: Action) -> None:
    """What the row says of a risk that nobody decided otherwise about."""
    risk = m.draft.risk(number)
    if risk is None or risk.status is RiskStatus.CLOSED:
        return
    owner = action.owner if action.owner and notices.is_known(m.plan, action.owner) else None
    risk = risks.keep(
        m,
        replace(
            risk,
            key=key,
            title=action.title[: risks.TITLE_MAX],
            owner=risk.owner or owner,
            due=risk.due or action.due,
        ),
    )
    if action.is_done:
        risks.close(m, risk, by=None, reason="done in the post-mortem")


# ---------------------------------------------------------------------------------------------------------------------
# What is due


def due(m: Moment, paper: Paper) -> None:
    """Its instant has come: the next reminder, or the end of its time in the state."""
    if paper.is_published:
        m.draft.changes.papers[paper.incident] = None
        return
    passed = [event for at, event in _schedule(m.plan, paper) if at <= m.now]
    if len(passed) <= paper.told:  # By another plan than the one that set the deadline nothing is due yet.
        keep(m, paper)
        return
    event = passed[-1]
    people = notices.readers(m.plan, paper.owner) if paper.stage is Stage.DRAFT else notices.leads(m.plan)
    m.record("paper_reminded", incident=paper.incident, what=str(paper.kind), event=event, people=list(people))
    notices.tell(
        m,
        people,
        event,
        paper.incident,
        what=str(paper.kind),
        stage=str(paper.stage),
        owner=paper.owner,
        due=paper.due_at,
    )
    keep(m, replace(paper, told=len(passed)))


def follow_plan(m: Moment) -> None:
    """After a reload: owners have other days, or are gone. No reminder is repeated."""
    for paper in list(m.draft.papers()):
        keep(m, paper)


def keep(m: Moment, paper: Paper) -> Paper:
    """Put the paper into the draft, with its next deadline."""
    paper = replace(paper, wake_at=_wake_at(m, paper))
    if m.draft.paper(paper.incident) != paper:
        m.draft.changes.papers[paper.incident] = paper
    return paper


def _wake_at(m: Moment, paper: Paper) -> datetime | None:
    if paper.is_published:
        return (paper.moved_at or m.now) + KEEP_PUBLISHED
    ahead = _schedule(m.plan, paper)[paper.told :]
    return ahead[0][0] if ahead else None


def _schedule(plan: Plan, paper: Paper) -> list[tuple[datetime, str]]:
    """Every reminder of this stage, (instant, event), in order. While it is written its owner is told: that it is
    owed, that it is nearly due, that it is late. While it waits for review the leads are."""
    if paper.stage is Stage.IN_REVIEW:
        began = paper.moved_at or paper.opened_at
        late = max(paper.due_at, began + _DAY)
        return [(began, "paper_review"), *((late + _DAY * n, "paper_overdue") for n in range(OVERDUE_DAYS_MAX + 1))]
    told = notices.polite(plan, paper.owner, paper.opened_at)
    nearly = notices.polite(plan, paper.owner, paper.due_at - NEARLY_DUE)
    days = (notices.polite(plan, paper.owner, paper.due_at + _DAY * n) for n in range(OVERDUE_DAYS_MAX + 1))
    instants = [(min(told, paper.due_at), "paper_owed"), *((at, "paper_overdue") for at in days)]
    if paper.opened_at + NEARLY_DUE < nearly < paper.due_at:
        instants.insert(1, (nearly, "paper_due"))
    return instants


def _record_owed(m: Moment, paper: Paper, *, why: str, by: str | None = None, door: str | None = None) -> None:
    m.record(
        "paper_owed",
        incident=paper.incident,
        by=by,
        door=door,
        what=str(paper.kind),
        owner=paper.owner,
        until=paper.due_at,
        why=why,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Handing over


def handed_over(m: Moment, event: ShiftEnded) -> None:
    """The next people learn, once, what they take over."""
    before = m.draft.standing.handed_over
    if event.roster not in m.plan.rosters or event.at <= before.get(event.roster, event.at - _DAY):
        return
    known = {roster: at for roster, at in before.items() if roster in m.plan.rosters}
    m.draft.standing = replace(m.draft.standing, handed_over={**known, event.roster: event.at})
    m.record(
        "handed_over",
        roster=event.roster,
        at=event.at,
        whose=list(event.people),
        people=list(event.to),
        name=event.name,
    )
    notices.tell(m, event.to, "handover", roster=event.roster, at=event.at, name=event.name)
    shift_life.handed_over(m, event.roster, event.at, event.people, event.to)


COMMANDS: Mapping[type[Command], Callable[..., None]] = {StartPaper: _start, MovePaper: _move}

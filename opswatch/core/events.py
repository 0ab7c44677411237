"""Everything that can happen: commands that people give (imperative), facts that came true (past tense)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from opswatch.core.coverage import Finding
from opswatch.core.effects import Page
from opswatch.core.findings import Action as Action
from opswatch.core.findings import ActionsFound as ActionsFound
from opswatch.core.findings import RiskFound as RiskFound
from opswatch.core.findings import RiskGone as RiskGone
from opswatch.core.model import Priority, Severity, Stage, UnknownReason, Verdict
from opswatch.core.norms import Norm
from opswatch.core.results import Reported as Reported
from opswatch.core.roster_changes import Change

# ---------------------------------------------------------------------------------------------------------------------
# Commands. `by` is a person's id. They are text in `core/grammar.py`, both directions.


@dataclass(frozen=True, slots=True)
class Command:
    """What every command carries: who gave it, and through which door (`cli`, `web`, `link`, `slack`, …)."""

    by: str = field(kw_only=True)
    door: str = field(default="cli", kw_only=True)


@dataclass(frozen=True, slots=True)
class Acknowledge(Command):
    incident: int


@dataclass(frozen=True, slots=True)
class Unack(Command):
    incident: int


@dataclass(frozen=True, slots=True)
class Accept(Command):
    """A reserve joins. Whose incident it is stays as it was: `ack` takes it."""

    incident: int


@dataclass(frozen=True, slots=True)
class Decline(Command):
    """A reserve does not come, or takes an acceptance back: the next of the pool is asked at once."""

    incident: int


@dataclass(frozen=True, slots=True)
class Resolve(Command):
    incident: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reopen(Command):
    incident: int


@dataclass(frozen=True, slots=True)
class Snooze(Command):
    incident: int
    span: timedelta


@dataclass(frozen=True, slots=True)
class Escalate(Command):
    incident: int


@dataclass(frozen=True, slots=True)
class Reassign(Command):
    incident: int
    to: str  # `person:bo` or `team:dev`
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Note(Command):
    incident: int
    text: str


@dataclass(frozen=True, slots=True)
class SetPriority(Command):
    incident: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class Merge(Command):
    """What `incident` has becomes `into`'s: it was one thing all along."""

    incident: int
    into: int


@dataclass(frozen=True, slots=True)
class Split(Command):
    """Some alerts of an incident become one of their own: those named (globs), and those of `service`."""

    incident: int
    alerts: tuple[str, ...] = ()
    service: str | None = None


@dataclass(frozen=True, slots=True)
class PostUpdate(Command):
    """News for stakeholders: a prepared wording, words of one's own, or both."""

    incident: int
    text: str = ""
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Open(Command):
    """A person reports a fault that no check saw."""

    title: str
    service: str | None = None
    priority: Priority | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class AddSilence(Command):
    matchers: tuple[tuple[str, str, str], ...]  # (label, one of = != =~ !~, value)
    until: datetime
    reason: str
    starts: datetime | None = None
    # of Alertmanager's API alone
    uuid: str = ""
    replaces: int | None = None  # the silence that this one changes, or takes the place of
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExpireSilence(Command):
    id: int


@dataclass(frozen=True, slots=True)
class AddOverride(Command):
    """Exactly one of: replace `remove` by `add`; `add` alone; `remove` alone; `shifts` (a temporary schedule)."""

    roster: str
    start: datetime
    end: datetime
    remove: str | None = None
    add: str | None = None
    shifts: tuple[tuple[datetime, datetime, tuple[str, ...]], ...] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RemoveOverride(Command):
    """Ends all of an override, or the part between `start` and `end`."""

    id: int
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class AskCover(Command):
    """Somebody is asked to take the hours that `person` (default: who says it) is on call; nothing is given in return.
    Without times: their next shift."""

    roster: str
    start: datetime | None = None
    end: datetime | None = None
    only: str | None = None  # asked of this person alone
    person: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AskSwap(AskCover):
    """Likewise, and a shift of who accepts is taken in return: what they have between `return_start` and `return_end`,
    or their next one."""

    return_start: datetime | None = None
    return_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class OfferCover(Command):
    """What somebody would take, and what they want in return; it holds once the one who asked accepts it."""

    id: int
    start: datetime | None = None  # None: all that is left
    end: datetime | None = None
    return_start: datetime | None = None
    return_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class AcceptCover(Command):
    """Take a request's hours, or a part of them; who asked accepts an offer, the one of `of`."""

    id: int
    start: datetime | None = None
    end: datetime | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class WithdrawCover(Command):
    """Who asked needs nobody any more; who offered takes the offer back."""

    id: int


@dataclass(frozen=True, slots=True)
class AddAbsence(Command):
    """`person` (default: who says it) is away. `cover`: ask at once for whom to take the shifts it touches."""

    start: datetime
    end: datetime
    person: str | None = None
    kind: str = "leave"
    reason: str = ""
    cover: bool = True


@dataclass(frozen=True, slots=True)
class RemoveAbsence(Command):
    id: int


@dataclass(frozen=True, slots=True)
class Pause(Command):
    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unpause(Command):
    pass


@dataclass(frozen=True, slots=True)
class PageTest(Command):
    person: str
    contact: str | None = None  # None: the first one they have


@dataclass(frozen=True, slots=True)
class DutyNote(Command):
    """A line for the duty log that belongs to no incident."""

    text: str


@dataclass(frozen=True, slots=True)
class TakeOver(Command):
    """The hand-over was read: this person has the duty now. None: of every roster that waits for them."""

    roster: str | None = None


@dataclass(frozen=True, slots=True)
class SignInspection(Command):
    """A person has looked at one item of an inspection's checklist. `item` counts from 1."""

    run: str
    item: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class AddRisk(Command):
    """An entry of the risk ledger, by hand. Without an owner it is of who writes it down."""

    title: str
    severity: Severity = Severity.MEDIUM
    owner: str | None = None  # `bo`, `person:bo` or `team:dev`
    due: date | None = None
    service: str | None = None
    target: str | None = None
    text: str = ""  # the evidence


@dataclass(frozen=True, slots=True)
class AssignRisk(Command):
    """Another owner, another date; None leaves what is."""

    id: int
    owner: str | None = None
    due: date | None = None


@dataclass(frozen=True, slots=True)
class CloseRisk(Command):
    id: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class AcceptRisk(Command):
    """We live with it until then; then it is open again."""

    id: int
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class StartPaper(Command):
    """A post-mortem about an incident that owes none (or only a short review), or another owner for one it owes."""

    incident: int
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class MovePaper(Command):
    """A post-mortem goes on: submitted for review, published, or given back as a draft."""

    incident: int
    to: Stage


# ---------------------------------------------------------------------------------------------------------------------
# Facts


@dataclass(frozen=True, slots=True)
class Observed:
    """A probe looked. Also how a result of another node or a passive result arrives. `norms` is how the values usually
    are at this hour, per (item, sample), for limits with a baseline: what was judged by is part of what happened."""

    check: str
    target: str
    verdict: Verdict
    norms: Mapping[tuple[str, str], Norm] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostedAlert:
    """One alert as somebody else says it, already validated. Its labels are its identity; empty values are left out.

    `resolved` is what the source says outright (a webhook's status); None: its `ends_at` says it. `starts_at` and
    `ends_at` are by the source's clock. With a `key`, that is its identity, and its labels may change. `unknown`: its
    source cannot tell how it is; with `resolved` it has lost sight of it, which is no recovery.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str = ""
    resolved: bool | None = None
    key: str = ""
    unknown: UnknownReason | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """A source posted alerts, received at `at`. `source` is who posts: the id of its token or hook, else `prometheus`.
    Label sets are compared within a `family`: both halves of a pair, whatever their tokens. `batch` names the row of
    the inbox that it stands in; it leaves the inbox in the same commit."""

    source: str
    alerts: tuple[PostedAlert, ...]
    at: datetime
    batch: str = ""
    family: str = "prometheus"


@dataclass(frozen=True, slots=True)
class Pinged:
    """A heartbeat reported, received at `at` (UTC). `kind`: success | start | fail | log. `run` tells runs that overlap
    from each other; `text` is the end of its output."""

    heartbeat: str
    kind: str
    at: datetime
    exit_code: int | None = None
    run: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A run of an inspection is over and its report is kept. `counts` are lines by health, `changes` those that are
    new, worse, better or gone. `by` asked for it; None: it was due at `due_at`. `deliver` are `channel:ID`."""

    run: str
    inspection: str
    node: str
    counts: Mapping[str, int]
    changes: Mapping[str, int]
    took_s: float = 0.0
    due_at: datetime | None = None
    by: str | None = None
    checklist: int = 0  # items to sign
    deliver: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Away:
    """One absence of an imported calendar. `uid` names the event, and the instance of one that recurs."""

    person: str
    start: datetime
    end: datetime
    uid: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AbsencesImported:
    """What a calendar says of `people` between `start` and `end`: absences known from it move with it, and what it no
    longer has there is gone. A file is not a sentence: no command says it."""

    source: str
    people: tuple[str, ...]
    start: datetime
    end: datetime
    absences: tuple[Away, ...]
    by: str
    door: str = "cli"
    cover: bool = True


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; nothing else. What is due is found in the state. `only` and `without` name what is looked at
    (`State.due_keys`): so that one thing that cannot be decided holds up nothing else."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def looks_at(self, key: str) -> bool:
        """Whether this tick is for `key`."""
        return key not in self.without and (self.only is None or key in self.only)


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A daemon came up; freshness counts from here. `down_since` is its last sign of life before, if known."""

    node: str
    down_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnchorsAsked:
    """A node asked its anchors whether it can see at all: which answered, and which did not."""

    node: str
    answered: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """This node's clock moved `by` more (or less) than time did: it was set, or the host slept. Nothing was looked at
    meanwhile: freshness counts from here."""

    node: str
    by: timedelta


@dataclass(frozen=True, slots=True)
class StoreReturned:
    """Nothing could be stored by this node since `lost_since`; now it can. Freshness counts from here: what was looked
    at meanwhile could not be taken in."""

    node: str
    lost_since: datetime


@dataclass(frozen=True, slots=True)
class PlanReloaded:
    """The plan in this engine is new: routes, people and checks may have gone. `changes` are the shifts that change
    hands by it; `plan` is its fingerprint, for several nodes reload the same one."""

    problems: int = 0
    changes: tuple[Change, ...] = ()
    plan: str = ""


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A channel handed a message over and the vendor said so. `took_s` counts from the promise."""

    message: str  # its id
    incident: int | None
    kind: str  # page | update | announce
    person: str | None
    channel: str  # the contact kind, or the channel's id
    took_s: float
    attempt: int = 1
    ref: str | None = None  # the vendor's name for it, so that it can be edited
    possible_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class SendFailed:
    """One attempt failed. `permanent`: this way is closed; a page then takes the person's next contact at once."""

    message: str
    incident: int | None
    kind: str
    person: str | None
    channel: str
    reason: str
    permanent: bool
    attempt: int = 1
    page: Page | None = None  # given when `kind` is page
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReceiptLost:
    """A receipt could not be taken in, by a mistake of ours: its message is finished all the same. Sent again it would
    ring for ever."""

    message: str
    incident: int | None
    outcome: str  # delivered | failed
    reason: str  # the mistake


@dataclass(frozen=True, slots=True)
class ShiftEnded:
    """Other people are on call for a roster since `at`; the document `name` was written for them."""

    roster: str
    at: datetime
    people: tuple[str, ...]  # whose shift it was
    to: tuple[str, ...]  # who is on call now
    name: str


@dataclass(frozen=True, slots=True)
class CoverageSeen:
    """What is wrong with the weeks ahead, as the rosters stand: everything, whether told before or not."""

    findings: tuple[Finding, ...]


Event = (
    Command
    | Observed
    | Posted
    | Reported
    | Pinged
    | Inspected
    | Tick
    | NodeStarted
    | StoreReturned
    | AnchorsAsked
    | ClockJumped
    | PlanReloaded
    | MessageSent
    | SendFailed
    | ReceiptLost
    | RiskFound
    | RiskGone
    | ActionsFound
    | ShiftEnded
    | CoverageSeen
    | AbsencesImported
)

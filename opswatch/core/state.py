"""What is so: alerts, incidents, silences, overrides, absences, what checks remember. What was so: the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from opswatch.core.model import (
    CoverStatus,
    Health,
    PageReason,
    PaperKind,
    Priority,
    QuietReason,
    RiskStatus,
    Severity,
    Stage,
    Status,
    UnknownReason,
)


@dataclass(frozen=True, slots=True)
class Watch:
    """What a check remembers of one thing between looks. Saved beside the head, at most 5 s late."""

    check: str
    target: str
    item: str = ""
    seen_at: datetime | None = None  # of the last result taken into account
    health: Health = Health.OK  # as last judged, confirmed or not
    reason: UnknownReason | None = None
    confirmed: Health = Health.OK
    bad: int = 0  # warn or crit in a row
    good: int = 0
    unknown: int = 0
    levels: Mapping[str, Health] = field(default_factory=dict)  # per sample, for hysteresis
    sentence: str = ""
    evidence: tuple[str, ...] = ()
    episode: int = 0
    memory: bytes | None = None  # the probe's own; only where item is empty
    notes: tuple[str, ...] = ()  # limits that judge nothing yet, in words: "orders: learning, 9 of 28 days"
    due_at: datetime | None = None  # by what it measured while it was not ok: `days_left`, `rpo_left_h`
    since: datetime | None = None  # when it began to fail, or to be well again, confirmed or not
    changes: int = 0  # `core/flapping.py`: a ring of the last 20 steps
    flapping: bool = False

    @property
    def key(self) -> str:
        return alert_key(self.check, self.target, self.item)


@dataclass(frozen=True, slots=True)
class Alert:
    """One check's confirmed failure of one thing, deduplicated. It lives until recovery has been told."""

    check: str
    target: str
    item: str
    episode: int
    health: Health  # confirmed
    fired_at: datetime
    changed_at: datetime
    sentence: str
    priority: Priority
    why: str  # "P0 because: crit, tier 1 service orders, 3 of 4 targets failing"
    reason: UnknownReason | None = None
    evidence: tuple[str, ...] = ()
    service: str | None = None
    announced: Health | None = None  # what people were last told; None: nothing yet
    incident: int | None = None
    quiet: QuietReason | None = None  # why it is not announced, while it is not
    wake_at: datetime | None = None  # when quiet may end, or a `lasting` or `due_within` rule may hold
    due_at: datetime | None = None  # what it warns of comes true then: a certificate ends, a disk is full
    asked_at: datetime | None = None  # what must be looked at before it is told (itself, its parents) was asked for
    flaps: int = 0  # how often it was told that it flaps, since it began to
    flapping_at: datetime | None = None  # when that is told again
    flapped: int = 0  # changes in the last 21 looks, when that was last told
    # of others: `check` is its alertname, `target` what its labels name, `item` tells its label set from others
    source: str = "check"  # or who posted it first: the id of a token or a hook, `prometheus`
    labels: Mapping[str, str] = field(default_factory=dict)  # as posted
    annotations: Mapping[str, str] = field(default_factory=dict)  # as people were told; the newest are its posting's
    generator_url: str = ""
    starts_at: datetime | None = None  # as its source says
    seen_as: str | None = None  # the plan's target that its labels match

    @property
    def key(self) -> str:
        return alert_key(self.check, self.target, self.item)

    @property
    def is_external(self) -> bool:
        """Whether others saw it: no check of ours will say that it is over."""
        return self.source != "check"

    @property
    def fails_on(self) -> str | None:
        """The plan's target that it is a failure of, where there is one."""
        return self.seen_as if self.is_external else self.target

    @property
    def place(self) -> str:
        """The target as the plan calls it, else as its labels do."""
        return self.seen_as or self.target


def alert_key(check: str, target: str, item: str = "") -> str:
    """The dedup key of SPEC 2.8, without the episode."""
    return f"{check}/{target}/{item}" if item else f"{check}/{target}"


@dataclass(frozen=True, slots=True)
class Posting:
    """What a source said last: of one alert (`key` is the alert's), or that it said anything (`source/ID`). Saved
    beside the head, at most 5 s late. Instants are ours (when it was received), save what says "as the source said".

    It outlives its alert for a while, so that what arrives late is known to be late, and episodes go on counting.
    """

    key: str
    source: str
    posted_at: datetime
    wake_at: datetime | None = None  # when to look at it next: it expires, closes, or is forgotten
    episode: int = 0
    expires_at: datetime | None = None  # not posted again by then, nobody can tell how it is
    is_timeout: bool = False  # its source named no end: `expires_at` is ours
    starts_at: datetime | None = None  # the earliest the source said in this episode
    ends_at: datetime | None = None  # as the source said last
    ended_at: datetime | None = None  # resolved, as the source said
    silent_since: datetime | None = None  # expired; of a source: it was silent, and posted again then
    sentence: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    generator_url: str = ""
    skew_s: float = 0.0  # how far the source's clock is from ours, as far as its instants betray it


@dataclass(frozen=True, slots=True)
class DueStep:
    """A personal step that is still to come."""

    at: datetime
    person: str
    contact: str
    level: int
    cycle: int
    climb: int
    step: str
    reason: PageReason
    roster: str | None = None
    pool: str | None = None  # they are asked as a reserve: it survives an acknowledgement


@dataclass(frozen=True, slots=True)
class PoolCall:
    """A pool whose reserves were asked to join an incident, and who said what."""

    pool: str
    called: tuple[str, ...] = ()  # whose turn has come, or is to come
    accepted: tuple[str, ...] = ()  # in the order in which they came
    declined: tuple[str, ...] = ()
    until: datetime | None = None  # when the last of them has had their time; None: nobody is being asked
    times: int = 1  # how often it was called: part of the page ids


@dataclass(frozen=True, slots=True)
class Incident:
    """What a person is paged for. `wake_at` is never empty while it is kept: nobody is forgotten."""

    number: int
    title: str
    status: Status
    priority: Priority
    why: str
    opened_at: datetime
    policy: str
    wake_at: datetime
    by_hand: bool = False  # reported by a person: no check will say that it is over
    service: str | None = None
    group: str = ""  # alerts with this key join it
    joined_at: datetime | None = None
    alerts: tuple[str, ...] = ()  # keys of those that fail still
    check: str | None = None  # of the first alert: names the playbook
    summary: str = ""
    # the ladder
    climb: int = 1
    cycle: int = 1
    level: int = 0  # 1-based; len(levels) + 1 is the policy's fallback
    level_until: datetime | None = None  # nobody answered by then: climb
    steps: tuple[DueStep, ...] = ()
    reachable: tuple[str, ...] = ()  # people of this level not known to be out of reach
    reason: PageReason = PageReason.FIRST  # of the current climb
    paged: tuple[tuple[str, str], ...] = ()  # (person, contact) of everybody ever paged for it, in order
    shadows: tuple[tuple[str, str], ...] = ()  # (person, contact) of those who watch: told, never paged
    told: tuple[str, ...] = ()  # channels that have its card
    page_last_at: datetime | None = None
    owner_told_at: datetime | None = None  # that others joined what they have
    skipped: tuple[int, ...] = ()  # levels of this climb that wanted more alerts: looked at again
    waits_for_level: bool = False  # no level's `when` holds: `level_until` is when one may
    pools: tuple[PoolCall, ...] = ()  # reserves that were called, or came; the one that moved last is last
    # who has it
    owner: str | None = None  # a person's id, or `team:dev`
    acks: tuple[str, ...] = ()  # who has acknowledged, where the policy wants several; the first is the owner
    given_back_by: str | None = None  # who had it last and gave it back by hand
    acked_at: datetime | None = None
    first_acked_at: datetime | None = None
    ack_until: datetime | None = None  # then one reminder, then the acknowledgement lapses
    reminded: bool = False
    promised_for: datetime | None = None  # `--due` of a reassignment
    snoozed_until: datetime | None = None
    held_until: datetime | None = None  # all of it is quiet (silence, maintenance, pause): the ladder waits
    held_why: QuietReason | None = None
    pinned: Priority | None = None
    # its end
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    fixed: str = ""  # what they said when it was resolved: for the next one like it
    reopen_at: datetime | None = None  # resolved by hand while it fails
    merged_into: int | None = None  # its alerts are that one's now
    took_over: tuple[str, ...] = ()  # group keys of what was merged into it: they join it too
    # promises (`core/sla.py`), and who waits for news
    reporter: str | None = None  # a person who said so; a check did otherwise
    updated_at: datetime | None = None  # stakeholders were told last
    rested: timedelta = timedelta(0)  # resolved for so long in all: the clocks stood still
    clocks: tuple[str, ...] = ()  # what they have said: ack, update(_soon), update_2 …, resolve(_soon)
    clock_at: datetime | None = None  # when they strike next
    # storms (`core/storms.py`)
    storm: int | None = None  # the storm it is folded into: that one is paged for it
    is_storm: bool = False
    storm_until: datetime | None = None  # it has passed when nothing was folded into it by then
    folded: int = 0  # how many were ever folded into it
    also: tuple[tuple[str, Priority], ...] = ()  # other members' policies whose first level was paged, and how loud


@dataclass(frozen=True, slots=True)
class Silence:
    id: int
    matchers: tuple[tuple[str, str, str], ...]  # (label, = != =~ !~, value): Alertmanager's
    starts_at: datetime
    ends_at: datetime
    owner: str
    reason: str
    tell_at: datetime | None = None  # its owner is told then that it will end; None: they know, or need not
    uuid: str = ""  # its name for Alertmanager's API; empty: see `silences.uuid_of`
    updated_at: datetime | None = None
    is_outsiders: bool = False  # `owner` is a name that came over Alertmanager's API, of nobody in the plan
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """What a silence or a maintenance window has held back so far: of which its owner hears when it ends."""

    until: datetime
    owner: str
    count: int = 0
    alerts: tuple[str, ...] = ()  # at most `held.COUNTED_MAX`
    worst: Priority | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A change to a roster for a span, `[start, end)`. Exactly one form, see `events.AddOverride`."""

    id: int
    roster: str
    start: datetime
    end: datetime
    remove: str | None = None
    add: str | None = None
    shifts: tuple[tuple[datetime, datetime, tuple[str, ...]], ...] | None = None
    by: str = ""
    made_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away, `[start, end)`. It takes nobody off a roster by itself: coverage is never lost silently; who
    is on call meanwhile all the same is a conflict (`core.absences.conflicts`), until somebody covers.

    `source` says where it came from: `hand`, or the calendar it was imported from. `uid` is the calendar's name for it,
    with the instance of a recurring one: imported again it is the same absence.
    """

    id: int
    person: str
    start: datetime
    end: datetime
    kind: str = "leave"  # leave | sick | training | travel
    reason: str = ""
    source: str = "hand"
    uid: str = ""
    by: str = ""
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody would take of a cover request, and want in return; the one who asked has not said yes yet."""

    person: str
    start: datetime
    end: datetime
    return_start: datetime | None = None
    return_end: datetime | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """A request that somebody take `person`'s hours on call, `[start, end)`; with `is_swap` one of theirs is in return.

    `left` are the hours that nobody has taken yet. `asked` are those who were told, each with the shift of theirs that
    would be taken in return. `taken` are (person, start, end). `wake_at` is when the leads are told, then when it
    expires, then (over) when it is forgotten.
    """

    id: int
    roster: str
    person: str
    start: datetime
    end: datetime
    left: tuple[tuple[datetime, datetime], ...]
    is_swap: bool = False
    return_start: datetime | None = None  # None in a swap: the next shift of who accepts
    return_end: datetime | None = None
    only: str | None = None  # asked of this person alone
    asked: tuple[tuple[str, datetime | None, datetime | None], ...] = ()
    offers: tuple[Offer, ...] = ()
    taken: tuple[tuple[str, datetime, datetime], ...] = ()
    status: CoverStatus = CoverStatus.OPEN
    reason: str = ""
    absence: int | None = None  # the one that made it necessary
    by: str = ""
    made_at: datetime | None = None
    warned_at: datetime | None = None  # the leads were told that nobody has taken it
    ended_at: datetime | None = None
    wake_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status is CoverStatus.OPEN


@dataclass(frozen=True, slots=True)
class Risk:
    """An entry of the risk ledger. `due` is a date on the owner's calendar (the plan's where a team or nobody owns it).

    `source` says where it came from: `hand`, `inspection:daily`, `postmortem:142`. `key` is the finding's: found again
    it is the same risk; empty for one that a person wrote down.
    """

    id: int
    title: str
    severity: Severity
    opened_at: datetime
    status: RiskStatus = RiskStatus.OPEN
    owner: str | None = None  # a person's id, or `team:dev`
    due: date | None = None
    source: str = "hand"
    key: str = ""
    service: str | None = None
    target: str | None = None
    check: str | None = None
    incident: int | None = None
    evidence: tuple[str, ...] = ()
    by: str | None = None  # who wrote it down; None: opswatch found it
    seen_at: datetime | None = None  # when it was last found
    reminded_at: datetime | None = None
    wake_at: datetime | None = None  # the next reminder, or the end of an acceptance; None: nothing is due any more
    ended_at: datetime | None = None  # closed or accepted
    ended_by: str | None = None
    reason: str = ""  # why it was closed or accepted
    accepted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A post-mortem or a short review that an incident owes. Its words are a file; here is who owes it, and when.

    `told` counts the reminders of this stage that have gone out. `actions` are the rows of its table of actions that
    the ledger has, (key, risk), in the order of the file.
    """

    incident: int
    kind: PaperKind
    opened_at: datetime
    due_at: datetime
    stage: Stage = Stage.DRAFT
    owner: str | None = None  # a person's id, or `team:dev`; None: nobody had it
    moved_at: datetime | None = None  # into its stage
    moved_by: str | None = None
    told: int = 0
    wake_at: datetime | None = None  # the next reminder; None: all of them have gone out
    actions: tuple[tuple[str, int], ...] = ()

    @property
    def is_published(self) -> bool:
        return self.stage is Stage.PUBLISHED


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one node knows of its own sight (`core/vantage.py`)."""

    asked_at: datetime | None = None  # the anchors are being asked since; while blind: when it was last said
    answered_at: datetime | None = None  # one of them answered
    blind_since: datetime | None = None  # none of them did
    incident: int | None = None  # the one that says so


@dataclass(frozen=True, slots=True)
class Beat:
    """What is known of a heartbeat: its last signs, the runs that are not over, and when it is late."""

    id: str
    since: datetime  # it is waited for since
    due_at: datetime  # without a success by then it is late
    pinged_at: datetime | None = None
    success_at: datetime | None = None
    failed_at: datetime | None = None
    started_at: datetime | None = None
    exit_code: int | None = None
    took_s: float | None = None  # the last run that said when it began
    runs: Mapping[str, datetime] = field(default_factory=dict)  # run → when it began
    tail: tuple[str, ...] = ()  # of its output
    episode: int = 0
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Takeover:
    """A hand-over that the next people have not accepted yet."""

    at: datetime  # the end of the shift before
    people: tuple[str, ...]
    whose: tuple[str, ...]  # whose shift it was
    wake_at: datetime | None = None
    is_reminded: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """Pages to one person beyond what an hour has room for: they become one, when there is room (`[mercy]`)."""

    at: datetime  # not before
    count: int = 0
    incidents: tuple[int, ...] = ()  # those that are named; `count` tells of all


@dataclass(frozen=True, slots=True)
class Standing:
    """The few single facts: last numbers given, whether all pages are paused."""

    incident_last: int = 0
    silence_last: int = 0
    override_last: int = 0
    paused_until: datetime | None = None
    paused_by: str | None = None
    digest_at: datetime | None = None  # the last one sent
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of inspections → who signed each item
    risk_last: int = 0
    absence_last: int = 0
    cover_last: int = 0
    handed_over: Mapping[str, datetime] = field(default_factory=dict)  # roster → end of the last shift handed over
    shifts_at: Mapping[str, datetime] = field(default_factory=dict)  # roster → when its shifts are looked at next
    on_call: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # roster → who was last told to be on call
    takeovers: Mapping[str, Takeover] = field(default_factory=dict)  # by roster
    held: Mapping[str, Held] = field(default_factory=dict)  # `silence 3`, `maintenance weekly` → what it holds back
    storm: int | None = None  # the last one that began
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)  # node → its own sight
    marks: Mapping[str, datetime] = field(default_factory=dict)  # what has been told once → until when that is kept
    rings: Mapping[str, str] = field(default_factory=dict)  # policy/level that pages one in turn → who was the last
    rang: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)  # person → their pages of the last hour
    bundles: Mapping[str, Bundle] = field(default_factory=dict)  # person → what waits for room

"""Stories: a plan, a clock that only the story moves, and what people would have noticed.

    story = Story(two_levels(), starts=MONDAY_3AM_BERLIN)
    story.fails("db")
    assert story.paged() == ["ana"]
    story.passes(minutes=5)
    assert story.paged() == ["bo"]

After every step the laws that must always hold are looked at: the timeline replays to the state, and every incident
has a deadline ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from opswatch.core.changes import State
from opswatch.core.effects import (
    Announce,
    Done,
    Effect,
    Entry,
    Notice,
    Page,
    Record,
    Refuse,
    Settle,
    Update,
    Withdraw,
)
from opswatch.core.engine import EXPIRED_AT_ONCE, Engine
from opswatch.core.events import Acknowledge, Command, Event, NodeStarted, Observed, PlanReloaded, SendFailed, Tick
from opswatch.core.model import Failure, Health, Priority, Role, Sample, Secret, UnknownReason, Verdict
from opswatch.core.plan import (
    Check,
    Layer,
    Level,
    NotifyStep,
    Person,
    Plan,
    Policy,
    Roster,
    Route,
    Service,
    Target,
)
from opswatch.core.state import Incident
from opswatch.core.timeline import book_of, replay
from opswatch.sim import laws

MONDAY_3AM_BERLIN = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
MONDAY_NOON_BERLIN = datetime(2026, 11, 16, 11, 0, tzinfo=UTC)


def person(name: str, *contacts: str, role: Role = Role.RESPONDER, **more: object) -> Person:
    """Somebody with these contacts; `webhook` when none is named."""
    ways = {contact: Secret(f"{contact}-of-{name}") for contact in contacts or ("webhook",)}
    return Person(id=name, name=name.title(), contacts=ways, role=role, **more)  # type: ignore[arg-type]


def plan(*, levels: tuple[Level, ...], people: tuple[Person, ...], repeat: int = 0, **more: object) -> Plan:
    """A small team with one critical service of two hosts, looked at once per failure the story tells."""
    checks = {
        name: Check(name, "command", ("db-1", "db-2"), confirm=1, recover=1, on_unknown=Priority.P2)
        for name in ("db", "web")
    }
    given: dict[str, object] = {
        "node": "here",
        "services": {"orders": Service("orders", "Order pipeline", tier=2)},
        "targets": {name: Target(name, "host", service="orders") for name in ("db-1", "db-2")},
        "people": {one.id: one for one in people},
        "checks": checks,
        "channels": frozenset({"ops"}),
        "policies": {"standard": Policy("standard", levels, repeat=repeat, fallback=("person:lead",))},
        "routes": (Route("standard"),),
    }
    return Plan(**{**given, **more})  # type: ignore[arg-type]


def two_levels(**more: object) -> Plan:
    """Ana for five minutes, then Bo for ten, then the lead."""
    levels = (Level(("person:ana",), timedelta(minutes=5)), Level(("person:bo",), timedelta(minutes=10)))
    people = (person("ana"), person("bo"), person("lead", role=Role.ADMIN))
    return plan(**{"levels": levels, "people": people, **more})  # type: ignore[arg-type]


class Story:
    """What happens, told in order. `paged()` gives who was interrupted since it was last asked."""

    def __init__(self, the_plan: Plan, starts: datetime = MONDAY_3AM_BERLIN) -> None:
        self.engine = Engine(the_plan)
        self.state = State()
        self.now = starts
        self.entries: list[Entry] = []
        self.pages: list[Page] = []
        self.pending: dict[str, Page] = {}
        self.updates: list[Update] = []
        self.notices: list[Notice] = []
        self.announcements: list[Announce] = []
        self._told = 0

    # what happens

    def apply(self, event: Event) -> list[Effect]:
        changes, effects = self.engine.step(self.state, event, self.now)
        self.state.apply(changes)
        for effect in effects:
            self._notice(effect)
        self._laws()
        return effects

    def decides(self, events: Sequence[Event], *, check: bool = True) -> None:
        """A batch, decided at once and committed at once. `check` looks at the laws after it."""
        decision = self.engine.decide(self.state, events, self.now)
        self.state.apply(decision.changes)
        for effect in decision.effects:
            self._notice(effect)
        if check:
            self._laws()

    def starts(self) -> None:
        self.apply(NodeStarted("here"))

    def fails(self, check: str = "db", target: str = "db-1", health: Health = Health.CRIT, item: str = "") -> None:
        self.looks(check, target, failures=(Failure(f"{check} is {health} on {target}", health, item),))

    def recovers(self, check: str = "db", target: str = "db-1") -> None:
        self.looks(check, target)

    def cannot_tell(
        self, check: str = "db", target: str = "db-1", reason: UnknownReason = UnknownReason.TIMEOUT
    ) -> None:
        self.looks(check, target, unknown=reason)

    def looks(
        self,
        check: str = "db",
        target: str = "db-1",
        *,
        failures: tuple[Failure, ...] = (),
        unknown: UnknownReason | None = None,
        at: datetime | None = None,
        **samples: float,
    ) -> list[Effect]:
        """One verdict arrives; the story's clock moves on by a millisecond, so that results are in order."""
        self.now += timedelta(milliseconds=1)
        measured = tuple(Sample(name, value) for name, value in samples.items())
        said = failures[0].sentence if failures else "it looks as it should"
        verdict = Verdict(at=at or self.now, sentence=said, samples=measured, failures=failures, unknown=unknown)
        return self.apply(Observed(check, target, verdict))

    def passes(self, **span: float) -> None:
        """Time goes by; the desk is woken at each deadline on the way."""
        until = self.now + timedelta(**span)
        for _ in range(100_000):
            due = self.engine.next_deadline(self.state)
            if due is None or due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            self.ticks()
        raise AssertionError("the desk is woken again and again without moving on")

    def ticks(self) -> None:
        """The desk is woken, and does all that is due: it need not be woken for that again. (Of alerts of others that
        expire there may be so many that it takes several.)"""
        expiring = len(self.state.posting_deadlines.due(self.now))
        for _ in range(1 + expiring // EXPIRED_AT_ONCE):
            self.apply(Tick())
            broken = laws.what_was_due_is_done(self.engine.next_deadline(self.state), self.now)
            if not broken:
                return
        raise AssertionError(f"the desk would be woken again and again: {broken}")

    def says(self, command: Command) -> Done | Refuse:
        """Somebody gives a command; their answer."""
        answers = [effect for effect in self.apply(command) if isinstance(effect, (Done, Refuse))]
        assert len(answers) == 1, f"{command} was answered {len(answers)} times: {answers}"
        return answers[0]

    def acks(self, who: str, incident: int = 1) -> Done | Refuse:
        return self.says(Acknowledge(incident, by=who))

    def way_closes(self, page: Page, reason: str = "user_not_found") -> None:
        """The vendor says that this address will never work."""
        self.apply(SendFailed(page.id, page.incident, "page", page.person, page.contact, reason, True, page=page))

    def reloads(self, new: Plan) -> None:
        self.engine = Engine(new)
        self.apply(PlanReloaded())

    # what people notice

    def paged(self) -> list[str]:
        """Who was paged since this was last asked, in order."""
        new = self.pages[self._told :]
        self._told = len(self.pages)
        return [page.person for page in new]

    def last_page(self) -> Page:
        return self.pages[-1]

    def incident(self, number: int = 1) -> Incident:
        return self.state.incidents[number]

    def kinds(self, incident: int | None = None) -> list[str]:
        return [entry.kind for entry in self.entries if incident is None or entry.incident == incident]

    def facts(self, kind: str) -> Mapping[str, object]:
        """Of the last entry of this kind."""
        return next(entry.facts for entry in reversed(self.entries) if entry.kind == kind)

    # what must always hold

    def _notice(self, effect: Effect) -> None:
        match effect:
            case Record(entry):
                self.entries.append(entry)
            case Page():
                assert effect.id not in {page.id for page in self.pages}, f"{effect.id} was promised twice"
                self.pages.append(effect)
                self.pending[effect.id] = effect
            case Update():
                self.updates.append(effect)
            case Notice():
                self.notices.append(effect)
            case Announce():
                self.announcements.append(effect)
            case Withdraw(incident, people):
                for page in list(self.pending.values()):
                    if page.incident == incident and (people is None or page.person in people):
                        del self.pending[page.id]
            case Settle(message):
                self.pending.pop(message, None)
            case _:
                pass

    def _laws(self) -> None:
        told, so = replay(self.entries), book_of(self.state)
        assert told.open_incidents() == so.incidents, "the timeline does not replay to the incidents"
        assert told.announced == so.announced, "the timeline does not replay to what was announced"
        assert told.arranged() == so.arranged(), "the timeline does not replay to what is arranged"
        for incident in self.state.incidents.values():
            assert incident.wake_at is not None, f"incident {incident.number} is forgotten"


def roster(*names: str, starts: datetime = datetime(2026, 11, 16, 9)) -> Roster:  # noqa: DTZ001 - a local wall time
    """These people in weekly turns, from nine in the morning in Berlin."""
    layer = Layer("weekly", tuple((name,) for name in names), starts, (1, "week"), (1, "week"), "Europe/Berlin")
    return Roster("primary", (layer,), "Europe/Berlin")


def rules(**steps: tuple[NotifyStep, ...]) -> dict[Priority, tuple[NotifyStep, ...]]:
    return {Priority[name]: given for name, given in steps.items()}

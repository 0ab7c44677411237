"""A desk over a real SQLite file, a clock that only the test moves, and the loop that keeps the duty logs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from opswatch.core.effects import Done, Page, Refuse
from opswatch.core.engine import Engine
from opswatch.core.events import Command, Event, MessageSent, NodeStarted, Observed, PlanReloaded, Tick
from opswatch.core.model import Failure, Role, Verdict
from opswatch.core.plan import Level, Plan
from opswatch.desk import Desk
from opswatch.loops.reports import Records
from opswatch.records import for_reading
from opswatch.stores import Store, open_store
from opswatch.views import Views
from tests.story import person, plan, roster

MINUTE = timedelta(minutes=1)
LAST_MONDAY = datetime(2026, 11, 9, 9)  # noqa: DTZ001 - a local wall time


def team(**more: object) -> Plan:
    """Ana has the week until Monday nine in Berlin; Bo, who is next, lives in Shanghai."""
    levels = (Level(("roster:primary",), 5 * MINUTE), Level(("roster:primary/next",), 10 * MINUTE))
    people = (
        person("ana", timezone="Europe/Berlin"),
        person("bo", timezone="Asia/Shanghai"),
        person("lead", role=Role.ADMIN),
    )
    rosters = {"primary": roster("ana", "bo", starts=LAST_MONDAY)}
    return plan(**{"levels": levels, "people": people, "rosters": rosters, **more})  # type: ignore[arg-type]


class Room:
    """One installation under `folder`. `now` is what everybody in it is told."""

    def __init__(self, folder: Path, the_plan: Plan, now: datetime, *, node: str = "ops-1") -> None:
        self.folder, self.now, self.node = folder, now, node
        self.store: Store = open_store(f"sqlite:{folder / 'opswatch.db'}")
        self.store.migrate()
        self.desk = Desk(self.store, Engine(the_plan), lambda: self.now)
        self.views = Views(self.desk, self.store, lambda: self.now)
        self.records = self.daemon()

    def daemon(self, node: str | None = None, folder: Path | None = None) -> Records:
        """A loop as a daemon that comes up has it."""
        return Records(self.desk, self.store, folder or self.folder, lambda: self.now, node or self.node)

    def close(self) -> None:
        self.store.close()

    # what happens

    def apply(self, event: Event) -> list[Page]:
        return [effect for effect in self.desk.apply(event) if isinstance(effect, Page)]

    def starts(self, down_since: datetime | None = None) -> None:
        self.apply(NodeStarted(self.node, down_since))

    def says(self, command: Command) -> Done | Refuse:
        return self.desk.answer(command)

    def fails(self, check: str = "db", target: str = "db-1") -> None:
        """It fails, and the pages arrive."""
        said = f"{check} is crit on {target}"
        self._arrive(self.apply(Observed(check, target, Verdict(self.now, said, failures=(Failure(said),)))))

    def recovers(self, check: str = "db", target: str = "db-1") -> None:
        self.apply(Observed(check, target, Verdict(self.now, "it looks as it should")))

    def passes(self, **span: float) -> None:
        """Time goes by; the desk is woken at each deadline on the way, and what it pages arrives."""
        until = self.now + timedelta(**span)
        while (due := self.desk.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self._arrive(self.apply(Tick()))
        self.now = until

    def reloads(self, the_plan: Plan) -> None:
        self.desk.reload(Engine(the_plan))
        self.apply(PlanReloaded())

    def _arrive(self, pages: list[Page]) -> None:
        for page in pages:
            self.apply(MessageSent(page.id, page.incident, "page", page.person, page.contact, 1.5))

    # the files

    def keep(self) -> None:
        """The loop looks, again and again, until it has caught up."""
        for _ in range(400):
            self.records.keep()
            if not self.records.is_behind:
                return
        raise AssertionError("the loop never catches up")

    @property
    def files(self) -> list[str]:
        return sorted(file.name for file in (self.folder / "records" / "dutylog").glob("*.md"))

    def file(self, name: str) -> Path:
        return self.folder / "records" / "dutylog" / f"{name}.md"

    def text(self, name: str) -> str:
        """A file as a person reads it."""
        return for_reading(self.file(name).read_text(encoding="utf-8"))

"""A promised message becomes words and a way: rendered for its reader, with the channel that carries it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from opswatch import plugins, render
from opswatch.channels import Channel, Message, Receipt
from opswatch.config import ChannelSettings, Settings
from opswatch.core import escalation, forewarning, reach
from opswatch.core.changes import Draft
from opswatch.core.effects import Announce, Notice, Page, Update
from opswatch.core.inspection import Report
from opswatch.core.likely import Around, around
from opswatch.core.model import Status
from opswatch.core.moment import Moment
from opswatch.core.plan import Plan
from opswatch.core.roster import Shift
from opswatch.core.state import Alert, Incident
from opswatch.desk import Desk
from opswatch.errors import DeliveryError, OpswatchError, PluginNotFound
from opswatch.links import Links
from opswatch.paperwork import Paperwork
from opswatch.pasts import Pasts
from opswatch.playbooks import Playbooks
from opswatch.render import shift_notices
from opswatch.render.coverage import coverage_notice
from opswatch.render.handover import message_parts
from opswatch.render.inspection_notice import inspected
from opswatch.stores import Promise, Store

FIRST_STEP_MAX = 200


class NotWanted(OpswatchError):
    """There is nobody and nothing to send this to any more."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message and its way: `carry` hands it to the channel and gives the vendor's receipt."""

    message: Message
    carry: Callable[[Message], Receipt]


class Composer:
    """Turns promises into outgoing messages, by the plan and settings in force. Safe for many senders."""

    def __init__(self, desk: Desk, store: Store, settings: Settings, playbooks: Playbooks, links: Links) -> None:
        self._desk, self._store, self._links = desk, store, links
        self._settings, self._playbooks = settings, playbooks
        self._paperwork = Paperwork(desk, store)
        self.pasts = Pasts(store)
        self._made: dict[str, Channel] = {}
        self._lock = threading.Lock()

    def reload(self, settings: Settings, playbooks: Playbooks) -> None:
        """Use other channels and playbooks from now on."""
        with self._lock:
            self._settings, self._playbooks = settings, playbooks
            self._made.clear()

    def compose(self, promise: Promise, now: datetime) -> Outgoing:
        """Words and way of one promise. Raises NotWanted, DeliveryError(permanent=True) where there is no way."""
        body = promise.body
        channel, address = self._announced_to(body.channel) if isinstance(body, Announce) else self._way_to(body)
        message = self._rendered(promise, now)
        return Outgoing(message, lambda words: channel.send(words, address))

    # the way

    def send_to_person(self, person: str, contact: str, message: Message) -> Receipt:
        """Straight to somebody, promised by nobody: for emergencies. Raises DeliveryError."""
        channel, address = self._person_at(person, contact)
        return channel.send(message, address)

    def send_to_channel(self, name: str, message: Message) -> Receipt:
        """Straight to a channel, promised by nobody: for emergencies. Raises DeliveryError, NotWanted."""
        channel, address = self._announced_to(name)
        return channel.send(message, address)

    def _way_to(self, body: Page | Update | Notice) -> tuple[Channel, str]:
        return self._person_at(body.person, body.contact)

    def _person_at(self, name: str, contact: str) -> tuple[Channel, str]:
        person = self._desk.engine.plan.people.get(name)
        if person is None or contact not in person.contacts:
            raise DeliveryError(f"{name} has no contact {contact} any more", permanent=True)
        settings = self._settings.carrier(contact)
        if settings is None:
            raise DeliveryError(f"no [[channel]] of kind {contact} carries to people", permanent=True)
        return self._channel(settings), person.contacts[contact].reveal()

    def _announced_to(self, name: str) -> tuple[Channel, str]:
        settings = self._settings.channels.get(name)
        if settings is None:
            raise NotWanted(f"there is no channel {name} any more")
        return self._channel(settings), settings.to

    def _channel(self, settings: ChannelSettings) -> Channel:
        with self._lock:
            if settings.id not in self._made:
                try:
                    module = plugins.find("channels", settings.kind)
                except PluginNotFound as missing:
                    raise DeliveryError(str(missing), permanent=True) from None
                self._made[settings.id] = module.Channel(settings.config, to=settings.to)
            return self._made[settings.id]

    # the words

    def _rendered(self, promise: Promise, now: datetime) -> Message:
        body, plan = promise.body, self._desk.engine.plan
        again = {"attempt": promise.attempt, "possible_duplicate": promise.possible_duplicate}
        link = self._links.at(now)
        if isinstance(body, Page) and body.test:
            return render.test_page(plan, body, at=now, **again)  # type: ignore[arg-type]
        if isinstance(body, Page) and body.bundle:
            waiting = [one for one in self._incidents(list(body.bundle)) if one.status is Status.TRIGGERED]
            if not waiting:
                raise NotWanted("somebody has all of them")
            return render.bundle_page(plan, body, waiting, link=link, at=now, **again)  # type: ignore[arg-type]
        if isinstance(body, Announce) and body.event == "inspected":
            report = self._report(str(body.facts.get("run")))
            return inspected(plan, body, report, id=promise.id, link=link, at=now, **again)  # type: ignore[arg-type]
        if isinstance(body, Announce) and body.event == "digest":
            incidents = self._incidents(body.facts.get("incidents"))
            return render.digest(plan, body, incidents, id=promise.id, link=link, at=now, **again)  # type: ignore[arg-type]
        if isinstance(body, Announce | Notice) and body.event == forewarning.EVENT:
            return coverage_notice(plan, body, id=promise.id, link=link, at=now, **again)  # type: ignore[arg-type]
        if isinstance(body, Announce) and body.event in shift_notices.EVENTS:
            shifts = self._shifts(body)
            return shift_notices.shift_notice(plan, body, shifts, id=promise.id, link=link, at=now, **again)  # type: ignore[arg-type]
        if isinstance(body, Notice):
            return self._notice(plan, body, promise, now)
        incident, alerts = self._incident(body.incident)
        around = self._around(plan, incident, alerts, now)
        step = self._first_step(plan, incident)
        match body:
            case Page():
                return render.page(
                    plan,
                    incident,
                    body,
                    alerts,
                    link=link,
                    at=now,
                    ref=promise.ref,
                    first_step=step,
                    around=around,
                    next_people=self._next_people(plan, incident, now),
                    **again,  # type: ignore[arg-type]
                )
            case Update():
                return render.update(
                    plan,
                    incident,
                    body,
                    alerts,
                    id=promise.id,
                    link=link,
                    at=now,
                    ref=promise.ref,
                    first_step=step,
                    around=around,
                    **again,  # type: ignore[arg-type]
                )
            case Announce():
                return render.announce(
                    plan,
                    incident,
                    body,
                    alerts,
                    id=promise.id,
                    link=link,
                    at=now,
                    ref=promise.ref,
                    first_step=step,
                    around=around,
                    **again,  # type: ignore[arg-type]
                )

    def _around(self, plan: Plan, incident: Incident, alerts: list[Alert], now: datetime) -> Around:
        with self._desk.looking() as (state, _):
            return around(plan, state, incident, alerts, self.pasts.like(incident, now))

    def _notice(self, plan: Plan, body: Notice, promise: Promise, now: datetime) -> Message:
        about = self._incident(body.incident)[0] if body.incident is not None else None
        return render.notice(
            plan,
            body,
            id=promise.id,
            link=self._links.at(now),
            at=now,
            incident=about,
            parts=self._handed_over(body, plan, now) if body.event == "handover" else (),
            attempt=promise.attempt,
            possible_duplicate=promise.possible_duplicate,
        )

    def _handed_over(self, body: Notice, plan: Plan, now: datetime) -> Sequence[tuple[str, Sequence[str]]]:
        """What the reader takes over, as things stand now: a message that had to wait is not out of date."""
        roster = str(body.facts.get("roster"))
        if roster not in plan.rosters:
            raise NotWanted(f"there is no roster {roster} any more")
        at = datetime.fromisoformat(str(body.facts.get("at")))
        handing = self._paperwork.handing(roster, at) or self._paperwork.handing_now(roster, now)
        return message_parts(self._paperwork.hand_over(handing, now), plan, body.person)

    def _first_step(self, plan: Plan, incident: Incident) -> str:
        """What the playbook says to do first, in one line: it stands in the page itself."""
        check = plan.checks.get(incident.check or "")
        playbook = self._playbooks.for_check(check.id, check.playbook) if check is not None else None
        return first_step(playbook.text) if playbook is not None else ""

    def _incident(self, number: int | None) -> tuple[Incident, list[Alert]]:
        with self._desk.looking() as (state, _):
            incident = state.incidents.get(number or 0)
            alerts = state.alerts_of(incident) if incident else []
        incident = incident or self._store.incident(number or 0)
        if incident is None:
            raise NotWanted(f"there is no incident {number}")
        return incident, alerts

    def _shifts(self, body: Announce) -> list[Shift]:
        """Of the week that is announced, as it is now; none for a change."""
        roster = str(body.facts.get("roster"))
        if body.event != "week_ahead":
            return []
        start, end = (datetime.fromisoformat(str(body.facts.get(name))) for name in ("at", "until"))
        with self._desk.looking() as (state, engine):
            if roster not in engine.plan.rosters:
                raise NotWanted(f"there is no roster {roster} any more")
            return engine.rosters.shifts(roster, tuple(state.overrides.values()), start, end)

    def _report(self, run: str) -> Report:
        report = self._store.inspection(run)
        if report is None:
            raise NotWanted(f"there is no report of {run}")
        return report

    def _incidents(self, numbers: object) -> list[Incident]:
        known = [int(str(number)) for number in numbers] if isinstance(numbers, (list, tuple)) else []
        with self._desk.looking() as (state, _):
            return [state.incidents[number] for number in known if number in state.incidents]

    def _next_people(self, plan: Plan, incident: Incident, now: datetime) -> Sequence[str]:
        """Whom the next level would page if nobody answers."""
        policy = escalation.policy_of(plan, incident.policy)
        if incident.level_until is None or incident.level >= len(policy.levels):
            return ()
        with self._desk.looking() as (state, engine):
            m = Moment(plan, engine.rosters, Draft(state), now)
            targets = reach.resolve(m, policy.levels[incident.level].page, incident.priority)
        return [called.person for called in targets.people]


def first_step(text: str) -> str:
    """The first item of a playbook's first list, or its first paragraph: Markdown in, one bounded line out."""
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(("#", "```", ">"))]
    items = [line for line in said if line.startswith(("- ", "* ", "1. "))]
    chosen = (items or said or [""])[0]
    return chosen.lstrip("-*1. ").strip()[:FIRST_STEP_MAX]

"""People, rosters and pools, from their tables to the plan."""

from __future__ import annotations

import pwd
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from opswatch.config import schema, windows
from opswatch.config.names import Names, each
from opswatch.config.problems import Place, Problems
from opswatch.config.settings import ChannelSettings, Kinds
from opswatch.config.suggest import listed
from opswatch.config.tables import Entry, Tables
from opswatch.core.model import Priority, Role
from opswatch.core.plan import Layer, NotifyStep, Person, Plan, Pool, Roster
from opswatch.core.reach import rules_of
from opswatch.core.roster import Rosters, Shift, layer_problems
from opswatch.errors import PluginNotFound

# Contacts that later releases carry: accepted today, with a warning, and not counted on.
LATER_CONTACTS = frozenset({"feishu", "lark", "dingtalk", "wecom", "matrix", "sms", "phone", "apprise"})
SHIFTS_LISTED = 5


@dataclass
class Carriers:
    """Which kinds of contact can be reached: through a channel that is written, or one that needs no settings."""

    kinds: Kinds
    channels: dict[str, ChannelSettings]
    implied: dict[str, ChannelSettings] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def state(self, kind: str) -> str:
        """`ready`, `later` (another release), `unset` (a [[channel]] of that kind is missing) or `unknown`."""
        if kind not in self._known:
            self._known[kind] = self._find(kind)
        return self._known[kind]

    def _find(self, kind: str) -> str:
        if any(channel.kind == kind for channel in self.channels.values()):
            return "ready"
        try:
            model = self.kinds.channel_model(kind)
        except PluginNotFound:
            return "later" if kind in LATER_CONTACTS else "unknown"
        try:
            config = model.model_validate({}) if model is not None else None
        except ValueError:
            return "unset"
        name = kind if kind not in self.channels else f"{kind}-implied"
        self.implied[name] = ChannelSettings(name, kind, config, is_implied=True)
        return "ready"


def people(
    tables: Tables, names: Names, carriers: Carriers, *, timezone: str, language: str, warnings: Problems
) -> dict[str, Person]:
    """Everybody whose contacts are right."""
    entries = tables.all("person", schema.Person)
    logins: dict[str, str] = {}
    found = {}
    for entry in entries:
        person = _person(entry, names, carriers, timezone=timezone, language=language, warnings=warnings)
        if person.login is not None and logins.setdefault(person.login, person.id) != person.id:
            names.problems.add(entry.place.at("login"), f"a login of their own: it is {logins[person.login]}'s already")
        if not {"contact", "notify"} & entry.value.spoilt:
            found[person.id] = person
    return found


def _person(
    entry: Entry[schema.Person],
    names: Names,
    carriers: Carriers,
    *,
    timezone: str,
    language: str,
    warnings: Problems,
) -> Person:
    table, place, problems = entry.value, entry.place, names.problems
    reachable = {
        kind: _carried(kind, place.at("contact", kind), carriers, problems, warnings) for kind in table.contact
    }
    return Person(
        id=table.id,
        name=table.name or table.id,
        timezone=table.timezone or timezone,
        language=table.language or language,
        login=table.login or _only_login(names.tables, place),
        team=table.team,
        role=Role[table.role.upper()],
        day=windows.hours(table.day, place.at("day"), problems),
        contacts={kind: address for kind, address in table.contact.items() if reachable[kind]},
        notify={
            priority: _steps(steps, place.at("notify", str(priority)), reachable, problems)
            for priority, steps in table.notify.items()
        },
    )


def _only_login(tables: Tables, place: Place) -> str | None:
    """Where one person is the whole team, they are who wrote the file: their command line acts as them."""
    if len(tables.known("person")) != 1:
        return None
    try:
        return pwd.getpwuid(place.source.file.stat().st_uid).pw_name
    except (OSError, KeyError):
        return None


def _carried(kind: str, place: Place, carriers: Carriers, problems: Problems, warnings: Problems) -> bool:
    state = carriers.state(kind)
    if state == "later":
        warnings.add(place, f"accepted, but this release has no {kind} channel yet: nobody is paged through it")
    elif state == "unset":
        problems.add(place, f'a [[channel]] of kind = "{kind}" to carry it: there is none', seen="")
    elif state == "unknown":
        known = [*carriers.kinds.known_channels(), *LATER_CONTACTS]
        problems.unknown(place, kind, known, f"a kind of channel: one of {', '.join(sorted(known))}", seen="")
    return state != "later"  # What is wrong is reported once: nothing follows from it.


def _steps(
    steps: Iterable[NotifyStep], place: Place, reachable: dict[str, bool], problems: Problems
) -> tuple[NotifyStep, ...]:
    for index, step in enumerate(steps):
        if step.contact not in reachable:
            words = f"one of this person's contacts: {', '.join(reachable) or 'there are none'}"
            problems.unknown(place.at(index), step.contact, reachable, words)
    return tuple(step for step in steps if reachable.get(step.contact))


# ---------------------------------------------------------------------------------------------------------------------
# Rosters


def rosters(
    tables: Tables,
    names: Names,
    calendars: windows.Calendars,
    people: dict[str, Person],
    *,
    timezone: str,
    now: datetime | None,
) -> dict[str, Roster]:
    """Every roster whose table is right; who stands in it is looked at person by person."""
    found = {}
    for entry in tables.all("roster", schema.Roster):
        roster = _roster(entry, names, calendars, timezone)
        _check_participants(entry, roster, names, calendars, people, now)
        found[roster.id] = roster
    return found


def _roster(entry: Entry[schema.Roster], names: Names, calendars: windows.Calendars, timezone: str) -> Roster:
    table, place, problems = entry.value, entry.place, names.problems
    zone = table.timezone or timezone
    names.check_targets(table.fallback, place.at("fallback"), allow=("person", "team"))
    layers: dict[str, Layer] = {}
    for index, layer in enumerate(table.layer):
        there = place.at("layer", index)
        if layer.id in layers:
            problems.add(there.at("id"), "a name of its own: another layer of this roster has it already")
        layers[layer.id] = _layer(layer, there, calendars, zone, problems)
    if table.shadows == table.id:
        problems.add(place.at("shadows"), "another roster: its people cannot watch themselves")
    elif table.shadows is not None:
        names.check("roster", table.shadows, place.at("shadows"))
    covers = windows.windows(table.covers, place.at("covers"), problems) if table.covers is not None else None
    names.check_targets(table.announce, place.at("announce"), allow=("channel", "person", "team"))
    return Roster(
        table.id,
        tuple(layers.values()),
        zone,
        tuple(table.fallback),
        covers,
        tuple(table.announce),
        tuple(table.remind),
        table.shadows,
    )


def _layer(
    table: schema.RosterLayer, place: Place, calendars: windows.Calendars, zone: str, problems: Problems
) -> Layer:
    layer = Layer(
        id=table.id,
        participants=tuple(tuple(turn) for turn in table.participants),
        starts=table.starts,
        turn=table.turn,
        every=table.every or table.turn,
        timezone=table.timezone or zone,
        priority=table.priority,
        effective=table.effective,
        until=table.until,
        calendar=calendars.name(table.calendar, place.at("calendar")),
        windows=windows.windows(table.windows, place.at("windows"), problems),
        worked=table.advance == "worked",
    )
    if any(window.work is not None for window in layer.windows) and table.calendar is None:
        problems.add(place, 'a `calendar` too, such as "cn": which days are workdays differs by country', seen="")
    for words in layer_problems(layer):
        if not any(key in words for key in table.spoilt):  # It follows from a stand-in.
            problems.add(place.at(_key_of(words, table)), words)
    return layer


def _key_of(words: str, table: schema.RosterLayer) -> str:
    """The key a sentence about a layer is about: the first one it names."""
    named = [(words.find(key), key) for key in table.KEYS if key in words]
    return min(named)[1] if named else "id"


def _check_participants(
    entry: Entry[schema.Roster],
    roster: Roster,
    names: Names,
    calendars: windows.Calendars,
    people: dict[str, Person],
    now: datetime | None,
) -> None:
    seen: set[str] = set()
    for number, layer in enumerate(entry.value.layer):
        place = entry.place.at("layer", number, "participants")
        for turn, members in enumerate(layer.participants):
            for index, person in enumerate(members):
                words = _why_unfit(person, names, people)
                if words is None or person in seen:
                    continue
                seen.add(person)
                if person not in names.tables.known("person"):
                    is_whole = not any(table.spoilt for table in entry.value.layer)
                    words += _their_shifts(person, roster, calendars, now) if is_whole else ""
                    names.problems.unknown(place.at(turn, index), person, names.tables.known("person"), words)
                else:
                    names.problems.add(place.at(turn, index), words)


def _why_unfit(person_id: str, names: Names, people: dict[str, Person]) -> str | None:
    """Why this person cannot be on call; None when they can."""
    if person_id not in names.tables.known("person"):
        return f"no person has this id; known are {listed(names.tables.known('person'))}"
    person = people.get(person_id)
    if person is None:
        return None  # Their own table has a mistake, reported there.
    if person.role is Role.VIEWER:
        return "somebody who may act: this person is a viewer"
    if not rules_of(person, Priority.P0):
        return "somebody who can be paged: this person has no working contact for P0"
    return None


def _their_shifts(person: str, roster: Roster, calendars: windows.Calendars, now: datetime | None) -> str:
    """`; their next shifts: …`, so that it can be seen who must be found for what."""
    if not roster.layers or any(layer_problems(layer) for layer in roster.layers):
        return ""
    begins = min(layer.starts for layer in roster.layers).replace(tzinfo=UTC)
    resolver = Rosters(Plan(rosters={roster.id: roster}, calendars=calendars.named))
    shifts = resolver.next_shifts_of(person, roster.id, (), now or begins, SHIFTS_LISTED)
    return nobodys(shifts)


def nobodys(shifts: Iterable[Shift]) -> str:
    """`; shifts that would be nobody's: …`, so that it can be seen who must be found for what; empty without any."""
    said = [f"{shift.start:%Y-%m-%d %H:%M} to {shift.end:%Y-%m-%d %H:%M} UTC" for shift in shifts]
    return "; shifts that would be nobody's: " + ", ".join(said) if said else ""


# ---------------------------------------------------------------------------------------------------------------------
# Pools


def pools(tables: Tables, names: Names, people: dict[str, Person]) -> dict[str, Pool]:
    found = {}
    for entry in tables.all("pool", schema.Pool):
        table, place = entry.value, entry.place
        for person, there in each(table.people, place.at("people")):
            if names.check("person", person, there) and (words := _why_unfit(person, names, people)):
                names.problems.add(there, words)
        if "people" not in table.spoilt and table.need > len(set(table.people)):
            names.problems.add(place.at("need"), f"at most {len(set(table.people))}: the pool has no more people")
        found[table.id] = Pool(table.id, tuple(_once(table.people)), table.need, table.wait)
    return found


def _once(items: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(items)

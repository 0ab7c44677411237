"""What is allowed and probably not meant (SPEC 4): a page that nobody gets, or gets too late, or too loud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from opswatch.config.problems import Place, Problems
from opswatch.config.settings import Loaded
from opswatch.core.counts import say_count
from opswatch.core.model import Priority, Role
from opswatch.core.plan import Level, Person, Plan, Policy, Roster, Route
from opswatch.core.reach import rules_of
from opswatch.core.roster import Rosters
from opswatch.core.spans import say_roughly, say_span
from opswatch.core.state import Override
from opswatch.errors import Problem

GAPS_AHEAD = timedelta(days=30)
GAPS_LATER = timedelta(days=366)
GAPS_LISTED = 3
REACH_AHEAD = timedelta(days=14)
_LOUDNESS = {"never": 0, "day": 1, "always": 2}


def lint(loaded: Loaded, now: datetime, overrides: tuple[Override, ...] = ()) -> list[Problem]:
    """Every lint of the configuration, in the order of the file. `now` is aware, UTC."""
    found = Problems()
    places = Places(loaded)
    _unreachable_routes(loaded.plan, places, found)
    for policy in loaded.plan.policies.values():
        _unreachable_levels(loaded.plan, policy, places, found)
        _slow_rules(loaded.plan, policy, places, found)
        _louder_levels(loaded.plan, policy, places, found)
        _too_few(loaded.plan, policy, places, found)
    _loudness(loaded.plan, places, found)
    _nobody(loaded.plan, places, found)
    _gaps(loaded.plan, places, found, now, overrides)
    _out_of_reach(loaded.plan, places, found, now, overrides)
    return found.listed()


class Places:
    """Where the entries of the configuration stand, by table and id."""

    def __init__(self, loaded: Loaded) -> None:
        self._main = loaded.sources[0]
        self._by_id: dict[tuple[str, str], Place] = {}
        for table, entries in self._main.document.items():
            for index, entry in enumerate(entries if isinstance(entries, list) else ()):
                if isinstance(entry, Mapping) and isinstance(entry.get("id"), str):
                    self._by_id[table, str(entry["id"])] = self._main.place(table, index)

    def of(self, table: str, name: str) -> Place:
        """The entry's own place; that of the table, or of the file, where nobody wrote it."""
        return self._by_id.get((table, name)) or self.table(table)

    def is_written(self, table: str, name: str) -> bool:
        return (table, name) in self._by_id

    def table(self, *path: str | int) -> Place:
        return self._main.place(*path) if self._main.value(path) is not None else self._main.place()


# ---------------------------------------------------------------------------------------------------------------------
# Unreachable


def _unreachable_routes(plan: Plan, places: Places, found: Problems) -> None:
    for index, route in enumerate(plan.routes):
        earlier = next(
            (number for number, other in enumerate(plan.routes[:index]) if _takes_all_of(other, route)), None
        )
        if earlier is not None:
            words = f"unreachable: route #{earlier + 1} above takes everything this one matches; move it down"
            found.add(places.table("route", index), words, seen="")
    used = {route.policy for route in plan.routes}
    for policy in plan.policies:
        if policy not in used:
            found.add(places.of("policy", policy), "unreachable: no [[route]] leads to this policy", seen="")


def _takes_all_of(first: Route, second: Route) -> bool:
    """Whether everything the second route matches is matched by the first, at any time."""
    pairs = (
        (first.services, second.services),
        (first.teams, second.teams),
        (first.priorities, second.priorities),
        (first.checks and frozenset(first.checks), second.checks and frozenset(second.checks)),
        (first.targets and frozenset(first.targets), second.targets and frozenset(second.targets)),
    )
    wider = all(a is None or (b is not None and frozenset(b) <= frozenset(a)) for a, b in pairs)
    has_labels = all(second.labels.get(key) == value for key, value in first.labels.items())
    return wider and has_labels and first.when in (None, second.when)


def _priorities_of(plan: Plan, policy: str) -> frozenset[Priority]:
    """What the routes may send up this ladder: P3 is only ever digested unless it may interrupt."""
    routed: set[Priority] = set()
    for route in plan.routes:
        if route.policy == policy:
            routed |= route.priorities if route.priorities is not None else set(Priority)
    return frozenset(priority for priority in routed if plan.rule(priority).interrupt != "never")


def _unreachable_levels(plan: Plan, policy: Policy, places: Places, found: Problems) -> None:
    if not places.is_written("policy", policy.id):
        return
    sent = _priorities_of(plan, policy.id)
    for index, level in enumerate(policy.levels):
        place = places.of("policy", policy.id).at("level", index)
        wanted = level.when.priorities if level.when is not None else None
        if sent and wanted is not None and not wanted & sent:
            words = f"unreachable: only {_listed(wanted)}, but the routes to this policy page for {_listed(sent)}"
            found.add(place.at("when", "priority"), words)
        if not any(_people_behind(plan, level)) and not _channels(level):
            found.add(place.at("page"), "nobody to page: nobody stands behind these targets")


# ---------------------------------------------------------------------------------------------------------------------
# Too late, too loud


def _slow_rules(plan: Plan, policy: Policy, places: Places, found: Problems) -> None:
    """A personal step that comes only once the next level was paged."""
    told: set[str] = set()
    for level in policy.levels:
        for person in _people_behind(plan, level):
            for priority in (_priorities_of(plan, policy.id) or frozenset(Priority)) & _reach(level):
                late = [step for step in rules_of(person, priority) if step.after >= level.wait]
                if late and person.id not in told and priority in person.notify:
                    told.add(person.id)
                    words = (
                        f"{late[0].contact} after {say_span(late[0].after)} comes when policy {policy.id} has climbed "
                        f"on: its level waits {say_span(level.wait)}"
                    )
                    found.add(places.of("person", person.id).at("notify", str(priority)), words)


def _reach(level: Level) -> frozenset[Priority]:
    wanted = level.when.priorities if level.when is not None else None
    return frozenset(Priority) if wanted is None else wanted


def _loudness(plan: Plan, places: Places, found: Problems) -> None:
    """The more urgent, the louder: how it interrupts, and each person's own rules."""
    for urgent, lesser in zip(list(Priority), list(Priority)[1:], strict=False):
        if _LOUDNESS[plan.rule(lesser).interrupt] > _LOUDNESS[plan.rule(urgent).interrupt]:
            words = f"{lesser} interrupts {plan.rule(lesser).interrupt}, {urgent} only {plan.rule(urgent).interrupt}"
            found.add(places.table("priority", str(lesser)), f"{lesser} is louder than {urgent}: {words}", seen="")
        for person in plan.people.values():
            if lesser in person.notify and (words := _louder(person, urgent, lesser)):
                place = places.of("person", person.id).at("notify", str(lesser))
                found.add(place, f"{lesser} is louder than {urgent}: {words}")


def _louder_levels(plan: Plan, policy: Policy, places: Places, found: Problems) -> None:
    """A rung that the lesser priority climbs and the more urgent one does not, on one ladder."""
    sent = sorted(_priorities_of(plan, policy.id))
    for urgent, lesser in pairwise(sent):
        for index, level in enumerate(policy.levels):
            if lesser in _reach(level) and urgent not in _reach(level):
                words = f"{lesser} is louder than {urgent}: level {index + 1} pages for {lesser}, not for {urgent}"
                found.add(places.of("policy", policy.id).at("level", index).at("when", "priority"), words)


def _too_few(plan: Plan, policy: Policy, places: Places, found: Problems) -> None:
    """More acknowledgements than there are people to give them; a round of one."""
    place = places.of("policy", policy.id)
    for index, level in enumerate(policy.levels):
        people = list(_people_behind(plan, level))
        if level.round_robin and len(people) == 1:
            words = f"only {people[0].id} stands behind this level: there is nobody to take turns with"
            found.add(place.at("level", index).at("round_robin"), words)
    for priority, wanted in policy.acks.items():
        levels = [level for level in policy.levels if priority in _reach(level)]
        able = {person.id for level in levels for person in _people_behind(plan, level) if rules_of(person, priority)}
        if len(able) < wanted:
            words = f"{wanted} people must acknowledge {priority}, and its levels page {len(able)}: it never ends"
            found.add(place.at("acks", str(priority)), words)


def _louder(person: Person, urgent: Priority, lesser: Priority) -> str:
    """In what the person's rules for the lesser priority are louder; empty when they are not."""
    above, below = rules_of(person, urgent), rules_of(person, lesser)
    if not below:
        return ""
    if not above:
        return f"{urgent} reaches nobody at all"
    extra = {step.contact for step in below} - {step.contact for step in above}
    if extra:
        return f"{', '.join(sorted(extra))} rings for {lesser} only"
    first_above, first_below = min(step.after for step in above), min(step.after for step in below)
    if first_below < first_above:
        return f"it comes after {say_span(first_below)}, {urgent} after {say_span(first_above)}"
    return f"{len(below)} steps, {urgent} has {len(above)}" if len(below) > len(above) else ""


# ---------------------------------------------------------------------------------------------------------------------
# Nobody


def _nobody(plan: Plan, places: Places, found: Problems) -> None:
    if not plan.people:
        words = "nobody to page: there is no [[person]]; `opswatch init` writes a first configuration"
        found.add(places.table("person"), words, seen="")
        return
    if not any(rules_of(person, Priority.P0) for person in plan.people.values()):
        found.add(places.table("person"), "nobody to page: no person has a contact that works for P0", seen="")
    if not plan.admins():
        ends = [policy for policy in plan.policies.values() if not policy.fallback]
        for policy in ends:
            words = "nobody to page after the last climb: no `fallback`, and no person has role = 'admin'"
            found.add(places.of("policy", policy.id), words, seen="")
    if plan.mode == "observe":
        found.add(places.table("opswatch", "mode"), "nobody is paged: mode = 'observe' decides and records only")


def _people_behind(plan: Plan, level: Level) -> Iterator[Person]:
    """Everybody a level could ever page, each once."""
    seen: set[str] = set()
    for target in level.page:
        for name in _names_behind(plan, target):
            person = plan.people.get(name)
            if person is not None and name not in seen and person.contacts and person.role is not Role.VIEWER:
                seen.add(name)
                yield person


def _names_behind(plan: Plan, target: str) -> list[str]:
    kind, _, name = target.partition(":")
    if kind == "person":
        return [name]
    if kind == "team":
        return [person.id for person in plan.people.values() if person.team == name]
    if kind == "pool":
        return list(plan.pools[name].people) if name in plan.pools else []
    roster = plan.rosters.get(name.partition("/")[0]) if kind == "roster" else None
    if roster is None:
        return []
    standing = [person for layer in roster.layers for turn in layer.participants for person in turn]
    return [*standing, *(person for fallback in roster.fallback for person in _names_behind(plan, fallback))]


def _channels(level: Level) -> bool:
    return any(target.startswith("channel:") for target in level.page)


def _gaps(plan: Plan, places: Places, found: Problems, now: datetime, overrides: tuple[Override, ...]) -> None:
    """Times in the coming 30 days when a roster names nobody and nobody stands in for it."""
    resolver = Rosters(plan)
    for roster in plan.rosters.values():
        if roster.fallback:
            continue
        gaps = resolver.gaps(roster.id, overrides, now, now + GAPS_AHEAD)
        if not gaps:
            _gap_later(resolver, roster, places, found, now, overrides)
            continue
        total = sum((end - start for start, end in gaps), timedelta(0))
        listed = ", ".join(f"{start:%a %m-%d %H:%M} to {end:%a %m-%d %H:%M} UTC" for start, end in gaps[:GAPS_LISTED])
        more = f" and {len(gaps) - GAPS_LISTED} more" if len(gaps) > GAPS_LISTED else ""
        words = f"nobody on call for {say_roughly(total)} of the next 30 days: {listed}{more}"
        found.add(
            places.of("roster", roster.id), f"{words}; add a layer, a `fallback`, or say what it `covers`", seen=""
        )


def _gap_later(
    resolver: Rosters, roster: Roster, places: Places, found: Problems, now: datetime, overrides: tuple[Override, ...]
) -> None:
    """A gap that only a change of the clocks, a holiday or the end of a layer will open, within a year."""
    gaps = resolver.gaps(roster.id, overrides, now + GAPS_AHEAD, now + GAPS_LATER)
    if not gaps:
        return
    start, end = gaps[0]
    many = f", and {say_count(len(gaps) - 1, 'time')} more within a year" if len(gaps) > 1 else ""
    zones = dict.fromkeys(layer.timezone for layer in roster.layers)
    changed = [name for name in zones if _offset(name, now) != _offset(name, start)]
    why = f" (the clocks change before in {', '.join(changed)})" if changed else ""
    words = f"nobody on call from {start:%a %Y-%m-%d %H:%M} to {end:%a %H:%M} UTC{many}{why}"
    advice = "let shifts overlap, hand over by one clock, or add a layer beneath or a `fallback`"
    found.add(places.of("roster", roster.id), f"{words}; {advice}", seen="")


def _offset(zone: str, at: datetime) -> timedelta | None:
    return at.astimezone(ZoneInfo(zone)).utcoffset()


def _out_of_reach(plan: Plan, places: Places, found: Problems, now: datetime, overrides: tuple[Override, ...]) -> None:
    """Somebody on call in the coming 14 days, by an override or as a fallback, whom no P0 would reach. (Participants
    without such a contact are refused at load.)"""
    resolver = Rosters(plan)
    for roster in plan.rosters.values():
        standing = {person for layer in roster.layers for turn in layer.participants for person in turn}
        named: dict[str, str] = {}
        for shift in resolver.shifts(roster.id, overrides, now, now + REACH_AHEAD):
            for person in shift.people:
                named.setdefault(person, f"on call from {shift.start:%a %m-%d %H:%M} UTC")
        for fallback in roster.fallback:
            for person in _names_behind(plan, fallback):
                named.setdefault(person, "in the fallback")
        for person, how in named.items():
            known = plan.people.get(person)
            if known is not None and person not in standing and not rules_of(known, Priority.P0):
                words = f"{person} is {how}, and has no contact that works for P0: nobody would be paged"
                found.add(places.of("roster", roster.id), words, seen="")


def _listed(priorities: frozenset[Priority]) -> str:
    return ", ".join(str(priority) for priority in sorted(priorities))

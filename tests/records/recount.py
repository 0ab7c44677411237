"""The numbers of reviews and duty logs, counted again by brute force: over and over through raw entries, no case, no
running state, none of the code under test. What is compared is written down here a second time, in other words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from opswatch.core.effects import Entry
from opswatch.core.plan import Plan
from opswatch.core.roster import Rosters
from opswatch.core.state import Override

Story = Sequence[Entry]
FORGETS = {"acknowledged", "unacknowledged", "ack_expired", "escalated", "reopened", "reassigned", "resolved"}
"""After these a person who was asked before owes no answer any more."""


def stories(entries: Iterable[Entry]) -> dict[int, list[Entry]]:
    """Entries by incident."""
    found: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.incident:
            found.setdefault(entry.incident, []).append(entry)
    return found


def opened_at(story: Story) -> datetime:
    return next(entry.at for entry in story if entry.kind == "triggered")


def priority(story: Story, end: datetime) -> str:
    said = [entry for entry in story if entry.kind in ("triggered", "raised", "priority_set") and entry.at < end]
    return str(said[-1].facts["priority"])


def acked_at(story: Story) -> datetime | None:
    return next((entry.at for entry in story if entry.kind == "acknowledged"), None)


def resolved_at(story: Story, end: datetime) -> datetime | None:
    """The last resolution before `end` that nothing has undone by then."""
    turns = [entry for entry in story if entry.kind in ("resolved", "reopened") and entry.at < end]
    return turns[-1].at if turns and turns[-1].kind == "resolved" else None


def spans(entries: Sequence[Entry], start: datetime, end: datetime, name: str) -> dict[str, list[timedelta] | int]:
    """Of one priority in [start, end): opened, times to acknowledge and to resolve, resolved unacknowledged."""
    acked, resolved, opened, unanswered = [], [], 0, 0
    for story in stories(entries).values():
        begins = opened_at(story)
        if begins >= end or priority(story, end) != name:
            continue
        opened += begins >= start
        first, last = acked_at(story), resolved_at(story, end)
        if first is not None and start <= first < end:
            acked.append(first - begins)
        if last is not None and start <= last < end:
            resolved.append(last - begins)
            unanswered += first is None or first >= end
    return {"opened": opened, "acked": acked, "resolved": resolved, "unanswered": unanswered}


def percentile(given: Iterable[timedelta], share: float) -> timedelta | None:
    ranked = sorted(given)
    return ranked[max(ceil(share * len(ranked)), 1) - 1] if ranked else None


def pages(entries: Iterable[Entry], start: datetime, end: datetime) -> list[Entry]:
    return [entry for entry in entries if entry.kind == "page_promised" and start <= entry.at < end]


def hours_of(entry: Entry, plan: Plan, rosters: Rosters, overrides: Sequence[Override]) -> str:
    """work, rest or sleep, by the clock on the person's wall. Knows only windows within one day, as the month has."""
    who = plan.people[str(entry.facts["person"])]
    local = entry.at.astimezone(ZoneInfo(who.timezone))
    if who.day is None:
        at_work = local.weekday() < 5 and time(9) <= local.time() < time(18)
    else:
        at_work = who.day.start <= local.time() < who.day.end
    for roster in plan.rosters.values():
        windows = [(window, layer.timezone) for layer in roster.layers for window in layer.windows]
        is_open = any(w.start <= entry.at.astimezone(ZoneInfo(zone)).time() < w.end for w, zone in windows)
        if is_open and who.id in rosters.on_call(roster.id, overrides, entry.at).people:
            at_work = True
    if at_work:
        return "work"
    return "rest" if 7 <= local.hour < 23 else "sleep"


def answers(entries: Sequence[Entry], start: datetime, end: datetime) -> dict[str, list[timedelta]]:
    """For each acknowledgement in [start, end): since the first page to that person that was still to be answered."""
    found: dict[str, list[timedelta]] = {}
    for story in stories(entries).values():
        for place, entry in enumerate(story):
            if entry.kind == "acknowledged" and start <= entry.at < end:
                asked = first_asked(story, place, str(entry.by))
                if asked is not None:
                    found.setdefault(str(entry.by), []).append(entry.at - asked.at)
    return found


def first_asked(story: Story, place: int, person: str) -> Entry | None:
    """The first page to that person since the last thing that made answering unnecessary."""
    since = max((back for back in range(place) if is_forgotten(story[back])), default=-1)
    asks = [one for one in story[since + 1 : place] if is_ask(one) and one.facts["person"] == person]
    return asks[0] if asks else None


def is_ask(entry: Entry) -> bool:
    return entry.kind == "page_promised" and entry.facts["reason"] != "reminder"


def is_forgotten(entry: Entry) -> bool:
    return entry.kind in FORGETS or bool(entry.kind == "raised" and entry.facts.get("breaks_ack"))


def passed(entries: Sequence[Entry], start: datetime, end: datetime) -> Counter[str]:
    """How often a ladder climbed past each person: once for each of its climbs that had asked them."""
    found: Counter[str] = Counter()
    for story in stories(entries).values():
        seen: set[tuple[str, str, int]] = set()
        for place, entry in enumerate(story):
            if entry.kind != "level_entered":
                continue
            since = max((back for back in range(place) if is_forgotten(story[back])), default=-1)
            for one in story[since + 1 : place]:
                climb = str(one.facts.get("page")).split("/")[1] if is_ask(one) else ""
                key = (str(one.facts.get("person")), climb, since)
                if climb == str(entry.facts["climb"]) and key not in seen:
                    seen.add(key)
                    found[key[0]] += start <= entry.at < end
    return +found


def on_call_hours(
    plan: Plan, rosters: Rosters, overrides: Sequence[Override], start: datetime, end: datetime
) -> Counter[str]:
    """Quarters of an hour on call, by asking at each: the month's shifts and overrides begin and end on them."""
    found: Counter[str] = Counter()
    at = start
    while at < end:
        asked = [rosters.on_call(roster, overrides, at) for roster in plan.rosters]
        found.update({person for one in asked if not one.fallback for person in one.people})
        at += timedelta(minutes=15)
    return found


def is_brief_noise(story: Story, end: datetime) -> bool:
    """Gone by itself within five minutes, and nobody said or did anything."""
    ends = resolved_at(story, end)
    known = [entry for entry in story if entry.at < end]
    if ends is None or any(entry.by for entry in known) or ends - opened_at(story) > timedelta(minutes=5):
        return False
    return not any(entry.kind == "acknowledged" for entry in known)


def noise_said(story: Story, end: datetime) -> bool:
    said = [str(entry.facts["text"]) for entry in story if entry.kind == "noted" and entry.at < end]
    return any(text.startswith("noise:") for text in said)

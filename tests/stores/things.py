"""Values that store tests write and expect back: every kind, every field that matters, awkward ones too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from opswatch.core.changes import Changes, State
from opswatch.core.effects import Announce, Entry, Page, Record, Update
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
from opswatch.core.state import (
    Absence,
    Alert,
    Beat,
    Cover,
    DueStep,
    Incident,
    Offer,
    Override,
    Paper,
    Risk,
    Silence,
    Standing,
    Watch,
)

NOW = datetime(2026, 3, 29, 1, 30, 0, 123457, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=30)


def alert(target: str = "db-main", *, item: str = "", **changed: object) -> Alert:
    whole = {
        "check": "disk-space",
        "target": target,
        "item": item,
        "episode": 2,
        "health": Health.CRIT,
        "fired_at": NOW - HOUR,
        "changed_at": NOW,
        "sentence": "磁盘 97 % used, 隐患",
        "priority": Priority.P0,
        "why": "P0 because: crit, tier 1",
        "reason": UnknownReason.TIMEOUT,
        "evidence": ("a", "", 'c "quoted" \\ back'),
        "announced": Health.WARN,
        "incident": 1,
        "quiet": QuietReason.SILENCED,
        "wake_at": NOW + HOUR,
    }
    return Alert(**(whole | changed))  # type: ignore[arg-type]  # a test's shorthand


def incident(number: int = 1, **changed: object) -> Incident:
    step = DueStep(NOW + HOUR, "ana", "phone", 1, 1, 1, "2", PageReason.FIRST, "primary")
    whole = {
        "number": number,
        "title": "Orders are slow",
        "status": Status.TRIGGERED,
        "priority": Priority.P1,
        "why": "because",
        "opened_at": NOW - HOUR,
        "policy": "standard",
        "wake_at": NOW + HOUR,
        "service": "orders",
        "group": "service=orders",
        "alerts": ("disk-space/db-main",),
        "steps": (step, step),
        "paged": (("ana", "slack"), ("bo", "phone")),
        "reason": PageReason.UNANSWERED,
        "pinned": Priority.P0,
    }
    return Incident(**(whole | changed))  # type: ignore[arg-type]  # a test's shorthand


def silence(number: int = 1) -> Silence:
    return Silence(number, (("service", "=~", "or.*"), ("a", "!=", "")), NOW, NOW + HOUR, "ana", "deploy")


def override(number: int = 1) -> Override:
    shifts = ((NOW, NOW + HOUR, ("ana", "bo")), (NOW + HOUR, NOW + 2 * HOUR, ()))
    return Override(number, "primary", NOW, NOW + 2 * HOUR, shifts=shifts, by="lead", made_at=NOW, reason="fair")


def absence(number: int = 1) -> Absence:
    return Absence(number, "ana", NOW, NOW + HOUR, "sick", "感冒, a cold", "team.ics", "uid-1@x#2026", "lead", NOW)


def cover(number: int = 1) -> Cover:
    offer = Offer("bo", NOW, NOW + HOUR, NOW + 2 * HOUR, None, NOW)
    return Cover(
        number,
        "primary",
        "ana",
        NOW,
        NOW + 2 * HOUR,
        left=((NOW, NOW + HOUR),),
        is_swap=True,
        only="bo",
        asked=(("bo", NOW + 3 * HOUR, None), ("cy", None, None)),
        offers=(offer,),
        taken=(("cy", NOW + HOUR, NOW + 2 * HOUR),),
        status=CoverStatus.WITHDRAWN,
        absence=1,
        made_at=NOW,
        wake_at=NOW + HOUR,
    )


def risk(number: int = 1, **changed: object) -> Risk:
    whole = {
        "id": number,
        "title": "没有备用磁盘, no spare disk",
        "severity": Severity.HIGH,
        "opened_at": NOW,
        "status": RiskStatus.ACCEPTED,
        "owner": "team:dba",
        "due": date(2026, 4, 1),
        "source": "inspection:daily",
        "key": "inspection/disk/db-1",
        "evidence": ("a", ""),
        "accepted_until": NOW + HOUR,
        "wake_at": NOW + HOUR,
    }
    return Risk(**(whole | changed))  # type: ignore[arg-type]  # a test's shorthand


def paper(number: int = 1, **changed: object) -> Paper:
    whole = {
        "incident": number,
        "kind": PaperKind.POSTMORTEM,
        "opened_at": NOW,
        "due_at": NOW + HOUR,
        "stage": Stage.IN_REVIEW,
        "owner": "ana",
        "told": 2,
        "wake_at": NOW + HOUR,
        "actions": (("postmortem/1/abc", 1), ("postmortem/1/def", 2)),
    }
    return Paper(**(whole | changed))  # type: ignore[arg-type]  # a test's shorthand


def watch(target: str = "db-main", **changed: object) -> Watch:
    whole = {
        "check": "disk-space",
        "target": target,
        "seen_at": NOW,
        "health": Health.WARN,
        "bad": 2,
        "levels": {"used_pct": Health.WARN},
        "evidence": ("line",),
        "memory": b"\x00\xff offset 17",
    }
    return Watch(**(whole | changed))  # type: ignore[arg-type]  # a test's shorthand


def beat() -> Beat:
    runs = {"run 1": NOW}
    return Beat("nightly backup", since=NOW, due_at=NOW, exit_code=3, took_s=1.5, runs=runs, tail=("no space",))


def everything() -> Changes:
    """One of each, and one with a name that no column could hold as it is."""
    odd = alert(item="/mnt/\udcff\x00'\"%s :x")
    return Changes(
        alerts={alert().key: alert(), odd.key: odd},
        incidents={1: incident()},
        silences={1: silence()},
        overrides={1: override()},
        absences={1: absence()},
        covers={1: cover()},
        beats={"nightly backup": beat()},
        risks={1: risk()},
        papers={1: paper()},
        watches={watch().key: watch()},
        standing=Standing(
            incident_last=1,
            silence_last=1,
            override_last=1,
            paused_until=NOW,
            paused_by="ana",
            risk_last=1,
            handed_over={"primary": NOW},
        ),
    )


def page(
    number: int = 1, *, person: str = "ana", step: str = "1", priority: Priority = Priority.P1, **changed: object
) -> Page:
    return Page(number, 1, 1, 1, person, step, "slack", priority, PageReason.FIRST, **changed)  # type: ignore[arg-type]


def update(number: int = 1, person: str = "ana") -> Update:
    return Update(number, person, "slack", "acknowledged", "s1")


def announce(number: int | None = 1, event: str = "triggered") -> Announce:
    return Announce("ops", event, "s1", number, {"title": "x"})


def note(text: str, number: int | None = 1, kind: str = "noted") -> Record:
    return Record(Entry(NOW, kind, number, by="ana", facts={"text": text}))


def whole(state: State) -> tuple[object, ...]:
    """All that a state holds, to compare two of them."""
    arranged = state.silences, state.overrides, state.absences, state.covers, state.beats
    return state.alerts, state.incidents, *arranged, state.risks, state.papers, state.watches, state.standing

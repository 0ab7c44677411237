"""Which failure is P0, P1, P2 or P3, and why: first matching rule, then the check's own word, then the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opswatch.core import calendars
from opswatch.core.limits import parse_range
from opswatch.core.matching import labels_hold, matches_glob
from opswatch.core.model import Health, Priority
from opswatch.core.plan import Check, ClassifyRule, Plan
from opswatch.core.spans import say_roughly, say_span

# SPEC 2: crit by tier; warn is one lower, never below P3; no service is tier 3.
CRIT_BY_TIER: Mapping[int, Priority] = {1: Priority.P1, 2: Priority.P1, 3: Priority.P2, 4: Priority.P3}
TIER_WITHOUT_SERVICE = 3
# How bad others say it is: the label `severity`. What none of these names is as bad as what is critical.
WARNINGS = frozenset({"warning", "warn", "minor", "average", "low", "moderate", "medium", "p2"})
INFORMATION = frozenset({"info", "information", "informational", "notice", "debug", "none", "ok", "p3"})
SILENT_SOURCE = "source"  # the `check` of the alert that says that a source is silent
OUTRIGHT = {"p0": Priority.P0, "p1": Priority.P1, "p2": Priority.P2, "p3": Priority.P3}


def external_health(severity: str) -> Health:
    """What a severity label means: `page`, `critical`, and whatever we do not know, is crit."""
    said = severity.lower()
    return Health.WARN if said in WARNINGS or said in INFORMATION else Health.CRIT


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a rule may ask about one failure. `failing` of `targets` are the service's, this one included."""

    health: Health
    check: str = ""
    target: str = ""
    service: str | None = None
    source: str = "check"
    labels: Mapping[str, str] = field(default_factory=dict)
    failing: int = 0
    targets: int = 0
    lasting: timedelta = timedelta(0)
    due_at: datetime | None = None
    external: str | None = None


@dataclass(frozen=True, slots=True)
class Classified:
    """The priority, and the reason in words: "P0 because: crit, tier 1 service orders, 3 of 4 targets failing"."""

    priority: Priority
    why: str


def classify(plan: Plan, case: Case, now: datetime) -> Classified:
    """How bad `case` is at `now` (SPEC 2, Priority)."""
    for rule in plan.classify:
        if _rule_holds(plan, rule, case, now):
            due = case.due_at - now if rule.due_within is not None and case.due_at is not None else None
            return _because(
                rule.priority, f"rule {rule.index}", *_facts(plan, case, lasting=rule.lasting is not None, until=due)
            )
    check = plan.checks.get(case.check) if case.source == "check" else None
    own = _own_word(check, case.health)
    if check is not None and own is not None:
        return _because(own, *_facts(plan, case), f"check {check.id} says so")
    return _by_table(plan, case)


def next_change(plan: Plan, case: Case, fired_at: datetime, now: datetime) -> datetime | None:
    """The next instant at which a `lasting` or `due_within` rule could come to hold for this case."""
    instants = [fired_at + rule.lasting for rule in plan.classify if rule.lasting is not None]
    if case.due_at is not None:
        instants += [case.due_at - rule.due_within for rule in plan.classify if rule.due_within is not None]
    return min((at for at in instants if at > now), default=None)


def _own_word(check: Check | None, health: Health) -> Priority | None:
    if check is None:
        return Priority.P3 if health is Health.UNKNOWN else None
    if health is Health.UNKNOWN:
        return check.on_unknown
    return check.priority.get(health)


def _by_table(plan: Plan, case: Case) -> Classified:
    service = plan.services.get(case.service or "")
    tier = service.tier if service else TIER_WITHOUT_SERVICE
    base = CRIT_BY_TIER[tier]
    if case.health is Health.UNKNOWN and case.source != "check":
        # Its source fell silent: that makes nothing worse. That the source did is worth a look by day.
        return _because(Priority.P2 if case.check == SILENT_SOURCE else Priority.P3, *_facts(plan, case))
    said = (case.external or "").lower()
    if said in OUTRIGHT:
        return _because(OUTRIGHT[said], *_facts(plan, case))
    if said in INFORMATION:
        return _because(Priority.P3, *_facts(plan, case))
    if case.health is Health.WARN:
        return _because(Priority(min(base + 1, Priority.P3)), *_facts(plan, case))
    if tier == 1 and case.targets >= 2 and 2 * case.failing >= case.targets:
        base = Priority.P0
    return _because(base, *_facts(plan, case))


def _because(priority: Priority, *facts: str) -> Classified:
    return Classified(priority, f"{priority} because: {', '.join(facts)}")


def _facts(plan: Plan, case: Case, *, lasting: bool = False, until: timedelta | None = None) -> list[str]:
    service = plan.services.get(case.service or "")
    facts = [str(case.health), f"tier {service.tier} service {service.id}" if service else "no service"]
    if case.targets >= 2:
        facts.append(f"{case.failing} of {case.targets} targets failing")
    if case.external:
        facts.append(f"severity {case.external}")
    if until is not None:
        facts.append(f"due in {say_roughly(until)}" if until > timedelta(0) else "overdue")
    if lasting:
        facts.append(f"lasting {say_span(timedelta(seconds=int(case.lasting.total_seconds())))}")
    return facts


def _rule_holds(plan: Plan, rule: ClassifyRule, case: Case, now: datetime) -> bool:
    return _names_hold(plan, rule, case) and _numbers_hold(plan, rule, case, now)


def _names_hold(plan: Plan, rule: ClassifyRule, case: Case) -> bool:
    service = plan.services.get(case.service or "")
    tier = service.tier if service else TIER_WITHOUT_SERVICE
    return (
        (rule.states is None or case.health in rule.states)
        and (rule.tiers is None or tier in rule.tiers)
        and (rule.services is None or case.service in rule.services)
        and (rule.teams is None or (service is not None and service.team in rule.teams))
        and (rule.checks is None or matches_glob(rule.checks, case.check))
        and (rule.targets is None or matches_glob(rule.targets, case.target))
        and labels_hold(rule.labels, case.labels)
        and (rule.sources is None or case.source in rule.sources)
        and (rule.external is None or case.external in rule.external)
    )


def _numbers_hold(plan: Plan, rule: ClassifyRule, case: Case, now: datetime) -> bool:
    if rule.failing_share is not None:
        share = case.failing / case.targets if case.targets else 0.0
        if not parse_range(rule.failing_share).is_bad(share):
            return False
    if rule.lasting is not None and case.lasting < rule.lasting:
        return False
    if rule.due_within is not None and (case.due_at is None or case.due_at - now > rule.due_within):
        return False
    if rule.calendar is not None:
        calendar, on_workdays = rule.calendar
        day = now.astimezone(calendars.zone(rule.timezone)).date()
        return calendars.is_workday(day, plan.calendars.get(calendar)) is on_workdays
    return True

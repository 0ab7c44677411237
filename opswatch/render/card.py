"""The facts of one incident's card, as (name, value) lines in a reader's language and zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from opswatch.core import escalation, flapping, pools, sla
from opswatch.core.likely import ALONE, Around
from opswatch.core.model import Priority, QuietReason, Status
from opswatch.core.plan import Plan
from opswatch.core.sayings import lines_of
from opswatch.core.state import Alert, Incident
from opswatch.core.storms import tallies
from opswatch.render.wordings import update_text
from opswatch.render.words import Reader, fill, lookup

TITLE_MAX = 150  # letters: what a Slack header and most lock screens take
SEEN_MAX = 5
EVIDENCE_MAX = 3
SIMILAR_MAX = 100
STORM_TOP = 4  # services, checks and targets of a storm that are named
EVIDENCE_LINE_MAX = 200

Line = tuple[str, str]


class Card:
    """One incident, as one reader sees it at `at` (UTC)."""

    __slots__ = ("_alerts", "_around", "_at", "_plan", "incident", "reader")

    def __init__(
        self,
        plan: Plan,
        incident: Incident,
        alerts: Sequence[Alert],
        reader: Reader,
        at: datetime,
        around: Around = ALONE,
    ) -> None:
        self._around = around
        self.incident = incident
        self.reader = reader
        self._plan = plan
        self._alerts = sorted(alerts, key=lambda alert: (alert.priority, -alert.health.rank, alert.fired_at, alert.key))
        self._at = at

    def title(self, priority: Priority | None = None) -> str:
        """`P1 Order pipeline: / is 93 % full on db-1`, one line of at most TITLE_MAX letters."""
        key, facts = "page.title", {"title": " ".join(self.incident.title.split())}
        if self.incident.is_storm:
            left = self._storm_left()
            key = "page.storm_title" if left else "page.storm_over_title"
            facts = {"open": str(left), "folded": str(self.incident.folded)}
        title = self.reader.word(
            key,
            priority=self.incident.priority if priority is None else priority,
            service=self.reader.service(self.incident.service),
            **facts,
        )
        return title if len(title) <= TITLE_MAX else title[: TITLE_MAX - 1].rstrip() + "…"

    def summary(self) -> str:
        """What is seen, a line per alert, the worst first; what the person wrote who opened it by hand."""
        one = len(self._alerts) == 1
        seen = [alert.sentence if one else f"{alert.sentence} ({_where(alert)})" for alert in self._alerts[:SEEN_MAX]]
        if len(self._alerts) > SEEN_MAX:
            seen.append(self.reader.word("word.and_more", count=len(self._alerts) - SEEN_MAX))
        return "\n".join(seen) or self.incident.summary

    def owner(self) -> str:
        """Who has it, by name; "" while nobody does."""
        owner = self.incident.owner
        return "" if owner is None else self.reader.target(owner) if ":" in owner else self.reader.person(owner)

    def event(self, event: str, facts: Mapping[str, object] | None = None) -> str:
        """What became of it, as half a sentence: "acknowledged by Bo". An event without words is "changed"."""
        incident = self.incident
        by = {"resolved": incident.resolved_by, "unacknowledged": incident.given_back_by}.get(event, incident.owner)
        if event == "ack_counted" and incident.acks:
            by = incident.acks[-1]
        known = {
            **self._acks(),
            "by": by if by in self._plan.people else None,
            "priority": incident.priority,
            "level": incident.level,
            "until": incident.snoozed_until,
            "text": self._newest(),
            "storm": None if incident.storm is None else f"#{incident.storm}",
            "folded": incident.folded,
            "open": self._storm_left() if incident.is_storm else None,
            "changes": max((alert.flapped for alert in self._alerts), default=0) or None,
            "looks": flapping.RESULTS,
        } | dict(facts or {})
        if event == "stakeholder_update":
            known["text"] = update_text(self.reader, incident, facts or {})
        if incident.merged_into is not None:
            known.setdefault("to", f"#{incident.merged_into}")
        known_words = self.reader.facts(known)
        if event == "reassigned":
            known_words["by"] = self.owner()
        template = lookup(self.reader.language, f"event.{event}") or lookup(self.reader.language, "event.changed")
        return fill(template or event, known_words)

    def facts(self) -> list[Line]:
        """Why this priority, its state, what is seen, since when."""
        word, incident = self.reader.word, self.incident
        why = incident.why.removeprefix(f"{incident.priority} because: ")
        lines = [(word("page.why", priority=incident.priority), why)]
        if incident.status is not Status.TRIGGERED or incident.owner:
            parts = [self.reader.code(incident.status), self.owner() if not self._is_over else "", self.acks()]
            lines.append((word("page.status"), self.reader.join(part for part in parts if part)))
        if incident.merged_into is not None:
            lines.append((word("page.merged_into"), f"#{incident.merged_into}"))
        lines += self._around_lines()
        lines += self._promises()
        lines += self._storm_lines()
        if incident.storm is not None and not self._is_over:
            lines.append((word("page.in_storm"), f"{word('page.storm')} #{incident.storm}"))
        if reserves := self.reserves():
            lines.append((word("page.reserves"), reserves))
        if summary := self.summary():
            lines.append((word("page.seen"), summary))
        lines.append((word("page.since"), since(self.reader, incident.opened_at, self._at)))
        if self._is_over and incident.resolved_at is not None:
            lasted = word("page.lasted", span=self.reader.span(incident.resolved_at - incident.opened_at))
            lines.append((word("page.resolved_at"), f"{self.reader.when(incident.resolved_at)}, {lasted}"))
        if (quiet := self._quiet()) and not self._is_over:
            lines.append((word("page.quiet"), quiet))
        if evidence := self._evidence():
            lines.append((word("page.evidence"), evidence))
        return [(name, value) for name, value in lines if value]

    def acks(self) -> str:
        """ "1 of 2 have acknowledged", where the policy wants several; "" once it is over, and where one is enough."""
        facts = self._acks()
        return self.reader.word("page.acks", **facts) if facts and not self._is_over else ""

    def reserves(self) -> str:
        """Per pool that was called, how many of it have accepted, and who."""
        if self._is_over:
            return ""
        rows = []
        for call in self.incident.pools:
            facts = pools.said(self._plan, call) | {"count": str(len(call.accepted))}
            people = self.reader.join(self.reader.person(one) for one in call.accepted)
            rows.append(self.reader.word("page.reserves_line", **facts, people=people))
        return "\n".join(rows)

    def _acks(self) -> dict[str, object]:
        need = escalation.acks_needed(self._plan, self.incident)
        count = len(self.incident.acks)
        return {"count": str(count), "need": need} if need > 1 and count else {}

    def next(self, next_people: Sequence[str] = ()) -> list[Line]:
        """What happens when nobody answers; nothing once somebody has it."""
        incident = self.incident
        policy = self._plan.policies.get(incident.policy)
        if incident.status is not Status.TRIGGERED or incident.level_until is None or policy is None:
            return []
        levels, climbs = len(policy.levels), policy.repeat + 1
        at = self.reader.when(incident.level_until)
        level = incident.level + 1
        if level <= levels:
            key, targets = "next_level", policy.levels[level - 1].page
        elif incident.level <= levels and incident.cycle < climbs:
            key, targets = "next_climb", policy.levels[0].page
        elif incident.level <= levels:
            key, targets = "next_fallback", policy.fallback or self._plan.admins()
        else:
            key, targets = "next_again", ()
        names = [self.reader.person(one) for one in next_people] or [self.reader.target(one) for one in targets]
        who = self.reader.join(names) or self.reader.word("word.nobody")
        words = self.reader.word(f"page.{key}", at=at, who=who, level=level, cycle=incident.cycle + 1, cycles=climbs)
        return [(self.reader.word("page.next"), words)]

    def _around_lines(self) -> list[Line]:
        """What probably brought it about."""
        cause = self._around.cause
        if cause is None or self._is_over:
            return []
        what = self._around.what or self.reader.code("crit")
        said = self.reader.word("page.cause_said", name=cause.name, number=cause.incident, what=what)
        return [(self.reader.word("page.cause"), said)]

    def similar(self) -> list[Line]:
        """Incidents of the past that were like it, and what fixed them."""
        if self._is_over:
            return []
        rows = [
            self.reader.word(
                "page.similar_one",
                number=one.number,
                title=_short(one.title),
                when=self.reader.when(one.resolved_at),
                fixed=_short(one.fixed),
            )
            for one in self._around.similar
        ]
        return [(self.reader.word("page.similar"), "\n".join(rows))] if rows else []

    def _promises(self) -> list[Line]:
        """When stakeholders hear next, and when it is to be over."""
        due = sla.due(self._plan, self.incident)
        named = (("page.update_at", due.update), ("page.resolve_at", due.resolve))
        late = self.reader.word("page.late")
        return [
            (self.reader.word(name), self.reader.when(at) + (f", {late}" if at <= self._at else ""))
            for name, at in named
            if at is not None and self.incident.status is Status.ACKNOWLEDGED
        ]

    def _storm_left(self) -> int:
        """How many members of this storm are open: each alert names its own."""
        return len({alert.incident for alert in self._alerts})

    def _storm_lines(self) -> list[Line]:
        """How much a storm holds, and where: live counts, the largest first."""
        if not self.incident.is_storm:
            return []
        word = self.reader.word
        counts = word("page.storm_counts", folded=self.incident.folded, open=self._storm_left() or "0")
        lines = [(word("page.storm"), counts)]
        for name, tally in tallies(self._alerts).items():
            shown = [f"{self._named(name, key)} {count}" for key, count in tally[:STORM_TOP]]
            if len(tally) > STORM_TOP:
                shown.append(word("word.and_more", count=len(tally) - STORM_TOP))
            lines.append((word(f"page.storm_{name}"), self.reader.join(shown)))
        return lines

    def _named(self, kind: str, key: str) -> str:
        return self.reader.service(key) if kind == "service" else key

    @property
    def _is_over(self) -> bool:
        return self.incident.status is Status.RESOLVED

    def _newest(self) -> str:
        return max(self._alerts, key=lambda alert: alert.fired_at).sentence if self._alerts else ""

    def _quiet(self) -> str:
        incident = self.incident
        until = incident.held_until or incident.snoozed_until
        if until is None:
            return ""
        why = incident.held_why if incident.held_until else QuietReason.SNOOZED
        return f"{self.reader.code(why)} → {self.reader.when(until)}" if why else self.reader.when(until)

    def _evidence(self) -> str:
        lines = [line for alert in self._alerts[:1] for line in (*lines_of(alert), *alert.evidence)[:EVIDENCE_MAX]]
        return "\n".join(line[:EVIDENCE_LINE_MAX] for line in lines)


def since(reader: Reader, start: datetime, now: datetime) -> str:
    """`Mon 5 Jan 11:04 (Asia/Shanghai), 6m ago`; "just now" below a minute."""
    is_new = now - start < timedelta(minutes=1)
    ago = reader.word("time.just_now") if is_new else reader.word("time.ago", span=reader.span(now - start))
    return reader.word("time.since", at=reader.when(start), ago=ago)


def _short(text: str) -> str:
    """One line of it."""
    line = " ".join(text.split())
    return line if len(line) <= SIMILAR_MAX else line[: SIMILAR_MAX - 1].rstrip() + "…"


def _where(alert: Alert) -> str:
    if alert.is_external:  # Its item is a digest of its labels.
        return alert.place or alert.check
    return f"{alert.target} {alert.item}" if alert.item and alert.item not in alert.sentence else alert.target

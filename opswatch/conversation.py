"""What a chat door needs of the house: commands carried out, questions answered, people and cards recognised."""

from __future__ import annotations

from opswatch import render
from opswatch.assemble import Office
from opswatch.core.effects import Done
from opswatch.core.events import Command
from opswatch.core.grammar import Help, List, Question, Show, Who
from opswatch.core.plan import Person
from opswatch.views import IncidentRow, OnCallRow

LIST_MAX = 20
TIMELINE_MAX = 12


class Conversation:
    """Behind every chat door of one office. Safe for the doors' threads."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def apply(self, command: Command) -> tuple[bool, str]:
        """Carry `command` out: whether it was done, and the answer in the language of who gave it."""
        answer = self._office.desk.answer(command)
        person = self._office.plan.people.get(command.by)
        language = person.language if person else self._office.plan.language
        zone = person.timezone if person else self._office.plan.timezone
        return isinstance(answer, Done), render.answer(language, answer, plan=self._office.plan, zone=zone)

    def answer(self, question: Question, person: Person) -> str:
        """What `person` asked, in their language and zone."""
        match question:
            case Who(roster=roster):
                return self._who(roster, person)
            case List():
                return self._list(person)
            case Show(incident=number):
                return self._show(number, person)
            case Help():
                return render.help_text(person.language)

    def person_by_contact(self, kind: str, address: str) -> Person | None:
        """The person whose `contact.KIND` is `address`; None: a stranger."""
        for person in self._office.plan.people.values():
            contact = person.contacts.get(kind)
            if contact is not None and contact.reveal() == address:
                return person
        return None

    def card(self, ref: str) -> int | None:
        """The number of the incident whose card a channel posted as `ref`."""
        return self._office.store.incident_of_card(ref)

    # answers

    def _who(self, roster: str | None, person: Person) -> str:
        try:
            rows = self._office.views.on_call(roster)
        except KeyError:
            known = ", ".join(self._office.plan.rosters)
            return render.say_refusal(person.language, "unknown_roster", roster=roster, known=known)
        if not rows:
            return render.word(person.language, "talk.no_rosters")
        return "\n".join(self._who_line(row, person) for row in rows)

    def _who_line(self, row: OnCallRow, person: Person) -> str:
        key = "talk.nobody" if not row.on_call else "talk.fallback" if row.fallback else "talk.on_call"
        until = render.when(row.until, person.timezone, person.language) if row.until else None
        return render.word(
            person.language,
            key,
            roster=row.roster,
            people=self._names(row.on_call),
            until=until,
            next=self._names(row.next),
        )

    def _names(self, people: tuple[str, ...]) -> str:
        known = self._office.plan.people
        return ", ".join(known[one].name or one if one in known else one for one in people)

    def _list(self, person: Person) -> str:
        rows = self._office.views.incidents()
        if not rows:
            return render.word(person.language, "talk.nothing_open")
        lines = [self._row_line(row, person) for row in rows[:LIST_MAX]]
        left = len(rows) - len(lines)
        return "\n".join([*lines, *([render.word(person.language, "word.and_more", count=left)] if left else [])])

    def _row_line(self, row: IncidentRow, person: Person) -> str:
        return render.word(
            person.language,
            "talk.row",
            id=row.id,
            priority=row.priority,
            title=row.title,
            status=render.word(person.language, f"word.{row.status}"),
            owner=self._names((row.owner,)) if row.owner else "",
            acks=row.acks,
        )

    def _show(self, number: int, person: Person) -> str:
        view = self._office.views.incident(number)
        if view is None:
            return render.say_refusal(person.language, "unknown_incident", incident=number)
        lines = [self._row_line(view.row, person), view.incident.why]
        for stored in view.entries[-TIMELINE_MAX:]:
            at = render.when(stored.entry.at, person.timezone, person.language)
            said = render.entry(person.language, stored.entry, plan=self._office.plan, zone=person.timezone)
            lines.append(f"{at}: {said}")
        return "\n".join(lines)

"""How the sentence of each command is read, and how the command is said: a reader and a sayer per verb."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opswatch.core import events
from opswatch.core.events import Command
from opswatch.core.model import Priority
from opswatch.core.sentence import Sentence, Unclear, plain, quoted, say_instant
from opswatch.core.spans import say_span

FROM = ("from", "从")
UNTIL = ("until", "till", "to", "到", "至")
REASON = ("because", "reason", "comment", "原因", "因为")
_PRIORITIES = {str(priority).lower(): priority for priority in Priority}
_SERVICE = re.compile(r'(?:service|服务)[:=]\s*("(?:\\.|[^"\\])*"|[^\s",;、。]+)', re.IGNORECASE | re.DOTALL)
_TEMPLATE = re.compile(r"(?:template|模板)[:=]\s*([^\s\"]+)", re.IGNORECASE)
_EXPLICIT = re.compile(r"\s*(#|\d+\s*:)")
_CLOSINGS = frozenset("?？!！.。")  # a text of this alone is none


@dataclass(frozen=True, slots=True)
class Who:
    """Who is on call, of one roster or of all?"""

    roster: str | None = None


@dataclass(frozen=True, slots=True)
class List:
    """What is open?"""


@dataclass(frozen=True, slots=True)
class Show:
    """What is known of this incident?"""

    incident: int


@dataclass(frozen=True, slots=True)
class Help:
    """What can be said here?"""


Question = Who | List | Show | Help


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says it, and where. `incident` is the one whose thread this is; `addressed` is False for words that people
    in that thread may be saying to each other."""

    by: str
    door: str
    incident: int | None = None
    addressed: bool = True


# ---------------------------------------------------------------------------------------------------------------------
# Incidents


def read_incident(make: Callable[..., Command]) -> Callable[[Sentence, Speaker], Command]:
    """A reader of commands that need nothing but their incident."""

    def read(sentence: Sentence, speaker: Speaker) -> Command:
        return make(_incident(sentence, speaker), by=speaker.by, door=speaker.door)

    return read


def say_incident(
    command: events.Acknowledge
    | events.Unack
    | events.Accept
    | events.Decline
    | events.Reopen
    | events.Escalate
    | Show,
) -> str:
    return str(command.incident)


def read_acknowledge(sentence: Sentence, speaker: Speaker) -> Command:
    number = _incident(sentence, speaker)
    # "ack, looking into it": what follows a pause is said to the others. A number there could be a second incident.
    if sentence.at_pause and not re.search(r"\d", sentence.remaining()):
        sentence.rest()
    return events.Acknowledge(number, by=speaker.by, door=speaker.door)


def read_resolve(sentence: Sentence, speaker: Speaker) -> Command:
    asked = sentence.remaining().endswith(("?", "？"))
    number, text = _incident_and_text(sentence, speaker, must_be_marked=not speaker.addressed)
    if asked and not text:
        raise Unclear("only_asked")
    return events.Resolve(number, text, by=speaker.by, door=speaker.door)


def read_note(sentence: Sentence, speaker: Speaker) -> Command:
    typed = sentence.remaining()
    here = speaker.incident
    if here is not None and not _EXPLICIT.match(plain(typed)):  # "note 3 disks replaced" is about this incident.
        text = _text(sentence.rest() if sentence.incident() == here else typed)
        sentence.rest()
        number = here
    else:
        number, text = _incident_and_text(sentence, speaker)
    if not text:
        raise Unclear("needs_text")
    return events.Note(number, text, by=speaker.by, door=speaker.door)


def say_text(command: events.Resolve | events.Note) -> str:
    return f"{command.incident}: {command.text}" if command.text else str(command.incident)


def read_snooze(sentence: Sentence, speaker: Speaker) -> Command:
    number = _incident(sentence, speaker)
    if sentence.keyword(*UNTIL):
        span = sentence.instant() - sentence.now
        if span.total_seconds() <= 0:
            raise Unclear("bad_time", said=say_instant(sentence.now + span))
        return events.Snooze(number, span, by=speaker.by, door=speaker.door)
    sentence.keyword("for")
    return events.Snooze(number, needed_span(sentence), by=speaker.by, door=speaker.door)


def say_snooze(command: events.Snooze) -> str:
    return f"{command.incident} {say_span(command.span)}"


def read_reassign(sentence: Sentence, speaker: Speaker) -> Command:
    number = _incident(sentence, speaker)
    sentence.keyword("to", "给")
    if sentence.at_end:
        raise Unclear("needs_person")
    name = sentence.value()
    to = name if name.startswith(("person:", "team:")) else f"person:{name.removeprefix('@')}"
    due = sentence.instant() if sentence.keyword("due", "by", "before", "截止") else None
    return events.Reassign(number, to, due, by=speaker.by, door=speaker.door)


def say_reassign(command: events.Reassign) -> str:
    due = f" due {say_instant(command.due)}" if command.due else ""
    return f"{command.incident} {quoted(command.to)}{due}"


def read_priority(sentence: Sentence, speaker: Speaker) -> Command:
    number = _incident(sentence, speaker)
    sentence.keyword("to", "=", "为")
    wanted = sentence.keyword(*_PRIORITIES)
    if wanted is None:
        raise Unclear("needs_priority", said=sentence.remaining()[:80])
    return events.SetPriority(number, _PRIORITIES[wanted], by=speaker.by, door=speaker.door)


def say_priority(command: events.SetPriority) -> str:
    return f"{command.incident} {command.priority}"


def read_merge(sentence: Sentence, speaker: Speaker) -> Command:
    number = sentence.incident()
    sentence.keyword("into", "with", "to", "到", "入", "至")
    into = sentence.incident()
    if into is None:  # "merge into 140", said in a thread
        number, into = speaker.incident, number
    if number is None or into is None:
        raise Unclear("needs_incident")
    return events.Merge(number, into, by=speaker.by, door=speaker.door)


def say_merge(command: events.Merge) -> str:
    return f"{command.incident} into {command.into}"


def read_split(sentence: Sentence, speaker: Speaker) -> Command:
    number = _incident(sentence, speaker)
    alerts: list[str] = []
    service: str | None = None
    while not sentence.at_end:
        if (found := sentence.take(_SERVICE)) is not None:
            service = sentence.group(found, 1)
        else:
            alerts.append(sentence.value())
    if not alerts and service is None:
        raise Unclear("needs_alerts")
    return events.Split(number, tuple(alerts), service, by=speaker.by, door=speaker.door)


def say_split(command: events.Split) -> str:
    words = [str(command.incident), *(quoted(alert, always=True) for alert in command.alerts)]
    words += [f"service:{quoted(command.service)}"] if command.service is not None else []
    return " ".join(words)


def read_update(sentence: Sentence, speaker: Speaker) -> Command:
    number, text = _incident_and_text(sentence, speaker, must_be_marked=not speaker.addressed)
    found = _TEMPLATE.match(plain(text))
    template = found[1] if found else None
    text = text[found.end() :].strip() if found else text
    if not text and template is None:
        raise Unclear("needs_text")
    return events.PostUpdate(number, text, template, by=speaker.by, door=speaker.door)


def say_update(command: events.PostUpdate) -> str:
    template = f"template:{command.template}" if command.template is not None else ""
    return f"{command.incident}: {template} {command.text}".rstrip().replace(":  ", ": ", 1)


def read_open(sentence: Sentence, speaker: Speaker) -> Command:
    priority: Priority | None = None
    service: str | None = None
    is_marked = speaker.addressed
    while not sentence.at_end:
        if (word := sentence.keyword(*_PRIORITIES)) is not None:
            priority, is_marked = _PRIORITIES[word], True
        elif (found := sentence.take(_SERVICE)) is not None:
            service, is_marked = sentence.group(found, 1), True
        else:
            break
    if not is_marked:  # "open question: who …"
        raise Unclear("only_talk")
    title, text = sentence.texts()
    title = _text(title)
    if not title:
        raise Unclear("needs_text")
    return events.Open(title, service, priority, text, by=speaker.by, door=speaker.door)


def say_open(command: events.Open) -> str:
    words = [str(command.priority)] if command.priority is not None else []
    words += [f"service:{quoted(command.service)}"] if command.service is not None else []
    words += [quoted(text, always=True) for text in (command.title, command.text) if text]
    return " ".join(words)


# ---------------------------------------------------------------------------------------------------------------------
# The rest


def read_page_test(sentence: Sentence, speaker: Speaker) -> Command:
    person = speaker.by if sentence.at_end or sentence.peek() == "via" else needed_person(sentence)
    sentence.keyword("via", "用")
    contact = None if sentence.at_end else sentence.value()
    return events.PageTest(person, contact, by=speaker.by, door=speaker.door)


def say_page_test(command: events.PageTest) -> str:
    via = f" via {quoted(command.contact)}" if command.contact else ""
    return quoted(command.person, always=command.person.lower() == "via") + via


def read_duty_note(sentence: Sentence, speaker: Speaker) -> Command:
    text = _text(sentence.rest())
    if not text:
        raise Unclear("needs_text")
    return events.DutyNote(text, by=speaker.by, door=speaker.door)


def say_duty_note(command: events.DutyNote) -> str:
    return f": {command.text}"


def read_who(sentence: Sentence, speaker: Speaker) -> Question:
    sentence.keyword("is")
    if sentence.keyword("on"):
        sentence.keyword("call", "duty")
    sentence.keyword("for", "in", "roster")
    return Who(None if sentence.at_end else sentence.value().removeprefix("roster:"))


def say_who(question: Who) -> str:
    return "" if question.roster is None else quoted(f"roster:{question.roster}")


def read_list(sentence: Sentence, speaker: Speaker) -> Question:
    sentence.keyword("open", "incidents", "all")
    return List()


def read_show(sentence: Sentence, speaker: Speaker) -> Question:
    return Show(_incident(sentence, speaker))


def read_help(sentence: Sentence, speaker: Speaker) -> Question:
    if not speaker.addressed and not sentence.at_end:  # "help me with the disk"
        raise Unclear("only_talk")
    sentence.rest()
    return Help()


def say_nothing(command: object) -> str:
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# Pieces


def _incident(sentence: Sentence, speaker: Speaker) -> int:
    number = sentence.incident()
    if number is None:
        number = speaker.incident
    if number is None:
        raise Unclear("needs_incident")
    return number


def _incident_and_text(sentence: Sentence, speaker: Speaker, *, must_be_marked: bool = False) -> tuple[int, str]:
    typed = sentence.remaining()
    number = sentence.incident()
    if number is None:
        if speaker.incident is None:
            raise Unclear("needs_incident")
        text = _text(sentence.rest())
        if must_be_marked and text and not plain(typed).startswith(":"):  # "close to fixing it"
            raise Unclear("only_talk")
        return speaker.incident, text
    text = sentence.rest()
    if speaker.incident not in (None, number) and text and not _EXPLICIT.match(plain(typed)):
        raise Unclear("which_incident", incident=number, here=speaker.incident)
    return number, "" if text in _CLOSINGS else text


def _text(typed: str) -> str:
    """`typed` without the colon that set it off from its verb."""
    text = typed.strip()
    if text[:1] in (":", "：", ",", "，"):
        text = text[1:].lstrip()
    return "" if text in _CLOSINGS else text


def needed_incident(sentence: Sentence, speaker: Speaker) -> int:
    """The incident that is named, or whose thread this is. Raises Unclear."""
    return _incident(sentence, speaker)


def needed_number(sentence: Sentence) -> int:
    number = sentence.incident()
    if number is None:
        raise Unclear("needs_id")
    return number


def needed_person(sentence: Sentence) -> str:
    if sentence.at_end:
        raise Unclear("needs_person")
    return sentence.value().removeprefix("@").removeprefix("person:")


def needed_span(sentence: Sentence) -> timedelta:
    span = sentence.span()
    if span is None:
        raise Unclear("needs_span", said=sentence.remaining()[:40])
    return span


def needed_until(sentence: Sentence, start: datetime) -> datetime:
    """`until T`, or a span from `start`."""
    if sentence.keyword(*UNTIL):
        return sentence.instant()
    sentence.keyword("for")
    return start + needed_span(sentence)


def given_reason(sentence: Sentence) -> str:
    sentence.keyword(*REASON)
    return sentence.text()


def say_reason(reason: str) -> str:
    return f" because {quoted(reason, always=True)}" if reason else ""

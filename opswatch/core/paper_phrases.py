"""How sentences about paperwork are read and said: entries of the risk ledger, post-mortems and their stages."""

from __future__ import annotations

import re
from datetime import date

from opswatch.core import events
from opswatch.core.events import Command
from opswatch.core.model import Severity, Stage
from opswatch.core.phrases import (
    UNTIL,
    Speaker,
    given_reason,
    needed_incident,
    needed_number,
    needed_person,
    needed_span,
    say_reason,
)
from opswatch.core.sentence import Sentence, Unclear, plain, quoted, say_instant

DUE = ("due", "截止", "期限")
OWNER = ("owner", "负责人")
_SEVERITIES = {"high": Severity.HIGH, "medium": Severity.MEDIUM, "low": Severity.LOW}
_SEVERITIES |= {"高": Severity.HIGH, "中": Severity.MEDIUM, "低": Severity.LOW}
_STAGES = {"draft": Stage.DRAFT, "草稿": Stage.DRAFT, "退回": Stage.DRAFT}
_STAGES |= dict.fromkeys(("review", "in_review", "submit", "评审", "提交"), Stage.IN_REVIEW)
_STAGES |= dict.fromkeys(("publish", "published", "发布"), Stage.PUBLISHED)
_SERVICE = re.compile(r'(?:service|服务)[:=]\s*("(?:\\.|[^"\\])*"|[^\s",;、。]+)', re.IGNORECASE | re.DOTALL)
_TARGET = re.compile(r'(?:target|目标)[:=]\s*("(?:\\.|[^"\\])*"|[^\s",;、。]+)', re.IGNORECASE | re.DOTALL)
_AT = re.compile(r"@(?=[A-Za-z0-9_])")


def read_add_risk(sentence: Sentence, speaker: Speaker) -> Command:
    """`risk high due 2026-12-01 @bo service:orders disk nearly full`; the title may be followed by `"…"`."""
    severity, owner, due = Severity.MEDIUM, None, None
    service: str | None = None
    target: str | None = None
    is_marked = speaker.addressed
    while not sentence.at_end:
        if (word := sentence.keyword(*_SEVERITIES)) is not None:
            severity = _SEVERITIES[word]
        elif sentence.keyword(*DUE):
            due = needed_day(sentence)
        elif sentence.keyword(*OWNER) or sentence.take(_AT):
            owner = needed_person(sentence)
        elif (found := sentence.take(_SERVICE)) is not None:
            service = sentence.group(found, 1)
        elif (found := sentence.take(_TARGET)) is not None:
            target = sentence.group(found, 1)
        else:
            break
        is_marked = True
    if not is_marked:  # "risk of what?"
        raise Unclear("only_talk")
    title, text = sentence.texts()
    title = title.lstrip(":：,，").strip()
    if not any(letter.isalnum() for letter in title):
        raise Unclear("needs_text")
    return events.AddRisk(title, severity, owner, due, service, target, text, by=speaker.by, door=speaker.door)


def say_add_risk(command: events.AddRisk) -> str:
    words = [str(command.severity)]
    words += [f"owner {quoted(command.owner, always=True)}"] if command.owner is not None else []
    words += [f"due {command.due.isoformat()}"] if command.due is not None else []
    words += [f"service:{quoted(command.service, always=True)}"] if command.service is not None else []
    words += [f"target:{quoted(command.target, always=True)}"] if command.target is not None else []
    words += [quoted(text, always=True) for text in (command.title, command.text) if text]
    return " ".join(words)


def read_assign_risk(sentence: Sentence, speaker: Speaker) -> Command:
    number = needed_number(sentence)
    owner: str | None = None
    due: date | None = None
    while not sentence.at_end:
        if sentence.keyword(*DUE):
            due = needed_day(sentence)
        elif owner is None:
            sentence.keyword("to", "给", *OWNER)
            sentence.take(_AT)
            owner = needed_person(sentence)
        else:
            break
    if owner is None and due is None:
        raise Unclear("needs_person")
    return events.AssignRisk(number, owner, due, by=speaker.by, door=speaker.door)


def say_assign_risk(command: events.AssignRisk) -> str:
    owner = f" owner {quoted(command.owner, always=True)}" if command.owner is not None else ""
    due = f" due {command.due.isoformat()}" if command.due is not None else ""
    return f"{command.id}{owner}{due}"


def read_close_risk(sentence: Sentence, speaker: Speaker) -> Command:
    number = needed_number(sentence)
    return events.CloseRisk(number, given_reason(sentence), by=speaker.by, door=speaker.door)


def say_close_risk(command: events.CloseRisk) -> str:
    return f"{command.id}{say_reason(command.text)}"


def read_accept_risk(sentence: Sentence, speaker: Speaker) -> Command:
    number = needed_number(sentence)
    if sentence.keyword(*UNTIL):
        until = sentence.instant()
    else:
        sentence.keyword("for")
        until = sentence.now + needed_span(sentence)
    reason = given_reason(sentence)
    if not reason:
        raise Unclear("needs_reason")
    return events.AcceptRisk(number, until, reason, by=speaker.by, door=speaker.door)


def say_accept_risk(command: events.AcceptRisk) -> str:
    return f"{command.id} until {say_instant(command.until)}{say_reason(command.reason)}"


def read_start_paper(sentence: Sentence, speaker: Speaker) -> Command:
    number = needed_incident(sentence, speaker)
    owner: str | None = None
    if not sentence.at_end:
        is_named = sentence.keyword(*OWNER) is not None or sentence.take(_AT) is not None
        if not is_named:
            raise Unclear("too_much", left=sentence.remaining()[:80])
        owner = needed_person(sentence)
    return events.StartPaper(number, owner, by=speaker.by, door=speaker.door)


def say_start_paper(command: events.StartPaper) -> str:
    owner = f" owner {quoted(command.owner, always=True)}" if command.owner is not None else ""
    return f"{command.incident}{owner}"


def read_move_paper(sentence: Sentence, speaker: Speaker) -> Command:
    number = needed_incident(sentence, speaker)
    wanted = sentence.keyword(*_STAGES)
    if wanted is None:
        raise Unclear("needs_stage", said=sentence.remaining()[:80])
    return events.MovePaper(number, _STAGES[wanted], by=speaker.by, door=speaker.door)


def say_move_paper(command: events.MovePaper) -> str:
    return f"{command.incident} {command.to}"


def needed_day(sentence: Sentence) -> date:
    """A date: `2026-12-01`, `tomorrow`, `fri`, `2 weeks` from today. Raises Unclear("bad_day")."""
    before = plain(sentence.remaining())[:40]
    day = sentence.day()
    if day is None:
        raise Unclear("bad_day", said=before)
    return day


def read_take_over(sentence: Sentence, speaker: Speaker) -> Command:
    """`take-over primary`; alone, of every roster that waits for who says it."""
    sentence.keyword("roster")
    roster = None if sentence.at_end else sentence.value().removeprefix("roster:")
    return events.TakeOver(roster, by=speaker.by, door=speaker.door)


def say_take_over(command: events.TakeOver) -> str:
    return "" if command.roster is None else quoted(command.roster)

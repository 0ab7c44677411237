"""What a person hears back: the answer to a command, a line of the timeline, the list of what can be said."""

from __future__ import annotations

from opswatch.core.effects import Done, Entry, Refuse
from opswatch.core.grammar import VERBS
from opswatch.core.model import Priority
from opswatch.core.plan import Plan
from opswatch.render.words import Reader, fill, lookup

_BROKEN = "sla_breached"  # each promise has its own words
_TRIED_ONCE = 1


def answer(language: str, effect: Done | Refuse, *, plan: Plan | None = None, zone: str = "UTC") -> str:
    """One or two sentences: what was done, or why not and what was expected. Names come from `plan`, times from `zone`.

    A key without words gives a plain line with its facts: never an error.
    """
    reader = Reader(language, plan=plan, zone=zone)
    facts = reader.facts(effect.facts)
    template = lookup(reader.language, f"answer.{effect.key}")
    if template is None:
        return _plain_line(effect.key, facts)
    said = fill(template, facts)
    if isinstance(effect, Refuse):
        hints = [
            fill(lookup(reader.language, f"answer.{hint}") or "", facts)
            for hint in ("expected", "example")
            if hint in facts
        ]
        said = "\n".join([said, *hints])
    return said


def say_refusal(language: str, key: str, **facts: object) -> str:
    """The words of a refusal that a door makes itself: `stranger`, `busy`, `failed`."""
    return answer(language, Refuse(key, facts))


def entry(language: str, entry: Entry, *, plan: Plan | None = None, zone: str = "UTC") -> str:
    """One line of the timeline, without its time: the caller shows that where it likes.

    An unknown kind gives its name and facts: old entries of a newer version stay readable.
    """
    reader = Reader(language, plan=plan, zone=zone)
    given = dict(entry.facts)
    if entry.by is not None:
        given.setdefault("by", entry.by)
    if given.get("attempt") == _TRIED_ONCE:
        del given["attempt"]
    facts = reader.facts(given)
    template = lookup(reader.language, f"entry.{entry.kind}")
    if entry.kind == _BROKEN:
        template = lookup(reader.language, f"entry.{entry.kind}_{entry.facts.get('what')}") or template
    return _plain_line(entry.kind, facts) if template is None else fill(template, facts)


def help_text(language: str) -> str:
    """What can be said, a line per verb: how it is written and what it does."""
    reader = Reader(language)
    rows = [f"  {verb.usage}: {reader.word(f'verb.{verb.name}')}" for verb in VERBS]
    return "\n".join([reader.word("answer.help"), *rows])


def priority_words(language: str, priority: Priority) -> str:
    """`P1, now`."""
    return Reader(language).word(f"priority.{priority}")


def _plain_line(key: str, facts: dict[str, str]) -> str:
    said = ", ".join(f"{name} {value}" for name, value in facts.items())
    words = key.replace("_", " ")
    return f"{words}: {said}" if said else words

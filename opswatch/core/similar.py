"""Which incidents of the past are like one of now: by what was looked at, where, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from opswatch.core.model import Status
from opswatch.core.state import Incident

SHOWN = 3
LIKE_ENOUGH = 3.0
CHECK, SERVICE, WORDS = 3.0, 1.5, 4.0
"""What counts: the same check, the same service, the share of words in common."""
TOKENS_MAX = 60
FIX_MAX = 200

_WORD = re.compile(r"[a-z_][a-z0-9_.-]*[a-z0-9]", re.IGNORECASE)
_HAN = re.compile(r"[一-鿿]+")
_COMMON = frozenset({"is", "on", "at", "of", "the", "to", "in", "no", "not", "and", "for", "from", "an", "it", "its"})


@dataclass(frozen=True, slots=True)
class Past:
    """An incident that is over. `fixed` is what whoever resolved it said; "" where they said nothing."""

    number: int
    title: str
    resolved_at: datetime
    resolved_by: str | None
    fixed: str
    check: str | None
    service: str | None
    tokens: frozenset[str]


def tokens(text: str) -> frozenset[str]:
    """The words of a text, in small letters, numbers and little words left out; of Chinese, each two characters that
    stand together."""
    words = [word.lower() for word in _WORD.findall(text)]
    found = [word for word in words if word not in _COMMON]
    for run in _HAN.findall(text):
        found += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return frozenset(found[:TOKENS_MAX])


def past(incident: Incident) -> Past | None:
    """An incident as one of the past; None while it is open, and for what was folded or merged into another."""
    if incident.status is not Status.RESOLVED or incident.resolved_at is None or incident.reopen_at is not None:
        return None
    if incident.storm is not None or incident.merged_into is not None:
        return None
    return Past(
        incident.number,
        incident.title,
        incident.resolved_at,
        incident.resolved_by,
        incident.fixed[:FIX_MAX],
        incident.check,
        incident.service,
        tokens(incident.title),
    )


def similar(incident: Incident, pasts: Iterable[Past], limit: int = SHOWN) -> tuple[Past, ...]:
    """The most similar ones, best first; of equals those that say what fixed them, then the newest."""
    own = tokens(incident.title)
    scored = [(score(incident, own, one), one) for one in pasts if one.number != incident.number]
    like = [(points, one) for points, one in scored if points >= LIKE_ENOUGH]
    like.sort(key=lambda pair: (-round(pair[0], 2), not pair[1].fixed, -pair[1].number))
    return tuple(one for _, one in like[:limit])


def score(incident: Incident, own: frozenset[str], one: Past) -> float:
    """How alike they are: 0 for nothing in common."""
    points = CHECK if one.check is not None and one.check == incident.check else 0.0
    points += SERVICE if one.service is not None and one.service == incident.service else 0.0
    together = len(own | one.tokens)
    return points + (WORDS * len(own & one.tokens) / together if together else 0.0)

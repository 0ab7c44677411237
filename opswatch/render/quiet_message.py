"""The frame of messages that interrupt nobody and edit no card: notices to people, and what rosters tell channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from opswatch.render.message import Message
from opswatch.render.text import fill_template


def quiet_message(
    kind: str,
    title: str,
    lines: Sequence[tuple[str, str]],
    links: Mapping[str, str],
    *,
    id: str,
    at: datetime,
    attempt: int,
    possible_duplicate: bool,
    payload: Mapping[str, object],
) -> Message:
    """A title, its lines and its links, in words and as what a webhook gets. `kind`: update | announce."""
    return Message(
        id=id,
        kind=kind,
        title=title,
        text=fill_template("message.txt.j2", title=title, opening=[], lines=list(lines), links=dict(links)),
        at=at,
        lines=tuple(lines),
        links=dict(links),
        loud=False,
        attempt=attempt,
        possible_duplicate=possible_duplicate,
        payload=payload,
    )

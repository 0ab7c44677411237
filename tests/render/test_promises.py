"""A promise that was broken, in words for people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opswatch.core.effects import Entry
from opswatch.render.answers import entry

AT = datetime(2026, 12, 25, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("what", "owner", "english", "chinese"),
    [
        (
            "ack",
            None,
            "nobody took it by Fri 25 Dec 03:05 (UTC): the P0 promise is broken",
            "12月25日 周五 03:05（UTC）前无人接手：P0 的承诺未兑现",
        ),
        (
            "update",
            "ana",
            "no update by Fri 25 Dec 03:05 (UTC): the P0 promise is broken, ana has it",
            "12月25日 周五 03:05（UTC）前没有通报进展：P0 的承诺未兑现，ana 负责",
        ),
        (
            "resolve",
            None,
            "it was not over by Fri 25 Dec 03:05 (UTC): the P0 promise is broken",
            "12月25日 周五 03:05（UTC）前没有解决：P0 的承诺未兑现",
        ),
    ],
)
def test_a_broken_promise_reads_as_a_sentence(what: str, owner: str | None, english: str, chinese: str):
    facts = {"what": what, "priority": "P0", "owner": owner, "due": AT.isoformat(), "after_s": 300}
    broken = Entry(AT, "sla_breached", incident=1, facts={name: fact for name, fact in facts.items() if fact})
    assert entry("en", broken) == english
    assert entry("zh", broken) == chinese


def test_a_promise_that_a_newer_version_made_is_told_too():
    broken = Entry(AT, "sla_breached", incident=1, facts={"what": "call_back", "priority": "P0", "due": AT.isoformat()})
    assert entry("en", broken).startswith("promise of P0 broken: call")

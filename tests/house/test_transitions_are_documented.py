"""The table of the incident's life in the docs is drawn from the code's."""

from __future__ import annotations

from pathlib import Path

from opswatch.core.incidents import TRANSITIONS, word_of

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "ARCHITECTURE.md"


def drawn() -> str:
    rows = ["| status | command → status |", "| --- | --- |"]
    for status, moves in TRANSITIONS.items():
        words = sorted(f"{word_of(command)} → {end}" for command, end in moves.items())
        rows.append(f"| {status} | {', '.join(words)} |")
    return "\n".join(rows)


def test_the_life_of_an_incident_is_drawn_from_the_table():
    _, _, rest = ARCHITECTURE.read_text().partition("<!-- transitions -->\n")
    shown, _, _ = rest.partition("\n<!-- /transitions -->")
    assert shown == drawn()

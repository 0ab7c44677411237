"""How many of what, in English: one is singular."""

from __future__ import annotations


def say_count(count: int, one: str, many: str = "") -> str:
    """ "1 process", "2 processes", "1 policy", "0 policies"."""
    return f"{count} {one if count == 1 else many or one + 's'}"

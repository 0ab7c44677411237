"""The nearest known spelling of a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

LISTED_MAX = 12


def nearest(word: object, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be; empty when none is close."""
    import difflib  # Only ever needed when something is wrong already.

    written, names = str(word), sorted(known)
    by_lower = {name.lower(): name for name in names}
    if written.lower() in by_lower:
        return by_lower[written.lower()]
    found = difflib.get_close_matches(written.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def listed(known: Iterable[str]) -> str:
    """`a, b, c` for a sentence, cut short when there are many; "none" for nothing."""
    names = sorted(known)
    more = f", … ({len(names)} in all)" if len(names) > LISTED_MAX else ""
    return ", ".join(names[:LISTED_MAX]) + more if names else "none"

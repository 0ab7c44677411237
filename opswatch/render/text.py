"""Plain text from the templates, and whose words it is in."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from opswatch.core.plan import Plan
from opswatch.render.words import Reader

if TYPE_CHECKING:
    from jinja2 import Environment


def reader_of(plan: Plan, person: str) -> Reader:
    """The person's own language and zone win."""
    known = plan.people.get(person)
    if known is None:
        return Reader(plan.language, plan=plan, zone=plan.timezone)
    return Reader(known.language, plan=plan, zone=known.timezone)


def stamp(at: datetime) -> str:
    """`at` for machines: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fill_template(name: str, **facts: object) -> str:
    """The text of one of `templates/*.txt.j2`, ending in one newline. A missing fact is our mistake, and raises."""
    return _templates().get_template(name).render(**facts).strip() + "\n"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # Late: the command line rarely needs it.

    # Plain text for people: nothing here is HTML, so nothing is escaped.
    return Environment(
        loader=PackageLoader("opswatch"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""The team of `tests/sim/team/`, as the command line would load it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from opswatch import config, plugins
from opswatch.core.plan import Plan

CONFIG = Path(__file__).with_name("team") / "config.toml"
START = datetime(2027, 3, 15, tzinfo=UTC)  # Clocks change in New York on the 14th, in Europe on the 28th.


@cache
def team() -> Plan:
    """Rosters, windows, pools, quiet nights, rising rules, maintenance: everything at once."""
    return config.load(CONFIG, plugins.Lookup(with_models=False), now=START, needs_secrets=False).plan

"""config.toml, checks/*.toml → a Plan for the core and Settings for the shell; or every problem at once.

`load(path, kinds)` is handed the plug-in lookup (`plugins.kinds()`), so it needs no probe and no channel. What is only
needed once something is wrong, or only by `opswatch config`, is imported then: a command must start in a quarter of a
second.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opswatch.config.files import fingerprint
from opswatch.config.load import load
from opswatch.config.settings import (
    ChannelSettings,
    Deadman,
    HookSettings,
    Inspection,
    Kinds,
    Loaded,
    Measures,
    Retention,
    Settings,
    TokenSettings,
    WebSettings,
)
from opswatch.core.state import Absence, Cover, Override, Paper, Risk, Silence
from opswatch.errors import Problem

__all__ = [
    "ChannelSettings",
    "Deadman",
    "HookSettings",
    "Inspection",
    "Kinds",
    "Loaded",
    "Measures",
    "Retention",
    "Settings",
    "TokenSettings",
    "WebSettings",
    "check_leaving",
    "check_stored",
    "fingerprint",
    "lint",
    "load",
    "show",
    "show_text",
]


def lint(loaded: Loaded, now: datetime, overrides: Iterable[Override] = ()) -> list[Problem]:
    """What is allowed and probably not meant (SPEC 4): levels nobody reaches, personal rules longer than the level's
    wait, P2 louder than P1, nobody to page, rosters with gaps in the 30 days after `now`."""
    from opswatch.config.lints import lint as found

    return found(loaded, now, tuple(overrides))


def check_stored(
    loaded: Loaded,
    overrides: Iterable[Override],
    silences: Iterable[Silence],
    risks: Iterable[Risk] = (),
    papers: Iterable[Paper] = (),
    covers: Iterable[Cover] = (),
) -> list[Problem]:
    """What the store holds that this configuration no longer knows: rosters of overrides, owners of silences, risks and
    post-mortems. It goes on all the same; people in overrides and absences are `check_leaving`'s."""
    from opswatch.config.stored import check

    return check(loaded, overrides, silences, risks, papers, covers)


def check_leaving(
    loaded: Loaded, overrides: Iterable[Override], absences: Iterable[Absence], now: datetime
) -> list[Problem]:
    """People in overrides and absences that are not over, whom this configuration no longer knows: it is refused, and
    their next five shifts are listed."""
    from opswatch.config.leaving import check

    return check(loaded.plan, tuple(overrides), absences, now)


def show(loaded: Loaded) -> dict[str, object]:
    """What is in force, defaults filled in, as JSON values; secrets masked, references shown as written."""
    from opswatch.config.shown import as_values

    return as_values(loaded)


def show_text(loaded: Loaded) -> str:
    """`show` as TOML, for reading."""
    from opswatch.config.shown import as_toml

    return as_toml(loaded)

"""A pytest plugin: where servers must be there, a test that is skipped has failed.

On a laptop without PostgreSQL a skip is a kindness. In CI (`CI=true`) or with `OPSWATCH_REQUIRE_SERVERS=1` it would be
a green run that proved nothing. Load it with `-p tests.no_skips`; `make test` does.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import pytest

from tests import servers

# A reason that begins like this is not the want of a server: no installation of a package could remove it.
MAY_SKIP = re.compile(r"^(?:Skipped: )?(?:nightly|as root|root|not as root|does not apply)\b", re.IGNORECASE)


def _refuse(report: Any) -> None:
    """Turn a skip into a failure that repeats its reason."""
    if not report.skipped or hasattr(report, "wasxfail") or not servers.is_required():
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if MAY_SKIP.match(reason):
        return
    report.outcome = "failed"
    report.longrepr = (
        f"{report.nodeid} was skipped, and nothing may be skipped here: {reason}\n"
        "Install what it wants (the list is in .ci/run), or unset CI and OPSWATCH_REQUIRE_SERVERS."
    )


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _refuse(report)
    return report

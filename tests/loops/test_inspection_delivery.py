"""The result of a round reaches its channel over the desk: promised with the fact, composed from the report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from opswatch.channels import Message
from opswatch.config import ChannelSettings, Settings, WebSettings
from opswatch.core.events import SignInspection
from opswatch.core.model import Secret
from opswatch.links import Links
from opswatch.outgoing import Composer, NotWanted
from opswatch.playbooks import Playbooks
from opswatch.stores import Store, open_store
from opswatch.views import Views
from tests.loops.test_inspections import DAY, HALF_AN_HOUR, Site, Sizes

SOON = timedelta(seconds=30)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/opswatch.db")
    opened.migrate()
    yield opened
    opened.close()


def composer(site: Site) -> Composer:
    channels = {"ops": ChannelSettings("ops", "console", None)}
    folder = site.folder
    settings = Settings(folder, folder, folder, Secret(""), "", folder, folder, WebSettings(), channels)
    return Composer(
        site.desk, site.store, settings, Playbooks(()), Links("https://watch.example.com", Secret("k" * 32))
    )


def told(site: Site) -> Message:
    """The newest message that waits."""
    promise = max(site.store.claim("here", site.now, SOON, 10), key=lambda promise: promise.promised_at)
    return composer(site).compose(promise, site.now).message


def test_a_channel_is_told_the_numbers_the_worst_and_where_the_report_is(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(50, 85))
    site.starts()
    site.passes(HALF_AN_HOUR)
    site.passes(DAY)
    message = told(site)
    assert message.title == "Daily inspection: 1 warning, 2 ok"
    assert "Changed: 1 worse" in message.text
    assert "warning size db-1 /data: size is 85" in message.text
    assert "2 items to sign" in message.text
    assert list(message.links.values()) == ["https://watch.example.com/inspections/2026-11-18-daily"]
    assert message.payload["counts"] == {"ok": 2, "unknown": 0, "warn": 1, "crit": 0}
    assert (message.payload["event"], message.loud) == ("inspected", False)


def test_all_well_is_told_too(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(50))
    site.starts()
    site.passes(HALF_AN_HOUR)
    assert told(site).title == "Daily inspection: All is well: 3 things looked at, each ok"


def test_a_report_that_was_forgotten_is_not_told_any_more(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(50))
    site.starts()
    site.passes(HALF_AN_HOUR)
    (promise,) = kept.claim("here", site.now, SOON, 10)
    kept.prune(site.now + 500 * DAY)
    with pytest.raises(NotWanted):
        composer(site).compose(promise, site.now)


def test_the_duty_log_counts_the_rounds_and_who_signed(tmp_path: Path, kept: Store):
    site = Site(tmp_path, kept, size=Sizes(50))
    site.starts()
    site.passes(HALF_AN_HOUR)
    site.desk.answer(SignInspection("2026-11-17-daily", 2, "two lamps were out", by="ana"))
    text = Views(site.desk, kept, site.tick).duty_log()
    assert "## Inspections done" in text
    assert "- 07:30 inspection 2026-11-17-daily done, 3 ok; 2 to sign" in text
    assert "- 07:30 item 2 of 2026-11-17-daily signed by Ana: two lamps were out" in text

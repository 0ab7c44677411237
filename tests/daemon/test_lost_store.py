"""A store that is full or gone: it is said on every door, somebody is told by another way, and no page is lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opswatch.core.changes import State
from opswatch.sim import laws
from opswatch.stores import open_store
from tests import servers
from tests.daemon.harness import PATIENCE_S, Installation, Receiver


def readiness(box: Installation) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{box.url}/readyz", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def is_emergency(status: str) -> Callable[[dict[str, object]], bool]:
    return lambda body: body["kind"] == "emergency" and body["status"] == status


def look_at_the_books(box: Installation, receiver: Receiver, url: str) -> None:
    """One incident, its page decided once and delivered, and the timeline tells the state."""
    pages = [page for page in receiver.pages() if page["person"] == "ana"]
    assert {page["incident"] for page in pages} == {1}
    assert len({page["page_id"] for page in pages}) == 1
    assert box.stop() == 0
    store = open_store(url)
    entries = [one.entry for one in store.timeline()]
    state = State()
    store.load(state)
    assert laws.the_log_is_the_truth(state, entries) == []
    assert [entry.kind for entry in entries].count("page_promised") == 1
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder of the first installation, on a disk of three megabytes."""
    if os.geteuid() != 0:
        pytest.skip("root is needed to mount a small disk")
    place = tmp_path / "box0" / "var"
    place.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=False).returncode:
        pytest.skip("root may not mount here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError as full:
            assert full.errno == errno.ENOSPC


def test_a_full_disk_is_said_told_by_another_way_and_recovered_from(small_disk, installed, receiver):
    box = installed()
    box.start()
    box.stop()  # The log that the migrations left would take many writes without growing.
    box.start()
    box.wait_for_log("1 of 1 checks? looked")
    fill(small_disk)
    box.fails()
    told = receiver.wait(is_emergency("triggered"))
    assert told["person"] == "ana"
    assert told["untold"] == [{"priority": "P1", "title": "flag: box"}] or told["untold"][0]["priority"] == "P1"
    assert "the store is full" in told["title"]
    assert receiver.pages() == []
    code, words = readiness(box)
    assert code == 503
    assert "the store is full: pages cannot be promised since" in words
    (small_disk / "ballast").unlink()
    receiver.wait(lambda body: body["kind"] == "page" and body["incident"] == 1)
    receiver.wait(is_emergency("resolved"))
    until(lambda: readiness(box)[0] == 200, "it never became ready again")
    log = box.log.read_text()
    assert log.count("pages cannot be promised") == 1
    assert log.count("pages can be promised again") == 1
    assert log.count("verdicts not taken in") == 1
    look_at_the_books(box, receiver, f"sqlite:{small_disk}/opswatch.db")


@pytest.fixture
def own_postgres() -> Iterator[servers.Postgres]:
    try:
        with servers.postgres() as server:
            yield server
    except servers.Absent as absent:
        if servers.is_required():
            pytest.fail(str(absent))
        pytest.skip(str(absent))


@pytest.mark.needs("postgres")
def test_a_database_that_is_stopped_and_started_loses_no_page(own_postgres, installed, receiver):
    url = own_postgres.create("opswatch")
    box = installed(store=url)
    box.start()
    box.wait_for_log("1 of 1 checks? looked")
    own_postgres.process.send_signal(signal.SIGINT)
    own_postgres.process.wait(PATIENCE_S)
    box.fails()
    told = receiver.wait(is_emergency("triggered"))
    assert "the store cannot be reached" in told["title"]
    assert told["untold"][0]["priority"] == "P1"
    assert readiness(box)[0] == 503
    again = subprocess.Popen(
        own_postgres.process.args,
        user="postgres" if os.geteuid() == 0 else None,
        cwd=own_postgres.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        receiver.wait(lambda body: body["kind"] == "page" and body["incident"] == 1)
        receiver.wait(is_emergency("resolved"))
        until(lambda: readiness(box)[0] == 200, "it never became ready again")
        look_at_the_books(box, receiver, url)
    finally:
        again.send_signal(signal.SIGQUIT)
        again.wait(20)

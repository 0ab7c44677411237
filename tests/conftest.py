"""Servers and stores for every test that asks for one by name."""

from __future__ import annotations

import contextlib
import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opswatch.stores import Store, open_store
from tests import servers

_NUMBERS = itertools.count(1)


@contextlib.contextmanager
def _present(name: str) -> Iterator[None]:
    """Where a server is not installed: a loud skip; in CI an error."""
    try:
        yield
    except servers.Absent as absent:
        if servers.is_required():
            pytest.fail(f"{absent} (CI=true or OPSWATCH_REQUIRE_SERVERS=1)")
        warnings.warn(f"{name} tests are skipped: {absent}", stacklevel=1)
        pytest.skip(str(absent))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """A PostgreSQL of our own for the whole run."""
    with _present("PostgreSQL"), servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[servers.MariaDB]:
    """A MariaDB of our own for the whole run."""
    with _present("MariaDB"), servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.Redis]:
    """A Redis of our own for the whole run."""
    with _present("Redis"), servers.redis() as server:
        yield server


@pytest.fixture(scope="session")
def amtool() -> str:
    """Alertmanager's own command line."""
    with _present("amtool"):
        return servers.amtool()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., servers.Prometheus]]:
    """Makes a Prometheus of our own: `prometheus(rules, scraped="host:port", alertmanager="host:port")`, not started
    yet; stopped after the test."""
    made: list[servers.Prometheus] = []

    def make(rules: str, **where: str) -> servers.Prometheus:
        with _present("Prometheus"):
            made.append(servers.Prometheus(tmp_path / f"prometheus{len(made)}", rules, **where))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def postgres_url(postgres_server: servers.Postgres) -> Iterator[str]:
    """A fresh, empty database, dropped after the test."""
    name = f"opswatch_{os.getpid()}_{next(_NUMBERS)}"
    yield postgres_server.create(name)
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store; the test runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'opswatch.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A migrated store, empty; the test runs on both databases."""
    opened = open_store(store_url)
    opened.migrate()
    yield opened
    opened.close()

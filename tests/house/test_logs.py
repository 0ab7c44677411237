"""What a log line may hold: facts for a person at 3 a.m., never a secret, and never an excuse to stop."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opswatch import logs
from opswatch.core.model import Health, Priority, Secret


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Each test sets logging up for itself; the process gets its own back."""
    root = logging.getLogger()
    handlers, level, output = list(root.handlers), root.level, logs._output
    logs._output = logs._Output()
    yield
    root.handlers, logs._output = handlers, output
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def said(stream: io.StringIO) -> list[dict[str, object]]:
    """The lines, read back as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_event_with_facts(stream: io.StringIO):
    logs.setup("info", json=True, stream=stream)
    logs.get("loops.pages").info("page delivered", incident=142, person="ana", via="phone", took_s=1.8)
    [line] = said(stream)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "loglevel": "info",
        "msg": "page delivered",
        "logger": "loops.pages",
        "incident": 142,
        "person": "ana",
        "via": "phone",
        "took_s": 1.8,
    }


def test_a_terminal_gets_key_value(stream: io.StringIO):
    logs.setup("info", json=False, stream=stream)
    logs.get("loops.pages").info("page failed", incident=142, reason="no answer")
    assert stream.getvalue()[8:] == 'Z info    page failed  incident=142 reason="no answer"  (loops.pages)\n'


def test_what_is_not_a_terminal_gets_json(stream: io.StringIO):
    logs.setup(stream=stream)
    logs.get("desk").warning("store slow")
    assert said(stream)[0]["msg"] == "store slow"


@pytest.mark.parametrize(
    ("facts", "hidden"),
    [
        ({"contact": Secret("+4915112345678")}, "12345678"),
        ({"token": "t0p"}, "t0p"),
        ({"slack_app_token": "t0p"}, "t0p"),
        ({"headers": {"Authorization": "Basic t0p"}}, "t0p"),
        ({"contacts": [Secret("t0psecret")]}, "t0psecret"),
        ({"url": "postgresql://ops:t0psecret@db/ops"}, "t0psecret"),
        ({"reason": "refused xoxb-12345678-abcdefgh"}, "abcdefgh"),
        ({"reason": "GET https://hooks.slack.com/services/T00/B00/t0psecret failed"}, "t0psecret"),
        ({"reason": "sent Bearer abc.def.ghi"}, "abc.def.ghi"),
        ({"reason": "POST /send?access_token=t0psecret&x=1"}, "t0psecret"),
        ({"reason": "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"}, "MIIabc"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_do_not_arrive(stream: io.StringIO, facts: dict[str, object], hidden: str, as_json: bool):
    logs.setup("info", json=as_json, stream=stream)
    logs.get("x").info("something happened", **facts)
    assert "something happened" in stream.getvalue()
    assert hidden not in stream.getvalue()


def test_a_secret_says_where_it_came_from(stream: io.StringIO):
    logs.setup("info", json=True, stream=stream)
    logs.get("x").info("connecting", url=Secret("postgresql://ops:t0p@db", "env:DB_URL"))
    assert said(stream)[0]["url"] == "env:DB_URL"


def test_a_trace_is_told_without_its_secrets(stream: io.StringIO):
    logs.setup("info", json=True, stream=stream)
    try:
        raise OSError("cannot reach https://ops:t0psecret@vendor/")
    except OSError:
        logs.get("x").exception("send failed", incident=142)
    [line] = said(stream)
    assert "cannot reach https://ops:***@vendor/" in str(line["exception"])
    assert "t0psecret" not in stream.getvalue()


def test_ordinary_words_are_left_alone(stream: io.StringIO):
    facts = {
        "check": "tls-cert",
        "took_s": 3,
        "key": "disk-space/this-host",
        "reason": "no token was given",
        "passed": 4,
    }
    logs.setup("info", json=True, stream=stream)
    logs.get("x").info("looked", **facts)
    assert facts.items() <= said(stream)[0].items()


def test_values_of_the_trade_read_as_themselves(stream: io.StringIO):
    logs.setup("info", json=True, stream=stream)
    at = datetime(2026, 3, 28, 1, 14, tzinfo=UTC)
    logs.get("x").info("raised", priority=Priority.P1, health=Health.CRIT, at=at, wait=timedelta(minutes=5), level=2)
    line = said(stream)[0]
    assert (line["priority"], line["health"], line["level"]) == ("P1", "crit", 2)
    assert (line["at"], line["wait"]) == ("2026-03-28T01:14:00+00:00", "0:05:00")


def test_a_line_cannot_forge_another(stream: io.StringIO):
    logs.setup("info", json=False, stream=stream)
    logs.get("x").info("looked", sentence="ok\n03:12:07Z error   everything is lost\x1b[2J")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_a_line_has_a_limit(stream: io.StringIO):
    logs.setup("info", json=True, stream=stream)
    logs.get("x").info("looked", body="a" * 100_000, many=list(range(10_000)))
    assert len(stream.getvalue()) < 5_000


def test_libraries_speak_through_the_same_mask(stream: io.StringIO):
    logs.setup("debug", json=True, stream=stream)
    logging.getLogger("slack_sdk.web").warning("failed with %s", "xoxb-12345678-abcdefgh")
    logging.getLogger("urllib3").debug("send: POST body")
    [line] = said(stream)
    assert line["logger"] == "slack_sdk.web"
    assert line["msg"] == "failed with xoxb-***"


def test_less_than_the_level_is_not_written(stream: io.StringIO):
    logs.setup("warning", json=True, stream=stream)
    logs.get("x").info("looked")
    assert stream.getvalue() == ""


def test_facts_can_be_bound(stream: io.StringIO):
    logs.setup("info", json=True, stream=stream)
    logs.get("x").bind(node="ops-1").info("started", version="0.1.0")
    assert {"node": "ops-1", "version": "0.1.0"}.items() <= said(stream)[0].items()


def test_a_stream_that_fails_stops_nothing_and_is_counted(stream: io.StringIO):
    class Ungrateful:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    logs.setup("info", json=True, stream=stream)
    logs.get("x").info("looked", at=Ungrateful())
    stream.close()
    logs.get("x").info("looked")
    assert logs.take_lost() == 2
    assert logs.take_lost() == 0


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        logs.setup("verbose")


def test_a_command_that_says_nothing_pays_nothing():
    """`opswatch who` must start in a quarter of a second: no library before the first line or the first number."""
    heavy = "{'structlog', 'prometheus_client', 'requests', 'pydantic'} & set(sys.modules)"
    code = f"import sys; from opswatch import logs, metrics; logs.get('cli'); print(sorted({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

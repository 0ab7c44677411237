"""A small server that answers as Prometheus' HTTP API does, with its words, its errors and its silences."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from opswatch import clock
from opswatch.core.model import Health, UnknownReason
from tests.probes.looks import all_text, failure, is_good, look, value

Answer = tuple[int, object]


class Api:
    """A running server. `answers` maps a query to its status and body; `seen` are the queries with their headers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.seen: list[tuple[Mapping[str, str], Mapping[str, str]]] = []


@contextlib.contextmanager
def api(answers: Callable[[str], Answer]) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: words[0] for name, words in parse_qs(parts.query).items()}
            running.seen.append((asked, dict(self.headers)))
            status, body = answers(asked["query"]) if parts.path == "/api/v1/query" else (404, "404 page not found")
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Api(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def vector(*series: tuple[Mapping[str, str], str], **more: object) -> Answer:
    """What /api/v1/query says of a vector: values are texts there."""
    rows = [{"metric": dict(labels), "value": [1_700_000_000.1, number]} for labels, number in series]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": rows}, **more}


def always(answer: Answer) -> Callable[[str], Answer]:
    return lambda query: answer


def ask(answer: Answer, **args: object) -> Any:
    with api(always(answer)) as server:
        return look("prometheus", {"query": "q", **args}, url=server.url)


def test_one_series_is_the_target_itself() -> None:
    verdict = ask(vector(({"__name__": "queue_depth", "job": "shop"}, "42.5")))
    assert is_good(verdict)
    assert value(verdict, "value") == 42.5
    assert value(verdict, "series") == 1
    assert "the value is 42.5" in verdict.sentence


def test_each_series_is_an_item_named_by_its_labels() -> None:
    rows = [({"queue": "mail", "job": "a"}, "3"), ({"queue": "pay", "job": "a"}, "7")]
    named = ask(vector(*rows), item=["queue"])
    whole = ask(vector(*rows))
    assert (value(named, "value", "mail"), value(named, "value", "pay")) == (3, 7)
    assert value(whole, "value", "job=a, queue=pay") == 7
    assert named.sentences["pay"] == "pay is 7"


def test_the_instant_the_query_and_the_headers_are_sent() -> None:
    now = clock.now()
    with api(always((200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}}))) as server:
        args = {"query": 'sum(rate(x{a="b&c"}[5m]))', "headers": {"Authorization": "Bearer t0k3n-of-ours"}}
        verdict = look("prometheus", args, url=server.url + "/", now=now, timeout_s=3.0)
    ((asked, headers),) = server.seen
    assert asked["query"] == 'sum(rate(x{a="b&c"}[5m]))'
    assert float(asked["time"]) == pytest.approx(now.timestamp(), abs=0.01)
    assert asked["timeout"] == "3.000s"
    assert headers["Authorization"] == "Bearer t0k3n-of-ours"
    assert value(verdict, "value") == 3
    assert "t0k3n-of-ours" not in all_text(verdict)


def test_an_empty_answer_is_no_data_unless_it_is_the_good_one() -> None:
    assert ask(vector()).unknown is UnknownReason.NO_DATA
    good = ask(vector(), empty="zero")
    assert is_good(good)
    assert value(good, "value") == 0


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_number_is_unknown_and_costs_the_others_nothing(number: str) -> None:
    verdict = ask(vector(({"a": "1"}, number), ({"a": "2"}, "5")), item=["a"])
    assert failure(verdict, "1").health is Health.UNKNOWN
    assert value(verdict, "value", "2") == 5
    assert [sample.item for sample in verdict.samples if sample.name == "value"] == ["2"]


def test_a_value_that_is_too_old_is_unknown() -> None:
    now = clock.now()

    def answers(query: str) -> Answer:
        if query.startswith("timestamp("):
            stamps = [({"a": "1"}, f"{now.timestamp() - 10:.3f}"), ({"a": "2"}, f"{now.timestamp() - 200:.3f}")]
            return vector(*stamps)
        return vector(({"a": "1"}, "5"), ({"a": "2"}, "5"), ({"a": "3"}, "5"))

    with api(answers) as server:
        args = {"query": "x", "item": ["a"], "max_age": "1m"}
        verdict = look("prometheus", args, url=server.url, now=now)
    assert value(verdict, "value", "1") == 5
    assert value(verdict, "age_s", "1") == pytest.approx(10, abs=1)
    assert "too old" in failure(verdict, "2").sentence
    assert "of unknown age" in failure(verdict, "3").sentence


def test_two_series_of_one_name_are_a_mistake_and_not_a_choice() -> None:
    verdict = ask(vector(({"a": "1", "b": "1"}, "5"), ({"a": "1", "b": "2"}, "6")), item=["a"])
    assert verdict.unknown is UnknownReason.ERROR
    assert "write more labels in `item`" in verdict.sentence


def test_more_series_than_wanted_are_told_and_not_dropped_in_silence() -> None:
    verdict = ask(vector(*(({"a": str(number)}, "1") for number in range(30))), item=["a"], items_max=10)
    assert len([sample for sample in verdict.samples if sample.name == "value"]) == 10
    assert value(verdict, "series") == 30
    assert "30 series answer, 10 are looked at" in failure(verdict, "more series").sentence


def test_warnings_of_the_server_are_evidence() -> None:
    verdict = ask(vector(({}, "1"), warnings=["no store matched: partial response"]))
    assert "partial response" in verdict.evidence[0]


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        ((400, {"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}), "error", "parse error"),
        ((503, {"status": "error", "errorType": "timeout", "error": "query timed out"}), "timeout", "timed out"),
        ((401, "Unauthorized"), "refused", "does not let us ask"),
        ((302, "<html>log in</html>"), "error", "does not speak Prometheus' API: status 302"),
        ((200, "<html>hello</html>"), "error", "does not speak Prometheus' API"),
        ((200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), "error", "a matrix"),
        (
            (200, {"status": "success", "data": {"resultType": "vector", "result": [{}]}}),
            "error",
            "values of one instant",
        ),
        ((200, {"status": "success"}), "error", "values of one instant"),
        ((200, "[" * 100_000), "error", "does not speak"),
    ],
)
def test_errors_are_bounded_words_with_a_reason(answer: Answer, reason: str, words: str) -> None:
    verdict = ask(answer)
    assert verdict.unknown == reason
    assert words in verdict.sentence
    assert len(verdict.sentence) <= 300


def test_an_answer_without_end_is_cut() -> None:
    verdict = ask((200, "x" * (9 * 1024 * 1024)))
    assert "more than 8 MiB" in verdict.sentence


def test_a_server_that_is_not_there_is_unknown_and_not_bad() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    verdict = look("prometheus", {"query": "up"}, url=f"http://127.0.0.1:{port}")
    assert verdict.unknown is UnknownReason.ERROR
    assert "refused" in verdict.sentence


def test_a_server_that_hangs_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        verdict = look("prometheus", {"query": "up"}, url=url, timeout_s=0.2)
    assert verdict.unknown is UnknownReason.TIMEOUT

"""A page as an HTTP POST: what is sent, and what each answer means."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opswatch.channels import webhook
from opswatch.errors import DeliveryError
from tests.channels.messages import page


class Endpoint:
    """A web server that writes down what it is sent and answers as it is told."""

    def __init__(self):
        self.seen = []
        self.status, self.headers, self.body = 200, {}, b"ok"
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.seen.append((self.path, dict(self.headers), body))
                self.send_response(endpoint.status)
                for name, value in endpoint.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(endpoint.body)))
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=s3cret"
        threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True).start()


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()


def send(address, message=None, **config):
    return webhook.Channel(webhook.Config(**config)).send(message or page(), address)


def refused(address, **config):
    with pytest.raises(DeliveryError) as failed:
        send(address, **config)
    return failed.value


def test_the_payload_is_posted_as_it_is(endpoint):
    assert send(endpoint.url).detail == "HTTP 200"
    path, headers, body = endpoint.seen[0]
    assert path == "/hook?key=s3cret"
    assert json.loads(body) == page().payload
    assert headers["Idempotency-Key"] == "142/1/1/1/bo/1"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert "X-Opswatch-Signature" not in headers


def test_a_secret_signs_the_very_bytes_that_are_sent(endpoint):
    send(endpoint.url, secret="hush")
    _, headers, body = endpoint.seen[0]
    assert headers["X-Opswatch-Signature"] == "sha256=" + hmac.new(b"hush", body, hashlib.sha256).hexdigest()


def test_headers_of_ones_own_are_sent(endpoint):
    send(endpoint.url, headers={"Authorization": "Bearer t0ken"})
    assert endpoint.seen[0][1]["Authorization"] == "Bearer t0ken"


def test_a_channel_has_an_address_of_its_own(endpoint):
    webhook.Channel(webhook.Config(), to=endpoint.url).send(page(), "")
    assert len(endpoint.seen) == 1


def test_an_id_cannot_smuggle_a_header(endpoint):
    send(endpoint.url, page("1\r\nX-Evil: yes"))
    assert "X-Evil" not in endpoint.seen[0][1]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_delivered(endpoint, status):
    endpoint.status, endpoint.body = status, b""
    assert send(endpoint.url).detail == f"HTTP {status}"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (301, True),
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_what_each_answer_means(endpoint, status, permanent):
    endpoint.status, endpoint.headers = status, {"Location": endpoint.url}
    failed = refused(endpoint.url)
    assert failed.permanent is permanent
    assert f"HTTP {status}" in str(failed)
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("7", 7), ("Mon, 05 Jan 2026 03:12:00 GMT", 120), ("999999", 3600), ("soon", None), ("-5", None)],
)
def test_retry_after_is_read_in_both_forms_and_bounded(endpoint, value, wait_s):
    endpoint.status, endpoint.headers = 429, {"Retry-After": value}
    assert refused(endpoint.url).retry_after_s == wait_s


def test_what_the_other_end_says_is_kept_short(endpoint):
    endpoint.status, endpoint.body = 500, b"no room\n" + b"x" * 100_000
    assert "no room" in str(refused(endpoint.url))
    assert len(str(refused(endpoint.url))) < 300


def test_an_answer_without_end_is_not_listened_to(endpoint):
    endpoint.body = b"x" * 3_000_000
    assert send(endpoint.url).detail == "HTTP 200"


def test_the_address_is_a_secret_and_is_not_in_the_reason(endpoint):
    endpoint.status = 404
    assert "s3cret" not in str(refused(endpoint.url))
    assert "s3cret" not in str(refused("http://127.0.0.1:1/hook?key=s3cret"))


@pytest.mark.parametrize("address", ["", "ftp://example.com/x", "file:///etc/passwd", "example.com/hook"])
def test_only_http_addresses_are_used(address):
    assert refused(address).permanent


def test_nobody_listening_is_tried_again():
    failed = refused("http://127.0.0.1:1/")
    assert not failed.permanent
    assert "127.0.0.1 cannot be reached" in str(failed)


@contextmanager
def dripping():
    """A server that sends a letter of its header now and then, for ever."""
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip():
        peer, _ = listening.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not stop.wait(0.05):
                try:
                    peer.sendall(b"a")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    stop.set()
    thread.join(5)
    listening.close()


def test_an_endpoint_that_drips_its_answer_does_not_hold_the_pager():
    with dripping() as url:
        started = time.monotonic()
        failed = refused(url, timeout="1s")
    assert not failed.permanent
    assert time.monotonic() - started < 30  # not for ever; how fast is no business of a test

"""Web addresses served by real servers on loopback: statuses, bodies, redirects, certificates, phases."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from opswatch import clock
from opswatch.core.model import Secret, UnknownReason
from tests.probes.certificates import Authority, Shown, server_context
from tests.probes.looks import all_text, failure, is_good, look, value

Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A running web server; `seen` are the requests (method, path, headers, body)."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []


@contextlib.contextmanager
def site(pages: dict[str, Answer], shown: Shown | None = None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            running.seen.append((self.command, self.path, dict(self.headers), body))
            pages.get(self.path.partition("?")[0], reply(404))(self)

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if shown is not None:
        server.socket = server_context(shown).wrap_socket(server.socket, server_side=True)
    running = Site(server.server_address[1], "https" if shown else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(status: int = 200, body: bytes = b"all is well", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            handler.send_header(name.replace("_", "-"), text)
        handler.end_headers()
        if handler.command != "HEAD":
            with contextlib.suppress(OSError):  # The client hangs up when it has read enough.
                handler.wfile.write(body)

    return answer


def redirect(to: str, status: int = 302, **headers: str) -> Answer:
    return reply(status, b"", Location=to, **headers)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), clock.now())


def test_a_good_answer_is_timed_by_phase() -> None:
    with site({"/": reply()}) as web:
        verdict = look("http", url=web.url, kind="http")
    assert is_good(verdict)
    assert value(verdict, "status") == 200
    phases = [value(verdict, name) for name in ("dns_s", "connect_s", "first_byte_s")]
    assert all(phase >= 0 for phase in phases)
    assert sum(phases) <= value(verdict, "total_s") + 0.001
    assert value(verdict, "body_bytes") == len("all is well")


@pytest.mark.parametrize(
    ("status", "wanted", "good"), [(503, None, False), (404, ["404"], True), (201, [200, "204-206"], False)]
)
def test_the_status_is_judged(status: int, wanted: list[object] | None, good: bool) -> None:
    with site({"/": reply(status)}) as web:
        verdict = look("http", {"status": wanted} if wanted else {}, url=web.url)
    assert is_good(verdict) is good
    if not good:
        assert f"status {status}" in failure(verdict).sentence
        assert any("all is well" in line for line in verdict.evidence)


def test_an_error_page_with_status_200_is_caught_by_its_words() -> None:
    with site({"/": reply(body=b"<h1>Service unavailable</h1>")}) as web:
        lacking = look("http", {"expect": "Welcome"}, url=web.url)
        holding = look("http", {"reject": "(?i)service unavailable"}, url=web.url)
        fine = look("http", {"expect": "<h1>", "reject": "panic"}, url=web.url)
    assert "lacks /Welcome/" in failure(lacking).sentence
    assert "holds" in failure(holding).sentence
    assert is_good(fine)


def test_json_is_asserted_and_measured() -> None:
    document = {"checks": {"db": True}, "queue": {"depth": 12}, "items": [{"id": 7}], "a.b": "dotted", "none": None}
    wanted = {"checks.db": True, "items[0].id": 7, "$.queue.depth": 12, "a.b": "dotted", "none": None}
    with site({"/": reply(body=json.dumps(document).encode())}) as web:
        good = look("http", {"expect_json": wanted, "json_samples": {"queue": "queue.depth"}}, url=web.url)
        bad = look("http", {"expect_json": {"checks.db": 1, "items[3].id": 7, "queue.depth": 13}}, url=web.url)
        no_number = look("http", {"json_samples": {"queue": "a.b"}}, url=web.url)
    assert is_good(good)
    assert value(good, "queue") == 12
    assert "checks.db is true, wanted 1" in failure(bad).sentence
    assert "JSON has no items[3].id" in failure(bad).sentence
    assert "queue.depth is 12, wanted 13" in failure(bad).sentence
    assert "no number at a.b" in failure(no_number).sentence


def test_a_body_that_is_no_json_is_told() -> None:
    with site({"/": reply(body=b"<html>")}) as web:
        verdict = look("http", {"expect_json": {"ok": True}}, url=web.url)
    assert "not JSON" in failure(verdict).sentence


def test_redirects_are_followed_with_their_cookies() -> None:
    pages = {"/": redirect("/login", Set_Cookie="session=1; Path=/"), "/login": redirect("done", 307), "/done": reply()}
    with site(pages) as web:
        verdict = look("http", url=web.url)
        assert [path for _, path, _, _ in web.seen] == ["/", "/login", "/done"]
        assert web.seen[2][2].get("Cookie") == "session=1"
    assert is_good(verdict)
    assert value(verdict, "redirects") == 2


def test_a_loop_of_redirects_ends() -> None:
    with site({"/": redirect("/")}) as web:
        verdict = look("http", {"redirects_max": 3}, url=web.url)
        assert len(web.seen) == 4
    assert "more than 3 redirects" in failure(verdict).sentence


def test_a_redirect_may_be_judged_itself_and_leads_to_the_web_only() -> None:
    with site({"/": redirect("/elsewhere", 301), "/file": redirect("file:///etc/passwd")}) as web:
        itself = look("http", {"redirects_max": 0, "status": ["301"]}, url=web.url)
        to_a_file = look("http", {"path": "/file"}, url=web.url)
    assert is_good(itself)
    assert "not the web" in failure(to_a_file).sentence


def test_secrets_go_to_their_host_only_and_are_never_shown() -> None:
    token, password = "Bearer t0k3n-value", "p4ssw0rd"
    args = {"headers": {"Authorization": token, "X-Key": "k3y-value"}, "body": "b0dy-value", "method": "POST"}
    with site({"/": reply(500, b"you sent t0k3n-value and p4ssw0rd")}) as other:
        with site({"/": redirect(f"{other.url}/", 307), "/same": reply(500, b"k3y-value")}) as web:
            url = Secret(web.url.replace("//", f"//ops:{password}@"), "env:URL")
            verdict = look("http", args, url=url)
            mine = look("http", {**args, "path": "/same"}, url=url)
            assert web.seen[0][2]["X-Key"] == "k3y-value"
            assert web.seen[0][3] == b"b0dy-value"
        sent = other.seen[0]
    assert "Authorization" not in sent[2] and "X-Key" not in sent[2] and sent[3] == b""
    for text in (all_text(verdict), all_text(mine)):
        assert "500" in text
        assert not [secret for secret in ("t0k3n-value", "k3y-value", password, "b0dy-value") if secret in text]


def test_login_of_the_url_is_sent() -> None:
    with site({"/": reply()}) as web:
        look("http", url=web.url.replace("//", "//ops:a%40b@"))
        assert web.seen[0][2]["Authorization"] == "Basic b3BzOmFAYg=="


def test_a_post_becomes_a_get_after_303_and_stays_one_after_307() -> None:
    with site({"/a": redirect("/end", 303), "/b": redirect("/end", 307), "/end": reply()}) as web:
        look("http", {"method": "POST", "body": "x", "path": "/a"}, url=web.url)
        look("http", {"method": "POST", "body": "x", "path": "/b"}, url=web.url)
        assert [(method, body) for method, path, _, body in web.seen if path == "/end"] == [
            ("GET", b""),
            ("POST", b"x"),
        ]


def test_a_body_without_end_is_read_up_to_its_cap() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 65536)

    with site({"/": endless}) as web:
        verdict = look("http", {"body_max_bytes": 1000, "expect": "^x"}, url=web.url)
    assert is_good(verdict)
    assert value(verdict, "body_bytes") == 1000


def test_a_packed_bomb_is_unpacked_up_to_the_cap_only() -> None:
    bomb = gzip.compress(b"\0" * 5_000_000)
    with site({"/": reply(body=bomb, Content_Encoding="gzip")}) as web:
        verdict = look("http", {"body_max_bytes": 10_000}, url=web.url)
    assert value(verdict, "body_bytes") == 10_000


def test_other_alphabets_are_read_as_the_header_says() -> None:
    with site({"/": reply(body="订单正常".encode("gb18030"), Content_Type="text/html; charset=GB18030")}) as web:
        assert is_good(look("http", {"expect": "订单正常"}, url=web.url))


def test_head_reads_no_body() -> None:
    with site({"/": reply()}) as web:
        verdict = look("http", {"method": "HEAD"}, url=web.url)
        assert web.seen[0][0] == "HEAD"
    assert is_good(verdict)


def test_a_closed_port_a_silent_server_and_one_that_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = f"http://127.0.0.1:{listener.getsockname()[1]}"
        verdict = look("http", url=silent, timeout_s=0.3)
    assert "no end after 0.3 s of waiting for an answer" in failure(verdict).sentence
    assert verdict.took_s < 5
    assert "connection refused" in failure(look("http", url=silent)).sentence
    with site({"/": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)}) as web:
        assert failure(look("http", url=web.url))


def test_a_trickle_does_not_outlast_the_timeout() -> None:
    release = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.wfile.flush()
        release.wait(5)

    with site({"/": trickle}) as web:
        verdict = look("http", url=web.url, timeout_s=0.3)
        release.set()
    assert "the rest of the answer" in failure(verdict).sentence


def test_a_name_without_an_address_is_the_targets_failure() -> None:
    verdict = look("http", url=f"http://{'a' * 64}.example/", timeout_s=1)
    assert verdict.failures or verdict.unknown is UnknownReason.ERROR


def test_both_families_are_two_items() -> None:
    with site({"/": reply()}) as web:
        verdict = look("http", {"family": "both"}, url=web.url, timeout_s=1)
    assert value(verdict, "status", "ipv4") == 200
    assert "over IPv4 answered 200" in verdict.sentences["ipv4"]
    assert failure(verdict, "ipv6")  # an IPv4 address has no IPv6 one


def test_a_certificate_is_trusted_timed_and_counted(authority: Authority) -> None:
    with site({"/": reply()}, authority.certificate(days=(-30, 60))) as web:
        verdict = look("http", {"ca_file": str(authority.file)}, url=web.url)
    assert is_good(verdict)
    assert value(verdict, "tls_days_left") == pytest.approx(60, abs=0.01)
    assert value(verdict, "tls_lifetime_left_pct") == pytest.approx(66.67, abs=0.1)
    assert value(verdict, "tls_s") > 0


def test_every_hop_has_a_certificate(authority: Authority) -> None:
    late, soon = authority.certificate(days=(-30, 60)), authority.certificate(days=(-30, 2))
    with site({"/": reply()}, late) as end, site({"/": redirect(end.url + "/")}, soon) as start:
        verdict = look("http", {"ca_file": str(authority.file)}, url=start.url)
    assert value(verdict, "tls_days_left") == pytest.approx(2, abs=0.01)


def test_an_expired_certificate_fails_with_its_age(authority: Authority) -> None:
    with site({"/": reply()}, authority.certificate(days=(-30, -2))) as web:
        verdict = look("http", {"ca_file": str(authority.file)}, url=web.url)
        careless = look("http", {"verify": False}, url=web.url)
    assert "not trusted: certificate has expired" in failure(verdict).sentence
    assert value(verdict, "tls_days_left") == pytest.approx(-2, abs=0.01)
    assert is_good(careless)
    assert value(careless, "tls_days_left") == pytest.approx(-2, abs=0.01)


def test_a_certificate_for_another_host_fails(authority: Authority) -> None:
    with site({"/": reply()}, authority.certificate("elsewhere.example")) as web:
        verdict = look("http", {"ca_file": str(authority.file)}, url=web.url)
    assert "not trusted" in failure(verdict).sentence

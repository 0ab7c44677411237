"""The web door as a server: it binds or says why not, stops in time, leaves signals alone, bears rude clients."""

from __future__ import annotations

import datetime as dt
import ipaddress
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opswatch.assemble import open_office
from opswatch.errors import OpswatchError
from opswatch.web import guard, server
from opswatch.web.health import Health
from opswatch.web.server import WebServer
from tests.doors.web_office import READ_TOKEN, Clock, WebOffice, bad_night, web_office, write_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebOffice]:
    with web_office(tmp_path) as opened:
        yield opened


def well() -> Health:
    return Health(alive=True, ready=True)


def certificate(folder: Path, name: str) -> None:
    """A self-signed certificate for loopback, in `cert.pem` and `key.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + dt.timedelta(days=20_000))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))


def test_it_says_where_it_is(site: WebOffice):
    assert site.server.url == f"http://127.0.0.1:{site.server.port}"
    assert site.server.port > 0
    assert site.server.is_running


def test_an_address_that_is_taken_is_named(site: WebOffice, tmp_path: Path):
    path = write_site(tmp_path / "second", listen=f"127.0.0.1:{site.server.port}", web="", more="")
    office = open_office(path, is_daemon=True, now=Clock())
    with pytest.raises(OpswatchError, match=rf"listen = '127\.0\.0\.1:{site.server.port}': Address already in use"):
        WebServer(office, well).start()
    office.close()


def test_an_address_of_another_machine_is_named(tmp_path: Path):
    path = write_site(
        tmp_path,
        listen="203.0.113.7:0",
        web="",
        more='[[token]]\nid = "x"\nsecret = "0123456789abcdef"\nmay = ["read"]',
    )
    office = open_office(path, is_daemon=True, now=Clock())
    with pytest.raises(OpswatchError, match=r"listen = '203\.0\.113\.7:0'"):
        WebServer(office, well).start()
    office.close()


def test_it_can_be_stopped_and_its_port_is_free_at_once(tmp_path: Path):
    with web_office(tmp_path) as site:
        port = site.server.port
        requests.get(f"{site.server.url}/healthz", timeout=10)
        assert site.server.stop()
        assert not site.server.is_running
        assert site.server.stop(), "twice is once"
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))


def test_a_client_that_holds_on_does_not_keep_it(tmp_path: Path):
    with web_office(tmp_path) as site, socket.create_connection(("127.0.0.1", site.server.port)) as holds_on:
        holds_on.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert site.server.stop()


def test_signals_stay_with_the_process(tmp_path: Path):
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with web_office(tmp_path):
        assert {each: signal.getsignal(each) for each in before} == before
    assert {each: signal.getsignal(each) for each in before} == before


def test_it_can_be_served_from_the_main_thread_of_nobody(tmp_path: Path):
    """Started from any thread, as the daemon may."""
    path = write_site(tmp_path, listen="127.0.0.1:0", web="", more="")
    office = open_office(path, is_daemon=True, now=Clock())
    door = WebServer(office, well)
    starter = threading.Thread(target=door.start)
    starter.start()
    starter.join(10)
    assert requests.get(f"{door.url}/readyz", timeout=10).text == "ready\n"
    assert door.stop()
    office.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="does not apply: no IPv6 here")
def test_ipv6_is_an_address_like_any_other(tmp_path: Path):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("does not apply: no IPv6 loopback here")
    with web_office(tmp_path, listen="[::1]:0") as site:
        assert site.server.url == f"http://[::1]:{site.server.port}"
        assert site.get("/").status_code == 200


def test_tls_with_a_certificate_of_ours_and_its_renewal(tmp_path: Path):
    certificate(tmp_path, "first")
    keys = 'tls_cert = "cert.pem"\ntls_key = "key.pem"'
    with web_office(tmp_path, web=keys) as site:
        assert site.server.url.startswith("https://127.0.0.1:")
        first = (tmp_path / "cert.pem").read_text()
        answer = requests.get(f"{site.server.url}/healthz", verify=str(tmp_path / "cert.pem"), timeout=10)
        assert answer.text == "alive\n"
        certificate(tmp_path, "second")
        site.server.use(site.office)
        served = ssl.get_server_certificate(("127.0.0.1", site.server.port))
        assert served.strip() == (tmp_path / "cert.pem").read_text().strip() != first.strip()
        (tmp_path / "cert.pem").write_text("no certificate")
        with pytest.raises(OpswatchError, match="tls_cert"):
            site.server.use(site.office)
        assert ssl.get_server_certificate(("127.0.0.1", site.server.port)).strip() == served.strip()


def test_a_certificate_that_is_none_is_named(tmp_path: Path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    path = write_site(tmp_path, listen="127.0.0.1:0", web='tls_cert = "cert.pem"\ntls_key = "key.pem"', more="")
    office = open_office(path, is_daemon=True, now=Clock())
    with pytest.raises(OpswatchError, match=r"\[web\] tls_cert = .*cert\.pem"):
        WebServer(office, well).start()
    office.close()


def test_a_reload_brings_other_tokens(tmp_path: Path):
    with web_office(tmp_path / "a") as site, web_office(tmp_path / "b", web="loopback = false") as other:
        bad_night(other)
        assert site.get("/").status_code == 200
        site.server.use(other.office)
        assert site.get("/").status_code == 401
        assert "#1" in site.get("/", token=READ_TOKEN).text


# ---------------------------------------------------------------------------------------------------------------------
# Rude clients


def talk(site: WebOffice, request: bytes) -> bytes:
    """Send these bytes, and everything that comes back until the door closes."""
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as raw:
        raw.sendall(request)
        answer = b""
        while part := raw.recv(65536):
            answer += part
        return answer


def test_who_connects_and_says_nothing_is_shown_out(site: WebOffice, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_S", 0.1)
    assert talk(site, b"") == b""
    assert talk(site, b"GET / HTTP/1.1\r\nHo") == b""


def test_who_begins_a_second_request_and_stops_is_too(site: WebOffice, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_S", 0.1)
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"alive\n"):
            answer += raw.recv(65536)
        raw.sendall(b"GET / HT")
        assert raw.recv(65536) == b""


def test_a_body_that_does_not_come_is_not_waited_for(site: WebOffice, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.1)
    answer = talk(site, b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ntoken=")
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("headers", [b"Content-Length: 99999999", b"Content-Length: 65537"])
def test_a_body_that_is_too_long_is_not_read(site: WebOffice, headers: bytes):
    answer = talk(site, b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_is_counted(site: WebOffice):
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    head = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert talk(site, head + chunk * 20).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / SPDY/3",
        b"G" * 40_000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000,
    ],
)
def test_what_is_not_http_is_refused(site: WebOffice, request_: bytes):
    assert talk(site, request_ + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert site.get("/healthz").status_code == 200


@pytest.mark.parametrize("body", [b"\xff\xfe=\x80", b"&" * 5000, b"say", b"%", b"say=%ff&as=%00", b"=" * 300])
def test_a_form_that_is_none_is_an_answer_not_an_accident(site: WebOffice, body: bytes):
    answer = site.post("/incidents/1/say", token="act-secret-0123456789", data=body, headers={"Accept": "*/*"})
    assert answer.status_code == 409


def test_asking_too_often_is_slowed_down_and_told_when_to_come_back(site: WebOffice):
    seen = [site.get("/static/icon.svg") for _ in range(125)]
    assert [answer.status_code for answer in seen[:120]] == [200] * 120
    assert seen[-1].status_code == 429
    assert int(seen[-1].headers["retry-after"]) >= 1
    assert site.get("/healthz").status_code == 200, "who asks whether we live has an allowance of their own"
    site.clock.monotonic += 10
    assert site.get("/static/icon.svg").status_code == 200


def test_one_clients_haste_is_not_anothers(tmp_path: Path):
    with web_office(tmp_path, web='trusted_proxies = ["127.0.0.1"]') as site:
        for _ in range(125):
            hasty = site.get("/static/icon.svg", headers={"X-Forwarded-For": "203.0.113.1"})
        assert hasty.status_code == 429
        assert site.get("/static/icon.svg", headers={"X-Forwarded-For": "203.0.113.2"}).status_code == 200


def test_guessing_tokens_ends_soon(site: WebOffice):
    guesses = [site.stranger("GET", "/api/v1/status", token=f"guess-number-{n:08}").status_code for n in range(25)]
    assert guesses[0] == 401
    assert guesses[-1] == 429
    assert site.stranger("GET", "/healthz").status_code == 200


def test_a_mistake_of_ours_is_a_page_and_a_line_in_the_log(
    site: WebOffice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(type(site.office.views), "status", lambda views: 1 // 0)
    html, api = site.get("/"), site.get("/api/v1/status")
    assert (html.status_code, api.status_code) == (500, 500)
    assert "That is our mistake" in html.text
    assert api.json() == {"error": "That is our mistake, and it is in the log."}
    assert "ZeroDivisionError" not in html.text
    assert "ZeroDivisionError" in caplog.text


def test_a_crowd_gets_503_and_health_still_answers(site: WebOffice, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "AT_ONCE_MAX", 0)
    assert site.get("/").status_code == 503
    assert site.get("/readyz").status_code == 200

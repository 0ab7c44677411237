"""Certificates of every kind, shown by real servers on loopback."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from opswatch import clock
from opswatch.core.model import UnknownReason
from opswatch.hosts.sockets import Address, Place
from tests.probes.certificates import Authority, tls_server
from tests.probes.looks import failure, is_good, look, module, task, value


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), clock.now())


def test_a_good_certificate_tells_how_long_it_lasts(authority: Authority) -> None:
    shown = authority.certificate(days=(-30, 60))
    with tls_server(shown) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
    assert is_good(verdict)
    assert value(verdict, "days_left") == pytest.approx(60, abs=0.01)
    assert value(verdict, "lifetime_left_pct") == pytest.approx(66.67, abs=0.1)
    assert "60 days left" in verdict.sentence
    assert shown.serial in verdict.evidence[0]


def test_a_certificate_of_a_day_is_judged_by_its_share(authority: Authority) -> None:
    with tls_server(authority.certificate(days=(-0.75, 0.25))) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
    assert value(verdict, "lifetime_left_pct") == pytest.approx(25, abs=0.5)
    assert "6.0 hours left" in verdict.sentence


def test_an_expired_certificate_fails_and_still_has_its_values(authority: Authority) -> None:
    with tls_server(authority.certificate(days=(-90, -3))) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
    assert "certificate has expired" in failure(verdict).sentence
    assert "expired 3.0 days ago" in verdict.sentence
    assert value(verdict, "days_left") == pytest.approx(-3, abs=0.01)
    assert value(verdict, "lifetime_left_pct") < 0


def test_a_certificate_for_another_host_fails(authority: Authority) -> None:
    with tls_server(authority.certificate("elsewhere.example")) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
        named = {"ca_file": str(authority.file), "server_name": "elsewhere.example"}
        asked_by_name = look("tls", named, url=f"tls://127.0.0.1:{port}")
    assert "IP address mismatch" in failure(verdict).sentence
    assert value(verdict, "days_left") == pytest.approx(60, abs=0.01)
    assert is_good(asked_by_name)


def test_an_authority_nobody_knows_fails(authority: Authority) -> None:
    with tls_server(authority.certificate()) as port:
        verdict = look("tls", url=f"tls://127.0.0.1:{port}")
    assert "not trusted" in failure(verdict).sentence


def test_an_intermediate_that_ends_first_counts(authority: Authority) -> None:
    with tls_server(authority.certificate(days=(-30, 60), intermediate_days=5)) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
    assert is_good(verdict)
    assert value(verdict, "days_left") == pytest.approx(5, abs=0.01)
    assert value(verdict, "lifetime_left_pct") == pytest.approx(100 * 5 / 95, abs=0.1)
    assert "5 days left (of the intermediate CN=opswatch test intermediate)" in verdict.sentence
    assert verdict.evidence[1].startswith("intermediate CN=opswatch test intermediate, until ")


def test_an_intermediate_that_expired_is_named_although_nothing_is_trusted(authority: Authority) -> None:
    with tls_server(authority.certificate(days=(-30, 60), intermediate_days=-2)) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
    assert "certificate has expired" in failure(verdict).sentence
    assert "expired 2.0 days ago (of the intermediate" in verdict.sentence
    assert value(verdict, "days_left") == pytest.approx(-2, abs=0.01)


def test_a_server_that_keeps_its_intermediate_to_itself_is_told_so(authority: Authority) -> None:
    shown = authority.certificate(intermediate_days=300)
    parts = shown.pem.read_text().split("-----BEGIN")
    shown.pem.write_text("-----BEGIN".join([*parts[:2], *parts[3:]]))
    with tls_server(shown) as port:
        verdict = look("tls", {"ca_file": str(authority.file)}, url=f"tls://127.0.0.1:{port}")
    assert "unable to get local issuer certificate" in failure(verdict).sentence
    assert "it sends no intermediate, and CN=opswatch test intermediate" in verdict.evidence[1]


def test_of_several_addresses_the_worst_counts(authority: Authority) -> None:
    """A name with two addresses needs a resolver that says so: what is judged here is what both showed."""
    good, old = authority.certificate("localhost"), authority.certificate("localhost", days=(-90, -1))
    with tls_server(good) as port, tls_server(old, "127.0.0.2", port):
        place = Place("localhost", port)
        addresses = [Address(socket.AF_INET, (ip, port)) for ip in ("127.0.0.1", "127.0.0.2")]
        asked = task("tls", {"ca_file": str(authority.file)}, url=f"tls://localhost:{port}")
        verdict = module("tls").Look(lambda place, timeout_s: addresses).look(asked)
    assert f"{place} on 1 of 2 addresses (127.0.0.2" in failure(verdict).sentence
    assert value(verdict, "days_left") == pytest.approx(-1, abs=0.01)
    assert value(verdict, "certificates") == value(verdict, "addresses") == 2
    assert len(verdict.evidence) == 2


def test_addresses_that_show_one_certificate_are_told_together(authority: Authority) -> None:
    shown = authority.certificate("localhost")
    with tls_server(shown) as port, tls_server(shown, "127.0.0.2", port):
        addresses = [Address(socket.AF_INET, (ip, port)) for ip in ("127.0.0.1", "127.0.0.2")]
        asked = task("tls", {"ca_file": str(authority.file)}, url=f"tls://localhost:{port}")
        verdict = module("tls").Look(lambda place, timeout_s: addresses).look(asked)
    assert is_good(verdict)
    assert [line.partition(": ")[0] for line in verdict.evidence] == ["127.0.0.1, 127.0.0.2"]


def test_a_port_that_speaks_no_tls_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"220 hello, this is no TLS\r\n" * 20)
                sock.settimeout(2)
                sock.recv(1000)

        threads = [threading.Thread(target=answer) for _ in range(2)]
        for thread in threads:
            thread.start()
        verdict = look("tls", url=f"tls://127.0.0.1:{port}", timeout_s=2)
        for thread in threads:
            thread.join()
    assert "the handshake failed" in failure(verdict).sentence


def test_a_silent_server_is_no_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        verdict = look("tls", url=f"tls://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3)
    assert "no answer within" in failure(verdict).sentence
    assert verdict.took_s < 5


def test_a_closed_port_is_refused_and_a_missing_authority_is_our_mistake(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "connection refused" in failure(look("tls", url=f"tls://127.0.0.1:{port}")).sentence
    verdict = look("tls", {"ca_file": str(tmp_path / "none.pem")}, url=f"tls://127.0.0.1:{port}")
    assert verdict.unknown is UnknownReason.ERROR
    assert "none.pem" in verdict.sentence

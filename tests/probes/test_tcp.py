"""Ports that accept, talk, lie, hang and refuse."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from opswatch.hosts.sockets import Address, NoSuchName, Place, resolve
from tests.probes.looks import all_text, failure, is_good, look, module, value


@contextlib.contextmanager
def server(talk: Callable[[socket.socket], None] = lambda sock: None) -> Iterator[str]:
    """The URL of a server that does `talk` with each who comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock, contextlib.suppress(OSError):
                    sock.settimeout(5)
                    talk(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def until_the_client_goes(sock: socket.socket) -> None:
    while sock.recv(1000):
        pass


def test_an_open_port_accepts() -> None:
    with server() as url:
        verdict = look("tcp", url=url)
    assert is_good(verdict)
    assert 0 <= value(verdict, "connect_s") < 1


def test_a_closed_port_is_refused() -> None:
    with server() as url:
        pass
    assert failure(look("tcp", url=url)).sentence == f"{url.removeprefix('tcp://')}: connection refused"


def test_what_is_expected_is_waited_for_in_pieces() -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall(b"22")
        sock.sendall(b"0 mail.exam")
        sock.sendall(b"ple ready\r\n")
        until_the_client_goes(sock)

    with server(talk) as url:
        verdict = look("tcp", {"expect": "^220 .*ready"}, url=url)
    assert is_good(verdict)
    assert value(verdict, "answer_s") >= 0


def test_a_question_is_sent_and_its_answer_checked() -> None:
    def echo(sock: socket.socket) -> None:
        sock.sendall(b"you said " + sock.recv(100))
        until_the_client_goes(sock)

    with server(echo) as url:
        good = look("tcp", {"send": "PING\r\n", "expect": "said PING"}, url=url)
        bad = look("tcp", {"send": "pass-1234\r\n", "expect": "said PING"}, url=url, timeout_s=0.2)
    assert is_good(good)
    assert "not what is expected" in failure(bad).sentence
    assert "pass-1234" not in all_text(bad)


def test_a_load_balancer_that_accepts_and_hangs_up_is_a_failure() -> None:
    with server() as url:
        verdict = look("tcp", {"expect": "."}, url=url)
    assert "said nothing before it hung up" in failure(verdict).sentence


def test_a_server_that_says_nothing_costs_the_timeout_only() -> None:
    with server(until_the_client_goes) as url:
        verdict = look("tcp", {"expect": "."}, url=url, timeout_s=0.2)
    assert "said nothing within 0.2 s" in failure(verdict).sentence
    assert verdict.took_s < 5


def test_a_chatterbox_is_not_listened_to_for_ever() -> None:
    def chatter(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"bla " * 1000)

    with server(chatter) as url:
        verdict = look("tcp", {"expect": "never"}, url=url)
    assert "not what is expected" in failure(verdict).sentence


def test_a_name_that_does_not_exist_is_the_targets_failure() -> None:
    label = "a" * 64  # longer than a label may be: no resolver is needed to know
    verdict = look("tcp", url=f"tcp://{label}.example:80")
    assert "has no address" in failure(verdict).sentence
    with pytest.raises(NoSuchName):
        resolve(Place(f"{label}.example", 80), 1.0)


def test_an_address_family_can_be_chosen() -> None:
    with server() as url:
        verdict = look("tcp", {"family": "ipv6"}, url=url)
        assert is_good(look("tcp", {"family": "ipv4"}, url=url))
    assert failure(verdict).sentence == "the name 127.0.0.1 has no IPv6 address"


def test_all_addresses_must_accept_when_asked() -> None:
    with server() as url:
        port = int(url.rpartition(":")[2])
        addresses = [Address(socket.AF_INET, (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]
        probe = module("tcp").Look(lambda place, timeout_s, family: addresses)
        one = look("tcp", probe=probe, url=f"tcp://two-addresses:{port}")
        every = look("tcp", {"addresses": "all"}, probe=probe, url=f"tcp://two-addresses:{port}")
    assert is_good(one)
    assert failure(every).sentence == f"two-addresses:{port} (127.0.0.2): connection refused"

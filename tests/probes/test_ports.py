"""Ports that listen: real sockets of this test, and recorded tables."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from opswatch.core.model import Health, Verdict
from opswatch.hosts.listeners import ephemeral_ports
from tests.probes.looks import failure, host_of, is_good, look, module, value

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
little_endian = pytest.mark.skipif(
    sys.byteorder != "little", reason="does not apply: recorded on a little-endian machine"
)


def line(address: str, state: str, inode: int, uid: int = 0) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 {inode} 1 0 100\n"


def recorded(folder: Path, memory: bytes | None = None, **args: object) -> Verdict:
    """nginx (hidden) on 443, postgres on loopback, a DNS client, an established connection, sshd on IPv6."""
    files = {
        "proc/net/tcp": HEADING
        + line("00000000:01BB", "0A", 11)
        + line("0100007F:1538", "0A", 12)
        + line("0100007F:9000", "01", 13),
        "proc/net/tcp6": HEADING + line("00000000000000000000000000000000:0016", "0A", 14),
        "proc/net/udp": HEADING + line("00000000:A000", "07", 15) + line("00000000:0045", "07", 16, 12345),
    }
    return look("ports", args, probe=module("ports").Look(host_of(folder, files)), memory=memory)


def places(verdict: Verdict) -> list[str]:
    return [text.partition(", ")[0] for text in verdict.evidence]


@little_endian
def test_listeners_are_read_from_the_kernels_tables(tmp_path: Path) -> None:
    verdict = recorded(tmp_path)
    assert is_good(verdict)
    assert places(verdict) == ["tcp/:::22", "tcp/0.0.0.0:443", "tcp/127.0.0.1:5432", "udp/0.0.0.0:69"]
    assert value(verdict, "listening") == 4
    assert "a process of 12345" in verdict.evidence[-1]


@little_endian
def test_with_allow_everything_else_is_unexpected_but_for_loopback(tmp_path: Path) -> None:
    verdict = recorded(tmp_path, expect=["tcp/443"], allow=["tcp/22"])
    assert [one.item for one in verdict.failures] == ["udp/69"]
    assert failure(verdict, "udp/69").health is Health.WARN
    assert value(verdict, "unexpected") == 1
    strict = recorded(tmp_path, allow=["tcp/20-30", "udp/*"], loopback_ok=False, unexpected_is="crit")
    assert len(strict.failures) == 2
    assert failure(strict, "tcp/443").health is Health.CRIT


@little_endian
def test_a_port_must_be_open_at_the_address_that_is_named(tmp_path: Path) -> None:
    verdict = recorded(tmp_path, expect=["tcp/443", "tcp/[::]:22", "tcp/127.0.0.1:443", "udp/53"])
    assert [one.item for one in verdict.failures] == ["tcp/127.0.0.1:443", "udp/53"]
    assert failure(verdict, "udp/53").sentence == "nobody listens on udp/53"
    assert value(verdict, "missing") == 2


def test_a_real_listener_is_found_with_its_process() -> None:
    me = Path("/proc/self/comm").read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        verdict = look("ports", {"expect": [f"tcp/{port} {me[:5]}*", f"tcp/127.0.0.1:{port}"]})
        other = look("ports", {"expect": [f"tcp/{port} nginx"]})
    assert is_good(verdict)
    assert f"is held by {me[:5]}" in failure(other, f"tcp/{port}").sentence
    assert f"(pid {os.getpid()}, " in failure(other, f"tcp/{port}").sentence
    assert failure(other, f"tcp/{port}").sentence.endswith("not by nginx")
    assert failure(look("ports", {"expect": [f"tcp/{port}"]}), f"tcp/{port}")


def test_what_appeared_and_vanished_since_the_last_look_is_counted() -> None:
    before = look("ports")
    assert "appeared" not in {sample.name for sample in before.samples}
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"tcp/127.0.0.1:{server.getsockname()[1]}"
        during = look("ports", memory=before.memory)
    after = look("ports", memory=during.memory)
    assert value(during, "appeared") >= 1
    assert any(text.startswith(f"new: {place}, ") for text in during.evidence)
    assert value(after, "vanished") >= 1


def test_a_udp_port_counts_only_where_it_was_chosen(tmp_path: Path) -> None:
    """Whoever asks a question by UDP is bound to a port of the kernel's choice: that is no service."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        port = client.getsockname()[1]
        unnamed, named = look("ports"), look("ports", {"expect": [f"udp/{port}"]})
    assert f"udp/127.0.0.1:{port}" not in places(unnamed)
    assert is_good(named)
    assert ephemeral_ports("40000\t40010\n") == range(40000, 40011)
    assert ephemeral_ports("") == range(32768, 61000)


@pytest.mark.parametrize("text", ["443", "sctp/1", "tcp/0-70000", "tcp/9-3", "tcp/http"])
def test_a_port_that_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="port"):
        module("ports").Args(allow=[text])


def test_a_range_is_nothing_to_expect() -> None:
    with pytest.raises(ValidationError, match="belongs into `allow`"):
        module("ports").Args(expect=["tcp/1-2"])

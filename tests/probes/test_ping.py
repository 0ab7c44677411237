"""Pings over loopback, and in a network of our own where packets get lost, come twice, and are forbidden."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opswatch.core.model import UnknownReason
from opswatch.hosts.icmp import _checksum
from opswatch.hosts.sockets import Address
from tests.probes.looks import failure, is_good, look, module, task, value

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="as root only: raw sockets, or a network of its own")
QUICK = {"interval_s": 0.01}


@as_root
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_this_host_answers_itself(host: str) -> None:
    if host == "[::1]" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("does not apply: no IPv6 here")
    verdict = look("ping", {**QUICK, "count": 4}, url=f"ping://{host}", kind="ping")
    assert is_good(verdict)
    assert value(verdict, "loss_pct") == value(verdict, "duplicates") == 0
    assert 0 < value(verdict, "rtt_s") <= value(verdict, "rtt_max_s")
    assert value(verdict, "jitter_s") >= 0
    assert "4 of 4 packets came back" in verdict.sentence


@as_root
def test_each_address_of_a_name_can_be_asked_for() -> None:
    addresses = [Address(socket.AF_INET, (ip, 7)) for ip in ("127.0.0.1", "127.0.0.2")]
    probe = module("ping").Look(lambda place, timeout_s, family: addresses)
    verdict = probe.look(task("ping", {**QUICK, "addresses": "all"}, url="ping://two", kind="ping"))
    assert is_good(verdict)
    assert [line.partition(":")[0] for line in verdict.evidence] == ["127.0.0.1", "127.0.0.2"]


@as_root
def test_a_look_ends_in_time_however_much_is_asked_of_it() -> None:
    verdict = look("ping", {"count": 20, "interval_s": 1}, url="ping://127.0.0.1", kind="ping", timeout_s=0.4)
    assert value(verdict, "loss_pct") == 0
    assert verdict.took_s < 5


def test_a_name_without_an_address_is_the_targets_trouble() -> None:
    verdict = look("ping", url="ping://" + "a" * 64 + ".example", kind="ping")
    assert "has no address" in failure(verdict).sentence


def test_checksums_are_those_of_the_rfc() -> None:
    assert _checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert _checksum(b"\xff") == 0x00FF


# ---------------------------------------------------------------------------------------------------------------------
# In a network of our own, where everything may be changed

ALONE = """
import json, os, socket, struct, sys, threading
from pathlib import Path
from tests.probes.looks import look

SETTINGS = Path("/proc/sys/net/ipv4")

def see(as_user=None, timeout_s=1.5, **args):
    read, write = os.pipe()
    if os.fork() == 0:
        if as_user is not None:
            os.setgid(as_user)
            os.setuid(as_user)
        verdict = look("ping", {"interval_s": 0.01, **args}, url="ping://127.0.0.1", kind="ping", timeout_s=timeout_s)
        told = {sample.name: sample.value for sample in verdict.samples}
        told |= {"sentence": verdict.sentence, "unknown": verdict.unknown, "failed": len(verdict.failures)}
        os.write(write, json.dumps(told).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        return json.loads(pipe.read())

def answer(times_of):
    "Answers pings in the kernel's place: packet number n so many times as times_of says."
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    def serve():
        from opswatch.hosts.icmp import _checksum
        while True:
            data, source = raw.recvfrom(2000)
            icmp = data[(data[0] & 15) * 4:]
            if icmp[0] != 8:
                continue
            number = struct.unpack("!H", icmp[6:8])[0]
            blank = b"\\0\\0\\0\\0" + icmp[4:]
            reply = blank[:2] + struct.pack("!H", _checksum(blank)) + blank[4:]
            for _ in range(times_of.get(number, 0)):
                raw.sendto(reply, source)
    threading.Thread(target=serve, daemon=True).start()

seen = {}
look("ping", {"interval_s": 0.01}, url="ping://127.0.0.1", kind="ping")  # Import what nobody may read later.
SETTINGS.joinpath("ping_group_range").write_text("1 0")
seen["forbidden"] = see(as_user=65534)
SETTINGS.joinpath("ping_group_range").write_text("0 2147483647")
seen["allowed"] = see(as_user=65534)
SETTINGS.joinpath("icmp_echo_ignore_all").write_text("1")
seen["silent"] = see(as_user=65534, timeout_s=0.3, count=2)
answer({0: 2, 1: 1, 3: 1})
seen["lossy"] = see(count=5)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What was seen in a network namespace with nothing but loopback."""
    folder = Path(__file__).parents[2]
    argv = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" -c "$1"', sys.executable, ALONE]
    ran = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)
    if ran.stderr.startswith("unshare:"):
        pytest.skip(f"as root, but without a network of our own: {ran.stderr}")
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@as_root
def test_without_leave_it_is_unknown_and_says_how_to_allow_it(alone: dict[str, Any]) -> None:
    assert alone["forbidden"]["unknown"] == UnknownReason.REFUSED
    assert "sysctl net.ipv4.ping_group_range='0 2147483647' (now '1 0')" in alone["forbidden"]["sentence"]


@as_root
def test_with_leave_no_privilege_is_needed(alone: dict[str, Any]) -> None:
    assert alone["allowed"]["unknown"] is None
    assert alone["allowed"]["loss_pct"] == 0


@as_root
def test_silence_is_critical(alone: dict[str, Any]) -> None:
    assert alone["silent"]["failed"] == 1
    assert alone["silent"]["sentence"] == "127.0.0.1: none of 2 packets came back"
    assert alone["silent"]["loss_pct"] == 100


@as_root
def test_losses_and_duplicates_are_counted_by_packet(alone: dict[str, Any]) -> None:
    assert alone["lossy"]["loss_pct"] == 40
    assert alone["lossy"]["duplicates"] == 1
    assert alone["lossy"]["failed"] == 0
    assert alone["lossy"]["jitter_s"] >= 0

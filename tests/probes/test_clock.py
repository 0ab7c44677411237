"""Clocks that are right, wrong, set, and kept by nobody; time servers of our own on loopback."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from opswatch import clock
from opswatch.core.model import Health, UnknownReason, Verdict
from opswatch.hosts import CannotSee, Timekeeping
from opswatch.hosts.local import LocalHost
from tests.probes.looks import failure, is_good, look, module, value

SINCE_1900_S = 2_208_988_800
KEPT = Timekeeping(max_error_s=0.02, offset_s=0.0)
UNKEPT = Timekeeping(max_error_s=16.0, offset_s=0.0)


class Host(LocalHost):
    """This host, with a clock of the test's choice."""

    def __init__(self, ahead_s: float = 0.0, kept: Timekeeping | None = KEPT, boottime_s: float = 1e6) -> None:
        super().__init__()
        self.ahead_s, self.kept, self.since_boot_s = ahead_s, kept, boottime_s
        self.at: datetime | None = None

    def wall(self) -> datetime:
        return (self.at or clock.now()) + timedelta(seconds=self.ahead_s)

    def timekeeping(self) -> Timekeeping:
        if self.kept is None:
            raise CannotSee(UnknownReason.REFUSED, "adjtimex: Operation not permitted")
        return self.kept

    def boottime_s(self) -> float:
        return self.since_boot_s

    def boot_id(self) -> str:
        return "one"


@contextlib.contextmanager
def time_server(
    ahead_s: float = 0.0,
    *,
    stratum: int = 2,
    reference: bytes = b"\x0a\0\0\1",
    leap: int = 0,
    spoofs: bool = False,
    drops: int = 0,
) -> Iterator[str]:
    """A server whose clock is `ahead_s` of ours; `host:port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def stamp() -> int:
            return int((clock.now().timestamp() + SINCE_1900_S + ahead_s) % 2**32 * 2**32)

        def serve() -> None:
            dropped = 0
            while True:
                request, client = sock.recvfrom(100)
                if len(request) < 48:
                    return
                if dropped < drops:
                    dropped += 1
                    continue
                received = stamp()
                answer = struct.pack("!BBbbII4sQQ", leap << 6 | 4 << 3 | 4, stratum, 6, -20, 655, 655, reference, 0, 0)[
                    :24
                ]
                tail = struct.pack("!QQ", received, stamp())
                if spoofs:
                    sock.sendto(answer + b"guessed!" + tail, client)
                sock.sendto(answer + request[40:48] + tail, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            sock.sendto(b"end", sock.getsockname())
            thread.join()


def look_at(
    host: Host, *servers: str, memory: bytes | None = None, programs: tuple[str, str] = ("none", "none"), **args: object
) -> Verdict:
    probe = module("clock").Look(lambda access: host, timedatectl=programs[0], chronyc=programs[1])
    return look("clock", {"servers": servers, **args}, probe=probe, memory=memory, timeout_s=4)


def test_a_clock_that_agrees_with_its_server_is_good() -> None:
    with time_server() as server:
        verdict = look_at(Host(), server)
    assert is_good(verdict)
    assert value(verdict, "offset_s") < 0.05
    assert value(verdict, "synchronised") == 1
    assert value(verdict, "stratum", server) == 2
    assert value(verdict, "delay_s", server) < 1
    assert "by 10.0.0.1" in verdict.sentences[server]


def test_a_clock_that_is_behind_or_ahead_is_told_by_how_much() -> None:
    with time_server() as server:
        behind, ahead = look_at(Host(ahead_s=-3), server), look_at(Host(ahead_s=40), server)
    assert value(behind, "offset_s") == pytest.approx(3, abs=0.1)
    assert behind.sentence.startswith("the clock is 3.0 s behind 1 time server")
    assert value(ahead, "offset_s") == pytest.approx(40, abs=0.1)
    assert "40 s ahead of 1 time server" in ahead.sentence


def test_one_server_that_is_wrong_misleads_nobody() -> None:
    with time_server() as one, time_server(0.001) as two, time_server(3600) as wrong:
        verdict = look_at(Host(), one, two, wrong)
    assert value(verdict, "offset_s") < 0.1
    assert value(verdict, "server_offset_s", wrong) == pytest.approx(3600, abs=0.1)


def test_an_answer_to_nobodys_question_is_left_alone_and_a_lost_packet_is_asked_again() -> None:
    with time_server(spoofs=True) as server:
        assert value(look_at(Host(), server), "offset_s") < 0.1
    with time_server(drops=1) as server:
        assert is_good(look_at(Host(), server, packets=2))


def test_servers_that_have_no_time_for_us_are_told_by_name() -> None:
    with time_server(stratum=0, reference=b"RATE") as busy, time_server(leap=3) as unset:
        verdict = look_at(Host(), busy, unset)
    assert failure(verdict, busy).sentence.endswith("it sends RATE: we ask too often")
    assert failure(verdict, unset).health is Health.UNKNOWN
    assert "not synchronised" in failure(verdict, unset).sentence
    assert "offset_s" not in {sample.name for sample in verdict.samples}


def test_a_clock_nobody_keeps_is_told_after_a_grace(tmp_path: Path) -> None:
    verdict = look_at(Host(kept=UNKEPT))
    assert failure(verdict).health is Health.WARN
    assert value(verdict, "synchronised") == 0
    assert is_good(look_at(Host(kept=UNKEPT, boottime_s=600)))
    assert is_good(look_at(Host(kept=UNKEPT), unkept_is="ok"))


def program(folder: Path, name: str, prints: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return str(path)


def test_where_the_kernel_may_not_be_asked_others_are(tmp_path: Path) -> None:
    """Our own unit has ProtectClock=yes, which forbids adjtimex even for reading."""
    yes, no = program(tmp_path, "yes", "yes"), program(tmp_path, "no", "no")
    assert value(look_at(Host(kept=None), programs=(yes, "none")), "synchronised") == 1
    assert failure(look_at(Host(kept=None), programs=(no, "none")))
    hidden = look_at(Host(kept=None))
    assert is_good(hidden)
    assert "hidden" in hidden.sentence
    tracking = "C0A80001,ntp1,3,1795303150.1,-0.002500000,0.0001,0.0002,1.0,0.0,0.1,0.01,0.001,64.2,Normal"
    chrony = look_at(Host(kept=None), programs=("none", program(tmp_path, "chronyc", tracking)))
    assert value(chrony, "offset_s") == 0.0025
    assert value(chrony, "synchronised") == 1
    assert "stratum 3 by ntp1" in chrony.evidence[0]


def test_no_server_and_no_kernel_is_unknown() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{closed.getsockname()[1]}"
    verdict = look_at(Host(kept=None), server)
    assert verdict.unknown is UnknownReason.ERROR
    assert "connection refused" in verdict.sentence


def test_a_clock_that_was_set_is_found_without_anybodys_help() -> None:
    host = Host()
    host.at = clock.now()
    first = look_at(host)
    assert "stepped_s" not in {sample.name for sample in first.samples}
    host.at, host.since_boot_s = host.at + timedelta(seconds=60), host.since_boot_s + 60
    second = look_at(host, memory=first.memory)
    assert value(second, "stepped_s") == pytest.approx(0, abs=1e-3)
    host.at, host.since_boot_s = host.at - timedelta(seconds=240), host.since_boot_s + 60
    third = look_at(host, memory=second.memory)
    assert value(third, "stepped_s") == pytest.approx(300, abs=1e-3)
    assert "set back by 300 s" in third.sentence


def test_a_time_server_can_be_the_target_itself() -> None:
    with time_server(5) as server:
        verdict = look("clock", url=f"ntp://{server}", kind="ntp")
    assert value(verdict, "offset_s") == pytest.approx(5, abs=0.1)
    assert "may be" in verdict.evidence[0]
    silent = look("clock", url=f"ntp://{server}", kind="ntp", timeout_s=1)
    assert "connection refused" in failure(silent).sentence


def test_the_kernel_of_this_host_can_be_asked() -> None:
    host = LocalHost()
    assert host.timekeeping().max_error_s >= 0
    assert host.boottime_s() > 0
    assert abs(host.wall() - clock.now()) < timedelta(seconds=5)


def test_stamps_after_the_era_of_2036_are_read() -> None:
    from opswatch.hosts.sntp import _seconds

    after = datetime(2040, 1, 1, tzinfo=UTC).timestamp()
    assert _seconds(int((after + SINCE_1900_S) % 2**32) << 32, near=after + 5) == after


def test_a_server_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="a time server such as"):
        module("clock").Args(servers=["ntp://x y:z"])

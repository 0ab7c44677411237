"""Addresses, names and allowances: the arithmetic of letting in."""

from __future__ import annotations

import pytest

from opswatch.core.plan import Person, Plan
from opswatch.web.clients import Client, Proxies, host_of, is_our_host, is_same_origin
from opswatch.web.limits import Allowance, Buckets
from opswatch.web.words import language_for


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ([], "10.0.0.9", "203.0.113.5", "10.0.0.9"),
        (["10.0.0.0/8"], "10.0.0.9", "203.0.113.5", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.9", "1.1.1.1, 203.0.113.5", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.9", "203.0.113.5, 10.0.0.4", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.9", "10.0.0.3, 10.0.0.4", "10.0.0.3"),
        (["10.0.0.0/8"], "10.0.0.9", "nonsense", "10.0.0.9"),
        (["10.0.0.0/8"], "10.0.0.9", "203.0.113.5, nonsense", "10.0.0.9"),
        (["10.0.0.0/8"], "10.0.0.9", "", "10.0.0.9"),
        (["::1"], "::1", "2001:db8::7", "2001:db8::7"),
        (["10.0.0.0/8"], "::ffff:10.0.0.9", "203.0.113.5", "203.0.113.5"),
        (["10.0.0.0/8"], "192.0.2.1", "203.0.113.5", "192.0.2.1"),
    ],
)
def test_only_trusted_proxies_are_believed(trusted: list[str], peer: str, forwarded: str, address: str):
    client = Proxies(trusted).client(peer, {"x-forwarded-for": forwarded}, is_tls=False)
    assert client.address == address
    assert not client.is_direct


@pytest.mark.parametrize(
    ("peer", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_address(peer: str, is_loopback: bool):
    client = Proxies([]).client(peer, {}, is_tls=False)
    assert (client.is_loopback, client.is_direct) == (is_loopback, True)


def test_neighbours_in_one_ipv6_network_share_an_allowance():
    def key(address: str) -> str:
        return Client(address, False, True, False).key

    assert key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff::9") != key("2001:db8:1:3::1")
    assert key("192.0.2.1") != key("192.0.2.2")


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Ops.Example.com:8470", "ops.example.com"),
        ("[::1]:80", "::1"),
        ("a.b.", "a.b"),
        ("[", ""),
        ("", ""),
        ("a@b", "b"),
    ],
)
def test_a_host_header_is_a_name(header: str, host: str):
    assert host_of(header) == host


def test_a_public_name_is_ours_and_its_neighbours_are_not():
    url = "https://ops.example.com/base"
    assert is_our_host("ops.example.com", url)
    assert not is_our_host("evil.ops.example.com", url)
    assert not is_our_host("", "")


def test_an_origin_is_compared_with_its_port():
    ours = {"host": "ops:8470", "origin": "http://ops:8470"}
    assert is_same_origin(ours, "")
    assert not is_same_origin(ours | {"origin": "http://ops:9000"}, "")


def test_an_allowance_is_spent_and_comes_back():
    now = [0.0]
    buckets = Buckets(Allowance(burst=2, per_s=0.5), monotonic_s=lambda: now[0])
    assert [buckets.wait_s("a") for _ in range(3)] == [0.0, 0.0, 2.0]
    assert buckets.wait_s("b") == 0.0
    now[0] = 2.0
    assert [buckets.wait_s("a"), buckets.wait_s("a")] == [0.0, 2.0]
    now[0] = 1000.0
    assert [buckets.wait_s("a") for _ in range(3)] == [0.0, 0.0, 2.0]


def test_asking_whether_one_may_costs_nothing():
    buckets = Buckets(Allowance(burst=1, per_s=1), monotonic_s=lambda: 0.0)
    assert [buckets.wait_s("a", cost=0) for _ in range(5)] == [0.0] * 5
    buckets.wait_s("a")
    assert buckets.wait_s("a", cost=0) == 1.0


def test_the_table_of_clients_is_bounded():
    buckets = Buckets(Allowance(burst=1, per_s=1), clients_max=10, monotonic_s=lambda: 0.0)
    for number in range(100):
        buckets.wait_s(f"client {number}")
    assert len(buckets) == 10
    assert buckets.wait_s("client 99") > 0


@pytest.mark.parametrize(
    ("asked", "person", "accept", "language"),
    [
        (None, None, "", "en"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "en;q=0.5, zh;q=0.7", "zh"),
        (None, None, "de,fr;q=0.9", "en"),
        (None, None, "de, zh;q=0", "en"),
        (None, None, "zh;q=nonsense", "en"),
        ("en", None, "zh", "en"),
        ("xx", None, "zh", "zh"),
        (None, "chen", "en", "zh"),
        ("en", "chen", "zh", "en"),
        (None, "stranger", "zh", "zh"),
    ],
)
def test_the_language_is_whom_it_is_for(asked: str | None, person: str | None, accept: str, language: str):
    plan = Plan(language="en", people={"chen": Person("chen", "Chen", language="zh")})
    assert language_for(plan, asked=asked, person=person, accept=accept) == language

"""Names that are right, wrong, gone, and different from server to server; resolvers that are broken themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from pydantic import ValidationError

from opswatch import clock
from opswatch.core.model import UnknownReason, Verdict
from opswatch.hosts import CannotSee
from opswatch.hosts.nameservers import Server, system_servers
from tests.probes.looks import failure, is_good, look, module, value
from tests.probes.name_servers import Answer, holds, name_server, says

ROOT = {(".", "NS"): ["a.root-servers.net."]}
ZONE = {
    ("example.com", "NS"): ["ns1.example.com.", "ns2.example.com."],
    ("ns1.example.com", "A"): ["127.0.0.1"],
    ("ns2.example.com", "A"): ["127.0.0.2"],
    ("www.example.com", "A"): ["192.0.2.11", "192.0.2.10"],
    ("www.example.com", "AAAA"): ["2001:db8::1"],
    ("shop.example.com", "CNAME"): ["www.example.com."],
    ("example.com", "MX"): ["10 Mail.Example.com."],
    ("example.com", "TXT"): ['"v=spf1 -all"', '"long" "er"'],
}


def dns_look(url: str, resolvers: list[Server], *, port: int = 53, timeout_s: float = 3, **args: object) -> Verdict:
    probe = module("dns").Look(lambda: resolvers, port=port)
    return look("dns", args, probe=probe, url=url, kind="dns", timeout_s=timeout_s)


def asked(answer: Answer, url: str = "dns://www.example.com?type=A", **args: object) -> Verdict:
    """What is seen with `answer` as the only resolver of this node."""
    with name_server(answer) as port:
        return dns_look(url, [Server("127.0.0.1", port)], **args)  # type: ignore[arg-type]  # args of a test


def test_all_answers_are_told() -> None:
    verdict = asked(holds(ZONE, ttl=60))
    assert is_good(verdict)
    assert "www.example.com A is 192.0.2.10, 192.0.2.11, say 1 server within" in verdict.sentence
    assert value(verdict, "answers") == 2
    assert value(verdict, "ttl_s") == 60
    assert value(verdict, "answer_s") < 3


def test_the_answer_must_be_what_is_expected() -> None:
    both = ["192.0.2.10", "192.0.2.11"]
    assert is_good(asked(holds(ZONE), expect=both))
    one = asked(holds(ZONE), expect=both[:1])
    assert failure(one).sentence.endswith("192.0.2.11 is not expected")
    other = asked(holds(ZONE), expect=["192.0.2.12"])
    assert "192.0.2.12 is missing and 192.0.2.10, 192.0.2.11 is not expected" in failure(other).sentence
    assert is_good(asked(holds(ZONE), expect=both[:1], expect_is="at_least"))
    assert is_good(asked(holds(ZONE), expect=[*both, "192.0.2.12"], expect_is="among"))


@pytest.mark.parametrize(
    ("url", "expect"),
    [
        ("dns://www.example.com?type=aaaa", "2001:DB8:0::1"),
        ("dns://example.com?type=MX", "10 mail.example.com"),
        ("dns://example.com/?type=MX", "10 MAIL.example.com."),
    ],
)
def test_records_are_compared_by_meaning_and_not_by_letters(url: str, expect: str) -> None:
    assert is_good(asked(holds(ZONE), url, expect=[expect]))


def test_texts_are_compared_whole() -> None:
    assert is_good(asked(holds(ZONE), "dns://example.com?type=TXT", expect=["v=spf1 -all", "longer"]))


def test_an_alias_is_followed_and_told() -> None:
    verdict = asked(holds(ZONE), "dns://shop.example.com")
    assert value(verdict, "answers") == 2
    assert "by way of www.example.com." in verdict.evidence[0]


def test_an_answer_that_does_not_fit_comes_by_tcp() -> None:
    many = [f"192.0.2.{number}" for number in range(1, 100)]
    assert value(asked(holds({("www.example.com", "A"): many})), "answers") == 99


def test_a_name_that_is_not_there_is_the_names_trouble() -> None:
    assert "the name does not exist" in failure(asked(holds(ZONE), "dns://gone.example.com")).sentence
    assert "the name has no such record" in failure(asked(holds(ZONE), "dns://www.example.com?type=MX")).sentence


def test_a_resolver_that_is_dead_or_refuses_is_our_own_trouble() -> None:
    silent = asked(lambda question: None, timeout_s=0.3)
    assert silent.unknown is UnknownReason.ERROR
    assert silent.sentence.startswith("our own resolver does not answer for www.example.com A: 127.0.0.1:")
    assert asked(says(dns.rcode.REFUSED)).unknown is UnknownReason.ERROR
    assert asked(says(dns.rcode.SERVFAIL)).unknown is UnknownReason.ERROR  # Nor does it find the root.


def test_one_resolver_that_works_is_enough() -> None:
    with name_server(says(dns.rcode.SERVFAIL)) as broken, name_server(holds(ZONE)) as well:
        verdict = dns_look("dns://www.example.com", [Server("127.0.0.1", broken), Server("127.0.0.1", well)])
    assert is_good(verdict)
    assert value(verdict, "servers_silent") == 1


def fails_for_example(checks_signatures: bool) -> Answer:
    """A resolver that works, and cannot resolve example.com: for its signatures, or because nobody answers there."""

    def answer(question: dns.message.Message) -> dns.message.Message | None:
        is_control = question.question[0].name == dns.name.root
        if is_control or (checks_signatures and question.flags & dns.flags.CD):
            return holds({**ZONE, **ROOT})(question)
        return says(dns.rcode.SERVFAIL)(question)

    return answer


def test_a_working_resolver_that_cannot_find_the_name_is_the_names_trouble() -> None:
    dead = asked(fails_for_example(checks_signatures=False))
    assert "its own name servers do not answer" in failure(dead).sentence
    unsigned = asked(fails_for_example(checks_signatures=True))
    assert "its DNSSEC signatures are wrong or expired" in failure(unsigned).sentence


def test_servers_that_are_named_must_all_answer_and_agree() -> None:
    other = {**ZONE, ("www.example.com", "A"): ["192.0.2.99"]}
    with name_server(holds(ZONE)) as one, name_server(holds(ZONE)) as two, name_server(holds(other)) as three:
        alike = dns_look("dns://www.example.com", [], servers=[f"127.0.0.1:{one}", f"127.0.0.1:{two}"])
        apart = dns_look("dns://www.example.com", [], servers=[f"127.0.0.1:{one}", f"127.0.0.1:{three}"])
        allowed = dns_look("dns://www.example.com", [], servers=[f"127.0.0.1:{one}", f"127.0.0.1:{three}"], agree=False)
        in_url = dns_look(f"dns://127.0.0.1:{three}/www.example.com?type=A", [])
    closed = dns_look("dns://www.example.com", [], servers=[f"127.0.0.1:{one}"])
    assert is_good(alike)
    assert value(alike, "servers") == 2
    assert "the servers do not agree" in failure(apart).sentence
    assert is_good(allowed)
    assert value(allowed, "answers") == 3
    assert "192.0.2.99" in in_url.sentence
    assert "connection refused" in failure(closed).sentence


@contextlib.contextmanager
def zone_of_two(first: Answer, second: Answer) -> Iterator[int]:
    """ns1 on 127.0.0.1 and ns2 on 127.0.0.2, at one port."""
    with name_server(first) as port, name_server(second, "127.0.0.2", port):
        yield port


def test_every_name_server_of_the_zone_is_asked_and_their_serials_compared() -> None:
    with zone_of_two(holds(ZONE, serial=7), holds(ZONE, serial=4)) as port:
        verdict = dns_look("dns://www.example.com", [Server("127.0.0.1", port)], port=port, authoritative=True)
    assert is_good(verdict)
    assert value(verdict, "servers") == 2
    assert value(verdict, "serial_spread") == 3
    assert [line.partition(" (")[0] for line in verdict.evidence] == ["ns1.example.com", "ns2.example.com"]


def test_serials_run_in_a_circle() -> None:
    with zone_of_two(holds(ZONE, serial=2**32 - 1), holds(ZONE, serial=1)) as port:
        verdict = dns_look("dns://www.example.com", [Server("127.0.0.1", port)], port=port, authoritative=True)
    assert value(verdict, "serial_spread") == 2


def test_a_name_server_that_does_not_hold_the_zone_is_told() -> None:
    with zone_of_two(holds(ZONE, serial=7), says(dns.rcode.REFUSED)) as port:
        refusing = dns_look("dns://www.example.com", [Server("127.0.0.1", port)], port=port, authoritative=True)
    with zone_of_two(holds(ZONE, serial=7), holds(ZONE, is_authoritative=False)) as port:
        lame = dns_look("dns://www.example.com", [Server("127.0.0.1", port)], port=port, authoritative=True)
    assert "ns2.example.com (127.0.0.2" in failure(refusing).sentence
    assert "refuses to answer us" in failure(refusing).sentence
    assert "does not hold the zone" in failure(lame).sentence


def test_the_end_of_signatures_is_told() -> None:
    until = clock.now() + timedelta(days=9)

    def signed(question: dns.message.Message) -> dns.message.Message:
        reply = holds(ZONE)(question)
        span = f"{until:%Y%m%d%H%M%S} 20260101000000 12345 example.com. {'A' * 86}=="
        reply.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", "RRSIG", f"A 13 3 300 {span}"))
        return reply

    assert value(asked(signed, signatures=True), "signature_days_left") == pytest.approx(9, abs=0.01)
    assert "is not signed" in failure(asked(holds(ZONE), signatures=True)).sentence


def test_mistakes_of_the_configuration_are_told_as_such() -> None:
    with pytest.raises(ValidationError, match="a server such as"):
        module("dns").Args(servers=["dns:x:y"])
    wrong = asked(holds(ZONE), expect=["not-an-address"])
    assert wrong.unknown is UnknownReason.ERROR
    assert "no record of type A" in wrong.sentence
    assert asked(holds(ZONE), "dns://www.example.com?type=NOPE").unknown is UnknownReason.ERROR


def test_the_resolvers_of_this_node_are_those_of_resolv_conf() -> None:
    try:
        servers = system_servers()
    except CannotSee as none:
        assert "/etc/resolv.conf" in str(none)
    else:
        assert all(server.port == 53 for server in servers)

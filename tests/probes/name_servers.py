"""Name servers for tests: real ones on loopback, over UDP and TCP, that say what a test wants."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]  # (name, type) → records
Answer = Callable[[dns.message.Message], dns.message.Message | None]


def holds(zone: Zone, *, serial: int | None = None, ttl: int = 300, is_authoritative: bool = True) -> Answer:
    """A server that holds `zone`. It signs nothing; with `serial` empty answers carry the SOA of example.com."""
    soa = f"ns1.example.com. root.example.com. {serial} 3600 600 86400 60"

    def answer(question: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(question)
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True) or ".", dns.rdatatype.to_text(asked.rdtype)
        if is_authoritative:
            reply.flags |= dns.flags.AA
        if kind == "SOA" and serial is not None and name == "example.com":
            reply.answer.append(dns.rrset.from_text(asked.name, ttl, "IN", "SOA", soa))
        while (name, kind) not in zone and (name, "CNAME") in zone:
            (alias,) = zone[name, "CNAME"]
            reply.answer.append(dns.rrset.from_text(name + ".", ttl, "IN", "CNAME", alias))
            name = alias.rstrip(".")
        if (name, kind) in zone:
            reply.answer.append(dns.rrset.from_text(f"{name.rstrip('.')}.", ttl, "IN", kind, *zone[name, kind]))
        elif not reply.answer:
            if serial is not None:
                reply.authority.append(dns.rrset.from_text("example.com.", ttl, "IN", "SOA", soa))
            if name not in {known for known, _ in zone}:
                reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    return answer


def says(rcode: dns.rcode.Rcode) -> Answer:
    """A server that has no other answer."""

    def answer(question: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(question)
        reply.set_rcode(rcode)
        return reply

    return answer


@contextlib.contextmanager
def name_server(answer: Answer, ip: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A running server; its port. `answer` may return None: then it stays silent."""
    tcp, udp = _sockets(ip, port)
    port = int(tcp.getsockname()[1])
    with tcp, udp:
        threads = [
            threading.Thread(target=_serve_udp, args=(udp, answer)),
            threading.Thread(target=_serve_tcp, args=(tcp, answer)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield port
        finally:
            udp.sendto(b"", (ip, port))
            tcp.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _sockets(ip: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Both at one port, which may be taken by somebody else for either."""
    for _ in range(20):
        tcp = socket.create_server((ip, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp
    raise OSError(f"no port of {ip} is free for both TCP and UDP")


def _serve_udp(sock: socket.socket, answer: Answer) -> None:
    while True:
        data, client = sock.recvfrom(4096)
        if not data:
            return
        reply = answer(dns.message.from_wire(data))
        if reply is not None:
            wire = reply.to_wire(max_size=65535)
            if len(wire) > 512:  # It does not fit: come again by TCP.
                reply.answer.clear()
                reply.flags |= dns.flags.TC
                wire = reply.to_wire()
            sock.sendto(wire, client)


def _serve_tcp(listener: socket.socket, answer: Answer) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        with sock:
            sock.settimeout(2)
            (length,) = struct.unpack("!H", sock.recv(2))
            reply = answer(dns.message.from_wire(sock.recv(length)))
            if reply is not None:
                wire = reply.to_wire(max_size=65535)
                sock.sendall(struct.pack("!H", len(wire)) + wire)

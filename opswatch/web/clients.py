"""Where a request comes from: the peer, what trusted proxies say of it, and the name it asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address

FORWARDING = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "cf-connecting-ip"})
HOPS_MAX = 20


@dataclass(frozen=True, slots=True)
class Client:
    """`address` is what limits count by and logs show. `is_direct`: no proxy says that it carries somebody else's
    request. `is_https`: the browser's side of the connection is encrypted."""

    address: str
    is_loopback: bool
    is_direct: bool
    is_https: bool

    @property
    def key(self) -> str:
        """Who shares one allowance: an address, of IPv6 its /64, which one machine may roam in."""
        address = _address(self.address)
        if isinstance(address, IPv6Address):
            return str(IPv6Network((address, 64), strict=False))
        return self.address


class Proxies:
    """The proxies whose word is taken. `networks` are addresses and networks, as `ipaddress` reads them."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network, strict=False) for network in networks]

    def client(self, peer: str, headers: Mapping[str, str], *, is_tls: bool) -> Client:
        """Who asks. `peer` is the other end of the connection; header names are lower case."""
        address = _address(peer)
        is_direct = not any(name in FORWARDING or name.startswith("x-forwarded-") for name in headers)
        is_https = is_tls
        shown = str(address or peer or "unknown")
        if address is not None and not is_direct and self._trusts(address):
            shown = self._original(headers.get("x-forwarded-for", ""), shown)
            is_https = is_tls or headers.get("x-forwarded-proto", "").strip().lower() == "https"
        return Client(shown, address is not None and address.is_loopback, is_direct, is_https)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)

    def _original(self, forwarded: str, peer: str) -> str:
        """The nearest address that no trusted proxy vouches to have passed on itself: what stands left of it is only
        what a stranger wrote."""
        for hop in reversed(forwarded.split(",")[-HOPS_MAX:]):
            address = _address(hop.strip())
            if address is None:
                return peer
            peer = str(address)
            if not self._trusts(address):
                return peer
        return peer


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def host_of(header: str) -> str:
    """The name in a Host header, lower case, without port and brackets; "" when it is not one."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_our_host(header: str, public_url: str) -> bool:
    """Whether a browser on this machine meant us: a loopback name, or the one that our links carry. A foreign name that
    resolves to 127.0.0.1 is how a stranger's page would read ours (DNS rebinding)."""
    host = host_of(header)
    address = _address(host)
    if address is not None and address.is_loopback:
        return True
    ours = host_of(urlsplit(public_url).netloc)
    return host == "localhost" or bool(host and host == ours)


def is_same_origin(headers: Mapping[str, str], public_url: str) -> bool:
    """Whether a page of ours sent this form. Browsers say so themselves, where they can: Sec-Fetch-Site over HTTPS and
    on loopback, Origin everywhere. Who says neither is not believed."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None or origin == "null":
        return False
    return urlsplit(origin).netloc.lower() in {headers.get("host", "").lower(), urlsplit(public_url).netloc.lower()}

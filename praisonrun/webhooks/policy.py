"""Which receivers a webhook may have. Pure: no look-up, no clock.

The rule: a receiver may not be nearer than the caller who named it. A caller on this machine may use
receivers on this machine, in its networks and beyond; a caller from outside may use public ones only. Nobody
may use link-local addresses, metadata services, or this server itself. The rule applies to the address
that will be connected to, never to the text of the URL.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from ..core.delivery import Reach
from ..core.errors import Invalid

Address: TypeAlias = IPv4Address | IPv6Address

URL_LIMIT = 2048
"""Characters of a webhook url."""
_PORTS = {"http": 80, "https": 443}
_RANK = list(Reach)
_NEVER = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network": 0.0.0.0 connects to this machine
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "64:ff9b:1::/48",  # a network's own NAT64: what it leads to cannot be told
        # Metadata services outside link-local.
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
]
_NEVER_NAMES = {
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
}
_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))
_NAT64, _COMPATIBLE = ip_network("64:ff9b::/96"), ip_network("::/96")


class Rejected(Invalid):
    """A receiver that may not be used."""

    def __init__(self, why: str) -> None:
        super().__init__(f"webhook_url {why}", field="webhook_url")


@dataclass(frozen=True, slots=True)
class Own:
    """The port and addresses of this server: no webhook may go there."""

    port: int = 0
    addresses: Collection[Address] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a webhook URL."""

    scheme: str
    host: str
    """In ASCII, lower case, an IPv6 address without brackets."""
    port: int
    path: str
    """Path and query, as given."""
    authority: str
    """The value of the Host header."""

    @property
    def addresses(self) -> list[Address]:
        """The addresses that the host stands for without a look-up; empty for a name that needs one.

        An address may have any form that a resolver accepts: 2130706433, 0x7f.1, 127.1.
        """
        with suppress(ValueError):
            return [ip_address(self.host)]
        with suppress(OSError):
            return [IPv4Address(socket.inet_aton(self.host))]
        return list(_LOOPBACK) if f".{self.host.rstrip('.')}".endswith(".localhost") else []


def parse(url: str) -> Target:
    """Return the parts of a URL. Raises Rejected for what is no webhook URL, or names a metadata service."""
    if len(url) > URL_LIMIT:
        raise Rejected(f"must not be longer than {URL_LIMIT} characters")
    # urlsplit drops tabs and newlines, and programs disagree on backslashes.
    if any(char <= " " or char in "\x7f\\" for char in url):
        raise Rejected("must not hold spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Rejected("must be an http or https URL with a port from 1 to 65535") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise Rejected("must be an http or https URL with a port from 1 to 65535")
    if "@" in parts.netloc or "#" in url:
        raise Rejected("must not hold a user, a password or a fragment")
    host = _ascii(parts.hostname)
    if host.rstrip(".") in _NEVER_NAMES:
        raise Rejected("must not lead to a metadata service")
    named = f"[{host}]" if ":" in host else host
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    number = port or _PORTS[parts.scheme]
    return Target(parts.scheme, host, number, path, named if port is None else f"{named}:{port}")


def _ascii(host: str) -> str:
    if "%" in host:
        raise Rejected("must not hold escapes or a zone in its host")
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:
        raise Rejected("must have a host name that exists in IDNA") from None


def check(url: str, reach: Reach, own: Own) -> None:
    """Raise Rejected (`webhook_url`) at submit for what needs no resolver; every attempt checks the rest."""
    target = parse(url)
    for address in target.addresses:
        check_address(address, target.port, reach, own)


def check_address(address: Address, port: int, reach: Reach, own: Own) -> None:
    """Raise Rejected for an address that a caller with this reach may not use."""
    found = reach_of(address)
    if found is None:
        raise Rejected("must not lead to a link-local, multicast, reserved or metadata address")
    plain = unwrapped(address)
    if port == own.port and (plain.is_loopback or plain in own.addresses):
        raise Rejected("must not lead to this server itself")
    if _RANK.index(found) < _RANK.index(reach):
        raise Rejected(f"must not lead to a {found} address, because its caller is {reach}")


def reach_of(address: Address) -> Reach | None:
    """Return how far away an address is, or None if nobody may use it."""
    plain = unwrapped(address)
    if any(address in network or plain in network for network in _NEVER) or plain.is_unspecified:
        return None
    if plain.is_loopback:
        return Reach.LOOPBACK
    return Reach.PUBLIC if plain.is_global and not plain.is_multicast else Reach.PRIVATE


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one contains (mapped, compatible, 6to4, Teredo, NAT64), if any."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour or address
    if address.teredo:
        return address.teredo[1]
    wrapped = address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)
    return IPv4Address(int(address) & 0xFFFFFFFF) if wrapped else address

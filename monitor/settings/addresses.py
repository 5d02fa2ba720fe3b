"""Addresses that nobody means when configuring a URL: link-local ones, where clouds hand out credentials to whoever asks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from monitor.settings.block import host_of

Address = IPv4Address | IPv6Address

REFUSED = tuple(map(ipaddress.ip_network, (
    "169.254.0.0/16",      # IPv4 link-local (RFC 3927); the metadata address of AWS, Azure, Google, Oracle and others lies here
    "fe80::/10",           # IPv6 link-local (RFC 4291)
    "fd00:ec2::/32",       # AWS: instance metadata at ::254, credentials of pods at ::23
    "fd20:ce::254/128",    # Google Cloud's metadata over IPv6
    "100.100.100.200/32",  # Alibaba Cloud's metadata
    "192.0.0.192/32",      # Oracle Cloud's metadata, older machines
    "168.63.129.16/32",    # Azure's host, which answers virtual machines
)))
"""Private ranges are not among them: a webhook inside a cluster is the normal case."""

NAT64 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
"""RFC 6052 and RFC 8215: the last 32 bits are the IPv4 address that is meant."""
COMPATIBLE = ipaddress.IPv6Network("::/96")
LOW_32 = 0xFFFF_FFFF

REMEDY = "set allow_link_local: true beside the URL if it is meant"


def refused_range(address: str) -> str | None:
    """The range for which an address is refused, as it is or as the IPv4 address wrapped in it; None: it may be called.

    Raises ValueError where the text is no address.
    """
    meant = list(_meanings(ipaddress.ip_address(address)))
    return next((str(network) for network in REFUSED for one in meant if one in network), None)


def why_refused(url: str, allow_link_local: bool) -> str | None:
    """Why a URL whose host is written as an address may not be used; None: it may, or only a look-up can tell. Names no path."""
    _, host = host_of(url)
    address = None if allow_link_local else literal(host)
    found = None if address is None else refused_range(address)
    return None if found is None else f"{host} lies in {found}, link-local or cloud metadata; {REMEDY}"


def literal(host: str) -> str | None:
    """The address that a host is, in any spelling that the system takes without a look-up (``2852039166``, ``0xa9fe.0xa9fe``)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _meanings(address: Address) -> Iterator[Address]:
    """The address, and what it stands for where IPv6 carries IPv4."""
    yield address
    if isinstance(address, IPv4Address):
        return
    wrapped = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    yield from (one for one in wrapped if one is not None)
    if any(address in network for network in (*NAT64, COMPATIBLE)):
        yield IPv4Address(int(address) & LOW_32)

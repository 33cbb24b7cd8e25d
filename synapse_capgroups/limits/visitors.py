"""Tells visitors without a login apart."""

import ipaddress
from typing import Any


def visitor(request: Any) -> str:
    """The key by which a request without a login is counted: its network address.

    For IPv6 it is the first half of the address: one connection gets that, and can use any of 2 to
    the power of 64 addresses. A unix socket has no host: requests through one without
    X-Forwarded-For count as one visitor.
    """
    host = getattr(request.getClientAddress(), "host", None) or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 4:
        return str(address)
    if mapped := getattr(address, "ipv4_mapped", None):
        return str(mapped)
    return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))

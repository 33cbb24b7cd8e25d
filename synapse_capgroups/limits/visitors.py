"""Who asks, where nobody has logged in."""

import ipaddress
from typing import Any


def visitor(request: Any) -> str:
    """What to count a request of somebody without a login by: their network address.

    Of IPv6 it is the first half: that is what one connection gets, and its owner can ask from each
    of 2 to the power of 64 addresses. A unix socket has no host; whoever comes that way without
    X-Forwarded-For is one visitor.
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

"""Which network address a request comes from, behind the proxies that are known to be in front of this site."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

IPV6_PREFIX = 64
"""The addresses of one IPv6 network are one client: providers give each customer such a network or a larger one."""


def client_address(request: HttpRequest) -> str:
    """The client's IPv4 address, or its IPv6 network.

    Each of TRUSTED_PROXY_COUNT proxies has added the address of its own client to X-Forwarded-For, so the last ones are
    true and those before them may be invented. With fewer entries than proxies, or none, it is the peer's address.
    """
    number: int = settings.TRUSTED_PROXY_COUNT
    forwarded = [
        word.strip() for word in request.headers.get("X-Forwarded-For", "").split(",") if word.strip()
    ]
    peer = str(request.META.get("REMOTE_ADDR", ""))
    return _network(forwarded[-number] if 0 < number <= len(forwarded) else peer)


def _network(text: str) -> str:
    """The text as it is where it is no address, such as `unknown` or that of a Unix socket."""
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if bare.count(":") == 1:  # IPv4 with a port
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return text[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address.packed, IPV6_PREFIX), strict=False))
    return str(address)

"""Where a request comes from."""

import hmac
from collections.abc import Mapping
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Final

from cryptopulse import wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2  # WebSocket clients need none

_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"


def address(event: "APIGatewayProxyEventV2") -> str:
    """The client's IP address."""
    return viewer(event.headers, event.request_context.http.source_ip)


def viewer(headers: Mapping[str, str], source: str) -> str:
    """The client's IP address: the one that our own distribution tells, which proves itself by a secret, or the source.

    Args:
        headers: By name in lower case.
        source: Where the request came from.
    """
    secret, told = wiring.settings().EDGE_SECRET, headers.get("x-viewer-address")
    if secret and told is not None:
        presented = headers.get("x-origin-secret", "").encode(errors="replace")
        if hmac.compare_digest(presented, secret.encode()):
            return told
    return source


def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one; what is neither, as it is."""
    try:
        packed = inet_pton(AF_INET6, address)
    except (OSError, ValueError):
        return address
    if packed.startswith(_IPV4_MAPPED):
        return inet_ntop(AF_INET, packed[len(_IPV4_MAPPED) :])
    return f"{inet_ntop(AF_INET6, packed[:8] + bytes(8))}/64"

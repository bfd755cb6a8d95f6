"""Where a request comes from."""

import hmac
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from cryptopulse import wiring

_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"


def address(event: APIGatewayProxyEventV2) -> str:
    """The client's IP address: the one that our own distribution tells, which proves itself by a secret."""
    secret, headers = wiring.settings().EDGE_SECRET, event.headers
    viewer = headers.get("CloudFront-Viewer-Address")
    if secret and viewer is not None:
        presented = headers.get("X-Edge-Secret", "").encode(errors="replace")
        if hmac.compare_digest(presented, secret.encode()):
            return viewer.rpartition(":")[0]
    return event.request_context.http.source_ip


def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one; what is neither, as it is."""
    try:
        packed = inet_pton(AF_INET6, address)
    except (OSError, ValueError):
        return address
    if packed.startswith(_IPV4_MAPPED):
        return inet_ntop(AF_INET, packed[len(_IPV4_MAPPED) :])
    return f"{inet_ntop(AF_INET6, packed[:8] + bytes(8))}/64"

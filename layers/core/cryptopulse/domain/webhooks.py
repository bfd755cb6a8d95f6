"""Webhooks: the URLs that users may name, the addresses that may be called, signatures, and when tries are made."""

import hmac
import re
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, ClassVar, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from cryptopulse.errors import InvalidError

LONGEST_URL: Final = 2_000
DELAYS: Final = (60, 240, 600, 1_500)
"""Seconds from one try of a webhook to the next: five in all, after 0, 1, 5, 15 and 40 minutes."""

_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_VISIBLE: Final = re.compile("[!-~]+")
_GLOBAL: Final = IPv6Network("2000::/3")
"""The only IPv6 addresses given out for the internet; what maps or embeds IPv4 elsewhere is not among them."""


class WebhookUrl(str):
    """Where an alert is told: an https URL without user, password or fragment, on port 443 or from 1024 on."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "format": "uri",
        "pattern": "^https://",
        "maxLength": LONGEST_URL,
        "examples": ["https://example.com/hooks/cryptopulse"],
    }
    EXPECTED: ClassVar = "Expected an https URL without user, password or fragment, on port 443 or from 1024 on"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The URL; one of plain http is for `check_addresses` to refuse.

        Raises:
            ValueError: It is none that could be called.
        """
        if not _VISIBLE.fullmatch(text) or len(text) > LONGEST_URL or not {"#", "\\"}.isdisjoint(text):
            raise ValueError(cls.EXPECTED)
        url = cls(text)
        try:
            is_plain = url.parts.scheme in ("https", "http") and "@" not in url.parts.netloc
            if not (is_plain and _is_host(url.host) and url._has_port()):
                raise ValueError(cls.EXPECTED)
        except ValueError as error:  # of a port or an address that is none
            raise ValueError(cls.EXPECTED) from error
        return url

    @property
    def parts(self) -> SplitResult:
        """Its parts."""
        return urlsplit(self)

    @property
    def is_secure(self) -> bool:
        """Whether it is https."""
        return self.parts.scheme == "https"

    @property
    def host(self) -> str:
        """The name or the address, without brackets."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """The port, the scheme's own where it says none."""
        port = self.parts.port
        return (443 if self.is_secure else 80) if port is None else port

    def _has_port(self) -> bool:
        return self.port == 443 or self.port >= 1024 or (self.port == 80 and not self.is_secure)

    @property
    def target(self) -> str:
        """What is asked for at the host: path and query."""
        query = f"?{self.parts.query}" if self.parts.query else ""
        return (self.parts.path or "/") + query

    def check_addresses(self, allowed: Literal["public", "any"]) -> None:
        """Refuses what the deployment does not call; what a name resolves to is looked at when it is called.

        Raises:
            InvalidError: It is plain http, or an address that is not public.
        """
        if allowed == "any":
            return
        if not self.is_secure or (_is_address(self.host) and not is_public(self.host)):
            raise InvalidError("webhook_url", f"{self.EXPECTED}, and a name or a public address")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # the zone of an address that is not the internet's


def _is_host(host: str) -> bool:
    """Whether it is an address in its usual form, or a name: what ends in a number is none."""
    last = host.rstrip(".").rpartition(".")[2]
    return _is_address(host) or (len(host) <= 253 and _NAME.fullmatch(host) is not None and not last[:1].isdecimal())


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, and of one host there."""
    found = ip_address(address)
    if isinstance(found, IPv4Address):
        return found.is_global and not found.is_multicast
    return found in _GLOBAL and found.is_global


def sign(secret: str, time: int, body: bytes) -> str:
    """The signature of a webhook's body: `t=<time>,v1=<hex HMAC-SHA256 of "time.body">`, keyed by the secret as shown.

    Args:
        secret: The alert's, `whsec_…`, as text.
        time: Unix seconds.
        body: What is sent.
    """
    return f"t={time},v1={hmac.digest(secret.encode(), f'{time}.'.encode() + body, 'sha256').hex()}"

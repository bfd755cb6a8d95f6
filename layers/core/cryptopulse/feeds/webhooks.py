"""Calls users' webhooks: hosts that strangers name, and so only addresses of the internet, looked at before they are.

A name is resolved once, and what it resolves to is what is connected to: it cannot lead elsewhere in between.
"""

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from cryptopulse.domain.webhooks import WebhookUrl, is_public
from cryptopulse.errors import FeedDownError

AGENT: Final = "CryptoPulse/1"
CONNECT: Final = 5.0
"""Seconds to connect, all addresses together."""
WHOLE: Final = 10.0
"""Seconds until the answer's head is there, from the beginning."""
LARGEST: Final = 16_384
"""Bytes of an answer's head; of its body no more is read than came with that."""
PIECE: Final = 1_024

type Resolve = Callable[[str, int], list[str]]
"""The addresses of a host, for a port."""


def resolve(host: str, port: int) -> list[str]:
    """What the system says.

    Raises:
        OSError: It knows none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def system_tls() -> ssl.SSLContext:
    """The system's trust."""
    return ssl.create_default_context()


class Webhooks:
    """Calls webhooks.

    Args:
        allowed: `public`: https to addresses of the internet only; `any`: any address, also by plain http.
        resolve: Finds a host's addresses.
        tls: Makes what connections are secured by; the system's trust by default.
    """

    def __init__(
        self,
        allowed: Literal["public", "any"],
        *,
        resolve: Resolve = resolve,
        tls: Callable[[], ssl.SSLContext] = system_tls,
    ) -> None:
        self._allowed: Literal["public", "any"] = allowed
        self._resolve = resolve
        self._tls = tls

    def post(self, url: WebhookUrl, body: bytes, headers: Mapping[str, str]) -> int:
        """POSTs a body; returns the status of the answer, which may be anything: redirects are not followed.

        Args:
            url: Where to.
            body: What to send.
            headers: Beside those that HTTP asks for.

        Raises:
            FeedDownError: There is no answer, or the address must not be called (kind `refused`).
        """
        began = time.monotonic()
        try:
            with self._connect(url, began + CONNECT) as connection:
                connection.settimeout(left(began + WHOLE))
                connection.sendall(_request(url, body, headers))
                return _status(connection, began + WHOLE)
        except (OSError, UnicodeError, HttpParserError, HttpParserUpgrade) as error:
            raise FeedDownError(f"{url.host}: {error!r}") from error

    def _connect(self, url: WebhookUrl, deadline: float) -> socket.socket:
        addresses = self._resolve(url.host, url.port)
        if self._allowed == "public" and not (url.is_secure and all(map(is_public, addresses))):
            raise FeedDownError(f"{url.host}: not https, or not public", kind="refused")
        failure: OSError = ConnectionError("no address")
        for address in addresses:
            try:
                connection = socket.create_connection((address, url.port), left(deadline))
            except OSError as error:
                failure = error
                continue
            try:
                return self._secured(connection, url, deadline)
            except BaseException:
                connection.close()
                raise
        raise failure

    def _secured(self, connection: socket.socket, url: WebhookUrl, deadline: float) -> socket.socket:
        if not url.is_secure:
            return connection
        connection.settimeout(left(deadline))
        return self._tls().wrap_socket(connection, server_hostname=url.host)


def left(deadline: float) -> float:
    """Seconds until a time of the monotonic clock.

    Raises:
        TimeoutError: It is over.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("too slow")
    return seconds


def _request(url: WebhookUrl, body: bytes, headers: Mapping[str, str]) -> bytes:
    told = {
        "Host": url.parts.netloc,
        "User-Agent": AGENT,
        "Accept": "*/*",
        **headers,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"POST {url.target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def _status(connection: socket.socket, deadline: float) -> int:
    head = _Head()
    size = 0
    while head.status < 200:  # what is below comes before the answer
        connection.settimeout(left(deadline))
        data = connection.recv(PIECE)
        size += len(data)
        if not data or size > LARGEST:
            raise ConnectionAbortedError("no answer, or too long a one")
        head.feed(data)
    return head.status


class _Head:
    """An answer's head as it comes in."""

    def __init__(self) -> None:
        self.status = 0
        self._parser: Any = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        if self.status < 200:
            self.status = self._parser.get_status_code()

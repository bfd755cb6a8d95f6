"""Fetches what strangers publish: bounded in time, size and redirects, and only from addresses of the internet.

As for webhooks, a name is resolved once for each connection, and what it resolves to is what is connected to.
"""

import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Literal, NamedTuple
from urllib.parse import urldefrag, urljoin

import httpcore

from cryptopulse.domain.candles import DAY
from cryptopulse.domain.webhooks import WebhookUrl, is_public
from cryptopulse.errors import FeedDownError
from cryptopulse.feeds.webhooks import AGENT, Resolve, left, resolve, system_tls

CONNECT: Final = 5.0
"""Seconds to connect, all addresses together."""
WHOLE: Final = 10.0
"""Seconds until the last byte is there, from the beginning and over all redirects."""
LARGEST: Final = 5_000_000
"""Bytes of a body, packed and unpacked."""
REDIRECTS: Final = 3
LONGEST_WAIT: Final = DAY
"""Milliseconds for which a server is left alone at most, whatever it says."""

_MOVED: Final = (301, 302, 303, 307, 308)
_GZIP: Final = 31
"""What zlib calls a gzip header and the largest window."""


class Answer(NamedTuple):
    """An answer of any status."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes
    """Unpacked."""
    url: WebhookUrl
    """Where it came from, after redirects."""


class Fetcher:
    """GETs what is public.

    Args:
        allowed: `public`: addresses of the internet only; `any`: any address.
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

    def get(self, url: str, headers: Mapping[str, str], *, redirects: int = REDIRECTS) -> Answer:
        """The answer, of whatever status; never one that redirects.

        Args:
            url: What to get.
            headers: Beside those that HTTP asks for; they go along with redirects.
            redirects: How many to follow.

        Raises:
            FeedDownError: There is no answer, or none that may be asked for or is short enough (kind `refused`).
        """
        deadline = time.monotonic() + WHOLE
        asked = _url(url)
        network = _Network(self._allowed, self._resolve, deadline)
        with httpcore.ConnectionPool(self._tls(), max_keepalive_connections=0, network_backend=network) as pool:
            for _ in range(redirects + 1):
                try:
                    answer = _get(pool, asked, headers)
                except (OSError, UnicodeError, zlib.error, *_FAILURES) as error:
                    raise FeedDownError(f"{asked.host}: {error!r}") from error
                if answer.status not in _MOVED:
                    return answer
                asked = _url(answer.headers.get("location", ""), asked)
        raise FeedDownError(f"{_url(url).host}: too many redirects", kind="refused")


_FAILURES: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


def wait(headers: Mapping[str, str], now: int) -> int:
    """When a server wants to be asked again (`Retry-After`), Unix ms; 0 if it does not say."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return now + min(int(text[:9]) * 1000, LONGEST_WAIT)
    try:
        return min(int(parsedate_to_datetime(text).timestamp() * 1000), now + LONGEST_WAIT)
    except (ValueError, OverflowError):  # the latter of offsets that no clock has
        return 0


def _url(text: str, base: str = "") -> WebhookUrl:
    try:
        return WebhookUrl.parse(urldefrag(urljoin(base, text)).url)
    except ValueError as error:
        raise FeedDownError("no URL that may be asked for", kind="refused") from error


def _get(pool: httpcore.ConnectionPool, url: WebhookUrl, headers: Mapping[str, str]) -> Answer:
    told = {"Host": url.parts.netloc, "User-Agent": AGENT, "Accept-Encoding": "gzip", **headers, "Connection": "close"}
    with pool.stream("GET", str(url), headers=list(told.items())) as response:
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        body = b"" if response.status in _MOVED else _body(response.iter_stream(), found.get("content-encoding", ""))
    return Answer(response.status, found, body, url)


def _body(pieces: Iterable[bytes], encoding: str) -> bytes:
    """What the pieces hold.

    Raises:
        FeedDownError: It is too much, cut short, or packed in a way that was not asked for.
    """
    if encoding.lower() not in ("", "identity", "gzip", "x-gzip"):
        raise FeedDownError(f"content encoding {encoding[:40]}")
    unpacker = zlib.decompressobj(_GZIP) if "gzip" in encoding.lower() else None
    body, size = bytearray(), 0
    for piece in pieces:
        size += len(piece)
        body += unpacker.decompress(piece, LARGEST + 1 - len(body)) if unpacker else piece
        if max(size, len(body)) > LARGEST:
            raise FeedDownError("a body that is too large", kind="refused")
    if unpacker and body and not unpacker.eof:
        raise FeedDownError("a body that is cut short")
    return bytes(body)


class _Network(httpcore.NetworkBackend):
    """Connects to addresses that were looked at, and lets nothing take longer than until a time."""

    def __init__(self, allowed: Literal["public", "any"], resolve: Resolve, deadline: float) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._resolve(host, port)
        if self._allowed == "public" and not all(map(is_public, addresses)):
            raise FeedDownError(f"{host}: not public", kind="refused")
        deadline = min(self._deadline, time.monotonic() + CONNECT)
        failure: Exception = ConnectionError("no address")
        for address in addresses:
            try:
                return _Stream(self._sockets.connect_tcp(address, port, left(deadline)), self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection until a time of the monotonic clock."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

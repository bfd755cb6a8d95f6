"""The JSON of the frames that go out to WebSocket clients."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptopulse.domain.live_portfolios import Worth
from cryptopulse.domain.lots import EXACT, ZERO
from cryptopulse.domain.times import rfc3339

if TYPE_CHECKING:
    from cryptopulse.domain.alerts import FiredView  # only those who send alerts need them
    from cryptopulse.domain.news_views import NewsArticle  # as above

FRAME: Final = 32_768
"""API Gateway's largest frame in bytes; what is longer goes out in several."""
LISTED_AS: Final = {
    "ticks": b"ticks",
    "candles": b"candles",
    "news": b"articles",
    "alerts": b"alerts",
    "portfolio": b"portfolios",
}
"""The field that holds a channel's values."""

_encode = msgspec.json.Encoder().encode
_ENVELOPE: Final = 120
"""Bytes left for what stands around the values."""


def answer(type_: str, id_: str | int | None, **fields: Any) -> bytes:
    """The answer to a client's frame, which repeats its `id`; fields that are None are left out."""
    told = {"type": type_, "id": id_, **fields}
    return _encode({name: value for name, value in told.items() if value is not None})


def bye(reason: str) -> bytes:
    """The last frame of a connection."""
    return _encode({"type": "bye", "reason": reason})


def tick(series: str, price: float, time: int) -> bytes:
    """A series' last price and its time (Unix ms)."""
    venue, _, symbol = series.partition(":")
    return _encode({"symbol": symbol, "venue": venue, "price": price, "time": rfc3339(time)})


def candle(
    series: str, interval: str, row: tuple[int, float, float, float, float, float], *, closed: bool, complete: bool
) -> bytes:
    """A series' candle; `row` is its start (Unix ms), open, high, low, close and volume."""
    venue, _, symbol = series.partition(":")
    names = ("time", "open", "high", "low", "close", "volume")
    values = dict(zip(names, row, strict=True))
    told = {"symbol": symbol, "venue": venue, "interval": interval, **values, "closed": closed, "complete": complete}
    return _encode(told)


def portfolio(id_: str, worth: Worth) -> bytes:
    """What a portfolio is worth."""
    amounts = {"value": worth.value, "cost_basis": worth.cost_basis, "unrealized": worth.unrealized}
    plain = {name: f"{amount.normalize(EXACT) or ZERO:f}" for name, amount in amounts.items()}
    return _encode({"id": id_, "time": rfc3339(worth.time), **plain})


def alert(fired: "FiredView") -> bytes:
    """An alert that has fired."""
    return _encode(fired)


def article(told: "NewsArticle") -> bytes:
    """An article of the news."""
    return _encode(told)


def fitting(values: Iterable[bytes]) -> int:
    """How many of these values go into one frame; at least one, where there is any."""
    return len(next(_grouped(values), []))


def snapshots(channel: str, values: Iterable[bytes]) -> list[bytes]:
    """The last known values of a channel: one frame, or several where it would be too long."""
    head = b'{"type":"snapshot","channel":"%s","%s":[' % (channel.encode(), LISTED_AS[channel])
    return [head + part + b"]}" for part in _parts(values)] or [head + b"]}"]


def bodies(channel: str, values: Iterable[bytes], now: int) -> list[bytes]:
    """What follows the `seq` of the frames that tell these values; for `numbered`.

    Args:
        now: Unix ms, told as the time of a `ticks` frame.
    """
    time = b'"time":"%s",' % rfc3339(now).encode() if channel == "ticks" else b""
    head = b",%s" % time + b'"%s":[' % LISTED_AS[channel]
    return [head + part + b"]}" for part in _parts(values)]


def numbered(channel: str, seq: int, body: bytes) -> bytes:
    """The whole frame: a connection's own `seq` before a body that many may share."""
    return b'{"type":"%s","seq":%d' % (channel.encode(), seq) + body


def _parts(values: Iterable[bytes]) -> Iterator[bytes]:
    return map(b",".join, _grouped(values))


def _grouped(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The values of each frame."""
    part: list[bytes] = []
    size = 0
    for value in values:
        if part and size + len(value) + 1 > FRAME - _ENVELOPE:
            yield part
            part, size = [], 0
        part.append(value)
        size += len(value) + 1
    if part:
        yield part

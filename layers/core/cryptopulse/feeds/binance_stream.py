"""Binance spot, combined WebSocket streams: aggregate trades, and klines for what they tell of the newest trade.

An average price, told once a second whether anything is traded or not, is the connection's heartbeat.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import batched
from typing import Annotated, Final, final
from urllib.parse import quote

import msgspec

from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError, UnknownProductError, UnreadableError
from cryptopulse.feeds.feed import LARGEST, Feed
from cryptopulse.feeds.reading import AHEAD, DIGITS, FAULTS, Reading, exact_price, exact_size, integers

STREAMS: Final = 200
"""Streams named in a URL or in one frame, at most."""

type _Append = Callable[[tuple[int, int, int, int]], None]
type _Natural = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]


@final
class _AggTrade(msgspec.Struct, tag_field="e", tag="aggTrade", gc=False):
    s: str
    a: _Natural
    p: str
    q: str
    l: _Natural  # noqa: E741 (Binance's name)
    T: _Natural


class _Bar(msgspec.Struct, gc=False):
    T: _Natural
    L: int


@final
class _Kline(msgspec.Struct, tag_field="e", tag="kline", gc=False):
    E: _Natural
    s: str
    k: _Bar


@final
class _AvgPrice(msgspec.Struct, tag_field="e", tag="avgPrice", gc=False):
    E: _Natural
    s: str


@final
class _ServerShutdown(msgspec.Struct, tag_field="e", tag="serverShutdown", gc=False):
    pass


type _Event = _AggTrade | _Kline | _AvgPrice | _ServerShutdown


class _Combined(msgspec.Struct, gc=False):
    data: _Event


class _Kind(msgspec.Struct):
    e: str = ""


class _Other(msgspec.Struct):
    """A frame that is not one of those above."""

    stream: str = ""
    data: _Kind | list[msgspec.Raw] | None = None
    e: str = ""
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    code: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def kind(self) -> str:
        return self.data.e if isinstance(self.data, _Kind) else self.e


_decode = msgspec.json.Decoder(_Combined).decode
_decode_other = msgspec.json.Decoder(_Other).decode


class _Seen:
    """What came of a symbol: the newest aggregate's id and its last single trade, and what a kline told beyond."""

    __slots__ = ("append", "id", "last", "symbol", "told")

    def __init__(self, symbol: str, gathering: Gathering) -> None:
        self.symbol = symbol
        self.append = gathering.line(symbol, DIGITS, DIGITS).append
        self.id = self.last = self.told = -1


class BinanceReader(Reading):
    """Reads one connection; see `live_feed.Reader`."""

    def __init__(self, products: Sequence[Product], gathering: Gathering) -> None:
        super().__init__(gathering)
        self._seen = {product.native: _Seen(product.symbol, gathering) for product in products}
        names = _names(products)
        if len(names) > STREAMS:
            for number, some in enumerate(batched(names, STREAMS, strict=False), 1):
                frame = {"method": "SUBSCRIBE", "params": some, "id": number}
                self.outbox.append(msgspec.json.encode(frame).decode())

    def read(self, frames: Sequence[str | bytes], received: int) -> None:
        self._told += len(frames)
        events: list[_Event | Exception] = []
        for frame in frames:
            try:
                events.append(_decode(frame).data)
            except FAULTS as error:
                events.append(error)
        trades = [event for event in events if type(event) is _AggTrade]
        # One by one, the numbers alone took as long as decoding the frames.
        numbers = zip(integers([trade.p for trade in trades]), integers([trade.q for trade in trades]), strict=True)
        find, gathering, latest = self._seen.get, self._gathering, received + AHEAD
        for event, frame in zip(events, frames, strict=True):
            if type(event) is not _AggTrade:
                self._take(event, frame, received)
                continue
            price, size = next(numbers)
            seen = find(event.s)
            if seen is None:
                self._ignored += 1
                continue
            id_, time, append = event.a, event.T, seen.append
            if not price or not size or time > latest:
                try:
                    append, price, size = self._unusual(event, seen.symbol, latest)
                except UnreadableError as error:
                    self._keep(frame, received, error)
                    continue
            append((id_, price, size, time))
            gathering.count += 1
            if id_ > seen.id:
                seen.id, seen.last = id_, event.l
            if time > self.time:
                self.time = time

    def _unusual(self, trade: _AggTrade, symbol: str, latest: int) -> tuple[_Append, int, int]:
        """Where a trade waits that may have other digits than the usual eight, its price and its size.

        Raises:
            UnreadableError: It cannot be right.
        """
        if latest < trade.T:
            raise UnreadableError("a time to come")
        (price_scale, price), (size_scale, size) = exact_price(trade.p), exact_size(trade.q)
        return self._gathering.line(symbol, price_scale, size_scale).append, price, size

    def _take(self, event: _Kline | _AvgPrice | _ServerShutdown | Exception, frame: str | bytes, received: int) -> None:
        """Takes what is no trade."""
        if isinstance(event, Exception):
            self._other(frame, received, event)
        elif isinstance(event, _ServerShutdown):
            self.is_ending = True
        elif isinstance(event, _Kline) and event.s not in self._seen:
            self._ignored += 1
        elif event.E - received > AHEAD:
            self._keep(frame, received, "a time to come")
        else:
            self.time = max(self.time, event.E)
            if isinstance(event, _Kline):
                self._hear(self._seen[event.s], event.k, event.E)

    def _hear(self, seen: _Seen, bar: _Bar, time: int) -> None:
        """Takes what a kline tells of the newest trade; it may run ahead of the trades for a moment."""
        time = min(time, bar.T)  # the last kline of a minute is sent after its end
        if bar.L == seen.last >= 0:
            self._gathering.confirm(seen.symbol, seen.id, time)
        elif 0 <= seen.last < seen.told:  # not come since the kline before: an aggregate is missing
            self._gathering.confirm(seen.symbol, seen.id + 1, time)
        seen.told = bar.L

    def _other(self, frame: str | bytes, received: int, error: Exception) -> None:
        try:
            other = _decode_other(frame)
        except FAULTS:
            self._keep(frame, received, error)
            return
        if other.kind == "serverShutdown":
            self.is_ending = True
        elif other.kind in ("aggTrade", "kline", "avgPrice"):
            self._keep(frame, received, error)
        elif other.error or other.code:
            text = frame if isinstance(frame, str) else frame.decode()
            raise FeedDownError(f"binance: {text[:200]}", kind="refused")
        elif other.kind or other.data is not None:
            self._ignored += 1
        elif other.result is msgspec.UNSET:
            self._keep(frame, received, error)


class BinanceStream:
    """The live feed of Binance; see `LiveFeed`."""

    name = "binance"
    silence = 15.0
    lifetime = 23.5 * 3600
    most = 500

    def __init__(self, url: str, feed: Feed) -> None:
        self.url = url
        self._feed = feed

    def address(self, products: Sequence[Product]) -> str:
        names = _names(products)
        if len(names) > STREAMS:
            return f"{self.url}/stream"
        return f"{self.url}/stream?streams={quote('/'.join(names), safe='@/')}"

    def reader(self, products: Sequence[Product], gathering: Gathering) -> BinanceReader:
        return BinanceReader(products, gathering)

    def last_ids(self, products: Sequence[Product]) -> dict[str, int]:
        found = {}
        for product in products:
            with suppress(UnknownProductError):
                found[product.symbol] = self._feed.last_id(product)
        return found


def _names(products: Sequence[Product]) -> list[str]:
    names = [f"{product.native.lower()}@{kind}" for product in products for kind in ("aggTrade", "kline_1m")]
    return [*names, *(f"{product.native.lower()}@avgPrice" for product in products[:1])]

"""Coinbase Exchange, WebSocket feed: matches, tickers, and heartbeats for what they tell of the newest trade."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, final

import msgspec

from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError, UnreadableError
from cryptopulse.feeds.coinbase import unix_ms
from cryptopulse.feeds.feed import LARGEST, Feed, quote_of
from cryptopulse.feeds.reading import AHEAD, FAULTS, Reading, exact_price, exact_size

CHANNELS: Final = ("matches", "heartbeat", "ticker")

_REFUSED: Final = re.compile(r"(\S+) is not a valid product")

type _Natural = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]


@final
class _Match(msgspec.Struct, tag_field="type", tag="match", gc=False):
    trade_id: _Natural
    product_id: str
    size: str
    price: str
    time: str


@final
class _LastMatch(msgspec.Struct, tag_field="type", tag="last_match", gc=False):
    trade_id: _Natural
    product_id: str
    price: str
    time: str


@final
class _Ticker(msgspec.Struct, tag_field="type", tag="ticker", gc=False):
    product_id: str
    price: str
    time: str = ""
    trade_id: _Natural = 0


@final
class _Heartbeat(msgspec.Struct, tag_field="type", tag="heartbeat", gc=False):
    product_id: str
    last_trade_id: _Natural
    time: str


@final
class _Subscriptions(msgspec.Struct, tag_field="type", tag="subscriptions", gc=False):
    pass


@final
class _Error(msgspec.Struct, tag_field="type", tag="error", gc=False):
    message: str = ""
    reason: str = ""


class _Kind(msgspec.Struct):
    type: str


_NEWS: Final = (_Match, _Heartbeat)
"""What tells of now: a last match, or the first ticker, is as old as the product's last trade."""
_KNOWN: Final = ("match", "last_match", "ticker", "heartbeat", "subscriptions", "error")

_decode = msgspec.json.Decoder(_Match | _Ticker | _Heartbeat | _LastMatch | _Subscriptions | _Error).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode


class CoinbaseReader(Reading):
    """Reads one connection; see `live_feed.Reader`."""

    def __init__(self, products: Sequence[Product], gathering: Gathering) -> None:
        super().__init__(gathering)
        self._symbols = {product.native: product.symbol for product in products}
        self._subscribe()

    def read(self, frames: Sequence[str | bytes], received: int) -> None:
        self._told += len(frames)
        for frame in frames:
            self._read(frame, received)

    def _read(self, frame: str | bytes, received: int) -> None:
        try:
            event = _decode(frame)
        except FAULTS as error:
            self._other(frame, received, error)
            return
        if type(event) is _Error:
            self._refuse(event)
        elif type(event) is not _Subscriptions:
            symbol = self._symbols.get(event.product_id)
            if symbol is None:
                self._ignored += 1
                return
            time = unix_ms(event.time) or self.time or received
            if time > received + AHEAD:
                self._keep(frame, received, "a time to come")
                return
            try:
                self._take(event, symbol, time)
            except (UnreadableError, FeedDownError) as error:
                self._keep(frame, received, error)
                return
            if time > self.time and type(event) in _NEWS:
                self.time = time

    def _take(self, event: _Match | _LastMatch | _Ticker | _Heartbeat, symbol: str, time: int) -> None:
        if type(event) is _Match:
            (price_scale, price), (size_scale, size) = exact_price(event.price), exact_size(event.size)
            self._gathering.trade(symbol, price_scale, size_scale, event.trade_id, price, size, time)
            return
        if type(event) is _Heartbeat:
            last = event.last_trade_id
        else:
            self._gathering.quote(quote_of(symbol, event.price, time))
            last = event.trade_id
        if last:
            self._gathering.confirm(symbol, last, time)

    def _subscribe(self) -> None:
        # Products stand in each channel: beside channels that are objects the venue does not read them.
        products = list(self._symbols)
        channels = [{"name": name, "product_ids": products} for name in CHANNELS]
        self.outbox.append(msgspec.json.encode({"type": "subscribe", "channels": channels}).decode())

    def _refuse(self, error: _Error) -> None:
        """Subscribes again without the product refused: one voids the whole subscription."""
        refused = _REFUSED.match(error.reason)
        if refused is None or refused[1] not in self._symbols:
            raise FeedDownError(f"coinbase: {error.message}: {error.reason}"[:300], kind="refused")
        self.refused.add(self._symbols.pop(refused[1]))
        if not self._symbols:
            raise FeedDownError(f"coinbase: none of the products: {error.reason}"[:300], kind="refused")
        self._subscribe()

    def _other(self, frame: str | bytes, received: int, error: Exception) -> None:
        try:
            is_known = _decode_kind(frame).type in _KNOWN
        except FAULTS:
            is_known = True
        if is_known:
            self._keep(frame, received, error)
        else:
            self._ignored += 1


class CoinbaseStream:
    """The live feed of Coinbase; see `LiveFeed`. A heartbeat a second tells each product's newest trade."""

    name = "coinbase"
    silence = 15.0
    lifetime = 23.5 * 3600
    most = 100

    def __init__(self, url: str, feed: Feed) -> None:
        self.url = url

    def address(self, products: Sequence[Product]) -> str:
        return self.url

    def reader(self, products: Sequence[Product], gathering: Gathering) -> CoinbaseReader:
        return CoinbaseReader(products, gathering)

    def last_ids(self, products: Sequence[Product]) -> dict[str, int]:
        return {}

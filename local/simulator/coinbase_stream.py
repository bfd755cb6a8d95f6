"""Coinbase Exchange's WebSocket feed: the channels `matches`, `ticker`, `ticker_batch` and `heartbeat`.

The venue's other channels without a key, `status` and `level2_batch`, can be subscribed to and say nothing.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from local.simulator import coinbase_bodies as bodies
from local.simulator.exchange import fixed, plain, taker_sold
from local.simulator.faults import Kind
from local.simulator.limits import RateLimit
from local.simulator.markets import Venue
from local.simulator.noise import stream
from local.simulator.series import Series
from local.simulator.streaming import NEVER, SECOND, Closing, Feed, Frame, Streams

_PATIENCE = 5 * SECOND
_BEAT, _BATCH = SECOND, 5 * SECOND
_OPEN = ("heartbeat", "status", "ticker", "ticker_batch", "matches", "level2_batch")
_LOCKED = ("level2", "level3", "full", "user")
_SEQUENCES = 20  # of the messages of all channels, for each trade


class _Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Why a subscription is refused as a whole."""


def sockets(series: Iterable[Series], streams: Streams) -> list[WebSocketRoute]:
    """The venue's path; a client may connect 8 times a second, with a burst of 20."""
    traded = {
        one.listing.symbol: one for one in series if one.listing.venue == "coinbase" and one.listing.status == "online"
    }
    limit = RateLimit(8, 20)

    async def feed(websocket: WebSocket) -> None:
        await streams.serve(websocket, limit, lambda now: CoinbaseFeed(traded, now))

    return [WebSocketRoute("/coinbase-ws", feed)]


class CoinbaseFeed(Feed):
    """One connection.

    Args:
        series: the venue's that are traded, by product id.
        now: when it is opened.
    """

    venue: Venue = "coinbase"

    def __init__(self, series: Mapping[str, Series], now: int) -> None:
        self._series = series
        self._channels: dict[str, dict[str, Series]] = {}
        self._deadline = now + _PATIENCE
        self.close(self._deadline, Closing(1008, "Subscribe within 5 seconds"))

    def hear(self, message: str, now: int) -> list[str]:
        """The answer to a subscription, then each new product's newest ticker and `last_match`."""
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            return [_encoded({"type": "error", "message": "Malformed JSON"})]
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            return [_encoded({"type": "error", "message": "Invalid message type"})]
        try:
            named = self._named(asked)
        except _Refused as reason:
            return [_encoded({"type": "error", "message": f"Failed to {kind}", "reason": str(reason)})]
        if kind == "unsubscribe":
            self._leave(named)
            return [self._subscriptions()]
        if self.ends_at == self._deadline:
            self.ends_at = NEVER
        newest = [one for channel, series in self._join(named) for one in _newest(channel, series, now)]
        return [self._subscriptions(), *map(_encoded, newest)]

    def _named(self, asked: dict[str, Any]) -> list[tuple[str, list[str]]]:
        """The channels of a message with the products of each.

        A channel's name alone goes for the products of the whole message. To subscribe, an object needs products of
        its own: for one without them the venue complains of the product with no name.

        Raises:
            _Refused: anything in the message is wrong, and with it all.
        """
        channels = asked.get("channels")
        if not isinstance(channels, list) or not channels:
            raise _Refused("No channels provided")
        named, nameless = [], [""] if asked["type"] == "subscribe" else []
        for channel in channels:
            name = channel.get("name") if isinstance(channel, dict) else channel
            if name in _LOCKED:
                raise _Refused("level2, level3, and full channels now require authentication.")
            if name not in _OPEN:
                raise _Refused(f"{name} is not a valid channel")
            among, otherwise = (channel, nameless) if isinstance(channel, dict) else (asked, [])
            products = among.get("product_ids", otherwise)
            if not isinstance(products, list):
                raise _Refused("product_ids is not a list")
            for product in products:
                if not isinstance(product, str) or product not in self._series:
                    raise _Refused(f"{product} is not a valid product")
            named.append((name, products))
        return named

    def _join(self, named: list[tuple[str, list[str]]]) -> list[tuple[str, Series]]:
        new = []
        for name, products in named:
            channel = self._channels.setdefault(name, {})
            new += [(name, self._series[product]) for product in products if product not in channel]
            channel |= {product: self._series[product] for product in products}
        return new

    def _leave(self, named: list[tuple[str, list[str]]]) -> None:
        """A channel without products is left whole."""
        for name, products in named:
            channel = self._channels.get(name, {})
            for product in products or list(channel):
                channel.pop(product, None)
            if not channel:
                self._channels.pop(name, None)

    def _subscriptions(self) -> str:
        channels = [{"name": name, "product_ids": list(products)} for name, products in self._channels.items()]
        return _encoded({"type": "subscriptions", "channels": channels})

    def frames(self, after: int, until: int) -> list[Frame]:
        """The trades with their tickers, the heartbeats, and the tickers of each 5 s with trades."""
        matches, tickers = self._channels.get("matches", {}), self._channels.get("ticker", {})
        frames = []
        for product, series in (matches | tickers).items():
            for at, id_ in _happened(series, after, until):
                if product in matches:
                    frames.append(Frame(at, _encoded(match(series, id_, "match")), is_trade=True))
                if product in tickers:
                    frames.append(Frame(at, _encoded(ticker(series, id_))))
        for series in self._channels.get("heartbeat", {}).values():
            frames += [Frame(at, _encoded(heartbeat(series, at))) for at in _instants(series, after, until, _BEAT)]
        for series in self._channels.get("ticker_batch", {}).values():
            for at in _instants(series, after, until, _BATCH):
                newest = series.id_at(at + 1)
                if newest > series.id_at(at - _BATCH + 1):
                    frames.append(Frame(at, _encoded(ticker(series, newest - 1))))
        return sorted(frames, key=lambda frame: frame.at)

    def next_at(self, after: int) -> int:
        """The next trade, heartbeat or batch."""
        traded = self._channels.get("matches", {}) | self._channels.get("ticker", {})
        times = [series.next_at(after) for series in traded.values()]
        for channel, step in (("heartbeat", _BEAT), ("ticker_batch", _BATCH)):
            times += [_first(series, after, step) for series in self._channels.get(channel, {}).values()]
        return min(times, default=self.ends_at)

    def strike(self, kind: Kind, now: int) -> list[str] | None:
        """`slow_consumer`: closes the connection as if the client had not kept up."""
        self.close(now, Closing(1008, "ErrSlowConsume"))
        return []


def match(series: Series, id_: int, kind: str) -> dict[str, object]:
    """A trade; `side` is the maker's."""
    listing, trade = series.listing, series.trades(id_, id_ + 1)
    maker, taker = (
        str(UUID(bytes=blake2b(f"{listing.symbol} {id_} {who}".encode(), digest_size=16).digest(), version=4))
        for who in ("maker", "taker")
    )
    return {
        "type": kind,
        "trade_id": id_,
        "maker_order_id": maker,
        "taker_order_id": taker,
        "side": "buy" if taker_sold(id_) else "sell",
        "size": plain(int(trade.size[0]), listing.size_digits),
        "price": plain(int(trade.price[0]), listing.price_digits),
        "product_id": listing.symbol,
        "sequence": _SEQUENCES * id_,
        "time": bodies.moment(int(trade.time[0]), 6),
    }


def ticker(series: Series, id_: int) -> dict[str, object]:
    """The market right after a trade; `side` is the taker's."""
    listing, trade = series.listing, series.trades(id_, id_ + 1)
    digits, price, size, time = listing.price_digits, int(trade.price[0]), int(trade.size[0]), int(trade.time[0])
    day = bodies.stats(series, time)
    sold = taker_sold(id_)
    return {
        "type": "ticker",
        "sequence": _SEQUENCES * id_,
        "product_id": listing.symbol,
        "price": plain(price, digits),
        "open_24h": day["open"],
        "volume_24h": day["volume"],
        "low_24h": day["low"],
        "high_24h": day["high"],
        "volume_30d": day["volume_30day"],
        "best_bid": fixed(price - (not sold), digits, digits),
        "best_bid_size": plain(40 * size, listing.size_digits),
        "best_ask": fixed(price + sold, digits, digits),
        "best_ask_size": plain(30 * size, listing.size_digits),
        "side": "sell" if sold else "buy",
        "time": bodies.moment(time, 6),
        "trade_id": id_,
        "last_size": plain(size, listing.size_digits),
    }


def heartbeat(series: Series, at: int) -> dict[str, object]:
    """The last trade at a time."""
    last = series.id_at(at + 1) - 1
    return {
        "type": "heartbeat",
        "sequence": _SEQUENCES * last,
        "last_trade_id": last,
        "product_id": series.listing.symbol,
        "time": bodies.moment(at, 6),
    }


def _newest(channel: str, series: Series, now: int) -> list[dict[str, object]]:
    """What a new subscription to a channel begins with."""
    last = series.id_at(now + 1) - 1
    if last < 1:
        return []
    if channel == "matches":
        return [match(series, last, "last_match")]
    return [ticker(series, last)] if channel in ("ticker", "ticker_batch") else []


def _happened(series: Series, after: int, until: int) -> list[tuple[int, int]]:
    """The times and ids of the trades in (after, until]."""
    first, last = series.id_at(after + 1), series.id_at(until + 1)
    if first == last:
        return []
    trades = series.trades(first, last)
    return list(zip(trades.time.tolist(), trades.id.tolist(), strict=True))


def _first(series: Series, after: int, step: int) -> int:
    """The first moment after a time that is the series' own within each step."""
    phase = _draw(series.listing.symbol) % step
    return ((after - phase) // step + 1) * step + phase


@cache
def _draw(product: str) -> int:
    return int(stream(product))


def _instants(series: Series, after: int, until: int, step: int) -> range:
    return range(_first(series, after, step), until + 1, step)


def _encoded(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()

"""Binance's WebSocket: `<symbol>@aggTrade`, `@kline_1m` and `@avgPrice`, raw and combined, and its control messages.

Other streams are taken without a word, as the venue takes those that do not exist, and say nothing. PING and PONG,
which the venue counts as messages, are answered by the server below and are not counted.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from local.simulator import binance_bodies as bodies
from local.simulator.exchange import fixed
from local.simulator.faults import Kind
from local.simulator.limits import RateLimit
from local.simulator.markets import Venue
from local.simulator.noise import stream
from local.simulator.series import MINUTE_MS, Series
from local.simulator.streaming import SECOND, Closing, Feed, Frame, Streams

_MOST_STREAMS, _MOST_MESSAGES = 1024, 5
_LIFETIME, _NOTICE = 24 * 3600 * SECOND, 10 * SECOND
_STEP, _MINUTE = 2 * SECOND, 1000 * MINUTE_MS
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


def sockets(series: Iterable[Series], streams: Streams) -> list[WebSocketRoute]:
    """The venue's paths; a client may connect 300 times at once and once a second from then on."""
    known = {one.listing.symbol.lower(): one for one in series if one.listing.venue == "binance"}
    limit = RateLimit(1, 300)

    async def combined(websocket: WebSocket) -> None:
        names = [name for name in websocket.query_params.get("streams", "").split("/") if name]
        await streams.serve(websocket, limit, lambda now: BinanceFeed(known, names, True, now))

    async def raw(websocket: WebSocket) -> None:
        names = [name for name in websocket.path_params.get("streams", "").split("/") if name]
        await streams.serve(websocket, limit, lambda now: BinanceFeed(known, names, False, now))

    return [
        WebSocketRoute("/binance/stream", combined),
        WebSocketRoute("/binance/ws", raw),
        WebSocketRoute("/binance/ws/{streams:path}", raw),
    ]


class BinanceFeed(Feed):
    """One connection.

    Args:
        series: the venue's, by lower-case symbol.
        streams: those of the URL.
        is_combined: whether frames name their stream.
        now: when it is opened.
    """

    venue: Venue = "binance"

    def __init__(self, series: Mapping[str, Series], streams: Iterable[str], is_combined: bool, now: int) -> None:
        self._series, self._is_combined = series, is_combined
        self._aggregates: dict[str, Series] = {}
        self._klines: dict[str, Series] = {}
        self._averages: dict[str, Series] = {}
        self._names: dict[str, None] = {}
        self._heard: deque[int] = deque(maxlen=_MOST_MESSAGES)
        self.close(now + _LIFETIME, Closing(1001))
        self._subscribe(streams, now)

    def _subscribe(self, names: Iterable[str], now: int) -> None:
        for name in names:
            self._names[name] = None
            symbol, _, kind = name.partition("@")
            kinds = {"aggTrade": self._aggregates, "kline_1m": self._klines, "avgPrice": self._averages}
            chosen = kinds.get(kind)
            if chosen is not None and symbol in self._series:
                chosen[name] = self._series[symbol]
        if len(self._names) > _MOST_STREAMS:
            self.close(now, Closing(1008, "Too many streams"))

    def hear(self, message: str, now: int) -> list[str]:
        """The answer to a control message; more than 5 a second close the connection."""
        if len(self._heard) == _MOST_MESSAGES and now - self._heard[0] < SECOND:
            self.close(now, Closing(1008, "Too many requests"))
            return []
        self._heard.append(now)
        try:
            control = msgspec.json.decode(message)
        except msgspec.DecodeError:
            return [_error(3, "Invalid JSON: expected value at line 1 column 1")]
        if not isinstance(control, dict) or "method" not in control:
            return [_error(2, f"Invalid request: missing field `method` at line 1 column {len(message)}")]
        if control["method"] not in _METHODS:
            expected = ", ".join(f"`{method}`" for method in _METHODS)
            unknown = f"unknown variant `{control['method']}`, expected one of {expected}"
            return [_error(2, f"Invalid request: {unknown} at line 1 column {len(message)}")]
        return [self._obeyed(control["method"], control.get("params", []), control.get("id"), now)]

    def _obeyed(self, method: str, params: Any, id_: object, now: int) -> str:
        if not isinstance(params, list):
            return _error(2, "Invalid request: invalid type, expected a sequence")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params, id_)
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self._names), id_)
        if not all(isinstance(name, str) for name in params):
            return _error(2, "Invalid request: stream name must be a string")
        if method == "SUBSCRIBE":
            self._subscribe(params, now)
        else:
            for chosen in (self._names, self._aggregates, self._klines, self._averages):
                for name in params:
                    chosen.pop(name, None)
        return _result(None, id_)

    def _property(self, method: str, params: list[Any], id_: object) -> str:
        if params[:1] != ["combined"]:
            return _encoded({"code": 0, "msg": "Unknown property", "id": id_})
        if method == "GET_PROPERTY":
            return _result(self._is_combined, id_)
        if not isinstance(params[-1], bool):
            return _error(1, "Invalid value type: expected Boolean")
        self._is_combined = params[-1]
        return _result(None, id_)

    def frames(self, after: int, until: int) -> list[Frame]:
        """The trades, the klines of minutes that have changed or ended, and each second the average prices."""
        frames = [
            Frame(at, self._told(name, event), is_trade=True)
            for name, series in self._aggregates.items()
            for at, event in aggregates(series, after, until)
        ]
        frames += [
            Frame(at, self._told(name, event))
            for name, series in self._klines.items()
            for at, event in klines(series, after, until)
        ]
        frames += [
            Frame(at, self._told(name, average(series, at)))
            for name, series in self._averages.items()
            for at in _instants(after, until, SECOND, 0)
        ]
        return sorted(frames, key=lambda frame: frame.at)

    def next_at(self, after: int) -> int:
        """The next trade, kline or second."""
        trades = (series.next_at(after) for series in self._aggregates.values())
        told = (_next_kline_at(series, after) for series in self._klines.values())
        return min((*trades, *told, *(_first(after, SECOND, 0) for _ in self._averages)), default=self.ends_at)

    def strike(self, kind: Kind, now: int) -> list[str] | None:
        """`server_shutdown`: tells that the server will shut down, and closes 10 seconds later; only once."""
        if self.ends_at <= now + _NOTICE:
            return None
        self.close(now + _NOTICE, Closing(1001))
        return [self._told("!serverShutdown", {"e": "serverShutdown", "E": now // 1000})]

    def _told(self, name: str, event: dict[str, object]) -> str:
        return _encoded({"stream": name, "data": event} if self._is_combined else event)


def aggregates(series: Series, after: int, until: int) -> list[tuple[int, dict[str, object]]]:
    """The events of the trades in (after, until], Unix microseconds, with their times."""
    first, last = series.id_at(after + 1), series.id_at(until + 1)
    if first == last:
        return []
    trades = series.trades(first, last)
    bodies_ = bodies.agg_trades(series.listing, trades)
    return [
        (at, {"e": "aggTrade", "E": body["T"], "s": series.listing.symbol} | body)
        for at, body in zip(trades.time.tolist(), bodies_, strict=True)
    ]


def klines(series: Series, after: int, until: int) -> list[tuple[int, dict[str, object]]]:
    """The events of the minutes' rows in (after, until], Unix microseconds, with their times.

    A minute is told every 2 s if it has changed since, and once more a little after its end. An event says what
    `/api/v3/klines` says at the same time.
    """
    phase, wait = _phases(series.listing.symbol)
    changes = (
        (at, at // _MINUTE * _MINUTE)
        for at in _instants(after, until, _STEP, phase)
        if series.id_at(at + 1) > series.id_at(max(at - _STEP + 1, at // _MINUTE * _MINUTE))
    )
    ends = ((at, at // _MINUTE * _MINUTE - _MINUTE) for at in _instants(after, until, _MINUTE, wait))
    events = ((at, _kline(series, start // 1000, at)) for at, start in sorted((*changes, *ends)))
    return [(at, event) for at, event in events if event is not None]


def average(series: Series, now: int) -> dict[str, object]:
    """The event of the last five minutes' average price, weighted by size, at Unix microseconds."""
    last = series.id_at(now + 1)
    trades = series.trades(min(series.id_at(now - 5 * _MINUTE), max(last - 1, 1)), last)
    size = int(trades.size.sum())
    price = int((trades.price * trades.size).sum()) // size if size else series.last_price(last)
    digits = series.listing.price_digits
    time = int(trades.time[-1]) // 1000 if size else 0
    symbol = series.listing.symbol
    return {"e": "avgPrice", "E": now // 1000, "s": symbol, "i": "5m", "w": fixed(price, digits, 8), "T": time}


def _next_kline_at(series: Series, after: int) -> int:
    phase, wait = _phases(series.listing.symbol)
    return min(_first(after, _STEP, phase), _first(after, _MINUTE, wait))


@cache
def _phases(symbol: str) -> tuple[int, int]:
    """When within 2 s a series is told, and how long after its end a minute is: the last one before the open one."""
    draw = int(stream(symbol))
    return SECOND // 2 + draw % 1500 * 1000, SECOND // 20 + draw % 400 * 1000


def _first(after: int, step: int, phase: int) -> int:
    return ((after - phase) // step + 1) * step + phase


def _instants(after: int, until: int, step: int, phase: int) -> range:
    """The moments of (after, until] that leave the rest `phase` when divided by `step`."""
    return range(_first(after, step, phase), until + 1, step)


def _kline(series: Series, start: int, now: int) -> dict[str, object] | None:
    """The event of the minute that starts at Unix milliseconds, as it is at Unix microseconds; None if not traded."""
    rows = series.rows(MINUTE_MS, start, start + MINUTE_MS, now)
    if not len(rows.time):
        return None
    row = msgspec.json.decode(bodies.klines(series.listing, MINUTE_MS, rows)[0])
    first, count = int(rows.first_id[0]) + bodies.SINGLES, row[8]
    names = ("o", "h", "l", "c", "v")
    return {
        "e": "kline",
        "E": now // 1000,
        "s": series.listing.symbol,
        "k": {
            "t": row[0],
            "T": row[6],
            "s": series.listing.symbol,
            "i": "1m",
            "f": first if count else -1,
            "L": first + count - 1 if count else -1,
            **dict(zip(names, row[1:6], strict=True)),
            "n": count,
            "x": now // 1000 > row[6],
            "q": row[7],
            "V": row[9],
            "Q": row[10],
            "B": row[11],
        },
    }


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _result(result: object, id_: object) -> str:
    return _encoded({"result": result, "id": id_})


def _error(code: int, message: str) -> str:
    return _encoded({"code": code, "msg": message})

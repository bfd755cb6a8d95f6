"""Binance spot, public REST."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import httpx
import msgspec

from cryptopulse.domain.candles import HOUR, INTERVALS
from cryptopulse.domain.polling import closed
from cryptopulse.domain.ticks import Candles, Quote, Trades
from cryptopulse.domain.venues import Product, Session
from cryptopulse.errors import FeedDownError, UnknownProductError
from cryptopulse.feeds.budget import Budget, Reserve
from cryptopulse.feeds.feed import Row, Tick, by_start, candles_of, listed, newest_known, quote_of, trades_of
from cryptopulse.feeds.http import Http, Limit

SPACING: Final = 12
"""Milliseconds from one unit of weight to the next: 5,000 a minute; the limit is 6,000."""
LIMIT: Final = Limit("X-MBX-USED-WEIGHT-1M", 5_400)
"""Others behind the same address count too."""
ANSWERS: Final = 4
"""Answers that lack rows are asked for again until two agree, at most so many."""
DOUBTFUL: Final = HOUR
"""And only after so long (ms) is it believed that there is no row: the exchange was down."""


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str  # noqa: N815 (Binance's names)
    quoteAsset: str  # noqa: N815


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815


class _Ticker(msgspec.Struct):
    symbol: str
    lastPrice: str  # noqa: N815
    closeTime: int  # noqa: N815
    count: int


class _AggTrade(msgspec.Struct):
    a: int
    p: str
    q: str
    T: int


class _Error(msgspec.Struct):
    code: int


_exchange_info = msgspec.json.Decoder(_ExchangeInfo)
_time = msgspec.json.Decoder(_Time)
_tickers = msgspec.json.Decoder(list[_Ticker])
_klines = msgspec.json.Decoder(list[tuple[int, str, str, str, str, str, int, str, int, str, str, str]])
_agg_trades = msgspec.json.Decoder(list[_AggTrade])
_error = msgspec.json.Decoder(_Error)


def _is_unknown_product(response: httpx.Response) -> bool:
    try:
        return response.status_code == 400 and _error.decode(response.content).code == -1121
    except msgspec.MsgspecError:
        return False


class Binance:
    """The feed of Binance; see `Feed`. Every minute has a kline, also without trades: one that lacks is suspicious."""

    name = "binance"
    page = 1000
    batch = 20
    page_time = 2 * SPACING

    def __init__(self, url: str, reserve: Reserve, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        budget = Budget(self.name, SPACING, reserve)
        self._http = Http(self.name, url, budget, _is_unknown_product, limit=LIMIT, transport=transport)

    def begin(self) -> Session:
        return self._http.begin()

    def time(self) -> int:
        return self._http.set_clock(lambda: self._http.get("/api/v3/time", _time).serverTime)

    def now(self) -> int:
        return self._http.now(self.time)

    def products(self) -> list[Product]:
        info = self._http.get("/api/v3/exchangeInfo", _exchange_info, {"showPermissionSets": "false"}, cost=20)
        return listed(
            Product(f"{each.baseAsset}-{each.quoteAsset}", each.symbol, each.status == "TRADING")
            for each in info.symbols
        )

    def quotes(self, products: Sequence[Product]) -> list[Quote]:
        try:
            return self._quotes(products)
        except UnknownProductError:
            if len(products) == 1:
                raise
        quotes = []
        for product in products:  # one unknown symbol spoils the answer for all
            with suppress(UnknownProductError):
                quotes += self._quotes([product])
        return quotes

    def _quotes(self, products: Sequence[Product]) -> list[Quote]:
        symbols = {product.native: product.symbol for product in products}
        query = {"symbols": msgspec.json.encode(list(symbols)).decode(), "type": "MINI"}
        tickers = self._http.get("/api/v3/ticker/24hr", _tickers, query, cost=2)
        if unasked := [ticker.symbol for ticker in tickers if ticker.symbol not in symbols]:
            raise FeedDownError(f"binance told {unasked}, which were not asked for")
        return [quote_of(symbols[each.symbol], each.lastPrice, each.closeTime) for each in tickers if each.count]

    def candles(self, product: Product, interval: str, start: int, end: int) -> Candles:
        step, now = INTERVALS[interval], self.now()
        end = max(start, min(end, closed(now, step)))
        wanted = set(range(start, end, step))
        rows: dict[int, Row] = {}
        doubtful: set[int] = set()
        lacked: set[int] = set()
        before = wanted  # no row at all needs no second answer: it was not listed yet
        for _ in range(ANSWERS if wanted else 0):
            told = self._klines(product, interval, start, end)
            rows |= told
            lacks, missing = wanted - told.keys(), wanted - rows.keys()
            lacked |= lacks
            doubtful = {at for at in missing if at >= now - DOUBTFUL} if lacks == before else missing
            if lacks == before or not missing:
                break
            before = lacks
        if wrong := doubtful | (lacked & rows.keys()):
            error = FeedDownError(f"binance: {len(wrong)} klines of {product.symbol} were missing")
            self._http.session.failed(error)
        start, end = newest_known(start, end, step, doubtful)
        return candles_of(product.symbol, {at: row for at, row in rows.items() if row.trades}, start, end, now)

    def _klines(self, product: Product, interval: str, start: int, end: int) -> dict[int, Row]:
        step = INTERVALS[interval]
        query: dict[str, str | int] = {
            "symbol": product.native,
            "interval": interval,
            "startTime": start,
            "endTime": end - 1,
            "limit": (end - start) // step,
        }
        klines = self._http.get("/api/v3/klines", _klines, query, cost=2)
        return by_start((Row(*kline[:6], trades=kline[8]) for kline in klines), step, start, end)

    def trades(self, product: Product, first: int, last: int) -> Trades | None:
        query: dict[str, str | int] = {"symbol": product.native, "fromId": first, "limit": last - first + 1}
        told = self._http.get("/api/v3/aggTrades", _agg_trades, query, cost=4)
        return trades_of(product.symbol, (Tick(each.a, each.p, each.q, each.T) for each in told), first, last)

    def last_id(self, product: Product) -> int:
        told = self._http.get("/api/v3/aggTrades", _agg_trades, {"symbol": product.native, "limit": 1}, cost=4)
        return max((each.a for each in told), default=0)

"""Coinbase Exchange, public REST."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Final

import httpx
import msgspec

from cryptopulse.domain.candles import INTERVALS
from cryptopulse.domain.polling import RECENT, closed
from cryptopulse.domain.ticks import Candles, Quote, Trades
from cryptopulse.domain.venues import Product, Session
from cryptopulse.feeds.budget import Budget, Reserve
from cryptopulse.feeds.feed import Row, Tick, by_start, candles_of, listed, newest_known, quote_of, trades_of
from cryptopulse.feeds.http import Http

SPACING: Final = 125
"""Milliseconds from one request to the next: 8 a second; the limit is 10."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class _Product(msgspec.Struct):
    id: str
    base_currency: str
    quote_currency: str
    status: str
    trading_disabled: bool = False


class _Time(msgspec.Struct):
    epoch: Decimal


class _Ticker(msgspec.Struct):
    price: str
    time: str


class _Trade(msgspec.Struct):
    trade_id: int
    price: str
    size: str
    time: str


_products = msgspec.json.Decoder(list[_Product])
_time = msgspec.json.Decoder(_Time)
_ticker = msgspec.json.Decoder(_Ticker)
_trades = msgspec.json.Decoder(list[_Trade])
_candles = msgspec.json.Decoder(list[tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]])


def _is_unknown_product(response: httpx.Response) -> bool:
    return response.status_code == 404


class Coinbase:
    """The feed of Coinbase; see `Feed`. A bucket without trades has no row, and the newest rows may come late."""

    name = "coinbase"
    page = 300
    batch = 1
    page_time = SPACING

    def __init__(self, url: str, reserve: Reserve, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        budget = Budget(self.name, SPACING, reserve)
        self._http = Http(self.name, url, budget, _is_unknown_product, transport=transport)

    def begin(self) -> Session:
        return self._http.begin()

    def time(self) -> int:
        return self._http.set_clock(lambda: int(self._http.get("/time", _time).epoch * 1000))

    def now(self) -> int:
        return self._http.now(self.time)

    def products(self) -> list[Product]:
        return listed(
            Product(
                f"{each.base_currency}-{each.quote_currency}",
                each.id,
                each.status == "online" and not each.trading_disabled,
            )
            for each in self._http.get("/products", _products)
        )

    def quotes(self, products: Sequence[Product]) -> list[Quote]:
        quotes = []
        for product in products:
            ticker = self._http.get(f"/products/{product.native}/ticker", _ticker)
            quotes.append(quote_of(product.symbol, ticker.price, unix_ms(ticker.time)))
        return quotes

    def candles(self, product: Product, interval: str, start: int, end: int) -> Candles:
        step, now = INTERVALS[interval], self.now()
        end = max(start, min(end, closed(now, step)))
        rows = self._rows(product, step, start, end) if start < end else {}
        settling = takewhile(
            lambda at: at not in rows and at + step > now - RECENT, range(end - step, start - 1, -step)
        )
        start, end = newest_known(start, end, step, settling)
        return candles_of(product.symbol, rows, start, end, now)

    def _rows(self, product: Product, step: int, start: int, end: int) -> dict[int, Row]:
        query: dict[str, str | int] = {
            "granularity": step // 1000,
            "start": _iso(start),
            "end": _iso(end - step),  # included
        }
        told = self._http.get(f"/products/{product.native}/candles", _candles, query)
        rows = (Row(at * 1000, open_, high, low, close, volume) for at, low, high, open_, close, volume in told)
        return by_start(rows, step, start, end)

    def trades(self, product: Product, first: int, last: int) -> Trades | None:
        told = self._trades(product, {"after": last + 1, "limit": last - first + 1})
        ticks = (Tick(each.trade_id, each.price, each.size, unix_ms(each.time)) for each in told)
        return trades_of(product.symbol, ticks, first, last)

    def last_id(self, product: Product) -> int:
        return max((each.trade_id for each in self._trades(product, {"limit": 1})), default=0)

    def _trades(self, product: Product, query: Mapping[str, int]) -> list[_Trade]:
        return self._http.get(f"/products/{product.native}/trades", _trades, query)


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_ms(text: str) -> int:
    """Unix milliseconds of a time in UTC, with any number of digits; 0, which no price can have, if it is none."""
    try:
        moment = datetime.fromisoformat(text)
        return max(0, (moment - _EPOCH) // _MILLISECOND)
    except (ValueError, TypeError):  # none at all, or of no time zone
        return 0

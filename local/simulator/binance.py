"""Binance's public REST for market data: klines, trades, tickers and the list of symbols."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.routing import Route

from local.simulator import binance_bodies as bodies
from local.simulator.binance_requests import (
    clashing,
    error,
    integer_in,
    interval_in,
    invalid,
    limit_in,
    only,
    symbol_in,
    symbols_in,
    ticker_weight,
    time_in,
)
from local.simulator.exchange import ANY_PATH, Answer, Exchange, Refusal
from local.simulator.faults import Clock, Fault, Faults
from local.simulator.limits import WeightLimit
from local.simulator.series import Series

_ADVICE = "Please use WebSocket Streams for live updates to avoid"


class Binance(Exchange):
    """The venue at `/binance`."""

    venue = "binance"

    def __init__(self, series: Iterable[Series], clock: Clock, faults: Faults, hold_seconds: float) -> None:
        super().__init__(series, clock, faults, hold_seconds)
        self._limit = WeightLimit(bodies.WEIGHT_LIMIT)

    def routes(self) -> list[Route]:
        """The venue's paths."""
        return [
            self.route("/api/v3/ping", self.ping),
            self.route("/api/v3/time", self.time),
            self.route("/api/v3/exchangeInfo", self.exchange_info, 20),
            self.route("/api/v3/klines", self.klines, 2),
            self.route("/api/v3/aggTrades", self.agg_trades, 4),
            self.route("/api/v3/trades", self.trades, 25),
            self.route("/api/v3/ticker/24hr", self.day_ticker, lambda request: ticker_weight(request, 2, 40, 80)),
            self.route("/api/v3/ticker/price", self.price_ticker, lambda request: ticker_weight(request, 4, 4, 4)),
            self.route(ANY_PATH, self.unknown_path),
        ]

    def admit(self, request: Request, weight: int) -> dict[str, str]:
        """Count the weight of a request in its minute; `X-MBX-USED-WEIGHT-1M` tells the sum.

        Raises:
            Refusal: 429 beyond the limit, 418 for a client that went on asking.
        """
        client, now = request.client.host if request.client else "", self.clock()
        used = self._limit.spend(client, weight, now)
        headers = {"X-MBX-USED-WEIGHT-1M": str(used)}
        banned_until = self._limit.banned_until(client)
        if now < banned_until:
            raise self._banned(banned_until // 1000, headers | {"Retry-After": str(-(-(banned_until - now) // 10**6))})
        if used > bodies.WEIGHT_LIMIT:
            raise self._limited(headers | {"Retry-After": str(60 - now // 10**6 % 60)})
        return headers

    def _limited(self, headers: dict[str, str]) -> Refusal:
        limit = f"current limit is {bodies.WEIGHT_LIMIT} request weight per 1 MINUTE"
        return error(-1003, f"Too much request weight used; {limit}. {_ADVICE} polling the API.", 429, headers)

    def _banned(self, until: int, headers: dict[str, str]) -> Refusal:
        return error(-1003, f"Way too much request weight used; IP banned until {until}. {_ADVICE} bans.", 418, headers)

    def refusal(self, fault: Fault) -> Refusal:
        """The venue's words for a fault that refuses."""
        retry = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        match fault.kind:
            case "rate_limited":
                return self._limited(retry)
            case "banned":
                seconds = fault.seconds if fault.retry_after is None else fault.retry_after
                return self._banned(int(self.clock() / 1000 + seconds * 1000), retry)
            case "restricted":
                terms = "according to 'b. Eligibility' in https://www.binance.com/en/terms"
                contact = "Please contact customer service if you believe you received this message in error."
                return error(0, f"Service unavailable from a restricted location {terms}. {contact}", 451)
            case "unknown_product":
                return error(-1121, "Invalid symbol.")
            case "timeout":
                return error(-1007, "Timeout waiting for response from backend server.", 504)
            case _:
                status = self.faults.choice((500, 502, 503))
                if status == 500:
                    return error(-1000, "An unknown error occurred while processing the request.", status)
                return Refusal(status, f"<html><body><h1>{status}</h1></body></html>")

    def unknown_path(self, request: Request) -> Answer:
        """A path that the venue does not have."""
        raise Refusal(404, "<html><body><h2>404 Not found</h2></body></html>")

    def ping(self, request: Request) -> Answer:
        """`/api/v3/ping`."""
        return Answer({})

    def time(self, request: Request) -> Answer:
        """`/api/v3/time`."""
        return Answer({"serverTime": self.clock() // 1000})

    def exchange_info(self, request: Request) -> Answer:
        """`/api/v3/exchangeInfo`: limits, and symbols with their digits and status."""
        only(request, "symbol", "symbols", "symbolStatus", "permissions", "showPermissionSets")
        status = request.query_params.get("symbolStatus")
        if status is not None and ("symbol" in request.query_params or "symbols" in request.query_params):
            raise clashing()
        if status not in (None, "TRADING", "HALT", "BREAK"):
            raise error(-1122, "Invalid symbolStatus.")
        listings = [one.listing for one in self._asked(request)]
        listings = [listing for listing in listings if status in (None, listing.status)]
        return Answer(bodies.exchange_info(listings, self.clock()))

    def klines(self, request: Request) -> Answer:
        """`/api/v3/klines`: every interval since the listing has a row, also one without trades."""
        only(request, "symbol", "interval", "startTime", "endTime", "timeZone", "limit")
        series = self._one(request)
        size = interval_in(request)
        if request.query_params.get("timeZone", "0") != "0":
            raise invalid("timeZone")
        start, end, limit = time_in(request, "startTime"), time_in(request, "endTime"), limit_in(request)
        now = self.clock()
        stop = (now // 1000 if end is None else min(end, now // 1000)) // size * size + size
        stop = min(stop, series.listing.delisted_ms or stop)
        if start is None:
            begin = stop - limit * size
        else:
            begin = max(-(-start // size) * size, series.listing.listed_ms // size * size)
            stop = min(stop, begin + limit * size)
        return Answer(bodies.klines(series.listing, size, series.rows(size, begin, stop, now)))

    def agg_trades(self, request: Request) -> Answer:
        """`/api/v3/aggTrades`: by id, by time, or the newest."""
        only(request, "symbol", "fromId", "startTime", "endTime", "limit")
        series, limit = self._one(request), limit_in(request)
        first_id, start, end = integer_in(request, "fromId"), time_in(request, "startTime"), time_in(request, "endTime")
        if first_id is not None and (start is not None or end is not None):
            raise clashing()
        now = self.clock()
        stop = series.id_at(now + 1 if end is None else min(now + 1, (end + 1) * 1000))
        if first_id is None:
            first_id = stop - limit if start is None else series.id_at(min(start * 1000, now + 1))
        trades = series.trades(first_id, min(stop, max(first_id, 1) + limit))
        return Answer(bodies.agg_trades(series.listing, trades))

    def trades(self, request: Request) -> Answer:
        """`/api/v3/trades`: the newest."""
        only(request, "symbol", "limit")
        series, limit = self._one(request), limit_in(request)
        stop = series.id_at(self.clock() + 1)
        return Answer(bodies.single_trades(series.listing, series.trades(stop - limit, stop)))

    def day_ticker(self, request: Request) -> Answer:
        """`/api/v3/ticker/24hr`: the last 1,440 minutes, the open one included."""
        only(request, "symbol", "symbols", "type")
        kind, now = request.query_params.get("type", "FULL"), self.clock()
        if kind not in ("FULL", "MINI"):
            raise invalid("type")
        tickers = [bodies.day_ticker(series, now, kind) for series in self._asked(request)]
        return Answer(tickers[0] if "symbol" in request.query_params else tickers)

    def price_ticker(self, request: Request) -> Answer:
        """`/api/v3/ticker/price`: the last price."""
        only(request, "symbol", "symbols")
        now = self.clock()
        prices = [bodies.price_ticker(series, now) for series in self._asked(request)]
        return Answer(prices[0] if "symbol" in request.query_params else prices)

    def _one(self, request: Request) -> Series:
        return self._known(symbol_in(request))

    def _asked(self, request: Request) -> list[Series]:
        """The series of `symbol` or of `symbols`; all of them for neither."""
        symbols = symbols_in(request)
        if "symbol" not in request.query_params:
            return list(self.series.values()) if symbols is None else [self._known(symbol) for symbol in symbols]
        if symbols is not None:
            raise clashing()
        return [self._one(request)]

    def _known(self, symbol: str) -> Series:
        if symbol not in self.series:
            raise error(-1121, "Invalid symbol.")
        return self.series[symbol]

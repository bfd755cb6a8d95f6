"""Coinbase Exchange's public REST for market data: products, currencies, candles, trades, tickers and statistics."""

from collections.abc import Iterable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.routing import Route

from local.simulator import coinbase_bodies as bodies
from local.simulator.exchange import ANY_PATH, Answer, Exchange, Refusal
from local.simulator.faults import Clock, Fault, Faults
from local.simulator.limits import RateLimit
from local.simulator.markets import ASSETS
from local.simulator.series import Series

GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
_REQUESTS_PER_SECOND, _BURST = 10, 15
_MOST_BUCKETS, _NEWEST_BUCKETS, _MOST_TRADES = 300, 350, 1000


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Refusal:
    return Refusal(status, {"message": message}, headers)


class Coinbase(Exchange):
    """The venue at `/coinbase`."""

    venue = "coinbase"

    def __init__(self, series: Iterable[Series], clock: Clock, faults: Faults, hold_seconds: float) -> None:
        super().__init__(series, clock, faults, hold_seconds)
        self._limit = RateLimit(_REQUESTS_PER_SECOND, _BURST)

    def routes(self) -> list[Route]:
        """The venue's paths."""
        return [
            self.route("/time", self.time),
            self.route("/currencies", self.currencies),
            self.route("/currencies/{currency_id}", self.currency),
            self.route("/products", self.products),
            self.route("/products/stats", self.all_stats),
            self.route("/products/{product_id}", self.product),
            self.route("/products/{product_id}/ticker", self.ticker),
            self.route("/products/{product_id}/stats", self.stats),
            self.route("/products/{product_id}/trades", self.trades),
            self.route("/products/{product_id}/candles", self.candles),
            self.route(ANY_PATH, self.unknown_path),
        ]

    def admit(self, request: Request, weight: int) -> dict[str, str]:
        """Count a request against its client's rate.

        Raises:
            Refusal: 400 without a User-Agent, 429 beyond the rate.
        """
        if not request.headers.get("User-Agent"):
            raise _refused(400, "User-Agent header is required.")
        if not self._limit.admits(request.client.host if request.client else "", self.clock()):
            raise _refused(429, "Public rate limit exceeded")
        return {}

    def refusal(self, fault: Fault) -> Refusal:
        """The venue's words for a fault that refuses."""
        retry = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        match fault.kind:
            case "rate_limited":
                return _refused(429, "Public rate limit exceeded", retry)
            case "banned":
                seconds = fault.seconds if fault.retry_after is None else fault.retry_after
                return _refused(418, f"IP banned until {int(self.clock() / 1000 + seconds * 1000)}", retry)
            case "restricted":
                return _refused(451, "Unavailable for legal reasons")
            case "unknown_product":
                return _refused(404, "NotFound")
            case "timeout":
                return _refused(504, "Gateway timeout")
            case _:
                status = self.faults.choice((500, 502, 503))
                if status == 500:
                    return _refused(status, "Internal server error")
                return Refusal(status, f"<html><body><h1>{status}</h1></body></html>")

    def unknown_path(self, request: Request) -> Answer:
        """A path that the venue does not have."""
        raise _refused(404, "NotFound")

    def time(self, request: Request) -> Answer:
        """`/time`."""
        now = self.clock() // 1000
        return Answer({"iso": bodies.moment(now * 1000, 3), "epoch": now / 1000})

    def currencies(self, request: Request) -> Answer:
        """`/currencies`: every asset of a product, with its name."""
        return Answer([bodies.currency(code) for code in self._codes()])

    def currency(self, request: Request) -> Answer:
        """`/currencies/{id}`."""
        if request.path_params["currency_id"] not in self._codes():
            raise _refused(404, "NotFound")
        return Answer(bodies.currency(request.path_params["currency_id"]))

    def _codes(self) -> list[str]:
        used = {code for one in self.series.values() for code in (one.listing.base, one.listing.quote)}
        return [code for code in ASSETS if code in used]

    def products(self, request: Request) -> Answer:
        """`/products`, the delisted ones among them."""
        return Answer([bodies.product(series.listing) for series in self.series.values()])

    def product(self, request: Request) -> Answer:
        """`/products/{id}`."""
        return Answer(bodies.product(self._one(request).listing))

    def ticker(self, request: Request) -> Answer:
        """`/products/{id}/ticker`: the last trade and the best offers."""
        return Answer(bodies.ticker(self._traded(request), self.clock()))

    def stats(self, request: Request) -> Answer:
        """`/products/{id}/stats`: the last 24 hours, and the volume of 30 days."""
        return Answer(bodies.stats(self._traded(request), self.clock()))

    def all_stats(self, request: Request) -> Answer:
        """`/products/stats`: the statistics of every product that is traded."""
        now = self.clock()
        traded = (series for series in self.series.values() if _is_traded(series, now))
        return Answer({series.listing.symbol: bodies.short_stats(series, now) for series in traded})

    def trades(self, request: Request) -> Answer:
        """`/products/{id}/trades`: newest first; `after` gives older ones, `before` newer ones."""
        series = self._one(request)
        limit = _positive(request, "limit")
        limit = _MOST_TRADES if limit is None else min(limit, _MOST_TRADES)
        before, after = _positive(request, "before"), _positive(request, "after")
        stop = series.id_at(self.clock() + 1)
        stop = stop if after is None else min(stop, after)
        first = max(stop - limit, 1 if before is None else before + 1)
        page = bodies.trades(series.listing, series.trades(first, stop))
        cursors = {"CB-BEFORE": str(page[0]["trade_id"]), "CB-AFTER": str(page[-1]["trade_id"])} if page else {}
        return Answer(page, cursors)

    def candles(self, request: Request) -> Answer:
        """`/products/{id}/candles`: newest first, without a row for a bucket without trades."""
        series = self._one(request)
        granularity = request.query_params.get("granularity", "60")
        if granularity not in map(str, GRANULARITIES):
            raise _refused(400, "Unsupported granularity")
        seconds = int(granularity)
        start, end = request.query_params.get("start"), request.query_params.get("end")
        now = self.clock()
        if start is None or end is None:
            last = now // 10**6 // seconds * seconds
            first = last - (_NEWEST_BUCKETS - 1) * seconds
        else:
            first, last = _seconds(start, "start"), _seconds(end, "end")
            if first > last:
                raise _refused(400, "start must be before end")
            if last - first > _MOST_BUCKETS * seconds:
                too_many = f"Count of aggregations requested exceeds {_MOST_BUCKETS}"
                raise _refused(400, f"granularity too small for the requested time range. {too_many}")
            first, last = first // seconds * seconds, last // seconds * seconds
        rows = series.rows(seconds * 1000, first * 1000, (last + seconds) * 1000, now)
        return Answer(bodies.candles(series.listing, rows))

    def _one(self, request: Request) -> Series:
        series = self.series.get(request.path_params["product_id"])
        if series is None:
            raise _refused(404, "NotFound")
        return series

    def _traded(self, request: Request) -> Series:
        series = self._one(request)
        if not _is_traded(series, self.clock()):
            raise _refused(400, "Not allowed for delisted products")
        return series


def _is_traded(series: Series, now: int) -> bool:
    delisted = series.listing.delisted_ms
    return delisted is None or now // 1000 < delisted


def _positive(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise _refused(400, f"{name} must be a positive integer")
    return int(text)


def _seconds(text: str, name: str) -> int:
    """Unix seconds of an ISO 8601 time, which is UTC unless it tells, or of Unix seconds."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _refused(400, f"{name} is not a valid time") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())

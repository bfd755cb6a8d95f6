"""The server: venues and newsrooms under their own paths, and what lets a test look behind and disturb them."""

from datetime import UTC, datetime

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from local.simulator import binance_stream, coinbase_stream
from local.simulator.binance import Binance
from local.simulator.binance_requests import INTERVALS
from local.simulator.coinbase import Coinbase
from local.simulator.exchange import ANY_PATH, Exchange, fixed
from local.simulator.faults import Clock, Fault, Faults
from local.simulator.markets import DAY_MS
from local.simulator.news import News
from local.simulator.news_feeds import NewsFeeds
from local.simulator.newsapi import NewsApi
from local.simulator.series import Series, market
from local.simulator.streaming import Streams

_DEFAULT_ROWS, _MOST_ROWS, _MOST_DAYS = 500, 100_000, 31


class _Admin:
    """The truth of every series and all news, and the faults in force."""

    def __init__(self, series: list[Series], news: News, clock: Clock, faults: Faults) -> None:
        self._news = news
        self._series = {f"{one.listing.venue} {one.listing.canonical}": one for one in series}
        self._clock, self._faults = clock, faults

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def faults(self, request: Request) -> Response:
        return Response(msgspec.json.encode(self._faults.in_force()), media_type="application/json")

    async def replace_faults(self, request: Request) -> Response:
        try:
            faults = msgspec.json.decode(await request.body(), type=list[Fault])
        except msgspec.ValidationError as reason:
            return JSONResponse({"message": str(reason)}, 422)
        except msgspec.DecodeError as reason:
            return JSONResponse({"message": str(reason)}, 400)
        self._faults.replace(faults)
        return await self.faults(request)

    async def candles(self, request: Request) -> Response:
        """The candles that had trades in [start, end), as they are now; faults do not touch them."""
        asked, now = request.query_params, self._clock()
        series = self._series.get(f"{asked.get('venue')} {asked.get('symbol')}")
        if series is None:
            return JSONResponse({"message": "unknown venue or symbol"}, 404)
        size = INTERVALS.get(asked.get("interval", ""))
        try:
            end = _milliseconds(asked["end"]) if "end" in asked else now // 1000 + 1
            start = _milliseconds(asked["start"]) if "start" in asked else None
        except ValueError as reason:
            return JSONResponse({"message": str(reason)}, 422)
        if size is None:
            return JSONResponse({"message": f"interval must be one of {', '.join(INTERVALS)}"}, 422)
        begin = -(-end // size) * size - _DEFAULT_ROWS * size if start is None else -(-start // size) * size
        if (min(end, now // 1000) - max(begin, series.listing.listed_ms)) // size >= _MOST_ROWS:
            return JSONResponse({"message": f"more than {_MOST_ROWS} rows"}, 422)
        rows = series.rows(size, begin, end, now)
        digits, sizes = series.listing.price_digits, series.listing.size_digits
        return JSONResponse(
            {
                "candles": [
                    [time, *(fixed(price, digits, digits) for price in prices), fixed(volume, sizes, sizes), trades]
                    for time, *prices, volume, trades in zip(*(column.tolist() for column in rows[:7]), strict=True)
                    if trades
                ]
            }
        )

    async def news(self, request: Request) -> Response:
        """The articles of [start, end], newest first, with the stories that they tell; faults do not touch them."""
        asked, now = request.query_params, self._clock() // 1000
        try:
            end = min(_milliseconds(asked["end"]), now) if "end" in asked else now
            start = _milliseconds(asked["start"]) if "start" in asked else end - DAY_MS
        except ValueError as reason:
            return JSONResponse({"message": str(reason)}, 422)
        if end - start > _MOST_DAYS * DAY_MS:
            return JSONResponse({"message": f"more than {_MOST_DAYS} days"}, 422)
        articles = self._news.articles(start, end)
        told = [one._asdict() | {"url": one.url, "story": one.story._asdict()} for one in articles]
        return JSONResponse({"articles": told})


def _milliseconds(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time, a date, or Unix milliseconds."""
    if text.isascii() and text.isdigit():
        return int(text)
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def make_app(seed: int, clock: Clock, hold_seconds: float = 30) -> Starlette:
    """The whole server.

    Args:
        seed: selects the market; the same one gives the same prices for ever.
        clock: the time in Unix microseconds; nothing later than it is shown.
        hold_seconds: how long the faults `timeout` and `slow` keep a client waiting.
    """
    faults = Faults(clock, seed)
    series = list(market(seed).values())
    venues: list[Exchange] = [kind(series, clock, faults, hold_seconds) for kind in (Binance, Coinbase)]
    news = News(seed, series)
    newsrooms = NewsFeeds(news, clock, faults, hold_seconds)
    newsapi = NewsApi(news, clock, faults, hold_seconds)
    streams = Streams(clock, faults)
    sockets = [*binance_stream.sockets(series, streams), *coinbase_stream.sockets(series, streams)]
    admin = _Admin(series, news, clock, faults)
    routes = [
        Route("/admin/health", admin.health),
        Route("/admin/faults", admin.faults, methods=["GET"]),
        Route("/admin/faults", admin.replace_faults, methods=["PUT"]),
        Route("/admin/candles", admin.candles),
        Route("/admin/news", admin.news),
        Route("/admin/feeds", streams.counts),
        *newsrooms.routes(),
        *newsapi.routes(),
    ]
    paths = list(dict.fromkeys([route.path for route in routes] + [socket.path for socket in sockets]))
    paths += [f"/{venue.venue}{route.path}" for venue in venues for route in venue.routes() if route.path != ANY_PATH]

    async def about(request: Request) -> Response:
        return JSONResponse({"about": "Simulated crypto exchanges: seeded prices, real protocols.", "paths": paths})

    mounts = [Mount(f"/{venue.venue}", routes=venue.routes()) for venue in venues]
    return Starlette(routes=[Route("/", about), *routes, *sockets, *mounts])

"""Market data: what is followed, prices, candles, and how well the system does."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api import docs
from cryptopulse.api.app import Answer, Api, public
from cryptopulse.api.cursors import Cursors
from cryptopulse.api.deps import Now, Prices, Symbol, Tracked, parameters
from cryptopulse.api.lists import Page, Paged, paged
from cryptopulse.aws.market import KEPT
from cryptopulse.domain import charts, health
from cryptopulse.domain.candles import INTERVALS, Block, floor
from cryptopulse.domain.charts import Candles, ChartQuery
from cryptopulse.domain.coins import Coin, coins
from cryptopulse.domain.health import Checks, Health, Store
from cryptopulse.domain.prices import At, Price, PriceQuery, Quoted, Sparkline, dollar_symbols, find, quoted
from cryptopulse.domain.times import rfc3339
from cryptopulse.errors import InvalidError, ServiceError
from cryptopulse.telemetry import entrypoint, logger

api = Api()


class PricesQuery(Paged, kw_only=True):
    symbols: Annotated[str, Meta(description="1 to 100, by commas; without it every tracked X-USD")] | UnsetType = UNSET
    at: At | UnsetType = UNSET
    sparkline: Sparkline = False


class Moment(Struct):
    time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


@api.get("/coins", tags=["Market data"])
@public
def read_coins(query: Annotated[Paged, parameters(Paged)], tracked: Tracked) -> Answer[Page[Coin]]:
    """The assets followed, and every series of each."""
    return Answer(paged(coins(tracked), "/coins", query), max_age=60)


@api.get("/prices", tags=["Market data"])
@public
def list_prices(
    query: Annotated[PricesQuery, parameters(PricesQuery)], prices: Prices, tracked: Tracked, now: Now
) -> Answer[Page[Price]]:
    """Prices and 24 hours of many symbols, in the order asked.

    24 hours are the last 1,440 minutes with the open one; null where history is shorter, and with `at`.
    """
    symbols = dollar_symbols(tracked) if query.symbols is UNSET else query.symbols.split(",")
    if not all(symbols) or (query.symbols is not UNSET and len(symbols) > 100):
        raise InvalidError("symbols", "Expected 1 to 100 symbols, separated by commas")
    asked = paged([quoted(symbol, None, tracked) for symbol in symbols], "/prices", query)
    found, max_age = _prices(asked.items, query, prices, now)
    return Answer(Page(found, asked.next_cursor), max_age=max_age)


@api.get("/prices/<symbol>", tags=["Market data"])
@public
def read_price(
    symbol: Symbol, query: Annotated[PriceQuery, parameters(PriceQuery)], prices: Prices, tracked: Tracked, now: Now
) -> Answer[Price]:
    """The price and 24 hours of one symbol."""
    venue = None if query.venue is UNSET else query.venue
    found, max_age = _prices([quoted(symbol, venue, tracked)], query, prices, now)
    return Answer(found[0], max_age=max_age)


def _prices(asked: list[Quoted], query: PriceQuery | PricesQuery, prices: Prices, now: int) -> tuple[list[Price], int]:
    if query.at is UNSET:
        return prices.now(asked, now, with_sparkline=query.sparkline), 1
    if query.sparkline:
        raise InvalidError("sparkline", "Not together with at")
    if query.at > now:
        raise InvalidError("at", "Expected a time that is not in the future")
    found, is_settled = prices.at(asked, query.at, now)
    return found, charts.SETTLED_KEPT if is_settled else charts.REPAIRED


@api.get("/candles/<symbol>", tags=["Market data"])
@public
def read_candles(
    symbol: Symbol, query: Annotated[ChartQuery, parameters(ChartQuery)], prices: Prices, tracked: Tracked, now: Now
) -> Answer[Candles]:
    """Candles of one series, oldest first, aligned to UTC.

    With `start` and no `end` the first rows from there, else the last rows before `end`. Minutes without a trade are
    absent. Minutes are kept for 30 days, hours for two years, days for ever; other intervals are made of them.
    """
    series = find(symbol, None if query.venue is UNSET else query.venue, tracked)
    market, lane, interval = wiring.market(), prices.lanes([series], now)[series], INTERVALS[query.interval]
    opened = charts.open_from(lane, series, interval, now)
    kept = charts.oldest(interval, now, KEPT), floor(now, interval) + interval if query.open else opened
    cursors = Cursors(wiring.settings().CURSOR_KEY, f"/candles/{symbol}", query)
    position = None if query.cursor is UNSET else cursors.position(query.cursor)

    def read(start: int, end: int) -> Block:
        return market.candles(lane, series, interval, start, end, now)

    page = charts.chart(read, query, kept, position)
    body = charts.candles(query, series, page, opened, None if page.next is None else cursors.issue(page.next))
    return Answer(body, max_age=charts.max_age(page, interval, opened, now))


@api.get("/health", tags=["System"], responses={503: {"description": "It is down"}})
@public
def read_health(now: Now) -> Answer[Health]:
    """How well the system does."""
    own = wiring.settings()
    try:
        checks = _checks(now)
    except ServiceError:
        logger.exception("the store does not answer")
        checks = Checks(Store("down"))
    status = health.overall(checks)
    code = HTTPStatus.SERVICE_UNAVAILABLE if status == "down" else HTTPStatus.OK
    return Answer(Health(status, own.VERSION, own.FEEDS, "poll", checks), status=code)


def _checks(now: int) -> Checks:
    own, market = wiring.settings(), wiring.market()
    series = market.series()
    venues = dict.fromkeys([*(venue for venue, _ in own.quotes), *(each.venue for each in series)])
    return health.check(venues, series, market.lanes(range(own.LANES)), wiring.venues().states(), now)


@api.get("/time", tags=["System"])
@public
def read_time(now: Now) -> Answer[Moment]:
    """The time here."""
    return Answer(Moment(rfc3339(now)))


docs.add(api, Path(__file__).with_name("openapi.json"))


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)

"""Market data: what is followed, prices, candles, and how well the system does."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api import docs, fields
from cryptopulse.api.app import Answer, Api, public
from cryptopulse.api.deps import Accepts, Now, Symbol, Tracked, parameters
from cryptopulse.api.lists import Page, Paged, paged
from cryptopulse.api.renderings import Shown
from cryptopulse.api.views import (
    BetaAsked,
    CandlesAsked,
    IndicatorsAsked,
    LatestQuery,
    NewsQuery,
    PriceAsked,
    PricesQuery,
    SentimentAsked,
    SentimentsQuery,
    Shows,
    VolatilityAsked,
)
from cryptopulse.domain import health
from cryptopulse.domain.analyses import (
    Beta,
    BetaQuery,
    Correlation,
    CorrelationQuery,
    Indicators,
    IndicatorsQuery,
    Newest,
    Volatility,
    VolatilityQuery,
)
from cryptopulse.domain.charts import Candles, ChartQuery
from cryptopulse.domain.coins import Coin, coins
from cryptopulse.domain.health import Checks, Health, Store
from cryptopulse.domain.news_sources import Source
from cryptopulse.domain.news_views import Asset, AssetSentiment, AssetSentimentSeries, NewsArticle, SentimentQuery
from cryptopulse.domain.prices import Fields, Price, PriceQuery
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.times import rfc3339
from cryptopulse.errors import ServiceError
from cryptopulse.telemetry import entrypoint, logger

api = Api()


class CoinsQuery(Paged, kw_only=True):
    """Which coins to show."""

    fields: Fields | UnsetType = UNSET


class Moment(Struct):
    """The time here."""

    time: Annotated[str, Meta(description="To the millisecond", extra_json_schema={"format": "date-time"})]


@api.get("/coins", tags=["Market data"])
@public
def read_coins(query: Annotated[CoinsQuery, parameters(CoinsQuery)], tracked: Tracked) -> Answer[Page[Coin]]:
    """The assets followed, and every series of each.

    A series is one symbol at one venue; the first of a symbol is its reference, which reads without `venue` use.
    """
    page: Any = paged(coins(tracked), "/coins", query)
    if query.fields is not UNSET:
        page = fields.only(page, query.fields)
    return Answer(page, max_age=60)


@api.get("/prices", tags=["Market data"])
@public
def list_prices(query: Annotated[PricesQuery, parameters(PricesQuery)], views: Shows, now: Now) -> Shown[Page[Price]]:
    """Prices and 24 hours of many symbols, in the order asked.

    24 hours are the last 1,440 minutes with the open one; null where history is shorter, and with `at`.
    """
    return Shown(views.prices(query, now=now), now)


@api.get("/prices/<symbol>", tags=["Market data"])
@public
def read_price(
    symbol: Symbol, query: Annotated[PriceQuery, parameters(PriceQuery)], views: Shows, now: Now
) -> Shown[Price]:
    """The price and 24 hours of one symbol.

    An X-USD that nobody trades is X-USDT × USDT-USD, the reference of each, and says so in `via`.
    """
    return Shown(views.price(PriceAsked(symbol, query), now=now), now)


@api.get("/candles/<symbol>", tags=["Market data"])
@public
def read_candles(
    symbol: Symbol, query: Annotated[ChartQuery, parameters(ChartQuery)], views: Shows, now: Now, accepts: Accepts
) -> Shown[Candles]:
    """Candles of one series, oldest first, aligned to UTC.

    With `start` and no `end` the first rows from there, else the last rows before `end`. Minutes without a trade are
    absent. Minutes are kept for 30 days, hours for two years, days for ever; other intervals are made of them.
    `Accept: text/csv` gives a table; `closed` and `complete` are columns there, and the cursor is in `X-Next-Cursor`.
    """
    return Shown(views.candles(CandlesAsked(symbol, query, accepts), now=now), now)


@api.get("/indicators", tags=["Analytics"])
@public
def list_newest_indicators(
    query: Annotated[LatestQuery, parameters(LatestQuery)], views: Shows, now: Now
) -> Shown[Page[Newest]]:
    """The newest values of indicators of many symbols, in the order asked, on closed candles.

    They are those that `/indicators/{symbol}` ends with; its `obv` and `drawdown` over 500 rows.
    """
    return Shown(views.latest(query, now=now), now)


@api.get(
    "/indicators/<symbol>",
    tags=["Analytics"],
    responses={413: {"description": "Longer than 4 MB as it would be sent"}},
)
@public
def read_indicators(
    symbol: Symbol,
    query: Annotated[IndicatorsQuery, parameters(IndicatorsQuery)],
    views: Shows,
    now: Now,
    accepts: Accepts,
) -> Shown[Indicators]:
    """Indicators of one series on closed candles.

    Values are TA-Lib's over the stored candles from so far back that an earlier start would change nothing by 1e-9, or
    from the series' first; `obv` and `drawdown`, which never forget, begin at the first row shown. `vwap` is of the UTC
    day, `vwap:n` of n rows. Definitions and sources: `docs/indicators.md` of the project.

    With `start` and no `end` the first rows from there, else the last rows before `end`. `Accept: text/csv` gives a
    table, its columns called as in `macd:12:26:9.signal`; `complete` and the cursor are in `X-Complete` and
    `X-Next-Cursor`.
    """
    return Shown(views.indicators(IndicatorsAsked(symbol, query, accepts), now=now), now)


@api.get("/volatility/<symbol>", tags=["Analytics"])
@public
def read_volatility(
    symbol: Symbol, query: Annotated[VolatilityQuery, parameters(VolatilityQuery)], views: Shows, now: Now
) -> Shown[Volatility]:
    """Annualised volatility of one series over a moving window of closed candles.

    A year has 365 days. `close` is the sample deviation of log returns; `parkinson`,
    `garman_klass` and `rogers_satchell` take the range of each candle, `yang_zhang` the gaps between them too.
    """
    return Shown(views.volatility(VolatilityAsked(symbol, query), now=now), now)


@api.get("/correlation", tags=["Analytics"])
@public
def read_correlation(
    query: Annotated[CorrelationQuery, parameters(CorrelationQuery)], views: Shows, now: Now
) -> Shown[Correlation]:
    """How the log returns of 2 to 100 symbols go together, at the times that all of them have.

    Returns are between consecutive such times among the last `window` + 1 intervals; `observations` tells how many
    there are.
    """
    return Shown(views.correlation(query, now=now), now)


@api.get("/beta/<symbol>", tags=["Analytics"])
@public
def read_beta(
    symbol: Symbol, query: Annotated[BetaQuery, parameters(BetaQuery)], views: Shows, now: Now
) -> Shown[Beta]:
    """How much a symbol's log returns move for one of a benchmark's.

    Their covariance by the variance of the benchmark's, at the times that both have among the last `window` + 1
    intervals.
    """
    return Shown(views.beta(BetaAsked(symbol, query), now=now), now)


@api.get("/news", tags=["News"])
@public
def list_news(query: Annotated[NewsQuery, parameters(NewsQuery)], views: Shows, now: Now) -> Shown[Page[NewsArticle]]:
    """Articles of the last 90 days, the newest first.

    What several feeds carry is one article. Its score is of its words alone, in the title more than in the description;
    how it is made, and how often it is right: `docs/sentiment.md` of the project. An article in another language than
    English scores 0, and does not count in an asset's sentiment.
    """
    return Shown(views.news(query, now=now), now)


@api.get("/sentiment", tags=["News"])
@public
def list_sentiment(
    query: Annotated[SentimentsQuery, parameters(SentimentsQuery)], views: Shows, now: Now
) -> Shown[Page[AssetSentiment]]:
    """What the articles that name each of several assets say together, in the order asked.

    They are the figures of `/sentiment/{asset}`.
    """
    return Shown(views.sentiments(query, now=now), now)


@api.get("/sentiment/<asset>", tags=["News"])
@public
def read_sentiment(
    asset: Asset, query: Annotated[SentimentQuery, parameters(SentimentQuery)], views: Shows, now: Now
) -> Shown[AssetSentimentSeries]:
    """What the articles of a window that name an asset say together.

    Newer articles weigh more. No news is null, not 0. With `correlation`: Pearson's of the mean scores of hours with
    the log returns of X-USD's reference (of X-USDT, where nobody trades X-USD) 12 hours before to 12 hours after. It
    says what was, in how many observations; not why, and not what will be.
    """
    return Shown(views.sentiment(SentimentAsked(asset, query), now=now), now)


@api.get("/health", tags=["System"], responses={503: {"description": "It is down"}})
@public
def read_health(now: Now) -> Answer[Health]:
    """How well the system does.

    `degraded`, a feed late or with gaps, is still 200; `down` is 503: the tables do not answer, or no price is younger
    than 5 minutes.
    """
    own = wiring.settings()
    try:
        checks = _checks(now)
    except ServiceError:
        logger.exception("the store does not answer")
        checks = Checks(Store("down"))
    status = health.overall(checks)
    code = HTTPStatus.SERVICE_UNAVAILABLE if status == "down" else HTTPStatus.OK
    return Answer(Health(status, own.VERSION, own.FEEDS, own.PRICE_MODE, checks), status=code)


def _checks(now: int) -> Checks:
    own, market = wiring.settings(), wiring.market()
    series = market.series()
    venues = dict.fromkeys([*(venue for venue, _ in own.quotes), *(each.venue for each in series)])
    known = wiring.news().sources()
    sources = {name: known.get(name, Source(url)) for name, url in own.news_sources.items()}
    lanes, states, streams = market.lanes(range(own.LANES)), wiring.venues().states(), _streams()
    return health.check(venues, series, lanes, states, streams, sources, now)


def _streams() -> dict[str, StreamState] | None:
    """How the venues' streams do, as whoever holds them tells; None where there is to be none."""
    if wiring.settings().PRICE_MODE == "poll":
        return None
    lease = wiring.leases().read()
    return lease.states if lease else {}


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

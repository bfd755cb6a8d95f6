"""Views of the market: candles and what is computed of them, as they are sent. Each is made once and kept.

The methods of `Views` answer the same request the same way for a while, so they take one struct with all that the
answer depends on, but for the time.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api import fields
from cryptopulse.api.app import JSON, Given
from cryptopulse.api.cursors import Cursors
from cryptopulse.api.lists import Page, Paged, paged
from cryptopulse.aws.cache import Cache, cached
from cryptopulse.aws.histories import Histories
from cryptopulse.aws.latest import Latest
from cryptopulse.aws.market import KEPT
from cryptopulse.aws.prices import Prices
from cryptopulse.domain import charts, news_views
from cryptopulse.domain.analyses import (
    MOST_SYMBOLS,
    Beta,
    BetaQuery,
    Correlation,
    CorrelationQuery,
    IndicatorNames,
    Indicators,
    IndicatorsQuery,
    Newest,
    Symbols,
    Values,
    Volatility,
    VolatilityQuery,
    symbols,
)
from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, MINUTE, Block, floor, joined
from cryptopulse.domain.charts import Chart, ChartQuery, IntervalName, Read, RowsQuery
from cryptopulse.domain.indicators import Indicator, parse
from cryptopulse.domain.news_views import LAGS, Asset, SentimentQuery, Window
from cryptopulse.domain.prices import (
    At,
    Fields,
    Price,
    PriceQuery,
    Quoted,
    Sparkline,
    dollar_symbols,
    find,
    quoted,
)
from cryptopulse.domain.renderings import Rendering
from cryptopulse.domain.running import Value
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import rfc3339
from cryptopulse.errors import InvalidError

if TYPE_CHECKING:
    from cryptopulse.aws.news import Kept, News
    from cryptopulse.domain import technical
    from cryptopulse.domain.technical import Floats

type Format = Literal["json", "csv"]

CSV: Final = "text/csv; charset=utf-8"
FRESH: Final = 5 * MINUTE
"""Late trades and repairs are seen after so many ms, where rows may still change."""
MOST_ROWS: Final = 200_000
"""Rows that a request for newest values may take; where states are there already, it takes far fewer."""
MOST_PUSHED: Final = 1_000_000
"""The same, each as often as there are indicators that look at it: a microsecond each, where a CPU is whole."""
YEAR: Final = 365 * DAY
NEWS_KEPT: Final = MINUTE
"""How long (ms) answers of news stay."""


class LatestQuery(Paged, kw_only=True, forbid_unknown_fields=True):
    """Which indicators' newest values to show."""

    symbols: Symbols
    indicators: IndicatorNames
    interval: IntervalName = "1h"
    fields: Fields | UnsetType = UNSET


class PricesQuery(Paged, kw_only=True, forbid_unknown_fields=True):
    """Which prices to show."""

    symbols: Annotated[str, Meta(description="1 to 100, by commas; without it every tracked X-USD")] | UnsetType = UNSET
    at: At | UnsetType = UNSET
    sparkline: Sparkline = False
    fields: Fields | UnsetType = UNSET


class NewsQuery(Paged, kw_only=True, forbid_unknown_fields=True):
    """Which news to show."""

    asset: Annotated[Asset, Meta(description="Only what names it")] | UnsetType = UNSET
    explain: Annotated[bool, Meta(description="Add the words that moved each score")] = False
    fields: Fields | UnsetType = UNSET


class SentimentsQuery(Paged, kw_only=True, forbid_unknown_fields=True):
    """Which assets' sentiment to show."""

    assets: Annotated[str, Meta(description="1 to 100, by commas", examples=["BTC,ETH"])]
    window: Window = "24h"
    fields: Fields | UnsetType = UNSET


class PriceAsked(Struct, frozen=True):
    symbol: str
    query: PriceQuery


class CandlesAsked(Struct, frozen=True):
    symbol: str
    query: ChartQuery
    format: Format


class IndicatorsAsked(Struct, frozen=True):
    symbol: str
    query: IndicatorsQuery
    format: Format


class VolatilityAsked(Struct, frozen=True):
    symbol: str
    query: VolatilityQuery


class BetaAsked(Struct, frozen=True):
    symbol: str
    query: BetaQuery


class SentimentAsked(Struct, frozen=True):
    asset: str
    query: SentimentQuery


class _Closed(NamedTuple):
    """Closed rows of one series: those of a page, and those before it that its values need."""

    rows: Block
    first: int
    """How many rows that were traded are before the page."""
    is_complete: bool
    next_cursor: str | None
    stays_until: int


class _Common(NamedTuple):
    """The closes of several series at the times that all of them have."""

    closes: "Floats"
    """A line for each series."""
    observations: int
    is_complete: bool
    stays_until: int


class Views:
    """Makes the answers.

    Args:
        cache: Keeps them.
        prices: Knows the series followed and their lanes.
        histories: Reads candles.
        latest: Has the newest values of indicators.
        news: Gives the news: they bring what recognises assets, which only those who ask for them can wait for.
        cursor_key: Signs cursors.
    """

    def __init__(
        self,
        cache: Cache,
        prices: Prices,
        histories: Histories,
        latest: Latest,
        news: "Callable[[], News]",
        cursor_key: str,
    ) -> None:
        self.cache = cache
        self._prices = prices
        self._histories = histories
        self._latest = latest
        self._news = news
        self._cursor_key = cursor_key

    @cached()
    def prices(self, asked: PricesQuery, *, now: int) -> Rendering:
        """Prices of many symbols."""
        fields.check(Price, asked.fields)
        tracked = self._prices.series(now)
        symbols_ = dollar_symbols(tracked) if asked.symbols is UNSET else asked.symbols.split(",")
        if not all(symbols_) or (asked.symbols is not UNSET and len(symbols_) > MOST_SYMBOLS):
            raise InvalidError("symbols", f"Expected 1 to {MOST_SYMBOLS} symbols, separated by commas")
        page = paged([quoted(symbol, None, tracked) for symbol in symbols_], "/prices", asked)
        found, until = self._priced(page.items, asked, now)
        return _json(Page(found, page.next_cursor), asked.fields, now, until)

    @cached()
    def price(self, asked: PriceAsked, *, now: int) -> Rendering:
        """The price of one symbol."""
        fields.check(Price, asked.query.fields)
        query, tracked = asked.query, self._prices.series(now)
        speaking = quoted(asked.symbol, None if query.venue is UNSET else query.venue, tracked)
        (found,), until = self._priced([speaking], query, now)
        return _json(found, query.fields, now, until)

    def _priced(self, asked: list[Quoted], query: PriceQuery | PricesQuery, now: int) -> tuple[list[Price], int]:
        """Prices, and up to when they stay (Unix ms)."""
        if query.at is UNSET:
            found = self._prices.now(asked, now, with_sparkline=query.sparkline)
            return found, now + charts.CHANGING_KEPT
        if query.sparkline:
            raise InvalidError("sparkline", "Not together with at")
        if query.at > now:
            raise InvalidError("at", "Expected a time that is not in the future")
        found, is_settled = self._prices.at(asked, query.at, now)
        return found, now + (charts.SETTLED_KEPT if is_settled else charts.REPAIRED)

    @cached()
    def candles(self, asked: CandlesAsked, *, now: int) -> Rendering:
        """Candles of one series."""
        query, interval = asked.query, INTERVALS[asked.query.interval]
        columns: Sequence[str] = charts.COLUMNS if asked.format == "json" else charts.TABLE
        chosen = columns if query.fields is UNSET else fields.named(query.fields, columns)
        series = self._find(asked.symbol, query.venue, now)
        opened = self._opened(series, interval, now)
        read = self._reader(series, interval, now)
        end = floor(now, interval) + interval if query.open else opened
        page, next_cursor = self._page(read, f"/candles/{asked.symbol}", query, end, now)
        until = charts.stays_until(page, interval, opened, now, charts.oldest(interval, now, KEPT))
        shown = charts.candles(query, series, page, opened, next_cursor)
        rows: Iterable[tuple[Any, ...]] = shown.candles if asked.format == "json" else charts.table(shown)
        if query.fields is not UNSET:
            places = [columns.index(name) for name in chosen]
            rows = [tuple(row[place] for place in places) for row in rows]
        if asked.format == "csv":
            return _csv(chosen, rows, _next(next_cursor), now, until)
        return _json(msgspec.structs.replace(shown, candles=rows), UNSET, now, until)

    def _check_indicators(self, asked: IndicatorsAsked, now: int) -> tuple[list[Indicator], Series]:
        """What is asked for, and of what."""
        named = parse(asked.query.indicators)
        if asked.format == "json":
            fields.check(Indicators, asked.query.fields)
        elif asked.query.fields is not UNSET:
            fields.named(asked.query.fields, ["time", *chain.from_iterable(map(_columns, named))])
        return named, self._find(asked.symbol, asked.query.venue, now)

    @cached(is_shared=lambda asked: asked.query.is_newest, check=_check_indicators)
    def indicators(self, asked: IndicatorsAsked, *, now: int) -> Rendering:
        """Indicators of one series on closed candles."""
        from cryptopulse.domain import technical  # brings numpy and TA-Lib, which only those who compute can wait for

        query, interval = asked.query, INTERVALS[asked.query.interval]
        named, series = self._check_indicators(asked, now)
        memory = max(each.memory(interval) for each in named)
        found = self._closed(series, f"/indicators/{asked.symbol}", query, memory, now)
        rows = technical.Rows.of(found.rows)
        values = {str(each): _lists(technical.values(each, rows, found.first)) for each in named}
        times = rows.starts[found.first :].tolist()
        if asked.format == "csv":
            columns: dict[str, Sequence[float | None]] = {"time": times}
            for indicator in named:
                columns |= _named(indicator, values[str(indicator)])
            names = [*columns] if query.fields is UNSET else fields.named(query.fields, columns)
            table = zip(*(columns[name] for name in names), strict=True)
            told = {"X-Complete": "true" if found.is_complete else "false", **_next(found.next_cursor)}
            return _csv(names, table, told, now, found.stays_until)
        body = Indicators(
            symbol=series.symbol,
            venue=series.venue,
            interval=query.interval,
            time=times,
            series=values,
            complete=found.is_complete,
            next_cursor=found.next_cursor,
        )
        return _json(body, query.fields, now, found.stays_until)

    def _check_latest(self, asked: LatestQuery, now: int) -> tuple[list[Indicator], Page[Series]]:
        """What is asked for, and of what."""
        fields.check(Newest, asked.fields)
        series = [self._find(symbol, UNSET, now) for symbol in symbols(asked.symbols)]
        named, page = parse(asked.indicators), paged(series, "/indicators", asked)
        memories = [each.memory(INTERVALS[asked.interval]) for each in named]
        rows, pushed = max(memories) * len(page.items), sum(memories) * len(page.items)
        if rows > MOST_ROWS or pushed > MOST_PUSHED:
            raise InvalidError(
                "indicators",
                f"They would take {rows} rows, {pushed} times, of at most {MOST_ROWS} and {MOST_PUSHED}: ask for fewer",
            )
        return named, page

    @cached(is_shared=lambda asked: asked.cursor is UNSET, check=_check_latest)
    def latest(self, asked: LatestQuery, *, now: int) -> Rendering:
        """The newest values of indicators of many series."""
        interval, (named, page) = INTERVALS[asked.interval], self._check_latest(asked, now)
        places = self._prices.lanes(page.items, now)
        found = self._latest.values(page.items, interval, named, now)
        items = [
            Newest(
                symbol=series.symbol,
                venue=series.venue,
                time=None if each.time is None else rfc3339(each.time),
                values={str(one): _whole(one, each.values[str(one)]) for one in named},
            )
            for series, each in zip(page.items, found, strict=True)
        ]
        opened = (charts.open_from(lane, series, interval, now) for series, lane in places.items())
        until = min(charts.closed_until(interval, each, now, is_whole=True) for each in opened)
        return _json(Page(items, page.next_cursor), asked.fields, now, until)

    def _check_volatility(self, asked: VolatilityAsked, now: int) -> Series:
        """Of what it is asked for."""
        fields.check(Volatility, asked.query.fields)
        return self._find(asked.symbol, asked.query.venue, now)

    @cached(is_shared=lambda asked: asked.query.is_newest, check=_check_volatility)
    def volatility(self, asked: VolatilityAsked, *, now: int) -> Rendering:
        """Annualised volatility of one series on closed candles."""
        from cryptopulse.domain import technical, volatility  # as above

        query, interval = asked.query, INTERVALS[asked.query.interval]
        memory = volatility.memory(query.estimator, query.window)
        series = self._check_volatility(asked, now)
        found = self._closed(series, f"/volatility/{asked.symbol}", query, memory, now)
        rows, a_year = technical.Rows.of(found.rows), YEAR / interval
        values = volatility.volatility(query.estimator, rows, query.window, a_year)
        body = Volatility(
            symbol=series.symbol,
            venue=series.venue,
            interval=query.interval,
            estimator=query.estimator,
            window=query.window,
            periods_per_year=a_year,
            time=rows.starts[found.first :].tolist(),
            values=values[found.first :].tolist(),
            complete=found.is_complete,
            next_cursor=found.next_cursor,
        )
        return _json(body, query.fields, now, found.stays_until)

    def _check_correlation(self, asked: CorrelationQuery, now: int) -> list[Series]:
        """Of what it is asked for."""
        fields.check(Correlation, asked.fields)
        return [self._find(symbol, UNSET, now) for symbol in symbols(asked.symbols, 2)]

    @cached(is_shared=lambda _: True, check=_check_correlation)
    def correlation(self, asked: CorrelationQuery, *, now: int) -> Rendering:
        """How several symbols go together."""
        from cryptopulse.domain import correlation  # as above

        series = self._check_correlation(asked, now)
        common = self._common(series, asked.interval, asked.window, now)
        body = Correlation(
            symbols=[each.symbol for each in series],
            venues=[each.venue for each in series],
            interval=asked.interval,
            window=asked.window,
            method=asked.method,
            observations=common.observations,
            matrix=correlation.correlation(common.closes, asked.method).tolist(),
            complete=common.is_complete,
        )
        return _json(body, asked.fields, now, common.stays_until)

    def _check_beta(self, asked: BetaAsked, now: int) -> tuple[Series, Series]:
        """Of what it is asked for, and by what it is measured."""
        query = asked.query
        fields.check(Beta, query.fields)
        return self._find(asked.symbol, query.venue, now), self._find(query.benchmark, UNSET, now)

    @cached(is_shared=lambda _: True, check=_check_beta)
    def beta(self, asked: BetaAsked, *, now: int) -> Rendering:
        """How much a symbol moves with another."""
        from cryptopulse.domain import correlation  # as above

        query, (own, benchmark) = asked.query, self._check_beta(asked, now)
        common = self._common([own, benchmark], query.interval, query.window, now)
        body = Beta(
            symbol=own.symbol,
            venue=own.venue,
            benchmark=benchmark.symbol,
            benchmark_venue=benchmark.venue,
            interval=query.interval,
            window=query.window,
            observations=common.observations,
            beta=correlation.beta(*common.closes),
            complete=common.is_complete,
        )
        return _json(body, query.fields, now, common.stays_until)

    # --- news ---

    @cached()
    def news(self, asked: NewsQuery, *, now: int) -> Rendering:
        """Articles, the newest first."""
        fields.check(news_views.NewsArticle, asked.fields)
        cursors = Cursors(self._cursor_key, "/news", asked)
        before = None if asked.cursor is UNSET else _position(cursors.open(asked.cursor))
        asset = None if asked.asset is UNSET else asked.asset
        if asset is not None:
            news_views.check_assets([asset], self._prices.series(now))
        found = self._news().page(asset, before, asked.limit + 1, now)
        shown = found[: asked.limit]
        items = [
            news_views.article(each.article, each.score, each.label, each.words if asked.explain else UNSET)
            for each in shown
        ]
        next_cursor = cursors.seal(_packed(shown[-1])) if len(found) > len(shown) else None
        return _json(Page(items, next_cursor), asked.fields, now, now + NEWS_KEPT)

    @cached()
    def sentiment(self, asked: SentimentAsked, *, now: int) -> Rendering:
        """What an asset's articles say together."""
        asset, query = asked.asset, asked.query
        fields.check(news_views.AssetSentimentSeries, query.fields)
        news_views.check_assets([asset], self._prices.series(now))
        hour, length = floor(now, HOUR), news_views.length(query.window)
        scored = self._news().scores(asset, hour - length, now)
        found = news_views.sentiment_series(asset, query.window, scored, now)
        if query.correlation:
            series = quoted(f"{asset}-USD", None, self._prices.series(now)).series
            start, end = hour - length + (LAGS[0] - 1) * HOUR, hour + (LAGS[-1] + 1) * HOUR
            rows = self._histories.read([series], HOUR, start, end, now)[series]
            opened = self._opened(series, HOUR, now)
            found.symbol, found.venue = series.symbol, series.venue
            found.correlation = news_views.correlation(scored, rows, opened, hour - length, hour)
        return _json(found, query.fields, now, now + NEWS_KEPT)

    @cached()
    def sentiments(self, asked: SentimentsQuery, *, now: int) -> Rendering:
        """What the articles of each of several assets say together."""
        fields.check(news_views.AssetSentiment, asked.fields)
        assets, length = news_views.listed(asked.assets), news_views.length(asked.window)
        news_views.check_assets(assets, self._prices.series(now))
        page = paged(assets, "/sentiment", asked)
        items = [
            news_views.sentiment(asset, asked.window, self._news().scores(asset, now - length, now), now)
            for asset in page.items
        ]
        return _json(Page(items, page.next_cursor), asked.fields, now, now + NEWS_KEPT)

    # --- rows ---

    def _find(self, symbol: str, venue: str | UnsetType, now: int) -> Series:
        return find(symbol, None if venue is UNSET else venue, self._prices.series(now))

    def _opened(self, series: Series, interval: int, now: int) -> int:
        """The start (Unix ms) of its first row that is not closed yet."""
        return charts.open_from(self._prices.lanes([series], now)[series], series, interval, now)

    def _reader(self, series: Series, interval: int, now: int) -> Read:
        return lambda start, end: self._histories.read([series], interval, start, end, now)[series]

    def _page(self, read: Read, path: str, query: RowsQuery, end: int, now: int) -> tuple[Chart, str | None]:
        """The page that a request asks for, and where the next one begins."""
        cursors = Cursors(self._cursor_key, path, query)
        position = None if query.cursor is UNSET else cursors.position(query.cursor)
        kept = charts.oldest(INTERVALS[query.interval], now, KEPT), end
        page = charts.chart(read, query, kept, position)
        return page, None if page.next is None else cursors.issue(page.next)

    def _closed(self, series: Series, path: str, query: RowsQuery, memory: int, now: int) -> _Closed:
        """The page of closed rows that a request asks for, with so many before it."""
        interval = INTERVALS[query.interval]
        opened = self._opened(series, interval, now)
        read = self._reader(series, interval, now)
        page, next_cursor = self._page(read, path, query, opened, now)
        oldest = charts.oldest(interval, now, KEPT)
        before = charts.last_rows(read, interval, memory, oldest, page.start)
        rows = joined(before.rows, page.rows)
        whole = Chart(rows, before.start, page.end, None)
        is_cut = False
        if before.next is None:
            whole = whole._replace(start=rows.starts[0] if rows.starts else page.end)
            is_cut = memory > 0 and whole.start < oldest + interval
        is_complete = whole.is_whole(interval) and not is_cut
        until = charts.stays_until(whole, interval, opened, now, oldest)
        if before.next is None and memory:  # the series begins here; or its history is still fetched, or not kept
            is_newest = page.end == opened
            until = min(until, charts.closed_until(interval, opened, now, is_whole=is_complete and is_newest))
        return _Closed(rows, len(charts.traded(before.rows).starts), is_complete, next_cursor, until)

    def _common(self, series: Sequence[Series], interval_name: IntervalName, window: int, now: int) -> _Common:
        """The closes of several series at the times that all of them have."""
        from cryptopulse.domain import correlation, technical  # as above

        interval = INTERVALS[interval_name]
        places = self._prices.lanes(series, now)
        opened = min(charts.open_from(lane, each, interval, now) for each, lane in places.items())
        start = opened - (window + 1) * interval
        blocks = self._histories.read(places, interval, start, opened, now)
        is_complete = all(charts.is_whole(block, interval, start, opened) for block in blocks.values())
        times, closes = correlation.common([technical.Rows.of(blocks[each]) for each in series])
        until = charts.closed_until(interval, opened, now, is_whole=is_complete)
        return _Common(closes, max(0, len(times) - 1), is_complete, until)


def views() -> Views:
    """The views of this deployment."""
    return Views(
        wiring.answers(),
        wiring.prices(),
        wiring.histories(),
        wiring.latest(),
        wiring.news,
        wiring.settings().CURSOR_KEY,
    )


Shows = Annotated[Views, Given(lambda _: views())]
"""What a route asks for to show views."""


def _json(body: Struct, shown: str | UnsetType, now: int, until: int) -> Rendering:
    told = msgspec.json.encode(body if shown is UNSET else fields.only(body, shown))
    return Rendering.of(JSON, told, fresh_until=_fresh_until(now, until), stays_until=until)


def _csv(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], headers: Mapping[str, str], now: int, until: int
) -> Rendering:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(columns)
    lines.writerows(["" if value != value else value for value in row] for row in rows)  # NaN is not itself
    told = text.getvalue().encode()
    return Rendering.of(CSV, told, fresh_until=_fresh_until(now, until), stays_until=until, headers=headers)


def _lists(values: "technical.Values") -> Values | dict[str, Values]:
    if isinstance(values, dict):
        return {line: each.tolist() for line, each in values.items()}
    listed: Values = values.tolist()
    return listed


def _whole(indicator: Indicator, value: Value) -> float | Mapping[str, float | None] | None:
    """A newest value; where there is none yet, that of each line.

    To 12 digits: the last ones of a sum depend on when its state began, and two processes are to answer the same.
    """
    if value is None:
        return dict.fromkeys(indicator.lines) or None
    if isinstance(value, dict):
        return {line: float(f"{each:.12g}") for line, each in value.items()}
    return float(f"{value:.12g}")


def _columns(indicator: Indicator) -> list[str]:
    """The names of an indicator's columns."""
    return [f"{indicator}.{line}" for line in indicator.lines] or [str(indicator)]


def _named(indicator: Indicator, values: Values | dict[str, Values]) -> dict[str, Values]:
    """An indicator's columns."""
    columns = [values[line] for line in indicator.lines] if isinstance(values, dict) else [values]
    return dict(zip(_columns(indicator), columns, strict=True))


def _packed(kept: "Kept") -> bytes:
    """An article's place among the news."""
    return kept.article.published_at.to_bytes(8) + bytes.fromhex(kept.article.id)


def _position(packed: bytes) -> tuple[int, str]:
    return int.from_bytes(packed[:8]), packed[8:].hex()


def _fresh_until(now: int, until: int) -> int:
    """What may change is looked at again every few minutes: late trades and repairs change closed rows."""
    return now + DAY if until >= now + charts.SETTLED_KEPT else min(until, now + FRESH)


def _next(cursor: str | None) -> dict[str, str]:
    return {} if cursor is None else {"X-Next-Cursor": cursor}

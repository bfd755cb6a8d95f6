"""Reports on a portfolio: holdings, performance, history, gains."""

from typing import Annotated, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from cryptopulse import wiring
from cryptopulse.api import callers
from cryptopulse.api.app import Answer, Api
from cryptopulse.api.bodies import CsvFile
from cryptopulse.api.deps import Accepts, Now, Who, parameters
from cryptopulse.api.lists import Paged, paged
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.lots import Method
from cryptopulse.domain.portfolios import Currency
from cryptopulse.domain.reports import (
    FIRST_YEAR,
    GainRow,
    Gains,
    History,
    HistoryQuery,
    Holdings,
    PerformanceQuery,
    PerformanceView,
    PeriodQuery,
    Year,
    year_of,
    year_span,
)
from cryptopulse.domain.tokens import Caller
from cryptopulse.domain.valuation import Valuation
from cryptopulse.telemetry import entrypoint

api = Api(lambda event: callers.authenticate(event, live=False))


class HoldingsQuery(Paged, kw_only=True):
    """Which lots were taken."""

    method: Annotated[Method, Meta(description="Without it the portfolio's")] | UnsetType = UNSET


class GainsQuery(HoldingsQuery, kw_only=True):
    """Which year, and which lots are taken."""

    year: Annotated[int, Meta(ge=FIRST_YEAR, le=2999, description="UTC; without it this year")] | UnsetType = UNSET


@api.get("/portfolios/<portfolio_id>/holdings", tags=["Portfolios"])
def read_holdings(
    portfolio_id: str, query: Annotated[HoldingsQuery, parameters(HoldingsQuery)], caller: Who, now: Now
) -> Answer[Holdings]:
    """What a portfolio holds now, what it cost and what it is worth.

    The most valuable first; `totals`, `unpriced` and `missing` are of all, not of a page.
    """
    reader = wiring.portfolios().read(caller.user, portfolio_id)
    base, book = reader.portfolio.base_currency, reader.book(None if query.method is UNSET else query.method)
    holdings = Holdings.of(book, wiring.quotes().now(book.holdings, base, now), base)
    page = paged(holdings.items, f"/portfolios/{portfolio_id}/holdings", query)
    return Answer(replace(holdings, items=page.items, next_cursor=page.next_cursor))


@api.get("/portfolios/<portfolio_id>/performance", tags=["Portfolios"])
def read_performance(
    portfolio_id: str, query: Annotated[PerformanceQuery, parameters(PerformanceQuery)], caller: Who, now: Now
) -> Answer[PerformanceView]:
    """How well a portfolio did: time-weighted and money-weighted, with what each asset had to do with it.

    Ratios are fractions; what cannot be computed is null. The formulas, with their sources, are in docs/returns.md.
    """
    base, valued = _valued(portfolio_id, query, caller, now)
    symbol = None if query.benchmark is UNSET else query.benchmark
    times = [valued.start, *(min(day.day + DAY, valued.end) for day in valued.days)]
    closes = [] if symbol is None else wiring.quotes().closes(symbol, times, now)
    return Answer(PerformanceView.of(valued, base, symbol, closes, annualize=query.annualize))


@api.get("/portfolios/<portfolio_id>/history", tags=["Portfolios"])
def read_history(
    portfolio_id: str, query: Annotated[HistoryQuery, parameters(HistoryQuery)], caller: Who, now: Now
) -> Answer[History]:
    """A portfolio's value and net contributions, day by day."""
    base, valued = _valued(portfolio_id, query, caller, now)
    return Answer(History.of(valued, base))


def _valued(portfolio_id: str, query: PeriodQuery, caller: Caller, now: int) -> tuple[Currency, Valuation]:
    """The portfolio's currency, and its valuation over the period asked for."""
    reader = wiring.portfolios().read(caller.user, portfolio_id)
    start, end = query.span(reader.first, now)
    return reader.portfolio.base_currency, wiring.valuations().over(caller.user, reader, start, end, now)


@api.get("/portfolios/<portfolio_id>/gains", tags=["Portfolios"])
def read_gains(
    portfolio_id: str, query: Annotated[GainsQuery, parameters(GainsQuery)], caller: Who, accepts: Accepts, now: Now
) -> Answer[Gains] | CsvFile:
    """Each disposal of a year, matched to its lots.

    `totals` are of the whole year, not of a page. With `Accept: text/csv` all rows as CSV; above 4 MB only with
    `Accept-Encoding: gzip` too.
    """
    reader = wiring.portfolios().read(caller.user, portfolio_id)
    portfolio = reader.portfolio
    number = year_of(now) if query.year is UNSET else query.year
    method = portfolio.cost_basis if query.method is UNSET else query.method
    start, end = year_span(number)
    year = Year.of(reader.transactions(0, end), method, portfolio.base_currency, start)
    if accepts == "csv":
        return CsvFile(f"gains-{number}-{method}", year.csv)
    page = paged(year.matches, f"/portfolios/{portfolio_id}/gains", query)
    return Answer(
        Gains(
            year=number,
            method=method,
            base_currency=portfolio.base_currency,
            items=[GainRow.of(match) for match in page.items],
            next_cursor=page.next_cursor,
            totals=year.totals,
        )
    )


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)

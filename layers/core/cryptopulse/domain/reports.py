"""Reports: what a portfolio holds, how well it did, and what it gained; the conventions are in docs/returns.md."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import Annotated, Final, Self

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import astuple

from cryptopulse.domain import returns
from cryptopulse.domain.bookkeeping import enter
from cryptopulse.domain.candles import DAY, floor
from cryptopulse.domain.lots import EXACT, ZERO, Book, Match, Method, Term, rounded
from cryptopulse.domain.portfolios import GENESIS, Currency
from cryptopulse.domain.times import Moment, Time, rfc3339
from cryptopulse.domain.transactions import Mark, Transaction
from cryptopulse.domain.valuation import Valuation
from cryptopulse.errors import InvalidError

LONGEST: Final = 20 * 366 * DAY
"""A period's ms."""
PLACES: Final = 12
"""Of ratios and percentages."""
_RATIO: Final = Context(prec=100, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation])

Amount = Annotated[str, Meta(description="Exact, in the base currency", examples=["1250.5"])]
Quantity = Annotated[str, Meta(description="Exact", examples=["0.25"])]
Ratio = Annotated[str | None, Meta(description="A fraction, 0.1 is 10 %; null where it cannot be computed")]
Percent = Annotated[str | None, Meta(description="Per cent; null where it cannot be computed")]
Date = Annotated[str, Meta(extra_json_schema={"format": "date"}, examples=["2026-11-22"])]

DaysWithoutPrice = Annotated[
    int, Meta(description="Days on which an asset held had none: its last one, else a transaction's, was used")
]
Unpriced = Annotated[list[str], Meta(description="Assets that no market knows: valued as transactions last told")]


class Lack(Struct):
    """A quantity of which no acquisition is known: its cost counts as 0."""

    asset: str
    quantity: Quantity


# --- holdings ---


class HoldingRow(Struct, kw_only=True):
    """What there is of an asset, what it cost and what it is worth."""

    asset: str
    quantity: Quantity
    cost_basis: Amount
    average_cost: Annotated[Amount, Meta(description="Of one unit, in the base currency, to 18 decimals")]
    price: Annotated[str | None, Meta(description="In the base currency; null where no market is known")]
    price_time: Annotated[Moment | None, Meta(description="When that was the price")]
    value: Annotated[Amount | None, Meta(description="quantity × price, in the base currency; null without a price")]
    unrealized: Annotated[Amount | None, Meta(description="value − cost_basis, in the base currency")]
    unrealized_pct: Annotated[Percent, Meta(description="Per cent of the cost; null where that is 0")]
    allocation_pct: Annotated[
        Percent, Meta(description="Per cent of the value of all that has a price; null without one")
    ]


class HoldingTotals(Struct, kw_only=True):
    """Of everything that has a price; but what was realized is of all disposals ever."""

    value: Amount
    cost_basis: Annotated[Amount, Meta(description="Of what has a price: value − cost_basis is unrealized")]
    unrealized: Amount
    realized: Annotated[Amount, Meta(description="Gain of all disposals so far, of unpriced assets too")]


class Holdings(Struct, kw_only=True):
    """What a portfolio holds, the most valuable first; `totals`, `unpriced` and `missing` are of all, not of a page."""

    base_currency: Currency
    items: list[HoldingRow]
    next_cursor: Annotated[str | None, Meta(description="`cursor` of the next page; null on the last")] = None
    totals: HoldingTotals
    unpriced: Annotated[list[str], Meta(description="Assets held that have no price: they count nothing in totals")]
    missing: Annotated[list[Lack], Meta(description="What was disposed of or received, its acquisition not known")]

    @classmethod
    def of(cls, book: Book, marks: Mapping[str, Mark], base: Currency) -> Self:
        """What a book holds, at the prices of `marks`."""
        held = book.holdings
        values = {
            asset: rounded(EXACT.multiply(holding.quantity, marks[asset].price))
            for asset, holding in held.items()
            if asset in marks
        }
        value, cost = _total(values.values()), _total(held[asset].cost for asset in values)
        rows = []
        for asset in sorted(held, key=lambda asset: (asset not in values, -values.get(asset, ZERO), asset)):
            holding, mark, own = held[asset], marks.get(asset), values.get(asset)
            gain = None if own is None else EXACT.subtract(own, holding.cost)
            row = HoldingRow(
                asset=asset,
                quantity=plain(holding.quantity),
                cost_basis=plain(holding.cost),
                average_cost=plain(rounded(_RATIO.divide(holding.cost, holding.quantity))),
                price=None if mark is None else plain(mark.price),
                price_time=None if mark is None else rfc3339(mark.time),
                value=None if own is None else plain(own),
                unrealized=None if gain is None else plain(gain),
                unrealized_pct=_percent(gain, holding.cost),
                allocation_pct=_percent(own, value),
            )
            rows.append(row)
        return cls(
            base_currency=base,
            items=rows,
            totals=HoldingTotals(
                value=plain(value),
                cost_basis=plain(cost),
                unrealized=plain(EXACT.subtract(value, cost)),
                realized=plain(_total(book.realised.values())),
            ),
            unpriced=sorted(set(held) - set(values)),
            missing=_lacks(book.missing),
        )


# --- over a period ---


class PeriodQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which time to look at."""

    start: Annotated[Time, Meta(description="Included; without it the first transaction")] | UnsetType = UNSET
    end: Annotated[Time, Meta(description="Not included; without it, and in the future, now")] | UnsetType = UNSET

    def span(self, first: int | None, now: int) -> tuple[int, int]:
        """Start and end (Unix ms).

        Args:
            first: When the first transaction was, if there is any.
            now: Unix ms.

        Raises:
            InvalidError: It does not start before it ends, or is longer than 20 years.
        """
        end = now if self.end is UNSET else min(int(self.end), now)
        if self.start is not UNSET:
            start = int(self.start)
        else:
            start = first if first is not None and first < end else floor(end - 1, DAY)
        if start >= end:
            raise InvalidError("start", "Expected a time before the end, and not in the future")
        if end - start > LONGEST:
            raise InvalidError("start", "Expected a period of at most 20 years")
        return start, end


class PerformanceQuery(PeriodQuery, kw_only=True):
    """Which time to look at, and what to compare with."""

    benchmark: Annotated[str, Meta(description="A symbol", examples=["BTC-USD"])] | UnsetType = UNSET
    annualize: Annotated[bool, Meta(description="Annualise the return of less than 365 days too")] = False


class HistoryQuery(PeriodQuery, kw_only=True):
    """Which time to look at."""

    interval: Annotated[str, Meta(pattern="^1d$", description="`1d`: no other yet")] = "1d"


class DrawdownView(Struct):
    """The largest fall of the index: a fraction, and the days of its top and bottom."""

    value: Ratio
    peak: Annotated[Date | None, Meta(description="The day of its top; null where it never fell")]
    trough: Annotated[Date | None, Meta(description="The day of its bottom; null where it never fell")]


class BenchmarkView(Struct):
    """What one unit of the benchmark returned, from the first day on which the portfolio held something."""

    symbol: str
    twr: Ratio


class AssetView(Struct, kw_only=True):
    """What an asset had to do with the gain; trades are flows from one asset to the other."""

    asset: str
    value: Annotated[Amount, Meta(description="At the end")]
    allocation: Annotated[Ratio, Meta(description="Fraction of the value at the end")]
    gain: Annotated[Amount, Meta(description="Value at the end − at the start − net flows into it; they add up")]
    contribution: Annotated[
        Ratio,
        Meta(description="The gain by the portfolio's average capital: the opening value, and each flow for its time"),
    ]


class PerformanceView(Struct, kw_only=True):
    """How well a portfolio did; ratios are fractions (0.1 is 10 %), null where they cannot be computed."""

    start: Annotated[Moment, Meta(description="When the period begins")]
    end: Annotated[Moment, Meta(description="When it ends, not included")]
    base_currency: Currency
    value_start: Amount
    value_end: Amount
    net_contributions: Amount
    gain: Annotated[Amount, Meta(description="value_end − value_start − net_contributions")]
    twr: Annotated[Ratio, Meta(description="Time-weighted return, linked at every flow: a fraction")]
    twr_annualized: Annotated[
        Ratio, Meta(description="The same for a year: a fraction; null below 365 days, unless `annualize`")
    ]
    mwr: Annotated[
        Ratio, Meta(description="Money-weighted return, XIRR: a fraction; of less than 365 days that of the period")
    ]
    max_drawdown: DrawdownView
    volatility: Annotated[Ratio, Meta(description="Sample deviation of daily returns × √365: a fraction")]
    sharpe: Annotated[Ratio, Meta(description="Mean of daily returns by their deviation, × √365; risk-free rate 0")]
    sortino: Annotated[Ratio, Meta(description="The same by the deviation of losses alone; target 0")]
    benchmark: Annotated[BenchmarkView | None, Meta(description="null unless one was asked for")]
    days_without_price: DaysWithoutPrice
    unpriced: Unpriced
    assets: Annotated[list[AssetView], Meta(description="The largest value first")]

    @classmethod
    def of(
        cls,
        valuation: Valuation,
        base: Currency,
        benchmark: str | None = None,
        closes: Sequence[Decimal | None] = (),
        *,
        annualize: bool = False,
    ) -> Self:
        """What a valuation tells.

        Args:
            valuation: Of the period.
            base: The portfolio's currency.
            benchmark: A symbol.
            closes: Its price at the start and at the close of each day.
            annualize: Whether to annualise the return of less than 365 days too.
        """
        period = valuation.period
        told = returns.performance(period, closes, annualize=annualize)
        fall = told.max_drawdown
        return cls(
            start=rfc3339(told.start),
            end=rfc3339(told.end),
            base_currency=base,
            value_start=plain(told.value_start),
            value_end=plain(told.value_end),
            net_contributions=plain(told.net_contributions),
            gain=plain(told.gain),
            twr=_ratio(told.twr),
            twr_annualized=_ratio(told.twr_annualized),
            mwr=_ratio(told.mwr),
            max_drawdown=DrawdownView(_ratio(fall.value), _day(fall.peak), _day(fall.trough)),
            volatility=_ratio(told.volatility),
            sharpe=_ratio(told.sharpe),
            sortino=_ratio(told.sortino),
            benchmark=None if benchmark is None else BenchmarkView(benchmark, _ratio(told.benchmark_twr)),
            days_without_price=sum(day.lacks_price for day in valuation.days),
            unpriced=valuation.unpriced,
            assets=_assets(valuation, _capital(period)),
        )


def _capital(period: returns.Period) -> Decimal:
    """What was at work, on average over the period: the opening, and each flow for the part of it that it was there.

    After P. O. Dietz, "Pension Funds: Measuring Investment Performance" (1966), as modified for the days of flows.
    """
    span = period.end - period.start
    with localcontext(EXACT):
        weighted = sum((flow.amount * (period.end - flow.time) for flow in period.flows), period.opening * span)
    return _RATIO.divide(weighted, span)


def _assets(valuation: Valuation, capital: Decimal) -> list[AssetView]:
    total = _total(share.closing for share in valuation.shares.values())
    return [
        AssetView(
            asset=asset,
            value=plain(share.closing),
            allocation=_fraction(share.closing, total),
            gain=plain(share.gain),
            contribution=_fraction(share.gain, capital),
        )
        for asset, share in sorted(valuation.shares.items(), key=lambda each: (-each[1].closing, each[0]))
    ]


class History(Struct, kw_only=True):
    """A portfolio day by day."""

    base_currency: Currency
    series: Annotated[
        list[tuple[str, str, str]],
        Meta(
            description="Day, value at its close (00:00 UTC of the next, today: now), net contributions from the start"
        ),
    ]
    days_without_price: DaysWithoutPrice
    unpriced: Unpriced

    @classmethod
    def of(cls, valuation: Valuation, base: Currency) -> Self:
        """What a valuation tells."""
        days = returns.history(valuation.period)
        return cls(
            base_currency=base,
            series=[(_date(day.day), plain(day.value), plain(day.contributions)) for day in days],
            days_without_price=sum(day.lacks_price for day in valuation.days),
            unpriced=valuation.unpriced,
        )


# --- gains ---


class GainRow(Struct, kw_only=True):
    """The part of a disposal that one lot gave."""

    asset: str
    quantity: Quantity
    acquired_at: Annotated[Moment | None, Meta(description="null where no acquisition is known")]
    disposed_at: Annotated[Moment, Meta(description="When it went")]
    proceeds: Amount
    cost_basis: Amount
    gain: Amount
    term: Annotated[Term, Meta(description="`long`: held for more than a year")]
    transaction_id: Annotated[str, Meta(description="The disposal")]
    acquisition_id: Annotated[str | None, Meta(description="The transaction that made the lot")]

    @classmethod
    def of(cls, match: Match) -> Self:
        """A match's."""
        return cls(
            asset=match.asset,
            quantity=plain(match.quantity),
            acquired_at=None if match.acquired_at is None else rfc3339(match.acquired_at),
            disposed_at=rfc3339(match.disposed_at),
            proceeds=plain(match.proceeds),
            cost_basis=plain(match.cost_basis),
            gain=plain(match.gain),
            term=match.term,
            transaction_id=match.disposal,
            acquisition_id=match.acquisition,
        )


class GainTotals(Struct, kw_only=True):
    """Of the whole year: exactly the sums of its rows."""

    proceeds: Amount
    cost_basis: Amount
    gain: Amount
    short: Annotated[Amount, Meta(description="Gain of what was held for a year or less")]
    long: Annotated[Amount, Meta(description="Gain of what was held for more than a year")]
    income: Annotated[Amount, Meta(description="Value of the year's rewards and airdrops when they came")]
    missing: Annotated[list[Lack], Meta(description="What was disposed of, its acquisition not known")]


class Gains(Struct, kw_only=True):
    """A year's disposals, matched to their lots, in order; `totals` are of the whole year, not of a page."""

    year: Annotated[int, Meta(description="A year, from 1 January to 31 December, UTC")]
    method: Annotated[
        Method, Meta(description="Which lots were taken: the portfolio's `cost_basis`, or what was asked for")
    ]
    base_currency: Currency
    items: list[GainRow]
    next_cursor: Annotated[str | None, Meta(description="`cursor` of the next page; null on the last")]
    totals: GainTotals


class Year(Struct, frozen=True):
    """A tax year, UTC: its disposals and its income in the base currency."""

    matches: list[Match]
    income: Decimal

    @classmethod
    def of(cls, transactions: Iterable[Transaction], method: Method, base: Currency, start: int) -> Self:
        """The year from `start` (Unix ms) on.

        Args:
            transactions: All from the first one to the year's last, in order, marked.
            method: Which lots are taken.
            base: The portfolio's currency.
            start: Unix ms.
        """
        book, matches, income = Book(method), [], []
        for tx in transactions:
            entry = enter(book, tx, base)
            if tx.time >= start:
                matches += entry.matches
                income.append(entry.income)
        return cls(matches, _total(income))

    @property
    def totals(self) -> GainTotals:
        """Of all its disposals."""
        missing: defaultdict[str, Decimal] = defaultdict(Decimal)
        for match in self.matches:
            if match.acquired_at is None:
                missing[match.asset] = EXACT.add(missing[match.asset], match.quantity)
        proceeds = _total([match.proceeds for match in self.matches])
        gain = _total([match.gain for match in self.matches])
        long = _total([match.gain for match in self.matches if match.term == "long"])
        return GainTotals(
            proceeds=plain(proceeds),
            cost_basis=plain(EXACT.subtract(proceeds, gain)),
            gain=plain(gain),
            short=plain(EXACT.subtract(gain, long)),
            long=plain(long),
            income=plain(self.income),
            missing=_lacks(missing),
        )

    @property
    def csv(self) -> Iterator[str]:
        """Its rows as the lines of a CSV file, the header first.

        Codes, numbers and times only: nothing needs quotes, and no spreadsheet can see a formula.
        """
        yield ",".join(GainRow.__struct_fields__) + "\r\n"
        for match in self.matches:
            yield ",".join(field or "" for field in astuple(GainRow.of(match))) + "\r\n"


def year_span(year: int) -> tuple[int, int]:
    """Start and end of a year, UTC (Unix ms)."""
    start, end = (int(datetime(each, 1, 1, tzinfo=UTC).timestamp()) * 1000 for each in (year, year + 1))
    return start, end


def year_of(time: int) -> int:
    """The year of a time (Unix ms), UTC."""
    return datetime.fromtimestamp(time // 1000, UTC).year


FIRST_YEAR: Final = year_of(GENESIS)


# --- numbers as answers write them ---


def plain(amount: Decimal) -> str:
    """An amount without exponent, and without zeros that say nothing."""
    return f"{amount.normalize(EXACT) or ZERO:f}"


def _ratio(ratio: Decimal | None) -> str | None:
    return None if ratio is None else plain(ratio)


def _fraction(part: Decimal, whole: Decimal) -> str | None:
    """To 12 places; None where the whole is nothing or less."""
    if whole <= 0:
        return None
    ratio = _RATIO.quantize(_RATIO.divide(part, whole), Decimal(1).scaleb(-PLACES))
    return plain(ratio) if abs(ratio) < returns.LARGEST else None


def _percent(part: Decimal | None, whole: Decimal) -> str | None:
    return None if part is None else _fraction(EXACT.multiply(part, Decimal(100)), whole)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(amounts, ZERO)


def _lacks(missing: Mapping[str, Decimal]) -> list[Lack]:
    return [Lack(asset, plain(quantity)) for asset, quantity in sorted(missing.items())]


def _day(time: int | None) -> str | None:
    return None if time is None else _date(time)


def _date(time: int) -> str:
    return f"{datetime.fromtimestamp(time // 1000, UTC):%Y-%m-%d}"

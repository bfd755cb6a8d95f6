"""Statements: a portfolio's year as figures and tables, whatever they are then written as."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from cryptopulse.domain import reports
from cryptopulse.domain.bookkeeping import money
from cryptopulse.domain.lots import EXACT, Method
from cryptopulse.domain.portfolios import Currency, Portfolio
from cryptopulse.domain.reports import GainRow, GainTotals, History, Holdings, PerformanceView
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Transaction
from cryptopulse.errors import InvalidError

type Kind = Literal["text", "month", "day", "time", "quantity", "money", "price", "ratio", "number"]
"""What a value is: times are Unix ms, ratios fractions."""
type Value = str | int | Decimal | None

_ROUNDING: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_NAMED: Final = 20
"""Assets that a note names at most."""


class Column(NamedTuple):
    """A column's title, and what stands in it."""

    title: str
    kind: Kind


type Columns = Mapping[str, Column]
"""By the names of what is shown."""
type Item = Struct | Mapping[str, Any]
"""What a row is made of."""


class Figure(NamedTuple):
    """A value with its name."""

    name: str
    kind: Kind
    value: Value


class Table(NamedTuple):
    """Rows under columns."""

    name: str
    columns: tuple[Column, ...]
    rows: list[tuple[Value, ...]]
    totals: tuple[Value, ...] | None = None
    """Of all rows, also where not all are shown."""
    length: int = 0
    """Rows that there are."""

    @property
    def cut(self) -> str:
        """What to say where not all rows are shown; nothing where they are."""
        if len(self.rows) == self.length:
            return ""
        return f"The first {len(self.rows):,} of {self.length:,} rows; totals are of all."


class Statement(NamedTuple):
    """What a statement says, in the order in which it does; money in the base currency."""

    title: str
    year: int
    base: Currency
    made_at: int
    """Unix ms."""
    about: list[Figure]
    performance: list[Figure]
    realised: list[Figure]
    tables: list[Table]
    days: Table
    """Day, value, contributions, start and contributions: what the chart shows."""
    notes: list[str]


class Income(NamedTuple):
    """A reward or an airdrop, and what it was worth when it came."""

    time: int
    type: str
    asset: str
    quantity: Decimal
    value: Decimal
    note: str | None
    id: str


class Findings(NamedTuple):
    """What is known of a portfolio's year; times in Unix ms."""

    portfolio: Portfolio
    start: int
    end: int
    now: int
    holdings: Holdings
    """At the end."""
    gains: reports.Year
    income: list[Income]
    performance: PerformanceView
    history: History


def span(year: int, now: int) -> tuple[int, int]:
    """The start and the end of a year in UTC (Unix ms).

    Raises:
        InvalidError: It has not begun, or is before there was anything to hold.
    """
    last = reports.year_of(now)
    if not reports.FIRST_YEAR <= year <= last:
        raise InvalidError("year", f"Expected a year from {reports.FIRST_YEAR} to {last}")
    return reports.year_span(year)


def moment(time: int) -> datetime:
    """A time (Unix ms) in UTC."""
    return datetime.fromtimestamp(time / 1000, UTC)


def incomes(transactions: Iterable[Transaction], base: Currency) -> list[Income]:
    """The rewards and airdrops among these transactions.

    Args:
        transactions: In order, marked.
        base: The portfolio's currency.
    """
    received = (tx for tx in transactions if tx.type in ("reward", "airdrop"))
    return [Income(tx.time, tx.type, tx.asset, tx.quantity, money(tx, base).income, tx.note, tx.id) for tx in received]


# --- what it says ---

ASSETS: Final[Columns] = {
    "asset": Column("Asset", "text"),
    "term": Column("Term", "text"),
    "quantity": Column("Quantity", "quantity"),
    "proceeds": Column("Proceeds", "money"),
    "cost_basis": Column("Cost basis", "money"),
    "gain": Column("Gain", "money"),
}
MONTHS: Final[Columns] = {
    "month": Column("Month", "month"),
    "value": Column("Value at its end", "money"),
    "contributions": Column("Net contributions", "money"),
    "gain": Column("Gain", "money"),
}
_DAYS: Final[Columns] = {
    "day": Column("Day", "day"),
    "value": Column("Value", "money"),
    "contributions": Column("Net contributions", "money"),
    "invested": Column("Start and contributions", "money"),
}
_HOLDINGS: Final[Columns] = {
    "asset": Column("Asset", "text"),
    "quantity": Column("Quantity", "quantity"),
    "cost_basis": Column("Cost basis", "money"),
    "average_cost": Column("Average cost", "price"),
    "price": Column("Price", "price"),
    "price_time": Column("Priced (UTC)", "time"),
    "value": Column("Value", "money"),
    "unrealized": Column("Unrealised", "money"),
    "unrealized_pct": Column("Unrealised, %", "ratio"),
    "allocation_pct": Column("Share, %", "ratio"),
}
_GAINS: Final[Columns] = {
    "asset": Column("Asset", "text"),
    "quantity": Column("Quantity", "quantity"),
    "acquired_at": Column("Acquired (UTC)", "time"),
    "disposed_at": Column("Disposed (UTC)", "time"),
    "proceeds": Column("Proceeds", "money"),
    "cost_basis": Column("Cost basis", "money"),
    "gain": Column("Gain", "money"),
    "term": Column("Term", "text"),
    "transaction_id": Column("Disposal", "text"),
    "acquisition_id": Column("Acquisition", "text"),
}
_INCOME: Final[Columns] = {
    "time": Column("Received (UTC)", "time"),
    "type": Column("Type", "text"),
    "asset": Column("Asset", "text"),
    "quantity": Column("Quantity", "quantity"),
    "value": Column("Value", "money"),
    "note": Column("Note", "text"),
    "id": Column("Transaction", "text"),
}
METHODS: Final[Mapping[Method, str]] = {
    "fifo": "First in, first out (FIFO)",
    "lifo": "Last in, first out (LIFO)",
    "hifo": "Highest cost first (HIFO)",
    "acb": "Average cost (ACB)",
}
_TIMES: Final[Mapping[Kind, str]] = {"month": "%Y-%m", "day": "%Y-%m-%d", "time": "%Y-%m-%d %H:%M:%S"}
_MISSING: Final[Columns] = {"asset": Column("Asset", "text"), "quantity": Column("Quantity", "quantity")}


def statement(
    found: Findings, assets: Sequence[Mapping[str, Value]], months: Sequence[Mapping[str, Value]], most: int
) -> Statement:
    """The statement of a year.

    Args:
        found: What is known of it.
        assets: Its gains by asset and term, as `ASSETS` names them.
        months: Its months, as `MONTHS` names them.
        most: Rows that a table shows at most.
    """
    holdings, performance, totals = found.holdings, found.performance, found.gains.totals
    whole = {"value": performance.value_end, "contributions": performance.net_contributions, "gain": performance.gain}
    rows = [GainRow.of(match) for match in found.gains.matches[:most]]
    days = [
        {"day": day, "value": value, "contributions": paid, "invested": EXACT.add(opening, Decimal(paid))}
        for opening in [Decimal(performance.value_start)]
        for day, value, paid in found.history.series
    ]
    return Statement(
        title=found.portfolio.name,
        year=reports.year_of(found.start),
        base=found.portfolio.base_currency,
        made_at=found.now,
        about=_about(found),
        performance=_performance(performance),
        realised=_realised(totals),
        tables=[
            table("Holdings", _HOLDINGS, holdings.items, most, holdings.totals),
            table("Gains by asset", ASSETS, assets, most, totals),
            table("Gains", _GAINS, rows, most, totals, len(found.gains.matches)),
            table("Income", _INCOME, [each._asdict() for each in found.income], most, {"value": totals.income}),
            table("Without acquisition", _MISSING, totals.missing, most),
            table("Months", MONTHS, months, most, whole),
        ],
        days=table("Days", _DAYS, days, len(days)),
        notes=_notes(found),
    )


def table(
    name: str,
    columns: Columns,
    items: Sequence[Item],
    most: int,
    totals: Item | None = None,
    length: int | None = None,
) -> Table:
    """A table of what items tell under the columns' names.

    Args:
        name: The table's.
        columns: What to show.
        items: The rows; amounts may be text.
        most: How many of them to show.
        totals: Of what it does not name there is no total.
        length: How many rows there are, where not all are among the items.
    """
    rows = [_cells(item, columns) for item in items[:most]]
    last = None if totals is None else _totals(_cells(totals, columns))
    return Table(name, tuple(columns.values()), rows, last, len(items) if length is None else length)


def _totals(cells: Sequence[Value]) -> tuple[Value, ...]:
    return ("Total", *("" if cell is None else cell for cell in cells[1:]))


def _cells(item: Item, columns: Columns) -> tuple[Value, ...]:
    told = item if isinstance(item, Mapping) else asdict(item)
    return tuple(_cell(told.get(name), name, column.kind) for name, column in columns.items())


def _cell(told: Any, name: str, kind: Kind) -> Value:
    if told is None or kind == "text":
        return None if told is None else str(told)
    if kind in ("month", "day", "time"):
        return Time.parse(told) if isinstance(told, str) else int(told)
    amount = Decimal(told)
    return amount.scaleb(-2, EXACT) if name.endswith("_pct") else amount


def _about(found: Findings) -> list[Figure]:
    return [
        Figure("Base currency", "text", found.portfolio.base_currency),
        Figure("Cost basis", "text", METHODS[found.portfolio.cost_basis]),
        Figure("From (UTC)", "time", found.start),
        Figure("Until (UTC)", "time", found.end),
        Figure("Made at (UTC)", "time", found.now),
    ]


def _performance(told: PerformanceView) -> list[Figure]:
    fall = told.max_drawdown
    return [
        _figure("Value at the start", "money", told.value_start),
        _figure("Net contributions", "money", told.net_contributions),
        _figure("Gain", "money", told.gain),
        _figure("Value at the end", "money", told.value_end),
        _figure("Time-weighted return", "ratio", told.twr),
        _figure("Money-weighted return", "ratio", told.mwr),
        _figure("Largest fall", "ratio", fall.value),
        _figure("Its peak", "day", fall.peak),
        _figure("Its trough", "day", fall.trough),
        _figure("Volatility", "ratio", told.volatility),
        _figure("Sharpe ratio", "number", told.sharpe),
        _figure("Sortino ratio", "number", told.sortino),
        Figure("Days without a price", "number", told.days_without_price),
    ]


def _realised(told: GainTotals) -> list[Figure]:
    return [
        _figure("Proceeds", "money", told.proceeds),
        _figure("Cost basis", "money", told.cost_basis),
        _figure("Gain", "money", told.gain),
        _figure("Short-term gain", "money", told.short),
        _figure("Long-term gain", "money", told.long),
        _figure("Income", "money", told.income),
    ]


def _figure(name: str, kind: Kind, told: str | None) -> Figure:
    return Figure(name, kind, _cell(told, name, kind))


def _notes(found: Findings) -> list[str]:
    notes = [
        f"Money is in {found.portfolio.base_currency}, times are in UTC; the year ends at 00:00 of the next, or now.",
        "Money, prices and ratios are shown rounded. What a spreadsheet cannot hold stands beside it as text, exact.",
    ]
    if unpriced := sorted({*found.holdings.unpriced, *found.performance.unpriced}):
        valued = "worth what a transaction last paid in returns, nothing in holdings"
        notes.append(f"Without a market price: {valued}: {_some(unpriced)}.")
    if missing := [each.asset for each in found.gains.totals.missing]:
        notes.append(f"Disposed of without a known acquisition, that part at a cost of 0: {_some(missing)}.")
    return notes


def _some(assets: Sequence[str]) -> str:
    more = f" and {len(assets) - _NAMED:,} more" if len(assets) > _NAMED else ""
    return ", ".join(assets[:_NAMED]) + more


# --- how it is shown ---


def shown(value: Value, kind: Kind, base: Currency) -> str:
    """A value as people read it: money and prices rounded, quantities exact, thousands apart."""
    if value is None or isinstance(value, str):
        return value or ""
    if kind in _TIMES:
        return f"{moment(int(value)):{_TIMES[kind]}}"
    number = Decimal(value)
    if kind == "quantity":
        text = f"{number:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if kind == "ratio":
        return f"{_rounded(number.scaleb(2, _ROUNDING), 2)} %"
    if kind == "number":
        return _rounded(number, 2) if isinstance(value, Decimal) else f"{value}"
    least = 8 if base == "BTC" else 2
    return _rounded(number, least if kind == "money" else max(least, min(18, 5 - number.adjusted())))


def _rounded(number: Decimal, places: int) -> str:
    text = f"{number.quantize(Decimal(1).scaleb(-places), context=_ROUNDING):,f}"
    return text if any(digit in "123456789" for digit in text) else text.removeprefix("-")

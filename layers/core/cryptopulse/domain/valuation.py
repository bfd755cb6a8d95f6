"""Valuation: what a portfolio was worth day by day, around each of its flows, and what each asset had to do with it.

The conventions are in docs/returns.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from itertools import groupby, repeat
from operator import mul
from typing import Final, NamedTuple, Self, cast

from msgspec import Struct

from cryptopulse.domain.bookkeeping import Money, money, moves, worth
from cryptopulse.domain.candles import DAY, floor
from cryptopulse.domain.lots import EXACT, ZERO, rounded
from cryptopulse.domain.portfolios import Currency, Kind
from cryptopulse.domain.quotes import Quote, Quotes
from cryptopulse.domain.returns import Flow, Period
from cryptopulse.domain.transactions import Transaction

STRETCH: Final = 32 * DAY
"""Prices around flows are looked up for so many ms at once."""
_AT_MARKET: Final[frozenset[Kind]] = frozenset(("deposit", "withdrawal", "transfer"))
_NONE: Final = Quote(ZERO, 0)
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply


class Inventory(Struct):
    """What a portfolio has at some time."""

    quantities: dict[str, Decimal] = {}
    """Of each asset; never negative."""
    told: dict[str, Quote] = {}
    """What transactions last told of an asset's price."""

    @classmethod
    def after(cls, transactions: Iterable[Transaction], base: Currency) -> Self:
        """What there is after all its transactions up to then, in order and marked."""
        inventory = cls()
        for tx in transactions:
            inventory.take(tx)
            inventory.learn(tx, base)
        return inventory

    def take(self, tx: Transaction) -> list[tuple[str, Decimal]]:
        """Makes a transaction's changes of quantities, and tells them: what is not there cannot be given."""
        made = []
        for asset, change in moves(tx):
            held = self.quantities.get(asset, ZERO)
            self.quantities[asset] = left = max(_add(held, change), ZERO)
            made.append((asset, _subtract(left, held)))
        return made

    def learn(self, tx: Transaction, base: Currency) -> None:
        """Notes what a transaction tells of its asset's price."""
        if (price := worth(tx, tx.asset, base)) is not None:
            self.told[tx.asset] = Quote(price, tx.time)


class DayValue(Struct, frozen=True, array_like=True, gc=False):
    """A day of a portfolio."""

    day: int
    """00:00 UTC (Unix ms)."""
    value: Decimal
    """At its close."""
    lacks_price: bool
    """Whether an asset held at the close had no price that day."""
    flows: list[Flow]


class Share(NamedTuple):
    """What an asset was worth, and what came into it in between, from outside or from another asset."""

    opening: Decimal
    inflow: Decimal
    closing: Decimal

    @property
    def gain(self) -> Decimal:
        """What it earned."""
        return _subtract(_subtract(self.closing, self.opening), self.inflow)


class Valuation(Struct, frozen=True):
    """What is known of a portfolio from `start` to `end` (Unix ms); money in its base currency."""

    start: int
    end: int
    opening: Decimal
    """Value at the start, before any flow then."""
    days: list[DayValue]
    shares: dict[str, Share]
    """Of each asset that counts; they add up to the portfolio's values and gain."""
    unpriced: list[str]
    """The assets that no market knew up to the end: they count nothing."""

    @property
    def period(self) -> Period:
        """What returns are made of."""
        flows = [flow for day in self.days for flow in day.flows]
        return Period(self.start, self.end, self.opening, flows, [day.value for day in self.days])


def valuation(
    inventory: Inventory, transactions: Iterable[Transaction], quotes: Quotes, base: Currency, start: int, end: int
) -> Valuation:
    """Values a portfolio at the start, around each flow, and at the close of each day.

    Args:
        inventory: What there is at the start; what there is at the end when this returns.
        transactions: Those from the start to the end, in order, marked.
        quotes: Prices of all these assets.
        base: The portfolio's currency.
        start: Unix ms; included.
        end: Unix ms; not included.

    Raises:
        KeyError: A transaction lacks the rate of a currency that it needs.
    """
    walk = _Walk(inventory, quotes, base, end)
    opening = walk.values(start)
    days: list[DayValue] = []
    for _, stretch in groupby(_by_day(transactions, start, end), lambda each: each[0] // STRETCH):
        days += walk.over(list(stretch))
    closing = walk.values(end)
    shares = {
        asset: Share(opening.get(asset, ZERO), walk.inflows.get(asset, ZERO), closing.get(asset, ZERO))
        for asset in sorted({*opening, *walk.inflows, *closing})
    }
    with localcontext(EXACT):
        return Valuation(start, end, sum(opening.values(), ZERO), days, shares, walk.unpriced)


def _by_day(transactions: Iterable[Transaction], start: int, end: int) -> Iterator[tuple[int, list[Transaction]]]:
    """Each day from the start to the end, with its transactions."""
    grouped = groupby(transactions, lambda tx: floor(tx.time, DAY))
    found, group = next(grouped, (end, iter(())))
    for day in range(floor(start, DAY), end, DAY):
        if found == day:
            yield day, list(group)
            found, group = next(grouped, (end, iter(())))
        else:
            yield day, []


class _Step(NamedTuple):
    """A transaction, and what it is to the valuation."""

    tx: Transaction
    money: Money
    is_flow: bool
    leg: str | None
    """The asset whose change is a flow of its value, where nothing else tells what came or went."""
    bearer: str | None
    """The asset that a flow goes into, and that bears the fee; None where nothing of it counts."""


class _Walk:
    """Goes through a portfolio's days."""

    def __init__(self, inventory: Inventory, quotes: Quotes, base: Currency, end: int) -> None:
        self._inventory = inventory
        self._quotes = quotes
        self._base: Currency = base
        self._end = end
        self._counted: dict[str, bool] = {}
        self.inflows: defaultdict[str, Decimal] = defaultdict(Decimal)

    @property
    def unpriced(self) -> list[str]:
        """The assets met that do not count."""
        return sorted(asset for asset, counts in self._counted.items() if not counts)

    def values(self, moment: int) -> dict[str, Decimal]:
        """What there is now of each asset, at the prices of a moment."""
        held = [(asset, quantity) for asset, quantity in self._inventory.quantities.items() if quantity]
        return {
            asset: rounded(_multiply(quantity, self._close(asset, moment)[0]))
            for asset, quantity in held
            if self._counts(asset)
        }

    def over(self, days: Sequence[tuple[int, list[Transaction]]]) -> list[DayValue]:
        """The next days."""
        planned = [(day, [self._plan(tx) for tx in transactions]) for day, transactions in days]
        steps = [step for _, today in planned for step in today]
        assets = self._met(steps)
        around = _Table(assets, self._quotes, [step.tx.time for step in steps if step.is_flow])
        closes = _Table(assets, self._quotes, [min(day + DAY, self._end) - 1 for day, _ in days])
        valued = []
        for day, today in planned:
            flows = []
            for step in today:
                if step.is_flow:
                    flow = self._flow(step, around)
                    flows.append(flow)
                    self._attribute(step, flow.amount)
                else:
                    self._inventory.take(step.tx)
                    self._attribute(step, ZERO)
                self._inventory.learn(step.tx, self._base)
            valued.append(self._day(day, flows, closes))
        return valued

    def _counts(self, asset: str) -> bool:
        """Whether any market knew it up to the end."""
        if asset not in self._counted:
            self._counted[asset] = self._quotes.last(asset, self._end) is not None
        return self._counted[asset]

    def _plan(self, tx: Transaction) -> _Step:
        worths = money(tx, self._base)
        legs = [asset for asset in (tx.asset, tx.counter_asset) if asset is not None and self._counts(asset)]
        if not legs:
            return _Step(tx, worths, is_flow=False, leg=None, bearer=None)
        is_half = tx.type == "trade" and len(legs) == 1
        is_unmarked = tx.type in _AT_MARKET and worth(tx, tx.asset, self._base) is None
        leg = legs[0] if is_half or is_unmarked else None
        return _Step(tx, worths, is_flow=bool(leg or worths.contribution), leg=leg, bearer=legs[0])

    def _met(self, steps: Iterable[_Step]) -> list[str]:
        """The assets that count and are there before, or come or go in these steps."""
        quantities = self._inventory.quantities
        held = (asset for asset, quantity in quantities.items() if quantity)
        moved = (asset for step in steps for asset, _ in moves(step.tx))
        assets = [asset for asset in dict.fromkeys((*held, *moved)) if self._counts(asset)]
        quantities |= dict.fromkeys(assets, ZERO) | quantities
        return assets

    def _flow(self, step: _Step, table: "_Table") -> Flow:
        tx, leg, quantities, places = step.tx, step.leg, self._inventory.quantities, table.places
        prices = self._filled(list(next(table.rows)), tx, table)
        with localcontext(EXACT):
            before = after = sum(map(mul, map(quantities.__getitem__, places), prices), ZERO)
            amount = step.money.contribution
            for asset, change in self._inventory.take(tx):
                if asset in places:
                    after += change * prices[places[asset]]
                if asset == leg:
                    amount += change * prices[places[asset]]
                    leg = None  # what follows is the fee
        return Flow(tx.time, rounded(before), rounded(amount), rounded(after))

    def _day(self, day: int, flows: list[Flow], table: "_Table") -> DayValue:
        moment, row, lacks_price = min(day + DAY, self._end), list(next(table.rows)), False
        quantities = self._inventory.quantities
        if moment % DAY or not table.is_full:
            for place, asset in enumerate(table.places):
                if moment % DAY or row[place] is None:
                    row[place], is_old = self._close(asset, moment)
                    lacks_price |= is_old and bool(quantities[asset])
        with localcontext(EXACT):
            total = sum(map(mul, map(quantities.__getitem__, table.places), cast(list[Decimal], row)), ZERO)
        return DayValue(day, rounded(total), lacks_price, flows)

    def _filled(self, row: list[Decimal | None], tx: Transaction, table: "_Table") -> list[Decimal]:
        """The prices at a transaction: its marks, else the market's, else its own, else the last known."""
        for asset, mark in tx.marks.items():
            if asset in table.places:
                row[table.places[asset]] = mark.price
        if not table.is_full:
            for asset, place in table.places.items():
                if row[place] is None:
                    own = worth(tx, asset, self._base)
                    row[place] = self._last(asset, tx.time) if own is None else own
        return cast(list[Decimal], row)

    def _close(self, asset: str, moment: int) -> tuple[Decimal, bool]:
        """The last price known at a moment, and whether the market's is of an earlier day."""
        quote = self._quotes.last(asset, moment)
        if quote is not None and quote.time > floor(moment - 1, DAY):
            return quote.price, False
        return self._last(asset, moment), True

    def _last(self, asset: str, before: int) -> Decimal:
        """The last price known before a time, the market's or a transaction's own; 0 where there was none."""
        quotes = self._quotes.last(asset, before), self._inventory.told.get(asset)
        return max((quote for quote in quotes if quote is not None), key=lambda quote: quote.time, default=_NONE).price

    def _attribute(self, step: _Step, amount: Decimal) -> None:
        """Notes what came into each asset: a trade is a flow from one to the other, a fee from its coin."""
        tx, bearer, inflows = step.tx, step.bearer, self.inflows
        if bearer is None:
            return
        inflows[bearer] = _add(inflows[bearer], amount)
        if (coin := tx.paid_in_coin) is not None and self._counts(coin):
            inflows[coin] = _subtract(inflows[coin], step.money.fee)
            inflows[bearer] = _add(inflows[bearer], step.money.fee)
        if tx.counter_asset is not None and step.leg is None:
            value = step.money.value or rounded(_multiply(tx.quantity, self._last(tx.asset, tx.time)))
            inflows[tx.asset] = _subtract(inflows[tx.asset], value)
            inflows[tx.counter_asset] = _add(inflows[tx.counter_asset], value)


class _Table:
    """The market's prices of some assets at some times: a row for each time."""

    def __init__(self, assets: Sequence[str], quotes: Quotes, times: Sequence[int]) -> None:
        columns = [[quote and quote.price for quote in column] for column in quotes.along(assets, times)]
        self.places = {asset: place for place, asset in enumerate(assets)}
        self.is_full = all(map(all, columns))
        self.rows: Iterator[tuple[Decimal | None, ...]] = (
            zip(*columns, strict=True) if columns else repeat((), len(times))
        )

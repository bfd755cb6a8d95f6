"""Valuation: what a portfolio was worth day by day, around each of its flows, and what each asset had to do with it.

The conventions are in docs/returns.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from itertools import groupby
from math import sumprod
from typing import Final, NamedTuple, Self, cast

from msgspec import Struct

from cryptopulse.domain.bookkeeping import ONE, Money, money, moves, worth
from cryptopulse.domain.candles import DAY, floor
from cryptopulse.domain.lots import EXACT, UNIT, ZERO, rounded
from cryptopulse.domain.portfolios import Currency, Kind
from cryptopulse.domain.quotes import Quote, Quotes
from cryptopulse.domain.returns import Flow, Period
from cryptopulse.domain.transactions import Mark, Transaction

type Change = tuple[str, Decimal]
"""An asset, and by how much its quantity changes."""

STRETCH: Final = 64 * DAY
"""Prices around flows are looked up for so many ms at once."""
_AT_MARKET: Final[frozenset[Kind]] = frozenset(("deposit", "withdrawal", "transfer"))
_NONE: Final = Quote(ZERO, 0)
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply
_divide: Final = Context(prec=EXACT.prec, traps=[DivisionByZero, InvalidOperation]).divide


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

    def take(self, tx: Transaction) -> None:
        """Makes a transaction's changes of quantities: what is not there cannot be given."""
        for asset, change in moves(tx):
            self.quantities[asset] = max(_add(self.quantities.get(asset, ZERO), change), ZERO)

    def learn(self, tx: Transaction, base: Currency) -> None:
        """Notes what a transaction tells of its asset's price; in a trade one side tells that of the other."""
        given = worth(tx, tx.asset, base)
        if tx.counter_asset is not None and tx.counter_quantity is not None:
            received = worth(tx, tx.counter_asset, base)
            if given is None and received is not None:
                given = rounded(_divide(_multiply(received, tx.counter_quantity), tx.quantity))
            last = self.told.get(tx.asset) if given is None else Quote(given, tx.time)
            if received is None and last is not None:
                received = rounded(_divide(_multiply(last.price, tx.quantity), tx.counter_quantity))
                self.told[tx.counter_asset] = Quote(received, tx.time)
        if given is not None:
            self.told[tx.asset] = Quote(given, tx.time)


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
    """Of each asset; they add up to the portfolio's values and gain."""
    unpriced: list[str]
    """The assets that no market knew up to the end: what transactions last told of their prices holds."""

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
    with localcontext(EXACT):
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


class _Step(Struct, frozen=True, gc=False):
    """A transaction, and what it is to the valuation."""

    tx: Transaction
    changes: list[Change]
    money: Money
    is_flow: bool
    leg: str | None
    """The asset whose change is a flow of its value, where nothing else tells what came or went."""


class _Walk:
    """Goes through a portfolio's days, in the context of exact sums and products."""

    def __init__(self, inventory: Inventory, quotes: Quotes, base: Currency, end: int) -> None:
        self._inventory = inventory
        self._quotes = quotes
        self._base: Currency = base
        self._end = end
        self._met: set[str] = set()
        self.inflows: defaultdict[str, Decimal] = defaultdict(Decimal)

    @property
    def unpriced(self) -> list[str]:
        """The assets met that no market knew up to the end."""
        return sorted(asset for asset in self._met if self._quotes.last(asset, self._end) is None)

    def values(self, moment: int) -> dict[str, Decimal]:
        """What there is now of each asset, at the prices of a moment."""
        held = {asset: quantity for asset, quantity in self._inventory.quantities.items() if quantity}
        self._met |= held.keys()
        return {asset: rounded(quantity * self._close(asset, moment)[0]) for asset, quantity in held.items()}

    def over(self, days: Sequence[tuple[int, list[Transaction]]]) -> list[DayValue]:
        """The next days."""
        planned = [(day, [self._plan(tx) for tx in transactions]) for day, transactions in days]
        times = [step.tx.time for _, steps in planned for step in steps if step.is_flow]
        changes = [change for _, steps in planned for step in steps for change in step.changes]
        basket = _Basket(self._inventory, changes, self._quotes)
        self._met |= basket.places.keys()
        around = self._quotes.rows([*basket.places], times)
        closes = self._quotes.rows([*basket.places], [min(day + DAY, self._end) - 1 for day, _ in days])
        valued = []
        for day, steps in planned:
            flows = []
            for step in steps:
                self._inventory.learn(step.tx, self._base)
                if step.is_flow:
                    flow = self._flow(step, basket, next(around))
                    flows.append(flow)
                    self._attribute(step, flow.amount)
                else:
                    basket.change(step.changes)
                    self._attribute(step, ZERO)
            valued.append(self._day(day, flows, basket, next(closes)))
        self._inventory.quantities |= basket.quantities
        return valued

    def _plan(self, tx: Transaction) -> _Step:
        worths = money(tx, self._base)
        is_unmarked = tx.type in _AT_MARKET and worth(tx, tx.asset, self._base) is None
        leg = tx.asset if is_unmarked else None
        return _Step(tx, moves(tx), worths, is_flow=bool(leg or worths.contribution), leg=leg)

    def _flow(self, step: _Step, basket: "_Basket", row: tuple[int, ...]) -> Flow:
        tx, amount = step.tx, step.money.contribution
        prices = basket.others(row, tx.marks)
        if not all(row):
            unknown = (asset for asset, price in zip(basket.places, row, strict=True) if not price)
            prices = {asset: self._last(asset, tx.time) for asset in unknown} | prices
        worth = basket.worth(row)
        before = basket.value(worth, row, prices)
        made = basket.change(step.changes)
        after = basket.value(worth + sum([change * row[place] for place, change in made]), row, prices)
        if step.leg is not None:
            price = prices[step.leg] if step.leg in prices else basket.price(row, step.leg)
            amount = rounded(amount + basket.quantity(*made[0]) * price)
        return Flow(tx.time, before, amount, after)

    def _day(self, day: int, flows: list[Flow], basket: "_Basket", row: tuple[int, ...]) -> DayValue:
        moment = min(day + DAY, self._end)
        prices, lacks_price = {}, False
        if moment % DAY or not all(row):
            for asset, price in zip(basket.places, row, strict=True):
                if moment % DAY or not price:
                    prices[asset], is_old = self._close(asset, moment)
                    lacks_price |= is_old and basket.holds(asset)
        return DayValue(day, basket.value(basket.worth(row), row, prices), lacks_price, flows)

    def _close(self, asset: str, moment: int) -> tuple[Decimal, bool]:
        """The last price known at a moment, and whether the market's is of an earlier day."""
        quote = self._quotes.last(asset, moment)
        if quote is not None and quote.time > floor(moment - 1, DAY):
            return quote.price, False
        return self._last(asset, moment), True

    def _last(self, asset: str, before: int) -> Decimal:
        """The last price known before a time, the market's or a transaction's own; 0 where there was none."""
        quotes = self._inventory.told.get(asset), self._quotes.last(asset, before)
        return max((quote for quote in quotes if quote is not None), key=lambda quote: quote.time, default=_NONE).price

    def _attribute(self, step: _Step, amount: Decimal) -> None:
        """Notes what came into each asset: a trade is a flow from one to the other, a fee from its coin."""
        tx, inflows = step.tx, self.inflows
        inflows[tx.asset] += amount
        if (coin := tx.paid_in_coin) is not None:
            inflows[coin] -= step.money.fee
            inflows[tx.asset] += step.money.fee
        if tx.counter_asset is not None:
            value = step.money.value or rounded(tx.quantity * self._last(tx.asset, tx.time))
            inflows[tx.asset] -= value
            inflows[tx.counter_asset] += value


class _Basket:
    """What an inventory holds before some changes, and what comes or goes in them.

    Quantities are integers, so weighted that they and the integer prices of `Quotes.rows` have products of one unit:
    what all is worth is one sum of products, and exact.
    """

    def __init__(self, inventory: Inventory, changes: Iterable[Change], quotes: Quotes) -> None:
        held = {asset: quantity for asset, quantity in inventory.quantities.items() if quantity}
        moved = [*held.items(), *changes]
        self.places = {asset: place for place, asset in enumerate(dict.fromkeys([asset for asset, _ in moved]))}
        scales = [quotes.scale(asset) for asset in self.places]
        # The exponent of an exact sum is the least of its terms'.
        finest = cast(int, sum([quantity for _, quantity in moved], ZERO).as_tuple().exponent)
        exponent = finest - max(scales, default=0)
        self._is_finer = exponent < UNIT.adjusted()
        self._unit = ONE.scaleb(exponent)
        self._prices = [ONE.scaleb(-scale) for scale in scales]
        """The units of the prices in a row."""
        self._quantities = [ONE.scaleb(exponent + scale) for scale in scales]
        """The units of the weights."""
        self._per_quantity = [ONE.scaleb(-exponent - scale) for scale in scales]
        self._weights = [0] * len(self.places)
        self.change(held.items())

    @property
    def quantities(self) -> dict[str, Decimal]:
        """How much there is of each asset."""
        return {asset: self.quantity(place, self._weights[place]) for asset, place in self.places.items()}

    def holds(self, asset: str) -> bool:
        """Whether there is any of an asset."""
        return bool(self._weights[self.places[asset]])

    def quantity(self, place: int, weight: int) -> Decimal:
        """The quantity that a weight is of the asset at a place."""
        return (Decimal(weight) * self._quantities[place]).normalize()

    def change(self, changes: Iterable[Change]) -> list[tuple[int, int]]:
        """Makes changes, as far as there is enough, and tells what was made of them: places, and changes of weights."""
        made = []
        for asset, quantity in changes:
            place = self.places[asset]
            held, change = self._weights[place], int(quantity * self._per_quantity[place])
            if change < -held:
                change = -held
            self._weights[place] = held + change
            made.append((place, change))
        return made

    def worth(self, row: Sequence[int]) -> int:
        """What all is worth at the prices of a row, in the unit of the products."""
        return cast(int, sumprod(self._weights, row))

    def value(self, worth: int, row: Sequence[int], prices: Mapping[str, Decimal]) -> Decimal:
        """What all is worth, of which `worth` is known, where some prices are others than those of the row."""
        value = Decimal(worth) * self._unit
        for asset, price in prices.items():
            place = self.places[asset]
            if weight := self._weights[place]:
                value += self.quantity(place, weight) * (price - self.price(row, asset))
        return rounded(value) if self._is_finer or prices else value

    def others(self, row: Sequence[int], marks: Mapping[str, Mark]) -> dict[str, Decimal]:
        """The prices of marks that are others than those of a row."""
        prices = {}
        for asset, mark in marks.items():
            place = self.places.get(asset)
            if place is not None and mark.price != Decimal(row[place]) * self._prices[place]:
                prices[asset] = mark.price
        return prices

    def price(self, row: Sequence[int], asset: str) -> Decimal:
        """An asset's price in a row."""
        place = self.places[asset]
        return Decimal(row[place]) * self._prices[place]

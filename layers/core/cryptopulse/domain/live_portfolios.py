"""Live portfolios: what is held, and by which series it is priced, so that each new price tells what it is worth."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

from msgspec import Struct

from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.lots import EXACT, ZERO, Holding, rounded
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.prices import Last
from cryptopulse.domain.quotes import Quote, path, product
from cryptopulse.domain.series import Series, lane_of

PORTFOLIOS: Final = 20
"""Portfolios that a connection may show."""
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply


class LiveLeg(Struct, array_like=True, frozen=True):
    """A series whose price is multiplied, or divided by, and its lane."""

    series: str
    lane: int
    is_inverted: bool


type Legs = tuple[LiveLeg, ...]
"""The way from an asset to the base currency; of none where they are the same."""


class LiveHolding(Struct, array_like=True, frozen=True):
    """A quantity of an asset, what it cost in the base currency, and the way to its price."""

    quantity: Decimal
    cost: Decimal
    legs: Legs


class LivePortfolio(Struct, array_like=True, frozen=True):
    """What a version of a portfolio holds, but for assets that no series followed can price; `read_at` in Unix ms."""

    version: int
    read_at: int
    holdings: tuple[LiveHolding, ...]

    @classmethod
    def of(
        cls, portfolio: Portfolio, holdings: Mapping[str, Holding], speaking: Mapping[str, Series], lanes: int, now: int
    ) -> "LivePortfolio":
        """A portfolio's.

        Args:
            portfolio: Whose base currency and version count.
            holdings: What there is of each asset.
            speaking: The series that speaks for each symbol.
            lanes: How many lanes there are.
            now: Unix ms.
        """
        live = []
        for asset, (quantity, cost) in sorted(holdings.items()):
            found = path(asset, portfolio.base_currency, speaking)
            if found is not None:
                legs = (LiveLeg(str(leg.series), lane_of(leg.series, lanes), leg.is_inverted) for leg in found)
                live.append(LiveHolding(quantity, cost, tuple(legs)))
        return cls(portfolio.version, now, tuple(live))

    @property
    def series(self) -> set[tuple[int, str]]:
        """The series it is priced by, each with its lane."""
        return {(leg.lane, leg.series) for holding in self.holdings for leg in holding.legs}

    @property
    def lanes(self) -> set[int]:
        """The lanes of these."""
        return {lane for lane, _ in self.series}


class Worth(NamedTuple):
    """What the priced holdings are worth and cost, in the base currency, as of a time (Unix ms)."""

    value: Decimal
    cost_basis: Decimal
    time: int

    @property
    def unrealized(self) -> Decimal:
        """The gain so far."""
        return _subtract(self.value, self.cost_basis)


type Price = Callable[[Legs], Quote | None]
"""Knows what a way leads to; None where one of its series has no price."""


def worth(portfolio: LivePortfolio, price: Price) -> Worth:
    """What a portfolio is worth: as the totals of its holdings, without those whose price is not known.

    Its time is that of the newest price, or of when it was read: after a change it is never an earlier one, though what
    had the newest price may be sold.
    """
    value = cost = ZERO
    time = portfolio.read_at
    for holding in portfolio.holdings:
        quote = price(holding.legs)
        if quote is not None:
            value = _add(value, rounded(_multiply(holding.quantity, quote.price)))
            cost = _add(cost, holding.cost)
            time = max(time, quote.time)
    return Worth(value, cost, time)


def priced_by(last: Callable[[str], Last | None]) -> Price:
    """Knows prices, each worked out once, by the last prices of series; that of the currency itself is of no time.

    A price's time is that of its newest series: when it last moved.
    """

    @cache
    def price(legs: Legs) -> Quote | None:
        found = [(last(leg.series), leg.is_inverted) for leg in legs]
        quote = product(found, 0)
        return quote and quote._replace(time=max((each.time for each, _ in found if each), default=0))

    return price


def last_in(lanes: Mapping[int, Lane], portfolio: LivePortfolio) -> Callable[[str], Last | None]:
    """Knows the last prices of the series that a portfolio is priced by."""
    found = {}
    for number, series in portfolio.series:
        state = lanes[number].series.get(series) if number in lanes else None
        if state is not None and state.time:
            found[series] = Last(state.price, state.price_scale, state.time)
    return found.get

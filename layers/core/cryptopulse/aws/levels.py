"""What alerts are measured against: the last price of a series, and its price some time ago."""

from decimal import Decimal
from typing import Final

from cryptopulse.aws.market import Market
from cryptopulse.aws.prices import Prices, last_price
from cryptopulse.domain.candles import HOUR, MINUTE, floor
from cryptopulse.domain.rules import Rule
from cryptopulse.domain.series import Series
from cryptopulse.domain.sightings import Seen, spotted

LOOKBACK: Final = (5 * MINUTE, HOUR)
"""How far (ms) before a time its last trade is looked for, first and then."""
KEPT: Final = 10_000
"""Prices kept in process."""


class Levels:
    """Reads prices of series.

    Args:
        market: The table.
        prices: Knows the lanes, as they were a second ago.
    """

    def __init__(self, market: Market, prices: Prices) -> None:
        self._market = market
        self._prices = prices
        self._known: dict[tuple[Series, int], Decimal | None] = {}

    def spot(self, series: Series, now: int) -> Seen:
        """The last price, as what is seen now (Unix ms)."""
        lane = self._prices.lanes([series], now)[series]
        return spotted(last_price(lane, series), lane.clocks.get(series.venue, 0), now)

    def base(self, rule: Rule, seen: Seen, now: int) -> Decimal | None:
        """What a move is measured from: the last close its window before the last price seen; None for other rules.

        Args:
            rule: What waits for the move.
            seen: The prices.
            now: Unix ms.
        """
        if rule.side != "move" or seen.last is None:
            return None
        place = rule.series, floor(seen.last.time - rule.window, MINUTE)
        if place not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[place] = self._before(*place, now)
        return self._known[place]

    def _before(self, series: Series, minute: int, now: int) -> Decimal | None:
        """The close of the last minute with a trade that ended by then, if there was one within an hour."""
        lane, end = self._prices.lanes([series], now)[series], minute
        for span in LOOKBACK:
            block = self._market.candles(lane, series, MINUTE, minute - span, end, now)
            closes = [row.close for row in block.rows() if not row.is_empty]
            if closes:
                return Decimal(closes[-1]).scaleb(-block.price_scale)
            end = minute - span
        return None

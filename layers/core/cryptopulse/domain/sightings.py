"""Sightings: the prices that a batch of the stream tells of each series, as far as they are news."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.lots import EXACT
from cryptopulse.domain.prices import Last
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Candles, Clock, Quote, Record, Trades

RECENT: Final = 5 * MINUTE
"""A price older than this (ms) when it came is history, and fires nothing."""

type _Row = tuple[int, int, int]
"""A time (Unix ms), the lowest and the highest price from then on, at a scale."""


class Reached(NamedTuple):
    """A price, and when (Unix ms) it was it, by the venue; of a candle its start."""

    price: Decimal
    time: int


class Seen:
    """What a batch tells of one series' prices, as far as it is news."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, list[_Row]]] = []
        self._newest: tuple[int, int, int] = (0, 0, 0)
        self.low = Decimal("Infinity")
        self.high = Decimal("-Infinity")
        self.last: Reached | None = None
        """The newest price, as of the time up to which the venue has told all."""

    @property
    def is_news(self) -> bool:
        """Whether any price was."""
        return bool(self._parts)

    @property
    def newest(self) -> int:
        """When (Unix ms) the newest price was made; 0 where only candles were seen."""
        return self._newest[0]

    def add(self, message: Trades | Quote | Candles, arrived: int) -> None:
        """Takes what a message tells; `arrived` is when (Unix ms) it came."""
        after = arrived - RECENT
        match message:
            case Trades(_, scale, _, trades):
                self._put(scale, [(time, price, price) for _, price, _, time in trades if time >= after])
                time, _, price = max(((time, id_, price) for id_, price, _, time in trades), default=(0, 0, 0))
                self._last(time, price, scale)
            case Quote(_, scale, price, time):
                self._put(scale, [(time, price, price)] if time >= after else [])
                self._last(time, price, scale)
            case _:
                rows = [(bar.start, bar.low, bar.high) for bar in message.bars if bar.start >= after]
                self._put(message.price_scale, rows)

    def settle(self, clock: int, known: int, arrived: int) -> None:
        """Notes that the newest price held until the venue's clock, if it is not older than one known before.

        Args:
            clock: Unix ms.
            known: The time (Unix ms) of the newest price of earlier batches.
            arrived: When (Unix ms) the batch came.
        """
        time, price, scale = self._newest
        as_of = max(time, clock)
        if time == 0 or time < known or as_of < arrived - RECENT:
            return
        self.last = Reached(_price(price, scale), as_of)
        if as_of > time:
            self._put(scale, [(as_of, price, price)])

    def _last(self, time: int, price: int, scale: int) -> None:
        if time >= self._newest[0]:
            self._newest = time, price, scale

    def _put(self, scale: int, rows: list[_Row]) -> None:
        if rows:
            self._parts.append((scale, rows))
            self.low = min(self.low, _price(min(row[1] for row in rows), scale))
            self.high = max(self.high, _price(max(row[2] for row in rows), scale))

    def highest(self, since: int) -> Reached | None:
        """The highest price from a time (Unix ms) on, when it was first."""
        highs = (
            (scale, max(((row[2], -row[0]) for row in rows if row[0] >= since), default=None))
            for scale, rows in self._parts
        )
        found = (Reached(_price(high[0], scale), -high[1]) for scale, high in highs if high)
        return max(found, key=lambda reached: (reached.price, -reached.time), default=None)

    def lowest(self, since: int) -> Reached | None:
        """The lowest price from a time (Unix ms) on, when it was first."""
        lows = (
            (scale, min(((row[1], row[0]) for row in rows if row[0] >= since), default=None))
            for scale, rows in self._parts
        )
        return min((Reached(_price(low[0], scale), low[1]) for scale, low in lows if low), default=None)


def _price(price: int, scale: int) -> Decimal:
    return Decimal(price).scaleb(-scale, EXACT).normalize(EXACT)


def observe(batch: Sequence[tuple[Record, int]], newest: dict[Series, int]) -> dict[Series, Seen]:
    """What a batch tells of prices that is news, by series.

    Args:
        batch: Records, and when (Unix ms) each of them came.
        newest: The times of the newest prices known, which are brought up to date.
    """
    found: dict[Series, Seen] = {}
    clocks: dict[tuple[str, int], int] = {}
    lanes: dict[Series, int] = {}
    last_arrived = 0
    for record, arrived in batch:
        last_arrived = max(last_arrived, arrived)
        for message in record.messages:
            if isinstance(message, Clock):
                place = record.venue, record.lane
                clocks[place] = max(clocks.get(place, 0), message.time)
                continue
            series = Series(record.venue, message.symbol)
            lanes[series] = record.lane
            found.setdefault(series, Seen()).add(message, arrived)
    for series, seen in found.items():
        known = newest.get(series, 0)
        seen.settle(clocks.get((series.venue, lanes[series]), 0), known, last_arrived)
        newest[series] = max(known, seen.newest)
    return found


def spotted(last: Last | None, clock: int, now: int) -> Seen:
    """What the last price tells now, where it is no history.

    Args:
        last: It, if there is one.
        clock: The time (Unix ms) up to which the venue has told all.
        now: Unix ms.
    """
    seen = Seen()
    if last is not None and max(last.time, clock) >= now - RECENT:
        seen.add(Quote("", last.scale, last.price, now), now)
        seen.settle(now, 0, now)
    return seen

"""Quotes: what assets were worth in a base currency, from the closes of the series that lead there.

Which series those are depends on what is followed alone, never on the time: a price is unknown where one of them has
none, and never comes from elsewhere instead.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from itertools import pairwise, repeat
from typing import Final, NamedTuple

from cryptopulse.domain.candles import DAY, HOUR, MINUTE, Block, floor
from cryptopulse.domain.lots import rounded
from cryptopulse.domain.portfolios import CURRENCIES
from cryptopulse.domain.prices import Last
from cryptopulse.domain.series import Series, reference

LIVE: Final = 2 * MINUTE
"""At times so young (ms), or ahead, the last price speaks: their minute may still be on its way."""

_TETHER: Final = "USDT"
_DETOURS: Final = (
    (),
    (_TETHER,),
    *((currency, _TETHER) for currency in CURRENCIES),
    *((currency,) for currency in CURRENCIES),
)
"""What is passed on the way from an asset to a base currency, the way to take first."""
_ONE: Final = Decimal(1)
_CONTEXT: Final = Context(prec=120, traps=[DivisionByZero, InvalidOperation, Overflow])
"""Products of closes are exact in it, quotients have far more digits than the 18 that are kept of them."""
_multiply, _divide = _CONTEXT.multiply, _CONTEXT.divide


class Leg(NamedTuple):
    """A series whose close is multiplied, or divided by."""

    series: Series
    is_inverted: bool = False


type Path = tuple[Leg, ...]
"""From an asset to a base currency; of none where they are the same."""


class Quote(NamedTuple):
    """What one unit was worth in the base currency, to 18 decimals, and when (Unix ms): the oldest of its legs."""

    price: Decimal
    time: int


def references(followed: Iterable[Series]) -> dict[str, Series]:
    """The series that speaks for each symbol."""
    by_symbol: dict[str, list[Series]] = {}
    for series in followed:
        by_symbol.setdefault(series.symbol, []).append(series)
    found = {symbol: reference(symbol, traded) for symbol, traded in by_symbol.items()}
    return {symbol: series for symbol, series in found.items() if series is not None}


def path(asset: str, base: str, speaking: Mapping[str, Series]) -> Path | None:
    """The way from an asset or currency to a base currency; None where there is none.

    The asset's own series in the base; else by way of USDT; else from another currency to USDT, or straight to the
    base. Each part may be a series inverted: USD → EUR is USDT-EUR ÷ USDT-USD.

    Args:
        asset: Such as `SOL`; currencies too.
        base: Such as `EUR`.
        speaking: As of `references`.
    """
    if asset == base:
        return ()
    for detour in _DETOURS:
        stops = (asset, *detour, base)
        legs = [_leg(start, end, speaking) for start, end in pairwise(stops)]
        found = tuple(leg for leg in legs if leg is not None)
        if len(found) == len(legs):
            return found
    return None


def _leg(start: str, end: str, speaking: Mapping[str, Series]) -> Leg | None:
    if series := speaking.get(f"{start}-{end}"):
        return Leg(series)
    if series := speaking.get(f"{end}-{start}"):
        return Leg(series, is_inverted=True)
    return None


# --- what is known of a series ---


class Closes(NamedTuple):
    """The closes of a block, integers at a scale, oldest first; 0 where nothing was traded."""

    scale: int
    starts: Sequence[int]
    closes: Sequence[int]

    @classmethod
    def of(cls, block: Block) -> "Closes":
        """Those of a block, packed tightly."""
        return cls(block.price_scale, _packed(block.starts), _packed(block.columns[4]))

    def at(self, start: int) -> int:
        """The close of the row at `start`; 0 where there is none."""
        place = bisect_left(self.starts, start)
        return self.closes[place] if place < len(self.starts) and self.starts[place] == start else 0


def _packed(column: Sequence[int]) -> Sequence[int]:
    try:
        return array("q", column)
    except OverflowError:  # a column may hold wider numbers
        return column


class History:
    """Closes of one series: some of its minutes, hours and days, and its last price.

    Args:
        now: Unix ms.
        until: Up to when trades are known (Unix ms): what ends later is open, and its close that of then.
        live: The last price, if there is one.
    """

    def __init__(self, now: int, until: int, live: Last | None = None) -> None:
        self._now = now
        self._until = until
        self._live = None if live is None else _quote(*live)
        self._rows: dict[int, dict[int, Quote]] = {MINUTE: {}, HOUR: {}, DAY: {}}
        self._sorted: dict[int, list[int]] = {}

    def add(self, step: int, closes: Closes, starts: Iterable[int] | None = None) -> None:
        """Adds the closes of traded rows; all, or those at `starts`."""
        rows = self._rows[step]
        for start in closes.starts if starts is None else starts:
            if close := closes.at(start):
                rows[start] = _quote(close, closes.scale, min(start + step, self._until))
        self._sorted.pop(step, None)

    def fold(self, step: int, interval: int, since: int) -> None:
        """Adds closes of a larger interval, from `since` on, where all those of the step below have been added."""
        rows = self._rows[interval]
        for at in self._starts(step):
            if at >= since:
                start = floor(at, interval)
                rows[start] = Quote(self._rows[step][at].price, min(start + interval, self._until))
        self._sorted.pop(interval, None)

    def at(self, time: int) -> Quote | None:
        """The close of the minute, else hour, else day that holds the time; near now, and ahead, the last price."""
        if time >= self._now - LIVE:
            if self._live is not None:
                return self._live
            time = min(time, self._now)
        for step, rows in self._rows.items():
            if found := rows.get(time - time % step):
                return found
        return None

    def along(self, times: Sequence[int], starts: Mapping[int, Sequence[int]]) -> list[Quote | None]:
        """`at` for many times at once; `starts` are those of the minutes, hours and days that hold them."""
        if times and max(times) >= self._now - LIVE:
            return [self.at(time) for time in times]
        found: list[Quote | None] = [None] * len(times)
        for step, rows in self._rows.items():
            if rows and not all(found):
                coarser = map(rows.get, starts[step])
                found = [finer or quote for finer, quote in zip(found, coarser, strict=True)]
        return found

    def last(self, before: int) -> Quote | None:
        """The newest close or price that there was by then: a candle that ends at `before` counts."""
        found = self._live if self._live is not None and self._live.time <= before else None
        if found is not None and before >= self._now - LIVE:
            return found  # the end of a candle is later than its last trade
        for step, rows in self._rows.items():
            starts = self._starts(step)
            ended = len(starts) if before >= self._until else bisect_right(starts, before - step)
            if ended:
                quote = rows[starts[ended - 1]]
                if found is None or quote.time > found.time:
                    found = quote
        return found

    def _starts(self, step: int) -> list[int]:
        if step not in self._sorted:
            self._sorted[step] = sorted(self._rows[step])
        return self._sorted[step]


def _quote(price: int, scale: int, time: int) -> Quote:
    """An exact price, without zeros at its end."""
    return Quote(_divide(Decimal(price), Decimal(10**scale)), time)


# --- and so of assets ---


class Quotes:
    """Prices of assets over time, in one base currency; unknown is None, never 0.

    Args:
        paths: From each asset to the base; None where there is no way.
        histories: Of all series in the paths.
    """

    def __init__(self, paths: Mapping[str, Path | None], histories: Mapping[Series, History]) -> None:
        self._legs = {
            asset: [(histories[leg.series], leg.is_inverted) for leg in legs]
            for asset, legs in paths.items()
            if legs is not None
        }

    def at(self, asset: str, time: int) -> Decimal | None:
        """The price by the close of the minute, else hour, else day that holds the time, each leg for itself."""
        quote = self.quote(asset, time)
        return None if quote is None else quote.price

    def quote(self, asset: str, time: int) -> Quote | None:
        """The same price, with its own time."""
        legs = self._legs.get(asset)
        if legs is None:
            return None
        return _product([(history.at(time), is_inverted) for history, is_inverted in legs], time)

    def along(self, assets: Iterable[str], times: Sequence[int]) -> list[list[Quote | None]]:
        """`quote` for many assets and times at once: for each asset its quotes at all the times."""
        starts = {step: [time - time % step for time in times] for step in (MINUTE, HOUR, DAY)}
        return [self._column(self._legs.get(asset), times, starts) for asset in assets]

    def _column(
        self,
        legs: Sequence[tuple[History, bool]] | None,
        times: Sequence[int],
        starts: Mapping[int, Sequence[int]],
    ) -> list[Quote | None]:
        if legs is None:
            return [None] * len(times)
        columns = [history.along(times, starts) for history, _ in legs]
        signs = [is_inverted for _, is_inverted in legs]
        if signs == [False]:
            return columns[0]
        rows = zip(*columns, strict=True) if columns else repeat((), len(times))
        return [_product(list(zip(row, signs, strict=True)), time) for row, time in zip(rows, times, strict=True)]

    def last(self, asset: str, before: int) -> Quote | None:
        """The last price known before that time: the close of a candle that ends just then counts."""
        legs = self._legs.get(asset)
        if legs is None:
            return None
        return _product([(history.last(before), is_inverted) for history, is_inverted in legs], before)


def product(legs: Iterable[tuple[Last | None, bool]], time: int) -> Quote | None:
    """The price that a path's legs make; None where one is unknown, or it is too small for 18 decimals.

    Args:
        legs: The last price of each leg's series, and whether it is inverted.
        time: Of the price where there are no legs, Unix ms.
    """
    return _product([(None if last is None else _quote(*last), is_inverted) for last, is_inverted in legs], time)


def _product(legs: Sequence[tuple[Quote | None, bool]], time: int) -> Quote | None:
    if len(legs) == 1 and not legs[0][1]:
        return legs[0][0]
    above = below = _ONE
    times = []
    for quote, is_inverted in legs:
        if quote is None:
            return None
        if is_inverted:
            below = _multiply(below, quote.price)
        else:
            above = _multiply(above, quote.price)
        times.append(quote.time)
    price = rounded(above if below is _ONE else _divide(above, below))
    return Quote(price, min(times, default=time)) if price else None

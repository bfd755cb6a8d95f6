"""Quotes: what assets were worth in a base currency, from the closes of the series that lead there.

Which series those are depends on what is followed alone, never on the time: a price is unknown where one of them has
none, and never comes from elsewhere instead.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from itertools import batched, pairwise, repeat
from operator import itemgetter, mul
from typing import Final, NamedTuple

from cryptopulse.domain.candles import DAY, HOUR, MINUTE, Block, floor
from cryptopulse.domain.lots import rounded
from cryptopulse.domain.portfolios import CURRENCIES
from cryptopulse.domain.prices import Last
from cryptopulse.domain.series import Series, reference

LIVE: Final = 2 * MINUTE
"""At times so young (ms), or ahead, the last price speaks: their minute may still be on its way."""
PLACES: Final = 18
"""Decimals of a price that is made of several."""
AT_ONCE: Final = 1_000
"""Times whose prices are looked up at once."""

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
    """Closes of one series, integers at one scale: some of its minutes, hours and days, and its last price.

    Args:
        now: Unix ms.
        until: Up to when trades are known (Unix ms): what ends later is open, and its close that of then.
        live: The last price, if there is one.
    """

    def __init__(self, now: int, until: int, live: Last | None = None) -> None:
        self._now = now
        self._until = until
        self._live = live
        self.scale = 0 if live is None else live.scale
        """That of the finest close so far."""
        self._rows: dict[int, dict[int, int]] = {MINUTE: {}, HOUR: {}, DAY: {}}
        self._columns: dict[int, Closes] = {}

    def add(self, step: int, closes: Closes, starts: Iterable[int] | None = None) -> None:
        """Adds the closes of traded rows; all, or those at `starts`."""
        if closes.scale > self.scale:
            finer, self.scale = 10 ** (closes.scale - self.scale), closes.scale
            self._rows = {
                each: {start: close * finer for start, close in rows.items()} for each, rows in self._rows.items()
            }
            self._columns.clear()
        rows, finer = self._rows[step], 10 ** (self.scale - closes.scale)
        if starts is None:
            told: Iterable[tuple[int, int]] = zip(closes.starts, closes.closes, strict=True)
        else:
            told = ((start, closes.at(start)) for start in starts)
        rows.update((start, close * finer) for start, close in told if close)
        self._columns.pop(step, None)

    def fold(self, step: int, interval: int, since: int) -> None:
        """Adds closes of a larger interval, from `since` on, where all those of the step below have been added."""
        rows, below = self._rows[interval], self._column(step)
        for start, close in zip(below.starts, below.closes, strict=True):
            if start >= since:
                rows[floor(start, interval)] = close
        self._columns.pop(interval, None)

    def at(self, time: int) -> Quote | None:
        """The close of the minute, else hour, else day that holds the time; near now, and ahead, the last price."""
        found = self._at(time)
        return None if found is None else _quote(*found)

    def knows(self, time: int) -> bool:
        """Whether there is a price `at` a time."""
        return self._at(time) is not None

    def along(self, times: "Times") -> Sequence[int]:
        """The prices of `at` for many times at once, at the scale; 0 where there is none."""
        if times.all[-1] >= self._now - LIVE:
            found = map(self._at, times.all)
            return [0 if last is None else last.price * 10 ** (self.scale - last.scale) for last in found]
        prices: Sequence[int] = ()
        for step, rows in self._rows.items():
            if rows and not (prices and all(prices)):
                closes = times.held_by(step, self._column(step))
                is_any = any(prices)
                prices = [price or close for price, close in zip(prices, closes, strict=True)] if is_any else closes
        return prices or [0] * len(times.all)

    def last(self, before: int) -> Quote | None:
        """The newest close or price that there was by then: a candle that ends at `before` counts."""
        found = self._live if self._live is not None and self._live.time <= before else None
        if found is None or before < self._now - LIVE:  # near now the end of a candle is later than its last trade
            for step in self._rows:
                starts = self._column(step).starts
                ended = len(starts) if before >= self._until else bisect_right(starts, before - step)
                if ended:
                    close = self._close(step, starts[ended - 1])
                    if found is None or close.time > found.time:
                        found = close
        return None if found is None else _quote(*found)

    def _at(self, time: int) -> Last | None:
        if time >= self._now - LIVE:
            if self._live is not None:
                return self._live
            time = min(time, self._now)
        for step, rows in self._rows.items():
            if (start := time - time % step) in rows:
                return self._close(step, start)
        return None

    def _close(self, step: int, start: int) -> Last:
        return Last(self._rows[step][start], self.scale, min(start + step, self._until))

    def _column(self, step: int) -> Closes:
        """The rows in order."""
        if step not in self._columns:
            rows = self._rows[step]
            starts = sorted(rows)
            if starts != [*rows]:
                rows = self._rows[step] = {start: rows[start] for start in starts}
            self._columns[step] = Closes(self.scale, _packed(starts), tuple(rows.values()))
        return self._columns[step]


class Times:
    """Times to look up in many series.

    Most series have the same rows: where the times fall in them is found only once for all that follow one another.

    Args:
        times: In order (Unix ms), at least one.
    """

    def __init__(self, times: Sequence[int]) -> None:
        self.all = times
        self._found: dict[int, tuple[Sequence[int], Callable[[Sequence[int]], tuple[int, ...]]]] = {}

    def held_by(self, step: int, rows: Closes) -> Sequence[int]:
        """The closes of the rows of this step that hold the times; 0 where none does."""
        first = bisect_left(rows.starts, floor(self.all[0], step))
        last = bisect_right(rows.starts, self.all[-1])
        starts = rows.starts[first:last]
        if step not in self._found or self._found[step][0] != starts:
            places = {start: place for place, start in enumerate(starts)}
            held = [places.get(time - time % step, -1) for time in self.all]
            self._found[step] = starts, itemgetter(-1, -1, *held)
        return self._found[step][1]((*rows.closes[first:last], 0))[2:]


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

    def quote(self, asset: str, time: int) -> Quote | None:
        """The price by the close of the minute, else hour, else day that holds the time, each leg for itself."""
        legs = self._legs.get(asset)
        if legs is None:
            return None
        return _product([(history.at(time), is_inverted) for history, is_inverted in legs], time)

    def scale(self, asset: str) -> int:
        """The decimals that `rows` has of an asset's prices."""
        match self._legs.get(asset, ()):
            case [(history, False)]:
                return history.scale
            case _:
                return PLACES

    def rows(self, assets: Sequence[str], times: Iterable[int]) -> Iterator[tuple[int, ...]]:
        """The prices of `quote` of many assets: for each time a row, integers at each asset's scale, 0 where unknown.

        Args:
            assets: One for each place of a row.
            times: In order (Unix ms).
        """
        for batch in batched(times, AT_ONCE, strict=False):
            each = Times(batch)
            columns = [self._column(self._legs.get(asset), each) for asset in assets]
            yield from zip(*columns, strict=True) if columns else repeat((), len(batch))

    def _column(self, legs: Sequence[tuple[History, bool]] | None, times: Times) -> Sequence[int]:
        count = len(times.all)
        if legs is None:
            return [0] * count
        columns = [(history.along(times), is_inverted) for history, is_inverted in legs]
        if [is_inverted for _, is_inverted in columns] == [False]:
            return columns[0][0]
        scale = sum(-history.scale if is_inverted else history.scale for history, is_inverted in legs)
        above, below = [10 ** max(PLACES - scale, 0)] * count, [10 ** max(scale - PLACES, 0)] * count
        for column, is_inverted in columns:
            if is_inverted:
                below = list(map(mul, below, column))
            else:
                above = list(map(mul, above, column))
        return list(map(_nearest, above, below))

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


def _nearest(above: int, below: int) -> int:
    """The whole number nearest to a fraction, half even; 0 where it has no value."""
    if not below:
        return 0
    whole, rest = divmod(above, below)
    return whole + (2 * rest > below - whole % 2)

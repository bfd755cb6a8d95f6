"""Values of indicators: TA-Lib's over rows as arrays, and those that TA-Lib does not have."""

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryptopulse.domain.candles import DAY, Block
from cryptopulse.domain.indicators import Indicator


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Packages that are not there while this lasts, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None hides a module
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


# It imports them where it finds them, half a second for what is not used here.
with _hidden("pandas", "polars"):
    import talib

type Floats = NDArray[np.float64]
type Starts = NDArray[np.int64]
type Values = Floats | dict[str, Floats]
"""Of each row, or of each row and line; NaN where there is none."""


class Rows(NamedTuple):
    """Candles of one series and interval as columns, oldest first; only those with a trade."""

    starts: Starts
    """Unix ms."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @classmethod
    def of(cls, block: Block) -> "Rows":
        """The rows of a block with the venue's own digits; empty ones are left out."""
        columns = [_integers(column) for column in block.columns[:6]]
        if 0 in block.columns[1]:
            traded = columns[1] != 0
            columns = [column[traded] for column in columns]
        starts, opens, highs, lows, closes, volumes = columns
        price, size = 10.0**block.price_scale, 10.0**block.size_scale
        return cls(starts, opens / price, highs / price, lows / price, closes / price, volumes / size)


def _integers(column: Sequence[int]) -> NDArray[Any]:
    """As whole numbers, which is twice as fast; where one is too large, as floats."""
    if isinstance(column, array):
        return np.asarray(column)
    try:
        return np.fromiter(column, np.int64, len(column))
    except OverflowError:
        return np.array(column, np.float64)


def values(indicator: Indicator, rows: Rows, first: int) -> Values:
    """An indicator's values of the rows from `first` on: one array, or one for each of its lines.

    Averages begin as TA-Lib's do: exponential ones with the mean of their first n closes (MACD's both at row slow - 1),
    Wilder's with that of the first n changes or true ranges, ADX's with sums of n - 1 moves: docs/indicators.md.

    Args:
        indicator: What to compute.
        rows: Those shown, and before them `indicator.memory` others, or as many as there are.
        first: Index of the first row shown: what never forgets begins there.
    """
    if indicator.name in _ENDLESS:
        rows, first = Rows(rows.starts[first:], *(column[first:] for column in rows[1:])), 0
    found = _ENGINES[indicator.name](rows, *indicator.parameters)
    if isinstance(found, tuple):
        return {line: column[first:] for line, column in zip(indicator.lines, found, strict=True)}
    return found[first:]


# --- what TA-Lib does not have ---


def _drawdown(rows: Rows) -> Floats:
    drawdown: Floats = 1 - rows.close / np.maximum.accumulate(rows.close)
    return drawdown


def _vwap(rows: Rows, window: int | None = None) -> Floats:
    columns = ((rows.high + rows.low + rows.close) / 3 * rows.volume, rows.volume)
    if window is None:
        traded, volume = _sums_of_day(rows.starts, columns)
    else:
        traded, volume = (_sums(column, window) for column in columns)
    vwap: Floats = np.divide(traded, volume, out=np.full(len(volume), np.nan), where=volume > 0)
    return vwap


def _sums(column: Floats, window: int) -> Floats:
    """The sum of each window, NaN before the first: of sums twice as long at each step, so that nothing cancels."""
    sums = np.full(len(column), np.nan)
    if len(column) < window:
        return sums
    whole = sums[window - 1 :]
    whole[:] = 0
    done, size = 0, 1
    while True:
        if window & size:
            whole += column[done : done + len(whole)]
            done += size
        if done == window:
            return sums
        column, size = column[:-size] + column[size:], 2 * size


def _sums_of_day(starts: Starts, columns: Iterable[Floats]) -> Iterator[Floats]:
    """The sum, up to each row, of those of its day in UTC: a day is a line of a table, so that nothing cancels."""
    begins = np.flatnonzero(np.diff(starts // DAY, prepend=-1))
    lengths = np.diff(begins, append=len(starts))
    filled = np.arange(lengths.max(initial=0)) < lengths[:, None]
    table = np.zeros(filled.shape)
    for column in columns:
        table[filled] = column
        yield table.cumsum(axis=1)[filled]


_ENDLESS: Final = ("obv", "drawdown")
"""These never forget."""
_ENGINES: Final[Mapping[str, Callable[..., Floats | tuple[Floats, ...]]]] = {
    "sma": lambda rows, n: talib.SMA(rows.close, n),
    "ema": lambda rows, n: talib.EMA(rows.close, n),
    "wma": lambda rows, n: talib.WMA(rows.close, n),
    "rsi": lambda rows, n: talib.RSI(rows.close, n),
    "macd": lambda rows, *periods: talib.MACD(rows.close, *periods),
    "bb": lambda rows, n, k: talib.BBANDS(rows.close, n, k, k),
    "atr": lambda rows, n: talib.ATR(rows.high, rows.low, rows.close, n),
    "adx": lambda rows, n: talib.ADX(rows.high, rows.low, rows.close, n),
    "stoch": lambda rows, k, slow, d: talib.STOCH(rows.high, rows.low, rows.close, k, slow, slowd_period=d),
    "obv": lambda rows: talib.OBV(rows.close, rows.volume),
    "min": lambda rows, n: talib.MIN(rows.close, n),
    "max": lambda rows, n: talib.MAX(rows.close, n),
    "returns": lambda rows, n: talib.ROCP(rows.close, n),
    "drawdown": _drawdown,
    "vwap": _vwap,
}

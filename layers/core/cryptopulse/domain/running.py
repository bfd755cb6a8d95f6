"""Indicators' newest values, TA-Lib's, moved on row by row in a time that does not depend on their windows.

Sums over a window never take anything away (see `_Window`), and averages forget their errors as they forget their rows:
nothing drifts, however many rows have been pushed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from itertools import accumulate
from math import sqrt
from operator import add
from typing import Final, NamedTuple, Self

from cryptopulse.domain.candles import DAY, Block, floor
from cryptopulse.domain.charts import traded
from cryptopulse.domain.indicators import Indicator

type Value = float | dict[str, float] | None
"""None where the rows pushed are too few, or a volume they are weighted by is 0."""

SINCE_SHOWN: Final = frozenset({"obv", "drawdown"})
"""They begin at the first row shown."""
RATIOS: Final = frozenset({"rsi", "adx"})
"""Of averages that both fade where prices stand still: only when all rows looked at are still are they 0."""


class Candle(NamedTuple):
    """What indicators look at in a row; `start` in Unix ms."""

    start: int
    high: float
    low: float
    close: float
    volume: float


class _State:
    """Something that can be copied: its parts too, as far as they change."""

    def copy(self) -> Self:
        other = object.__new__(type(self))
        parts = vars(self).items()
        vars(other).update({name: part.copy() if isinstance(part, _State) else part for name, part in parts})
        return other


class Running(_State, ABC):
    """An indicator's newest value."""

    @abstractmethod
    def push(self, candle: Candle) -> None:
        """Moves on by a row, which is later than all before."""

    @property
    @abstractmethod
    def value(self) -> Value:
        """After the last row pushed."""


def candles(block: Block) -> list[Candle]:
    """The rows with a trade, with the venue's own digits."""
    starts, _, highs, lows, closes, volumes, *_ = traded(block).columns
    price, size = 10**block.price_scale, 10**block.size_scale
    prices = ([value / price for value in column] for column in (highs, lows, closes))
    return list(map(Candle._make, zip(starts, *prices, [value / size for value in volumes], strict=True)))


def running(indicator: Indicator, shown: int) -> Running:
    """A state that has seen no row yet.

    Args:
        indicator: Whose.
        shown: As the newest value of so many rows shown: `obv` and `drawdown` begin at the first of them.
    """
    return _MAKERS[indicator.name](indicator, shown)


def reach(indicator: Indicator, interval: int, shown: int) -> int:
    """How many rows a state has to be pushed for the value that an answer of the last `shown` rows would end with."""
    rows = shown if indicator.name in SINCE_SHOWN | RATIOS else 1
    return indicator.memory(interval) + rows


# --- what states are made of ---


class _Window[T](_State):
    """The last `size` elements put together.

    Two stacks: older elements each with all the older half's newer ones, newer elements as they are. The newer become
    the older when these are used up, so each element is put together twice, and a sum is made of additions only.
    """

    _newest: T

    def __init__(self, size: int, together: Callable[[T, T], T]) -> None:
        self._size = size
        self._together = together
        self._older: list[T] = []
        self._newer: list[T] = []

    def copy(self) -> Self:
        other = super().copy()
        other._older, other._newer = self._older.copy(), self._newer.copy()  # noqa: SLF001 (its own class)
        return other

    def push(self, element: T) -> None:
        if self.is_full:
            if not self._older:
                self._older = list(accumulate(reversed(self._newer), lambda newer, older: self._together(older, newer)))
                self._newer = []
            self._older.pop()
        self._newest = self._together(self._newest, element) if self._newer else element
        self._newer.append(element)

    @property
    def is_full(self) -> bool:
        return len(self._older) + len(self._newer) == self._size

    @property
    def total(self) -> T:
        """Of at least one element."""
        return self._together(self._older[-1], self._newest) if self._older else self._newest


class _Smoothed(_State):
    """A mean in which each new element has the same weight; it begins as the mean of the first `size`."""

    def __init__(self, size: int, weight: float) -> None:
        self._size = size
        self._weight = weight
        self._count = 0
        self.mean = 0.0

    def push(self, element: float) -> None:
        if self.is_full:
            self.mean += (element - self.mean) * self._weight
        else:
            self._count += 1
            self.mean += (element - self.mean) / self._count

    @property
    def is_full(self) -> bool:
        return self._count == self._size


def _exponential(size: int) -> _Smoothed:
    return _Smoothed(size, 2 / (size + 1))


def _wilder(size: int) -> _Smoothed:
    return _Smoothed(size, 1 / size)


def _true_range(candle: Candle, before: Candle) -> float:
    return max(candle.high, before.close) - min(candle.low, before.close)


class _Stillness(_State):
    """Counts the rows without a move."""

    def __init__(self, indicator: Indicator, shown: int) -> None:
        self._moves = reach(indicator, DAY, shown) - 1
        self._still = 0

    def lasts(self, moves: float) -> bool:
        """Whether this was the last of so many rows without a move that an answer shows none."""
        self._still = 0 if moves else self._still + 1
        return self._still >= self._moves


# --- the indicators ---


class _Mean(Running):
    """`sma`."""

    def __init__(self, indicator: Indicator, _: int) -> None:
        (self._size,) = _sizes(indicator)
        self._closes: _Window[float] = _Window(self._size, add)

    def push(self, candle: Candle) -> None:
        self._closes.push(candle.close)

    @property
    def value(self) -> Value:
        return self._closes.total / self._size if self._closes.is_full else None


class _ExponentialMean(Running):
    """`ema`."""

    def __init__(self, indicator: Indicator, _: int) -> None:
        self._mean = _exponential(*_sizes(indicator))

    def push(self, candle: Candle) -> None:
        self._mean.push(candle.close)

    @property
    def value(self) -> Value:
        return self._mean.mean if self._mean.is_full else None


type _Weighted = tuple[int, float, float]
"""How many, their sum, and their sum with weights 1, 2, …"""


def _weighted(older: _Weighted, newer: _Weighted) -> _Weighted:
    return older[0] + newer[0], older[1] + newer[1], older[2] + newer[2] + older[0] * newer[1]


class _WeightedMean(Running):
    """`wma`."""

    def __init__(self, indicator: Indicator, _: int) -> None:
        (size,) = _sizes(indicator)
        self._weights = size * (size + 1) / 2
        self._closes: _Window[_Weighted] = _Window(size, _weighted)

    def push(self, candle: Candle) -> None:
        self._closes.push((1, candle.close, candle.close))

    @property
    def value(self) -> Value:
        return self._closes.total[2] / self._weights if self._closes.is_full else None


class _Rsi(Running):
    def __init__(self, indicator: Indicator, shown: int) -> None:
        (size,) = _sizes(indicator)
        self._gain, self._loss = _wilder(size), _wilder(size)
        self._stillness = _Stillness(indicator, shown)
        self._close: float | None = None

    def push(self, candle: Candle) -> None:
        before, self._close = self._close, candle.close
        if before is None:
            return
        change = candle.close - before
        self._gain.push(max(change, 0.0))
        self._loss.push(max(-change, 0.0))
        if self._stillness.lasts(change):
            self._gain.mean = self._loss.mean = 0.0

    @property
    def value(self) -> Value:
        if not self._gain.is_full:
            return None
        gain, loss = self._gain.mean, self._loss.mean
        return 100 * gain / (gain + loss) if gain + loss else 0.0


class _Macd(Running):
    def __init__(self, indicator: Indicator, _: int) -> None:
        fast, slow, signal = _sizes(indicator)
        self._fast, self._slow, self._signal = _exponential(fast), _exponential(slow), _exponential(signal)
        self._ahead = slow - fast
        """Rows that the fast one leaves out, so that both begin at the same."""

    def push(self, candle: Candle) -> None:
        self._slow.push(candle.close)
        if self._ahead:
            self._ahead -= 1
        else:
            self._fast.push(candle.close)
        if self._slow.is_full:
            self._signal.push(self._fast.mean - self._slow.mean)

    @property
    def value(self) -> Value:
        if not self._signal.is_full:
            return None
        macd, signal = self._fast.mean - self._slow.mean, self._signal.mean
        return {"macd": macd, "signal": signal, "histogram": macd - signal}


type _Spread = tuple[int, float, float]
"""How many, their mean, and the sum of their squared deviations from it."""


def _spread(older: _Spread, newer: _Spread) -> _Spread:
    count = older[0] + newer[0]
    apart, share = newer[1] - older[1], newer[0] / count
    return count, older[1] + apart * share, older[2] + newer[2] + apart * apart * share * older[0]


class _Bands(Running):
    """`bb`."""

    def __init__(self, indicator: Indicator, _: int) -> None:
        size, self._width = indicator.parameters
        self._closes: _Window[_Spread] = _Window(int(size), _spread)

    def push(self, candle: Candle) -> None:
        self._closes.push((1, candle.close, 0.0))

    @property
    def value(self) -> Value:
        if not self._closes.is_full:
            return None
        count, middle, squares = self._closes.total
        wide = self._width * sqrt(squares / count)
        return {"upper": middle + wide, "middle": middle, "lower": middle - wide}


class _Atr(Running):
    def __init__(self, indicator: Indicator, _: int) -> None:
        self._range = _wilder(*_sizes(indicator))
        self._before: Candle | None = None

    def push(self, candle: Candle) -> None:
        if self._before:
            self._range.push(_true_range(candle, self._before))
        self._before = candle

    @property
    def value(self) -> Value:
        return self._range.mean if self._range.is_full else None


class _Adx(Running):
    """The mean of the directional index; where there is none it counts as 0 at the beginning, later not at all."""

    def __init__(self, indicator: Indicator, shown: int) -> None:
        (self._size,) = _sizes(indicator)
        self._before: Candle | None = None
        self._moves = 0
        self._up = self._down = self._range = 0.0
        """Sums of the first `size` - 1, which then fade by a `size`-th a row."""
        self._mean = _wilder(self._size)
        self._stillness = _Stillness(indicator, shown)

    def push(self, candle: Candle) -> None:
        before, self._before = self._before, candle
        if not before:
            return
        up, down = candle.high - before.high, before.low - candle.low
        up, down = (up if up > max(down, 0) else 0.0), (down if down > max(up, 0) else 0.0)
        self._moves += 1
        left = 1 if self._moves < self._size else 1 - 1 / self._size
        self._up, self._down = self._up * left + up, self._down * left + down
        self._range = self._range * left + _true_range(candle, before)
        if self._moves >= self._size:
            self._push_index()
        if self._stillness.lasts(up + down):
            self._up = self._down = self._mean.mean = 0.0

    def _push_index(self) -> None:
        both = self._up + self._down
        if both and self._range:
            self._mean.push(100 * abs(self._up - self._down) / both)
        elif not self._mean.is_full:
            self._mean.push(0.0)

    @property
    def value(self) -> Value:
        return self._mean.mean if self._mean.is_full else None


class _Stochastic(Running):
    """`stoch`."""

    def __init__(self, indicator: Indicator, _: int) -> None:
        size, self._slow, self._d = _sizes(indicator)
        self._highs: _Window[float] = _Window(size, max)
        self._lows: _Window[float] = _Window(size, min)
        self._fast_ks: _Window[float] = _Window(self._slow, add)
        self._ks: _Window[float] = _Window(self._d, add)

    def push(self, candle: Candle) -> None:
        self._highs.push(candle.high)
        self._lows.push(candle.low)
        if not self._highs.is_full:
            return
        low, width = self._lows.total, self._highs.total - self._lows.total
        self._fast_ks.push(100 * (candle.close - low) / width if width else 0.0)
        if self._fast_ks.is_full:
            self._ks.push(self._fast_ks.total / self._slow)

    @property
    def value(self) -> Value:
        if not self._ks.is_full:
            return None
        return {"k": self._fast_ks.total / self._slow, "d": self._ks.total / self._d}


type _Flow = tuple[float, float]
"""Volumes added and taken away: with the first one added whatever its close did, and as the closes say."""


def _flow(older: _Flow, newer: _Flow) -> _Flow:
    return older[0] + newer[1], older[1] + newer[1]


class _Obv(Running):
    def __init__(self, _: Indicator, shown: int) -> None:
        self._flows: _Window[_Flow] = _Window(shown, _flow)
        self._close: float | None = None

    def push(self, candle: Candle) -> None:
        before = candle.close if self._close is None else self._close
        sign = (candle.close > before) - (candle.close < before)
        self._flows.push((candle.volume, sign * candle.volume))
        self._close = candle.close

    @property
    def value(self) -> Value:
        return None if self._close is None else self._flows.total[0]


class _Extreme(Running):
    """`min` and `max`."""

    def __init__(self, indicator: Indicator, together: Callable[[float, float], float]) -> None:
        (size,) = _sizes(indicator)
        self._closes: _Window[float] = _Window(size, together)

    def push(self, candle: Candle) -> None:
        self._closes.push(candle.close)

    @property
    def value(self) -> Value:
        return self._closes.total if self._closes.is_full else None


def _first(older: float, _: float) -> float:
    return older


class _Returns(Running):
    def __init__(self, indicator: Indicator, _: int) -> None:
        (size,) = _sizes(indicator)
        self._closes: _Window[float] = _Window(size + 1, _first)
        self._close = 0.0

    def push(self, candle: Candle) -> None:
        self._closes.push(candle.close)
        self._close = candle.close

    @property
    def value(self) -> Value:
        return self._close / self._closes.total - 1 if self._closes.is_full else None


class _Drawdown(Running):
    def __init__(self, _: Indicator, shown: int) -> None:
        self._closes: _Window[float] = _Window(shown, max)
        self._close: float | None = None

    def push(self, candle: Candle) -> None:
        self._closes.push(candle.close)
        self._close = candle.close

    @property
    def value(self) -> Value:
        return None if self._close is None else 1 - self._close / self._closes.total


class _DayMean(Running):
    """`vwap`: of the day (UTC) of the last row."""

    def __init__(self, *_: object) -> None:
        self._day = -1
        self._volume = self._worth = 0.0

    def push(self, candle: Candle) -> None:
        if (day := floor(candle.start, DAY)) != self._day:
            self._day, self._volume, self._worth = day, 0.0, 0.0
        self._volume += candle.volume
        self._worth += _typical(candle) * candle.volume

    @property
    def value(self) -> Value:
        return self._worth / self._volume if self._volume else None


class _VolumeMean(Running):
    """`vwap:n`."""

    def __init__(self, indicator: Indicator, _: int) -> None:
        (size,) = _sizes(indicator)
        self._volumes: _Window[float] = _Window(size, add)
        self._worths: _Window[float] = _Window(size, add)

    def push(self, candle: Candle) -> None:
        self._volumes.push(candle.volume)
        self._worths.push(_typical(candle) * candle.volume)

    @property
    def value(self) -> Value:
        if not self._volumes.is_full or not self._volumes.total:
            return None
        return self._worths.total / self._volumes.total


def _typical(candle: Candle) -> float:
    return (candle.high + candle.low + candle.close) / 3


def _sizes(indicator: Indicator) -> Iterable[int]:
    return map(int, indicator.parameters)


_MAKERS: Final[dict[str, Callable[[Indicator, int], Running]]] = {
    "sma": _Mean,
    "ema": _ExponentialMean,
    "wma": _WeightedMean,
    "rsi": _Rsi,
    "macd": _Macd,
    "bb": _Bands,
    "atr": _Atr,
    "adx": _Adx,
    "stoch": _Stochastic,
    "obv": _Obv,
    "min": lambda indicator, _: _Extreme(indicator, min),
    "max": lambda indicator, _: _Extreme(indicator, max),
    "returns": _Returns,
    "drawdown": _Drawdown,
    "vwap": lambda indicator, _: _VolumeMean(indicator, _) if indicator.parameters else _DayMean(),
}

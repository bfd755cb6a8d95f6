"""Indicators by name: which there are, how a request writes them, and how far back each has to look."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptopulse.domain.candles import DAY
from cryptopulse.domain.prices import SHOWN
from cryptopulse.errors import InvalidError

MOST: Final = 20
"""Indicators in one request."""
LONGEST: Final = 500
WIDEST: Final = 10
"""The longest window in rows, and the widest bands in deviations."""
_WINDOW: Final = re.compile("[0-9]{1,3}")
_WIDTH: Final = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")


class Indicator(NamedTuple):
    """An indicator with all its parameters: `Indicator("bb", (20, 2.0))`, written `bb:20:2`."""

    name: str
    parameters: tuple[float, ...] = ()

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{parameter:g}" for parameter in self.parameters)])

    @property
    def lines(self) -> tuple[str, ...]:
        """The names of its lines; none, if it is one itself."""
        return _LINES.get(self.name, ())

    def memory(self, interval: int) -> int:
        """How many closed rows before the first one shown it needs: an earlier start would change nothing by 1e-9.

        Args:
            interval: Of the rows, in ms.
        """
        if self == _DAILY_VWAP:
            return DAY // interval - 1
        return _RULES[self.name].memory(*self.parameters)


def parse(text: str) -> list[Indicator]:
    """The indicators that a request names: `sma:50,macd,bb:20:2.5`; parameters at the end may be left out.

    Raises:
        InvalidError: There is no such indicator, its parameters are wrong, one is named twice, or there are too many.
    """
    words = text.split(",")
    if len(words) > MOST:
        raise InvalidError("indicators", f"Expected 1 to {MOST} indicators, separated by commas")
    named: list[Indicator] = []
    for word in words:
        indicator = _read(word)
        if indicator in named:
            raise InvalidError("indicators", f"{indicator} is there twice")
        named.append(indicator)
    return named


# --- how each is written, and its memory ---

_LINES: Final = {
    "macd": ("macd", "signal", "histogram"),
    "bb": ("upper", "middle", "lower"),
    "stoch": ("k", "d"),
}
_DAILY_VWAP: Final = Indicator("vwap")


class _Parameter(NamedTuple):
    """A window in rows, or a width in deviations."""

    name: str
    default: float | None
    """None: without it the indicator is another one."""
    least: int
    is_width: bool = False

    def read(self, word: str) -> float | None:
        """The value that is written so; None: it is none, or out of bounds."""
        if self.is_width:
            return width if _WIDTH.fullmatch(word) and self.least < (width := float(word)) <= WIDEST else None
        return window if _WINDOW.fullmatch(word) and self.least <= (window := int(word)) <= LONGEST else None

    def __str__(self) -> str:
        return (
            f"{self.name} above {self.least} up to {WIDEST}"
            if self.is_width
            else f"{self.name} {self.least} to {LONGEST}"
        )


class _Rule(NamedTuple):
    """What an indicator's parameters may be, and its memory in rows, given all of them."""

    parameters: tuple[_Parameter, ...]
    memory: Callable[..., int]

    def read(self, words: list[str]) -> tuple[float, ...] | None:
        """The parameters that are written so, and those that are left out; None: they are wrong."""
        if len(words) > len(self.parameters):
            return None
        read = [parameter.read(word) for parameter, word in zip(self.parameters, words, strict=False)]
        read += [parameter.default for parameter in self.parameters[len(words) :] if parameter.default is not None]
        return None if None in read else tuple(value for value in read if value is not None)


def _read(word: str) -> Indicator:
    name, *words = word.split(":")
    if name not in _RULES:
        raise InvalidError("indicators", f"There is no {name[:SHOWN]!r}; there are {', '.join(_RULES)}")
    rule = _RULES[name]
    parameters = rule.read(words)
    if parameters is None:
        form = ":".join([name, *(parameter.name for parameter in rule.parameters)])
        bounds = ", ".join(map(str, rule.parameters))
        expected = f"{form} with {bounds}" if bounds else f"{form} without parameters"
        raise InvalidError("indicators", f"Expected {expected}, not {word[:SHOWN]!r}")
    if name == "macd" and parameters[0] >= parameters[1]:
        raise InvalidError("indicators", f"Expected macd:fast:slow:signal with fast less than slow, not {word!r}")
    return Indicator(name, parameters)


def _rolling(window: int, _width: float = 0) -> int:
    return window - 1


def _exponential(window: int) -> int:
    """The rows of the seed, and those after which it weighs (1 - 2 / (n + 1))^k < 1e-13."""
    return window - 1 + 15 * (window + 1)


def _wilder(window: int) -> int:
    """The rows of the seed, and those after which it weighs (1 - 1 / n)^k < 1e-13."""
    return window + 30 * window


def _macd(_fast: int, slow: int, signal: int) -> int:
    """What one average forgets is still in the other: k (1 - 2 / (n + 1))^k, some rows more."""
    return slow - 1 + signal - 1 + 17 * (max(slow, signal) + 1)


def _adx(window: int) -> int:
    """Two averages one after the other here too."""
    return 2 * window + 34 * window


def _stochastic(k: int, slow: int, d: int) -> int:
    return k - 1 + slow - 1 + d - 1


def _n(default: int | None, least: int) -> tuple[_Parameter]:
    return (_Parameter("n", default, least),)


_RULES: Final = {
    "sma": _Rule(_n(20, 1), _rolling),
    "ema": _Rule(_n(20, 1), _exponential),
    "wma": _Rule(_n(20, 1), _rolling),
    "rsi": _Rule(_n(14, 2), _wilder),
    "macd": _Rule((_Parameter("fast", 12, 2), _Parameter("slow", 26, 2), _Parameter("signal", 9, 1)), _macd),
    "bb": _Rule((_Parameter("n", 20, 2), _Parameter("k", 2, 0, is_width=True)), _rolling),
    "atr": _Rule(_n(14, 1), _wilder),
    "adx": _Rule(_n(14, 2), _adx),
    "stoch": _Rule((_Parameter("k", 14, 1), _Parameter("slow", 3, 1), _Parameter("d", 3, 1)), _stochastic),
    "obv": _Rule((), int),
    "min": _Rule(_n(20, 2), _rolling),
    "max": _Rule(_n(20, 2), _rolling),
    "returns": _Rule(_n(1, 1), int),
    "drawdown": _Rule((), int),
    "vwap": _Rule(_n(None, 1), _rolling),
}
"""Windows begin where TA-Lib's do."""

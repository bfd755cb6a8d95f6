"""Volatility: how much a price moves in a year, from the candles of a moving window."""

from collections.abc import Callable, Mapping
from math import log
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cryptopulse.domain.analyses import Estimator
from cryptopulse.domain.technical import Floats, Rows

FROM_CLOSES: Final = frozenset[Estimator](["close", "yang_zhang"])
"""These look at the close before each row of the window."""


def memory(estimator: Estimator, window: int) -> int:
    """How many rows before the first one shown its value is made of."""
    return window if estimator in FROM_CLOSES else window - 1


def volatility(estimator: Estimator, rows: Rows, window: int, periods_per_year: float) -> Floats:
    """The volatility of the window that ends with each row.

    Deviations are taken from the mean of each window, in two passes: they are right also where a price hardly moves.

    Args:
        estimator: How the variance of a row is estimated.
        rows: Prices above 0.
        window: How many rows or, for `close`, returns; at least 2.
        periods_per_year: Rows in a year of 365 days: variance is that many times as large.

    Returns:
        Fractions a year (0.65 is 65 %), one for each row; NaN where there are too few rows before.
    """
    values, before = np.full(len(rows.close), np.nan), memory(estimator, window)
    if before < len(values):
        values[before:] = np.sqrt(VARIANCES[estimator](rows, window) * periods_per_year)
    return values


def log_ratio(price: Floats, base: Floats) -> Floats:
    """ln(price / base), to the last digits also where both are nearly the same."""
    change: Floats = price - base
    change /= base
    return np.log1p(change, out=change)


def _close(rows: Rows, window: int) -> Floats:
    """The sample variance of log returns."""
    return _variance(log_ratio(rows.close[1:], rows.close[:-1]), window)


def _parkinson(rows: Rows, window: int) -> Floats:
    """Mean of ln(h/l)² / (4 ln 2): M. Parkinson, The Journal of Business 53 (1980). Takes it that there is no drift."""
    return _mean(log_ratio(rows.high, rows.low) ** 2, window) / (4 * log(2))


def _garman_klass(rows: Rows, window: int) -> Floats:
    """Mean of ½ ln(h/l)² - (2 ln 2 - 1) ln(c/o)²: M. Garman, M. Klass, The Journal of Business 53 (1980). No drift."""
    terms = log_ratio(rows.high, rows.low) ** 2 / 2 - (2 * log(2) - 1) * log_ratio(rows.close, rows.open) ** 2
    return _mean(terms, window)


def _rogers_satchell(rows: Rows, window: int) -> Floats:
    """Mean of ln(h/c) ln(h/o) + ln(l/c) ln(l/o), whatever the drift.

    L. Rogers, S. Satchell, The Annals of Applied Probability 1 (1991).
    """
    tops = log_ratio(rows.high, rows.close) * log_ratio(rows.high, rows.open)
    bottoms = log_ratio(rows.low, rows.close) * log_ratio(rows.low, rows.open)
    return _mean(tops + bottoms, window)


def _yang_zhang(rows: Rows, window: int) -> Floats:
    """Sample variances of ln(o/c before) and, times k, of ln(c/o), and 1 - k of Rogers and Satchell's.

    k = 0.34 / (1.34 + (n + 1) / (n - 1)) for n rows: D. Yang, Q. Zhang, The Journal of Business 73 (2000).
    """
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    jumps = _variance(log_ratio(rows.open[1:], rows.close[:-1]), window)
    moves = _variance(log_ratio(rows.close[1:], rows.open[1:]), window)
    return jumps + k * moves + (1 - k) * _rogers_satchell(rows, window)[1:]


VARIANCES: Final[Mapping[Estimator, Callable[[Rows, int], Floats]]] = {
    "close": _close,
    "parkinson": _parkinson,
    "garman_klass": _garman_klass,
    "rogers_satchell": _rogers_satchell,
    "yang_zhang": _yang_zhang,
}


def _mean(values: Floats, window: int) -> Floats:
    mean: Floats = sliding_window_view(values, window).mean(axis=1)
    return mean


def _variance(values: Floats, window: int) -> Floats:
    variance: Floats = sliding_window_view(values, window).var(axis=1, ddof=1)
    return variance

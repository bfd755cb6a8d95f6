"""Volatility against pandas on recorded prices (`../shared/data`, where present), and where there is little to see."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import e, isclose, log, log1p, sqrt
from pathlib import Path
from statistics import stdev

import numpy as np
import pandas as pd
import pytest

from cryptopulse.domain.analyses import Estimator
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.technical import Rows
from cryptopulse.domain.volatility import memory, volatility

RECORDED = Path(__file__).parents[4] / "shared/data/ohlcv"
HISTORIES = sorted(
    path.relative_to(RECORDED).as_posix()
    for pattern in ("daily_*/*.csv", "hourly_*/*.csv", "minute/*", "5min_*/*", "trades_to_candles/*m.csv")
    for path in RECORDED.glob(pattern)
)


def recorded(path: str) -> pd.DataFrame:
    return pd.read_csv(RECORDED / path).rename(columns=str.lower)[["open", "high", "low", "close", "volume"]].dropna()


def rows_of(frame: pd.DataFrame) -> Rows:
    return Rows(np.arange(len(frame)) * DAY, *(frame[name].to_numpy(np.float64) for name in Rows._fields[1:]))


def rows(*candles: tuple[float, float, float, float]) -> Rows:
    return rows_of(pd.DataFrame([(*each, 1) for each in candles], columns=Rows._fields[1:]))


def of_closes(prices: pd.DataFrame, window: int) -> pd.Series:
    return np.log(prices.close).diff().rolling(window).std()


def parkinson(prices: pd.DataFrame, window: int) -> pd.Series:
    ranges = np.log(prices.high / prices.low) ** 2
    return np.sqrt(ranges.rolling(window).sum() / (4 * window * log(2)))


def garman_klass(prices: pd.DataFrame, window: int) -> pd.Series:
    ranges, moves = np.log(prices.high / prices.low), np.log(prices.close / prices.open)
    return np.sqrt((0.5 * ranges**2 - (2 * log(2) - 1) * moves**2).rolling(window).mean())


def rogers_satchell(prices: pd.DataFrame, window: int) -> pd.Series:
    up, down, drift = (np.log(prices[name] / prices.open) for name in ("high", "low", "close"))
    return np.sqrt((up * (up - drift) + down * (down - drift)).rolling(window).mean())


def yang_zhang(prices: pd.DataFrame, window: int) -> pd.Series:
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    jumps, moves = np.log(prices.open / prices.close.shift()), np.log(prices.close / prices.open)
    rest = rogers_satchell(prices, window) ** 2
    return np.sqrt(jumps.rolling(window).var() + k * moves.rolling(window).var() + (1 - k) * rest)


WITH_PANDAS: dict[Estimator, Callable[[pd.DataFrame, int], pd.Series]] = {
    "close": of_closes,
    "parkinson": parkinson,
    "garman_klass": garman_klass,
    "rogers_satchell": rogers_satchell,
    "yang_zhang": yang_zhang,
}
ESTIMATORS = list(WITH_PANDAS)


@pytest.mark.parametrize("path", HISTORIES)
def test_recorded_prices_are_as_volatile_as_pandas_says(path: str) -> None:
    prices = recorded(path)
    for estimator, reference in WITH_PANDAS.items():
        for window in (30, 365):
            found = volatility(estimator, rows_of(prices), window, 365)
            expected = reference(prices, window) * sqrt(365)
            np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=f"{estimator} of {window}")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        ("close", sqrt(2)),
        ("parkinson", 1 / sqrt(4 * log(2))),
        ("garman_klass", sqrt(1 - log(2))),
        ("rogers_satchell", sqrt(0.5)),
        ("yang_zhang", 1),
    ],
)
def test_values_by_hand(estimator: Estimator, expected: float) -> None:
    found = volatility(estimator, rows((1, e, 1, 1), (1, e, 1, e), (1, e, 1, 1)), 2, 4)
    assert isclose(found[-1], 2 * expected, rel_tol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_values_begin_where_there_is_enough(estimator: Estimator) -> None:
    whole = rows(*((10 + at % 3, 14 + at % 5, 9 - at % 2, 11 + at % 4) for at in range(12)))
    found = volatility(estimator, whole, 5, 365)
    before = memory(estimator, 5)
    assert np.isnan(found[:before]).all()
    assert (found[before:] > 0).all()
    for at in range(before, 12):  # and rest on no more than that
        part = Rows(whole.starts[at - before : at + 1], *(column[at - before : at + 1] for column in whole[1:]))
        assert volatility(estimator, part, 5, 365)[-1] == found[at]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_window_larger_than_the_history_has_no_values(estimator: Estimator, count: int) -> None:
    found = volatility(estimator, rows(*[(10, 12, 9, 11)] * count), 30, 365)
    assert found.shape == (count,)
    assert np.isnan(found).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_price_that_stands_still_is_not_volatile(estimator: Estimator) -> None:
    assert volatility(estimator, rows(*[(0.1, 0.1, 0.1, 0.1)] * 50), 30, 365)[-1] == 0


def test_a_price_that_hardly_moves_after_a_crash() -> None:
    closes = [1e9, 1.0, *(60_000 + at % 7 / 100 for at in range(100))]
    returns = [log1p((Fraction(now) - Fraction(before)) / Fraction(before)) for before, now in pairwise(closes)]
    found = volatility("close", rows(*((each,) * 4 for each in closes)), 30, 365)
    assert isclose(found[-1], stdev(returns[-30:]) * sqrt(365), rel_tol=1e-12)

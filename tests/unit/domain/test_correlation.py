"""Correlation against pandas on recorded prices (`../shared/data`, where present), and where there is none."""

import json
from math import isclose, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptopulse.domain.analyses import Method
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.correlation import beta, common, correlation
from cryptopulse.domain.technical import Floats, Rows

RECORDED = Path(__file__).parents[4] / "shared/data"
METHODS: tuple[Method, ...] = ("pearson", "spearman")

with_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded data is not beside this checkout")


def rows(closes: dict[int, float]) -> Rows:
    column = np.array(list(closes.values()), np.float64)
    return Rows(np.array([*closes]), column, column, column, column, column)


def recorded(pattern: str, time: str, close: str) -> dict[str, pd.Series]:
    """The closes of each file by Unix ms."""
    frames = {path.name: pd.read_csv(path) for path in sorted((RECORDED / "ohlcv").glob(pattern))}
    return {
        name: frame.set_index(pd.to_datetime(frame[time], utc=True).astype("datetime64[ms, UTC]").astype(int))[close]
        for name, frame in frames.items()
    }


@with_recorded
@pytest.mark.parametrize("method", METHODS)
def test_recorded_days_go_together_as_pandas_says(method: Method) -> None:
    histories = recorded("daily_yahoo/*", "Date", "Close")
    del histories["DOT-USD.csv"]  # it begins after AVAX's gap
    frame = pd.concat(histories, axis=1, join="inner").sort_index()
    starts, closes = common([rows(each.to_dict()) for each in histories.values()])
    assert starts == frame.index.to_list()
    assert (starts[-1] - starts[0]) // DAY - len(starts) > 60
    found = correlation(closes, method)
    np.testing.assert_allclose(found, np.log(frame).diff().corr(method), rtol=1e-9)
    np.testing.assert_array_equal(found, found.T)
    assert (found.diagonal() == 1).all()


@with_recorded
def test_recorded_ticks_go_together_as_pandas_says() -> None:
    histories = recorded("5min_btc_pairs_2018/*", "date", "close")
    frame = pd.concat(histories, axis=1, join="inner").sort_index()
    closes = frame.to_numpy().T
    np.testing.assert_allclose(correlation(closes, "pearson"), np.log(frame).diff().corr(), rtol=1e-9)
    ticks = (frame * 1e8).round()  # else the rounding of prices would rank equal returns, in pandas as it falls
    expected = (ticks / ticks.shift()).corr("spearman")
    np.testing.assert_allclose(correlation(closes, "spearman"), expected, rtol=1e-9)


@with_recorded
def test_recorded_betas_are_as_pandas_says() -> None:
    histories = recorded("daily_yahoo/*", "Date", "Close")
    returns = np.log(pd.concat(histories, axis=1, join="inner").sort_index()).diff()
    expected = returns.cov()["BTC-USD.csv"] / returns["BTC-USD.csv"].var()
    _, closes = common([rows(each.to_dict()) for each in histories.values()])
    benchmark = closes[list(histories).index("BTC-USD.csv")]
    found = np.array([beta(own, benchmark) for own in closes], np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@with_recorded
def test_anscombes_quartet_has_its_published_correlation() -> None:
    cases = json.loads((RECORDED / "indicators/correlation_anscombe.json").read_text())["cases"]
    for case in cases:
        returns = np.array([case["x"], case["y"]])
        matrix = correlation(closes_of(returns), "pearson")
        assert isclose(matrix[0, 1], case["expected_pearson"], abs_tol=case["tolerance"])
        assert isclose(matrix[0, 1], np.corrcoef(returns)[0, 1], rel_tol=1e-9)


def closes_of(returns: Floats) -> Floats:
    """Prices with these log returns."""
    return np.exp(np.cumsum(np.insert(returns / 100, 0, 0, axis=1), axis=1))


def test_only_the_times_that_all_have_count() -> None:
    first = rows({DAY: 1, 2 * DAY: 2, 4 * DAY: 4, 5 * DAY: 5})
    second = rows({0: 10, DAY: 11, 3 * DAY: 13, 4 * DAY: 14, 5 * DAY: 15})
    third = rows({DAY: 21, 2 * DAY: 22, 3 * DAY: 23, 4 * DAY: 24, 5 * DAY: 25})
    starts, closes = common([first, second, third])
    assert starts == [DAY, 4 * DAY, 5 * DAY]
    assert closes.tolist() == [[1, 4, 5], [11, 14, 15], [21, 24, 25]]


@pytest.mark.parametrize("method", METHODS)
def test_histories_that_never_meet_have_no_correlation(method: Method) -> None:
    starts, closes = common([rows({0: 1}), rows({DAY: 1}), rows({})])
    assert (starts, closes.shape) == ([], (3, 0))
    assert np.isnan(correlation(closes, method)).all()
    assert beta(closes[0], closes[1]) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_two_returns_have_no_correlation(method: Method, count: int) -> None:
    closes = np.array([[1.0, 2.0], [3.0, 5.0]])[:, :count]
    assert np.isnan(correlation(closes, method)).all()
    assert beta(*closes) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "still",
    [[7.0] * 6, [1.0, 2, 4, 8, 16, 32], [100, 101, 102.01, 103.0301, 104.060401, 105.10100501]],
    ids=["constant", "doubling", "one_per_cent"],
)
def test_constant_returns_go_with_nothing(method: Method, still: list[float]) -> None:
    up = [1.0, 2, 3, 5, 7, 11]
    matrix = correlation(np.array([up, still, up[::-1]]), method)
    assert np.isnan(matrix).tolist() == [[False, True, False], [True] * 3, [False, True, False]]
    assert (matrix[0, 0], matrix[2, 2]) == (1, 1)
    assert beta(np.array(up), np.array(still)) is None
    assert isclose(beta(np.array(still), np.array(up)) or 0, 0, abs_tol=1e-12)


def test_the_same_and_the_opposite() -> None:
    closes = closes_of(np.array([[1, -2, 3, 0.5], [2, -4, 6, 1], [-1, 2, -3, -0.5]]))
    for method in METHODS:
        np.testing.assert_allclose(correlation(closes, method), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], rtol=1e-12)
        assert np.abs(correlation(closes, method)).max() <= 1
    assert isclose(beta(closes[1], closes[0]) or 0, 2, rel_tol=1e-12)
    assert isclose(beta(closes[2], closes[1]) or 0, -0.5, rel_tol=1e-12)


def test_equal_returns_share_their_mean_rank() -> None:
    own, other = [1.0, 2, 2, 1, 2], [8.0, 4, 6, 5, 3]  # ranks 3.5 2 1 3.5 and 1 4 3 2
    assert isclose(correlation(np.array([own, other]), "spearman")[0, 1], -3.5 / sqrt(4.5 * 5))

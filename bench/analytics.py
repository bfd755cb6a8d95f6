"""Indicators and correlation against the same with pandas, and as there are more candles; a request from the cache.

Both sides begin with the same arrays and compute each indicator on its own. The reference is what one would write with
pandas: a table in, a table out, whole columns at a time. Averages begin as TA-Lib's do, so that both tell the same.
pandas has no weighted window of its own: as its libraries do, the reference gives each window to numpy. How it would be
with that average as a sum of shifted columns is printed too.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from io import StringIO
from logging import StreamHandler
from math import log
from statistics import linear_regression
from typing import Any, Final

import boto3
import numpy as np
from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.dynamodb.conditions import Attr

from cryptopulse.domain import technical  # before pandas: TA-Lib is not to find it, as on AWS

# isort: split

import pandas as pd

from bench import candles
from bench._cloud import cloud
from bench.candles import BTC, chart_event, store_packed
from cryptopulse import wiring
from cryptopulse.domain.candles import DAY, FROM_VENUE, HOUR, Block
from cryptopulse.domain.correlation import correlation
from cryptopulse.domain.indicators import parse
from cryptopulse.domain.technical import Rows
from cryptopulse.telemetry import logger

START: Final = 19_723 * DAY
"""2024-01-01."""
INDICATORS: Final = parse("sma,ema,wma,rsi,macd,bb,atr,adx,stoch,obv,min,max,returns,drawdown,vwap,vwap:20")
COUNTS: Final = {500: (5, 60), 5_000: (5, 20), 100_000: (10, 3)}
"""Candles: how many times faster it is at least, and rounds to measure."""
GROWING: Final = 5_000, 10_000, 20_000, 50_000, 100_000
TURNS: Final = 7
COINS, YEAR = 100, 365
CORRELATED, CACHED, LINEAR = 20, 20, 1.15


def history(count: int) -> Rows:
    """Hours of a random walk in cents, none without a trade."""
    chosen, price, rows = random.Random(count), 6_321_297, []
    for start in range(START, START + count * HOUR, HOUR):
        close = max(price + chosen.randrange(-40_000, 40_001), 1_000_000)
        high, low = max(price, close) + chosen.randrange(9_000), min(price, close) - chosen.randrange(9_000)
        rows.append((start, price, high, low, close, chosen.randrange(10**8, 10**11), FROM_VENUE, start, True))
        price = close
    return Rows.of(Block(2, 8, tuple(zip(*rows, strict=True))))


# --- indicators, ours ---


def ours(rows: Rows) -> dict[str, technical.Values]:
    """Through the function that the API's routes call."""
    return {str(indicator): technical.values(indicator, rows, 0) for indicator in INDICATORS}


# --- indicators, with pandas ---


def smoothed(column: pd.Series, window: int, alpha: float) -> pd.Series:
    """Exponentially, beginning with the mean of the first window, as TA-Lib does."""
    first = column.index.get_loc(column.first_valid_index()) + window
    seeded = column.copy()
    seeded.iloc[: first - 1] = np.nan
    seeded.iloc[first - 1] = column.iloc[first - window : first].mean()
    return seeded.ewm(alpha=alpha, adjust=False).mean()


def ema(column: pd.Series, span: int) -> pd.Series:
    return smoothed(column, span, 2 / (span + 1))


def wilder(column: pd.Series) -> pd.Series:
    return smoothed(column, 14, 1 / 14)


def wma(frame: pd.DataFrame) -> pd.Series:
    weights = np.arange(1, 21) / 210
    return frame.close.rolling(20).apply(lambda window: window @ weights, raw=True)


def wma_of_shifts(frame: pd.DataFrame) -> pd.Series:
    return sum(frame.close.shift(19 - back) * (back + 1) for back in range(20)) / 210


def rsi(frame: pd.DataFrame) -> pd.Series:
    change = frame.close.diff()
    return 100 - 100 / (1 + wilder(change.clip(lower=0)) / wilder(-change.clip(upper=0)))


def macd(frame: pd.DataFrame) -> pd.DataFrame:
    line = ema(frame.close.iloc[14:], 12) - ema(frame.close, 26)
    signal = ema(line, 9)
    return pd.DataFrame({"macd": line, "signal": signal, "histogram": line - signal})


def bands(frame: pd.DataFrame) -> pd.DataFrame:
    window = frame.close.rolling(20)
    middle, width = window.mean(), 2 * window.std(ddof=0)
    return pd.DataFrame({"upper": middle + width, "middle": middle, "lower": middle - width})


def atr(frame: pd.DataFrame) -> pd.Series:
    before = frame.close.shift()
    ranges = [frame.high - frame.low, (frame.high - before).abs(), (frame.low - before).abs()]
    return wilder(pd.concat(ranges, axis=1).max(axis=1, skipna=False))


def adx(frame: pd.DataFrame) -> pd.Series:
    rise, fall, ranges = frame.high.diff(), -frame.low.diff(), atr(frame)
    plus = wilder(rise.where((rise > fall) & (rise > 0), 0)) / ranges
    minus = wilder(fall.where((fall > rise) & (fall > 0), 0)) / ranges
    return wilder(100 * (plus - minus).abs() / (plus + minus))


def stochastic(frame: pd.DataFrame) -> pd.DataFrame:
    lowest, highest = frame.low.rolling(14).min(), frame.high.rolling(14).max()
    k = (100 * (frame.close - lowest) / (highest - lowest)).rolling(3).mean()
    return pd.DataFrame({"k": k, "d": k.rolling(3).mean()})


def vwap(frame: pd.DataFrame) -> pd.Series:
    day = frame.index.floor("D")
    traded = (frame.high + frame.low + frame.close) / 3 * frame.volume
    return traded.groupby(day).cumsum() / frame.volume.groupby(day).cumsum()


def rolling_vwap(frame: pd.DataFrame) -> pd.Series:
    traded = (frame.high + frame.low + frame.close) / 3 * frame.volume
    return traded.rolling(20).sum() / frame.volume.rolling(20).sum()


WITH_PANDAS: Final[dict[str, Callable[[pd.DataFrame], Any]]] = {
    "sma:20": lambda frame: frame.close.rolling(20).mean(),
    "ema:20": lambda frame: ema(frame.close, 20),
    "wma:20": wma,
    "rsi:14": rsi,
    "macd:12:26:9": macd,
    "bb:20:2": bands,
    "atr:14": atr,
    "adx:14": adx,
    "stoch:14:3:3": stochastic,
    "obv": lambda frame: (np.sign(frame.close.diff()).fillna(1) * frame.volume).cumsum(),
    "min:20": lambda frame: frame.close.rolling(20).min(),
    "max:20": lambda frame: frame.close.rolling(20).max(),
    "returns:1": lambda frame: frame.close.pct_change(),
    "drawdown": lambda frame: 1 - frame.close / frame.close.cummax(),
    "vwap": vwap,
    "vwap:20": rolling_vwap,
}


def with_pandas(rows: Rows, **others: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    """The same, whole columns at a time, as a table; `others` are made otherwise."""
    times = pd.to_datetime(rows.starts, unit="ms")
    frame = pd.DataFrame(dict(zip(Rows._fields[1:], rows[1:], strict=True)), index=times)
    return pd.concat({name: make(frame) for name, make in (WITH_PANDAS | others).items()}, axis=1)


# --- the comparison ---


def agree(rows: Rows) -> None:
    """Both tell the same: from the first value on, or ADX, which begins otherwise, from where that is forgotten."""
    mine, theirs = ours(rows), iter(with_pandas(rows).to_numpy().T)
    for indicator in INDICATORS:
        found = mine[str(indicator)]
        for column in found.values() if isinstance(found, dict) else [found]:
            first = indicator.memory(HOUR) if indicator.name == "adx" else np.isnan(column).sum()
            np.testing.assert_allclose(column[first:], next(theirs)[first:], rtol=1e-9, atol=1e-9)
    assert not [*theirs]


def took[T](make: Callable[[], T], rounds: int = 1) -> float:
    """CPU seconds of one."""
    began = time.process_time()
    for _ in range(rounds):
        make()
    return (time.process_time() - began) / rounds


def ratio(name: str, mine: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
    """How many times more CPU the other side takes; they take turns, and of each the quietest counts."""
    costs = [(took(mine, rounds), took(theirs, rounds)) for _ in range(TURNS)]
    own, other = (min(each[side] for each in costs) for side in (0, 1))
    print(f"{name}, ms of CPU: ours {own * 1e3:.2f}, pandas {other * 1e3:.2f}")
    return other / own


def indicators_ratio(count: int, rounds: int) -> float:
    rows = history(count)
    agree(rows)
    shifted = partial(with_pandas, rows, **{"wma:20": wma_of_shifts})
    times = ratio(f"{count:,} candles, WMA of shifts", partial(ours, rows), shifted, rounds)
    print(f"  that would be {times:.1f} times")
    return ratio(f"{count:,} candles", partial(ours, rows), partial(with_pandas, rows), rounds)


def exponent() -> float:
    """With which power of the candles the time grows."""
    costs = []
    for count in GROWING:
        rows = history(count)
        costs.append(min(took(partial(ours, rows), rounds=2) for _ in range(TURNS)))
    return linear_regression([log(count) for count in GROWING], [log(cost) for cost in costs]).slope


def correlation_ratio() -> float:
    """100 coins, a year of days: from closes at common times to the matrix."""
    chosen = np.random.default_rng(1)
    closes = 100 * np.exp(chosen.normal(0, 0.03, (COINS, YEAR + 1)).cumsum(axis=1))
    frame = pd.DataFrame(closes.T)

    def with_frames() -> pd.DataFrame:
        return np.log(frame).diff().corr()

    np.testing.assert_allclose(correlation(closes, "pearson"), with_frames(), rtol=1e-9, atol=1e-12)
    return ratio(f"{COINS} coins, {YEAR} returns", lambda: correlation(closes, "pearson"), with_frames, 20)


# --- the cache ---


def indicators_event() -> dict[str, Any]:
    event, path, asked = chart_event(0, 0), f"/indicators/{BTC.symbol}", "sma:20,rsi:14,macd"
    event |= {
        "rawPath": path,
        "rawQueryString": f"indicators={asked}",
        "queryStringParameters": {"indicators": asked},
    }
    event["requestContext"]["http"]["path"] = path
    return event


def forget() -> None:
    """Empties the cache, in process and in the table; the candles are in the table only."""
    for made in (wiring.answers, wiring.histories, wiring.latest):
        made.cache_clear()
    market = boto3.resource("dynamodb").Table("Market")
    for item in market.scan(FilterExpression=Attr("pk").begins_with("CACHE#"))["Items"]:
        market.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})


def cache_ratio() -> float:
    """The newest 500 rows through the handler, on a warm function: from the cache, against made anew."""
    with cloud():
        from functions.queries.app import handler

        assert isinstance(logger.registered_handler, StreamHandler)
        logger.registered_handler.setStream(StringIO())  # a line a request
        now, context = wiring.now(), LambdaContext()
        context._aws_request_id = "bench"
        store_packed(candles.history(now), now)
        answer = partial(handler, indicators_event(), context)
        answers, cached, uncached = [answer()], list[float](), list[float]()
        for _ in range(TURNS):
            forget()
            uncached.append(took(lambda: answers.append(answer())))
            cached.append(took(answer, 20))
            answers.append(answer())
    bodies = {each["body"] for each in answers}
    assert answers[0]["statusCode"] == 200
    assert len(bodies) == 1
    own, other = min(cached), min(uncached)
    print(f"GET /indicators, ms of CPU: cached {own * 1e3:.2f}, uncached {other * 1e3:.2f}")
    return other / own


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # as the function has it: others would only wait for each other
        os.execve(sys.executable, sys.orig_argv, os.environ | {"OPENBLAS_NUM_THREADS": "1"})  # noqa: S606 (no shell: this very command)
    is_missed = False

    def figure(name: str, number: float, *, is_enough: bool) -> None:
        nonlocal is_missed
        print(f"figure analytics.{name} {number:.2f}")
        is_missed |= not is_enough

    for count, (least, rounds) in COUNTS.items():
        times = indicators_ratio(count, rounds)
        figure(f"indicators_{count}_ratio", times, is_enough=times >= least)
    times = correlation_ratio()
    figure("correlation_ratio", times, is_enough=times >= CORRELATED)
    power = exponent()
    figure("growth_exponent", power, is_enough=power <= LINEAR)
    times = cache_ratio()
    figure("cache_ratio", times, is_enough=times >= CACHED)
    if is_missed:
        raise SystemExit("analytics misses what it promises")


if __name__ == "__main__":
    main()

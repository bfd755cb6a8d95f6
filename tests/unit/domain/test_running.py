"""Newest values row by row, against TA-Lib's over the same rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain.candles import DAY, FROM_TRADES, HOUR, MINUTE, Block, Row
from cryptopulse.domain.indicators import Indicator, parse
from cryptopulse.domain.running import Candle, Running, Value, candles, reach, running
from cryptopulse.domain.technical import Rows, values

NAMES = "sma,ema,wma,rsi,macd,bb,atr,adx,stoch,obv,min,max,returns,drawdown,vwap,vwap:20"
SHORT = "sma:1,ema:1,wma:1,rsi:2,macd:2:3:1,bb:2:2.5,atr:1,adx:2,stoch:1:1:1,stoch:5:3:4,min:2,max:3,returns:7,vwap:1"
SHOWN = 50
MIDNIGHT = 1_795_305_600_000


def walk(count: int, seed: int, *, price: float = 100.0, move: float = 0.01, interval: int = MINUTE) -> list[Candle]:
    """A random walk; a third of its rows move nothing, a tenth have no volume, some are missing."""
    random = np.random.default_rng(seed)
    moves = random.normal(0, move, count) * (random.random(count) > 0.3)
    closes = price * np.exp(np.cumsum(moves))
    highs = closes * (1 + np.abs(random.normal(0, move, count)))
    lows = closes * (1 - np.abs(random.normal(0, move, count)) / (1 + move * 10))
    volumes = random.exponential(5, count) * (random.random(count) > 0.1)
    starts = MIDNIGHT + np.cumsum(random.choice([1, 1, 1, 5], count)) * interval
    return list(map(Candle, *(column.tolist() for column in (starts, highs, lows, closes, volumes))))


def still(count: int, price: float, before: list[Candle]) -> list[Candle]:
    """Rows at one price, after others."""
    start = before[-1].start if before else MIDNIGHT
    return [*before, *(Candle(start + number * MINUTE, price, price, price, 1.0) for number in range(1, count + 1))]


def later(candles: list[Candle]) -> list[Candle]:
    """The same rows a day later."""
    return [candle._replace(start=candle.start + DAY) for candle in candles]


def rows_of(candles: list[Candle]) -> Rows:
    starts, highs, lows, closes, volumes = zip(*candles, strict=True)
    return Rows(np.array(starts), *map(np.array, (closes, highs, lows, closes, volumes)))


def talibs(indicator: Indicator, candles: list[Candle]) -> Value:
    """The last value of an answer that shows the last rows."""
    found = values(indicator, rows_of(candles), max(0, len(candles) - SHOWN))
    if not isinstance(found, dict):
        return None if math.isnan(found[-1]) else float(found[-1])
    lines = {name: float(line[-1]) for name, line in found.items()}
    return None if any(map(math.isnan, lines.values())) else lines


def pushed(indicator: Indicator, candles: list[Candle]) -> Running:
    state = running(indicator, SHOWN)
    for candle in candles:
        state.push(candle)
    return state


def scale(indicator: Indicator, candles: list[Candle]) -> float:
    """How large the numbers are that a value is the difference of."""
    if indicator.name == "obv":
        return sum(candle.volume for candle in candles[-SHOWN:])
    if indicator.name in ("rsi", "adx", "stoch", "returns", "drawdown"):
        return 1.0
    return max(candle.high for candle in candles[-indicator.memory(MINUTE) - 1 :])


def near(expected: Value, scale: float = 0) -> object:
    """What equals a value to 1e-9 of itself, or of a thousandth of the numbers it is the difference of."""
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12 * scale)


def check(names: str, candles: list[Candle]) -> None:
    for indicator in parse(names):
        expected = talibs(indicator, candles)
        found = pushed(indicator, candles).value
        assert found == near(expected, scale(indicator, candles)), str(indicator)


@given(
    st.integers(1, 400),
    st.integers(0, 2**32),
    st.sampled_from([1e-9, 1e-4, 1.0, 1e5, 1e12]),
    st.sampled_from([1e-7, 1e-3, 0.1]),
)
@settings(max_examples=25, deadline=None)
def test_values_are_talibs(count: int, seed: int, price: float, move: float) -> None:
    check(NAMES, walk(count, seed, price=price, move=move))
    check(SHORT, walk(count, seed, price=price, move=move, interval=HOUR))


@pytest.mark.parametrize("price", [0.1, 12_345.67, 1e-8], ids=str)
@pytest.mark.parametrize("moved", [0, 300], ids=["from the first row on", "later"])
def test_values_where_prices_stand_still(price: float, moved: int) -> None:
    for count in (1, 2, 40, 100):
        candles = still(count, price, walk(moved, 7, price=price))
        check(NAMES, candles)
        check(SHORT, candles)


def test_values_of_many_rows_have_not_drifted() -> None:
    check("sma,rsi,bb,vwap:20", walk(100_000, 3, price=1e-3))
    # Small after large ones: sums that rows were taken from would have kept their errors.
    fallen = [*walk(300, 4, price=1e9, move=1e-6), *later(walk(60, 4, price=1e-3, move=1e-6))]
    for indicator in parse("sma,wma,bb,vwap,vwap:20"):
        assert pushed(indicator, fallen).value == near(talibs(indicator, fallen[300:]))


@pytest.mark.parametrize("name", NAMES.split(","))
def test_rows_beyond_reach_change_nothing(name: str) -> None:
    (indicator,) = parse(name)
    candles = walk(6_000, 8, interval=HOUR)
    reached = candles[-reach(indicator, HOUR, SHOWN) :]
    expected = talibs(indicator, candles[-indicator.memory(HOUR) - SHOWN :])
    for rows in (candles, reached):
        assert pushed(indicator, rows).value == near(expected, scale(indicator, candles))


@pytest.mark.parametrize("name", ["rsi", "adx"])
def test_ratios_are_of_the_rows_looked_at(name: str) -> None:
    (indicator,) = parse(name)
    looked_at = indicator.memory(MINUTE) + SHOWN
    candles = still(looked_at - 2, 3.0, walk(200, 9))
    assert pushed(indicator, candles).value != 0
    candles = still(looked_at, 3.0, walk(200, 9))
    assert pushed(indicator, candles).value == talibs(indicator, candles[-looked_at:]) == 0
    candles += later(walk(100, 10))
    assert pushed(indicator, candles).value == near(talibs(indicator, candles[-looked_at:]))


@pytest.mark.parametrize("name", [*NAMES.split(","), "stoch:5:3:4"])
def test_a_copy_goes_its_own_way(name: str) -> None:
    (indicator,) = parse(name)
    candles = walk(500, 11)
    for count in (0, 1, 30, 450):
        state = pushed(indicator, candles[:count])
        before, copied = state.value, state.copy()
        for candle in candles[count:]:
            copied.push(candle)
        assert state.value == before
        assert copied.value == pushed(indicator, candles).value


def test_rows_without_a_trade_are_left_out() -> None:
    rows = [Row(0, 100, 103, 99, 101, 5_000, FROM_TRADES, 0, complete=True)]
    rows.append(Row(MINUTE, 0, 0, 0, 0, 0, FROM_TRADES, 0, complete=True))
    assert candles(Block.of(2, 3, rows)) == [Candle(0, 1.03, 0.99, 1.01, 5.0)]

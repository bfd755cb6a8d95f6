"""Newest values of indicators, against TA-Lib's over the rows that the table holds."""

import math

import pytest

from cryptopulse import wiring
from cryptopulse.aws import latest
from cryptopulse.aws.latest import SHOWN, Latest, Newest
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.aws.prices import MARKS_KEPT
from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, MINUTE, rows_of
from cryptopulse.domain.charts import open_from
from cryptopulse.domain.folding import fold
from cryptopulse.domain.indicators import Indicator, parse
from cryptopulse.domain.running import Candle, Running, Value, reach
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.technical import Rows, values
from cryptopulse.domain.ticks import Bar, Candles, Clock, Record
from tests.functional.conftest import Filled

SIX = 1_795_327_200_000
"""2026-11-22T06:00Z, when the stream begins."""
TODAY = SIX - 6 * HOUR
MINUTES = SIX - 3 * HOUR
HOURS = TODAY - 60 * DAY
BTC, ETH, NEW = (Series("coinbase", name) for name in ("BTC-USD", "ETH-USD", "SOL-USD"))
NAMES = parse("sma:20,ema:5,rsi:5,macd:3:6:4,bb,atr:3,adx:3,stoch,obv,max,drawdown,vwap,vwap:3")


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each state was pushed, in turn."""
    pushed, counts = latest._pushed, []

    def counted(state: Running, rows: list[Candle]) -> Running:
        counts.append(len(rows))
        return pushed(state, rows)

    monkeypatch.setattr(latest, "_pushed", counted)
    return counts


def fill(market: Market) -> None:
    market.save_series([BTC, ETH, NEW])
    for series in (BTC, ETH):
        market.merge(series, "1d", told(series, DAY, HOURS, TODAY))
        market.merge(series, "1h", told(series, HOUR, HOURS, SIX))
        market.merge_minutes({series: rows_of(told(series, MINUTE, MINUTES, SIX), MINUTE)}, SIX)
        deliver(series, SIX + 11 * MINUTE)


@pytest.fixture(autouse=True)
def history(filled: Filled) -> None:
    filled(fill)


def bar(series: Series, step: int, start: int) -> Bar | None:
    """What was traded; nobody trades ETH in some minutes, and in none of a whole hour."""
    if series == ETH and step == MINUTE and (start // MINUTE % 7 == 3 or start // HOUR == MINUTES // HOUR + 1):
        return None
    place = start // step
    close = 250_000 + place * 37 % 101 + place * 11 % 1009
    return Bar(start, close - 1, close + 7 + place % 3, close - 9 + place % 5, close, 100 + place % 11)


def told(series: Series, step: int, start: int, end: int, raised: int = 0) -> Candles:
    bars = [each for at in range(start, end, step) if (each := bar(series, step, at))]
    shapes = [each._replace(close=each.close + raised, high=each.high + raised) for each in bars]
    return Candles(series.symbol, 2, 3, start, end, end + raised, shapes)


def deliver(series: Series, end: int, candles: Candles | None = None) -> None:
    """The stream goes on to a time, as `process_ticks` has it."""
    market, number = wiring.market(), lane_of(series, wiring.settings().LANES)
    lane = market.lane(number)
    version, minutes = lane.version, LazyMinutes(market, number)
    start = max(SIX, lane.clocks.get(series.venue, SIX) // MINUTE * MINUTE)
    candles = candles or told(series, MINUTE, start, end // MINUTE * MINUTE)
    folded = fold(lane, minutes, [Record(series.venue, number, [candles, Clock(end)])])
    lane.series[str(series)].repairs = []  # what was before them has been told
    market.keep_history(folded, lane.now)
    market.write(lane, version, [minutes[minute] for minute in folded.minutes])
    if market.pack(lane):
        lane.version += 1
        market.write(lane, lane.version - 1)


def newest(series: list[Series], interval: str, now: int, names: list[Indicator] = NAMES) -> list[Newest]:
    return wiring.latest().values(series, INTERVALS[interval], names, now)


def expected(series: Series, interval: str, now: int, names: list[Indicator] = NAMES) -> Newest:
    """The last values of the page of `/indicators/{symbol}`."""
    ms = INTERVALS[interval]
    lane = wiring.market().lane(lane_of(series, wiring.settings().LANES))
    end = open_from(lane, series, ms, now)
    rows = Rows.of(wiring.market().candles(lane, series, ms, end - 4000 * ms, end, now).between(0, end))
    shown = {str(each): values(each, rows, max(0, len(rows.starts) - SHOWN)) for each in names}
    return Newest(int(rows.starts[-1]), {name: _last(each) for name, each in shown.items()})


def _last(found: object) -> Value:
    if isinstance(found, dict):
        lines = {name: float(line[-1]) for name, line in found.items()}
        return None if any(map(math.isnan, lines.values())) else lines
    last = float(found[-1])  # type: ignore[index]
    return None if math.isnan(last) else last


def check(series: list[Series], interval: str, now: int) -> None:
    for each, found in zip(series, newest(series, interval, now), strict=True):
        right = expected(each, interval, now)
        assert found.time == right.time
        assert list(found.values) == list(right.values)
        for name, value in right.values.items():
            near = value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)
            assert found.values[name] == near, (each, interval, name)


def test_values_are_talibs_as_time_goes_on() -> None:
    for now in (SIX + 11 * MINUTE, SIX + HOUR + 3 * MINUTE, SIX + HOUR + 8 * MINUTE):
        for series in (BTC, ETH):
            deliver(series, now)
        for interval in ("1m", "1h", "1d"):
            check([BTC, ETH], interval, now)
    for interval in ("5m", "15m", "4h"):
        check([ETH], interval, now)


def test_a_row_is_pushed_once_when_it_is_packed(pushes: list[int]) -> None:
    now, names = SIX + 11 * MINUTE, parse("ema:20,rsi")
    first = newest([BTC], "1h", now, names)
    assert sum(pushes) == sum(reach(each, HOUR, SHOWN) for each in names)
    pushes.clear()
    assert newest([BTC], "1h", now + 10_000, names) == first
    assert pushes == []

    deliver(BTC, SIX + HOUR + 2 * MINUTE)  # closed, not packed
    now = SIX + HOUR + 2 * MINUTE + 1_000
    second = newest([BTC], "1h", now, names)
    assert (second[0].time, pushes) == (SIX, [1, 1])
    assert newest([BTC], "1h", now + 2_000, names) == second
    assert pushes == [1, 1]

    deliver(BTC, SIX + HOUR + 6 * MINUTE)  # packed
    pushes.clear()
    assert newest([BTC], "1h", SIX + HOUR + 6 * MINUTE, names) == second
    assert pushes == [1, 1]


def test_rows_that_are_not_packed_may_change() -> None:
    now = SIX + 11 * MINUTE
    before = newest([BTC], "1m", now)
    deliver(BTC, now + 1_000, told(BTC, MINUTE, now - 8 * MINUTE, now, raised=5_000))
    check([BTC], "1m", now + 2_000)
    assert newest([BTC], "1m", now + 2_000) != before


def test_a_packed_row_that_changes_makes_values_anew(pushes: list[int]) -> None:
    now = SIX + 11 * MINUTE
    before = newest([BTC, ETH], "1h", now)
    pushes.clear()
    wiring.market().merge(BTC, "1h", told(BTC, HOUR, SIX - 5 * HOUR, SIX - 4 * HOUR, raised=5_000))
    now += MARKS_KEPT
    deliver(BTC, now)
    check([BTC, ETH], "1h", now)
    assert newest([ETH], "1h", now) == before[1:]
    assert len(pushes) == len(NAMES)


def test_a_late_row_of_a_packed_hour() -> None:
    now = SIX + HOUR + 10 * MINUTE
    deliver(BTC, now)
    for interval in ("1m", "1h"):
        check([BTC], interval, now)
    deliver(BTC, now + 1_000, told(BTC, MINUTE, SIX + 50 * MINUTE, SIX + 51 * MINUTE, raised=5_000))
    now += MARKS_KEPT + 1_000
    for interval in ("1m", "1h"):
        check([BTC], interval, now)


def test_a_series_without_enough_rows() -> None:
    now = SIX + 11 * MINUTE
    assert newest([NEW], "1h", now) == [Newest(None, dict.fromkeys(map(str, NAMES)))]
    deliver(NEW, now, told(NEW, MINUTE, SIX, SIX + 11 * MINUTE))
    now += 2_000
    check([BTC, NEW, ETH], "1m", now)
    found = newest([NEW], "1m", now, parse("sma:12,sma:11,rsi:11,rsi:10"))[0].values
    assert [name for name, value in found.items() if value is None] == ["sma:12", "rsi:11"]


def test_rows_before_a_long_hole_count() -> None:
    now = SIX + 11 * MINUTE
    for start, end in ((TODAY - 140 * DAY, TODAY - 130 * DAY), (TODAY - DAY, SIX)):
        wiring.market().merge(NEW, "1h", told(NEW, HOUR, start, end))
    deliver(NEW, now)
    (found,), right = (newest([NEW], "1h", now, parse("sma:60")), expected(NEW, "1h", now, parse("sma:60")))
    assert found.time == right.time
    assert found.values == pytest.approx(right.values)


def test_states_kept_are_bounded() -> None:
    now = SIX + 11 * MINUTE
    small = Latest(wiring.histories(), wiring.prices(), room=100_000)
    for interval in (HOUR, DAY, HOUR):
        found = small.values([BTC, ETH], interval, NAMES, now)
        assert found == wiring.latest().values([BTC, ETH], interval, NAMES, now)
    assert 0 < small._kept.used <= 100_000
    assert 0 < len(small._kept) < 2 * len(NAMES)

"""Every level agrees with the one above, for any series, day and seed, whichever is asked first."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.simulator.assets import Assets
from local.simulator.candles import Candles, fold
from local.simulator.markets import DAY_MS, LISTINGS, Listing
from local.simulator.noise import Floats
from local.simulator.series import HOUR_MS, MINUTE_MS, Series, Trades, market

SEEDS = {seed: Assets(seed) for seed in (1, 2, 2**40)}
TODAY = 20_779
NOW = TODAY * DAY_MS * 1000 + 30_815_123_456

listings = st.sampled_from(LISTINGS)
seeds = st.sampled_from(list(SEEDS))
days = st.integers(TODAY - 3 * 365, TODAY + 30)


def same(some: Candles, others: Candles) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def as_rows(trades: Trades) -> Candles:
    price = trades.price
    return Candles(trades.time // 1000, price, price, price, price, trades.size, np.ones_like(trades.id), trades.id)


def with_trades(rows: Candles) -> Candles:
    return Candles._make(column[rows.trades > 0] for column in rows)


@settings(max_examples=60, deadline=None)
@given(listings, seeds, days)
def test_hours_minutes_and_trades_fold_into_their_day(listing: Listing, seed: int, day: int) -> None:
    series = Series(SEEDS[seed], listing)
    day = max(day, listing.listed_ms // DAY_MS)
    since = day - listing.listed_ms // DAY_MS
    hours, minutes = series.hours(day, day + 1), series.minutes(day)
    assert same(fold(hours, DAY_MS), series.days.rows(slice(since, since + 1)))
    assert same(fold(minutes, HOUR_MS), hours)
    for hour in (0, 13):
        trades = series.trades_of(day * 24 + hour)
        inside = minutes.rows(slice(hour * 60, hour * 60 + 60))
        assert same(fold(as_rows(trades), MINUTE_MS), with_trades(inside))
        assert np.all(np.diff(trades.id) == 1)
        assert np.all(np.diff(trades.time) >= 0)
        assert np.all(trades.size > 0)


@settings(max_examples=60, deadline=None)
@given(listings, seeds, days)
def test_rows_are_candles(listing: Listing, seed: int, day: int) -> None:
    rows = Series(SEEDS[seed], listing).minutes(max(day, listing.listed_ms // DAY_MS))
    assert np.all(rows.low > 0)
    assert np.all(rows.low <= np.minimum(rows.open, rows.close))
    assert np.all(rows.high >= np.maximum(rows.open, rows.close))
    assert np.array_equal(rows.trades > 0, rows.volume > 0)
    assert np.all(rows.volume >= rows.trades)
    assert np.array_equal(np.diff(rows.first_id), rows.trades[:-1])
    quiet = np.flatnonzero(rows.trades[1:] == 0) + 1
    assert np.array_equal(rows.high[quiet], rows.close[quiet - 1])
    assert np.array_equal(rows.low[quiet], rows.close[quiet - 1])


@given(listings, seeds)
@settings(max_examples=30, deadline=None)
def test_ids_and_prices_run_on_from_day_to_day(listing: Listing, seed: int) -> None:
    days = Series(SEEDS[seed], listing).days
    assert days.first_id[0] == 1
    assert np.array_equal(np.diff(days.first_id), days.trades[:-1])
    assert np.array_equal(days.open[1:], days.close[:-1])


@settings(max_examples=40, deadline=None)
@given(
    listings.filter(lambda listing: listing.delisted is None),
    st.sampled_from([m * MINUTE_MS for m in (1, 5, 15, 60, 240, 1440)]),
    st.integers(0, 2 * DAY_MS * 1000),
)
def test_the_open_candle_is_its_trades_so_far(listing: Listing, size: int, ago: int) -> None:
    series, now = Series(SEEDS[1], listing), NOW - ago
    start = now // 1000 // size * size
    row = series.rows(size, start, start + size, now)
    so_far = series.trades(series.id_at(start * 1000), series.id_at(now + 1))
    assert row.time.tolist() == [start]
    assert np.all(so_far.time <= now)
    if len(so_far.id):
        assert same(fold(as_rows(so_far), size), row)
    else:
        last = series.last_price(series.id_at(now + 1))
        assert [int(column[0]) for column in row[1:7]] == [last, last, last, last, 0, 0]


@settings(max_examples=30, deadline=None)
@given(listings, st.integers(1, 10**6), st.integers(0, 1500))
def test_ids_and_times_lead_to_the_same_trades(listing: Listing, first: int, count: int) -> None:
    series = Series(SEEDS[2], listing)
    trades = series.trades(first, first + count)
    assert trades.id.tolist() == list(range(first, first + count))
    if count:
        earlier = series.id_at(int(trades.time[-1]))
        assert earlier <= first + count - 1 < series.id_at(int(trades.time[-1]) + 1)


def test_a_series_does_not_depend_on_what_was_asked_before() -> None:
    one, other = market(5)["coinbase", "LTC-EUR"], market(5)["coinbase", "LTC-EUR"]
    one.minutes(TODAY - 1)
    one.trades(10, 20)
    other.trades_of((TODAY - 400) * 24)
    for series in (one, other):
        series.rows(HOUR_MS, (TODAY - 30) * DAY_MS, TODAY * DAY_MS, NOW)
    assert same(one.minutes(TODAY - 400), other.minutes(TODAY - 400))
    assert same(one.minutes(TODAY - 1), other.minutes(TODAY - 1))


def test_the_same_seed_is_the_same_market_for_ever() -> None:
    digest = blake2b(digest_size=8)
    series = market(1)
    for key in series:
        for column in (
            *series[key].days.rows(slice(0, 3000)),
            *series[key].minutes(TODAY - 3),
            *series[key].trades(5000, 5100),
        ):
            digest.update(column.astype("<i8").tobytes())
    assert digest.hexdigest() == "24b2cb945cb0b6ef"


def test_another_seed_is_another_market() -> None:
    assert not same(market(1)["binance", "BTCUSDT"].days, market(2)["binance", "BTCUSDT"].days)


def returns(series: Series) -> Floats:
    close = series.days.close[:2500].astype(float)
    changes: Floats = np.diff(close) / close[:-1]
    return changes


def test_assets_move_together_and_venues_agree() -> None:
    series = market(1)
    bitcoin, ether = returns(series["binance", "BTCUSDT"]), returns(series["binance", "ETHUSDT"])
    assert 0.6 < np.corrcoef(bitcoin, ether)[0, 1] < 0.95
    assert 0.015 < bitcoin.std() < 0.045
    here, there = series["binance", "BTCUSDT"].minutes(TODAY - 7), series["coinbase", "BTC-USD"].minutes(TODAY - 7)
    assert np.abs(here.close / there.close - 1).max() < 0.02


@pytest.mark.parametrize(("symbol", "some"), [("ADA-GBP", True), ("BTC-USD", False)])
def test_only_less_liquid_symbols_have_minutes_without_trades(symbol: str, some: bool) -> None:
    minutes = market(1)["coinbase", symbol].minutes(TODAY - 7)
    assert bool((minutes.trades == 0).any()) is some


def test_a_delisted_symbol_ends() -> None:
    series = market(1)["binance", "BTCBUSD"]
    end = series.listing.delisted_ms
    assert end is not None
    assert series.rows(MINUTE_MS, end - 2 * MINUTE_MS, end + DAY_MS, NOW).time.tolist() == [
        end - 2 * MINUTE_MS,
        end - MINUTE_MS,
    ]
    assert series.id_at(NOW) == series.id_at(end * 1000)

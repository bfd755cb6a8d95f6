"""What speaks for a symbol, and what is said of 24 hours."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import asdict

from cryptopulse.domain.candles import DAY, EMPTY, FROM_VENUE, HOUR, MINUTE, Block, Row
from cryptopulse.domain.prices import (
    Last,
    Quoted,
    close,
    converted,
    converted_last,
    day_start,
    dollar_symbols,
    find,
    price_at,
    price_now,
    quoted,
    sparkline,
)
from cryptopulse.domain.series import Series
from cryptopulse.errors import NotFoundError

NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""
START = day_start(NOW)
"""06:32 of the day before."""
BTC, BTC_TETHER = Series("coinbase", "BTC-USD"), Series("binance", "BTC-USDT")
SOL_TETHER, RATE = Series("binance", "SOL-USDT"), Series("coinbase", "USDT-USD")
SERIES = [BTC, BTC_TETHER, SOL_TETHER, RATE]


def row(start: int, shape: tuple[int, int, int, int, int]) -> Row:
    return Row(start, *shape, FROM_VENUE, NOW, complete=True)


def block(rows: Iterable[tuple[int, tuple[int, int, int, int, int]]]) -> Block:
    return Block.of(2, 1, [row(*each) for each in rows])


EMPTY_MINUTE = (0, 0, 0, 0, 0)


# --- which series ---


def test_the_reference_speaks_where_no_venue_is_named() -> None:
    assert quoted("BTC-USD", None, SERIES) == Quoted("BTC-USD", BTC)
    assert quoted("BTC-USDT", "binance", SERIES) == Quoted("BTC-USDT", BTC_TETHER)


def test_an_untraded_dollar_symbol_is_converted() -> None:
    assert quoted("SOL-USD", None, SERIES) == Quoted("SOL-USD", SOL_TETHER, RATE)
    assert quoted("SOL-USD", None, SERIES).needed == (SOL_TETHER, RATE)


@pytest.mark.parametrize(
    ("symbol", "venue", "message"),
    [
        ("BTC-USD", "kraken", "There is no venue 'kraken'."),
        ("BTC-USD", "binance", "binance does not trade BTC-USD."),
        ("SOL-USD", "binance", "There is no symbol 'SOL-USD'."),
        ("SOL-EUR", None, "There is no symbol 'SOL-EUR'."),
        ("ETH-USD", None, "There is no symbol 'ETH-USD'."),
        ("btc-usd", None, "There is no symbol 'btc-usd'."),
        ("", None, "There is no symbol ''."),
    ],
)
def test_what_nobody_trades_is_not_found(symbol: str, venue: str | None, message: str) -> None:
    with pytest.raises(NotFoundError) as error:
        quoted(symbol, venue, SERIES)
    assert str(error.value) == message


def test_nothing_is_converted_without_a_rate() -> None:
    with pytest.raises(NotFoundError):
        quoted("SOL-USD", None, [SOL_TETHER])
    assert dollar_symbols([SOL_TETHER]) == []


def test_a_series_is_never_converted() -> None:
    with pytest.raises(NotFoundError):
        find("SOL-USD", None, SERIES)


def test_dollar_symbols_are_the_traded_and_the_converted_ones_in_order() -> None:
    assert dollar_symbols(SERIES) == ["BTC-USD", "SOL-USD", "USDT-USD"]


# --- 24 hours ---


def told(last: Last | None, rows: Block) -> dict[str, Any]:
    return asdict(price_now(Quoted("BTC-USD", BTC), last, rows, NOW, with_sparkline=False))


def test_a_day_is_folded_from_its_rows() -> None:
    rows = block(
        [
            (START, EMPTY_MINUTE),
            (START + MINUTE, (10_000, 10_500, 9_900, 10_100, 5)),
            (START + 28 * MINUTE, (10_100, 11_000, 10_000, 10_900, 70)),
            (NOW // HOUR * HOUR, (10_900, 10_950, 10_850, 10_875, 1)),
        ]
    )
    assert told(Last(108_805, 3, NOW - 300_000), rows) == {
        "symbol": "BTC-USD",
        "venue": "coinbase",
        "via": None,
        "price": 108.805,
        "time": "2026-11-22T06:26:03.057Z",
        "change_24h": 8.805,
        "change_pct_24h": 8.805,
        "high_24h": 110.0,
        "low_24h": 99.0,
        "volume_24h": 7.6,
        "stale": False,
        "sparkline": UNSET,
    }


@pytest.mark.parametrize("price", [9_000, 12_000])
def test_a_price_that_is_in_no_candle_yet_is_within_the_day(price: int) -> None:
    day = told(Last(price, 2, NOW), block([(START, (10_000, 10_500, 9_900, 10_100, 5))]))
    assert day["low_24h"] <= day["price"] <= day["high_24h"]


@pytest.mark.parametrize("rows", [EMPTY, block([(START + MINUTE, (1, 1, 1, 1, 1))]), block([(START, EMPTY_MINUTE)])])
def test_a_shorter_history_has_no_day(rows: Block) -> None:
    day = told(Last(100, 2, NOW), rows)
    figures = ("change_24h", "change_pct_24h", "high_24h", "low_24h", "volume_24h")
    assert [day[name] for name in figures] == [None] * 5


def test_no_price_is_null_and_stale() -> None:
    nothing = told(None, block([(START, (1, 1, 1, 1, 1))]))
    assert (nothing["price"], nothing["time"], nothing["high_24h"], nothing["stale"]) == (None, None, None, True)


def test_a_price_is_stale_after_five_minutes() -> None:
    assert [told(Last(1, 0, NOW - age), EMPTY)["stale"] for age in (300_000, 300_001)] == [False, True]


def test_a_sparkline_repeats_the_close_before_an_hour_without_trade() -> None:
    hour = NOW // HOUR * HOUR
    rows = block([(hour - 22 * HOUR, (1, 1, 1, 100, 1)), (hour - HOUR, EMPTY_MINUTE), (hour, (1, 1, 1, 300, 1))])
    assert sparkline(rows, NOW) == [None, *[1.0] * 22, 3.0]


def test_a_sparkline_ends_with_the_open_hour() -> None:
    hour = NOW // HOUR * HOUR
    rows = block((hour - back * HOUR, (1, 1, 1, 100 * (25 - back), 1)) for back in range(24, -1, -1))
    assert sparkline(rows, NOW) == [float(number) for number in range(2, 26)]


# --- conversion ---


def test_a_converted_price_is_as_old_as_the_older() -> None:
    assert converted_last(Last(15_000, 2, 7), Last(9_998, 4, 5)) == Last(149_970_000, 6, 5)
    assert converted_last(None, Last(1, 0, 0)) is converted_last(Last(1, 0, 0), None) is None


def test_rows_are_converted_at_the_rate_of_their_time() -> None:
    rates = Block.of(1, 0, [row(60, (10, 11, 9, 20, 1)), row(180, (30, 30, 30, 40, 1))])
    rows = block([(0, (1, 1, 1, 1, 1)), (60, (5, 9, 4, 6, 2)), (120, (6, 6, 6, 6, 1)), (180, EMPTY_MINUTE)])
    assert converted(rows, rates).rows() == [
        row(60, (50, 180, 50, 120, 2)),
        row(120, (120, 120, 120, 120, 1)),
        row(180, EMPTY_MINUTE),
    ]
    assert (converted(rows, rates).price_scale, converted(rows, rates).size_scale) == (3, 1)


shapes = st.tuples(*[st.integers(1, 10**6)] * 4).map(lambda four: (four[0], max(four), min(four), four[1], 1))


@given(rows=st.lists(shapes, min_size=1, max_size=20), rates=st.lists(shapes, min_size=20, max_size=20))
def test_converted_rows_hold_their_open_and_close(
    rows: list[tuple[int, int, int, int, int]], rates: list[tuple[int, int, int, int, int]]
) -> None:
    product = converted(block(enumerate(rows)), block(enumerate(rates)))
    assert len(product.starts) == len(rows)
    for each, shape, rate in zip(product.rows(), rows, rates, strict=False):
        assert each.low <= min(each.open, each.close) <= max(each.open, each.close) <= each.high
        assert (each.open, each.close) == (shape[0] * rate[0], shape[3] * rate[3])


# --- the past ---


def test_a_past_price_is_the_close_at_the_end_of_its_row() -> None:
    rows = block([(0, (1, 4, 1, 3, 1))])
    assert close(rows, DAY, DAY + 1) == Last(3, 2, DAY)
    assert close(rows, DAY, HOUR) == Last(3, 2, HOUR)
    assert close(block([(0, EMPTY_MINUTE)]), MINUTE, DAY) is close(EMPTY, MINUTE, DAY) is None


def test_a_past_price_far_from_the_moment_asked_is_stale() -> None:
    price = price_at(Quoted("SOL-USD", SOL_TETHER, RATE), Last(1234, 2, 10 * MINUTE), 4 * MINUTE)
    assert (price.price, price.time, price.via, price.stale) == (12.34, "1970-01-01T00:10:00.000Z", "USDT-USD", True)
    assert not price_at(Quoted("BTC-USD", BTC), Last(1234, 2, 10 * MINUTE), 5 * MINUTE).stale

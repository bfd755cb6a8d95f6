"""Ticks wait by lane, in their order and at exact scales, and are never too many; a clock says no more than is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.folding import GRACE
from cryptopulse.domain.gathering import CLOCK_STEP, TRADES, Gathering
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Clock, Quote, Record, Trades, encode

NOON = 1_795_348_800_000
LANES = {"BTC-USD": 1, "ETH-USD": 0, "SOL-USD": 0, "LTC-USD": 0}


def gathering(limit: int = 20_000) -> Gathering:
    return Gathering("coinbase", 2, limit)


def trade(to: Gathering, id_: int, symbol: str = "BTC-USD", time: int = NOON) -> None:
    to.trade(symbol, 0, 0, id_, 100 + id_, 1, time)


def trades(*ids: int, symbol: str = "BTC-USD", time: int = NOON) -> Trades:
    return Trades(symbol, 0, 0, [(id_, 100 + id_, 1, time) for id_ in ids])


def record(symbol: str, *messages: Trades | Quote | Clock) -> Record:
    return Record("coinbase", LANES[symbol], list(messages))


def clocks(records: list[Record]) -> list[Clock]:
    return [message for record in records for message in record.messages if isinstance(message, Clock)]


def test_the_symbols_of_these_tests_are_of_these_lanes() -> None:
    assert {symbol: lane_of(Series("coinbase", symbol), 2) for symbol in LANES} == LANES


def test_trades_go_out_by_lane_in_their_order() -> None:
    to = gathering()
    for id_, symbol in ((7, "SOL-USD"), (1, "BTC-USD"), (9, "LTC-USD"), (2, "BTC-USD")):
        trade(to, id_, symbol)
    assert to.count == 4
    assert to.take() == [
        record("SOL-USD", trades(7, symbol="SOL-USD"), trades(9, symbol="LTC-USD")),
        record("BTC-USD", trades(1, 2)),
    ]
    assert (to.count, to.take()) == (0, [])


def test_a_record_holds_no_more_than_it_takes_and_the_clock_comes_with_the_last() -> None:
    to = gathering()
    to.advance(NOON)
    for id_ in range(1, TRADES + 4):
        trade(to, id_)
    for id_ in range(1, TRADES + 1):
        trade(to, id_, "SOL-USD")
    trade(to, 1, "LTC-USD")
    first, second, third = to.take(), to.take(), to.take()
    assert first == [
        record("SOL-USD", trades(*range(1, TRADES + 1), symbol="SOL-USD")),
        record("BTC-USD", trades(*range(1, TRADES + 1))),
    ]
    assert second == [
        record("LTC-USD", trades(1, symbol="LTC-USD"), Clock(NOON)),
        record("BTC-USD", trades(*range(TRADES + 1, TRADES + 4)), Clock(NOON)),
    ]
    assert third == []


def test_a_full_record_is_small() -> None:
    to = gathering()
    for id_ in range(TRADES):
        to.trade("BTC-USD", 0, 0, 2**62 - id_, 2**62 - 3**id_ % 2**60, 2**62 - 7**id_ % 2**60, NOON + id_)
    (full,) = to.take()
    assert len(encode(full)) < 25_000


def test_a_quote_is_told_once_and_only_if_no_trade_is_as_new() -> None:
    to = gathering()
    to.quote(Quote("BTC-USD", 2, 1, NOON))
    to.quote(Quote("BTC-USD", 2, 2, NOON + 1))
    to.quote(Quote("BTC-USD", 2, 3, NOON))
    assert to.take() == [record("BTC-USD", Quote("BTC-USD", 2, 2, NOON + 1))]
    trade(to, 1, time=NOON + 2)
    to.quote(Quote("BTC-USD", 2, 4, NOON + 2))
    assert to.take() == [record("BTC-USD", trades(1, time=NOON + 2))]
    to.quote(Quote("BTC-USD", 2, 5, NOON + 1))
    assert to.take() == []


def test_a_clock_is_told_once_a_second_and_when_a_minute_closes() -> None:
    to = gathering()
    trade(to, 1)
    told = []
    closing = MINUTE + GRACE
    for time in (
        0,
        1,
        CLOCK_STEP - 1,
        CLOCK_STEP,
        CLOCK_STEP + 5,
        closing - 900,
        closing - 1,
        closing,
        closing + 999,
        0,
    ):
        to.advance(NOON + time)
        told += [clock.time - NOON for clock in clocks(to.take())]
    assert told == [0, CLOCK_STEP, closing - 900, closing]
    assert to.time == NOON + closing + 999


def test_no_clock_before_the_venue_has_told_a_time_or_a_series() -> None:
    to = gathering()
    trade(to, 1)
    assert clocks(to.take()) == []
    other = gathering()
    other.advance(NOON)
    assert other.take() == []


def test_a_clock_holds_the_venues_word_of_its_own_minute() -> None:
    to = gathering()
    to.confirm("BTC-USD", 8, NOON + 1)
    to.confirm("BTC-USD", 7, NOON + 2)  # REST may be behind
    to.confirm("SOL-USD", 5, NOON - 1)  # another minute: by the kline that closes it
    to.confirm("ETH-USD", 4, NOON - 3)
    to.confirm("LTC-USD", 6, NOON + 3_000)  # still to come
    to.advance(NOON + 2_000)
    assert to.take() == [
        record("SOL-USD", Clock(NOON - 1, {"SOL-USD": 5, "ETH-USD": 4}), Clock(NOON + 2_000)),
        record("BTC-USD", Clock(NOON + 2_000, {"BTC-USD": 8})),
    ]
    to.advance(NOON + 3_000)
    assert to.take() == [
        record("SOL-USD", Clock(NOON + 3_000, {"LTC-USD": 6})),
        record("BTC-USD", Clock(NOON + 3_000)),
    ]


def test_what_the_stream_did_not_take_goes_out_before_what_came_since() -> None:
    to = gathering()
    to.advance(NOON)
    to.confirm("BTC-USD", 2, NOON)
    to.trade("BTC-USD", 8, 8, 1, 100_000_000, 5_000_000, NOON)
    to.quote(Quote("ETH-USD", 2, 1, NOON))
    to.quote(Quote("SOL-USD", 2, 1, NOON))
    refused = to.take()
    to.trade("BTC-USD", 8, 8, 2, 200_000_000, 5_000_000, NOON + 1)
    to.quote(Quote("SOL-USD", 2, 2, NOON + 1))
    to.put_back(refused)
    assert to.count == 2
    to.advance(NOON + 1)
    assert to.take() == [
        Record("coinbase", 0, [Quote("SOL-USD", 2, 2, NOON + 1), Quote("ETH-USD", 2, 1, NOON), Clock(NOON + 1)]),
        record(
            "BTC-USD",
            Trades("BTC-USD", 8, 8, [(1, 100_000_000, 5_000_000, NOON), (2, 200_000_000, 5_000_000, NOON + 1)]),
            Clock(NOON + 1, {"BTC-USD": 2}),
        ),
    ]


def test_above_the_limit_each_symbol_keeps_its_newest_trade() -> None:
    to = gathering(limit=5)
    for id_ in (1, 2, 4, 3):
        trade(to, id_)
    to.trade("BTC-USD", 1, 0, 5, 9, 1, NOON)
    assert (to.count, to.conflated) == (5, 0)
    trade(to, 8, "SOL-USD")
    assert (to.count, to.conflated) == (2, 4)
    assert to.take() == [
        record("SOL-USD", trades(8, symbol="SOL-USD")),
        record("BTC-USD", Trades("BTC-USD", 1, 0, [(5, 9, 1, NOON)])),
    ]
    to.put_back([record("BTC-USD", trades(*range(6, 13)))])
    assert (to.count, to.conflated) == (1, 10)


def test_a_line_is_the_same_list_for_ever() -> None:
    to = gathering(limit=3)
    line = to.line("BTC-USD", 0, 0)
    for round_ in range(3):
        waiting = [(id_, 100 + id_, 1, NOON) for id_ in range(4 * round_, 4 * round_ + 3 + round_ % 2)]
        line += waiting
        to.count += len(waiting)
        to.bound()
        taken = to.take()
        assert taken == [record("BTC-USD", trades(7) if round_ == 1 else trades(*(id_ for id_, *_ in waiting)))]
        assert (line, to.count) == ([], 0)
        to.put_back(taken)
        assert to.take() == taken
    assert to.line("BTC-USD", 0, 0) is line


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(LANES)), st.sampled_from((0, 2)), st.booleans(), st.booleans()), max_size=60
    )
)
def test_every_trade_is_told_once_whatever_is_refused(steps: list[tuple[str, int, bool, bool]]) -> None:
    to = gathering()
    gathered, taken = [], []
    for id_, (symbol, scale, is_taken, is_refused) in enumerate(steps, 1):
        to.trade(symbol, scale, 0, id_, id_ * 10**scale, 1, NOON)
        gathered.append((symbol, id_))
        if is_taken:
            records = to.take()
            assert len({each.lane for each in records}) == len(records)
            if is_refused:
                to.put_back(records)
            else:
                taken += records
    taken += to.take()
    told = [
        (message.symbol, id_, price / 10**message.price_scale)
        for each in taken
        for message in each.messages
        if isinstance(message, Trades)
        for id_, price, _, _ in message.trades
    ]
    assert sorted(told) == sorted((symbol, id_, float(id_)) for symbol, id_ in gathered)
    assert to.conflated == to.count == 0


def test_a_limit_smaller_than_the_symbols_keeps_one_of_each() -> None:
    to = gathering(limit=1)
    for symbol in LANES:
        trade(to, 1, symbol)
        trade(to, 2, symbol)
    assert (to.count, to.conflated) == (len(LANES), len(LANES))


@pytest.mark.parametrize("lanes", [1, 64])
def test_a_symbol_keeps_its_lane(lanes: int) -> None:
    to = Gathering("binance", lanes)
    trade(to, 1, "BTC-USDT")
    assert [each.lane for each in to.take()] == [lane_of(Series("binance", "BTC-USDT"), lanes)]

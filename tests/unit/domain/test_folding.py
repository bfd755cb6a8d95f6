"""The fold counts each trade once, whatever the order, number and grouping of the records that bring it."""

import copy
import zlib
from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bench._memory import Minutes
from cryptopulse.domain.candles import FROM_TRADES, FROM_VENUE, HOUR, MINUTE
from cryptopulse.domain.folding import (
    ANEW,
    GRACE,
    KEPT,
    KEPT_MINUTES,
    NEWCOMER,
    PACK_AFTER,
    PATIENCE,
    RANGES,
    Folded,
    fold,
)
from cryptopulse.domain.lanes import LANE, Lane, Missing, decode_lane, decode_minute, encode_lane, encode_minute
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
NAME = "binance:BTC-USDT"

BEFORE = (NOON - NEWCOMER, NOON)
"""What a series that was first told at noon asks for."""

type Trade = tuple[int, int, int, int]
"""id, price, size, time."""


class World:
    """A lane and its minutes, folded batch by batch and packed and unpacked in between, as at rest."""

    def __init__(self) -> None:
        self.lane = Lane(0)
        self.minutes = Minutes()

    def fold(self, *messages: Message, venue: str = "binance") -> Folded:
        return self.fold_records([Record(venue, 0, list(messages))])

    def fold_records(self, records: list[Record]) -> Folded:
        previous = self.lane.version
        folded = fold(self.lane, self.minutes, records)
        assert self.lane.version == previous + folded.changed
        assert decode_lane(encode_lane(self.lane)) == self.lane
        self.lane = decode_lane(encode_lane(self.lane))
        for minute in folded.minutes:
            item = self.minutes[minute]
            assert decode_minute(minute, item.version, encode_minute(item)) == item
        return folded

    def rows(self, name: str = NAME) -> dict[int, tuple[int, ...]]:
        """minute → (open, high, low, close, volume, rank, complete), open and closed."""
        rows = {minute: item.rows[name] for minute, item in self.minutes.items() if name in item.rows}
        rows |= self.lane.series[name].open
        return {
            minute: (row.open, row.high, row.low, row.close, row.volume, row.rank, row.complete)
            for minute, row in sorted(rows.items())
        }


def trades_of(*trades: Trade, symbol: str = "BTC-USDT", price_scale: int = 2, size_scale: int = 4) -> Trades:
    return Trades(symbol, price_scale, size_scale, list(trades))


def plain_candles(trades: list[Trade]) -> dict[int, tuple[int, ...]]:
    """The candles of trades by the book."""
    groups = defaultdict(list)
    for trade in sorted(set(trades)):
        groups[trade[3] // MINUTE * MINUTE].append(trade)
    return {
        minute: (
            group[0][1],
            max(price for _, price, _, _ in group),
            min(price for _, price, _, _ in group),
            group[-1][1],
            sum(size for _, _, size, _ in group),
        )
        for minute, group in groups.items()
    }


@st.composite
def histories(draw: st.DrawFn) -> list[Trade]:
    """Trades with consecutive ids whose times rise, over some minutes."""
    count = draw(st.integers(2, 40))
    gaps = draw(st.lists(st.sampled_from([0, 1, 700, 20_000, 61_000]), min_size=count, max_size=count))
    prices = draw(st.lists(st.integers(1, 99_999), min_size=count, max_size=count))
    sizes = draw(st.lists(st.integers(1, 10**9), min_size=count, max_size=count))
    time, trades = NOON, []
    for number in range(count):
        time += gaps[number]
        trades.append((1000 + number, prices[number], sizes[number], time))
    return trades


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Trade], list[list[Trade]]]:
    """A history, and batches that deliver all of it: grouped, reordered and repeated at will, the first trade first."""
    trades = draw(histories())
    rest = draw(st.permutations(trades[1:]))
    again = draw(st.lists(st.sampled_from(trades), max_size=20))
    mixed = [*rest]
    for trade in again:
        mixed.insert(draw(st.integers(0, len(mixed))), trade)
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=60))
    batches, at = [[trades[0]]], 0
    for size in sizes:
        if at < len(mixed):
            batches.append(mixed[at : at + size])
            at += size
    if at < len(mixed):
        batches.append(mixed[at:])
    return trades, batches


@given(deliveries(), st.sampled_from([0, 2_000, 30_000, 90_000]))
@settings(max_examples=300, deadline=None)
def test_candles_do_not_depend_on_order_number_or_grouping(
    delivery: tuple[list[Trade], list[list[Trade]]], clock_lead: int
) -> None:
    """With a clock that closes minutes between the batches, so that trades come late too."""
    trades, batches = delivery
    world = World()
    seen = NOON
    for batch in batches:
        seen = max([seen, *(trade[3] for trade in batch)])
        world.fold(trades_of(*batch), Clock(seen + clock_lead))
    state = world.lane.series[NAME]
    ranges = sum(gap.last - gap.first + 1 for gap in state.missing)
    if state.repairs:
        return  # more than RANGES holes: their ids no longer count, the venue's candles will tell
    assert ranges == 999 + 1 or [gap for gap in state.missing if gap.first > 999] == []
    first = trades[0][3] // MINUTE * MINUTE
    expected = {m: (*shape, FROM_TRADES, m != first) for m, shape in plain_candles(trades).items()}
    assert world.rows() == expected
    assert (state.price, state.time) == (trades[-1][1], trades[-1][3])
    for batch in batches:
        assert not world.fold(trades_of(*batch)).changed


@given(deliveries(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_lost_trade_leaves_its_minute_incomplete_until_it_comes(
    delivery: tuple[list[Trade], list[list[Trade]]], data: st.DataObject
) -> None:
    trades, batches = delivery
    lost = data.draw(st.sampled_from(trades[:-1]))
    if lost == trades[0]:
        return
    world = World()
    for batch in batches:
        kept = [trade for trade in batch if trade != lost]
        if kept:
            world.fold(trades_of(*kept))
    world.fold(trades_of(trades[-1]))
    if world.lane.series[NAME].repairs:
        return
    minute = lost[3] // MINUTE * MINUTE
    incomplete = {start for start, row in world.rows().items() if not row[-1]}
    first = trades[0][3] // MINUTE * MINUTE
    with_trades = set(plain_candles([trade for trade in trades if trade != lost]))
    assert incomplete >= ({minute} & with_trades)
    world.fold(trades_of(lost))
    assert world.rows() == {m: (*shape, FROM_TRADES, m != first) for m, shape in plain_candles(trades).items()}


@given(deliveries(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_venues_candles_win_whenever_they_come(
    delivery: tuple[list[Trade], list[list[Trade]]], data: st.DataObject
) -> None:
    trades, batches = delivery
    start, end = NOON, trades[-1][3] // MINUTE * MINUTE + MINUTE
    bars = [
        Bar(minute, o * 10, h * 10, low * 10, c * 10, volume)
        for minute, (o, h, low, c, volume) in sorted(plain_candles(trades).items())
    ]
    told = Candles("BTC-USDT", 3, 4, start, end, end + 5_000, bars)
    world = World()
    at = data.draw(st.integers(0, len(batches)))
    for index, batch in enumerate(batches):
        if index == at:
            world.fold(told)
        world.fold(trades_of(*batch))
    world.fold(told)
    state = world.lane.series[NAME]
    expected = {bar.start: (*bar[1:], FROM_VENUE, True) for bar in bars}
    empty = (0, 0, 0, 0, 0, FROM_VENUE, True)
    assert world.rows() == {minute: expected.get(minute, empty) for minute in range(start, end, MINUTE)}
    assert (state.missing, state.open, state.known_to, state.repairs) == ([], {}, end, [BEFORE])


def test_the_first_trade_ever_leaves_its_minute_incomplete() -> None:
    world = World()
    world.fold(trades_of((500, 105, 7, NOON + 5_000)))
    assert world.lane.series[NAME].missing == [Missing(0, 499, NOON, NOON)]
    assert world.rows() == {NOON: (105, 105, 105, 105, 7, FROM_TRADES, False)}


def test_a_minute_closes_a_second_after_its_end_on_the_venues_clock() -> None:
    world = World()
    world.fold(trades_of((1, 105, 7, NOON)))
    world.fold(Clock(NOON + MINUTE + GRACE - 1))
    assert list(world.lane.series[NAME].open) == [NOON]
    assert world.fold(Clock(NOON + MINUTE + 5_000), venue="coinbase").minutes == set()
    assert world.fold(Clock(NOON + MINUTE + GRACE)).minutes == {NOON}
    assert world.lane.series[NAME].open == {}
    assert world.rows() == {NOON: (105, 105, 105, 105, 7, FROM_TRADES, True)}


def test_a_clock_that_knows_a_higher_id_opens_a_range() -> None:
    world = World()
    world.fold(trades_of((1, 100, 7, NOON)), Clock(NOON + 1_000, {"BTC-USDT": 3}))
    assert world.lane.series[NAME].missing == [Missing(2, 3, NOON, NOON)]
    assert world.rows()[NOON][-1] is False
    world.fold(trades_of((2, 90, 1, NOON + 10), (3, 95, 1, NOON + 20)))
    assert world.rows() == {NOON: (100, 100, 90, 95, 9, FROM_TRADES, True)}


def test_too_many_ranges_become_a_repair_of_their_minutes() -> None:
    world = World()
    world.fold(trades_of((1, 100, 1, NOON)))
    for number in range(RANGES + 1):
        world.fold(trades_of((3 + 2 * number, 100, 1, NOON + number * MINUTE)))
    state = world.lane.series[NAME]
    assert len(state.missing) == RANGES
    assert state.repairs == [(NOON - NEWCOMER, NOON + MINUTE)]


def test_a_quote_sets_the_price_and_never_a_candle() -> None:
    world = World()
    assert world.fold(Quote("BTC-USDT", 1, 1005, NOON)).changed
    assert not world.fold(Quote("BTC-USDT", 1, 999, NOON - 1)).changed
    state = world.lane.series[NAME]
    assert (state.price, state.price_scale, state.time, state.open) == (1005, 1, NOON, {})
    world.fold(Quote("BTC-USDT", 2, 10_051, NOON + 1))
    assert (state := world.lane.series[NAME]).price == 10_051
    assert state.price_scale == 2


def candles(start: int, end: int, as_of: int, *bars: Bar) -> Candles:
    return Candles("BTC-USDT", 0, 0, start, end, as_of, list(bars))


def test_an_answer_that_repeats_itself_changes_nothing() -> None:
    world = World()
    bar = Bar(NOON, 1, 2, 1, 2, 5)
    world.fold(candles(NOON, NOON + 2 * MINUTE, NOON + 3 * MINUTE, bar))
    assert not world.fold(candles(NOON, NOON + 2 * MINUTE, NOON + 4 * MINUTE, bar)).changed


def test_a_later_answer_replaces_an_earlier_one_and_not_the_reverse() -> None:
    world = World()
    later = candles(NOON, NOON + MINUTE, NOON + 9 * MINUTE, Bar(NOON, 1, 3, 1, 2, 6))
    world.fold(candles(NOON, NOON + MINUTE, NOON + 3 * MINUTE, Bar(NOON, 1, 2, 1, 2, 5)))
    world.fold(later)
    assert not world.fold(candles(NOON, NOON + MINUTE, NOON + 5 * MINUTE, Bar(NOON, 1, 2, 1, 2, 5))).changed
    assert world.rows() == {NOON: (1, 3, 1, 2, 6, FROM_VENUE, True)}


def test_a_bar_is_never_taken_back() -> None:
    world = World()
    world.fold(candles(NOON, NOON + MINUTE, NOON + 3 * MINUTE))
    world.fold(candles(NOON, NOON + MINUTE, NOON + 2 * MINUTE, Bar(NOON, 1, 2, 1, 2, 5)))
    assert not world.fold(candles(NOON, NOON + MINUTE, NOON + 9 * MINUTE)).changed
    assert world.rows() == {NOON: (1, 2, 1, 2, 5, FROM_VENUE, True)}


def test_a_hole_between_answers_is_a_repair_until_it_is_told() -> None:
    world = World()
    world.fold(candles(NOON, NOON + 5 * MINUTE, NOON + 6 * MINUTE))
    world.fold(candles(NOON + 20 * MINUTE, NOON + 25 * MINUTE, NOON + 26 * MINUTE))
    state = world.lane.series[NAME]
    assert (state.known_to, state.repairs) == (NOON + 25 * MINUTE, [BEFORE, (NOON + 5 * MINUTE, NOON + 20 * MINUTE)])
    world.fold(candles(NOON + 10 * MINUTE, NOON + 20 * MINUTE, NOON + 27 * MINUTE))
    assert world.lane.series[NAME].repairs == [BEFORE, (NOON + 5 * MINUTE, NOON + 10 * MINUTE)]
    world.fold(candles(NOON + 4 * MINUTE, NOON + 10 * MINUTE, NOON + 28 * MINUTE))
    assert world.lane.series[NAME].repairs == [BEFORE]
    world.fold(candles(*BEFORE, NOON + 29 * MINUTE))
    assert world.lane.series[NAME].repairs == []


def test_candles_older_than_minute_items_go_to_the_blocks() -> None:
    world = World()
    world.fold(Clock(NOON))
    start = NOON - KEPT - 3 * MINUTE
    told = candles(start, NOON, NOON, Bar(start, 1, 1, 1, 1, 1), Bar(NOON - MINUTE, 2, 2, 2, 2, 2))
    folded = world.fold(told)
    old = candles(start, NOON - KEPT, NOON, Bar(start, 1, 1, 1, 1, 1))
    assert folded.history == {Series("binance", "BTC-USDT"): [old]}
    assert min(folded.minutes) == NOON - KEPT


def test_a_trade_older_than_minute_items_asks_for_a_repair() -> None:
    world = World()
    old = NOON - KEPT - MINUTE
    world.fold(candles(old - MINUTE, old, old), Clock(old))
    world.fold(candles(old - NEWCOMER - HOUR, old, old))
    world.fold(trades_of((1, 100, 1, old)), trades_of((3, 100, 1, NOON)), Clock(NOON))
    folded = world.fold(trades_of((2, 100, 1, old + 5)))
    assert folded.changed
    assert world.lane.series[NAME].repairs == [(old, NOON - KEPT)]


def test_an_hour_is_packed_five_minutes_after_its_end_and_again_when_a_minute_of_it_changes() -> None:
    world = World()
    world.fold(Clock(NOON + 10 * MINUTE))
    assert (world.lane.packed_to, world.lane.unpacked) == (NOON, [])
    world.fold(Clock(NOON + HOUR + PACK_AFTER - 1))
    assert (world.lane.packed_to, world.lane.unpacked) == (NOON, [])
    world.fold(Clock(NOON + HOUR + PACK_AFTER))
    assert (world.lane.packed_to, world.lane.unpacked, world.lane.unpacked_from) == (NOON + HOUR, [NOON], NOON)
    world.lane.unpacked = []
    told = candles(NOON + 30 * MINUTE, NOON + 31 * MINUTE, NOON + 2 * HOUR, Bar(NOON + 30 * MINUTE, 1, 1, 1, 1, 1))
    world.fold(told)
    assert world.lane.unpacked == [NOON]


def test_after_a_long_pause_the_venues_are_asked_again() -> None:
    world = World()
    world.fold(candles(NOON - 5 * MINUTE, NOON, NOON), Clock(NOON))
    back = NOON + 30 * HOUR + 17 * MINUTE
    world.fold(candles(back - 5 * MINUTE, back, back), Clock(back))
    state = world.lane.series[NAME]
    assert world.lane.packed_to == NOON + 30 * HOUR
    assert world.lane.unpacked == [NOON - HOUR, NOON, NOON + HOUR, NOON + 28 * HOUR, NOON + 29 * HOUR]
    assert state.repairs == [(NOON - 5 * HOUR, NOON - 5 * MINUTE), (NOON, back - 5 * MINUTE)]
    assert state.known_to == back


def test_followers_learn_which_minutes_changed() -> None:
    world = World()
    world.fold(candles(NOON, NOON + MINUTE, NOON + MINUTE))
    version = world.lane.version
    world.fold(candles(NOON + MINUTE, NOON + 2 * MINUTE, NOON + 2 * MINUTE))
    assert world.lane.touched_since(version) == {NOON + MINUTE}
    assert world.lane.touched_since(world.lane.version) == set()
    for number in range(2, 60):
        world.fold(candles(NOON + number * MINUTE, NOON + (number + 1) * MINUTE, NOON + (number + 1) * MINUTE))
    assert world.lane.touched_since(version) is None


def test_a_finer_price_raises_the_scale_of_what_is_known() -> None:
    world = World()
    world.fold(trades_of((1, 10, 1, NOON), price_scale=0, size_scale=0))
    world.fold(trades_of((2, 1005, 25, NOON + 1), price_scale=2, size_scale=1))
    assert world.rows() == {NOON: (1000, 1005, 1000, 1005, 35, FROM_TRADES, True)}


def test_digits_that_no_trade_has_needed_are_left_out() -> None:
    world = World()

    def fold_at_eight(*trades: Trade) -> tuple[int, int, dict[int, tuple[int, ...]]]:
        world.fold(trades_of(*trades, price_scale=8, size_scale=8))
        state = world.lane.series[NAME]
        return state.price_scale, state.size_scale, world.rows()

    first = (1, 7_520_532_000_000, 15_000_000, NOON), (2, 7_520_540_000_000, 10_000_000, NOON)
    row = 7_520_532, 7_520_540, 7_520_532, 7_520_540, 25, FROM_TRADES, True
    assert fold_at_eight(*first) == (2, 2, {NOON: row})
    row = 7_520_532, 7_520_540, 7_520_000, 7_520_000, 125, FROM_TRADES, True
    assert fold_at_eight((3, 7_520_000_000_000, 100_000_000, NOON)) == (2, 2, {NOON: row})
    row = 752_053_200, 752_054_000, 752_000_000, 752_000_001, 126, FROM_TRADES, True
    assert fold_at_eight((4, 7_520_000_010_000, 1_000_000, NOON)) == (4, 2, {NOON: row})
    fold_at_eight((6, 7_520_000_000_000, 1_000_000, NOON))  # out of order, one by one
    row = 752_053_200, 752_054_000, 751_000_000, 752_000_000, 1271, FROM_TRADES, True
    assert fold_at_eight((5, 7_510_000_000_000, 100_000, NOON)) == (4, 3, {NOON: row})


def test_a_message_without_trades_says_nothing() -> None:
    world = World()
    assert not world.fold(trades_of()).changed
    assert world.lane.series == {}


def test_a_fold_of_nothing_new_leaves_the_lane_as_it_was() -> None:
    world = World()
    world.fold(trades_of((1, 100, 7, NOON)), Clock(NOON + 1))
    before = copy.deepcopy(world.lane)
    world.fold(trades_of((1, 100, 7, NOON)), Clock(NOON + 1))
    assert world.lane == before


def test_what_is_missing_for_longer_than_minutes_are_kept_is_given_up() -> None:
    world = World()
    world.fold(candles(NOON - 5 * MINUTE, NOON, NOON), Clock(NOON))
    back = NOON + 40 * 24 * HOUR
    world.fold(candles(back - 5 * MINUTE, back, back), Clock(back))
    assert world.lane.series[NAME].repairs == [(back - KEPT_MINUTES, back - 5 * MINUTE)]


# --- streams: what ids and clocks prove ---

EMPTY = (0, 0, 0, 0, 0)
"""The shape of a minute without a trade."""


def streamed(*trades: Trade, polled_to: int = NOON) -> World:
    """A series that was polled up to a time, and then streamed."""
    world = World()
    world.fold(candles(NOON - HOUR, polled_to, polled_to))
    world.fold(candles(*BEFORE, polled_to))
    world.fold(candles(NOON - NEWCOMER - 2 * HOUR, NOON - HOUR, polled_to))
    world.fold(trades_of(*trades))
    return world


def test_the_first_trade_of_a_polled_series_asks_for_what_lies_between() -> None:
    world = streamed((500, 100, 1, NOON + 7 * MINUTE + 5), polled_to=NOON + 3 * MINUTE)
    state = world.lane.series[NAME]
    first = NOON + 7 * MINUTE
    assert (state.repairs, state.missing) == ([(NOON + 3 * MINUTE, first)], [Missing(0, 499, first, first)])
    assert state.known == first


def test_a_series_told_of_by_a_clock_alone_begins_there() -> None:
    world = World()
    world.fold(Clock(NOON + 5, {"BTC-USDT": 500, "ETH-USDT": 0}))
    state = world.lane.series[NAME]
    assert (state.high, state.high_minute, state.missing) == (500, NOON, [Missing(0, 500, NOON, NOON)])
    assert (state.repairs, list(world.lane.series)) == ([BEFORE], [NAME])
    world.fold(trades_of((501, 105, 1, NOON + 3 * MINUTE)))
    assert world.lane.series[NAME].missing == [Missing(0, 500, NOON, NOON)]
    assert world.rows() == {
        NOON + MINUTE: (*EMPTY, FROM_TRADES, True),
        NOON + 2 * MINUTE: (*EMPTY, FROM_TRADES, True),
        NOON + 3 * MINUTE: (105, 105, 105, 105, 1, FROM_TRADES, True),
    }


def test_the_very_first_trade_of_all_counts_once() -> None:
    world = World()
    for _ in range(2):
        world.fold(trades_of((0, 100, 1, NOON)))
    world.fold(trades_of((0, 100, 1, NOON), (1, 101, 1, NOON + 1)))
    assert world.rows() == {NOON: (100, 101, 100, 101, 2, FROM_TRADES, True)}


def test_a_range_begins_where_the_venue_last_said_that_nothing_is_missing() -> None:
    world = streamed((1, 100, 1, NOON))
    world.fold(Clock(NOON + 4 * MINUTE + 500, {"BTC-USDT": 1}))
    world.fold(trades_of((5, 100, 1, NOON + 6 * MINUTE)))
    assert world.lane.series[NAME].missing == [Missing(2, 4, NOON + 4 * MINUTE, NOON + 6 * MINUTE)]
    world.fold(Clock(NOON + 5 * MINUTE, {"BTC-USDT": 3}))
    assert world.lane.series[NAME].missing == [
        Missing(2, 3, NOON + 4 * MINUTE, NOON + 5 * MINUTE),
        Missing(4, 4, NOON + 5 * MINUTE, NOON + 6 * MINUTE),
    ]
    assert world.lane.gaps == {"binance": (2, 0)}
    world.fold(Clock(NOON + 5 * MINUTE + 1, {"BTC-USDT": 4}))
    world.fold(Clock(NOON + 6 * MINUTE + 1, {"BTC-USDT": 5}))
    assert world.lane.series[NAME].missing[1] == Missing(4, 4, NOON + 5 * MINUTE, NOON + 5 * MINUTE)


def test_what_candles_tell_is_not_missing_when_the_stream_comes_back() -> None:
    world = streamed((1, 100, 1, NOON))
    world.fold(candles(NOON, NOON + 9 * MINUTE, NOON + 9 * MINUTE, Bar(NOON, 1, 1, 1, 1, 1)))
    world.fold(trades_of((50, 100, 1, NOON + 8 * MINUTE)))
    assert (world.lane.series[NAME].missing, world.lane.gaps) == ([], {})
    world.fold(trades_of((60, 100, 1, NOON + 12 * MINUTE)))
    assert world.lane.series[NAME].missing == [Missing(51, 59, NOON + 9 * MINUTE, NOON + 12 * MINUTE)]
    assert world.lane.series[NAME].repairs == []


def test_when_the_stream_is_lost_only_what_it_did_not_tell_is_asked_for() -> None:
    world = streamed(*((number, 100, 1, NOON + number * MINUTE) for number in range(1, 31)))
    assert world.lane.series[NAME].known == NOON + 30 * MINUTE
    last = Bar(NOON + 30 * MINUTE, 1, 1, 1, 1, 1)
    world.fold(candles(NOON + 30 * MINUTE, NOON + 33 * MINUTE, NOON + 33 * MINUTE, last))
    state = world.lane.series[NAME]
    assert (state.repairs, state.missing, state.known) == ([(NOON, NOON + MINUTE)], [], NOON + 33 * MINUTE)


def test_candles_of_a_repaired_minute_leave_the_streamed_ones_before_it_alone() -> None:
    world = streamed(*((number, 100, 1, NOON + number * MINUTE) for number in range(1, 31)))
    world.fold(candles(NOON + 20 * MINUTE, NOON + 21 * MINUTE, NOON + 33 * MINUTE))
    assert world.lane.series[NAME].repairs == [(NOON, NOON + MINUTE)]
    assert all(row[-1] for row in world.rows().values())


def test_a_hole_after_the_stream_doubts_the_minute_it_ended_in_until_trades_or_candles_tell() -> None:
    world = streamed((1, 100, 1, NOON), (2, 100, 1, NOON + 5 * MINUTE))
    world.fold(candles(NOON + 9 * MINUTE, NOON + 10 * MINUTE, NOON + 10 * MINUTE))
    assert world.lane.series[NAME].repairs == [(NOON + 5 * MINUTE, NOON + 9 * MINUTE)]
    assert world.rows()[NOON + 5 * MINUTE][-1] is False
    world.fold(trades_of((3, 100, 1, NOON + 8 * MINUTE)))
    assert world.lane.series[NAME].repairs == [
        (NOON + 5 * MINUTE, NOON + 6 * MINUTE),
        (NOON + 8 * MINUTE, NOON + 9 * MINUTE),
    ]


def test_a_minute_of_which_nobody_knows_whether_it_went_on_closes_incomplete() -> None:
    """Though no id is known to be missing: the stream was lost, and the venue's candle is not there yet."""
    world = streamed((1, 105, 1, NOON), (2, 105, 1, NOON + MINUTE))
    world.fold(candles(NOON - MINUTE, NOON + MINUTE, NOON + 3 * MINUTE, Bar(NOON, 1, 1, 1, 1, 1)))
    world.fold(Clock(NOON + 3 * MINUTE, unheard=["BTC-USDT", "ETH-USDT"]))
    assert [world.rows()[minute][-1] for minute in (NOON, NOON + MINUTE)] == [True, False]
    assert world.lane.series[NAME].repairs == [(NOON + MINUTE, NOON + 2 * MINUTE)]
    world.fold(candles(NOON, NOON + 3 * MINUTE, NOON + 4 * MINUTE, Bar(NOON + MINUTE, 1, 2, 1, 2, 9)))
    assert world.rows()[NOON + MINUTE] == (100, 200, 100, 200, 90_000, FROM_VENUE, True)


def test_without_a_clock_trades_close_the_minutes_long_before_them() -> None:
    world = streamed((1, 105, 1, NOON), (2, 105, 1, NOON + MINUTE))
    world.fold(trades_of((3, 105, 1, NOON + MINUTE + GRACE + PATIENCE)))
    assert sorted(world.lane.series[NAME].open) == [NOON + MINUTE, NOON + MINUTE + PATIENCE]
    assert world.rows()[NOON] == (105, 105, 105, 105, 1, FROM_TRADES, True)


def test_trades_at_several_scales_fold_in_the_order_of_their_ids() -> None:
    world = World()
    world.fold(
        trades_of((1, 100, 1, NOON), (4, 103, 1, NOON + 3)),
        trades_of((2, 9, 1, NOON + 1), (3, 11, 1, NOON + 2), price_scale=1, size_scale=3),
    )
    assert world.rows() == {NOON: (100, 110, 90, 103, 22, FROM_TRADES, True)}
    assert world.lane.gaps == {}


def test_gaps_are_counted_as_they_open_and_are_repaired() -> None:
    world = World()
    world.fold(trades_of((10, 100, 1, NOON)))
    assert world.lane.gaps == {"binance": (1, 0)}
    world.fold(trades_of((20, 100, 1, NOON + 1)))
    world.fold(trades_of((15, 100, 1, NOON + 1)))
    assert world.lane.gaps == {"binance": (3, 0)}
    world.fold(trades_of(*((id_, 100, 1, NOON + 1) for id_ in range(11, 15))))
    assert world.lane.gaps == {"binance": (3, 1)}
    world.fold(candles(NOON, NOON + MINUTE, NOON + MINUTE, Bar(NOON, 1, 1, 1, 1, 11)))
    assert world.lane.gaps == {"binance": (3, 3)}


def test_a_lane_written_before_gaps_were_counted_is_read_with_those_it_has() -> None:
    world = World()
    world.fold(trades_of((10, 100, 1, NOON), (20, 100, 1, NOON + 1)), Clock(NOON + 2))
    world.fold(Quote("BTC-USD", 0, 100, NOON), venue="coinbase")
    *body, _ = msgspec.msgpack.decode(zlib.decompress(encode_lane(world.lane)))
    before = {"data": zlib.compress(msgspec.msgpack.encode(body))}
    lane = decode_lane(LANE.read(before)["data"])
    assert lane.gaps == {"binance": (2, 0), "coinbase": (0, 0)}
    assert lane.series == world.lane.series
    told = candles(NOON, NOON + MINUTE, NOON + MINUTE, Bar(NOON, 1, 1, 1, 1, 11))
    fold(lane, world.minutes, [Record("binance", 0, [told])])
    assert lane.gaps == {"binance": (2, 2), "coinbase": (0, 0)}


def test_a_venue_that_counts_anew_is_followed() -> None:
    """Simulated exchanges, and then the true ones in their names."""
    world = World()
    world.fold(trades_of((5_000_000, 100, 1, NOON)), Clock(NOON + 1))
    world.fold(Candles("BTC-USDT", 2, 4, NOON, NOON + MINUTE, NOON + 3 * MINUTE, [Bar(NOON, 100, 100, 100, 100, 1)]))
    world.fold(trades_of((5_000_002, 100, 1, NOON + MINUTE)))
    later = NOON + MINUTE + ANEW
    world.fold(trades_of((7, 200, 1, later)), Clock(later + 1_000, {"BTC-USDT": 7}))
    world.fold(trades_of((8, 200, 1, later + 2_000), (9, 300, 2, later + MINUTE)), Clock(later + 2 * MINUTE + GRACE))
    state = world.lane.series[NAME]
    assert (state.high, state.missing) == (9, [Missing(0, 7, later, later)])
    assert state.repairs == [BEFORE, (NOON + MINUTE, later)]
    assert world.lane.gaps == {"binance": (3, 2)}
    assert world.rows() == {
        NOON: (100, 100, 100, 100, 1, FROM_VENUE, True),
        NOON + MINUTE: (100, 100, 100, 100, 1, FROM_TRADES, False),
        later: (200, 200, 200, 200, 1, FROM_TRADES, False),
        later + MINUTE: (300, 300, 300, 300, 2, FROM_TRADES, True),
    }


def test_ids_missing_for_longer_than_minutes_are_kept_are_given_up() -> None:
    world = streamed((1, 100, 1, NOON), (3, 100, 1, NOON + 1))
    world.fold(Clock(NOON + KEPT_MINUTES))
    assert len(world.lane.series[NAME].missing) == 1
    world.fold(Clock(NOON + KEPT_MINUTES + MINUTE))
    assert (world.lane.series[NAME].missing, world.lane.gaps) == ([], {"binance": (1, 1)})


def test_an_answer_that_lacks_a_minute_with_trades_says_nothing_of_it() -> None:
    world = streamed((1, 100, 1, NOON), (2, 100, 1, NOON + MINUTE), (4, 100, 1, NOON + 2 * MINUTE))
    before = world.rows()[NOON + MINUTE]
    world.fold(candles(NOON, NOON + 3 * MINUTE, NOON + 9 * MINUTE, Bar(NOON, 1, 1, 1, 1, 1)))
    assert world.rows()[NOON + MINUTE] == before
    assert world.lane.series[NAME].missing == [Missing(3, 3, NOON + MINUTE, NOON + 2 * MINUTE)]
    bars = [Bar(NOON + number * MINUTE, 1, 1, 1, 1, 1) for number in (1, 2)]
    world.fold(candles(NOON + MINUTE, NOON + 3 * MINUTE, NOON + 10 * MINUTE, *bars))
    assert (world.lane.series[NAME].missing, world.rows()[NOON + MINUTE][-2:]) == ([], (FROM_VENUE, True))


def test_candles_that_confirm_trades_are_no_news() -> None:
    world = streamed(*((number, 100, 10_000, NOON + number * MINUTE) for number in range(1, 4)))
    world.fold(Clock(NOON + 5 * MINUTE))
    minute = NOON + 2 * MINUTE
    changed = world.minutes[minute].rows[NAME].changed
    world.fold(candles(minute, minute + MINUTE, NOON + 9 * MINUTE, Bar(minute, 1, 1, 1, 1, 1)))
    row = world.minutes[minute].rows[NAME]
    assert (row.rank, row.changed) == (FROM_VENUE, changed)
    world.fold(candles(minute, minute + MINUTE, NOON + 10 * MINUTE, Bar(minute, 1, 1, 1, 1, 2)))
    assert world.minutes[minute].rows[NAME].changed == world.lane.version


def test_hours_of_candles_that_came_before_any_clock_are_packed_when_it_comes() -> None:
    world = World()
    world.fold(candles(NOON - HOUR, NOON, NOON))
    world.fold(candles(NOON - HOUR - 20 * MINUTE, NOON - HOUR, NOON))
    assert (world.lane.packed_to, world.lane.unpacked) == (NOON - 2 * HOUR, [])
    world.fold(Clock(NOON + 8 * MINUTE))
    assert (world.lane.packed_to, world.lane.unpacked) == (NOON, [NOON - 2 * HOUR, NOON - HOUR])


def test_the_trades_before_a_streams_first_make_its_minute_whole() -> None:
    """A series that was polled; the stream begins amidst a minute, and what came before is asked for by its ids."""
    world = World()
    bars = [Bar(NOON - age * MINUTE, 5, 5, 5, 5, 9) for age in (5, 4, 3, 2, 1)]
    world.fold(Candles("BTC-USDT", 2, 4, NOON - 5 * MINUTE, NOON, NOON + 900, bars))
    world.fold(Clock(NOON + 20_000, {"BTC-USDT": 500}))
    assert [gap[:2] for gap in world.lane.series[NAME].missing] == [(0, 500)]
    before = [(id_, 7, 1, NOON - 10_000 + 200 * (id_ - 400)) for id_ in range(400, 501)]  # 50 of them before noon
    world.fold(trades_of(*before), Clock(NOON + MINUTE + 2_000, {"BTC-USDT": 500}))
    assert world.lane.series[NAME].missing == []
    assert world.rows()[NOON - MINUTE] == (5, 5, 5, 5, 9, FROM_VENUE, True)
    assert world.rows()[NOON] == (7, 7, 7, 7, 51, FROM_TRADES, True)
    assert world.lane.gaps == {"binance": (2, 2)}  # a trade amidst a range makes two of it


def test_an_idle_series_last_trade_proves_that_the_minute_lacks_nothing() -> None:
    world = World()
    bars = [Bar(NOON - 5 * MINUTE, 5, 5, 5, 5, 9)]
    world.fold(Candles("BTC-USDT", 2, 4, NOON - 5 * MINUTE, NOON, NOON + 900, bars))
    world.fold(Clock(NOON + 20_000, {"BTC-USDT": 500}))
    world.fold(trades_of((500, 7, 1, NOON - 5 * MINUTE)))
    assert (world.lane.series[NAME].missing, world.lane.series[NAME].repairs[1:]) == ([], [])

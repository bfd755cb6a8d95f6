"""The fold counts each trade once, whatever the order, number and grouping of the records that bring it."""

import copy
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain.candles import FROM_TRADES, FROM_VENUE, HOUR, MINUTE
from cryptopulse.domain.folding import KEPT, KEPT_MINUTES, NEWCOMER, PACK_AFTER, RANGES, Folded, fold
from cryptopulse.domain.lanes import Lane, Minute, Missing, decode_lane, decode_minute, encode_lane, encode_minute
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
NAME = "binance:BTC-USDT"

BEFORE = (NOON - NEWCOMER, NOON)
"""What a series that was first told at noon asks for."""

type Trade = tuple[int, int, int, int]
"""id, price, size, time."""


class Minutes(dict[int, Minute]):
    """Minute items as a table would hold them."""

    def __missing__(self, minute: int) -> Minute:
        self[minute] = Minute(minute)
        return self[minute]


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
    world.fold(trades_of((500, 100, 7, NOON + 5_000)))
    assert world.lane.series[NAME].missing == [Missing(0, 499, NOON, NOON)]
    assert world.rows() == {NOON: (100, 100, 100, 100, 7, FROM_TRADES, False)}


def test_a_minute_closes_two_seconds_after_its_end_on_the_venues_clock() -> None:
    world = World()
    world.fold(trades_of((1, 100, 7, NOON)))
    world.fold(Clock(NOON + MINUTE + 1_999))
    assert list(world.lane.series[NAME].open) == [NOON]
    assert world.fold(Clock(NOON + MINUTE + 5_000), venue="coinbase").minutes == set()
    assert world.fold(Clock(NOON + MINUTE + 2_000)).minutes == {NOON}
    assert world.lane.series[NAME].open == {}
    assert world.rows() == {NOON: (100, 100, 100, 100, 7, FROM_TRADES, True)}


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
    assert state.repairs == [(NOON, NOON + MINUTE)]


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
    world.fold(trades_of((1, 100, 1, old)), trades_of((3, 100, 1, NOON)), Clock(NOON))
    folded = world.fold(trades_of((2, 100, 1, old + 5)))
    assert folded.changed
    assert world.lane.series[NAME].repairs == [(old, old + MINUTE)]


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

"""A poll asks for everything that is wanted, the newest first, in calls that a venue answers whole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.candles import DAY, HOUR, MINUTE
from cryptopulse.domain.folding import KEPT_MINUTES as KEPT
from cryptopulse.domain.lanes import Missing, SeriesState
from cryptopulse.domain.polling import RECENT, ROWS, SECOND_LOOK, Ids, Plan, Span, closed, plan, records, spans
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record, Trades

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""

minutes_ago = st.integers(0, KEPT // MINUTE + 100)
holes = st.lists(st.tuples(minutes_ago, st.integers(1, 2000)), max_size=6)


def minutes(*some: tuple[int, int]) -> set[int]:
    return {minute for start, end in some for minute in range(start, end, MINUTE)}


@given(minutes_ago, minutes_ago, holes, st.integers(70, 1000), st.booleans())
def test_all_that_is_wanted_is_asked_for_once_newest_first_in_whole_pages(
    ago: int, known_ago: int, holes: list[tuple[int, int]], page: int, new: bool
) -> None:
    end = NOON + ago * MINUTE
    known_to = 0 if new else end - known_ago * MINUTE
    repairs = [(end - ago * MINUTE, end - (ago - length) * MINUTE) for ago, length in holes]
    found = spans(end, known_to, repairs, page)
    wanted = minutes((end - RECENT, end), *((known_to, end) for _ in range(not new)), *repairs)
    assert wanted & minutes((end - KEPT, end)) <= minutes(*found) <= minutes((end - KEPT, end))
    assert all(0 < span.end - span.start <= page * MINUTE for span in found)
    assert all(newer.start >= older.end for newer, older in pairwise(found))
    assert found[0].end == end


def test_a_new_series_is_asked_for_its_last_five_minutes() -> None:
    for end in (NOON, NOON + MINUTE):
        assert spans(end, 0, [], 300) == [Span(end - 5 * MINUTE, end)]


def test_a_hole_is_joined_with_the_last_five_minutes() -> None:
    assert spans(NOON, NOON - HOUR, [], 300) == [Span(NOON - HOUR, NOON)]
    assert spans(NOON, NOON - MINUTE, [], 300) == [Span(NOON - 5 * MINUTE, NOON)]


def test_a_long_hole_comes_in_pages_and_a_near_repair_costs_no_call() -> None:
    known_to = NOON - 7 * HOUR
    assert spans(NOON, known_to, [], 300) == [Span(NOON - 5 * HOUR, NOON), Span(known_to, NOON - 5 * HOUR)]
    repair = (NOON - 4 * HOUR, NOON - 3 * HOUR)
    assert spans(NOON, NOON - MINUTE, [repair], 300) == [Span(NOON - 4 * HOUR, NOON)]
    assert spans(NOON, NOON - MINUTE, [repair], 60) == [Span(NOON - 5 * MINUTE, NOON), Span(*repair)]


def test_every_fifth_poll_looks_an_hour_back() -> None:
    looked = {n: spans(NOON + n * MINUTE, NOON + n * MINUTE, [], 300)[0] for n in range(1, 6)}
    lengths = {n: span.end - span.start for n, span in looked.items()}
    assert lengths == {1: SECOND_LOOK} | dict.fromkeys(range(2, 6), RECENT)


def test_what_is_no_longer_kept_is_not_asked_for() -> None:
    known_to = NOON - 40 * DAY
    assert spans(NOON, known_to, [(NOON - 50 * DAY, NOON - 45 * DAY)], 1000)[-1].start == NOON - KEPT


def test_an_interval_is_closed_two_seconds_after_its_end() -> None:
    assert [closed(NOON + ms, MINUTE) for ms in (-1, 0, 1_999, 2_000)] == [NOON - MINUTE] * 3 + [NOON]
    assert closed(NOON + 2_000, DAY) == NOON - 12 * HOUR


# --- what is missing ---

NOW = NOON + 12_345
STREAMED = SeriesState(high=9_999, high_minute=NOON, known_to=NOON - 9 * HOUR)


def missing(*gaps: tuple[int, int, int, int]) -> SeriesState:
    """A streamed series that lacks these trades: the first and the last id, and how many minutes ago they were."""
    found = [Missing(first, last, NOON - from_ * MINUTE, NOON - to * MINUTE) for first, last, from_, to in gaps]
    return SeriesState(high=9_999, high_minute=NOON, known_to=NOON - 9 * HOUR, missing=found)


def ago(start: int, end: int) -> Span:
    return Span(NOON - start * MINUTE, NOON - end * MINUTE)


def repairing(state: SeriesState, page: int = 300) -> list[Span | Ids]:
    told = plan(state, NOW, page, is_streamed=True)
    assert told.fresh is None
    return told.older


def test_a_streamed_series_that_lacks_nothing_is_not_asked_for() -> None:
    assert plan(STREAMED, NOW, 300, is_streamed=True) == Plan(None, [])


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        pytest.param((7, 7, 0, 0), [Ids(7, 7, NOON + MINUTE)], id="one of now"),
        pytest.param((1, 1000, 60, 10), [Ids(1, 1000, NOON - 9 * MINUTE)], id="the most and oldest for trades"),
        pytest.param((1, 1001, 9, 5), [ago(9, 4)], id="too many"),
        pytest.param((1, 1000, 12, 11), [ago(12, 10)], id="too old"),
        pytest.param((1, 1001, 4, 0), [ago(4, 2)], id="too many and not all minutes ended 2 minutes ago"),
        pytest.param((1, 1001, 2, 0), [], id="too many and no minute ended 2 minutes ago"),
        pytest.param((0, 500_000, 2, 2), [Ids(499_001, 500_000, NOON - MINUTE)], id="all before the first"),
        pytest.param((0, 7, 0, 0), [Ids(1, 7, NOON + MINUTE)], id="the few before the first"),
        pytest.param((0, 500_000, 3, 3), [ago(3, 2)], id="all before the first, and a candle tells as much"),
    ],
)
def test_few_and_young_trades_are_asked_for_by_id_and_others_by_candles(
    gap: tuple[int, int, int, int], expected: list[Span | Ids]
) -> None:
    assert repairing(missing(gap)) == expected


def test_a_minute_ended_two_minutes_ago_when_that_is_settled() -> None:
    state = missing((1, 1001, 3, 3))
    times = [NOON + 1_999, NOON + 2_000]
    assert [plan(state, at, 300, is_streamed=True).older for at in times] == [[], [ago(3, 2)]]


def test_ranges_that_one_call_tells_are_one_and_the_newest_come_first() -> None:
    state = missing(
        (100, 150, 8, 7), (300, 310, 6, 5), (1_100, 1_299, 4, 3), (1_400, 1_500, 1, 1), (2_000, 2_000, 0, 0)
    )
    assert repairing(state) == [
        Ids(1_100, 2_000, NOON + MINUTE),
        Ids(100, 310, NOON - 4 * MINUTE),
    ]


def test_repairs_wait_for_their_candles_too_and_stand_in_line_with_trades() -> None:
    state = missing((500, 5_000, 30, 20), (6_000, 6_001, 11, 10))
    state.repairs = [(NOON - 9 * HOUR, NOON - 8 * HOUR), (NOON - 5 * MINUTE, NOON)]
    assert repairing(state, page=10) == [
        ago(5, 2),
        Ids(6_000, 6_001, NOON - 9 * MINUTE),
        *(ago(29, 19), ago(30, 29)),
        *(ago(490 + 10 * n, 480 + 10 * n) for n in range(6)),
    ]
    assert repairing(state, page=60) == [ago(30, 2), Ids(6_000, 6_001, NOON - 9 * MINUTE), ago(540, 480)]


def test_what_candles_told_before_the_stream_went_on_is_looked_at_again_some_times() -> None:
    looks = {}
    for minutes in range(300):
        state = SeriesState(high=9_999, high_minute=NOON, known_to=NOON - minutes * MINUTE)
        if found := repairing(state):
            looks[minutes] = found
    assert looks == {minutes: [ago(minutes + 295, minutes)] for minutes in (5, 10, 20, 40, 80)}


def test_minutes_no_longer_kept_are_not_asked_for() -> None:
    long_ago = KEPT // MINUTE + 1
    assert repairing(missing((1, 2, long_ago, long_ago))) == []


def test_a_polled_series_that_was_streamed_is_asked_from_its_last_trade_on() -> None:
    state = missing((7, 7, 8, 8), (10, 2_000, 120, 110))
    assert plan(state, NOW, 60, is_streamed=False) == Plan(ago(5, 0), [Ids(7, 7, NOON - 7 * MINUTE), ago(120, 109)])
    state.high_minute = NOON - 20 * MINUTE
    assert plan(state, NOW, 60, is_streamed=False).fresh == ago(20, 0)
    assert plan(SeriesState(), NOW, 300, is_streamed=False) == Plan(ago(5, 0), [])


# --- how it is sent ---


def candles(symbol: str, count: int) -> Candles:
    bars = [Bar(NOON + n * MINUTE, 1, 1, 1, 1, 1) for n in range(count)]
    return Candles(symbol, 0, 0, NOON, NOON + max(count, 1) * MINUTE, NOON, bars)


def trades(count: int) -> Trades:
    return Trades("BTC-USD", 0, 0, [(n, 1, 1, NOON) for n in range(count)])


def test_records_hold_one_lane_each_with_its_clock_behind() -> None:
    quotes = [Quote(symbol, 2, 100, NOON) for symbol in ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "USDT-USD")]
    told = records("coinbase", 2, quotes, NOON)
    expected: dict[int, Record] = {}
    for quote in quotes:
        lane = lane_of(Series("coinbase", quote.symbol), 2)
        expected.setdefault(lane, Record("coinbase", lane, [])).messages.append(quote)
    for record in expected.values():
        record.messages.append(Clock(NOON))
    assert len(expected) == 2
    assert told == list(expected.values())
    assert records("coinbase", 2, [], NOON) == []


def test_each_lanes_clock_names_the_symbols_that_were_not_told_of() -> None:
    lanes = {symbol: lane_of(Series("coinbase", symbol), 2) for symbol in ("BTC-USD", "ETH-USD", "SOL-USD")}
    assert list(lanes.values()) == [1, 0, 0]
    told = records("coinbase", 2, [Quote(symbol, 2, 1, NOON) for symbol in lanes], NOON, ["SOL-USD"])
    assert {record.lane: record.messages[-1] for record in told} == {1: Clock(NOON), 0: Clock(NOON, {}, ["SOL-USD"])}


def test_what_is_not_all_that_the_venue_has_comes_without_a_clock() -> None:
    told: list[Trades | Candles] = [trades(1), candles("BTC-USD", 1)]
    assert records("coinbase", 1, told) == [Record("coinbase", 0, [*told])]


@given(st.lists(st.integers(0, 400), max_size=12))
def test_no_record_grows_too_large_and_nothing_is_lost(counts: list[int]) -> None:
    told = [trades(count) if count % 2 else candles("BTC-USD", count) for count in counts]
    made = records("coinbase", 1, told, NOON)
    bodies = [[message for message in record.messages if isinstance(message, Candles | Trades)] for record in made]
    assert [each for body in bodies for each in body] == told
    lengths = [[len(each.bars if isinstance(each, Candles) else each.trades) for each in body] for body in bodies]
    assert all(sum(body) <= ROWS for body in lengths)
    assert [isinstance(record.messages[-1], Clock) for record in made] == [record is made[-1] for record in made]

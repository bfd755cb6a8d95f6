"""A poll asks for everything that is wanted, the newest first, in calls that a venue answers whole."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.candles import DAY, HOUR, MINUTE
from cryptopulse.domain.folding import KEPT_MINUTES as KEPT
from cryptopulse.domain.polling import BARS, RECENT, SECOND_LOOK, Span, closed, records, spans
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record

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


def candles(symbol: str, count: int) -> Candles:
    bars = [Bar(NOON + n * MINUTE, 1, 1, 1, 1, 1) for n in range(count)]
    return Candles(symbol, 0, 0, NOON, NOON + max(count, 1) * MINUTE, NOON, bars)


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


@given(st.lists(st.integers(0, 400), max_size=12))
def test_no_record_grows_too_large_and_nothing_is_lost(counts: list[int]) -> None:
    told = [candles("BTC-USD", count) for count in counts]
    made = records("coinbase", 1, told, NOON)
    bodies = [[message for message in record.messages if isinstance(message, Candles)] for record in made]
    assert [each for body in bodies for each in body] == told
    assert all(sum(len(each.bars) for each in body) <= BARS for body in bodies)
    assert [isinstance(record.messages[-1], Clock) for record in made] == [record is made[-1] for record in made]

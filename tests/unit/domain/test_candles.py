"""Rows, blocks and the intervals folded from them."""

import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.candles import (
    DAY,
    EMPTY,
    FROM_TRADES,
    FROM_VENUE,
    HOUR,
    MINUTE,
    Block,
    Row,
    block_key,
    by_block,
    decode,
    encode,
    floor,
    folded,
    joined,
    rows_of,
)
from cryptopulse.domain.ticks import Bar, Candles
from cryptopulse.errors import SchemaError

NOON = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)


def row(start: int, *shape: int, rank: int = FROM_VENUE, as_of: int = 0, complete: bool = True) -> Row:
    open_, high, low, close, volume = shape or (1, 1, 1, 1, 1)
    return Row(start, open_, high, low, close, volume, rank, as_of, complete)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    starts = sorted(draw(st.sets(st.integers(0, 59), max_size=60)))
    rows = []
    for start in starts:
        low, high = sorted(draw(st.tuples(st.integers(1, 2**70), st.integers(1, 2**70))))
        open_, close = draw(st.tuples(st.integers(low, high), st.integers(low, high)))
        volume = draw(st.one_of(st.integers(1, 10**6), st.integers(1, 2**80)))
        rank, complete = draw(st.sampled_from([1, 2])), draw(st.booleans())
        rows.append(Row(NOON + start * MINUTE, open_, high, low, close, volume, rank, NOON + start, complete))
    return Block.of(draw(st.integers(0, 12)), draw(st.integers(0, 12)), rows) if rows else EMPTY


@given(blocks())
def test_a_packed_block_comes_back_whole(block: Block) -> None:
    back = decode(encode(block))
    assert back.rows() == block.rows()
    assert (back.price_scale, back.size_scale) == (block.price_scale, block.size_scale)


def test_a_packed_row_says_true_not_one() -> None:
    row = Row(0, 2, 3, 1, 2, 5, FROM_VENUE, 9, complete=True)
    assert type(decode(encode(Block.of(2, 8, [row]))).rows()[0].complete) is bool


def test_a_packed_block_is_small() -> None:
    rows = [row(NOON + n * HOUR, 6_321_297 + n, 6_321_900, 6_320_000, 6_321_297, 10**9 + n) for n in range(720)]
    assert len(encode(Block.of(2, 8, rows))) < 5_000


def test_an_unknown_block_format_is_refused() -> None:
    with pytest.raises(SchemaError, match="stored block of candles: version 9"):
        decode(zlib.compress(bytes([9, *[0] * 20])))


def test_clients_see_the_venues_own_digits_and_no_empty_minutes() -> None:
    block = Block.of(2, 8, [row(NOON, 6321297, 6321298, 6321296, 6321297, 782654), row(NOON + MINUTE, 0, 0, 0, 0, 0)])
    assert block.shown() == [(NOON, 63212.97, 63212.98, 63212.96, 63212.97, 0.00782654)]


def test_the_higher_rank_then_the_later_word_holds() -> None:
    trades, venue = row(NOON, rank=FROM_TRADES, as_of=9), row(NOON, 2, 2, 2, 2, 2, as_of=5)
    later = row(NOON, 3, 3, 3, 3, 3, as_of=6)
    for order in ([trades, venue, later], [later, venue, trades], [venue, later, trades]):
        assert joined(*(Block.of(0, 0, [each]) for each in order)).rows() == [later]


@given(st.lists(blocks(), max_size=4))
def test_joining_again_changes_nothing(parts: list[Block]) -> None:
    once = joined(*parts)
    assert joined(once, *parts).rows() == once.rows()
    assert joined(once, once).rows() == once.rows()


def test_blocks_of_other_scales_join_exactly() -> None:
    coarse = Block.of(0, 0, [row(NOON, 5, 6, 4, 5, 3)])
    fine = Block.of(2, 1, [row(NOON + MINUTE, 501, 602, 403, 504, 31)])
    both = joined(coarse, fine)
    assert (both.price_scale, both.size_scale) == (2, 1)
    assert both.rows() == [row(NOON, 500, 600, 400, 500, 30), *fine.rows()]


def test_an_hour_is_folded_from_its_minutes() -> None:
    minutes = [row(NOON + n * MINUTE, 10 + n, 20 + n, 5 + n, 11 + n, 2, as_of=n) for n in range(60)]
    minutes[0] = row(NOON, 0, 0, 0, 0, 0)
    hour = folded(Block.of(0, 0, minutes), MINUTE, HOUR, NOON + HOUR).rows()
    assert hour == [row(NOON, 11, 79, 6, 70, 118, as_of=59)]


@pytest.mark.parametrize(("until", "complete"), [(NOON + HOUR, False), (NOON + 59 * MINUTE, True), (NOON, True)])
def test_an_hour_that_lacks_a_minute_is_incomplete(until: int, complete: bool) -> None:
    minutes = Block.of(0, 0, [row(NOON + n * MINUTE) for n in range(59)])
    (hour,) = folded(minutes, MINUTE, HOUR, until).rows()
    assert (hour.complete, hour.rank) == (complete, FROM_VENUE if complete else FROM_TRADES)


def test_a_minute_without_a_trade_is_known_and_leaves_the_hour_complete() -> None:
    told = Candles("BTC-USD", 0, 0, NOON, NOON + HOUR, 7, [Bar(NOON + 3 * MINUTE, 1, 2, 1, 2, 5)])
    minutes = rows_of(told, MINUTE)
    assert [each.is_empty for each in minutes.rows()].count(True) == 59
    assert folded(minutes, MINUTE, HOUR, NOON + HOUR).rows() == [row(NOON, 1, 2, 1, 2, 5, as_of=7)]


def test_an_hour_without_any_trade_is_empty() -> None:
    told = Candles("BTC-USD", 0, 0, NOON, NOON + HOUR, 7, [])
    (hour,) = folded(rows_of(told, MINUTE), MINUTE, HOUR, NOON + HOUR).rows()
    assert (hour.is_empty, hour.complete) == (True, True)


def test_rows_lie_in_blocks_of_hours_months_and_years() -> None:
    assert block_key(MINUTE, NOON) == "1m#2026-11-22T12"
    assert block_key(HOUR, NOON) == "1h#2026-11"
    assert block_key(DAY, floor(NOON, DAY)) == "1d#2026"
    hours = [row(NOON + n * HOUR) for n in range(0, 24 * 20, 24)]
    assert {key: len(rows) for key, rows in by_block(HOUR, hours).items()} == {"1h#2026-11": 9, "1h#2026-12": 11}


def test_between_keeps_the_start_and_leaves_the_end() -> None:
    block = Block.of(0, 0, [row(NOON + n * MINUTE) for n in range(5)])
    assert block.between(NOON + MINUTE, NOON + 3 * MINUTE).starts == (NOON + MINUTE, NOON + 2 * MINUTE)

"""What travels on the stream."""

import zlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.ticks import (
    AHEAD,
    PACKED,
    PLAIN,
    Bar,
    Candles,
    Clock,
    Message,
    Quote,
    Record,
    Trades,
    decode,
    encode,
    scaled,
)
from cryptopulse.errors import UnreadableError

RECORD = Record(
    "coinbase",
    1,
    [
        Trades("BTC-USD", 2, 8, [(7, 6321297, 782654, 1_795_348_800_000), (8, 6321298, 1, 1_795_348_800_001)]),
        Quote("ETH-USD", 2, 301_512, 1_795_348_800_000),
        Candles("BTC-USD", 2, 8, 0, 60_000, 61_000, [Bar(0, 1, 2, 1, 2, 10**20 // 10**4)]),
        Clock(1_795_348_860_000, {"BTC-USD": 8}),
    ],
)


QUIET = Record("coinbase", 1, RECORD.messages[1:])
"""The same without trades."""


@pytest.mark.parametrize("record", [RECORD, QUIET], ids=["trades", "no trades"])
def test_a_record_comes_back_whole(record: Record) -> None:
    assert decode(encode(record)) == record


def test_only_what_has_no_trades_is_compressed() -> None:
    assert (encode(RECORD)[:1], encode(QUIET)[:1]) == (PLAIN, PACKED)


@pytest.mark.parametrize("message", RECORD.messages, ids=["trades", "quote", "candles", "clock"])
def test_a_time_long_after_the_arrival_is_unreadable(message: Message) -> None:
    data = encode(Record("coinbase", 1, [message]))
    newest = {Trades: 1_795_348_800_001, Quote: 1_795_348_800_000, Candles: 61_000, Clock: 1_795_348_860_000}
    arrived = newest[type(message)] - AHEAD
    assert decode(data, arrived).messages == [message]
    with pytest.raises(UnreadableError, match="has not come yet"):
        decode(data, arrived - 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "unknown record format b''"),
        (b"{}", "unknown record format b'{'"),
        (PACKED + b"no zlib", "incorrect header"),
        (PACKED + zlib.compress(b"\xc1"), "MessagePack"),
        (PACKED + zlib.compress(b"\x93\xa1x\x00\x91\x91\xa1z"), "Invalid value"),
        (PACKED + zlib.compress(b"\x93\xa1\x80\x00\x00"), "can't decode byte"),
        (encode(QUIET)[:-9], "incomplete or truncated"),
        (encode(RECORD)[:-9], "truncated"),
        (PLAIN + b"\xc1", "MessagePack"),
        (encode(Record("v", 0, [Candles("A-B", 0, 0, 60_000, 60_000, 1, [])])), "A-B: a span that ends before"),
        (encode(Record("v", 0, [Candles("A-B", 0, 0, 60_000, 2**40 * 60_000, 1, [])])), "A-B: a span that ends before"),
        (encode(Record("v", 0, [Candles("A-B", 0, 0, 1, 60_000, 1, [])])), "A-B: a span that is no whole minutes"),
        (encode(Record("v", 0, [Quote("A-B", 10**9, 1, 1)])), "A-B: a scale of 1000000000"),
    ],
)
def test_what_is_no_record_is_unreadable(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        decode(data)


@given(st.binary(max_size=200))
def test_random_bytes_are_unreadable_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode([PACKED + zlib.compress(data), PLAIN + data, data][len(data) % 3])


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)))
def test_scaled_numbers_are_exact(numbers: list[Decimal]) -> None:
    scale, values = scaled(*(f"{number:f}" for number in numbers))
    assert [Decimal(value).scaleb(-scale) for value in values] == numbers
    assert 0 <= scale <= 8


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "-Infinity", "1.2.3", "1." + "1" * 70])
def test_what_is_no_number_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        scaled("1", text)

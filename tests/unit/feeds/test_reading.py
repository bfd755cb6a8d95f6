"""Numbers read many at once are exactly what each of them says."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench._memory import Minutes
from cryptopulse.domain.folding import fold
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.lanes import Lane, encode_lane
from cryptopulse.domain.ticks import Trades
from cryptopulse.domain.venues import Product
from cryptopulse.feeds.binance_stream import BinanceReader
from cryptopulse.feeds.coinbase_stream import CoinbaseReader
from cryptopulse.feeds.feed import Tick, trades_of
from cryptopulse.feeds.reading import integers

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC = Product("BTC-USD", "BTC-USD", trading=True)

USUAL = st.decimals("0.00000001", "9999999.99999999", places=8).map("{:f}".format)
ODD = [
    "5",
    "0.5",
    " 1.5",
    "1.",
    ".5",
    "01.5",
    "1,2",
    "1e0,2",
    '"5',
    '"5",3',
    "1e-7",
    "1e7",
    "-1.00000000",
    "0.00000000",
]
ODD += ["", "[]", "null", "NaN", "\ud800", "1.000000000000001", "1.0000000000000000001", "1.000000005"]
ODD += ["90071992.54740993", "99999999.99999999", "100000000.00000000", "9999999999999999", "123456789012.5"]


@given(st.lists(st.one_of(USUAL, st.sampled_from(ODD)), max_size=40))
def test_each_number_is_exact_or_left_to_others(texts: list[str]) -> None:
    found = integers(texts)
    assert len(found) == len(texts)
    for text, value in zip(texts, found, strict=True):
        assert not value or Decimal(text).scaleb(8) == value


@given(st.lists(USUAL, max_size=40))
def test_all_usual_numbers_are_read(texts: list[str]) -> None:
    values = [int(Decimal(text).scaleb(8)) for text in texts]
    assert integers([*texts, "priceless", *texts]) == [*values, 0, *values]


def _frame(venue: str, id_: int, price: str, size: str) -> str:
    frame: dict[str, Any] = {"type": "match", "trade_id": id_, "product_id": BTC.native, "price": price, "size": size}
    frame["time"] = "2026-11-22T12:00:00Z"
    if venue == "binance":
        frame = {"data": {"e": "aggTrade", "s": BTC.native, "a": id_, "p": price, "q": size, "l": id_, "T": NOON}}
    return json.dumps(frame)


@pytest.mark.parametrize("venue", ["binance", "coinbase"])
def test_a_trade_with_too_many_digits_leaves_a_lane_that_can_be_kept(venue: str) -> None:
    """All of a series has the scale of its finest: what one trade says must leave room for the others."""
    gathering, lane = Gathering(venue, 1), Lane(0)
    reader = BinanceReader([BTC], gathering) if venue == "binance" else CoinbaseReader([BTC], gathering)
    trades = [("86000.01", "25.5"), ("86000.02", "0.000000000000000001"), ("0.000000000000000001", "1")]
    reader.read([_frame(venue, number, *trade) for number, trade in enumerate(trades, 1)], NOON)
    assert reader.frames == {"used": 2, "ignored": 0, "unreadable": 1}
    fold(lane, Minutes(), gathering.take())
    (row,) = lane.series[f"{venue}:BTC-USD"].open.values()
    assert (row.last, row.close, row.price_scale, row.volume, row.size_scale) == (2, 8_600_002, 2, 255, 1)
    assert encode_lane(lane)


def test_so_does_one_that_repairs() -> None:
    ticks = [Tick(1, "86000.01", "25.5", NOON), Tick(2, "0.0000000000126", "0.0000000123456789", NOON)]
    told = trades_of("BTC-USD", ticks, 1, 2)
    assert told == Trades("BTC-USD", 12, 8, [(1, 86_000_010_000_000_000, 2_550_000_000, NOON), (2, 13, 1, NOON)])

"""Recorded trades fold into exactly the candles that were recorded with them (`../shared/data`, where present)."""

import csv
import gzip
from datetime import datetime
from itertools import batched
from pathlib import Path

import pytest

from bench._memory import Minutes
from cryptopulse.domain.candles import MINUTE, Block, folded, joined
from cryptopulse.domain.folding import fold
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.ticks import Clock, Record, Trades, scaled

GOLDEN = Path(__file__).parents[4] / "shared/data/ohlcv/trades_to_candles"
NAME = "binance:XRP-ETH"

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded data is not beside this checkout")


@pytest.fixture(scope="module")
def minutes() -> Block:
    """The minutes of some 30 hours of recorded trades, folded 100 trades a record with a clock."""
    lane, minutes = Lane(0), Minutes()
    with gzip.open(GOLDEN / "binance_XRPETH_aggTrades.csv.gz", "rt") as file:
        trades = list(csv.DictReader(file))
    for batch in batched(trades, 100, strict=False):
        price_scale, prices = scaled(*(trade["price"] for trade in batch))
        size_scale, sizes = scaled(*(trade["qty"] for trade in batch))
        ids, times = ([int(trade[name]) for trade in batch] for name in ("agg_id", "timestamp_ms"))
        told = Trades("XRP-ETH", price_scale, size_scale, list(zip(ids, prices, sizes, times, strict=True)))
        fold(lane, minutes, [Record("binance", 0, [told, Clock(times[-1])])])
    rows = [item.rows[NAME].block(start) for start, item in sorted(minutes.items()) if NAME in item.rows]
    rows += [row.block(start) for start, row in sorted(lane.series[NAME].open.items())]
    return joined(*rows)


@pytest.mark.parametrize("interval", [1, 5])
def test_recorded_trades_give_the_recorded_candles(minutes: Block, interval: int) -> None:
    with (GOLDEN / f"binance_XRPETH_{interval}m.csv").open() as file:
        recorded = [
            (
                int(datetime.fromisoformat(candle["date"]).timestamp() * 1000),
                *(float(candle[name]) for name in ("open", "high", "low", "close", "volume")),
            )
            for candle in csv.DictReader(file)
        ]
    end = minutes.starts[-1] + MINUTE
    assert folded(minutes, MINUTE, interval * MINUTE, end).shown() == recorded
    assert len(recorded) > 200

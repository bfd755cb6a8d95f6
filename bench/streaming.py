"""What live prices cost: records, read and write units an hour for the default assets, counted from sizes.

Trades come at random, as many as on a lively day; all of the way is ours: gathered for 200 ms, put by lane, folded once
a second, which is how often Lambda reads a shard.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from heapq import merge

from bench._memory import MemoryTable
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import expected_minutes, fold
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.lanes import Lane, encode_lane
from cryptopulse.domain.series import CONVERSIONS, Series
from cryptopulse.domain.ticks import Record, encode

NOON = 1_795_348_800_000
LANES = 2
FLUSH = 200
READ = 1_000
"""Milliseconds between two looks of Lambda at a shard."""
PUT_UNIT = 25_000
"""Bytes that Kinesis counts as one put."""
RATES = {"BTC": 12.0, "ETH": 8.0, "SOL": 5.0, "XRP": 4.0, "DOGE": 3.0}
OTHER = 1.0
"""Trades a second at each venue."""
ASSETS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "AVAX", "DOT", "LINK", "LTC")

type Trade = tuple[int, str, str, int]
"""When it is made, where, of what, and its id."""


def trades(series: Series, start: int, end: int) -> Iterator[Trade]:
    """A series' trades, at random times."""
    chance = random.Random(str(series))
    rate = RATES.get(series.symbol.partition("-")[0], OTHER) / 1000
    time, id_ = start + chance.expovariate(rate), 1
    while time < end:
        yield int(time), series.venue, series.symbol, id_
        time, id_ = time + chance.expovariate(rate), id_ + 1


class Counted:
    """What an hour of a system with so many series takes."""

    def __init__(self, all_series: list[Series]) -> None:
        self.trades = self.puts = self.batches = 0
        self.table = MemoryTable()
        self._market = Market(self.table)
        self._lanes = {number: Lane(number) for number in range(LANES)}
        self._chance = random.Random(1)
        gatherings = {venue: Gathering(venue, LANES) for venue in ("binance", "coinbase")}
        start, end = NOON - 10 * MINUTE, NOON + HOUR
        coming = merge(*(trades(series, start, end) for series in all_series))
        due = next(coming)
        waiting: defaultdict[int, list[Record]] = defaultdict(list)
        for now in range(start + FLUSH, end, FLUSH):
            while due[0] < now:
                gatherings[due[1]].trade(due[2], 2, 5, due[3], *self._drawn(), due[0])
                self.trades += 1
                due = next(coming, (end, "", "", 0))
            for gathering in gatherings.values():
                gathering.advance(now - 20)
                for record in gathering.take():
                    waiting[record.lane].append(record)
                    self.puts += -(-len(encode(record)) // PUT_UNIT)
            if now % READ == 0:
                for lane, records in waiting.items():
                    self._fold(lane, records)
                waiting.clear()
            if now == NOON:
                self.trades = self.puts = self.batches = self.table.written = 0
                self.table.read = 0.0

    @property
    def bytes_of_lanes(self) -> int:
        """Of their live items together."""
        return sum(len(encode_lane(lane)) for lane in self._lanes.values())

    def _drawn(self) -> tuple[int, int]:
        return 6_321_297 + self._chance.randrange(-900, 900), self._chance.randrange(1, 10**6)

    def _fold(self, number: int, records: list[Record]) -> None:
        lane = self._lanes[number]
        previous, minutes = lane.version, LazyMinutes(self._market, number)
        minutes.load(expected_minutes(records))
        folded = fold(lane, minutes, records)
        self._market.write(lane, previous, [minutes[minute] for minute in folded.minutes])
        if self._market.pack(lane):
            lane.version += 1
            self._market.write(lane, lane.version - 1)
        self.batches += 1


def series_of(assets: tuple[str, ...]) -> list[Series]:
    """What is followed for these assets."""
    return [
        *(Series("coinbase", f"{asset}-USD") for asset in assets),
        *(Series("binance", f"{asset}-USDT") for asset in assets),
        *(Series("coinbase", symbol) for symbol in CONVERSIONS),
    ]


def main() -> None:
    default = Counted(series_of(ASSETS))
    fivefold = Counted(series_of(ASSETS + tuple(f"A{number}" for number in range(40))))
    for assets, counted in ((10, default), (50, fivefold)):
        print(
            f"{assets} assets, an hour: {counted.trades} trades, {counted.puts} Kinesis put units,"
            f" {counted.batches} folds, {counted.table.written} write units, {counted.table.read:.0f} read units,"
            f" {counted.bytes_of_lanes} bytes of live items"
        )
    print(f"figure streaming.put_units_per_hour {default.puts}")
    print(f"figure streaming.write_units_per_hour {default.table.written}")
    print(f"figure streaming.write_units_of_fivefold {fivefold.table.written / default.table.written:.2f}")


if __name__ == "__main__":
    main()

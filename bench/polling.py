"""What polling costs at rest: read and write units an hour for the default assets, counted from the items' sizes."""

import random

from bench._memory import MemoryTable
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import expected_minutes, fold
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import CONVERSIONS, Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record

NOON = 1_795_348_800_000
LANES = 2
ASSETS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "AVAX", "DOT", "LINK", "LTC")
SERIES = [
    *(Series("coinbase", f"{asset}-USD") for asset in ASSETS),
    *(Series("binance", f"{asset}-USDT") for asset in ASSETS),
    *(Series("coinbase", symbol) for symbol in CONVERSIONS),
]


def bar(series: Series, minute: int) -> Bar:
    """The same bar whenever it is asked for."""
    chosen = random.Random(f"{series}{minute}")
    price = 6_321_297 + chosen.randrange(-9_000, 9_000)
    return Bar(minute, price, price + 500, price - 500, price + chosen.randrange(-400, 400), chosen.randrange(10**10))


def poll(series: Series, now: int) -> list[Message]:
    """What a minute's poll tells of a series: its price, and its last five minutes."""
    bars = [bar(series, now - age * MINUTE) for age in range(5, 0, -1)]
    quote = Quote(series.symbol, 2, bars[-1].close, now + 500)
    return [quote, Candles(series.symbol, 2, 8, now - 5 * MINUTE, now, now + 900, bars)]


def main() -> None:
    table = MemoryTable()
    market = Market(table)
    lanes = {number: Lane(number) for number in range(LANES)}
    before = (0, 0.0)
    for now in range(NOON, NOON + 2 * HOUR + MINUTE, MINUTE):
        if now == NOON + HOUR + MINUTE:
            before = table.written, table.read
        for number, lane in lanes.items():
            for venue in ("binance", "coinbase"):
                own = [series for series in SERIES if series.venue == venue and lane_of(series, LANES) == number]
                messages = [message for series in own for message in poll(series, now)]
                told = [Record(venue, number, [*messages, Clock(now)])]
                previous, minutes = lane.version, LazyMinutes(market, number)
                minutes.load(expected_minutes(told))
                folded = fold(lane, minutes, told)
                market.write(lane, previous, [minutes[minute] for minute in folded.minutes])
                if market.pack(lane):
                    lane.version += 1
                    market.write(lane, lane.version - 1)
    print(f"{len(SERIES)} series polled each minute; an hour of process_ticks, packing included:")
    print(f"figure polling.write_units_per_hour {table.written - before[0]}")
    print(f"figure polling.read_units_per_hour {table.read - before[1]:.0f}")


if __name__ == "__main__":
    main()

"""Folding the stream: 100 ticks a record into packed lanes, against a JSON record a tick folded with Decimal.

CPU is from the Lambda event's JSON to the encoded live items. Write units are counted from the sizes of the items that
an hour of ticks writes, closing minutes and packing hours included, against an item per tick.
"""

import json
import random
import time
from base64 import b64decode, b64encode
from collections import defaultdict
from decimal import Decimal
from statistics import median
from typing import Any

from bench._memory import MemoryTable
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import expected_minutes, fold
from cryptopulse.domain.lanes import Lane, encode_lane
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Clock, Record, Trades, decode, encode

NOON = 1_795_348_800_000
LANES = 2
SERIES = [Series("binance", f"{name:03}-USDT") for name in range(100)]
TICKS = 10_000
ROUNDS = 15

type Tick = tuple[Series, int, int, int, int]
"""series, id, price, size, time."""


def ticks(count: int, start: int, step: int, ids: dict[Series, int]) -> list[Tick]:
    """Ticks of random series, one every `step` microseconds."""
    chosen = random.Random(start)
    made = []
    for number in range(count):
        series = chosen.choice(SERIES)
        ids[series] += 1
        price, size = 6_321_297 + chosen.randrange(-900, 900), chosen.randrange(1, 10**8)
        made.append((series, ids[series], price, size, start + number * step // 1000))
    return made


def envelope(data: bytes, number: int, partition: str) -> dict[str, Any]:
    """A record as Lambda's event has it."""
    sequence = f"{number:056}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition,
            "sequenceNumber": sequence,
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_795_348_800.123,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-kinesis-role",
        "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/cryptopulse",
    }


def records(batch: list[Tick], lane: int) -> list[Record]:
    """The lane's ticks of a batch, 100 to a record, a series' ticks together."""
    own = [tick for tick in batch if lane_of(tick[0], LANES) == lane]
    made = []
    for at in range(0, len(own), 100):
        groups: dict[Series, list[tuple[int, int, int, int]]] = defaultdict(list)
        for series, id_, price, size, time_ in own[at : at + 100]:
            groups[series].append((id_, price * 10**6, size, time_))
        messages = [Trades(series.symbol, 8, 8, trades) for series, trades in groups.items()]
        made.append(Record("binance", lane, [*messages, Clock(own[at : at + 100][-1][4])]))
    return made


def packed_event(batch: list[Tick]) -> str:
    data = [(lane, encode(record)) for lane in range(LANES) for record in records(batch, lane)]
    return json.dumps({"Records": [envelope(each, n, f"lane#{lane}") for n, (lane, each) in enumerate(data)]})


def plain_event(batch: list[Tick]) -> str:
    data = [
        {"venue": s.venue, "symbol": s.symbol, "id": i, "price": f"{p / 100:.2f}", "size": f"{z / 1e8:.8f}", "time": t}
        for s, i, p, z, t in batch
    ]
    return json.dumps(
        {"Records": [envelope(json.dumps(tick).encode(), n, str(tick["symbol"])) for n, tick in enumerate(data)]}
    )


def folded_packed(text: str, lanes: dict[int, Lane]) -> list[bytes]:
    batches: dict[int, list[Record]] = defaultdict(list)
    for each in json.loads(text)["Records"]:
        record = decode(b64decode(each["kinesis"]["data"]))
        batches[record.lane].append(record)
    for number, batch in batches.items():
        fold(lanes[number], {}, batch)
    return [encode_lane(lane) for lane in lanes.values()]


def folded_plain(text: str) -> list[str]:
    live: dict[tuple[str, str], dict[str, Any]] = {}
    for each in json.loads(text)["Records"]:
        tick = json.loads(b64decode(each["kinesis"]["data"]))
        price, size = Decimal(tick["price"]), Decimal(tick["size"])
        key = tick["venue"], tick["symbol"]
        item = live.get(key)
        if item is None:
            live[key] = {"o": price, "h": price, "l": price, "c": price, "v": size, "id": tick["id"], "t": tick["time"]}
        elif tick["id"] > item["id"]:
            item["h"], item["l"] = max(item["h"], price), min(item["l"], price)
            item["c"], item["v"], item["id"], item["t"] = price, item["v"] + size, tick["id"], tick["time"]
    return [json.dumps({"series": key, **item}, default=str) for key, item in live.items()]


def cpu_ratio() -> float:
    """How many times less CPU our fold takes for the same busy batch, median of rounds that alternate."""
    ids = dict.fromkeys(SERIES, 1_000_000)
    before = ticks(1_000, NOON, 1_000, ids)
    batch = ticks(TICKS, NOON + 2_000, 500, ids)
    ours, theirs = packed_event(batch), plain_event(batch)
    took: dict[str, list[float]] = {"packed": [], "plain": []}
    for _ in range(ROUNDS):
        lanes = {number: Lane(number) for number in range(LANES)}
        for number, lane in lanes.items():
            fold(lane, {}, records(before, number))
        began = time.process_time()
        items = folded_packed(ours, lanes)
        took["packed"].append(time.process_time() - began)
        began = time.process_time()
        folded_plain(theirs)
        took["plain"].append(time.process_time() - began)
    total = sum(row.volume for lane in lanes.values() for state in lane.series.values() for row in state.open.values())
    assert total == sum(tick[3] for tick in before + batch)
    packed, plain = median(took["packed"]), median(took["plain"])
    print(f"{TICKS:,} ticks, {len(json.loads(ours)['Records'])} records of 100 against {TICKS:,} of one")
    print(f"packed {packed * 1e3:.1f} ms ({TICKS / packed:,.0f} a second), plain {plain * 1e3:.1f} ms")
    print(f"live items: {', '.join(str(len(item)) for item in items)} bytes for {len(SERIES)} series")
    return plain / packed


class Writer:
    """Folds seconds of ticks into a table that counts what is written."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ids = dict.fromkeys(SERIES, 1_000_000)
        self.table = MemoryTable()
        self.market = Market(self.table)
        self.lanes = {number: Lane(number) for number in range(LANES)}

    def units(self, start: int, end: int) -> int:
        """Write units of a batch a second, `start` to `end` in Unix ms."""
        before = self.table.written
        for now in range(start, end, 1_000):
            batch = ticks(self.count, now, 1_000_000 // self.count, self.ids)
            for number, lane in self.lanes.items():
                told = records(batch, number)
                previous, minutes = lane.version, LazyMinutes(self.market, number)
                minutes.load(expected_minutes(told))
                folded = fold(lane, minutes, told)
                self.market.write(lane, previous, [minutes[minute] for minute in folded.minutes])
                if self.market.pack(lane):
                    lane.version += 1
                    self.market.write(lane, lane.version - 1)
        return self.table.written - before


def write_units() -> tuple[float, float]:
    """Write units per tick, busy and quiet: closing minutes and packing hours, months and days included.

    The quiet hour is written second by second. The busy minute too; its share of the hour's packing is the quiet
    hour's, whose blocks are as large.
    """
    quiet = Writer(len(SERIES))
    quiet.units(NOON - HOUR, NOON)
    hour = quiet.units(NOON, NOON + HOUR)
    busy = Writer(TICKS)
    busy.units(NOON, NOON + 10_000)
    minute = busy.units(NOON + 10_000, NOON + 10_000 + MINUTE)
    closing = quiet.units(NOON + HOUR, NOON + HOUR + MINUTE)
    packing = hour - 60 * closing
    print(f"write units: a quiet hour {hour:,}, its packing {packing:,}; a busy minute {minute:,}")
    return (minute + packing / 60) / (60 * TICKS), hour / (3_600 * len(SERIES))


def main() -> None:
    ratio = cpu_ratio()
    busy, quiet = write_units()
    print(
        f"write units per million ticks: busy {busy * 1e6:,.0f}, quiet {quiet * 1e6:,.0f}, an item per tick 1,000,000"
    )
    print(f"figure process_ticks.cpu_ratio {ratio:.2f}")
    print(f"figure process_ticks.write_units_ratio {busy:.5f}")
    print(f"figure process_ticks.quiet_write_units_ratio {quiet:.4f}")
    if ratio < 5 or busy > 0.01 or quiet > 0.08:
        raise SystemExit("process_ticks misses what it promises: 5 times, 1 %, 8 %")


if __name__ == "__main__":
    main()

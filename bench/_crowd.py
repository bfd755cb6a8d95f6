"""One batch of 100 symbols to 10,000 connections of 100 distinct symbol sets: what choosing and writing down costs.

Sockets take every frame at once, so that nothing of sending is in the milliseconds. Units are counted from the sizes
of the items, as DynamoDB does.
"""

import json
import logging
import os
import random
import resource
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from types import SimpleNamespace
from typing import Any, Final

from bench._memory import MemoryTable, size
from cryptopulse import wiring
from cryptopulse.aws.connections import Connections
from cryptopulse.aws.dynamodb import Item
from cryptopulse.aws.market import Market
from cryptopulse.aws.sockets import Delivery
from cryptopulse.domain import frames
from cryptopulse.domain.folding import fold
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import Channel, Connection, Entry
from cryptopulse.domain.ticks import Quote, Record
from functions.fan_out import app

NOON: Final = 1_795_348_800_000
CONNECTIONS, SETS, SYMBOLS, A_SET, LANES, SHARDS = 10_000, 100, 100, 20, 2, 2
BEATS, CHANGES = 7, 5
"""Beats of each kind: steady (all symbols changed), quiet (nothing did), busy (some connections did)."""
SERIES: Final = [Series("coinbase", f"A{number:02}-USD") for number in range(SYMBOLS)]


class ConnectionsTable(MemoryTable):
    """With updates that always hold."""

    def update(self, pk: str, sk: str, **changes: Any) -> Item:
        item = self.items.setdefault((pk, sk), {"pk": pk, "sk": sk})
        item |= changes.get("set") or {}
        for name, number in (changes.get("add") or {}).items():
            item[name] = item.get(name, 0) + number
        self.written += -(-size(item) // 1024)
        return item


class Sockets:
    """Take every frame."""

    def __init__(self) -> None:
        self.frames = 0

    def deliver(self, posts: Iterable[tuple[str, Sequence[bytes]]], _seconds: float) -> list[Delivery]:
        taken = [Delivery(sum(1 for frame in sent if frame)) for _, sent in posts]
        self.frames += sum(delivery.taken for delivery in taken)
        return taken


class Cloud:
    """10,000 clients who have seen the snapshot, and a fan-out that has not begun."""

    def __init__(self) -> None:
        self.now = NOON
        self.lanes, self.connections = MemoryTable(), ConnectionsTable()
        self.market, self.sockets = Market(self.lanes), Sockets()
        self.bodies = 0
        for number in range(LANES):
            self.market.write(Lane(number, version=1), 0)
        self.table = Connections(self.connections, SHARDS)
        there = {
            "market": lambda: self.market,
            "connections": lambda: self.table,
            "sockets": lambda: self.sockets,
            "now": lambda: self.now,
        }
        for name, value in there.items():
            setattr(wiring, name, value)
        counted = frames.bodies

        def bodies(channel: str, values: Iterable[bytes], now: int) -> list[bytes]:
            self.bodies += 1
            return counted(channel, values, now)

        setattr(frames, "bodies", bodies)  # noqa: B010 (mypy knows a function there)
        chosen = random.Random(8)
        sets = [[SERIES[0], *chosen.sample(SERIES[1:], A_SET - 1)] for _ in range(SETS)]
        for number in range(CONNECTIONS):
            id_ = b64encode(chosen.randbytes(11)).decode()
            series = sets[number % SETS]
            entries = {each.symbol: Entry(str(each), lane_of(each, LANES), "", 1, 1) for each in series}
            self.table.open(Connection(id_, "192.0.2.44", NOON, NOON, 0, {"ticks": Channel(1_000, entries)}))

    def trade(self, price: int) -> None:
        """A batch: each symbol has a new price."""
        for number in range(LANES):
            lane = self.market.lanes([number])[number]
            before = lane.version
            quotes = [Quote(each.symbol, 2, price, self.now) for each in SERIES if lane_of(each, LANES) == number]
            fold(lane, {}, [Record("coinbase", number, list(quotes))])
            self.market.write(lane, before)

    def age(self) -> None:
        """Clients have had some hours' frames, each another number of them."""
        chosen = random.Random(9)
        for memory in app._memory.values():
            for client in memory.shard.state.clients.values():
                client.seq = chosen.randrange(7_200)

    def change(self, count: int) -> None:
        """Some clients subscribe anew."""
        ids = [sk.removeprefix("CONN#") for _, sk in list(self.connections.items) if sk.startswith("CONN#")]
        for id_ in random.Random(self.now).sample(ids, count):
            connection = self.table.find(id_, self.now)
            if connection is None or not self.table.change(connection, lambda _: None, self.now):
                raise AssertionError(f"{id_} is gone")

    def beat(self) -> dict[str, float]:
        """A beat of both shards in one invocation, and what it took."""
        self.now += 2_000
        versions = {str(number): self.lanes.items[f"LANE#{number}", "LIVE"]["version"] for number in range(LANES)}
        data = b64encode(json.dumps(versions).encode()).decode()
        record = {"sequenceNumber": "1", "data": data, "approximateArrivalTimestamp": self.now / 1000}
        records = [{"kinesis": {"partitionKey": f"fan#{shard}", **record}} for shard in range(SHARDS)]
        tables = [self.connections, self.lanes]
        counts = self.bodies, self.sockets.frames, sum(each.read for each in tables), self.connections.written
        began = time.process_time()
        app.handler({"Records": records}, CONTEXT)
        took = time.process_time() - began
        bodies, sent, read, written = counts
        return {
            "ms": took * 1000,
            "bodies": self.bodies - bodies,
            "frames": self.sockets.frames - sent,
            "read units": sum(each.read for each in tables) - read,
            "write units": self.connections.written - written,
        }

    def state_bytes(self) -> int:
        """Of both shards' state items."""
        return sum(size(item) for (_, sk), item in self.connections.items.items() if sk == "STATE")


CONTEXT: Any = SimpleNamespace(aws_request_id="", get_remaining_time_in_millis=lambda: 60_000)
SETTINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ACCOUNTS_TABLE", "MARKET_TABLE", "CONNECTIONS_TABLE", "STREAM_NAME", "ASSETS", "QUOTES"), "x"),
    **dict.fromkeys(("BINANCE_URL", "COINBASE_URL", "CURSOR_KEY", "ISSUER", "SIGNING_KEYS"), "x"),
    **dict.fromkeys(("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x"),
    "LANES": str(LANES),
    "CONNECTION_SHARDS": str(SHARDS),
    "CALLBACK_BUDGET": "1000000",
    "FEEDS": "simulated",
    "CLOUD": "aws",
}


def main() -> None:
    os.environ.update(SETTINGS)
    logging.disable(logging.INFO)
    cloud = Cloud()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told: dict[str, list[dict[str, float]]] = {"first": [], "steady": [], "quiet": [], "busy": []}
    for number in range(1 + BEATS):
        cloud.trade(100 + number)
        told["steady" if number else "first"].append(cloud.beat())
        if not number:
            cloud.age()
        told["quiet"].append(cloud.beat())
        cloud.change(CHANGES)
        told["busy"].append(cloud.beat())
    for kind, beats in told.items():
        figures = {name: median(beat[name] for beat in beats) for name in beats[0]}
        print(f"{kind:6} beat: {', '.join(f'{name} {value:,.1f}' for name, value in figures.items())}")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"figure fan_out.bodies {max(beat['bodies'] for beat in told['first'] + told['steady']):.0f}")
    print(f"figure fan_out.beat_us_a_client {median(beat['ms'] for beat in told['steady']) * 1000 / CONNECTIONS:.1f}")
    print(f"figure fan_out.read_units_a_steady_beat {median(beat['read units'] for beat in told['steady']):.1f}")
    print(f"figure fan_out.state_bytes_a_client {cloud.state_bytes() / CONNECTIONS:.1f}")
    print(f"{(after - before) / 1024:.0f} MB more at the peak than the tables themselves")
    if max(beat["bodies"] for beat in told["steady"]) > SETS:
        raise SystemExit("a body is made more than once a set")


if __name__ == "__main__":
    main()

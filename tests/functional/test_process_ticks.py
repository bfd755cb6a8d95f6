"""The stream's batches become candles at rest: once, whatever comes twice, late, unreadable or throttled."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.market import Market
from cryptopulse.domain.candles import DAY, FROM_TRADES, FROM_VENUE, HOUR, INTERVALS, MINUTE
from cryptopulse.domain.folding import GRACE
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades, encode
from cryptopulse.errors import ConditionError, ThrottledError
from functions.process_ticks import app

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC = Series("coinbase", "BTC-USD")

type Deliver = Callable[..., None]


class Bells:
    """Remembers what was rung."""

    def __init__(self) -> None:
        self.rung: list[dict[int, int]] = []

    def ring(self, versions: Mapping[int, int]) -> None:
        self.rung.append(dict(versions))


@pytest.fixture
def bells(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bells]:
    bells = Bells()
    monkeypatch.setattr(wiring, "doorbells", lambda: bells, raising=False)
    app._lanes.clear()
    yield bells
    app._lanes.clear()


@pytest.fixture
def deliver(bells: Bells, kinesis_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Deliver:
    """Hands a batch of records, or of bytes, to the handler; they came when they say, or at `arrived` (Unix ms)."""

    def deliver(*records: Record | bytes, arrived: int | None = None) -> None:
        event = kinesis_event(*(("lane#0", each if isinstance(each, bytes) else encode(each)) for each in records))
        clocks = [
            each.time
            for record in records
            if isinstance(record, Record)
            for each in record.messages
            if isinstance(each, Clock)
        ]
        for each in event["Records"]:
            each["kinesis"]["approximateArrivalTimestamp"] = (arrived or max([NOON, *clocks])) / 1000
        app.handler(event, context)

    return deliver


def record(*messages: Message, venue: str = "coinbase", lane: int = 0) -> Record:
    return Record(venue, lane, list(messages))


def polled(start: int, end: int, price: int = 100) -> Candles:
    """Candles of a whole span whose price rises by one a minute."""
    bars = [
        Bar(m, price + n, price + n + 2, price + n - 2, price + n + 1, 5)
        for n, m in enumerate(range(start, end, MINUTE))
    ]
    return Candles("BTC-USD", 0, 0, start, end, end + 1, bars)


def shown(interval: str, start: int, end: int, now: int) -> list[tuple[float, ...]]:
    market = wiring.market()
    return list(market.candles(market.lane(0), BTC, INTERVALS[interval], start, end, now).shown())


def stored(client: Any) -> list[dict[str, Any]]:
    """Everything in the table, as a boto3 client reads it."""
    items = client.scan(TableName="Market")["Items"]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def test_polled_candles_and_prices_are_stored_and_rung(deliver: Deliver, bells: Bells) -> None:
    deliver(record(Quote("BTC-USD", 0, 105, NOON + 500), polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    lane = wiring.market().lane(0)
    state = lane.series[str(BTC)]
    assert (state.price, state.time, state.known_to, lane.clocks) == (105, NOON + 500, NOON, {"coinbase": NOON})
    rows = shown("1m", NOON - 5 * MINUTE, NOON, NOON + 1_000)
    assert rows == [(NOON - 5 * MINUTE + n * MINUTE, 100 + n, 102 + n, 98 + n, 101 + n, 5) for n in range(5)]
    assert bells.rung == [{0: 2}]


def test_the_same_batch_three_times_is_stored_once(deliver: Deliver, bells: Bells) -> None:
    batch = [
        record(Trades("BTC-USD", 0, 0, [(7, 100, 1, NOON), (8, 103, 2, NOON + 1), (9, 99, 3, NOON + 2)])),
        record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON + 500)),
    ]
    deliver(*batch)
    client = boto3.client("dynamodb")
    before = stored(client)
    deliver(*batch)
    app._lanes.clear()
    deliver(*batch)
    assert stored(client) == before
    assert bells.rung == [{0: 2}] * 3
    assert shown("1m", NOON, NOON + MINUTE, NOON + 900) == [(NOON, 100, 103, 99, 99, 6)]


def test_overlapping_batches_count_each_trade_once(deliver: Deliver) -> None:
    trades = [(10 + n, 100 + n % 7, 1 + n, NOON + n * 4_000) for n in range(30)]
    for first, last in ((0, 12), (8, 20), (0, 20), (15, 30), (29, 30)):
        deliver(record(Trades("BTC-USD", 0, 0, trades[first:last]), Clock(trades[last - 1][3])))
    rows = shown("1m", NOON, NOON + 2 * MINUTE, NOON + 2 * MINUTE)
    assert [(row[0], row[5]) for row in rows] == [(NOON, sum(range(1, 16))), (NOON + MINUTE, sum(range(16, 31)))]


def test_a_poison_record_goes_to_quarantine_byte_for_byte_and_the_good_ones_are_stored(
    deliver: Deliver, bells: Bells
) -> None:
    poison = b"\x01this is no record" + bytes(range(256)) * 1_500
    deliver(record(polled(NOON - 5 * MINUTE, NOON)), poison, record(Clock(NOON)), encode(record(Clock(NOON), lane=7)))
    assert wiring.market().lane(0).clocks == {"coinbase": NOON}
    pieces = [item for item in stored(boto3.client("dynamodb")) if item["pk"]["S"].startswith("QUARANTINE#")]
    assert b"".join(item["data"]["B"] for item in pieces[:2]) == poison
    assert [(item["sk"]["S"][-6:], item["reason"]["S"][:15]) for item in pieces] == [
        ("02#000", "Error -3 while "),
        ("02#001", "Error -3 while "),
        ("04#000", "there is no lan"),
    ]
    assert bells.rung == [{0: 2}]


def test_a_batch_of_nothing_but_poison_still_rings(deliver: Deliver, bells: Bells) -> None:
    deliver(b"poison")
    assert bells.rung == [{}]


def test_another_writer_in_between_is_noticed_and_the_batch_folded_again(deliver: Deliver) -> None:
    deliver(record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    ours = app._lanes.pop(0)
    deliver(record(polled(NOON - 4 * MINUTE, NOON + MINUTE, 101), Clock(NOON + MINUTE)))
    app._lanes[0] = ours
    deliver(record(Quote("BTC-USD", 0, 105, NOON + MINUTE)))
    lane = wiring.market().lane(0)
    assert (lane.version, lane.clocks, lane.series[str(BTC)].price) == (4, {"coinbase": NOON + MINUTE}, 105)


class Unreliable(Client):
    """Fails some of its calls for good, as a throttled table does after all retries."""

    def __init__(self, failing: set[int]) -> None:
        super().__init__("dynamodb", wiring.account())
        self.failing = failing
        self.calls = 0

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        if self.calls in self.failing:
            raise ThrottledError("ProvisionedThroughputExceededException", operation)
        return super().call(operation, body)


def test_a_throttled_table_loses_nothing(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call fails, the batch raises and, delivered again, ends in the same state."""
    batches = [
        [record(polled(NOON - 3 * HOUR - 2 * MINUTE, NOON - 3 * HOUR + MINUTE), Clock(NOON - 3 * HOUR + MINUTE))],
        [record(polled(NOON - 4 * MINUTE, NOON, 113), Clock(NOON + 6 * MINUTE))],
    ]
    for batch in batches:
        deliver(*batch)
    wanted = [shown(name, NOON - 4 * HOUR, NOON, NOON) for name in ("1m", "1h")]
    client = boto3.client("dynamodb")
    failing = calls = 0
    while failing <= calls:
        failing += 1
        for item in stored(client):
            client.delete_item(TableName="Market", Key={"pk": item["pk"], "sk": item["sk"]})
        app._lanes.clear()
        unreliable = Unreliable({failing})
        with monkeypatch.context() as patch:
            patch.setattr(wiring, "market", lambda client=unreliable: Market(Table(client, "Market")))
            for batch in batches:
                try:
                    deliver(*batch)
                except ThrottledError:
                    deliver(*batch)
        calls = max(calls, unreliable.calls)
        assert [shown(name, NOON - 4 * HOUR, NOON, NOON) for name in ("1m", "1h")] == wanted
    assert calls > 15


def test_an_hour_moves_into_blocks_and_reads_the_same(deliver: Deliver) -> None:
    at, views = NOON, []
    while at < NOON + HOUR + 6 * MINUTE:
        deliver(record(polled(at - 5 * MINUTE, at, at // MINUTE % 100_000 - 5), Clock(at)))
        at += MINUTE
        if at in (NOON + HOUR + 5 * MINUTE, NOON + HOUR + 6 * MINUTE):
            views.append([shown(name, NOON - HOUR, NOON + HOUR, NOON + HOUR) for name in INTERVALS])
    assert views[0] == views[1]
    assert [len(view) for view in views[0]] == [65, 13, 5, 2, 2, 1]
    market = wiring.market()
    lane = market.lane(0)
    assert lane.packed_to == NOON + HOUR
    (hour,) = market.blocks(BTC, HOUR, NOON, NOON + HOUR).rows()
    first, last = NOON // MINUTE % 100_000, NOON // MINUTE % 100_000 + 59
    assert hour[1:7] == (first, last + 2, first - 2, last + 1, 300, FROM_VENUE)
    assert hour.complete


def test_a_late_candle_makes_its_packed_hour_and_day_again(deliver: Deliver) -> None:
    day = NOON - NOON % DAY
    hours = [Bar(day - DAY + n * HOUR, 50, 60, 40, 55, 10) for n in range(24)]
    market = wiring.market()
    market.merge(BTC, "1h", Candles("BTC-USD", 0, 0, day - DAY, day, NOON, hours))
    deliver(record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    old = Candles("BTC-USD", 0, 0, day - HOUR, day, NOON + 1, [Bar(day - 60 * MINUTE, 50, 99, 40, 55, 7)])
    deliver(record(old))
    (yesterday,) = market.blocks(BTC, DAY, day - DAY, day).rows()
    assert yesterday[1:] == (50, 99, 40, 55, 237, FROM_VENUE, NOON + 1, True)


def test_prices_go_on_after_more_than_a_day(deliver: Deliver) -> None:
    deliver(record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    app._lanes.clear()
    back = NOON + 26 * HOUR
    deliver(record(polled(back - 5 * MINUTE, back), Clock(back)))
    state = wiring.market().lane(0).series[str(BTC)]
    assert state.repairs == [(NOON - 5 * HOUR, NOON - 5 * MINUTE), (NOON, back - 5 * MINUTE)]
    for start, end in list(state.repairs):
        deliver(record(polled(start, end, 200)), arrived=back)
    assert wiring.market().lane(0).series[str(BTC)].repairs == []
    rows = shown("1m", NOON - 5 * MINUTE, back, back)
    assert [row[0] for row in rows] == list(range(NOON - 5 * MINUTE, back, MINUTE))
    hours = shown("1h", NOON, back, back)
    assert [row[0] for row in hours] == list(range(NOON, back, HOUR))


def test_trades_close_with_the_clock_and_open_ones_are_shown(deliver: Deliver) -> None:
    deliver(
        record(Trades("BTC-USD", 2, 3, [(7, 10_050, 1, NOON), (8, 10_100, 2_000, NOON + MINUTE)])),
        record(Clock(NOON + MINUTE + GRACE)),
    )
    lane = wiring.market().lane(0)
    block = wiring.market().candles(lane, BTC, MINUTE, NOON, NOON + HOUR, NOON + MINUTE + 3_000)
    assert block.shown() == [
        (NOON, 100.5, 100.5, 100.5, 100.5, 0.001),
        (NOON + MINUTE, 101.0, 101.0, 101.0, 101.0, 2.0),
    ]
    assert [(row.rank, row.complete) for row in block.rows()] == [(FROM_TRADES, False), (FROM_TRADES, True)]


def test_hours_of_candles_at_once_are_stored_whole(deliver: Deliver) -> None:
    """Three hours: more minutes than a transaction holds, so some are too old for minute items."""
    deliver(record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    back = NOON + 3 * HOUR
    batch = [record(polled(NOON, NOON + 2 * HOUR, 200)), record(polled(NOON + 2 * HOUR, back, 320), Clock(back))]
    deliver(*batch)
    for _ in range(2):
        assert wiring.market().lane(0).series[str(BTC)].known_to == back
        deliver(*batch)
    assert [row[0] for row in shown("1m", NOON, back, back)] == list(range(NOON, back, MINUTE))
    assert [row[5] for row in shown("1h", NOON, back, back)] == [300.0] * 3


def test_a_packed_hour_is_forgotten_also_by_other_processes(deliver: Deliver) -> None:
    deliver(record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    app._lanes.clear()
    deliver(record(polled(NOON, NOON + 5 * MINUTE), Clock(NOON + HOUR + 6 * MINUTE)))
    lane = wiring.market().lane(0)
    assert (lane.packed_to, lane.unpacked) == (NOON + HOUR, [])


def test_a_series_that_falls_silent_still_gets_its_day(deliver: Deliver) -> None:
    day = NOON - NOON % DAY
    deliver(record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON)))
    midnight = day + DAY
    other = Candles("ETH-USD", 0, 0, midnight - 5 * MINUTE, midnight, midnight, [])
    deliver(record(other, Clock(midnight + 6 * MINUTE)))
    assert [row.start for row in wiring.market().blocks(BTC, DAY, day, midnight).rows()] == [day]


class Turns:
    """Has writers call one at a time, the next one drawn when all of them wait: a seed gives one order."""

    def __init__(self, seed: int, writers: set[str]) -> None:
        self.random = random.Random(seed)
        self.running = set(writers)
        self.waiting: set[str] = set()
        self.turn = ""
        self.changed = threading.Condition()

    def draw(self) -> None:
        if self.running and self.waiting == self.running:
            self.turn = self.random.choice(sorted(self.waiting))
            self.changed.notify_all()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The caller's turn: it alone goes on until the end."""
        me = threading.current_thread().name
        with self.changed:
            self.waiting.add(me)
            self.draw()
            assert self.changed.wait_for(lambda: self.turn == me, timeout=30)
            self.turn = ""
            self.waiting.discard(me)
            yield

    def leave(self) -> None:
        with self.changed:
            self.running.discard(threading.current_thread().name)
            self.draw()


class Orderly(Client):
    """Calls when it is the thread's turn: moto's transactions are not atomic by themselves."""

    def __init__(self, turns: Turns) -> None:
        super().__init__("dynamodb", wiring.account())
        self.turns = turns
        self.refused = 0

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with self.turns.taken():
            try:
                return super().call(operation, body)
            except ConditionError:
                self.refused += 1
                raise


def writer() -> Callable[[int, list[Record]], int]:
    """`process_ticks` as another process has it: with a memory of its own."""
    spec = spec_from_file_location("process_ticks_writer", app.__file__)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    advance: Callable[[int, list[Record]], int] = module._advance
    return advance


@pytest.mark.parametrize("seed", range(4))
def test_two_writers_of_a_lane_at_once_count_each_trade_once(
    bells: Bells, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Each has all the trades, in batches and an order of its own, while minutes close and an hour is packed."""
    chosen = random.Random(seed)
    trades = [(10 + n, 100 + n % 7, 1 + n, NOON + n * 70_000) for n in range(60)]
    end = trades[-1][3]
    deliver_all = [
        [record(Trades("BTC-USD", 0, 0, trades[at : at + 5]), Clock(trades[at + 4][3]))] for at in range(0, 60, 5)
    ]
    turns = Turns(seed, {"one", "other"})
    client = Orderly(turns)
    market = Market(Table(client, "Market"))
    app._advance(0, [record(polled(NOON - 5 * MINUTE, NOON), Clock(NOON))])
    monkeypatch.setattr(wiring, "market", lambda: market)

    def work(batches: list[list[Record]]) -> None:
        advance = writer()
        try:
            for batch in batches:
                for _ in range(20):  # as Lambda delivers again what failed
                    with suppress(ConditionError):
                        advance(0, batch)
                        break
                else:
                    raise AssertionError("never written")
        finally:
            turns.leave()

    threads = [
        threading.Thread(target=work, args=[batches], name=name)
        for name, batches in (("one", deliver_all), ("other", [deliver_all[0], *chosen.sample(deliver_all, 12)]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.refused
    monkeypatch.setattr(wiring, "market", lambda: Market(Table(Client("dynamodb", wiring.account()), "Market")))
    wanted = [(t // MINUTE * MINUTE, p, p, p, p, size) for _, p, size, t in trades]
    assert shown("1m", NOON, end + MINUTE, end) == wanted
    lane = wiring.market().lane(0)
    assert [gap for gap in lane.series[str(BTC)].missing if gap.first] == []
    assert (lane.packed_to, lane.unpacked) == (NOON + HOUR, [])

"""Streams are held through whatever their servers do, and what they told is offered until it is taken."""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.ticks import Clock, Record, Trades
from cryptopulse.domain.venues import Product
from cryptopulse.errors import CryptoPulseError, FeedDownError, ServiceError, ThrottledError
from cryptopulse.feeds import collector as module
from cryptopulse.feeds.collector import Collector, Counts
from cryptopulse.feeds.live_feed import Unreadable
from tests.streams import NOON, Exchange, FakeFeed, frame, leaves, tells, until

BTC = Product("BTC-USD", "BTC-USD", trading=True)
ETH = Product("ETH-USD", "ETH-USD", trading=True)


class Kinesis:
    """Takes what it is offered, but for the first calls: of these it refuses the records of some lanes."""

    def __init__(self, *refusing: Iterable[int]) -> None:
        self.refusing = [frozenset(lanes) for lanes in refusing]
        self.taken: list[Record] = []
        self.calls = 0

    def offer(self, records: list[Record]) -> list[Record]:
        self.calls += 1
        lanes = self.refusing.pop(0) if self.refusing else frozenset()
        self.taken += [record for record in records if record.lane not in lanes]
        return [record for record in records if record.lane in lanes]

    @property
    def ids(self) -> list[int]:
        return [
            id_
            for record in self.taken
            for message in record.messages
            if isinstance(message, Trades)
            for id_, *_ in message.trades
        ]

    @property
    def clocks(self) -> list[tuple[int, dict[str, int]]]:
        return [
            (message.time - NOON, message.last_ids)
            for record in self.taken
            for message in record.messages
            if isinstance(message, Clock)
        ]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FLUSH": 0.005,
        "SPACING": 0.0,
        "MESSAGE_SPACING": 0.0,
        "SETTLING": 0.01,
        "OVERLAP": 0.05,
    }.items():
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The bounds of the waits, of which none takes place."""
    bounds: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        bounds.append(high)
        return 0

    monkeypatch.setattr(random, "uniform", uniform)
    return bounds


def run(story: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story

    asyncio.run(bounded())


@asynccontextmanager
async def collecting(
    *feeds: FakeFeed,
    kinesis: Kinesis,
    products: Sequence[Product] = (BTC,),
    leads: Callable[[], bool] = lambda: True,
    keep: Callable[[str, Unreadable], None] = lambda *_: None,
    known: dict[str, StreamState] | None = None,
) -> Any:
    held = Collector(feeds, 2, kinesis.offer, keep, leads=leads, known=known or {}, clock=lambda: NOON + 7)
    held.update({feed.name: products for feed in feeds})
    stop = asyncio.Event()
    task = asyncio.create_task(held.run(stop))
    yield held
    stop.set()
    await task


def test_what_a_stream_tells_is_sent() -> None:
    async def story() -> None:
        kinesis = Kinesis()
        async with Exchange(tells(frame(1), frame(2))) as exchange, collecting(exchange.feed, kinesis=kinesis) as held:
            await held.first_data(["coinbase"])
            await until(lambda: kinesis.ids == [1, 2])
            assert held.states() == {"coinbase": StreamState(told_at=NOON + 7)}
        assert exchange.heard == ["subscribe BTC-USD"]
        assert held.counts()["coinbase"]._replace(lag=0) == Counts(2, 0, 0, 0, 0, 0)

    run(story())


def test_a_lost_connection_is_opened_again_with_longer_and_longer_waits_until_data_come(delays: list[float]) -> None:
    async def story() -> None:
        kinesis = Kinesis()
        scripts = [leaves(frame(1)), *[leaves()] * 8, leaves(frame(2)), leaves(), tells(frame(3))]
        async with Exchange(*scripts) as exchange, collecting(exchange.feed, kinesis=kinesis) as held:
            await until(lambda: kinesis.ids == [1, 2, 3])
            assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5, 1]
            assert held.states()["coinbase"].reconnects == [NOON + 7, NOON + 7]
            assert held.counts()["coinbase"].reconnects == 2

    run(story())


def test_losses_before_are_remembered() -> None:
    async def story() -> None:
        known = {"coinbase": StreamState(reconnects=[NOON - 1])}
        async with (
            Exchange(leaves(frame(1)), tells(frame(2))) as exchange,
            collecting(exchange.feed, kinesis=Kinesis(), known=known) as held,
        ):
            await until(lambda: len(exchange.connections) == 2)
            assert held.states()["coinbase"].reconnects == [NOON - 1, NOON + 7]
        assert known["coinbase"].reconnects == [NOON - 1]

    run(story())


def test_a_venue_that_refuses_the_handshake_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def watched(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    async def story() -> None:
        async with Exchange(status=429) as exchange, collecting(exchange.feed, kinesis=Kinesis()):
            while exchange.asked < 3:
                await sleep(0.002)
            monkeypatch.undo()
        assert slept.count(module.REFUSED_DELAY) >= 2

    monkeypatch.setattr(asyncio, "sleep", watched)
    run(story())


def test_a_silent_stream_is_dropped(monkeypatch: pytest.MonkeyPatch, delays: list[float]) -> None:
    async def story() -> None:
        kinesis = Kinesis()

        async def talks_on(connection: ServerConnection) -> None:
            await connection.send(frame(1))
            while True:  # nothing new
                await connection.send("{}")
                await asyncio.sleep(0.01)

        monkeypatch.setattr(FakeFeed, "silence", 0.5)
        async with Exchange(talks_on, tells(frame(2))) as exchange, collecting(exchange.feed, kinesis=kinesis):
            await until(lambda: kinesis.ids == [1, 2])
            await until(lambda: 0 in exchange.ended)

    run(story())


def test_what_a_reader_refuses_is_opened_again(delays: list[float]) -> None:
    async def story() -> None:
        kinesis = Kinesis()
        async with (
            Exchange(tells(json.dumps({"refuse": "no"})), tells(frame(1))) as exchange,
            collecting(exchange.feed, kinesis=kinesis),
        ):
            await until(lambda: kinesis.ids == [1])
        assert delays[0] == 0.5

    run(story())


@pytest.mark.parametrize("reason", ["announced", "lifetime"])
def test_a_connection_that_will_end_is_kept_until_its_successor_has_all(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        kinesis = Kinesis()
        is_followed = asyncio.Event()

        async def old(connection: ServerConnection) -> None:
            await connection.send(frame(1))
            if reason == "announced":
                await connection.send(json.dumps({"end": 1}))
            await is_followed.wait()
            for id_ in (2, 3, 4, 5, 6):
                await connection.send(frame(id_))
            await connection.wait_closed()

        async def new(connection: ServerConnection) -> None:
            await connection.send(frame(4))
            is_followed.set()
            await connection.send(frame(5))
            monkeypatch.setattr(FakeFeed, "lifetime", 3600.0)
            await connection.wait_closed()

        if reason == "lifetime":
            monkeypatch.setattr(FakeFeed, "lifetime", 0.05)
        monkeypatch.setattr(module, "OVERLAP", 5.0)
        async with Exchange(old, leaves(), new) as exchange, collecting(exchange.feed, kinesis=kinesis) as held:
            await until(lambda: exchange.ended[:2] == [1, 0])
            await until(lambda: set(kinesis.ids) >= {1, 2, 3, 4, 5})
            assert held.states()["coinbase"].reconnects == []

    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    run(story())


def test_who_lags_behind_its_successor_is_waited_for_a_while_only() -> None:
    async def story() -> None:
        kinesis = Kinesis()
        async with (
            Exchange(tells(frame(1), json.dumps({"end": 1})), tells(frame(9))) as exchange,
            collecting(exchange.feed, kinesis=kinesis),
        ):
            await until(lambda: exchange.ended == [0])
            await until(lambda: kinesis.ids == [1, 9])

    run(story())


def test_what_the_stream_refuses_is_offered_again_in_its_order_and_nothing_twice(delays: list[float]) -> None:
    async def story() -> None:
        kinesis = Kinesis(*[(0, 1)] * 7, (0,), ())
        ids = list(range(1, 41))
        frames = [frame(id_, symbol=symbol) for id_ in ids for symbol in ("BTC-USD", "ETH-USD")]
        async with (
            Exchange(tells(*frames)) as exchange,
            collecting(exchange.feed, kinesis=kinesis, products=(BTC, ETH)),
        ):
            await until(lambda: len(kinesis.ids) >= 80)
        told: dict[str, list[int]] = {"BTC-USD": [], "ETH-USD": []}
        for record in kinesis.taken:
            for message in record.messages:
                if isinstance(message, Trades):
                    told[message.symbol] += [id_ for id_, *_ in message.trades]
        assert told == {"BTC-USD": ids, "ETH-USD": ids}
        assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]

    run(story())


def test_what_waits_too_long_is_conflated(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(module, "Gathering", partial(Gathering, limit=5))
        leading = False
        kinesis = Kinesis()
        async with (
            Exchange(tells(*map(frame, range(1, 8)))) as exchange,
            collecting(exchange.feed, kinesis=kinesis, leads=lambda: leading) as held,
        ):
            await until(lambda: held.counts()["coinbase"].conflated == 5)
            leading = True
            await until(lambda: kinesis.ids == [6, 7])
            assert held.counts()["coinbase"].conflated == 0

    run(story())


def test_a_venue_that_cannot_be_reached_does_not_silence_the_other() -> None:
    async def story() -> None:
        kinesis = Kinesis()
        async with Exchange(tells(frame(1))) as exchange:
            nowhere = FakeFeed("binance", "ws://127.0.0.1:1")
            async with collecting(nowhere, exchange.feed, kinesis=kinesis) as held:
                await until(lambda: kinesis.ids == [1])
                assert held.states()["binance"] == StreamState()

    run(story())


@pytest.mark.parametrize("leading", [True, False])
def test_the_end_sends_what_was_gathered_if_we_may(leading: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(module, "FLUSH", 60)
        kinesis = Kinesis((0, 1))
        async with (
            Exchange(tells(frame(1), frame(2))) as exchange,
            collecting(exchange.feed, kinesis=kinesis, leads=lambda: leading) as held,
        ):
            await until(lambda: held._venues["coinbase"].gathering.count == 2)
            assert kinesis.calls == 0
            if not leading:
                monkeypatch.setattr(module, "FLUSH", 0)
                held._full.set()
        assert kinesis.ids == ([1, 2] if leading else [])

    run(story())


def test_a_stream_that_refuses_to_the_end_does_not_keep_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(module, "LAST_FLUSH", 0.05)
        monkeypatch.setattr(module, "LONGEST_OFFER_DELAY", 0.01)
        kinesis = Kinesis(*[(0, 1)] * 10_000)
        async with Exchange(tells(frame(1))) as exchange, collecting(exchange.feed, kinesis=kinesis) as held:
            await held.first_data(["coinbase"])
        assert kinesis.ids == []

    run(story())


def test_many_trades_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(module, "FLUSH", 60)
        kinesis = Kinesis()
        async with (
            Exchange(tells(*map(frame, range(1, module.FULL + 1)))) as exchange,
            collecting(exchange.feed, kinesis=kinesis),
        ):
            await until(lambda: len(kinesis.ids) == module.FULL)

    run(story())


def test_what_the_stream_refuses_for_good_ends_all() -> None:
    async def story() -> None:
        def offer(_: list[Record]) -> list[Record]:
            raise ServiceError("AccessDenied", "no")

        async with Exchange(tells(frame(1))) as exchange:
            held = Collector([exchange.feed], 2, offer, lambda *_: None, leads=lambda: True, known={})
            held.update({"coinbase": [BTC]})
            with pytest.RaisesGroup(ServiceError):
                await held.run(asyncio.Event())
            await until(lambda: exchange.ended == [0])

    run(story())


def test_a_reader_that_fails_ends_all() -> None:
    async def story() -> None:
        async with Exchange(tells("no JSON")) as exchange:
            held = Collector([exchange.feed], 2, Kinesis().offer, lambda *_: None, leads=lambda: True, known={})
            held.update({"coinbase": [BTC]})
            with pytest.RaisesGroup(json.JSONDecodeError, flatten_subgroups=True):
                await held.run(asyncio.Event())

    run(story())


def test_frames_to_be_sent_are_sent_while_frames_are_read() -> None:
    async def story() -> None:
        async def script(connection: ServerConnection) -> None:
            await connection.send(json.dumps({"without": "ETH-USD", "t": 0}))
            exchange.heard.extend([str(await connection.recv()), str(await connection.recv())])
            await tells(frame(1))(connection)

        async with Exchange(script) as exchange, collecting(exchange.feed, kinesis=Kinesis()) as held:
            await held.first_data(["coinbase"])
            assert held.states()["coinbase"].refused == ["ETH-USD"]
        assert exchange.heard == ["subscribe BTC-USD", "again", "and again"]

    run(story())


@pytest.mark.parametrize("fails", [False, True])
def test_unreadable_frames_are_kept_but_not_too_many(fails: bool) -> None:
    async def story() -> None:
        kept: list[tuple[str, Unreadable]] = []

        def keep(venue: str, unreadable: Unreadable) -> None:
            kept.append((venue, unreadable))
            if fails:
                raise ServiceError("NoAnswer", "none")

        bad = json.dumps({"bad": 1})
        async with (
            Exchange(tells(*[bad] * 25, frame(1))) as exchange,
            collecting(exchange.feed, kinesis=Kinesis(), keep=keep) as held,
        ):
            await held.first_data(["coinbase"])
            await until(lambda: len(kept) == module.KEPT)
            assert held.counts()["coinbase"].unreadable == 25
        assert kept == [("coinbase", Unreadable(bad.encode(), NOON + 7, "bad"))] * module.KEPT

    run(story())


def test_products_are_spread_over_connections_and_changed_without_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(FakeFeed, "most", 1)
        kinesis = Kinesis()
        async with (
            Exchange(tells(frame(1, 5)), tells(frame(2, 6)), tells(frame(3, 7))) as exchange,
            collecting(exchange.feed, kinesis=kinesis, products=(BTC, ETH)) as held,
        ):
            await held.first_data(["coinbase"])
            await until(lambda: sorted(kinesis.ids) == [1, 2])
            held.update({"coinbase": [ETH]})
            held.update({"coinbase": [ETH]})
            await until(lambda: sorted(exchange.ended) == [0, 1])
            await until(lambda: sorted(kinesis.ids) == [1, 2, 3])
            assert sorted(exchange.heard[:2]) == ["subscribe BTC-USD", "subscribe ETH-USD"]
            assert exchange.heard[2:] == ["subscribe ETH-USD"]
            held.update({})
            await until(lambda: len(exchange.ended) == 3)

    run(story())


def test_products_that_tell_nothing_do_not_hold_a_change_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(module, "LONGEST_DELAY", 0.02)
        async with (
            Exchange(tells(frame(1)), tells()) as exchange,
            collecting(exchange.feed, kinesis=Kinesis()) as held,
        ):
            await held.first_data(["coinbase"])
            held.update({"coinbase": [ETH]})
            await until(lambda: exchange.ended == [0])

    run(story())


def test_the_clock_is_what_all_connections_have_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(FakeFeed, "most", 1)
        is_due = asyncio.Event()

        async def late(connection: ServerConnection) -> None:
            await is_due.wait()
            await tells(frame(2, 3_000))(connection)

        kinesis = Kinesis()
        async with (
            Exchange(tells(frame(1, 5_000)), late) as exchange,
            collecting(exchange.feed, kinesis=kinesis, products=(BTC, BTC)),
        ):
            await until(lambda: kinesis.ids == [1])
            assert kinesis.clocks == []
            is_due.set()
            await until(lambda: kinesis.clocks == [(3_000, {})])

    run(story())


def test_a_connection_that_is_down_holds_the_clock_back_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(FakeFeed, "most", 1)
        monkeypatch.setattr(module, "HELD_BACK", 0.1)
        kinesis = Kinesis()
        async with (
            Exchange(tells(frame(1, 5_000)), tells()) as exchange,
            collecting(exchange.feed, kinesis=kinesis, products=(BTC, BTC)),
        ):
            await until(lambda: kinesis.clocks == [(5_000, {})])

    run(story())


def test_a_clock_that_waits_no_longer_names_what_the_connection_that_is_down_should_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        monkeypatch.setattr(FakeFeed, "most", 1)
        monkeypatch.setattr(module, "HELD_BACK", 0.1)
        kinesis, lanes = Kinesis(), [lane_of(Series("coinbase", product.symbol), 2) for product in (BTC, ETH)]
        async with (
            Exchange(tells(frame(1, 5_000)), tells()) as exchange,
            collecting(exchange.feed, kinesis=kinesis, products=(BTC, ETH)),
        ):
            await until(lambda: len(kinesis.clocks) == len(set(lanes)))
        told = {record.lane: message for record in kinesis.taken for message in record.messages}
        assert told[lanes[1]] == Clock(NOON + 5_000, unheard=["ETH-USD"])

    run(story())


def test_last_ids_are_asked_for_where_the_stream_does_not_tell_them() -> None:
    async def story() -> None:
        kinesis = Kinesis()
        async with Exchange(tells(frame(1, 5_000))) as exchange:
            feed = exchange.feed
            feed.last = {"ETH-USD": 8}
            async with collecting(feed, kinesis=kinesis, products=(BTC, ETH)) as held:
                await held.first_data(["coinbase"])
                await until(lambda: (5_000, {"ETH-USD": 8}) in kinesis.clocks)
            assert feed.asked == [["BTC-USD", "ETH-USD"]]

    run(story())


def test_last_ids_of_a_minute_before_are_asked_for_again() -> None:
    async def story() -> None:
        async with Exchange(tells(frame(1, MINUTE + 500))) as exchange:
            feed = exchange.feed
            feed.last = {"ETH-USD": 8}
            async with collecting(feed, kinesis=Kinesis()):
                await until(lambda: len(feed.asked) > 2)

    run(story())


@pytest.mark.parametrize(
    "failure", [FeedDownError("no"), ThrottledError("NoAnswer", "no turns")], ids=["venue", "table"]
)
def test_last_ids_that_cannot_be_had_are_asked_for_again_and_done_without(
    failure: CryptoPulseError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        kinesis = Kinesis()
        monkeypatch.setattr(module, "HELD_BACK", 0.05)
        monkeypatch.setattr(module, "ASKING_AGAIN", 0.01)
        async with Exchange(tells(frame(1, 5_000))) as exchange:
            feed = exchange.feed
            feed.last = failure
            async with collecting(feed, kinesis=kinesis):
                await until(lambda: kinesis.ids == [1] and len(feed.asked) > 1)
                await until(lambda: kinesis.clocks == [(5_000, {})])

    run(story())


def test_after_a_reconnect_the_clock_waits_for_what_was_lost_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        kinesis = Kinesis()
        # ETH 11, at 0:40, is lost with the first connection; BTC goes on at 1:10.
        first = leaves(frame(1, 30_000), frame(10, 31_000, "ETH-USD"))
        async with Exchange(first, tells(frame(2, 70_000))) as exchange:
            feed = exchange.feed
            feed.last = {"ETH-USD": 11, "BTC-USD": 2}
            async with collecting(feed, kinesis=kinesis, products=(BTC, ETH)):
                await until(lambda: len(kinesis.clocks) == 2)
            assert sorted(kinesis.clocks, key=str) == [(70_000, {"BTC-USD": 2}), (70_000, {"ETH-USD": 11})]

    monkeypatch.setattr(module, "FIRST_DELAY", 0.0)
    monkeypatch.setattr(module, "SETTLING", 0.3)
    run(story())


def test_connections_of_a_venue_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(module, "SPACING", 0.05)
        monkeypatch.setattr(FakeFeed, "most", 1)
        async with Exchange(tells(frame(1))) as exchange:
            began = asyncio.get_running_loop().time()
            async with collecting(exchange.feed, kinesis=Kinesis(), products=(BTC, ETH, BTC)) as held:
                await held.first_data(["coinbase"])
                assert asyncio.get_running_loop().time() - began >= 0.1

    run(story())

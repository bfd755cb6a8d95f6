"""The live streams are held by one at a time, handed over without a hole, and taken over from who is gone."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from websockets.asyncio.server import ServerConnection

from cryptopulse import wiring
from cryptopulse.aws import leases
from cryptopulse.aws.leases import HELD, Lease, Leases
from cryptopulse.domain.series import Series
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.ticks import Trades
from cryptopulse.domain.venues import Product
from cryptopulse.errors import ThrottledError
from cryptopulse.feeds import collector
from cryptopulse.feeds.live_feed import LiveFeed
from functions.stream_prices import app
from functions.stream_prices.app import Holder
from tests.functional.conftest import Streamed
from tests.streams import Exchange, FakeFeed, Script, frame, tells, until

BTC, ETH = (Product(symbol, symbol, trading=True) for symbol in ("BTC-USD", "ETH-USD"))


def ids(streamed: Streamed) -> list[int]:
    return [
        id_
        for record in streamed()
        for message in record.messages
        if isinstance(message, Trades)
        for id_, *_ in message.trades
    ]


@pytest.fixture
def listed(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ingest_prices leaves behind, and short waits."""
    monkeypatch.setenv("PRICE_MODE", "stream")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CryptoPulse")
    for module, name, value in (
        (collector, "FLUSH", 0.01),
        (collector, "SPACING", 0),
        (collector, "SETTLING", 0.01),
        (app, "RENEWAL", 0.05),
        (app, "RETRY", 0.02),
        (app, "FIRST_DATA", 30),
    ):
        monkeypatch.setattr(module, name, value)
    wiring.clear()
    wiring.market().save_series([Series("coinbase", "BTC-USD"), Series("coinbase", "OLD-USD")])
    wiring.venues().products("coinbase", wiring.settings().COINBASE_URL, wiring.now(), lambda: [BTC, ETH])


@asynccontextmanager
async def exchange(monkeypatch: pytest.MonkeyPatch, *scripts: Script) -> AsyncIterator[Exchange]:
    """The venue, as the wiring's only one."""
    async with Exchange(*scripts) as venue:
        feeds: list[LiveFeed] = [venue.feed]
        monkeypatch.setattr(wiring, "live_feeds", lambda: feeds)
        yield venue


def run(story: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(bounded())


def never() -> float:
    return 3600.0


def held(lease: Lease | None) -> tuple[int, str, bool]:
    assert lease is not None
    return lease.generation, lease.holder.partition("/")[0], lease.held_to > wiring.now()


def test_nothing_is_held_where_prices_are_polled(
    aws: boto3.Session, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app.handler({}, context) == {"generation": 0}
    assert wiring.leases().read() is None


def test_nothing_is_held_before_anything_is_listed(
    aws: boto3.Session, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICE_MODE", "stream")
    monkeypatch.setenv("BINANCE_STREAM_URL", "ws://127.0.0.1:1/binance")
    monkeypatch.setenv("COINBASE_STREAM_URL", "ws://127.0.0.1:1/coinbase-ws")
    wiring.clear()
    assert app.handler({}, context) == {"generation": 0}
    assert wiring.leases().read() is None


def test_an_invocation_holds_the_streams_until_shortly_before_its_time_limit(
    listed: None, context: LambdaContext, streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server runs beside it, as the invocation has a loop of its own."""
    stop, url, told = asyncio.Event(), [], list[int]()

    def remaining(ends: int) -> float:
        told.extend(ids(streamed))
        return ends - wiring.now() if len(told) < 2 else 1000 * app.MARGIN

    async def serve() -> None:
        async with Exchange(tells(frame(1), frame(2))) as venue:
            url.append(venue.feed)
            await stop.wait()

    async def story() -> None:
        serving = asyncio.create_task(serve())
        await until(lambda: url)
        monkeypatch.setattr(wiring, "live_feeds", lambda: url)
        ends = wiring.now() + 60_000
        monkeypatch.setattr(context, "get_remaining_time_in_millis", lambda: remaining(ends))
        assert await asyncio.to_thread(app.handler, {}, context) == {"generation": 1}
        stop.set()
        await serving

    run(story())
    lease = wiring.leases().read()
    assert lease is not None
    assert held(lease) == (1, context.aws_request_id, False)
    assert lease.states["coinbase"].told_at > 0
    assert told + ids(streamed) == [1, 2]


def test_streams_are_handed_over_without_a_hole(
    listed: None, streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        newest = 0

        async def script(connection: ServerConnection) -> None:
            nonlocal newest
            for _ in range(1_000):
                newest += 1
                await asyncio.gather(*(each.send(frame(newest)) for each in venue.connections))
                await asyncio.sleep(0.01)

        async with exchange(monkeypatch, script, tells()) as venue:
            first = asyncio.create_task(Holder("a", lambda: 60.0).hold(asyncio.Event()))
            await until(lambda: wiring.leases().read())
            stop = asyncio.Event()
            second = asyncio.create_task(Holder("b", never).hold(stop))
            assert await first == 1
            await asyncio.sleep(0.1)
            assert held(wiring.leases().read()) == (2, "b", True)
            assert await Holder("c", never).hold(asyncio.Event()) == 0
            stop.set()
            assert await second == 2
        told = ids(streamed)
        assert set(told) == set(range(1, max(told) + 1))
        assert len(told) > len(set(told))  # they overlapped

    run(story())
    assert held(wiring.leases().read()) == (2, "b", False)


def test_one_that_insists_takes_over(listed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with exchange(monkeypatch, tells(frame(1))):
            first = asyncio.create_task(Holder("a", never).hold(asyncio.Event()))
            await until(lambda: wiring.leases().read())
            stop = asyncio.Event()
            second = asyncio.create_task(Holder("b", never, insists=True).hold(stop))
            assert await first == 1
            stop.set()
            assert await second == 2

    run(story())


@pytest.mark.parametrize(("lasts", "generation"), [(app.OVERDUE - 1, 2), (app.OVERDUE + 5_000, 0)])
def test_who_has_missed_a_renewal_is_replaced(
    listed: None, monkeypatch: pytest.MonkeyPatch, lasts: int, generation: int
) -> None:
    async def story() -> None:
        now = wiring.now()
        before = StreamState(now, reconnects=[now - 1])
        wiring.leases().take(None, "gone", now - HELD + lasts, now + 800_000, {"coinbase": before})
        async with exchange(monkeypatch, tells(frame(1))):
            stop = asyncio.Event()
            holding = asyncio.create_task(Holder("b", never).hold(stop))
            if generation:
                await until(lambda: held(wiring.leases().read()) == (generation, "b", True))
                stop.set()
            assert await holding == generation
        lease = wiring.leases().read()
        assert lease is not None
        assert lease.states["coinbase"].reconnects == [now - 1]

    run(story())


def taking(monkeypatch: pytest.MonkeyPatch, first: Callable[[Leases, Lease | None], object]) -> None:
    """Has something done after the second read of the lease, the one before it is taken."""
    reads = 0
    read = Leases.read

    def watched(self: Leases) -> Lease | None:
        nonlocal reads
        reads += 1
        seen = read(self)
        if reads == 2:
            first(self, seen)
        return seen

    monkeypatch.setattr(Leases, "read", watched)


@pytest.mark.parametrize("name", ["faster", "b"])
def test_who_is_slower_lets_the_other_lead(
    listed: None, streamed: Streamed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also one of the same name: Lambda may run an event twice."""
    taking(monkeypatch, lambda self, seen: self.take(seen, name, wiring.now(), wiring.now(), {}))

    async def story() -> None:
        async with exchange(monkeypatch, tells(frame(1))):
            assert await Holder("b", never).hold(asyncio.Event()) == 0

    run(story())
    assert ids(streamed) == []
    assert held(wiring.leases().read()) == (1, name, True)


@pytest.mark.parametrize(("lasts", "is_taken"), [(0, True), (app.OVERDUE, False)])
def test_a_venue_that_is_down_delays_only_who_takes_over_from_a_living_one(
    listed: None, monkeypatch: pytest.MonkeyPatch, lasts: int, is_taken: bool
) -> None:
    monkeypatch.setattr(app, "FIRST_DATA", 30)
    market, venues, settings = wiring.market(), wiring.venues(), wiring.settings()
    market.save_series([Series("binance", "BTC-USD"), Series("coinbase", "BTC-USD")])
    venues.products("binance", settings.BINANCE_URL, wiring.now(), lambda: [BTC])

    async def story() -> None:
        now = wiring.now()
        wiring.leases().take(None, "before", now - HELD + lasts, now + 800_000, {})
        async with Exchange(tells(frame(1))) as good, Exchange(tells()) as bad:
            feeds = [FakeFeed("binance", bad.feed.url), good.feed]
            monkeypatch.setattr(wiring, "live_feeds", lambda: feeds)
            stop = asyncio.Event()
            holding = asyncio.create_task(Holder("b", never).hold(stop))
            if is_taken:
                await until(lambda: held(wiring.leases().read())[0] == 2)
            else:
                await until(lambda: good.heard and bad.heard)
                await asyncio.sleep(0.2)
            stop.set()
            assert await holding == (2 if is_taken else 0)

    run(story())


def test_who_has_recovered_keeps_the_streams(listed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        now = wiring.now()
        lease = wiring.leases().take(None, "a", now - HELD, now + 800_000, {})

        async def script(connection: ServerConnection) -> None:
            wiring.leases().renew(lease, wiring.now(), {})
            await tells(frame(1))(connection)

        async with exchange(monkeypatch, script):
            assert await Holder("b", never).hold(asyncio.Event()) == 0
        assert held(wiring.leases().read()) == (1, "a", True)

    run(story())


def test_nothing_is_held_while_no_venue_tells_anything(listed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_DATA", 0.1)

    async def story() -> None:
        async with exchange(monkeypatch, tells()):
            assert await Holder("b", never).hold(asyncio.Event()) == 0

    run(story())
    assert wiring.leases().read() is None


def test_what_is_stopped_before_it_leads_holds_nothing(listed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        stop = asyncio.Event()

        async def script(connection: ServerConnection) -> None:
            stop.set()
            await connection.wait_closed()

        async with exchange(monkeypatch, script):
            assert await Holder("b", never).hold(stop) == 0

    run(story())
    assert wiring.leases().read() is None


def test_who_cannot_renew_stops_sending_when_the_lease_lapses(
    listed: None, streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "HELD", 2_000)
    asked: list[int] = []

    def unanswered(self: Leases, *_: object) -> None:
        asked.append(wiring.now())
        raise ThrottledError("NoAnswer", "none")

    monkeypatch.setattr(Leases, "renew", unanswered)
    monkeypatch.setattr(Leases, "release", unanswered)

    async def story() -> None:
        async def script(connection: ServerConnection) -> None:
            for id_ in range(1, 1_000):
                await connection.send(frame(id_))
                await asyncio.sleep(0.01)

        async with exchange(monkeypatch, script):
            assert await Holder("b", never).hold(asyncio.Event()) == 1

    run(story())
    lease = wiring.leases().read()
    assert lease is not None
    assert asked[0] < lease.held_to <= wiring.now()
    assert ids(streamed)[0] == 1


def test_a_renewal_without_an_answer_is_tried_again(listed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    renew = Leases.renew
    failures = [ThrottledError("NoAnswer", "none")] * 2

    def sometimes(self: Leases, lease: Lease, now: int, states: dict[str, StreamState]) -> Lease:
        if failures:
            raise failures.pop()
        return renew(self, lease, now, states)

    monkeypatch.setattr(Leases, "renew", sometimes)

    async def story() -> None:
        async with exchange(monkeypatch, tells(frame(1))):
            stop = asyncio.Event()
            holding = asyncio.create_task(Holder("b", never).hold(stop))
            await until(lambda: (lease := wiring.leases().read()) and lease.held_to < wiring.now() + HELD)
            taken = wiring.leases().read()
            await until(lambda: taken and (lease := wiring.leases().read()) and lease.held_to > taken.held_to)
            stop.set()
            assert await holding == 1

    run(story())


def test_frames_that_nobody_can_read_are_kept(
    listed: None, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        bad = json.dumps({"bad": 1})
        async with exchange(monkeypatch, tells(bad, bad, frame(1))):
            stop = asyncio.Event()
            holding = asyncio.create_task(Holder("b", never).hold(stop))
            await until(quarantined)
            stop.set()
            await holding
        (item, *_) = quarantined()
        assert (item["reason"], bytes(item["data"]), item["partition_key"]) == ("bad", bad.encode(), "coinbase")

    def quarantined() -> list[Any]:
        items = aws.resource("dynamodb").Table("Market").scan()["Items"]
        return [item for item in items if str(item["pk"]).startswith("QUARANTINE#")]

    run(story())


def test_each_minute_it_reports_and_looks_what_is_to_be_streamed(
    listed: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "REPORT", 0.05)
    monkeypatch.setattr(collector, "OVERLAP", 0.01)
    query = wiring.market().series
    failures = [ThrottledError("NoAnswer", "none")]

    async def story() -> None:
        async with exchange(monkeypatch, tells(frame(1))) as venue:
            stop = asyncio.Event()
            holder = Holder("b", never)

            def series() -> list[Series]:
                if venue.heard and failures:
                    raise failures.pop()
                return query()

            monkeypatch.setattr(holder._market, "series", series)
            holding = asyncio.create_task(holder.hold(stop))
            await until(lambda: wiring.leases().read())
            wiring.market().save_series([Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD")])
            await until(lambda: len(venue.heard) == 2)
            stop.set()
            await holding
        assert venue.heard == ["subscribe BTC-USD", "subscribe BTC-USD ETH-USD"]

    run(story())
    assert failures == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [line for line in lines if line.get("venue") == "coinbase" and "StreamTicks" in line]
    assert sum(line["StreamTicks"][0] for line in metrics) >= 1
    assert {"StreamReconnects", "StreamConflated", "StreamUnreadable", "StreamLag"} < metrics[0].keys()

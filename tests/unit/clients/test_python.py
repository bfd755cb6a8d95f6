"""clients/python against a server that plays the contract, on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cryptopulse_client import (
    Alert,
    AlertFrame,
    Alerts,
    BadRequestError,
    CandleFrame,
    Candles,
    Client,
    CryptoPulseError,
    Disconnected,
    Dropped,
    Event,
    LimitError,
    News,
    Portfolio,
    Reconnected,
    RefusedError,
    RequestError,
    SessionEndedError,
    Snapshot,
    Subscribed,
    Tick,
    TickFrame,
    Ticks,
    UnauthorizedError,
    UnknownSymbolError,
    inbox,
)
from tests.unit.clients.stand_in import Peer, World

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BTC = Ticks(["BTC-USD"])


def play(scenario: Callable[[World], Awaitable[None]]) -> None:
    """Runs a scenario, in half a minute or never."""

    async def run() -> None:
        async with asyncio.timeout(30), World() as world:
            await scenario(world)

    asyncio.run(run())


def rfc(second: int) -> str:
    """So many seconds after noon."""
    return (NOON + timedelta(seconds=second)).isoformat()


def said(second: int, price: float, symbol: str = "BTC-USD") -> dict[str, Any]:
    """A tick as it is said."""
    return {"symbol": symbol, "venue": "coinbase", "price": price, "time": rfc(second)}


def tick(second: int, price: float, symbol: str = "BTC-USD") -> Tick:
    """The same as it is heard."""
    return Tick(symbol, "coinbase", price, NOON + timedelta(seconds=second))


def candle(minute: int, close: float, *, closed: bool = False) -> dict[str, Any]:
    """A candle as it is said, so many minutes after the epoch."""
    prices = {"open": 1.0, "high": 9.0, "low": 1.0, "close": close, "volume": 2.5}
    names = {"symbol": "BTC-USD", "venue": "coinbase", "interval": "1m", "time": minute * 60_000}
    return names | prices | {"closed": closed, "complete": True}


async def subscribed(client: Client, peer: Peer, subscription: Ticks | Candles | News | Alerts | Portfolio) -> None:
    """Subscribes, and sees it granted."""
    await asyncio.gather(client.subscribe(subscription), peer.grant())


async def frame(peer: Peer, seq: int, *ticks: dict[str, Any]) -> None:
    await peer.say(type="ticks", seq=seq, time=rfc(0), ticks=ticks)


async def tokens(*names: str) -> Callable[[], Awaitable[str]]:
    left = list(names)

    async def ticket() -> str:
        return left.pop(0)

    return ticket


# --- values ---


def test_subscribes_and_is_told_the_interval_in_force_a_snapshot_and_changes() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            asking = asyncio.create_task(client.subscribe(Ticks(["BTC-USD"], venue="coinbase", interval_ms=100)))
            asked = await peer.grant(interval_ms=250)
            assert asked == {"channel": "ticks", "symbols": ["BTC-USD"], "venue": "coinbase", "interval_ms": 100}
            answer = await asking
            assert answer == Subscribed(id=answer.id, channel="ticks", symbols=("BTC-USD",), interval_ms=250)
            await peer.say(type="snapshot", channel="ticks", ticks=[said(0, 1.5)])
            assert await anext(client) == Snapshot("ticks", ticks=(tick(0, 1.5),))
            await frame(peer, 1, said(1, 63212.97))
            assert await anext(client) == TickFrame(1, NOON, (tick(1, 63212.97),))

    play(scenario)


def test_a_repeat_counts_and_a_time_that_goes_back_does_not() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, Ticks(["BTC-USD", "ETH-USD"]))
            await frame(peer, 1, said(5, 1.0))
            assert await anext(client) == TickFrame(1, NOON, (tick(5, 1.0),))
            await frame(peer, 1, said(5, 2.0))
            assert await anext(client) == TickFrame(1, NOON, (tick(5, 2.0),))
            await frame(peer, 2, said(4, 3.0), said(1, 8.0, "ETH-USD"))
            assert await anext(client) == TickFrame(2, NOON, (tick(1, 8.0, "ETH-USD"),))
            await frame(peer, 3, said(4, 4.0))  # nothing in it is new
            await peer.say(type="snapshot", channel="ticks", ticks=[said(4, 5.0), said(1, 8.0, "ETH-USD")])
            assert await anext(client) == Snapshot("ticks", ticks=(tick(1, 8.0, "ETH-USD"),))

    play(scenario)


def test_a_jump_asks_once_for_all_again_and_for_closed_candles_too() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, BTC)
            await subscribed(client, peer, Candles(["BTC-USD"], "1m"))
            await frame(peer, 2, said(1, 1.0))
            await frame(peer, 4, said(2, 2.0))
            asked = await peer.hear()
            assert asked == {"action": "resync", "id": asked["id"]}
            resumed = {"channel": "candles", "symbols": ["BTC-USD"], "interval": "1m", "since": "2026-11-22T11:55:00Z"}
            assert await peer.grant() == resumed
            await peer.say(type="resynced", id=asked["id"])
            await frame(peer, 6, said(3, 3.0))
            assert (await peer.hear())["action"] == "resync"

    play(scenario)


def test_an_open_candle_neither_goes_back_nor_reopens_and_a_repaired_one_counts() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, Candles(["BTC-USD"], "1m"))
            told = [candle(7, 2.0, closed=True), candle(7, 1.0), candle(6, 1.0), candle(6, 3.0, closed=True)]
            await peer.say(type="candles", seq=1, candles=told)
            event = await anext(client)
            assert isinstance(event, CandleFrame)
            assert [(each.time, each.close, each.closed) for each in event.candles] == [
                (420_000, 2.0, True),
                (360_000, 3.0, True),
            ]

    play(scenario)


def test_alerts_are_told_once() -> None:
    async def scenario(world: World) -> None:
        async with world.client(await tokens("a")) as client:
            peer = await world.peer()
            await subscribed(client, peer, Alerts())
            fired = {
                "id": "f",
                "alert_id": "a",
                "symbol": "BTC-USD",
                "venue": "coinbase",
                "condition": "above",
                "threshold": "90000",
                "price": "90000.10",
                "time": rfc(1),
                "webhook": "none",
            }
            await peer.say(type="alerts", seq=1, alerts=[fired])
            event = await anext(client)
            assert isinstance(event, AlertFrame)
            (alert,) = event.alerts
            assert isinstance(alert, Alert)
            assert (alert.id, str(alert.price), alert.time) == ("f", "90000.10", NOON + timedelta(seconds=1))
            await peer.say(type="alerts", seq=1, alerts=[fired])
            await peer.say(type="snapshot", channel="alerts", alerts=[fired])
            assert await anext(client) == Snapshot("alerts")

    play(scenario)


def test_what_is_not_known_is_passed_over() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, BTC)
            await peer.say(message="Internal server error", connectionId="c", requestId="r")
            await peer.say(type="weather", rain=True)
            await peer.say(type="ticks", seq=1, time=rfc(0), mood="good", ticks=[said(1, 1.0) | {"size": 3}])
            assert await anext(client) == TickFrame(1, NOON, (tick(1, 1.0),))

    play(scenario)


# --- a consumer that is slow ---


def test_what_waits_is_conflated_to_each_symbols_newest() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, Ticks(["BTC-USD", "ETH-USD"]))
            await peer.say(type="snapshot", channel="ticks", ticks=[said(0, 0.5), said(0, 7.0, "ETH-USD")])
            for seq in range(1, 200):
                await frame(peer, seq, said(seq, float(seq)))
            await frame(peer, 200, said(3, 8.0, "ETH-USD"))
            await subscribed(client, peer, News())  # when this is answered, all before has come
            assert await anext(client) == Snapshot("ticks", ticks=(tick(0, 0.5), tick(0, 7.0, "ETH-USD")))
            assert await anext(client) == TickFrame(200, NOON, (tick(199, 199.0), tick(3, 8.0, "ETH-USD")))

    play(scenario)


def test_a_snapshot_takes_in_what_waits_of_its_channel() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, Ticks(["BTC-USD", "ETH-USD"]))
            await frame(peer, 1, said(5, 5.0), said(5, 6.0, "ETH-USD"))
            await peer.say(type="snapshot", channel="ticks", ticks=[said(4, 4.0), said(6, 7.0, "ETH-USD")])
            await subscribed(client, peer, News())
            assert await anext(client) == Snapshot("ticks", ticks=(tick(5, 5.0), tick(6, 7.0, "ETH-USD")))

    play(scenario)


def test_closed_candles_wait_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST", 3)

    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await subscribed(client, peer, Candles(["BTC-USD"], "1m"))
            for seq in range(1, 6):
                await peer.say(type="candles", seq=seq, candles=[candle(seq, 1.0), candle(seq, 2.0, closed=True)])
            await subscribed(client, peer, News())
            event = await anext(client)
            assert isinstance(event, CandleFrame)
            assert [(each.time // 60_000, each.close) for each in event.candles] == [(3, 2.0), (4, 2.0), (5, 2.0)]

    play(scenario)


def test_articles_and_alerts_told_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "TOLD", 2)
    box, price = inbox.Inbox(), Decimal(1)
    fired = [Alert(str(each), "a", "BTC-USD", "v", "above", price, price, NOON, "none") for each in range(4)]

    def show(*alerts: Alert) -> Event | None:
        box.show(Snapshot("alerts", alerts=alerts))
        return asyncio.run(box.take())

    assert show(*fired) == Snapshot("alerts", alerts=tuple(fired))
    assert show(*fired[2:]) == Snapshot("alerts")
    assert show(fired[0]) == Snapshot("alerts", alerts=(fired[0],))


# --- connections that end ---


def test_a_lost_connection_comes_back_and_asks_for_all_that_was_missed() -> None:
    async def scenario(world: World) -> None:
        async with world.client(await tokens("a", "b c")) as client:
            first = await world.peer()
            for subscription in (
                Ticks(["BTC-USD", "ETH-USD"], interval_ms=500),
                Candles(["BTC-USD"], "5m"),
                News(assets=["BTC"]),
                Alerts(since=NOON - timedelta(days=9)),
                Portfolio("p"),
            ):
                await subscribed(client, first, subscription)
            await world.time.let(180)
            await first.say(type="pong", id=(await first.raw())["id"], time=rfc(180))
            await frame(first, 1, said(181, 1.0))
            assert await anext(client) == TickFrame(1, NOON, (tick(181, 1.0),))
            await first.leave()
            assert await anext(client) == Disconnected("lost")
            await world.time.let(1.0)
            second = await world.peer()
            assert (first.path, second.path) == ("/ws?ticket=a", "/ws?ticket=b+c")
            assert await anext(client) == Reconnected()
            assert [await second.grant() for _ in range(5)] == [
                {
                    "channel": "ticks",
                    "symbols": ["BTC-USD", "ETH-USD"],
                    "interval_ms": 500,
                    "since": "2026-11-22T12:03:00Z",
                },
                {"channel": "candles", "symbols": ["BTC-USD"], "interval": "5m", "since": "2026-11-22T11:38:00Z"},
                {"channel": "news", "assets": ["BTC"], "since": "2026-11-22T11:03:00Z"},
                {"channel": "alerts", "since": "2026-11-22T12:01:00Z"},
                {"channel": "portfolio", "portfolio_id": "p", "since": "2026-11-22T12:03:00Z"},
            ]
            event = await anext(client)
            assert isinstance(event, Subscribed)
            assert (event.channel, event.interval_ms) == ("ticks", 1000)
            await frame(second, 1, said(180, 9.0), said(180, 2.0, "ETH-USD"))  # older than on the first connection
            while not isinstance(event, TickFrame):
                event = await anext(client)
            assert event == TickFrame(1, NOON, (tick(180, 2.0, "ETH-USD"),))

    play(scenario)


def test_history_asked_for_is_asked_for_again_until_it_has_come() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            await subscribed(client, first, News(since=NOON - timedelta(days=9)))
            await first.leave()
            await world.time.let(1.0)
            asked = await (await world.peer()).grant()
            assert asked == {"channel": "news", "since": "2026-11-13T12:00:00Z"}

    play(scenario)


@pytest.mark.parametrize("reason", ["idle", "max_age"])
def test_after_a_bye_it_is_back_at_once(reason: str) -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            await subscribed(client, first, BTC)
            await first.say(type="snapshot", channel="ticks", ticks=[])
            await first.leave(reason)
            second = await world.peer()
            assert (await second.grant())["channel"] == "ticks"
            told: list[Event] = [await anext(client) for _ in range(2)]
            assert told == [Snapshot("ticks"), Reconnected()]  # the last that is to be said of the connection
            assert world.time.slept == [180, 180]

    play(scenario)


def test_after_the_sessions_end_it_stops_and_says_so() -> None:
    async def scenario(world: World) -> None:
        async with world.client(await tokens("a")) as client:
            peer = await world.peer()
            await subscribed(client, peer, BTC)
            asking = asyncio.create_task(client.subscribe(Alerts()))
            await peer.hear()
            await frame(peer, 1, said(1, 1.0))
            await peer.leave("session_ended")
            with pytest.raises(SessionEndedError):
                await asking
            assert await anext(client) == TickFrame(1, NOON, (tick(1, 1.0),))
            with pytest.raises(SessionEndedError):
                await anext(client)
            with pytest.raises(SessionEndedError):
                await client.subscribe(BTC)

    play(scenario)


def test_pauses_grow_until_data_come() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            await subscribed(client, first, BTC)
            world.refusals = 6
            await first.leave()
            for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
                await world.time.let(pause)
            second = await world.peer()
            await second.grant()
            await second.leave("idle")  # it said nothing but this
            await world.time.let(30.0)
            third = await world.peer()
            await third.grant()
            await frame(third, 1, said(1, 1.0))
            await third.leave()
            await world.time.let(1.0)
            assert (await (await world.peer()).grant())["symbols"] == ["BTC-USD"]

    play(scenario)


def test_a_handshake_refused_at_first_is_told() -> None:
    async def scenario(world: World) -> None:
        world.refusals = 1
        with pytest.raises(RefusedError, match="HTTP 403"):
            await world.client(await tokens("a")).__aenter__()

    play(scenario)


def test_no_ticket_for_now_is_tried_again_and_none_for_ever_is_told() -> None:
    answers: list[str | Exception] = ["a", ConnectionError("down"), SessionEndedError("signed out")]

    async def ticket() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def scenario(world: World) -> None:
        async with world.client(ticket) as client:
            await (await world.peer()).leave()
            assert await anext(client) == Disconnected("lost")
            await world.time.let(1.0)
            await world.time.let(2.0)
            with pytest.raises(SessionEndedError, match="signed out"):
                await anext(client)

    play(scenario)


def test_gives_signs_of_life() -> None:
    async def scenario(world: World) -> None:
        async with world.client():
            peer = await world.peer()
            for _ in range(3):
                asked = await peer.raw()
                assert asked == {"action": "ping", "id": asked["id"]}
                await peer.say(type="pong", id=asked["id"], time=rfc(0))
                await world.time.let(180)

    play(scenario)


def test_who_does_not_answer_is_left() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await peer.raw()
            await world.time.let(10)
            await peer.left()
            assert await anext(client) == Disconnected("lost")

    play(scenario)


def test_who_leaves_ends_the_iteration_and_what_is_asked() -> None:
    async def scenario(world: World) -> None:
        client = world.client()
        async with client:
            peer = await world.peer()
            asking = asyncio.create_task(client.subscribe(BTC))
            await peer.hear()
        with pytest.raises(CryptoPulseError, match="closed"):
            await asking
        with pytest.raises(CryptoPulseError, match="closed"):
            await client.subscribe(BTC)
        assert [event async for event in client] == []
        await peer.left()

    play(scenario)


# --- what is asked ---


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("bad_request", BadRequestError),
        ("unknown_symbol", UnknownSymbolError),
        ("unauthorized", UnauthorizedError),
        ("limit", LimitError),
        ("another", RequestError),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_refusal_is_an_error_of_its_kind_and_changes_nothing(code: str, kind: type[RequestError]) -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            await subscribed(client, first, BTC)
            asking = asyncio.create_task(client.subscribe(Ticks(["BTC-USD", "NOPE"])))
            asked = await first.hear()
            symbols = {"symbols": ["NOPE"]} if code == "unknown_symbol" else {}
            await first.say(type="error", id=asked["id"], code=code, message="no", **symbols)
            with pytest.raises(kind, match=r"^no$") as raised:
                await asking
            assert type(raised.value) is kind
            assert (raised.value.code, raised.value.symbols) == (code, tuple(symbols.get("symbols", ())))
            await first.leave()
            await world.time.let(1.0)
            assert (await (await world.peer()).grant())["symbols"] == ["BTC-USD"]

    play(scenario)


def test_a_later_subscription_takes_the_place_of_an_earlier_one_symbol_by_symbol() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            await subscribed(client, first, Ticks(["A", "B", "C"], venue="coinbase"))
            await subscribed(client, first, Ticks(["B"], venue="binance"))
            ending = asyncio.create_task(client.unsubscribe(Ticks(["C"], interval_ms=250)))
            asked = await first.hear()
            assert asked == {"action": "unsubscribe", "channel": "ticks", "symbols": ["C"], "id": asked["id"]}
            await first.say(type="unsubscribed", id=asked["id"], channel="ticks", symbols=["C"])
            await ending
            await first.leave()
            await world.time.let(1.0)
            second = await world.peer()
            asked_again = [await second.grant() for _ in range(2)]
            assert [(each["symbols"], each["venue"]) for each in asked_again] == [
                (["A"], "coinbase"),
                (["B"], "binance"),
            ]

    play(scenario)


def test_an_answer_may_come_on_the_next_connection() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            asking = asyncio.create_task(client.subscribe(BTC))
            await first.hear()
            first.vanish()
            await world.time.let(1.0)
            await (await world.peer()).grant()
            assert (await asking).symbols == ("BTC-USD",)

    play(scenario)


def test_what_is_asked_while_there_is_no_connection_is_asked_on_the_next() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            (await world.peer()).vanish()
            assert await anext(client) == Disconnected("lost")
            asking = asyncio.create_task(client.subscribe(BTC))
            await asyncio.sleep(0)
            await world.time.let(1.0)
            await (await world.peer()).grant()
            assert (await asking).symbols == ("BTC-USD",)

    play(scenario)


def test_what_is_no_longer_given_is_dropped_and_the_rest_asked_for_again() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            first = await world.peer()
            await subscribed(client, first, Ticks(["A", "B"]))
            await subscribed(client, first, News())
            await first.leave()
            await world.time.let(1.0)
            second = await world.peer()
            ticks, news = await second.hear(), await second.hear()
            await second.say(type="error", id=ticks["id"], code="unknown_symbol", message="gone", symbols=["B"])
            await second.say(type="error", id=news["id"], code="limit", message="too many")
            assert (await second.grant())["symbols"] == ["A"]
            told = [await anext(client) for _ in range(3)]
            dropped = [event for event in told if isinstance(event, Dropped)]
            assert [(str(each.error), sorted(each.subscription.keys)) for each in dropped] == [
                ("gone", [("ticks", "B")]),
                ("too many", [("news", "")]),
            ]

    play(scenario)


def test_another_interval_may_be_told_at_any_time() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            await peer.say(type="subscribed", channel="ticks", symbols=["BTC-USD"], interval_ms=4000)
            assert await anext(client) == Subscribed(channel="ticks", symbols=("BTC-USD",), interval_ms=4000)

    play(scenario)


def test_says_no_more_than_ten_things_a_second() -> None:
    async def scenario(world: World) -> None:
        async with world.client() as client:
            peer = await world.peer()
            asking = [asyncio.create_task(client.subscribe(Portfolio(str(each)))) for each in range(20)]
            for _ in asking:
                await peer.grant()
            await asyncio.gather(*asking)
            assert world.time.now == pytest.approx(2.0)  # with a ping

    play(scenario)

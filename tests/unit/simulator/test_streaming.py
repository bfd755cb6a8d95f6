"""What befalls live streams: each fault by itself, its counts, and how connections are held."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from local.simulator.faults import Fault, Faults, Kind
from local.simulator.markets import Venue
from local.simulator.series import market
from local.simulator.streaming import SECOND, Closing, Counts, Feed, Frame, Session
from tests.unit.simulator.conftest import Ask, Call

TENTH = SECOND // 10


class Ticking(Feed):
    """Numbers, ten a second, each a trade unless told otherwise."""

    def __init__(self, venue: Venue = "binance", is_trade: bool = True) -> None:
        self.venue, self._is_trade = venue, is_trade

    def hear(self, message: str, now: int) -> list[str]:
        return [f"{message} at {now}"]

    def frames(self, after: int, until: int) -> list[Frame]:
        return [
            Frame(at * TENTH, f"frame {at:04d}", self._is_trade) for at in range(after // TENTH + 1, until // TENTH + 1)
        ]

    def next_at(self, after: int) -> int:
        return (after // TENTH + 1) * TENTH

    def strike(self, kind: Kind, now: int) -> list[str] | None:
        return None if kind == "slow_consumer" else [kind]


class Line:
    """A session of Ticking numbers from time 0, with one fault in force."""

    def __init__(self, kind: Kind, rate: float = 1, seconds: float = 3600, **feed: bool) -> None:
        self.now = 0
        self.counts = Counts()
        venue: Venue = "coinbase" if kind == "slow_consumer" else "binance"
        faults = Faults(lambda: self.now, seed=1)
        faults.replace([Fault(venue, kind, rate, seconds)])
        self.session = Session(Ticking(venue, **feed), faults, self.counts, 0)

    def seconds(self, count: int) -> list[int | str]:
        """The numbers that come, woken as the server wakes; what is no number as it is."""
        texts, end = [], self.now + count * SECOND
        while self.session.wakes_at() <= end:
            self.now = max(self.session.wakes_at(), self.now)
            texts += self.session.advance(self.now)
        return [int(text[6:]) if text[:6] == "frame " and len(text) == 10 else text for text in texts]


def test_without_faults_each_frame_goes_out_once_when_it_is_due() -> None:
    line = Line("skip", rate=0)
    assert line.seconds(2) == list(range(1, 21))
    assert line.counts == Counts(frames=20)


def test_answers_come_after_what_was_due_before() -> None:
    session = Line("skip", rate=0).session
    assert session.advance(3 * TENTH, "hello") == ["frame 0001", "frame 0002", "frame 0003", "hello at 300000"]


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    session = Line("skip", rate=0).session
    assert [session.advance(now * TENTH) for now in (2, 1, 3)] == [["frame 0001", "frame 0002"], [], ["frame 0003"]]


def test_duplicate() -> None:
    line = Line("duplicate")
    assert line.seconds(1) == [number for number in range(1, 11) for _ in range(2)]
    assert line.counts == Counts(frames=20, faults=Counter(duplicate=10))


def test_reorder_swaps_neighbours() -> None:
    line = Line("reorder")
    assert line.seconds(1) == [2, 1, 4, 3, 6, 5, 8, 7, 10, 9]
    assert line.counts == Counts(frames=10, faults=Counter(reorder=5))


def test_skip_leaves_trades_out() -> None:
    line = Line("skip", rate=0.3)
    told = line.seconds(100)
    assert sorted(set(told), key=int) == told
    assert line.counts == Counts(frames=len(told), faults=Counter(skip=1000 - len(told)))
    assert 600 < len(told) < 800


def test_skip_leaves_everything_else_in() -> None:
    line = Line("skip", is_trade=False)
    assert line.seconds(1) == list(range(1, 11))
    assert line.counts == Counts(frames=10)


def test_malformed_is_half_a_frame() -> None:
    line = Line("malformed", is_trade=False)
    assert line.seconds(1) == ["frame"] * 10
    assert line.counts == Counts(frames=10, faults=Counter(malformed=10))


def test_a_frozen_stream_goes_on_with_what_is_new_when_the_fault_ends() -> None:
    line = Line("freeze", seconds=2.55)
    assert line.seconds(4) == list(range(26, 41))
    assert line.counts == Counts(frames=15, faults=Counter(freeze=1))
    assert line.session.advance(line.now, "hello") == ["hello at 4000000"]


def test_drop_breaks_off() -> None:
    line = Line("drop")
    assert line.session.advance(0) == []
    assert (line.session.feed.ends_at, line.session.feed.closing) == (0, Closing())
    assert line.counts == Counts(faults=Counter(drop=1))


def test_a_connection_may_be_dropped_once_a_second() -> None:
    line = Line("drop", rate=0.02)
    moments = iter(range(0, 10**9, TENTH))
    while line.session.feed.ends_at > line.now:
        line.now = next(moments)
        line.session.advance(line.now)
    assert line.now % SECOND == 0
    assert line.now > SECOND
    assert line.counts.faults == {"drop": 1}


def test_the_venues_own_fault_counts_where_it_changes_anything() -> None:
    shut, slow = Line("server_shutdown"), Line("slow_consumer")
    assert shut.session.advance(0) == ["server_shutdown"]
    assert slow.session.advance(0) == []
    assert (shut.counts, slow.counts) == (Counts(frames=1, faults=Counter(server_shutdown=1)), Counts())


def test_faults_of_streams_leave_the_rest_alone(ask: Ask) -> None:
    kinds = ("drop", "freeze", "duplicate", "reorder", "skip", "malformed")
    faults = [
        {"venue": venue, "kind": kind, "rate": 1, "seconds": 9} for venue in ("binance", "coinbase") for kind in kinds
    ]
    assert ask("/admin/faults", "PUT", json=faults).status_code == 200
    assert ask("/binance/api/v3/ping").status_code == ask("/coinbase/time").status_code == 200


@pytest.mark.parametrize(("venue", "kind"), [("binance", "slow_consumer"), ("coinbase", "server_shutdown")])
def test_a_venue_knows_only_its_own_faults(ask: Ask, venue: str, kind: str) -> None:
    answer = ask("/admin/faults", "PUT", json=[{"venue": venue, "kind": kind, "rate": 1, "seconds": 9}])
    assert (answer.status_code, answer.json()) == (422, {"message": f"{venue} knows no {kind} - at `$[0]`"})


@pytest.mark.parametrize("ago", range(0, 3_600_000_000, 599_999_999))
def test_the_next_trade_is_the_first_one_after(clock: SimpleNamespace, ago: int) -> None:
    series, time = market(1)["coinbase", "LTC-EUR"], clock.now - ago
    upcoming = series.id_at(time + 1)
    at = int(series.trades(upcoming, upcoming + 1).time[0])
    assert series.next_at(time) == min(at, (time // 3_600_000_000 + 1) * 3_600_000_000)


STREAM, FEED = "/binance/ws/btcusdt@aggTrade", "/coinbase-ws"
HELLO = '{"method":"LIST_SUBSCRIPTIONS","id":1}'
ACCEPT: dict[str, object] = {"type": "websocket.accept", "subprotocol": None, "headers": []}


def test_connections_and_what_they_were_sent_are_counted(ask: Ask, call: Call, clock: SimpleNamespace) -> None:
    def later() -> str:
        clock.now += 30 * SECOND
        return HELLO

    opened, first, *events, second = call(STREAM, [HELLO, later])
    assert (opened, first["text"]) == (ACCEPT, '{"result":["btcusdt@aggTrade"],"id":1}')
    assert second == first
    assert {event["text"][:15] for event in events} == {'{"e":"aggTrade"'}
    call(FEED, [])
    nothing: dict[str, object] = {"connections": 0, "opened": 1, "frames": 0, "faults": {}}
    assert ask("/admin/feeds").json() == {"binance": nothing | {"frames": len(events)}, "coinbase": nothing}


def test_an_open_connection_is_counted_as_such(ask: Ask, call: Call, clock: SimpleNamespace) -> None:
    def look() -> str:
        with ThreadPoolExecutor() as beside:  # a loop of its own
            seen.append(beside.submit(ask, "/admin/feeds").result().json()["binance"]["connections"])
        return HELLO

    seen: list[int] = []
    call(STREAM, [look])
    assert seen == [1]


@pytest.mark.parametrize(
    ("path", "kind", "farewell"),
    [
        (STREAM, "drop", []),
        (FEED, "drop", []),
        (FEED, "slow_consumer", [{"type": "websocket.close", "code": 1008, "reason": "ErrSlowConsume"}]),
    ],
)
def test_a_struck_connection_ends(
    ask: Ask, call: Call, path: str, kind: str, farewell: list[dict[str, object]]
) -> None:
    venue = "binance" if path == STREAM else "coinbase"
    ask("/admin/faults", "PUT", json=[{"venue": venue, "kind": kind, "rate": 1, "seconds": 9}])
    assert call(path, None) == [ACCEPT, *farewell]
    assert ask("/admin/feeds").json()[venue] == {"connections": 0, "opened": 1, "frames": 0, "faults": {kind: 1}}


def test_too_many_connections_are_refused(call: Call) -> None:
    assert {call(FEED, [])[0]["type"] for _ in range(20)} == {"websocket.accept"}
    refused = call(FEED, None)
    assert [(message["type"], message.get("status")) for message in refused] == [
        ("websocket.http.response.start", 429),
        ("websocket.http.response.body", None),
    ]


def test_a_binary_message_is_read_as_text(call: Call) -> None:
    assert call(STREAM, [HELLO.encode()])[1]["text"] == '{"result":["btcusdt@aggTrade"],"id":1}'


def test_over_the_network_a_dropped_connection_ends_without_a_word(app: Starlette, clock: SimpleNamespace) -> None:
    async def run() -> None:
        config = uvicorn.Config(app, port=0, log_level="error", ws="websockets-sansio", lifespan="off")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/binance/stream?streams=btcusdt@aggTrade", proxy=None) as socket:
            await socket.send(HELLO)
            assert await socket.recv() == '{"result":["btcusdt@aggTrade"],"id":1}'
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                fault = {"venue": "binance", "kind": "drop", "rate": 1, "seconds": 9}
                await client.put("/admin/faults", json=[fault])
            clock.now += SECOND
            await socket.send(HELLO)
            with pytest.raises(ConnectionClosedError):
                await everything(socket)
            assert socket.close_code == 1006
        await server.shutdown()

    async def everything(socket: ClientConnection) -> list[str | bytes]:
        return [text async for text in socket]

    asyncio.run(asyncio.wait_for(run(), timeout=10))

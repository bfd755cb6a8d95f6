"""The fan-out over beats: nobody misses a value, sees time go back or gets a frame before the snapshot."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench._memory import Minutes
from cryptopulse.domain import fan_state
from cryptopulse.domain.candles import MINUTE, Block, folded, joined
from cryptopulse.domain.fan_state import State
from cryptopulse.domain.fanning import BACK_OFF, Post, Shard
from cryptopulse.domain.folding import KEPT, fold
from cryptopulse.domain.lanes import Lane, Minute, MinuteRow
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.snapshots import snapshots
from cryptopulse.domain.subscriptions import IDLE_AFTER, MAX_AGE, Channel, Connection, Entry, Subscribe, Unsubscribe
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record
from cryptopulse.domain.times import rfc3339

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
LANES = 2
SERIES = [Series("coinbase", f"{asset}-USD") for asset in ("BTC", "ETH", "SOL", "XRP")]


class World:
    """Lanes as process_ticks would write them, in poll mode."""

    def __init__(self) -> None:
        self.now = NOON
        self.lanes = {number: Lane(number) for number in range(LANES)}
        self._minutes: dict[int, dict[int, Minute]] = {number: Minutes() for number in range(LANES)}
        self.told = dict.fromkeys(SERIES, NOON)

    def fold(self, series: Series, *messages: Message) -> None:
        number = lane_of(series, LANES)
        lane = self.lanes[number] = deepcopy(self.lanes[number])
        fold(lane, self._minutes[number], [Record(series.venue, number, list(messages))])

    def price(self, series: Series, price: int) -> None:
        self.now += 100
        self.fold(series, Quote(series.symbol, 2, price, self.now))

    def candles(self, series: Series, price: int, count: int = 1) -> None:
        """The next minutes of a series as the venue tells them; a price of 0 is a minute without a trade."""
        start = self.told[series]
        self.told[series] = end = start + count * MINUTE
        self.now = max(self.now, end)
        bars = [Bar(m, price, price + 1, price - 1, price, 5) for m in range(start, end, MINUTE)] if price else []
        self.fold(series, Candles(series.symbol, 2, 0, start, end, self.now, bars), Clock(end))

    def repair(self, series: Series, price: int) -> None:
        """The venue corrects the last candle it told."""
        end = self.told[series]
        if end > NOON:
            self.now += 1
            bar = Bar(end - MINUTE, price, price + 2, price - 2, price, 9)
            self.fold(series, Candles(series.symbol, 2, 0, end - MINUTE, end, self.now, [bar]))

    def minutes(self, number: int, starts: list[int]) -> list[Minute]:
        return deepcopy([minute for minute in self._minutes[number].values() if minute.start in starts])

    def rows(self, lane: Lane, series: Series, interval: int, start: int, end: int, now: int) -> Block:
        parts = [
            m.rows[str(series)].block(m.start) for m in self._minutes[lane.number].values() if str(series) in m.rows
        ]
        minutes = joined(*sorted(parts, key=lambda part: part.starts[0]))
        return folded(minutes, MINUTE, interval, lane.clocks.get(series.venue, now)).between(start, end)


class Socket:
    """A client: checks each frame as it comes, and keeps the newest values."""

    def __init__(self) -> None:
        self.seq = 0
        self.ticks: dict[str, tuple[float, str]] = {}
        self.candles: dict[tuple[str, str], dict[int, Any]] = {}
        self.shown: set[tuple[str, str, str]] = set()
        self.frames: list[Any] = []

    def receive(self, raw: bytes) -> None:
        frame = msgspec.json.decode(raw)
        self.frames.append(frame)
        if frame["type"] != "snapshot":
            assert 1 <= frame["seq"] <= self.seq + 1, "a jump, though nothing was lost"
            self.seq = max(self.seq, frame["seq"])
        for tick in frame.get("ticks", ()):
            name = f"{tick['venue']}:{tick['symbol']}"
            assert frame["type"] == "snapshot" or ("ticks", name, "") in self.shown, "a frame before the snapshot"
            known = self.ticks.get(name)
            assert known is None or tick["time"] >= known[1] or frame["type"] == "snapshot", "time went back"
            self.ticks[name] = (tick["price"], tick["time"])
        for candle in frame.get("candles", ()):
            name = f"{candle['venue']}:{candle['symbol']}"
            assert frame["type"] == "snapshot" or ("candles", name, candle["interval"]) in self.shown
            self.candles.setdefault((name, candle["interval"]), {})[candle["time"]] = candle


class Cloud:
    """The tables and the fan-out's one process; everything may fail."""

    def __init__(self) -> None:
        self.world = World()
        self.connections: dict[str, Connection] = {}
        self.sockets: dict[str, Socket] = {}
        self.gone: set[str] = set()
        self.stored = fan_state.encode(State())
        self.memory: Shard | None = None
        self.pending: list[tuple[str, Callable[[Connection], object]]] = []
        """Changes of connections that are posted but not written yet."""

    # --- websocket, in its two halves ---

    def show(self, id_: str, channel: str, series: list[Series], interval: str, interval_ms: int = 1_000) -> None:
        """Reads the lanes and posts the snapshot."""
        if id_ in self.gone:
            return
        now = self.world.now
        self.connections.setdefault(id_, Connection(id_, "192.0.2.44", now, now, version=1))
        socket = self.sockets.setdefault(id_, Socket())
        symbols = [each.symbol for each in series]
        action = Subscribe(action="subscribe", channel=channel, symbols=symbols, interval_ms=interval_ms)
        entries = {}
        for each in series:
            lane = lane_of(each, LANES)
            entries[each.symbol] = Entry(str(each), lane, interval, self.world.lanes[lane].version, 0)
        for frame in snapshots(channel, entries.values(), self.world.lanes, self.world.rows, now, 0):
            socket.receive(frame)
        socket.shown.update((channel, entry.series, interval) for entry in entries.values())
        self.pending.append((id_, lambda connection: connection.subscribe(action, entries)))

    def resync(self, id_: str) -> None:
        """Shows everything again. A frame may overtake it, for which clients are told to keep the newer value."""
        if id_ not in self.connections:
            return
        shown = {entry for _, entry in self.connections[id_].entries()}
        versions = {number: lane.version for number, lane in self.world.lanes.items()}
        for name, channel in self.connections[id_].channels.items():
            for frame in snapshots(
                name, channel.entries.values(), self.world.lanes, self.world.rows, self.world.now, 0
            ):
                self.sockets[id_].receive(frame)
        self.pending.append((id_, lambda connection: connection.show(shown, versions)))

    def unsubscribe(self, id_: str, channel: str) -> None:
        action = Unsubscribe(action="unsubscribe", channel=channel)
        self.pending.append((id_, lambda connection: connection.unsubscribe(action)))

    def write(self) -> None:
        """Writes what was posted."""
        for id_, change in self.pending:
            if id_ in self.connections:
                connection = deepcopy(self.connections[id_])
                change(connection)
                connection.version += 1
                self.connections[id_] = connection
        self.pending.clear()

    # --- fan_out ---

    def beat(self, outcomes: list[str], *, heard: list[int], crash: bool = False, forget: bool = False) -> None:
        shard, self.memory = self.memory, None
        world = self.world
        if shard is None or forget:
            shard = Shard(fan_state.decode(self.stored), self.connections)
        else:
            gone = shard.connections.keys() - self.connections.keys()
            shard.begin(self.connections | dict.fromkeys(gone))
        rung = {number: world.lanes[number].version for number in heard}
        for number in sorted(shard.lanes(rung)):
            lane = world.lanes[number]
            minutes = world.minutes(number, shard.minutes(lane, world.now))
            shard.absorb(lane, minutes, partial(world.rows, lane, now=world.now))
        for index, post in enumerate(shard.posts(world.now)):
            self.deliver(shard, post, outcomes[index % len(outcomes)])
        if crash:
            return
        shard.prune()
        if shard.changed:
            self.stored = fan_state.encode(shard.state)
        self.memory = shard

    def deliver(self, shard: Shard, post: Post, outcome: str) -> None:
        socket = self.sockets[post.connection]
        if post.connection in self.gone or outcome == "gone":
            self.gone.add(post.connection)
            self.connections.pop(post.connection)
            shard.forget(post.connection)
            return
        if outcome == "taken":
            taken = arrived = len(post)
        elif outcome == "halfway":
            taken = arrived = len(post) // 2
        else:
            taken, arrived = 0, int(outcome == "unanswered")
        for frame in post[:arrived]:
            socket.receive(frame)
        shard.settle(post, taken, self.world.now)

    def settle(self) -> None:
        """Quiet: nothing fails any more, doorbells come."""
        self.write()
        for _ in range(3):
            self.world.now += 61_000
            self.beat(["taken"], heard=[0, 1])

    def check(self) -> None:
        """Every client knows exactly what the lanes hold."""
        for id_, connection in self.connections.items():
            socket = self.sockets[id_]
            for channel, entry in connection.entries():
                state = self.world.lanes[entry.lane].series.get(entry.series)
                if channel == "candles":
                    assert self.known(socket, entry) == self.true(entry)
                elif state is not None and state.time:
                    assert socket.ticks[entry.series] == (state.price / 100, rfc3339(state.time))
                else:
                    assert entry.series not in socket.ticks

    def known(self, socket: Socket, entry: Entry) -> list[Any]:
        known = socket.candles.get((entry.series, entry.interval), {})
        return [_final(known[start]) for start in sorted(known)]

    def true(self, entry: Entry) -> list[Any]:
        lanes, rows = self.world.lanes, self.world.rows
        (frame,) = snapshots("candles", [entry], lanes, rows, self.world.now, 0)
        return [_final(candle) for candle in msgspec.json.decode(frame)["candles"]]


def _final(candle: dict[str, Any]) -> dict[str, Any]:
    """Whether an open candle is complete so far changes with the clock alone, which is not told."""
    return candle if candle["closed"] else {**candle, "complete": None}


number = st.integers(0, 3)
outcome = st.sampled_from(["taken", "taken", "taken", "refused", "unanswered", "halfway"])
fate = st.one_of(outcome, outcome, outcome, st.just("gone"))
step = st.one_of(
    st.tuples(st.just("price"), number, st.integers(1, 9)),
    st.tuples(st.just("price"), number, st.integers(1, 9)),
    st.tuples(st.just("candles"), number, st.integers(0, 9)),
    st.tuples(st.just("repair"), number, st.integers(1, 9)),
    st.tuples(
        st.just("show"), number, st.lists(number, min_size=1, max_size=3), st.sampled_from(["", "1m", "5m", "1h"])
    ),
    st.tuples(st.just("write")),
    st.tuples(st.just("resync"), number),
    st.tuples(st.just("unsubscribe"), number, st.sampled_from(["ticks", "candles"])),
    st.tuples(st.just("wait"), st.sampled_from([100, 1_100, 5_000])),
    st.tuples(st.just("beat"), st.lists(fate, min_size=1, max_size=4), st.lists(st.integers(0, 1)), st.integers(0, 5)),
    st.tuples(st.just("beat"), st.lists(outcome, min_size=1, max_size=4), st.just([0, 1]), st.just(5)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(step, min_size=10, max_size=60))
def test_whatever_fails_clients_end_with_what_the_lanes_hold(steps: list[tuple[Any, ...]]) -> None:
    cloud = Cloud()
    for name, *rest in steps:
        match name:
            case "price":
                cloud.world.price(SERIES[rest[0]], rest[1])
            case "candles":
                cloud.world.candles(SERIES[rest[0]], rest[1])
            case "repair":
                cloud.world.repair(SERIES[rest[0]], rest[1])
            case "show":
                who, which, interval = rest
                series = [SERIES[index] for index in dict.fromkeys(which)]
                cloud.show(f"client{who}", "candles" if interval else "ticks", series, interval)
            case "write":
                cloud.write()
            case "resync":
                cloud.resync(f"client{rest[0]}")
            case "unsubscribe":
                cloud.unsubscribe(f"client{rest[0]}", rest[1])
            case "wait":
                cloud.world.now += rest[0]
            case "beat":
                outcomes, heard, luck = rest
                cloud.beat(outcomes, heard=heard, crash=luck == 0, forget=luck == 1)
    cloud.settle()
    cloud.check()


# --- single rules ---


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    for index, series in enumerate(SERIES):
        cloud.world.price(series, 100 * (index + 1))
    return cloud


def subscribe(cloud: Cloud, id_: str, *indices: int, interval: str = "", interval_ms: int = 1_000) -> Socket:
    cloud.show(id_, "candles" if interval else "ticks", [SERIES[index] for index in indices], interval, interval_ms)
    cloud.write()
    socket = cloud.sockets[id_]
    socket.frames.clear()
    return socket


def beat(cloud: Cloud, *outcomes: str) -> None:
    cloud.world.now += 1_000
    cloud.beat(list(outcomes) or ["taken"], heard=[0, 1])


def test_all_of_a_clients_symbols_that_changed_come_in_one_frame(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0, 1, 2)
    for price in (101, 102):
        cloud.world.price(SERIES[0], price)
    cloud.world.price(SERIES[2], 333)
    beat(cloud)
    assert socket.frames == [
        {
            "type": "ticks",
            "seq": 1,
            "time": "2026-11-22T12:00:01.700Z",
            "ticks": [
                {"symbol": "BTC-USD", "venue": "coinbase", "price": 1.02, "time": "2026-11-22T12:00:00.600Z"},
                {"symbol": "SOL-USD", "venue": "coinbase", "price": 3.33, "time": "2026-11-22T12:00:00.700Z"},
            ],
        }
    ]


def test_nothing_that_did_not_change_is_sent(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0)
    beat(cloud)
    cloud.world.price(SERIES[1], 7)
    cloud.world.candles(SERIES[0], 100)
    beat(cloud)
    beat(cloud)
    assert socket.frames == []


def test_a_value_is_sent_once(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0)
    cloud.world.price(SERIES[0], 5)
    beat(cloud)
    beat(cloud)
    touch(cloud, SERIES[0])
    beat(cloud)
    assert [frame["ticks"][0]["price"] for frame in socket.frames] == [0.05]


def touch(cloud: Cloud, series: Series) -> None:
    """A trade that leaves the price as it is."""
    lane = cloud.world.lanes[lane_of(series, LANES)]
    lane.version += 1
    lane.series[str(series)].changed = lane.version


def test_what_the_snapshot_showed_is_not_sent_though_others_are_owed_it(cloud: Cloud) -> None:
    slow = subscribe(cloud, "a", 0, interval="1m", interval_ms=60_000)
    for price in (50, 51):
        cloud.world.candles(SERIES[0], price)
        cloud.beat(["refused"], heard=[0, 1])
    new = subscribe(cloud, "b", 0, interval="1m")
    cloud.world.now += 2 * BACK_OFF
    beat(cloud)
    assert [len(frame["candles"]) for frame in slow.frames] == [2]
    assert new.frames == []


def test_a_symbol_added_with_a_stale_snapshot_is_owed_what_others_were_sent(cloud: Cloud) -> None:
    subscribe(cloud, "a", 1)
    socket = subscribe(cloud, "b", 0)
    cloud.show("b", "ticks", [SERIES[1]], "")
    cloud.world.price(SERIES[0], 5)
    cloud.world.price(SERIES[1], 6)
    beat(cloud)
    cloud.write()
    socket.frames.clear()
    beat(cloud)
    (frame,) = socket.frames
    assert {tick["symbol"]: tick["price"] for tick in frame["ticks"]} == {"BTC-USD": 0.05, "ETH-USD": 0.06}


def test_two_who_are_owed_the_same_get_the_same_but_for_their_seq(cloud: Cloud) -> None:
    first = subscribe(cloud, "a", 0)
    cloud.world.price(SERIES[0], 5)
    beat(cloud)
    second = subscribe(cloud, "b", 0)
    cloud.world.price(SERIES[0], 6)
    beat(cloud)
    assert [frame["seq"] for frame in first.frames] == [1, 2]
    assert second.frames == [{**first.frames[1], "seq": 1}]


def test_the_interval_is_kept_and_what_came_meanwhile_is_conflated(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0, interval_ms=3_500)
    for price in range(1, 9):
        cloud.world.price(SERIES[0], price)
        cloud.world.now += 900
        cloud.beat(["taken"], heard=[0, 1])
    assert [(frame["seq"], frame["ticks"][0]["price"]) for frame in socket.frames] == [(1, 0.01), (2, 0.05)]
    shard = Shard(fan_state.decode(cloud.stored), cloud.connections)
    assert shard.next_due() == NOON + 400 + 5_000 + 3_500


def test_a_frame_not_taken_comes_again_later_with_the_newest_value_and_the_same_seq(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0)
    cloud.world.price(SERIES[0], 1)
    beat(cloud, "unanswered")
    cloud.world.price(SERIES[0], 2)
    beat(cloud)
    cloud.world.now += BACK_OFF
    beat(cloud)
    assert [(frame["seq"], frame["ticks"][0]["price"]) for frame in socket.frames] == [(1, 0.01), (1, 0.02)]


def test_a_closed_candle_is_never_conflated_away_and_comes_again_when_repaired(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0, interval="1m", interval_ms=60_000)
    cloud.world.candles(SERIES[0], 0)
    cloud.world.candles(SERIES[0], 50, count=2)
    beat(cloud)
    cloud.world.repair(SERIES[0], 60)
    beat(cloud)
    cloud.world.now += 60_000
    beat(cloud)
    candle = {"symbol": "BTC-USD", "venue": "coinbase", "interval": "1m", "time": NOON + MINUTE}
    candle |= {"open": 0.5, "high": 0.51, "low": 0.49, "close": 0.5, "volume": 5.0, "closed": True, "complete": True}
    later = {**candle, "time": NOON + 2 * MINUTE}
    repaired = {**later, "open": 0.6, "high": 0.62, "low": 0.58, "close": 0.6, "volume": 9.0}
    assert socket.frames == [
        {"type": "candles", "seq": 1, "candles": [candle, later]},
        {"type": "candles", "seq": 2, "candles": [repaired]},
    ]


def test_a_larger_candle_is_told_as_it_grows_and_when_it_closes(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0, interval="5m")
    for price in (5, 6, 7, 8, 0):
        cloud.world.candles(SERIES[0], price)
        beat(cloud)
    told = [candle for frame in socket.frames for candle in frame["candles"]]
    assert [(candle["close"], candle["volume"], candle["closed"]) for candle in told] == [
        (0.05, 5.0, False),
        (0.06, 10.0, False),
        (0.07, 15.0, False),
        (0.08, 20.0, False),
        (0.08, 20.0, True),
    ]


def test_a_larger_candle_closes_with_the_clock_though_nothing_was_traded(cloud: Cloud) -> None:
    socket = subscribe(cloud, "a", 0, interval="5m")
    cloud.world.candles(SERIES[0], 5)
    beat(cloud)
    cloud.world.fold(SERIES[0], Clock(NOON + 5 * MINUTE + 1_999))
    beat(cloud)
    cloud.world.fold(SERIES[0], Clock(NOON + 5 * MINUTE + 2_000))
    beat(cloud)
    told = [(candle["time"], candle["closed"]) for frame in socket.frames for candle in frame["candles"]]
    assert told == [(NOON, False), (NOON, True)]


def test_candles_between_two_that_changed_are_not_sent(cloud: Cloud) -> None:
    cloud.world.candles(SERIES[0], 50, count=12)
    socket = subscribe(cloud, "a", 0, interval="5m")
    repaired = Candles("BTC-USD", 2, 0, NOON, NOON + MINUTE, cloud.world.now + 1, [Bar(NOON, 40, 41, 39, 40, 5)])
    cloud.world.fold(SERIES[0], repaired)
    cloud.world.candles(SERIES[0], 51)
    beat(cloud)
    (frame,) = socket.frames
    told = [(candle["time"], candle["open"], candle["close"], candle["closed"]) for candle in frame["candles"]]
    assert told == [(NOON, 0.4, 0.5, True), (NOON + 10 * MINUTE, 0.5, 0.51, False)]


def test_an_open_minute_is_sent_as_it_grows(cloud: Cloud) -> None:
    """As in stream mode, where trades make the row."""
    socket = subscribe(cloud, "a", 0, interval="1m")
    lane = cloud.world.lanes[lane_of(SERIES[0], LANES)]
    state = lane.series[str(SERIES[0])]
    for volume in (1, 2):
        lane.version += 1
        state.open[NOON] = MinuteRow(2, 0, 5, 6, 4, 5, volume, 1, 2, 1, NOON, True, lane.version)
        state.changed = lane.version
        beat(cloud)
    told = [(candle["volume"], candle["closed"]) for frame in socket.frames for candle in frame["candles"]]
    assert told == [(1.0, False), (2.0, False)]


def test_what_a_stale_snapshot_lacked_is_sent_to_the_newcomer_only(cloud: Cloud) -> None:
    old = subscribe(cloud, "a", 0, interval="1m")
    cloud.show("b", "candles", [SERIES[0]], "1m")
    cloud.world.candles(SERIES[0], 50)
    beat(cloud)
    new = cloud.sockets["b"]
    new.frames.clear()
    cloud.write()
    beat(cloud)
    assert len(old.frames) == 1
    assert new.frames == old.frames


def test_values_that_nobody_is_owed_are_forgotten(cloud: Cloud) -> None:
    subscribe(cloud, "a", 0, interval="1m")
    subscribe(cloud, "a", 1)
    cloud.world.price(SERIES[1], 5)
    cloud.world.candles(SERIES[0], 50)
    beat(cloud)
    state = fan_state.decode(cloud.stored)
    assert (list(state.ticks), state.candles) == ([str(SERIES[1])], {})
    cloud.connections.clear()
    beat(cloud)
    state = fan_state.decode(cloud.stored)
    assert (state.ticks, state.candles, state.closed_to, state.clients) == ({}, {}, {}, {})


def test_lanes_that_nobody_follows_are_not_read(cloud: Cloud) -> None:
    subscribe(cloud, "a", 0)
    followed = lane_of(SERIES[0], LANES)
    shard = Shard(State(), cloud.connections)
    assert shard.lanes({0: 99, 1: 99}) == {followed}
    assert shard.lanes({followed: 0}) == set()


def test_a_lane_that_does_not_remember_its_changes_is_read_as_far_back_as_minutes_change(cloud: Cloud) -> None:
    subscribe(cloud, "a", 0, interval="1m")
    lane = cloud.world.lanes[lane_of(SERIES[0], LANES)]
    for _ in range(40):
        cloud.world.candles(SERIES[0], 5)
    lane = cloud.world.lanes[lane_of(SERIES[0], LANES)]
    shard = Shard(State(), cloud.connections)
    end = NOON + 40 * MINUTE
    assert shard.minutes(lane, end) == list(range(end - KEPT, end + MINUTE, MINUTE))


@pytest.mark.parametrize(
    ("age", "silence", "is_ended", "reason"),
    [
        (MAX_AGE, 0, False, ["max_age"]),
        (MAX_AGE - 1, IDLE_AFTER, False, ["idle"]),
        (MAX_AGE - 1, IDLE_AFTER - 1, False, []),
        (0, 0, True, ["session_ended"]),
        (MAX_AGE, IDLE_AFTER, True, ["session_ended"]),
    ],
)
def test_connections_end_when_idle_or_old_or_with_their_session(
    age: int, silence: int, is_ended: bool, reason: list[str]
) -> None:
    connection = Connection("a", "192.0.2.44", NOON - age, NOON - silence, version=1, is_ended=is_ended)
    shard = Shard(State(), {"a": connection})
    assert [why for _, why in shard.ending(NOON)] == reason


def test_who_has_to_go_is_owed_nothing(cloud: Cloud) -> None:
    for id_ in ("a", "b"):
        subscribe(cloud, id_, 0)
    cloud.world.price(SERIES[0], 5)
    lane = cloud.world.lanes[lane_of(SERIES[0], LANES)]
    cloud.connections["a"].is_ended = True
    shard = Shard(State(), cloud.connections)
    shard.absorb(lane, [], lambda *_: Block.of(0, 0, []))
    assert [post.connection for post in shard.posts(cloud.world.now)] == ["b"]
    cloud.connections["b"].is_ended = True
    assert shard.next_due() is None


def test_a_frame_that_was_taken_is_a_sign_of_life(cloud: Cloud) -> None:
    subscribe(cloud, "a", 0)
    cloud.connections["a"].active_at = NOON - IDLE_AFTER
    cloud.world.price(SERIES[0], 5)
    beat(cloud)
    shard = Shard(fan_state.decode(cloud.stored), cloud.connections)
    assert shard.ending(cloud.world.now) == []


def test_a_frame_too_long_goes_out_in_several_each_with_its_own_seq() -> None:
    series = [Series("coinbase", f"ASSET{number}-USD") for number in range(400)]
    entries = {each.symbol: Entry(str(each), 0, "", 0, 2) for each in series}
    connection = Connection("a", "", NOON, NOON, 2, {"ticks": Channel(1_000, entries)})
    world = World()
    lane = world.lanes[0]
    fold(lane, {}, [Record("coinbase", 0, [Quote(each.symbol, 2, 5, NOON) for each in series])])
    shard = Shard(State(), {"a": connection})
    shard.absorb(lane, [], lambda *_: Block.of(0, 0, []))
    (post,) = shard.posts(NOON)
    sent = [msgspec.json.decode(frame) for frame in post]
    assert all(len(frame) <= 32_768 for frame in post)
    assert [frame["seq"] for frame in sent] == [1, 2]
    assert [tick["symbol"] for frame in sent for tick in frame["ticks"]] == [each.symbol for each in series]
    shard.settle(post, 1, NOON)
    shard.state.beat += 1
    (again,) = shard.posts(NOON + BACK_OFF)
    assert [msgspec.json.decode(frame)["seq"] for frame in again] == [2, 3]

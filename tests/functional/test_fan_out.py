"""Frames to WebSocket clients: what changed, once, in order, whatever fails."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import boto3
import msgspec
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.connections import NOTES, Head
from cryptopulse.aws.sockets import Delivery
from cryptopulse.domain import fanning
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.fanning import BACK_OFF, MISSES
from cryptopulse.domain.folding import fold
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import IDLE_AFTER, MAX_AGE, Connection, Entry, Subscribe, SubscribeCandles
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record
from cryptopulse.errors import ConditionError, ServiceError, ThrottledError
from functions.fan_out import app
from functions.ring_doorbells import app as ring_doorbells
from tests.conftest import read_event
from tests.functional.callbacks import Callbacks, hang_up, served
from tests.functional.doorbells import rung

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC = Series("coinbase", "BTC-USD")
LANE = lane_of(BTC, 2)

type Ring = Callable[..., None]
type Asked = list[tuple[str, int]]


class Hands:
    """Of the functions' clock."""

    def __init__(self) -> None:
        self.now = NOON
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Hands:
    clock = Hands()
    monkeypatch.setattr(wiring, "now", clock)
    monkeypatch.setattr(app, "sleep", clock.sleep)
    monkeypatch.setattr(fanning, "uniform", lambda least, most: most)
    return clock


@pytest.fixture
def callbacks(aws: boto3.Session, clock: Hands, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callbacks]:
    with served() as callbacks:
        monkeypatch.setenv("MANAGEMENT_URL", callbacks.url)
        wiring.clear()
        app._memory.clear()
        yield callbacks
        hang_up(wiring.sockets())


@pytest.fixture
def asked(callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The rings that were asked for: the message, and in how many seconds it comes."""
    asked: Asked = []
    monkeypatch.setattr(wiring.doorbell_queue(), "send", lambda body, *, delay: asked.append((body, delay)))
    return asked


@pytest.fixture
def ring(
    callbacks: Callbacks, clock: Hands, kinesis_event: Callable[..., dict[str, Any]], context: LambdaContext
) -> Ring:
    """Rings both shards with the newest version of the lane, a second later; or delivers what is given."""

    def ring(*records: tuple[str, bytes], later: int = 1_000) -> None:
        clock.now += later
        data = b'{"%d":%d}' % (LANE, wiring.market().lane(LANE).version)
        app.handler(kinesis_event(*(records or (("fan#0", data), ("fan#1", data)))), context)

    return ring


def tell(*messages: Message) -> None:
    """Folds messages into the lane, as process_ticks does."""
    market = wiring.market()
    minutes = {minute.start: minute for minute in market.minutes(LANE, NOON - HOUR, NOON + HOUR)}
    minutes = {start: minutes.get(start, Minute(start)) for start in range(NOON - HOUR, NOON + HOUR, MINUTE)}
    lane = market.lane(LANE)
    before = lane.version
    told = fold(lane, minutes, [Record("coinbase", LANE, list(messages))])
    market.write(lane, before, [minutes[minute] for minute in told.minutes])


def price(cents: int, second: int) -> dict[str, Any]:
    """Tells a price, and returns it as clients hear it."""
    tell(Quote("BTC-USD", 2, cents, NOON + second * 1_000))
    return {
        "symbol": "BTC-USD",
        "venue": "coinbase",
        "price": cents / 100,
        "time": f"2026-11-22T12:00:{second:02}.000Z",
    }


def minute(number: int, cents: int) -> dict[str, Any]:
    """Tells a candle of the minutes after noon, and returns it as clients hear it."""
    start = NOON + number * MINUTE
    bar = Bar(start, cents, cents + 3, cents - 2, cents + 1, 7)
    tell(Candles("BTC-USD", 2, 1, start, start + MINUTE, start + MINUTE + 1, [bar]), Clock(start + MINUTE))
    names = ("time", "open", "high", "low", "close", "volume")
    row = dict(zip(names, (start, *(value / 100 for value in bar[1:5]), 0.7), strict=True))
    return {"symbol": "BTC-USD", "venue": "coinbase", "interval": "1m", **row, "closed": True, "complete": True}


def subscribe(id_: str, *, interval: str = "", interval_ms: int = 1_000, user: str = "") -> Connection:
    """A connection, of a user's session where one is named, that was shown the lane as it is."""
    connections = wiring.connections()
    connection = connections.find(id_, wiring.now())
    if connection is None:
        grant = f"session of {user}" if user else ""
        connection = Connection(id_, "192.0.2.44", wiring.now(), wiring.now(), user=user, grant=grant)
        connections.open(connection)
    channel = "candles" if interval else "ticks"
    action = Subscribe(action="subscribe", channel=channel, symbols=["BTC-USD"], interval_ms=interval_ms)
    entry = Entry(str(BTC), LANE, interval, wiring.market().lane(LANE).version, 0)
    connections.change(connection, lambda it: it.subscribe(action, {"BTC-USD": entry}), wiring.now())
    return connection


def shard(id_: str) -> int:
    return wiring.connections().shard_of(id_)


def test_what_changed_is_sent_to_whom_it_concerns(ring: Ring, callbacks: Callbacks) -> None:
    price(100, 0)
    for id_ in ("a", "b"):
        subscribe(id_)
    subscribe("b", interval="1m")
    ring()
    assert callbacks.sent == {}
    tick, candle = price(101, 1), minute(0, 100)
    ring()
    frame = {"type": "ticks", "seq": 1, "time": "2026-11-22T12:00:02.000Z", "ticks": [tick]}
    assert callbacks.frames("a") == [frame]
    assert callbacks.frames("b") == [frame, {"type": "candles", "seq": 2, "candles": [candle]}]
    ring()
    assert callbacks.sent == {}


def test_larger_candles_are_folded_from_what_is_stored(ring: Ring, callbacks: Callbacks) -> None:
    subscribe("a", interval="5m")
    for number in range(5):
        minute(number, 100 + number)
        ring()
    told = [frame["candles"][0] for frame in callbacks.frames("a")]
    assert [(candle["time"], candle["close"], candle["closed"]) for candle in told] == [
        (NOON, (101 + number) / 100, number == 4) for number in range(5)
    ]
    assert told[-1] == {
        "symbol": "BTC-USD",
        "venue": "coinbase",
        "interval": "5m",
        "time": NOON,
        "open": 1.0,
        "high": 1.07,
        "low": 0.98,
        "close": 1.05,
        "volume": 3.5,
        "closed": True,
        "complete": True,
    }


def test_the_shipped_event_is_a_doorbell(callbacks: Callbacks, context: LambdaContext) -> None:
    price(100, 0)
    app.handler(read_event("fan_out"), context)
    assert callbacks.seen == []


def test_a_subscription_made_meanwhile_counts_at_once(ring: Ring, callbacks: Callbacks) -> None:
    subscribe("a")
    ring()
    subscribe("b")
    tick = price(101, 1)
    ring()
    assert [frame["ticks"] for id_ in ("a", "b") for frame in callbacks.frames(id_)] == [[tick], [tick]]
    wiring.connections().remove("a")
    price(102, 2)
    ring()
    assert list(callbacks.sent) == ["b"]


def test_a_subscription_whose_notice_was_lost_counts_after_a_minute(ring: Ring, callbacks: Callbacks) -> None:
    connection = subscribe("a")
    ring()
    entry = Entry(str(BTC), LANE, "1m", wiring.market().lane(LANE).version, connection.version + 1)
    connection.subscribe(Subscribe(action="subscribe", channel="candles", symbols=["BTC-USD"]), {"BTC-USD": entry})
    head = wiring.connections().head(shard("a"))
    wiring.connections()._save(connection)
    wiring.connections()._table.update(f"SHARD#{shard('a')}", "HEAD", set={"version": head.version})
    candle = minute(0, 100)
    ring()
    assert callbacks.sent == {}
    ring(later=60_000)
    assert [frame["candles"] for frame in callbacks.frames("a")] == [[candle]]


def test_of_the_connections_those_that_changed_are_read(
    ring: Ring, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = wiring.connections()
    for id_ in ("a", "b", "c"):
        subscribe(id_)
    ring()
    read: list[str] = []
    find = connections.find

    def note(id_: str, now: int) -> Connection | None:
        read.append(id_)
        return find(id_, now)

    monkeypatch.setattr(connections, "find", note)
    monkeypatch.setattr(connections, "all", lambda *_: pytest.fail("all were read"))
    tick = price(101, 1)
    ring()
    assert read == []
    subscribe("d")
    connections.remove("a")
    entry = Entry(str(BTC), LANE, "1m", wiring.market().lane(LANE).version, 0)
    action = SubscribeCandles(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="1m")
    there = find("b", NOON)
    assert there is not None
    connections.change(there, lambda it: it.subscribe(action, {"BTC-USD": entry}), NOON)
    read.clear()
    candle, second = minute(0, 100), price(102, 62) | {"time": "2026-11-22T12:01:02.000Z"}
    ring()
    assert sorted(read) == ["a", "b", "d"]
    told = {id_: [frame.get("ticks") or frame["candles"] for frame in callbacks.frames(id_)] for id_ in "abcd"}
    assert told == {"a": [[tick]], "b": [[tick], [second], [candle]], "c": [[tick], [second]], "d": [[second]]}


@pytest.mark.parametrize("missing", ["late", "overwritten"])
def test_where_it_is_not_known_which_have_changed_all_are_read(ring: Ring, callbacks: Callbacks, missing: str) -> None:
    table = wiring.connections()._table
    subscribe("a")
    ring()
    subscribe("b")
    head = wiring.connections().head(shard("b"))
    pk, note = f"SHARD#{shard('b')}", f"NOTE#{head.version % NOTES}"
    if missing == "late":
        table.delete(pk, note)
    else:
        table.update(pk, note, set={"version": head.version + NOTES, "connection": "a"})
    tick = price(101, 1)
    ring()
    assert [frame["ticks"] for id_ in ("a", "b") for frame in callbacks.frames(id_)] == [[tick], [tick]]


# --- pace ---


def test_all_shards_are_sent_in_one_delivery_who_waited_longest_first(
    ring: Ring, callbacks: Callbacks, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets, delivered = wiring.sockets(), list[list[str]]()
    deliver = sockets.deliver

    def note(posts: Iterable[tuple[str, Sequence[bytes]]], seconds: float) -> list[Delivery]:
        posts = list(posts)
        delivered.append([id_ for id_, _ in posts])
        return deliver(posts, seconds)

    monkeypatch.setattr(sockets, "deliver", note)
    ids = [f"client{number}" for number in range(6)]
    assert {shard(id_) for id_ in ids} == {0, 1}
    for number, id_ in enumerate(ids):
        subscribe(id_, interval_ms=1_600 - 100 * number)
    price(101, 1)
    ring()
    price(102, 2)
    ring(later=2_000)
    assert sorted(delivered[0]) == ids
    assert delivered[1:] == [ids[::-1]]


def test_who_could_not_be_sent_to_in_time_is_first_the_next_time(
    ring: Ring, callbacks: Callbacks, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = wiring.sockets()

    def too_late(posts: Iterable[tuple[str, Sequence[bytes]]], _seconds: float) -> list[Delivery]:
        clock.now += 120_000
        return [Delivery(0) for _ in posts]

    subscribe("a")
    tick = price(101, 1)
    with monkeypatch.context() as patch:
        patch.setattr(sockets, "deliver", too_late)
        ring()
    (client,) = app._memory[shard("a")].shard.state.clients.values()
    assert (client.misses, client.flows["ticks"].due) == (0, 0)
    ring()
    assert [(frame["seq"], frame["ticks"]) for frame in callbacks.frames("a")] == [(1, [tick])]


def test_where_clients_ask_for_more_than_the_budget_the_interval_in_force_is_told(
    ring: Ring, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = msgspec.structs.replace(wiring.settings(), CALLBACK_BUDGET=1)
    monkeypatch.setattr(wiring, "settings", lambda: there)
    subscribe("a")
    ring()
    head = wiring.connections().head
    assert (head(shard("a")).interval_ms, head(1 - shard("a")).interval_ms) == (2_000, 0)
    price(101, 1)
    ring()
    price(102, 2)
    ring()
    assert [(frame["seq"], frame["time"]) for frame in callbacks.frames("a")] == [
        (1, "2026-11-22T12:00:02.000Z"),
        (2, "2026-11-22T12:00:04.000Z"),
    ]
    wiring.connections().remove("a")
    ring()
    assert head(shard("a")).interval_ms == 0


def test_who_is_owed_something_soon_is_waited_for(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    subscribe("a")
    price(101, 1)
    ring()
    tick = price(102, 2)
    ring(later=200)
    assert clock.slept == [0.8]
    assert [(frame["seq"], frame["time"]) for frame in callbacks.frames("a")] == [
        (1, "2026-11-22T12:00:01.000Z"),
        (2, "2026-11-22T12:00:02.000Z"),
    ]
    assert tick["price"] == 1.02


@pytest.mark.parametrize(("mode", "told"), [("poll", "abc"), ("stream", "a")])
def test_polled_each_is_waited_for_who_is_owed_something_soon(
    ring: Ring, callbacks: Callbacks, clock: Hands, monkeypatch: pytest.MonkeyPatch, mode: str, told: str
) -> None:
    """Of a stream the next doorbell comes soon; polled none may for a minute."""
    there = msgspec.structs.replace(wiring.settings(), PRICE_MODE=mode)
    monkeypatch.setattr(wiring, "settings", lambda: there)
    for id_, interval_ms in (("a", 250), ("b", 600), ("c", 1_000)):
        subscribe(id_, interval_ms=interval_ms)
    price(101, 1)
    ring()
    tick = price(102, 2)
    callbacks.sent.clear()
    ring(later=100)
    assert {id_: [frame["ticks"] for frame in sent] for id_, sent in callbacks.sent.items()} == {
        id_: [[tick]] for id_ in told
    }
    assert sum(clock.slept) == pytest.approx(0.9 if mode == "poll" else 0.15)


@pytest.mark.parametrize(("cloud", "interval_ms"), [("aws", 5_000), ("local", 1_000)])
def test_what_is_held_back_for_longer_is_sent_when_the_interval_ends_though_no_tick_follows(
    ring: Ring,
    callbacks: Callbacks,
    clock: Hands,
    asked: Asked,
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
    cloud: str,
    interval_ms: int,
) -> None:
    there = msgspec.structs.replace(wiring.settings(), CLOUD=cloud)
    monkeypatch.setattr(wiring, "settings", lambda: there)
    subscribe("a", interval_ms=interval_ms)
    price(101, 1)
    ring()
    tick = price(102, 2)
    ring(later=200)
    assert (clock.slept, [frame["seq"] for frame in callbacks.frames("a")]) == ([], [1])
    assert asked == [(str(shard("a")), interval_ms // 1_000)]
    message, delay = asked.pop()
    event = read_event("ring_doorbells")
    event["Records"][0]["body"] = message
    ring_doorbells.handler(event, context)
    (bell,) = rung()
    ring(bell, later=delay * 1_000)
    assert [(frame["seq"], frame["ticks"]) for frame in callbacks.frames("a")] == [(2, [tick])]
    assert asked == []


def test_for_each_moment_a_ring_is_asked_for_once(ring: Ring, callbacks: Callbacks, asked: Asked) -> None:
    near = next(id_ for id_ in "bcdef" if shard(id_) == shard("a"))
    subscribe("a", interval_ms=30_000)
    subscribe(near, interval_ms=5_000)
    price(101, 1)
    ring()
    for second in range(2, 9):
        price(100 + second, second)
        ring()
    assert asked == [(str(shard("a")), 4), (str(shard("a")), 25), (str(shard("a")), 4)]
    assert [frame["seq"] for frame in callbacks.frames(near)] == [1, 2]


def test_a_ring_is_asked_for_by_what_another_process_knows(ring: Ring, callbacks: Callbacks, asked: Asked) -> None:
    subscribe("a", interval_ms=30_000)
    for second in (1, 2, 3):
        price(100 + second, second)
        app._memory.clear()
        ring()
    assert asked == [(str(shard("a")), 29)]


def test_streams_ring_often_enough_unless_they_are_silent(
    ring: Ring, callbacks: Callbacks, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = msgspec.structs.replace(wiring.settings(), PRICE_MODE="stream")
    monkeypatch.setattr(wiring, "settings", lambda: there)
    subscribe("a", interval_ms=5_000)
    for second in range(1, 30):
        price(100 + second, second)
        ring()
    assert asked == [(str(shard("a")), delay) for delay in (13, 18, 18)]


def test_where_no_ring_can_be_asked_for_the_next_doorbell_tries_again(
    ring: Ring, callbacks: Callbacks, asked: Asked, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_body: str, *, delay: int) -> None:
        raise ThrottledError("ThrottlingException", f"not now, nor in {delay} s")

    subscribe("a", interval_ms=5_000)
    price(101, 1)
    ring()
    price(102, 2)
    with monkeypatch.context() as patch:
        patch.setattr(wiring.doorbell_queue(), "send", fail)
        ring()
    assert [log.getMessage() for log in caplog.records if log.name != "werkzeug"] == [
        "fanned out",
        "no ring asked for",
        "fanned out",
    ]
    ring()
    assert asked == [(str(shard("a")), 3)]
    assert [frame["seq"] for frame in callbacks.frames("a")] == [1]


@pytest.mark.usefixtures("callbacks")
def test_a_ring_is_asked_for_of_the_queue(ring: Ring, aws: boto3.Session) -> None:
    subscribe("a", interval_ms=60_000)
    for second in (1, 2):
        price(100 + second, second)
        ring()
    queue = wiring.settings().DOORBELLS_QUEUE
    there = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert there["ApproximateNumberOfMessagesDelayed"] == "1"


# --- failures ---


def test_who_does_not_take_a_frame_is_tried_again_when_the_back_off_ends(
    ring: Ring, callbacks: Callbacks, clock: Hands, asked: Asked
) -> None:
    subscribe("a")
    price(101, 1)
    callbacks.answers["a"] = [429, 429]
    ring()
    ring(later=2_000)
    assert (clock.slept, asked) == ([], [(str(shard("a")), 2), (str(shard("a")), 4)])


def test_who_takes_nothing_is_closed_in_the_end(ring: Ring, callbacks: Callbacks, clock: Hands, asked: Asked) -> None:
    """He pings, so he is not idle; nobody can say good-bye to him."""
    connection = subscribe("a", interval="1m")
    callbacks.answers["a"] = [429] * (MISSES + 1)
    tries = 0
    while callbacks.answers["a"][2:]:
        wiring.connections().heard(connection, clock.now)
        minute(tries, 100)
        ring(later=60_000)
        tries += 1
    assert (tries, wiring.connections().find("a", clock.now) is not None) == (MISSES - 1, True)
    minute(tries, 100)
    ring(later=60_000)  # the post, and the good-bye that is none, are refused
    assert wiring.connections().find("a", clock.now) is not None
    ring()
    assert (callbacks.frames("a"), callbacks.closed) == ([], ["a"])
    assert wiring.connections().find("a", clock.now) is None
    ring()
    assert wiring.connections().state(shard("a")).clients == {}


def test_where_nobody_takes_anything_it_is_no_clients_fault(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    """An outage of the callbacks: it ends, and so do the back-offs, but no connection."""
    connections = [subscribe(id_) for id_ in "abc"]
    for id_ in "abc":
        callbacks.answers[id_] = [500] * 2 * MISSES
    for tries in range(2 * MISSES):
        price(100 + tries, tries)
        ring(later=60_000)
        for connection in connections:
            wiring.connections().heard(connection, clock.now)
    assert not any(callbacks.answers.values())
    tick = price(200, 59)
    ring(later=60_000)
    assert [callbacks.frames(id_)[0]["ticks"] for id_ in "abc"] == [[tick]] * 3
    ring()
    assert callbacks.closed == []


def test_who_does_not_take_the_good_bye_is_closed_without_it(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    subscribe("a", user="ann")
    wiring.connections().end("ann", clock.now)
    callbacks.answers["a"] = [429] * MISSES
    for _ in range(MISSES):
        ring()
    assert callbacks.closed == []
    ring()
    assert (callbacks.frames("a"), callbacks.closed) == ([], ["a"])
    assert wiring.connections().find("a", clock.now) is None


@pytest.mark.parametrize("status", [429, 500])
def test_what_is_not_taken_comes_later_with_the_newest_value(ring: Ring, callbacks: Callbacks, status: int) -> None:
    subscribe("a")
    price(101, 1)
    callbacks.answers["a"] = [status]
    ring()
    tick = price(102, 2)
    ring(later=100)
    assert callbacks.frames("a") == []
    ring(later=BACK_OFF)
    assert [(frame["seq"], frame["ticks"]) for frame in callbacks.frames("a")] == [(1, [tick])]


def test_who_is_gone_is_removed_and_the_shard_rests(ring: Ring, callbacks: Callbacks) -> None:
    subscribe("a")
    price(101, 1)
    callbacks.answers["a"] = [410]
    ring()
    assert wiring.connections().find("a", NOON) is None
    ring()
    assert not wiring.connections().head(shard("a")).clients
    assert wiring.connections().state(shard("a")).clients == {}


def test_a_forbidden_post_raises_and_the_frame_comes_again(ring: Ring, callbacks: Callbacks) -> None:
    subscribe("a")
    price(101, 1)
    callbacks.answers["a"] = [403]
    with pytest.raises(ServiceError):
        ring()
    ring()
    assert [frame["seq"] for frame in callbacks.frames("a")] == [1]


def test_a_crash_before_the_state_is_kept_repeats_the_frame_with_its_seq(
    ring: Ring, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe("a")
    price(101, 1)

    def crash(number: int, state: object) -> None:
        raise ConditionError("ConditionalCheckFailedException", "somebody else wrote first")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.connections(), "record", crash)
        with pytest.raises(ConditionError):
            ring()
    assert shard("a") not in app._memory
    ring()
    first, second = callbacks.frames("a")
    assert (first["seq"], second["seq"], first["ticks"]) == (1, 1, second["ticks"])


def test_a_process_that_comes_back_does_not_trust_its_memory(ring: Ring, callbacks: Callbacks) -> None:
    subscribe("a")
    for second in (1, 2, 3, 4):
        price(100 + second, second)
        if second == 2:
            ours, name = dict(app._memory), app._owner()
            app._memory.clear()
            app._owner.cache_clear()
        if second == 4:
            theirs = app._owner()
            assert theirs != name
            app._owner.cache_clear()
            app._memory.update(ours)
        ring()
    assert [frame["seq"] for frame in callbacks.frames("a")] == [1, 2, 3, 4]


def test_what_is_no_doorbell_is_skipped_and_told(
    ring: Ring, callbacks: Callbacks, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe("a")
    tick = price(101, 1)
    good = (f"fan#{shard('a')}", b'{"%d":1}' % LANE)
    ring(("fan#9", b"{}"), ("fan#0", b"\xff"), good, ("lane#0", b"{}"))
    assert [frame["ticks"] for frame in callbacks.frames("a")] == [[tick]]
    assert [log.getMessage() for log in caplog.records if log.name != "werkzeug"] == [
        *["unreadable doorbell"] * 3,
        "fanned out",
    ]


def test_a_doorbell_of_a_lane_that_is_not_there_does_no_harm(ring: Ring, callbacks: Callbacks) -> None:
    subscribe("a")
    ring((f"fan#{shard('a')}", b'{"%d":7,"63":9}' % LANE))
    assert callbacks.sent == {}


def test_an_old_doorbell_reads_nothing(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe("a")
    price(101, 1)
    ring()
    asked: list[set[int]] = []

    def lanes(numbers: set[int], *, consistent: bool) -> dict[int, Lane]:
        asked.append(set(numbers))
        return {}

    monkeypatch.setattr(wiring.market(), "lanes", lanes)
    ring()
    assert asked == [set()]


# --- farewells ---


@pytest.mark.parametrize(("age", "reason"), [(MAX_AGE, "max_age"), (IDLE_AFTER, "idle")])
def test_the_old_and_the_silent_are_told_good_bye(
    ring: Ring, callbacks: Callbacks, clock: Hands, age: int, reason: str
) -> None:
    connection = Connection("a", "192.0.2.44", NOON - age + 1_000, NOON - IDLE_AFTER + 1_000)
    wiring.connections().open(connection)
    ring(later=999)
    assert callbacks.sent == {}
    ring(later=1)
    assert callbacks.frames("a") == [{"type": "bye", "reason": reason}]
    assert callbacks.closed == ["a"]
    assert wiring.connections().find("a", clock.now) is None


def test_however_many_have_to_go_they_are_told_together_and_the_others_do_not_wait_for_their_removal(
    ring: Ring, callbacks: Callbacks, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections, removed = wiring.connections(), list[str]()
    remove = connections.remove

    def slow(id_: str) -> None:
        clock.now += 300
        removed.append(id_)
        remove(id_)

    monkeypatch.setattr(connections, "remove", slow)
    ids = [f"old{number}" for number in range(8)]
    for id_ in ids:
        connections.open(Connection(id_, "192.0.2.44", NOON - MAX_AGE, NOON))
    ring()
    assert [callbacks.frames(id_) for id_ in ids] == [[{"type": "bye", "reason": "max_age"}]] * 8
    assert (sorted(callbacks.closed), len(removed)) == (ids, 4)
    callbacks.answers |= {id_: [410] for id_ in ids}
    ring(later=60_000)
    assert (sorted(removed), callbacks.sent) == (ids, {})


def test_of_very_many_who_have_to_go_some_go_in_each_beat(
    ring: Ring, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "GOODBYES", 3)
    for number in range(8):
        wiring.connections().open(Connection(f"old{number}", "192.0.2.44", NOON - MAX_AGE, NOON))
    closed = []
    for _ in range(4):
        ring()
        closed.append(len(callbacks.closed))
    assert closed == [3, 6, 8, 8]


def test_however_many_are_gone_the_others_do_not_wait_for_all_of_them(
    ring: Ring, callbacks: Callbacks, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is left is found gone again when all are read."""
    connections, removed = wiring.connections(), list[str]()
    remove = connections.remove

    def slow(id_: str) -> None:
        clock.now += 300
        removed.append(id_)
        remove(id_)

    monkeypatch.setattr(connections, "remove", slow)
    ids = [f"gone{number}" for number in range(8)]
    for id_ in ids:
        subscribe(id_)
        callbacks.answers[id_] = [410, 410]
    price(101, 1)
    ring()
    assert len(removed) == 4
    ring()
    assert len(removed) == 4
    ring(later=60_000)
    assert sorted(removed) == ids


def test_who_was_heard_of_meanwhile_stays(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    connection = Connection("a", "192.0.2.44", NOON, NOON)
    wiring.connections().open(connection)
    ring()
    clock.now = NOON + IDLE_AFTER - 30_000
    wiring.connections().heard(connection, clock.now)
    ring(later=40_000)
    assert callbacks.sent == {}


def test_a_good_bye_that_is_not_taken_is_said_again(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    wiring.connections().open(Connection("a", "192.0.2.44", NOON - MAX_AGE, NOON))
    callbacks.answers["a"] = [429]
    ring()
    assert wiring.connections().find("a", clock.now) is not None
    callbacks.answers["a"] = [410]
    ring()
    assert wiring.connections().find("a", clock.now) is None


def test_whose_session_has_ended_is_told_good_bye_and_nothing_else(
    ring: Ring, callbacks: Callbacks, clock: Hands
) -> None:
    for id_, user in [("a", "ann"), ("b", "bob"), ("c", "")]:
        subscribe(id_, user=user)
    ring()
    assert wiring.connections().end("ann", clock.now) == {shard("a")}
    tick = price(101, 1)
    ring()
    assert callbacks.frames("a") == [{"type": "bye", "reason": "session_ended"}]
    assert callbacks.closed == ["a"]
    assert [frame["ticks"] for id_ in ("b", "c") for frame in callbacks.frames(id_)] == [[tick], [tick]]
    assert wiring.connections().find("a", clock.now) is None
    assert wiring.connections().end("ann", clock.now) == set()
    assert wiring.connections().shards_of("ann", clock.now) == set()
    ring()
    assert callbacks.frames("a") == []
    assert callbacks.closed == ["a"]


def test_the_doorbell_of_who_ended_the_session_is_enough(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    subscribe("a", user="ann")
    ring()
    wiring.doorbells().ring({}, wiring.connections().end("ann", clock.now))
    (bell,) = rung()
    assert bell == (f"fan#{shard('a')}", b"{}")
    ring(bell)
    assert callbacks.frames("a") == [{"type": "bye", "reason": "session_ended"}]
    assert callbacks.closed == ["a"]


def test_a_session_whose_end_fan_out_was_not_told_ends_within_a_minute(
    ring: Ring, callbacks: Callbacks, clock: Hands
) -> None:
    """It crashed who ended it, before the shard's head was written."""
    subscribe("a", user="ann")
    ring()
    assert wiring.connections()._end("a", "ann")
    ring(later=59_000)
    assert callbacks.frames("a") == []
    ring()
    assert callbacks.frames("a") == [{"type": "bye", "reason": "session_ended"}]


@pytest.mark.parametrize("refused", [[429], [200, 429]])
def test_until_the_good_bye_is_taken_nothing_else_is_sent(
    ring: Ring, callbacks: Callbacks, clock: Hands, refused: list[int]
) -> None:
    """Nor until the connection is closed."""
    subscribe("a", user="ann")
    ring()
    wiring.connections().end("ann", clock.now)
    callbacks.answers["a"] = list(refused)
    price(101, 1)
    ring()
    assert wiring.connections().find("a", clock.now) is not None
    price(102, 2)
    ring()
    assert callbacks.frames("a") == [{"type": "bye", "reason": "session_ended"}] * len(refused)
    assert callbacks.closed == ["a"]


def test_who_is_not_there_yet_is_told_when_he_is(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    """Until $connect has answered, API Gateway says of a client that it is gone."""
    subscribe("a", user="ann")
    wiring.connections().end("ann", clock.now)
    callbacks.answers["a"] = [410]
    ring()
    ring()
    assert callbacks.frames("a") == [{"type": "bye", "reason": "session_ended"}]
    assert callbacks.closed == ["a"]


def test_who_never_comes_is_forgotten(ring: Ring, callbacks: Callbacks, clock: Hands) -> None:
    subscribe("a", user="ann")
    wiring.connections().end("ann", clock.now)
    callbacks.answers["a"] = [410] * 9
    ring(later=app.HANDSHAKE - 1)
    assert wiring.connections().find("a", clock.now) is not None
    ring(later=1)
    assert wiring.connections().find("a", clock.now) is None


def test_a_shard_without_clients_is_rung_no_more(ring: Ring) -> None:
    subscribe("a")
    wiring.connections().remove("a")
    ring()
    head = wiring.connections().head(shard("a"))
    assert head == Head(3, clients=False, owner=app._owner())

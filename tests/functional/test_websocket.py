"""What clients say on the WebSocket, and what they hear."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.connections import Connections
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.lanes import Minute
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import Channel, Connection, Entry
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record
from cryptopulse.errors import ThrottledError
from functions.websocket import app
from tests.conftest import read_event
from tests.functional.callbacks import Callbacks, hang_up, served

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC = Series("coinbase", "BTC-USD")
ETH = Series("coinbase", "ETH-USD")
USDT = Series("binance", "BTC-USDT")
ID = "T73xAeZyoAMCJcw="
TICK = {"symbol": "BTC-USD", "venue": "coinbase", "price": 63212.97, "time": "2026-11-22T11:59:58.000Z"}

type Say = Callable[..., list[Any]]


class Hands:
    """Of the functions' clock."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Hands:
    clock = Hands()
    monkeypatch.setattr(wiring, "now", clock)
    return clock


@pytest.fixture
def callbacks(aws: boto3.Session, clock: Hands, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callbacks]:
    with served() as callbacks:
        monkeypatch.setenv("MANAGEMENT_URL", callbacks.url)
        wiring.clear()
        wiring.market().save_series([BTC, ETH, USDT])
        tell(BTC, Quote("BTC-USD", 2, 6_321_297, NOON - 2_000))
        yield callbacks
        hang_up(wiring.sockets())


def tell(series: Series, *messages: Message) -> None:
    """Folds messages of a series into its lane, as process_ticks does."""
    market, number = wiring.market(), lane_of(series, 2)
    lane, minutes = market.lane(number), {each.start: each for each in market.minutes(number, NOON - HOUR, NOON + HOUR)}
    before = lane.version
    told = fold(lane, _Minutes(minutes), [Record(series.venue, number, list(messages))])
    market.write(lane, before, [minutes[minute] for minute in told.minutes])


class _Minutes(dict[int, Minute]):
    def __init__(self, minutes: dict[int, Minute]) -> None:
        super().__init__(minutes)
        self.minutes = minutes

    def __missing__(self, minute: int) -> Minute:
        self[minute] = self.minutes[minute] = Minute(minute)
        return self[minute]


def polled(series: Series, start: int, count: int) -> None:
    bars = [Bar(start + n * MINUTE, 100 + n, 103 + n, 99 + n, 101 + n, 7) for n in range(count)]
    end = start + count * MINUTE
    tell(series, Candles(series.symbol, 1, 2, start, end, end + 1, bars), Clock(end))


@pytest.fixture
def happen(callbacks: Callbacks, context: LambdaContext) -> Callable[[dict[str, Any]], Any]:
    return lambda event: app.handler(event, context)


@pytest.fixture
def connect(happen: Callable[[dict[str, Any]], Any]) -> None:
    assert happen(read_event("ws_connect")) == {"statusCode": 200}


@pytest.fixture
def say(happen: Callable[[dict[str, Any]], Any], callbacks: Callbacks) -> Say:
    """Says a frame, or text, and returns what is heard then."""

    def say(text: str | None = None, **frame: Any) -> list[Any]:
        event = read_event("ws_message")
        event["body"] = json.dumps(frame) if text is None else text
        assert happen(event) == {"statusCode": 200}
        return callbacks.frames(ID)

    return say


def stored() -> Connection | None:
    return wiring.connections().find(ID, wiring.now())


def rung() -> list[tuple[str, bytes]]:
    kinesis: Any = boto3.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName="Stream")["Shards"]
    start = kinesis.get_shard_iterator(StreamName="Stream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return [(record["PartitionKey"], record["Data"]) for record in records]


# --- coming and going ---


@pytest.mark.usefixtures("connect")
def test_a_connection_is_kept_with_the_time_it_came_and_its_address() -> None:
    assert stored() == Connection(ID, "192.0.2.44", NOON, NOON, 1, {})


@pytest.mark.parametrize("ticket", ["abc", ""])
def test_any_ticket_is_a_bad_one(happen: Callable[[dict[str, Any]], Any], ticket: str) -> None:
    event = {**read_event("ws_connect"), "queryStringParameters": {"ticket": ticket}}
    assert happen(event) == {"statusCode": 401}
    assert stored() is None


@pytest.mark.usefixtures("connect")
def test_who_leaves_is_forgotten(happen: Callable[[dict[str, Any]], Any]) -> None:
    for _ in range(2):
        assert happen(read_event("ws_disconnect")) == {"statusCode": 200}
    assert stored() is None


def test_a_handshake_that_cannot_be_kept_is_refused(
    happen: Callable[[dict[str, Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch)
    with pytest.raises(ThrottledError):
        happen(read_event("ws_connect"))


@pytest.mark.parametrize("event", ["ws_message", "ws_disconnect"])
def test_no_other_failure_leaves_the_handler(
    happen: Callable[[dict[str, Any]], Any], monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    fail(monkeypatch)
    assert happen(read_event(event)) == {"statusCode": 200}


def fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(operation: str, body: Mapping[str, Any]) -> None:
        raise ThrottledError("ThrottlingException", operation)

    monkeypatch.setattr(wiring.connections()._table._client, "call", call)


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("route", ["$connect", "$disconnect"])
def test_the_event_counts_not_the_route_that_a_client_may_name(
    happen: Callable[[dict[str, Any]], Any], callbacks: Callbacks, route: str
) -> None:
    event = read_event("ws_message")
    event["requestContext"]["routeKey"] = route
    event["body"] = json.dumps({"action": route, "id": "a"})
    assert happen(event) == {"statusCode": 200}
    (frame,) = callbacks.frames(ID)
    assert (frame["type"], frame["code"], frame["id"]) == ("error", "bad_request", "a")
    assert stored() is not None


# --- ticks ---


@pytest.mark.usefixtures("connect")
def test_subscribing_answers_shows_and_only_then_writes_and_rings(say: Say, callbacks: Callbacks) -> None:
    def nothing_is_subscribed_yet() -> None:
        connection = stored()
        assert connection is not None
        assert (connection.channels, rung()) == ({}, [])

    callbacks.on_post = nothing_is_subscribed_yet
    heard = say(action="subscribe", id="a", channel="ticks", symbols=["BTC-USD", "ETH-USD", "BTC-USD"], interval_ms=1)
    assert heard == [
        {"type": "subscribed", "id": "a", "channel": "ticks", "symbols": ["BTC-USD", "ETH-USD"], "interval_ms": 250},
        {"type": "snapshot", "channel": "ticks", "ticks": [TICK]},
    ]
    connection = stored()
    assert connection is not None
    btc, eth = lane_of(BTC, 2), lane_of(ETH, 2)
    versions = {btc: 1} | ({} if eth == btc else {eth: 0})
    assert connection.channels == {
        "ticks": Channel(
            250,
            {
                "BTC-USD": Entry(str(BTC), btc, "", 1, 2),
                "ETH-USD": Entry(str(ETH), eth, "", versions[eth], 2),
            },
        )
    }
    ((partition, data),) = rung()
    assert partition == f"fan#{wiring.connections().shard_of(ID)}"
    assert json.loads(data) == {str(lane): version for lane, version in versions.items()}


@pytest.mark.usefixtures("connect")
def test_a_venue_may_be_named(say: Say) -> None:
    asked = {"action": "subscribe", "channel": "ticks", "symbols": ["BTC-USDT"]}
    (told, shown) = say(**asked, venue="binance")
    assert told == {"type": "subscribed", "channel": "ticks", "symbols": ["BTC-USDT"], "interval_ms": 1_000}
    assert shown == {"type": "snapshot", "channel": "ticks", "ticks": []}
    assert say(**asked, venue="coinbase", id=1) == [
        {"type": "error", "id": 1, "code": "unknown_symbol", "message": "not traded there", "symbols": ["BTC-USDT"]}
    ]


@pytest.mark.usefixtures("connect")
def test_unknown_symbols_are_named_and_nothing_is_subscribed(say: Say) -> None:
    heard = say(action="subscribe", id="a", channel="ticks", symbols=["BTC-USD", "NOPE-USD"])
    assert heard == [
        {"type": "error", "id": "a", "code": "unknown_symbol", "message": "no such symbol", "symbols": ["NOPE-USD"]}
    ]
    connection = stored()
    assert connection is not None
    assert connection.channels == {}


@pytest.mark.usefixtures("connect")
def test_500_symbols_are_the_limit_over_time_too(say: Say) -> None:
    many = [Series("coinbase", f"A{number}-USD") for number in range(501)]
    wiring.market().save_series(many)
    names = [each.symbol for each in many]
    assert say(action="subscribe", channel="ticks", symbols=names[:500])[0]["type"] == "subscribed"
    assert say(action="subscribe", channel="candles", symbols=names[500:], interval="1m", id=2) == [
        {"type": "error", "id": 2, "code": "limit", "message": "at most 500 symbols a connection"}
    ]


@pytest.mark.usefixtures("connect")
def test_a_snapshot_too_long_comes_in_several_frames(say: Say) -> None:
    many = [Series("coinbase", f"ASSET{number}-USD") for number in range(400)]
    wiring.market().save_series(many)
    for number in range(2):
        lane = wiring.market().lane(number)
        before = lane.version
        quotes: list[Message] = [Quote(each.symbol, 2, 5, NOON) for each in many if lane_of(each, 2) == number]
        fold(lane, {}, [Record("coinbase", number, quotes)])
        wiring.market().write(lane, before, [])
    told, *shown = say(action="subscribe", channel="ticks", symbols=[each.symbol for each in many])
    assert told["type"] == "subscribed"
    assert [frame["type"] for frame in shown] == ["snapshot", "snapshot"]
    assert [tick["symbol"] for frame in shown for tick in frame["ticks"]] == [each.symbol for each in many]


# --- candles ---


@pytest.mark.usefixtures("connect")
def test_in_poll_mode_there_is_no_open_minute_but_larger_candles_are_open(say: Say, clock: Hands) -> None:
    polled(BTC, NOON - 3 * MINUTE, 5)
    clock.now = NOON + 2 * MINUTE + 500
    told, shown = say(action="subscribe", id="a", channel="candles", symbols=["BTC-USD"], interval="1m")
    assert told == {
        "type": "subscribed",
        "id": "a",
        "channel": "candles",
        "symbols": ["BTC-USD"],
        "interval_ms": 1_000,
        "interval": "1m",
    }
    assert shown == {"type": "snapshot", "channel": "candles", "candles": []}
    _, shown = say(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="5m")
    assert shown["candles"] == [
        {
            "symbol": "BTC-USD",
            "venue": "coinbase",
            "interval": "5m",
            "time": NOON,
            "open": 10.3,
            "high": 10.7,
            "low": 10.2,
            "close": 10.5,
            "volume": 0.14,
            "closed": False,
            "complete": True,
        }
    ]


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize(
    ("since", "starts"),
    [
        (NOON - 2 * MINUTE, [NOON - 2 * MINUTE, NOON - MINUTE]),
        ("2026-11-22T11:58:30Z", [NOON - 2 * MINUTE, NOON - MINUTE]),
        ("2026-11-22", [NOON - 3 * MINUTE, NOON - 2 * MINUTE, NOON - MINUTE]),
        (NOON, []),
        (NOON + HOUR, []),
    ],
)
def test_closed_candles_are_shown_from_then_on(say: Say, since: int | str, starts: list[int]) -> None:
    polled(BTC, NOON - 3 * MINUTE, 3)
    _, shown = say(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="1m", since=since)
    assert [(candle["time"], candle["closed"], candle["complete"]) for candle in shown["candles"]] == [
        (start, True, True) for start in starts
    ]


# --- the rest ---


@pytest.mark.usefixtures("connect")
def test_unsubscribing_ends_it(say: Say) -> None:
    say(action="subscribe", channel="ticks", symbols=["BTC-USD", "ETH-USD"])
    assert say(action="unsubscribe", channel="ticks", symbols=["BTC-USD"], id=1) == [
        {"type": "unsubscribed", "id": 1, "channel": "ticks", "symbols": ["BTC-USD"]}
    ]
    assert say(action="unsubscribe", channel="ticks") == [
        {"type": "unsubscribed", "channel": "ticks", "symbols": ["ETH-USD"]}
    ]
    assert say(action="unsubscribe", channel="ticks") == [{"type": "unsubscribed", "channel": "ticks", "symbols": []}]
    connection = stored()
    assert connection is not None
    assert connection.channels == {}


@pytest.mark.usefixtures("connect")
def test_resync_shows_all_again(say: Say) -> None:
    say(action="subscribe", channel="ticks", symbols=["BTC-USD"])
    say(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="5m")
    tell(BTC, Quote("BTC-USD", 2, 6_321_300, NOON - 1_000))
    assert say(action="resync", id="r") == [
        {"type": "resynced", "id": "r"},
        {
            "type": "snapshot",
            "channel": "ticks",
            "ticks": [{**TICK, "price": 63213.0, "time": "2026-11-22T11:59:59.000Z"}],
        },
        {"type": "snapshot", "channel": "candles", "candles": []},
    ]
    connection = stored()
    assert connection is not None
    assert [(entry.shown, entry.added) for _, entry in connection.entries()] == [(2, 4), (2, 4)]
    assert len(rung()) == 3


@pytest.mark.usefixtures("connect")
def test_a_ping_is_answered_and_is_a_sign_of_life(say: Say, clock: Hands) -> None:
    assert say(action="ping", id=5) == [{"type": "pong", "id": 5, "time": "2026-11-22T12:00:00.000Z"}]
    clock.now += 61_000
    say(action="ping")
    connection = stored()
    assert connection is not None
    assert connection.active_at == NOON + 61_000


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("no JSON", "bad_request", "the frame is not JSON"),
        ("", "bad_request", "the frame is not JSON"),
        ("[1]", "bad_request", "the frame is not a JSON object"),
        ('{"action":"subscribe","channel":"alerts"}', "unauthorized", "the channel alerts asks for a ticket"),
    ],
)
def test_what_cannot_be_done_is_told_and_the_connection_stays(say: Say, text: str, code: str, message: str) -> None:
    assert say(text) == [{"type": "error", "code": code, "message": message}]
    assert stored() is not None


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize(
    ("body", "kind"), [(b64encode(b'{"action":"ping"}').decode(), "pong"), ("A", "error"), (None, "error")]
)
def test_bodies_may_come_in_base64_or_not_at_all(
    happen: Callable[[dict[str, Any]], Any], callbacks: Callbacks, body: str | None, kind: str
) -> None:
    event = {**read_event("ws_message"), "body": body, "isBase64Encoded": True}
    assert happen(event) == {"statusCode": 200}
    assert [frame["type"] for frame in callbacks.frames(ID)] == [kind]


def test_a_client_whose_coming_was_lost_is_taken_in_when_it_speaks(say: Say, clock: Hands) -> None:
    clock.now = read_event("ws_message")["requestContext"]["connectedAt"] + 5_000
    heard = say(action="subscribe", channel="ticks", symbols=["BTC-USD"])
    assert [frame["type"] for frame in heard] == ["subscribed", "snapshot"]
    connection = stored()
    assert connection is not None
    assert connection.opened_at == clock.now - 5_000
    assert list(connection.channels) == ["ticks"]


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("answers", [[410], [200, 410]])
def test_a_client_that_is_gone_is_forgotten(say: Say, callbacks: Callbacks, answers: list[int]) -> None:
    callbacks.answers[ID] = answers
    say(action="subscribe", channel="ticks", symbols=["BTC-USD"])
    assert stored() is None
    assert rung() == []


@pytest.mark.usefixtures("connect")
def test_a_subscription_that_cannot_be_kept_cuts_the_client_off(
    say: Say, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told that it is subscribed: it must come back, or it would wait for ever."""
    polled(BTC, NOON, 1)

    def refuse(*_: object) -> bool:
        raise ThrottledError("ThrottlingException", "slow down")

    monkeypatch.setattr(Connections, "change", refuse)
    say(action="subscribe", channel="ticks", symbols=["BTC-USD"])
    assert callbacks.closed == [ID]

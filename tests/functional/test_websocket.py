"""What clients say on the WebSocket, and what they hear."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws import client, grants
from cryptopulse.aws.connections import KEPT, Connections
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.grants import Grants
from cryptopulse.domain import subscriptions
from cryptopulse.domain.accounts import Account
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.lanes import Minute
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import Channel, Connection, Entry, Subscribe
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record
from cryptopulse.errors import ThrottledError
from functions.websocket import app
from tests.conftest import read_event
from tests.functional.callbacks import Callbacks, hang_up, served
from tests.functional.doorbells import rung

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC = Series("coinbase", "BTC-USD")
ETH = Series("coinbase", "ETH-USD")
USDT = Series("binance", "BTC-USDT")
ID = "T73xAeZyoAMCJcw="
TICK = {"symbol": "BTC-USD", "venue": "coinbase", "price": 63212.97, "time": "2026-11-22T11:59:58.000Z"}

OK = {"statusCode": 200}
REFUSED = {"statusCode": 401}

type Say = Callable[..., list[Any]]
type Happen = Callable[[dict[str, Any]], Any]


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
def happen(callbacks: Callbacks, context: LambdaContext) -> Happen:
    return lambda event: app.handler(event, context)


@pytest.fixture
def connect(happen: Happen) -> None:
    assert happen(read_event("ws_connect")) == OK


@pytest.fixture
def say(happen: Happen, callbacks: Callbacks) -> Say:
    """Says a frame, or text, and returns what is heard then."""

    def say(text: str | None = None, **frame: Any) -> list[Any]:
        event = read_event("ws_message")
        event["body"] = json.dumps(frame) if text is None else text
        assert happen(event) == OK
        return callbacks.frames(ID)

    return say


def stored() -> Connection | None:
    return wiring.connections().find(ID, wiring.now())


def handshake(ticket: str | None, id_: str = ID) -> dict[str, Any]:
    event = read_event("ws_connect")
    event["requestContext"]["connectionId"] = id_
    return event if ticket is None else {**event, "queryStringParameters": {"ticket": ticket}}


class Elsewhere(client.Client):
    """Calls of another function: the policies of the one that runs meanwhile are not theirs."""

    call = client.Client.call


class Person:
    """Somebody with an account, a session, and a ticket of it."""

    def __init__(self, number: int) -> None:
        calls = Elsewhere("dynamodb", wiring.account())
        self.grants, self.connections = Grants(Table(calls, "Accounts")), Connections(Table(calls, "Connections"), 2)
        account = Account(
            id=f"{number:032x}",
            email=f"{number}@test.test",
            email_key=f"{number}",
            display_name=None,
            password="",
            created_at=NOON,
        )
        wiring.accounts().add(account)
        session, _ = self.grants.open_session(account, grants.Client("192.0.2.44", ""), NOON)
        self.id, self.session = account.id, session.id
        self.ticket = wiring.tickets().issue(self.id, self.session, NOON)

    def sign_out(self) -> set[int]:
        """Ends the session, and then its connections; returns the shards to ring."""
        self.grants.end_session(self.id, self.session, wiring.now())
        return self.connections.end(self.id, wiring.now(), grant=self.session)


@pytest.fixture
def ann(callbacks: Callbacks) -> Person:
    return Person(1)


# --- coming and going ---


@pytest.mark.usefixtures("connect")
def test_a_connection_is_kept_with_the_time_it_came_and_its_address() -> None:
    assert stored() == Connection(ID, "192.0.2.44", NOON, NOON, 1, {})


@pytest.mark.usefixtures("connect")
def test_who_leaves_is_forgotten(happen: Happen) -> None:
    for _ in range(2):
        assert happen(read_event("ws_disconnect")) == OK
    assert stored() is None


# --- tickets ---


def test_a_ticket_binds_the_connection_to_its_user(happen: Happen, ann: Person) -> None:
    assert happen(handshake(ann.ticket)) == OK
    assert stored() == Connection(ID, "192.0.2.44", NOON, NOON, 1, user=ann.id, grant=ann.session)


def test_so_does_one_that_an_api_token_asked_for(happen: Happen, ann: Person) -> None:
    granted, _ = ann.grants.add_token(ann.id, "bot", ["read"], None, NOON, None)
    assert happen(handshake(wiring.tickets().issue(ann.id, granted.id, NOON))) == OK
    assert stored() == Connection(ID, "192.0.2.44", NOON, NOON, 1, user=ann.id, grant=granted.id)


@pytest.mark.parametrize("ticket", ["abc", "", "A" * 43, "é" * 43])
def test_a_bad_ticket_is_refused(happen: Happen, ticket: str) -> None:
    assert happen(handshake(ticket)) == REFUSED
    assert stored() is None


def test_a_ticket_lets_in_once(happen: Happen, ann: Person) -> None:
    assert happen(handshake(ann.ticket)) == OK
    assert happen(handshake(ann.ticket, "another=")) == REFUSED
    assert wiring.connections().find("another=", NOON) is None


def test_a_ticket_a_minute_old_is_refused(happen: Happen, ann: Person, clock: Hands) -> None:
    clock.now += 60_000
    assert happen(handshake(ann.ticket)) == REFUSED
    assert stored() is None


def test_a_ticket_is_no_key_to_another_user(happen: Happen, ann: Person) -> None:
    """A session of one user's id that a ticket of another names lets nobody in."""
    assert happen(handshake(wiring.tickets().issue(Person(2).id, ann.session, NOON))) == REFUSED
    assert stored() is None


def forget_account(person: Person) -> None:
    account = wiring.accounts().require(person.id)
    wiring.accounts().end(account, NOON)


def new_password(person: Person) -> None:
    account = wiring.accounts().require(person.id)
    other, _ = person.grants.open_session(account, grants.Client("192.0.2.45", ""), NOON)
    wiring.accounts().change_password(account, "hash", other.id)


@pytest.mark.parametrize("end", [Person.sign_out, forget_account, new_password])
def test_a_ticket_whose_session_has_ended_meanwhile_is_refused(
    happen: Happen, ann: Person, end: Callable[[Person], object]
) -> None:
    end(ann)
    assert happen(handshake(ann.ticket)) == REFUSED
    assert_nothing_is_left(ann)


def assert_nothing_is_left(person: Person) -> None:
    assert stored() is None
    assert wiring.connections().shards_of(person.id, NOON) == set()


@pytest.mark.parametrize("method", ["open", "_save"])
def test_a_session_that_ends_before_the_connection_is_open_is_seen_by_the_handshake(
    happen: Happen, ann: Person, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Before its user's list names it, or just after."""
    do, shards = getattr(Connections, method), []

    def late(self: Connections, *arguments: Any) -> Any:
        shards.append(ann.sign_out())
        return do(self, *arguments)

    monkeypatch.setattr(Connections, method, late)
    assert happen(handshake(ann.ticket)) == REFUSED
    assert shards == [set()]
    assert_nothing_is_left(ann)


def test_one_that_ends_while_the_handshake_looks_is_seen_by_either(
    happen: Happen, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Grants.is_live

    def late(self: Grants, user: str, grant: str, now: int) -> bool:
        assert ann.sign_out() == {wiring.connections().shard_of(ID)}
        return look(self, user, grant, now)

    monkeypatch.setattr(Grants, "is_live", late)
    assert happen(handshake(ann.ticket)) == REFUSED
    assert_nothing_is_left(ann)


def test_one_that_ends_after_the_handshake_looked_finds_the_connection(
    happen: Happen, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Grants.is_live

    def early(self: Grants, user: str, grant: str, now: int) -> bool:
        told = look(self, user, grant, now)
        assert ann.sign_out() == {wiring.connections().shard_of(ID)}
        return told

    monkeypatch.setattr(Grants, "is_live", early)
    assert happen(handshake(ann.ticket)) == OK
    connection = stored()
    assert connection is not None
    assert connection.is_ended


def test_a_handshake_whose_session_cannot_be_looked_at_is_refused(
    happen: Happen, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(operation: str, body: Mapping[str, Any]) -> None:
        raise ThrottledError("ThrottlingException", operation)

    monkeypatch.setattr(wiring.grants()._table._client, "call", call)
    with pytest.raises(ThrottledError):
        happen(handshake(ann.ticket))


def test_no_ticket_reaches_a_log_line(happen: Happen, ann: Person, caplog: pytest.LogCaptureFixture) -> None:
    for ticket in (ann.ticket, ann.ticket, "A" * 43):
        happen(handshake(ticket))
    told = [log for log in caplog.records if log.name != "werkzeug"]
    assert [log.getMessage() for log in told] == ["connected", "refused", "refused"]
    assert not any(ticket in str(vars(log)) for log in told for ticket in (ann.ticket, "A" * 43))


@pytest.mark.parametrize("is_bound", [True, False])
def test_a_private_channel_asks_for_a_ticket_and_is_not_offered_yet(
    happen: Happen, ann: Person, say: Say, is_bound: bool
) -> None:
    happen(handshake(ann.ticket if is_bound else None))
    (told,) = say(action="subscribe", channel="portfolio", portfolio_id="x")
    assert told["code"] == ("bad_request" if is_bound else "unauthorized")


@pytest.mark.parametrize("action", ["ping", "subscribe", "dance"])
def test_whose_session_has_ended_gets_no_answer(
    happen: Happen, ann: Person, say: Say, clock: Hands, action: str
) -> None:
    happen(handshake(ann.ticket))
    ann.sign_out()
    before = stored()
    clock.now += 120_000
    assert say(action=action, channel="ticks", symbols=["BTC-USD"]) == []
    assert stored() == before
    assert rung() == []


def test_a_client_whose_coming_was_lost_is_anonymous(happen: Happen, ann: Person, say: Say, clock: Hands) -> None:
    happen(handshake(ann.ticket))
    clock.now = read_event("ws_message")["requestContext"]["connectedAt"] + 5_000
    wiring.connections()._table.delete(wiring.connections()._pk(ID), f"CONN#{ID}")
    assert [frame["type"] for frame in say(action="ping")] == ["pong"]
    connection = stored()
    assert connection is not None
    assert (connection.user, connection.grant) == ("", "")


# --- limits ---

LIMITED = {"statusCode": 429}


def from_(address: str, id_: str, **headers: str) -> dict[str, Any]:
    event = handshake(None, id_)
    event["requestContext"]["identity"]["sourceIp"] = address
    return {**event, "headers": {**event["headers"], **headers}}


def test_a_user_has_ten_connections(happen: Happen, ann: Person) -> None:
    def come(number: int) -> dict[str, Any]:
        told: dict[str, Any] = happen(handshake(wiring.tickets().issue(ann.id, ann.session, NOON), f"c{number}="))
        return told

    assert [come(number) for number in range(11)] == [OK] * 10 + [LIMITED]
    assert wiring.connections().find("c10=", NOON) is None
    leave = read_event("ws_disconnect")
    leave["requestContext"]["connectionId"] = "c3="
    assert happen(leave) == OK
    assert [come(number) for number in (11, 12)] == [OK, LIMITED]


def test_a_ticket_used_twice_at_the_same_moment_lets_in_once(happen: Happen, ann: Person) -> None:
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda number: happen(handshake(ann.ticket, f"c{number}=")), range(6)))
    assert sorted(each["statusCode"] for each in told) == [200] + [401] * 5


@pytest.mark.parametrize(
    ("addresses", "others"),
    [
        (["192.0.2.44"], "192.0.2.45"),
        (["2001:db8:1:2::1", "2001:db8:1:2:ffff::1"], "2001:db8:1:3::1"),
    ],
    ids=["v4", "v6"],
)
def test_an_address_has_twenty_anonymous_connections(
    happen: Happen, ann: Person, addresses: list[str], others: str
) -> None:
    told = [happen(from_(addresses[number % len(addresses)], f"c{number}=")) for number in range(21)]
    assert told == [OK] * 20 + [LIMITED]
    assert happen(from_(others, "other=")) == OK
    assert happen(handshake(ann.ticket)) == OK


def test_an_operator_may_allow_any_number(happen: Happen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS_PER_ADDRESS", "0")
    wiring.clear()
    assert [happen(from_("192.0.2.44", f"c{number}=")) for number in range(25)] == [OK] * 25


def test_behind_our_own_distribution_it_tells_the_address(happen: Happen) -> None:
    secret = {"X-Origin-Secret": wiring.settings().EDGE_SECRET}
    told = {"X-Viewer-Address": "203.0.113.9"}
    for number, headers in enumerate([{**secret, **told}, told, {**told, "x-origin-secret": "guessed"}]):
        assert happen(from_("192.0.2.44", f"c{number}=", **headers)) == OK
    found = [wiring.connections().find(f"c{number}=", NOON) for number in range(3)]
    assert [each and each.address for each in found] == ["203.0.113.9", "192.0.2.44", "192.0.2.44"]


def test_who_comes_and_goes_in_a_loop_is_stopped(happen: Happen, clock: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake counts as five requests of its address, whatever becomes of it."""
    monkeypatch.setenv("REQUESTS_PER_MINUTE", "30")
    wiring.clear()
    spent = [happen(handshake("A" * 43)) for _ in range(3)]
    came = [happen(each) for _ in range(4) for each in (handshake(None), read_event("ws_disconnect"))]
    assert (spent, came[::2], came[1::2]) == ([REFUSED] * 3, [OK] * 3 + [LIMITED], [OK] * 4)
    assert not wiring.limits().take("ip#192.0.2.44", NOON).is_allowed
    assert happen(from_("192.0.2.45", "other=")) == OK
    clock.now += MINUTE
    assert happen(handshake(None)) == OK


def test_nobody_is_limited_where_nobody_can_count(happen: Happen, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(operation: str, body: Mapping[str, Any]) -> None:
        raise ThrottledError("ThrottlingException", operation)

    for limits in (wiring.limits(), wiring.efforts()):
        monkeypatch.setattr(limits._table._client, "call", call)
    assert happen(handshake(None)) == OK
    assert [frame["type"] for frame in say(action="unsubscribe", channel="ticks")] == ["unsubscribed"]


@pytest.mark.usefixtures("connect")
def test_ten_frames_in_any_second_are_answered(say: Say, clock: Hands) -> None:
    too_fast = {"type": "error", "id": 7, "code": "limit", "message": "at most 10 frames a second"}
    for _ in range(10):
        assert say(action="ping")[0]["type"] == "pong"
        clock.now += 50
    assert say(action="ping", id=7) == [too_fast]
    assert say("no JSON") == [{name: told for name, told in too_fast.items() if name != "id"}]
    clock.now += 500
    assert say(action="ping")[0]["type"] == "pong"
    assert say(action="ping", id=7) == [too_fast]


@pytest.mark.usefixtures("connect")
def test_what_comes_too_fast_costs_no_read(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(10):
        say(action="ping")
    fail(monkeypatch)
    assert [frame["code"] for frame in say(action="subscribe", channel="ticks", symbols=["BTC-USD"])] == ["limit"]


@pytest.mark.usefixtures("connect")
def test_who_goes_on_and_on_is_cut_off(say: Say, callbacks: Callbacks) -> None:
    heard = [frame.get("code") for _ in range(110) for frame in say(action="ping")]
    assert (heard, callbacks.closed) == ([None] * 10 + ["limit"] * 100, [])
    assert say(action="ping") == []
    assert callbacks.closed == [ID]


@pytest.mark.usefixtures("connect")
def test_what_asks_for_much_is_counted_by_what_it_takes(say: Say, clock: Hands) -> None:
    """A resync of 500 subscriptions writes them all again: 23 units of 6,000 a minute."""
    many = [Series("coinbase", f"A{number}-USD") for number in range(500)]
    wiring.market().save_series(many)
    say(action="subscribe", channel="ticks", symbols=[each.symbol for each in many])
    wiring.efforts().take("frames#ip#192.0.2.44", clock.now, 5_960)
    heard = []
    for number in range(3):
        clock.now += 1_000
        heard.append(say(action="resync", id=number)[0])
    assert heard[0] == {"type": "resynced", "id": 0}
    assert heard[1:] == [
        {"type": "error", "id": number, "code": "limit", "message": f"too much for one minute: again in {left} s"}
        for number, left in ((1, 58), (2, 57))
    ]
    assert say(action="ping")[0]["type"] == "pong"
    clock.now += MINUTE
    assert say(action="resync")[0]["type"] == "resynced"


def test_a_users_clients_share_what_they_may_ask_for(happen: Happen, ann: Person, say: Say) -> None:
    happen(handshake(ann.ticket))
    say(action="unsubscribe", channel="ticks")
    items = [item["leased"] for item in wiring.connections()._table.query(f"RATE#frames#user#{ann.id}")]
    assert items == [10]


@pytest.mark.usefixtures("connect")
def test_a_quiet_client_costs_one_read_a_frame(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    call = client.Client.call

    def counted(self: client.Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        called.append(operation)
        return call(self, operation, body)

    monkeypatch.setattr(client.Client, "call", counted)
    say(action="ping")
    assert called == ["GetItem"]


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 131_072, "the frame is not JSON"),
        ('{"a":' * 26_000, "the frame is not JSON"),
        ("[" * 65_536 + "]" * 65_536, "the frame is not JSON"),
        (json.dumps({"action": "ping", "more": "x" * 131_000}), "Object contains unknown field `more`"),
        (json.dumps({"action": "x" * 131_000}), None),
    ],
    ids=["open", "objects", "deep", "field", "action"],
)
def test_the_largest_frames_are_answered_like_any(say: Say, text: str, message: str | None) -> None:
    (told,) = say(text)
    assert (told["type"], told["code"]) == ("error", "bad_request")
    assert message in (None, told["message"])


@pytest.mark.usefixtures("connect")
def test_500_unknown_symbols_fit_into_a_frame(say: Say, callbacks: Callbacks) -> None:
    names = ["~" * 37 + f"{number:04}" for number in range(500)]
    (told,) = say(action="subscribe", channel="ticks", symbols=names)
    assert (told["code"], told["symbols"]) == ("unknown_symbol", names)
    assert max(int(headers["content-length"]) for _, _, headers in callbacks.seen) < 32_768
    (told,) = say(action="subscribe", channel="ticks", symbols=['"' * 41] * 500)
    assert told["code"] == "bad_request"


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize(("asked", "told"), [(1, 5_000), (9_000, 9_000), (99_000, 60_000)])
@pytest.mark.parametrize("channel", [{"channel": "ticks"}, {"channel": "candles", "interval": "1m"}], ids=str)
def test_the_interval_told_is_the_one_in_force(say: Say, channel: dict[str, str], asked: int, told: int) -> None:
    """Where fan_out has widened it, that counts if it is more; the client's own stays what it asked for."""
    table, shard = wiring.connections()._table, wiring.connections().shard_of(ID)
    table.update(f"SHARD#{shard}", "HEAD", set={"interval_ms": 5_000})
    subscribed, _ = say(action="subscribe", symbols=["BTC-USD"], interval_ms=asked, **channel)
    assert subscribed["interval_ms"] == told
    connection = stored()
    assert connection is not None
    assert [each.interval_ms for each in connection.channels.values()] == [min(60_000, max(250, asked))]


def test_who_speaks_without_a_place_is_cut_off(
    happen: Happen, say: Say, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS_PER_ADDRESS", "1")
    wiring.clear()
    assert happen(handshake(None, "another=")) == OK
    assert say(action="ping") == []
    assert (callbacks.closed, stored()) == ([ID], None)


@pytest.mark.usefixtures("connect")
def test_a_connection_that_was_forgotten_leaves_nothing(clock: Hands) -> None:
    """API Gateway never said that it left, and no good-bye was possible: TTL removes the items, nobody sees them."""
    connections = wiring.connections()
    clock.now += KEPT
    assert (stored(), connections.all(connections.shard_of(ID), clock.now)) == (None, {})
    assert connections._places("ADDRESS#192.0.2.44", clock.now)[1] == {}
    items = [item for pk in (connections._pk(ID), "ADDRESS#192.0.2.44") for item in connections._table.query(pk)]
    assert [(item["sk"], item["expires_at"]) for item in items if not item["sk"].startswith(("HEAD", "NOTE"))] == [
        (f"CONN#{ID}", clock.now // 1000),
        ("PLACES", clock.now // 1000),
    ]


# --- failures ---


def test_a_handshake_that_cannot_be_kept_is_refused(happen: Happen, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch)
    with pytest.raises(ThrottledError):
        happen(read_event("ws_connect"))


@pytest.mark.parametrize("event", ["ws_message", "ws_disconnect"])
def test_no_other_failure_leaves_the_handler(happen: Happen, monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    fail(monkeypatch)
    assert happen(read_event(event)) == OK


def fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(operation: str, body: Mapping[str, Any]) -> None:
        raise ThrottledError("ThrottlingException", operation)

    monkeypatch.setattr(wiring.connections()._table._client, "call", call)


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("route", ["$connect", "$disconnect"])
def test_the_event_counts_not_the_route_that_a_client_may_name(
    happen: Happen, callbacks: Callbacks, route: str
) -> None:
    event = read_event("ws_message")
    event["requestContext"]["routeKey"] = route
    event["body"] = json.dumps({"action": route, "id": "a"})
    assert happen(event) == OK
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
def test_they_are_so_for_frames_that_are_answered_at_the_same_moment(say: Say, callbacks: Callbacks) -> None:
    many = {f"A{number}-USD": Series("coinbase", f"A{number}-USD") for number in range(501)}
    wiring.market().save_series(list(many.values()))
    names = list(many)
    other = Subscribe(action="subscribe", channel="ticks", symbols=names[500:])

    def overtake() -> None:
        callbacks.on_post = lambda: None
        connection, entries = stored(), subscriptions.entries(other, {names[500]: many[names[500]]}, 2, {0: 0, 1: 0})
        assert connection is not None
        wiring.connections().change(connection, lambda it: it.subscribe(other, entries), wiring.now())

    callbacks.on_post = overtake
    say(action="subscribe", channel="ticks", symbols=names[:500])
    connection = stored()
    assert connection is not None
    assert len(connection.entries()) == 1
    assert callbacks.closed == [ID]


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
    happen: Happen, callbacks: Callbacks, body: str | None, kind: str
) -> None:
    event = {**read_event("ws_message"), "body": body, "isBase64Encoded": True}
    assert happen(event) == OK
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

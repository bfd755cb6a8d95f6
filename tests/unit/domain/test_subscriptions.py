"""What clients may say, and what becomes of it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain import subscriptions
from cryptopulse.domain.frames import answer
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import (
    Channel,
    Connection,
    Entry,
    Ping,
    Refusal,
    Resync,
    Subscribe,
    SubscribeCandles,
    Unsubscribe,
    chosen,
    parse,
)

NOON = 1_795_348_800_000
TRACKED = [Series("binance", "BTC-USDT"), Series("coinbase", "BTC-USDT"), Series("coinbase", "BTC-USD")]

NOBODY = Connection("a", "192.0.2.44", NOON, NOON)


def said(**frame: Any) -> Any:
    return parse(json.dumps(frame), is_bound=False)


def test_the_actions() -> None:
    assert said(action="ping", id=7) == Ping(action="ping", id=7)
    assert said(action="resync") == Resync(action="resync")
    wanted = Subscribe(
        action="subscribe", id="a", channel="ticks", symbols=["BTC-USD"], venue="coinbase", interval_ms=500
    )
    told = said(action="subscribe", id="a", channel="ticks", symbols=["BTC-USD"], venue="coinbase", interval_ms=500)
    assert told == wanted
    candles = said(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="5m", since=NOON)
    assert candles == SubscribeCandles(
        action="subscribe", channel="candles", symbols=["BTC-USD"], interval="5m", since=NOON
    )
    assert said(action="unsubscribe", channel="ticks") == Unsubscribe(action="unsubscribe", channel="ticks")


@pytest.mark.parametrize(
    "since", [NOON, "2026-11-22T12:00:00Z", "2026-11-22T13:30:00+01:30", "2026-11-22T12:00:00.000Z"]
)
def test_since_is_a_time_in_any_of_the_contracts_forms(since: str | int) -> None:
    action = said(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="1m", since=since)
    assert action.since_ms == NOON


def test_since_may_be_a_date() -> None:
    action = said(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="1m", since="2026-11-22")
    assert action.since_ms == NOON - 12 * 3_600_000


TICKS: dict[str, Any] = {"action": "subscribe", "channel": "ticks", "symbols": ["BTC-USD"]}
CANDLES: dict[str, Any] = {**TICKS, "channel": "candles", "interval": "1m"}
NO_ACTION = "no such action: subscribe and unsubscribe (ticks, candles), resync, ping"
NO_ID = "id: a string of at most 64 characters, or a whole number"
NO_CHANNEL = "no such action for this channel: subscribe and unsubscribe (ticks, candles), resync, ping"


@pytest.mark.parametrize(
    ("frame", "refusal"),
    [
        ("", Refusal(None, "bad_request", "the frame is not JSON")),
        ("{", Refusal(None, "bad_request", "the frame is not JSON")),
        ("[" * 100_000, Refusal(None, "bad_request", "the frame is not JSON")),
        ("\ud800", Refusal(None, "bad_request", "the frame is not JSON")),
        ("[]", Refusal(None, "bad_request", "the frame is not a JSON object")),
        ("null", Refusal(None, "bad_request", "the frame is not a JSON object")),
        ({}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": "dance", "id": "a"}, Refusal("a", "bad_request", NO_ACTION)),
        ({"action": None}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": {"x": 1}}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": "$connect"}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": "subscribe", "id": 1}, Refusal(1, "bad_request", NO_ACTION)),
        ({**TICKS, "channel": "weather"}, Refusal(None, "bad_request", NO_CHANNEL)),
        ({**TICKS, "channel": ["ticks"]}, Refusal(None, "bad_request", NO_CHANNEL)),
        ({"action": "subscribe", "channel": "news"}, Refusal(None, "bad_request", NO_CHANNEL)),
        (
            {"action": "subscribe", "channel": "alerts", "id": "a"},
            Refusal("a", "unauthorized", "the channel alerts asks for a ticket"),
        ),
        (
            {"action": "subscribe", "channel": "portfolio", "portfolio_id": "x"},
            Refusal(None, "unauthorized", "the channel portfolio asks for a ticket"),
        ),
        ({**TICKS, "id": True}, Refusal(None, "bad_request", NO_ID)),
        ({**TICKS, "id": "x" * 65}, Refusal(None, "bad_request", NO_ID)),
        ({**TICKS, "id": 2**53}, Refusal(None, "bad_request", NO_ID)),
        ({**TICKS, "color": "red"}, Refusal(None, "bad_request", "Object contains unknown field `color`")),
        ({**TICKS, "interval": "1m"}, Refusal(None, "bad_request", "Object contains unknown field `interval`")),
        ({**TICKS, "symbols": []}, Refusal(None, "bad_request", "Expected `array` of length >= 1 - at `$.symbols`")),
        ({**TICKS, "symbols": "BTC-USD"}, Refusal(None, "bad_request", "Expected `array`, got `str` - at `$.symbols`")),
        (
            {**TICKS, "symbols": ["BTC USD"]},
            Refusal(None, "bad_request", "Expected `str` matching regex '^[!-~]{1,41}$' - at `$.symbols[0]`"),
        ),
        ({**TICKS, "symbols": ["A-B"] * 501, "id": 3}, Refusal(3, "limit", "at most 500 symbols a connection")),
        ({**TICKS, "venue": "k" * 500}, Refusal(None, "bad_request", f"Invalid enum value '{'k' * 180}")),
        ({**TICKS, "venue": "kraken"}, Refusal(None, "bad_request", "Invalid enum value 'kraken' - at `$.venue`")),
        (
            {**TICKS, "interval_ms": "fast"},
            Refusal(None, "bad_request", "Expected `int`, got `str` - at `$.interval_ms`"),
        ),
        (
            {"action": "subscribe", "channel": "ticks"},
            Refusal(None, "bad_request", "Object missing required field `symbols`"),
        ),
        ({**CANDLES, "interval": "2m"}, Refusal(None, "bad_request", "Invalid enum value '2m' - at `$.interval`")),
        (
            {**CANDLES, "since": "yesterday"},
            Refusal(None, "bad_request", "Invalid RFC3339 encoded datetime - at `$.since`"),
        ),
        (
            {**CANDLES, "since": "2026-13-01"},
            Refusal(None, "bad_request", "Invalid RFC3339 encoded datetime - at `$.since`"),
        ),
        ({**CANDLES, "since": -1}, Refusal(None, "bad_request", "Expected `int` >= 0 - at `$.since`")),
        (
            {"action": "ping", "channel": "ticks"},
            Refusal(None, "bad_request", "Object contains unknown field `channel`"),
        ),
    ],
)
def test_what_cannot_be_done_is_refused(frame: Any, refusal: Refusal) -> None:
    assert parse(frame if isinstance(frame, str) else json.dumps(frame), is_bound=False) == refusal


@pytest.mark.parametrize("channel", ["alerts", "portfolio"])
def test_a_private_channel_that_is_not_offered_is_no_matter_of_tickets(channel: str) -> None:
    frame = json.dumps({"action": "subscribe", "channel": channel, "id": 7})
    assert parse(frame, is_bound=True) == Refusal(7, "bad_request", NO_CHANNEL)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["action", "id", "channel", "symbols", "venue", "interval", "interval_ms", "since", "x"])
words = st.sampled_from(["subscribe", "unsubscribe", "resync", "ping", "ticks", "candles", "1m", "coinbase", "BTC-USD"])


@given(
    st.text() | st.binary() | st.dictionaries(names, words | values | st.lists(words), max_size=7).map(json.dumps),
)
def test_any_frame_is_understood_or_refused_in_a_frame_that_can_be_sent(frame: str | bytes) -> None:
    read = parse(frame, is_bound=False)
    if isinstance(read, Refusal):
        sent = answer("error", read.id, code=read.code, message=read.message)
        assert msgspec.json.decode(sent)["code"] in {"bad_request", "unauthorized", "limit"}
    else:
        assert isinstance(read, Subscribe | Unsubscribe | Resync | Ping)


@pytest.mark.parametrize(("asked", "in_force"), [(-5, 250), (100, 250), (250, 250), (1_500, 1_500), (10**9, 60_000)])
def test_the_pace_is_kept_within_limits(asked: int, in_force: int) -> None:
    assert said(**TICKS, interval_ms=asked).interval_in_force == in_force


def test_a_symbol_without_a_venue_is_its_reference() -> None:
    asked = said(**{**TICKS, "symbols": ["BTC-USDT", "BTC-USD", "BTC-USDT"]})
    assert chosen(asked, NOBODY, TRACKED) == {"BTC-USDT": TRACKED[0], "BTC-USD": TRACKED[2]}
    assert chosen(said(**{**TICKS, "symbols": ["BTC-USDT"], "venue": "coinbase"}), NOBODY, TRACKED) == {
        "BTC-USDT": TRACKED[1]
    }


def test_unknown_symbols_are_named_and_nothing_is_chosen() -> None:
    asked = said(**{**TICKS, "symbols": ["X-USD", "BTC-USD", "btc-usd"]}, id="a")
    assert chosen(asked, NOBODY, TRACKED) == Refusal("a", "unknown_symbol", "no such symbol", ["X-USD", "btc-usd"])
    elsewhere = said(**TICKS, venue="binance")
    assert chosen(elsewhere, NOBODY, TRACKED) == Refusal(None, "unknown_symbol", "not traded there", ["BTC-USD"])


def entry(symbol: str, venue: str = "coinbase", interval: str = "", shown: int = 5) -> Entry:
    return Entry(f"{venue}:{symbol}", 0, interval, shown, 0)


@pytest.fixture
def connection() -> Connection:
    return Connection("a", "192.0.2.44", NOON, NOON, version=3)


def test_a_later_subscription_to_a_symbol_and_channel_replaces_the_earlier(connection: Connection) -> None:
    connection.subscribe(said(**TICKS), {"BTC-USD": entry("BTC-USD"), "ETH-USD": entry("ETH-USD")})
    connection.version = 4
    connection.subscribe(said(**TICKS, interval_ms=500), {"BTC-USD": entry("BTC-USD", "binance", shown=9)})
    connection.subscribe(said(**CANDLES), {"BTC-USD": entry("BTC-USD", interval="1m")})
    assert connection.channels == {
        "ticks": Channel(
            500,
            {
                "BTC-USD": Entry("binance:BTC-USD", 0, "", 9, 5),
                "ETH-USD": Entry("coinbase:ETH-USD", 0, "", 5, 4),
            },
        ),
        "candles": Channel(1_000, {"BTC-USD": Entry("coinbase:BTC-USD", 0, "1m", 5, 5)}),
    }
    assert subscriptions.decode(subscriptions.encode(connection.channels)) == connection.channels


def test_a_connection_takes_500_symbols_over_all_its_channels(connection: Connection) -> None:
    symbols = [f"A{number}-USD" for number in range(500)]
    connection.subscribe(said(**TICKS), {symbol: entry(symbol) for symbol in symbols[:300]})
    connection.subscribe(said(**CANDLES), {symbol: entry(symbol) for symbol in symbols[200:499]})
    assert connection.takes(symbols)
    assert not connection.takes([*symbols[499:], "X-USD"])
    tracked = [Series("coinbase", "X-USD"), Series("coinbase", "Y-USD")]
    asked = said(**{**TICKS, "symbols": ["X-USD", "Y-USD"]}, id="a")
    assert chosen(asked, connection, tracked) == Refusal("a", "limit", "at most 500 symbols a connection")


@pytest.mark.parametrize(
    ("frame", "ended"),
    [
        ({}, ["BTC-USD", "ETH-USD"]),
        ({"symbols": ["ETH-USD", "SOL-USD"]}, ["ETH-USD"]),
        ({"venue": "binance"}, ["ETH-USD"]),
        ({"interval": "1m"}, ["BTC-USD"]),
        ({"symbols": ["BTC-USD"], "venue": "binance"}, []),
    ],
)
def test_unsubscribing_ends_what_is_named(connection: Connection, frame: dict[str, Any], ended: list[str]) -> None:
    entries = {"BTC-USD": entry("BTC-USD", interval="1m"), "ETH-USD": entry("ETH-USD", "binance", "5m")}
    connection.subscribe(said(**CANDLES), entries)
    assert connection.unsubscribe(said(action="unsubscribe", channel="candles", **frame)) == ended
    left = [symbol for channel in connection.channels.values() for symbol in channel.entries]
    assert left == [symbol for symbol in entries if symbol not in ended]
    assert connection.unsubscribe(said(action="unsubscribe", channel="ticks")) == []


def test_only_what_was_shown_counts_as_shown(connection: Connection) -> None:
    connection.subscribe(said(**TICKS), {"BTC-USD": entry("BTC-USD")})
    shown = {each for _, each in connection.entries()}
    connection.version = 4
    connection.subscribe(said(**TICKS), {"ETH-USD": entry("ETH-USD")})
    connection.show(shown, {0: 8})
    assert connection.channels["ticks"].entries == {
        "BTC-USD": Entry("coinbase:BTC-USD", 0, "", 8, 5),
        "ETH-USD": Entry("coinbase:ETH-USD", 0, "", 5, 5),
    }

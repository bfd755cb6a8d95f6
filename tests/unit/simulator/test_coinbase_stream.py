"""Coinbase Exchange's WebSocket as its documentation has it, and as its own REST says."""

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from local.simulator.coinbase_stream import CoinbaseFeed
from local.simulator.series import market
from local.simulator.streaming import NEVER, SECOND, Closing
from tests.unit.simulator.conftest import Ask, Call

PRODUCTS = "/coinbase/products"
BUSY, QUIET = "BTC-USD", "ADA-GBP"
MATCH = ["trade_id", "maker_order_id", "taker_order_id", "side", "size", "price", "product_id", "sequence", "time"]
AUTHENTICATION = "level2, level3, and full channels now require authentication."

SERIES = {
    series.listing.symbol: series
    for (venue, _), series in market(1).items()
    if venue == "coinbase" and series.listing.status == "online"
}


def say(one: CoinbaseFeed, now: int, kind: str = "subscribe", /, **more: object) -> list[dict[str, Any]]:
    return [json.loads(text) for text in one.hear(json.dumps({"type": kind, **more}), now)]


def feed(now: int, **channels: list[str]) -> CoinbaseFeed:
    """A connection with these products of these channels."""
    one = CoinbaseFeed(SERIES, now)
    say(one, now, channels=[{"name": name, "product_ids": products} for name, products in channels.items()])
    return one


def told(one: CoinbaseFeed, after: int, until: int) -> list[dict[str, Any]]:
    return [json.loads(frame.text) for frame in one.frames(after, until)]


def test_a_subscription_begins_with_the_newest_trade(ask: Ask, clock: SimpleNamespace) -> None:
    one = CoinbaseFeed(SERIES, clock.now)
    channels = [{"name": name, "product_ids": [BUSY, QUIET]} for name in ("matches", "heartbeat", "ticker")]
    subscriptions, *newest = say(one, clock.now, channels=channels)
    assert subscriptions == {"type": "subscriptions", "channels": channels}
    assert [(message["type"], message["product_id"]) for message in newest] == [
        ("last_match", BUSY),
        ("last_match", QUIET),
        ("ticker", BUSY),
        ("ticker", QUIET),
    ]
    for message in newest:
        last = ask(f"{PRODUCTS}/{message['product_id']}/trades?limit=1").json()[0]
        assert (message["trade_id"], message["time"]) == (last["trade_id"], last["time"])
    after = clock.now + 60 * SECOND
    first = next(message for message in told(one, clock.now, after) if message["type"] == "match")
    assert first["trade_id"] == newest[0]["trade_id"] + 1
    assert one.ends_at == NEVER


@pytest.mark.parametrize("product", [BUSY, QUIET])
def test_the_matches_are_the_trades_of_the_rest(ask: Ask, clock: SimpleNamespace, product: str) -> None:
    after = clock.now
    clock.now += 600 * SECOND
    matches = told(feed(after, matches=[product]), after, clock.now)
    trades = ask(f"{PRODUCTS}/{product}/trades?limit={len(matches)}").json()[::-1]
    assert len(matches) > 1
    assert (
        ask(f"{PRODUCTS}/{product}/trades?after={matches[0]['trade_id']}&limit=1").json()[0]["time"]
        < "2026-11-22T08:33:35.123457"
    )
    for match, trade in zip(matches, trades, strict=True):
        assert list(match) == ["type", *MATCH]
        assert {name: match[name] for name in ("trade_id", "side", "time")} == {
            name: trade[name] for name in ("trade_id", "side", "time")
        }
        for name in ("price", "size"):
            assert Decimal(match[name]) == Decimal(trade[name])
            assert "." not in match[name] or not match[name].endswith("0")
        assert (match["type"], match["product_id"]) == ("match", product)
    assert len({match["maker_order_id"] for match in matches}) == len(matches)


def test_every_match_has_a_ticker_as_the_rest_has_it_then(ask: Ask, clock: SimpleNamespace) -> None:
    after, until = clock.now, clock.now + 120 * SECOND
    one = feed(after, matches=[BUSY], ticker=[BUSY])
    messages = told(one, after, until)
    matches, tickers = messages[::2], messages[1::2]
    assert [message["type"] for message in messages[:4]] == ["match", "ticker"] * 2
    for frame, match, ticker in zip(one.frames(after, until)[::2], matches, tickers, strict=True):
        clock.now = frame.at
        rest, stats = ask(f"{PRODUCTS}/{BUSY}/ticker").json(), ask(f"{PRODUCTS}/{BUSY}/stats").json()
        assert [ticker["trade_id"], ticker["best_bid"], ticker["best_ask"]] == [
            rest["trade_id"],
            rest["bid"],
            rest["ask"],
        ]
        assert (Decimal(ticker["price"]), Decimal(ticker["last_size"])) == (
            Decimal(rest["price"]),
            Decimal(rest["size"]),
        )
        assert rest["time"].startswith(ticker["time"][:-1])
        assert [ticker[f"{name}_24h"] for name in ("open", "high", "low", "volume")] + [ticker["volume_30d"]] == [
            stats[name] for name in ("open", "high", "low", "volume", "volume_30day")
        ]
        assert [ticker[name] for name in ("trade_id", "sequence", "time", "price", "last_size")] == [
            match[name] for name in ("trade_id", "sequence", "time", "price", "size")
        ]
        assert {match["side"], ticker["side"]} == {"buy", "sell"}


def test_a_heartbeat_a_second_tells_the_last_trade(ask: Ask, clock: SimpleNamespace) -> None:
    after, until = clock.now, clock.now + 60 * SECOND
    one = feed(after, heartbeat=[BUSY, QUIET])
    beats = told(one, after, until)
    assert len(beats) == 120
    for frame, beat in zip(one.frames(after, until), beats, strict=True):
        clock.now = frame.at
        last = ask(f"{PRODUCTS}/{beat['product_id']}/trades?limit=1").json()[0]
        assert list(beat) == ["type", "sequence", "last_trade_id", "product_id", "time"]
        assert beat["last_trade_id"] == last["trade_id"]
        assert last["time"] <= beat["time"]
        clock.now += 10 * SECOND  # the venue's limit of requests is not at issue here


def test_a_batch_tells_the_newest_ticker_every_five_seconds_with_trades(clock: SimpleNamespace) -> None:
    span = clock.now, clock.now + 60 * SECOND
    one, every = feed(clock.now, ticker_batch=[BUSY]), feed(clock.now, ticker=[BUSY])
    batch, tickers = told(one, *span), told(every, *span)
    assert 0 < len(batch) < len(tickers)
    assert all(ticker in tickers for ticker in batch)
    assert len({frame.at % (5 * SECOND) for frame in one.frames(*span)}) == 1


def test_frames_are_the_same_however_often_they_are_asked_for(clock: SimpleNamespace) -> None:
    one = feed(clock.now, matches=[BUSY, QUIET], ticker=[BUSY], heartbeat=[QUIET], ticker_batch=[QUIET])
    end = clock.now + 60 * SECOND
    whole, parts, at = one.frames(clock.now, end), [], clock.now
    while (woken := one.next_at(at)) <= end:
        parts += one.frames(at, woken)
        at = woken
    assert parts == whole
    assert [frame.at for frame in whole] == sorted(frame.at for frame in whole)


def test_names_alone_go_for_the_products_of_the_message(clock: SimpleNamespace) -> None:
    one = CoinbaseFeed(SERIES, clock.now)
    own = {"name": "status", "product_ids": [QUIET]}
    subscriptions = say(one, clock.now, product_ids=[BUSY], channels=["heartbeat", own])
    assert subscriptions == [
        {"type": "subscriptions", "channels": [{"name": "heartbeat", "product_ids": [BUSY]}, own]},
    ]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "No channels provided"),
        ({"product_ids": [BUSY]}, "No channels provided"),
        ({"channels": []}, "No channels provided"),
        ({"channels": [{"name": "matches", "product_ids": [BUSY, "FOO-BAR"]}]}, "FOO-BAR is not a valid product"),
        ({"product_ids": [BUSY, "OMG-USD"], "channels": ["matches"]}, "OMG-USD is not a valid product"),
        ({"product_ids": [BUSY], "channels": [{"name": "matches"}]}, " is not a valid product"),
        ({"product_ids": [["a"]], "channels": ["matches"]}, "['a'] is not a valid product"),
        ({"product_ids": BUSY, "channels": ["matches"]}, "product_ids is not a list"),
        ({"product_ids": [BUSY], "channels": ["matches", "nosuch"]}, "nosuch is not a valid channel"),
        ({"product_ids": [BUSY], "channels": ["matches", "level2"]}, AUTHENTICATION),
    ],
)
def test_anything_wrong_voids_the_whole_subscription(
    clock: SimpleNamespace, asked: dict[str, object], reason: str
) -> None:
    one = CoinbaseFeed(SERIES, clock.now)
    assert say(one, clock.now, **asked) == [{"type": "error", "message": "Failed to subscribe", "reason": reason}]
    assert one.frames(clock.now, clock.now + 60 * SECOND) == []
    assert (one.ends_at, one.closing) == (clock.now + 5 * SECOND, Closing(1008, "Subscribe within 5 seconds"))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [("{", "Malformed JSON"), ("[]", "Invalid message type"), ('{"type":"shout"}', "Invalid message type")],
)
def test_what_is_no_subscription_is_an_error(clock: SimpleNamespace, message: str, complaint: str) -> None:
    answer = CoinbaseFeed(SERIES, clock.now).hear(message, clock.now)
    assert [json.loads(text) for text in answer] == [{"type": "error", "message": complaint}]


def test_subscriptions_add_up_and_what_was_there_does_not_begin_again(clock: SimpleNamespace) -> None:
    one = feed(clock.now, matches=[BUSY])
    subscriptions, *newest = say(one, clock.now, channels=[{"name": "matches", "product_ids": [BUSY, QUIET]}])
    assert subscriptions["channels"] == [{"name": "matches", "product_ids": [BUSY, QUIET]}]
    assert [message["product_id"] for message in newest] == [QUIET]


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"channels": ["matches"]}, [("heartbeat", [BUSY])]),
        ({"channels": [{"name": "matches"}]}, [("heartbeat", [BUSY])]),
        ({"channels": ["matches"], "product_ids": [BUSY]}, [("matches", [QUIET]), ("heartbeat", [BUSY])]),
        ({"channels": ["matches", "heartbeat", "ticker"]}, []),
    ],
)
def test_unsubscribing(clock: SimpleNamespace, asked: dict[str, object], left: list[tuple[str, list[str]]]) -> None:
    one = feed(clock.now, matches=[BUSY, QUIET], heartbeat=[BUSY])
    channels = [{"name": name, "product_ids": products} for name, products in left]
    assert say(one, clock.now, "unsubscribe", **asked) == [{"type": "subscriptions", "channels": channels}]
    kinds = {(message["type"], message["product_id"]) for message in told(one, clock.now, clock.now + 300 * SECOND)}
    names = {"matches": "match", "heartbeat": "heartbeat"}
    assert kinds == {(names[name], product) for name, products in left for product in products}


def test_a_slow_consumer_is_closed_even_if_it_subscribes_just_then(clock: SimpleNamespace) -> None:
    one = CoinbaseFeed(SERIES, clock.now)
    assert one.strike("slow_consumer", clock.now) == []
    say(one, clock.now, channels=["status"])
    assert (one.ends_at, one.closing) == (clock.now, Closing(1008, "ErrSlowConsume"))


def test_who_does_not_subscribe_is_closed(call: Call, clock: SimpleNamespace) -> None:
    def later() -> str:
        clock.now += 5 * SECOND
        return "{"

    assert call("/coinbase-ws", [later])[-1] == {
        "type": "websocket.close",
        "code": 1008,
        "reason": "Subscribe within 5 seconds",
    }

"""Binance's WebSocket as its documentation has it, and as its own REST says."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from local.simulator.binance_stream import BinanceFeed
from local.simulator.series import market
from local.simulator.streaming import SECOND, Closing
from tests.unit.simulator.conftest import Ask, Call

API = "/binance/api/v3"
MINUTE = 60_000
BUSY, QUIET = "BTCUSDT", "LTCBTC"
METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"

SERIES = {series.listing.symbol.lower(): series for (venue, _), series in market(1).items() if venue == "binance"}


def feed(now: int, *streams: str, is_combined: bool = False) -> BinanceFeed:
    return BinanceFeed(SERIES, streams, is_combined, now)


def events(one: BinanceFeed, after: int, until: int) -> list[dict[str, Any]]:
    return [json.loads(frame.text) for frame in one.frames(after, until)]


@pytest.mark.parametrize("symbol", [BUSY, QUIET])
def test_the_trades_are_those_of_the_rest(ask: Ask, clock: SimpleNamespace, symbol: str) -> None:
    after = clock.now
    clock.now += 300 * SECOND
    told = events(feed(after, f"{symbol.lower()}@aggTrade"), after, clock.now)
    start = {"startTime": after // 1000, "endTime": clock.now // 1000, "limit": 1000}
    rest = ask(f"{API}/aggTrades", params={"symbol": symbol, **start}).json()
    assert len(rest) > 1
    assert told == [{"e": "aggTrade", "E": trade["T"], "s": symbol} | trade for trade in rest]
    assert [list(event) for event in told[:1]] == [["e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"]]


def test_frames_are_the_same_however_often_they_are_asked_for(clock: SimpleNamespace) -> None:
    one = feed(clock.now, "btcusdt@aggTrade", "btcusdt@kline_1m", "ltcbtc@kline_1m", "btcusdt@avgPrice")
    end = clock.now + 150 * SECOND
    whole, parts, at = one.frames(clock.now, end), [], clock.now
    while (woken := one.next_at(at)) <= end:
        parts += one.frames(at, woken)
        at = woken
    assert parts == whole
    assert [frame.at for frame in whole] == sorted(frame.at for frame in whole)
    assert {frame.is_trade for frame in whole} == {True, False}


@pytest.mark.parametrize("symbol", [BUSY, QUIET])
def test_the_klines_are_those_of_the_rest_at_their_time(ask: Ask, clock: SimpleNamespace, symbol: str) -> None:
    after, until = clock.now, clock.now + 300 * SECOND
    told = events(feed(after, f"{symbol.lower()}@kline_1m"), after, until)
    for event in told:
        clock.now, kline = event["E"] * 1000, event["k"]
        params = {"symbol": symbol, "interval": "1m", "startTime": kline["t"], "limit": 1}
        (row,) = ask(f"{API}/klines", params=params).json()
        assert (event["s"], kline["s"], kline["i"]) == (symbol, symbol, "1m")
        assert [kline[name] for name in "tohlcvTqnVQB"] == row
        first = {"symbol": symbol, "startTime": kline["t"], "endTime": min(kline["T"], event["E"]), "limit": 1000}
        singles = ask(f"{API}/aggTrades", params=first).json()
        assert (kline["f"], kline["L"]) == ((singles[0]["f"], singles[-1]["l"]) if singles else (-1, -1))
        assert kline["x"] is (event["E"] > kline["T"])
    closed = [event["k"]["t"] for event in told if event["k"]["x"]]
    assert closed == [after // 1000 // MINUTE * MINUTE + MINUTE * index for index in range(5)]
    assert all(40 < event["E"] - event["k"]["T"] < 460 for event in told if event["k"]["x"])


def test_an_open_minute_is_told_every_two_seconds_while_it_changes(clock: SimpleNamespace) -> None:
    series = SERIES[BUSY.lower()]
    one = feed(clock.now, f"{BUSY.lower()}@kline_1m")
    span = clock.now, clock.now + 120 * SECOND
    told = zip((frame.at for frame in one.frames(*span)), events(one, *span), strict=True)
    changes = [(at, event["k"]) for at, event in told if not event["k"]["x"]]
    assert len({at % (2 * SECOND) for at, _ in changes}) == 1
    assert 10 < len(changes) <= 60
    for at, kline in changes:
        newest = series.id_at(at + 1) - 1
        assert kline["L"] == newest + 1_000_000
        assert int(series.trades(newest, newest + 1).time[0]) > at - 2 * SECOND


def test_a_minute_without_trades_only_ends(clock: SimpleNamespace) -> None:
    told = events(feed(clock.now, f"{QUIET.lower()}@kline_1m"), clock.now, clock.now + 3600 * SECOND)
    quiet = [event["k"] for event in told if event["k"]["n"] == 0]
    assert quiet
    assert {(kline["f"], kline["L"], kline["x"]) for kline in quiet} == {(-1, -1, True)}


@pytest.mark.parametrize("symbol", [BUSY, QUIET])
def test_an_average_price_is_told_each_second(ask: Ask, clock: SimpleNamespace, symbol: str) -> None:
    after = clock.now = clock.now // SECOND * SECOND
    clock.now += 3 * SECOND
    told = events(feed(after, f"{symbol.lower()}@avgPrice"), after, clock.now)
    assert [event.pop("E") for event in told] == [after // 1000 + 1000 * number for number in (1, 2, 3)]
    span = {"startTime": clock.now // 1000 - 5 * MINUTE, "endTime": clock.now // 1000, "limit": 1000}
    trades = ask(f"{API}/aggTrades", params={"symbol": symbol, **span}).json()
    prices = [float(trade["p"]) for trade in trades]
    assert min(prices) * 0.9999 <= float(told[-1].pop("w")) <= max(prices)
    assert told[-1] == {"e": "avgPrice", "s": symbol, "i": "5m", "T": trades[-1]["T"]}


def test_a_symbol_that_is_not_traded_any_more_says_nothing(clock: SimpleNamespace) -> None:
    one = feed(clock.now, "btcbusd@aggTrade", "btcbusd@kline_1m")
    assert one.frames(clock.now, clock.now + 600 * SECOND) == []


@pytest.mark.parametrize("name", ["nosuch@aggTrade", "BTCUSDT@aggTrade", "btcusdt@depth", "btcusdt"])
def test_a_stream_that_does_not_exist_is_taken_in_silence(clock: SimpleNamespace, name: str) -> None:
    one = feed(clock.now)
    assert one.hear(json.dumps({"method": "SUBSCRIBE", "params": [name], "id": 1}), clock.now) == [
        '{"result":null,"id":1}'
    ]
    assert one.hear('{"method":"LIST_SUBSCRIPTIONS","id":2}', clock.now) == [f'{{"result":["{name}"],"id":2}}']
    assert one.frames(clock.now, clock.now + 60 * SECOND) == []
    assert one.next_at(clock.now) > clock.now


def test_subscriptions_come_and_go(clock: SimpleNamespace) -> None:
    one = feed(clock.now, "ltcbtc@aggTrade", "ltcbtc@kline_1m")
    answers = [
        one.hear(json.dumps(control), clock.now)[0]
        for control in (
            {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": "a"},
            {"method": "UNSUBSCRIBE", "params": ["ltcbtc@aggTrade", "ltcbtc@kline_1m", "nosuch@aggTrade"], "id": None},
            {"method": "LIST_SUBSCRIPTIONS", "id": 3},
        )
    ]
    assert answers == [
        '{"result":null,"id":"a"}',
        '{"result":null,"id":null}',
        '{"result":["btcusdt@aggTrade"],"id":3}',
    ]
    assert {event["s"] for event in events(one, clock.now, clock.now + 600 * SECOND)} == {"BTCUSDT"}


def test_combined_frames_name_their_stream(clock: SimpleNamespace) -> None:
    one, raw = (feed(clock.now, "btcusdt@kline_1m", is_combined=is_combined) for is_combined in (True, False))
    span = clock.now, clock.now + 60 * SECOND
    assert events(one, *span) == [{"stream": "btcusdt@kline_1m", "data": event} for event in events(raw, *span)]
    assert one.hear('{"method":"GET_PROPERTY","params":["combined"],"id":2}', clock.now) == ['{"result":true,"id":2}']
    assert one.hear('{"method":"SET_PROPERTY","params":["combined",false],"id":5}', clock.now) == [
        '{"result":null,"id":5}'
    ]
    assert events(one, *span) == events(raw, *span)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("{", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("[]", {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 2"}),
        ('{"id":1}', {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 8"}),
        (
            '{"method":"SHOUT"}',
            {
                "code": 2,
                "msg": f"Invalid request: unknown variant `SHOUT`, expected one of {METHODS} at line 1 column 18",
            },
        ),
        (
            '{"method":"SUBSCRIBE","params":"a"}',
            {"code": 2, "msg": "Invalid request: invalid type, expected a sequence"},
        ),
        (
            '{"method":"SUBSCRIBE","params":[1]}',
            {"code": 2, "msg": "Invalid request: stream name must be a string"},
        ),
        ('{"method":"GET_PROPERTY","params":["a"],"id":1}', {"code": 0, "msg": "Unknown property", "id": 1}),
        (
            '{"method":"SET_PROPERTY","params":["combined"]}',
            {"code": 1, "msg": "Invalid value type: expected Boolean"},
        ),
    ],
)
def test_what_is_no_control_message_is_answered_and_changes_nothing(
    clock: SimpleNamespace, message: str, answer: dict[str, object]
) -> None:
    one = feed(clock.now, "btcusdt@aggTrade")
    assert [json.loads(text) for text in one.hear(message, clock.now)] == [answer]
    assert one.hear('{"method":"LIST_SUBSCRIPTIONS","id":1}', clock.now) == ['{"result":["btcusdt@aggTrade"],"id":1}']


def test_the_sixth_message_of_a_second_closes(clock: SimpleNamespace) -> None:
    one = feed(clock.now)
    for index in range(10):
        assert one.hear("{", clock.now + index * SECOND // 5) != []
    assert one.ends_at == clock.now + 86_400 * SECOND
    one.hear("{", clock.now + 9 * SECOND // 5)
    assert (one.ends_at, one.closing) == (clock.now + 9 * SECOND // 5, Closing(1008, "Too many requests"))


def test_more_than_1024_streams_close(clock: SimpleNamespace) -> None:
    one = feed(clock.now, *(f"{index}@aggTrade" for index in range(1024)))
    assert (one.ends_at, one.closing) == (clock.now + 86_400 * SECOND, Closing(1001))
    one.hear('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}', clock.now + 1)
    assert (one.ends_at, one.closing) == (clock.now + 1, Closing(1008, "Too many streams"))


@pytest.mark.parametrize("is_combined", [False, True])
def test_a_server_that_shuts_down_says_so_and_closes_ten_seconds_later(
    clock: SimpleNamespace, is_combined: bool
) -> None:
    one = feed(clock.now, "btcusdt@aggTrade", is_combined=is_combined)
    event = {"e": "serverShutdown", "E": clock.now // 1000}
    told = one.strike("server_shutdown", clock.now)
    assert [json.loads(text) for text in told or ()] == [
        {"stream": "!serverShutdown", "data": event} if is_combined else event
    ]
    assert one.strike("server_shutdown", clock.now + SECOND) is None
    assert (one.ends_at, one.closing) == (clock.now + 10 * SECOND, Closing(1001))


@pytest.mark.parametrize(
    ("path", "streams"),
    [
        ("/binance/stream?streams=btcusdt@aggTrade/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@kline_1m", True),
        ("/binance/ws/btcusdt@aggTrade/币安人生usdt@kline_1m", True),
        ("/binance/stream", False),
        ("/binance/ws", False),
    ],
)
def test_streams_may_be_named_by_the_url(call: Call, path: str, streams: bool) -> None:
    control = '{"method":"LIST_SUBSCRIPTIONS","id":1}'
    combined = '{"method":"GET_PROPERTY","params":["combined"],"id":2}'
    _, first, second = call(path, [control, combined])
    names = ["btcusdt@aggTrade", "币安人生usdt@kline_1m"] if streams else []
    assert [json.loads(answer["text"]) for answer in (first, second)] == [
        {"result": names, "id": 1},
        {"result": "stream?" in path or path.endswith("stream"), "id": 2},
    ]

"""Binance's REST as its documentation has it."""

from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.unit.simulator.conftest import Ask

API = "/binance/api/v3"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OPEN_MINUTE = 1_795_336_380_000
NOW = 1_795_336_415_123


def get(ask: Ask, path: str, **params: object) -> Any:
    answer = ask(f"{API}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> tuple[int, int, str]:
    body = answer.json()
    assert body.keys() == {"code", "msg"}
    return answer.status_code, body["code"], body["msg"]


def times(rows: list[list[Any]]) -> list[int]:
    return [row[0] for row in rows]


def test_ping_and_time(ask: Ask) -> None:
    assert get(ask, "ping") == {}
    assert get(ask, "time") == {"serverTime": NOW}


def test_the_symbols_are_named_with_digits_and_status(ask: Ask) -> None:
    info = get(ask, "exchangeInfo")
    symbols = {symbol["symbol"]: symbol for symbol in info["symbols"]}
    assert {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000} in info[
        "rateLimits"
    ]
    bitcoin = symbols["BTCUSDT"]
    assert (bitcoin["status"], bitcoin["baseAsset"], bitcoin["quoteAsset"]) == ("TRADING", "BTC", "USDT")
    assert {one["filterType"]: one for one in bitcoin["filters"]}["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert {one["filterType"]: one for one in bitcoin["filters"]}["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert symbols["币安人生USDT"]["baseAsset"] == "币安人生"
    assert {symbol["status"] for symbol in info["symbols"]} == {"TRADING", "BREAK", "HALT"}
    halted = get(ask, "exchangeInfo", symbolStatus="HALT")["symbols"]
    assert [symbol["symbol"] for symbol in halted] == ["WAVESUSDT"]
    two = get(ask, "exchangeInfo", symbols='["ETHBTC","BTCEUR"]')["symbols"]
    assert [(symbol["baseAsset"], symbol["quoteAsset"]) for symbol in two] == [("ETH", "BTC"), ("BTC", "EUR")]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"limit": 3}, [OPEN_MINUTE - 2 * MINUTE, OPEN_MINUTE - MINUTE, OPEN_MINUTE]),
        ({"startTime": OPEN_MINUTE - 10 * MINUTE, "limit": 2}, [OPEN_MINUTE - 10 * MINUTE, OPEN_MINUTE - 9 * MINUTE]),
        ({"startTime": OPEN_MINUTE - 10 * MINUTE - 1, "limit": 1}, [OPEN_MINUTE - 10 * MINUTE]),
        ({"startTime": (OPEN_MINUTE - 10 * MINUTE) * 1000, "limit": 1}, [OPEN_MINUTE - 10 * MINUTE]),
        ({"endTime": OPEN_MINUTE - 1, "limit": 2}, [OPEN_MINUTE - 2 * MINUTE, OPEN_MINUTE - MINUTE]),
        ({"endTime": OPEN_MINUTE + DAY, "limit": 1}, [OPEN_MINUTE]),
        (
            {"startTime": OPEN_MINUTE - 2 * MINUTE, "endTime": OPEN_MINUTE - MINUTE},
            [OPEN_MINUTE - 2 * MINUTE, OPEN_MINUTE - MINUTE],
        ),
        ({"startTime": OPEN_MINUTE, "endTime": OPEN_MINUTE - MINUTE}, []),
        ({"startTime": NOW + MINUTE}, []),
        ({"startTime": 0, "limit": 1}, [1_546_300_800_000]),
        ({"endTime": 0}, []),
    ],
)
def test_klines_are_the_rows_that_the_documentation_names(
    ask: Ask, params: dict[str, int], expected: list[int]
) -> None:
    assert times(get(ask, "klines", symbol="BTCUSDT", interval="1m", **params)) == expected


def test_klines_have_500_rows_unless_told_and_at_most_1000(ask: Ask) -> None:
    for limit, count in (({}, 500), ({"limit": 1000}, 1000), ({"limit": 5000}, 1000)):
        rows = get(ask, "klines", symbol="BTCUSDT", interval="1m", **limit)
        assert times(rows) == list(range(OPEN_MINUTE - (count - 1) * MINUTE, NOW, MINUTE))


@pytest.mark.parametrize(
    ("interval", "size"),
    [("1m", MINUTE), ("5m", 5 * MINUTE), ("15m", 15 * MINUTE), ("1h", HOUR), ("4h", 4 * HOUR), ("1d", DAY)],
)
def test_klines_of_every_interval_are_folded_minutes(ask: Ask, interval: str, size: int) -> None:
    rows = get(ask, "klines", symbol="LTCBTC", interval=interval, limit=2)
    minutes = []
    for start in range(rows[0][0], NOW, 720 * MINUTE):
        minutes += get(ask, "klines", symbol="LTCBTC", interval="1m", startTime=start, limit=720)
    for row in rows:
        inside = [one for one in minutes if row[0] <= one[0] < row[0] + size]
        traded = [one for one in inside if one[8]] or inside[:1]
        assert row[1:6] + row[8:9] == [
            traded[0][1],
            max((one[2] for one in traded), key=Decimal),
            min((one[3] for one in traded), key=Decimal),
            traded[-1][4],
            f"{sum(Decimal(one[5]) for one in inside):.8f}",
            sum(one[8] for one in inside),
        ]
        assert row[6] == row[0] + size - 1
        assert Decimal(row[5]) * Decimal(row[3]) <= Decimal(row[7]) + 1
        assert Decimal(row[7]) <= Decimal(row[5]) * Decimal(row[2])


def test_a_minute_without_trades_is_a_flat_row(ask: Ask) -> None:
    rows = get(ask, "klines", symbol="LTCBTC", interval="1m", limit=1000)
    quiet = [(before, row) for before, row in pairwise(rows) if row[8] == 0]
    assert quiet
    for before, row in quiet:
        zero = "0.00000000"
        assert row[1:6] + row[7:] == [before[4]] * 4 + [zero, zero, 0, zero, zero, "0"]


def test_trades_tickers_and_klines_agree(ask: Ask) -> None:
    for symbol in ("BTCUSDT", "ETHBTC", "SHIBUSDT"):
        rows = get(ask, "klines", symbol=symbol, interval="1m", startTime=OPEN_MINUTE - 1439 * MINUTE, limit=1000)
        rows += get(ask, "klines", symbol=symbol, interval="1m", startTime=rows[-1][0] + MINUTE)
        assert len(rows) == 1440
        ticker = get(ask, "ticker/24hr", symbol=symbol)
        assert ticker["lastPrice"] == rows[-1][4] == get(ask, "ticker/price", symbol=symbol)["price"]
        assert ticker["volume"] == str(sum(Decimal(row[5]) for row in rows))
        assert ticker["highPrice"] == max((row[2] for row in rows if row[8]), key=Decimal)
        assert ticker["lowPrice"] == min((row[3] for row in rows if row[8]), key=Decimal)
        assert ticker["openPrice"] == next(row[1] for row in rows if row[8])
        assert ticker["count"] == sum(row[8] for row in rows) == ticker["lastId"] - ticker["firstId"] + 1
        trades = get(ask, "trades", symbol=symbol, limit=1000)
        assert trades[-1]["id"] == ticker["lastId"]
        assert trades[-1]["time"] <= NOW
        inside = [trade for trade in trades if trade["time"] >= OPEN_MINUTE]
        assert len(inside) == rows[-1][8]
        assert sum(Decimal(trade["qty"]) for trade in inside) == Decimal(rows[-1][5])
        worth = Decimal(trades[0]["qty"]) * Decimal(trades[0]["price"])
        assert 0 <= worth - Decimal(trades[0]["quoteQty"]) < Decimal("1e-8")


def test_aggregate_trades_by_id_and_by_time(ask: Ask) -> None:
    newest = get(ask, "aggTrades", symbol="BTCUSDT", limit=1000)
    assert [trade["a"] for trade in newest] == list(range(newest[0]["a"], newest[0]["a"] + 1000))
    assert all(trade["f"] == before["l"] + 1 for before, trade in pairwise(newest))
    assert get(ask, "aggTrades", symbol="BTCUSDT", fromId=newest[10]["a"], limit=5) == newest[10:15]
    assert get(ask, "aggTrades", symbol="BTCUSDT", fromId=newest[-1]["a"] + 1) == []
    start, end = newest[100]["T"], newest[200]["T"]
    between = [trade for trade in newest if start <= trade["T"] <= end]
    assert get(ask, "aggTrades", symbol="BTCUSDT", startTime=start, endTime=end) == between
    assert get(ask, "aggTrades", symbol="BTCUSDT", startTime=start, limit=7) == between[:7]
    assert get(ask, "aggTrades", symbol="BTCUSDT", endTime=end, limit=7) == between[-7:]


def test_the_open_row_grows_with_the_clock(ask: Ask, clock: SimpleNamespace) -> None:
    before = get(ask, "klines", symbol="BTCUSDT", interval="1m", limit=1)[0]
    clock.now += 20_000_000
    after = get(ask, "klines", symbol="BTCUSDT", interval="1m", limit=1)[0]
    assert (after[0], after[1]) == (before[0], before[1])
    assert after[8] > before[8]
    clock.now += 10_000_000
    assert times(get(ask, "klines", symbol="BTCUSDT", interval="1m", limit=1)) == [OPEN_MINUTE + MINUTE]


def test_tickers_of_one_are_an_object_of_many_a_list(ask: Ask) -> None:
    one = get(ask, "ticker/24hr", symbol="BTCUSDT", type="MINI")
    mini = "symbol openPrice highPrice lowPrice lastPrice volume quoteVolume openTime closeTime firstId lastId count"
    assert list(one) == mini.split()
    assert get(ask, "ticker/24hr", symbols='["BTCUSDT"]', type="MINI") == [one]
    assert one.items() <= get(ask, "ticker/24hr", symbol="BTCUSDT").items()
    assert len(get(ask, "ticker/price")) == len(get(ask, "exchangeInfo")["symbols"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("klines?symbol=NOPE&interval=1m", 400, -1121),
        ("klines?symbol=btcusdt&interval=1m", 400, -1100),
        ("klines?interval=1m", 400, -1102),
        ("klines?symbol=BTCUSDT", 400, -1102),
        ("klines?symbol=BTCUSDT&interval=2m", 400, -1120),
        ("klines?symbol=BTCUSDT&interval=1m&limit=x", 400, -1100),
        ("klines?symbol=BTCUSDT&interval=1m&limit=0", 400, -1130),
        ("klines?symbol=BTCUSDT&interval=1m&timeZone=8", 400, -1130),
        ("klines?symbol=BTCUSDT&interval=1m&start=1", 400, -1104),
        ("aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
        ("ticker/24hr?symbol=BTCUSDT&symbols=%5B%22ETHBTC%22%5D", 400, -1128),
        ("ticker/24hr?symbols=%5B%22ETHBTC%22,%22ETHBTC%22%5D", 400, -1151),
        ("ticker/24hr?symbols=%5B%22ETHBTC%22,%20%22BTCUSDT%22%5D", 400, -1100),
        ("ticker/24hr?symbols=ETHBTC", 400, -1100),
        ("ticker/24hr?symbols=%5B%22NOPE%22%5D", 400, -1121),
        ("ticker/24hr?symbol=BTCUSDT&type=HUGE", 400, -1130),
        ("exchangeInfo?symbolStatus=OFF", 400, -1122),
        ("exchangeInfo?symbol=BTCUSDT&symbolStatus=HALT", 400, -1128),
    ],
)
def test_a_bad_request_has_the_documented_code(ask: Ask, path: str, status: int, code: int) -> None:
    assert refused(ask(f"{API}/{path}"))[:2] == (status, code)


def test_an_unknown_path_is_not_json(ask: Ask) -> None:
    answer = ask(f"{API}/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_weights_add_up_in_the_header_until_the_limit_and_then_a_ban(ask: Ask, clock: SimpleNamespace) -> None:
    weights = [
        ("ping", 1),
        ("exchangeInfo?symbol=BTCUSDT", 20),
        ("klines?symbol=BTCUSDT&interval=1m&limit=1", 2),
        ("aggTrades?symbol=BTCUSDT&limit=1", 4),
        ("trades?symbol=BTCUSDT&limit=1", 25),
        ("ticker/price?symbol=BTCUSDT", 2),
        ("ticker/price", 4),
        ("ticker/24hr?symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D", 2),
        ("ticker/24hr", 80),
        ("klines", 2),
    ]
    used = 0
    for path, weight in weights:
        used += weight
        assert ask(f"{API}/{path}").headers["x-mbx-used-weight-1m"] == str(used)
    clock.now += 30_000_000
    assert ask(f"{API}/ping").headers["x-mbx-used-weight-1m"] == "1"
    for _ in range(240):
        answer = ask(f"{API}/trades")
    assert refused(answer)[:2] == (429, -1003)
    assert (answer.headers["retry-after"], answer.headers["x-mbx-used-weight-1m"]) == ("55", "6001")
    for _ in range(10):
        answer = ask(f"{API}/ping")
    told = f"Way too much request weight used; IP banned until {clock.now // 1000 + 120_000}."
    assert refused(answer) == (418, -1003, f"{told} Please use WebSocket Streams for live updates to avoid bans.")
    assert answer.headers["retry-after"] == "120"
    clock.now += 120_000_000
    assert ask(f"{API}/ping").status_code == 200


def test_a_delisted_symbol_keeps_its_history(ask: Ask) -> None:
    rows = get(ask, "klines", symbol="BTCBUSD", interval="1d", endTime=1_702_598_400_000, limit=1)
    assert times(rows) == [1_702_512_000_000]
    ticker = get(ask, "ticker/24hr", symbol="BTCBUSD")
    assert (ticker["volume"], ticker["count"], ticker["firstId"]) == ("0.00000000", 0, -1)
    assert ticker["lastPrice"] == rows[0][4]

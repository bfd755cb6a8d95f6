"""Binance's answers, as recorded, become quotes and candles; those that cannot be right do not."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from cryptopulse.domain.candles import DAY, HOUR, MINUTE
from cryptopulse.domain.ticks import Bar, Candles, Quote, Trades
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError, UnknownProductError
from cryptopulse.feeds.binance import Binance
from tests.unit.feeds.exchange import NOON, Answer, Exchange, at_once, recorded

BTC = Product("BTC-USDT", "BTCUSDT", trading=True)
ETH = Product("ETH-BTC", "ETHBTC", trading=True)
KLINES, TICKERS, TRADES = "/api/v3/klines", "/api/v3/ticker/24hr", "/api/v3/aggTrades"
UNKNOWN = httpx.Response(400, content=b'{"code":-1121,"msg":"Invalid symbol."}')
RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "exchange_frames" / "rest"


def feed(now: int = NOON - 1000, **answers: Sequence[Answer]) -> tuple[Binance, Exchange]:
    time = httpx.Response(200, json={"serverTime": now})
    paths = {KLINES: answers.get("klines", []), TICKERS: answers.get("tickers", [])}
    paths |= {"/api/v3/exchangeInfo": answers.get("info", []), TRADES: answers.get("trades", [])}
    exchange = Exchange({"/api/v3/time": [time], **paths})
    return Binance("http://binance.test", at_once, transport=exchange.transport), exchange


def kline(start: int, price: str = "10.00000000", count: int = 1, **changes: str) -> list[object]:
    row = {"open": price, "high": price, "low": price, "close": price, "volume": "1.00000000"} | changes
    return [start, *row.values(), start + MINUTE - 1, "10.0", count, "0.5", "5.0", "0"]


def klines(*rows: list[object]) -> httpx.Response:
    return httpx.Response(200, json=list(rows))


def test_products_come_from_the_venues_own_list() -> None:
    binance, exchange = feed(info=[recorded("binance_exchange_info")])
    assert binance.products() == [
        Product("ETH-BTC", "ETHBTC", trading=True),
        Product("BTC-USDT", "BTCUSDT", trading=True),
        Product("币安人生-USDT", "币安人生USDT", trading=True),
        Product("BCC-BTC", "BCCBTC", trading=False),
    ]
    assert exchange.requests[0].url.query == b"showPermissionSets=false"


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded frames are not here")
def test_the_whole_recorded_list_is_read() -> None:
    content = gzip.decompress((RECORDINGS / "binance_exchangeInfo_2021-10-11.json.gz").read_bytes())
    binance, _ = feed(info=[httpx.Response(200, content=content)])
    products = binance.products()
    assert len(products) == len(json.loads(content)["symbols"]) == 848
    assert {product.symbol for product in products if product.native == "BTCUSDT"} <= {"BTC-USDT"}
    assert any(not product.trading for product in products)


def test_quotes_of_many_symbols_are_one_call() -> None:
    binance, exchange = feed(tickers=[recorded("binance_ticker_mini")])
    assert binance.quotes([BTC, ETH]) == [Quote("BTC-USDT", 2, 6532414, NOON - 960)]
    assert exchange.requests[0].url.query == b"symbols=%5B%22BTCUSDT%22%2C%22ETHBTC%22%5D&type=MINI"


def test_one_unknown_symbol_does_not_silence_the_others() -> None:
    ticker = {"symbol": "BTCUSDT", "lastPrice": "65324.10", "closeTime": NOON, "count": 1}
    binance, exchange = feed(tickers=[UNKNOWN, httpx.Response(200, json=[ticker]), UNKNOWN])
    session = binance.begin()
    assert binance.quotes([BTC, ETH]) == [Quote("BTC-USDT", 1, 653241, NOON)]
    assert (len(exchange.requests), dict(session.failures)) == (3, {"unknown_product": 2})
    with pytest.raises(UnknownProductError):
        binance.quotes([ETH])


@pytest.mark.parametrize("body", [b'{"code":-1100,"msg":"Illegal characters"}', b"<html>"])
def test_another_refusal_is_not_taken_for_an_unknown_symbol(body: bytes) -> None:
    binance, exchange = feed(tickers=[httpx.Response(400, content=body)])
    with pytest.raises(FeedDownError) as told:
        binance.quotes([BTC, ETH])
    assert (told.value.kind, len(exchange.requests)) == ("refused", 1)


@pytest.mark.parametrize(
    "ticker",
    [
        {"symbol": "XMRUSDT", "lastPrice": "1.0", "closeTime": NOON, "count": 1},
        {"symbol": "BTCUSDT", "lastPrice": "-1", "closeTime": NOON, "count": 1},
        {"symbol": "BTCUSDT", "lastPrice": "NaN", "closeTime": NOON, "count": 1},
        {"symbol": "BTCUSDT", "lastPrice": "1e-30", "closeTime": NOON, "count": 1},
        {"symbol": "BTCUSDT", "lastPrice": "1.0", "closeTime": 0, "count": 1},
    ],
)
def test_an_impossible_quote_is_refused(ticker: dict[str, object]) -> None:
    binance, _ = feed(tickers=[httpx.Response(200, json=[ticker])])
    with pytest.raises(FeedDownError):
        binance.quotes([BTC])


def test_candles_keep_the_venues_digits_and_a_minute_without_trades_has_none() -> None:
    start = NOON - 5 * MINUTE
    binance, exchange = feed(klines=[recorded("binance_klines")])
    assert binance.candles(BTC, "1m", start, start + 3 * MINUTE) == Candles(
        "BTC-USDT",
        2,
        4,
        start,
        start + 3 * MINUTE,
        NOON - 1000,
        [
            Bar(start, 6532414, 6533000, 6530101, 6531050, 124015),
            Bar(start + 2 * MINUTE, 6531100, 6540000, 6531100, 6539999, 1),
        ],
    )
    query = dict(exchange.requests[-1].url.params)
    assert query == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startTime": str(start),
        "endTime": str(start + 3 * MINUTE - 1),
        "limit": "3",
    }


@pytest.mark.parametrize(("now", "closed"), [(NOON + 1_999, NOON - MINUTE), (NOON + 2_000, NOON)])
def test_the_open_candle_is_not_asked_for(now: int, closed: int) -> None:
    minutes = range(NOON - 3 * MINUTE, NOON + MINUTE, MINUTE)
    binance, exchange = feed(now=now, klines=[klines(*(kline(minute) for minute in minutes))])
    told = binance.candles(BTC, "1m", NOON - 3 * MINUTE, NOON + MINUTE)
    assert (told.end, [bar.start for bar in told.bars]) == (closed, list(range(NOON - 3 * MINUTE, closed, MINUTE)))
    assert exchange.requests[-1].url.params["endTime"] == str(closed - 1)


def test_a_span_that_is_not_closed_yet_is_empty_and_not_asked_for() -> None:
    binance, exchange = feed()
    told = binance.candles(BTC, "1m", NOON, NOON + MINUTE)
    assert (told.start, told.end, told.bars) == (NOON, NOON, [])
    assert [request.url.path for request in exchange.requests] == ["/api/v3/time"]


def test_rows_outside_the_span_are_dropped() -> None:
    start = NOON - 3 * MINUTE
    rows = [kline(minute) for minute in range(start - MINUTE, NOON, MINUTE)]
    binance, _ = feed(klines=[klines(*rows)])
    told = binance.candles(BTC, "1m", start, start + MINUTE)
    assert [bar.start for bar in told.bars] == [start]


@pytest.mark.parametrize(
    "row",
    [
        kline(NOON - 2 * MINUTE + 1),
        kline(NOON - 2 * MINUTE, high="9.0"),
        kline(NOON - 2 * MINUTE, low="11.0"),
        kline(NOON - 2 * MINUTE, open="-10.0", low="-10.0"),
        kline(NOON - 2 * MINUTE, price="0.0"),
        kline(NOON - 2 * MINUTE, volume="-1.0"),
        kline(NOON - 2 * MINUTE, close="Infinity"),
        kline(NOON - 2 * MINUTE, close="ten"),
        kline(NOON - 2 * MINUTE, volume="1e-30"),
        kline(NOON - 3 * MINUTE),
    ],
)
def test_a_candle_that_cannot_be_right_is_refused(row: list[object]) -> None:
    binance, _ = feed(klines=[klines(kline(NOON - 3 * MINUTE), row)])
    with pytest.raises(FeedDownError):
        binance.candles(BTC, "1m", NOON - 3 * MINUTE, NOON - MINUTE)


def test_an_answer_that_lacks_rows_is_asked_for_again_and_told() -> None:
    start = NOON - 5 * MINUTE
    rows = [kline(minute) for minute in range(start, NOON - MINUTE, MINUTE)]
    binance, _ = feed(klines=[klines(*rows[:1], *rows[2:]), klines(*rows[:3])])
    session = binance.begin()
    told = binance.candles(BTC, "1m", start, NOON - MINUTE)
    assert (told.start, told.end, len(told.bars)) == (start, NOON - MINUTE, 4)
    assert dict(session.failures) == {"down": 1}


def test_of_an_answer_with_a_young_hole_only_the_newest_part_is_known() -> None:
    start = NOON - 6 * MINUTE
    rows = [kline(minute) for minute in range(start, NOON - MINUTE, MINUTE)]
    binance, exchange = feed(klines=[klines(*rows[:2], *rows[3:])])
    session = binance.begin()
    told = binance.candles(BTC, "1m", start, NOON - MINUTE)
    assert (told.start, told.end, len(told.bars)) == (start + 3 * MINUTE, NOON - MINUTE, 2)
    assert str(session.error) == "binance: 1 klines of BTC-USDT were missing"
    assert len(exchange.requests) == 3


def test_an_old_hole_that_two_answers_agree_on_is_an_outage() -> None:
    start = NOON - DAY
    rows = [kline(minute) for minute in range(start, start + HOUR, MINUTE)]
    binance, exchange = feed(klines=[klines(*rows[:10], *rows[20:])])
    session = binance.begin()
    told = binance.candles(BTC, "1m", start, start + HOUR)
    assert (told.start, told.end, len(told.bars)) == (start, start + HOUR, 50)
    assert (session.calls, session.error) == (3, None)
    assert len(exchange.requests) == 3


def test_an_old_hole_that_answers_disagree_on_is_not_believed() -> None:
    start = NOON - DAY
    rows = [kline(minute) for minute in range(start, start + HOUR, MINUTE)]
    without = [klines(*(row for at, row in enumerate(rows) if at not in (7, 10 + n))) for n in range(4)]
    binance, _ = feed(klines=without)
    told = binance.candles(BTC, "1m", start, start + HOUR)
    assert (told.start, told.end) == (start + 8 * MINUTE, start + HOUR)


def test_hours_and_days_are_candles_too() -> None:
    rows = [[start, *kline(start)[1:]] for start in (NOON - 2 * DAY - 12 * HOUR, NOON - DAY - 12 * HOUR)]
    binance, exchange = feed(klines=[klines(*rows)])
    told = binance.candles(BTC, "1d", NOON - 2 * DAY - 12 * HOUR, NOON + 12 * HOUR)
    assert (told.end, [bar.close for bar in told.bars]) == (NOON - 12 * HOUR, [10, 10])
    assert exchange.requests[-1].url.params["interval"] == "1d"


def test_trades_are_those_asked_for_oldest_first() -> None:
    binance, exchange = feed(trades=[recorded("binance_agg_trades")])
    assert binance.trades(BTC, 3204001, 3204003) == Trades(
        "BTC-USDT",
        2,
        5,
        [
            (3204001, 6532414, 1250, NOON - 900),
            (3204002, 6532415, 1200000, NOON - 751),
            (3204003, 6532400, 1, NOON - 751),
        ],
    )
    assert dict(exchange.requests[0].url.params) == {"symbol": "BTCUSDT", "fromId": "3204001", "limit": "3"}


def test_trades_that_the_venue_does_not_have_are_none() -> None:
    binance, _ = feed(trades=[recorded("binance_agg_trades"), httpx.Response(200, json=[])])
    assert binance.trades(BTC, 3203000, 3203999) is None
    assert binance.trades(BTC, 3203000, 3203999) is None


@pytest.mark.parametrize(
    "change",
    [{"p": "0.0"}, {"p": "-1.0"}, {"q": "0"}, {"q": "NaN"}, {"p": "1e-30"}, {"q": "1e30"}, {"p": "ten"}, {"T": 0}],
    ids=str,
)
def test_a_trade_that_cannot_be_right_is_refused(change: dict[str, object]) -> None:
    rows = [{"a": 5, "p": "1.0", "q": "1.0", "T": NOON}, {"a": 6, "p": "1.0", "q": "1.0", "T": NOON} | change]
    binance, _ = feed(trades=[httpx.Response(200, json=rows)])
    with pytest.raises(FeedDownError):
        binance.trades(BTC, 5, 6)


def test_the_newest_id_is_that_of_the_newest_aggregate() -> None:
    binance, exchange = feed(trades=[recorded("binance_agg_trades"), httpx.Response(200, json=[])])
    assert (binance.last_id(BTC), binance.last_id(BTC)) == (3204004, 0)
    assert dict(exchange.requests[0].url.params) == {"symbol": "BTCUSDT", "limit": "1"}

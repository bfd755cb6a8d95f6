"""Coinbase's answers, as recorded, become quotes and candles; those that cannot be right do not."""

import gzip
import json
from pathlib import Path

import httpx
import pytest

from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.ticks import Bar, Candles, Quote, Trades
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError, UnknownProductError
from cryptopulse.feeds.coinbase import Coinbase
from tests.unit.feeds.exchange import NOON, Answer, Exchange, at_once, recorded

BTC = Product("BTC-USD", "BTC-USD", trading=True)
CANDLES, TICKER, TRADES = (f"/products/BTC-USD/{name}" for name in ("candles", "ticker", "trades"))
NOT_FOUND = httpx.Response(404, content=b'{"message":"NotFound"}')
RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "exchange_frames" / "rest"


def feed(path: str, *answers: Answer, now: int = NOON) -> tuple[Coinbase, Exchange]:
    time = httpx.Response(200, json={"iso": "…", "epoch": now / 1000})
    exchange = Exchange({"/time": [time], path: list(answers)})
    return Coinbase("http://coinbase.test", at_once, transport=exchange.transport), exchange


def candles(*rows: tuple[int, float, float, float, float, float]) -> httpx.Response:
    return httpx.Response(200, json=[[at // 1000, *rest] for at, *rest in rows])


def test_products_come_from_the_venues_own_list() -> None:
    coinbase, _ = feed("/products", recorded("coinbase_products"))
    assert coinbase.products() == [
        Product("BTC-USD", "BTC-USD", trading=True),
        Product("OMG-USD", "OMG-USD", trading=False),
        Product("USDT-USD", "USDT-USD", trading=False),
    ]


def test_a_venue_that_lists_nothing_has_lost_its_list() -> None:
    coinbase, _ = feed("/products", httpx.Response(200, json=[]))
    with pytest.raises(FeedDownError, match="a list without products"):
        coinbase.products()


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded frames are not here")
def test_the_whole_recorded_list_is_read() -> None:
    content = gzip.decompress((RECORDINGS / "coinbase_exchange_products_2021-04-17.json.gz").read_bytes())
    coinbase, _ = feed("/products", httpx.Response(200, content=content))
    assert [product.native for product in coinbase.products()] == [each["id"] for each in json.loads(content)]


def test_a_quote_has_the_time_of_its_trade_with_any_number_of_digits() -> None:
    coinbase, _ = feed(TICKER, recorded("coinbase_ticker"))
    assert coinbase.quotes([BTC]) == [Quote("BTC-USD", 2, 6321297, NOON - 1_984)]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00.000000Z", "2026-11-22T12:00:00", "now", ""])
def test_a_quote_of_no_time_is_refused(time: str) -> None:
    coinbase, _ = feed(TICKER, httpx.Response(200, json={"price": "1.0", "time": time}))
    with pytest.raises(FeedDownError):
        coinbase.quotes([BTC])


def test_a_product_that_is_not_there_is_told() -> None:
    coinbase, _ = feed(TICKER, NOT_FOUND)
    with pytest.raises(UnknownProductError):
        coinbase.quotes([BTC])


def test_candles_are_turned_round_and_keep_every_digit() -> None:
    start = NOON - 5 * MINUTE
    coinbase, exchange = feed(CANDLES, recorded("coinbase_candles"), now=NOON)
    # The row before the span is dropped; 11:56 had no trade; low and high come first in a row.
    assert coinbase.candles(BTC, "1m", start, NOON) == Candles(
        "BTC-USD",
        8,
        8,
        start,
        NOON - MINUTE,
        NOON,
        [
            Bar(start, 1205, 1220, 1201, 1210, 1_000_000_000_000_000_000),
            Bar(start + 2 * MINUTE, 6323618000000, 6326246000000, 6323617000000, 6324477000000, 89694057),
            Bar(start + 3 * MINUTE, 6324478000000, 6324478000000, 6323499000000, 6323975000000, 69450254),
        ],
    )
    assert dict(exchange.requests[-1].url.params) == {
        "granularity": "60",
        "start": "2026-11-22T11:55:00Z",
        "end": "2026-11-22T11:58:00Z",
    }


def test_newest_rows_may_come_late_and_are_not_taken_for_empty_minutes() -> None:
    now = NOON + 30_000
    row = (NOON - 8 * MINUTE, 1, 1, 1, 1, 1)
    coinbase, _ = feed(CANDLES, candles(row), now=now)
    told = coinbase.candles(BTC, "1m", NOON - 10 * MINUTE, NOON)
    assert (told.start, told.end) == (NOON - 10 * MINUTE, NOON - 5 * MINUTE)
    coinbase, _ = feed(CANDLES, candles(), now=now)
    told = coinbase.candles(BTC, "1m", NOON - 4 * MINUTE, NOON)
    assert (told.start, told.end, told.bars) == (NOON - 4 * MINUTE, NOON - 4 * MINUTE, [])


def test_before_its_listing_a_product_has_no_candles() -> None:
    coinbase, _ = feed(CANDLES, candles())
    told = coinbase.candles(BTC, "1h", NOON - 300 * HOUR, NOON - HOUR)
    assert (told.start, told.end, told.bars) == (NOON - 300 * HOUR, NOON - HOUR, [])


def test_three_hundred_rows_are_one_call_within_the_venues_limit() -> None:
    coinbase, exchange = feed(CANDLES, candles())
    coinbase.candles(BTC, "1m", NOON - 301 * MINUTE, NOON - MINUTE)
    params = exchange.requests[-1].url.params
    assert (params["start"], params["end"]) == ("2026-11-22T06:59:00Z", "2026-11-22T11:58:00Z")


@pytest.mark.parametrize(
    "row",
    [
        (NOON - 2 * MINUTE + 1000, 1, 1, 1, 1, 1),
        (NOON - 2 * MINUTE, 2, 1, 1, 1, 1),
        (NOON - 2 * MINUTE, 1, 2, 3, 1, 1),
        (NOON - 2 * MINUTE, 1, 2, 1, 0.5, 1),
        (NOON - 2 * MINUTE, 0, 1, 1, 1, 1),
        (NOON - 2 * MINUTE, 1, 1, 1, 1, -1),
        (NOON - 3 * MINUTE, 1, 1, 1, 1, 1),
    ],
)
def test_a_candle_that_cannot_be_right_is_refused(row: tuple[int, float, float, float, float, float]) -> None:
    coinbase, _ = feed(CANDLES, candles((NOON - 3 * MINUTE, 1, 1, 1, 1, 1), row))
    with pytest.raises(FeedDownError):
        coinbase.candles(BTC, "1m", NOON - 3 * MINUTE, NOON - MINUTE)


def test_trades_are_those_asked_for_oldest_first() -> None:
    coinbase, exchange = feed(TRADES, recorded("coinbase_trades"))
    assert coinbase.trades(BTC, 1040406589, 1040406590) == Trades(
        "BTC-USD",
        2,
        8,
        [(1040406589, 6321250, 200_000_000, NOON - 261), (1040406590, 6321297, 3219, NOON - 261)],
    )
    assert dict(exchange.requests[0].url.params) == {"after": "1040406591", "limit": "2"}


def test_trades_that_the_venue_does_not_have_are_none() -> None:
    coinbase, _ = feed(TRADES, httpx.Response(200, json=[]))
    assert coinbase.trades(BTC, 1, 9) is None


@pytest.mark.parametrize(
    "change", [{"price": "0"}, {"size": "-1"}, {"size": "some"}, {"time": "0001-01-01T00:00:00.000000Z"}], ids=str
)
def test_a_trade_that_cannot_be_right_is_refused(change: dict[str, str]) -> None:
    row = {"trade_id": 5, "price": "1.0", "size": "1.0", "time": "2026-11-22T11:59:59Z"} | change
    coinbase, _ = feed(TRADES, httpx.Response(200, json=[row]))
    with pytest.raises(FeedDownError):
        coinbase.trades(BTC, 5, 5)


def test_the_newest_id_is_that_of_the_newest_trade() -> None:
    coinbase, exchange = feed(TRADES, recorded("coinbase_trades"), httpx.Response(200, json=[]))
    assert (coinbase.last_id(BTC), coinbase.last_id(BTC)) == (1040406590, 0)
    assert dict(exchange.requests[0].url.params) == {"limit": "1"}

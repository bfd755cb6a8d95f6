"""Coinbase Exchange's REST as its documentation and captures have it."""

import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.unit.simulator.conftest import Ask

OPEN_MINUTE = 1_795_336_380
NOW = "2026-11-22T08:33:35"


def get(ask: Ask, path: str, **params: object) -> Any:
    answer = ask(f"/coinbase/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Any)


def candles(ask: Ask, product: str, **params: object) -> list[list[Any]]:
    """The rows, their numbers as the decimals that are written."""
    text = ask(f"/coinbase/products/{product}/candles", params=params).content
    return msgspec.json.Decoder(list[list[Decimal]]).decode(text)


def refused(ask: Ask, path: str, **options: object) -> tuple[int, Any]:
    answer = ask(f"/coinbase/{path}", **options)
    return answer.status_code, answer.json()


def test_time(ask: Ask) -> None:
    assert get(ask, "time") == {"iso": "2026-11-22T08:33:35.123Z", "epoch": 1_795_336_415.123}


def test_products_tell_their_steps_and_status(ask: Ask) -> None:
    products = {product["id"]: product for product in get(ask, "products")}
    bitcoin = products["BTC-USD"]
    assert (bitcoin["base_currency"], bitcoin["quote_currency"]) == ("BTC", "USD")
    assert (bitcoin["quote_increment"], bitcoin["base_increment"]) == ("0.01", "0.00000001")
    assert get(ask, "products/BTC-USD") == bitcoin
    assert [id_ for id_, product in products.items() if product["status"] != "online"] == ["OMG-USD"]
    assert {"USDT-USD", "USDT-EUR", "USDT-GBP", "ETH-BTC", "BTC-EUR", "BTC-GBP"} <= products.keys()
    assert "BNB-USD" not in products


def test_currencies_have_names(ask: Ask) -> None:
    names = {currency["id"]: currency["name"] for currency in get(ask, "currencies")}
    assert (names["BTC"], names["SHIB"], names["EUR"]) == ("Bitcoin", "Shiba Inu", "Euro")
    assert "BNB" not in names
    assert get(ask, "currencies/BTC")["name"] == "Bitcoin"


def test_candles_are_newest_first_with_low_before_high(ask: Ask) -> None:
    rows = candles(ask, "BTC-USD")
    times = [int(row[0]) for row in rows]
    assert times == list(range(OPEN_MINUTE, OPEN_MINUTE - 350 * 60, -60))
    for _, low, high, open_, close, volume in rows:
        assert low <= min(open_, close) <= max(open_, close) <= high
        assert volume > 0


def test_candles_are_numbers_with_the_exact_digits(ask: Ask) -> None:
    text = ask("/coinbase/products/BTC-USD/candles").text
    assert re.fullmatch(r"\[(\[\d+(,\d+(\.\d{0,7}[1-9])?){5}\],?)+\]", text)
    truth = ask("/admin/candles?venue=coinbase&symbol=BTC-USD&interval=1m").json()["candles"]
    exact = [[time // 1000, low, high, open_, close, volume] for time, open_, high, low, close, volume, _ in truth]
    assert candles(ask, "BTC-USD") == [[Decimal(value) for value in row] for row in exact[:-351:-1]]


def test_a_bucket_without_trades_has_no_row(ask: Ask) -> None:
    rows = candles(ask, "ADA-GBP")
    assert 100 < len(rows) < 350
    assert all(row[5] > 0 for row in rows)


def test_the_window_is_closed_and_at_most_300_buckets_wide(ask: Ask) -> None:
    start, end = OPEN_MINUTE - 400 * 60, OPEN_MINUTE - 100 * 60
    rows = candles(ask, "BTC-USD", granularity=60, start=start, end=end)
    assert [int(row[0]) for row in rows] == list(range(end, start - 60, -60))
    wide = f"products/BTC-USD/candles?granularity=60&start={start}&end={end + 60}"
    message = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
    assert refused(ask, wide) == (400, {"message": message})


def test_times_may_be_text_and_a_start_within_a_bucket_shows_that_bucket(ask: Ask) -> None:
    day = "2026-11-21T"
    for start, end in ((f"{day}10:00:30Z", f"{day}10:02:10Z"), (f"{day}10:00:00", f"{day}11:02:00+01:00")):
        rows = candles(ask, "BTC-USD", granularity=60, start=start, end=end)
        assert [int(row[0]) % 3600 for row in rows] == [120, 60, 0]


def test_start_without_end_is_ignored(ask: Ask) -> None:
    newest = candles(ask, "BTC-USD", granularity=3600)
    assert len(newest) == 350
    assert candles(ask, "BTC-USD", granularity=3600, start="2026-11-01") == newest
    assert candles(ask, "BTC-USD", granularity=3600, end="2026-11-01") == newest


def test_before_the_listing_there_is_nothing(ask: Ask) -> None:
    assert candles(ask, "BTC-USD", granularity=86400, start="2018-01-01", end="2018-03-01") == []


@pytest.mark.parametrize("granularity", [300, 900, 3600, 21600, 86400])
def test_candles_of_every_granularity_are_folded_minutes(ask: Ask, clock: SimpleNamespace, granularity: int) -> None:
    row = candles(ask, "LTC-EUR", granularity=granularity)[0]
    minutes: list[list[Decimal]] = []
    for start in range(int(row[0]), int(row[0]) + granularity, 300 * 60):
        clock.now += 100_000
        minutes = candles(ask, "LTC-EUR", granularity=60, start=start, end=start + 299 * 60) + minutes
    minutes = [one for one in minutes if one[0] < row[0] + granularity]
    assert row[1:] == [
        min(one[1] for one in minutes),
        max(one[2] for one in minutes),
        minutes[-1][3],
        minutes[0][4],
        sum(one[5] for one in minutes),
    ]


def test_trades_page_by_cursor(ask: Ask) -> None:
    page = ask("/coinbase/products/BTC-USD/trades?limit=5")
    newest = page.json()
    ids = [trade["trade_id"] for trade in newest]
    assert ids == list(range(ids[0], ids[0] - 5, -1))
    assert (page.headers["cb-before"], page.headers["cb-after"]) == (str(ids[0]), str(ids[-1]))
    older = get(ask, "products/BTC-USD/trades", after=ids[-1], limit=3)
    assert [trade["trade_id"] for trade in older] == [ids[-1] - 1, ids[-1] - 2, ids[-1] - 3]
    assert get(ask, "products/BTC-USD/trades", before=ids[2]) == newest[:2]
    assert get(ask, "products/BTC-USD/trades", before=ids[0]) == []
    assert len(get(ask, "products/BTC-USD/trades")) == 1000
    assert newest[0]["time"] <= NOW + ".123457Z"


def test_ticker_stats_trades_and_candles_agree(ask: Ask) -> None:
    for product in ("BTC-USD", "USDT-GBP"):
        ticker, stats = get(ask, f"products/{product}/ticker"), get(ask, f"products/{product}/stats")
        last = get(ask, f"products/{product}/trades", limit=1)[0]
        assert ticker["trade_id"] == last["trade_id"]
        assert Decimal(ticker["price"]) == Decimal(last["price"]) == Decimal(stats["last"])
        assert Decimal(ticker["size"]) == Decimal(last["size"])
        assert re.fullmatch(r"[-\dT:]{19}\.\d{9}Z", ticker["time"])
        assert ticker["time"].startswith(last["time"][:-1])
        start = (OPEN_MINUTE - 1439 * 60) * 1000
        path = f"/admin/candles?venue=coinbase&symbol={product}&interval=1m&start={start}"
        truth = ask(path).json()["candles"]
        assert Decimal(stats["volume"]) == sum(Decimal(row[5]) for row in truth) == Decimal(ticker["volume"])
        assert Decimal(stats["open"]) == Decimal(truth[0][1])
        assert Decimal(stats["high"]) == max(Decimal(row[2]) for row in truth)
        assert Decimal(stats["low"]) == min(Decimal(row[3]) for row in truth)


def test_all_stats_are_those_of_each_product(ask: Ask) -> None:
    stats, every = get(ask, "products/ETH-BTC/stats"), get(ask, "products/stats")
    assert "OMG-USD" not in every
    assert every["ETH-BTC"]["stats_30day"] == {"volume": stats["volume_30day"]}
    assert every["ETH-BTC"]["stats_24hour"] == {name: stats[name] for name in ("open", "high", "low", "last", "volume")}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("nothing", 404, "NotFound"),
        ("products/NO-USD", 404, "NotFound"),
        ("products/NO-USD/candles", 404, "NotFound"),
        ("products/BNB-USD/ticker", 404, "NotFound"),
        ("currencies/NO", 404, "NotFound"),
        ("products/OMG-USD/ticker", 400, "Not allowed for delisted products"),
        ("products/BTC-USD/candles?granularity=14400", 400, "Unsupported granularity"),
        ("products/BTC-USD/candles?start=tomorrow&end=2026-11-22", 400, "start is not a valid time"),
        ("products/BTC-USD/candles?start=2026-11-22&end=2026-11-21", 400, "start must be before end"),
        ("products/BTC-USD/trades?limit=none", 400, "limit must be a positive integer"),
    ],
)
def test_errors_are_messages(ask: Ask, path: str, status: int, message: str) -> None:
    assert refused(ask, path) == (status, {"message": message})


def test_a_client_must_name_itself(ask: Ask) -> None:
    assert refused(ask, "time", headers={"User-Agent": ""}) == (400, {"message": "User-Agent header is required."})


def test_fifteen_at_once_then_ten_a_second(ask: Ask, clock: SimpleNamespace) -> None:
    assert [ask("/coinbase/time").status_code for _ in range(16)] == [200] * 15 + [429]
    assert refused(ask, "time") == (429, {"message": "Public rate limit exceeded"})
    clock.now += 200_000
    assert [ask("/coinbase/time").status_code for _ in range(3)] == [200, 200, 429]

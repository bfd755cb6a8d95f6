"""Market data over HTTP: the real handler on tables filled as the stream and the backfill fill them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.client import Account, Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.aws.prices import Prices
from cryptopulse.domain.candles import DAY, HOUR, MINUTE, rows_of
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades
from cryptopulse.domain.venues import VenueState
from functions.queries import app
from tests.functional.conftest import Filled

NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""
MINUTE_NOW = NOW - 3_057
SIX = MINUTE_NOW - 31 * MINUTE
BEGIN = SIX - 27 * HOUR
"""03:00 of the day before: where history begins."""
LANES = 2

BTC, ETH, RATE = (Series("coinbase", f"{asset}-USD") for asset in ("BTC", "ETH", "USDT"))
BTC_TETHER, SOL_TETHER = Series("binance", "BTC-USDT"), Series("binance", "SOL-USDT")
SERIES = [BTC, BTC_TETHER, ETH, SOL_TETHER, RATE]
BASES = {BTC: 6_321_297, BTC_TETHER: 6_320_000, ETH: 250_000, SOL_TETHER: 15_000, RATE: 9_990}
AGES = {BTC: 20_000, BTC_TETHER: 21_000, ETH: 22_000, SOL_TETHER: 300_001, RATE: 23_000}

type Ask = Callable[..., dict[str, Any]]


def bar(series: Series, minute: int) -> Bar | None:
    """What was traded in a minute; ETH is not in every tenth."""
    number = minute // MINUTE
    if series == ETH and number % 10 == 3:
        return None
    open_, close = (BASES[series] + n * 37 % 101 for n in (number, number + 1))
    return Bar(minute, open_, max(open_, close) + 7, min(open_, close) - 9, close, 100 + number % 13)


def told(series: Series, start: int, end: int) -> Candles:
    bars = [each for minute in range(start, end, MINUTE) if (each := bar(series, minute))]
    return Candles(series.symbol, 2, 3, start, end, end, bars)


def expected(series: Series, start: int, end: int, interval: int) -> list[list[float]]:
    """The rows that a chart must show, folded by hand."""
    rows: dict[int, list[Bar]] = {}
    for minute in range(max(start, BEGIN), min(end, MINUTE_NOW), MINUTE):
        if each := bar(series, minute):
            rows.setdefault(minute // interval * interval, []).append(each)
    return [
        [
            time,
            bars[0].open / 100,
            max(each.high for each in bars) / 100,
            min(each.low for each in bars) / 100,
            bars[-1].close / 100,
            sum(each.volume for each in bars) / 1000,
        ]
        for time, bars in rows.items()
    ]


def last_price(series: Series) -> float:
    return (BASES[series] + 50) / 100


def deliver(market: Market, venue: str, lane: int, *messages: Message) -> None:
    state = market.lane(lane)
    version = state.version
    minutes = LazyMinutes(market, lane)
    folded = fold(state, minutes, [Record(venue, lane, list(messages))])
    for each in state.series.values():
        each.repairs = []  # what was before them has been told
    market.write(state, version, [minutes[minute] for minute in folded.minutes])


def fill(market: Market) -> None:
    market.save_series(SERIES)
    for series in SERIES:
        market.merge_minutes({series: rows_of(told(series, BEGIN, SIX), MINUTE)}, SIX)
    for series in SERIES:
        quote = Quote(series.symbol, 2, BASES[series] + 50, NOW - AGES[series])
        fresh = told(series, SIX, MINUTE_NOW)
        deliver(market, series.venue, lane_of(series, LANES), fresh, quote, Clock(MINUTE_NOW))
    for venue in ("binance", "coinbase"):
        wiring.venues().save(venue, VenueState("http://feed", ok_at=NOW))


@pytest.fixture
def market(filled: Filled) -> Market:
    return filled(fill)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time, to be set."""
    time = [NOW]
    monkeypatch.setattr(wiring, "now", lambda: time[0])
    return time


@pytest.fixture
def ask(market: Market, clock: list[int], http_event: Callable[..., Any], context: LambdaContext) -> Ask:
    def ask(path: str, query: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        return app.handler(http_event("GET", path, query, **more), context)

    return ask


def body(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer
    assert answer["headers"]["Content-Type"] == "application/json"
    return json.loads(answer["body"])


def max_age(answer: dict[str, Any]) -> int:
    return int(answer["headers"]["Cache-Control"].removeprefix("public, max-age="))


def refused(answer: dict[str, Any]) -> tuple[int, str | None]:
    """The status of a problem and the field it names."""
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    problem = json.loads(answer["body"])
    assert problem["status"] == answer["statusCode"]
    return problem["status"], problem["errors"][0]["field"] if "errors" in problem else None


# --- coins ---


def test_coins_lists_every_series(ask: Ask) -> None:
    answer = ask("/coins")
    assert body(answer) == {
        "items": [
            {
                "asset": "BTC",
                "name": "Bitcoin",
                "symbols": [{"symbol": "BTC-USD", "venue": "coinbase"}, {"symbol": "BTC-USDT", "venue": "binance"}],
            },
            {"asset": "ETH", "name": "Ethereum", "symbols": [{"symbol": "ETH-USD", "venue": "coinbase"}]},
            {"asset": "SOL", "name": "Solana", "symbols": [{"symbol": "SOL-USDT", "venue": "binance"}]},
            {"asset": "USDT", "name": "Tether", "symbols": [{"symbol": "USDT-USD", "venue": "coinbase"}]},
        ],
        "next_cursor": None,
    }
    assert max_age(answer) == 60


def test_a_list_comes_in_pages(ask: Ask) -> None:
    first = body(ask("/coins", {"limit": "3"}))
    assert [coin["asset"] for coin in first["items"]] == ["BTC", "ETH", "SOL"]
    second = body(ask("/coins", {"limit": "3", "cursor": first["next_cursor"]}))
    assert ([coin["asset"] for coin in second["items"]], second["next_cursor"]) == (["USDT"], None)
    for query in ({"limit": "2", "cursor": first["next_cursor"]}, {"cursor": first["next_cursor"]}):
        assert refused(ask("/coins", query)) == (422, "cursor")
    assert refused(ask("/prices", {"limit": "3", "cursor": first["next_cursor"]})) == (422, "cursor")


def test_a_limit_out_of_range_is_refused(ask: Ask) -> None:
    for limit in ("0", "501", "-1", "many", ""):
        assert refused(ask("/coins", {"limit": limit})) == (422, "limit"), limit


# --- prices ---


def day(series: Series) -> dict[str, float]:
    """24 hours, folded by hand from minutes."""
    rows = expected(series, MINUTE_NOW - DAY + MINUTE, MINUTE_NOW, MINUTE)
    price = last_price(series)
    change = round(price - rows[0][1], 2)
    return {
        "change_24h": change,
        "change_pct_24h": round(100 * change / rows[0][1], 4),
        "high_24h": max(price, *(row[2] for row in rows)),
        "low_24h": min(price, *(row[3] for row in rows)),
        "volume_24h": round(sum(row[5] for row in rows), 3),
    }


def test_a_price_with_its_day(ask: Ask) -> None:
    answer = ask("/prices/BTC-USD")
    assert body(answer) == {
        "symbol": "BTC-USD",
        "venue": "coinbase",
        "via": None,
        "price": 63213.47,
        "time": "2026-11-22T06:30:43.057Z",
        **day(BTC),
        "stale": False,
    }
    assert max_age(answer) == 1


def test_prices_come_in_the_order_asked(ask: Ask) -> None:
    items = body(ask("/prices", {"symbols": "ETH-USD,BTC-USDT,ETH-USD"}))["items"]
    assert [(item["symbol"], item["venue"], item["price"]) for item in items] == [
        ("ETH-USD", "coinbase", last_price(ETH)),
        ("BTC-USDT", "binance", last_price(BTC_TETHER)),
        ("ETH-USD", "coinbase", last_price(ETH)),
    ]
    assert {name: items[0][name] for name in day(ETH)} == day(ETH)


def test_without_symbols_every_dollar_price_comes_converted_ones_too(ask: Ask) -> None:
    items = body(ask("/prices"))["items"]
    assert [(item["symbol"], item["venue"], item["via"], item["price"], item["stale"]) for item in items] == [
        ("BTC-USD", "coinbase", None, last_price(BTC), False),
        ("ETH-USD", "coinbase", None, last_price(ETH), False),
        ("SOL-USD", "binance", "USDT-USD", 15_050 * 10_040 / 10_000, True),
        ("USDT-USD", "coinbase", None, last_price(RATE), False),
    ]
    start = MINUTE_NOW - DAY + MINUTE
    before = (bar(SOL_TETHER, start), bar(RATE, start))
    assert before[0] is not None
    assert before[1] is not None
    change = 15_050 * 10_040 - before[0].open * before[1].open
    assert items[2]["change_24h"] == change / 10_000
    assert items[2]["volume_24h"] == day(SOL_TETHER)["volume_24h"]


def test_a_venue_speaks_for_itself_only(ask: Ask) -> None:
    assert body(ask("/prices/BTC-USDT", {"venue": "binance"}))["price"] == last_price(BTC_TETHER)
    for path, query in (
        ("/prices/SOL-USD", {"venue": "binance"}),
        ("/prices/BTC-USD", {"venue": "binance"}),
        ("/prices/BTC-USD", {"venue": "kraken"}),
        ("/prices/BTC-USD", {"venue": ""}),
        ("/prices/NOPE-USD", {}),
        ("/prices/btc-usd", {}),
        ("/prices/BTC-USD/more", {}),
        ("/prices", {"symbols": "BTC-USD,NOPE-USD"}),
    ):
        assert refused(ask(path, query)) == (404, None), (path, query)


def test_a_sparkline_is_24_hourly_closes(ask: Ask) -> None:
    item = body(ask("/prices/ETH-USD", {"sparkline": "true"}))
    assert item["sparkline"] == [row[4] for row in expected(ETH, BEGIN, NOW, HOUR)][-24:]
    assert "sparkline" not in body(ask("/prices/ETH-USD"))


def test_bad_requests_for_prices_are_refused(ask: Ask) -> None:
    for query, field in (
        ({"symbols": ""}, "symbols"),
        ({"symbols": "BTC-USD,"}, "symbols"),
        ({"symbols": ",".join(["BTC-USD"] * 101)}, "symbols"),
        ({"symbol": "BTC-USD"}, "symbol"),
        ({"venue": "binance"}, "venue"),
        ({"at": "yesterday"}, "at"),
        ({"at": str(NOW + 1)}, "at"),
        ({"at": "2026-11-21", "sparkline": "true"}, "sparkline"),
        ({"sparkline": "24"}, "sparkline"),
        ({"cursor": "AAAA"}, "cursor"),
    ):
        assert refused(ask("/prices", query)) == (422, field), query


def test_a_hundred_prices_are_answered(ask: Ask) -> None:
    assert len(body(ask("/prices", {"symbols": ",".join(["BTC-USD"] * 100)}))["items"]) == 100


def test_new_minutes_show_at_once(ask: Ask, market: Market, clock: list[int]) -> None:
    body(ask("/prices/ETH-USD"))
    clock[0] += MINUTE
    quote = Quote("ETH-USD", 2, 1, NOW + MINUTE - 1)
    high = Bar(MINUTE_NOW, 250_000, 999_900, 249_900, 250_010, 7)
    fresh = Candles("ETH-USD", 2, 3, MINUTE_NOW, MINUTE_NOW + MINUTE, NOW + MINUTE, [high])
    deliver(market, "coinbase", lane_of(ETH, LANES), fresh, quote, Clock(MINUTE_NOW + MINUTE))
    item = body(ask("/prices/ETH-USD"))
    assert (item["price"], item["low_24h"], item["high_24h"]) == (0.01, 0.01, 9999.0)
    rows = expected(ETH, MINUTE_NOW - DAY + 2 * MINUTE, MINUTE_NOW, MINUTE)
    assert item["volume_24h"] == round(sum(row[5] for row in rows) + 0.007, 3)


def test_a_repaired_minute_shows_in_the_day(ask: Ask, market: Market, clock: list[int]) -> None:
    body(ask("/prices/BTC-USD"))
    clock[0] += 1000
    high = Bar(SIX, 6_321_297, 7_000_000, 6_321_000, 6_321_300, 7)
    deliver(market, "coinbase", lane_of(BTC, LANES), Candles("BTC-USD", 2, 3, SIX, SIX + MINUTE, NOW + 1000, [high]))
    assert body(ask("/prices/BTC-USD"))["high_24h"] == 70_000.0


def test_a_packed_hour_leaves_the_day_as_it_was(ask: Ask, market: Market, clock: list[int]) -> None:
    end = SIX + HOUR + 6 * MINUTE
    clock[0] = end + 3_057
    number = lane_of(BTC, LANES)
    deliver(market, "coinbase", number, told(BTC, MINUTE_NOW, end), Clock(end))
    before = body(ask("/prices/BTC-USD"))
    lane = market.lane(number)
    assert lane.unpacked == [SIX]
    market.pack(lane)
    lane.version += 1
    market.write(lane, lane.version - 1, [])
    clock[0] += 1000
    assert body(ask("/prices/BTC-USD")) == before
    assert market.lane(number).unpacked_from == SIX + HOUR


def test_a_price_at_a_time(ask: Ask) -> None:
    for at, close, time, stale in (
        (SIX + 30_000, bar(BTC, SIX), "2026-11-22T06:01:00.000Z", False),
        (BEGIN, bar(BTC, BEGIN), "2026-11-21T03:01:00.000Z", False),
        (MINUTE_NOW - 1, bar(BTC, MINUTE_NOW - MINUTE), "2026-11-22T06:31:00.000Z", False),
        (NOW, bar(BTC, MINUTE_NOW - MINUTE), "2026-11-22T06:31:00.000Z", False),
        (BEGIN - 1, bar(BTC, BEGIN + 21 * HOUR - MINUTE), "2026-11-22T00:00:00.000Z", True),
        (BEGIN - DAY, None, None, True),
    ):
        assert body(ask("/prices/BTC-USD", {"at": str(at)})) == {
            "symbol": "BTC-USD",
            "venue": "coinbase",
            "via": None,
            "price": close and close.close / 100,
            "time": time,
            "change_24h": None,
            "change_pct_24h": None,
            "high_24h": None,
            "low_24h": None,
            "volume_24h": None,
            "stale": stale,
        }


def test_a_minute_without_trade_is_told_by_its_hour(ask: Ask) -> None:
    empty = next(minute for minute in range(SIX - HOUR, SIX, MINUTE) if bar(ETH, minute) is None)
    item = body(ask("/prices/ETH-USD", {"at": str(empty)}))
    assert (item["price"], item["time"]) == (expected(ETH, SIX - HOUR, SIX, HOUR)[0][4], "2026-11-22T06:00:00.000Z")


def test_a_past_price_is_converted_at_the_rate_of_then(ask: Ask) -> None:
    (item,) = body(ask("/prices", {"symbols": "SOL-USD", "at": str(SIX)}))["items"]
    minute, rate = bar(SOL_TETHER, SIX), bar(RATE, SIX)
    assert minute is not None
    assert rate is not None
    assert (item["price"], item["via"]) == (minute.close * rate.close / 10_000, "USDT-USD")


def test_a_past_price_is_kept_for_a_day_once_it_is_settled(ask: Ask) -> None:
    assert max_age(ask("/prices/BTC-USD", {"at": str(SIX - 3 * HOUR)})) == 86_400
    assert max_age(ask("/prices/BTC-USD", {"at": str(SIX)})) == 60
    assert max_age(ask("/prices/BTC-USD", {"at": str(BEGIN - DAY)})) == 60


# --- candles ---


def test_candles_of_every_interval(ask: Ask) -> None:
    for name, minutes in {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240}.items():
        rows = expected(ETH, BEGIN, NOW, minutes * MINUTE)
        answer = ask("/candles/ETH-USD", {"interval": name, "limit": "5000"})
        # The first 4 hours begin before history does.
        partial = [int(rows[0][0])] if name == "4h" else []
        assert body(answer) == {
            "symbol": "ETH-USD",
            "venue": "coinbase",
            "interval": name,
            "candles": rows,
            "last_open": name != "1m",
            "incomplete": partial,
            "next_cursor": None,
        }
        assert max_age(answer) == 1  # the open row is there, or may come


def test_days(ask: Ask) -> None:
    answer = body(ask("/candles/BTC-USD", {"interval": "1d"}))
    assert answer["candles"] == expected(BTC, BEGIN, NOW, DAY)
    assert answer["incomplete"] == [SIX - 30 * HOUR]
    assert answer["last_open"]


def test_candles_without_the_open_one(ask: Ask) -> None:
    answer = ask("/candles/BTC-USD", {"interval": "1h", "open": "false", "limit": "5"})
    assert body(answer)["candles"] == expected(BTC, SIX - 5 * HOUR, SIX, HOUR)
    assert not body(answer)["last_open"]
    assert max_age(answer) == 29 * 60 - 3


@pytest.mark.parametrize(("interval", "forward"), [("1m", True), ("15m", False)])
def test_pages_join_without_gap_or_repeat(ask: Ask, interval: str, forward: bool) -> None:
    query = {"interval": interval, "limit": "7", "start": str(SIX - 3 * HOUR)}
    query |= {} if forward else {"end": str(SIX + 20 * MINUTE)}
    rows: list[list[float]] = []
    for _ in range(100):
        page = body(ask("/candles/ETH-USD", query))
        rows = [*rows, *page["candles"]] if forward else [*page["candles"], *rows]
        if page["next_cursor"] is None:
            break
        assert len(page["candles"]) == 7
        query["cursor"] = page["next_cursor"]
    whole = {name: value for name, value in query.items() if name != "cursor"} | {"limit": "5000"}
    assert rows == body(ask("/candles/ETH-USD", whole))["candles"]
    assert len(rows) >= 7


def test_the_first_rows_from_a_start_or_the_last_before_an_end(ask: Ask) -> None:
    start, end = str(SIX - 2 * HOUR + 1), str(SIX - HOUR + 1)
    first = body(ask("/candles/BTC-USD", {"interval": "1m", "limit": "3", "start": start}))
    assert first["candles"] == expected(BTC, SIX - 2 * HOUR + MINUTE, SIX - 2 * HOUR + 4 * MINUTE, MINUTE)
    last = body(ask("/candles/BTC-USD", {"interval": "1m", "limit": "3", "end": end}))
    assert last["candles"] == expected(BTC, SIX - HOUR - 2 * MINUTE, SIX - HOUR + MINUTE, MINUTE)
    both = body(ask("/candles/BTC-USD", {"interval": "1m", "limit": "3", "start": start, "end": end}))
    assert both["candles"] == last["candles"]
    assert both["next_cursor"] is not None


def test_settled_candles_are_kept_for_a_day(ask: Ask) -> None:
    old = {"interval": "1m", "start": str(BEGIN), "end": str(BEGIN + HOUR)}
    answer = ask("/candles/BTC-USD", old)
    assert (len(body(answer)["candles"]), max_age(answer)) == (60, 86_400)
    assert max_age(ask("/candles/BTC-USD", old | {"start": str(BEGIN - HOUR)})) == 57
    tag = answer["headers"]["ETag"]
    again = ask("/candles/BTC-USD", old, headers={"if-none-match": tag})
    assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag)


def test_beyond_history_there_are_no_candles(ask: Ask) -> None:
    for query in ({"start": "2099-01-01"}, {"end": "2001-01-01"}, {"start": "2020-01-01", "end": "2020-01-02"}):
        page = body(ask("/candles/BTC-USD", query))
        assert (page["candles"], page["last_open"], page["next_cursor"]) == ([], False, None)


def test_a_traded_minute_is_open_until_it_closes(ask: Ask, market: Market, clock: list[int]) -> None:
    trade = Trades("BTC-USD", 2, 3, [(7, 6_400_000, 5, NOW - 1)])
    deliver(market, "coinbase", lane_of(BTC, LANES), trade, Clock(NOW))
    page = body(ask("/candles/BTC-USD", {"interval": "1m", "limit": "1"}))
    assert (page["candles"], page["last_open"], page["incomplete"]) == (
        [[MINUTE_NOW, 64_000.0, 64_000.0, 64_000.0, 64_000.0, 0.005]],
        True,
        [MINUTE_NOW],
    )
    assert body(ask("/candles/BTC-USD", {"interval": "1m", "limit": "1", "open": "false"}))["candles"] == expected(
        BTC, MINUTE_NOW - MINUTE, MINUTE_NOW, MINUTE
    )


def test_bad_requests_for_candles_are_refused(ask: Ask) -> None:
    for query, field in (
        ({"interval": "7m"}, "interval"),
        ({"interval": ""}, "interval"),
        ({"limit": "0"}, "limit"),
        ({"limit": "5001"}, "limit"),
        ({"start": "yesterday"}, "start"),
        ({"end": "2026-02-30"}, "end"),
        ({"start": "2026-01-02", "end": "2026-01-01"}, "start"),
        ({"start": "2026-01-02", "end": "2026-01-02"}, "start"),
        ({"open": "2"}, "open"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "cursor"),
        ({"intervall": "1m"}, "intervall"),
    ):
        assert refused(ask("/candles/BTC-USD", query)) == (422, field), query


def test_unknown_series_have_no_candles(ask: Ask) -> None:
    for path, query in (
        ("/candles/NOPE-USD", {}),
        ("/candles/SOL-USD", {}),
        ("/candles/BTC-USD", {"venue": "binance"}),
        ("/candles/BTC-USD", {"venue": "kraken"}),
        ("/candles/", {}),
        ("/candles", {}),
    ):
        assert refused(ask(path, query)) == (404, None), (path, query)


def test_a_cursor_is_bound_to_its_series_and_query(ask: Ask) -> None:
    query = {"interval": "1m", "limit": "5"}
    cursor = body(ask("/candles/BTC-USD", query))["next_cursor"]
    assert len(body(ask("/candles/BTC-USD", query | {"cursor": cursor}))["candles"]) == 5
    for path, other in (
        ("/candles/ETH-USD", query),
        ("/candles/BTC-USD", query | {"interval": "5m"}),
        ("/candles/BTC-USD", query | {"venue": "coinbase"}),
        ("/candles/BTC-USD", query | {"end": str(NOW)}),
        ("/candles/BTC-USD", {"interval": "1m"}),
    ):
        assert refused(ask(path, other | {"cursor": cursor})) == (422, "cursor")


# --- the system ---


def test_a_healthy_system(ask: Ask, clock: list[int]) -> None:
    answer = ask("/health")
    ok = {
        "status": "ok",
        "mode": "poll",
        "gaps": 0,
        "gaps_repaired": 0,
        "reconnects": 0,
        "error": None,
        "retry_at": None,
    }
    assert body(answer) == {
        "status": "ok",
        "version": "test",
        "feeds": "simulated",
        "mode": "poll",
        "checks": {
            "store": {"status": "ok"},
            "prices": {"coinbase": {**ok, "age_seconds": 20.0}, "binance": {**ok, "age_seconds": 21.0}},
        },
    }
    assert answer["headers"]["Cache-Control"] == "no-store"
    clock[0] += 4 * MINUTE
    assert body(ask("/health"))["status"] == "degraded"
    clock[0] += MINUTE
    down = ask("/health")
    assert (down["statusCode"], json.loads(down["body"])["status"]) == (503, "down")


def test_a_failing_venue_is_told_and_the_other_unharmed(ask: Ask) -> None:
    limited = VenueState("http://feed", kind="limited", error="429", until=NOW + MINUTE)
    wiring.venues().save("binance", limited)
    told_ = body(ask("/health"))
    assert (told_["status"], told_["checks"]["prices"]["coinbase"]["status"]) == ("degraded", "ok")
    assert told_["checks"]["prices"]["binance"] == {
        "status": "degraded",
        "mode": "poll",
        "age_seconds": 21.0,
        "gaps": 0,
        "gaps_repaired": 0,
        "reconnects": 0,
        "error": "limited",
        "retry_at": "2026-11-22T06:32:03.057Z",
    }


def test_a_dead_stream_is_told_and_the_living_one(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE_MODE", "stream")
    wiring.clear()

    def modes() -> tuple[str, dict[str, tuple[str, str, int]]]:
        told_ = body(ask("/health"))
        venues = told_["checks"]["prices"].items()
        return told_["mode"], {venue: (each["status"], each["mode"], each["reconnects"]) for venue, each in venues}

    polled = ("degraded", "poll", 0)
    assert modes() == ("stream", {"coinbase": polled, "binance": polled})
    states = {"coinbase": StreamState(told_at=NOW - 1_000, reconnects=[NOW - MINUTE]), "binance": StreamState()}
    wiring.leases().take(None, "somebody", NOW, NOW + HOUR, states)
    assert modes() == ("stream", {"coinbase": ("ok", "stream", 1), "binance": polled})


def test_a_store_that_does_not_answer_is_told(
    aws: boto3.Session, monkeypatch: pytest.MonkeyPatch, http_event: Callable[..., Any], context: LambdaContext
) -> None:
    nowhere = Account("us-east-1", wiring.account().credentials, "http://127.0.0.1:1")
    market = Market(Table(Client("dynamodb", nowhere, sleep=lambda _: None), "Market"))
    monkeypatch.setattr(wiring, "market", lambda: market)
    monkeypatch.setattr(wiring, "prices", lambda: Prices(market, LANES))
    answer = app.handler(http_event("GET", "/health"), context)
    told_ = json.loads(answer["body"])
    assert (answer["statusCode"], told_["status"], told_["checks"]) == (503, "down", {"store": {"status": "down"}})
    answer = app.handler(http_event("GET", "/prices"), context)
    assert (answer["headers"]["Retry-After"], refused(answer)) == ("1", (503, None))


def test_before_anything_is_followed(
    aws: boto3.Session, http_event: Callable[..., Any], context: LambdaContext
) -> None:
    answers = [app.handler(http_event("GET", path), context) for path in ("/coins", "/prices")]
    assert [body(answer) for answer in answers] == [{"items": [], "next_cursor": None}] * 2
    health = app.handler(http_event("GET", "/health"), context)
    assert (health["statusCode"], json.loads(health["body"])["status"]) == (503, "down")


def test_history_is_there_before_the_first_price(
    aws: boto3.Session, clock: list[int], http_event: Callable[..., Any], context: LambdaContext
) -> None:
    market = wiring.market()
    market.save_series([BTC])
    market.merge_minutes({BTC: rows_of(told(BTC, BEGIN, SIX), MINUTE)}, SIX)
    price = body(app.handler(http_event("GET", "/prices/BTC-USD", {"sparkline": "true"}), context))
    assert (price["price"], price["time"], price["high_24h"], price["stale"]) == (None, None, None, True)
    closes = [row[4] for row in expected(BTC, SIX - 23 * HOUR, SIX, HOUR)]
    assert price["sparkline"] == [*closes, closes[-1]]
    chart = body(app.handler(http_event("GET", "/candles/BTC-USD", {"interval": "1h", "limit": "3"}), context))
    assert (chart["candles"], chart["last_open"]) == (expected(BTC, SIX - 3 * HOUR, SIX, HOUR), False)


def test_the_time(ask: Ask) -> None:
    answer = ask("/time")
    assert (body(answer), answer["headers"]["Cache-Control"]) == ({"time": "2026-11-22T06:31:03.057Z"}, "no-store")


def test_the_document_and_its_page(ask: Ask) -> None:
    assert body(ask("/openapi.json"))["openapi"] == "3.1.0"
    for path, kind, beginning in (
        ("/docs", "text/html", "<!DOCTYPE html>"),
        ("/docs/swagger-ui.min.css", "text/css", ".swagger-ui"),
        ("/docs/swagger-ui-bundle.min.js", "text/javascript", "/*"),
        ("/docs/start.js", "text/javascript", "SwaggerUIBundle("),
    ):
        answer = ask(path)
        assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert answer["body"].startswith(beginning)
        assert answer["headers"]["Cache-Control"] == "public, max-age=3600"
    assert "script-src 'self';" in ask("/docs")["headers"]["Content-Security-Policy"]
    assert refused(ask("/docs/../app.py")) == (404, None)
    assert refused(ask("/docs/html.py")) == (404, None)


# --- in other forms ---


def test_candles_as_a_table(ask: Ask) -> None:
    query = {"interval": "4h", "limit": "5000"}
    answer = ask("/candles/ETH-USD", query, headers={"accept": "text/csv"})
    assert answer["headers"]["Content-Type"] == "text/csv; charset=utf-8"
    head, *lines = answer["body"].split("\r\n")[:-1]
    assert head == "time,open,high,low,close,volume,closed,complete"
    rows = expected(ETH, BEGIN, NOW, 4 * HOUR)
    assert [[float(value) for value in line.split(",")[:6]] for line in lines] == rows
    assert [line.split(",")[6:] for line in lines] == [
        ["true", "false"],
        *[["true", "true"]] * (len(rows) - 2),
        ["false", "true"],
    ]
    page = ask("/candles/ETH-USD", {"interval": "1h", "limit": "2"}, headers={"accept": "text/csv"})
    query = {"interval": "1h", "limit": "2", "cursor": page["headers"]["X-Next-Cursor"]}
    assert body(ask("/candles/ETH-USD", query))["candles"] == expected(ETH, SIX - 3 * HOUR, SIX - HOUR, HOUR)


def test_only_what_is_asked_for(ask: Ask) -> None:
    candles = body(ask("/candles/ETH-USD", {"interval": "1h", "limit": "2", "fields": "close,time"}))
    rows = expected(ETH, SIX - HOUR, NOW, HOUR)
    assert candles["candles"] == [[row[0], row[4]] for row in rows]
    table = ask("/candles/ETH-USD", {"limit": "1", "fields": "time,closed"}, headers={"accept": "text/csv"})
    assert table["body"] == f"time,closed\r\n{SIX},false\r\n"
    assert body(ask("/prices/BTC-USD", {"fields": "price,symbol"})) == {"symbol": "BTC-USD", "price": last_price(BTC)}
    assert body(ask("/prices", {"symbols": "BTC-USD", "fields": "price"}))["items"] == [{"price": last_price(BTC)}]
    assert body(ask("/coins", {"limit": "1", "fields": "name"}))["items"] == [{"name": "Bitcoin"}]
    for path, fields in (("/prices", "nope"), ("/prices/BTC-USD", "price,price"), ("/candles/ETH-USD", "closed")):
        assert refused(ask(path, {"fields": fields})) == (422, "fields"), path


@pytest.mark.parametrize(
    "path",
    [
        "/prices",
        "/prices/BTC-USD",
        "/candles/ETH-USD",
        "/indicators/BTC-USD?indicators=sma",
        "/indicators?symbols=BTC-USD&indicators=sma",
        "/volatility/BTC-USD",
        "/correlation?symbols=BTC-USD,ETH-USD",
        "/beta/ETH-USD",
        "/news",
        "/sentiment/BTC",
        "/sentiment?assets=BTC",
    ],
)
@pytest.mark.parametrize("media", ["application/json", "text/csv"])
def test_members_that_there_are_not_are_refused_before_anything_is_read(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, path: str, media: str
) -> None:
    path, _, query = path.partition("?")
    read: list[str] = []
    for name in ("get", "get_many", "query"):
        monkeypatch.setattr(Table, name, lambda *_, name=name, **__: read.append(name))
    answer = ask(path, {**dict(parse_qsl(query)), "fields": "nope"}, headers={"accept": media})
    assert (refused(answer), read) == ((422, "fields"), [])

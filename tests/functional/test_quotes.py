"""Prices in a base currency, read from a table filled as the stream and the backfill fill it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import DAY, HOUR, MINUTE, Block, decode, encode, rows_of
from cryptopulse.domain.folding import fold
from cryptopulse.domain.portfolios import CURRENCIES
from cryptopulse.domain.quotes import Quote
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Record
from cryptopulse.domain.ticks import Quote as Polled
from cryptopulse.domain.transactions import Mark
from cryptopulse.errors import NotFoundError
from functions.queries import app
from tests.functional.conftest import Filled

NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""
MINUTE_NOW = NOW - 3_057
SIX = MINUTE_NOW - 31 * MINUTE
TODAY = SIX - 6 * HOUR
TEN = TODAY - 2 * HOUR
"""Minutes begin at 22:00 yesterday."""
HOURS = TODAY - 40 * DAY
DAYS = TODAY - 1000 * DAY
SOL_DAYS = TODAY - 100 * DAY
"""Where hours and days begin; SOL came later."""
QUIET = TODAY - 50 * DAY
"""A day on which nobody traded ETH."""
LANES = 2

BTC, ETH, USD, EUR, GBP = (
    Series("coinbase", name) for name in ("BTC-USD", "ETH-USD", "USDT-USD", "USDT-EUR", "USDT-GBP")
)
BTC_TETHER, SOL = Series("binance", "BTC-USDT"), Series("binance", "SOL-USDT")
BASES = {BTC: 6_321_297, BTC_TETHER: 6_320_000, ETH: 250_000, SOL: 15_000, USD: 9_990, EUR: 8_600, GBP: 7_500}
SCALES = {BTC: 2, BTC_TETHER: 2, ETH: 2, SOL: 2, USD: 4, EUR: 4, GBP: 4}
AGES = {BTC: 20_000, BTC_TETHER: 21_000, ETH: 22_000, SOL: 300_001, USD: 23_000, EUR: 24_000, GBP: 25_000}


def bar(series: Series, step: int, start: int) -> Bar | None:
    """What was traded in an interval; each has a price of its own."""
    if (series, start) == (ETH, QUIET) or (series == SOL and start < SOL_DAYS):
        return None
    if series == ETH and step == MINUTE and start // MINUTE % 10 == 3:
        return None
    close = BASES[series] + start // step * 37 % 101
    return Bar(start, close - 1, close + 7, close - 9, close, 100)


def told(series: Series, step: int, start: int, end: int) -> Candles:
    bars = [each for at in range(start, end, step) if (each := bar(series, step, at))]
    return Candles(series.symbol, SCALES[series], 3, start, end, end, bars)


def price(series: Series, step: int, time: int) -> Decimal:
    """The truth: the close of the interval that holds the time."""
    found = bar(series, step, time // step * step)
    assert found is not None
    return Decimal(found.close).scaleb(-SCALES[series])


def live(series: Series) -> Decimal:
    return Decimal(BASES[series] + 50).scaleb(-SCALES[series])


def ratio(above: Decimal, below: Decimal) -> Decimal:
    return (above / below).quantize(Decimal("1E-18"))


def deliver(market: Market, series: Series, now: int, *messages: Message) -> None:
    number = lane_of(series, LANES)
    state = market.lane(number)
    version, minutes = state.version, LazyMinutes(market, number)
    folded = fold(state, minutes, [Record(series.venue, number, [*messages, Clock(now)])])
    for each in state.series.values():
        each.repairs = []  # what was before them has been told
    market.write(state, version, [minutes[minute] for minute in folded.minutes])


def fill(market: Market) -> None:
    market.save_series(list(BASES))
    for series in BASES:
        market.merge(series, "1d", told(series, DAY, DAYS, TODAY - DAY))
        market.merge(series, "1h", told(series, HOUR, HOURS, TEN))
        market.merge_minutes({series: rows_of(told(series, MINUTE, TEN, SIX), MINUTE)}, SIX)
    for series in BASES:
        polled = Polled(series.symbol, SCALES[series], BASES[series] + 50, NOW - AGES[series])
        deliver(market, series, MINUTE_NOW, told(series, MINUTE, SIX, MINUTE_NOW), polled)


@pytest.fixture
def market(filled: Filled) -> Market:
    return filled(fill)


@pytest.fixture
def calls(market: Market, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls made of DynamoDB from now on, and keys asked for."""
    made: Counter[str] = Counter()
    call = Client.call

    def counted(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        made[operation] += 1
        if operation == "BatchGetItem":
            made["keys"] += len(body["RequestItems"]["Market"]["Keys"])
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", counted)
    return made


def mark(asset: str, time: int, base: Any = "USD", now: int = NOW) -> Mark | None:
    marks = wiring.quotes().marks([(asset, time)], base, now)
    assert set(marks) <= {(asset, time)}
    return marks.get((asset, time))


# --- one mark ---


def test_the_close_of_the_minute_else_hour_else_day(market: Market) -> None:
    quiet = next(at for at in range(TODAY, SIX, MINUTE) if bar(ETH, MINUTE, at) is None)
    quiet_now = next(at for at in range(SIX, MINUTE_NOW, MINUTE) if bar(ETH, MINUTE, at) is None)
    for asset, time, expected in (
        ("BTC", MINUTE_NOW - 3 * MINUTE, Mark(price(BTC, MINUTE, MINUTE_NOW - 3 * MINUTE), MINUTE_NOW - 2 * MINUTE)),
        ("BTC", SIX, Mark(price(BTC, MINUTE, SIX), SIX + MINUTE)),
        ("BTC", SIX - 1, Mark(price(BTC, MINUTE, SIX - 1), SIX)),
        ("BTC", TEN, Mark(price(BTC, MINUTE, TEN), TEN + MINUTE)),
        ("BTC", TEN - 1, Mark(price(BTC, HOUR, TEN - 1), TEN)),
        ("BTC", HOURS, Mark(price(BTC, HOUR, HOURS), HOURS + HOUR)),
        ("BTC", HOURS - 1, Mark(price(BTC, DAY, HOURS - 1), HOURS)),
        ("BTC", DAYS, Mark(price(BTC, DAY, DAYS), DAYS + DAY)),
        ("BTC", DAYS - 1, None),
        ("ETH", quiet, Mark(price(ETH, MINUTE, quiet // HOUR * HOUR + 59 * MINUTE), quiet // HOUR * HOUR + HOUR)),
        ("ETH", quiet_now, Mark(price(ETH, MINUTE, MINUTE_NOW - MINUTE), MINUTE_NOW)),
        ("ETH", QUIET + 5, None),
    ):
        assert mark(asset, time) == expected, (asset, time)


def test_an_hour_speaks_as_soon_as_it_is_packed(market: Market) -> None:
    number, end = lane_of(ETH, LANES), SIX + HOUR + 6 * MINUTE
    deliver(market, ETH, end, told(ETH, MINUTE, MINUTE_NOW, end))
    before, quiet = (
        next(minute for minute in range(hour, hour + HOUR, MINUTE) if bar(ETH, MINUTE, minute) is None)
        for hour in (SIX - HOUR, SIX)
    )
    assert mark("ETH", before, now=end) == Mark(price(ETH, MINUTE, SIX - 1), SIX)  # its month is kept from here on
    lane = market.lane(number)
    assert market.pack(lane)
    lane.version += 1
    market.write(lane, lane.version - 1)
    assert mark("ETH", quiet, now=end + 1000) == Mark(price(ETH, MINUTE, SIX + HOUR - 1), SIX + HOUR)


def test_today_is_known_by_its_open_day_where_it_has_no_hour(market: Market) -> None:
    market.table.delete(f"CANDLES#{BTC}", "1m#2026-11-22T00")
    item = market.table.get(f"CANDLES#{BTC}", "1h#2026-11")
    assert item is not None
    block = decode(item["data"])
    rows = [row for row in block.rows() if row.start != TODAY]
    market.table.put(item | {"data": encode(Block.of(block.price_scale, block.size_scale, rows))})
    assert mark("BTC", TODAY + 5) == Mark(price(BTC, MINUTE, MINUTE_NOW - 1), MINUTE_NOW)


def test_near_now_and_ahead_the_last_price_speaks(market: Market) -> None:
    for time in (NOW - 2 * MINUTE, MINUTE_NOW - MINUTE, NOW, NOW + 5 * MINUTE):
        assert mark("BTC", time) == Mark(live(BTC), NOW - AGES[BTC])
        assert mark("BTC", time, "USDT") == Mark(live(BTC_TETHER), NOW - AGES[BTC_TETHER])


def test_every_way_to_a_base(market: Market) -> None:
    at = TODAY + HOUR
    btc, tether, eth, sol = (price(each, MINUTE, at) for each in (BTC, BTC_TETHER, ETH, SOL))
    usd, eur, gbp = (price(each, MINUTE, at) for each in (USD, EUR, GBP))
    expected = {
        ("BTC", "USD"): btc,
        ("BTC", "EUR"): tether * eur,
        ("BTC", "USDT"): tether,
        ("BTC", "BTC"): Decimal(1),
        ("ETH", "USD"): eth,
        ("ETH", "GBP"): ratio(eth * gbp, usd),
        ("ETH", "USDT"): ratio(eth, usd),
        ("ETH", "BTC"): ratio(eth, usd * tether),
        ("SOL", "USD"): sol * usd,
        ("SOL", "EUR"): sol * eur,
        ("SOL", "GBP"): sol * gbp,
        ("SOL", "USDT"): sol,
        ("SOL", "BTC"): ratio(sol, tether),
        ("USD", "USD"): Decimal(1),
        ("USD", "EUR"): ratio(eur, usd),
        ("USD", "USDT"): ratio(Decimal(1), usd),
        ("USD", "BTC"): ratio(Decimal(1), btc),
        ("EUR", "GBP"): ratio(gbp, eur),
        ("USDT", "GBP"): gbp,
        ("USDT", "BTC"): ratio(Decimal(1), tether),
    }
    found = {(code, base): mark(code, at, base) for code, base in expected}
    times = {(code, base): at if code == base else at + MINUTE for code, base in expected}
    assert found == {pair: Mark(value, times[pair]) for pair, value in expected.items()}


def test_the_older_of_both_times_holds(market: Market) -> None:
    assert mark("SOL", NOW) == Mark(live(SOL) * live(USD), NOW - AGES[SOL])
    assert mark("USDT", NOW) == Mark(live(USD), NOW - AGES[USD])


def test_what_is_unknown_is_absent(market: Market) -> None:
    wanted = [("NOPE", TODAY), ("JPY", TODAY), ("SOL", SOL_DAYS - 1), ("SOL", SOL_DAYS), ("BTC", DAYS - 1), ("", NOW)]
    for base in CURRENCIES:
        assert set(wiring.quotes().marks(wanted, base, NOW)) == {("SOL", SOL_DAYS)} | (
            {("BTC", DAYS - 1)} if base == "BTC" else set()
        )
        assert wiring.quotes().marks([], base, NOW) == {}


def test_before_anything_is_followed_only_the_base_is_known(aws: boto3.Session) -> None:
    quotes = wiring.quotes()
    assert quotes.marks([("BTC", NOW), ("USD", NOW)], "USD", NOW) == {("USD", NOW): Mark(Decimal(1), NOW)}
    assert quotes.span(["BTC"], "USD", DAYS, NOW, [TODAY], NOW).last("BTC", NOW) is None
    with pytest.raises(NotFoundError):
        quotes.closes("BTC-USD", [NOW], NOW)


def test_a_mark_is_what_the_price_of_that_time_is(
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    http_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
) -> None:
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    quiet = next(at for at in range(TODAY, SIX, MINUTE) if bar(ETH, MINUTE, at) is None)
    for at in (
        DAYS - 1,
        DAYS,
        QUIET,
        SOL_DAYS,
        HOURS - 1,
        HOURS,
        TEN - 1,
        TEN,
        TODAY,
        quiet,
        SIX,
        NOW - 2 * MINUTE - 1,
    ):
        event = http_event("GET", "/prices", {"symbols": "BTC-USD,ETH-USD,SOL-USD,USDT-USD", "at": str(at)})
        told_ = json.loads(app.handler(event, context)["body"])["items"]
        found = [mark(asset, at) for asset in ("BTC", "ETH", "SOL", "USDT")]
        assert [each and float(each.price) for each in found] == [each["price"] for each in told_], at


# --- many ---


def test_prices_now(market: Market, calls: Counter[str]) -> None:
    assert wiring.quotes().now(["BTC", "SOL", "EUR", "NOPE", "USD"], "EUR", NOW) == {
        "BTC": Mark(live(BTC_TETHER) * live(EUR), NOW - AGES[EUR]),
        "SOL": Mark(live(SOL) * live(EUR), NOW - AGES[SOL]),
        "USD": Mark(ratio(live(EUR), live(USD)), NOW - AGES[EUR]),
        "EUR": Mark(Decimal(1), NOW),
    }
    assert calls == {"GetItem": 1, "BatchGetItem": 1, "keys": 2}  # the series; their lanes


def test_a_series_that_was_never_polled_is_known_by_its_candles(market: Market) -> None:
    lane = market.lane(lane_of(BTC, LANES))
    lane.series[str(BTC)].time = 0
    lane.version += 1
    market.write(lane, lane.version - 1)
    assert wiring.quotes().now(["BTC"], "USD", NOW) == {"BTC": Mark(price(BTC, MINUTE, MINUTE_NOW - 1), MINUTE_NOW)}


def test_many_marks_in_few_calls(market: Market, calls: Counter[str]) -> None:
    times = {
        DAY: range(DAYS, HOURS, 3 * DAY + 1),
        HOUR: range(HOURS, TEN, 7 * HOUR + 1),
        MINUTE: range(TEN, MINUTE_NOW - MINUTE, 20 * MINUTE),
    }
    wanted = [(code, time) for each in times.values() for time in each for code in ("NOPE", "SOL", "BTC", "USDT")]
    expected: dict[tuple[str, int], Mark] = {}
    for step, each in times.items():
        for time in each:
            rate, end = price(EUR, step, time), time // step * step + step
            expected["USDT", time] = Mark(rate, end)
            expected["BTC", time] = Mark(price(BTC_TETHER, step, time) * rate, end)
            if time >= SOL_DAYS:
                expected["SOL", time] = Mark(price(SOL, step, time) * rate, end)
    assert wiring.quotes().marks(wanted, "EUR", NOW) == expected
    assert (calls["BatchGetItem"], calls["keys"]) == (9, 480)


def test_blocks_that_cannot_change_are_read_once(market: Market, calls: Counter[str]) -> None:
    old = [("BTC", TODAY + HOUR)]
    first = wiring.quotes().marks(old, "USD", NOW)
    calls.clear()
    for later in (NOW, NOW + 10 * MINUTE):
        assert wiring.quotes().marks(old, "USD", later) == first
    assert calls["keys"] == 1  # the lane once more: its minutes are not asked for


def test_blocks_that_may_change_are_read_again_after_a_minute(market: Market) -> None:
    assert mark("BTC", TEN - 1) == Mark(price(BTC, HOUR, TEN - 1), TEN)
    repaired = Candles("BTC-USD", 2, 3, TEN - HOUR, TEN, NOW, [Bar(TEN - HOUR, 1, 1, 1, 1, 1)])
    market.merge(BTC, "1h", repaired)
    assert mark("BTC", TEN - 1) == Mark(price(BTC, HOUR, TEN - 1), TEN)
    assert mark("BTC", TEN - 1, now=NOW + MINUTE) == Mark(Decimal("0.01"), TEN)


def test_a_whole_block_that_is_written_anew_is_read_again_within_a_minute(market: Market) -> None:
    at = TODAY + HOUR
    before = Mark(price(BTC, MINUTE, at), at + MINUTE)
    assert mark("BTC", at) == before
    market.merge(BTC, "1m", Candles("BTC-USD", 2, 3, at, at + MINUTE, NOW, [Bar(at, 1, 1, 1, 1, 1)]))
    assert mark("BTC", at, now=NOW + MINUTE - 1) == before
    assert mark("BTC", at, now=NOW + MINUTE) == Mark(Decimal("0.01"), at + MINUTE)


def test_closes_kept_in_process_are_bounded(
    market: Market, monkeypatch: pytest.MonkeyPatch, calls: Counter[str]
) -> None:
    monkeypatch.setattr("cryptopulse.aws.quotes.BLOCKS_KEPT", 4_000)
    hours = [("BTC", TODAY + hour * HOUR) for hour in range(6)]
    first = wiring.quotes().marks(hours, "USD", NOW)
    calls.clear()
    assert wiring.quotes().marks(hours[-2:], "USD", NOW) == {key: first[key] for key in hours[-2:]}
    assert not calls
    assert wiring.quotes().marks(hours[:1], "USD", NOW) == {key: first[key] for key in hours[:1]}
    assert calls == {"BatchGetItem": 1, "keys": 1}


# --- spans ---


def test_a_span_knows_its_closes_and_flows(market: Market, calls: Counter[str]) -> None:
    start, flows = (
        TODAY - 60 * DAY,
        [TODAY - 55 * DAY + 5, TODAY - 20 * DAY + 5 * HOUR + 1, TODAY + 90 * MINUTE, NOW - 9 * MINUTE],
    )
    quotes = wiring.quotes().span(["BTC", "SOL", "USD", "NOPE"], "EUR", start, NOW, flows, NOW)
    assert calls["BatchGetItem"] <= 6
    for day in range(start, TODAY, DAY):
        assert quotes.last("SOL", day) == Quote(price(SOL, DAY, day - 1) * price(EUR, DAY, day - 1), day), day
    midnight = price(SOL, MINUTE, TODAY - 1) * price(EUR, MINUTE, TODAY - 1)
    assert quotes.last("SOL", TODAY) == Quote(midnight, TODAY)
    for time, step in zip(flows, (DAY, HOUR, MINUTE, MINUTE), strict=True):
        end, rate = time // step * step + step, price(EUR, step, time)
        assert quotes.quote("BTC", time) == Quote(price(BTC_TETHER, step, time) * rate, end), time
        assert quotes.quote("USD", time) == Quote(ratio(rate, price(USD, step, time)), end), time
    assert quotes.last("SOL", NOW) == Quote(live(SOL) * live(EUR), NOW - AGES[SOL])
    assert (quotes.quote("NOPE", TODAY), quotes.last("NOPE", TODAY)) == (None, None)


def test_a_day_without_trade_has_the_close_before(market: Market) -> None:
    quotes = wiring.quotes().span(["ETH"], "USD", QUIET, QUIET + 3 * DAY, [], NOW)
    before = Quote(price(ETH, DAY, QUIET - 1), QUIET)
    assert [quotes.last("ETH", QUIET + day * DAY) for day in range(3)] == [
        before,
        before,
        Quote(price(ETH, DAY, QUIET + DAY), QUIET + 2 * DAY),
    ]
    alone = wiring.quotes().span(["ETH"], "USD", QUIET + DAY, QUIET + 2 * DAY, [], NOW)
    assert alone.last("ETH", QUIET + DAY) == before


def test_a_span_may_begin_and_end_within_a_day(market: Market) -> None:
    start, end = TODAY - 30 * DAY + 7 * HOUR + 9 * MINUTE, TODAY + 3 * HOUR + 5 * MINUTE + 1
    quotes = wiring.quotes().span(["BTC"], "USD", start, end, [start], NOW)
    assert quotes.last("BTC", start) == Quote(price(BTC, HOUR, start - HOUR), start // HOUR * HOUR)
    assert quotes.last("BTC", end) == Quote(price(BTC, MINUTE, end - MINUTE), end // MINUTE * MINUTE)
    assert quotes.quote("BTC", start) == Quote(price(BTC, HOUR, start), start // HOUR * HOUR + HOUR)


def test_a_span_before_history_knows_nothing(market: Market) -> None:
    quotes = wiring.quotes().span(["BTC"], "USD", DAYS - 9 * DAY, DAYS + DAY, [DAYS - 1], NOW)
    assert quotes.last("BTC", DAYS) is None
    assert quotes.quote("BTC", DAYS - 1) is None
    assert quotes.last("BTC", DAYS + DAY) == Quote(price(BTC, DAY, DAYS), DAYS + DAY)


def test_yesterday_is_known_before_its_last_hour_is_packed(aws: boto3.Session) -> None:
    market, eleven, now = wiring.market(), TODAY - HOUR, TODAY + 4 * MINUTE + 5_000
    market.save_series([BTC, ETH])
    for series in (BTC, ETH):
        market.merge(series, "1d", told(series, DAY, DAYS, TODAY - DAY))
        market.merge(series, "1h", told(series, HOUR, TODAY - DAY, eleven))
    for series in (BTC, ETH):
        deliver(market, series, TODAY - MINUTE, Candles(series.symbol, 2, 3, eleven, TODAY - MINUTE, TODAY, []))
    last = told(BTC, MINUTE, TODAY - MINUTE, TODAY + 4 * MINUTE)
    for series in (BTC, ETH):
        quiet = Candles(series.symbol, 2, 3, TODAY - MINUTE, TODAY + 4 * MINUTE, now, [])
        deliver(market, series, TODAY + 4 * MINUTE, last if series == BTC else quiet)
    assert market.lane(lane_of(BTC, LANES)).unpacked_from == eleven
    quotes = wiring.quotes().span(["BTC", "ETH"], "USD", TODAY - 2 * DAY, now, [], now)
    assert quotes.last("BTC", TODAY) == Quote(price(BTC, MINUTE, TODAY - 1), TODAY)
    # Of ETH nobody heard in the last hour of the day.
    assert quotes.last("ETH", TODAY) == Quote(price(ETH, HOUR, eleven - 1), TODAY)
    assert quotes.last("BTC", TODAY - DAY) == Quote(price(BTC, DAY, TODAY - DAY - 1), TODAY - DAY)
    assert mark("ETH", TODAY - 5, now=now) == Mark(price(ETH, HOUR, eleven - 1), TODAY)


# --- benchmarks ---


def test_the_closes_of_a_benchmark(market: Market, calls: Counter[str]) -> None:
    times = [DAYS, *(TODAY - day * DAY for day in (60, 59, 2)), TODAY - 5 * DAY + 8 * HOUR, TODAY]
    assert wiring.quotes().closes("BTC-USD", times, NOW) == [
        None,
        price(BTC, DAY, times[1] - 1),
        price(BTC, DAY, times[2] - 1),
        price(BTC, DAY, times[3] - 1),
        price(BTC, HOUR, times[4] - 1),
        price(BTC, MINUTE, TODAY - 1),
    ]
    assert calls["BatchGetItem"] <= 4
    assert wiring.quotes().closes("SOL-USD", [TODAY], NOW) == [
        price(SOL, MINUTE, TODAY - 1) * price(USD, MINUTE, TODAY - 1)
    ]
    assert wiring.quotes().closes("BTC-USDT", [NOW], NOW) == [live(BTC_TETHER)]
    assert wiring.quotes().closes("BTC-USD", [], NOW) == []
    for symbol in ("NOPE-USD", "SOL-EUR", "btc-usd", ""):
        with pytest.raises(NotFoundError):
            wiring.quotes().closes(symbol, [TODAY], NOW)

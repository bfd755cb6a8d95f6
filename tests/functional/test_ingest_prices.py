"""Each minute the venues' prices and candles go out by lane; whatever one venue does, the other is not disturbed."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.domain.candles import HOUR, MINUTE, floor
from cryptopulse.domain.lanes import Lane, SeriesState
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Candles, Clock, Quote, Record, encode
from cryptopulse.domain.venues import RECHECK
from cryptopulse.feeds import budget, http
from functions.ingest_prices import app
from functions.process_ticks import app as process_ticks
from tests.functional.conftest import Exchanges, Streamed

FOLLOWED = [
    Series("coinbase", "BTC-USD"),
    Series("binance", "BTC-USDT"),
    Series("coinbase", "ETH-USD"),
    Series("binance", "ETH-USDT"),
    Series("coinbase", "USDT-USD"),
    Series("coinbase", "USDT-EUR"),
    Series("coinbase", "USDT-GBP"),
]
COINBASE = [series for series in FOLLOWED if series.venue == "coinbase"]


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process waits no longer than this many ms for the turns that the one before it has taken."""
    monkeypatch.setattr(budget, "CHUNK", 100)


def told[Told: (Quote, Candles)](records: Iterable[Record], kind: type[Told]) -> dict[Series, list[Told]]:
    found: dict[Series, list[Told]] = {}
    for record in records:
        for message in record.messages:
            if isinstance(message, kind):
                found.setdefault(Series(record.venue, message.symbol), []).append(message)
    return found


def rows(candles: Candles) -> list[list[Any]]:
    """As the simulator tells the truth: `[time, open, high, low, close, volume]`."""
    price, size = Decimal(10) ** -candles.price_scale, Decimal(10) ** -candles.size_scale
    return [[start, *(value * price for value in prices), volume * size] for start, *prices, volume in candles.bars]


def truth(exchanges: Exchanges, series: Series, start: int, end: int) -> list[list[Any]]:
    candles = exchanges.candles(series.venue, series.symbol, "1m", start, end)
    return [[at, *map(Decimal, values[:5])] for at, *values in candles]


def is_true(exchanges: Exchanges, series: Series, candles: Candles) -> bool:
    return rows(candles) == truth(exchanges, series, candles.start, candles.end)


def test_the_first_poll_tells_every_series_price_and_last_minutes(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext
) -> None:
    before = wiring.now()
    answer = app.handler({}, context)
    records = streamed()
    quotes, candles = told(records, Quote), told(records, Candles)
    assert wiring.market().series() == FOLLOWED
    assert set(quotes) == set(FOLLOWED)
    assert all(before - 5 * MINUTE < quote.time <= wiring.now() for (quote,) in quotes.values())
    assert set(candles) >= {Series("coinbase", "BTC-USD"), Series("binance", "BTC-USDT")}
    for series, (one,) in candles.items():
        assert one.end <= floor(wiring.now(), MINUTE)
        assert is_true(exchanges, series, one)
    assert {record.lane for record in records} == {lane_of(series, 2) for series in FOLLOWED}
    assert all(isinstance(record.messages[-1], Clock) for record in records)
    assert all(lane_of(series, 2) == record.lane for record in records for series in told([record], Quote))
    bars = {venue: sum(len(one.bars) for s, (one,) in candles.items() if s.venue == venue) for venue in answer}
    assert answer == {"binance": 2 + bars["binance"], "coinbase": 5 + bars["coinbase"]}
    for venue, state in wiring.venues().states().items():
        assert (state.kind, state.error, state.until, state.failures) == ("", "", 0, 0), venue
        assert before <= state.ok_at <= wiring.now()


def test_holes_and_repairs_are_asked_for_with_the_newest(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext
) -> None:
    hour = floor(wiring.now(), HOUR)
    btc, eth = Series("binance", "BTC-USDT"), Series("coinbase", "ETH-USD")
    known = {
        btc: SeriesState(known_to=hour - HOUR),
        eth: SeriesState(known_to=hour, repairs=[(hour - 9 * HOUR, hour - 8 * HOUR)]),
    }
    for number in range(2):
        states = {str(series): state for series, state in known.items() if lane_of(series, 2) == number}
        lane = Lane(number, version=1, clocks={"coinbase": hour, "binance": hour}, series=states)
        wiring.market().write(lane, 0, [])
    app.handler({}, context)
    candles = told(streamed(), Candles)
    assert candles[btc][0].start <= hour - HOUR
    (newest, repair) = candles[eth]
    assert newest.start <= max(hour, newest.end - 5 * MINUTE)
    assert (repair.start, repair.end) == (hour - 9 * HOUR, hour - 8 * HOUR)
    assert all(is_true(exchanges, series, each) for series in (btc, eth) for each in candles[series])


@pytest.mark.parametrize(
    ("venue", "fault", "kind"),
    [
        ("binance", "rate_limited", "limited"),
        ("binance", "banned", "banned"),
        ("binance", "restricted", "restricted"),
        ("binance", "unknown_product", "unknown_product"),
        ("coinbase", "rate_limited", "limited"),
        ("coinbase", "server_error", "down"),
        ("coinbase", "truncated", "down"),
        ("coinbase", "timeout", "down"),
    ],
)
def test_a_faulty_venue_is_told_and_the_other_is_not_disturbed(
    exchanges: Exchanges,
    streamed: Streamed,
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
    venue: str,
    fault: str,
    kind: str,
) -> None:
    app.handler({}, context)
    streamed()
    wiring.clear()
    if fault == "timeout":
        monkeypatch.setattr(http, "TIMEOUT", httpx.Timeout(0.5))
    exchanges.disturb({"venue": venue, "kind": fault})
    assert app.handler({}, context)[venue] == 0
    records = streamed()
    other = {series for series in FOLLOWED if series.venue != venue}
    assert set(told(records, Quote)) == other
    states = wiring.venues().states()
    assert states[venue].kind == kind
    assert states[venue].failures > 0
    other_venue = next(name for name in states if name != venue)
    assert (states[other_venue].kind, states[other_venue].failures) == ("", 0)

    exchanges.disturb()
    wiring.clear()
    if states[venue].until:  # it is not asked before its time, also when it would answer
        assert app.handler({}, context)[venue] == 0
        assert wiring.venues().states()[venue] == states[venue]
        streamed()
        wiring.venues()._table.update("VENUE", venue, set={"until": wiring.now() - 1, "slot": 0})
    app.handler({}, context)
    assert set(told(streamed(), Quote)) == set(FOLLOWED)
    assert (wiring.venues().states()[venue].kind, wiring.venues().states()[venue].strikes) == ("", 0)


def test_klines_that_were_missing_are_asked_for_again(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext
) -> None:
    exchanges.disturb({"venue": "binance", "kind": "missing_rows"})
    app.handler({}, context)
    for series, each in told(streamed(), Candles).items():
        if series.venue == "binance":
            assert is_true(exchanges, series, each[0])
    state = wiring.venues().states()["binance"]
    assert (state.kind, state.failures > 0, state.until) == ("down", True, 0)


def test_another_host_is_tried_at_once_where_this_one_refuses_our_location(
    exchanges: Exchanges, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanges.disturb({"venue": "binance", "kind": "restricted"})
    assert app.handler({}, context)["binance"] == 0
    state = wiring.venues().states()["binance"]
    assert (state.kind, wiring.now() < state.until <= wiring.now() + RECHECK) == ("restricted", True)
    exchanges.disturb()
    assert app.handler({}, context)["binance"] == 0
    monkeypatch.setenv("BINANCE_URL", f"{exchanges.url.replace('127.0.0.1', 'localhost')}/binance")
    wiring.clear()
    assert app.handler({}, context)["binance"] > 0
    assert wiring.venues().states()["binance"].kind == ""


def test_series_stay_while_their_venue_tells_no_list(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext
) -> None:
    exchanges.disturb({"venue": "coinbase", "kind": "server_error"})
    app.handler({}, context)
    assert wiring.market().series() == [series for series in FOLLOWED if series.venue == "binance"]
    exchanges.disturb()
    app.handler({}, context)
    assert wiring.market().series() == FOLLOWED


def test_at_the_time_limit_no_venue_is_asked_any_more(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "get_remaining_time_in_millis", lambda: app.MARGIN)
    assert app.handler({}, context) == {"binance": 0, "coinbase": 0}
    assert streamed() == []


@pytest.mark.parametrize("fault", ["server_error", "missing_rows"])
def test_the_gap_is_filled_when_the_fault_ends(
    exchanges: Exchanges,
    streamed: Streamed,
    context: LambdaContext,
    kinesis_event: Callable[..., dict[str, Any]],
    fault: str,
) -> None:
    def poll(minutes: int) -> None:
        exchanges.ahead += minutes * 60
        app.handler({}, context)
        batch = [(f"lane#{record.lane}", encode(record)) for record in streamed()]
        process_ticks.handler(kinesis_event(*batch), context)

    process_ticks._lanes.clear()
    start = floor(exchanges.clock() // 1000, MINUTE) - 4 * MINUTE
    poll(0)
    exchanges.disturb(*({"venue": venue, "kind": fault} for venue in ("binance", "coinbase")))
    poll(1)
    poll(30)
    poll(150)
    assert {state.kind for state in wiring.venues().states().values()} != {""}
    exchanges.disturb()
    for _ in range(5):
        poll(1)
    assert {state.kind for state in wiring.venues().states().values()} == {""}
    for series in FOLLOWED:
        lane = wiring.market().lane(lane_of(series, 2))
        end = lane.series[str(series)].known_to
        assert end > start + 180 * MINUTE
        block = wiring.market().candles(lane, series, MINUTE, start, end, lane.now)
        price, size = Decimal(10) ** -block.price_scale, Decimal(10) ** -block.size_scale
        known = [
            [row.start, *(value * price for value in row.shape[:4]), row.volume * size]
            for row in block.rows()
            if not row.is_empty
        ]
        assert known == truth(exchanges, series, start, end), series
        assert lane.series[str(series)].repairs == []
        hours = wiring.market().candles(lane, series, HOUR, floor(start, HOUR) + HOUR, floor(end, HOUR), lane.now)
        assert all(row.complete for row in hours.rows()), series

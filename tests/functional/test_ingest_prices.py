"""Each minute prices, candles and what was missing go out by lane; one venue never disturbs the other."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import httpx
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.domain.candles import HOUR, MINUTE, floor
from cryptopulse.domain.lanes import Lane, Missing, SeriesState
from cryptopulse.domain.polling import closed
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.streaming import LATE, StreamState
from cryptopulse.domain.ticks import Candles, Clock, Quote, Record, Trades, encode, scaled
from cryptopulse.domain.venues import RECHECK, Product
from cryptopulse.feeds import budget, coinbase, http
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
BTC = [Series("binance", "BTC-USDT"), Series("coinbase", "BTC-USD")]

type Process = Callable[[Iterable[Record]], None]


pytestmark = pytest.mark.usefixtures("steady")


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process waits no longer than this many ms for the turns that the one before it has taken."""
    monkeypatch.setattr(budget, "CHUNK", 100)


@pytest.fixture
def process(
    exchanges: Exchanges, kinesis_event: Callable[..., dict[str, Any]], context: LambdaContext
) -> Iterator[Process]:
    """Has the lanes take records, which came just now by the venues' clock."""

    def process(records: Iterable[Record]) -> None:
        event = kinesis_event(*((f"lane#{record.lane}", encode(record)) for record in records))
        for record in event["Records"]:
            record["kinesis"]["approximateArrivalTimestamp"] = exchanges.clock() / 1_000_000
        process_ticks.handler(event, context)

    process_ticks._lanes.clear()
    yield process
    process_ticks._lanes.clear()


def told[Told: (Quote, Candles, Trades)](records: Iterable[Record], kind: type[Told]) -> dict[Series, list[Told]]:
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
        ("binance", "server_error", "down"),
        ("binance", "timeout", "down"),
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
    if fault == "timeout":  # less than the 2 s for which it is held
        url = wiring.settings().BINANCE_URL if venue == "binance" else wiring.settings().COINBASE_URL
        (feed,) = [feed for feed in wiring.feeds() if feed.name == venue]
        hasty = httpx.Client(base_url=url, headers={"User-Agent": http.AGENT}, timeout=0.5)
        monkeypatch.setattr(cast(Any, feed)._http, "_client", hasty)
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
    process: Process,
    fault: str,
) -> None:
    began = exchanges.clock()

    def poll(minutes: int) -> None:
        nonlocal began
        began += minutes * 60_000_000
        late = exchanges.clock() - began
        exchanges.ahead -= late // 1_000_000  # then, or within a second: no minute is left out, however slow this is
        app.handler({}, context)
        process(streamed())

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
            [row.start, *(value * price for value in row[1:5]), row.volume * size]
            for row in block.rows()
            if not row.is_empty
        ]
        assert known == truth(exchanges, series, start, end), series
        assert lane.series[str(series)].repairs == []
        hours = wiring.market().candles(lane, series, HOUR, floor(start, HOUR) + HOUR, floor(end, HOUR), lane.now)
        assert all(row.complete for row in hours.rows()), series


# --- what the stream brings, and what it does not ---


@pytest.fixture
def stream_mode(exchanges: Exchanges, context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices come by streams, which are not alive yet."""
    monkeypatch.setenv("PRICE_MODE", "stream")
    wiring.clear()


@pytest.fixture
def followed_before(exchanges: Exchanges) -> None:
    """The series are followed and the venues' products known, so that nobody has to be asked for them."""
    wiring.market().save_series(FOLLOWED)
    for feed in wiring.feeds():
        wiring.venues().products(feed.name, feed.url, wiring.now(), feed.products)


def hold(ago: int = 1_000, venues: Iterable[str] = ("binance", "coinbase"), **more: Any) -> None:
    """Has somebody hold these streams, of which data came so many ms ago."""
    leases, now = wiring.leases(), wiring.now()
    states = {venue: StreamState(told_at=now - ago, **more) for venue in venues}
    leases.take(leases.read(), "holder", now, now + 15 * MINUTE, states)


def lanes_with(states: dict[Series, SeriesState], clock: int) -> None:
    """Has the lanes know these series."""
    for number in range(2):
        series = {str(each): state for each, state in states.items() if lane_of(each, 2) == number}
        lane = Lane(number, 1, {"coinbase": clock, "binance": clock}, floor(clock, HOUR), series=series)
        wiring.market().write(lane, 0, [])


def known(series: Series) -> SeriesState:
    return wiring.market().lane(lane_of(series, 2)).series[str(series)]


def calls() -> dict[str, int]:
    """How many requests the last run sent to each venue."""
    return {venue: state.calls for venue, state in wiring.venues().states().items()}


def newest_trades(exchanges: Exchanges, series: Series, count: int) -> Trades:
    """A venue's newest trades, the oldest first, as its stream would have told them."""
    query: dict[str, str | int]
    if series.venue == "binance":
        path, query = "binance/api/v3/aggTrades", {"symbol": series.symbol.replace("-", ""), "limit": count}
    else:
        path, query = f"coinbase/products/{series.symbol}/trades", {"limit": count}
    rows = httpx.get(f"{exchanges.url}/{path}", params=query).raise_for_status().json()
    if series.venue == "binance":
        found = [(row["a"], row["p"], row["q"], row["T"]) for row in rows]
    else:
        times = (int(datetime.fromisoformat(row["time"]).timestamp() * 1000) for row in rows)
        found = [(row["trade_id"], row["price"], row["size"], at) for row, at in zip(rows, times, strict=True)][::-1]
    price_scale, prices = scaled(*(row[1] for row in found))
    size_scale, sizes = scaled(*(row[2] for row in found))
    shapes = zip(found, prices, sizes, strict=True)
    return Trades(series.symbol, price_scale, size_scale, [(row[0], *shape, row[3]) for row, *shape in shapes])


def test_a_living_stream_that_lacks_nothing_is_not_polled(
    stream_mode: None, followed_before: None, streamed: Streamed, context: LambdaContext
) -> None:
    hold()
    assert app.handler({}, context) == {"binance": 0, "coinbase": 0}
    assert (streamed(), calls()) == ([], {"binance": 1, "coinbase": 1})  # what time it is there
    for state in wiring.venues().states().values():
        assert wiring.now() - 60_000 < state.ok_at <= wiring.now()


def test_few_trades_that_the_streams_lacked_come_in_one_run_and_all_candles_are_true_then(
    exchanges: Exchanges,
    stream_mode: None,
    followed_before: None,
    streamed: Streamed,
    context: LambdaContext,
    process: Process,
) -> None:
    hold()
    first = {}
    for series in BTC:
        trades = newest_trades(exchanges, series, 60)
        (first[series], *_, end), whole = [trade[3] for trade in trades.trades], trades.trades
        trades.trades = whole[:20] + whole[30:40] + whole[41:]
        process([Record(series.venue, lane_of(series, 2), [trades, Clock(end)])])
        assert [gap[:2] for gap in known(series).missing[1:]] == [
            (whole[20][0], whole[29][0]),
            (whole[40][0], whole[40][0]),
        ]
    app.handler({}, context)
    # Its time, the trades with those between, the 4 hours before; the newest before the first, if these are young.
    assert set(calls().values()) <= {3, 4}
    records = streamed()
    assert {type(message) for record in records for message in record.messages} == {Trades, Candles}
    assert {series: len(told_[0].trades) for series, told_ in told(records, Trades).items()} == dict.fromkeys(BTC, 21)
    process(records)
    assert all(len(known(series).missing) <= 1 for series in BTC)

    exchanges.ahead += 5 * 60  # what was before the first trade comes with the candle of its minute
    app.handler({}, context)
    process(streamed())
    for series in BTC:
        state, start = known(series), floor(first[series], MINUTE)
        assert (state.missing, state.repairs) == ([], [])
        lane = wiring.market().lane(lane_of(series, 2))
        opened, repaired = lane.gaps[series.venue]
        assert opened == repaired >= 3
        block = wiring.market().candles(lane, series, MINUTE, start - HOUR, start + MINUTE, lane.now)
        price, size = Decimal(10) ** -block.price_scale, Decimal(10) ** -block.size_scale
        shown = [row for row in block.rows() if not row.is_empty]
        assert [[row.start, *(value * price for value in row[1:5]), row.volume * size] for row in shown] == truth(
            exchanges, series, start - HOUR, start + MINUTE
        )
        assert all(row.complete for row in shown)


def test_many_trades_and_old_ones_come_as_the_candles_of_their_minutes(
    exchanges: Exchanges, stream_mode: None, followed_before: None, streamed: Streamed, context: LambdaContext
) -> None:
    now = floor(exchanges.clock() // 1000, MINUTE)
    many, old = (now - 5 * MINUTE, now), (now - 21 * MINUTE, now - 20 * MINUTE)
    lanes_with(
        {
            BTC[0]: SeriesState(high=9_999, high_minute=now, missing=[Missing(1, 1_001, *many)]),
            BTC[1]: SeriesState(high=9_999, high_minute=now, missing=[Missing(1, 2, *old)]),
        },
        now,
    )
    hold()
    ripe = closed(exchanges.clock() // 1000 - 2 * MINUTE, MINUTE)
    app.handler({}, context)
    records = streamed()
    candles = told(records, Candles)
    assert {type(message) for record in records for message in record.messages} == {Candles}
    ((start, end),) = [(each.start, each.end) for each in candles[BTC[0]]]
    assert start == many[0]
    assert ripe <= end <= closed(exchanges.clock() // 1000 - 2 * MINUTE, MINUTE)
    assert [(each.start, each.end) for each in candles[BTC[1]]] == [(old[0], old[1] + MINUTE)]
    assert all(is_true(exchanges, series, each) for series in BTC for each in candles[series])


def test_trades_that_a_venue_does_not_have_are_not_asked_for_for_ever(
    exchanges: Exchanges,
    stream_mode: None,
    followed_before: None,
    streamed: Streamed,
    context: LambdaContext,
    process: Process,
) -> None:
    now = floor(exchanges.clock() // 1000, MINUTE)
    gap = Missing(10**14, 10**14 + 9, now, now)
    lanes_with({s: SeriesState(known_to=now, high=gap.last, high_minute=now, missing=[gap]) for s in BTC}, now)
    hold()
    for minutes in (0, 9):
        exchanges.ahead += minutes * 60
        assert app.handler({}, context) == {"binance": 0, "coinbase": 0}
        assert (streamed(), calls()) == ([], {"binance": 2, "coinbase": 2})
    exchanges.ahead += 2 * 60
    app.handler({}, context)
    process(streamed())
    assert [known(series).missing for series in BTC] == [[], []]
    exchanges.ahead += 60
    app.handler({}, context)
    assert calls() == {"binance": 1, "coinbase": 1}


def test_the_newest_gaps_come_first_and_as_many_as_a_run_may_ask_for(
    exchanges: Exchanges,
    stream_mode: None,
    followed_before: None,
    streamed: Streamed,
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "CATCH_UP", 3)
    now, series = floor(exchanges.clock() // 1000, MINUTE), COINBASE[:2]
    lost: dict[tuple[int, int], int] = {}
    states = {each: SeriesState(high=10**9, high_minute=now) for each in series}
    for number, each in enumerate(series):
        newest = newest_trades(exchanges, each, 1).trades[0][0]
        for back in (1, 2, 3):
            minute = now - (2 * back + number) * MINUTE
            id_ = newest - 5_000 * back
            states[each].missing.append(Missing(id_, id_, minute, minute))
            lost[number, id_] = minute
    lanes_with(states, now)
    hold()
    assert app.handler({}, context) == {"binance": 0, "coinbase": 3}
    came = [
        (series.index(Series("coinbase", each.symbol)), trade[0])
        for record in streamed()
        for each in record.messages
        if isinstance(each, Trades)
        for trade in each.trades
    ]
    assert sorted(came) == sorted(sorted(lost, key=lambda gap: -lost[gap])[:3])
    assert calls() == {"binance": 1, "coinbase": 4}


@pytest.mark.parametrize("end", ["deadline", "turns", "refusal"])
def test_a_venue_with_many_gaps_that_may_not_be_asked_leaves_the_other_alone(
    exchanges: Exchanges,
    stream_mode: None,
    followed_before: None,
    streamed: Streamed,
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    now = floor(exchanges.clock() // 1000, MINUTE)
    states = {}
    for series in FOLLOWED:
        newest = newest_trades(exchanges, series, 1).trades[0][0]
        states[series] = SeriesState(high=newest, high_minute=now, missing=[Missing(newest, newest, now, now)])
    lanes_with(states, now)
    hold()
    begin = wiring.now()
    match end:
        case "deadline":
            ask, asked = coinbase.Coinbase.trades, list[int]()

            def slowly(self: coinbase.Coinbase, product: Product, first: int, last: int) -> Trades | None:
                asked.append(first)
                if len(asked) == 2:  # time flies
                    monkeypatch.setattr(context, "get_remaining_time_in_millis", lambda: 0)
                    monkeypatch.setattr(wiring, "now", lambda: begin + 60_000)
                return ask(self, product, first, last)

            monkeypatch.setattr(coinbase.Coinbase, "trades", slowly)
            monkeypatch.setattr(app, "ThreadPoolExecutor", OneAfterTheOther)
            count, kind = 2, ""
        case "turns":
            wiring.clear()  # with the turns that were taken to prepare this
            wiring.venues().reserve("coinbase", MINUTE, budget.unix_ms())
            count, kind = 0, "spent"
        case "refusal":
            exchanges.disturb({"venue": "coinbase", "kind": "rate_limited"})
            count, kind = 0, "limited"
    assert app.handler({}, context) == {"binance": 2, "coinbase": count}
    repaired = told(streamed(), Trades)
    assert [series for series in repaired if series.venue == "binance"] == FOLLOWED[1:4:2]
    assert wiring.venues().states()["coinbase"].kind == kind


class OneAfterTheOther:
    """Threads that take turns: what one does to the clock does not disturb the one before."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> "OneAfterTheOther":
        return self

    def __exit__(self, *_: object) -> None: ...

    def map[Asked, Told](self, call: Callable[[Asked], Told], many: Iterable[Asked]) -> Iterator[Told]:
        return map(call, many)


def said(caplog: pytest.LogCaptureFixture) -> tuple[str, str, dict[str, str]]:
    """The level of the summary that the last run logged, the mode that should be, and each venue's."""
    (summary,) = [vars(record) for record in caplog.records if record.getMessage() == "polled"]
    return summary["levelname"], summary["mode"], {venue: each["mode"] for venue, each in summary["venues"].items()}


@pytest.mark.parametrize("dead", ["no holder yet", "one venue's", "both"])
def test_what_no_stream_brings_is_polled_instead_and_told(
    stream_mode: None, streamed: Streamed, context: LambdaContext, caplog: pytest.LogCaptureFixture, dead: str
) -> None:
    polled = FOLLOWED
    match dead:
        case "one venue's":
            hold(venues=["binance"])
            polled = COINBASE
        case "both":
            hold(LATE)
    app.handler({}, context)
    records = streamed()
    assert set(told(records, Quote)) == set(polled)
    assert {record.venue for record in records} == {series.venue for series in polled}
    assert all(isinstance(record.messages[-1], Clock) for record in records)
    venues = {series.venue for series in polled}
    modes = {venue: "poll" if venue in venues else "stream" for venue in ("binance", "coinbase")}
    assert said(caplog) == ("WARNING", "stream", modes)


def test_a_minute_whose_stream_was_lost_is_incomplete_until_the_venue_tells_its_candle(
    exchanges: Exchanges,
    stream_mode: None,
    followed_before: None,
    streamed: Streamed,
    process: Process,
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = closed(exchanges.clock() // 1000, MINUTE)
    lost = now - 2 * MINUTE
    known_ = {series: SeriesState(high=9, high_minute=lost, known_to=lost) for series in COINBASE[:2]}
    lanes_with(known_, lost)
    trades = [Trades(series.symbol, 0, 0, [(10, 1, 1, lost + 5)]) for series in COINBASE[:2]]
    process(Record("coinbase", lane_of(Series("coinbase", each.symbol), 2), [each]) for each in trades)
    ask = coinbase.Coinbase.candles

    def lagging(self: coinbase.Coinbase, product: Product, interval: str, start: int, end: int) -> Candles:
        return ask(self, product, interval, start, end - 2 * MINUTE if product.symbol == "ETH-USD" else end)

    with monkeypatch.context() as patch:
        patch.setattr(coinbase.Coinbase, "candles", lagging)
        app.handler({}, context)
    process(streamed())
    assert {str(each): complete_at(each, lost) for each in COINBASE[:2]} == {
        "coinbase:BTC-USD": True,
        "coinbase:ETH-USD": False,
    }
    assert known(COINBASE[1]).repairs[-1] == (lost, lost + MINUTE)
    app.handler({}, context)
    process(streamed())
    assert complete_at(COINBASE[1], lost)


def complete_at(series: Series, minute: int) -> bool:
    """Whether the row of a closed minute is told to be complete."""
    (item,) = wiring.market().minutes_at(lane_of(series, 2), [minute], consistent=True)
    return item.rows[str(series)].complete


def test_what_a_living_stream_refuses_is_polled_without_a_word_on_the_others(
    stream_mode: None, followed_before: None, streamed: Streamed, context: LambdaContext
) -> None:
    hold(refused=["ETH-USD"])
    app.handler({}, context)
    records = streamed()
    refused = Series("coinbase", "ETH-USD")
    assert {*told(records, Quote), *told(records, Candles)} == {refused}
    assert not any(isinstance(message, Clock) for record in records for message in record.messages)


def test_prices_are_polled_again_from_the_minute_on_in_which_the_mode_is_changed_to_poll(
    exchanges: Exchanges, followed_before: None, streamed: Streamed, context: LambdaContext
) -> None:
    now = floor(exchanges.clock() // 1000, MINUTE)
    long_ago = now - 100 * HOUR
    lanes_with({series: SeriesState(high=9, high_minute=now, known_to=long_ago) for series in FOLLOWED}, now)
    hold()  # whoever held the streams has just stopped
    app.handler({}, context)
    records = streamed()
    assert set(told(records, Quote)) == set(FOLLOWED)
    assert all(one.start >= now - 5 * HOUR for (one,) in told(records, Candles).values())

"""History comes in once, true to the venue, whatever interrupts it."""

from decimal import Decimal
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.venues import Venues
from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, Block, floor
from cryptopulse.domain.polling import Span
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Candles
from cryptopulse.errors import InvalidError
from functions.backfill import app
from tests.functional.conftest import Exchanges, Streamed

BTC_COINBASE, BTC_BINANCE = Series("coinbase", "BTC-USD"), Series("binance", "BTC-USDT")
ONE_DAY: dict[str, Any] = {"assets": ["BTC"], "days": 1, "quick": True}


pytestmark = pytest.mark.usefixtures("steady")


def shown(block: Block) -> list[list[Any]]:
    price, size = Decimal(10) ** -block.price_scale, Decimal(10) ** -block.size_scale
    return [
        [row.start, *(value * price for value in row[1:5]), row.volume * size]
        for row in block.rows()
        if not row.is_empty
    ]


def truth(exchanges: Exchanges, series: Series, interval: str, start: int, end: int) -> list[list[Any]]:
    told = exchanges.candles(series.venue, series.symbol, interval, start, end)
    return [[at, *map(Decimal, values[:5])] for at, *values in told]


def test_days_hours_and_minutes_are_the_venues_own(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext
) -> None:
    answer = app.handler(ONE_DAY, context)
    assert answer == {"done": answer["total"], "total": answer["total"], "message": "history is complete"}
    now, market, done = wiring.now(), wiring.market(), wiring.venues().history()
    assert set(done) == {(series, each) for series in (BTC_COINBASE, BTC_BINANCE) for each in ("1d", "1h", "1m")}
    for (series, interval), span in done.items():
        assert span.start <= now - DAY < floor(now - 3 * HOUR, DAY) + DAY
        end = span.end if interval != "1m" else done[series, "1h"].end
        stored = market.blocks(series, INTERVALS[interval], span.start, span.end)
        assert shown(stored) == truth(exchanges, series, interval, span.start, end)
        assert list(stored.starts) == list(range(span.start, end, INTERVALS[interval]))
    young: dict[Series, list[Candles]] = {}
    for record in streamed():
        for each in record.messages:
            assert isinstance(each, Candles)
            series = Series(record.venue, each.symbol)
            assert lane_of(series, 2) == record.lane
            young.setdefault(series, []).append(each)
    for series, told in young.items():
        spans = sorted((each.start, each.end) for each in told)
        assert (spans[0][0], spans[-1][1]) == (done[series, "1h"].end, done[series, "1m"].end)
        assert sum(end - start for start, end in spans) == spans[-1][1] - spans[0][0]


def test_a_second_run_fetches_nothing(exchanges: Exchanges, context: LambdaContext) -> None:
    first = app.handler(ONE_DAY, context)
    exchanges.disturb({"venue": "binance", "kind": "restricted"}, {"venue": "coinbase", "kind": "restricted"})
    assert app.handler(ONE_DAY, context) == first
    assert {state.kind for state in wiring.venues().states().values()} == {""}


def test_it_resumes_where_a_crash_stopped_it(
    exchanges: Exchanges, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_history = Venues.save_history
    saved: list[tuple[Series, str, Span]] = []

    def crash_after_six(venues: Venues, series: Series, interval: str, span: Span) -> None:
        if len(saved) == 6:
            raise RuntimeError("crash")
        saved.append((series, interval, span))
        save_history(venues, series, interval, span)

    monkeypatch.setattr(Venues, "save_history", crash_after_six)
    with pytest.raises(RuntimeError):
        app.handler(ONE_DAY, context)
    before = wiring.venues().history()
    assert before.items() <= {(series, interval): span for series, interval, span in saved}.items()
    monkeypatch.setattr(Venues, "save_history", save_history)
    todo = app._answer(app.Job(**ONE_DAY), wiring.market().series(), "")
    assert todo["done"] == 6 < todo["total"]
    answer = app.handler(ONE_DAY, context)
    assert answer["done"] == answer["total"] == todo["total"]
    for (series, interval), span in wiring.venues().history().items():
        end = span.end if interval != "1m" else wiring.venues().history()[series, "1h"].end
        stored = wiring.market().blocks(series, INTERVALS[interval], span.start, span.end)
        assert shown(stored) == truth(exchanges, series, interval, span.start, end)


@pytest.mark.parametrize(
    "event",
    [
        {"asset": ["BTC"]},
        {"days": 0},
        {"max_seconds": -1},
        {"assets": "BTC"},
        {"assets": ["BTC", "NOPE"]},
        {"quick": "yes"},
    ],
)
def test_an_event_that_asks_for_what_cannot_be_is_refused(event: dict[str, Any], context: LambdaContext) -> None:
    with pytest.raises(InvalidError):
        app.handler(event, context)
    assert wiring.venues().lease("another", wiring.now(), wiring.now() + 1)


def test_a_venue_that_is_down_is_told_and_the_other_goes_on(exchanges: Exchanges, context: LambdaContext) -> None:
    exchanges.disturb({"venue": "binance", "kind": "rate_limited"})
    assert app.handler(ONE_DAY, context)["message"].startswith("binance /api/v3/exchangeInfo: HTTP 429 ")
    assert {series.venue for series, _ in wiring.venues().history()} == {"coinbase"}
    state = wiring.venues().states()["binance"]
    assert (state.kind, state.strikes, state.until > wiring.now()) == ("limited", 1, True)
    exchanges.disturb()
    assert app.handler(ONE_DAY, context)["message"] == state.error  # left alone until then
    assert wiring.market().series()[0] == BTC_COINBASE
    wiring.venues()._table.update("VENUE", "binance", set={"until": wiring.now() - 1, "slot": 0})
    wiring.clear()  # another process, which has no turns left of those from before
    answer = app.handler(ONE_DAY, context)
    assert (answer["message"], answer["done"]) == ("history is complete", answer["total"])
    assert {series.venue for series, _ in wiring.venues().history()} == {"coinbase", "binance"}


def test_before_any_venue_told_what_it_trades_nothing_is_complete(exchanges: Exchanges, context: LambdaContext) -> None:
    exchanges.disturb(*({"venue": venue, "kind": "restricted"} for venue in ("binance", "coinbase")))
    answer = app.handler(ONE_DAY, context)
    assert (answer["done"], answer["total"]) == (0, 1)
    assert "HTTP 451" in answer["message"]


def test_while_one_run_is_at_it_another_only_tells_how_far_it_is(context: LambdaContext) -> None:
    assert wiring.venues().lease("another", wiring.now(), wiring.now() + 60_000)
    wiring.market().save_series([BTC_COINBASE])
    answer = app.handler({}, context)
    assert (answer["done"], answer["message"]) == (0, "another run is at it")
    assert app.handler({**ONE_DAY, "max_seconds": 1}, context)["done"] == 0
    assert wiring.venues().history() == {}


def test_when_all_is_there_a_scheduled_run_asks_nobody(
    exchanges: Exchanges, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "stages", lambda **_: [("1d", DAY), ("1h", DAY), ("1m", HOUR)])
    scheduled = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "{}"}
    first = app.handler(scheduled, context)
    assert first["done"] == first["total"] > 0
    exchanges.disturb(*({"venue": venue, "kind": "restricted"} for venue in ("binance", "coinbase")))
    wiring.clear()
    assert app.handler({}, context) == first
    assert {state.kind for state in wiring.venues().states().values()} == {""}
    exchanges.disturb()
    followed = wiring.market().series()
    wiring.market().save_series(followed[:-1])  # as before a series was added
    again = app.handler(scheduled, context)
    assert again == first
    assert wiring.market().series() == followed


def test_the_time_that_is_given_is_kept(context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "get_remaining_time_in_millis", lambda: app.MARGIN)
    answer = app.handler(ONE_DAY, context)
    assert answer["done"] == 0 < answer["total"]
    assert wiring.venues().history() == {}

"""Health, judged by ages."""

from typing import Any

import pytest

from cryptopulse.domain.folding import KEPT_MINUTES
from cryptopulse.domain.health import Checks, Mode, SourceHealth, Status, Store, VenueHealth, check, overall
from cryptopulse.domain.lanes import Lane, Missing, SeriesState
from cryptopulse.domain.news_feeds import State
from cryptopulse.domain.news_sources import LONGEST_ERROR, Source
from cryptopulse.domain.series import Series
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.venues import VenueState
from cryptopulse.errors import FeedDownError

NOW = 1_795_329_063_057
BTC = Series("coinbase", "BTC-USD")


def told(status: Status = "ok", age: float | None = 0.0, mode: Mode = "poll", **more: Any) -> VenueHealth:
    """What is told of a venue of which nothing else is to be told."""
    nothing = {"gaps": 0, "gaps_repaired": 0, "reconnects": 0, "error": None, "retry_at": None}
    return VenueHealth(status=status, mode=mode, age_seconds=age, **nothing | more)


def checked(
    *,
    age: int,
    repairs: list[tuple[int, int]] | None = None,
    missing: list[Missing] | None = None,
    gaps: tuple[int, int] = (0, 0),
    state: VenueState | None = None,
    streams: dict[str, StreamState] | None = None,
) -> VenueHealth:
    series = SeriesState(price=1, time=NOW - age, repairs=repairs or [], missing=missing or [])
    lane = Lane(0, series={str(BTC): series}, gaps={"coinbase": gaps, "binance": (9, 9)})
    other = Lane(1, gaps={"coinbase": gaps})
    states = {"coinbase": state} if state else {}
    return check(["coinbase"], [BTC], {0: lane, 1: other}, states, streams, {}, NOW).prices["coinbase"]


def test_a_feed_with_a_young_price_is_ok() -> None:
    assert checked(age=63_057) == told(age=63.1)


@pytest.mark.parametrize(
    ("age", "status"), [(180_000, "ok"), (180_001, "degraded"), (300_000, "degraded"), (300_001, "down"), (-50, "ok")]
)
def test_a_feed_is_late_after_three_minutes_and_down_after_five(age: int, status: str) -> None:
    assert checked(age=age).status == status


@pytest.mark.parametrize(("age", "status"), [(60_000, "ok"), (60_001, "degraded"), (300_001, "down")])
def test_a_stream_is_late_after_one_minute(age: int, status: Status) -> None:
    alive = {"coinbase": StreamState(told_at=NOW - 59_999)}
    assert checked(age=age, streams=alive) == told(status, round(age / 1000, 1), "stream")


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param({}, id="no holder yet"),
        pytest.param({"binance": StreamState(told_at=NOW)}, id="another venue's"),
        pytest.param({"coinbase": StreamState(told_at=NOW - 60_000)}, id="silent"),
    ],
)
def test_a_venue_polled_for_want_of_a_stream_is_degraded(streams: dict[str, StreamState]) -> None:
    assert checked(age=100, streams=streams) == told("degraded", 0.1)


def test_connections_lost_in_the_last_hour_are_counted() -> None:
    lost = StreamState(told_at=NOW, reconnects=[NOW - 3_600_000, NOW - 3_599_999, NOW - 1])
    assert checked(age=0, streams={"coinbase": lost}) == told(mode="stream", reconnects=2)


LOST = Missing(7, 8, NOW - 60_000, NOW)


@pytest.mark.parametrize(
    ("gap", "count"),
    [
        pytest.param({"repairs": [(0, 60_000)]}, 1, id="candles"),
        pytest.param({"missing": [LOST, LOST]}, 1, id="trades"),
        pytest.param({"missing": [LOST], "repairs": [(0, 60_000)]}, 1, id="both"),
        pytest.param({"missing": [LOST._replace(to_minute=NOW - KEPT_MINUTES - 1)]}, 0, id="given up"),
    ],
)
def test_a_gap_still_asked_for_degrades(gap: dict[str, Any], count: int) -> None:
    assert checked(age=0, **gap) == told("degraded" if count else "ok", gaps=count)


def test_gaps_repaired_are_counted_over_the_lanes() -> None:
    assert checked(age=0, gaps=(4, 3)) == told(gaps_repaired=6)


def test_a_failing_feed_tells_why_and_until_when() -> None:
    state = VenueState("url", kind="limited", error="429 from a host", until=NOW + 943)
    assert checked(age=0, state=state) == told("degraded", error="limited", retry_at="2026-11-22T06:31:04.000Z")


def test_a_pause_that_is_over_is_not_told() -> None:
    assert checked(age=0, state=VenueState("url", kind="down", until=NOW)).retry_at is None


def test_a_venue_without_prices_is_down() -> None:
    assert check(["binance"], [BTC], {}, {}, None, {}, NOW) == Checks(Store("ok"), {"binance": told("down", None)})


def test_a_series_no_longer_followed_counts_for_nothing() -> None:
    lane = Lane(0, series={str(BTC): SeriesState(price=1, time=NOW, repairs=[(0, 1)])})
    assert check(["coinbase"], [], {0: lane}, {}, None, {}, NOW).prices["coinbase"] == told("down", None)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok", "ok"], "ok"),
        (["ok", "degraded"], "degraded"),
        (["ok", "down"], "degraded"),
        (["down", "down"], "down"),
        (["degraded", "down"], "degraded"),
        ([], "down"),
    ],
)
def test_the_whole_is_down_only_when_every_venue_is(statuses: list[Status], expected: str) -> None:
    venues = {str(number): told(status) for number, status in enumerate(statuses)}
    assert overall(Checks(Store("ok"), venues)) == expected


def test_a_store_that_does_not_answer_is_down() -> None:
    assert overall(Checks(Store("down"))) == "down"


ASKED = Source("url").answered(State(until=NOW + 885_000), NOW - 60_000)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(ASKED, SourceHealth("ok", 60.0, None, None), id="answers"),
        pytest.param(Source("url"), SourceHealth("degraded", None, None, None), id="never asked"),
        pytest.param(Source("url", ok_at=NOW - 3_600_001), SourceHealth("degraded", 3600.0, None, None), id="late"),
        pytest.param(
            ASKED.failed(FeedDownError("429", kind="limited", until=NOW + 943)),
            SourceHealth("degraded", 60.0, "limited", "2026-11-22T06:31:04.000Z"),
            id="failing",
        ),
        pytest.param(
            ASKED.failed(FeedDownError("too early", kind="spent")), SourceHealth("ok", 60.0, None, None), id="spared"
        ),
    ],
)
def test_a_source_of_news_that_fails_or_is_late_degrades(source: Source, expected: SourceHealth) -> None:
    checks = check(["coinbase"], [BTC], {}, {}, None, {"somebody": source}, NOW)
    assert checks.news == {"somebody": expected}
    checks.prices["coinbase"].status = "ok"
    assert overall(checks) == expected.status


def test_failures_are_counted_until_an_answer_comes() -> None:
    down = FeedDownError("no answer")
    failing = Source("url", State(etag="1", until=NOW)).failed(down).failed(down)
    assert failing == Source("url", State(etag="1"), kind="down", error="no answer", failures=2)
    assert failing.answered(State(etag="2"), NOW) == Source("url", State(etag="2"), ok_at=NOW)


def test_what_a_stranger_makes_an_error_say_is_cut() -> None:
    assert len(Source("url").failed(FeedDownError("x" * 500_000)).error) == LONGEST_ERROR

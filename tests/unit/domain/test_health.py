"""Health, judged by ages."""

import pytest

from cryptopulse.domain.health import Checks, SourceHealth, Store, VenueHealth, check, overall
from cryptopulse.domain.lanes import Lane, SeriesState
from cryptopulse.domain.news_feeds import State
from cryptopulse.domain.news_sources import LONGEST_ERROR, Source
from cryptopulse.domain.series import Series
from cryptopulse.domain.venues import VenueState
from cryptopulse.errors import FeedDownError

NOW = 1_795_329_063_057
BTC = Series("coinbase", "BTC-USD")


def checked(*, age: int, repairs: list[tuple[int, int]] | None = None, state: VenueState | None = None) -> VenueHealth:
    lane = Lane(0, series={str(BTC): SeriesState(price=1, time=NOW - age, repairs=repairs or [])})
    return check(["coinbase"], [BTC], {0: lane}, {"coinbase": state} if state else {}, {}, NOW).prices["coinbase"]


def test_a_feed_with_a_young_price_is_ok() -> None:
    assert checked(age=63_057) == VenueHealth("ok", 63.1, 0, None, None)


@pytest.mark.parametrize(
    ("age", "status"), [(180_000, "ok"), (180_001, "degraded"), (300_000, "degraded"), (300_001, "down"), (-50, "ok")]
)
def test_a_feed_is_late_after_three_minutes_and_down_after_five(age: int, status: str) -> None:
    assert checked(age=age).status == status


def test_a_gap_degrades() -> None:
    assert checked(age=0, repairs=[(0, 60_000)]) == VenueHealth("degraded", 0.0, 1, None, None)


def test_a_failing_feed_tells_why_and_until_when() -> None:
    state = VenueState("url", kind="limited", error="429 from a host", until=NOW + 943)
    assert checked(age=0, state=state) == VenueHealth("degraded", 0.0, 0, "limited", "2026-11-22T06:31:04.000Z")


def test_a_pause_that_is_over_is_not_told() -> None:
    assert checked(age=0, state=VenueState("url", kind="down", until=NOW)).retry_at is None


def test_a_venue_without_prices_is_down() -> None:
    assert check(["binance"], [BTC], {}, {}, {}, NOW) == Checks(
        Store("ok"), {"binance": VenueHealth("down", None, 0, None, None)}
    )


def test_a_series_no_longer_followed_counts_for_nothing() -> None:
    lane = Lane(0, series={str(BTC): SeriesState(price=1, time=NOW, repairs=[(0, 1)])})
    assert check(["coinbase"], [], {0: lane}, {}, {}, NOW).prices["coinbase"] == VenueHealth(
        "down", None, 0, None, None
    )


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
def test_the_whole_is_down_only_when_every_venue_is(statuses: list[str], expected: str) -> None:
    venues = {str(number): VenueHealth(status, 0, 0, None, None) for number, status in enumerate(statuses)}  # type: ignore[arg-type]
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
    checks = check(["coinbase"], [BTC], {}, {}, {"somebody": source}, NOW)
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

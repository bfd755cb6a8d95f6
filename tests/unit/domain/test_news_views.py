"""What is told of news: windows, rounding, and hours whose prices are beside what was told."""

import pytest

from cryptopulse.domain.asset_sentiment import Scored
from cryptopulse.domain.candles import DAY, EMPTY, FROM_VENUE, HOUR, Block, Row
from cryptopulse.domain.news_views import correlation, length, sentiment, sentiment_series
from cryptopulse.errors import InvalidError

NOW = 1_795_330_800_000
"""2026-11-22T07:00:00Z."""
START = NOW - 24 * HOUR
SCORED = [Scored(START + number * HOUR + 1, number % 5 / 10) for number in range(24)]


def prices(*closes: int) -> Block:
    """Hours from the one before `START` on; 0: without a trade."""
    starts = range(START - HOUR, NOW + DAY, HOUR)
    rows = [
        Row(start, close, close, close, close, 1, FROM_VENUE, NOW, complete=True)
        for start, close in zip(starts, closes, strict=False)
    ]
    return Block.of(2, 0, rows)


@pytest.mark.parametrize(("window", "ms"), [("1h", HOUR), ("720h", 30 * DAY), ("1d", DAY), ("30d", 30 * DAY)])
def test_a_window_is_hours_or_days(window: str, ms: int) -> None:
    assert length(window) == ms


@pytest.mark.parametrize("window", ["0h", "721h", "31d", "999d", "1m", "h", "", "24h\n"])
def test_what_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(InvalidError, match="Expected 1h to 720h or 1d to 30d"):
        length(window)


def test_scores_are_told_to_four_digits_and_labelled_as_they_are_told() -> None:
    found = sentiment("BTC", "24h", [Scored(NOW, 0.04996)], NOW)
    assert (found.score, found.label) == (0.05, "positive")
    found = sentiment_series("BTC", "24h", [Scored(NOW, -0.00001)], NOW)
    assert (str(found.score), found.label, str(found.series[-1].score)) == ("0.0", "neutral", "0.0")


def test_hours_without_a_trade_or_not_closed_have_no_return() -> None:
    rising = [round(1000 * 1.01**number) for number in range(25)]
    assert observations(prices(*rising), NOW) == 24
    assert observations(prices(*rising), NOW - HOUR) == 23
    rising[10] = 0  # two returns
    assert observations(prices(*rising), NOW) == 22
    assert observations(EMPTY, NOW) == 0


def observations(rows: Block, opened: int) -> int:
    found = correlation(SCORED, rows, opened, START, NOW)
    (at_once,) = [each for each in found if each.lag_hours == 0]
    return at_once.observations


def test_only_articles_of_whole_hours_count_and_an_hour_counts_once() -> None:
    closes = [1000, 1010, 1000, 1030, 1000, 1050]
    twice = [Scored(START, 0.1), Scored(START, 0.3), Scored(START + HOUR, 0.2), Scored(START + 2 * HOUR, 0.5)]
    outside = [Scored(START - 1, 1.0), Scored(NOW, 1.0)]
    found = correlation([*twice, *outside], prices(*closes), NOW, START, NOW)
    assert [each.observations for each in found if each.lag_hours in (-1, 0, 1)] == [2, 3, 3]

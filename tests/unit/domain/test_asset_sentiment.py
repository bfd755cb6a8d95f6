"""An asset's sentiment: the decayed mean, its trend and series, and correlation with returns."""

from statistics import correlation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.asset_sentiment import Bucket, Lag, Scored, label, lead_lag, sentiment, step

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_795_330_800_000
"""2026-11-22T07:00:00Z."""

scores = st.floats(-1, 1)


def test_no_article_says_nothing() -> None:
    found = sentiment([], NOW, DAY)
    assert found[:4] == (None, None, 0, None)
    assert {each[1:] for each in found.series} == {(None, 0)}


def test_an_article_loses_half_its_weight_in_a_third_of_the_window() -> None:
    found = sentiment([Scored(NOW, 1.0), Scored(NOW - 8 * HOUR, -0.5)], NOW, DAY)
    assert found.score == pytest.approx((1 - 0.25) / 1.5)
    assert (found.label, found.articles) == ("positive", 2)


def test_only_articles_of_the_window_count() -> None:
    outside = [Scored(NOW + 1, -1.0), Scored(NOW - DAY, -1.0)]
    found = sentiment([*outside, Scored(NOW - DAY + 1, 0.25)], NOW, DAY)
    assert found[:4] == (0.25, "positive", 1, None)


def test_the_trend_is_the_newer_half_less_the_older() -> None:
    scored = [Scored(NOW - 13 * HOUR, -0.2), Scored(NOW - 12 * HOUR, -0.4), Scored(NOW - HOUR, 0.1), Scored(NOW, 0.3)]
    assert sentiment(scored, NOW, DAY).trend == pytest.approx(0.5)
    assert sentiment(scored[2:], NOW, DAY).trend is None


def test_a_series_has_every_bucket() -> None:
    scored = [Scored(NOW - 1, 0.2), Scored(NOW - HOUR, 0.4), Scored(NOW, -0.6)]
    series = sentiment(scored, NOW, DAY).series
    assert [each.time for each in series] == [NOW - at * HOUR for at in range(24, -1, -1)]
    assert series[-3:] == [(NOW - 2 * HOUR, None, 0), (NOW - HOUR, pytest.approx(0.3), 2), (NOW, -0.6, 1)]


@pytest.mark.parametrize(
    ("window", "length"),
    [
        pytest.param(HOUR, HOUR // 4, id="1h"),
        pytest.param(12 * HOUR, HOUR // 4, id="12h"),
        pytest.param(DAY, HOUR, id="24h"),
        pytest.param(7 * DAY, 4 * HOUR, id="7d"),
        pytest.param(30 * DAY, DAY, id="30d"),
        pytest.param(90 * DAY, DAY, id="90d"),
    ],
)
def test_buckets_are_as_long_as_candles(window: int, length: int) -> None:
    assert step(window) == length


@given(
    scored=st.lists(st.builds(Scored, st.integers(NOW - 2 * DAY, NOW + HOUR), scores), max_size=20),
    now=st.integers(NOW - HOUR, NOW),
    window=st.integers(60_000, 2 * DAY),
    order=st.randoms(use_true_random=False),
)
def test_a_mean_is_among_its_articles(scored: list[Scored], now: int, window: int, order: object) -> None:
    found = sentiment(scored, now, window)
    within = [each.score for each in scored if now - window < each.time <= now]
    assert (found.articles, found.score is None) == (len(within), not within)
    assert sum(each.articles for each in found.series) == len(within)
    if found.score is not None:
        assert min(within) - 1e-9 <= found.score <= max(within) + 1e-9
    order.shuffle(scored)  # type: ignore[attr-defined]
    assert sentiment(scored, now, window) == found


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (1.0, "positive"),
        (0.05, "positive"),
        (0.049, "neutral"),
        (0.0, "neutral"),
        (-0.049, "neutral"),
        (-0.05, "negative"),
    ],
)
def test_labels_are_those_of_articles(score: float, expected: str) -> None:
    assert label(score) == expected


# --- sentiment and prices ---


def series(*values: float | None) -> list[Bucket]:
    return [Bucket(NOW + at * HOUR, value, value is not None) for at, value in enumerate(values)]


def test_scores_that_come_first_are_found_at_their_lag() -> None:
    told = [0.1, -0.3, 0.4, 0.0, -0.2, 0.3]
    returns = {NOW + (at + 2) * HOUR: value / 10 for at, value in enumerate(told)}
    found = {each.lag: each for each in lead_lag(series(*told), returns, HOUR, range(-2, 4))}
    assert found[2].correlation == pytest.approx(1)
    assert [found[lag].observations for lag in range(-2, 4)] == [2, 3, 4, 5, 6, 5]
    assert found[-2].correlation is None
    assert found[0].correlation == pytest.approx(correlation(told[2:], told[:4]))


def test_what_is_not_there_is_no_observation() -> None:
    returns = {NOW: 0.01, NOW + HOUR: 0.02, NOW + 3 * HOUR: -0.01, NOW + 4 * HOUR: 0.0}
    (found,) = lead_lag(series(0.1, None, 0.3, -0.2, 0.1), returns, HOUR, [0])
    assert found.correlation == pytest.approx(correlation([0.1, -0.2, 0.1], [0.01, -0.01, 0.0]))
    assert found.observations == 3


@pytest.mark.parametrize(
    ("told", "moved"),
    [
        pytest.param([0.1, 0.2], [0.1, 0.2], id="two"),
        pytest.param([0.3, 0.3, 0.3], [0.1, 0.2, 0.3], id="constant scores"),
        pytest.param([0.1, 0.2, 0.3], [0.0, 0.0, 0.0], id="constant prices"),
        pytest.param([0.1 + 0.2, 0.3, 0.3], [0.1, 0.2, 0.3], id="constant but for rounding"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_too_little_is_no_correlation(told: list[float], moved: list[float]) -> None:
    returns = {NOW + at * HOUR: value for at, value in enumerate(moved)}
    assert lead_lag(series(*told), returns, HOUR, [0]) == [Lag(0, None, len(told))]


@given(pairs=st.lists(st.tuples(scores, scores), min_size=3, max_size=20))
def test_a_correlation_is_one(pairs: list[tuple[float, float]]) -> None:
    returns = {NOW + at * HOUR: value for at, (_, value) in enumerate(pairs)}
    (found,) = lead_lag(series(*(score for score, _ in pairs)), returns, HOUR, [0])
    assert found.correlation is None or -1 <= found.correlation <= 1

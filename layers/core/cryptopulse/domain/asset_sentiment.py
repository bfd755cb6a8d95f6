"""An asset's sentiment: what articles about it say together, how that changes, and whether prices moved along."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum, sqrt
from typing import Final, Literal, NamedTuple

type Label = Literal["positive", "neutral", "negative"]

THRESHOLD: Final = 0.05
"""A score from here on is positive, from its opposite down negative."""
HALF_LIFE: Final = 1 / 3
"""Of the window: the time in which an article's weight halves, so that the oldest weigh an eighth of the newest."""
STEPS: Final = 900_000, 3_600_000, 14_400_000, 86_400_000
"""Lengths of a series' buckets, ms: intervals that candles have too."""
BUCKETS: Final = 48
"""In a series at most, and one where neither of its ends is a bucket's; more only in windows of over 48 days."""
FEWEST: Final = 3
"""Observations of a correlation: two are always 1 or -1."""
_CONSTANT: Final = 1e-12
"""Values that differ by no more of their size are the same but for rounding."""


class Scored(NamedTuple):
    """When an article was published, Unix ms, and its score, -1 to 1."""

    time: int
    score: float


class Bucket(NamedTuple):
    """A row of a series: when the bucket begins, Unix ms, the mean of its articles' scores, and how many they are."""

    time: int
    score: float | None
    articles: int


class Sentiment(NamedTuple):
    """What a window's articles say together; no article says nothing, which is not 0."""

    score: float | None
    """Their mean, each weighted by ½ to the power of its age over a third of the window."""
    label: Label | None
    articles: int
    trend: float | None
    """The mean of the window's newer half less that of its older one, unweighted; None if either has no article."""
    series: list[Bucket]
    """Every bucket, also those without an article, the oldest first; aligned to UTC."""


class Lag(NamedTuple):
    """How scores move together with the returns some buckets later (before, if negative)."""

    lag: int
    correlation: float | None
    """Pearson's; None below 3 observations, or if one of both is constant."""
    observations: int


def label(score: float) -> Label:
    """The class of an article's score, or of a mean of several."""
    if abs(score) < THRESHOLD:
        return "neutral"
    return "positive" if score > 0 else "negative"


def step(window: int) -> int:
    """The length of the buckets of a window, both in ms."""
    return next((each for each in STEPS if window <= BUCKETS * each), STEPS[-1])


def sentiment(scored: Iterable[Scored], now: int, window: int) -> Sentiment:
    """What an asset's articles of a window say.

    Args:
        scored: Articles in any order; those outside of the window do not count.
        now: The window's end, Unix ms, included.
        window: Its length, ms; its start is not included.
    """
    within = sorted(each for each in scored if now - window < each.time <= now)
    weights = [0.5 ** ((now - each.time) / (HALF_LIFE * window)) for each in within]
    score = (
        fsum(weight * each.score for weight, each in zip(weights, within, strict=True)) / fsum(weights)
        if within
        else None
    )
    older = _mean([each.score for each in within if each.time <= now - window / 2])
    newer = _mean([each.score for each in within if each.time > now - window / 2])
    return Sentiment(
        score=score,
        label=None if score is None else label(score),
        articles=len(within),
        trend=None if older is None or newer is None else newer - older,
        series=_series(within, now, window),
    )


def _series(within: Iterable[Scored], now: int, window: int) -> list[Bucket]:
    length = step(window)
    scores: dict[int, list[float]] = {
        start: [] for start in range((now - window + 1) // length * length, now + 1, length)
    }
    for each in within:
        scores[each.time // length * length].append(each.score)
    return [Bucket(start, _mean(found), len(found)) for start, found in scores.items()]


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None


def lead_lag(series: Iterable[Bucket], returns: Mapping[int, float], step: int, lags: Iterable[int]) -> list[Lag]:
    """How scores go together with returns before, at and after them; it says nothing of why.

    Args:
        series: Scores by buckets; those without an article are no observation.
        returns: Returns over buckets, by their start in Unix ms; those without a price are not there.
        step: The length of a bucket, ms.
        lags: By how many buckets returns come after scores: at 1 the score of an hour is beside the return of the next.
    """
    scores = [(each.time, each.score) for each in series if each.score is not None]
    found = []
    for lag in lags:
        pairs = [(score, returns[time + lag * step]) for time, score in scores if time + lag * step in returns]
        found.append(Lag(lag, _correlation(pairs), len(pairs)))
    return found


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's coefficient: Σ(x - x̄)(y - ȳ) / √(Σ(x - x̄)² Σ(y - ȳ)²)."""
    if len(pairs) < FEWEST or any(_is_constant(values) for values in zip(*pairs, strict=True)):
        return None
    one, other = (_centred(values) for values in zip(*pairs, strict=True))
    together = fsum(x * y for x, y in zip(one, other, strict=True))
    return max(-1.0, min(1.0, together / (sqrt(fsum(x * x for x in one)) * sqrt(fsum(y * y for y in other)))))


def _is_constant(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= _CONSTANT * max(map(abs, values))


def _centred(values: Sequence[float]) -> list[float]:
    """Values less their mean, in units of the largest: their squares neither vanish nor overflow."""
    mean = fsum(values) / len(values)
    unit = max(values) - min(values)
    return [(value - mean) / unit for value in values]

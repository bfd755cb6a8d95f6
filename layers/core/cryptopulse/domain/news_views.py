"""What requests for news and sentiment ask, and what they are told."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain import asset_sentiment
from cryptopulse.domain.asset_sentiment import Bucket, Label, Scored, Sentiment
from cryptopulse.domain.candles import DAY, HOUR, Block, floor
from cryptopulse.domain.charts import traded
from cryptopulse.domain.prices import SHOWN, Fields
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Moment, rfc3339
from cryptopulse.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from cryptopulse.domain.news import Article  # recognises assets, which those who only show articles need not do

MOST_ASSETS: Final = 100
LAGS: Final = range(-12, 13)
"""Hours."""
PLACES: Final = 4
"""Of scores: articles' have no more, and a mean's further ones depend on when it was made."""
_WINDOW: Final = re.compile("([0-9]{1,3})([hd])")
_UNITS: Final = {"h": HOUR, "d": DAY}


# --- what clients ask ---


Asset = Annotated[str, Meta(description="Its code, upper case", examples=["BTC"])]
Window = Annotated[
    str,
    Meta(
        description="Which articles count: those of the last hours, `1h` to `720h`, or days, `1d` to `30d`",
        extra_json_schema={"pattern": "^[0-9]{1,3}[hd]$"},
    ),
]


class SentimentQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which sentiment of an asset to show."""

    window: Window = "24h"
    correlation: Annotated[
        bool, Meta(description="Add how hourly scores go together with the hourly returns before, at and after them")
    ] = False
    fields: Fields | UnsetType = UNSET


def length(window: str) -> int:
    """How long a window is, ms.

    Raises:
        InvalidError: It is no window, or too short or long.
    """
    found = _WINDOW.fullmatch(window)
    if found and HOUR <= (length := int(found[1]) * _UNITS[found[2]]) <= 30 * DAY:
        return length
    raise InvalidError("window", "Expected 1h to 720h or 1d to 30d, in whole hours or days")


# --- what they are told ---


class ArticleSentiment(Struct, kw_only=True):
    """How good or bad an article is for those who hold what it is about, by its words."""

    score: Annotated[float, Meta(description="A fraction: -1, bad, to 1, good")]
    label: Annotated[Label, Meta(description="`neutral` within 0.05 of 0")]
    words: Annotated[
        list[tuple[str, float]] | UnsetType,
        Meta(description="With `explain`: each word or phrase and its share of the score, a fraction; strongest first"),
    ] = UNSET


class NewsArticle(Struct, kw_only=True):
    """An article, which several feeds may carry."""

    id: str
    title: Annotated[str, Meta(description="Plain text")]
    source: Annotated[str, Meta(description="The newsroom's name")]
    url: Annotated[str, Meta(description="Where it is read", extra_json_schema={"format": "uri"})]
    published_at: Annotated[Moment, Meta(description="By its source; never after we read it")]
    assets: Annotated[Sequence[str], Meta(description="Codes of the assets it names, the first named first")]
    sentiment: ArticleSentiment


class AssetSentiment(Struct, kw_only=True):
    """What the articles of a window that name an asset say together."""

    asset: Asset
    window: Annotated[str, Meta(description="As it was asked for")]
    score: Annotated[
        float | None,
        Meta(
            description="Mean of the articles' scores, a fraction from -1 to 1; an article's weight halves in a third "
            "of the window. null: there is none"
        ),
    ]
    label: Annotated[Label | None, Meta(description="`neutral` within 0.05 of 0; null where there is no article")]
    articles: Annotated[int, Meta(description="How many there are")]
    trend: Annotated[
        float | None,
        Meta(
            description="Mean score, a fraction, of the window's newer half less that of the older one; null: one of "
            "both has no article"
        ),
    ]


class LagCorrelation(Struct, kw_only=True):
    """How hourly scores go together with the hourly returns so many hours later."""

    lag_hours: Annotated[int, Meta(description="Hours by which returns come after scores; before them, if negative")]
    correlation: Annotated[
        float | None,
        Meta(description="Pearson's, a fraction; null below 3 observations, or where one of both does not change"),
    ]
    observations: Annotated[int, Meta(description="Hours with an article, and a return so much later")]


class AssetSentimentSeries(AssetSentiment, kw_only=True):
    """What the articles of a window that name an asset say together, and how that changed."""

    series: Annotated[
        list[Bucket],
        Meta(
            description="[start in Unix ms, mean score or null, articles], oldest first: quarters of an hour in a "
            "window up to 12 hours, hours up to 48, 4 hours up to 8 days, else days"
        ),
    ]
    symbol: Annotated[str | UnsetType, Meta(description="Whose returns `correlation` takes")] = UNSET
    venue: Annotated[str | UnsetType, Meta(description="Where these are from")] = UNSET
    correlation: Annotated[
        list[LagCorrelation] | UnsetType,
        Meta(
            description="With `correlation`: of the window's whole hours, by lag. Of 25 such figures one or two are "
            "remarkable by chance alone"
        ),
    ] = UNSET


def article(of: "Article", score: float, label: Label, words: list[tuple[str, float]] | UnsetType) -> NewsArticle:
    """An article as clients see it."""
    return NewsArticle(
        id=of.id,
        title=of.title,
        source=of.source,
        url=of.url,
        published_at=rfc3339(of.published_at),
        assets=of.assets,
        sentiment=ArticleSentiment(score=score, label=label, words=words),
    )


def sentiment(asset: str, window: str, scored: Iterable[Scored], now: int) -> AssetSentiment:
    """What an asset's articles say together; those outside of the window (up to now, Unix ms) do not count."""
    return AssetSentiment(**_summary(asset, window, asset_sentiment.sentiment(scored, now, length(window))))


def sentiment_series(asset: str, window: str, scored: Iterable[Scored], now: int) -> AssetSentimentSeries:
    """The same with its series."""
    found = asset_sentiment.sentiment(scored, now, length(window))
    series = [each._replace(score=_rounded(each.score)) for each in found.series]
    return AssetSentimentSeries(**_summary(asset, window, found), series=series)


def _summary(asset: str, window: str, found: Sentiment) -> dict[str, Any]:
    score = _rounded(found.score)
    return {
        "asset": asset,
        "window": window,
        "score": score,
        "label": None if score is None else asset_sentiment.label(score),
        "articles": found.articles,
        "trend": _rounded(found.trend),
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, PLACES) + 0.0  # never -0.0


# --- scores and prices ---


def correlation(scored: Iterable[Scored], prices: Block, opened: int, start: int, end: int) -> list[LagCorrelation]:
    """How scores of the hours with `start` <= hour < `end` go together with returns; all times in Unix ms.

    Args:
        scored: Articles.
        prices: Hourly rows, best from the first lag before `start` to the last after `end`.
        opened: The first hour that is not closed yet: there is no return of it.
        start: Aligned.
        end: Likewise.
    """
    scores: dict[int, list[float]] = {}
    for each in scored:
        if start <= each.time < end:
            scores.setdefault(floor(each.time, HOUR), []).append(each.score)
    hours = [Bucket(hour, sum(found) / len(found), len(found)) for hour, found in scores.items()]
    lags = asset_sentiment.lead_lag(hours, _returns(prices, opened), HOUR, LAGS)
    return [
        LagCorrelation(lag_hours=each.lag, correlation=_rounded(each.correlation), observations=each.observations)
        for each in lags
    ]


def _returns(prices: Block, opened: int) -> dict[int, float]:
    """Log returns by hour: of those that are closed, and follow one that was traded too."""
    rows = traded(prices).between(0, opened)
    closes = zip(rows.starts, rows.columns[4], strict=True)
    return {start: log(close / last) for (before, last), (start, close) in pairwise(closes) if start - before == HOUR}


# --- assets ---


def check_assets(assets: Iterable[str], series: Iterable[Series]) -> None:
    """Refuses assets that are not followed.

    Raises:
        NotFoundError: One is not.
    """
    followed = {each.base for each in series}
    for asset in assets:
        if asset not in followed:
            raise NotFoundError(f"There is no asset {asset[:SHOWN]!r}.")


def listed(text: str) -> list[str]:
    """The assets that a request lists.

    Raises:
        InvalidError: They are too few or too many, or one is named twice.
    """
    assets = text.split(",")
    if not all(assets) or len(assets) > MOST_ASSETS:
        raise InvalidError("assets", f"Expected 1 to {MOST_ASSETS} assets, separated by commas")
    if len(set(assets)) < len(assets):
        raise InvalidError("assets", "Each may be named once")
    return assets

"""News and sentiment over HTTP: the real handler on a table with articles and hourly prices."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from math import exp
from random import Random
from statistics import correlation
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.market import Market
from cryptopulse.aws.news import Kept
from cryptopulse.domain.asset_sentiment import label
from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.news import Article
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles
from functions.queries import app
from tests.functional.conftest import Filled

NOW = 1_764_569_100_000
"""2025-12-01T06:05Z: a day ago it was November."""
OPEN = NOW - 5 * 60_000
HOURS = 100
LATER = 2
"""Hours by which Bitcoin's price follows what was told of it."""
BTC, ETH, RATE = (Series("coinbase", f"{asset}-USD") for asset in ("BTC", "ETH", "USDT"))
SOL = Series("binance", "SOL-USDT")
SERIES = [BTC, ETH, SOL, RATE]

type Ask = Callable[..., dict[str, Any]]


def kept(time: int, score: float, *assets: str, language: str = "en") -> Kept:
    url = f"https://news.example/{time}/{score}"
    article = Article(
        id=sha256(url.encode()).hexdigest()[:32],
        title=f"Of {' and '.join(assets)}",
        description="",
        source="The Example",
        url=url,
        published_at=time,
        language=language,
        assets=assets,
    )
    return Kept(article, score, label(score), [("of", score)])


SCORES = {OPEN - hour * HOUR: round(Random(hour).uniform(-1, 1), 4) for hour in range(1, 31)}
"""One article of Bitcoin each hour."""
TOLD = [
    *(kept(time + 60_000, score, "BTC") for time, score in SCORES.items()),
    kept(OPEN, 0.5, "ETH"),
    kept(OPEN, -0.25, "ETH", "BTC"),
    kept(OPEN - 20 * HOUR, 0.1, "ETH"),
    kept(OPEN - HOUR, -0.9, "ETH", language="de"),
    kept(NOW - 91 * DAY, 0.5, "ETH"),
]
SHOWN = sorted(TOLD[:-1], key=lambda each: (each.article.published_at, each.article.id), reverse=True)


def fill(market: Market) -> None:
    market.save_series(SERIES)
    start, price, bars = OPEN - HOURS * HOUR, 50_000.0, []
    for time in range(start, OPEN, HOUR):
        price *= exp(SCORES.get(time - LATER * HOUR, 0) / 100)
        cents = round(price * 100)
        bars.append(Bar(time, cents, cents, cents, cents, 1))
    for series in (BTC, SOL):
        market.merge(series, "1h", Candles(series.symbol, 2, 3, start, OPEN, OPEN, bars))
    wiring.news().keep(TOLD)


@pytest.fixture
def ask(filled: Filled, monkeypatch: pytest.MonkeyPatch, http_event: Callable[..., Any], context: LambdaContext) -> Ask:
    filled(fill)
    monkeypatch.setattr(wiring, "now", lambda: NOW)

    def ask(path: str, query: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        return app.handler(http_event("GET", path, query, **more), context)

    return ask


def body(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"])


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_news_are_the_newest_first_over_months_and_90_days(ask: Ask) -> None:
    told = body(ask("/news"))
    assert ids(told["items"]) == [each.article.id for each in SHOWN]
    assert told["next_cursor"] is None
    newest = SHOWN[0].article
    assert told["items"][0] == {
        "id": newest.id,
        "title": newest.title,
        "source": "The Example",
        "url": newest.url,
        "published_at": "2025-12-01T06:00:00.000Z",
        "assets": [*newest.assets],
        "sentiment": {"score": SHOWN[0].score, "label": SHOWN[0].label},
    }


def test_news_of_an_asset_explained_in_pages(ask: Ask) -> None:
    query, found = {"asset": "ETH", "explain": "true", "limit": "1", "fields": "id,sentiment"}, []
    while query.get("cursor", "") is not None:
        told = body(ask("/news", query))
        found += told["items"]
        query["cursor"] = told["next_cursor"]
    expected = [each for each in SHOWN if "ETH" in each.article.assets]
    assert found == [
        {
            "id": each.article.id,
            "sentiment": {"score": each.score, "label": each.label, "words": [["of", each.score]]},
        }
        for each in expected
    ]


def test_a_cursor_is_good_for_its_own_list(ask: Ask) -> None:
    cursor = body(ask("/news", {"limit": "2"}))["next_cursor"]
    assert ids(body(ask("/news", {"limit": "2", "cursor": cursor}))["items"]) == [e.article.id for e in SHOWN[2:4]]
    assert ask("/news", {"limit": "2", "cursor": cursor, "asset": "ETH"})["statusCode"] == 422


def test_an_asset_nobody_writes_of_has_no_sentiment(ask: Ask) -> None:
    assert body(ask("/news", {"asset": "SOL"})) == {"items": [], "next_cursor": None}
    told = body(ask("/sentiment/SOL"))
    assert {tuple(each[1:]) for each in told.pop("series")} == {(None, 0)}
    assert told == {"asset": "SOL", "window": "24h", "score": None, "label": None, "articles": 0, "trend": None}


def test_sentiment_is_the_mean_of_the_window_newer_ones_weigh_more(ask: Ask) -> None:
    told = body(ask("/sentiment/ETH"))
    weights = [1, 1, 0.5 ** (20 / 8)]
    score = sum(w * s for w, s in zip(weights, (0.5, -0.25, 0.1), strict=True)) / sum(weights)
    assert (told["asset"], told["articles"], told["label"]) == ("ETH", 3, "positive")  # not the German one
    assert told["score"] == pytest.approx(score, abs=1e-4)
    assert told["trend"] == pytest.approx(0.125 - 0.1, abs=1e-4)
    assert told["series"][-1] == [OPEN, 0.125, 2]
    assert sum(count for _, _, count in told["series"]) == 3
    assert body(ask("/sentiment/ETH", {"window": "1h"}))["articles"] == 2
    assert body(ask("/sentiment/BTC", {"window": "2d"}))["articles"] == 31


def test_sentiment_of_several_assets_is_that_of_each_without_series(ask: Ask) -> None:
    query = {"assets": "SOL,ETH,BTC", "window": "7d", "limit": "2"}
    first = body(ask("/sentiment", query))
    second = body(ask("/sentiment", query | {"cursor": first["next_cursor"]}))
    assert second["next_cursor"] is None
    for asset, told in zip(("SOL", "ETH", "BTC"), first["items"] + second["items"], strict=True):
        own = body(ask(f"/sentiment/{asset}", {"window": "7d"}))
        del own["series"]
        assert told == own
    shown = body(ask("/sentiment", {"assets": "ETH", "fields": "asset,articles"}))["items"]
    assert shown == [{"asset": "ETH", "articles": 3}]


def test_prices_that_follow_what_was_told_are_seen_at_their_lag(ask: Ask) -> None:
    told = body(ask("/sentiment/BTC", {"correlation": "true"}))
    assert (told["symbol"], told["venue"]) == ("BTC-USD", "coinbase")
    found = {each["lag_hours"]: each for each in told["correlation"]}
    assert [*found] == [*range(-12, 13)]
    assert found[LATER] == {"lag_hours": LATER, "correlation": 1.0, "observations": 24 - LATER}
    hours = [time for time in sorted(SCORES) if time >= OPEN - 24 * HOUR]
    for lag in (-3, 0, 12):
        pairs = [
            (SCORES[time], SCORES.get(time + (lag - LATER) * HOUR, 0)) for time in hours if time + lag * HOUR < OPEN
        ]
        assert found[lag]["observations"] == len(pairs)
        assert found[lag]["correlation"] == pytest.approx(correlation(*zip(*pairs, strict=True)), abs=1e-3)
    assert "correlation" not in body(ask("/sentiment/BTC"))


def test_what_is_not_traded_for_dollars_is_compared_in_tether_and_no_news_is_no_observation(ask: Ask) -> None:
    told = body(ask("/sentiment/SOL", {"correlation": "true", "fields": "symbol,venue,correlation"}))
    assert (told["symbol"], told["venue"]) == ("SOL-USDT", "binance")
    assert {(each["correlation"], each["observations"]) for each in told["correlation"]} == {(None, 0)}


def test_answers_may_be_kept_for_a_minute(ask: Ask) -> None:
    for path, query in (("/news", {}), ("/sentiment/BTC", {}), ("/sentiment", {"assets": "BTC"})):
        answer = ask(path, query)
        assert answer["headers"]["Cache-Control"] == "public, max-age=60"
        again = ask(path, query, headers={"if-none-match": answer["headers"]["ETag"]})
        assert again["statusCode"] == 304


def refusals() -> Iterator[tuple[str, dict[str, str], str]]:
    for window in ("0h", "721h", "0d", "31d", "24", "h", "1w", "24H", "-1h", "1.5h", "24h\n", "٢٤h", ""):
        yield "/sentiment/BTC", {"window": window}, "window"
        yield "/sentiment", {"assets": "BTC", "window": window}, "window"
    for assets in ("", "BTC,", "BTC,BTC", ",".join(f"A{number}" for number in range(101))):
        yield "/sentiment", {"assets": assets}, "assets"
    yield "/sentiment", {}, "assets"
    yield "/sentiment/BTC", {"correlation": "perhaps"}, "correlation"
    yield "/sentiment/BTC", {"fields": "nope"}, "fields"
    yield "/sentiment/BTC", {"limit": "1"}, "limit"
    yield "/news", {"limit": "0"}, "limit"
    yield "/news", {"limit": "501"}, "limit"
    yield "/news", {"cursor": "AAAA"}, "cursor"
    yield "/news", {"explain": "2"}, "explain"
    yield "/news", {"fields": "id,id"}, "fields"
    yield "/news", {"assets": "BTC"}, "assets"


@pytest.mark.parametrize(("path", "query", "field"), [*refusals()])
def test_what_cannot_be_answered_is_refused_and_named(ask: Ask, path: str, query: dict[str, str], field: str) -> None:
    problem = json.loads(ask(path, query)["body"])
    assert problem["status"] == 422
    assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/news", {"asset": "DOGE"}),
        ("/news", {"asset": "btc"}),
        ("/news", {"asset": ""}),
        ("/sentiment/ALL", {}),
        ("/sentiment/BTC-USD", {}),
        ("/sentiment", {"assets": "BTC,DOGE"}),
    ],
)
def test_an_asset_that_is_not_followed_is_not_there(ask: Ask, path: str, query: dict[str, str]) -> None:
    assert json.loads(ask(path, query)["body"])["status"] == 404

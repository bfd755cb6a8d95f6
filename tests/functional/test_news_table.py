"""Articles are stored once, and listed by time and by asset over months."""

from collections.abc import Sequence
from hashlib import sha256

import boto3
import pytest
from msgspec.structs import replace

from cryptopulse import wiring
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.news import LIFETIME, Kept, News
from cryptopulse.domain.asset_sentiment import Scored
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.news import Article, distinct
from cryptopulse.domain.news_feeds import State
from cryptopulse.domain.news_sources import Source

NOW = 1_796_083_200_000
"""2026-12-01T00:00:00Z."""


def kept(
    time: int, assets: Sequence[str] = ("BTC",), *, score: float = 0.25, language: str = "en", no: int = 0
) -> Kept:
    url = f"https://a.example/{time}/{no}"
    name = sha256(url.encode()).hexdigest()[:32]
    article = Article(name, f"Title {time}", "Ünïcode", "A", url, time, language, tuple(assets))
    return Kept(article, score, "positive", [("soars", 0.25)])


@pytest.fixture
def news(aws: boto3.Session) -> News:
    return wiring.news()


def test_an_article_is_stored_once(news: News) -> None:
    one, two = kept(NOW - DAY), kept(NOW - DAY, no=1)
    assert news.unknown([one, two]) == [one, two]
    assert news.keep([one]) == [one]
    assert news.keep([one, two]) == [two]
    assert news.unknown([one, two]) == []
    assert sorted(news.page(None, None, 10, NOW), key=str) == sorted([one, two], key=str)


def test_lists_go_over_months_and_end_after_90_days(news: News) -> None:
    days = [kept(NOW - DAY * day + 1, ["BTC", "ETH"] if day % 2 else []) for day in (89, 61, 60, 31, 30, 2, 1)]
    gone = kept(NOW - LIFETIME - 1, ["ETH"])
    news.keep([gone, *days])
    backwards = days[::-1]
    assert news.page(None, None, 100, NOW) == backwards
    assert news.page("ETH", None, 100, NOW) == [each for each in backwards if each.article.assets]
    assert news.page("SOL", None, 100, NOW) == []
    found: list[Kept] = []
    while page := news.page(None, (found[-1].article.published_at, found[-1].article.id) if found else None, 2, NOW):
        assert len(page) <= 2
        found += page
    assert found == backwards
    assert news.since(None, days[2].article.published_at, NOW, 3) == days[2:5]
    assert news.since("BTC", 0, NOW, 100) == [each for each in days if each.article.assets]


def test_after_the_last_of_those_shown_there_is_nothing(news: News, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "query", None)  # of a span that ends before it starts DynamoDB would make an error
    assert news.page(None, (NOW - LIFETIME - 1, "0" * 32), 10, NOW) == []


def test_of_two_times_of_an_article_the_first_counts(news: News) -> None:
    one = kept(NOW - DAY)
    two = Kept(replace(one.article, published_at=NOW), 0.25, "positive", [])
    assert news.unknown([one, two]) == [one, two]
    assert distinct([two.article, one.article], []) == [one.article]


def test_an_article_that_names_everything_is_listed_by_its_first_assets(news: News) -> None:
    (one,) = news.keep([kept(NOW - 1, [f"A{number}" for number in range(200)])])
    assert news.page("A49", None, 1, NOW) == news.page(None, None, 1, NOW) == [one]
    assert news.page("A50", None, 1, NOW) == []


def test_articles_of_one_moment_are_in_one_order(news: News) -> None:
    some = news.keep(kept(NOW - 1, no=number) for number in range(5))
    first = news.page(None, None, 3, NOW)
    rest = news.page(None, (NOW - 1, first[-1].article.id), 3, NOW)
    assert sorted([*first, *rest], key=str) == sorted(some, key=str)


def test_scores_are_of_texts_in_english(news: News) -> None:
    news.keep([
        kept(NOW - 3, score=-0.5917), kept(NOW - 2, score=0.0, language="de"), kept(NOW - 1, score=0.0, language=""),
        kept(NOW, score=1.0), kept(NOW + 1, ["ETH"]),
    ])  # fmt: skip
    assert news.scores("BTC", NOW - 3, NOW) == [Scored(NOW - 3, -0.5917), Scored(NOW - 1, 0.0), Scored(NOW, 1.0)]
    assert news.scores("BTC", NOW - 2, NOW - 1) == [Scored(NOW - 1, 0.0)]


def test_those_near_are_of_a_day_before_or_after(news: News) -> None:
    some = [kept(NOW - DAY * day) for day in (10, 9, 8, 6, 4, 1)]
    news.keep(some)
    assert news.near([]) == []
    assert news.near([NOW - 9 * DAY, NOW - 5 * DAY]) == [each.article for each in some[:5]]


def test_sources_are_kept_by_name(news: News) -> None:
    source = Source("https://a.example/rss", State('W/"x"', "Sun, 22 Nov 2026 19:12:01 GMT", 7), 1, "down", "no", 2)
    news.save("A b", source)
    news.save("newsapi", Source("https://b.example"))
    assert news.sources() == {"A b": source, "newsapi": Source("https://b.example")}

"""Every newsroom is read, each article is kept once, and no source disturbs the others."""

import json
from collections.abc import Callable
from typing import Any, get_args

import boto3
import httpx
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec.structs import replace

from cryptopulse import wiring
from cryptopulse.aws.doorbells import read
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.news import Kept, News
from cryptopulse.domain import news_sources
from cryptopulse.domain.candles import DAY, HOUR, MINUTE
from cryptopulse.domain.news import canonical
from cryptopulse.domain.news_feeds import State
from cryptopulse.domain.news_sources import Source
from cryptopulse.domain.subscriptions import Connection
from cryptopulse.errors import ThrottledError
from cryptopulse.feeds.news_feed import Fetched
from cryptopulse.feeds.rss import Rss
from functions.ingest_news import app
from functions.queries import app as queries
from local.simulator.faults import Newsroom
from tests.functional.conftest import Exchanges
from tests.functional.doorbells import rung

NEWSROOMS = get_args(Newsroom.__value__)
NOW = 1_795_350_896_000
"""2026-11-22 12:34:56, Unix milliseconds."""

type Read = Callable[[], dict[str, int]]


@pytest.fixture
def newsrooms(aws: boto3.Session, simulator: Exchanges, monkeypatch: pytest.MonkeyPatch) -> Exchanges:
    """The simulated newsrooms, without faults, as the function's sources; all clocks stand.

    On most days, but not on all, any two of their stories have titles that differ.
    """
    monkeypatch.setattr(simulator, "stopped", NOW)
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    urls = [f"{name}={simulator.url}/rss/{name}" for name in NEWSROOMS]
    monkeypatch.setenv("NEWS_FEEDS", ",".join(urls))
    monkeypatch.setenv("NEWS_ADDRESSES", "any")
    monkeypatch.setenv("NEWSAPI_URL", f"{simulator.url}/newsapi")
    wiring.clear()
    simulator.disturb()
    return simulator


@pytest.fixture
def ingest(context: LambdaContext) -> Read:
    """Runs the function."""
    return lambda: app.handler({}, context)


@pytest.fixture
def keyed(newsrooms: Exchanges, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives NewsAPI's key."""

    def give(key: str) -> None:
        secret = aws.client("secretsmanager").create_secret(Name=f"newsapi-{key}", SecretString=f"{key}\n")
        monkeypatch.setenv("NEWSAPI_SECRET", secret["ARN"])
        wiring.clear()

    return give


def kept() -> list[Kept]:
    """All that is kept, the newest first."""
    return wiring.news().page(None, None, 1_000, wiring.now())


def source(name: str) -> Source:
    return wiring.news().sources()[name]


def story(url: str) -> str:
    """What the simulator's URLs end with."""
    return str(canonical(url)).rpartition("-")[2]


def newest(simulator: Exchanges, each: int) -> set[str]:
    """The newest stories of every newsroom."""
    told: list[dict[str, Any]] = httpx.get(f"{simulator.url}/admin/news").json()["articles"]
    urls = {name: [one["url"] for one in told if one["newsroom"] == name][:each] for name in NEWSROOMS}
    return {story(url) for some in urls.values() for url in some}


def test_every_newsroom_is_read_and_an_article_kept_once(newsrooms: Exchanges, ingest: Read) -> None:
    stories = newest(newsrooms, 25)
    answer = ingest()
    articles = kept()
    assert answer == {"told": 90, "new": len(articles)}
    assert len(articles) < 90  # two newsrooms tell one story
    assert stories <= {story(each.article.url) for each in articles}
    assert len({each.article.url for each in articles}) == len(articles)
    times = [each.article.published_at for each in articles]
    assert times == sorted(times, reverse=True)
    assert all(NOW - 13 * HOUR < time <= NOW for time in times)
    assert {each.article.source for each in articles} == set(NEWSROOMS)
    about = [each.article.id for each in articles if "BTC" in each.article.assets]
    assert about
    assert [each.article.id for each in wiring.news().page("BTC", None, 1_000, wiring.now())] == about
    assert {asset for each in articles for asset in each.article.assets} <= {"BTC", "ETH"}
    assert {each.label for each in articles} == {"positive", "neutral", "negative"}
    foreign = [each for each in articles if each.article.language not in ("en", "")]
    assert all((each.score, each.label, each.words) == (0, "neutral", []) for each in foreign)


def test_what_is_told_again_is_kept_once(newsrooms: Exchanges, ingest: Read) -> None:
    ingest()
    states = {name: source(name) for name in NEWSROOMS}
    assert all(each.state != State() and each.kind == "" for each in states.values())
    wiring.clear()  # another process
    again = ingest()
    for name in NEWSROOMS:
        assert source(name) == states[name]
        wiring.news().save(name, Source(states[name].url))
    assert (again, ingest()) == ({"told": 0, "new": 0}, {"told": 90, "new": 0})


def test_a_source_brings_no_more_than_its_share_of_a_day(
    newsrooms: Exchanges, ingest: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_sources, "DAILY", 3 * 5)
    assert ingest() == {"told": 90, "new": 15}
    first = {each.article.id for each in kept()}
    assert ingest()["new"] == 0
    newsrooms.disturb({"venue": NEWSROOMS[0], "kind": "server_error"})
    ingest()
    assert {name: source(name).taken for name in NEWSROOMS} == dict.fromkeys(NEWSROOMS, 5)
    newsrooms.disturb()
    for name in NEWSROOMS:
        wiring.news().save(name, replace(source(name), state=State()))
    monkeypatch.setattr(wiring, "now", lambda: NOW + DAY)
    assert ingest()["new"] == 15
    assert first < {each.article.id for each in kept()}


def test_one_source_never_silences_the_others(
    newsrooms: Exchanges, ingest: Read, http_event: Callable[..., dict[str, Any]], context: LambdaContext
) -> None:
    def health() -> dict[str, Any]:
        told: dict[str, Any] = json.loads(queries.handler(http_event("GET", "/health"), context)["body"])
        news: dict[str, Any] = told["checks"]["news"]
        return {name: (each["status"], each["error"]) for name, each in news.items()}

    assert health() == dict.fromkeys(NEWSROOMS, ("degraded", None))  # not asked yet
    newsrooms.disturb(
        {"venue": "block-courier", "kind": "billion_laughs"}, {"venue": "coin-gazette", "kind": "server_error"}
    )
    assert ingest()["told"] == 30
    assert {each.article.source for each in kept()} == {"chain-observer"}
    assert health() == {
        "block-courier": ("degraded", "refused"),
        "coin-gazette": ("degraded", "down"),
        "chain-observer": ("ok", None),
    }
    newsrooms.disturb()
    ingest()
    assert {each.article.source for each in kept()} == set(NEWSROOMS)
    assert health() == dict.fromkeys(NEWSROOMS, ("ok", None))


def test_what_nobody_foresaw_is_raised_after_the_others_are_kept(
    newsrooms: Exchanges, ingest: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = Rss.latest

    def broken(self: Rss, known: State) -> Fetched:
        if self.name == "coin-gazette":
            raise ZeroDivisionError("a bug of ours")
        return latest(self, known)

    monkeypatch.setattr(Rss, "latest", broken)
    with pytest.raises(ExceptionGroup) as caught:
        ingest()
    assert [type(each) for each in caught.value.exceptions] == [ZeroDivisionError]
    assert {each.article.source for each in kept()} == {"block-courier", "chain-observer"}
    assert set(wiring.news().sources()) == {"block-courier", "chain-observer"}


def test_a_crash_loses_nothing(newsrooms: Exchanges, ingest: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    stories, transact, calls = newest(newsrooms, 25), Table.transact, 0

    def failing(self: Table, writes: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 10:
            raise ThrottledError("x", "too fast")
        transact(self, writes)

    monkeypatch.setattr(Table, "transact", failing)
    with pytest.raises(ThrottledError):
        ingest()
    first = kept()
    assert len(first) == 10
    assert wiring.news().sources() == {}
    monkeypatch.setattr(Table, "transact", transact)
    answer = ingest()
    articles = kept()
    assert answer["new"] == len(articles) - 10
    assert all(each in articles for each in first)
    assert stories <= {story(each.article.url) for each in articles}


def test_whoever_is_connected_hears_of_it(newsrooms: Exchanges, ingest: Read) -> None:
    connections, now = wiring.connections(), wiring.now()
    connections.open(Connection("somebody", "203.0.113.7", now, now))
    new = ingest()["new"]
    assert [read(partition, data, 2).news for partition, data in rung()] == [new]


def test_another_url_is_another_source(newsrooms: Exchanges, ingest: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    name, url = NEWSROOMS[0], f"{newsrooms.url}/rss/{NEWSROOMS[0]}"
    monkeypatch.setenv("NEWS_FEEDS", f"{name}={url}")
    wiring.clear()
    wiring.news().save(name, Source("http://127.0.0.1:1/", State(until=wiring.now() + HOUR), kind="limited"))
    assert ingest()["told"] == 30
    assert source(name).url == url


def test_a_feed_without_a_name_is_called_by_its_url_without_the_query(
    aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWS_FEEDS", "The_Block=https://a.example/rss?x=1, https://b.example/rss?y=https://c")
    wiring.clear()
    assert wiring.settings().news_feeds == {
        "The Block": "https://a.example/rss?x=1",
        "b.example/rss": "https://b.example/rss?y=https://c",
    }


# --- NewsAPI ---


def test_newsapi_is_asked_with_its_key_and_seldom(
    newsrooms: Exchanges,
    keyed: Callable[[str], None],
    ingest: Read,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyed("business")
    monkeypatch.setenv("NEWS_FEEDS", "")
    assert ingest()["told"] > 0
    assert kept()
    after = source("newsapi")
    assert (after.kind, after.url) == ("", f"{newsrooms.url}/newsapi")
    assert 14 * MINUTE < after.state.until - wiring.now() <= 15 * MINUTE
    wiring.clear()
    assert ingest() == {"told": 0, "new": 0}
    assert source("newsapi") == after
    out, err = capsys.readouterr()
    assert "business" not in out + err


@pytest.mark.parametrize("secret", ["wrong", None])
def test_without_a_good_key_newsrooms_are_read_all_the_same(
    secret: str | None, keyed: Callable[[str], None], ingest: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed("wrong")
    if secret is None:
        monkeypatch.setenv("NEWSAPI_SECRET", "arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AAAAAA")
    monkeypatch.setenv("NEWS_FEEDS", wiring.settings().NEWS_FEEDS.partition(",")[0])
    wiring.clear()
    assert ingest()["told"] == 30
    assert source("newsapi").kind == "refused"
    assert source(NEWSROOMS[0]).kind == ""


def test_without_its_key_the_budget_is_kept(
    keyed: Callable[[str], None], ingest: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSAPI_SECRET", "arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AAAAAA")
    monkeypatch.setenv("NEWS_FEEDS", "")
    wiring.clear()
    state = State(until=wiring.now() + HOUR)
    wiring.news().save("newsapi", Source(wiring.settings().NEWSAPI_URL, state, kind="limited"))
    ingest()
    assert (source("newsapi").kind, source("newsapi").state) == ("refused", state)


def test_without_sources_there_is_nothing_to_do(aws: boto3.Session, ingest: Read) -> None:
    assert ingest() == {"told": 0, "new": 0}
    assert isinstance(wiring.news(), News)
    assert wiring.news().sources() == {}

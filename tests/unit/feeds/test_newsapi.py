"""NewsAPI: what is asked, how often, what is read, and that nobody sees the key."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote_plus, urlsplit

import msgspec
import pytest

from cryptopulse.domain.news import Item
from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError
from cryptopulse.feeds.fetching import Fetcher
from cryptopulse.feeds.news_feed import Fetched, NewsFeed
from cryptopulse.feeds.newsapi import LIMITED, LONGEST_QUERY, PAUSE, NewsApi, query, read
from tests.unit.feeds.exchange import NOON, Clock
from tests.unit.feeds.host import Host, Reply, reply

RECORDED: Final = Path(__file__).parents[4] / "shared/data/news/newsapi"
KEY: Final = "0123456789abcdef0123456789abcdef"
TARGET: Final = (
    "/newsapi/v2/everything?q=%22Bitcoin%22+OR+%22Bitcoin+Cash%22"
    "&searchIn=title%2Cdescription&sortBy=publishedAt&pageSize=100&language=en"
)
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE


def article(title: str | None, **fields: str | None) -> dict[str, object]:
    """An article as NewsAPI writes it, with what may be null so."""
    return {
        "source": {"id": None, "name": "Newsroom"},
        "author": None,
        "title": title,
        "description": None,
        "url": "https://news.example/1",
        "urlToImage": None,
        "publishedAt": "2026-11-22T11:00:00Z",
        "content": None,
        **fields,
    }


def everything(*articles: dict[str, object]) -> bytes:
    return msgspec.json.encode({"status": "ok", "totalResults": 7724, "articles": articles})


def refusal(code: str, message: str = "No.") -> bytes:
    return msgspec.json.encode({"status": "error", "code": code, "message": message})


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


def newsapi(host: Host, *, key: str = KEY, clock: Clock | None = None) -> NewsFeed:
    names = ("Bitcoin", "Bitcoin Cash")
    return NewsApi(f"{host.url}/newsapi", key, names, Fetcher("any"), clock=clock or Clock())


def failure(host: Host, answer: Reply, *, key: str = KEY) -> FeedDownError:
    host.answers[TARGET] = answer
    with pytest.raises(FeedDownError) as told:
        newsapi(host, key=key).latest(State())
    assert key not in "".join(traceback.format_exception(told.value))
    return told.value


# --- asking ---


def test_one_call_asks_for_all(host: Host) -> None:
    host.answers[TARGET] = reply(everything(article("Bitcoin rises", description="Up.")))
    item = Item("Bitcoin rises", "Up.", "https://news.example/1", "2026-11-22T11:00:00Z", "Newsroom", "en")
    assert newsapi(host).latest(State()) == Fetched([item], State(until=NOON + PAUSE))
    assert len(host.requests) == 1
    assert host.header("X-Api-Key") == KEY
    assert KEY not in host.requests[0].split("\r\n")[0]


def test_any_language_may_be_asked_for(host: Host) -> None:
    target = TARGET.removesuffix("&language=en")
    host.answers[target] = reply(everything(article("Bitcoin roste")))
    feed = NewsApi(f"{host.url}/newsapi", KEY, ("Bitcoin", "Bitcoin Cash"), Fetcher("any"), language=None)
    assert feed.latest(State()).items[0].language is None


def test_the_query_holds_as_many_names_as_there_is_room_for() -> None:
    names = [f"Coin {i}" for i in range(100)]
    asked = query(names)
    assert asked == " OR ".join(f'"{name}"' for name in names[:30])
    assert len(quote_plus(asked)) <= LONGEST_QUERY < len(quote_plus(query(names[:30]) + ' OR "Coin 30"'))


def test_a_url_is_put_together_as_it_is_to_be_read() -> None:
    asked = parse_qs(urlsplit(TARGET).query)
    assert asked["q"] == ['"Bitcoin" OR "Bitcoin Cash"']


# --- how often ---


def test_the_budget_is_kept_from_one_asking_to_the_next(host: Host) -> None:
    """Asked each minute of two days by processes that know nothing but the state."""
    calls, failures, state = [], 0, State()
    for minute in range(2 * 24 * 60):
        host.answers[TARGET] = reply(everything() if minute % 2 else b"", "200 OK" if minute % 2 else "500 Oh")
        if state.until > (now := NOON + minute * MINUTE + minute % 7 * 1000):
            continue
        calls.append(now)
        try:
            state = newsapi(host, clock=Clock(now)).latest(state).state
        except FeedDownError as error:
            failures += 1
            state = State(until=error.until or 0)
    assert len(calls) == len(host.requests)
    assert failures > 0
    for span, most in ((12 * HOUR, 50), (24 * HOUR, 100)):
        assert max(sum(at <= other < at + span for other in calls) for at in calls) <= most
    assert 12 * HOUR / PAUSE < 50
    assert 24 * HOUR / PAUSE < 100


def test_it_is_not_asked_before_its_time(host: Host) -> None:
    with pytest.raises(FeedDownError) as told:
        newsapi(host).latest(State(until=NOON + 1))
    assert (told.value.kind, told.value.until, host.requests) == ("spent", NOON + 1, [])


# --- answers ---


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded answers are not here")
def test_the_recorded_answer_is_read_whole() -> None:
    items = read((RECORDED / "everything_200_bitcoin_2020-08-09.json").read_bytes(), None)
    assert (len(items), len({item.url for item in items})) == (20, 20)
    assert all(item.title and item.source and item.published for item in items)
    assert (items[0].published, items[0].source) == ("2020-08-09T07:00:00Z", "Cdr.cz")


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded answers are not here")
@pytest.mark.parametrize(
    ("name", "status", "kind", "until"),
    [
        ("error_400_parametersMissing", "400 Bad", "refused", NOON + PAUSE),
        ("error_401_apiKeyInvalid", "401 No", "refused", NOON + PAUSE),
        ("error_429_rateLimited", "429 Slow", "limited", NOON + LIMITED),
    ],
)
def test_the_recorded_errors(host: Host, name: str, status: str, kind: str, until: int) -> None:
    error = failure(host, reply((RECORDED / f"{name}.json").read_bytes(), status))
    code = name.rpartition("_")[2]
    assert (error.kind, error.until, str(error)) == (kind, until, f"newsapi: HTTP {status[:3]} {code}")


def test_what_was_removed_is_left_out_and_what_is_null_is_empty() -> None:
    removed = article("[Removed]", description="[Removed]", url="https://removed.com")
    body = everything(removed, article("Ether falls"), article(None, url=None, publishedAt=None))
    assert read(body, "en") == [
        Item("Ether falls", "", "https://news.example/1", "2026-11-22T11:00:00Z", "Newsroom", "en"),
        Item("", "", "", None, "Newsroom", "en"),
    ]


def test_a_source_may_have_no_name() -> None:
    body = msgspec.json.encode({"articles": [{"source": {}, "title": "Ether"}]})
    assert read(body, "en") == [Item("Ether", "", "", None, "", "en")]


def test_the_end_of_what_there_is_is_no_failure(host: Host) -> None:
    host.answers[TARGET] = reply(refusal("maximumResultsReached"), "426 Upgrade")
    assert newsapi(host).latest(State()) == Fetched([], State(until=NOON + PAUSE))


@pytest.mark.parametrize(
    ("status", "code", "kind", "until"),
    [
        ("401 No", "apiKeyMissing", "refused", NOON + PAUSE),
        ("401 No", "apiKeyDisabled", "refused", NOON + PAUSE),
        ("429 Slow", "rateLimited", "limited", NOON + LIMITED),
        ("429 Slow", "apiKeyExhausted", "limited", NOON + LIMITED),
        ("426 Upgrade", "parameterInvalid", "refused", NOON + PAUSE),
        ("400 Bad", "sourcesTooMany", "refused", NOON + PAUSE),
        ("500 Oh", "unexpectedError", "down", NOON + PAUSE),
    ],
)
def test_errors(host: Host, status: str, code: str, kind: str, until: int) -> None:
    error = failure(host, reply(refusal(code), status))
    assert (error.kind, error.until, str(error)) == (kind, until, f"newsapi: HTTP {status[:3]} {code}")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b'"\xff"', refusal("a code with blanks"), refusal("x" * 41), refusal(KEY)],
)
def test_an_error_that_does_not_say_what_is_one_too(host: Host, body: bytes) -> None:
    error = failure(host, reply(body, "502 Bad Gateway"))
    assert (error.kind, error.until, str(error)) == ("down", NOON + PAUSE, "newsapi: HTTP 502")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"articles": [', b'{"articles": {}}', b'{"x":"\xff"}', b"[]"])
def test_what_is_not_the_answer_due_is_down(host: Host, body: bytes) -> None:
    error = failure(host, reply(body))
    assert (error.kind, error.until) == ("down", NOON + PAUSE)


def test_a_failure_on_the_way_may_have_been_counted(host: Host) -> None:
    error = failure(host, b"")
    assert (error.kind, error.until) == ("down", NOON + PAUSE)


# --- the key ---


def test_the_key_is_not_taken_elsewhere(host: Host) -> None:
    error = failure(host, reply(b"", "302 Found", Location=f"{host.url}/elsewhere"))
    assert (error.kind, error.until, len(host.requests)) == ("refused", NOON + PAUSE, 1)


@pytest.mark.parametrize("key", ["", f"{KEY}\n", f"{KEY}\r\nX: y", "schlüssel", "two words"])
def test_a_key_that_no_header_takes_is_not_shown(host: Host, key: str) -> None:
    with pytest.raises(FeedDownError) as told:
        newsapi(host, key=key).latest(State())
    assert (told.value.kind, str(told.value)) == ("refused", "newsapi: a key that no header takes")
    assert host.requests == []

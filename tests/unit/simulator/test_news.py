"""The simulated newsrooms: what they write goes with the prices, each serves it in its own way, and all can fail."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, get_args
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from local.simulator.faults import Fault, Faults, Kind, Newsroom, Source
from local.simulator.markets import ASSETS, DAY_MS
from local.simulator.news import DESKS, FEWEST, MOST, Article, News
from local.simulator.news_faults import OVERSIZED
from local.simulator.news_feeds import ITEMS, NewsFeeds
from local.simulator.newsapi import NewsApi
from local.simulator.series import HOUR_MS, MINUTE_MS, market
from tests.unit.simulator.conftest import Ask

NOW = 1_795_336_415_123  # 2026-11-22T08:33:35Z
HOUR = NOW // HOUR_MS * HOUR_MS
FEEDS: tuple[Newsroom, ...] = get_args(Newsroom.__value__)
EVERYTHING = "/newsapi/v2/everything"
DAY = {"from": "2026-11-21T00:00:00", "domains": "block-courier.example,coin-gazette.example,chain-observer.example"}

newsrooms = pytest.mark.parametrize("newsroom", FEEDS)


@pytest.fixture(scope="module")
def news() -> News:
    return News(1, market(1).values())


@pytest.fixture
def faults(clock: SimpleNamespace) -> Faults:
    return Faults(lambda: clock.now, seed=1)


@pytest.fixture
def get(news: News, clock: SimpleNamespace, faults: Faults) -> Callable[..., httpx.Response]:
    """GETs a path of all newsrooms, whose news is made once for all tests; held answers come at once."""
    sources = [kind(news, lambda: clock.now, faults, hold_seconds=0.02) for kind in (NewsFeeds, NewsApi)]
    app = Starlette(routes=[route for source in sources for route in source.routes()])

    def get(path: str, **options: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
                return await client.get(path, **options)

        return asyncio.run(answer())

    return get


type Get = Callable[..., httpx.Response]


def asked(get: Get, key: str = "business", **params: object) -> httpx.Response:
    return get(EVERYTHING, headers={"X-Api-Key": key}, params=params)


def strike(faults: Faults, source: Source, kind: Kind, retry_after: int | None = None) -> None:
    faults.replace([Fault(source, kind, rate=1, seconds=60, retry_after=retry_after)])


def by_story(articles: Iterable[Article]) -> dict[int, list[Article]]:
    stories = defaultdict(list)
    for article in articles:
        stories[article.story.number].append(article)
    return stories


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w$%.]+", text.lower()))


def test_the_same_seed_is_the_same_news_for_ever(news: News) -> None:
    again = News(1, market(1).values())
    assert again.articles(HOUR, NOW) == [one for one in news.articles(HOUR - DAY_MS, NOW) if one.time >= HOUR]
    assert News(2, market(2).values()).articles(HOUR, NOW) != again.articles(HOUR, NOW)


def test_each_hour_has_its_stories_newest_first_and_none_from_the_future(news: News) -> None:
    articles = news.articles(HOUR - DAY_MS, NOW)
    assert [article.time for article in articles] == sorted((article.time for article in articles), reverse=True)
    assert all(HOUR - DAY_MS <= article.time <= NOW and article.time % 1000 == 0 for article in articles)
    stories = {article.story for article in articles if HOUR - DAY_MS <= article.story.time < HOUR}
    hours = Counter(story.time // HOUR_MS for story in stories)
    assert len(hours) == 24
    assert FEWEST <= min(hours.values()) < max(hours.values()) <= MOST


def test_a_move_is_that_of_the_hours_candles(news: News) -> None:
    series = market(1)["binance", "ETHUSDT"]
    story = next(one.story for one in news.articles(HOUR - DAY_MS, NOW) if one.story.assets == ("ETH",))
    start, minute = story.time // HOUR_MS * HOUR_MS, story.time // MINUTE_MS * MINUTE_MS
    rows = series.rows(MINUTE_MS, start, minute, NOW * 1000)
    assert story.move == rows.close[-1] / rows.open[0] - 1


def test_good_news_where_the_price_has_risen_and_bad_where_it_has_fallen(news: News) -> None:
    stories = {article.story for article in news.articles(NOW - 3 * DAY_MS, NOW) if article.story.assets}
    told = Counter((story.kind == "move", story.tone * (1 if story.move > 0 else -1)) for story in stories)
    assert told[True, -1] == 0
    assert told[True, 1] > len(stories) / 5
    assert 0 < told[False, -1] < told[False, 1] / 5
    assert {story.tone for story in stories} == {-1, 0, 1}


def test_assets_are_named_in_the_headline(news: News) -> None:
    articles = news.articles(NOW - DAY_MS, NOW)
    for article in articles:
        for code in article.story.assets:
            assert ASSETS[code].name.lower() in article.title.lower() or f"${code}" in article.title
    assert {article.story.language for article in articles} == {"en", "de", "es", "fr"}
    assert any(not article.story.assets for article in articles)
    assert len({article.story.assets for article in articles}) > 20


def test_a_story_is_told_again_elsewhere_in_nearly_the_same_words(news: News) -> None:
    stories = by_story(news.articles(NOW - DAY_MS, NOW))
    twice = [told for told in stories.values() if len(told) == 2]
    assert len(stories) / 4 < len(twice) < len(stories) / 2
    for later, first in twice:
        assert first.newsroom != later.newsroom
        assert first.title != later.title
        assert first.url != later.url
        assert 0 < later.time - first.time < HOUR_MS
        assert len(words(first.title) & words(later.title)) > 0.55 * len(words(first.title) | words(later.title))


def test_gaps_are_all_filled(news: News) -> None:
    texts = [text for one in news.articles(NOW - 3 * DAY_MS, NOW) for text in (one.title, one.description)]
    assert not [text for text in texts if re.search(r"[{}]", text) or not re.match(r"[A-Z$€£]", text)]


def entries(answer: httpx.Response) -> list[ElementTree.Element]:
    """The items of a feed that is well-formed."""
    found = ElementTree.fromstring(answer.content).iter()  # noqa: S314 - made here
    return [one for one in found if one.tag.rpartition("}")[2] in ("item", "entry")]


@newsrooms
def test_a_feed_is_its_newsrooms_newest_articles(get: Get, news: News, newsroom: Newsroom) -> None:
    items = entries(get(f"/rss/{newsroom}"))
    articles = [one for one in news.articles(NOW - DAY_MS, NOW) if one.newsroom == newsroom][:ITEMS]
    titles = [next(one.text for one in item if one.tag.endswith("title")) for item in items]
    assert [(title or "").replace("&rsquo;", "’") for title in titles] == [article.title for article in articles]
    for item, article in zip(items, articles, strict=True):
        text = "".join(item.itertext()) + "".join(one.get("href", "") for one in item)
        assert article.url.partition(".example")[2] in text
        assert "utm_" in text
        assert article.description in text


def test_dates_are_of_many_kinds(get: Get) -> None:
    dates = re.findall(r"<(?:pubDate|dc:date)>([^<]+)", get("/rss/coin-gazette").text)
    shapes = {re.sub(r"[A-Z][a-z]{2}\b", "Mon", re.sub(r"\d", "0", date)) for date in dates}
    assert shapes == {
        "Mon, 00 Mon 0000 00:00:00 EST",
        "00 Mon 00 00:00 EST",
        "0000-00-00T00:00:00Z",
        "0000-00-00 00:00:00",
        "0000-00-00T00:00:00-00:00",
        "Mon, 00 Mon 0000 00:00:00 GMT",
        "Mon, 00 Mon 0000 00:00:00 -0000",
    }
    atom = get("/rss/chain-observer").text
    assert atom.count("<published>") < atom.count("<entry ") == ITEMS


@pytest.mark.parametrize(
    ("newsroom", "kept"),
    [
        ("block-courier", {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}),
        ("coin-gazette", {"last-modified": "If-Modified-Since"}),
        ("chain-observer", {"etag": "If-None-Match"}),
    ],
    ids=FEEDS,
)
def test_what_the_reader_has_is_not_sent_again(
    get: Get, clock: SimpleNamespace, newsroom: str, kept: dict[str, str]
) -> None:
    first = get(f"/rss/{newsroom}")
    assert {"etag", "last-modified"} & first.headers.keys() == kept.keys()
    known = {asked: first.headers[told] for told, asked in kept.items()}
    for headers in (known, *({name: value} for name, value in known.items())):
        again = get(f"/rss/{newsroom}", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
    assert get(f"/rss/{newsroom}", headers={"If-None-Match": '"other"'}).status_code == 200
    assert get(f"/rss/{newsroom}", headers={"If-Modified-Since": "yesterday"}).status_code == 200
    clock.now += 2 * HOUR_MS * 1000
    assert get(f"/rss/{newsroom}", headers=known).status_code == 200


def test_newsapi_tells_the_newsrooms_articles(get: Get, news: News) -> None:
    body = asked(get, pageSize=100, **DAY).json()
    start = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
    articles = news.articles(start, NOW)
    assert (body["status"], body["totalResults"], len(body["articles"])) == ("ok", len(articles), 100)
    for told, article in zip(body["articles"], articles, strict=False):
        at = f"{datetime.fromtimestamp(article.time // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
        desk = DESKS[article.newsroom]
        assert told["source"] == {"id": desk.newsapi_id, "name": desk.name}
        assert (told["title"], told["url"], told["publishedAt"]) == (article.title, article.url, at)
        assert told["content"] is None or re.fullmatch(r"(?s).{200}… \[\+\d+ chars\]", told["content"])
    second = asked(get, pageSize=100, page=2, **DAY).json()["articles"]
    assert [told["url"] for told in second] == [article.url for article in articles[100:200]]


def test_a_developer_gets_articles_a_day_late(get: Get, news: News) -> None:
    body = asked(get, "developer", **DAY).json()
    assert body["articles"][0]["url"] == news.articles(NOW - 2 * DAY_MS, NOW - DAY_MS)[0].url


@pytest.mark.parametrize(
    "query",
    [
        "bitcoin",
        '"bitcoin cash"',
        "bitcoin AND ethereum",
        "(solana OR ethereum) NOT bitcoin",
        "+solana -ethereum",
        "link",
    ],
)
def test_a_query_finds_words(get: Get, query: str) -> None:
    expected: dict[str, Callable[[str], bool]] = {
        "bitcoin": lambda text: "bitcoin" in text,
        '"bitcoin cash"': lambda text: "bitcoin cash" in text,
        "bitcoin AND ethereum": lambda text: "bitcoin" in text and "ethereum" in text,
        "(solana OR ethereum) NOT bitcoin": lambda text: (
            ("solana" in text or "ethereum" in text) and "bitcoin" not in text
        ),
        "+solana -ethereum": lambda text: "solana" in text and "ethereum" not in text,
        "link": lambda text: re.search(r"\blink\b", text) is not None,
    }
    every = [told for page in range(1, 9) for told in asked(get, pageSize=100, page=page, **DAY).json()["articles"]]
    found = [told for told in every if expected[query](told["title"].lower())]
    body = asked(get, q=query, searchIn="title", **DAY).json()
    assert 0 < body["totalResults"] == len(found) < len(every)
    assert {told["url"] for told in body["articles"]} <= {told["url"] for told in found}


@pytest.mark.parametrize(
    ("params", "holds"),
    [
        ({"language": "de"}, lambda told: told["url"].partition("/move/")[1] != ""),
        ({"sources": "block-courier"}, lambda told: told["source"]["id"] == "block-courier"),
        ({"excludeDomains": "coin-gazette.example"}, lambda told: told["source"]["name"] != "Coin Gazette"),
        ({"qInTitle": "Solana"}, lambda told: "solana" in told["title"].lower()),
        ({"to": "2026-11-21T12:00:00Z"}, lambda told: told["publishedAt"] <= "2026-11-21T12:00:00Z"),
    ],
    ids=["language", "sources", "excludeDomains", "qInTitle", "to"],
)
def test_what_narrows_a_search(get: Get, params: dict[str, str], holds: Callable[[dict[str, Any]], bool]) -> None:
    articles = asked(get, **DAY | params).json()["articles"]
    assert articles
    assert all(map(holds, articles))


def test_a_search_can_be_sorted(get: Get) -> None:
    relevant = asked(get, q="bitcoin", sortBy="relevancy", **DAY).json()["articles"]
    assert "bitcoin" in relevant[0]["title"].lower()
    assert asked(get, sortBy="popularity", **DAY).json()["articles"][0]["source"]["id"] == "block-courier"


@pytest.mark.parametrize(
    ("key", "params", "status", "code"),
    [
        ("", DAY, 401, "apiKeyMissing"),
        ("nobody", DAY, 401, "apiKeyInvalid"),
        ("disabled", DAY, 401, "apiKeyDisabled"),
        ("exhausted", DAY, 429, "apiKeyExhausted"),
        ("developer", {"language": "en"}, 400, "parametersMissing"),
        ("developer", DAY | {"page": 0}, 400, "pageCannotBeLessThanOne"),
        ("developer", DAY | {"page": "x"}, 400, "parameterInvalid"),
        ("developer", DAY | {"pageSize": 101}, 400, "parameterInvalid"),
        ("developer", DAY | {"from": "soon"}, 400, "parameterInvalid"),
        ("developer", DAY | {"language": "xx"}, 400, "parameterInvalid"),
        ("developer", DAY | {"sortBy": "size"}, 400, "parameterInvalid"),
        ("developer", DAY | {"searchIn": "author"}, 400, "parameterInvalid"),
        ("developer", DAY | {"q": "(bitcoin"}, 400, "parameterInvalid"),
        ("developer", DAY | {"q": "bitcoin)"}, 400, "parameterInvalid"),
        ("developer", DAY | {"q": "b" * 501}, 400, "parameterInvalid"),
        ("developer", DAY | {"sources": "nowhere"}, 400, "sourceDoesNotExist"),
        ("developer", DAY | {"sources": ",".join("a" * n for n in range(1, 22))}, 400, "sourcesTooMany"),
        ("developer", DAY | {"page": 2, "pageSize": 100}, 426, "maximumResultsReached"),
        ("developer", DAY | {"from": "2026-10-01"}, 426, "parameterInvalid"),
    ],
)
def test_newsapi_refuses(get: Get, key: str, params: dict[str, object], status: int, code: str) -> None:
    answer = asked(get, key, **params)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, "error", code)
    assert body.keys() == {"status", "code", "message"}


def test_newsapi_says_what_was_too_much(get: Get) -> None:
    assert "request results 100 to 200." in asked(get, "developer", page=2, **DAY).json()["message"]
    message = asked(get, "developer", **DAY | {"from": "2026-10-01"}).json()["message"]
    assert "as far back as 2026-10-23, but you have requested 2026-10-01." in message


@pytest.mark.parametrize(
    ("headers", "params"),
    [({"X-Api-Key": "business"}, {}), ({"Authorization": "Bearer business"}, {}), ({}, {"apiKey": "business"})],
    ids=["header", "bearer", "query"],
)
def test_a_key_comes_in_three_ways(get: Get, headers: dict[str, str], params: dict[str, str]) -> None:
    assert get(EVERYTHING, headers=headers, params=DAY | params).status_code == 200


def test_a_developer_has_fifty_requests_in_twelve_hours(get: Get, clock: SimpleNamespace) -> None:
    allowed = [asked(get, "developer", q="x", **{"from": "2026-11-22"}).status_code for _ in range(50)]
    assert set(allowed) == {200}
    refused = asked(get, "developer", **DAY)
    assert (refused.status_code, refused.json()["code"]) == (429, "rateLimited")
    assert asked(get, "business", **DAY).status_code == 200
    clock.now += DAY_MS * 500
    assert asked(get, "developer", **DAY).status_code == 200


@newsrooms
@pytest.mark.parametrize(
    ("kind", "statuses"),
    [("rate_limited", {429}), ("restricted", {451}), ("server_error", {500, 502, 503}), ("timeout", {504})],
)
def test_a_newsroom_that_gives_nothing(
    get: Get, faults: Faults, newsroom: Newsroom, kind: Kind, statuses: set[int]
) -> None:
    strike(faults, newsroom, kind, retry_after=7 if kind == "rate_limited" else None)
    answers = [get(f"/rss/{newsroom}") for _ in range(6)]
    assert {answer.status_code for answer in answers} <= statuses
    assert answers[0].headers.get("retry-after") == ("7" if kind == "rate_limited" else None)
    others = {get(f"/rss/{other}").status_code for other in FEEDS if other != newsroom}
    assert others == {200}


@newsrooms
def test_slow_is_whole_in_the_end_and_truncated_is_not(get: Get, faults: Faults, newsroom: Newsroom) -> None:
    sound = get(f"/rss/{newsroom}")
    strike(faults, newsroom, "slow")
    assert get(f"/rss/{newsroom}").content == sound.content
    strike(faults, newsroom, "truncated")
    assert get(f"/rss/{newsroom}").content == sound.content[: len(sound.content) // 2]


@newsrooms
def test_a_redirect_loop_leads_to_itself(get: Get, faults: Faults, newsroom: Newsroom) -> None:
    strike(faults, newsroom, "redirect_loop")
    answer = get(f"/rss/{newsroom}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/rss/{newsroom}")


@newsrooms
@pytest.mark.parametrize("kind", ["malformed", "wrong_charset"])
def test_what_is_no_xml_says_200(get: Get, faults: Faults, newsroom: Newsroom, kind: Kind) -> None:
    strike(faults, newsroom, kind)
    answer = get(f"/rss/{newsroom}")
    assert answer.status_code == 200
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(answer.content)  # noqa: S314 - made here
    if kind == "wrong_charset":
        with pytest.raises(UnicodeDecodeError):
            answer.content.decode()


@newsrooms
@pytest.mark.parametrize(
    ("kind", "entity"), [("billion_laughs", b"&lol9;"), ("external_entity", b"&file;")], ids=["laughs", "external"]
)
def test_entities_are_in_the_title(get: Get, faults: Faults, newsroom: Newsroom, kind: Kind, entity: bytes) -> None:
    strike(faults, newsroom, kind)
    content = get(f"/rss/{newsroom}").content
    assert b"?><!DOCTYPE feed [<!ENTITY " in content.replace(b"?>\n", b"?>")
    assert b"<title>" + entity in content


@pytest.mark.parametrize("kind", ["oversized", "gzip_bomb"])
def test_fifty_megabytes_are_sound(get: Get, faults: Faults, kind: Kind) -> None:
    sound = get("/rss/block-courier").content
    strike(faults, "block-courier", kind)
    content = get("/rss/block-courier").content
    assert len(content) == len(sound) + OVERSIZED * 1_000_000
    assert (content[:1000], content[-6:]) == (sound[:1000], b"</rss>")


@pytest.mark.parametrize("kind", ["rate_limited", "server_error", "timeout", "truncated", "redirect_loop"])
def test_newsapi_fails(get: Get, faults: Faults, kind: Kind) -> None:
    strike(faults, "newsapi", kind)
    answer = asked(get, **DAY)
    expected = {"rate_limited": 429, "server_error": 500, "timeout": 504, "truncated": 200, "redirect_loop": 302}
    assert answer.status_code == expected[kind]
    codes = {"rate_limited": "rateLimited", "server_error": "unexpectedError"}
    if kind in codes:
        assert answer.json()["code"] == codes[kind]
    if kind == "truncated":
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(answer.content)


def test_removed_articles_are_among_the_others(get: Get, faults: Faults) -> None:
    sound = asked(get, **DAY).json()
    strike(faults, "newsapi", "removed_articles")
    body = asked(get, **DAY).json()
    removed = [told for told in body["articles"] if told["title"] == told["description"] == "[Removed]"]
    assert (body["totalResults"], len(body["articles"]), len(removed)) == (sound["totalResults"], 100, 34)
    assert {told["url"] for told in removed} == {"https://removed.com"}
    assert [told for told in body["articles"] if told in sound["articles"]] == [
        told for at, told in enumerate(sound["articles"]) if at % 3
    ]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("binance", "slow"),
        ("coinbase", "slow"),
        ("newsapi", "malformed"),
        ("coin-gazette", "removed_articles"),
        ("coin-gazette", "missing_rows"),
    ],
)
def test_a_fault_that_a_source_cannot_have_is_refused(ask: Ask, source: str, kind: str) -> None:
    answer = ask("/admin/faults", "PUT", json=[{"venue": source, "kind": kind, "rate": 1, "seconds": 9}])
    assert (answer.status_code, answer.json()) == (422, {"message": f"{source} knows no {kind} - at `$[0]`"})


def test_the_server_has_newsrooms_and_their_truth(ask: Ask) -> None:
    assert {"/rss/block-courier", EVERYTHING, "/admin/news"} <= set(ask("/").json()["paths"])
    ask("/admin/faults", "PUT", json=[{"venue": "chain-observer", "kind": "restricted", "rate": 1, "seconds": 9}])
    assert ask("/rss/chain-observer").status_code == 451
    told = ask(f"/admin/news?start={HOUR}").json()["articles"]
    assert len(told) >= FEWEST // 3
    assert told[0].keys() == {"story", "newsroom", "time", "title", "description", "author", "url"}
    assert told[0]["story"].keys() == {"number", "time", "kind", "tone", "language", "assets", "move"}
    assert ask("/admin/news?start=2018-01-01&end=2018-01-02").json() == {"articles": []}
    assert ask("/admin/news?start=soon").status_code == 422
    assert ask("/admin/news?start=2026-01-01").status_code == 422

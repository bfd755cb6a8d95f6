"""NewsAPI (https://newsapi.org): asked seldom enough for its free plan, with the key in a header only."""

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from cryptopulse.domain.candles import HOUR
from cryptopulse.domain.news import Item
from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError
from cryptopulse.feeds.budget import unix_ms
from cryptopulse.feeds.fetching import Answer, Fetcher
from cryptopulse.feeds.news_feed import Fetched, check_due

PAUSE: Final = 885_000
"""Milliseconds from call to call: at most 49 in 12 hours and 98 in 24, where 50 and 100 are the free plan's."""
LIMITED: Final = 12 * HOUR
"""How long to stay away where calls were too many: until all of what it counts is past, for it does not say when."""
LONGEST_QUERY: Final = 500
"""Characters of `q`, encoded."""
PAGE: Final = 100
"""Articles of an answer: its most, and all that the free plan gives for a query."""

_KEY: Final = re.compile("[!-~]+")


class NewsApi:
    """NewsAPI's search for articles that name assets.

    Args:
        url: Where it is, such as `https://newsapi.org`.
        key: What we are known by; it is in no URL and no message.
        names: The assets' names, the most important first: as many are asked for as a query holds.
        fetcher: Asks for it.
        language: What the articles are to be in, ISO 639-1; in any language if None.
        clock: Unix milliseconds.
    """

    name = "newsapi"

    def __init__(
        self,
        url: str,
        key: str,
        names: Iterable[str],
        fetcher: Fetcher,
        *,
        language: str | None = "en",
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        self._key = key
        self._fetcher = fetcher
        self._language = language
        self._clock = clock
        params = {"q": query(names), "searchIn": "title,description", "sortBy": "publishedAt", "pageSize": PAGE}
        self._url = f"{url}/v2/everything?{urlencode(params | ({'language': language} if language else {}))}"

    def latest(self, known: State) -> Fetched:
        """As `NewsFeed.latest`: one call."""
        asked_at = self._clock()
        check_due(self.name, known, asked_at)
        due = asked_at + PAUSE
        if not _KEY.fullmatch(self._key):  # an error of the header's would show it
            raise FeedDownError(f"{self.name}: a key that no header takes", kind="refused", until=due)
        try:
            answer = self._fetcher.get(self._url, {"X-Api-Key": self._key}, redirects=0)
            return Fetched(self._read(answer, due), State(until=due))
        except FeedDownError as error:
            error.until = max(error.until or 0, due)  # it may have been counted
            raise

    def _read(self, answer: Answer, due: int) -> list[Item]:
        if answer.status == 200:
            return read(answer.body, self._language)
        code = _code(answer.body)
        said = f"{self.name}: HTTP {answer.status} {code}".rstrip()
        match answer.status:
            case 426 if code == "maximumResultsReached":  # the end of what there is
                return []
            case 429:
                raise FeedDownError(said, kind="limited", until=due - PAUSE + LIMITED)
            case status if status >= 500:
                raise FeedDownError(said)
            case _:
                raise FeedDownError(said, kind="refused")


def query(names: Iterable[str]) -> str:
    """`q`: any of the names, as many of the first ones as there is room for."""
    asked = ""
    for name in names:
        longer = f'{asked} OR "{name}"' if asked else f'"{name}"'
        if len(quote_plus(longer)) > LONGEST_QUERY:
            break
        asked = longer
    return asked


# --- answers ---

_REMOVED: Final = "[Removed]"


class _Source(Struct):
    name: str | None = None


class _Article(Struct):
    source: _Source
    title: str | None = None
    description: str | None = None
    url: str | None = None
    published_at: str | None = msgspec.field(default=None, name="publishedAt")


class _Answer(Struct):
    articles: list[_Article]


class _Error(Struct):
    code: str


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ERROR: Final = msgspec.json.Decoder(_Error)
_CODE: Final = re.compile("[A-Za-z]{1,40}")


def read(body: bytes, language: str | None) -> list[Item]:
    """The articles of an answer, without those that were removed.

    Args:
        body: Of an answer of status 200.
        language: What was asked for.

    Raises:
        FeedDownError: It is not the answer due.
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise FeedDownError(f"{NewsApi.name}: not the answer due: {error}") from error
    return [
        Item(
            title=article.title or "",
            description=article.description or "",
            url=article.url or "",
            published=article.published_at,
            source=article.source.name or "",
            language=language,
        )
        for article in answer.articles[:PAGE]
        if article.title != _REMOVED
    ]


def _code(body: bytes) -> str:
    """The code of an error; empty where there is none that can be shown."""
    try:
        code = _ERROR.decode(body).code
    except (msgspec.MsgspecError, UnicodeError):
        return ""
    return code if _CODE.fullmatch(code) else ""

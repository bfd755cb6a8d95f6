"""NewsAPI's `/v2/everything`: a developer's plan with its delay and limits, and a paying one's.

The keys are `developer`, `business`, `disabled` and `exhausted`; any other is invalid. The archive is a month long.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.simulator.exchange import Refusal
from local.simulator.faults import Clock, Faults
from local.simulator.markets import DAY_MS
from local.simulator.news import DESKS, Article, News
from local.simulator.news_faults import disturbed

ARCHIVE_DAYS = 30
LANGUAGES = frozenset({"ar", "de", "en", "es", "fr", "he", "it", "nl", "no", "pt", "ru", "sv", "ud", "zh"})
_LONGEST_QUERY, _MOST_SOURCES, _MOST_PER_PAGE, _EXCERPT = 500, 20, 100, 200
_NEEDED = ("q", "qInTitle", "sources", "domains")
_FIELDS = ("title", "description", "content")

_KEY_MISSING = (
    "Your API key is missing. Append this to the URL with the apiKey param, or use the x-api-key HTTP header."
)
_KEY_INVALID = (
    "Your API key is invalid or incorrect. Check your key, or go to https://newsapi.org to create a free API key."
)
_RATE_LIMITED = (
    "You have made too many requests recently. Developer accounts are limited to 100 requests over a 24 hour period "
    "(50 requests available every 12 hours). Please upgrade to a paid plan if you need more requests."
)
_PARAMETERS_MISSING = (
    "Required parameters are missing, the scope of your search is too broad. "
    "Please set any of the following required parameters and try again: q, qInTitle, sources, domains."
)
_TOO_MANY = (
    "You have requested too many results. Developer accounts are limited to a max of 100 results. "
    "You are trying to request results {} to {}. Please upgrade to a paid plan if you need more results."
)
_TOO_OLD = (
    "You are trying to request results too far in the past. Your plan permits you to request articles as far back as "
    "{}, but you have requested {}. You may need to upgrade to a paid plan."
)


class _Plan(NamedTuple):
    """How late articles come (ms), how many results there are of a query, and how many requests in half a day."""

    delay: int
    results: int | None
    requests: int | None


_PLANS = {"developer": _Plan(DAY_MS, 100, 50), "business": _Plan(0, None, None)}

type _Match = Callable[[str], bool]
"""Tells whether a text has what is asked for; the text is lower-case words with a blank around each."""


def _refused(status: int, code: str, message: str) -> Refusal:
    return Refusal(status, {"status": "error", "code": code, "message": message})


def _invalid(message: str) -> Refusal:
    return _refused(400, "parameterInvalid", message)


class NewsApi:
    """The service at `/newsapi`."""

    def __init__(self, news: News, clock: Clock, faults: Faults, hold_seconds: float) -> None:
        self._news, self._clock, self._faults = news, clock, faults
        self._hold_seconds = hold_seconds
        self._asked: defaultdict[str, deque[int]] = defaultdict(deque)

    def routes(self) -> list[Route]:
        """The service's paths."""
        return [Route("/newsapi/v2/everything", self.everything, methods=["GET"])]

    async def everything(self, request: Request) -> Response:
        """The articles that match, a page of them."""
        fault = self._faults.drawn("newsapi")
        try:
            plan = self._admitted(request)
            if fault is not None and fault.kind == "rate_limited":
                raise _refused(429, "rateLimited", _RATE_LIMITED)
            if fault is not None and fault.kind == "server_error":
                raise _refused(500, "unexpectedError", "This shouldn't happen, and if it does then it's our fault.")
            found, page = self._found(request, plan)
        except Refusal as refusal:
            return Response(msgspec.json.encode(refusal.body), refusal.status, media_type="application/json")
        told = [_told(article) for article in page]
        if fault is not None and fault.kind == "removed_articles":
            told[::3] = [_REMOVED] * len(told[::3])
        body = msgspec.json.encode({"status": "ok", "totalResults": found, "articles": told})
        answer = Response(body, media_type="application/json")
        if fault is None:
            return answer
        return await disturbed(fault, self._faults, request, answer, self._hold_seconds)

    def _admitted(self, request: Request) -> _Plan:
        """The plan of the request's key, which has one request less.

        Raises:
            Refusal: 401 without a key that is in force, 429 beyond what it allows.
        """
        key = (
            request.headers.get("x-api-key")
            or request.headers.get("authorization", "").removeprefix("Bearer ")
            or request.query_params.get("apiKey")
        )
        if not key:
            raise _refused(401, "apiKeyMissing", _KEY_MISSING)
        if key == "disabled":
            raise _refused(401, "apiKeyDisabled", "Your API key has been disabled.")
        if key == "exhausted":
            raise _refused(429, "apiKeyExhausted", "Your API key has no more requests available.")
        if key not in _PLANS:
            raise _refused(401, "apiKeyInvalid", _KEY_INVALID)
        plan, asked, now = _PLANS[key], self._asked[key], self._clock() // 1000
        while asked and asked[0] <= now - DAY_MS // 2:
            asked.popleft()
        if plan.requests is not None and len(asked) >= plan.requests:
            raise _refused(429, "rateLimited", _RATE_LIMITED)
        asked.append(now)
        return plan

    def _found(self, request: Request, plan: _Plan) -> tuple[int, list[Article]]:
        """How many articles match, and those of the page asked for.

        Raises:
            Refusal: 400 for what cannot be asked, 426 for what the plan does not give.
        """
        asked = request.query_params
        if not any(asked.get(name) for name in _NEEDED):
            raise _refused(400, "parametersMissing", _PARAMETERS_MISSING)
        per_page, page = _integer(asked.get("pageSize", "100"), "pageSize"), _integer(asked.get("page", "1"), "page")
        if not 1 <= per_page <= _MOST_PER_PAGE:
            raise _invalid(f"pageSize must be between 1 and {_MOST_PER_PAGE}.")
        if page < 1:
            raise _refused(400, "pageCannotBeLessThanOne", "The page parameter cannot be less than 1.")
        first, last = (page - 1) * per_page, page * per_page
        if plan.results is not None and last > plan.results:
            raise _refused(426, "maximumResultsReached", _TOO_MANY.format(first, last))
        since, until = self._span(asked.get("from"), asked.get("to"), plan)
        matches = _matching(request)
        found = [article for article in self._news.articles(since, until) if matches(article)]
        match asked.get("sortBy", "publishedAt"):
            case "publishedAt":
                pass
            case "relevancy":
                query = _query(asked.get("q", ""))
                found.sort(key=lambda article: not query(_words(article.title)))
            case "popularity":
                found.sort(key=lambda article: DESKS[article.newsroom].newsapi_id is None)
            case other:
                raise _invalid(f"sortBy cannot be {other}.")
        return len(found), found[first:last]

    def _span(self, start: str | None, end: str | None, plan: _Plan) -> tuple[int, int]:
        """From when until when, Unix milliseconds."""
        now = self._clock() // 1000
        until = now - plan.delay
        if end is not None:
            until = min(until, _milliseconds(end, "to"))
        earliest = now - ARCHIVE_DAYS * DAY_MS
        since = earliest if start is None else _milliseconds(start, "from")
        if since // DAY_MS < earliest // DAY_MS:
            raise _refused(426, "parameterInvalid", _TOO_OLD.format(_date(earliest), _date(since)))
        return max(since, earliest), until


def _matching(request: Request) -> Callable[[Article], bool]:
    """Tells whether an article is asked for.

    Raises:
        Refusal: 400.
    """
    asked = request.query_params
    sources = _split(asked.get("sources"))
    if len(sources) > _MOST_SOURCES:
        raise _refused(400, "sourcesTooMany", f"You have requested too many sources; the limit is {_MOST_SOURCES}.")
    if unknown := set(sources) - {desk.newsapi_id for desk in DESKS.values()}:
        raise _refused(400, "sourceDoesNotExist", f"The source {min(unknown)} does not exist.")
    language = asked.get("language")
    if language is not None and language not in LANGUAGES:
        raise _invalid(f"language cannot be {language}.")
    fields = _split(asked.get("searchIn")) or list(_FIELDS)
    if not set(fields) <= set(_FIELDS):
        raise _invalid(f"searchIn must be of {', '.join(_FIELDS)}.")
    domains, excluded = _split(asked.get("domains")), _split(asked.get("excludeDomains"))
    query, in_title = _query(asked.get("q", "")), _query(asked.get("qInTitle", ""))

    def matches(article: Article) -> bool:
        desk = DESKS[article.newsroom]
        domain = desk.host.removeprefix("www.")
        texts = {"title": article.title, "description": article.description, "content": _content(article)}
        return (
            (not sources or desk.newsapi_id in sources)
            and (not domains or domain in domains)
            and domain not in excluded
            and language in (None, article.story.language)
            and query(_words(". ".join(texts[field] for field in fields)))
            and in_title(_words(article.title))
        )

    return matches


def _query(text: str) -> _Match:
    """Reads `word "a phrase" +must -not AND OR NOT ( )`; no query matches all.

    Raises:
        Refusal: 400.
    """
    if len(text) > _LONGEST_QUERY:
        raise _invalid(f"The query is longer than {_LONGEST_QUERY} characters.")
    parts = deque(re.findall(r'[()]|[+-]?"[^"]*"|[^\s()"]+', text))

    def either() -> _Match:
        options = [each()]
        while parts and parts[0] == "OR":
            parts.popleft()
            options.append(each())
        return lambda words: any(option(words) for option in options)

    def each() -> _Match:
        terms = []
        while parts and parts[0] not in ("OR", ")"):
            part = parts.popleft()
            if part != "AND":
                terms.append(term(part))
        return lambda words: all(one(words) for one in terms)

    def term(part: str) -> _Match:
        if part == "(":
            inner = either()
            if not parts or parts.popleft() != ")":
                raise _invalid("The query has an open bracket.")
            return inner
        if part == "NOT" and parts:
            negated = term(parts.popleft())
            return lambda words: not negated(words)
        if part.startswith("-"):
            unwanted = _words(part)
            return lambda words: unwanted not in words
        wanted = _words(part)
        return lambda words: wanted in words

    match = either()
    if parts:
        raise _invalid("The query closes a bracket that is not open.")
    return match


def _words(text: str) -> str:
    return f" {' '.join(re.findall(r'\w+', text.lower()))} "


_REMOVED: dict[str, object] = {
    "source": {"id": None, "name": "[Removed]"},
    "author": None,
    "title": "[Removed]",
    "description": "[Removed]",
    "url": "https://removed.com",
    "urlToImage": None,
    "publishedAt": "1970-01-01T00:00:00Z",
    "content": "[Removed]",
}


def _told(article: Article) -> dict[str, object]:
    """An article as NewsAPI tells it; what may be null is, now and then."""
    desk, number = DESKS[article.newsroom], article.story.number
    return {
        "source": {"id": desk.newsapi_id, "name": desk.name},
        "author": article.author,
        "title": article.title,
        "description": article.description if number % 20 else None,
        "url": article.url,
        "urlToImage": f"https://{desk.host}/images/{number}.jpg" if number % 7 else None,
        "publishedAt": f"{datetime.fromtimestamp(article.time // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "content": f"{_content(article)[:_EXCERPT]}… [+{1000 + number % 9000} chars]" if number % 11 else None,
    }


def _content(article: Article) -> str:
    """How the page begins."""
    desk = DESKS[article.newsroom].name
    return f"{article.description} {article.title}: that is the headline of a story that {desk} has followed. " * 2


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _integer(text: str, name: str) -> int:
    if not (text.removeprefix("-").isdecimal() and len(text) < 10):
        raise _invalid(f"{name} must be an integer.")
    return int(text)


def _milliseconds(text: str, name: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"{name} must be an ISO 8601 date or time.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1000


def _date(time: int) -> str:
    return f"{datetime.fromtimestamp(time // 1000, UTC):%Y-%m-%d}"

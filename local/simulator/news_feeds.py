"""The newsrooms' own feeds, each with its habits: two of RSS 2.0 and one of Atom."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b
from html import escape
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.simulator.faults import Clock, Faults, Newsroom
from local.simulator.markets import ASSETS, DAY_MS
from local.simulator.news import DESKS, Article, News
from local.simulator.news_faults import disturbed

ITEMS = 30
"""The newest articles in a feed."""

_EST = timezone(timedelta(hours=-5))
_CET = timezone(timedelta(hours=1))

_LAUGHS = "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
_DOCTYPES = {
    "billion_laughs": (f'<!DOCTYPE feed [<!ENTITY lol0 "lol">{_LAUGHS}]>', "&lol9;"),
    "external_entity": ('<!DOCTYPE feed [<!ENTITY file SYSTEM "file:///etc/passwd">]>', "&file;"),
}


class _Feed(NamedTuple):
    """How a newsroom serves: what it writes, in which encoding, and what it lets readers ask conditionally by."""

    write: Callable[[list[Article]], str]
    content_type: str
    encoding: str
    etag: str | None
    has_last_modified: bool


class NewsFeeds:
    """The feeds at `/rss/<newsroom>`."""

    def __init__(self, news: News, clock: Clock, faults: Faults, hold_seconds: float) -> None:
        self._news, self._clock, self._faults = news, clock, faults
        self._hold_seconds = hold_seconds

    def routes(self) -> list[Route]:
        """The newsrooms' paths."""
        return [self._route(newsroom) for newsroom in _FEEDS]

    def _route(self, newsroom: Newsroom) -> Route:
        async def endpoint(request: Request) -> Response:
            fault = self._faults.drawn(newsroom)
            feed = _FEEDS[newsroom]
            now = self._clock() // 1000
            articles = [one for one in self._news.articles(now - DAY_MS // 2, now) if one.newsroom == newsroom][:ITEMS]
            text = feed.write(articles)
            if fault is not None:
                sound = _spoiled(text, feed, fault.kind)
                return await disturbed(fault, self._faults, request, sound, self._hold_seconds)
            return _unless_known(request, text.encode(feed.encoding, "xmlcharrefreplace"), feed, articles[0].time)

        return Route(f"/rss/{newsroom}", endpoint, methods=["GET"])


def _unless_known(request: Request, body: bytes, feed: _Feed, newest: int) -> Response:
    """The body, or 304 where the reader has it; an ETag goes before a date."""
    headers = {"content-type": feed.content_type, "cache-control": "max-age=60"}
    asked, since = request.headers.get("if-none-match"), _moment(request.headers.get("if-modified-since"))
    modified = newest // 1000
    is_known = False
    if feed.has_last_modified:
        headers["last-modified"] = format_datetime(datetime.fromtimestamp(modified, UTC), usegmt=True)
        is_known = since is not None and modified <= since
    if feed.etag is not None:
        headers["etag"] = feed.etag.format(blake2b(body, digest_size=8).hexdigest())
        if asked is not None:
            is_known = headers["etag"].removeprefix("W/") in asked
    if is_known:
        del headers["content-type"]
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers)


def _moment(text: str | None) -> float | None:
    """Unix seconds of an HTTP date; None for none, and for anything else."""
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _spoiled(text: str, feed: _Feed, kind: str) -> Response:
    """The feed with this fault in its content, if it is one of those."""
    encoding, content_type = feed.encoding, feed.content_type
    if kind == "malformed":
        text = re.sub(r"</(item|entry)>", r"<br> Q & A </\1>", text)
    elif kind == "wrong_charset":
        encoding = "windows-1252"
        content_type = f"{content_type.partition(';')[0]}; charset=utf-8"
        text = re.sub(r' encoding="[^"]*"', ' encoding="UTF-8"', text, count=1)
    elif kind in _DOCTYPES:
        doctype, entity = _DOCTYPES[kind]
        text = text.replace("?>", f"?>{doctype}", 1).replace("<title>", f"<title>{entity}", 1)
    return Response(text.encode(encoding, "xmlcharrefreplace"), headers={"content-type": content_type})


def _utc(article: Article) -> datetime:
    return datetime.fromtimestamp(article.time // 1000, UTC)


def _cdata(text: str) -> str:
    return f"<![CDATA[{text}]]>"


def _courier(articles: list[Article]) -> str:
    """RSS with CDATA, namespaces, numeric offsets, and links that tell who sent the reader."""
    items = "".join(
        f"<item><title>{_cdata(one.title)}</title>"
        f"<link>{one.url}?utm_source=rss&amp;utm_medium=feed&amp;utm_campaign={one.story.kind}</link>"
        f'<guid isPermaLink="false">{one.story.number}</guid>'
        f"<pubDate>{format_datetime(_utc(one))}</pubDate>"
        f"<dc:creator>{_cdata(one.author or DESKS[one.newsroom].name)}</dc:creator>"
        f"<dc:language>{one.story.language}</dc:language>"
        f"{''.join(f'<category>{_cdata(ASSETS[code].name)}</category>' for code in one.story.assets)}"
        f"<category>{one.story.kind}</category>"
        f'<media:content url="https://cdn.block-courier.example/{one.story.number}.jpg" type="image/jpeg"/>'
        f"<description>{_cdata(f'<p>{escape(one.description)}</p>')}</description>"
        f"<content:encoded>{_cdata(_page(one))}</content:encoded></item>"
        for one in articles
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
        "<title>Block Courier</title><link>https://www.block-courier.example/</link>"
        '<atom:link rel="self" type="application/rss+xml" href="https://www.block-courier.example/rss"/>'
        "<description>The chain’s news, hour by hour</description><language>en-US</language>"
        f"<lastBuildDate>{format_datetime(_utc(articles[0]))}</lastBuildDate>{items}</channel></rss>"
    )


def _gazette(articles: list[Article]) -> str:
    """RSS in an old encoding, with markup as text, and dates of every kind."""
    items = "".join(
        f"<item><title>{escape(one.title)}</title>"
        f"<link>\n{one.url}?fbclid=Iw{one.story.number:x}&amp;utm_medium=rss#comments\n</link>"
        f"{_odd_date(one)}"
        f"<description>{escape(_page(one))}</description></item>"
        for one in articles
    )
    return (
        '<?xml version="1.0" encoding="windows-1252"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
        "<title>Coin Gazette</title><link>https://coin-gazette.example/</link>"
        f"<description>Tomorrow’s money, yesterday’s software</description><language>en</language>{items}"
        "</channel></rss>"
    )


def _odd_date(article: Article) -> str:
    """The time as different hands write it: some without seconds or zone, one with a clock an hour fast."""
    at = _utc(article)
    local = at.astimezone(_EST)
    match article.story.number % 8:
        case 0:
            return f"<pubDate>{local:%a, %d %b %Y %H:%M:%S} EST</pubDate>"
        case 1:
            return f"<pubDate>{local:%d %b %y %H:%M} EST</pubDate>"
        case 2:
            return f"<pubDate>{at:%Y-%m-%dT%H:%M:%SZ}</pubDate>"
        case 3:
            return f"<pubDate>{at:%Y-%m-%d %H:%M:%S}</pubDate>"
        case 4:
            return f"<dc:date>{local.isoformat()}</dc:date>"
        case 5:
            return f"<pubDate>{at.astimezone(_CET):%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        case _:
            return f"<pubDate>{format_datetime(local)}</pubDate>"


def _observer(articles: list[Article]) -> str:
    """Atom with relative links, markup in titles, languages of its own, and entries that were only updated."""
    host = DESKS["chain-observer"].host
    entries = "".join(
        f'<entry xml:lang="{one.story.language}"><id>tag:{host},2019:{one.story.number}</id>'
        f'<title type="html">{escape(escape(one.title, quote=False).replace("’", "&rsquo;"))}</title>'
        f'<link rel="enclosure" type="image/jpeg" href="/images/{one.story.number}.jpg"/>'
        f'<link rel="alternate" type="text/html" href="{one.url.partition(host)[2]}?utm_source=atom"/>'
        f"{_published(one)}<updated>{_utc(one):%Y-%m-%dT%H:%M:%S.000Z}</updated>"
        f"<author><name>{escape(one.author or 'Staff')}</name></author>"
        f'<summary type="html">{escape(f"<b>{escape(one.description)}</b>")}</summary>'
        '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">'
        f"<p>{escape(one.description)}</p><p>Read on at our site.</p></div></content></entry>"
        for one in articles
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"'
        f' xml:base="https://{host}/" xml:lang="en"><title>The Chain Observer</title>'
        f"<subtitle>Nobody’s ledger</subtitle><id>https://{host}/</id>"
        f'<link rel="self" href="https://{host}/feed.atom"/>'
        f"<updated>{_utc(articles[0]).isoformat()}</updated>{entries}</feed>"
    )


def _published(article: Article) -> str:
    if article.story.number % 5 == 0:
        return ""
    return f"<published>{_utc(article).astimezone(_CET).isoformat()}</published>"


def _page(article: Article) -> str:
    """The description as a page's markup, with what pages carry."""
    return (
        f'<p>{escape(article.description)}</p><script>track("{article.story.number}")</script>'
        f'<img src="https://pixel.{DESKS[article.newsroom].host}/p.gif" width="1" height="1"/>'
    )


_FEEDS: dict[Newsroom, _Feed] = {
    "block-courier": _Feed(_courier, "application/rss+xml; charset=utf-8", "utf-8", '"{}"', has_last_modified=True),
    "coin-gazette": _Feed(_gazette, "text/xml", "windows-1252", None, has_last_modified=True),
    "chain-observer": _Feed(_observer, "application/atom+xml", "utf-8", 'W/"{}"', has_last_modified=False),
}

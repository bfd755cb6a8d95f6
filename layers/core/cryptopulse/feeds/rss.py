"""Newsrooms' RSS and Atom feeds, which anybody may have written: read as well as can be, at a bounded cost."""

import io
import re
import xml.sax
from collections.abc import Callable, Mapping, Sized
from contextlib import suppress
from typing import Any, Final
from xml.sax.handler import feature_external_ges, feature_namespaces
from xml.sax.xmlreader import InputSource

from feedparser.api import LooseFeedParser, StrictFeedParser

from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.news import Item
from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError, RestrictedError
from cryptopulse.feeds.budget import unix_ms
from cryptopulse.feeds.fetching import Answer, Fetcher, wait
from cryptopulse.feeds.news_feed import Fetched, check_due

MOST: Final = 200
"""Articles that are taken of one feed: the first, which are the newest."""
MARKS: Final = 100_000
"""Tags and references that one feed may have: they are what parsing costs."""
NAMES: Final = 100
"""Attributes that one tag may have, and namespaces a feed: the parser takes the square of their time."""
LONGEST_VALUE: Final = 2_000
"""Characters of an attribute that counts."""
LONGEST_BASE: Final = 500
"""Characters of a base URL that may become longer."""

_KINDS: Final = "application/rss+xml, application/atom+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.5"
_LONGEST_VALIDATORS: Final = 1_000


class Rss:
    """One newsroom.

    Args:
        name: Its name.
        url: Its feed.
        fetcher: Asks for it.
        clock: Unix milliseconds.
    """

    def __init__(self, name: str, url: str, fetcher: Fetcher, *, clock: Callable[[], int] = unix_ms) -> None:
        self.name = name
        self._url = url
        self._fetcher = fetcher
        self._clock = clock

    def latest(self, known: State) -> Fetched:
        """As `NewsFeed.latest`; a feed that is not whole is read so far, and as a whole the next time."""
        check_due(self.name, known, self._clock())
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
        asked = {"Accept": _KINDS} | {name: value for name, value in conditions.items() if value}
        answer = self._fetcher.get(self._url, asked)
        if answer.status == 304:
            return Fetched([], State(known.etag, known.last_modified))
        if answer.status != 200:
            raise self._failure(answer)
        text = decoded(answer.body, answer.headers.get("content-type", ""))
        items, is_whole = read(text, self.name, answer.url)
        return Fetched(items, _state(answer.headers) if is_whole else State())

    def _failure(self, answer: Answer) -> FeedDownError:
        said = f"{self.name}: HTTP {answer.status}"
        now = self._clock()
        until = wait(answer.headers, now)
        match answer.status:
            case 451:
                return RestrictedError(said)
            case 429:
                return FeedDownError(said, kind="limited", until=until or now + HOUR)
            case 410:  # gone for good, unless the newsroom has erred
                return FeedDownError(said, kind="refused", until=now + DAY)
            case status if status >= 500:
                return FeedDownError(said, until=until or None)
            case _:
                return FeedDownError(said, kind="refused", until=until or now + HOUR)


def _state(headers: Mapping[str, str]) -> State:
    etag, last_modified = headers.get("etag", ""), headers.get("last-modified", "")
    both = etag + last_modified
    is_usable = both.isascii() and len(both) <= _LONGEST_VALIDATORS  # others could not be sent back
    return State(etag, last_modified) if is_usable else State()


# --- the text ---

_WIDE: Final = re.compile(r"utf-?(16|32)([bl]e)?")
_NARROW: Final = re.compile(
    r"utf-?8|us-ascii|iso-8859-\d\d?|windows-125\d|koi8-[ru]|shift_jis|euc-(jp|kr)|gb(k|2312|18030)|big5"
)
_BOMS: Final = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_PROLOG: Final = re.compile(rb"\s*<\?xml[^>]{0,100}?\sencoding\s*=\s*[\"']([\w-]+)")


def decoded(body: bytes, content_type: str) -> str:
    """The text of a body.

    By its mark of byte order; then as UTF-8 where it is that, whatever it is said to be, for nothing else looks like
    it; then as the header or the XML declaration says; and as Windows-1252 if they say nothing or nothing true.

    Args:
        body: The bytes.
        content_type: The header of that name.
    """
    header, prolog = _CHARSET.search(content_type), _PROLOG.match(body)
    told = [header[1].lower() if header else "", prolog[1].decode().lower() if prolog else ""]
    marked = [encoding for mark, encoding in _BOMS.items() if body.startswith(mark)]
    possible = _WIDE if b"\0" in body else _NARROW
    for encoding in (*marked, *(name for name in ("utf-8", *told) if possible.fullmatch(name))):
        try:
            return body.decode(encoding).lstrip("\ufeff")
        except (UnicodeError, LookupError):
            continue
    return body.decode("windows-1252", errors="replace")


# --- the feed ---

_ROOT_END: Final = re.compile(r"</(rss|feed|\w+:rdf)\s*>", re.IGNORECASE)
_READ: Final = {
    *("rss", "rdf:rdf", "channel", "feed", "item", "entry", "source", "image", "textinput"),
    *("title", "link", "guid", "id", "language", "dc:language"),
    *("description", "summary", "content", "content:encoded"),
    *("pubdate", "published", "updated", "modified", "issued", "dc:date", "dcterms:created", "dcterms:issued"),
}
"""The elements that matter, by feedparser's names of them: others are text, and cost no time of their own."""
_BASES: Final = ("base", "xml:base")


def read(text: str, source: str, url: str) -> tuple[list[Item], bool]:
    """What a feed tells, and whether it is well-formed; of one that breaks off, what comes before its last article.

    Args:
        text: The feed.
        source: The newsroom's name.
        url: Where it came from.

    Raises:
        FeedDownError: It is no feed, or one that must not be read (kind `refused`).
    """
    if "<!ENTITY" in text or text.count("<") + text.count("&") > MARKS:
        raise FeedDownError(f"{source}: entities of its own, or too long", kind="refused")
    text = text.strip()
    try:
        found, is_whole = _parsed(text, url)
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # feedparser's, of what it was not made for
        raise FeedDownError(f"{source}: not readable: {error!r}") from error
    if not found.version:
        raise FeedDownError(f"{source}: no feed")
    entries = found.entries if is_whole or _ROOT_END.search(text, len(text) - 100) else found.entries[:-1]
    return [_item(entry, found.feeddata, source) for entry in entries[:MOST]], is_whole


def _item(entry: Mapping[str, Any], feed: Mapping[str, Any], source: str) -> Item:
    detail = entry.get("title_detail", {})
    contents = entry.get("content", [])
    return Item(
        title=entry.get("title", ""),
        description=entry.get("summary") or next((content["value"] for content in contents), ""),
        url=entry.get("link", ""),
        published=next((entry[name] for name in ("published", "updated", "created") if name in entry), None),
        source=source,
        language=entry.get("language") or detail.get("language") or feed.get("language"),
    )


class _Bounded:
    """What both of feedparser's parsers are to leave out, or would take the square of its size to read."""

    baseuri: str
    incontent: int
    namespacemap: dict[str, str]
    resolve_relative_uris = False
    sanitize_html = False  # the domain takes all markup out

    def unknown_starttag(self, tag: str, attrs: list[tuple[str, str]]) -> None:
        _check_number(attrs)
        if self._matters(tag):
            # nested bases make one that grows with each, and is put together anew at each tag
            left_out = _BASES if len(self.baseuri) > LONGEST_BASE else ()
            some = [(name, value) for name, value in attrs if name not in left_out and len(value) <= LONGEST_VALUE]
            super().unknown_starttag(tag, some)  # type: ignore[misc]  # the parser beside it has it

    def unknown_endtag(self, tag: str) -> None:
        if self._matters(tag):
            super().unknown_endtag(tag)  # type: ignore[misc]  # likewise

    def _matters(self, tag: str) -> bool:
        prefix, _, name = tag.lower().rpartition(":")
        known = self.namespacemap.get(prefix, prefix)
        return bool(self.incontent) or (f"{known}:{name}" if known else name) in _READ


class _Strict(_Bounded, StrictFeedParser):  # type: ignore[misc]  # feedparser has no types
    def startPrefixMapping(self, prefix: str | None, uri: str) -> None:  # noqa: N802 (xml.sax's name)
        super().startPrefixMapping(prefix, uri)
        _check_number(self.namespaces_in_use)

    def startElementNS(self, name: tuple[str, str], qname: str, attrs: Mapping[tuple[str, str], str]) -> None:  # noqa: N802 (xml.sax's name)
        _check_number(attrs)
        super().startElementNS(name, qname, attrs)


class _Loose(_Bounded, LooseFeedParser):  # type: ignore[misc]  # likewise
    def handle_charref(self, ref: str) -> None:
        with suppress(ValueError, OverflowError):  # of characters that there are not, such as halves of pairs
            super().handle_charref(ref)


def _check_number(names: Sized) -> None:
    if len(names) > NAMES:
        raise FeedDownError("too many attributes or namespaces", kind="refused")


def _parsed(text: str, url: str) -> tuple[Any, bool]:
    """feedparser's parser after the strict reading of a feed, or after the loose one if it is malformed."""
    parser = _Strict(url, None, "utf-8")
    reader = xml.sax.make_parser()  # noqa: S317 entities of its own were refused, and others are not fetched
    reader.setFeature(feature_namespaces, True)
    reader.setFeature(feature_external_ges, False)
    reader.setContentHandler(parser)
    reader.setErrorHandler(parser)
    source = InputSource()
    source.setByteStream(io.BytesIO(text.encode()))
    source.setEncoding("utf-8")  # whatever the declaration says: it is now
    try:
        reader.parse(source)
    except xml.sax.SAXException:
        loose = _Loose(url, None, "utf-8")
        loose.feed(text)
        return loose, False
    return parser, True

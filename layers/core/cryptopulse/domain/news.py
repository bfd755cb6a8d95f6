"""News: one article of what any number of feeds tell."""

import hashlib
import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from math import ceil
from operator import attrgetter
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from msgspec import Struct

from cryptopulse.domain.coins import NAMES
from cryptopulse.domain.mentions import assets_in

LONGEST_URL: Final = 2_000
LONGEST_TITLE: Final = 300
LONGEST_DESCRIPTION: Final = 1_000
_READ: Final = 20_000
"""Characters of a text that are looked at; markup may take most of them."""
_REMOVED: Final = "[removed]"
"""The title of an article that NewsAPI has withdrawn."""


class Item(NamedTuple):
    """What a feed told of an article, as it wrote it: markup, entities and all."""

    title: str
    description: str
    url: str
    published: str | None
    """The time as written."""
    source: str
    """The newsroom's name."""
    language: str | None
    """As the feed declares it: `en`, `en-US`."""


class Article(Struct, frozen=True):
    """An article."""

    id: str
    """The first 32 hex digits of the SHA-256 of its URL."""
    title: str
    description: str
    """Empty if there is none."""
    source: str
    """The newsroom's name."""
    url: str
    """As of `canonical`."""
    published_at: int
    """Unix ms; never after it was read."""
    language: str
    """ISO 639-1; empty if unknown."""
    assets: tuple[str, ...]
    """Codes of the assets it names, the first named first."""


def article(item: Item, read_at: int, known_assets: Mapping[str, str], *, is_crypto: bool = False) -> Article | None:
    """The article that a feed told of.

    Args:
        item: What the feed told.
        read_at: When, Unix ms.
        known_assets: The names of the assets it may be about, by code.
        is_crypto: Whether the feed tells of crypto alone.

    Returns:
        None if it was removed, or has no title or no usable URL.
    """
    title, url = plain(item.title, LONGEST_TITLE), canonical(item.url)
    if not title or title.lower() == _REMOVED or url is None:
        return None
    host = urlsplit(url).hostname or ""
    if host.removeprefix("www.") == "removed.com":
        return None
    description = plain(item.description, LONGEST_DESCRIPTION)
    if description.lower() in (_REMOVED, title.lower()):
        description = ""
    return Article(
        id=hashlib.sha256(url.encode()).hexdigest()[:32],
        title=title,
        description=description,
        source=plain(item.source, 100) or host,
        url=url,
        published_at=published(item.published, read_at),
        language=language(f"{title} {description}", item.language),
        assets=assets_in(title, description, known_assets, is_crypto=is_crypto),
    )


# --- URLs ---

_TRACKING: Final = re.compile(
    r"utm_\w+|mc_[ce]id|guc(counter|e_\w+)|at_(medium|campaign\w*)|(fb|g|d|gb|wb|ms|y|tw)cl(id|src|kid)|igshid|_g[al]"
    r"|ref(_?src|_?url|errer)?|cmp(id)?|s?_?cid|ncid|ocid|icid|spm|sr_share|taid|mkt_tok|mod|smid|partner|feed(name|type)?|share",
    re.IGNORECASE,
)
"""Parameters that tell where a reader came from, not what is read."""
_RSS: Final = re.compile("source|via|from|format|output")
"""Parameters that do the same where their value is that of a feed."""
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_ADDRESS: Final = re.compile(r"\[[0-9a-f:.]+\]")
_ESCAPED: Final = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile("[A-Za-z0-9._~-]")


def canonical(url: str) -> str | None:
    """One URL for all that lead to the same article: without tracking parameters, fragment and default port.

    Host in lower case (IDNA), parameters in order, escapes as RFC 3986 (6.2) normalises them, no slash at the end.

    Returns:
        None if it is not http(s), names a user, or is no URL at all.
    """
    # what browsers leave out before they read a URL
    text = re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(33)))))
    if len(text) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(text)
        host, port = _host(parts), parts.port
        query = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100, errors="surrogateescape")
        kept = sorted((name, value) for name, value in query if not _is_tracking(name, value))
        path = _escaped(_flat(parts.path)).rstrip("/") or "/"
        asked = urlencode(kept, quote_via=quote, safe="~", errors="surrogateescape")
    except ValueError:  # of a port, an address, a host that is none; too many parameters; a lone surrogate
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or host is None:
        return None
    at = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    found = f"{parts.scheme}://{host}{at}{path}" + (f"?{asked}" if asked else "")
    return found if len(found) <= LONGEST_URL else None


def _host(parts: SplitResult) -> str | None:
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        host = f"[{host}]"
        return host if _ADDRESS.fullmatch(host) else None
    if not host.isascii():
        host = host.encode("idna").decode().lower()
    return host if _HOST.fullmatch(host) else None


def _is_tracking(name: str, value: str) -> bool:
    return _TRACKING.fullmatch(name) is not None or (
        _RSS.fullmatch(name) is not None and value.lower().startswith(("rss", "feed", "atom"))
    )


def _flat(path: str) -> str:
    """A path without `.` and `..` (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def _escaped(path: str) -> str:
    def escape(found: re.Match[str]) -> str:
        character = chr(int(found[0][1:], 16))
        return character if _UNRESERVED.fullmatch(character) else found[0].upper()

    return quote(_ESCAPED.sub(escape, path), safe="/%:@!$&'()*+,;=~")


# --- texts ---

_MARKUP: Final = re.compile(
    r"""
    <!--.*?(?:-->|\Z)
    | <!\[CDATA\[ | \]\]>
    | <(?:script|style|iframe|noscript|template|svg|object|head)\b .*?
      (?:</(?:script|style|iframe|noscript|template|svg|object|head)\s*>|\Z)
    | </?(?P<inline>a|abbr|b|bdi|cite|code|del|em|font|i|ins|mark|q|s|small|span|strong|sub|sup|time|tt|u|wbr)
      (?![\w-])(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>
    | <[a-z/!?](?:[^<>"']++|"[^"]*+"|'[^']*+')*+>
    | <[a-z/!?][^<>]*+>?
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""Markup, or what begins like it and does not end: each alternative ends somewhere, so that the time is linear."""
_SPACES: Final = re.compile(r"\s+")
_TURNING: Final = frozenset(
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad"
)
"""Characters that turn the direction of what stands around them, or are not seen."""


def plain(text: str, longest: int = LONGEST_DESCRIPTION) -> str:
    """A text without markup, scripts, entities (also where they were escaped twice) and control characters.

    Args:
        text: HTML or plain.
        longest: Characters; more are cut after a word, and `…` says so.
    """
    text = text[:_READ].translate(_WINDOWS)
    for _ in range(3):
        bare = _UNUSUAL.sub(_seen, html.unescape(_MARKUP.sub(_gap, text)))
        if bare == text:
            break
        text = bare
    text = unicodedata.normalize("NFC", _MARKUP.sub(" ", text))
    text = _SPACES.sub(" ", text).strip()
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:–—-") + "…"


def _gap(markup: re.Match[str]) -> str:
    return "" if markup["inline"] else " "


_WINDOWS: Final = {
    0x80 + at: character for at, character in enumerate(bytes(range(0x80, 0xA0)).decode("cp1252", "replace"))
}
"""Control characters that are quotes and dashes of Windows, read as Latin-1."""


_UNUSUAL: Final = re.compile("[^ -~]")


def _seen(unusual: re.Match[str]) -> str:
    if unusual[0] in _TURNING:
        return ""
    kind = unicodedata.category(unusual[0])
    return " " if kind in ("Cc", "Zl", "Zp") else "" if kind in ("Cs", "Co", "Cn") else unusual[0]


_SCRIPTS: Final = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
}
"""Japanese before Chinese: it has both."""
_COMMON: Final = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to is are was has have for with from by that this its it as at will after over about how why",
        "de": "der die das und ist nicht mit für von dem den ein eine auf zu im sich auch nach bei wird wie über"
        " um aus als vor zurück",
        "es": "el los las una un y del al es lo su según sobre entre más esta este hasta",
        "fr": "le les des une est et du dans sur avec qui pas au aux ce cette plus sont ses selon à avant après pour"
        " chez",
        "it": "il gli che di della nel alla più dei anche delle è sul dalla sono per",
        "nl": "het een van dat niet met voor op zijn naar ook bij wordt aan deze uit worden",
        "pt": "os um uma do em da não mais dos das ao na foi pela são é com",
        "sv": "och att som på är av för till har inte ett från den det",
    }.items()
}
"""Words that a text of a language can hardly do without, and one of another can."""
_DECLARED: Final = re.compile(r"([a-z]{2})(?![a-z])", re.IGNORECASE)


def language(text: str, declared: str | None) -> str:
    """The language of a text: what it clearly is, else what is declared.

    It is clear by its script, by 3 of a language's commonest words and twice as many as of any other, or by 2 and none.

    Returns:
        ISO 639-1; empty if it is neither clear nor declared.
    """
    letters = sum(map(str.isalpha, text))
    for found, script in _SCRIPTS.items():
        if 3 * len(script.findall(text)) > letters:
            return found
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = sorted(((sum(word in common for word in words), name) for name, common in _COMMON.items()), reverse=True)
    (most, name), (next_most, _) = counts[:2]
    if (most >= 3 and most >= 2 * next_most) or (most == 2 and next_most == 0):
        return name
    stated = _DECLARED.match((declared or "").strip())
    return stated[1].lower() if stated else ""


# --- times ---

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""What is older is a clock that was not set."""
_UNIX: Final = re.compile("[0-9]{10}(?:[0-9]{3})?")
_MERIDIEM: Final = re.compile(r"\b(\d{1,2}):(\d{2})((?::\d{2})?)\s*([ap])\.?m\b\.?", re.IGNORECASE)
_ZONE: Final = re.compile(r"\s*\(?\b([A-Z]{1,5})\)?$")
_ZONES: Final = {
    name: offset
    for offset, names in {
        "+0000": "UT UTC GMT Z WET",
        "+0100": "CET BST WEST",
        "+0200": "CEST EET",
        "+0300": "EEST MSK",
        "+0530": "IST",
        "+0800": "HKT SGT",
        "+0900": "JST KST",
        "+1000": "AEST",
        "+1100": "AEDT",
        "-0300": "ADT BRT",
        "-0400": "EDT AST",
        "-0500": "EST CDT",
        "-0600": "CST MDT",
        "-0700": "MST PDT",
        "-0800": "PST",
    }.items()
    for name in names.split()
}
"""RFC 822's names, and others that feeds write; one that several zones share is the one nearest to RFC 822."""
_OFFSET: Final = re.compile(r"(?<=:\d\d)\s*(?:GMT|UTC?)?([+-])(\d{1,2}):?(\d{2})?(?:\s*\([^()]*\))?$")


def published(text: str | None, read_at: int) -> int:
    """When an article was published, Unix ms.

    Args:
        text: RFC 822 with or without weekday, with names of zones or offsets; ISO 8601; Unix seconds or ms; a zone
            that is not told, or not known, is UTC.
        read_at: When it was read, Unix ms.

    Returns:
        Never later than `read_at`; `read_at` itself where the text tells no time, or one before 2000.
    """
    moment = _moment(" ".join((text or "")[:100].split()))
    if moment is None or moment < _FIRST:
        return read_at
    return min((moment - _EPOCH) // timedelta(milliseconds=1), read_at)


def _moment(text: str) -> datetime | None:
    if _UNIX.fullmatch(text):
        return _EPOCH + timedelta(milliseconds=int(text) * (1 if len(text) > 10 else 1_000))
    spelt = _spelt(text)
    tries: list[tuple[Callable[[str], datetime], str]] = [
        (datetime.fromisoformat, text),
        (datetime.fromisoformat, spelt),
        (parsedate_to_datetime, spelt),
    ]
    for read, each in tries:
        with suppress(ValueError, OverflowError):
            found = read(each)
            return found.replace(tzinfo=found.tzinfo or UTC)
    return None


def _spelt(text: str) -> str:
    """A time with 24 hours and its offset in digits."""

    def hours(found: re.Match[str]) -> str:
        return f"{int(found[1]) % 12 + 12 * (found[4] in 'pP')}:{found[2]}{found[3]}"

    def offset(found: re.Match[str]) -> str:
        return f" {found[1]}{found[2]:0>2}{found[3] or '00'}"

    text = _ZONE.sub(lambda found: f" {_ZONES.get(found[1], '')}", _OFFSET.sub(offset, _MERIDIEM.sub(hours, text)))
    return text.strip() if ":" in text else f"{text} 00:00"


# --- one of each ---

DAY: Final = 86_400_000
SHARED: Final = 0.7
"""Of the longer title's words that the shorter must have."""
FEWEST: Final = 4
"""Words of a title to be recognised with others added: `Bitcoin falls` begins many."""

_WORD: Final = re.compile(r"\w+(?:\.\d+)?%?")
_NUMBER: Final = re.compile(
    r"(?<![\w.])[$€£]?(\d[\d,]*(?:\.\d+)?)"
    r"(?:\s*(%|per ?cent\b)|\s?(k|thousand|m|mn|mln|million|bn?|billion|tn?|trillion)\b)?"
)
_SCALES: Final = {"k": 3, "t": 12, "m": 6, "b": 9}
_STARTS: Final = re.compile(r"(breaking|just in|exclusive|update( \d+)?|updated|watch|video|opinion)\s*[:|–—-]\s*")
_SMALL: Final = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "on",
        "at",
        "for",
        "by",
        "with",
        "from",
        "and",
        "or",
        "as",
        "while",
        "its",
        "it",
        "is",
        "are",
        "was",
        "be",
        "will",
        "has",
        "have",
        "that",
        "this",
        "after",
    }
)
_SAME: Final = {
    word: words.split()[0]
    for words in (
        "above past over",
        "below under beneath",
        "climb climbs gain gains jump jumps rally rallies rise rises soar soars surge surges",
        "dip dips drop drops fall falls plunge plunges sink sinks slide slides slip slips tumble tumbles",
        "acquire acquires buy buys purchase purchases",
        "debut debuts launch launches roll rolls unveil unveils",
        "raise raises secure secures",
        "publish publishes release releases",
        "add adds list lists",
        "company firm giant",
    )
    for word in words.split()
}
"""What newsrooms put for one another; the first stands for all."""
_TELLING: Final = frozenset({"not", "no", "never", "without", "deny", "deni", "former", "ex", "anti"})
"""Words, as of `_stem`, that are not added without another meaning."""


def distinct(new: Iterable[Article], known: Iterable[Article]) -> list[Article]:
    """One of each: the oldest of those that are the same, if none is known.

    The same are articles with one id, and those less than a day apart with near-equal titles. Titles are compared by
    their words in order, without small ones, newsroom, case, punctuation and plurals, numbers by value and a few verbs
    of headlines by what they mean. Near-equal are titles with equal words, or one that is the other with words added:
    at most 3 in 10 of the longer, none of them a number or a negation, and 4 shared at least. A word *replaced* makes
    another article: releases and market reports come in templates in which one name or number is all the news.

    Returns:
        The oldest first; the order of the arguments does not matter.
    """
    seen = _Seen()
    for each in known:
        seen.add(each)
    found = []
    for each in sorted(new, key=attrgetter("published_at", "id", "title", "description", "source")):
        if each not in seen:
            seen.add(each)
            found.append(each)
    return found


class _Seen:
    """Articles, by words of which near-equal titles share one."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._all: list[tuple[Article, list[str]]] = []
        self._by_word: defaultdict[str, set[int]] = defaultdict(set)

    def add(self, new: Article) -> None:
        self._ids.add(new.id)
        words = _words(new)
        for word in _rarest(words):
            self._by_word[word].add(len(self._all))
        self._all.append((new, words))

    def __contains__(self, new: Article) -> bool:
        words = _words(new)
        alike = set[int]().union(*(self._by_word.get(word, ()) for word in _rarest(words)))  # each once: some share all
        return new.id in self._ids or any(
            abs(new.published_at - old.published_at) < DAY
            and _are_near(words, old_words)
            and (words == old_words or _name_the_same(new, old))
            for old, old_words in map(self._all.__getitem__, alike)
        )


def _rarest(words: list[str]) -> list[str]:
    """So many of a title's words, the longest first, that near-equal titles have one of them in common."""
    each = sorted(set(words), key=lambda word: (-len(word), word))
    return each[: len(words) - ceil(SHARED * len(words)) + 1]


def _are_near(one: list[str], other: list[str]) -> bool:
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    if len(short) < max(FEWEST, SHARED * len(long)):
        return False
    rest, added = iter(short), []
    expected = next(rest, None)
    for word in long:
        if word == expected:
            expected = next(rest, None)
        else:
            added.append(word)
    return expected is None and not any(word in _TELLING or word[0].isdigit() for word in added)


def _name_the_same(one: Article, other: Article) -> bool:
    """Whether titles name the same assets, followed or not; or one names none: `Classic` makes another of Ethereum."""
    first, second = (frozenset(assets_in(each.title, "", NAMES)) for each in (one, other))
    return not first or not second or first == second


def _words(of: Article) -> list[str]:
    title = unicodedata.normalize("NFKC", of.title).casefold()
    title = title.removesuffix(of.source.casefold()) or title
    title = re.sub(r"['’]s\b|['’]|(?<=\b[a-z])\.(?=[a-z]\b)|(?<=\.[a-z])\.", "", _STARTS.sub("", title, count=1))
    words = _WORD.findall(_NUMBER.sub(_value, title))
    return [_SAME.get(word) or _stem(word) for word in words if word not in _SMALL] or [title]


def _value(number: re.Match[str]) -> str:
    scale = _SCALES[number[3][0]] if number[3] else 0
    value = (Decimal(number[1].replace(",", "")) * 10**scale).normalize()
    return f" {value:f}{'%' if number[2] else ''} "


def _stem(word: str) -> str:
    return re.sub("(?<=[a-z]{3})(?:ing|ed|es|e|s)$", "", word)

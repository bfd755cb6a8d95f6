"""Feeds of newsrooms: what is read of them, whatever is wrong with them, and what is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cryptopulse.domain.news import Item
from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError, RestrictedError
from cryptopulse.feeds.fetching import Fetcher
from cryptopulse.feeds.news_feed import Fetched, NewsFeed
from cryptopulse.feeds.rss import LONGEST_VALUE, MARKS, MOST, Rss, decoded, read
from tests.unit.feeds.exchange import NOON, Clock
from tests.unit.feeds.host import Host, reply

RECORDED: Final = Path(__file__).parents[4] / "shared/data/news/rss"
HOUR: Final = 3_600_000
URL: Final = "https://news.example/feed.xml"

RSS: Final = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:atom="http://www.w3.org/2005/Atom"><channel>
 <title>Newsroom</title><link>https://news.example/</link><language>en-gb</language>
 <atom:link rel="self" href="https://news.example/feed.xml"/>
 <image><title>Logo</title><url>https://news.example/logo.png</url><link>https://news.example/logo</link></image>
 <item><title><![CDATA[Bitcoin & <b>friends</b> rise]]></title><link>https://news.example/1?a=b&amp;c=d</link>
  <guid isPermaLink="false">one</guid><pubDate>Sun, 22 Nov 2026 07:00:00 -0500</pubDate>
  <category>Markets</category><category>Bitcoin</category><media:title>A picture</media:title>
  <description>&lt;p&gt;Up 3&amp;#37;&lt;/p&gt;</description>
  <content:encoded><![CDATA[<p>All of it</p>]]></content:encoded></item>
 <item><title>Ether falls</title><guid>https://news.example/2</guid><dc:date>2026-11-22T11:00:00Z</dc:date>
  <content:encoded><![CDATA[<p>All there is</p>]]></content:encoded></item>
 <item/>
</channel></rss>"""
ITEMS: Final = [
    Item(
        "Bitcoin & <b>friends</b> rise",
        "<p>Up 3&#37;</p>",
        "https://news.example/1?a=b&c=d",
        "Sun, 22 Nov 2026 07:00:00 -0500",
        "Newsroom",
        "en-gb",
    ),
    Item(
        "Ether falls",
        "<p>All there is</p>",
        "https://news.example/2",
        "2026-11-22T11:00:00Z",
        "Newsroom",
        "en-gb",
    ),
    Item("", "", "", None, "Newsroom", "en-gb"),
]
ATOM: Final = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de">
 <title>Newsroom</title><link rel="self" href="https://news.example/feed.xml"/>
 <entry><title type="html">Bitcoin &amp;amp; Freunde</title><link href="/1"/>
  <link rel="enclosure" type="audio/mpeg" href="https://news.example/1.mp3"/>
  <author><name>Jane</name></author><id>urn:1</id><updated>2026-11-22T12:00:00+01:00</updated>
  <source><title>Another newsroom</title><link href="https://other.example/"/><updated>2020-01-01</updated></source>
  <summary type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Sie <em>steigen</em></div></summary></entry>
 <entry xml:lang="en"><title>Ether</title><link href="https://news.example/2" rel="alternate"/>
  <published>2026-11-22T10:00:00Z</published><updated>2026-11-22T11:00:00Z</updated><content>Falls</content></entry>
</feed>"""
RDF: Final = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
  xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Newsroom</title></channel>
 <item><title>Ether</title><link>https://news.example/2</link><dc:date>2026-11-22</dc:date></item></rdf:RDF>"""


def titles(text: str) -> list[str]:
    return [item.title for item in read(text, "Newsroom", URL)[0]]


def failure(text: str) -> FeedDownError:
    with pytest.raises(FeedDownError) as told:
        read(text, "Newsroom", URL)
    return told.value


def rss(inside: str) -> str:
    return f'<rss version="2.0"><channel>{inside}</channel></rss>'


def atom(inside: str) -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{inside}</feed>'


ONE: Final = "<item><title>Ether</title><link>https://news.example/2</link></item>"

# --- what there is ---


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded feeds are not here")
@pytest.mark.parametrize(
    ("name", "number", "distinct", "first", "last"),
    [
        ("coindesk", 25, 25, "Fri, 12 Dec 2025 22:20:18 +0000", "Fri, 12 Dec 2025 11:45:39 +0000"),
        ("theblock", 19, 19, "Fri, 12 Dec 2025 17:33:11 -0500", "Thu, 11 Dec 2025 20:00:00 -0500"),
        ("prnews-news-releases-list", 20, 18, "Sat, 13 Dec 2025 10:14:00 +0000", "Sat, 13 Dec 2025 02:58:00 +0000"),
    ],
)
def test_the_recorded_feeds_are_read_whole(name: str, number: int, distinct: int, first: str, last: str) -> None:
    body = (RECORDED / f"{name}.rss").read_bytes()
    items, is_whole = read(decoded(body, "application/xml"), name, URL)
    assert is_whole
    assert (len(items), len({item.title for item in items})) == (number, distinct)
    assert (items[0].published, items[-1].published) == (first, last)
    assert all(item.title and item.description and item.url.startswith("https://") for item in items)
    assert {item.language.lower() for item in items if item.language} == {"en-us"}


def test_rss_is_read() -> None:
    assert read(RSS, "Newsroom", URL) == (ITEMS, True)


def test_atom_is_read() -> None:
    assert read(ATOM, "Newsroom", URL) == (
        [
            Item(
                "Bitcoin &amp; Freunde",
                "Sie <em>steigen</em>",
                "https://news.example/1",
                "2026-11-22T12:00:00+01:00",
                "Newsroom",
                "de",
            ),
            Item("Ether", "Falls", "https://news.example/2", "2026-11-22T10:00:00Z", "Newsroom", "en"),
        ],
        True,
    )


def test_rdf_is_read() -> None:
    item = Item("Ether", "", "https://news.example/2", "2026-11-22", "Newsroom", None)
    assert read(RDF, "Newsroom", URL) == ([item], True)


def test_a_feed_without_articles_is_one() -> None:
    assert read(rss(""), "Newsroom", URL) == ([], True)


# --- what is wrong ---


def test_links_are_resolved_by_the_base_that_is_told() -> None:
    text = atom('<entry xml:base="https://other.example/a/"><title>Ether</title><link href="b"/></entry>')
    assert read(text, "Newsroom", URL)[0][0].url == "https://other.example/a/b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(RSS.replace("&amp;c", "&c"), ["Bitcoin & <b>friends</b> rise", "Ether falls", ""], id="ampersand"),
        pytest.param(rss(ONE.replace("Ether", "Ether&nbsp;2")), ["Ether\xa02"], id="entity of HTML"),
        pytest.param(rss(ONE.replace("Ether", "Ether &#xD83D;&#xDE00;&#99999999;")), ["Ether"], id="no character"),
        pytest.param(rss(ONE.replace("Ether", "Ether\x08")), ["Ether\x08"], id="control character"),
        pytest.param(rss(ONE + "<item><title>Bit</wrong></item>" + ONE), ["Ether", ""], id="wrong end"),
        pytest.param("<br>" + rss(ONE), ["Ether"], id="more than one root"),
        pytest.param(RSS[: RSS.index("Ether falls") + 5], ["Bitcoin & <b>friends</b> rise"], id="cut in a title"),
        pytest.param(rss(ONE + ONE)[:-40], ["Ether"], id="cut in a link"),
    ],
)
def test_what_is_malformed_is_read_so_far(text: str, expected: list[str]) -> None:
    items, is_whole = read(text, "Newsroom", URL)
    assert ([item.title for item in items], is_whole) == (expected, False)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("\n ", id="blank"),
        pytest.param("<!doctype html><html><head><title>Sign in</title></head><body><p>Hello</body>", id="HTML"),
        pytest.param('{"items": []}', id="JSON"),
        pytest.param("<note><title>Ether</title></note>", id="other XML"),
        pytest.param("\x00\x01\x02", id="binary"),
        pytest.param(rss("<item><link></item></link>"), id="what feedparser fails at"),
    ],
)
def test_what_is_no_feed_is_down(text: str) -> None:
    assert failure(text).kind == "down"


# --- what is meant to hurt ---

LAUGHS: Final = (
    '<!DOCTYPE lolz [<!ENTITY lol0 "lol">'
    + "".join(f'<!ENTITY lol{i + 1} "{f"&lol{i};" * 10}">' for i in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LAUGHS + rss("<item><title>&lol9;</title></item>"), id="a billion laughs"),
        pytest.param(
            '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + rss("<item><title>&x;</title></item>"),
            id="external entity",
        ),
        pytest.param('<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1/x">%x;]>' + rss(ONE), id="parameter entity"),
        pytest.param(rss("<item/>" * MARKS), id="endless articles"),
        pytest.param(rss("<item><title>" + "&" * MARKS), id="endless references"),
        pytest.param(rss("<item " + " ".join(f'a{i}="b"' for i in range(40_000)) + "/>"), id="endless attributes"),
        pytest.param(rss("& <item " + " ".join(f'a{i}="b"' for i in range(40_000)) + "/>"), id="and malformed"),
        pytest.param(rss("<x " + " ".join(f'xmlns:a{i}="b"' for i in range(40_000)) + "/>"), id="endless namespaces"),
    ],
)
def test_what_costs_too_much_is_refused(text: str) -> None:
    assert failure(text).kind == "refused"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(rss("<a>" * 10_000 + ONE + "</a>" * 10_000), id="depth"),
        pytest.param(
            rss("<item><title>Ether</title>" + "".join(f"<category>{i}</category>" for i in range(10_000)) + "</item>"),
            id="categories",
        ),
        pytest.param(
            atom("<entry><title>Ether</title>" + '<link xml:base="a/">' * 10_000 + "</link>" * 10_000 + "</entry>"),
            id="bases",
        ),
        pytest.param(
            atom(f'<entry xml:lang="{"x_" * 500_000}"><title>Ether</title>{"<rights>a</rights>" * 10_000}</entry>'),
            id="language",
        ),
    ],
)
def test_what_would_take_the_square_of_its_size_does_not(text: str) -> None:
    """Each would take from ten seconds to hours."""
    assert titles(text) == ["Ether"]


def test_a_doctype_elsewhere_is_not_fetched() -> None:
    assert titles(f'<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/rss.dtd">{rss(ONE)}') == ["Ether"]


def test_no_more_articles_are_taken_than_a_newsroom_has() -> None:
    assert len(titles(rss(ONE * (MOST + 1)))) == MOST


def test_attributes_that_are_too_long_are_left_out() -> None:
    text = atom(f'<entry><title>Ether</title><link href="/{"a" * LONGEST_VALUE}"/></entry>')
    assert read(text, "Newsroom", URL)[0][0].url == ""


# --- charsets ---

TEXT: Final = rss(ONE.replace("Ether", "Éther – 以太"))
WESTERN: Final = rss(ONE.replace("Ether", "Éther – “2”"))


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        pytest.param(TEXT.encode(), "", TEXT, id="UTF-8 untold"),
        pytest.param(TEXT.encode(), "text/xml; charset=iso-8859-1", TEXT, id="UTF-8 told as another by the header"),
        pytest.param(
            b'<?xml version="1.0" encoding="ISO-8859-1"?>' + TEXT.encode(),
            "",
            '<?xml version="1.0" encoding="ISO-8859-1"?>' + TEXT,
            id="UTF-8 told as another by the declaration",
        ),
        pytest.param(b"\xef\xbb\xbf" + TEXT.encode(), "", TEXT, id="UTF-8 marked"),
        pytest.param(TEXT.encode("utf-16"), "text/xml; charset=utf-8", TEXT, id="UTF-16 marked"),
        pytest.param(TEXT.encode("utf-32"), "", TEXT, id="UTF-32 marked"),
        pytest.param(TEXT.encode("utf-16-be"), "text/xml; charset=UTF-16BE", TEXT, id="UTF-16 told"),
        pytest.param(TEXT.encode("gb18030"), 'text/xml; charset="GB18030"', TEXT, id="GB 18030 told by the header"),
        pytest.param(
            b"<?xml version='1.0' encoding='gb18030'?>" + TEXT.encode("gb18030"),
            "text/xml; charset=utf-8",
            "<?xml version='1.0' encoding='gb18030'?>" + TEXT,
            id="GB 18030 told by the declaration alone",
        ),
        pytest.param(WESTERN.encode("windows-1252"), "text/xml; charset=utf-8", WESTERN, id="Windows-1252 untold"),
        pytest.param(WESTERN.encode("windows-1252"), "text/xml; charset=punycode", WESTERN, id="told as no charset"),
        pytest.param(WESTERN.encode("windows-1252"), "text/xml; charset=utf-16be", WESTERN, id="told wrongly"),
        pytest.param(b"\xff\xfea", "", "ÿþa", id="marked wrongly"),
    ],
)
def test_charsets(body: bytes, content_type: str, expected: str) -> None:
    text = decoded(body, content_type)
    assert text == expected


def test_what_is_decoded_is_not_decoded_again() -> None:
    text = decoded(b'<?xml version="1.0" encoding="ISO-8859-1"?>' + TEXT.encode(), "")
    assert titles(text) == ["Éther – 以太"]


# --- asking ---


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


def newsroom(host: Host) -> NewsFeed:
    return Rss("Newsroom", f"{host.url}/feed", Fetcher("any"), clock=Clock())


def test_a_feed_is_asked_for_what_is_new(host: Host) -> None:
    feed = newsroom(host)
    host.answers["/feed"] = reply(RSS.encode(), ETag='W/"1"', Last_Modified="Sun, 22 Nov 2026 11:00:00 GMT")
    fetched = feed.latest(State())
    state = State(etag='W/"1"', last_modified="Sun, 22 Nov 2026 11:00:00 GMT")
    assert fetched == Fetched(ITEMS, state)
    assert (host.header("If-None-Match"), host.header("If-Modified-Since")) == (None, None)
    host.answers["/feed"] = reply(b"", "304 Not Modified")
    assert feed.latest(state) == Fetched([], state)
    assert (host.header("If-None-Match"), host.header("If-Modified-Since")) == (state.etag, state.last_modified)


def test_links_are_of_where_the_feed_is(host: Host) -> None:
    host.answers |= {"/feed": reply(b"", "301 Moved", Location="/there/feed"), "/there/feed": reply(ATOM.encode())}
    assert newsroom(host).latest(State()).items[0].url == f"{host.url}/1"


def test_what_was_not_read_whole_is_asked_for_again(host: Host) -> None:
    host.answers["/feed"] = reply(RSS[:-30].encode(), ETag='"1"')
    fetched = newsroom(host).latest(State(etag='"0"'))
    assert ([item.title for item in fetched.items], fetched.state) == (
        ["Bitcoin & <b>friends</b> rise"],
        State(),
    )


@pytest.mark.parametrize("etag", ["x" * 2_000, '"é"'], ids=["long", "not ASCII"])
def test_validators_that_could_not_be_sent_back_are_not_kept(etag: str, host: Host) -> None:
    host.answers["/feed"] = reply(RSS.encode(), ETag=etag)
    assert newsroom(host).latest(State()).state == State()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "until"),
    [
        ("401 Unauthorized", {}, "refused", NOON + HOUR),
        ("403 Forbidden", {}, "refused", NOON + HOUR),
        ("404 Not Found", {}, "refused", NOON + HOUR),
        ("410 Gone", {}, "refused", NOON + 24 * HOUR),
        ("429 Too Many", {}, "limited", NOON + HOUR),
        ("429 Too Many", {"Retry_After": "60"}, "limited", NOON + 60_000),
        ("500 Oh", {}, "down", None),
        ("503 Later", {"Retry_After": "60"}, "down", NOON + 60_000),
        ("451 Not There", {}, "restricted", None),
        ("204 Nothing", {}, "refused", NOON + HOUR),
    ],
)
def test_refusals(host: Host, status: str, headers: dict[str, str], kind: str, until: int | None) -> None:
    host.answers["/feed"] = reply(b"", status, **headers)
    with pytest.raises(FeedDownError) as told:
        newsroom(host).latest(State())
    assert (told.value.kind, told.value.until, str(told.value)) == (kind, until, f"Newsroom: HTTP {status[:3]}")
    assert isinstance(told.value, RestrictedError) == (kind == "restricted")


def test_a_feed_is_left_alone_until_its_time_comes(host: Host) -> None:
    with pytest.raises(FeedDownError) as told:
        newsroom(host).latest(State(until=NOON + 1))
    assert (told.value.kind, told.value.until, host.requests) == ("spent", NOON + 1, [])
    host.answers["/feed"] = reply(RSS.encode())
    assert newsroom(host).latest(State(until=NOON)).state == State()

"""Articles: one URL, one text, one time and one of each, whatever feeds write."""

import json
import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.coins import NAMES
from cryptopulse.domain.news import Article, Item, article, canonical, distinct, language, plain, published

RECORDED: Final = Path(__file__).parents[4] / "shared/data/news"
DAY: Final = 86_400_000
READ: Final = 1_765_627_200_000
"""2025-12-13T12:00:00Z."""
TOLD: Final = READ - 3_600_000
ITEM: Final = Item(
    "<b>Bitcoin</b> &amp; Solana gain",
    "<p>Prices&nbsp;rose.</p><script>alert(1)</script>",
    "https://News.example/a/?utm_source=rss",
    "Sat, 13 Dec 2025 11:00:00 +0000",
    "The Example",
    "en-US",
)


def told(title: str, number: int = 0, *, hours: float = 0, source: str = "The Example") -> Article:
    url = f"https://example.com/{number or title}"
    return Article(f"{url:0>32}", title, "", source, url, TOLD + int(hours * 3_600_000), "en", ())


def titles(articles: Iterable[Article]) -> list[str]:
    return [each.title for each in articles]


def test_an_article_is_what_a_feed_told() -> None:
    assert article(ITEM, READ, NAMES) == Article(
        id="95bbca1f9b4bae7d73e89dc2c1be3dbe",
        title="Bitcoin & Solana gain",
        description="Prices rose.",
        source="The Example",
        url="https://news.example/a",
        published_at=TOLD,
        language="en",
        assets=("BTC", "SOL"),
    )


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(ITEM._replace(title="[Removed]"), id="removed"),
        pytest.param(ITEM._replace(url="https://removed.com"), id="removed URL"),
        pytest.param(ITEM._replace(url="https://www.removed.com/"), id="removed URL with www"),
        pytest.param(ITEM._replace(title=" <br> "), id="no title"),
        pytest.param(ITEM._replace(url=""), id="no URL"),
        pytest.param(ITEM._replace(url="javascript:alert(1)"), id="script"),
    ],
)
def test_what_cannot_be_shown_is_no_article(item: Item) -> None:
    assert article(item, READ, NAMES) is None


@pytest.mark.parametrize("description", ["[Removed]", "bitcoin &amp; Solana gain", ""])
def test_a_description_says_something_else_than_the_title(description: str) -> None:
    found = article(ITEM._replace(description=description), READ, NAMES)
    assert found
    assert found.description == ""


def test_a_newsroom_without_a_name_is_its_host() -> None:
    found = article(ITEM._replace(source=""), READ, NAMES)
    assert found
    assert found.source == "news.example"


# --- URLs ---


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/A/b/", "https://example.com/A/b"),
        ("http://example.com:80/a#top", "http://example.com/a"),
        ("http://127.0.0.1:8080/rss/1", "http://127.0.0.1:8080/rss/1"),
        ("http://[2001:DB8::1]:81/a", "http://[2001:db8::1]:81/a"),
        ("https://example.com/a?utm_source=rss&utm_medium=feed&id=7", "https://example.com/a?id=7"),
        ("https://example.com/a?b=2&a=1&fbclid=x&gclid=y&mc_cid=z&ref=home", "https://example.com/a?a=1&b=2"),
        ("https://example.com/a?source=rss&guccounter=1&cmpid=2", "https://example.com/a"),
        ("https://example.com/a?source=7&q=%c3%a4+b", "https://example.com/a?q=%C3%A4%20b&source=7"),
        ("https://example.com/%7euser/%c3%a4/ä/a b", "https://example.com/~user/%C3%A4/%C3%A4/a%20b"),
        ("https://example.com/a/./b/../c%2Fd", "https://example.com/a/c%2Fd"),
        (" https://example.com/a\n/b\t ", "https://example.com/a/b"),
        ("https://bücher.example./x", "https://xn--bcher-kva.example/x"),
        ("https://example.com/a?", "https://example.com/a"),
    ],
)
def test_a_url_is_one(url: str, expected: str) -> None:
    assert canonical(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/a",
        "//example.com/a",
        "ftp://example.com/a",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:///a",
        "https://",
        "https://user@example.com/",
        "https://bank.example@evil.example/",
        "https://exa mple.com/",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://a..b/",
        "https://ex\u2100ample.com/",
        "https://example.com/\ud800",
        "https://example.com/" + "a" * 2_000,
        "https://example.com/" + "ä" * 600,
        "https://example.com/?" + "&".join(f"a{at}=1" for at in range(101)),
    ],
    ids=range(20),
)
def test_what_is_no_url_of_an_article_is_refused(url: str) -> None:
    assert canonical(url) is None


@given(
    url=st.one_of(
        st.text(max_size=60),
        st.builds(
            "http://example.com/{}?{}#{}".format, st.text(max_size=30), st.text(max_size=30), st.text(max_size=5)
        ),
        st.builds("https://{}/a?b={}".format, st.text(max_size=20), st.text("%2&=é+/?#", max_size=20)),
    )
)
def test_a_canonical_url_stays(url: str) -> None:
    found = canonical(url)
    assert found is None or (
        canonical(found) == found and found.isascii() and found.startswith(("http://", "https://"))
    )


# --- texts ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("<p>One</p><p>two&nbsp;&amp; three</p>", "One two & three"),
        ("Bit<b>coin</b>, <a href='x?a>b'>Ether</a>.", "Bitcoin, Ether."),
        ("A<br/>B<img src=x onerror=alert(1)>C", "A B C"),
        ("x<script>if (a < b) {}</script>y<style>p{}</style >z", "x y z"),
        ("x<SCRIPT>never ended", "x"),
        ("x <!-- a > b --> y", "x y"),
        ("<![CDATA[Kept <i>so</i>]]>", "Kept so"),
        ("&lt;p&gt;escaped&lt;/p&gt; twice &amp;amp; more", "escaped twice & more"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;end", "end"),
        ("BTC &lt; 90K &gt; 80K, I <3 it", "BTC < 90K > 80K, I <3 it"),
        ("Cut <a href='http", "Cut"),
        ("a\u202eb\u200bc\x00d\ud800e\ufefff", "abc def"),
        ("It\x92s \x93so\x94", "It’s “so”"),
        ("it&#8217;s &#x1F680;", "it’s 🚀"),
        ("<<<<<b>b>b>b>b>text", "< b>text"),
        ("<\uffffb>text", "text"),
        ("  many \n\t spaces\u2028 ", "many spaces"),
    ],
    ids=range(18),
)
def test_a_text_is_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_a_long_text_ends_after_a_word() -> None:
    assert plain("one two three, four", 16) == "one two three…"
    assert plain("x" * 50, 10) == "x" * 9 + "…"


def test_much_markup_takes_no_time() -> None:
    for piece in ("<a'>'", "<", "<!--", "<script", "&amp;", "<a \"'>", "<svg>"):
        assert len(plain(piece * 20_000)) <= 1_000


@given(text=st.one_of(st.text(max_size=80), st.text("<>&;/ab!-'\"lgtmp# ", max_size=80)))
def test_a_plain_text_has_no_markup(text: str) -> None:
    found = plain(text)
    assert re.search("<[a-z/!?]", found, re.IGNORECASE) is None
    assert found == found.strip()
    assert found.encode().decode() == found


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("Bitcoin falls", "en-US", "en"),
        ("Bitcoin falls", "EN", "en"),
        ("Bitcoin falls", None, ""),
        ("Bitcoin falls", "english", ""),
        ("The price of bitcoin is down for the third day", None, "en"),
        ("Der Kurs ist gefallen, und die Anleger sind nicht froh", "en-us", "de"),
        ("El precio del bitcoin sube según los analistas", None, "es"),
        ("Le prix du bitcoin est en baisse dans les échanges", None, "fr"),
        ("Il prezzo di bitcoin sale dopo le parole della banca", None, "it"),
        ("Het is niet de prijs van goud", None, "nl"),
        ("O preço do bitcoin não sobe mais em um dia", None, "pt"),
        ("Priset på bitcoin har inte fallit och det är bra", None, "sv"),
        ("Dogecoin (DOGE) Reste à $0.2365 Avant la Décision", "en", "fr"),
        ("Bitcoin steigt um 3% auf $66,000, Käufer kehren zurück", "en", "de"),
        ("Цена биткоина растёт", None, "ru"),
        ("ビットコインの価格", None, "ja"),
        ("比特币价格上涨", "en", "zh"),
        ("비트코인 가격 상승", None, "ko"),
        ("ارتفع سعر البيتكوين", None, "ar"),
        ("מחיר הביטקוין עולה", None, "he"),
        ("", None, ""),
    ],
    ids=range(21),
)
def test_a_language_is_recognised_or_declared(text: str, declared: str | None, expected: str) -> None:
    assert language(text, declared) == expected


# --- times ---


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 13 Dec 2025 11:00:00 +0000",
        "Sat, 13 Dec 2025 06:00:00 -0500",
        "Sat, 13 Dec 2025 06:00:00 -0500 (EST)",
        "Sat, 13 Dec 2025 06:00:00 EST",
        "Sat, 13 Dec 2025 12:00:00 CET",
        "Sat, 13 Dec 2025 12:00:00 GMT+0100",
        "Sat, 13 Dec 2025 12:00:00 GMT+1",
        "Sat, 13 Dec 2025 11:00:00 GMT",
        "Sat, 13 Dec 2025 11:00:00 Z",
        "Sat, 13 Dec 2025 11:00:00",
        "Sat, 13 Dec 2025 11:00:00 XYZ",
        "Sat, 13 Dec 25 11:00 UT",
        "Saturday, 13-Dec-25 11:00:00 UTC",
        "13 December 2025 11:00:00 +0000",
        "Sat Dec 13 11:00:00 2025",
        "December 13, 2025 06:00 AM EST",
        "Dec 13, 2025 4:30 p.m. IST",
        "  sat, 13  dec 2025\n 11:00:00 gmt ",
        "2025-12-13T11:00:00Z",
        "2025-12-13T11:00:00.000+00:00",
        "2025-12-13T12:00:00+01:00",
        "2025-12-13T12:00:00+0100",
        "2025-12-13T11:00:00",
        "2025-12-13T11:00Z",
        "2025-12-13 11:00:00",
        "2025-12-13 11:00:00 UTC",
        "2025-12-13 12:00:00 +0100",
        "2025-12-13 06:00:00 EST",
        "20251213T110000Z",
        "1765623600",
        "1765623600000",
    ],
)
def test_a_time_is_read_however_it_is_written(text: str) -> None:
    assert published(text, READ) == TOLD


@pytest.mark.parametrize("text", ["2025-12-12", "12 Dec 2025", "Fri, 12 Dec 2025", "Dec 12, 2025", "20251212"])
def test_a_day_is_its_midnight(text: str) -> None:
    assert published(text, READ) == READ - DAY * 3 // 2


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "Sat, 32 Dec 2025 10:00:00 GMT",
        "13.12.2025",
        "13/12/2025 10:00",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "9" * 13,
        "١٢٣٤٥٦٧٨٩٠",
        "Sun, 14 Dec 2025 11:00:00 GMT",
    ],
)
def test_an_unknown_time_or_one_to_come_is_when_it_was_read(text: str | None) -> None:
    assert published(text, READ) == READ


@given(
    text=st.one_of(st.text(max_size=40), st.text("0123456789:-+TZ,. DecSatPMGT", max_size=40), st.datetimes().map(str))
)
def test_no_time_is_to_come(text: str) -> None:
    assert 946_684_800_000 <= published(text, READ) <= READ


# --- one of each ---

SAME: Final = [
    ("SEC approves spot Solana ETFs", "SEC Approves Spot Solana ETFs"),
    ("SEC approves spot Solana ETFs", "The SEC approves a spot Solana ETF"),
    ("SEC approves spot Solana ETFs", "BREAKING: SEC approves spot Solana ETFs"),
    ("SEC approves spot Solana ETFs", "SEC Approves Spot Solana ETFs - The Example"),
    ("U.S. banks may hold bitcoin, regulator says", "US banks may hold Bitcoin, regulator says"),
    ("Fund raises $20 million for its exchange", "Fund raises $20M for its exchange"),
    ("Fund raises $1,500,000 for its exchange", "Fund raises $1.5m for its exchange"),
    ("Bitcoin gains 3 percent as rates fall", "Bitcoin rises 3% as rates drop"),
    ("Bitcoin climbs past $90,000 on ETF demand", "Bitcoin surges above $90K on ETF demand"),
    ("‘No deal’: miner rejects rival’s offer", "'No deal' — miner rejects rival's offer"),
    ("Regulator bans exchange from lending in the country", "UK regulator bans exchange from lending in the country"),
    ("Short one", "Short one!"),
    ("比特币价格上涨", "比特币价格上涨"),
]
OTHERS: Final = [
    ("Coinbase adds support for Bitcoin futures", "Coinbase adds support for Bitcoin Cash futures"),
    ("Vaultex lists Ethereum for customers in Kenya", "Vaultex lists Ethereum Classic for customers in Kenya"),
    ("SEC approves Bitcoin options on exchange", "SEC approves Bitcoin and Ethereum options on exchange"),
    ("Grayscale files for Litecoin ETF with the SEC", "Grayscale files for Solana and Litecoin ETF with the SEC"),
    ("Bitcoin gains 3% as rates fall", "Bitcoin gains 4% as rates fall"),
    ("Bitcoin gains 3% as rates fall", "Solana gains 3% as rates fall"),
    ("Bitcoin rises as Fed decides on rates", "Bitcoin falls as Fed decides on rates"),
    ("Court approves plan to repay all customers", "Court rejects plan to repay all customers"),
    (
        "Exchange halts withdrawals after attack on wallets",
        "Exchange denies halts of withdrawals after attack on wallets",
    ),
    ("Interview with a founder, part 1", "Interview with a founder, part 2"),
    ("Bitcoin falls", "Bitcoin falls again"),
    ("Exchange sues regulator over new rules", "Regulator sues exchange over new rules"),
    ("Bitcoin slips below support level", "Bitcoin slips below support level as miners sell and funds leave"),
    ("Fund buys 1,000 bitcoin", "Fund buys 1,000,000 bitcoin"),
    ("Investors in Acme Corp may join the suit by 9 May", "Investors in Apex Corp may join the suit by 9 May"),
    ("???", "!!!"),
    ("To be", "As it was"),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=range(len(SAME)))
def test_near_equal_titles_are_one_article(one: str, other: str) -> None:
    first, second = told(one, 1), told(other, 2, hours=0.5)
    assert distinct([second, first], []) == [first]
    assert distinct([first], [second]) == []


@pytest.mark.parametrize(("one", "other"), OTHERS, ids=range(len(OTHERS)))
def test_titles_that_say_something_else_are_two(one: str, other: str) -> None:
    assert titles(distinct([told(one, 1), told(other, 2)], [])) == [one, other]


def test_an_article_is_there_once() -> None:
    first, again = told("A title", 1), told("Another title, corrected since", 1, hours=0.5)
    assert distinct([again, first, first], []) == [first]
    assert distinct([again], [first]) == []


def test_a_column_of_each_day_is_another_article() -> None:
    first, next_day = told("Your morning briefing", 1, hours=-24), told("Your morning briefing", 2)
    assert distinct([first, next_day], []) == [first, next_day]
    assert distinct([first, told("Your morning briefing", 3, hours=-0.1)], []) == [first]


ARTICLES: Final = st.builds(
    lambda words, number, hours: told(" ".join(words), number, hours=hours),
    st.lists(
        st.sampled_from(["Bitcoin", "gains", "rises", "3%", "the", "Fed", "rates", "cut", "not", "bank"]),
        min_size=1,
        max_size=7,
    ),
    st.integers(1, 9),
    st.integers(-30, 0),
)


@given(new=st.lists(ARTICLES, max_size=8), known=st.lists(ARTICLES, max_size=3), seed=st.integers(0, 99))
def test_order_does_not_matter_and_nothing_is_lost(new: list[Article], known: list[Article], seed: int) -> None:
    found = distinct(new, known)
    assert distinct(Random(seed).sample(new, len(new)), known[::-1]) == found
    assert distinct(found, known) == found
    assert distinct(found, []) == found
    assert distinct(new, [*known, *found]) == []
    for each in new:
        if each not in found:  # one alone is kept; one left out is like one that is there
            assert any(distinct([each], [other]) == [] for other in [*known, *found])


# --- recorded feeds ---


def element(of: str, name: str) -> str:
    found = re.search(rf"<{name}[^>]*>(.*?)</{name}>", of, re.DOTALL)
    return unescape(found[1]) if found else ""


def recorded(path: Path) -> list[Item]:
    """What is in a recorded feed, read as simply as can be."""
    if path.suffix == ".json":
        articles = json.loads(path.read_bytes())["articles"]
        return [
            Item(
                each["title"], each["description"] or "", each["url"], each["publishedAt"], each["source"]["name"], None
            )
            for each in articles
        ]
    items = path.read_text().split("<item>")[1:]
    return [
        Item(
            element(each, "title"),
            element(each, "description"),
            element(each, "link"),
            element(each, "pubDate"),
            "",
            "en",
        )
        for each in items
    ]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded feeds")
@pytest.mark.parametrize(
    ("path", "count", "once", "assets"),
    [
        ("rss/coindesk.rss", 25, 25, "AAVE BTC DOT ETH FIL HBAR LINK SOL SUI USDT XRP"),
        ("rss/theblock.rss", 19, 19, "AAVE BTC SOL USDT XRP"),
        ("rss/prnews-news-releases-list.rss", 20, 18, ""),
        ("newsapi/everything_200_bitcoin_2020-08-09.json", 20, 20, "BTC ETH LINK XRP"),
    ],
    ids=["coindesk", "theblock", "prnewswire", "newsapi"],
)
def test_recorded_feeds_are_read_whole(path: str, count: int, once: int, assets: str) -> None:
    found = [article(item, READ, NAMES) for item in recorded(RECORDED / path)]
    articles = [each for each in found if each]
    assert (len(found), len(articles), len(distinct(articles, []))) == (count, count, once)
    assert {asset for each in articles for asset in each.assets} == set(assets.split())
    assert all(each.published_at < READ and not re.search("[<>]|&#|utm_", each.title + each.url) for each in articles)

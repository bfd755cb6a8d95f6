"""News in the Market table: each article once, listed by time and by asset, and how its sources do.

| pk                       | sk               | holds                                                             |
| ------------------------ | ---------------- | ----------------------------------------------------------------- |
| `ARTICLE#<id>`           | `ARTICLE`        | that it is there                                                  |
| `NEWS#ALL#<yyyy-mm>`     | `<time>#<id>`    | it, packed, and its score where that counts                       |
| `NEWS#<asset>#<yyyy-mm>` | `<time>#<id>`    | the same, for each asset that it names                            |
| `NEWSFEED`               | a source's name  | how it has been answering, and what its next asking starts from   |

Times are those of publication, 13 digits of Unix ms. Articles end 90 days after that.
"""

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Final, Literal

import msgspec
from msgspec import Struct

from cryptopulse.aws.dynamodb import Item, Table, Write
from cryptopulse.domain.asset_sentiment import Scored
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.news import Article
from cryptopulse.domain.news_sources import Source
from cryptopulse.errors import ConditionError

LIFETIME: Final = 90 * DAY
"""How long (ms) an article is shown."""
SCORED: Final = ("en", "")
"""Languages of which scores count."""
LISTED: Final = 50
"""Assets by which an article is listed, the first it names: a transaction holds 100 items, and a text may name all."""
LATEST: Final = 10**13 - 1
"""The last time of 13 digits."""


class Kept(Struct, frozen=True):
    """An article with its score and what moved it."""

    article: Article
    score: float
    """-1 to 1; 0 in a language that is not scored."""
    label: Literal["positive", "neutral", "negative"]
    words: list[tuple[str, float]]
    """What moved the score, and by how much, the strongest first."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Kept)


class News:
    """Reads and writes news."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # --- articles ---

    def unknown(self, articles: Iterable[Kept]) -> list[Kept]:
        """Those that are not stored; one that two sources tell is told twice."""
        asked = [(_key(each.article.id), each) for each in articles]
        known = self._table.get_many(key for key, _ in asked)
        return [each for key, each in asked if key not in known]

    def near(self, times: Iterable[int]) -> list[Article]:
        """Articles published within a day of one of these times (Unix ms)."""
        spans: list[tuple[int, int]] = []
        for time in sorted(times):
            start = spans.pop()[0] if spans and time - DAY <= spans[-1][1] else time - DAY
            spans.append((start, time + DAY))
        return [_kept(item).article for span in spans for item in self._between(None, *span)]

    def keep(self, articles: Iterable[Kept]) -> list[Kept]:
        """Stores articles, each whole or not at all, and returns those that were not there before."""
        return [each for each in articles if self._add(each)]

    def page(self, asset: str | None, before: tuple[int, str] | None, limit: int, now: int) -> list[Kept]:
        """The newest articles, the newest first.

        Args:
            asset: Whose; None for all.
            before: Time and id of an article: only those that come after it in this order.
            limit: How many at most.
            now: Unix ms; they go 90 days back.
        """
        last = _position(*before) if before else ""
        end = before[0] if before else now
        items = self._between(asset, now - LIFETIME, end, is_backwards=True, page=limit + 1)
        return [_kept(item) for item in islice((item for item in items if not last or item["sk"] < last), limit)]

    def since(self, asset: str | None, time: int, now: int, most: int) -> list[Kept]:
        """Articles published at a time or later, the oldest first; consistently, so that none is passed over for good.

        Args:
            asset: Whose; None for all.
            time: Unix ms; at most 90 days back.
            now: Unix ms.
            most: How many at most.
        """
        items = self._between(asset, max(time, now - LIFETIME), now, page=most, consistent=True)
        return [_kept(item) for item in islice(items, most)]

    def scores(self, asset: str, start: int, end: int) -> list[Scored]:
        """The scores of an asset's articles published from a time to another (Unix ms), both included."""
        items = self._between(asset, start, end, attributes=("sk", "score"))
        return [Scored(int(item["sk"][:13]), float(item["score"])) for item in items if "score" in item]

    def _add(self, kept: Kept) -> bool:
        article = kept.article
        expires_at = (article.published_at + LIFETIME) // 1000
        month, sk = _month(article.published_at), _position(article.published_at, article.id)
        listed: Item = {"sk": sk, "article": zlib.compress(_encoder.encode(kept)), "expires_at": expires_at}
        if article.language in SCORED:
            listed["score"] = Decimal(str(kept.score))
        pk, own = _key(article.id)
        items = [{"pk": pk, "sk": own, "time": article.published_at, "expires_at": expires_at}]
        items += [{"pk": f"NEWS#{name}#{month}", **listed} for name in ("ALL", *article.assets[:LISTED])]
        try:
            self._table.transact([Write(item, 0) for item in items])
        except ConditionError:
            return False
        return True

    def _between(
        self,
        asset: str | None,
        start: int,
        end: int,
        *,
        is_backwards: bool = False,
        page: int | None = None,
        attributes: tuple[str, ...] = (),
        consistent: bool = False,
    ) -> Iterator[Item]:
        """The items of a listing from a time to another, both included, over months."""
        months = _months(start, end) if start <= end else []  # a cursor may be older than what is shown
        for month in reversed(months) if is_backwards else months:
            yield from self._table.query(
                f"NEWS#{asset or 'ALL'}#{month}",
                _position(start, ""),
                _position(end, "~"),
                consistent=consistent,
                is_backwards=is_backwards,
                page=page,
                attributes=attributes,
            )

    # --- sources ---

    def sources(self) -> dict[str, Source]:
        """What is known of every source that was ever asked, by name."""
        return {item["sk"]: msgspec.convert(item, Source) for item in self._table.query("NEWSFEED")}

    def save(self, name: str, source: Source) -> None:
        """Keeps what is known of a source."""
        self._table.put({"pk": "NEWSFEED", "sk": name, **msgspec.to_builtins(source)})


def _key(id_: str) -> tuple[str, str]:
    return f"ARTICLE#{id_}", "ARTICLE"


def _position(time: int, id_: str) -> str:
    return f"{min(max(time, 0), LATEST):013}#{id_}"


def _kept(item: Item) -> Kept:
    return _decoder.decode(zlib.decompress(item["article"]))


def _month(time: int) -> str:
    return datetime.fromtimestamp(time // 1000, UTC).strftime("%Y-%m")


def _months(start: int, end: int) -> list[str]:
    """The months (UTC) that a span touches, in order."""
    first, last = (datetime.fromtimestamp(time // 1000, UTC) for time in (start, end))
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12}-{number % 12 + 1:02}" for number in numbers]

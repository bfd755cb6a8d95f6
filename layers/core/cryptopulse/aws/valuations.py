"""Valuations of portfolios, whose past months are kept in the Accounts table.

| pk          | sk                            | holds                                                             |
| ----------- | ----------------------------- | ----------------------------------------------------------------- |
| `USER#<id>` | `DAYS#<portfolio>#<yyyy-mm>`  | a month: its days with their flows, and what there was at the end |

What is large goes on at `…#1`, `…#2`. Readers write what they had to value. No condition is needed: a month names the
portfolio's version that it was made of, and the header tells which version last changed it.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from itertools import batched, groupby
from operator import attrgetter
from secrets import token_hex
from typing import Final

from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.aws.quotes import QuotesReader
from cryptopulse.domain.bookkeeping import moves
from cryptopulse.domain.ledgers import PIECE, Reader
from cryptopulse.domain.portfolios import Currency
from cryptopulse.domain.times import month_of, month_start
from cryptopulse.domain.valuation import Inventory, Valuation, valuation
from cryptopulse.domain.valued_months import Part, ValuedMonth, decode, encode, joined, parts, settled, whole
from cryptopulse.errors import ThrottledError
from cryptopulse.telemetry import logger

PIECES: Final = 9
"""A month of more, some 90,000 flows, is not kept."""
AT_ONCE: Final = 12
"""Months valued before they are written: who has no more time finds them when he asks again."""
_time = attrgetter("time")


class Valuations:
    """Values portfolios, and keeps what their past months came to.

    Args:
        table: The Accounts table.
        quotes: The prices.
    """

    def __init__(self, table: Table, quotes: QuotesReader) -> None:
        self._table = table
        self._quotes = quotes

    def over(self, user: str, reader: Reader, start: int, end: int, now: int, *, keeps: bool = True) -> Valuation:
        """What a user's portfolio was worth over a period; the same whatever is kept.

        Args:
            user: Whose.
            reader: The portfolio.
            start: Unix ms; included.
            end: Unix ms; not included.
            now: Unix ms.
            keeps: Whether to keep the months that had to be valued.
        """
        first = reader.first
        if first is None or first >= end:
            return joined([], start, end, [])
        since = month_start(month_of(first))
        wanted = parts(start if start > first else since, end)
        before = min(month_of(start) - 1, settled(now))
        months = range(max(month_of(first), before), min(month_of(end), settled(now) + 1))
        kept = self._kept(user, reader, months, now)
        if wanted[0] not in kept and before in months:
            wanted.insert(0, whole(before))  # for what there is at the start
        walk = _Walk(self._quotes, reader, since, now)
        for (is_kept, _), run in groupby(wanted, key=lambda part: (part in kept, part.end <= start)):
            if is_kept:
                walk.skip([kept[part] for part in run])
                continue
            for some in batched(run, AT_ONCE, strict=False):
                made = walk.value(some, months if keeps else range(0))
                self._keep(user, reader.portfolio.id, made)
        valued = [each for each in walk.valued if each.end > start]
        return joined(valued, start, end, walk.unknown({asset for each in valued for asset in each.unpriced}, end))

    def _kept(self, user: str, reader: Reader, months: range, now: int) -> dict[Part, ValuedMonth]:
        """Those of these months that are kept, and hold."""
        if not months:
            return {}
        portfolio = reader.portfolio
        first, last = (f"DAYS#{portfolio.id}#{_name(month)}" for month in (months[0], months[-1]))
        items = self._table.query(f"USER#{user}", first, f"{last}~")
        packed = [_joined(list(pieces)) for _, pieces in groupby(items, key=lambda item: item["sk"].split("#")[2])]
        found = [month for data in packed if data is not None and (month := decode(data)) is not None]
        paths = self._quotes.paths({asset for each in found for asset in each.paths}, portfolio.base_currency, now)
        return {
            Part(each.valuation.start, each.valuation.end): each
            for each in found
            if each.holds(reader.head, portfolio.version, paths, now)
        }

    def _keep(self, user: str, pid: str, made: Mapping[int, bytes]) -> None:
        """Writes months. Those that are missing are made again, so what fails here is logged."""
        try:
            for month, data in made.items():
                self._write(f"USER#{user}", f"DAYS#{pid}#{_name(month)}", data)
        except ThrottledError:
            logger.exception("months not kept", user=user)

    def _write(self, pk: str, sk: str, data: bytes) -> None:
        pieces, salt = -(-len(data) // PIECE), token_hex(4)
        if pieces > PIECES:
            return
        for piece in reversed(range(pieces)):  # who reads the first finds the others
            name = f"{sk}#{piece}" if piece else sk
            part = data[piece * PIECE : (piece + 1) * PIECE]
            self._table.put({"pk": pk, "sk": name, "pieces": pieces, "salt": salt, "data": part})


class _Walk:
    """Goes through a portfolio's parts of time in order.

    Args:
        quotes: The prices.
        reader: The portfolio.
        since: What the market knew is known from then on (Unix ms).
        now: Unix ms.
    """

    def __init__(self, quotes: QuotesReader, reader: Reader, since: int, now: int) -> None:
        self._quotes = quotes
        self._reader = reader
        self._base: Currency = reader.portfolio.base_currency
        self._since = since
        self._now = now
        self._inventory = Inventory()
        self._reached = 0
        self.valued: list[Valuation] = []

    def skip(self, kept: Sequence[ValuedMonth]) -> None:
        """Goes over months that are valued."""
        self.valued += [each.valuation for each in kept]
        self._inventory, self._reached = kept[-1].inventory, kept[-1].valuation.end

    def value(self, run: Sequence[Part], months: range) -> dict[int, bytes]:
        """Values parts that meet each other; returns those of these months that are among them, packed."""
        start, end = run[0].start, run[-1].end
        transactions = list(self._reader.transactions(self._reached, end))
        place = bisect_left(transactions, start, key=_time)
        for tx in transactions[:place]:
            self._inventory.take(tx)
            self._inventory.learn(tx, self._base)
        assets = {asset for asset, quantity in self._inventory.quantities.items() if quantity}
        assets |= {asset for tx in transactions[place:] for asset, _ in moves(tx)}
        times = {tx.time for tx in transactions[place:]}
        quotes = self._quotes.span(assets, self._base, start, end, times, self._now, self._since)
        paths = self._quotes.paths(assets, self._base, self._now)
        made = {}
        for part in run:
            until = bisect_left(transactions, part.end, key=_time)
            valued = valuation(self._inventory, transactions[place:until], quotes, self._base, part.start, part.end)
            self.valued.append(valued)
            month, place = month_of(part.start), until
            if month in months and part == whole(month):
                version = self._reader.portfolio.version
                made[month] = encode(ValuedMonth.of(valued, self._inventory, quotes, paths, version, self._now))
        self._reached = end
        return made

    def unknown(self, assets: Collection[str], end: int) -> list[str]:
        """Those of the assets that no market knew up to the end (Unix ms)."""
        if not assets:
            return []
        quotes = self._quotes.span(assets, self._base, end, end, (), self._now, self._since)
        return [asset for asset in assets if quotes.last(asset, end) is None]


def _name(month: int) -> str:
    return f"{1970 + month // 12}-{month % 12 + 1:02}"


def _joined(pieces: Sequence[Item]) -> bytes | None:
    """What a month's pieces hold; None where not all of them are there, or they are of different ones."""
    first = pieces[0]
    own = pieces[: first["pieces"]]
    if len(own) < first["pieces"] or any(piece["salt"] != first["salt"] for piece in own):
        return None
    return b"".join(piece["data"] for piece in own)

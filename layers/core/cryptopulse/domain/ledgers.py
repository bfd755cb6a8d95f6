"""Ledgers: a portfolio's transactions packed into blocks, with their names and lots; `revisions` says how they change.

A header holds what most requests need: the newest transactions (the tail) and the balances. All else is in items that
never change once written: blocks of transactions in order; buckets of the index, which knows the hash of each name in
the blocks; the lots at the end of the last block, an item for each asset; and a map of all these. A change writes what
is new under new names and then the header, so it is seen at once or not at all. What it replaced is removed by a later
change, a minute on at the earliest, so that who is reading may go on.
"""

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from itertools import batched
from operator import attrgetter, itemgetter
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from cryptopulse.domain.bookkeeping import enter, moves
from cryptopulse.domain.lots import (
    Book,
    Method,
    restore,
)
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.tokens import is_id
from cryptopulse.domain.transactions import Key, Transaction, time_of
from cryptopulse.errors import NotFoundError, SchemaError

PIECE: Final = 350_000
"""Bytes of packed data in one item, of which DynamoDB takes 400 KB."""
BUCKETS: Final = 64
"""Of the index. With 100,000 names one is 12 KB; more of them would cost as many units, in more calls."""
_RECENT: Final = -1
"""In place of a bucket's number: those not in buckets yet."""
HASH: Final = 8
"""Bytes of a name's hash."""
_READ_AHEAD: Final = 16
"""Blocks read at once."""

type ItemKind = Literal["TX", "KNOWN", "LOTS", "MAP"]
"""Blocks, the index, lots, maps."""


class Limits(NamedTuple):
    """How much goes where."""

    tail: int = 64
    """Transactions in the header; when there are more, the oldest go into blocks."""
    kept: int = 16
    """Transactions that stay in the header then."""
    tail_size: int = 100_000
    """Bytes of the packed tail. With the balances of 2,000 assets, 62 each at most, the header stays below 400 KB."""
    block: int = 1_000
    block_size: int = 200_000
    """Bytes of a packed block of more than one transaction."""
    recent: int = 1_000
    """Names not yet sorted into buckets."""
    transactions: int = 200_000
    assets: int = 2_000


LIMITS: Final = Limits()


class Ref(Struct, frozen=True, array_like=True, gc=False):
    """The name of an item that never changes.

    No number is used twice by those whose change came to be; the salt tells them from the others.
    """

    kind: ItemKind
    number: int
    salt: str
    pieces: int


class Block(Struct, frozen=True, array_like=True):
    """Where some transactions are, how many, how large in bytes, and the place of their last."""

    ref: Ref
    count: int
    size: int
    last: Key


class Lots(Struct, frozen=True, array_like=True):
    """Where an asset's lots are, and a hash of them."""

    ref: Ref
    digest: bytes


class Replaced(Struct, frozen=True, array_like=True):
    """What is to be removed, and when it was replaced (Unix ms)."""

    time: int
    refs: list[Ref]


class Map(Struct, frozen=True, array_like=True):
    """Where everything is that is not in the header."""

    blocks: list[Block] = []
    recent: Ref | None = None
    """Hashes not yet in buckets."""
    buckets: dict[int, Ref] = {}
    totals: bytes | None = None
    """The book at the end of the blocks, but for its lots."""
    lots: dict[str, Lots] = {}
    moved: dict[str, int] = {}
    """The times of those in blocks whose id says another."""
    replaced: list[Replaced] = []

    @property
    def refs(self) -> set[Ref]:
        """All that is in use."""
        refs = {block.ref for block in self.blocks} | {lots.ref for lots in self.lots.values()}
        return refs | {*self.buckets.values()} | ({self.recent} if self.recent else set())


class Head(Struct, frozen=True, array_like=True):
    """What the header holds."""

    count: int = 0
    number: int = 0
    """Of the next item."""
    map: Ref | None = None
    end: Key | None = None
    """The place of the last transaction in blocks."""
    tail: bytes = b""
    balances: dict[str, Decimal] = {}
    """What there is of each asset that was ever moved, at the end."""
    touched: list[tuple[int, int]] = []
    """Months, as of `times.month_of`, and the versions that last changed what happened in them or before.

    Both rise: a change drops the months after its first one, for it speaks for them too.
    """

    def touched_at(self, month: int) -> int:
        """The version that last changed what happened by the end of a month; 0 where none did."""
        place = bisect_right(self.touched, month, key=itemgetter(0))
        return self.touched[place - 1][1] if place else 0


class Items(Protocol):
    """Reads a portfolio's items."""

    def read(self, refs: Sequence[Ref]) -> list[bytes]:
        """What each of these holds, pieces joined."""


class Reader:
    """A portfolio and its transactions as they were at one moment.

    Args:
        portfolio: Whose.
        head: Its header, packed.
        items: Reads the rest.
    """

    def __init__(self, portfolio: Portfolio, head: bytes, items: Items, limits: Limits = LIMITS) -> None:
        self.portfolio: Final = portfolio
        self.head: Final = decode_head(head)
        self.limits: Final = limits
        self._items = items

    @property
    def count(self) -> int:
        """How many transactions there are."""
        return self.head.count

    @property
    def balances(self) -> dict[str, Decimal]:
        """What there is of each asset; never below 0."""
        return {asset: quantity for asset, quantity in self.head.balances.items() if quantity}

    @cached_property
    def tail(self) -> list[Transaction]:
        """The newest transactions, oldest first."""
        return decode_block(self.head.tail) if self.head.tail else []

    @cached_property
    def map(self) -> Map:
        """Where the rest is."""
        return decode_map(self.read(self.head.map)) if self.head.map else Map()

    @property
    def first(self) -> int | None:
        """When the oldest transaction was (Unix ms)."""
        oldest = self.tail if self.head.end is None else decode_block(self.read(self.map.blocks[0].ref))
        return oldest[0].time if oldest else None

    @property
    def last(self) -> Key | None:
        """The place of the newest transaction."""
        return self.tail[-1].key if self.tail else self.head.end

    def read(self, ref: Ref) -> bytes:
        """What an item holds."""
        (data,) = self._items.read([ref])
        return data

    # --- transactions ---

    def find(self, id_: str) -> Transaction:
        """The transaction with this id.

        Raises:
            NotFoundError: There is none.
        """
        return self.find_all([id_])[id_]

    def find_all(self, ids: Collection[str]) -> dict[str, Transaction]:
        """The transactions with these ids.

        Raises:
            NotFoundError: One of them does not exist.
        """
        wanted = set(ids)
        found = {tx.id: tx for tx in self.tail if tx.id in wanted}
        blocks: dict[Ref, Block] = {}
        for id_ in wanted - found.keys():
            if is_id(id_):
                blocks |= {block.ref: block for block in self._candidates(id_)}
        for _, transactions in self._decoded(list(blocks.values())):
            found |= {tx.id: tx for tx in transactions if tx.id in wanted}
        if len(found) < len(wanted):
            raise NotFoundError("There is no such transaction.")
        return found

    def _candidates(self, id_: str) -> list[Block]:
        """The blocks that may hold an id: one, but where a millisecond fills more."""
        blocks = self.map.blocks
        time = self.map.moved.get(id_, time_of(id_))
        places = {bisect_left(blocks, Key(time, rank, id_), key=attrgetter("last")) for rank in range(3)}
        return [blocks[place] for place in places if place < len(blocks)]

    def page(self, after: Key | None, limit: int) -> list[Transaction]:
        """Up to `limit` transactions, newest first, from the one before `after` on."""
        page: list[Transaction] = []
        for transactions in self._backwards(after):
            older = [tx for tx in reversed(transactions) if after is None or tx.key < after]
            page += older[: limit - len(page)]
            if len(page) == limit:
                break
        return page

    def _backwards(self, after: Key | None) -> Iterator[list[Transaction]]:
        yield self.tail
        if self.head.end is None:
            return
        blocks = self.map.blocks
        until = len(blocks) if after is None else bisect_left(blocks, after, key=attrgetter("last")) + 1
        for block in reversed(blocks[:until]):
            yield decode_block(self.read(block.ref))

    def transactions(self, start: int = 0, end: int | None = None) -> Iterator[Transaction]:
        """The transactions with `start` <= time < `end` (Unix ms), oldest first."""
        for transactions in self._forwards(start, end):
            for tx in transactions:
                if tx.time >= start and (end is None or tx.time < end):
                    yield tx

    def _forwards(self, start: int, end: int | None) -> Iterator[list[Transaction]]:
        if self.head.end is not None and start <= self.head.end.time:
            blocks = self.map.blocks
            from_ = bisect_left(blocks, start, key=lambda block: block.last.time)
            until = len(blocks) if end is None else bisect_left(blocks, end, key=lambda block: block.last.time) + 1
            for _, transactions in self._decoded(blocks[from_:until]):
                yield transactions
        yield self.tail

    def _decoded(self, blocks: Sequence[Block]) -> Iterator[tuple[Block, list[Transaction]]]:
        for batch in batched(blocks, _READ_AHEAD, strict=False):
            for block, data in zip(batch, self._items.read([block.ref for block in batch]), strict=True):
                yield block, decode_block(data)

    def blocks(self) -> Iterator[tuple[Block, list[Transaction]]]:
        """All blocks with what is in them."""
        return self._decoded(self.map.blocks)

    # --- names ---

    def known(self, names: Collection[str]) -> set[str]:
        """Those of the names that transactions have here."""
        own = {tx.name for tx in self.tail}
        hashes = {name: hash_name(name) for name in names if name not in own}
        known = own.intersection(names)
        if self.head.end is None or not hashes:
            return known
        buckets = {bucket_of(each) for each in hashes.values()}
        refs = [(bucket, ref) for bucket, ref in self.map.buckets.items() if bucket in buckets]
        if self.map.recent is not None:
            refs.append((_RECENT, self.map.recent))
        data = self._items.read([ref for _, ref in refs])
        stored = {bucket: each for (bucket, _), each in zip(refs, data, strict=True)}
        return known | {
            name
            for name, each in hashes.items()
            if any(_holds(stored.get(bucket, b""), each) for bucket in (_RECENT, bucket_of(each)))
        }

    def hashes(self, ref: Ref | None) -> set[bytes]:
        """The hashes in a part of the index."""
        data = b"" if ref is None else self.read(ref)
        return {data[at : at + HASH] for at in range(0, len(data), HASH)}

    # --- lots ---

    def book(self, method: Method | None = None, end: int | None = None) -> Book:
        """The lots at the end, or before a time (Unix ms).

        Args:
            method: None for the portfolio's own, whose lots are stored: then only the tail is entered, and lots are
                read of the assets of which something is taken. Under another everything is entered anew.
            end: The time.
        """
        is_own = method is None or method == self.portfolio.cost_basis
        is_after_blocks = self.head.end is None or end is None or self.head.end.time < end
        if is_own and is_after_blocks:
            book, transactions = self.stored_book(), iter(self.tail)
        else:
            book, transactions = Book(method or self.portfolio.cost_basis), self.transactions(end=end)
        for tx in transactions:
            if end is None or tx.time < end:
                enter(book, tx, self.portfolio.base_currency)
        return book

    def stored_book(self, coming: Iterable[Transaction] = ()) -> Book:
        """The book at the end of the blocks; lots are read at once of what the tail, or what is coming, takes."""
        totals = self.map.totals
        if totals is None:
            return Book(self.portfolio.cost_basis)
        taken = {asset for tx in (*self.tail, *coming) for asset, change in moves(tx) if change < 0}
        assets = [asset for asset in sorted(taken) if asset in self.map.lots]
        ready = dict(zip(assets, self._items.read([self.map.lots[asset].ref for asset in assets]), strict=True))
        return restore(totals, lambda asset: ready.get(asset) or self.read(self.map.lots[asset].ref))


# --- the packed forms ---

_FORMAT: Final = b"\x01"

_encoder = msgspec.msgpack.Encoder()
_block_decoder = msgspec.msgpack.Decoder(list[Transaction])
_map_decoder = msgspec.msgpack.Decoder(Map)
_head_decoder = msgspec.msgpack.Decoder(Head)


def encode_block(transactions: Sequence[Transaction]) -> bytes:
    """Transactions as bytes, some 55 each."""
    return pack(transactions)


def decode_block(data: bytes) -> list[Transaction]:
    """The transactions that `encode_block` packed.

    Raises:
        SchemaError: It is of a later release.
    """
    return _block_decoder.decode(_unpacked(data))


def encode_head(head: Head) -> bytes:
    """The header as bytes."""
    return pack(head)


def decode_head(data: bytes) -> Head:
    """The header that `encode_head` packed.

    Raises:
        SchemaError: It is of a later release.
    """
    return _head_decoder.decode(_unpacked(data))


def decode_map(data: bytes) -> Map:
    """The map that `pack` packed.

    Raises:
        SchemaError: It is of a later release.
    """
    return _map_decoder.decode(_unpacked(data))


def pack(content: object) -> bytes:
    """Anything of a ledger as bytes."""
    # A higher level takes three times as long for the last eighth.
    return _FORMAT + zlib.compress(_encoder.encode(content), 1)


def _unpacked(data: bytes) -> bytes:
    if data[:1] != _FORMAT:
        raise SchemaError("ledger", data[:1], _FORMAT[0])
    return zlib.decompress(data[1:])


def hash_name(name: str) -> bytes:
    """What the index knows of a name."""
    return sha256(name.encode()).digest()[:HASH]


def _holds(hashes: bytes, hash_: bytes) -> bool:
    """Whether a hash is among some, which are joined in their order."""
    places = range(0, len(hashes), HASH)
    place = bisect_left(places, hash_, key=lambda at: hashes[at : at + HASH])
    return hashes[place * HASH : (place + 1) * HASH] == hash_


def bucket_of(hash_: bytes) -> int:
    """The bucket of the index that a hash belongs in."""
    return hash_[0] % BUCKETS

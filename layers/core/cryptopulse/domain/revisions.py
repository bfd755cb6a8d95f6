"""Revisions of ledgers: what an edit comes to, in its portfolio and in all to which lots were transferred since."""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import batched
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from cryptopulse.domain.bookkeeping import enter, moves
from cryptopulse.domain.ledgers import (
    HASH,
    PIECE,
    Block,
    Head,
    ItemKind,
    Lots,
    Map,
    Reader,
    Ref,
    Replaced,
    bucket_of,
    decode_block,
    encode_block,
    encode_head,
    hash_name,
    pack,
)
from cryptopulse.domain.lots import (
    EXACT,
    ZERO,
    Book,
    Part,
    StoredLots,
    encode_lots,
    encode_totals,
    rounded,
)
from cryptopulse.domain.portfolios import Currency, Portfolio
from cryptopulse.domain.times import month_of, rfc3339
from cryptopulse.domain.transactions import Key, Transaction, time_of
from cryptopulse.errors import ConflictError, InvalidError, NotFoundError, RacedError, ShortError

KEPT: Final = 60_000
"""How long what was replaced is kept for those who are reading it, in ms."""
REMOVED: Final = 4
"""What so many changes replaced, the next one removes at most: no request is to do all that others left."""
_BEFORE_ALL: Final = Key(0, 0, "")
_add, _multiply = EXACT.add, EXACT.multiply
_by_key = attrgetter("key")


class Edit(NamedTuple):
    """Transactions to remove, by id, and to add: one that changes is removed and added under its id.

    `base` is the currency that those added are marked in, for the portfolio may have got another since.
    """

    remove: Collection[str] = ()
    add: Sequence[Transaction] = ()
    base: Currency | None = None


class Short(NamedTuple):
    """A transaction that takes more of an asset than there is, and how much more."""

    transaction: Transaction
    asset: str
    missing: Decimal


class Change(NamedTuple):
    """What is to be written of one portfolio: the new items, then the header; then the old items may go."""

    portfolio: Portfolio
    head: bytes
    written: dict[Ref, bytes]
    removed: list[Ref]


class Revised(NamedTuple):
    """What an edit comes to; `skipped` are names known before."""

    changes: list[Change]
    shorts: list[Short]
    skipped: list[str]


def revise(
    edits: Mapping[str, Edit],
    open_: Callable[[str], Reader | None],
    *,
    salt: str,
    now: int,
    tolerant: bool = False,
    skip_known: bool = False,
    check: Callable[[Mapping[str, Transaction]], None] | None = None,
) -> Revised:
    """What edits of some portfolios come to: in them, and in those to which lots were transferred since.

    Args:
        edits: By portfolio. A transfer between two of them is in the edits of both.
        open_: Reads a portfolio; None where there is none.
        salt: For the names of new items, another each time.
        now: Unix ms.
        tolerant: Whether transactions may take more than there is.
        skip_known: Whether to leave out additions whose names are known, and transfers with them on both sides.
        check: Sees the removed transactions by id, a transfer as the first of its portfolios has it.

    Raises:
        NotFoundError: There is no such portfolio, or none of the transactions to remove.
        ConflictError: A name is known, or there would be too many transactions or assets.
        RacedError: The portfolios were read at different moments, or what they name is gone.
        ShortError: A transaction would take more than there is, or lack more than it did.
        InvalidError: The rate is not known at which a transfer's costs would go over.
    """
    revisions = _Revisions(open_, salt)
    for portfolio, edit in edits.items():
        revisions.add(portfolio, edit)
    if check is not None:
        removed: dict[str, Transaction] = {}
        for revision in reversed(revisions.by_portfolio.values()):
            removed |= revision.removed
        check(removed)
    skipped = revisions.skip_known() if skip_known else revisions.refuse_known()
    revisions.run()
    shorts = revisions.shorts()
    if shorts and not tolerant:
        raise revisions.refusal(shorts[0])
    return Revised(revisions.changes(now), shorts, skipped)


def rebook(reader: Reader, open_: Callable[[str], Reader | None], *, salt: str, now: int) -> list[Change]:
    """What it comes to that a portfolio counts its lots by another method: `reader.portfolio` names it already.

    Raises:
        RacedError: As of `revise`.
    """
    revisions = _Revisions(open_, salt)
    revisions.rebook(reader)
    revisions.run()
    return revisions.changes(now)


class _Revisions:
    """Portfolios that change together, their transactions entered anew side by side, in order.

    So a transfer leaves one book before it comes to the other, and where it takes other lots than it did, the other
    portfolio is opened and changes with it: from there on, for what was before is as it was.
    """

    def __init__(self, open_: Callable[[str], Reader | None], salt: str) -> None:
        self.by_portfolio: dict[str, _Revision] = {}
        self._open = open_
        self._salt = salt
        self._heap: list[tuple[Key, bool, int, _Revision, Iterator[Transaction], Transaction]] = []
        self._pushed = 0

    def add(self, portfolio: str, edit: Edit) -> None:
        reader = self._open(portfolio)
        if reader is None:
            raise NotFoundError("There is no such portfolio.")
        if edit.base not in (None, reader.portfolio.base_currency):
            raise ConflictError("The portfolio's base currency was changed at the same moment; try again.")
        self.by_portfolio[portfolio] = _Revision(reader, self._salt, edit)

    def rebook(self, reader: Reader) -> None:
        revision = self.by_portfolio[reader.portfolio.id] = _Revision(reader, self._salt)
        revision.first = _BEFORE_ALL

    def refuse_known(self) -> list[str]:
        for revision in self.by_portfolio.values():
            for tx in revision.known():
                raise ConflictError(f"There is a transaction {tx.name} already.")
        return []

    def skip_known(self) -> list[str]:
        known = {tx.id: tx.name for revision in self.by_portfolio.values() for tx in revision.known()}
        for revision in self.by_portfolio.values():
            revision.added = {id_: tx for id_, tx in revision.added.items() if id_ not in known}
        return list(known.values())

    def run(self) -> None:
        """Enters what must be entered anew, and all that follows from it."""
        for revision in self.by_portfolio.values():
            if revision.plan():
                self._begin(revision)
        self._enter()
        for revision in self.by_portfolio.values():
            if not revision.is_begun and not revision.append():
                self._begin(revision)
        self._enter()

    def _begin(self, revision: "_Revision") -> None:
        self._follow(revision, revision.begin())

    def _follow(self, revision: "_Revision", events: Iterator[Transaction]) -> None:
        if (tx := next(events, None)) is not None:
            self._pushed += 1
            heapq.heappush(self._heap, (tx.key, tx.is_incoming, self._pushed, revision, events, tx))

    def _enter(self) -> None:
        while self._heap:
            *_, revision, events, tx = heapq.heappop(self._heap)
            if events is not revision.events:  # it was begun anew
                continue
            sent = revision.enter(tx)
            if sent is not None:
                self._send(revision, sent)
            self._follow(revision, events)

    def _send(self, source: "_Revision", tx: Transaction) -> None:
        """Tells the portfolio that a transfer goes to which lots come, if it is there still."""
        to = tx.to_portfolio_id or ""
        target = self.by_portfolio.get(to)
        if target is None:
            reader = self._open(to)
            if reader is None:
                return
            target = self.by_portfolio[to] = _Revision(reader, self._salt)
        target.received[tx.id] = tx.parts, source.portfolio.base_currency
        if tx.id not in target.added and target.touch(tx.key):
            self._begin(target)

    def shorts(self) -> list[Short]:
        found = [short for revision in self.by_portfolio.values() for short in revision.shorts()]
        return sorted(found, key=lambda short: short.transaction.key)

    def refusal(self, short: Short) -> ShortError:
        tx = short.transaction
        is_new = not any(tx.id in revision.removed for revision in self.by_portfolio.values()) and any(
            tx.id in revision.added for revision in self.by_portfolio.values()
        )
        what = f"{tx.type} of {rfc3339(tx.time)[:10]}"
        where = next(pid for pid, revision in self.by_portfolio.items() if short in revision.shorts())
        return ShortError(what, where, None if is_new else tx.id, short.asset, tx.time, short.missing)

    def changes(self, now: int) -> list[Change]:
        changes = [revision.change(now) for revision in self.by_portfolio.values()]
        return [change for change in changes if change is not None]


class _Revision:
    """A portfolio that is changing."""

    def __init__(self, reader: Reader, salt: str, edit: Edit | None = None) -> None:
        edit = edit or Edit()
        self.reader = reader
        self.portfolio = reader.portfolio
        self.removed = reader.find_all(edit.remove)
        self.added = {tx.id: tx for tx in sorted(edit.add, key=_by_key)}
        self.received: dict[str, tuple[tuple[Part, ...], Currency]] = {}
        """By transfer: the lots that come, and the currency of their costs."""
        self.first: Key | None = None
        """From where on lots are entered anew."""
        self.events: Iterator[Transaction] | None = None
        self._salt = salt
        self._additions = deque[Transaction]()
        self._affected: set[str] = set()
        self._limits = reader.limits
        self._start()

    def _start(self) -> None:
        """Forgets what was entered."""
        self._number = self.reader.head.number
        self._written: dict[Ref, bytes] = {}
        self._head: Head | None = None
        self._new_map: Map | None = None
        self._blocks: list[Block] = []
        self._book = Book(self.portfolio.cost_basis)
        self._entered: list[Transaction] = []
        self._is_altered = False
        self._totals = b""
        self._lots: dict[str, bytes | None] = {}
        """Packed; None: as they are stored."""
        self._before: dict[str, Decimal] = {}
        self._after: dict[str, Decimal] = {}
        self._short_before: dict[tuple[str, str], Decimal] = {}
        self._short_after: dict[tuple[str, str], Short] = {}

    # --- what is asked for ---

    def known(self) -> list[Transaction]:
        """Those of the additions whose names are known, or come a second time."""
        freed = {tx.name for tx in self.removed.values()}
        seen = self.reader.known({tx.name for tx in self.added.values()} - freed)
        repeated = []
        for tx in self.added.values():
            if tx.name in seen:
                repeated.append(tx)
            seen.add(tx.name)
        return repeated

    def plan(self) -> bool:
        """Whether lots must be entered anew: not where all comes at the end, has room there and takes no lots off."""
        changed = [*self.removed.values(), *self.added.values()]
        self._affected = {asset for tx in changed for asset, _ in moves(tx)}
        count = self.reader.count + len(self.added) - len(self.removed)
        if self.added and count > self._limits.transactions:
            raise ConflictError(f"A portfolio holds {self._limits.transactions:,} transactions at most.")
        if self.first is None and changed:
            first = min(map(_by_key, changed))
            is_at_end = self.reader.last is None or first > self.reader.last
            has_room = len(self.reader.tail) + len(self.added) <= self._limits.tail
            if not (is_at_end and has_room and all(tx.is_incoming or tx.type != "transfer" for tx in changed)):
                self.first = first
        return self.first is not None

    def touch(self, key: Key) -> bool:
        """Takes notice that a transfer that is stored brings other lots; returns whether to begin (anew) for it."""
        end = self.reader.head.end
        if self.is_begun and (self._is_from_start or end is None or key > end):
            return False  # it is still to be entered: nothing later has been
        self.first = key
        return True

    @property
    def is_begun(self) -> bool:
        return self.events is not None

    @property
    def _is_from_start(self) -> bool:
        end = self.reader.head.end
        return self.first is not None and end is not None and self.first <= end

    # --- all at the end ---

    def append(self) -> bool:
        """Adds to the tail; returns whether there is room."""
        if not self.added:
            return True
        head = self.reader.head
        new = [self._with_parts(tx) for tx in self.added.values()]
        tail = encode_block([*self.reader.tail, *new])
        if len(tail) > self._limits.tail_size:
            self.first = new[0].key
            self.added = {tx.id: tx for tx in new}
            return False
        self._after = dict(head.balances)
        for tx in new:
            self._walk(tx)
        self._check_assets(self._after)
        self._head = msgspec.structs.replace(head, count=head.count + len(new), tail=tail, balances=self._after)
        return True

    # --- anew, from the start or from the end of the blocks ---

    def begin(self) -> Iterator[Transaction]:
        self.events = self._replay()
        return self.events

    def _replay(self) -> Iterator[Transaction]:
        """The transactions as they will be: each must be entered before the next is asked for."""
        self._start()
        self._additions = deque(self.added.values())
        carried: list[Transaction] = []
        if self._is_from_start:
            for block, old in self.reader.blocks():
                yield from self._planned(old, block.last)
                if not self._is_altered and not carried:
                    self._blocks.append(block)
                    continue
                carried += self._entered
                if len(carried) >= self._limits.block // 4:  # fewer go with those that follow
                    self._blocks += self._packed(carried, evenly=True)
                    carried = []
        else:
            self._blocks = list(self.reader.map.blocks)
            self._book = self.reader.stored_book(self.added.values())
            self._before = {
                asset: _add(position.quantity, position.unknown) for asset, position in self._book.positions.items()
            }
            self._after = dict(self._before)
        planned = self._planned(self.reader.tail, None)
        cut = 0 if len(planned) <= self._limits.tail else len(planned) - self._limits.kept
        if cut == 0:
            self._keep()
        for place, tx in enumerate(planned, 1):
            yield tx
            if place == cut:
                self._keep()
        self._settle(carried, cut)

    def _planned(self, old: list[Transaction], until: Key | None) -> list[Transaction]:
        """A stretch of transactions as it will be, but for the parts of transfers."""
        own = []
        while self._additions and (until is None or self._additions[0].key <= until):
            own.append(self._additions.popleft())
        kept = [tx for tx in old if tx.id not in self.removed] if self.removed else old
        planned = sorted([*kept, *own], key=_by_key) if own else kept
        if self._affected:
            for tx in old:
                self._walk_before(tx)
            for tx in planned:
                self._walk(tx)
        self._entered, self._is_altered = [], bool(own) or len(kept) < len(old)
        return planned

    def enter(self, tx: Transaction) -> Transaction | None:
        """Enters the next transaction; returns it if it is a transfer that the portfolio it goes to must hear of."""
        sent = None
        entered = self._with_parts(tx)
        given = enter(self._book, entered, self.portfolio.base_currency).given
        if tx.type == "transfer" and not tx.is_incoming:
            if given != tx.parts:
                entered = msgspec.structs.replace(tx, parts=given)
            if entered is not tx or tx.id in self.added:
                sent = entered
        self._is_altered |= entered is not tx
        self._entered.append(entered)
        return sent

    def _with_parts(self, tx: Transaction) -> Transaction:
        """A transfer that came, with the lots that came by it if they are others."""
        if not tx.is_incoming or tx.id not in self.received:
            return tx
        parts, currency = self.received.pop(tx.id)
        if currency != self.portfolio.base_currency:
            mark = tx.marks.get(currency)
            if mark is None:
                raise InvalidError("to_portfolio_id", f"The rate from {currency} at the time is not known")
            parts = tuple(
                msgspec.structs.replace(part, cost=rounded(_multiply(part.cost, mark.price))) for part in parts
            )
        return tx if parts == tx.parts else msgspec.structs.replace(tx, parts=parts)

    def _walk_before(self, tx: Transaction) -> None:
        for asset, change in moves(tx):
            if asset in self._affected:
                left = _add(self._before.get(asset, ZERO), change)
                if left < 0:
                    name = tx.id, asset
                    self._short_before[name] = _add(self._short_before.get(name, ZERO), left.copy_abs())
                self._before[asset] = max(left, ZERO)

    def _walk(self, tx: Transaction) -> None:
        for asset, change in moves(tx):
            if asset in self._affected:
                left = _add(self._after.get(asset, ZERO), change)
                if left < 0:
                    known = self._short_after.get((tx.id, asset))
                    missing = _add(known.missing if known else ZERO, left.copy_abs())
                    self._short_after[tx.id, asset] = Short(tx, asset, missing)
                self._after[asset] = max(left, ZERO)

    def shorts(self) -> list[Short]:
        """The transactions that take more than there is, and did not, or not as much more."""
        return [
            short for name, short in self._short_after.items() if short.missing > self._short_before.get(name, ZERO)
        ]

    # --- what comes of it ---

    def _keep(self) -> None:
        """Keeps the book as it is now: at what will be the end of the blocks."""
        lots: dict[str, bytes | None] = {}
        for asset, position in self._book.positions.items():
            if position.quantity:
                is_stored = isinstance(position.lots, StoredLots) and not position.lots.is_touched
                lots[asset] = None if is_stored else encode_lots(position.lots)
        self._totals, self._lots = encode_totals(self._book), lots

    def _check_assets(self, balances: Mapping[str, Decimal]) -> None:
        if len(balances) > max(self._limits.assets, len(self.reader.head.balances)):
            raise ConflictError(f"A portfolio holds {self._limits.assets:,} assets at most.")

    def _settle(self, carried: list[Transaction], cut: int) -> None:
        """Makes the blocks, the tail and all that goes with them, once everything is entered."""
        if self.received:
            raise RacedError("A transfer was removed while its portfolios were read; try again.")
        flushed, tail = self._entered[:cut], self._entered[cut:]
        packed = encode_block(tail)
        if len(packed) > self._limits.tail_size:
            self._keep()
            flushed, tail, packed = self._entered, [], encode_block([])
        if flushed and not carried and self._blocks:
            last = self._blocks[-1]
            if last.count < self._limits.block and last.size < self._limits.block_size:
                carried = decode_block(self._written.pop(last.ref, b"") or self.reader.read(last.ref))
                self._blocks.pop()
        self._blocks += self._packed([*carried, *flushed], evenly=False)
        end = self._blocks[-1].last if self._blocks else None
        balances = {asset: _add(each.quantity, each.unknown) for asset, each in self._book.positions.items()}
        self._check_assets(balances)
        map_ = self._mapped(end)
        if map_ == self.reader.map:
            map_ref = self.reader.head.map
        else:
            self._new_map, map_ref = map_, None
        self._head = Head(
            count=self.reader.count + len(self.added) - len(self.removed),
            number=self._number,
            map=map_ref,
            end=end,
            tail=packed,
            balances=balances,
        )

    def _mapped(self, end: Key | None) -> Map:
        """The map, but for what is replaced; writes the index and the lots."""
        stored = self.reader.map
        removed = [tx for tx in self.removed.values() if _is_within(tx, self.reader.head.end)]
        own_tail = [tx for tx in self.reader.tail if tx.id not in self.removed]
        come = [tx for tx in (*own_tail, *self.added.values()) if _is_within(tx, end)]
        recent, buckets = self._index({hash_name(tx.name) for tx in removed}, {hash_name(tx.name) for tx in come})
        moved = {id_: time for id_, time in stored.moved.items() if id_ not in self.removed}
        moved |= {tx.id: tx.time for tx in come if tx.time != time_of(tx.id)}
        lots = {asset: self._stored_lots(asset, data) for asset, data in self._lots.items()} if end else {}
        return Map(
            blocks=self._blocks,
            recent=recent,
            buckets=buckets,
            totals=self._totals if end else None,
            lots=lots,
            moved=moved,
            replaced=stored.replaced,
        )

    def _stored_lots(self, asset: str, data: bytes | None) -> Lots:
        stored = self.reader.map.lots.get(asset)
        if data is None and stored is not None:
            return stored
        digest = sha256(data or b"").digest()[:HASH]
        if stored is not None and stored.digest == digest:
            return stored
        return Lots(self._write("LOTS", data or b""), digest)

    def _index(self, gone: set[bytes], come: set[bytes]) -> tuple[Ref | None, dict[int, Ref]]:
        """The index without some hashes, with others: first all into one item, and from there into buckets."""
        gone, come = gone - come, come - gone
        stored = self.reader.map
        if not gone and not come:
            return stored.recent, stored.buckets
        recent = self.reader.hashes(stored.recent)
        sorted_out, full = gone - recent, (recent - gone) | come
        if len(full) > self._limits.recent:
            recent, spilled = set(), full
        else:
            recent, spilled = full, set()
        buckets = dict(stored.buckets)
        changes: dict[int, tuple[set[bytes], set[bytes]]] = {}
        for each in sorted_out:
            changes.setdefault(bucket_of(each), (set(), set()))[0].add(each)
        for each in spilled:
            changes.setdefault(bucket_of(each), (set(), set()))[1].add(each)
        for bucket, (less, more) in sorted(changes.items()):
            if hashes := (self.reader.hashes(buckets.pop(bucket, None)) - less) | more:
                buckets[bucket] = self._write("KNOWN", b"".join(sorted(hashes)))
        return (self._write("KNOWN", b"".join(sorted(recent))) if recent else None), buckets

    def _packed(self, transactions: Sequence[Transaction], *, evenly: bool) -> Iterator[Block]:
        """Blocks of these transactions: as large as they may be, or alike."""
        size = self._limits.block
        if evenly and transactions:
            size = -(-len(transactions) // -(-len(transactions) // size))
        for batch in batched(transactions, size, strict=False):
            yield from self._block(batch)

    def _block(self, transactions: Sequence[Transaction]) -> Iterator[Block]:
        data = encode_block(transactions)
        if len(data) > self._limits.block_size and len(transactions) > 1:
            middle = len(transactions) // 2
            yield from self._block(transactions[:middle])
            yield from self._block(transactions[middle:])
        else:
            yield Block(self._write("TX", data), len(transactions), len(data), transactions[-1].key)

    def _write(self, kind: ItemKind, data: bytes) -> Ref:
        ref = Ref(kind, self._number, self._salt, -(-len(data) // PIECE))
        self._number += 1
        self._written[ref] = data
        return ref

    def change(self, now: int) -> Change | None:
        """What is to be written, if anything changes (Unix ms: now)."""
        if self._head is None:
            return None
        head, due = self._head, list[Ref]()
        if self._new_map is not None:
            stored = self.reader.map
            late = [each for each in stored.replaced if each.time + KEPT <= now][:REMOVED]
            due = [ref for each in late for ref in each.refs]
            refs = stored.refs - self._new_map.refs
            if self.reader.head.map is not None:
                refs.add(self.reader.head.map)
            replaced = [each for each in stored.replaced if each not in late]
            if refs:
                replaced.append(Replaced(now, sorted(refs, key=lambda ref: ref.number)))
            map_ = msgspec.structs.replace(self._new_map, replaced=replaced)
            ref = self._write("MAP", pack(map_))
            head = msgspec.structs.replace(head, map=ref, number=self._number)
        portfolio = msgspec.structs.replace(self.portfolio, version=self.portfolio.version + 1)
        head = msgspec.structs.replace(head, touched=self._touched(portfolio.version))
        return Change(portfolio, encode_head(head), self._written, due)

    def _touched(self, version: int) -> list[tuple[int, int]]:
        """Not by the lots of a transfer: they change no value."""
        touched = self.reader.head.touched
        times = [tx.time for tx in (*self.removed.values(), *self.added.values())]
        if not times:
            return touched
        first = month_of(min(times))
        return [*(each for each in touched if each[0] < first), (first, version)]


def _is_within(tx: Transaction, end: Key | None) -> bool:
    return end is not None and tx.key <= end

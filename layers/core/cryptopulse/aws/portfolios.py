"""Portfolios and their transactions, in the Accounts table.

| pk          | sk                                  | holds                                              |
| ----------- | ----------------------------------- | -------------------------------------------------- |
| `USER#<id>` | `PORTFOLIO#<id>`                    | a portfolio, its newest transactions and balances  |
| `USER#<id>` | `TX#<portfolio>#<number>-<salt>`    | a block of transactions                            |
| `USER#<id>` | `KNOWN#<portfolio>#<number>-<salt>` | a part of the index of names                       |
| `USER#<id>` | `LOTS#<portfolio>#<number>-<salt>`  | the lots of an asset                               |
| `USER#<id>` | `MAP#<portfolio>#<number>-<salt>`   | where these are                                    |
| `USER#<id>` | `DAYS#<portfolio>#<yyyy-mm>`        | a month's values: `aws.valuations`                 |

The first is the header; those numbered never change, and what is large goes on at `…#1`, `…#2`. What it all means:
`domain.ledgers`. The header is written on its version, with those of the other portfolios that change: all or nothing.
What was written for a header that was not is removed at once; where a crash prevents that it goes with the portfolio or
the account.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from secrets import token_hex
from typing import Final, NamedTuple

import msgspec

from cryptopulse.aws.dynamodb import Check, Item, Removal, Table, Write
from cryptopulse.aws.kept import Kept, KeptError
from cryptopulse.domain.ledgers import LIMITS, PIECE, Head, Limits, Reader, Ref, encode_head
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.revisions import Change, Edit, Short, rebook, revise
from cryptopulse.domain.schemas import Schema
from cryptopulse.domain.tokens import is_id
from cryptopulse.domain.transactions import Transaction
from cryptopulse.errors import ConditionError, ConflictError, NotFoundError, RacedError, UnauthenticatedError

__all__ = ["PORTFOLIOS", "Edit", "Edited", "Portfolios", "Reader", "Short"]

TRIES: Final = 10
PAUSE: Final = 0.3
"""Seconds before the next try, at most."""
PORTFOLIOS: Final = 100
"""A user may have so many."""
REMARKED: Final = 5_000
"""Transactions of a portfolio whose base currency may change."""
TOGETHER: Final = 98
"""Portfolios that may change together; DynamoDB takes 100 writes at once."""
TOGETHER_SIZE: Final = 3_500_000
"""Bytes of their ledgers; it takes 4 MB."""
_SCHEMA: Final = Schema("portfolio")
_KINDS: Final = ("TX", "KNOWN", "LOTS", "MAP", "DAYS", "IMPORT")
_GONE: Final = "There is no such portfolio."
_RACED: Final = "The portfolio was changed by another request at the same moment; try again."


type Remark = Callable[[Portfolio, Sequence[Transaction]], Sequence[Transaction]]


class Edited(NamedTuple):
    """What an edit came to.

    `shorts` are what takes more than there is and did not before, `skipped` the names that were known.
    """

    portfolios: dict[str, Portfolio]
    shorts: list[Short]
    skipped: list[str]


class Portfolios:
    """Reads and writes users' portfolios.

    Args:
        table: The Accounts table.
        limits: How they are stored.
        changed: Hears of each change that was made: whose it was, and the ids of the portfolios.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        table: Table,
        limits: Limits = LIMITS,
        *,
        changed: Callable[[str, Sequence[str]], None] = lambda user, ids: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._limits = limits
        self._changed = changed
        self._sleep = sleep

    # --- portfolios ---

    def all(self, user: str) -> list[Portfolio]:
        """A user's portfolios, the oldest first."""
        items = self._table.query(f"USER#{user}", "PORTFOLIO#", "PORTFOLIO#~", consistent=True)
        return sorted(map(_portfolio, items), key=lambda portfolio: (portfolio.created_at, portfolio.id))

    def get(self, user: str, pid: str) -> Portfolio:
        """One of a user's portfolios.

        Raises:
            NotFoundError: He has none of this id.
        """
        return self.read(user, pid).portfolio

    def add(self, user: str, portfolio: Portfolio, kept: Kept | None) -> None:
        """Adds an empty portfolio, whose version is 1.

        Args:
            kept: The request, where it is to count once.

        Raises:
            ConflictError: The user has as many as he may; KeptError: the request was done before.
            UnauthenticatedError: The account has ended.
        """
        if len(self.all(user)) >= PORTFOLIOS:
            raise ConflictError(f"There may be {PORTFOLIOS} portfolios; remove one first.")
        try:
            self._commit(user, [_header(user, portfolio, encode_head(Head()), 0)], kept)
        except ConditionError as error:
            self._explain(user, kept, error)
            raise

    def change(
        self, user: str, pid: str, change: Callable[[Portfolio], None], remark: Remark | None = None
    ) -> Portfolio:
        """Changes a portfolio and returns it; under another method transfers take other lots along.

        Args:
            change: Alters it in place; called again where somebody was faster.
            remark: Marks transactions in the portfolio's new base currency; without it `change` leaves that alone.

        Raises:
            NotFoundError: There is none of this id.
            ConflictError: It holds too much, or a transfer, to change its base currency, or others were faster again
                and again.
            UnauthenticatedError: The account has ended.
        """
        for _ in self._tries():
            item = self._item(user, pid)
            portfolio = _portfolio(item)
            change(portfolio)
            try:
                changes = self._changes(user, item, portfolio, remark)
            except RacedError:
                continue
            if self._apply(user, changes, None):
                return next(each.portfolio for each in changes if each.portfolio.id == pid)
        raise RacedError(_RACED)

    def _changes(self, user: str, item: Item, portfolio: Portfolio, remark: Remark | None) -> list[Change]:
        """What it comes to that a portfolio, kept as this item, changes."""
        before, reader = _portfolio(item), self._reader(user, portfolio, item)
        open_, salt, now = self._opener(user, {portfolio.id: reader}), token_hex(4), portfolio.updated_at
        if portfolio.base_currency != before.base_currency and reader.count:
            return revise({portfolio.id: _remarked(reader, remark)}, open_, salt=salt, now=now).changes
        if portfolio.cost_basis != before.cost_basis:
            return rebook(reader, open_, salt=salt, now=now)
        raised = msgspec.structs.replace(portfolio, version=portfolio.version + 1)
        return [Change(raised, item["ledger"], {}, [])]

    def remove(self, user: str, pid: str, check: Callable[[Portfolio], None]) -> None:
        """Removes a portfolio with all that is in it; the other sides of its transfers stay as they are.

        Args:
            check: Sees what is removed; called again where somebody was faster.

        Raises:
            NotFoundError: There is none of this id.
            ConflictError: Others were faster again and again.
        """
        pk = f"USER#{user}"
        for _ in self._tries():
            portfolio = self.get(user, pid)
            check(portfolio)
            try:
                self._table.transact([Removal(pk, f"PORTFOLIO#{pid}", {"version": portfolio.version})])
            except ConditionError:
                continue
            for kind in _KINDS:
                items = self._table.query(pk, f"{kind}#{pid}#", f"{kind}#{pid}#~", consistent=True)
                self._table.delete_many([(pk, item["sk"]) for item in items])
            self._changed(user, [pid])
            return
        raise RacedError(_RACED)

    # --- transactions ---

    def read(self, user: str, pid: str) -> Reader:
        """A portfolio and its transactions as they are now. It must be read from within a minute.

        Raises:
            NotFoundError: There is none of this id.
        """
        item = self._item(user, pid)
        return self._reader(user, _portfolio(item), item)

    def edit(
        self,
        user: str,
        edits: Mapping[str, Edit],
        now: int,
        *,
        tolerant: bool = False,
        skip_known: bool = False,
        check: Callable[[Mapping[str, Transaction]], None] | None = None,
        kept: Kept | None = None,
    ) -> Edited:
        """Removes and adds transactions, all or none; what was transferred since changes with them.

        Args:
            edits: By portfolio; a transfer is in the edits of both of its portfolios.
            now: Unix ms.
            tolerant: Whether transactions may take more than there is, and are told instead of refused.
            skip_known: Whether additions whose names are known are left out and told instead of refused.
            check: Sees the removed transactions by id, a transfer as the first of its portfolios has it; called again
                where somebody was faster.
            kept: The request, where it is to count once.

        Raises:
            NotFoundError: There is no such portfolio, or none of the transactions to remove.
            ConflictError: A name is known, there would be too many transactions or assets, or others were faster again
                and again; ShortError: a transaction would take more than there is, or lack more than it did; KeptError:
                the request was done before.
            InvalidError: The rate is not known at which a transfer's costs would go over.
            UnauthenticatedError: The account has ended.
        """
        for _ in self._tries():
            readers: dict[str, Reader] = {}
            try:
                revised = revise(
                    edits,
                    self._opener(user, readers),
                    salt=token_hex(4),
                    now=now,
                    tolerant=tolerant,
                    skip_known=skip_known,
                    check=check,
                )
            except RacedError:
                continue
            if self._apply(user, revised.changes, kept):
                portfolios = {pid: reader.portfolio for pid, reader in readers.items()}
                portfolios |= {change.portfolio.id: change.portfolio for change in revised.changes}
                return Edited(portfolios, revised.shorts, revised.skipped)
        raise RacedError(_RACED)

    def _tries(self) -> Iterator[int]:
        """Tries at what others may do at the same moment, with random pauses between them."""
        for number in range(TRIES):
            if number:
                self._sleep(random.uniform(0, min(PAUSE, 0.02 * 2**number)))
            yield number

    # --- items ---

    def _item(self, user: str, pid: str) -> Item:
        item = self._table.get(f"USER#{user}", f"PORTFOLIO#{pid}", consistent=True) if is_id(pid) else None
        if item is None:
            raise NotFoundError(_GONE)
        return item

    def _reader(self, user: str, portfolio: Portfolio, item: Item) -> Reader:
        return Reader(portfolio, item["ledger"], _Items(self._table, user, portfolio.id), self._limits)

    def _opener(self, user: str, readers: dict[str, Reader]) -> Callable[[str], Reader | None]:
        """Reads portfolios, each once."""

        def open_(pid: str) -> Reader | None:
            if pid not in readers:
                try:
                    readers[pid] = self.read(user, pid)
                except NotFoundError:
                    return None
            return readers[pid]

        return open_

    def _apply(self, user: str, changes: Sequence[Change], kept: Kept | None) -> bool:
        """Writes changes, and removes what is not needed any more; returns False where somebody was faster."""
        if len(changes) > TOGETHER or sum(len(change.head) for change in changes) > TOGETHER_SIZE:
            raise ConflictError("Through transfers this would change too many portfolios at once.")
        self._table.put_many(
            {"pk": f"USER#{user}", "sk": sk, "data": data[piece * PIECE : (piece + 1) * PIECE]}
            for change in changes
            for ref, data in change.written.items()
            for piece, sk in enumerate(sort_keys(change.portfolio.id, ref))
        )
        headers = [_header(user, each.portfolio, each.head, each.portfolio.version - 1) for each in changes]
        try:
            self._commit(user, headers, kept)
        except ConditionError as error:
            if not self._is_written(headers):
                self._delete(user, [(change.portfolio.id, ref) for change in changes for ref in change.written])
                self._explain(user, kept, error)
                return False
        self._delete(user, [(change.portfolio.id, ref) for change in changes for ref in change.removed])
        self._changed(user, [change.portfolio.id for change in changes])
        return True

    def _commit(self, user: str, headers: Sequence[Write], kept: Kept | None) -> None:
        """Writes headers together, if there is anything to write."""
        writes = [*headers] if kept is None else [*headers, Write(kept.item, 0)]
        if writes:
            self._table.transact([*writes, Check(f"USER#{user}", "ACCOUNT", {})])

    def _is_written(self, headers: Sequence[Write]) -> bool:
        """Whether headers have been written, all or none, and only the answer that said so was lost."""
        if not headers:
            return False
        item = headers[0].item
        return self._table.get(item["pk"], item["sk"], consistent=True) == item

    def _explain(self, user: str, kept: Kept | None, error: ConditionError) -> None:
        """Raises what is behind a lost condition, if it is not that somebody was faster."""
        if kept is not None and self._table.get(kept.pk, kept.sk, consistent=True) is not None:
            raise KeptError("This request was done before.") from error
        if self._table.get(f"USER#{user}", "ACCOUNT", consistent=True) is None:
            raise UnauthenticatedError("The account has ended.", is_presented=True) from error

    def _delete(self, user: str, refs: Sequence[tuple[str, Ref]]) -> None:
        self._table.delete_many((f"USER#{user}", sk) for pid, ref in refs for sk in sort_keys(pid, ref))


class _Items:
    """The items of a portfolio. What never changes needs no consistent read, unless it is too new for another."""

    def __init__(self, table: Table, user: str, pid: str) -> None:
        self._table = table
        self._pk = f"USER#{user}"
        self._pid = pid

    def read(self, refs: Sequence[Ref]) -> list[bytes]:
        """What each of these holds.

        Raises:
            ConflictError: They have been replaced, and removed, since the header was read.
        """
        names = [[(self._pk, sk) for sk in sort_keys(self._pid, ref)] for ref in refs]
        wanted = [name for each in names for name in each]
        found = self._table.get_many(wanted)
        if len(found) < len(wanted):
            found |= self._table.get_many([name for name in wanted if name not in found], consistent=True)
        if len(found) < len(wanted):
            raise RacedError(_RACED)
        return [b"".join(found[name]["data"] for name in each) for each in names]


def _remarked(reader: Reader, remark: Remark | None) -> Edit:
    """All transactions, marked anew."""
    if reader.count > REMARKED:
        raise ConflictError(f"A portfolio of more than {REMARKED:,} transactions keeps its base currency.")
    stored = list(reader.transactions())
    if remark is None or any(tx.type == "transfer" for tx in stored):
        raise ConflictError("A portfolio with transfers keeps its base currency: costs have gone over in it.")
    return Edit([tx.id for tx in stored], remark(reader.portfolio, stored))


def sort_keys(pid: str, ref: Ref) -> list[str]:
    """The items of a portfolio that a name stands for."""
    name = f"{ref.kind}#{pid}#{ref.number}-{ref.salt}"
    return [name, *(f"{name}#{piece}" for piece in range(1, ref.pieces))]


def _portfolio(item: Item) -> Portfolio:
    return msgspec.convert({**_SCHEMA.read(item), "id": item["sk"].removeprefix("PORTFOLIO#")}, Portfolio)


def _header(user: str, portfolio: Portfolio, ledger: bytes, previous: int) -> Write:
    fields = msgspec.structs.asdict(portfolio) | _SCHEMA.mark
    del fields["id"]
    return Write({"pk": f"USER#{user}", "sk": f"PORTFOLIO#{portfolio.id}", **fields, "ledger": ledger}, previous)

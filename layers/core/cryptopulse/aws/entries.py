"""What users enter, made ready to be kept: with what the market knows of that time, and seen from both ends."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec

from cryptopulse.aws.portfolios import Edit, Portfolios
from cryptopulse.aws.quotes import QuotesReader
from cryptopulse.domain.portfolios import Currency, Draft, Portfolio
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.transactions import Mark, Transaction
from cryptopulse.errors import ConflictError, InvalidError, NotFoundError, RacedError, StaleError

FEW: Final = 3
"""Portfolios that are read one by one; more are read with all others of their user."""
TRIES: Final = 5
"""Of a change that others were faster than."""
_NO_RATE: Final = "No rate of {} in {} is known for that time: "


class Side(NamedTuple):
    """A transaction as its own portfolio sees it, and a transfer as the one does that it goes to, by that one's id.

    `bases` are the currencies, by portfolio, that it has just been marked in.
    """

    own: Transaction
    other: tuple[str, Transaction] | None
    bases: Mapping[str, Currency] = {}


class Entered(NamedTuple):
    """A transaction as it is kept, and as it is seen from one of its portfolios.

    `home` is where it was entered; None where that is gone, and only the other end of a transfer is left.
    """

    home: Portfolio | None
    side: Side
    seen: Transaction
    seen_from: Portfolio


class Entries:
    """Makes transactions of drafts, and finds both sides of those that are kept."""

    def __init__(self, portfolios: Portfolios, quotes: QuotesReader) -> None:
        self._portfolios = portfolios
        self._quotes = quotes

    def sides(
        self,
        user: str,
        portfolio: Portfolio,
        drafts: Sequence[tuple[str, Draft]],
        now: int,
        created_at: int | None = None,
        before: Mapping[str, Side] | None = None,
    ) -> list[Side]:
        """The transactions that drafts make in a portfolio.

        Args:
            user: Whose it is.
            portfolio: Where they were entered.
            drafts: Their ids, and what was entered.
            now: Unix ms.
            created_at: When they were first entered (Unix ms), if not now.
            before: By id, those that these change: their marks stay, as long as their times do, and a transfer's other
                end may be gone.

        Raises:
            InvalidError: A draft is of the future, a transfer does not name another portfolio of the user's, or nobody
                knows the rate of a currency that an amount is in.
        """
        made = []
        for each in self.attempt(user, portfolio, drafts, now, created_at, before):
            if isinstance(each, InvalidError):
                raise each
            made.append(each)
        return made

    def attempt(
        self,
        user: str,
        portfolio: Portfolio,
        drafts: Sequence[tuple[str, Draft]],
        now: int,
        created_at: int | None = None,
        before: Mapping[str, Side] | None = None,
    ) -> list[Side | InvalidError]:
        """As `sides`, but for each draft its transaction or what is wrong with it."""
        targets = self._targets(user, {draft.to_portfolio_id for _, draft in drafts if draft.to_portfolio_id})
        begun: list[_Begun | InvalidError] = []
        for id_, draft in drafts:
            own = Transaction.of(draft, id_, portfolio.base_currency, now)
            own = msgspec.structs.replace(own, created_at=now if created_at is None else created_at)
            try:
                draft.check_time(now)
                begun.append(_begin(own, portfolio, targets, (before or {}).get(id_)))
            except InvalidError as error:
                begun.append(error)
        ends = [end for each in begun if not isinstance(each, InvalidError) for end in each if end is not None]
        wanted: dict[Currency, set[tuple[str, int]]] = defaultdict(set)
        for end in ends:
            wanted[end.base] |= end.wanted
        found = {base: self._quotes.marks(each, base, now) for base, each in wanted.items() if each}
        return [each if isinstance(each, InvalidError) else each.finish(found) for each in begun]

    def remark(self, portfolio: Portfolio, transactions: Sequence[Transaction], now: int) -> list[Transaction]:
        """A portfolio's transactions, none of them a transfer, in a base currency that it did not have before.

        Raises:
            ConflictError: The rate of a currency that an amount is in is not known.
        """
        ends = [_own_end(each, portfolio, None) for each in transactions]
        wanted = {each for end in ends for each in end.wanted}
        found = {portfolio.base_currency: self._quotes.marks(wanted, portfolio.base_currency, now)}
        marked = [end.marked(found) for end in ends]
        for each in marked:
            if (error := _unrated(each, portfolio.base_currency)) is not None:
                raise ConflictError(f"The transaction {each.id} at {rfc3339(each.time)}: {error.message}.")
        return marked

    def replace[After: Side | None](
        self, user: str, portfolio: str, id_: str, now: int, change: Callable[[Entered], After]
    ) -> tuple[Entered, After]:
        """Changes or removes a transaction, a transfer at both ends; returns it as it was and is.

        Args:
            user: Whose it is.
            portfolio: One of those that see it.
            id_: Its own.
            now: Unix ms.
            change: What it is to be; called again where somebody was faster.

        Raises:
            NotFoundError: There is none.
            ConflictError: Others were faster again and again, or a disposal would be short.
        """
        for _ in range(TRIES):
            found = self._find(user, portfolio, id_)
            after = change(found)
            home = None if found.home is None else found.home.id
            try:
                self._portfolios.edit(user, edits(home, [(found.side, after)]), now, check=partial(_same, found.side))
            except (StaleError, RacedError, NotFoundError):  # others were faster; what is gone will not be found again
                continue
            return found, after
        raise ConflictError("The transaction was changed by another request at the same moment; try again.")

    def _find(self, user: str, portfolio: str, id_: str) -> Entered:
        reader = self._portfolios.read(user, portfolio)
        here, seen = reader.portfolio, reader.find(id_)
        far = self._far(user, seen)
        if not seen.is_incoming:
            return Entered(here, Side(seen, None if far is None else (far[0].id, far[1])), seen, here)
        home, own = (None, seen) if far is None else far
        return Entered(home, Side(own, (here.id, seen)), seen, here)

    def _far(self, user: str, transaction: Transaction) -> tuple[Portfolio, Transaction] | None:
        """The other end of a transfer, unless its portfolio has been removed."""
        portfolio = transaction.from_portfolio_id or transaction.to_portfolio_id
        if portfolio is None:
            return None
        try:
            reader = self._portfolios.read(user, portfolio)
            return reader.portfolio, reader.find(transaction.id)
        except NotFoundError:
            return None

    def _targets(self, user: str, ids: Collection[str]) -> dict[str, Portfolio]:
        """Those of the portfolios that are the user's."""
        if len(ids) > FEW:
            return {each.id: each for each in self._portfolios.all(user) if each.id in ids}
        found = {}
        for id_ in ids:
            try:
                found[id_] = self._portfolios.get(user, id_)
            except NotFoundError:
                continue
        return found


class _End(NamedTuple):
    """A transaction in one portfolio, not yet marked: its base currency, whose worth it needs, what of it is known."""

    portfolio: str
    base: Currency
    transaction: Transaction
    codes: set[str]
    known: Mapping[str, Mark]

    @property
    def wanted(self) -> set[tuple[str, int]]:
        return {(code, self.transaction.time) for code in self.codes.difference(self.known)}

    def marked(self, found: Mapping[Currency, Mapping[tuple[str, int], Mark]]) -> Transaction:
        rates = found.get(self.base, {})
        marks = {code: self.known.get(code) or rates.get((code, self.transaction.time)) for code in sorted(self.codes)}
        return msgspec.structs.replace(
            self.transaction, marks={code: mark for code, mark in marks.items() if mark is not None}
        )


class _Begun(NamedTuple):
    """A transaction in both portfolios, not yet marked."""

    own: _End
    other: _End | None

    def finish(self, found: Mapping[Currency, Mapping[tuple[str, int], Mark]]) -> Side | InvalidError:
        """Marks it; InvalidError where a rate is unknown that its money or its lots' cost is in."""
        own, base = self.own.marked(found), self.own.base
        if (error := _unrated(own, base)) is not None:
            return error
        if self.other is None:
            return Side(own, None, {self.own.portfolio: base})
        other = self.other.marked(found)
        if base not in {self.other.base, *other.marks}:
            advice = f"enter a withdrawal, and a deposit with its price in {self.other.base}"
            return InvalidError("to_portfolio_id", _NO_RATE.format(base, self.other.base) + advice)
        bases = {self.own.portfolio: base, self.other.portfolio: self.other.base}
        return Side(own, (self.other.portfolio, other), bases)


def edits(home: str | None, changes: Iterable[tuple[Side | None, Side | None]]) -> dict[str, Edit]:
    """What turns sides into others, by portfolio.

    Args:
        home: Where they are entered; None where that is gone.
        changes: Of each what there is and what there is to be, if there is.

    Raises:
        ConflictError: A portfolio got another base currency while they were marked.
    """
    bases: dict[str, Currency] = {}
    removed, added = defaultdict[str, list[str]](list), defaultdict[str, list[Transaction]](list)
    for before, after in changes:
        for portfolio, transaction in _ends(home, before):
            removed[portfolio].append(transaction.id)
        for portfolio, transaction in _ends(home, after):
            added[portfolio].append(transaction)
        for portfolio, base in after.bases.items() if after is not None else ():
            if bases.setdefault(portfolio, base) != base:
                raise ConflictError("The portfolio's base currency was changed meanwhile; try again.")
    return {each: Edit(removed.get(each, ()), added.get(each, ()), bases.get(each)) for each in {**removed, **added}}


def _same(side: Side, removed: Mapping[str, Transaction]) -> None:
    """Refuses to replace what is not as it was read: each change of a transfer changes both ends."""
    other = None if side.other is None else side.other[1]
    if removed[side.own.id] not in (side.own, other):
        raise StaleError("The transaction was changed by another request.")


def _ends(home: str | None, side: Side | None) -> Iterator[tuple[str, Transaction]]:
    if side is not None and home is not None:
        yield home, side.own
    if side is not None and side.other is not None:
        yield side.other


def _unrated(transaction: Transaction, base: Currency) -> InvalidError | None:
    """What is wrong where an amount of money is in a currency whose rate is not known."""
    known, currency, fee_asset = {base, *transaction.marks}, transaction.currency, transaction.fee_asset
    if currency is not None and currency not in known:
        return InvalidError("currency", _NO_RATE.format(currency, base) + f"enter the price in {base}")
    is_money = bool(transaction.fee) and transaction.paid_in_coin is None
    if is_money and fee_asset is not None and fee_asset not in known:
        return InvalidError("fee_asset", _NO_RATE.format(fee_asset, base) + f"enter the fee in {base}")
    return None


def _own_end(own: Transaction, portfolio: Portfolio, before: Side | None) -> _End:
    base = portfolio.base_currency
    known = before.own.marks if before is not None and before.own.time == own.time else {}
    return _End(portfolio.id, base, own, own.codes(base), known)


def _begin(own: Transaction, portfolio: Portfolio, targets: Mapping[str, Portfolio], before: Side | None) -> _Begun:
    end = _own_end(own, portfolio, before)
    if own.to_portfolio_id is None:
        return _Begun(end, None)
    if own.to_portfolio_id == portfolio.id:
        raise InvalidError("to_portfolio_id", "Expected another portfolio than the transfer's own")
    target = targets.get(own.to_portfolio_id)
    if target is None:
        if before is not None and before.other is None and before.own.to_portfolio_id == own.to_portfolio_id:
            return _Begun(end, None)
        raise InvalidError("to_portfolio_id", "Expected a portfolio of yours")
    other = own.received(portfolio.id)
    known: Mapping[str, Mark] = {}
    if before is not None and before.other is not None and before.other[0] == target.id:
        known = before.other[1].marks if before.other[1].time == own.time else {}
    codes = (other.codes(target.base_currency) | {portfolio.base_currency}) - {target.base_currency}
    return _Begun(end, _End(target.id, target.base_currency, other, codes, known))

"""Portfolios and their transactions: what is entered, changed and taken back."""

from collections.abc import Iterator, Sequence
from secrets import randbits, token_hex
from typing import Annotated, Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, UnsetType

from cryptopulse import wiring
from cryptopulse.api import callers
from cryptopulse.api.app import Answer, Api, Created, Empty, scoped
from cryptopulse.api.cursors import Cursors
from cryptopulse.api.deps import IfMatch, Now, Once, Who, body, parameters, within
from cryptopulse.api.lists import Page, Paged, paged
from cryptopulse.aws.entries import Entered, Side, edits
from cryptopulse.aws.portfolios import Reader
from cryptopulse.domain.portfolios import Draft, Kind, NewPortfolio, Portfolio, PortfolioChange, PortfolioView
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Key, Transaction, TransactionChange, TransactionView, new_id
from cryptopulse.errors import ConflictError, InvalidError
from cryptopulse.telemetry import entrypoint

AT_ONCE: Final = 100
"""Transactions that one request enters."""
LARGEST: Final = 262_144
"""Bytes of a body with so many."""
SEARCHED: Final = 5_000
"""Transactions that one page looks through."""

BREAKS: Final[Any] = {
    409: {"description": "A disposal would be short, or shorter than it was: `conflict` names it; or the id is taken"}
}
FIXED: Final[Any] = {409: {"description": "It holds too much, or transfers, to change its base currency"}}

api = Api(lambda event: callers.authenticate(event, live=False))


# --- portfolios ---


@api.get("/portfolios", tags=["Portfolios"])
def list_portfolios(query: Annotated[Paged, parameters(Paged)], caller: Who) -> Answer[Page[PortfolioView]]:
    """My portfolios, the oldest first."""
    views = [PortfolioView.of(each) for each in wiring.portfolios().all(caller.user)]
    return Answer(paged(views, "/portfolios", query))


@api.post("/portfolios", tags=["Portfolios"], responses={409: {"description": "There are as many as there may be"}})
@scoped("trade")
def add_portfolio(
    new: Annotated[NewPortfolio, body(NewPortfolio)], caller: Who, once: Once, now: Now
) -> Created[PortfolioView]:
    """Makes a portfolio; currency and cost basis that are left out are those of my preferences."""
    usual = wiring.accounts().require(caller.user).preferences
    portfolio = Portfolio(
        id=token_hex(16),
        name=str(new.name),
        base_currency=usual.base_currency if new.base_currency is UNSET else new.base_currency,
        cost_basis=usual.cost_basis if new.cost_basis is UNSET else new.cost_basis,
        created_at=now,
        updated_at=now,
        version=1,
    )
    answer = Created(PortfolioView.of(portfolio), path=f"/portfolios/{portfolio.id}")
    wiring.portfolios().add(caller.user, portfolio, once.keep(answer))
    return answer


@api.get("/portfolios/<portfolio_id>", tags=["Portfolios"])
def read_portfolio(portfolio_id: str, caller: Who) -> Answer[PortfolioView]:
    """One portfolio."""
    return Answer(PortfolioView.of(wiring.portfolios().get(caller.user, portfolio_id)), is_tagged=True)


@api.patch("/portfolios/<portfolio_id>", tags=["Portfolios"], responses=FIXED)
@scoped("trade")
def change_portfolio(
    portfolio_id: str,
    given: Annotated[PortfolioChange, body(PortfolioChange)],
    expected: IfMatch,
    caller: Who,
    now: Now,
) -> Answer[PortfolioView]:
    """Changes a portfolio: its name, its base currency, how its lots are taken.

    In another base currency all is told at the rates of its time; the currencies of prices and fees stay as they were
    entered. That asks for at most 5,000 transactions, none of them a transfer.
    """

    def change(portfolio: Portfolio) -> None:
        expected.check(PortfolioView.of(portfolio))
        portfolio.name = portfolio.name if given.name is UNSET else str(given.name)
        portfolio.cost_basis = portfolio.cost_basis if given.cost_basis is UNSET else given.cost_basis
        portfolio.base_currency = portfolio.base_currency if given.base_currency is UNSET else given.base_currency
        portfolio.updated_at = now

    def remark(portfolio: Portfolio, transactions: Sequence[Transaction]) -> list[Transaction]:
        return wiring.entries().remark(portfolio, transactions, now)

    return Answer(
        PortfolioView.of(wiring.portfolios().change(caller.user, portfolio_id, change, remark)), is_tagged=True
    )


@api.delete("/portfolios/<portfolio_id>", tags=["Portfolios"])
@scoped("trade")
def remove_portfolio(portfolio_id: str, expected: IfMatch, caller: Who) -> Empty:
    """Removes a portfolio with all of its transactions; where its transfers went or came from they stay."""
    wiring.portfolios().remove(caller.user, portfolio_id, lambda stored: expected.check(PortfolioView.of(stored)))
    return Empty()


# --- transactions ---


class TransactionsQuery(Paged, kw_only=True):
    start: Annotated[Time, Meta(description="The first time")] | UnsetType = UNSET
    end: Annotated[Time, Meta(description="The time before which")] | UnsetType = UNSET
    asset: (
        Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,20}$(?!\n)", description="Moved, also as a trade's counter or a fee")]
        | UnsetType
    ) = UNSET
    type: Kind | UnsetType = UNSET

    def holds(self, transaction: Transaction) -> bool:
        """Whether it asks for a transaction, by what this is."""
        moved = (transaction.asset, transaction.counter_asset, transaction.paid_in_coin)
        return self.asset in (UNSET, *moved) and self.type in (UNSET, transaction.type)


@api.get("/portfolios/<portfolio_id>/transactions", tags=["Portfolios"])
def list_transactions(
    portfolio_id: str, query: Annotated[TransactionsQuery, parameters(TransactionsQuery)], caller: Who
) -> Answer[Page[TransactionView]]:
    """A portfolio's transactions, the newest first.

    A page looks through 5,000 of them at most: with `asset` or `type` it may hold fewer than `limit`, and still have a
    `next_cursor`. What is entered meanwhile does not shift the pages.
    """
    cursors = Cursors(wiring.settings().CURSOR_KEY, f"/portfolios/{portfolio_id}/transactions", query)
    after = None if query.end is UNSET else Key(query.end, -1, "")
    if query.cursor is not UNSET:
        after = Key.unpacked(cursors.open(query.cursor))
    reader = wiring.portfolios().read(caller.user, portfolio_id)
    found, last = _page(reader, query, after)
    views = [_view(each, reader.portfolio) for each in found]
    return Answer(Page(views, None if last is None else cursors.seal(last.packed)))


def _page(reader: Reader, query: TransactionsQuery, after: Key | None) -> tuple[list[Transaction], Key | None]:
    """The transactions of a page, and the place after which the next one begins, if there is one."""
    start = 0 if query.start is UNSET else query.start
    found: list[Transaction] = []
    last = None
    is_filtered = not (query.asset is UNSET and query.type is UNSET)
    for searched, each in enumerate(_backwards(reader, after, 1_000 if is_filtered else query.limit + 1)):
        if each.time < start:
            return found, None
        if len(found) == query.limit or searched == SEARCHED:
            return found, last
        last = each.key
        if query.holds(each):
            found.append(each)
    return found, None


def _backwards(reader: Reader, after: Key | None, step: int) -> Iterator[Transaction]:
    """All transactions before a place, the newest first, read so many at a time."""
    while page := reader.page(after, step):
        yield from page
        after = page[-1].key


@api.post("/portfolios/<portfolio_id>/transactions", tags=["Portfolios"], responses=BREAKS)
@scoped("trade")
def add_transactions(
    portfolio_id: str,
    given: Annotated[Draft | list[Draft], body(Draft, many=AT_ONCE, largest=LARGEST)],
    caller: Who,
    once: Once,
    now: Now,
) -> Created[TransactionView | list[TransactionView]]:
    """Enters a transaction, or up to 100, all or none.

    A `buy` or a `sell` needs `price`, a `trade` `counter_asset` and `counter_quantity`, a `transfer`
    `to_portfolio_id`. Only a single one has a `Location` and an `ETag`; of an array errors are told as `[3].price`.
    `external_id` is unique in a portfolio.
    """
    portfolio = wiring.portfolios().get(caller.user, portfolio_id)
    drafts = given if isinstance(given, list) else [given]
    named = [(new_id(each.time, now, place, randbits(20)), each) for place, each in enumerate(drafts)]
    sides = []
    for place, each in enumerate(wiring.entries().attempt(caller.user, portfolio, named, now)):
        if isinstance(each, InvalidError):
            raise within(place, each) if isinstance(given, list) else each
        sides.append(each)
    views = [_view(side.own, portfolio) for side in sides]
    path = f"/portfolios/{portfolio_id}/transactions/{views[0].id}"
    answer: Created[TransactionView | list[TransactionView]] = (
        Created(views) if isinstance(given, list) else Created(views[0], path=path)
    )
    changes = edits(portfolio_id, ((None, side) for side in sides))
    wiring.portfolios().edit(caller.user, changes, now, kept=once.keep(answer))
    return answer


@api.get("/portfolios/<portfolio_id>/transactions/<transaction_id>", tags=["Portfolios"])
def read_transaction(portfolio_id: str, transaction_id: str, caller: Who) -> Answer[TransactionView]:
    """One transaction."""
    reader = wiring.portfolios().read(caller.user, portfolio_id)
    return Answer(_view(reader.find(transaction_id), reader.portfolio), is_tagged=True)


@api.patch("/portfolios/<portfolio_id>/transactions/<transaction_id>", tags=["Portfolios"], responses=BREAKS)
@scoped("trade")
def change_transaction(
    portfolio_id: str,
    transaction_id: str,
    given: Annotated[TransactionChange, body(TransactionChange)],
    expected: IfMatch,
    caller: Who,
    now: Now,
) -> Answer[TransactionView]:
    """Changes a transaction, a transfer in both of its portfolios.

    A field that is left out stays, null removes it. A transfer that is led elsewhere is shown as the portfolio sees it
    that it comes from.
    """

    def change(found: Entered) -> Side:
        expected.check(_view(found.seen, found.seen_from))
        if found.home is None:
            raise ConflictError("The portfolio that this transfer came from is gone: it can only be removed.")
        own = found.side.own
        changed = [(transaction_id, given.of(own.draft))]
        known = {transaction_id: found.side}
        (after,) = wiring.entries().sides(caller.user, found.home, changed, now, own.created_at, known)
        return after

    found, after = wiring.entries().replace(caller.user, portfolio_id, transaction_id, now, change)
    if after.other is not None and after.other[0] == portfolio_id:
        return Answer(_view(after.other[1], found.seen_from), is_tagged=True)
    return Answer(_view(after.own, found.home or found.seen_from), is_tagged=True)


@api.delete("/portfolios/<portfolio_id>/transactions/<transaction_id>", tags=["Portfolios"], responses=BREAKS)
@scoped("trade")
def remove_transaction(portfolio_id: str, transaction_id: str, expected: IfMatch, caller: Who, now: Now) -> Empty:
    """Removes a transaction, a transfer from both of its portfolios."""

    def change(found: Entered) -> None:
        expected.check(_view(found.seen, found.seen_from))

    wiring.entries().replace(caller.user, portfolio_id, transaction_id, now, change)
    return Empty()


def _view(transaction: Transaction, portfolio: Portfolio) -> TransactionView:
    return TransactionView.of(transaction, portfolio.id, portfolio.base_currency)


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)

"""Bookkeeping: what each kind of transaction does to a portfolio's quantities, lots, income and contributions.

All that it needs to know of the market is in the transaction's marks. The conventions are in docs/returns.md.
"""

from decimal import Decimal, localcontext
from typing import Final

from msgspec import Struct

from cryptopulse.domain.lots import EXACT, ZERO, Book, Match, Part, rounded
from cryptopulse.domain.portfolios import Currency, Kind
from cryptopulse.domain.transactions import Transaction

ONE: Final = Decimal(1)
_GIVING: Final[frozenset[Kind]] = frozenset(("sell", "trade", "withdrawal", "transfer", "fee"))
_LEAVING: Final[frozenset[Kind]] = frozenset(("withdrawal", "transfer"))
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply


class Money(Struct, frozen=True, gc=False):
    """What a transaction was worth, in the portfolio's base currency; 0 where no price is known."""

    value: Decimal
    """What was paid or got for the quantity, without the fee; where nothing was, its value."""
    fee: Decimal
    """The value of the fee, in money or in coin."""
    income: Decimal
    """The value of a reward or airdrop."""
    contribution: Decimal
    """What came in from outside; negative: what went out."""


class Entry(Struct, frozen=True):
    """What a transaction did to a book; money in the portfolio's base currency."""

    matches: list[Match]
    """What was disposed of, the fee's coin last."""
    income: Decimal
    """The value of a reward or airdrop."""
    contribution: Decimal
    """What came in from outside; negative: what went out."""
    given: tuple[Part, ...]
    """The lots that an outgoing transfer took along."""


def moves(tx: Transaction) -> list[tuple[str, Decimal]]:
    """The changes of quantities that a transaction makes, in order: assets and signed amounts, a fee's coin last."""
    gives = tx.type in _GIVING and not tx.is_incoming
    changes = [(tx.asset, tx.quantity.copy_negate() if gives else tx.quantity)]
    if tx.counter_asset is not None and tx.counter_quantity is not None:
        changes.append((tx.counter_asset, tx.counter_quantity))
    if (coin := tx.paid_in_coin) is not None and tx.fee is not None:
        changes.append((coin, tx.fee.copy_negate()))
    return changes


def worth(tx: Transaction, code: str, base: Currency) -> Decimal | None:
    """What one of an asset was worth at a transaction: the market's price, else the transaction's own.

    Args:
        tx: The transaction, marked.
        code: The asset.
        base: The portfolio's currency.

    Returns:
        In the base currency; None where neither price is known.

    Raises:
        KeyError: The rate of the transaction's currency is not among its marks.
    """
    if code == base:
        return ONE
    if (mark := tx.marks.get(code)) is not None:
        return mark.price
    return None if tx.price is None or code != tx.asset else _multiply(tx.price, _rate(tx, tx.currency, base))


def money(tx: Transaction, base: Currency) -> Money:
    """What a transaction was worth.

    Args:
        tx: The transaction, marked.
        base: The portfolio's currency.

    Raises:
        KeyError: The rate of a currency that it needs is not among its marks.
    """
    fee = _fee(tx, base)
    outside = ZERO if tx.paid_in_coin else fee
    match tx.type:
        case "buy":
            value = _price(tx, base)
            return Money(value, fee, ZERO, _add(outside, value))
        case "sell":
            value = _price(tx, base)
            return Money(value, fee, ZERO, _subtract(outside, value))
        case "trade":
            return Money(_traded(tx, base), fee, ZERO, outside)
        case "reward" | "airdrop":
            value = _price(tx, base)
            return Money(value, fee, value, outside)
        case "deposit":
            value, market = _price(tx, base), _value(tx, tx.asset, tx.quantity, base)
            return Money(value, fee, ZERO, _add(outside, market))
        case "withdrawal" | "transfer":
            value = _value(tx, tx.asset, tx.quantity, base)
            return Money(value, fee, ZERO, _add(outside, value) if tx.is_incoming else _subtract(outside, value))
        case _:
            return Money(ZERO, ZERO, ZERO, ZERO)


def enter(book: Book, tx: Transaction, base: Currency) -> Entry:
    """Enters one transaction into a book.

    A fee adds to the cost of what is acquired, in a sale or trade it lessens the proceeds. In coin it is a disposal at
    its value, after all else; but with a withdrawal or transfer, which have neither, its proceeds are 0. A trade whose
    value nobody knows gains nothing: what was received cost what was given had.

    Args:
        book: The lots up to now; changed.
        tx: The next transaction, marked; a transfer from another portfolio with its parts.
        base: The portfolio's currency.

    Raises:
        KeyError: The rate of a currency that it needs is not among its marks.
        ValueError: It is earlier than what the book knows.
    """
    asset, quantity, time, id_ = tx.asset, tx.quantity, tx.time, tx.id
    worths = money(tx, base)
    value, fee = worths.value, worths.fee
    matches: list[Match] = []
    given: tuple[Part, ...] = ()
    match tx.type:
        case "buy" | "deposit" | "reward" | "airdrop":
            book.acquire(asset, quantity, _add(value, fee), time, id_)
        case "sell":
            matches = book.dispose(asset, quantity, _subtract(value, fee), time, id_)
        case "trade":
            if value:
                matches, cost = book.dispose(asset, quantity, _subtract(value, fee), time, id_), value
            else:
                with localcontext(EXACT):
                    cost = sum((part.cost for part in book.remove(asset, quantity, time, id_)), fee)
            book.acquire(*moves(tx)[1], cost, time, id_)
        case "withdrawal":
            book.remove(asset, quantity, time, id_)
        case "transfer" if tx.is_incoming:
            book.receive(asset, tx.parts)
        case "transfer":
            given = tuple(book.remove(asset, quantity, time, id_))
        case _:
            matches = book.dispose(asset, quantity, ZERO, time, id_)
    if (coin := tx.paid_in_coin) is not None and tx.fee is not None:
        matches += book.dispose(coin, tx.fee, ZERO if tx.type in _LEAVING else fee, time, id_)
    return Entry(matches, worths.income, worths.contribution, given)


def _rate(tx: Transaction, code: str | None, base: Currency) -> Decimal:
    return ONE if code is None or code == base else tx.marks[code].price


def _value(tx: Transaction, code: str, quantity: Decimal, base: Currency) -> Decimal:
    """At the market; 0 where nothing is known."""
    price = worth(tx, code, base)
    return ZERO if price is None else rounded(_multiply(quantity, price))


def _price(tx: Transaction, base: Currency) -> Decimal:
    """The price of all of it, else its value at the market."""
    if tx.price is None:
        return _value(tx, tx.asset, tx.quantity, base)
    price = tx.price if tx.currency == base else _multiply(tx.price, _rate(tx, tx.currency, base))
    return rounded(_multiply(tx.quantity, price))


def _fee(tx: Transaction, base: Currency) -> Decimal:
    if not tx.fee or tx.fee_asset == base:
        return tx.fee or ZERO
    if (coin := tx.paid_in_coin) is not None:
        return _value(tx, coin, tx.fee, base)
    return rounded(_multiply(tx.fee, _rate(tx, tx.fee_asset, base)))


def _traded(tx: Transaction, base: Currency) -> Decimal:
    """The value of what was given, else of what was received."""
    if worth(tx, tx.asset, base) is None and tx.counter_asset is not None and tx.counter_quantity is not None:
        return _value(tx, tx.counter_asset, tx.counter_quantity, base)
    return _value(tx, tx.asset, tx.quantity, base)

"""Transactions as a portfolio keeps them: what was entered, its place in the order, and what things were worth then."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, overload

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.lots import Part
from cryptopulse.domain.portfolios import (
    Amount,
    Asset,
    Currency,
    Draft,
    ExternalId,
    FeeAsset,
    Kind,
    Note,
    Quantity,
    is_fiat,
)
from cryptopulse.domain.times import Moment, Time, rfc3339

type Rank = Literal[0, 1, 2]
"""Within one millisecond acquisitions (0) come before transfers (1), and those before other disposals (2)."""

_RANKS: Final[dict[Kind, Rank]] = {"buy": 0, "deposit": 0, "reward": 0, "airdrop": 0, "transfer": 1}
_TIME, _CREATED, _PLACE, _ENTROPY = 48, 44, 16, 20
"""Bits of an id: the time, when and as which of its request it was entered, and chance."""


class Key(NamedTuple):
    """A transaction's place in its portfolio."""

    time: int
    rank: int
    id: str

    @property
    def packed(self) -> bytes:
        """The place as bytes."""
        return self.time.to_bytes(_TIME // 8) + bytes([self.rank]) + bytes.fromhex(self.id)

    @classmethod
    def unpacked(cls, place: bytes) -> Self:
        """The place that `packed` tells."""
        time, rank, id_ = place[: _TIME // 8], place[_TIME // 8], place[_TIME // 8 + 1 :]
        return cls(int.from_bytes(time), rank, id_.hex())


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """What one unit was worth in the portfolio's base currency, and when that was its price (Unix ms)."""

    price: Decimal
    time: int


class Transaction(Struct, kw_only=True, frozen=True, array_like=True):
    """A transaction of one portfolio; a transfer is kept in both, with one id.

    Amounts are plain Decimals, times Unix ms. `currency` is never None where there is a price, `fee_asset` never where
    there is a fee.
    """

    id: str
    type: Kind
    asset: str
    quantity: Decimal
    time: int
    created_at: int
    updated_at: int
    price: Decimal | None = None
    currency: Currency | None = None
    fee: Decimal | None = None
    fee_asset: str | None = None
    counter_asset: str | None = None
    counter_quantity: Decimal | None = None
    to_portfolio_id: str | None = None
    from_portfolio_id: str | None = None
    """Where a transfer came from; None in the portfolio that it left."""
    external_id: str | None = None
    note: str | None = None
    marks: dict[str, Mark] = {}
    """By asset or currency: those of `codes` whose price was known."""
    parts: tuple[Part, ...] = ()
    """The lots that a transfer moved, costs in this portfolio's base currency."""
    is_fee_plain: bool = False
    """Whether the fee was entered as an amount alone: money, though the base currency that it is in is a coin."""

    @classmethod
    def of(cls, draft: Draft, id_: str, base: Currency, now: int) -> Self:
        """The transaction that a draft makes in a portfolio with this base currency, not yet marked.

        Args:
            draft: What was entered.
            id_: As of `new_id`.
            base: What amounts of money are in where the draft does not say.
            now: Unix ms.
        """
        currency = draft.currency or (base if draft.price is not None else None)
        fee_asset = None if draft.fee is None else str(draft.fee_asset or currency or base)
        is_alone = draft.fee is not None and draft.fee_asset is None and currency is None
        return cls(
            id=id_,
            type=draft.type,
            asset=str(draft.asset),
            quantity=Decimal(draft.quantity),
            time=int(draft.time),
            created_at=now,
            updated_at=now,
            price=None if draft.price is None else Decimal(draft.price),
            currency=currency,
            fee=None if draft.fee is None else Decimal(draft.fee),
            fee_asset=fee_asset,
            counter_asset=None if draft.counter_asset is None else str(draft.counter_asset),
            counter_quantity=None if draft.counter_quantity is None else Decimal(draft.counter_quantity),
            to_portfolio_id=draft.to_portfolio_id,
            external_id=None if draft.external_id is None else str(draft.external_id),
            note=None if draft.note is None else str(draft.note),
            is_fee_plain=is_alone and not is_fiat(base),
        )

    @property
    def draft(self) -> Draft:
        """What was entered."""
        return Draft(
            type=self.type,
            asset=Asset(self.asset),
            quantity=Quantity(self.quantity),
            price=None if self.price is None else Quantity(self.price),
            currency=self.currency,
            fee=None if self.fee is None else Amount(self.fee),
            fee_asset=None if self.fee_asset is None or self.is_fee_plain else FeeAsset(self.fee_asset),
            counter_asset=None if self.counter_asset is None else Asset(self.counter_asset),
            counter_quantity=None if self.counter_quantity is None else Quantity(self.counter_quantity),
            to_portfolio_id=self.to_portfolio_id,
            external_id=None if self.external_id is None else ExternalId(self.external_id),
            time=Time(self.time),
            note=None if self.note is None else Note(self.note),
        )

    @property
    def key(self) -> Key:
        """Its place in the order."""
        return Key(self.time, _RANKS.get(self.type, 2), self.id)

    @property
    def name(self) -> str:
        """What it is known by when it is told again: the id that it came with, else its own."""
        return self.external_id or self.id

    @property
    def is_incoming(self) -> bool:
        """Whether it is a transfer as seen from where it went."""
        return self.from_portfolio_id is not None

    @property
    def paid_in_coin(self) -> str | None:
        """The asset whose lots the fee takes; None where it is money: fiat, the price's currency, an amount alone."""
        coin = self.fee_asset
        if not self.fee or coin is None or coin == self.currency or self.is_fee_plain or is_fiat(coin):
            return None
        return coin

    def received(self, source: str) -> "Transaction":
        """This transfer as the portfolio sees it that it goes to, not yet marked; `source` is where it comes from."""
        return msgspec.structs.replace(
            self, from_portfolio_id=source, fee=None, fee_asset=None, marks={}, parts=(), is_fee_plain=False
        )

    def codes(self, base: Currency) -> set[str]:
        """The assets and currencies whose worth in the base currency it needs, as far as the market knows it."""
        needed = {self.asset}
        if self.counter_asset is not None:
            needed.add(self.counter_asset)
        if self.currency is not None:
            needed.add(self.currency)
        if self.fee_asset is not None:
            needed.add(self.fee_asset)
        return needed - {base}


def new_id(time: int, now: int, place: int, entropy: int) -> str:
    """A new transaction's id, 32 hex digits: in order of time, then of entry, so that what happened in the same
    millisecond stays in the order it was told.

    Args:
        time: Of the transaction, Unix ms.
        now: Unix ms.
        place: Among those entered at once, below 65,536.
        entropy: At least 20 random bits.
    """
    number = time << _CREATED | now
    number = (number << _PLACE | place) << _ENTROPY | entropy & (1 << _ENTROPY) - 1
    return f"{number:032x}"


def time_of(id_: str) -> int:
    """The time (Unix ms) that a transaction had when it got its id."""
    return int(id_, 16) >> _CREATED + _PLACE + _ENTROPY


# --- what clients send ---


class TransactionChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a transaction: a field that is left out stays, null removes it.

    Without its price a transaction has no `currency`, without its fee no `fee_asset`: these go with them.
    """

    type: Kind | UnsetType = UNSET
    asset: Asset | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    price: Quantity | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET
    fee: Amount | UnsetType | None = UNSET
    fee_asset: FeeAsset | UnsetType | None = UNSET
    counter_asset: Asset | UnsetType | None = UNSET
    counter_quantity: Quantity | UnsetType | None = UNSET
    to_portfolio_id: str | UnsetType | None = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
    time: Time | UnsetType = UNSET
    note: Note | UnsetType | None = UNSET

    def of(self, draft: Draft) -> Draft:
        """A draft with these changes.

        Raises:
            InvalidError: Its fields do not go together any more.
        """
        given: dict[str, Any] = {
            name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET
        }
        for name, unit in (("price", "currency"), ("fee", "fee_asset")):
            if name in given and given[name] is None:
                given.setdefault(unit, None)
        return msgspec.structs.replace(draft, **given)


# --- what they get ---

_AMOUNT: Final = Meta(description="Exact, without an exponent")


class Rate(Struct):
    """What one unit of an asset or a currency was worth in the portfolio's base currency, and when."""

    asset: str
    currency: Currency
    price: Annotated[str, _AMOUNT]
    time: Moment


class TransactionView(Struct, kw_only=True):
    """A transaction, as one of its user's portfolios sees it."""

    id: str
    portfolio_id: str
    type: Kind
    asset: str
    quantity: Annotated[str, _AMOUNT]
    price: Annotated[str, _AMOUNT] | None
    currency: Annotated[Currency | None, Meta(description="What `price` is in; null without one")]
    fee: Annotated[str, _AMOUNT] | None
    fee_asset: str | None
    counter_asset: str | None
    counter_quantity: Annotated[str, _AMOUNT] | None
    to_portfolio_id: Annotated[str | None, Meta(description="Where a transfer goes")]
    from_portfolio_id: Annotated[str | None, Meta(description="Where a transfer came from; null where it goes out")]
    external_id: str | None
    time: Moment
    note: str | None
    created_at: Moment
    updated_at: Moment
    rates: Annotated[
        list[Rate], Meta(description="The market's prices that it was entered with, by asset; unknown ones are absent")
    ]

    @classmethod
    def of(cls, transaction: Transaction, portfolio: str, base: Currency) -> Self:
        """A transaction's, as the portfolio of this id and base currency sees it."""
        return cls(
            id=transaction.id,
            portfolio_id=portfolio,
            type=transaction.type,
            asset=transaction.asset,
            quantity=_plain(transaction.quantity),
            price=_plain(transaction.price),
            currency=transaction.currency,
            fee=_plain(transaction.fee),
            fee_asset=transaction.fee_asset,
            counter_asset=transaction.counter_asset,
            counter_quantity=_plain(transaction.counter_quantity),
            to_portfolio_id=transaction.to_portfolio_id,
            from_portfolio_id=transaction.from_portfolio_id,
            external_id=transaction.external_id,
            time=rfc3339(transaction.time),
            note=transaction.note,
            created_at=rfc3339(transaction.created_at),
            updated_at=rfc3339(transaction.updated_at),
            rates=[
                Rate(code, base, _plain(mark.price), rfc3339(mark.time))
                for code, mark in sorted(transaction.marks.items())
            ],
        )


@overload
def _plain(amount: Decimal) -> str: ...
@overload
def _plain(amount: None) -> None: ...
def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"

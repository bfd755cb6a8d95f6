"""Portfolios, and the transactions that they are made of: what each of these must hold to."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, Self, get_args

from msgspec import UNSET, Struct, UnsetType

from cryptopulse.domain.lots import Method
from cryptopulse.domain.names import DisplayName
from cryptopulse.domain.times import Moment, Time, rfc3339
from cryptopulse.errors import InvalidError

type Kind = Literal["buy", "sell", "trade", "deposit", "withdrawal", "transfer", "reward", "airdrop", "fee"]
type Currency = Literal["USD", "EUR", "GBP", "USDT", "BTC"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind.__value__)
CURRENCIES: Final[tuple[Currency, ...]] = get_args(Currency.__value__)
"""What a price may be in."""
FIAT: Final = frozenset(
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP GHS HKD HRK HUF IDR ILS INR ISK JPY KES KRW KZT MAD"  # noqa: SIM905 (a line each is too much)
    " MXN MYR NGN NOK NZD PEN PHP PKR PLN RON RUB SAR SEK SGD THB TRY TWD UAH UGX USD VND ZAR".split()
)
"""The money that exchanges trade in. Not all of ISO 4217: some of its codes are better known as coins (MNT, SOS)."""
GENESIS: Final = 1_230_940_800_000
"""2009-01-03, the day of Bitcoin's first block (Unix ms): nothing happened before."""
AHEAD: Final = 5 * 60_000
"""A client's clock may be fast by so many ms."""
NOTE: Final = 500
"""Characters of a note."""

_AMOUNT: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_LIMIT: Final = Decimal(10) ** 18
_PLACES: Final = -18
_CODE: Final = re.compile(r"[A-Z0-9]{1,20}")
_EXTERNAL_ID: Final = re.compile(r"[!-~]{1,100}")
_UNFIT: Final = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode's control, unassigned and line-breaking characters."""


def is_fiat(code: str) -> bool:
    """Whether a code is a currency's of some state, and so no asset."""
    return code in FIAT


class Amount(Decimal):
    """A decimal number from 0 on: at most 18 digits before and 18 after the point."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^[0-9]{1,18}(\.[0-9]{1,18})?$",
        "examples": ["0.25"],
    }
    NO_TEXT: ClassVar = 'Expected a decimal number as a string, such as "0.5"'
    EXPECTED: ClassVar = (
        "Expected a decimal number from 0, at most 18 digits before and 18 after the point, no exponent"
    )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The number that a decimal string says.

        Raises:
            ValueError: It says none, or one outside the limits.
        """
        if not _AMOUNT.fullmatch(text):
            raise ValueError(cls.EXPECTED)
        return cls.of(Decimal(text))

    @classmethod
    def of(cls, number: Decimal) -> Self:
        """The number.

        Raises:
            ValueError: It is outside the limits.
        """
        if not (number.is_finite() and cls._is_large_enough(number) and number < _LIMIT):
            raise ValueError(cls.EXPECTED)
        _, digits, exponent = number.as_tuple()
        if isinstance(exponent, int) and exponent < _PLACES:
            excess = _PLACES - exponent
            if any(digits[-excess:]):
                raise ValueError(cls.EXPECTED)
            number = Decimal((0, digits[:-excess], _PLACES))
        return cls(number.copy_abs())  # there is no -0

    @staticmethod
    def _is_large_enough(number: Decimal) -> bool:
        return number >= 0


class Quantity(Amount):
    """An amount above 0."""

    EXPECTED: ClassVar = (
        "Expected a decimal number above 0, at most 18 digits before and 18 after the point, no exponent"
    )

    @staticmethod
    def _is_large_enough(number: Decimal) -> bool:
        return number > 0


class Asset(str):
    """The code of what a portfolio holds: 1 to 20 of A-Z and 0-9, and no fiat currency."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[A-Z0-9]{1,20}$", "examples": ["BTC"]}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code.

        Raises:
            ValueError: It is none, or a fiat currency's.
        """
        if not _CODE.fullmatch(text):
            raise ValueError("Expected 1 to 20 of A-Z and 0-9")
        if is_fiat(text):
            raise ValueError("A fiat currency is no asset: cash is not kept")
        return cls(text)


class FeeAsset(str):
    """What a fee is paid in: an asset, or a currency that prices may be in."""

    SCHEMA: ClassVar[dict[str, Any]] = Asset.SCHEMA

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code.

        Raises:
            ValueError: It is none, or that of another fiat currency.
        """
        if not _CODE.fullmatch(text) or (is_fiat(text) and text not in CURRENCIES):
            raise ValueError(f"Expected an asset or one of {', '.join(CURRENCIES)}")
        return cls(text)


class ExternalId(str):
    """What somebody else calls a transaction: 1 to 100 visible ASCII characters."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[!-~]{1,100}$"}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The id.

        Raises:
            ValueError: It breaks a rule.
        """
        if not _EXTERNAL_ID.fullmatch(text):
            raise ValueError("Expected 1 to 100 visible ASCII characters")
        return cls(text)


class Note(str):
    """A user's words: 1 to 500 characters on one line."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": NOTE}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The words without spaces around them.

        Raises:
            ValueError: They break a rule.
        """
        text = text.strip()
        note = unicodedata.normalize("NFC", text) if len(text) <= 4 * NOTE else ""  # it takes time for long ones
        if not 1 <= len(note) <= NOTE:
            raise ValueError(f"Expected 1 to {NOTE} characters")
        if not note.isprintable() and any(unicodedata.category(letter) in _UNFIT for letter in note):
            raise ValueError("Expected no control characters")
        return cls(note)


_PRICED: Final = frozenset(("price", "currency", "fee", "fee_asset"))
_NEEDS: Final[Mapping[Kind, frozenset[str]]] = {
    "buy": frozenset(("price",)),
    "sell": frozenset(("price",)),
    "trade": frozenset(("counter_asset", "counter_quantity")),
    "transfer": frozenset(("to_portfolio_id",)),
}
_TAKES: Final[Mapping[Kind, frozenset[str]]] = {
    "buy": _PRICED,
    "sell": _PRICED,
    "trade": _PRICED | _NEEDS["trade"],
    "deposit": _PRICED,
    "withdrawal": _PRICED,
    "transfer": _PRICED | _NEEDS["transfer"],
    "reward": _PRICED,
    "airdrop": _PRICED,
    "fee": frozenset(),
}
_DEPENDENT: Final = ("price", "currency", "fee", "fee_asset", "counter_asset", "counter_quantity", "to_portfolio_id")
"""Fields that some kinds need and others must not have."""


class Draft(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A transaction to be, as users send and files hold it.

    `quantity` of `asset` is what it is about, in a trade what was given for the counter. `price` is per unit in
    `currency`, of which None is the portfolio's base; `time` is Unix ms.

    Raises:
        InvalidError: The fields do not go together; it names the one at fault.
    """

    type: Kind
    asset: Asset
    quantity: Quantity
    price: Quantity | None = None
    currency: Currency | None = None
    fee: Amount | None = None
    fee_asset: FeeAsset | None = None
    counter_asset: Asset | None = None
    counter_quantity: Quantity | None = None
    to_portfolio_id: str | None = None
    external_id: ExternalId | None = None
    time: Time
    note: Note | None = None

    def __post_init__(self) -> None:
        needs, takes = _NEEDS.get(self.type, frozenset()), _TAKES[self.type]
        for name in _DEPENDENT:
            if getattr(self, name) is None:
                if name in needs:
                    raise InvalidError(name, f"A {self.type} needs it")
            elif name not in takes:
                raise InvalidError(name, f"A {self.type} has none")
        if self.currency is not None and self.price is None:
            raise InvalidError("currency", "Without a price it means nothing")
        if self.fee_asset is not None and self.fee is None:
            raise InvalidError("fee_asset", "Without a fee it means nothing")
        if self.counter_asset == self.asset:
            raise InvalidError("counter_asset", "Expected another than the asset")
        if self.time < GENESIS:
            raise InvalidError("time", "Expected a time from 2009-01-03 on")

    def check_time(self, now: int) -> None:
        """Refuses the future, but for five minutes of it.

        Args:
            now: Unix ms.

        Raises:
            InvalidError: It is later.
        """
        if self.time > now + AHEAD:
            raise InvalidError("time", "Expected a time that is not in the future")


class Portfolio(Struct, kw_only=True):
    """A user's portfolio. Times in Unix ms; `updated_at` is that of what it is called and how it counts."""

    id: str
    name: str
    base_currency: Currency
    cost_basis: Method
    created_at: int
    updated_at: int
    version: int


class NewPortfolio(Struct, kw_only=True, forbid_unknown_fields=True):
    """A portfolio to be; what is left out is as the user's preferences say."""

    name: DisplayName
    base_currency: Currency | UnsetType = UNSET
    cost_basis: Method | UnsetType = UNSET


class PortfolioChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a portfolio; what is left out stays."""

    name: DisplayName | UnsetType = UNSET
    base_currency: Currency | UnsetType = UNSET
    cost_basis: Method | UnsetType = UNSET


class PortfolioView(Struct, kw_only=True):
    """A portfolio, as its user sees it."""

    id: str
    name: str
    base_currency: Currency
    cost_basis: Method
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, portfolio: Portfolio) -> Self:
        """A portfolio's."""
        return cls(
            id=portfolio.id,
            name=portfolio.name,
            base_currency=portfolio.base_currency,
            cost_basis=portfolio.cost_basis,
            created_at=rfc3339(portfolio.created_at),
            updated_at=rfc3339(portfolio.updated_at),
        )

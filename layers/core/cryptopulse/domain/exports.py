"""Our own CSV: written for spreadsheets, and taken back unchanged."""

import csv
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from cryptopulse.domain.csv_tables import Columns, Row
from cryptopulse.domain.legs import Booked, Layout, Leg, checked
from cryptopulse.domain.portfolios import (
    CURRENCIES,
    KINDS,
    Amount,
    Asset,
    Currency,
    Draft,
    ExternalId,
    FeeAsset,
    Kind,
    Note,
    Quantity,
)
from cryptopulse.domain.times import Time, rfc3339
from cryptopulse.domain.transactions import Transaction

_NEEDED: Final = ("time", "type", "asset", "quantity")
_OPTIONAL: Final = (
    "price",
    "currency",
    "fee",
    "fee_asset",
    "counter_asset",
    "counter_quantity",
    "to_portfolio_id",
    "external_id",
    "note",
)
HEADER: Final = (*_NEEDED, *_OPTIONAL)
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet runs as a formula; quotes before it, so that taking one off is the exact reverse of putting it on.

After OWASP, "CSV Injection".
"""


class _Line:
    """Where a csv.writer writes to: its answer is the line."""

    def write(self, line: str) -> str:
        return line


def export(entries: Iterable[Draft | Transaction]) -> Iterator[str]:
    """The lines of a file that holds these transactions, its header first.

    A kept transaction goes out under its `name`, and importing the file where it came from adds nothing. A draft
    without an `external_id` gets one when it comes back, of its content.
    """
    writer = csv.writer(_Line())
    yield writer.writerow(HEADER)
    for entry in entries:
        name: str | None
        fee_asset: str | None
        if isinstance(entry, Transaction):
            name, fee_asset = entry.name, None if entry.is_fee_plain else entry.fee_asset
        else:
            name, fee_asset = entry.external_id, entry.fee_asset
        yield writer.writerow(
            (
                rfc3339(entry.time),
                entry.type,
                entry.asset,
                _plain(entry.quantity),
                _plain(entry.price),
                entry.currency,
                _plain(entry.fee),
                fee_asset,
                entry.counter_asset,
                _plain(entry.counter_quantity),
                neutral(entry.to_portfolio_id or ""),
                neutral(name or ""),
                neutral(entry.note or ""),
            )
        )


def neutral(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """The text that `neutral` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _plain(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}"


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if text == kind:
            return kind
    raise ValueError(f"Expected one of {', '.join(KINDS)}")


def _currency(text: str) -> Currency:
    for currency in CURRENCIES:
        if text == currency:
            return currency
    raise ValueError(f"Expected one of {', '.join(CURRENCIES)}")


def _read(row: Row) -> Booked | list[Leg] | None:
    fee = checked("fee", Amount.of, row.plain("fee")) if row.text("fee") else None
    draft = Draft(
        time=row.read("time", Time.parse),
        type=row.read("type", _kind),
        asset=row.read("asset", Asset.parse),
        quantity=checked("quantity", Quantity.of, row.plain("quantity")),
        price=_quantity(row, "price"),
        currency=row.read_if_any("currency", _currency),
        fee=fee,
        fee_asset=row.read_if_any("fee_asset", FeeAsset.parse),
        counter_asset=row.read_if_any("counter_asset", Asset.parse),
        counter_quantity=_quantity(row, "counter_quantity"),
        to_portfolio_id=row.read_if_any("to_portfolio_id", original),
        external_id=row.read_if_any("external_id", lambda text: ExternalId.parse(original(text))),
        note=row.read_if_any("note", lambda text: Note.parse(original(text))),
    )
    return Booked(draft)


def _quantity(row: Row, column: str) -> Quantity | None:
    return checked(column, Quantity.of, row.plain(column)) if row.text(column) else None


TRANSACTIONS: Final = Layout(
    "cryptopulse", Columns(_NEEDED, _OPTIONAL, is_strict=True), _read, lambda _: "", lambda _: ""
)

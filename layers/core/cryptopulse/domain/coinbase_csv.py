"""Coinbase's transaction history: a line for each transaction, below a preamble."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from cryptopulse.domain.csv_tables import Columns, Row, code, number
from cryptopulse.domain.legs import PLACE, Booked, Layout, Leg, checked
from cryptopulse.domain.portfolios import CURRENCIES, Amount, Asset, Currency, Draft, Kind, Quantity, is_fiat

_TYPES: Final[Mapping[Kind, Sequence[str]]] = {
    "buy": ("buy", "advanced trade buy", "advance trade buy"),
    "sell": ("sell", "advanced trade sell", "advance trade sell", "card spend"),
    "deposit": ("receive", "deposit"),
    "withdrawal": ("send", "withdrawal"),
    "airdrop": ("airdrop",),
    "reward": (
        "staking income",
        "reward income",
        "rewards income",
        "inflation reward",
        "interest payout",
        "coinbase earn",
        "learning reward",
        "credit card reward",
        "incentives rewards payout",
        "subscription rebate",
        "subscription rebates (24 hours)",
    ),
}
_KINDS: Final = {type_: kind for kind, types in _TYPES.items() for type_ in types}
_EXCHANGES: Final = ("convert", "asset migration")
_MOVES: Final = frozenset(
    (
        "exchange deposit",
        "exchange withdrawal",
        "pro deposit",
        "pro withdrawal",
        "prime deposit",
        "prime withdrawal",
        "portfolio transfer",
        "vault withdrawal",
        "cash to savings",
        "savings to cash",
        "retail staking transfer",
        "retail unstaking transfer",
        "retail eth2 deprecation",
    )
)
"""Between one's own accounts there."""
_CONVERTED: Final = re.compile(
    r"Converted (?P<given>[0-9.,]+) (?P<give>[A-Za-z0-9]+) to (?P<taken>[0-9.,]+) (?P<take>[A-Za-z0-9]+)\.?"
)
_TRADED: Final = re.compile(
    r"(Bought|Sold) [0-9.,]+ [A-Za-z0-9]+ for (?P<total>[0-9.,]+) (?P<quote>[A-Za-z0-9]+) on [A-Z0-9]+-(?P=quote)\b.*"
)
"""What an advanced trade was paid with: only the note says. The total holds the fee."""
_NAMES: Final = {"ETH2": "ETH"}


def _read(row: Row) -> Booked | list[Leg] | None:
    kind = row.word("Transaction Type").casefold()
    asset = _asset(row.read("Asset", code))
    time, quantity = row.time("Timestamp"), row.number("Quantity Transacted")
    if kind in _MOVES:
        return None
    if kind in _EXCHANGES:
        return _exchange(row, asset, quantity)
    if kind not in _KINDS:
        raise row.fault("Transaction Type", "Not a supported type")
    if _KINDS[kind] in ("buy", "sell"):
        return _trade(
            row, asset, checked("Quantity Transacted", Quantity.of, abs(quantity)), is_buy=_KINDS[kind] == "buy"
        )
    if quantity < 0 and _KINDS[kind] != "withdrawal":
        raise row.fault("Quantity Transacted", "Expected more than 0 for this type")
    if is_fiat(asset):
        return None
    price = None if _KINDS[kind] == "withdrawal" else _price(row)
    draft = Draft(
        type=_KINDS[kind],
        asset=Asset.parse(asset),
        quantity=checked("Quantity Transacted", Quantity.of, abs(quantity)),
        price=price and price[0],
        currency=price and price[1],
        time=time,
        note=row.note("Notes"),
    )
    return Booked(draft)


def _asset(name: str) -> str:
    return _NAMES.get(name, name)


def _price(row: Row) -> tuple[Quantity, Currency] | None:
    """The market price that Coinbase states, if it is in a currency of ours; else ours will do."""
    price = row.money("Price at Transaction")
    for currency in CURRENCIES:
        if price and row.text("Price Currency").upper() == currency:
            return checked("Price at Transaction", Quantity.of, abs(price)), currency
    return None


def _trade(row: Row, asset: str, quantity: Quantity, *, is_buy: bool) -> list[Leg]:
    time, note, sign = row.time("Timestamp"), row.note("Notes"), 1 if is_buy else -1
    coin = Leg(asset=asset, amount=sign * quantity, time=time, note=note)
    traded = _TRADED.fullmatch(note or "")
    if traded and not is_fiat(traded["quote"].upper()):
        quote = row.read("Notes", code, traded["quote"])
        total = row.read("Notes", number, traded["total"])
        return [coin, Leg(asset=quote, amount=-sign * total, time=time)]
    # The price is rounded, and on simple sales without the spread: the subtotal is what was paid.
    subtotal = abs(row.money("Subtotal"))
    if not subtotal:
        price = checked("Price at Transaction", Amount.of, abs(row.money("Price at Transaction")))
        subtotal = (quantity * price).quantize(PLACE)
    fee = abs(row.money("Fees and/or Spread"))
    if not subtotal:
        raise row.fault("Subtotal", "Expected more than 0")
    return [coin, Leg(asset=row.read("Price Currency", code), amount=-sign * subtotal, fee=fee, time=time)]


def _exchange(row: Row, asset: str, quantity: Decimal) -> list[Leg] | None:
    """The legs of a conversion: older exports tell both in the note of one line, newer ones have a line for each.

    What it cost is the difference in value of the two, and so no fee to be counted again.
    """
    time, note, group = row.time("Timestamp"), row.note("Notes"), _group(row)
    converted = _CONVERTED.fullmatch(note or "")
    if converted is None:
        id_ = f"{group} {asset}" if row.text("ID") else ""
        return [Leg(asset=asset, amount=quantity, time=time, id=id_, note=note)]
    give, take = (_asset(row.read("Notes", code, name)) for name in converted.group("give", "take"))
    if give == take:
        return None  # ETH staked
    given, taken = (row.read("Notes", number, size) for size in converted.group("given", "taken"))
    return [
        Leg(asset=asset, amount=amount, time=time, id=f"{group} {asset}", note=note)
        for asset, amount in ((give, -given), (take, taken))
    ]


def _reference(row: Row) -> str:
    return row.text("ID")


def _group(row: Row) -> str:
    kind = row.text("Transaction Type").casefold()
    if kind == "asset migration":
        return f"{kind} {row.text('Timestamp')}"
    return f"{kind} {row.text('ID') or row.line}" if kind == "convert" else ""


TRANSACTIONS: Final = Layout(
    "coinbase",
    Columns(
        (
            "Timestamp",
            "Transaction Type",
            "Asset",
            "Quantity Transacted",
            "Price Currency|Spot Price Currency",
            "Price at Transaction|Spot Price at Transaction",
            "Subtotal",
            "Fees and/or Spread|Fees",
        ),
        ("ID", "Notes"),
    ),
    _read,
    _group,
    _reference,
)

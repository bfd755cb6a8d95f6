"""Binance's exports: Transaction History, which has a line for each change of a balance, and Spot Trade History."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from cryptopulse.domain.csv_tables import Columns, Row, code, number
from cryptopulse.domain.legs import Booked, Layout, Leg, checked
from cryptopulse.domain.portfolios import Asset, Draft, Kind, Quantity, is_fiat

ZONELESS: Final = "Time"
"""The column whose zone newer exports state in the file's name only."""
QUOTES: Final = (  # noqa: SIM905 a line each is too much
    "FDUSD USDT USDC BUSD TUSD USDP USDS EURI AEUR BTC ETH BNB XRP TRX DOGE DAI PAX BIDR IDRT BVND"
    " EUR GBP TRY AUD BRL RUB UAH NGN ZAR PLN RON ARS JPY MXN CZK COP USD"
).split()
"""What Binance's pairs are quoted in. A pair says nowhere where its base ends."""


class _Exchange(NamedTuple):
    """How the legs of an operation are joined; operations of one family are legs of one exchange."""

    family: str
    rule: Literal["exchange", "dust", "purchase"] = "exchange"


_EXCHANGES: Final[Mapping[str, _Exchange]] = {
    # Until 2022 each name could be either leg's.
    "buy": _Exchange("spot"),
    "sell": _Exchange("spot"),
    "transaction related": _Exchange("spot"),
    "transaction buy": _Exchange("bought"),
    "transaction spend": _Exchange("bought"),
    "transaction sold": _Exchange("sold"),
    "transaction revenue": _Exchange("sold"),
    "fee": _Exchange("fee"),
    "transaction fee": _Exchange("fee"),
    "binance convert": _Exchange("convert"),
    "large otc trading": _Exchange("otc"),
    "buy crypto with fiat": _Exchange("purchase", "purchase"),
    "buy crypto with card": _Exchange("purchase", "purchase"),
    "p2p trading": _Exchange("p2p", "purchase"),
    "sell crypto to fiat": _Exchange("sale"),
    "eth 2.0 staking": _Exchange("staking"),
    "wbeth2.0 - staking": _Exchange("staking"),
    "sol staking - purchase": _Exchange("staking"),
    "stablecoins auto-conversion": _Exchange("stablecoins"),
    "token swap - distribution": _Exchange("swap"),
    "token swap - redenomination/rebranding": _Exchange("swap"),
    "auto-invest transaction": _Exchange("auto-invest"),
    "small assets exchange bnb": _Exchange("dust", "dust"),
    "small assets exchange bnb (spot)": _Exchange("dust", "dust"),
}
_OPERATIONS: Final[Mapping[Kind, Sequence[str]]] = {
    "deposit": ("deposit", "fiat deposit", "fiat ocbs - add fiat and fees"),
    "withdrawal": ("withdraw", "fiat withdraw", "fiat withdrawal"),
    "airdrop": (
        "airdrop assets",
        "distribution",
        "simple earn flexible airdrop",
        "launchpool airdrop",
        "launchpool airdrop - system distribution",
        "launchpool airdrop - user claim distribution",
        "hodler airdrops distribution",
        "megadrop rewards",
        "crypto box",
    ),
    "reward": (
        "staking rewards",
        "eth 2.0 staking rewards",
        "pos savings interest",
        "savings interest",
        "savings distribution",
        "simple earn flexible interest",
        "simple earn locked rewards",
        "launchpool interest",
        "launchpool earnings withdrawal",
        "bnb vault rewards",
        "liquid swap rewards",
        "swap farming rewards",
        "dot slot auction rewards",
        "super bnb mining",
        "pool distribution",
        "commission history",
        "commission rebate",
        "commission fee shared with you",
        "referral commission",
        "referral kickback",
        "referrer rebates",
        "binance card cashback",
        "cashback voucher",
        "cash voucher distribution",
        "campaign related reward",
    ),
}
_KINDS: Final = {operation: kind for kind, operations in _OPERATIONS.items() for operation in operations}
_MOVES: Final = frozenset(
    (
        "main and funding account transfer",
        "transfer_in",
        "transfer_out",
        "savings purchase",
        "savings principal redemption",
        "pos savings purchase",
        "pos savings redemption",
        "staking purchase",
        "staking redemption",
        "simple earn flexible subscription",
        "simple earn flexible redemption",
        "simple earn locked subscription",
        "simple earn locked redemption",
        "launchpool subscription/redemption",
    )
)
"""Between one's own accounts there, as all that begins with `transfer between`."""
_DISCOUNTED: Final = "BNB"
"""What fees are paid in by those who like, whatever is traded."""


def _operation(row: Row) -> str:
    return row.text("Operation").casefold()


def _read_history(row: Row) -> Booked | list[Leg] | None:
    operation = _operation(row)
    time, account = row.time("UTC_Time"), row.word("Account")
    coin, change = row.read("Coin", code), row.number("Change")
    if operation in _MOVES or operation.startswith("transfer between "):
        return None
    if not change:
        raise row.fault("Change", "Expected a change, not 0")
    if operation in _EXCHANGES:
        family, rule = _EXCHANGES[operation]
        if family == "fee":
            return [Leg(asset=coin, amount=Decimal(0), fee=-change, time=time, family=family)]
        return [Leg(asset=coin, amount=change, time=time, family=family, rule=rule, remark=row.text("Remark"))]
    if operation not in _KINDS:
        raise row.fault("Operation", f"Not a supported operation of the {account[:20]} account")
    kind = _KINDS[operation]
    if (change < 0) != (kind == "withdrawal"):
        raise row.fault("Change", f"Expected {'less' if kind == 'withdrawal' else 'more'} than 0 for this operation")
    if is_fiat(coin):
        return None
    quantity = checked("Change", Quantity.of, abs(change))
    return Booked(Draft(type=kind, asset=Asset.parse(coin), quantity=quantity, time=time, note=row.note("Remark")))


def _read_trade(row: Row) -> list[Leg]:
    time, pair = row.time("Date(UTC)"), row.word("Pair").upper()
    side = row.word("Side").casefold()
    if side not in ("buy", "sell"):
        raise row.fault("Side", "Expected BUY or SELL")
    base, quote = _split(row, pair)
    executed, amount = _with_unit(row, "Executed", base), _with_unit(row, "Amount", quote)
    fee = _with_unit(row, "Fee", quote, base, _DISCOUNTED)
    sign = 1 if side == "buy" else -1
    legs = [
        Leg(asset=base, amount=sign * executed[0], time=time),
        Leg(asset=quote, amount=-sign * amount[0], time=time),
        Leg(asset=fee[1], amount=Decimal(0), fee=fee[0], time=time),
    ]
    if not executed[0] or not amount[0]:
        raise row.fault("Executed" if not executed[0] else "Amount", "Expected more than 0")
    return legs


def _split(row: Row, pair: str) -> tuple[str, str]:
    """A pair's base and quote: those whose names the amounts bear."""
    executed, amount = row.word("Executed").upper(), row.word("Amount").upper()
    bare = executed[-1:].isdigit() and amount[-1:].isdigit()
    for quote in sorted(QUOTES, key=len, reverse=True):
        base = pair.removesuffix(quote)
        if base and base != pair and (bare or (amount.endswith(quote) and executed.endswith(base))):
            return row.read("Pair", code, base), quote
    raise row.fault("Pair", "Not a pair of a known quote")


def _with_unit(row: Row, column: str, *units: str) -> tuple[Decimal, str]:
    """An amount with its asset, one of these: `0.1800000000SOL`; without one it is in the first."""
    text = row.word(column).upper()
    # An asset may begin with a digit, so that what ends the number is known by its name only: 5001INCH.
    unit = next((unit for unit in sorted(units, key=len, reverse=True) if text.endswith(unit)), "")
    return row.read(column, number, text.removesuffix(unit).strip()), unit or units[0]


def _history_group(row: Row) -> str:
    return f"{row.text('UTC_Time')} {row.text('Account')}" if _operation(row) in _EXCHANGES else ""


HISTORY: Final = Layout(
    "binance",
    Columns(("UTC_Time|Time|Time(UTC)|Date(UTC)", "Account", "Operation", "Coin", "Change"), ("Remark",)),
    _read_history,
    _history_group,
    lambda _: "",
)
TRADES: Final = Layout(
    "binance",
    Columns(("Date(UTC)|Time(UTC)|Time|UTC_Time", "Pair", "Side", "Price", "Executed", "Amount", "Fee")),
    _read_trade,
    lambda _: "",
    lambda _: "",
)

"""Kraken's exports: ledgers.csv, which has a line for each change of a balance, and trades.csv."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from cryptopulse.domain.csv_tables import Columns, Row, code
from cryptopulse.domain.legs import Booked, Layout, Leg, checked
from cryptopulse.domain.portfolios import Amount, Asset, Draft, FeeAsset, Kind, Quantity, is_fiat

_CLASSIC: Final[Mapping[str, str]] = {
    "XETC": "ETC",
    "XETH": "ETH",
    "XICN": "ICN",
    "XLTC": "LTC",
    "XMLN": "MLN",
    "XNMC": "NMC",
    "XREP": "REP",
    "XXBT": "BTC",
    "XXDG": "DOGE",
    "XXLM": "XLM",
    "XXMR": "XMR",
    "XXRP": "XRP",
    "XXVN": "XVN",
    "XZEC": "ZEC",
    "ZAUD": "AUD",
    "ZCAD": "CAD",
    "ZEUR": "EUR",
    "ZGBP": "GBP",
    "ZJPY": "JPY",
    "ZKRW": "KRW",
    "ZUSD": "USD",
}
_NAMES: Final = {**_CLASSIC, "XBT": "BTC", "XDG": "DOGE", "ETH2": "ETH"}
_STATE: Final = re.compile(r"(?P<asset>[A-Z0-9]+?)((0[347]|14|21|28)?\.[SB]|\.[MPFT]|\.HOLD)")
"""Staked, bonded (for so many days), held: the same asset in another state."""
_CREDITS: Final = "KFEE"
"""Fee credits: no money and no coin."""
QUOTES: Final = "PYUSD USDT USDC USDG USDQ RLUSD DAI EURT EURR DOT ETH XBT EUR USD GBP CAD AUD CHF JPY AED".split()  # noqa: SIM905 (a line each is too much)

_KINDS: Final[Mapping[str, Kind]] = {
    "deposit": "deposit",
    "withdrawal": "withdrawal",
    "staking": "reward",
    "dividend": "reward",
    "reward": "reward",
    "invite bonus": "reward",
    "airdrop": "airdrop",
}
_EXCHANGES: Final = ("trade", "spend", "receive", "conversion")
_EARNED: Final[Mapping[str, Kind]] = {"reward": "reward", "airdrop": "airdrop"}
_MOVES: Final = frozenset(
    "spottostaking stakingfromspot stakingtospot spotfromstaking spottofutures futuresfromspot futurestospot"  # noqa: SIM905 (a line each is too much)
    " spotfromfutures allocation deallocation autoallocate autoallocation migration".split()
)
"""Between one's own accounts there."""


def asset(name: str) -> str:
    """What others call an asset or currency of Kraken's.

    Raises:
        ValueError: It is no name of theirs.
    """
    name = name.upper() if name.isascii() else name
    state = _STATE.fullmatch(name)
    if state:
        name = state["asset"]
    return code(_NAMES.get(name, name))


def _read_ledger(row: Row) -> Booked | list[Leg] | None:
    if not row.text("txid"):
        return None  # not settled yet: it comes again with an id
    kind, subtype = row.word("type").casefold(), row.text("subtype").casefold()
    name, time = row.read("asset", asset), row.time("time")
    amount, fee = row.number("amount"), row.number("fee")
    if kind in _EXCHANGES:
        return _leg(row, name, amount, fee, is_dust=subtype == "dustsweeping")
    if subtype in _MOVES and kind in ("transfer", "earn"):
        return None
    if kind == "transfer" and not subtype:
        return [Leg(asset=name, amount=amount, fee=fee, time=time, id=row.text("txid"), rule="move")]
    booked = _EARNED.get(subtype) if kind in ("earn", "transfer") else _KINDS.get(kind)
    if booked is None:
        known = kind in ("earn", "transfer")
        raise row.fault("subtype" if known else "type", f"Not a supported {'subtype' if known else 'type'}")
    return _single(row, booked, name, amount, fee)


def _leg(row: Row, name: str, amount: Decimal, fee: Decimal, *, is_dust: bool) -> list[Leg]:
    time, id_ = row.time("time"), row.text("txid")
    row.word("refid")
    if name == _CREDITS:
        return [Leg(asset=name, amount=Decimal(0), time=time, id=id_)]
    return [Leg(asset=name, amount=amount, fee=fee, time=time, id=id_, rule="dust" if is_dust else "exchange")]


def _single(row: Row, kind: Kind, name: str, amount: Decimal, fee: Decimal) -> Booked | None:
    if (amount < 0) != (kind == "withdrawal") or fee < 0:
        raise row.fault("amount", "A reversal: not a supported entry")
    if is_fiat(name) or name == _CREDITS:
        return None
    if kind == "withdrawal":
        draft = Draft(
            type=kind,
            asset=Asset.parse(name),
            quantity=checked("amount", Quantity.of, -amount),
            fee=checked("fee", Amount.of, fee) if fee else None,
            fee_asset=FeeAsset.parse(name) if fee else None,
            time=row.time("time"),
        )
    else:  # What came in is the amount less the fee.
        quantity = checked("amount", Quantity.of, amount - fee)
        draft = Draft(type=kind, asset=Asset.parse(name), quantity=quantity, time=row.time("time"))
    return Booked(draft)


def _read_trade(row: Row) -> list[Leg]:
    time, side = row.time("time"), row.word("type").casefold()
    if side not in ("buy", "sell"):
        raise row.fault("type", "Expected buy or sell")
    if row.money("margin"):
        raise row.fault("margin", "Trades on margin are not supported")
    base, quote = row.read("pair", split)
    volume, cost, fee = row.number("vol"), row.number("cost"), row.number("fee")
    for column, value in (("vol", volume), ("cost", cost)):
        if value <= 0:
            raise row.fault(column, "Expected more than 0")
    sign = 1 if side == "buy" else -1
    return [
        Leg(asset=base, amount=sign * volume, time=time),
        Leg(asset=quote, amount=-sign * cost, fee=fee, time=time),
    ]


def split(pair: str) -> tuple[str, str]:
    """A pair's base and quote: `XXBTZEUR`, `ADAUSDT`, `ADA/USD`.

    Raises:
        ValueError: Its quote is none that is known.
    """
    pair = pair.upper()
    if "/" in pair:
        base, _, quote = pair.partition("/")
        return asset(base), asset(quote)
    if pair[:4] in _CLASSIC and pair[4:] in _CLASSIC:
        return asset(pair[:4]), asset(pair[4:])
    for quote in sorted(QUOTES, key=len, reverse=True):
        if pair.endswith(quote) and pair != quote:
            return asset(pair.removesuffix(quote)), asset(quote)
    raise ValueError("Not a pair of a known quote")


def _ledger_group(row: Row) -> str:
    is_leg = row.text("type").casefold() in (*_EXCHANGES, "transfer") and row.text("txid")
    return row.text("refid") if is_leg else ""


LEDGERS: Final = Layout(
    "kraken",
    Columns(("txid", "refid", "time", "type", "asset", "amount", "fee"), ("subtype",)),
    _read_ledger,
    _ledger_group,
    lambda row: _ledger_group(row) or row.text("txid"),
)
TRADES: Final = Layout(
    "kraken",
    Columns(("txid", "pair", "time", "type", "price", "cost", "fee", "vol"), ("margin",)),
    _read_trade,
    lambda _: "",
    lambda row: row.text("txid"),  # a ledger calls it refid
)

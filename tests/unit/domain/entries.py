"""Transactions as they are entered, and markets as they are known, for the tests of what is made of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Final

import msgspec

from cryptopulse.domain.candles import DAY, HOUR, MINUTE
from cryptopulse.domain.portfolios import Amount, Asset, Currency, Draft, FeeAsset, Kind, Quantity
from cryptopulse.domain.quotes import Closes, History, Leg, Quotes
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Mark, Transaction, new_id

STEPS: Final = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
_places = count()

type Number = str | float | Decimal


def at(time: str) -> int:
    """A time in ISO 8601, UTC, as Unix ms."""
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000)


def d(number: Number) -> Decimal:
    return Decimal(str(number))


def entered(
    kind: Kind,
    asset: str,
    quantity: Number,
    time: str | int,
    *,
    base: Currency = "USD",
    marks: Mapping[str, Number] | None = None,
    counter: tuple[str, Number] | None = None,
    **more: Any,
) -> Transaction:
    """A transaction of a draft.

    Args:
        kind: Its type.
        asset: What it is about.
        quantity: How much of it.
        time: In ISO 8601 or Unix ms.
        base: The portfolio's currency.
        marks: What things were worth in it.
        counter: What a trade received.
        more: `price`, `fee` and other fields.
    """
    moment = at(time) if isinstance(time, str) else time
    for name, parse in (("price", Quantity.of), ("fee", Amount.of)):
        if name in more:
            more[name] = parse(d(more[name]))
    if "fee_asset" in more:
        more["fee_asset"] = FeeAsset(more["fee_asset"])
    if counter is not None:
        more |= {"counter_asset": Asset(counter[0]), "counter_quantity": Quantity.of(d(counter[1]))}
    draft = Draft(type=kind, asset=Asset(asset), quantity=Quantity.of(d(quantity)), time=Time(moment), **more)
    tx = Transaction.of(draft, new_id(moment, moment, next(_places) % 65_536, 0), base, moment)
    known = {code: Mark(d(price), moment) for code, price in (marks or {}).items()}
    return msgspec.structs.replace(tx, marks=known)


def quotes(
    closes: Mapping[str, Mapping[str, Mapping[str, Number]]], now: str, base: Currency = "USD", scale: int = 8
) -> Quotes:
    """What is known of assets: `quotes({"BTC": {"1d": {"2024-01-01": 100}}}, now="2025-01-01")`."""
    series = {asset: Series("coinbase", f"{asset}-{base}") for asset in closes}
    histories = {}
    for asset, by_step in closes.items():
        history = histories[series[asset]] = History(at(now), at(now))
        for step, prices in by_step.items():
            starts = [at(start) for start in prices]
            history.add(STEPS[step], Closes(scale, starts, [int(d(price).scaleb(scale)) for price in prices.values()]))
    return Quotes({asset: (Leg(each),) for asset, each in series.items()}, histories)


def daily(first: str, *prices: Number) -> dict[str, Number]:
    """Closes of days, one after the other."""
    start = at(first)
    return {
        datetime.fromtimestamp((start + place * DAY) // 1000, UTC).strftime("%Y-%m-%d"): price
        for place, price in enumerate(prices)
    }

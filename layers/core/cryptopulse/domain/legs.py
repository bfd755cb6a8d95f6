"""Legs: what exchanges write a line each of, joined to the one transaction that they were."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import Struct

from cryptopulse.domain.csv_tables import Columns, Row
from cryptopulse.domain.portfolios import CURRENCIES, Amount, Asset, Currency, Draft, FeeAsset, Note, Quantity, is_fiat
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

PLACE: Final = Decimal(1).scaleb(-18)
"""What a price made of two amounts is rounded to, half to even."""


class Leg(Struct, frozen=True, kw_only=True):
    """One asset's part of an exchange.

    `amount` is positive where it came in; 0 where there is only a fee. `asset` may be a fiat currency. Legs of one
    `family` may belong together, `remark` tells those that do where the family alone does not, and those with one `id`
    are the same leg told twice. `rule` is how they are joined: an `exchange` has one asset for another; `dust` many
    for one; a `purchase` may lack what was paid; a `move` comes to nothing, or is an airdrop.
    """

    asset: str
    amount: Decimal
    time: Time
    fee: Decimal = Decimal(0)
    family: str = ""
    remark: str = ""
    id: str = ""
    rule: Literal["exchange", "dust", "purchase", "move"] = "exchange"
    note: Note | None = None


class Booked(Struct, frozen=True):
    """A transaction that one or more lines tell; what they tell beside it is another `part`."""

    draft: Draft
    part: str = ""
    warning: tuple[str, str] | None = None
    """A field, and what is to be known of it."""


class Layout(Struct, frozen=True):
    """A kind of file: how its rows are read.

    Args:
        format: Whose it is.
        columns: By which it is known.
        read: A row's transaction or legs; None where it is none of ours, such as a move between own accounts.
        group: What the rows of one exchange share; "" for a row that stands alone.
        reference: What the exchange calls the row's transaction; "" where it does not say.
    """

    format: str
    columns: Columns
    read: Callable[[Row], Booked | list[Leg] | None]
    group: Callable[[Row], str]
    reference: Callable[[Row], str]


def checked[V, T](field: str, make: Callable[[V], T], value: V) -> T:
    """A value made into another type.

    Raises:
        InvalidError: The type's own ValueError.
    """
    try:
        return make(value)
    except ValueError as error:
        raise InvalidError(field, str(error)) from error


def currency(code: str) -> Currency:
    """The code as a currency that prices may be in.

    Raises:
        InvalidError: It is another.
    """
    for known in CURRENCIES:
        if code == known:
            return known
    raise InvalidError("currency", f"{code} is none that prices may be in: {', '.join(CURRENCIES)}")


def join(legs: Sequence[Leg]) -> list[Booked]:
    """The transactions that these legs make; none where they are of fiat alone or cancel each other.

    A fee goes with the transaction if there is just one, money before coins; every other is a transaction of its own.
    Call it where decimals are exact (`imports.EXACT`).

    Raises:
        InvalidError: A leg is missing, or they can be paired in more than one way.
    """
    distinct = list({leg.id or place: leg for place, leg in enumerate(legs)}.values())
    families = _grouped(distinct, lambda leg: leg.family)
    booked = [each for family in families for each in _paired(family)]
    fees: defaultdict[str, Decimal] = defaultdict(Decimal)
    for leg in distinct:
        if leg.fee < 0:
            raise InvalidError("fee", "Expected none below 0")
        fees[leg.asset] += leg.fee
    return _with_fees(booked, {asset: fee for asset, fee in fees.items() if fee}, distinct[0].time)


def exchange(give: tuple[str, Decimal], take: tuple[str, Decimal], time: Time, note: Note | None = None) -> Draft:
    """One asset for another, not money for money: a buy where money is given, a sale where it is taken, else a trade.

    Args:
        give: What was given, and how much of it, above 0.
        take: What came in.
        time: Unix ms.
        note: To go with it.

    Raises:
        InvalidError: An amount is outside the limits, or the money is none that prices may be in.
    """
    (given, paid), (taken, received) = give, take
    paid, received = checked("quantity", Quantity.of, paid), checked("quantity", Quantity.of, received)
    if is_fiat(given) or is_fiat(taken):
        is_buy = is_fiat(given)
        coin, quantity, money, total = (taken, received, given, paid) if is_buy else (given, paid, taken, received)
        return Draft(
            type="buy" if is_buy else "sell",
            asset=Asset.parse(coin),
            quantity=quantity,
            price=checked("price", Quantity.of, _shortest((total / quantity).quantize(PLACE))),
            currency=currency(money),
            time=time,
            note=note,
        )
    return Draft(
        type="trade",
        asset=Asset.parse(given),
        quantity=paid,
        counter_asset=Asset.parse(taken),
        counter_quantity=received,
        time=time,
        note=note,
    )


def _shortest(number: Decimal) -> Decimal:
    """The number without zeros at its end behind the point."""
    return number.to_integral_value() if number == number.to_integral_value() else number.normalize()


def _paired(legs: list[Leg]) -> list[Booked]:
    """The transactions of one family."""
    net: defaultdict[str, Decimal] = defaultdict(Decimal)
    for leg in legs:
        net[leg.asset] += leg.amount
    gives = sorted((asset, -amount) for asset, amount in net.items() if amount < 0)
    takes = sorted((asset, amount) for asset, amount in net.items() if amount > 0)
    if all(is_fiat(asset) for asset, _ in gives + takes):
        return []
    rule, time = legs[0].rule, min(leg.time for leg in legs)
    note = next((leg.note for leg in legs if leg.note), None)
    if len(gives) == len(takes) == 1:
        return [Booked(exchange(gives[0], takes[0], time, note))]
    remarks = _grouped(legs, lambda leg: leg.remark)
    if len(remarks) > 1 and gives and takes:
        return [each for part in remarks for each in _paired(part)]
    if rule == "dust" and len(takes) == 1 and gives and not any(is_fiat(asset) for asset, _ in gives):
        return _swept(gives, takes[0], time)
    if rule in ("purchase", "move") and not gives and len(takes) == 1:
        return [_received(takes[0], time, note, is_airdrop=rule == "move")]
    if gives and takes:
        raise InvalidError("line", "Several exchanges at one time, and nothing says what was given for what")
    raise InvalidError("line", "The other leg of this exchange is missing")


def _swept(gives: list[tuple[str, Decimal]], take: tuple[str, Decimal], time: Time) -> list[Booked]:
    """Dust of many assets for one other: files do not say how much each gave, so each gets an equal share."""
    asset, whole = take[0], checked("quantity", Quantity.of, take[1])
    share = (whole / len(gives)).quantize(PLACE)
    warning = ("line", f"How much {asset} each asset gave is not in the file: shared equally")
    booked = []
    for place, give in enumerate(gives):
        received = share if place < len(gives) - 1 else whole - share * place
        booked.append(Booked(exchange(give, (asset, received), time), give[0], warning))
    return booked


def _received(take: tuple[str, Decimal], time: Time, note: Note | None, *, is_airdrop: bool) -> Booked:
    asset, amount = take
    draft = Draft(
        type="airdrop" if is_airdrop else "deposit",
        asset=Asset.parse(asset),
        quantity=checked("quantity", Quantity.of, amount),
        time=time,
        note=note,
    )
    bought = ("price", "What was paid is not in the file: taken in at the market price then")
    return Booked(draft, warning=None if is_airdrop else bought)


def _with_fees(booked: list[Booked], fees: dict[str, Decimal], time: Time) -> list[Booked]:
    if len(booked) == 1 and fees:
        (main,) = booked
        legs = (main.draft.asset, main.draft.counter_asset)
        first = min(fees, key=lambda asset: (not is_fiat(asset), asset not in legs, asset))
        fee = checked("fee", Amount.of, fees[first])
        draft = msgspec.structs.replace(main.draft, fee=fee, fee_asset=checked("fee_asset", FeeAsset.parse, first))
        booked = [msgspec.structs.replace(main, draft=draft)]
        fees = {asset: rest for asset, rest in fees.items() if asset != first}
    for asset, size in sorted(fees.items()):
        if is_fiat(asset) and booked:
            raise InvalidError("fee_asset", "Money is no fee of its own, and nothing says which exchange it belongs to")
        if not is_fiat(asset):
            quantity = checked("fee", Quantity.of, size)
            draft = Draft(type="fee", asset=Asset.parse(asset), quantity=quantity, time=time)
            booked = [*booked, Booked(draft, f"fee:{asset}")]
    return booked


def _grouped(legs: Iterable[Leg], key: Callable[[Leg], str]) -> list[list[Leg]]:
    groups: defaultdict[str, list[Leg]] = defaultdict(list)
    for leg in legs:
        groups[key(leg)].append(leg)
    return [groups[name] for name in sorted(groups)]

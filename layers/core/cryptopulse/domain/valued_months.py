"""Valued months: what a portfolio's past months came to, so that no one has to value them again.

A month's values depend on the transactions up to its end, on the prices up to then and on the way they are found, and
on nothing else. So a valued month holds for as long as these stay as they were.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import Struct

from cryptopulse.domain.candles import DAY, floor
from cryptopulse.domain.ledgers import Head
from cryptopulse.domain.lots import EXACT, ZERO
from cryptopulse.domain.quotes import Path, Quotes
from cryptopulse.domain.times import month_of, month_start
from cryptopulse.domain.valuation import DayValue, Inventory, Share, Valuation

SETTLED: Final = 2 * DAY
"""How long after a month's end (ms) its prices may still be on their way."""
PATIENCE: Final = DAY
"""How long (ms) a month is believed in which a price is missing that may yet be filled in."""
_NOTHING: Final = Share(ZERO, ZERO, ZERO)


class Part(NamedTuple):
    """A part of a period, within a month (Unix ms); the end is not in it."""

    start: int
    end: int


def whole(month: int) -> Part:
    """All of a month, as of `times.month_of`."""
    return Part(month_start(month), month_start(month + 1))


def parts(start: int, end: int) -> list[Part]:
    """A period, which is not empty, cut where months begin (Unix ms)."""
    starts = [month_start(month) for month in range(month_of(start) + 1, month_of(end - 1) + 1)]
    return [Part(*each) for each in pairwise([start, *starts, end])]


def settled(now: int) -> int:
    """The last month, as of `times.month_of`, whose prices are all there (Unix ms: now)."""
    return month_of(now - SETTLED) - 1


class ValuedMonth(Struct, frozen=True, array_like=True):
    """A whole month of a portfolio."""

    version: int
    """The portfolio's that it was made of."""
    made_at: int
    """Unix ms."""
    is_final: bool
    """Whether no price is missing that could be filled in later."""
    paths: dict[str, Path | None]
    """By which series each of its assets was priced."""
    valuation: Valuation
    inventory: Inventory
    """What there was at the end."""

    @classmethod
    def of(
        cls,
        valuation: Valuation,
        inventory: Inventory,
        quotes: Quotes,
        paths: Mapping[str, Path | None],
        version: int,
        now: int,
    ) -> Self:
        """The month of a valuation.

        Args:
            valuation: Of all of it.
            inventory: What there was at the end.
            quotes: What it was valued with.
            paths: Of its assets at least.
            version: The portfolio's.
            now: Unix ms.
        """
        own = {asset: paths[asset] for asset in valuation.shares}
        priced = [asset for asset, path in own.items() if path is not None]
        is_final = not any(path is not None for path in map(own.get, valuation.unpriced)) and not any(
            day.lacks_price and _is_missing(priced, quotes, day.day) for day in valuation.days
        )
        return cls(version, now, is_final, own, valuation, inventory)

    def holds(self, head: Head, version: int, paths: Mapping[str, Path | None], now: int) -> bool:
        """Whether it is what the month would be valued at now.

        Args:
            head: The portfolio's.
            version: The portfolio's that `head` is of: of a later one this may know what that does not.
            paths: Of its assets at least.
            now: Unix ms.
        """
        return (
            head.touched_at(month_of(self.valuation.start)) <= self.version <= version
            and (self.is_final or now < self.made_at + PATIENCE)
            and all(paths[asset] == path for asset, path in self.paths.items())
        )


def _is_missing(assets: Iterable[str], quotes: Quotes, day: int) -> bool:
    """Whether the market has no price of one of these on a day."""
    lasts = (quotes.last(asset, day + DAY) for asset in assets)
    return any(last is None or last.time <= day for last in lasts)


def joined(valuations: Sequence[Valuation], start: int, end: int, unpriced: Iterable[str]) -> Valuation:
    """What parts of a period make that meet each other.

    Args:
        valuations: Of the parts, in order. Where the first does not start with the period, there was nothing before it,
            or in what of it is before the period.
        start: Of the period, Unix ms.
        end: Of the period, and of the last part, Unix ms.
        unpriced: The assets that no market knew up to the end.
    """
    first_day = floor(start, DAY)
    begun = floor(valuations[0].start, DAY) if valuations else end
    days = [DayValue(day, ZERO, lacks_price=False, flows=[]) for day in range(first_day, begun, DAY)]
    days += [day for each in valuations for day in each.days if day.day >= first_day]
    opening, closing = (valuations[0].shares, valuations[-1].shares) if valuations else ({}, {})
    inflows: dict[str, Decimal] = {}
    with localcontext(EXACT):
        for each in valuations:
            for asset, share in each.shares.items():
                inflows[asset] = inflows.get(asset, ZERO) + share.inflow
    shares = {
        asset: Share(opening.get(asset, _NOTHING).opening, inflow, closing.get(asset, _NOTHING).closing)
        for asset, inflow in sorted(inflows.items())
    }
    return Valuation(start, end, valuations[0].opening if valuations else ZERO, days, shares, sorted(unpriced))


# --- the packed form ---

_FORMAT: Final = b"\x01"
"""Another one is due when the form changes, and when the rules of valuation do."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ValuedMonth)


def encode(month: ValuedMonth) -> bytes:
    """A month as bytes: some 4,000 with 50 assets, and 30 to 40 for each flow."""
    return _FORMAT + zlib.compress(_encoder.encode(month), 1)


def decode(data: bytes) -> ValuedMonth | None:
    """The month that `encode` packed; None where it was packed by other rules."""
    if data[:1] != _FORMAT:
        return None
    return _decoder.decode(zlib.decompress(data[1:]))

"""A series is one symbol at one venue; which ones there are, and which speaks for a symbol."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from zlib import crc32

VENUES = ("binance", "coinbase")
REFERENCE_QUOTES = {"USD": "coinbase", "EUR": "coinbase", "GBP": "coinbase"}
CONVERSIONS = ("USDT-USD", "USDT-EUR", "USDT-GBP")


class Series(NamedTuple):
    """One symbol at one venue: `Series("coinbase", "BTC-USD")`, written `coinbase:BTC-USD`."""

    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"

    @classmethod
    def parse(cls, name: str) -> "Series":
        venue, _, symbol = name.partition(":")
        return cls(venue, symbol)

    @property
    def base(self) -> str:
        return self.symbol.partition("-")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("-")[2]


def lane_of(series: Series, lanes: int) -> int:
    """The lane, 0 to `lanes` - 1, whose order this series keeps for ever."""
    return crc32(str(series).encode()) % lanes


def tracked(
    assets: Iterable[str], quotes: Iterable[tuple[str, str]], traded: Mapping[str, Iterable[str]]
) -> list[Series]:
    """The series to follow: each asset in each venue's quotes where that venue trades it, and what converts USDT.

    Args:
        assets: Asset codes, in the order to list them.
        quotes: (venue, quote) pairs such as `("coinbase", "USD")`.
        traded: For each venue whose symbol list is known, its symbols as `BASE-QUOTE`.
    """
    wanted = [Series(venue, f"{asset}-{quote}") for asset in assets for venue, quote in quotes if asset != quote]
    wanted += [Series("coinbase", symbol) for symbol in CONVERSIONS]
    symbols = {venue: frozenset(names) for venue, names in traded.items()}
    return [series for series in dict.fromkeys(wanted) if series.symbol in symbols.get(series.venue, ())]


def reference(symbol: str, series: Iterable[Series]) -> Series | None:
    """The series that speaks for a symbol: Coinbase for USD, EUR and GBP, else Binance, else whoever trades it."""
    candidates = {s.venue: s for s in series if s.symbol == symbol}
    preferred = REFERENCE_QUOTES.get(symbol.partition("-")[2], "binance")
    return candidates.get(preferred) or next(iter(candidates.values()), None)

"""What can be asked for."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal, Self

from msgspec import Struct, structs, to_builtins

type Venue = Literal["binance", "coinbase"]
type Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
type Key = tuple[str, str]
"""A channel, and what of it: a symbol, a portfolio's id, or nothing."""

_MINUTES: Final[dict[Interval, int]] = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
_OF_AN_END: Final = ("channel", "symbols", "portfolio_id")


class _Subscription(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="channel"):
    overlap: ClassVar = timedelta()
    """How much later than in its turn a value may come."""

    interval_ms: int | None = None
    """Milliseconds between frames; `Subscribed` tells what is in force."""
    since: datetime | None = None
    """From when on closed candles, articles and fired alerts are shown, too."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """What it is about: there, it takes an earlier one's place."""
        return ((self.channel, ""),)

    @property
    def channel(self) -> str:
        """What frames call it."""
        return str(self.__struct_config__.tag)

    def only(self, keys: Iterable[Key]) -> Self:
        """The same, about no more than that."""
        return self

    def resumed(self, time: datetime) -> Self:
        """The same, where everything has come up to this time."""
        return structs.replace(self, since=time - self.overlap)

    def frame(self, action: str) -> dict[str, Any]:
        """What the client says."""
        fields: dict[str, Any] = to_builtins(self)
        if action == "unsubscribe":
            fields = {name: value for name, value in fields.items() if name in _OF_AN_END}
        return {"action": action, **fields}


class _AtVenue(_Subscription, frozen=True, kw_only=True):
    venue: Venue | None = None
    """None: the server chooses for each symbol."""


class _OfSymbols(_AtVenue, frozen=True):
    symbols: Sequence[str]

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple((self.channel, symbol) for symbol in self.symbols)

    def only(self, keys: Iterable[Key]) -> Self:
        wanted = {symbol for _, symbol in keys}
        return structs.replace(self, symbols=[symbol for symbol in self.symbols if symbol in wanted])


class Ticks(_OfSymbols, frozen=True, tag="ticks"):
    """The last prices of symbols, and each change."""


class Candles(_OfSymbols, frozen=True, tag="candles"):
    """The candles of symbols: open ones as they change, closed ones as they close or are repaired."""

    interval: Interval

    def resumed(self, time: datetime) -> Self:
        return structs.replace(self, since=time - timedelta(minutes=5 * _MINUTES[self.interval]))


class News(_Subscription, frozen=True, tag="news"):
    """Articles as they come, about some assets or all."""

    overlap: ClassVar = timedelta(hours=1)

    assets: Sequence[str] | None = None


class Alerts(_Subscription, frozen=True, tag="alerts"):
    """The user's alerts as they fire. Private."""

    overlap: ClassVar = timedelta(minutes=2)


class Portfolio(_Subscription, frozen=True, tag="portfolio"):
    """What one of the user's portfolios is worth, and each change. Private."""

    portfolio_id: str

    @property
    def keys(self) -> tuple[Key, ...]:
        return ((self.channel, self.portfolio_id),)


type Subscription = Ticks | Candles | News | Alerts | Portfolio

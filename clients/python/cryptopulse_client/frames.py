"""What the server says: values, and the frames that tell them. Fields and frames that are not known are passed over."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, Self

from msgspec import Struct, json, structs

from cryptopulse_client.errors import REQUEST_ERRORS, RequestError
from cryptopulse_client.subscriptions import Subscription


class Tick(Struct, frozen=True):
    """A last price; `Decimal(repr(price))` has the exchange's digits."""

    symbol: str
    venue: str
    price: float
    time: datetime


class Candle(Struct, frozen=True):
    """A candle; `time` is its start (Unix ms), `complete`: no trade of it is known to be missing."""

    symbol: str
    venue: str
    interval: str
    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool
    complete: bool


class Sentiment(Struct, frozen=True):
    """How good or bad an article sounds: -1 to 1, and in a word."""

    score: float
    label: str


class Article(Struct, frozen=True):
    """An article of the news."""

    id: str
    title: str
    source: str
    url: str
    published_at: datetime
    assets: tuple[str, ...]
    sentiment: Sentiment


class Alert(Struct, frozen=True):
    """An alert that has fired."""

    id: str
    alert_id: str
    symbol: str
    venue: str
    condition: str
    threshold: Decimal
    price: Decimal
    time: datetime
    webhook: str


class Worth(Struct, frozen=True):
    """What a portfolio is worth, in its own currency."""

    id: str
    time: datetime
    value: Decimal
    cost_basis: Decimal
    unrealized: Decimal


type Value = Tick | Candle | Article | Alert | Worth


# --- frames with values: what one gets of a channel ---


class _Frame(Struct, frozen=True, tag_field="type"):
    @property
    def listed(self) -> str:
        """The field that holds its values."""
        return str(self.__struct_fields__[-1])

    @property
    def values(self) -> tuple[Value, ...]:
        """What it tells."""
        found: tuple[Value, ...] = getattr(self, self.listed)
        return found

    def telling(self, values: Iterable[Value]) -> Self:
        """The same, with other values."""
        return structs.replace(self, **{self.listed: tuple(values)})


class Snapshot(_Frame, frozen=True, tag="snapshot"):
    """The last known values of a channel: in one of the lists, the others are empty."""

    channel: str
    ticks: tuple[Tick, ...] = ()
    candles: tuple[Candle, ...] = ()
    articles: tuple[Article, ...] = ()
    alerts: tuple[Alert, ...] = ()
    portfolios: tuple[Worth, ...] = ()

    @property
    def listed(self) -> str:
        return {"news": "articles", "portfolio": "portfolios"}.get(self.channel, self.channel)


class TickFrame(_Frame, frozen=True, tag="ticks"):
    """Prices that changed, each symbol's newest."""

    seq: int
    time: datetime
    ticks: tuple[Tick, ...]


class CandleFrame(_Frame, frozen=True, tag="candles"):
    """Candles that changed."""

    seq: int
    candles: tuple[Candle, ...]


class NewsFrame(_Frame, frozen=True, tag="news"):
    """Articles that have come."""

    seq: int
    articles: tuple[Article, ...]


class AlertFrame(_Frame, frozen=True, tag="alerts"):
    """Alerts that have fired."""

    seq: int
    alerts: tuple[Alert, ...]


class PortfolioFrame(_Frame, frozen=True, tag="portfolio"):
    """What portfolios are worth now."""

    seq: int
    portfolios: tuple[Worth, ...]


type Frame = TickFrame | CandleFrame | NewsFrame | AlertFrame | PortfolioFrame


# --- answers and the rest ---


class _Answer(Struct, frozen=True, tag_field="type", kw_only=True):
    id: int | str | None = None


class Subscribed(_Answer, frozen=True, tag="subscribed", kw_only=True):
    """What is in force: above all the milliseconds between frames. It may come again, with others."""

    channel: str
    interval_ms: int
    symbols: tuple[str, ...] = ()
    interval: str | None = None
    assets: tuple[str, ...] | None = None
    portfolio_id: str | None = None


class Unsubscribed(_Answer, frozen=True, tag="unsubscribed"):
    """What was asked for to end has ended."""


class Resynced(_Answer, frozen=True, tag="resynced"):
    """Snapshots of everything follow."""


class Pong(_Answer, frozen=True, tag="pong", kw_only=True):
    """A sign of life, with the server's time."""

    time: datetime


class Refusal(_Answer, frozen=True, tag="error", kw_only=True):
    """Why something is not done."""

    code: str
    message: str
    symbols: tuple[str, ...] = ()

    @property
    def error(self) -> RequestError:
        """The same, to raise."""
        return REQUEST_ERRORS.get(self.code, RequestError)(self.code, self.message, self.symbols)


type Answer = Subscribed | Unsubscribed | Resynced | Pong | Refusal


class Bye(Struct, frozen=True, tag="bye", tag_field="type"):
    """The server closes the connection, and why."""

    reason: str


read: Final = json.Decoder(Snapshot | Frame | Answer | Bye).decode
"""A frame of its JSON; raises `msgspec.DecodeError` where it is none that is known."""


# --- what the client tells of itself ---


class Disconnected(Struct, frozen=True):
    """Nothing comes until `Reconnected`: `idle` or `max_age`, as the server said, or `lost`."""

    reason: str


class Reconnected(Struct, frozen=True):
    """There is a connection again, and everything is asked for again; snapshots follow."""


class Dropped(Struct, frozen=True):
    """On a new connection the server no longer gives this: it is not asked for again."""

    subscription: Subscription
    error: RequestError


type Event = Snapshot | Frame | Subscribed | Disconnected | Reconnected | Dropped

"""What a client asks for on its WebSocket, and what its connection is subscribed to."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from cryptopulse.domain.live_portfolios import PORTFOLIOS, LivePortfolio, Worth
from cryptopulse.domain.series import Series, lane_of, reference
from cryptopulse.errors import ConflictError

CONNECTIONS: Final = 10
"""Connections of a user."""
FRAMES: Final = 10
"""Frames a connection may send in any second."""
TOO_FAST: Final = f"at most {FRAMES} frames a second"
REFUSED: Final = 100
"""Frames that were too much, in any minute, after which a connection is closed."""
SYMBOLS: Final = 500
"""Symbols a connection may be subscribed to."""
TOO_MANY: Final = f"at most {SYMBOLS} symbols a connection"
TOO_MANY_PORTFOLIOS: Final = f"at most {PORTFOLIOS} portfolios a connection"
ALERTS: Final = 2_000
"""Alerts that have fired in a snapshot."""
TOO_MANY_ALERTS: Final = f"more than {ALERTS} alerts have fired since then: GET /alerts/history has them"
ARTICLES: Final = 2_000
"""Articles in a snapshot, before those without the assets asked for are left out."""
TOO_MANY_ARTICLES: Final = f"more than {ARTICLES} articles since then: GET /news has them"
ASSETS: Final = 100
"""Assets that a connection may hear the news of; of all without naming any."""
TOO_MANY_ASSETS: Final = f"at most {ASSETS} assets a connection"
NEWS_REACH: Final = 129_600_000
"""Milliseconds: what was published longer ago when it came is not told as news. NewsAPI's free key is a day late."""
SLOWEST_MS: Final = 60_000
FASTEST_MS: Final = 250
SETTLED: Final = 120_000
"""Milliseconds after which an alert that has fired can be read: no clock is off by more, no write takes longer."""
RECORDED_EVERY: Final = 60_000
"""A client's sign of life is written down at most once in so many ms."""
IDLE_AFTER: Final = 570_000
"""Milliseconds without a frame either way after which a connection is closed; API Gateway's own limit is 10 minutes."""
MAX_AGE: Final = 6_900_000
"""Milliseconds after which any connection is closed; API Gateway's own limit is 2 hours."""

type Id = str | int | None
type Symbol = Annotated[str, Meta(pattern=r"^[!#-\[\]-~]{1,41}$")]  # nothing that JSON escapes: 500 fit into an answer
type Symbols = Annotated[list[Symbol], Meta(min_length=1)]
type Assets = Annotated[list[Annotated[str, Meta(pattern="^[!-~]{1,20}$")]], Meta(min_length=1)]
type Venue = Literal["binance", "coinbase"]
type Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
type Moment = Annotated[int, Meta(ge=0, le=4_102_444_800_000)] | Annotated[datetime, Meta(tz=True)]


class Refusal(NamedTuple):
    """Why a client's frame is not done: `code` is one of the contract's, `symbols` those that are unknown."""

    id: Id
    code: str
    message: str
    symbols: list[str] | None = None


class _Frame(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    action: str
    id: Id = None


class _Subscription(_Frame, kw_only=True):
    channel: str
    interval_ms: int = 1_000
    since: Moment | None = None

    @property
    def interval_in_force(self) -> int:
        """Milliseconds between frames: what was asked for, within the limits."""
        return min(max(self.interval_ms, FASTEST_MS), SLOWEST_MS)

    @property
    def since_ms(self) -> int | None:
        """From when on (Unix ms) more than the last values is asked for."""
        return int(self.since.timestamp() * 1000) if isinstance(self.since, datetime) else self.since


class Subscribe(_Subscription, kw_only=True):
    """Asks for the last prices of symbols, and for each change."""

    symbols: Symbols
    venue: Venue | None = None

    @property
    def candles(self) -> Interval | None:
        """The interval of the candles asked for; None where it is none of them."""
        return None


class SubscribeCandles(Subscribe, kw_only=True):
    """Asks for candles of one interval, with `since` for the closed ones from then on."""

    interval: Interval

    @property
    def candles(self) -> Interval:
        """The interval of the candles asked for."""
        return self.interval


class SubscribeNews(_Subscription, kw_only=True):
    """Asks for articles as they come, about some assets or all, with `since` for those published from then on."""

    assets: Assets | None = None


class SubscribeAlerts(_Subscription):
    """Asks for the user's alerts as they fire, with `since` for those that have fired from then on."""


class SubscribePortfolio(_Subscription, kw_only=True):
    """Asks for what one of the user's portfolios is worth, and for each change."""

    portfolio_id: str


class Unsubscribe(_Frame, kw_only=True):
    """Ends the subscriptions of a channel: all, or those of some symbols."""

    channel: str
    symbols: Symbols | None = None
    venue: Venue | None = None
    interval: Interval | None = None


class UnsubscribeNews(_Frame, kw_only=True):
    """Ends the subscription to news."""

    channel: str


class UnsubscribeAlerts(_Frame, kw_only=True):
    """Ends the subscription to alerts."""

    channel: str


class UnsubscribePortfolio(_Frame, kw_only=True):
    """Ends the subscriptions to portfolios: all, or one."""

    channel: str
    portfolio_id: str | None = None


class Resync(_Frame):
    """Asks for everything again."""


class Ping(_Frame):
    """A sign of life."""


type Subscription = Subscribe | SubscribeCandles | SubscribeNews | SubscribeAlerts | SubscribePortfolio
type Unsubscription = Unsubscribe | UnsubscribeNews | UnsubscribeAlerts | UnsubscribePortfolio
type Action = Subscription | Unsubscription | Resync | Ping

_ACTIONS: Final[Mapping[tuple[Any, Any], type[Action]]] = {
    ("subscribe", "ticks"): Subscribe,
    ("subscribe", "candles"): SubscribeCandles,
    ("subscribe", "news"): SubscribeNews,
    ("subscribe", "alerts"): SubscribeAlerts,
    ("subscribe", "portfolio"): SubscribePortfolio,
    ("unsubscribe", "ticks"): Unsubscribe,
    ("unsubscribe", "candles"): Unsubscribe,
    ("unsubscribe", "news"): UnsubscribeNews,
    ("unsubscribe", "alerts"): UnsubscribeAlerts,
    ("unsubscribe", "portfolio"): UnsubscribePortfolio,
    ("resync", None): Resync,
    ("ping", None): Ping,
}
_PRIVATE: Final = ("alerts", "portfolio")
_CHANNELS: Final = ", ".join(channel for action, channel in _ACTIONS if action == "subscribe")


def parse(text: str | bytes, *, is_bound: bool) -> Action | Refusal:
    """What a client's frame asks for, or why it cannot be read or done by a client that `is_bound` to a user or not."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        frame = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return Refusal(None, "bad_request", "the frame is not JSON")
    if not isinstance(frame, dict):
        return Refusal(None, "bad_request", "the frame is not a JSON object")
    id_ = frame.get("id")
    if not _is_id(id_):
        return Refusal(None, "bad_request", "id: a string of at most 64 characters, or a whole number")
    action, channel = frame.get("action"), frame.get("channel")
    if action in ("subscribe", "unsubscribe"):
        if channel in _PRIVATE and not is_bound:
            return Refusal(id_, "unauthorized", f"the channel {channel} asks for a ticket")
    else:
        channel = None
    if not isinstance(action, str) or not isinstance(channel, str | None) or (action, channel) not in _ACTIONS:
        where = "" if channel is None else " for this channel"
        return Refusal(
            id_, "bad_request", f"no such action{where}: subscribe and unsubscribe ({_CHANNELS}), resync, ping"
        )
    return _converted(frame, _ACTIONS[action, channel], id_)


def _is_id(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < 2**53
    return value is None or (isinstance(value, str) and len(value) <= 64)


def _converted(frame: dict[str, Any], kind: type[Action], id_: Id) -> Action | Refusal:
    since = frame.get("since")
    if isinstance(since, str) and len(since) == len("2026-11-22"):
        frame["since"] = f"{since}T00:00:00Z"
    symbols = frame.get("symbols")
    if isinstance(symbols, list) and len(symbols) > SYMBOLS:
        return Refusal(id_, "limit", TOO_MANY)
    assets = frame.get("assets")
    if isinstance(assets, list) and len(assets) > ASSETS:
        return Refusal(id_, "limit", TOO_MANY_ASSETS)
    try:
        return msgspec.convert(frame, kind)
    except msgspec.ValidationError as error:
        return Refusal(id_, "bad_request", str(error)[:200])  # it repeats what the client said


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One symbol of a channel: its series and lane, and a candle's interval (empty for ticks).

    `shown` is the lane's version in its snapshot, `added` the connection's version that holds it first.
    """

    series: str
    lane: int
    interval: str
    shown: int
    added: int


class Show(msgspec.Struct, array_like=True, frozen=True):
    """One portfolio of a channel, and what of it was in its snapshot.

    `shown` are the versions of the lanes it was priced from, `added` the connection's version that holds it first.
    """

    portfolio: LivePortfolio
    worth: Worth
    shown: dict[int, int]
    added: int = 0


class Watch(msgspec.Struct, array_like=True, frozen=True):
    """The subscription to a user's alerts: to those that fire after `read_at`, and those that fired from `since` on.

    Their times are those of different clocks, and of before they could be read: so `known` names the last of those
    that could be, when they were read. Times in Unix ms; `added` is the connection's version that holds it first.
    """

    since: int | None
    read_at: int
    known: frozenset[str] = frozenset()
    added: int = 0

    @property
    def oldest(self) -> int:
        """What fired before this time had been read."""
        return self.read_at - SETTLED

    @property
    def first(self) -> int:
        """None of those asked for fired before this time."""
        return self.oldest if self.since is None else min(self.since, self.oldest)

    def shows(self, time: int) -> bool:
        """Whether an alert that fired by then belongs into the snapshot."""
        return self.since is not None and time >= self.since

    def knowing(self, fired: Iterable[tuple[str, int]]) -> "Watch":
        """The same, having read alerts of these ids and times."""
        return msgspec.structs.replace(self, known=frozenset(id_ for id_, time in fired if time >= self.oldest))

    def is_new(self, id_: str, time: int) -> bool:
        """Whether an alert could not be read yet when the others were."""
        return time >= self.oldest and id_ not in self.known

    def includes(self, id_: str, time: int) -> bool:
        """Whether an alert that fired is one of those asked for."""
        return self.shows(time) or self.is_new(id_, time)


def mark(article: str) -> bytes:
    """What an article is remembered by: the first 6 bytes of its id."""
    return bytes.fromhex(article[:12])


class NewsWatch(msgspec.Struct, array_like=True, frozen=True):
    """The subscription to news: to articles that were not there yet at `read_at`, and to those published from `since`.

    An article comes hours after it was published, now and then. So it is not its time that tells whether it is new:
    `known` are the marks of those that were there, of all published since `oldest`. Times in Unix ms; `added` is the
    connection's version that holds it first.
    """

    assets: frozenset[str] | None
    """Those that articles are to name one of; None: all articles."""
    since: int | None
    read_at: int
    known: frozenset[bytes] = frozenset()
    added: int = 0

    @property
    def oldest(self) -> int:
        """What was published before this time is not told as news."""
        return self.read_at - NEWS_REACH

    @property
    def first(self) -> int:
        """None of those asked for was published before this time."""
        return self.oldest if self.since is None else min(self.since, self.oldest)

    def knowing(self, articles: Iterable[tuple[str, int]]) -> "NewsWatch":
        """The same, having read articles of these ids and times."""
        known = frozenset(mark(id_) for id_, time in articles if time >= self.oldest)
        return msgspec.structs.replace(self, known=known)

    def shows(self, time: int, assets: Iterable[str]) -> bool:
        """Whether an article of then, about these assets, belongs into the snapshot."""
        return self.since is not None and time >= self.since and self._wants(assets)

    def is_new(self, mark: bytes, time: int, assets: Iterable[str]) -> bool:
        """Whether an article, about these assets, is asked for and was not there when the others were read."""
        return time >= self.oldest and mark not in self.known and self._wants(assets)

    def includes(self, id_: str, time: int, assets: Iterable[str]) -> bool:
        """Whether an article is one of those asked for."""
        return self.shows(time, assets) or self.is_new(mark(id_), time, assets)

    def _wants(self, assets: Iterable[str]) -> bool:
        return self.assets is None or not self.assets.isdisjoint(assets)


class Channel(msgspec.Struct, array_like=True):
    """A connection's subscriptions to one channel, by symbol or portfolio's id, and the ms between its frames."""

    interval_ms: int
    entries: dict[str, Entry] = {}
    portfolios: dict[str, Show] = {}
    alerts: Watch | None = None
    news: NewsWatch | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is subscribed to."""
        return not self.entries and not self.portfolios and self.alerts is None and self.news is None


class Connection(msgspec.Struct):
    """A WebSocket client: since when it is connected and when it was last heard of (Unix ms), and its channels.

    `address` is what counts as one client: an IPv4 address, or the /64 of an IPv6 one.
    `user` and `grant` are the ids of the user it is bound to, and of the session or API token that it came by; empty
    for an anonymous one. `is_ended`: that session or API token is no more.
    """

    id: str
    address: str
    opened_at: int
    active_at: int
    version: int = 0
    channels: dict[str, Channel] = {}
    user: str = ""
    grant: str = ""
    is_ended: bool = False

    def entries(self) -> list[tuple[str, Entry]]:
        """Each entry with its channel's name."""
        return [(name, entry) for name, channel in self.channels.items() for entry in channel.entries.values()]

    @property
    def portfolios(self) -> dict[str, Show]:
        """The portfolios shown, by id."""
        return self.channels["portfolio"].portfolios if "portfolio" in self.channels else {}

    @property
    def watch(self) -> Watch | None:
        """The subscription to alerts."""
        return self.channels["alerts"].alerts if "alerts" in self.channels else None

    @property
    def news_watch(self) -> NewsWatch | None:
        """The subscription to news."""
        return self.channels["news"].news if "news" in self.channels else None

    def takes(self, symbols: Iterable[str]) -> bool:
        """Whether the limit lets it subscribe to these symbols too."""
        held = {symbol for channel in self.channels.values() for symbol in channel.entries}
        return len(held.union(symbols)) <= SYMBOLS

    def takes_portfolio(self, id_: str) -> bool:
        """Whether the limit lets it subscribe to this portfolio too."""
        return len({*self.portfolios, id_}) <= PORTFOLIOS

    def subscribe(self, action: Subscribe, entries: Mapping[str, Entry]) -> None:
        """Adds entries by symbol; a symbol's earlier one in the channel gives way, and so does the channel's pace.

        Raises:
            ConflictError: Others have come meanwhile, and these are too many now.
        """
        if not self.takes(entries):
            raise ConflictError(TOO_MANY)
        channel = self._paced(action)
        for symbol, entry in entries.items():
            channel.entries[symbol] = msgspec.structs.replace(entry, added=self.version + 1)

    def subscribe_portfolio(self, action: SubscribePortfolio, show: Show) -> None:
        """Adds a portfolio, in place of an earlier one of the same id.

        Raises:
            ConflictError: Others have come meanwhile, and it is one too many now.
        """
        if not self.takes_portfolio(action.portfolio_id):
            raise ConflictError(TOO_MANY_PORTFOLIOS)
        self._paced(action).portfolios[action.portfolio_id] = msgspec.structs.replace(show, added=self.version + 1)

    def subscribe_alerts(self, action: SubscribeAlerts, watch: Watch) -> None:
        """Adds the user's alerts, in place of an earlier subscription to them."""
        self._paced(action).alerts = msgspec.structs.replace(watch, added=self.version + 1)

    def subscribe_news(self, action: SubscribeNews, watch: NewsWatch) -> None:
        """Adds the news, in place of an earlier subscription to them."""
        self._paced(action).news = msgspec.structs.replace(watch, added=self.version + 1)

    def _paced(self, action: Subscription) -> Channel:
        channel = self.channels.setdefault(action.channel, Channel(action.interval_in_force))
        channel.interval_ms = action.interval_in_force
        return channel

    def unsubscribe(self, action: Unsubscribe) -> list[str]:
        """Removes what the action names; returns the symbols that were subscribed to."""
        channel = self.channels.get(action.channel, Channel(0))
        ended = [
            symbol
            for symbol, entry in channel.entries.items()
            if (action.symbols is None or symbol in action.symbols)
            and action.venue in (None, Series.parse(entry.series).venue)
            and action.interval in (None, entry.interval)
        ]
        for symbol in ended:
            del channel.entries[symbol]
        self._tidy(action.channel)
        return ended

    def unsubscribe_portfolio(self, id_: str | None) -> list[str]:
        """Removes a portfolio, or all; returns the ids of those that were subscribed to."""
        ended = [each for each in self.portfolios if id_ in (None, each)]
        for each in ended:
            del self.portfolios[each]
        self._tidy("portfolio")
        return ended

    def unsubscribe_alerts(self) -> None:
        """Removes the subscription to alerts."""
        self.channels.pop("alerts", None)

    def unsubscribe_news(self) -> None:
        """Removes the subscription to news."""
        self.channels.pop("news", None)

    def _tidy(self, name: str) -> None:
        if name in self.channels and self.channels[name].is_empty:
            del self.channels[name]

    def show(self, shown: Collection[Entry], versions: Mapping[int, int]) -> None:
        """Notes that those of its entries were shown anew, from lanes of these versions."""
        for channel in self.channels.values():
            for symbol, entry in channel.entries.items():
                if entry in shown:
                    version = versions[entry.lane]
                    channel.entries[symbol] = msgspec.structs.replace(entry, shown=version, added=self.version + 1)

    def show_portfolios(self, shows: Mapping[str, Show | None]) -> None:
        """Notes that portfolios were shown anew; None stands for one that is no more. Newer holdings stay."""
        for id_, show in shows.items():
            known = self.portfolios.get(id_)
            if known is not None and show is not None:
                newest = max(known.portfolio, show.portfolio, key=lambda portfolio: portfolio.version)
                self.portfolios[id_] = msgspec.structs.replace(show, portfolio=newest, added=self.version + 1)
            elif known is not None:
                self.unsubscribe_portfolio(id_)

    def hold(self, id_: str, portfolio: LivePortfolio | None) -> None:
        """Takes what a portfolio of its now holds, unless it knows something newer; None: the portfolio is no more."""
        known = self.portfolios.get(id_)
        if known is not None and portfolio is None:
            self.unsubscribe_portfolio(id_)
        elif known is not None and portfolio is not None and portfolio.version > known.portfolio.version:
            self.portfolios[id_] = msgspec.structs.replace(known, portfolio=portfolio)


def chosen(action: Subscribe, connection: Connection, tracked: Iterable[Series]) -> dict[str, Series] | Refusal:
    """The series that each symbol asked for stands for, in the order asked, each once; unless the limit forbids."""
    tracked = list(tracked)
    known = frozenset(tracked)
    found: dict[str, Series] = {}
    unknown = []
    for symbol in dict.fromkeys(action.symbols):
        series = Series(action.venue, symbol) if action.venue else reference(symbol, tracked)
        if series is None or series not in known:
            unknown.append(symbol)
        else:
            found[symbol] = series
    if unknown:
        message = "not traded there" if action.venue else "no such symbol"
        return Refusal(action.id, "unknown_symbol", message, unknown)
    if not connection.takes(found):
        return Refusal(action.id, "limit", TOO_MANY)
    return found


def followed(action: SubscribeNews, tracked: Iterable[Series]) -> list[str] | Refusal | None:
    """The assets asked for, each once, if all are followed; None: all news."""
    if action.assets is None:
        return None
    known = {series.base for series in tracked}
    found = list(dict.fromkeys(action.assets))
    unknown = [asset for asset in found if asset not in known]
    return Refusal(action.id, "unknown_symbol", "no such asset", unknown) if unknown else found


def entries(
    action: Subscribe, found: Mapping[str, Series], lanes: int, versions: Mapping[int, int]
) -> dict[str, Entry]:
    """What a connection is to be subscribed to, by symbol.

    Args:
        found: The series chosen, by symbol.
        lanes: How many lanes there are.
        versions: The versions of the lanes that the snapshot shows; 0 where there is none yet.
    """
    places = {symbol: lane_of(series, lanes) for symbol, series in found.items()}
    return {
        symbol: Entry(str(found[symbol]), lane, action.candles or "", versions.get(lane, 0), 0)
        for symbol, lane in places.items()
    }


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, Channel])


def encode(channels: Mapping[str, Channel]) -> bytes:
    """A connection's channels as bytes."""
    return _encoder.encode(channels)


def decode(data: bytes) -> dict[str, Channel]:
    """The channels that `encode` packed."""
    return _decoder.decode(data)

"""Who of a shard's connections is owed which values: the state machine behind fan_out.

The rules are those of docs/architecture.md, "Fan-out over invocations". In short: a beat is one look at the lanes;
every value is marked with the beat and the lane version that last changed it; a flow, one channel of one connection, is
owed what changed after the beat it was last sent and after the version its snapshot showed. Nothing counts as sent
before it was taken.

Of portfolios it is remembered what each client was told last: what they are worth now is owed where it differs. Alerts
that have fired, and articles, get numbers as they are read; a flow is owed those after the one it was sent last.
"""

import zlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from cryptopulse.domain import frames
from cryptopulse.domain.candles import INTERVALS, MINUTE, Block, floor, joined
from cryptopulse.domain.folding import GRACE, KEPT
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.live_portfolios import LivePortfolio, Worth, priced_by, worth
from cryptopulse.domain.prices import Last
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import (
    IDLE_AFTER,
    MAX_AGE,
    NEWS_REACH,
    SETTLED,
    Connection,
    NewsWatch,
    Show,
    Watch,
    mark,
)

BACK_OFF: Final = 2_000
"""Milliseconds until a connection that did not take a frame is tried again."""
NEVER: Final = -1
"""The beat of a flow to which nothing was sent yet."""
LOOKED_EVERY: Final = 60_000
"""Users' alerts and portfolios, and news, are looked at again after so many ms, should a notice have been lost."""
LOOKED_AT_ONCE: Final = 10
"""Of alerts and of portfolios, in one beat, without a notice."""
ALERTS_A_FRAME: Final = 50
"""So many fit into one frame: it is taken or not, and none of them comes twice."""

type Rows = Callable[[Series, int, int, int], Block]
"""Reads the rows of a series at an interval (ms) with `start` <= row.start < `end`."""


class Quoted(NamedTuple):
    """A value: its series, and a candle's interval and start."""

    series: str
    interval: str = ""
    start: int = 0


class Alerted(NamedTuple):
    """A value: a user's alert that has fired."""

    user: str
    id: str
    number: int


class Valued(NamedTuple):
    """A value: what a version of a portfolio is worth."""

    id: str
    version: int
    worth: Worth


class Reported(NamedTuple):
    """A value: an article, by its mark."""

    mark: bytes
    number: int


type Key = Quoted | Alerted | Valued | Reported


class Published(NamedTuple):
    """An article as it was read: its id, when it was published (Unix ms), the assets it names, what is told of it."""

    id: str
    time: int
    assets: tuple[str, ...]
    body: bytes


class Tick(msgspec.Struct, array_like=True):
    """A series' last price, and the lane's version and the beat that changed it."""

    price: float
    time: int
    version: int
    beat: int


class Candle(msgspec.Struct, array_like=True):
    """A candle as clients see it, and the lane's version and the beat that changed it."""

    row: tuple[int, float, float, float, float, float]
    closed: bool
    complete: bool
    version: int
    beat: int


class Price(msgspec.Struct, array_like=True):
    """A series' last price, exactly, and the beat that changed it; its time is 0 where there is none."""

    price: int
    scale: int
    time: int
    beat: int


class Alert(msgspec.Struct, array_like=True):
    """An alert that has fired: when (Unix ms), as the how manyth that was read, and what is told of it."""

    time: int
    number: int
    body: bytes
    """Empty where nobody is owed it any more."""


class Article(msgspec.Struct, array_like=True):
    """An article: when it was published (Unix ms), as the how manyth it was read, and what is told of it."""

    time: int
    number: int
    assets: tuple[str, ...] = ()
    body: bytes = b""
    """Empty, like the assets, where nobody is owed it any more."""


class Told(msgspec.Struct, array_like=True):
    """What a client knows of a portfolio; `value` is None where it is not sure what it heard last.

    As of a version of the portfolio and the prices of a beat nothing else is to be told.
    """

    value: Decimal | None
    cost_basis: Decimal
    time: int
    version: int
    beat: int


class Flow(msgspec.Struct, array_like=True):
    """One channel of one connection: the beat last sent, and when (Unix ms) it may be sent to again.

    Of alerts and news `sent` is the number of the last; of portfolios `told` is what was told of each.
    """

    sent: int = NEVER
    due: int = 0
    told: dict[str, Told] = {}


class Client(msgspec.Struct, array_like=True):
    """What is known of a connection: its version, the last `seq` it took, and when (Unix ms)."""

    adopted: int = 0
    seq: int = 0
    reached_at: int = 0
    flows: dict[str, Flow] = {}


class State(msgspec.Struct, array_like=True):
    """What a shard's fan-out remembers from beat to beat."""

    version: int = 0
    beat: int = 0
    seen: dict[int, int] = {}
    """The version of each lane at which it was last looked at."""
    ticks: dict[str, Tick] = {}
    candles: dict[str, dict[str, dict[int, Candle]]] = {}
    """By series, interval and start: those that somebody is still owed."""
    closed_to: dict[str, int] = {}
    """Per series, up to where (Unix ms) candles were closed."""
    clients: dict[str, Client] = {}
    prices: dict[str, Price] = {}
    """Of the series that portfolios are priced by."""
    alerts: dict[str, dict[str, Alert]] = {}
    """By user and id: the last that have fired."""
    numbered: int = 0
    """How many alerts and articles have been read."""
    looked: dict[str, int] = {}
    """When (Unix ms) a user's alerts were read, by user, and portfolios looked at, by user and id."""
    articles: dict[bytes, Article] = {}
    """By mark: those that have been read, as far back as news reach."""
    news_at: int = 0
    """When (Unix ms) they were read; 0: nobody watches them."""


class Post(NamedTuple):
    """Frames for one connection, in order, each with its channel; and what they tell, by channel."""

    connection: str
    frames: list[tuple[str, bytes]]
    told: dict[str, tuple[Key, ...]]


def closed_to(lane: Lane, series: str) -> int:
    """Up to where (Unix ms) the minutes of a series are closed: the venue told them, or its clock is past them."""
    state = lane.series.get(series)
    clock = lane.clocks.get(series.partition(":")[0], 0)
    return max(state.known_to if state else 0, floor(max(0, clock - GRACE), MINUTE))


class Shard:
    """One beat of one connection shard; works on `state` in place.

    Args:
        state: As it was after the last beat.
        connections: The shard's connections by id, as their items are now.
    """

    def __init__(self, state: State, connections: Mapping[str, Connection]) -> None:
        self.state = state
        self.connections = dict(connections)
        self.changed = False
        self._late: dict[int, int] = {}
        """Lanes looked at after the snapshot of an entry that is new here, and that snapshot's version."""
        self._behind: set[int] = set()
        """Lanes that a portfolio's snapshot knows better."""
        self._unheard: set[str] = set()
        """Users who have begun to watch their alerts."""
        self._is_news_unheard = False
        """Whether somebody has begun to watch the news."""
        self._reports = self._untold()
        """The articles that somebody may be owed, in order of their numbers."""
        self._worths: dict[tuple[str, int], Worth] = {}
        self._price = priced_by(self._last)
        state.beat += 1
        self._adopt()

    # --- what the connections want ---

    def _adopt(self) -> None:
        clients = self.state.clients
        for gone in clients.keys() - self.connections.keys():
            self.forget(gone)
        for connection in self.connections.values():
            client = clients.setdefault(connection.id, Client())
            if client.adopted == connection.version:
                continue
            self.changed = True
            client.flows = {name: client.flows.get(name) or Flow() for name in connection.channels}
            for name, entry in connection.entries():
                seen = self.state.seen.get(entry.lane, 0)
                if entry.added > client.adopted and entry.shown < seen:
                    client.flows[name].sent = NEVER
                    self._late[entry.lane] = min(entry.shown, self._late.get(entry.lane, seen))
            self._adopt_portfolios(connection, client)
            if connection.watch is not None and connection.watch.added > client.adopted:
                self._unheard.add(connection.user)
            if connection.news_watch is not None and connection.news_watch.added > client.adopted:
                client.flows["news"].sent = NEVER  # it may now want what was not for it before
                self._is_news_unheard = True
            client.adopted = connection.version
        self._entries = [pair for connection in self.connections.values() for pair in connection.entries()]
        self._wanted: dict[int, dict[str, set[str]]] = {}
        for _, entry in self._entries:
            self._wanted.setdefault(entry.lane, {}).setdefault(entry.series, set()).add(entry.interval)
        self._priced: dict[int, set[str]] = {}
        portfolios = {(id_, show.portfolio.version): show.portfolio for _, id_, show in self._shows()}
        for lane, series in {each for portfolio in portfolios.values() for each in portfolio.series}:
            self._priced.setdefault(lane, set()).add(series)

    def _adopt_portfolios(self, connection: Connection, client: Client) -> None:
        flow = client.flows.get("portfolio")
        if flow is None:
            return
        flow.told = {id_: told for id_, told in flow.told.items() if id_ in connection.portfolios}
        for id_, show in connection.portfolios.items():
            if show.added <= client.adopted:
                continue
            shown, known = show.worth, flow.told.get(id_)
            # Where it was told something else, nobody knows in which order that and the snapshot came.
            is_sure = known is None or (known.value, known.cost_basis) == (shown.value, shown.cost_basis)
            time = max(shown.time, known.time if known else 0)
            flow.told[id_] = Told(shown.value if is_sure else None, shown.cost_basis, time, 0, NEVER)
            seen = self.state.seen
            self._behind |= {lane for lane, version in show.shown.items() if version > seen.get(lane, 0)}

    def _shows(self) -> Iterator[tuple[Connection, str, Show]]:
        for connection in self.connections.values():
            for id_, show in connection.portfolios.items():
                yield connection, id_, show

    def forget(self, connection: str) -> None:
        """Drops a connection that is gone."""
        self.changed = True
        self.connections.pop(connection, None)
        self.state.clients.pop(connection, None)

    def lanes(self, rung: Mapping[int, int]) -> set[int]:
        """The lanes to look at, given the versions that doorbells told."""
        new = {lane for lane, version in rung.items() if version > self.state.seen.get(lane, 0)}
        late = self._late.keys() | self._behind
        late |= {lane for lane, priced in self._priced.items() if not priced <= self.state.prices.keys()}
        return {lane for lane in self._wanted.keys() | self._priced.keys() if lane in new or lane in late}

    def minutes(self, lane: Lane, now: int) -> list[int]:
        """The minutes of the lane to look at for candles that changed."""
        if not any(entry.interval for _, entry in self._entries if entry.lane == lane.number):
            return []
        touched = lane.touched_since(self._since(lane.number))
        if touched is None:
            return list(range(floor(now - KEPT, MINUTE), floor(now, MINUTE) + MINUTE, MINUTE))
        return sorted(touched)

    def _since(self, lane: int) -> int:
        """The lane's version up to which its changes need no look: they were sent, or shown to all who want them."""
        shown = min(entry.shown for _, entry in self._entries if entry.lane == lane)
        return max(shown, self._late.get(lane, self.state.seen.get(lane, 0)))

    # --- what changed ---

    def absorb(self, lane: Lane, minutes: Iterable[Minute], rows: Rows) -> None:
        """Marks what changed in a lane.

        Args:
            lane: As it is now.
            minutes: Its minute items of `minutes`, read after it.
            rows: Reads candles of more than one minute.
        """
        self.changed = True
        minutes = list(minutes)
        for series in self._priced.get(lane.number, ()):
            self._absorb_price(lane, series)
        for series, intervals in self._wanted.get(lane.number, {}).items():
            state = lane.series.get(series)
            if state is None:
                continue
            if "" in intervals and state.time:
                price = state.price / 10**state.price_scale
                known = self.state.ticks.get(series)
                if known is None or (known.price, known.time) != (price, state.time):
                    self.state.ticks[series] = Tick(price, state.time, state.changed, self.state.beat)
            if spans := intervals - {""}:
                self._absorb_candles(lane, series, spans, minutes, rows)
        self.state.seen[lane.number] = max(lane.version, self.state.seen.get(lane.number, 0))

    def _absorb_price(self, lane: Lane, series: str) -> None:
        state, known = lane.series.get(series), self.state.prices.get(series)
        last = (state.price, state.price_scale, state.time) if state else (0, 0, 0)
        if known is None or (known.price, known.scale, known.time) != last:
            self.state.prices[series] = Price(*last, self.state.beat)

    def _absorb_candles(self, lane: Lane, series: str, intervals: set[str], minutes: list[Minute], rows: Rows) -> None:
        since = self._since(lane.number)
        changed = {minute.start: minute.rows[series] for minute in minutes if series in minute.rows}
        changed = {start: row for start, row in (lane.series[series].open | changed).items() if row.changed > since}
        end = closed_to(lane, series)
        before = max(self.state.closed_to.get(series, end), end - KEPT)
        self.state.closed_to[series] = end
        for interval in intervals:
            length = INTERVALS[interval]
            versions: dict[int, int] = {}
            for minute, row in changed.items():
                start = floor(minute, length)
                versions[start] = max(row.changed, versions.get(start, 0))
            if length == MINUTE:
                block = joined(*(row.block(minute) for minute, row in sorted(changed.items())))
            else:
                # A candle closes with time, too: when no trade came in its last minutes, none of its rows changes.
                for close in range(floor(before, length) + length, end + 1, length):
                    versions[close - length] = lane.version
                if not versions:
                    continue
                block = rows(Series.parse(series), length, min(versions), max(versions) + length)
            self._mark(series, interval, block, versions, end, self.state.seen.get(lane.number, 0))

    def _mark(self, series: str, interval: str, block: Block, versions: Mapping[int, int], end: int, seen: int) -> None:
        marks = self.state.candles.setdefault(series, {}).setdefault(interval, {})
        complete = {row.start: row.complete for row in block.rows()}
        for row in block.shown():
            start = row[0]
            if start not in versions:
                continue
            told = (row, start + INTERVALS[interval] <= end, complete[start])
            known = marks.get(start)
            if known is None or (known.row, known.closed, known.complete) != told:
                # What changed before the last look was sent to all but those who came since: beat 0 is theirs.
                beat = self.state.beat if versions[start] > seen else 0
                marks[start] = Candle(*told, versions[start], beat)

    # --- alerts, news and portfolios ---

    def unread(self, rung: Collection[str], now: int) -> dict[str, int]:
        """The users whose alerts to read, and from when on (Unix ms).

        Args:
            rung: Users of whom doorbells told that something has fired.
            now: Unix ms.
        """
        oldest: dict[str, int] = {}
        for connection, watch in self._watches():
            oldest[connection.user] = min(watch.oldest, oldest.get(connection.user, watch.oldest))
        named = {user for user in oldest if user in rung or user in self._unheard or user not in self.state.looked}
        users = named | self._unlooked(oldest.keys() - named, now)
        # Not from earlier on than the time before: what is older has been forgotten, and would count as new.
        return {
            user: self.state.looked[user] - SETTLED if user in self.state.looked else oldest[user] for user in users
        }

    def hear(self, user: str, fired: Iterable[tuple[str, int, bytes]], now: int) -> None:
        """Takes what was read of a user's alerts.

        Args:
            user: Whose they are.
            fired: Id, time (Unix ms) and what is told of each, oldest first.
            now: When they were read (Unix ms).
        """
        self.changed = True
        self.state.looked[user] = now
        known = self.state.alerts.setdefault(user, {})
        for id_, time, body in fired:
            if id_ in known:
                known[id_].body = body
            else:
                self.state.numbered += 1
                known[id_] = Alert(time, self.state.numbered, body)

    def unread_news(self, now: int, *, is_rung: bool) -> int | None:
        """From when on (Unix ms) to read the news; None: there is no need to.

        Args:
            now: Unix ms.
            is_rung: Whether a doorbell told of new articles.
        """
        looked = self.state.news_at
        is_due = is_rung or self._is_news_unheard or now - looked >= LOOKED_EVERY
        if not is_due or not any(self._news_watches()):
            return None
        return max(now, looked) - NEWS_REACH  # what is older has been forgotten, and would count as new

    def hear_news(self, articles: Iterable[Published], now: int) -> None:
        """Takes the news that were read.

        Args:
            articles: All of them from `unread_news` on, oldest first.
            now: When they were read (Unix ms).
        """
        self.changed = True
        state = self.state
        state.news_at = max(now, state.news_at)
        for id_, time, assets, body in articles:
            known = state.articles.get(mark(id_))
            if known is None:
                state.numbered += 1
                known = state.articles[mark(id_)] = Article(time, state.numbered)
            known.assets, known.body = assets, body
        self._reports = self._untold()
        for connection, watch in self._news_watches():
            flow = state.clients[connection.id].flows["news"]
            if next(self._owed_news(watch, flow), None) is None:
                flow.sent = state.numbered  # so that these are not looked through again

    def _untold(self) -> list[tuple[int, bytes, Article]]:
        found = [(article.number, name, article) for name, article in self.state.articles.items() if article.body]
        return sorted(found, key=lambda each: each[0])

    def _news_watches(self) -> Iterator[tuple[Connection, NewsWatch]]:
        for connection in self.connections.values():
            if connection.news_watch is not None and not connection.is_ended:
                yield connection, connection.news_watch

    def unchecked(self, now: int) -> dict[tuple[str, str], int]:
        """Portfolios of which to check whether these are their versions, by user and id."""
        versions: dict[str, tuple[tuple[str, str], int]] = {}
        for connection, id_, show in self._shows():
            name, version = _name(connection, id_), show.portfolio.version
            if name not in versions or version < versions[name][1]:
                versions[name] = (connection.user, id_), version
        looked = self.state.looked
        new = versions.keys() - looked.keys()  # they were read for their snapshots just now
        late = self._unlooked(versions.keys() - new, now)
        looked |= dict.fromkeys(new | late, now)
        self.changed |= bool(new or late)
        return dict(versions[name] for name in late)

    def _unlooked(self, names: Collection[str], now: int) -> set[str]:
        """Those not looked at for too long; the first of them, longest first."""
        looked = self.state.looked
        late = sorted((looked[name], name) for name in names if now - looked[name] >= LOOKED_EVERY)
        return {name for _, name in late[:LOOKED_AT_ONCE]}

    def _watches(self) -> Iterator[tuple[Connection, Watch]]:
        for connection in self.connections.values():
            if connection.watch is not None and not connection.is_ended:
                yield connection, connection.watch

    def _worth(self, id_: str, portfolio: LivePortfolio) -> Worth:
        key = id_, portfolio.version
        if key not in self._worths:
            self._worths[key] = worth(portfolio, self._price)
        return self._worths[key]

    def _last(self, series: str) -> Last | None:
        known = self.state.prices.get(series)
        return Last(known.price, known.scale, known.time) if known and known.time else None

    # --- what goes out ---

    def _owed(self, connection: Connection, channel: str, flow: Flow) -> Iterator[Key]:
        subscribed = connection.channels[channel]
        for entry in subscribed.entries.values():
            if not entry.interval:
                tick = self.state.ticks.get(entry.series)
                if tick is not None and tick.beat > flow.sent and tick.version > entry.shown:
                    yield Quoted(entry.series)
                continue
            marks = self.state.candles.get(entry.series, {}).get(entry.interval, {})
            for start in sorted(marks):
                if marks[start].beat > flow.sent and marks[start].version > entry.shown:
                    yield Quoted(entry.series, entry.interval, start)
        for id_, show in subscribed.portfolios.items():
            yield from self._owed_worth(id_, show.portfolio, flow)
        if subscribed.alerts is not None:
            yield from self._owed_alerts(connection.user, subscribed.alerts, flow)
        if subscribed.news is not None:
            owed = list(self._owed_news(subscribed.news, flow))
            # One frame of them: it is taken or not, and none of them comes twice.
            yield from owed[: frames.fitting(self._value(key) for key in owed)]

    def _owed_worth(self, id_: str, portfolio: LivePortfolio, flow: Flow) -> Iterator[Valued]:
        told = flow.told.get(id_)
        prices = (self.state.prices[series] for _, series in portfolio.series if series in self.state.prices)
        if told and told.version == portfolio.version and all(price.beat <= told.beat for price in prices):
            return
        found = self._worth(id_, portfolio)
        if told is None or (found.value, found.cost_basis) != (told.value, told.cost_basis):
            # Clients do not take what is older than what they know, and not all clocks are the same.
            time = max(found.time, told.time if told else 0)
            yield Valued(id_, portfolio.version, found._replace(time=time))
        else:
            told.version, told.beat = portfolio.version, self.state.beat

    def _owed_alerts(self, user: str, watch: Watch, flow: Flow) -> list[Alerted]:
        owed = [
            Alerted(user, id_, alert.number)
            for id_, alert in self.state.alerts.get(user, {}).items()
            if _is_owed(id_, alert, flow, watch)
        ]
        return owed[:ALERTS_A_FRAME]

    def _owed_news(self, watch: NewsWatch, flow: Flow) -> Iterator[Reported]:
        first = bisect_right(self._reports, flow.sent, key=lambda each: each[0])
        for number, name, article in self._reports[first:]:
            if watch.is_new(name, article.time, article.assets):
                yield Reported(name, number)

    def _flows(self) -> Iterator[tuple[Connection, Client, str, Flow, tuple[Key, ...]]]:
        """The flows that are owed something."""
        for connection in self.connections.values():
            if connection.is_ended:
                continue
            client = self.state.clients[connection.id]
            for channel, flow in client.flows.items():
                if owed := tuple(self._owed(connection, channel, flow)):
                    yield connection, client, channel, flow, owed

    def posts(self, now: int) -> list[Post]:
        """The frames to send now, at most one set a connection; a body that several are owed is made once."""
        bodies: dict[tuple[Key, ...], list[bytes]] = {}
        posts: dict[str, Post] = {}
        for connection, client, channel, flow, owed in self._flows():
            if now < flow.due:
                continue
            if owed not in bodies:
                bodies[owed] = frames.bodies(channel, map(self._value, owed), now)
            post = posts.setdefault(connection.id, Post(connection.id, [], {}))
            post.told[channel] = owed
            for body in bodies[owed]:
                post.frames.append((channel, frames.numbered(channel, client.seq + len(post.frames) + 1, body)))
        return list(posts.values())

    def _value(self, key: Key) -> bytes:
        if isinstance(key, Alerted):
            return self.state.alerts[key.user][key.id].body
        if isinstance(key, Reported):
            return self.state.articles[key.mark].body
        if isinstance(key, Valued):
            return frames.portfolio(key.id, key.worth)
        if not key.interval:
            tick = self.state.ticks[key.series]
            return frames.tick(key.series, tick.price, tick.time)
        candle = self.state.candles[key.series][key.interval][key.start]
        return frames.candle(key.series, key.interval, candle.row, closed=candle.closed, complete=candle.complete)

    def settle(self, post: Post, taken: int, now: int) -> None:
        """Notes how many of a post's frames were taken: what was not is owed still, later."""
        self.changed = True
        client, connection = self.state.clients[post.connection], self.connections[post.connection]
        client.seq += taken
        if taken:
            client.reached_at = now
        waiting = {channel for channel, _ in post.frames[taken:]}
        for channel, told in post.told.items():
            flow = client.flows[channel]
            if channel in waiting:
                flow.due = now + BACK_OFF
                continue
            flow.sent, flow.due = self.state.beat, now + connection.channels[channel].interval_ms
            for key in told:
                match key:
                    case Alerted(number=number) | Reported(number=number):
                        flow.sent = number
                    case Valued(id_, version, (value, cost_basis, time)):
                        flow.told[id_] = Told(value, cost_basis, time, version, self.state.beat)

    def next_due(self) -> int | None:
        """When (Unix ms) the first of those who are owed something may be sent to; None: nobody is owed anything."""
        return min((flow.due for _, _, _, flow, _ in self._flows()), default=None)

    def ending(self, now: int) -> list[tuple[Connection, str]]:
        """The connections to close, with the reason to tell them."""
        found = []
        for connection in self.connections.values():
            if connection.is_ended:
                found.append((connection, "session_ended"))
            elif now - connection.opened_at >= MAX_AGE:
                found.append((connection, "max_age"))
            elif now - max(connection.active_at, self.state.clients[connection.id].reached_at) >= IDLE_AFTER:
                found.append((connection, "idle"))
        return found

    def prune(self) -> None:
        """Drops the values that nobody is owed any more."""
        state = self.state
        owed = {key for *_, keys in self._flows() for key in keys}
        wanted = {series: intervals for lane in self._wanted.values() for series, intervals in lane.items()}
        state.ticks = {name: tick for name, tick in state.ticks.items() if "" in wanted.get(name, ())}
        state.closed_to = {name: time for name, time in state.closed_to.items() if wanted.get(name, set()) - {""}}
        kept: dict[str, dict[str, dict[int, Candle]]] = {}
        for key in owed:
            if isinstance(key, Quoted) and key.interval:
                marks = kept.setdefault(key.series, {}).setdefault(key.interval, {})
                marks[key.start] = state.candles[key.series][key.interval][key.start]
        state.candles = kept
        priced = set[str]().union(*self._priced.values())
        state.prices = {name: price for name, price in state.prices.items() if name in priced}
        self._prune_alerts()
        self._prune_news()

    def _prune_alerts(self) -> None:
        """Keeps what somebody is owed, and of the last that have fired that they are known."""
        state = self.state
        watches: dict[str, list[tuple[Flow, Watch]]] = {}
        for connection, watch in self._watches():
            flow = state.clients[connection.id].flows["alerts"]
            watches.setdefault(connection.user, []).append((flow, watch))
        state.alerts = {user: alerts for user, alerts in state.alerts.items() if user in watches}
        names = watches.keys() | {_name(connection, id_) for connection, id_, _ in self._shows()}
        state.looked = {name: time for name, time in state.looked.items() if name in names}
        for user, alerts in state.alerts.items():
            settled = state.looked[user] - SETTLED
            for id_, alert in list(alerts.items()):
                if any(_is_owed(id_, alert, flow, watch) for flow, watch in watches[user]):
                    continue
                if alert.time < settled:
                    del alerts[id_]
                else:
                    alert.body = b""

    def _prune_news(self) -> None:
        """Keeps what somebody is owed, and of the others that they are known."""
        state = self.state
        if not any(self._news_watches()):
            state.articles, state.news_at = {}, 0
        oldest = state.news_at - NEWS_REACH
        flows = ((watch, state.clients[connection.id].flows["news"]) for connection, watch in self._news_watches())
        owed = {key.mark for watch, flow in flows for key in self._owed_news(watch, flow)}
        state.articles = {
            name: article if name in owed else Article(article.time, article.number)
            for name, article in state.articles.items()
            if article.time >= oldest or name in owed
        }
        self._reports = self._untold()


def _is_owed(id_: str, alert: Alert, flow: Flow, watch: Watch) -> bool:
    return alert.number > flow.sent and watch.is_new(id_, alert.time)


def _name(connection: Connection, portfolio: str) -> str:
    return f"{connection.user}/{portfolio}"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def encode(state: State) -> bytes:
    """The state as bytes."""
    return zlib.compress(_encoder.encode(state), 6)


def decode(data: bytes) -> State:
    """The state that `encode` packed."""
    return _decoder.decode(zlib.decompress(data))

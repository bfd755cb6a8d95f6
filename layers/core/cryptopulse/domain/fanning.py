"""Who of a shard's connections is owed which values: the state machine behind fan_out.

The rules are those of docs/architecture.md, "Fan-out over invocations". In short: a beat is one look at the lanes;
every value is marked with the beat and the lane version that last changed it; a flow, one channel of one connection, is
owed what changed after the beat it was last sent and after the version its snapshot showed. Nothing counts as sent
before it was taken.

Flows that follow the same symbols and were sent at the same beat are looked at together. What was worked out of the
connections stays with the shard from beat to beat; what has to outlive the process is its `State`.

Of portfolios it is remembered what each client was told last: what they are worth now is owed where it differs. Alerts
that have fired, and articles, get numbers as they are read; a flow is owed those after the one it was sent last.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from math import ceil, inf
from random import uniform
from typing import Final, NamedTuple, overload
from weakref import WeakValueDictionary

from cryptopulse.domain import frames
from cryptopulse.domain.candles import INTERVALS, MINUTE, Block, floor, joined
from cryptopulse.domain.fan_state import (
    NEVER,
    Alert,
    Article,
    Candle,
    Client,
    Flow,
    Price,
    State,
    Tick,
    Told,
    digest,
)
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
    SLOWEST_MS,
    Connection,
    NewsWatch,
    Show,
    Watch,
    mark,
)

BACK_OFF: Final = 2_000
"""Milliseconds until a connection that did not take a frame is tried again, at most; doubled each time."""
LONGEST_BACK_OFF: Final = 60_000
MISSES: Final = 10
"""Posts in a row that a connection may leave untaken: some minutes, then it is closed."""
CANDLES: Final = 4_000
"""That may be owed from beat to beat. One takes 63 bytes of the state at most, 400 KB of which are an item's limit."""
UNREACHABLE: Final = "unreachable"
"""Why a connection ends that takes nothing: there is nobody to tell."""
PACED: Final = "ticks", "candles", "portfolio"
"""The channels that may have a frame at each interval: they share the callbacks."""
PACE_STEP: Final = 100
"""Milliseconds: paces are multiples of it, so that not each client who comes changes them."""
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


type Bodies = dict[tuple[str, tuple[bytes, ...]], list[bytes]]
"""By channel and values, what `frames.bodies` made of them."""


class Post(Sequence[bytes]):
    """Frames for one connection, in order, each made when it is asked for: bodies are shared with others'.

    Args:
        connection: Its id.
        seq: That of the frame before.
        bodies: Of the frames, each with its channel.
        told: What they tell, by channel.
        due: Since when (Unix ms) some of it might have been sent.
    """

    __slots__ = ("bodies", "connection", "due", "seq", "told")

    def __init__(
        self, connection: str, seq: int, bodies: list[tuple[str, bytes]], told: dict[str, tuple[Key, ...]], due: int
    ) -> None:
        self.connection = connection
        self.seq = seq
        self.bodies = bodies
        self.told = told
        self.due = due

    def __len__(self) -> int:
        return len(self.bodies)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        channel, body = self.bodies[index]
        return frames.numbered(channel, self.seq + 1 + index, body)


def _joined(post: Post, bodies: list[tuple[str, bytes]], told: dict[str, tuple[Key, ...]], reader: "_Reader") -> Post:
    """A post with what it tells of another channel, in the order in which its client has them."""
    order = list(reader.client.flows)
    bodies = sorted([*post.bodies, *bodies], key=lambda each: order.index(each[0]))
    return Post(post.connection, post.seq, bodies, post.told | told, min(post.due, reader.flow.due))


class _Interest:
    """What flows of one channel follow: the same series, in the same order."""

    def __init__(self, places: Iterable[tuple[str, str, int]]) -> None:
        self.places = [(Quoted(series, interval), lane) for series, interval, lane in places]
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        """By lane, the lowest and the highest version that was shown to those who follow it."""


class _Group:
    """Flows that follow the same and were sent at the same beat."""

    __slots__ = ("as_of", "interest", "lowest", "owed", "readers", "sent")

    def __init__(self, interest: _Interest, sent: int) -> None:
        self.interest = interest
        self.sent = sent
        self.readers: dict[str, _Reader] = {}
        """By connection."""
        self.owed: tuple[Key, ...] = ()
        self.lowest: dict[int, int] = {}
        """What changed after `sent`, and of that by lane the lowest version."""
        self.as_of = -1
        """Since how many changes of values that holds."""


class _Reader:
    """A flow, and whose it is."""

    __slots__ = ("channel", "client", "connection", "flow", "group", "shown", "subscribed")

    def __init__(self, connection: Connection, client: Client, channel: str) -> None:
        self.connection = connection
        self.client = client
        self.channel = channel
        self.subscribed = connection.channels[channel]
        self.flow = client.flows[channel]
        self.group: _Group | None = None
        """None: it is looked at alone."""
        self.shown: dict[int, int] = {}
        """By lane, the highest version that its snapshots showed."""
        for entry in self.subscribed.entries.values():
            if entry.shown > self.shown.get(entry.lane, -1):
                self.shown[entry.lane] = entry.shown


def pace(asked: Mapping[int, int], share: float) -> int:
    """The ms between frames at which as many callbacks as there are a second suffice; 0: what was asked for does.

    Args:
        asked: How many flows ask for each interval (ms).
        share: Callbacks a second.
    """
    flows = sum(asked.values())
    for interval, count in sorted(asked.items(), reverse=True):
        even = 1000 * flows / share
        if interval < even:
            return min(SLOWEST_MS, ceil(even / PACE_STEP) * PACE_STEP)
        flows, share = flows - count, share - 1000 * count / interval
    return 0


def closed_to(lane: Lane, series: str) -> int:
    """Up to where (Unix ms) the minutes of a series are closed: the venue told them, or its clock is past them."""
    state = lane.series.get(series)
    clock = lane.clocks.get(series.partition(":")[0], 0)
    return max(state.known_to if state else 0, floor(max(0, clock - GRACE), MINUTE))


class Shard:
    """The beats of one connection shard, of which the first has begun; works on `state` in place.

    Args:
        state: As it was after the last beat.
        connections: The shard's connections by id, as their items are now.
        share: How many callbacks a second it may make.
    """

    def __init__(self, state: State, connections: Mapping[str, Connection], share: float = inf) -> None:
        self.state = state
        self.connections: dict[str, Connection] = {}
        self.changed = False
        """Whether the state has, since it was kept."""
        self.pace = 0
        """The ms between frames at least."""
        self._share = share
        self._clients: dict[str, Client] = {}
        self._readers: dict[str, dict[str, _Reader]] = {}
        """By channel and connection."""
        self._interests = WeakValueDictionary[tuple[str, tuple[tuple[str, str, int], ...]], _Interest]()
        self._groups: dict[tuple[_Interest, int], _Group] = {}
        self._changes = 0
        """Of ticks and candles."""
        self._wanted: dict[int, dict[str, set[str]]] = {}
        """By lane and series, the intervals."""
        self._priced: dict[int, set[str]] = {}
        """By lane, the series that portfolios are priced by."""
        self._reports = self._untold()
        """The articles that somebody may be owed, in order of their numbers."""
        self._ends_at = 0
        """Before then (Unix ms) no connection has to end."""
        self._is_moved = True
        """Whether a connection has come, changed or gone."""
        self.begin(connections)
        for left in state.clients.keys() - set(map(digest, connections)):
            del state.clients[left]
            self.changed = True

    def begin(self, changed: Mapping[str, Connection | None]) -> None:
        """Begins the next beat.

        Args:
            changed: The connections that have, by id; None stands for one that is not there any more.
        """
        self._late: dict[int, int] = {}
        """Lanes looked at after the snapshot of an entry that is new here, and that snapshot's version."""
        self._behind: set[int] = set()
        """Lanes that a portfolio's snapshot knows better."""
        self._unheard: set[str] = set()
        """Users who have begun to watch their alerts."""
        self._is_news_unheard = False
        """Whether somebody has begun to watch the news."""
        self._worths: dict[tuple[str, int], Worth] = {}
        self._price = priced_by(self._last)
        self.state.beat += 1
        for id_, connection in changed.items():
            known = self.connections.get(id_)
            if connection is not None and (known is None or known.version != connection.version):
                self._take_in(connection)
            elif known is not None and connection is not None:
                known.active_at = connection.active_at
            elif known is not None:
                self.forget(id_)
        if self._is_moved:
            self._derive()

    # --- what the connections want ---

    def _derive(self) -> None:
        """Works out what all connections want together."""
        self._is_moved = False
        self._wanted = {}
        for interest in self._interests.values():
            for quoted, lane in interest.places:
                self._wanted.setdefault(lane, {}).setdefault(quoted.series, set()).add(quoted.interval)
        self._priced = {}
        portfolios = {(id_, show.portfolio.version): show.portfolio for _, id_, show in self._shows()}
        for lane, series in {each for portfolio in portfolios.values() for each in portfolio.series}:
            self._priced.setdefault(lane, set()).add(series)
        paced = (reader for channel in PACED for reader in self._of(channel))
        self.pace = pace(Counter(reader.subscribed.interval_ms for reader in paced), self._share)

    def _take_in(self, connection: Connection) -> None:
        self._leave(connection.id)
        self._ends_at, self._is_moved = 0, True
        self.connections[connection.id] = connection
        client = self.state.clients.setdefault(digest(connection.id), Client())
        self._clients[connection.id] = client
        if client.adopted != connection.version:
            self._renew(connection, client)
        for name, channel in connection.channels.items():
            reader = _Reader(connection, client, name)
            self._readers.setdefault(name, {})[connection.id] = reader
            if channel.entries:
                self._join(reader, self._interest(reader), reader.flow.sent)

    def _renew(self, connection: Connection, client: Client) -> None:
        """Takes what is new in a connection."""
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

    def _interest(self, reader: _Reader) -> _Interest:
        entries = reader.subscribed.entries.values()
        name = reader.channel, tuple((entry.series, entry.interval, entry.lane) for entry in entries)
        interest = self._interests.get(name)
        if interest is None:
            interest = self._interests[name] = _Interest(name[1])
        for lane, shown in reader.shown.items():
            interest.last[lane] = max(shown, interest.last.get(lane, shown))
        for entry in entries:
            if entry.shown < interest.first.get(entry.lane, entry.shown + 1):
                interest.first[entry.lane] = entry.shown
        return interest

    def _join(self, reader: _Reader, interest: _Interest, sent: int) -> None:
        """Puts a flow among those that were sent at the same beat."""
        if reader.group is not None:
            self._part(reader, reader.group)
        group = self._groups.get((interest, sent))
        if group is None:
            group = self._groups[interest, sent] = _Group(interest, sent)
        group.readers[reader.connection.id] = reader
        reader.group, reader.flow.sent = group, sent

    def _part(self, reader: _Reader, group: _Group) -> None:
        del group.readers[reader.connection.id]
        if not group.readers:
            del self._groups[group.interest, group.sent]

    def _leave(self, connection: str) -> None:
        for readers in self._readers.values():
            reader = readers.pop(connection, None)
            if reader is not None and reader.group is not None:
                self._part(reader, reader.group)

    def _of(self, channel: str) -> Iterable[_Reader]:
        """The flows of a channel."""
        return self._readers.get(channel, {}).values()

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
        for reader in self._of("portfolio"):
            for id_, show in reader.connection.portfolios.items():
                yield reader.connection, id_, show

    def forget(self, connection: str) -> None:
        """Drops a connection that is gone."""
        self.changed = self._is_moved = True
        self._leave(connection)
        self.connections.pop(connection, None)
        self._clients.pop(connection, None)
        self.state.clients.pop(digest(connection), None)

    def lanes(self, rung: Mapping[int, int]) -> set[int]:
        """The lanes to look at, given the versions that doorbells told."""
        new = {lane for lane, version in rung.items() if version > self.state.seen.get(lane, 0)}
        late = self._late.keys() | self._behind
        late |= {lane for lane, priced in self._priced.items() if not priced <= self.state.prices.keys()}
        return {lane for lane in self._wanted.keys() | self._priced.keys() if lane in new or lane in late}

    def minutes(self, lane: Lane, now: int) -> list[int]:
        """The minutes of the lane to look at for candles that changed."""
        if not any(intervals - {""} for intervals in self._wanted.get(lane.number, {}).values()):
            return []
        touched = lane.touched_since(self._since(lane.number))
        if touched is None:
            return list(range(floor(now - KEPT, MINUTE), floor(now, MINUTE) + MINUTE, MINUTE))
        return sorted(touched)

    def _since(self, lane: int) -> int:
        """The lane's version up to which its changes need no look: they were sent, or shown to all who want them."""
        shown = min(interest.first[lane] for interest in self._interests.values() if lane in interest.first)
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
                    self._changes += 1
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
                self._changes += 1

    # --- alerts, news and portfolios ---

    def unread(self, rung: Collection[str], now: int) -> dict[str, int]:
        """The users whose alerts to read, and from when on (Unix ms).

        Args:
            rung: Users of whom doorbells told that something has fired.
            now: Unix ms.
        """
        oldest: dict[str, int] = {}
        for reader, watch in self._watches():
            user = reader.connection.user
            oldest[user] = min(watch.oldest, oldest.get(user, watch.oldest))
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
        for reader, watch in self._news_watches():
            if next(self._owed_news(watch, reader.flow), None) is None:
                reader.flow.sent = state.numbered  # so that these are not looked through again

    def _untold(self) -> list[tuple[int, bytes, Article]]:
        found = [(article.number, name, article) for name, article in self.state.articles.items() if article.body]
        return sorted(found, key=lambda each: each[0])

    def _news_watches(self) -> Iterator[tuple[_Reader, NewsWatch]]:
        for reader in self._of("news"):
            if (watch := reader.connection.news_watch) is not None and not reader.connection.is_ended:
                yield reader, watch

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

    def _watches(self) -> Iterator[tuple[_Reader, Watch]]:
        for reader in self._of("alerts"):
            if (watch := reader.connection.watch) is not None and not reader.connection.is_ended:
                yield reader, watch

    def _worth(self, id_: str, portfolio: LivePortfolio) -> Worth:
        key = id_, portfolio.version
        if key not in self._worths:
            self._worths[key] = worth(portfolio, self._price)
        return self._worths[key]

    def _last(self, series: str) -> Last | None:
        known = self.state.prices.get(series)
        return Last(known.price, known.scale, known.time) if known and known.time else None

    # --- what goes out ---

    def _owing(self) -> Iterator[tuple[tuple[Key, ...], Collection[_Reader]]]:
        """What flows are owed, and which; also those that are owed nothing of what others of their group are."""
        for group in list(self._groups.values()):
            self._look(group)
            if not group.owed:
                continue
            last = group.interest.last
            if all(version > last[lane] for lane, version in group.lowest.items()):
                yield group.owed, group.readers.values()
                continue
            others: list[_Reader] = []
            shares: dict[tuple[Key, ...], list[_Reader]] = {}  # those who were shown some of it
            for reader in group.readers.values():
                if all(version > reader.shown[lane] for lane, version in group.lowest.items()):
                    others.append(reader)
                else:
                    shares.setdefault(tuple(self._owed_quoted(reader)), []).append(reader)
            if others:
                yield group.owed, others
            yield from shares.items()
        alone: dict[str, Callable[[_Reader], Iterable[Key]]] = {
            "portfolio": self._owed_portfolios,
            "alerts": self._owed_alerts,
            "news": self._owed_articles,
        }
        for channel, owed in alone.items():
            for reader in self._of(channel):
                if keys := tuple(owed(reader)):
                    yield keys, (reader,)

    def _look(self, group: _Group) -> None:
        """Works out what changed since the flows of a group were sent."""
        if group.as_of == self._changes:
            return
        owed: list[Key] = []
        lowest: dict[int, int] = {}
        for quoted, lane in group.interest.places:
            for key, value in self._values_of(quoted):
                if value.beat > group.sent:
                    owed.append(key)
                    if value.version < lowest.get(lane, value.version + 1):
                        lowest[lane] = value.version
        group.owed, group.lowest, group.as_of = tuple(owed), lowest, self._changes

    def _values_of(self, quoted: Quoted) -> Iterable[tuple[Quoted, Tick | Candle]]:
        """What there is of a series."""
        if not quoted.interval:
            tick = self.state.ticks.get(quoted.series)
            return ((quoted, tick),) if tick is not None else ()
        marks = self.state.candles.get(quoted.series, {}).get(quoted.interval, {})
        return [(Quoted(quoted.series, quoted.interval, start), marks[start]) for start in sorted(marks)]

    def _owed_quoted(self, reader: _Reader) -> Iterator[Quoted]:
        for entry in reader.subscribed.entries.values():
            for key, value in self._values_of(Quoted(entry.series, entry.interval)):
                if value.beat > reader.flow.sent and value.version > entry.shown:
                    yield key

    def _owed_portfolios(self, reader: _Reader) -> Iterator[Valued]:
        for id_, show in reader.connection.portfolios.items():
            yield from self._owed_worth(id_, show.portfolio, reader.flow)

    def _owed_articles(self, reader: _Reader) -> list[Reported]:
        watch = reader.connection.news_watch
        if watch is None or not self._reports or self._reports[-1][0] <= reader.flow.sent:
            return []
        owed = list(self._owed_news(watch, reader.flow))
        # One frame of them: it is taken or not, and none of them comes twice.
        return owed[: frames.fitting(self._value(key) for key in owed)]

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

    def _owed_alerts(self, reader: _Reader) -> Iterator[Alerted]:
        user, watch = reader.connection.user, reader.connection.watch
        owed = (
            Alerted(user, id_, alert.number)
            for id_, alert in self.state.alerts.get(user, {}).items()
            if watch is not None and _is_owed(id_, alert, reader.flow, watch)
        )
        return islice(owed, ALERTS_A_FRAME)

    def _owed_news(self, watch: NewsWatch, flow: Flow) -> Iterator[Reported]:
        first = bisect_right(self._reports, flow.sent, key=lambda each: each[0])
        for number, name, article in self._reports[first:]:
            if watch.is_new(name, article.time, article.assets):
                yield Reported(name, number)

    def posts(self, now: int, bodies: Bodies | None = None) -> list[Post]:
        """The frames to send now, at most one post a connection.

        Args:
            now: Unix ms.
            bodies: Those that other shards have made just now: what several are owed is made once.
        """
        bodies = {} if bodies is None else bodies
        values: dict[Key, bytes] = {}
        posts: dict[str, Post] = {}
        for owed, readers in self._owing():
            if not owed:
                for reader in list(readers):  # as if it had been sent: it need not be looked at alone again
                    self._sent(reader)
                continue
            ready = [each for each in readers if each.flow.due <= now and not each.connection.is_ended]
            if not ready:
                continue
            channel = ready[0].channel
            values |= {key: self._value(key) for key in owed if key not in values}
            made = channel, tuple(values[key] for key in owed)
            if made not in bodies:
                bodies[made] = frames.bodies(*made, now)
            own, told = [(channel, body) for body in bodies[made]], {channel: owed}
            for reader in ready:
                id_ = reader.connection.id
                if id_ not in posts:
                    posts[id_] = Post(id_, reader.client.seq, own, told, reader.flow.due)
                else:
                    posts[id_] = _joined(posts[id_], own, told, reader)
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
        client = self._clients[post.connection]
        client.seq += taken
        if taken:
            client.reached_at, client.misses = now, 0
        waiting = {channel for channel, _ in post.bodies[taken:]} if taken < len(post) else ()
        for channel, told in post.told.items():
            if channel not in waiting:
                reader = self._readers[channel][post.connection]
                self._sent(reader, told)
                interval = reader.subscribed.interval_ms
                reader.flow.due = now + (max(interval, self.pace) if channel in PACED else interval)
        if waiting:
            longest = min(LONGEST_BACK_OFF, BACK_OFF * 2 ** min(client.misses, 9))
            self.miss(post.connection)
            until = now + round(uniform(0, longest))
            for flow in client.flows.values():
                flow.due = max(flow.due, until)

    def miss(self, connection: str) -> None:
        """Notes that a connection did not take what was posted."""
        self.changed = True
        client = self._clients[connection]
        client.misses += 1
        if client.misses >= MISSES:
            self._ends_at = 0

    def _sent(self, reader: _Reader, told: Iterable[Key] = ()) -> None:
        """Notes what a flow was told."""
        if reader.group is not None:
            self._join(reader, reader.group.interest, self.state.beat)
            return
        flow = reader.flow
        flow.sent = self.state.beat
        for key in told:
            match key:
                case Alerted(number=number) | Reported(number=number):
                    flow.sent = number
                case Valued(id_, version, (value, cost_basis, time)):
                    flow.told[id_] = Told(value, cost_basis, time, version, self.state.beat)

    def next_due(self) -> int | None:
        """When (Unix ms) the first of those who are owed something may be sent to; None: nobody is owed anything.

        Nobody waits for who did not take the last post.
        """
        return min((each.flow.due for each in self._held_back() if not each.client.misses), default=None)

    def next_ring(self, now: int, step: int) -> int | None:
        """When (Unix ms) to be rung so that what is held back is sent; None: there is no need to ask for it.

        Args:
            now: Unix ms.
            step: Only at multiples of so many ms, so that there are not too many.
        """
        due = min((each.flow.due for each in self._held_back()), default=None)
        self.state.rings = [at for at in self.state.rings if at > now]
        if due is None:
            return None
        at = -(-max(due, now) // step) * step
        return None if at in self.state.rings else at

    def expect_ring(self, at: int) -> None:
        """Notes that the doorbell will be rung then (Unix ms)."""
        self.changed = True
        self.state.rings.append(at)

    def _held_back(self) -> Iterator[_Reader]:
        """The flows that are owed something and may be sent it some time."""
        readers = chain.from_iterable(readers for owed, readers in self._owing() if owed)
        return (each for each in readers if not each.connection.is_ended)

    def ending(self, now: int) -> list[tuple[Connection, str]]:
        """The connections to close, with the reason to tell them."""
        found: list[tuple[Connection, str]] = []
        if now < self._ends_at:
            return found
        first = now + IDLE_AFTER
        for connection, client in zip(self.connections.values(), self._clients.values(), strict=True):
            old = connection.opened_at + MAX_AGE
            idle = max(connection.active_at, client.reached_at) + IDLE_AFTER
            first = min(first, old, idle)
            if client.misses >= MISSES:
                found.append((connection, UNREACHABLE))
            elif connection.is_ended:
                found.append((connection, "session_ended"))
            elif now >= old:
                found.append((connection, "max_age"))
            elif now >= idle:
                found.append((connection, "idle"))
        self._ends_at = 0 if found else first
        return found

    def prune(self) -> None:
        """Drops the values that nobody is owed any more."""
        state = self.state
        owed = self._owed_candles() if state.candles else ()
        wanted = {series: intervals for lane in self._wanted.values() for series, intervals in lane.items()}
        state.ticks = {name: tick for name, tick in state.ticks.items() if "" in wanted.get(name, ())}
        state.closed_to = {name: time for name, time in state.closed_to.items() if wanted.get(name, set()) - {""}}
        kept: dict[str, dict[str, dict[int, Candle]]] = {}
        for key in owed:
            marks = kept.setdefault(key.series, {}).setdefault(key.interval, {})
            marks[key.start] = state.candles[key.series][key.interval][key.start]
        if state.candles:
            state.candles = kept
            self._changes += 1
        priced = set[str]().union(*self._priced.values())
        state.prices = {name: price for name, price in state.prices.items() if name in priced}
        self._prune_alerts()
        self._prune_news()

    def _owed_candles(self) -> set[Quoted]:
        """The candles that somebody is owed; where they are too many, who is owed the most loses them.

        The next `seq` jumps, so that he asks for everything again: by two, as he may have had the frame that he did not
        answer.
        """
        kept: set[Quoted] = set()
        for keys, readers in sorted(self._owing(), key=lambda each: len(each[0])):
            owed = {key for key in keys if isinstance(key, Quoted) and key.interval} - kept
            if len(kept) + len(owed) <= CANDLES:
                kept |= owed
                continue
            self.changed = True
            for reader in list(readers):
                reader.client.seq += 2
                self._sent(reader)
        return kept

    def _prune_alerts(self) -> None:
        """Keeps what somebody is owed, and of the last that have fired that they are known."""
        state = self.state
        watches: dict[str, list[tuple[Flow, Watch]]] = {}
        for reader, watch in self._watches():
            watches.setdefault(reader.connection.user, []).append((reader.flow, watch))
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
        owed = {key.mark for reader, watch in self._news_watches() for key in self._owed_news(watch, reader.flow)}
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

"""Who of a shard's connections is owed which values: the state machine behind fan_out.

The rules are those of docs/architecture.md, "Fan-out over invocations". In short: a beat is one look at the lanes;
every value is marked with the beat and the lane version that last changed it; a flow, one channel of one connection, is
owed what changed after the beat it was last sent and after the version its snapshot showed. Nothing counts as sent
before it was taken.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from cryptopulse.domain import frames
from cryptopulse.domain.candles import INTERVALS, MINUTE, Block, floor, joined
from cryptopulse.domain.folding import GRACE, KEPT
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import IDLE_AFTER, MAX_AGE, Connection

BACK_OFF: Final = 2_000
"""Milliseconds until a connection that did not take a frame is tried again."""
NEVER: Final = -1
"""The beat of a flow to which nothing was sent yet."""

type Rows = Callable[[Series, int, int, int], Block]
"""Reads the rows of a series at an interval (ms) with `start` <= row.start < `end`."""
type Key = tuple[str, str, int]
"""A value: its series, and a candle's interval and start."""


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


class Flow(msgspec.Struct, array_like=True):
    """One channel of one connection: the beat last sent, and when (Unix ms) it may be sent to again."""

    sent: int = NEVER
    due: int = 0


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


class Post(NamedTuple):
    """Frames for one connection, in order, each with its channel."""

    connection: str
    frames: list[tuple[str, bytes]]


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
            client.adopted = connection.version
        self._entries = [pair for connection in self.connections.values() for pair in connection.entries()]
        self._wanted: dict[int, dict[str, set[str]]] = {}
        for _, entry in self._entries:
            self._wanted.setdefault(entry.lane, {}).setdefault(entry.series, set()).add(entry.interval)

    def forget(self, connection: str) -> None:
        """Drops a connection that is gone."""
        self.changed = True
        self.connections.pop(connection, None)
        self.state.clients.pop(connection, None)

    def lanes(self, rung: Mapping[int, int]) -> set[int]:
        """The lanes to look at, given the versions that doorbells told."""
        new = {lane for lane, version in rung.items() if version > self.state.seen.get(lane, 0)}
        return {lane for lane in self._wanted if lane in new or lane in self._late}

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
        for series, intervals in self._wanted[lane.number].items():
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

    # --- what goes out ---

    def _owed(self, connection: Connection, channel: str, flow: Flow) -> Iterator[Key]:
        for entry in connection.channels[channel].entries.values():
            if not entry.interval:
                tick = self.state.ticks.get(entry.series)
                if tick is not None and tick.beat > flow.sent and tick.version > entry.shown:
                    yield entry.series, "", 0
                continue
            marks = self.state.candles.get(entry.series, {}).get(entry.interval, {})
            for start in sorted(marks):
                if marks[start].beat > flow.sent and marks[start].version > entry.shown:
                    yield entry.series, entry.interval, start

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
            post = posts.setdefault(connection.id, Post(connection.id, []))
            for body in bodies[owed]:
                post.frames.append((channel, frames.numbered(channel, client.seq + len(post.frames) + 1, body)))
        return list(posts.values())

    def _value(self, key: Key) -> bytes:
        series, interval, start = key
        if not interval:
            tick = self.state.ticks[series]
            return frames.tick(series, tick.price, tick.time)
        candle = self.state.candles[series][interval][start]
        return frames.candle(series, interval, candle.row, closed=candle.closed, complete=candle.complete)

    def settle(self, post: Post, taken: int, now: int) -> None:
        """Notes how many of a post's frames were taken: what was not is owed still, later."""
        self.changed = True
        client, connection = self.state.clients[post.connection], self.connections[post.connection]
        client.seq += taken
        if taken:
            client.reached_at = now
        waiting = {channel for channel, _ in post.frames[taken:]}
        for channel in {channel for channel, _ in post.frames}:
            flow = client.flows[channel]
            if channel in waiting:
                flow.due = now + BACK_OFF
            else:
                flow.sent, flow.due = self.state.beat, now + connection.channels[channel].interval_ms

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
        for series, interval, start in owed:
            if interval:
                marks = kept.setdefault(series, {}).setdefault(interval, {})
                marks[start] = state.candles[series][interval][start]
        state.candles = kept


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def encode(state: State) -> bytes:
    """The state as bytes."""
    return zlib.compress(_encoder.encode(state), 6)


def decode(data: bytes) -> State:
    """The state that `encode` packed."""
    return _decoder.decode(zlib.decompress(data))

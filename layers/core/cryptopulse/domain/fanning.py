"""Who of a shard's connections is owed which values: the state machine behind fan_out.

The rules are those of docs/architecture.md, "Fan-out over invocations". In short: a beat is one look at what changed;
every value is marked with the beat that last changed it; a flow, one channel of one connection, is owed what changed
after the beat it was last sent. Nothing counts as sent before it was taken. Each kind of value has its teller.

What was worked out of the connections stays with the shard from beat to beat; what has to outlive the process is its
`State`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import ceil, inf
from random import uniform
from typing import Any, Final, overload

from cryptopulse.domain import frames
from cryptopulse.domain.fan_alerts import Alerts
from cryptopulse.domain.fan_flows import Flows, Key, Owing, Reader, Teller
from cryptopulse.domain.fan_news import News
from cryptopulse.domain.fan_portfolios import Portfolios
from cryptopulse.domain.fan_quotes import Quotes, Rows
from cryptopulse.domain.fan_state import Client, Flow, State, digest
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.subscriptions import IDLE_AFTER, MAX_AGE, SLOWEST_MS, Connection

BACK_OFF: Final = 2_000
"""Milliseconds until a connection that did not take a frame is tried again, at most; doubled each time."""
LONGEST_BACK_OFF: Final = 60_000
MISSES: Final = 10
"""Posts in a row that a connection may leave untaken: some minutes, then it is closed."""
UNREACHABLE: Final = "unreachable"
"""Why a connection ends that takes nothing: there is nobody to tell."""
PACED: Final = "ticks", "candles", "portfolio"
"""The channels that may have a frame at each interval: they share the callbacks."""
PACE_STEP: Final = 100
"""Milliseconds: paces are multiples of it, so that not each client who comes changes them."""

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


def _joined(post: Post, bodies: list[tuple[str, bytes]], told: dict[str, tuple[Key, ...]], reader: Reader) -> Post:
    """A post with what it tells of another channel, in the order in which its client has them."""
    order = list(reader.client.flows)
    bodies = sorted([*post.bodies, *bodies], key=lambda each: order.index(each[0]))
    return Post(post.connection, post.seq, bodies, post.told | told, min(post.due, reader.flow.due))


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
        self.pace = 0
        """The ms between frames at least."""
        self._share = share
        self._clients: dict[str, Client] = {}
        self._flows = Flows(state)
        self._quotes = Quotes(self._flows)
        self.portfolios = Portfolios(self._flows)
        self.alerts = Alerts(self._flows)
        self.news = News(self._flows)
        self._tellers: dict[str, Teller[Any]] = {
            "ticks": self._quotes,
            "candles": self._quotes,
            "portfolio": self.portfolios,
            "alerts": self.alerts,
            "news": self.news,
        }
        """By channel."""
        self._each: list[Teller[Any]] = list(dict.fromkeys(self._tellers.values()))
        self._ends_at = 0
        """Before then (Unix ms) no connection has to end."""
        self._is_moved = True
        """Whether a connection has come, changed or gone."""
        self.begin(connections)
        for left in state.clients.keys() - set(map(digest, connections)):
            del state.clients[left]
            self.changed = True

    @property
    def changed(self) -> bool:
        """Whether the state has, since it was kept."""
        return self._flows.changed

    @changed.setter
    def changed(self, changed: bool) -> None:
        self._flows.changed = changed

    def begin(self, changed: Mapping[str, Connection | None]) -> None:
        """Begins the next beat.

        Args:
            changed: The connections that have, by id; None stands for one that is not there any more.
        """
        self.state.beat += 1
        for teller in self._each:
            teller.begin()
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

    # --- who is connected ---

    def _take_in(self, connection: Connection) -> None:
        self._leave(connection.id)
        self._ends_at, self._is_moved = 0, True
        self.connections[connection.id] = connection
        client = self.state.clients.setdefault(digest(connection.id), Client())
        self._clients[connection.id] = client
        if client.adopted != connection.version:
            self.changed = True
            client.flows = {name: client.flows.get(name) or Flow() for name in connection.channels}
            for teller in self._each:
                teller.adopt(connection, client)
            client.adopted = connection.version
        for name in connection.channels:
            reader = Reader(connection, client, name)
            self._flows.add(reader)
            self._quotes.enter(reader)

    def forget(self, connection: str) -> None:
        """Drops a connection that is gone."""
        self.changed = self._is_moved = True
        self._leave(connection)
        self.connections.pop(connection, None)
        self._clients.pop(connection, None)
        self.state.clients.pop(digest(connection), None)

    def _leave(self, connection: str) -> None:
        for reader in self._flows.drop(connection):
            self._quotes.leave(reader)

    def _derive(self) -> None:
        """Works out what all connections want together."""
        self._is_moved = False
        self._quotes.derive()
        self.portfolios.derive()
        paced = (reader for channel in PACED for reader in self._flows.of(channel))
        self.pace = pace(Counter(reader.subscribed.interval_ms for reader in paced), self._share)

    # --- what changed in the lanes ---

    def lanes(self, rung: Mapping[int, int]) -> set[int]:
        """The lanes to look at, given the versions that doorbells told."""
        new = {lane for lane, version in rung.items() if version > self.state.seen.get(lane, 0)}
        return self._quotes.lanes(new) | self.portfolios.lanes(new)

    def minutes(self, lane: Lane, now: int) -> list[int]:
        """The minutes of the lane to look at for candles that changed."""
        return self._quotes.minutes(lane, now)

    def absorb(self, lane: Lane, minutes: Iterable[Minute], rows: Rows) -> None:
        """Marks what changed in a lane.

        Args:
            lane: As it is now.
            minutes: Its minute items of `minutes`, read after it.
            rows: Reads candles of more than one minute.
        """
        self.changed = True
        self.portfolios.absorb(lane)
        self._quotes.absorb(lane, list(minutes), rows)
        self.state.seen[lane.number] = max(lane.version, self.state.seen.get(lane.number, 0))

    # --- what goes out ---

    def posts(self, now: int, bodies: Bodies | None = None) -> list[Post]:
        """The frames to send now, at most one post a connection.

        Args:
            now: Unix ms.
            bodies: Those that other shards have made just now: what several are owed is made once.
        """
        bodies = {} if bodies is None else bodies
        posts: dict[str, Post] = {}
        for teller in self._each:
            values: dict[Key, bytes] = {}
            for owed, readers in teller.owing():
                if not owed:
                    for reader in list(readers):  # as if it had been sent: it need not be looked at alone again
                        teller.sent(reader, ())
                    continue
                ready = [each for each in readers if each.flow.due <= now and not each.connection.is_ended]
                if not ready:
                    continue
                channel = ready[0].channel
                values |= {key: teller.value(key) for key in owed if key not in values}
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

    def settle(self, post: Post, taken: int, now: int, *, is_down: bool = False) -> None:
        """Notes how many of a post's frames were taken: what was not is owed still, later.

        Args:
            post: What was sent.
            taken: How many of its frames.
            now: Unix ms.
            is_down: Whether nobody took anything: that is no client's fault.
        """
        self.changed = True
        client = self._clients[post.connection]
        client.seq += taken
        if taken:
            client.reached_at, client.misses = now, 0
        waiting = {channel for channel, _ in post.bodies[taken:]} if taken < len(post) else ()
        for channel, told in post.told.items():
            if channel not in waiting:
                reader = self._flows.find(channel, post.connection)
                self._tellers[channel].sent(reader, told)
                interval = reader.subscribed.interval_ms
                reader.flow.due = now + (max(interval, self.pace) if channel in PACED else interval)
        if waiting:
            longest = min(LONGEST_BACK_OFF, BACK_OFF * 2 ** min(client.misses, 9))
            self.miss(post.connection, is_down=is_down)
            until = now + round(uniform(0, longest))
            for flow in client.flows.values():
                flow.due = max(flow.due, until)

    def miss(self, connection: str, *, is_down: bool = False) -> None:
        """Notes that a connection did not take what was posted; one is not ended because all are cut off."""
        self.changed = True
        client = self._clients[connection]
        if not is_down or client.misses < MISSES - 1:
            client.misses += 1
        if client.misses >= MISSES:
            self._ends_at = 0

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

    def _held_back(self) -> Iterator[Reader]:
        """The flows that are owed something and may be sent it some time."""
        owing: Owing = chain.from_iterable(teller.owing() for teller in self._each)
        return (each for owed, readers in owing if owed for each in readers if not each.connection.is_ended)

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
        for teller in self._each:
            teller.prune()
        names = self.alerts.users | self.portfolios.names
        self.state.looked = {name: time for name, time in self.state.looked.items() if name in names}

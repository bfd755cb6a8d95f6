"""The flows of a shard's connections, which of them are looked at together, and who tells them what they are owed.

A flow is one channel of one connection. Those that follow the same symbols and were sent at the same beat are a group.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol
from weakref import WeakValueDictionary

from cryptopulse.domain.fan_state import Client, State
from cryptopulse.domain.subscriptions import Connection

LOOKED_EVERY: Final = 60_000
"""Users' alerts and portfolios, and news, are looked at again after so many ms, should a notice have been lost."""
LOOKED_AT_ONCE: Final = 10
"""Of alerts and of portfolios, in one beat, without a notice."""

type Key = tuple[object, ...]
"""Names a value among those of its teller."""
type Owing = Iterator[tuple[tuple[Key, ...], Collection[Reader]]]
"""What flows of one channel are owed, and which flows."""


class Quoted(NamedTuple):
    """Names a price or a candle: its series, and the candle's interval and start."""

    series: str
    interval: str = ""
    start: int = 0


class Reader:
    """A flow, and whose it is."""

    __slots__ = ("channel", "client", "connection", "flow", "group", "shown", "subscribed")

    def __init__(self, connection: Connection, client: Client, channel: str) -> None:
        self.connection = connection
        self.client = client
        self.channel = channel
        self.subscribed = connection.channels[channel]
        self.flow = client.flows[channel]
        self.group: Group | None = None
        """None: it is looked at alone."""
        self.shown: dict[int, int] = {}
        """By lane, the highest version that its snapshots showed."""
        for entry in self.subscribed.entries.values():
            if entry.shown > self.shown.get(entry.lane, -1):
                self.shown[entry.lane] = entry.shown


class Flows:
    """The flows of a shard, and the state that is kept of them.

    Args:
        state: As it was after the last beat.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.changed = False
        """Whether the state has, since it was kept."""
        self._readers: dict[str, dict[str, Reader]] = {}
        """By channel and connection."""

    def of(self, channel: str) -> Iterable[Reader]:
        """Those of a channel."""
        return self._readers.get(channel, {}).values()

    def find(self, channel: str, connection: str) -> Reader:
        """A connection's."""
        return self._readers[channel][connection]

    def add(self, reader: Reader) -> None:
        """Takes a flow in."""
        self._readers.setdefault(reader.channel, {})[reader.connection.id] = reader

    def drop(self, connection: str) -> list[Reader]:
        """Drops those of a connection; tells which they were."""
        found = (readers.pop(connection, None) for readers in self._readers.values())
        return [reader for reader in found if reader is not None]

    def unlooked(self, names: Collection[str], now: int) -> set[str]:
        """Those not looked at for too long (Unix ms); the first of them, longest first."""
        looked = self.state.looked
        late = sorted((looked[name], name) for name in names if now - looked[name] >= LOOKED_EVERY)
        return {name for _, name in late[:LOOKED_AT_ONCE]}


class Teller[K: Key](Protocol):
    """Knows the values of one or two channels, and which of them their flows are owed."""

    def begin(self) -> None:
        """Begins a beat."""

    def adopt(self, connection: Connection, client: Client) -> None:
        """Takes what is new in a connection since the version that its client has adopted."""

    def owing(self) -> Iterator[tuple[tuple[K, ...], Collection[Reader]]]:
        """What flows are owed, and which; also those that are owed nothing of what others of their group are."""

    def value(self, key: K) -> bytes:
        """What is told of a value."""

    def sent(self, reader: Reader, told: Sequence[K]) -> None:
        """Notes what a flow was told."""

    def prune(self) -> None:
        """Drops the values that nobody is owed any more."""


class Interest:
    """What flows of one channel follow: the same series, in the same order."""

    def __init__(self, places: Iterable[tuple[str, str, int]]) -> None:
        self.places = [(Quoted(series, interval), lane) for series, interval, lane in places]
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        """By lane, the lowest and the highest version that was shown to those who follow it."""


class Group:
    """Flows that follow the same and were sent at the same beat."""

    __slots__ = ("as_of", "interest", "lowest", "owed", "readers", "sent")

    def __init__(self, interest: Interest, sent: int) -> None:
        self.interest = interest
        self.sent = sent
        self.readers: dict[str, Reader] = {}
        """By connection."""
        self.owed: tuple[Quoted, ...] = ()
        self.lowest: dict[int, int] = {}
        """What changed after `sent`, and of that by lane the lowest version."""
        self.as_of = -1
        """Since how many changes of values that holds."""


class Groups:
    """The groups of a shard's flows."""

    def __init__(self) -> None:
        self._interests = WeakValueDictionary[tuple[str, tuple[tuple[str, str, int], ...]], Interest]()
        self._groups: dict[tuple[Interest, int], Group] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(list(self._groups.values()))

    @property
    def interests(self) -> Iterable[Interest]:
        """All that is followed."""
        return self._interests.values()

    def enter(self, reader: Reader) -> None:
        """Takes a flow in."""
        self._join(reader, self._interest(reader), reader.flow.sent)

    def leave(self, reader: Reader) -> None:
        """Lets a flow go, if it is in a group."""
        if (group := reader.group) is not None:
            del group.readers[reader.connection.id]
            if not group.readers:
                del self._groups[group.interest, group.sent]

    def sent(self, reader: Reader, beat: int) -> None:
        """Puts a flow among those that were sent at a beat."""
        if reader.group is not None:
            self._join(reader, reader.group.interest, beat)

    def _join(self, reader: Reader, interest: Interest, sent: int) -> None:
        self.leave(reader)
        group = self._groups.get((interest, sent))
        if group is None:
            group = self._groups[interest, sent] = Group(interest, sent)
        group.readers[reader.connection.id] = reader
        reader.group, reader.flow.sent = group, sent

    def _interest(self, reader: Reader) -> Interest:
        entries = reader.subscribed.entries.values()
        name = reader.channel, tuple((entry.series, entry.interval, entry.lane) for entry in entries)
        interest = self._interests.get(name)
        if interest is None:
            interest = self._interests[name] = Interest(name[1])
        for lane, shown in reader.shown.items():
            interest.last[lane] = max(shown, interest.last.get(lane, shown))
        for entry in entries:
            if entry.shown < interest.first.get(entry.lane, entry.shown + 1):
                interest.first[entry.lane] = entry.shown
        return interest

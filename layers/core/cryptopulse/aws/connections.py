"""The Connections table: WebSocket clients, what they are subscribed to, and how far each shard's fan-out is.

| pk                  | sk          | holds                                                                           |
| ------------------- | ----------- | ------------------------------------------------------------------------------- |
| `SHARD#0`           | `HEAD`      | `version` of its connections, `clients`: may there be any, `owner` of its state |
|                     |             | `interval_ms`: between the frames of a channel, at least                        |
| `SHARD#0`           | `STATE`     | how far its fan-out is, packed                                                  |
| `SHARD#0`           | `NOTE#<n>`  | of one of the last versions of the head, the `connection` that changed          |
| `SHARD#0`           | `CONN#<id>` | a connection, whose it is, whether that has ended, and its subscriptions        |
| `USER#<id>`         | `PLACES`    | of each of a user's connections, by id: the session or API token that it came   |
|                     |             | by, and when it was opened                                                      |
| `ADDRESS#<network>` | `PLACES`    | the same of an address's anonymous connections                                  |

A connection's item is written before its shard's head: who sees the head's new version sees the item. Should a crash
come between the two, a fan-out that has not read the connections for a minute reads them anyway. Which of them changed
is noted after that: where the note is not there yet, or another has taken its place, all are read.

A connection takes its place before its own item is written, and frees it when that is removed. So who ends a session
and then looks for its connections finds each that did not look for the session afterwards. And as places are written on
their version, there are never more than are allowed, however many handshakes come at once. One that was not freed (a
crash, or API Gateway never said that the client left) is when it is too old, or when it is needed and the connection's
own item has gone: by a 410, by fan_out's good-bye to who is idle, or by TTL.
"""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple
from zlib import crc32

from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.domain import fan_state, subscriptions
from cryptopulse.domain.fan_state import State
from cryptopulse.domain.subscriptions import MAX_AGE, RECORDED_EVERY, Connection
from cryptopulse.errors import ConditionError

KEPT: Final = MAX_AGE + 15 * 60_000
"""Milliseconds after which a connection cannot exist any more: API Gateway ends it after 2 hours."""
TRIES: Final = 5
NOTES: Final = 64
"""Changes that a shard's notes tell of: the last. All of them are one read of 4 KB."""
TURNS: Final = 40
"""Of those who take or free a place at the same moment, one at a time succeeds."""
HANDSHAKE: Final = 30_000
"""Milliseconds after which a handshake is over, and its connection's item is there."""


class Head(NamedTuple):
    """A shard's head item: version of its connections, whether there may be any, and whose its state is.

    Where more clients share the callbacks than there are for what they ask, `interval_ms` is what they get.
    """

    version: int = 0
    clients: bool = False
    owner: str = ""
    interval_ms: int = 0


class Place(NamedTuple):
    """What is kept of a connection where its user's, or its address's, are counted."""

    grant: str
    opened_at: int


class Connections:
    """Reads and writes the Connections table.

    Args:
        table: The table.
        shards: How many shards the connections are spread over.
    """

    def __init__(self, table: Table, shards: int) -> None:
        self.shards = shards
        self._table = table

    def shard_of(self, connection: str) -> int:
        """The shard, 0 to `shards` - 1, that a connection belongs to."""
        return crc32(connection.encode()) % self.shards

    # --- one connection ---

    def find(self, id_: str, now: int) -> Connection | None:
        """The connection, read consistently; None where it is unknown or too old to exist."""
        item = self._table.get(self._pk(id_), f"CONN#{id_}", consistent=True)
        return _connection(item) if item and item["expires_at"] * 1000 > now else None

    def open(self, connection: Connection, limit: int = 0) -> bool:
        """Adds a connection if there is a place for it; one that is there already stays as it is.

        Args:
            connection: A new one.
            limit: How many its user may have, or its address of anonymous ones; 0: any number, and of an address
                nobody counts them.

        Returns:
            Whether there is a place.
        """
        if (connection.user or limit) and not self._enter(connection, limit):
            return False
        try:
            self._save(connection)
        except ConditionError:  # perhaps we wrote it ourselves, and the answer was lost
            self._announce(connection.id)
        return True

    def change(
        self, connection: Connection, change: Callable[[Connection], None], now: int, *, is_heard: bool = True
    ) -> bool:
        """Applies a change to the connection as it is stored.

        Args:
            connection: As it was read; read again where somebody was faster.
            change: Alters a connection in place; may be called more than once.
            now: Unix ms.
            is_heard: Whether it is its client's, and so a sign of life.

        Returns:
            Whether the connection is still there.
        """
        current: Connection | None = connection
        for _ in range(TRIES):
            if current is None:
                return False
            change(current)
            if is_heard:
                current.active_at = now
            try:
                (self._save if is_heard else self._subscribe)(current)
            except ConditionError:
                current = self.find(connection.id, now)
            else:
                return True
        raise ConditionError("ConditionalCheckFailedException", f"{connection.id} changes too fast")

    def heard(self, connection: Connection, now: int) -> None:
        """Notes a sign of life, at most once a minute."""
        if now - connection.active_at < RECORDED_EVERY:
            return
        pk, sk = self._pk(connection.id), f"CONN#{connection.id}"
        try:
            self._table.update(pk, sk, set={"active_at": now}, condition="attribute_exists(pk)")
        except ConditionError:
            return  # it left meanwhile

    def remove(self, id_: str) -> None:
        """Removes a connection and its subscriptions, if they are there."""
        item = self._table.take(self._pk(id_), f"CONN#{id_}")
        self._announce(id_, is_gone=True)
        if item:
            self._leave(_owner(item.get("user", ""), item["address"]), id_)

    def _save(self, connection: Connection) -> None:
        self._table.put_version(
            {
                "pk": self._pk(connection.id),
                "sk": f"CONN#{connection.id}",
                "version": connection.version + 1,
                "address": connection.address,
                "user": connection.user,
                "grant": connection.grant,
                "ended": connection.is_ended,
                "opened_at": connection.opened_at,
                "active_at": connection.active_at,
                "data": subscriptions.encode(connection.channels),
                "expires_at": _expires_at(connection),
            },
            connection.version,
        )
        connection.version += 1
        self._announce(connection.id)

    def _subscribe(self, connection: Connection) -> None:
        """Writes subscriptions alone: a sign of life may come at the same moment."""
        self._table.update(
            self._pk(connection.id),
            f"CONN#{connection.id}",
            set={"version": connection.version + 1, "data": subscriptions.encode(connection.channels)},
            condition="#version = :previous",
            values={"previous": connection.version},
        )
        connection.version += 1
        self._announce(connection.id)

    # --- the places of a user or an address ---

    def _enter(self, connection: Connection, limit: int) -> bool:
        """Takes a place; False where all are taken."""
        owner, now = _owner(connection.user, connection.address), connection.active_at
        for _ in range(TURNS):
            version, places = self._places(owner, now)
            if connection.id in places:
                return True
            if limit and len(places) >= limit and len(places := self._still_there(places, now)) >= limit:
                return False
            places[connection.id] = Place(connection.grant, connection.opened_at)
            if self._place(owner, version, places, connection.opened_at):
                return True
        return False

    def _leave(self, owner: str, id_: str) -> None:
        """Frees a place; where others are always faster it is left to who needs it."""
        for _ in range(TURNS):
            version, places = self._places(owner, 0)
            freed = places.pop(id_, None)
            if freed is None or self._place(owner, version, places, freed.opened_at):
                return

    def _places(self, owner: str, now: int) -> tuple[int, dict[str, Place]]:
        """The version and the places of those connections that are not too old, read consistently."""
        for item in self._table.query(owner, "PLACES", "PLACES", consistent=True):
            places = {id_: Place(*place) for id_, place in item["places"].items()}
            return item["version"], {id_: each for id_, each in places.items() if each.opened_at + KEPT > now}
        return 0, {}

    def _place(self, owner: str, version: int, places: dict[str, Place], opened_at: int) -> bool:
        """Writes places, with one opened then (Unix ms), over the version read; False if somebody was faster."""
        newest = max([opened_at, *(place.opened_at for place in places.values())])
        item: Item = {"version": version + 1, "places": places, "expires_at": (newest + KEPT) // 1000}
        try:
            self._table.put_version({"pk": owner, "sk": "PLACES", **item}, version)
        except ConditionError:
            return False
        return True

    def _still_there(self, places: dict[str, Place], now: int) -> dict[str, Place]:
        """Those places whose connection is there, or about to be."""
        keys = {id_: (self._pk(id_), f"CONN#{id_}") for id_, each in places.items() if each.opened_at + HANDSHAKE < now}
        found = self._table.get_many(keys.values())
        return {id_: place for id_, place in places.items() if id_ not in keys or keys[id_] in found}

    # --- a user's connections ---

    def of(self, user: str, now: int) -> list[Connection]:
        """A user's connections that have not ended, read consistently."""
        found = [self.find(id_, now) for id_ in self._listed(user, now)]
        return [each for each in found if each is not None and each.user == user and not each.is_ended]

    def end(self, user: str, now: int, *, grant: str | None = None, but: Collection[str] = ()) -> set[int]:
        """Marks connections of a user as ended: all, those of one grant, or all but those of some.

        What they came by has to be ended before: one that is being opened meanwhile looks for it when it is open.
        May be repeated.

        Args:
            user: The user's id.
            now: Unix ms.
            grant: Only those that came by this session or API token.
            but: Only those that came by others than these.

        Returns:
            The shards to ring, whose fan-out says good-bye.
        """
        shards = set()
        for id_, place in self._listed(user, now).items():
            if grant in (None, place.grant) and place.grant not in but and self._end(id_, user):
                self._announce(id_)
                shards.add(self.shard_of(id_))
        return shards

    def shards_of(self, user: str, now: int) -> set[int]:
        """The shards that a user's connections belong to (Unix ms: now)."""
        return {self.shard_of(id_) for id_ in self._listed(user, now)}

    def wipe(self, user: str) -> int:
        """Removes all that names a user's connections, which have ended; returns how many items there were."""
        return self._table.delete_all(f"USER#{user}")

    def _listed(self, user: str, now: int) -> dict[str, Place]:
        """The places of a user's connections, read consistently."""
        return self._places(_owner(user, ""), now)[1]

    def _end(self, id_: str, user: str) -> bool:
        try:
            self._table.update(
                self._pk(id_),
                f"CONN#{id_}",
                set={"ended": True},
                add={"version": 1},  # so that nobody writes back what was before
                condition="#user = :user",
                values={"user": user},
            )
        except ConditionError:
            return False  # it has left, or is not there yet
        return True

    def _announce(self, id_: str, *, is_gone: bool = False) -> None:
        """Tells the shard's fan-out that a connection has changed."""
        pk = self._pk(id_)
        head = self._table.update(pk, "HEAD", set={} if is_gone else {"clients": True}, add={"version": 1})
        version = head["version"]
        self._table.update(pk, f"NOTE#{version % NOTES}", set={"version": version, "connection": id_})

    # --- a shard ---

    def heads(self) -> dict[int, Head]:
        """The heads of all shards that ever had a connection."""
        keys = {(f"SHARD#{shard}", "HEAD"): shard for shard in range(self.shards)}
        return {keys[key]: _head(item) for key, item in self._table.get_many(keys).items()}

    def head(self, shard: int) -> Head:
        """A shard's head, read consistently."""
        item = self._table.get(f"SHARD#{shard}", "HEAD", consistent=True)
        return _head(item) if item else Head()

    def own(self, shard: int, owner: str) -> None:
        """Makes a process the owner of the shard's state: any other that remembers it has to read it again."""
        self._table.update(f"SHARD#{shard}", "HEAD", set={"owner": owner}, add={"version": 0})

    def widen(self, shard: int, interval_ms: int) -> None:
        """Notes the ms between the frames of a channel, at least; 0: as asked for."""
        self._table.update(f"SHARD#{shard}", "HEAD", set={"interval_ms": interval_ms}, add={"version": 0})

    def rest(self, shard: int, version: int) -> None:
        """Notes that a shard has no connection, unless its head has moved on from `version`."""
        try:
            self._table.update(
                f"SHARD#{shard}",
                "HEAD",
                set={"clients": False},
                condition="#version = :seen",
                values={"seen": version},
            )
        except ConditionError:
            return  # somebody came

    def all(self, shard: int, now: int) -> dict[str, Connection]:
        """The shard's connections by id, read consistently."""
        items = self._table.query(f"SHARD#{shard}", "CONN#", "CONN#~", consistent=True)
        found = (_connection(item) for item in items if item["expires_at"] * 1000 > now)
        return {connection.id: connection for connection in found}

    def changed(self, shard: int, since: int, version: int, now: int) -> dict[str, Connection | None] | None:
        """The connections that changed from one version of the head to another by id, read consistently.

        None stands for one that is not there any more; None alone: that is not known, or not yet.
        """
        pk, versions = f"SHARD#{shard}", range(since + 1, version + 1)
        notes = self._table.query(pk, "NOTE#", "NOTE#~", consistent=True)
        told = {note["version"]: note["connection"] for note in notes if note["version"] in versions}
        if len(told) != version - since:
            return None
        return {id_: self.find(id_, now) for id_ in set(told.values())}

    def state(self, shard: int) -> State:
        """The shard's fan-out state, read consistently; a new one where there is none."""
        item = self._table.get(f"SHARD#{shard}", "STATE", consistent=True)
        return fan_state.decode(item["data"]) if item else State()

    def record(self, shard: int, state: State) -> None:
        """Writes the shard's fan-out state over the version it was read at; its version rises by one.

        Raises:
            ConditionError: Somebody else wrote first.
        """
        previous = state.version
        state.version += 1
        item: Item = {
            "pk": f"SHARD#{shard}",
            "sk": "STATE",
            "version": state.version,
            "data": fan_state.encode(state),
        }
        self._table.put_version(item, previous)

    def _pk(self, connection: str) -> str:
        return f"SHARD#{self.shard_of(connection)}"


def _owner(user: str, address: str) -> str:
    """The partition of the places that a connection takes one of."""
    return f"USER#{user}" if user else f"ADDRESS#{address}"


def _head(item: Item) -> Head:
    return Head(item["version"], item.get("clients", False), item.get("owner", ""), item.get("interval_ms", 0))


def _expires_at(connection: Connection) -> int:
    return (connection.opened_at + KEPT) // 1000


def _connection(item: Item) -> Connection:
    return Connection(
        item["sk"].removeprefix("CONN#"),
        item["address"],
        item["opened_at"],
        item["active_at"],
        item["version"],
        subscriptions.decode(item["data"]),
        item.get("user", ""),
        item.get("grant", ""),
        item.get("ended", False),
    )

"""The Connections table: WebSocket clients, what they are subscribed to, and how far each shard's fan-out is.

| pk          | sk          | holds                                                                           |
| ----------- | ----------- | ------------------------------------------------------------------------------- |
| `SHARD#0`   | `HEAD`      | `version` of its connections, `clients`: may there be any, `owner` of its state |
| `SHARD#0`   | `STATE`     | how far its fan-out is, packed                                                  |
| `SHARD#0`   | `CONN#<id>` | a connection, whose it is, whether that has ended, and its subscriptions        |
| `USER#<id>` | `CONN#<id>` | of a user's connection the `grant`: the session or API token that it came by    |

A connection's item is written before its shard's head: who sees the head's new version sees the item. Should a crash
come between the two, a fan-out that has not read the connections for a minute reads them anyway.

A user's item is written before the connection's own, and removed after it. So who ends a session and then looks for
its connections finds each that did not look for the session afterwards.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple
from zlib import crc32

from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.domain import fanning, subscriptions
from cryptopulse.domain.fanning import State
from cryptopulse.domain.subscriptions import MAX_AGE, RECORDED_EVERY, Connection
from cryptopulse.errors import ConditionError

KEPT: Final = MAX_AGE + 15 * 60_000
"""Milliseconds after which a connection cannot exist any more: API Gateway ends it after 2 hours."""
TRIES: Final = 5


class Head(NamedTuple):
    """A shard's head item: version of its connections, whether there may be any, and whose its state is."""

    version: int = 0
    clients: bool = False
    owner: str = ""


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

    def open(self, connection: Connection) -> None:
        """Adds a connection; one that is there already stays as it is."""
        if connection.user:
            self._table.put(
                {
                    "pk": f"USER#{connection.user}",
                    "sk": f"CONN#{connection.id}",
                    "grant": connection.grant,
                    "expires_at": _expires_at(connection),
                }
            )
        try:
            self._save(connection)
        except ConditionError:  # perhaps we wrote it ourselves, and the answer was lost
            self._announce(self.shard_of(connection.id))

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
        self._table.update(self._pk(id_), "HEAD", add={"version": 1})
        if item and item.get("user"):
            self._table.delete(f"USER#{item['user']}", f"CONN#{id_}")

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
        self._announce(self.shard_of(connection.id))

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
        self._announce(self.shard_of(connection.id))

    # --- a user's connections ---

    def of(self, user: str, now: int) -> list[Connection]:
        """A user's connections that have not ended, read consistently."""
        ids = [item["sk"].removeprefix("CONN#") for item in self._listed(user, now)]
        found = (self.find(id_, now) for id_ in ids)
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
        for item in self._listed(user, now):
            id_ = item["sk"].removeprefix("CONN#")
            if grant in (None, item["grant"]) and item["grant"] not in but and self._end(id_, user):
                shards.add(self.shard_of(id_))
        for shard in shards:
            self._announce(shard)
        return shards

    def shards_of(self, user: str, now: int) -> set[int]:
        """The shards that a user's connections belong to (Unix ms: now)."""
        return {self.shard_of(item["sk"].removeprefix("CONN#")) for item in self._listed(user, now)}

    def wipe(self, user: str) -> int:
        """Removes all that names a user's connections, which have ended; returns how many items there were."""
        return self._table.delete_all(f"USER#{user}")

    def _listed(self, user: str, now: int) -> Iterator[Item]:
        """What the user's list holds, read consistently."""
        items = self._table.query(f"USER#{user}", "CONN#", "CONN#~", consistent=True)
        return (item for item in items if item["expires_at"] * 1000 > now)

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

    def _announce(self, shard: int) -> None:
        """Tells the shard's fan-out that its connections have changed."""
        self._table.update(f"SHARD#{shard}", "HEAD", set={"clients": True}, add={"version": 1})

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

    def state(self, shard: int) -> State:
        """The shard's fan-out state, read consistently; a new one where there is none."""
        item = self._table.get(f"SHARD#{shard}", "STATE", consistent=True)
        return fanning.decode(item["data"]) if item else State()

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
            "data": fanning.encode(state),
        }
        self._table.put_version(item, previous)

    def _pk(self, connection: str) -> str:
        return f"SHARD#{self.shard_of(connection)}"


def _head(item: Item) -> Head:
    return Head(item["version"], item.get("clients", False), item.get("owner", ""))


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

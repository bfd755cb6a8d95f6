"""Doorbells: small records on the stream that tell fan_out what there is to look at.

Which lanes have moved on, whose alerts have fired, that there are news.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from cryptopulse.aws.connections import Connections
from cryptopulse.aws.stream import Stream, entry
from cryptopulse.errors import UnreadableError
from cryptopulse.telemetry import rung

PREFIX: Final = "fan#"
USERS: Final = "users"
"""The field that names users, beside those of lanes."""
NEWS: Final = "news"
"""The field that says how many articles are new."""

_decoder = msgspec.json.Decoder(dict[str, int | list[str]])


class Doorbell(NamedTuple):
    """What a doorbell tells a shard: lane versions by lane, users of whom alerts have fired, how many articles came."""

    shard: int
    versions: dict[int, int]
    users: frozenset[str] = frozenset()
    news: int = 0


class Doorbells:
    """Rings the connection shards that have clients."""

    def __init__(self, stream: Stream, connections: Connections) -> None:
        self._stream = stream
        self._connections = connections

    def ring(
        self,
        versions: Mapping[int, int],
        shards: Collection[int] | None = None,
        users: Collection[str] = (),
        news: int = 0,
    ) -> None:
        """Tells shards what there is to look at; if that is nothing too, so that who is owed something gets it.

        Args:
            versions: Lane versions by lane.
            shards: Which shards; all that have clients by default.
            users: The ids of users whose alerts have fired.
            news: How many articles have come.

        Raises:
            ThrottledError: The stream refused a doorbell again and again: the next one says all that this one said.
            ServiceError: It refused the call.
        """
        if shards is None:
            shards = [shard for shard, head in self._connections.heads().items() if head.clients]
        more = {USERS: sorted(users), NEWS: news}
        data = msgspec.json.encode({**versions, **{name: told for name, told in more.items() if told}})
        if shards:
            of = self._connections.shards
            sequences = self._stream.put([entry(f"{PREFIX}{shard}", shard, of, data) for shard in shards])
            rung.set((rung.get() or {}) | {shard: sequences[f"{PREFIX}{shard}"] for shard in shards})


def read(partition: str, data: bytes, shards: int) -> Doorbell:
    """What a doorbell tells, and the shard it is for.

    Raises:
        UnreadableError: It is none.
    """
    shard = partition.removeprefix(PREFIX)
    if not partition.startswith(PREFIX) or shard not in map(str, range(shards)):
        raise UnreadableError(f"no connection shard: {partition!r}")
    try:
        told = _decoder.decode(data)
        users, news = msgspec.convert(told.pop(USERS, []), list[str]), msgspec.convert(told.pop(NEWS, 0), int)
        versions = msgspec.convert(told, dict[int, int], strict=False)
        return Doorbell(int(shard), versions, frozenset(users), news)
    except msgspec.MsgspecError as error:
        raise UnreadableError(f"no doorbell: {error}") from error

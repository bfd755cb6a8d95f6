"""Doorbells: small records on the stream that tell fan_out which lanes have moved on."""

from collections.abc import Collection, Mapping

import msgspec

from cryptopulse.aws.connections import Connections
from cryptopulse.aws.stream import Stream, entry
from cryptopulse.errors import UnreadableError

PREFIX = "fan#"

_decoder = msgspec.json.Decoder(dict[int, int])


class Doorbells:
    """Rings the connection shards that have clients."""

    def __init__(self, stream: Stream, connections: Connections) -> None:
        self._stream = stream
        self._connections = connections

    def ring(self, versions: Mapping[int, int], shards: Collection[int] | None = None) -> None:
        """Tells shards the versions of lanes; without news too, so that who is owed something gets it.

        Args:
            versions: Lane versions by lane.
            shards: Which shards; all that have clients by default.

        Raises:
            ThrottledError: The stream refused a doorbell again and again: the next one says all that this one said.
            ServiceError: It refused the call.
        """
        if shards is None:
            shards = [shard for shard, head in self._connections.heads().items() if head.clients]
        data = msgspec.json.encode(versions)
        if shards:
            self._stream.put([entry(f"{PREFIX}{shard}", shard, self._connections.shards, data) for shard in shards])


def read(partition: str, data: bytes, shards: int) -> tuple[int, dict[int, int]]:
    """The shard a doorbell is for, and the lane versions it tells.

    Raises:
        UnreadableError: It is none.
    """
    shard = partition.removeprefix(PREFIX)
    if not partition.startswith(PREFIX) or shard not in map(str, range(shards)):
        raise UnreadableError(f"no connection shard: {partition!r}")
    try:
        return int(shard), _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise UnreadableError(f"no doorbell: {error}") from error

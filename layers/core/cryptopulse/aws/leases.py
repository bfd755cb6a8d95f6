"""The lease of the live streams: who holds them, and how they do.

| pk       | sk      | holds                                                                          |
| -------- | ------- | ------------------------------------------------------------------------------ |
| `STREAM` | `LEASE` | `generation`, one more for each holder; who it is, until when; its streams' states |

A holder may send until its own `held_to`, which it moves on only by a write on its generation; who takes over raises
the generation, so that the next renewal of the one before fails. Two believe that they hold it for one renewal at most
when it is handed over, and for the length of the lease when it was cut off.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.domain.streaming import StreamState

HELD: Final = 15_000
"""A lease lasts so long (ms) unless it is renewed."""
PK, SK = "STREAM", "LEASE"

_states = msgspec.msgpack.Decoder(dict[str, StreamState])


class Lease(msgspec.Struct, frozen=True):
    """Who holds the streams; times are Unix ms."""

    generation: int
    holder: str
    held_to: int
    """Until then, unless it is renewed."""
    ends_at: int
    """When the holder will end by itself."""
    states: dict[str, StreamState]
    """How each venue's stream does, as of the last renewal."""


class Leases:
    """Reads and writes the lease."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self) -> Lease | None:
        """The lease as it is, living or not; None if there never was one."""
        item = self._table.get(PK, SK, consistent=True)
        return _lease(item) if item else None

    def take(self, seen: Lease | None, holder: str, now: int, ends_at: int, states: Mapping[str, StreamState]) -> Lease:
        """Takes the lease over from whom it was seen with, whether that one still lives or not.

        Args:
            seen: The lease as read.
            holder: Who takes it: a name that nobody else has.
            now: Unix ms, before this call.
            ends_at: When the holder will end by itself, Unix ms.
            states: How its streams do.

        Raises:
            ConditionError: Another was faster.
        """
        generation = seen.generation + 1 if seen else 1
        lease = Lease(generation, holder, now + HELD, ends_at, dict(states))
        # The second half: our own write, whose answer was lost.
        condition = "#generation = :seen OR (#generation = :generation AND #holder = :holder)"
        return self._write(lease, condition if seen else f"attribute_not_exists(#generation) OR {condition}")

    def renew(self, lease: Lease, now: int, states: Mapping[str, StreamState]) -> Lease:
        """Holds the lease for another while, and tells how the streams do.

        Args:
            now: Unix ms, before this call.

        Raises:
            ConditionError: Another has it.
        """
        renewed = Lease(lease.generation, lease.holder, now + HELD, lease.ends_at, dict(states))
        return self._write(renewed, "#generation = :generation AND #holder = :holder")

    def release(self, lease: Lease) -> None:
        """Gives the lease back.

        Raises:
            ConditionError: Another has it.
        """
        released = msgspec.structs.replace(lease, held_to=0)
        self._write(released, "#generation = :generation AND #holder = :holder")

    def _write(self, lease: Lease, condition: str) -> Lease:
        attributes = msgspec.structs.asdict(lease) | {"states": msgspec.msgpack.encode(lease.states)}
        self._table.update(
            PK,
            SK,
            set=attributes,
            condition=condition,
            values={"seen": lease.generation - 1} if ":seen" in condition else None,
        )
        return lease


def _lease(item: Item) -> Lease:
    fields = {name: item[name] for name in ("generation", "holder", "held_to", "ends_at")}
    return Lease(**fields, states=_states.decode(item["states"]))

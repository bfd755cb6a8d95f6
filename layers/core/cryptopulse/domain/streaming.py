"""How a venue's live stream does, as whoever holds it tells."""

from typing import Final

from msgspec import Struct

from cryptopulse.domain.candles import HOUR

LATE: Final = 60_000
"""A stream of which nothing was told for so long (ms) is taken for dead: its venue is polled instead."""
REMEMBERED: Final = HOUR
MOST: Final = 100
"""Reconnects are remembered for so long (ms), and at most so many."""


class StreamState(Struct):
    """One venue's stream; times are Unix ms of our own clock, 0 is never."""

    told_at: int = 0
    """When market data last came."""
    reconnects: list[int] = []
    """When connections were lost, in the last hour, oldest first; the last hundred."""
    refused: list[str] = []
    """Symbols that the venue does not stream."""

    def is_alive(self, now: int) -> bool:
        """Whether the venue's prices come by the stream."""
        return now - self.told_at < LATE

    def reconnected(self, now: int) -> None:
        """Notes a connection lost."""
        self.reconnects = [*(at for at in self.reconnects if now - at < REMEMBERED), now][-MOST:]

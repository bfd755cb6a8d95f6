"""What every live feed offers: how its WebSocket is opened, and how the frames of a connection become ticks."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.venues import Product


class Unreadable(NamedTuple):
    """A frame that nobody could read, when it came (Unix ms), and what is wrong with it."""

    frame: bytes
    received: int
    reason: str


class Reader(Protocol):
    """Reads the frames of one connection into a gathering, in the order they come."""

    time: int
    """The newest time that the venue told on this connection, Unix ms; 0: none yet."""
    is_ending: bool
    """The venue has said that it will close the connection: another is to be opened at once."""
    unreadable: list[Unreadable]
    """Those to be kept for a look; whoever keeps them empties the list."""
    refused: set[str]
    """Symbols that the venue does not stream."""
    outbox: list[str]
    """Frames to be sent, oldest first; whoever sends them empties the list."""

    @property
    def is_live(self) -> bool:
        """Market data has come, not only acknowledgements."""
        ...

    @property
    def frames(self) -> Counter[str]:
        """Frames by what became of them: `used`, `ignored` or `unreadable`."""
        ...

    def read(self, frames: Sequence[str | bytes], received: int) -> None:
        """Takes frames that came up to `received`, Unix ms of our clock.

        Raises:
            FeedDownError: The venue refuses the connection as a whole.
        """
        ...


class LiveFeed(Protocol):
    """One venue's live market data."""

    name: str
    url: str
    silence: float
    """A socket that says nothing for so many seconds is dead."""
    lifetime: float
    """A connection is replaced after so many seconds, before the venue ends it."""
    most: int
    """Products of one connection, at most."""

    def address(self, products: Sequence[Product]) -> str:
        """The URL to connect to for these products."""
        ...

    def reader(self, products: Sequence[Product], gathering: Gathering) -> Reader:
        """A reader for a new connection; what is to be sent first is in its outbox."""
        ...

    def last_ids(self, products: Sequence[Product]) -> dict[str, int]:
        """The id of the newest trade by symbol, asked by REST where the stream does not tell it; else empty.

        Raises:
            FeedDownError: There is no answer.
        """
        ...

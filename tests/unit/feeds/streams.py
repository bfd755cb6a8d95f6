"""What readers tell, written down, and the frames that tests read."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.ticks import Quote

RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "exchange_frames"


class Told(Gathering):
    """A gathering that remembers all that it was told."""

    def __init__(self, venue: str) -> None:
        super().__init__(venue, 1)
        self.quotes: list[Quote] = []
        self.confirmed: list[tuple[str, int, int]] = []

    @property
    def trades(self) -> list[tuple[str, int, int, int, int, int, int]]:
        """Those that wait, symbol by symbol: symbol, scales, id, price, size, Unix ms."""
        return [(*kind, *trade) for kind, line in self._trades.items() for trade in line]

    def quote(self, quote: Quote) -> None:
        self.quotes.append(quote)
        super().quote(quote)

    def confirm(self, symbol: str, id_: int, time: int) -> None:
        self.confirmed.append((symbol, id_, time))
        super().confirm(symbol, id_, time)


class Frame(NamedTuple):
    """A frame's text, when it came (Unix ms), and what is in it."""

    text: str
    received: int
    content: dict[str, Any]


def of_our_own(name: str) -> list[str]:
    """The frames in the file beside this one: of recorded shape, with values of our own making."""
    return (Path(__file__).parent / f"{name}.jsonl").read_text().splitlines()


def recorded_frames(name: str) -> Iterator[Frame]:
    """What was received on the socket in a recording."""
    with gzip.open(RECORDINGS / f"{name}.jsonl.gz", "rt") as file:
        for line in file:
            entry = json.loads(line)
            if entry["t"] == "recv":
                yield Frame(entry["data"], int(entry["ts"] * 1000), json.loads(entry["data"]))

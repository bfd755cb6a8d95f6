"""How fast a venue is asked: every invocation takes its turns from one timeline that all of them share."""

import time
from collections.abc import Callable
from typing import Final

from cryptopulse.errors import FeedDownError

type Reserve = Callable[[str, int, int], int]
"""Takes `(venue, length, now)`, both in ms, out of the venue's timeline and returns where the piece starts."""

CHUNK: Final = 1000
"""Taken from the timeline at once, in ms: a call to the table for each second of calls to the venue."""
LATE: Final = 1000
"""Turns not used so long (ms) after their time have lapsed: used together later they would be a burst."""
PATIENCE: Final = 15_000
"""Longest wait for a turn, in ms."""


def unix_ms() -> int:
    """Our own clock."""
    return time.time_ns() // 1_000_000


class Budget:
    """The turns of one process at one venue.

    Args:
        venue: The venue's name.
        spacing: Milliseconds from one unit of cost to the next.
        reserve: The shared timeline.
        clock: Unix milliseconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        venue: str,
        spacing: int,
        reserve: Reserve,
        *,
        clock: Callable[[], int] = unix_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.spacing = spacing
        self._venue = venue
        self._reserve = reserve
        self._clock = clock
        self._sleep = sleep
        self._turn = 0
        self._left = 0

    def take(self, cost: int) -> None:
        """Waits until `cost` units may be spent.

        Raises:
            FeedDownError: That would take too long: the venue is to be left alone, or others have spent it all.
        """
        now = self._clock()
        if self._left < cost or now > self._turn + LATE:
            self._left = max(cost, CHUNK // self.spacing)
            self._turn = self._reserve(self._venue, self._left * self.spacing, now)
        wait = self._turn - now
        if wait > PATIENCE:
            self._left = 0
            raise FeedDownError(f"{self._venue}: no turn within {wait / 1000:.0f} s", kind="spent", until=self._turn)
        if wait > 0:
            self._sleep(wait / 1000)
        self._turn += cost * self.spacing
        self._left -= cost

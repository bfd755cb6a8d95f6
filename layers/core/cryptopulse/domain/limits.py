"""How many requests a minute a client may make of all processes together, who share one number: what is leased.

A process leases some requests at once and serves them without asking. Nothing is ever granted beyond the limit; what
is lost is what lies unused in a process when the limit is reached. So leases are long where there is much left, and
short at the end. The figures were found by simulation (tests/unit/domain/test_limits.py): with up to ten processes a
client at its limit gets 95 % of it at 0.1 leases a request, and one far below it takes one lease a process and minute.
"""

from collections import OrderedDict, deque
from typing import Final, NamedTuple

import msgspec

WINDOW: Final = 60_000
"""Length of a window (ms); windows are minutes of UTC."""
FIRST: Final = 10
"""Requests leased at once of a client that is not known to be busy."""
LEAST: Final = 4
"""Of one that is."""
EXPECTED: Final = 40
"""A lease for what is only expected is at most the limit by this: load moves from process to process."""
QUIET: Final = 4
"""A client that leased less than the limit by this in the window before gets all that is expected at once."""
SHARE: Final = 15
"""A lease is at most what is left to all by this."""
SHARE_OF_MOST: Final = 5
"""The same for a process that serves more than half of all."""
KEYS: Final = 10_000
"""Clients that a process remembers, those that came last."""


class Standing(NamedTuple):
    """Where a client stands in its window, as far as one process knows."""

    limit: int
    remaining: int
    reset: int
    """Seconds to the window's end, at least 1."""
    is_allowed: bool


class Window(msgspec.Struct):
    """One client's window, as one process sees it."""

    start: int
    """Unix ms."""
    expected: int = 0
    """Requests that came here in the window before."""
    before: int = 0
    """Leased by all in the window before, as far as known."""
    asked: int = 0
    """Requests that came here."""
    leased: int = 0
    """Leased by all when last heard of."""
    left: int = 0
    """Leased here, and not yet used."""

    def at(self, now: int) -> "Window":
        """The window of a time (Unix ms): this one, the next, or one of which nothing is known."""
        start = now - now % WINDOW
        if start == self.start:
            return self
        return Window(start, self.asked, self.leased) if start == self.start + WINDOW else Window(start)

    def is_short(self, limit: int, count: int = 1) -> bool:
        """Whether a request, or one that counts as so many, needs a lease."""
        return self.left < count and self.leased < limit

    def is_unsure(self, limit: int) -> bool:
        """Whether, before the first lease, it is worth asking what was leased in the window before.

        A process that saw little of a busy client cannot know; one that saw nobody else's leases need not ask.
        """
        return not self.leased and FIRST < self.before < limit // 2

    def size(self, limit: int, count: int = 1) -> int:
        """How much to lease: for what comes if all goes on as it did, within what is left to all; or what is needed."""
        return max(self._foreseen(limit), count - self.left)

    def _foreseen(self, limit: int) -> int:
        known, served = max(self.before, self.leased), self.asked
        if known < limit // QUIET and self.expected > served:
            return max(FIRST, self.expected - served + max(0, self.expected - FIRST) // 4)
        is_busy = known >= limit // 2
        wanted = max(served // 2, min((self.expected - served) // 2, limit // EXPECTED))
        share = SHARE_OF_MOST if 2 * served > self.leased else SHARE
        return max(LEAST if is_busy else FIRST, min(wanted, (limit - self.leased) // share))

    def grant(self, size: int, leased: int, limit: int) -> None:
        """Takes a lease; what lies beyond the limit is not ours.

        Args:
            size: What was leased.
            leased: By all, this lease included.
            limit: Requests a window.
        """
        self.left += max(0, min(size, limit - (leased - size)))
        self.leased = leased

    def take(self, limit: int, now: int, count: int = 1) -> Standing:
        """Serves a request, which counts as so many, or denies it."""
        self.asked += count
        is_allowed = self.left >= count
        self.left -= count * is_allowed
        return self.standing(limit, now, is_allowed=is_allowed)

    def standing(self, limit: int, now: int, *, is_allowed: bool) -> Standing:
        """Where the client stands at a time (Unix ms) of this window."""
        reset = -((now - self.start - WINDOW) // 1000)
        return Standing(limit, self.left + max(0, limit - self.leased), reset, is_allowed)


class SlidingWindow:
    """How much of something a client may do at once, as one process sees it.

    Args:
        most: So many times.
        within: In any so many ms.
    """

    def __init__(self, most: int, within: int) -> None:
        self._most = most
        self._within = within
        self._times: OrderedDict[str, deque[int]] = OrderedDict()

    def take(self, client: str, now: int) -> bool:
        """Whether a client may do it now (Unix ms); only then it counts."""
        times = self._times.setdefault(client, deque(maxlen=self._most))
        self._times.move_to_end(client)
        if len(self._times) > KEYS:
            self._times.popitem(last=False)
        if len(times) == self._most and now - times[0] < self._within:
            return False
        times.append(now)
        return True

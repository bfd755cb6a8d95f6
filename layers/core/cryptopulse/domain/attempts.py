"""How long to wait before another attempt at what is worth guessing: after some free ones, twice as long each time."""

from typing import Final, NamedTuple

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE


class Past(NamedTuple):
    """The attempts so far: how many, and when the last one was (Unix ms)."""

    made: int
    last: int


class Rule(NamedTuple):
    """How attempts are slowed down; all times in ms."""

    free: int
    """Attempts without a delay."""
    first: int
    """The delay of the next one, counted from the last; it doubles with each."""
    longest: int
    """No delay is longer."""
    kept: int
    """So long after the last attempt everything is forgotten; as many attempts as are free, evenly, as time passes."""

    def wait(self, past: Past, now: int) -> int:
        """Milliseconds from now (Unix ms) until the next attempt; 0 or less if it may be made."""
        made = self._remembered(past, now)
        if made < self.free:
            return 0
        doublings = min(made - self.free, self.longest.bit_length())
        return past.last + min(self.longest, self.first << doublings) - now

    def add(self, past: Past, now: int) -> Past:
        """The past with an attempt made now (Unix ms)."""
        forgotten = max(0, now - past.last) * self.free // self.kept
        return Past(max(0, self._remembered(past, now) - forgotten) + 1, max(past.last, now))

    def _remembered(self, past: Past, now: int) -> int:
        return past.made if now - past.last < self.kept else 0


SIGN_IN_PAIR: Final = Rule(5, SECOND, 15 * MINUTE, HOUR)
"""Sign-ins to one account from one address."""
SIGN_IN_ADDRESS: Final = Rule(100, SECOND, MINUTE, HOUR)
"""Sign-ins from one address, which many may share, to accounts whose users are not known there."""
SIGN_IN_ACCOUNT: Final = Rule(100, SECOND, MINUTE, HOUR)
"""Sign-ins to one account from everywhere. Beyond them nobody is refused, but each address is a stranger."""
SIGN_IN_STRANGER: Final = Rule(1, MINUTE, 15 * MINUTE, HOUR)
"""Sign-ins to an account that many try at, from one address: the first try is always free."""
SIGN_IN_KNOWN: Final = Rule(5, SECOND, MINUTE, HOUR)
"""Sign-ins to one account from an address where its user is signed in."""
SIGNED_IN: Final = Rule(200, SECOND, MINUTE, HOUR)
"""Sessions opened by one user."""
REGISTRATION: Final = Rule(200, SECOND, MINUTE, HOUR)
"""Registrations from one address."""
PASSWORD: Final = Rule(5, SECOND, 15 * MINUTE, HOUR)
"""A signed-in user's tries at the current password."""

"""What the readers of all venues' streams have in common."""

from collections import Counter
from typing import Final

import msgspec

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.ticks import FINEST, scaled
from cryptopulse.errors import UnreadableError
from cryptopulse.feeds.feed import LARGEST
from cryptopulse.feeds.live_feed import Unreadable

KEPT: Final = 20
"""Unreadable frames kept until somebody takes them; more are only counted."""
AHEAD: Final = MINUTE
"""What says to come from more than so many ms ahead cannot be right."""
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a frame may raise."""
ZEROS: Final = "00000000"


class Reading:
    """The part of a reader that is the same for all venues; see `live_feed.Reader`."""

    def __init__(self, gathering: Gathering) -> None:
        self.time = 0
        self.is_ending = False
        self.unreadable: list[Unreadable] = []
        self.refused: set[str] = set()
        self.outbox: list[str] = []
        self._gathering = gathering
        self._used = self._ignored = self._faulty = 0

    @property
    def is_live(self) -> bool:
        return self.time > 0

    @property
    def frames(self) -> Counter[str]:
        return Counter(used=self._used, ignored=self._ignored, unreadable=self._faulty)

    def _keep(self, frame: str | bytes, received: int, reason: object) -> None:
        """Puts a frame aside that cannot be read."""
        self._faulty += 1
        if len(self.unreadable) < KEPT:
            data = frame.encode() if isinstance(frame, str) else frame
            self.unreadable.append(Unreadable(data, received, str(reason)))


def exact(text: str) -> tuple[int, int]:
    """A price or size as its scale and an exact integer: with eight digits at least, so that most agree in scale.

    Raises:
        UnreadableError: It is none.
    """
    whole, _, fraction = text.partition(".")
    digits = whole + fraction + ZEROS[len(fraction) :]
    if len(fraction) <= len(ZEROS) and len(digits) < 30 and digits.isdecimal():
        scale, value = len(ZEROS), int(digits)
    else:
        scale, (value,) = scaled(text)
    if not 0 < value <= LARGEST or scale > FINEST:
        raise UnreadableError(f"no price or size: {text[:50]!r}")
    return scale, value

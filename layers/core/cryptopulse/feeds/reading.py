"""What the readers of all venues' streams have in common."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.ticks import FINEST, scaled
from cryptopulse.errors import UnreadableError
from cryptopulse.feeds.feed import FINEST_PRICE, FINEST_SIZE, LARGEST, rounded
from cryptopulse.feeds.live_feed import Unreadable

KEPT: Final = 20
"""Unreadable frames kept until somebody takes them; more are only counted."""
AHEAD: Final = MINUTE
"""What says to come from more than so many ms ahead cannot be right."""
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a frame may raise."""
DIGITS: Final = 8
"""After the point, of most prices and sizes."""
CHARACTERS: Final = 17
FLOATS: Final = 2**53
"""Of a number of so many characters, below so many of its last digit's units, a float loses nothing."""

_decode_integers = msgspec.json.Decoder(list[int], strict=False).decode


class Reading:
    """The part of a reader that is the same for all venues; see `live_feed.Reader`."""

    def __init__(self, gathering: Gathering) -> None:
        self.time = 0
        self.is_ending = False
        self.unreadable: list[Unreadable] = []
        self.refused: set[str] = set()
        self.outbox: list[str] = []
        self._gathering = gathering
        self._told = self._ignored = self._faulty = 0

    @property
    def is_live(self) -> bool:
        return self.time > 0

    @property
    def frames(self) -> Counter[str]:
        used = self._told - self._ignored - self._faulty
        return Counter(used=used, ignored=self._ignored, unreadable=self._faulty)

    def _keep(self, frame: str | bytes, received: int, reason: object) -> None:
        """Puts a frame aside that cannot be read."""
        self._faulty += 1
        if len(self.unreadable) < KEPT:
            data = frame.encode() if isinstance(frame, str) else frame
            self.unreadable.append(Unreadable(data, received, str(reason)))


def integers(texts: Sequence[str]) -> list[int]:
    """Prices or sizes as exact integers at eight digits after the point; 0 for each that may be none.

    All are read at once, as the JSON of integers: `1.5e8` is one, `1.000000005e8` is none.
    """
    if max(map(len, texts), default=0) <= CHARACTERS:
        try:
            values = _decode_integers(f"[{f'e{DIGITS},'.join(texts)}e{DIGITS}]")
        except (msgspec.MsgspecError, UnicodeEncodeError):
            values = []
        if values and len(values) == len(texts) and min(values) > 0 and max(values) < FLOATS:
            return values
    if len(texts) < 2:
        return [0] * len(texts)
    half = len(texts) // 2
    return integers(texts[:half]) + integers(texts[half:])


def exact_price(text: str) -> tuple[int, int]:
    """A price as its scale and an exact integer: with eight digits at least, so that most agree in scale.

    One finer than any can be is rounded.

    Raises:
        UnreadableError: It is none.
    """
    scale, (price,) = _exact(text, FINEST_PRICE)
    if not price:
        raise UnreadableError(f"no price: {text[:50]!r}")
    return scale, price


def exact_size(text: str) -> tuple[int, int]:
    """A size likewise; of one that is far too fine, 0 is left.

    Raises:
        UnreadableError: It is none.
    """
    scale, (size,) = _exact(text, FINEST_SIZE)
    return scale, size


def _exact(text: str, finest: int) -> tuple[int, list[int]]:
    whole, _, fraction = text.partition(".")
    digits = whole + fraction.ljust(DIGITS, "0")
    if len(fraction) <= DIGITS and len(digits) < 30 and digits.isdecimal():
        scale, value = DIGITS, int(digits)
    else:
        scale, (value,) = scaled(text)
    if not 0 < value <= LARGEST or scale > FINEST:
        raise UnreadableError(f"no price or size: {text[:50]!r}")
    return rounded(scale, [value], finest)

"""Rules: what armed alerts wait for, and those of them that the prices seen could meet."""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from itertools import takewhile
from typing import Final, Literal, NamedTuple

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.lots import EXACT
from cryptopulse.domain.series import Series
from cryptopulse.domain.sightings import Reached, Seen

type Side = Literal["fall", "move", "rise"]
"""What a rule waits for: a price that falls or rises to a level, or a move in a window of time."""

REREAD_AFTER: Final = 5 * MINUTE
"""Milliseconds after which rules are read again though their version did not move: a crash may have kept it."""

_BACK: Final = Decimal("0.005")
"""How far, as a fraction, a price goes back before a repeated alert is armed again."""
_MARGIN: Final = Decimal("0.02")
"""Rules are read as far around the prices seen, so that most prices need no reading."""


class Rule(NamedTuple):
    """What an armed alert waits for in the prices of its series seen from `since` (Unix ms) on.

    `level` is a price at most of 19 digits before and 18 after the point, of a `move` per cent. A rule that
    `is_rearming` waits for the price to go back: for that of a move, below (above) what would fire it.
    """

    series: Series
    side: Side
    level: Decimal
    window: int
    user: str
    alert: str
    since: int
    is_rearming: bool = False

    def met(self, seen: Seen, base: Decimal | None) -> Reached | None:
        """The price that meets it, if one was seen.

        Args:
            seen: What was seen of its series.
            base: Of a move: the price `window` before `seen.last`, if it is known.
        """
        if self.side == "move":
            last = seen.last
            return last if last and base and last.time >= self.since and self._moved(last.price, base) else None
        reached = seen.highest(self.since) if self.side == "rise" else seen.lowest(self.since)
        if reached is None:
            return None
        is_met = reached.price >= self.level if self.side == "rise" else reached.price <= self.level
        return reached if is_met else None

    def _moved(self, price: Decimal, base: Decimal) -> bool:
        """Whether the change from a base to a price is what the rule waits for."""
        is_up = self.level > 0
        with localcontext(EXACT):
            level, hundredfold = base * (100 + self.level), price * 100
            if self.is_rearming:
                level *= 1 - _BACK if is_up else 1 + _BACK
        return hundredfold >= level if is_up != self.is_rearming else hundredfold <= level


class Near:
    """The rules of a series around the prices seen, as of a version of its rules.

    Args:
        rules: Those that `bounds` asks for.
        seen: What was seen when they were read.
        version: Of the series' rules, before they were read.
        read_at: When they were read, Unix ms.
    """

    def __init__(self, rules: Iterable[Rule], seen: Seen, version: int, read_at: int) -> None:
        self._low, self._high = bounds(seen)
        self._version = version
        self._read_at = read_at
        sides: dict[Side, list[Rule]] = {"fall": [], "move": [], "rise": []}
        for rule in rules:
            sides[rule.side].append(rule)
        self._falls = sorted(sides["fall"], key=lambda rule: -rule.level)
        self._moves = sides["move"]
        self._rises = sorted(sides["rise"], key=lambda rule: rule.level)

    def tells_of(self, seen: Seen, version: int, now: int) -> bool:
        """Whether all rules that the prices seen could meet are among these.

        Args:
            seen: The prices.
            version: Of the series' rules, as it is now.
            now: Unix ms.
        """
        is_current = version == self._version and now - self._read_at < REREAD_AFTER
        return is_current and self._low <= seen.low and seen.high <= self._high

    def crossed(self, seen: Seen) -> list[Rule]:
        """The rules that the prices seen may meet, the nearest first."""
        return [
            *takewhile(lambda rule: rule.level >= seen.low, self._falls),
            *takewhile(lambda rule: rule.level <= seen.high, self._rises),
            *self._moves,
        ]


def bounds(seen: Seen) -> tuple[Decimal, Decimal]:
    """Falls to the first of these prices or above it, and rises to the second or below it, are to be known."""
    return EXACT.multiply(seen.low, 1 - _MARGIN), EXACT.multiply(seen.high, 1 + _MARGIN)

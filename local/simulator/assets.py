"""What every asset is worth, day by day, and how it moves within the day: seeded, and correlated between assets."""

import math
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np

from local.simulator.markets import ASSETS
from local.simulator.noise import Floats, Ints, normal, stream

GENESIS = 17_897
"""The first day there is, 2019-01-01, counted from 1970."""
DAYS = np.arange(GENESIS, GENESIS + 40 * 365)
"""All days there are."""


class Assets:
    """What every asset is worth: one market factor, and each asset's own walk around its usual value."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.values = lru_cache(maxsize=None)(self._values)

    @cached_property
    def stress(self) -> Floats:
        """How lively each day is: the factor on volatility, and on trading, that all assets share."""
        shocks = normal(stream(self.seed, "stress"), DAYS)
        regime = np.array(list(accumulate(shocks.tolist(), lambda level, shock: 0.94 * level + 0.15 * shock)))
        factor: Floats = np.clip(1 + regime, 0.35, 2.5)
        return factor

    def _values(self, asset: str) -> Floats:
        """USD value at the end of each day: a walk that slowly returns to the usual value."""
        shocks = self.moves(asset, "day", DAYS) * self.stress
        level = np.array(list(accumulate(shocks.tolist(), lambda level, shock: 0.997 * level + shock)))
        growth: Floats = 1 + level / 1024
        for _ in range(10):  # (1 + x/1024)^1024, near enough to e^x and the same on every platform
            growth = growth * growth
        value: Floats = ASSETS[asset].value * growth
        return value

    def moves(self, asset: str, unit: str, index: Ints) -> Floats:
        """Relative moves by unit number ("day", "hour", "minute"), as large as a whole ordinary day's."""
        character = ASSETS[asset]
        if not character.volatility:
            return np.zeros(index.shape)
        common, rest = character.correlation, math.sqrt(1 - character.correlation**2)
        market = common * normal(stream(self.seed, "market", unit), index) if common else 0
        moves: Floats = character.volatility * (market + rest * normal(stream(self.seed, asset, unit), index))
        return moves

"""Random numbers by position: any draw of a stream is computed from its index alone, so history needs no storing.

Only integer arithmetic and IEEE basic operations are used, here and in the modules above, so that the same seed gives
the same market on every platform and with every version of numpy.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


def stream(*parts: str | int) -> np.uint64:
    """The 64-bit key of the stream that these names select."""
    return np.uint64(int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest()))


def _bits(key: np.uint64, index: Ints) -> NDArray[np.uint64]:
    """SplitMix64 at the given positions."""
    state = index.astype(np.uint64) * _GOLDEN + key
    for shift, factor in _MIX:
        state = (state ^ (state >> shift)) * factor
    return state ^ (state >> np.uint64(31))


def uniform(key: np.uint64, index: Ints) -> Floats:
    """Draws from [0, 1), one for each position."""
    return (_bits(key, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(key: np.uint64, index: Ints) -> Floats:
    """Nearly normal draws (mean 0, deviation 1, within ±3.5), one for each position: the sum of four uniform ones."""
    lanes = _bits(key, index)[..., np.newaxis].view(np.uint16)
    total = lanes[..., 0].astype(np.int64) + lanes[..., 1] + lanes[..., 2] + lanes[..., 3]
    return (total - 2 * 0xFFFF) / 37_837.0

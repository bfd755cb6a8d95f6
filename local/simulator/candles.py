"""Candles as columns of integers, and the two ways between levels: one split into many, many folded into one."""

from typing import NamedTuple

import numpy as np

from local.simulator.noise import Floats, Ints


class Candles(NamedTuple):
    """Rows of one series: times in Unix milliseconds, prices in ticks, volume in lots; a row without trades is flat."""

    time: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    trades: Ints
    first_id: Ints

    def rows(self, chosen: slice) -> "Candles":
        """The rows of a slice."""
        return Candles(*(column[chosen] for column in self))


def apportion(total: Ints, weights: Floats) -> Ints:
    """Integer shares of each row's total in proportion to its weights; they add up to the total exactly."""
    reached = np.cumsum(weights, axis=1)
    edges = np.floor(total[:, np.newaxis] * (reached / reached[:, -1:])).astype(np.int64)
    return np.diff(edges, axis=1, prepend=0)


def split(parent: Candles, shape: Candles, elapsed: Floats, moves: Floats, up: Floats, down: Floats) -> Candles:
    """The candles inside each parent, which agree with it in open, high, low and close.

    Args:
        parent: m rows. A high or low beyond open and close needs a trade of its own between the first and the last.
        shape: m by k, with times, trades, volumes and ids already shared out; its prices are not read.
        elapsed: m by k, the part of the parent's time that has passed at the end of each child.
        moves: m by k, relative price moves; only their deviation from the parent's own move is used.
        up: m by k, relative reach of a child's high above its open and close.
        down: m by k, the same below.
    """
    count, row = shape.trades, np.arange(len(parent.open))
    first, last = (count > 0).argmax(axis=1), count.shape[1] - 1 - (count[:, ::-1] > 0).argmax(axis=1)
    start, top, bottom, end = (column[:, np.newaxis] for column in parent[1:5])
    walk = np.cumsum(moves, axis=1)
    path = start + (end - start) * elapsed + start * (walk - walk[:, -1:] * elapsed)
    path = _shrink(path, np.maximum(start, end), top - np.maximum(start, end))
    path = -_shrink(-path, -np.minimum(start, end), np.minimum(start, end) - bottom)
    close = np.clip(np.rint(path).astype(np.int64), bottom, top)
    open_ = np.concatenate((start, close[:, :-1]), axis=1) + (0.2 * start * (up - down)).astype(np.int64)
    open_ = np.clip(open_, bottom, top)

    single = count == 1
    close[row, last] = parent.close
    close[row, first] = np.where(single[row, first], parent.open, close[row, first])
    open_ = np.where(single, close, open_)
    open_[row, first] = parent.open

    room = count.copy()
    room[row, first] -= 1
    room[row, last] -= 1
    needs_high = parent.high > np.maximum(parent.open, parent.close)
    needs_low = parent.low < np.minimum(parent.open, parent.close)
    high_at = np.where(room > 0, path, -np.inf).argmax(axis=1)
    fits = room > 0
    fits[row, high_at] &= ~needs_high | (count[row, high_at] >= 4)
    low_at = np.where(fits, path, np.inf).argmin(axis=1)
    for at, needed, extreme in ((high_at, needs_high, parent.high), (low_at, needs_low, parent.low)):
        few = needed & (count[row, at] <= 2)
        opens, closes = few & (at != first), few & ((at == first) | (count[row, at] == 1))
        open_[row[opens], at[opens]] = extreme[opens]
        close[row[closes], at[closes]] = extreme[closes]

    wick = start * (count >= 4)
    high = np.minimum(np.maximum(open_, close) + (wick * up).astype(np.int64), top)
    low = np.maximum(np.minimum(open_, close) - (wick * down).astype(np.int64), bottom)
    high[row[needs_high], high_at[needs_high]] = parent.high[needs_high]
    low[row[needs_low], low_at[needs_low]] = parent.low[needs_low]
    return shape._replace(open=open_, high=high, low=low, close=close)


def _shrink(path: Floats, base: Ints, room: Ints) -> Floats:
    """Draw what rises above the base together, so that its peak stays within the room."""
    excess: Floats = np.maximum(path - base, 0)
    peak = np.maximum(excess.max(axis=1, keepdims=True), 1e-12)
    excess *= 1 - np.minimum(room / peak, 1)
    return path - excess


def fold(rows: Candles, size: int) -> Candles:
    """The candles of `size` milliseconds that these rows (ascending, at least one) add up to."""
    start = rows.time // size
    at = np.flatnonzero(np.diff(start, prepend=start[0] - 1))
    traded, order = rows.trades > 0, np.arange(len(start))
    first = np.minimum.reduceat(np.where(traded, order, len(order)), at)
    empty = first == len(order)
    first = np.where(empty, at, first)
    last = np.where(empty, at, np.maximum.reduceat(np.where(traded, order, -1), at))
    flat = rows.close[at]
    return Candles(
        time=start[at] * size,
        open=rows.open[first],
        high=np.where(empty, flat, np.maximum.reduceat(np.where(traded, rows.high, 0), at)),
        low=np.where(empty, flat, np.minimum.reduceat(np.where(traded, rows.low, np.iinfo(np.int64).max), at)),
        close=rows.close[last],
        volume=np.add.reduceat(rows.volume, at),
        trades=np.add.reduceat(rows.trades, at),
        first_id=rows.first_id[at],
    )


def joined(parts: list[Candles]) -> Candles:
    """Rows one after the other; no rows for no parts."""
    if not parts:
        return Candles(*(np.empty(0, dtype=np.int64) for _ in Candles._fields))
    return Candles(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

"""The last known values of a channel: what a client is shown before anything that changes."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final, Protocol

from cryptopulse.domain import frames
from cryptopulse.domain.candles import INTERVALS, Block, floor
from cryptopulse.domain.folding import closed_to
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import Entry

CLOSED_CANDLES: Final = 500
"""Closed candles of a symbol at most: the intervals just before the open one."""


class Rows(Protocol):
    """Reads the rows of a series at an interval (ms), as `Market.candles` does."""

    def __call__(self, lane: Lane, series: Series, interval: int, start: int, end: int, now: int) -> Block: ...


def snapshots(
    channel: str, entries: Iterable[Entry], lanes: Mapping[int, Lane], rows: Rows, now: int, since: int | None = None
) -> list[bytes]:
    """The frames that show the entries of a channel.

    Args:
        lanes: The entries' lanes, as read just now.
        rows: Reads candles.
        now: Unix ms.
        since: Closed candles from then on (Unix ms) are shown too; None: only open ones.
    """
    show = _ticks if channel == "ticks" else partial(_candles, rows=rows, now=now, since=since)
    return frames.snapshots(channel, [value for entry in entries for value in show(entry, lanes[entry.lane])])


def _ticks(entry: Entry, lane: Lane) -> Iterator[bytes]:
    state = lane.series.get(entry.series)
    if state is not None and state.time:
        yield frames.tick(entry.series, state.price / 10**state.price_scale, state.time)


def _candles(entry: Entry, lane: Lane, rows: Rows, now: int, since: int | None) -> Iterator[bytes]:
    length = INTERVALS[entry.interval]
    end = closed_to(lane, entry.series)
    start = open_from = floor(end or now, length)
    if since is not None:
        start = min(open_from, max(floor(since, length), open_from - CLOSED_CANDLES * length))
    block = rows(lane, Series.parse(entry.series), length, start, now + length, now)
    complete = {row.start: row.complete for row in block.rows()}
    for row in block.shown():
        closed = row[0] + length <= end
        yield frames.candle(entry.series, entry.interval, row, closed=closed, complete=complete[row[0]])

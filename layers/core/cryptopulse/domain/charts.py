"""A chart: which rows of a series a request shows, and whether there are more."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import compress
from typing import Final, NamedTuple

from cryptopulse.domain.candles import EMPTY, HOUR, MINUTE, STORED, Block, floor, joined

FIRST: Final = 1_230_940_800_000
"""The day of Bitcoin's first block, 2009-01-03: nothing is older."""
SETTLED: Final = 2 * HOUR
"""Rows older than this many ms, known without a gap, do not change any more."""
WIDER: Final = 4
"""Where a span has too few rows, the next one read is so many times as long."""

type Read = Callable[[int, int], Block]
"""Reads the rows of an interval with `start` <= row.start < `end`, both aligned to it."""


class Chart(NamedTuple):
    """The rows of one page, empty ones among them: those known between its first shown row and its end."""

    rows: Block
    has_more: bool
    """Whether there are rows beyond: older ones, or newer ones where the page was read forward."""

    @property
    def shown(self) -> Block:
        """The rows that clients see."""
        return _traded(self.rows)

    @property
    def incomplete(self) -> list[int]:
        """The starts of shown rows with a known gap."""
        shown = self.shown
        return [start for start, complete in zip(shown.starts, shown.columns[-1], strict=True) if not complete]

    def is_settled(self, interval: int, end: int, now: int) -> bool:
        """Whether the page up to `end` will not change: old, and every row known and complete."""
        starts = self.rows.starts
        if not starts or end > now - SETTLED:
            return False
        return len(starts) == (end - starts[0]) // interval and all(self.rows.columns[-1])


def last_rows(read: Read, interval: int, start: int, end: int, limit: int) -> Chart:
    """The last `limit` rows before `end`, none before `start`.

    Args:
        read: Reads rows.
        interval: In ms.
        start: Aligned, Unix ms.
        end: Aligned, Unix ms.
        limit: At least 1.
    """
    rows, at, span = EMPTY, end, (limit + 1) * interval
    while at > start and _count(rows) <= limit:
        until, at = at, max(start, _block_start(interval, at - span))
        rows = joined(read(at, until), rows)
        span *= WIDER
    starts = _traded(rows).starts
    has_more = len(starts) > limit
    return Chart(rows.between(starts[-limit], end) if has_more else rows, has_more)


def first_rows(read: Read, interval: int, start: int, end: int, limit: int) -> Chart:
    """The first `limit` rows from `start` on, none at or after `end`; arguments as for `last_rows`."""
    rows, at, span = EMPTY, start, (limit + 1) * interval
    while at < end and _count(rows) <= limit:
        since, at = at, min(end, _block_start(interval, at + span - 1, blocks=1))
        rows = joined(rows, read(since, at))
        span *= WIDER
    starts = _traded(rows).starts
    has_more = len(starts) > limit
    return Chart(rows.between(start, starts[limit]) if has_more else rows, has_more)


def ceiling(time: int, interval: int) -> int:
    """The first start of an interval that is not before `time`."""
    return time + -time % interval


def _traded(block: Block) -> Block:
    opens = block.columns[1]
    if 0 not in opens:
        return block
    return block._replace(columns=tuple(list(compress(column, opens)) for column in block.columns))


def _count(block: Block) -> int:
    opens = block.columns[1]
    return len(opens) - opens.count(0)


def _block_start(interval: int, time: int, blocks: int = 0) -> int:
    """The start of the stored block that holds `time`, or of so many after it: whole blocks are read, and decoded once."""
    step = max(stored for stored in STORED if interval % stored == 0)
    if step == MINUTE:
        return floor(time, HOUR) + blocks * HOUR
    moment = datetime.fromtimestamp(max(time, 0) / 1000, UTC)
    if step == HOUR:
        year, month = divmod(moment.year * 12 + moment.month - 1 + blocks, 12)
        return _midnight(year, month + 1)
    return _midnight(moment.year + blocks, 1)


def _midnight(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
